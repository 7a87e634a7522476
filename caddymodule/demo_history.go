package caddymodule

import (
	"context"
	"embed"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

//go:embed demo
var demoFiles embed.FS

// demoAttackers are addresses that attack others; the file says where they are
// from.
func demoAttackers() []netip.Addr {
	text, err := demoFiles.ReadFile("demo/attackers.txt")
	if err != nil {
		panic(err) // it is part of the program
	}
	var out []netip.Addr
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			out = append(out, netip.MustParseAddr(line))
		}
	}
	return out
}

// What attackers ask for, and with what.
var (
	demoProbes = []string{"/.env", "/wp-login.php", "/.git/config", "/login", "/", "/phpmyadmin/index.php", "/actuator/health", "/cgi-bin/luci", "/api/v1/users", "/owa/auth/logon.aspx"}
	demoTools  = []string{"curl/8.5.0", "python-requests/2.32.3", "Go-http-client/1.1", "Mozilla/5.0 zgrab/0.x", "masscan/1.3", ""}
)

// demoBrowser is what the people use.
const demoBrowser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// history makes up attempts of the last 30 days. Their node is "sample", and
// they have an account in the ledger of their own.
func (f *filling) history(ctx context.Context, end time.Time) error {
	h := &demoHistory{filling: f, end: end, chance: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // a sample needs no secret chance
	h.boot = gate.Ledger{Node: sample, Boot: gate.NewID(), Started: end.Add(-demoDays * 24 * time.Hour)}
	for day := range demoDays + 1 {
		h.day(h.boot.Started.Add(time.Duration(day) * 24 * time.Hour).Truncate(24 * time.Hour))
	}
	for i := range h.attempts {
		h.boot.Seen += h.attempts[i].Count
	}
	if err := f.store.OpenLedger(ctx, h.boot); err != nil {
		return err
	}
	for batch := range slices.Chunk(h.attempts, 500) {
		if err := f.store.PutAttempts(ctx, h.boot, batch); err != nil {
			return err
		}
	}
	_, err := f.store.CloseLedger(ctx, h.boot.Boot, h.boot.Seen)
	return err
}

// demoHistory is the history that is being made up.
type demoHistory struct {
	*filling
	end      time.Time
	chance   *rand.Rand
	boot     gate.Ledger
	attempts []gate.Attempt
}

// day makes up one day: people at work on workdays, attackers always.
func (h *demoHistory) day(midnight time.Time) {
	attackers := demoAttackers()
	for range 8 + h.chance.IntN(16) {
		host := []string{"acme", "acme", "globex"}[h.chance.IntN(3)]
		a := h.attempt(midnight, host, attackers[h.chance.IntN(len(attackers))])
		a.Stage, a.Outcome, a.Reason = gate.StageGate, gate.Blocked, gate.OutsideNetworks
		a.Path, a.UserAgent = pick(h.chance, demoProbes), pick(h.chance, demoTools)
		a.Count = 1 + int64(h.chance.IntN(40)*h.chance.IntN(2))
		a.LastTime = a.FirstTime.Add(time.Duration(a.Count-1) * 200 * time.Millisecond)
		h.add(a)
	}
	if wd := midnight.Weekday(); wd == time.Saturday || wd == time.Sunday {
		return
	}
	for _, p := range h.people {
		for range 1 + h.chance.IntN(3) {
			h.person(midnight.Add(7*time.Hour+time.Duration(h.chance.IntN(10*3600))*time.Second), p)
		}
	}
}

// person makes up somebody who signs in from work, mistypes the password now
// and then, and tries it from home, where nobody gets in.
func (h *demoHistory) person(at time.Time, p demoPerson) {
	if h.chance.IntN(14) == 0 {
		a := h.attempt(at, p.tenant, netip.MustParseAddr("2001:db8:77::1234"))
		a.Stage, a.Outcome, a.Reason, a.Method = gate.StageGate, gate.Blocked, gate.OutsideNetworks, "GET"
		h.add(a)
		return
	}
	if h.chance.IntN(10) == 0 {
		a := h.signIn(at.Add(-20*time.Second), p)
		a.Outcome, a.Reason = gate.Refused, gate.BadCredentials
		h.add(a)
	}
	h.add(h.signIn(at, p))
}

func (h *demoHistory) signIn(at time.Time, p demoPerson) gate.Attempt {
	office := fmt.Sprintf("203.0.113.%d", 10+h.chance.IntN(60))
	if p.tenant == "globex" {
		office = "198.51.100.7"
	} else if p.login == "mo.diaz" && at.After(h.end.Add(-branchDays*24*time.Hour)) {
		office = fmt.Sprintf("198.51.100.%d", 10+h.chance.IntN(31))
	}
	a := h.attempt(at, p.tenant, netip.MustParseAddr(office))
	a.Stage, a.Outcome, a.Reason = gate.StageSignIn, gate.Allowed, gate.ByNetwork
	a.Method, a.Path = "POST", "/_sallyport/login"
	a.Admin, a.Login = p.id, p.login
	return a
}

// attempt is what all attempts have in common, some time within the day that
// begins at from.
func (h *demoHistory) attempt(from time.Time, tenant string, address netip.Addr) gate.Attempt {
	at := from
	if from.Equal(from.Truncate(24 * time.Hour)) {
		at = from.Add(time.Duration(h.chance.IntN(24*3600*1000)) * time.Millisecond)
	}
	at = at.UTC().Truncate(time.Microsecond)
	return gate.Attempt{
		Reference: auth.NewReference(), Tenant: h.tenants[tenant].ID, Host: tenant + ".localhost",
		Address: address, Bits: address.BitLen(), Peer: address,
		Hops:   []gate.Hop{{Text: address.String(), Address: address.String(), Source: "peer", Chosen: true}},
		Method: "GET", Path: "/", UserAgent: demoBrowser, ListVersion: h.version(tenant, at),
		Count: 1, FirstTime: at, LastTime: at, Node: h.boot.Node, Boot: h.boot.Boot,
	}
}

// add takes an attempt that is past by now.
func (h *demoHistory) add(a gate.Attempt) {
	if a.LastTime.Before(h.end) {
		h.attempts = append(h.attempts, a)
	}
}

// version is that of a tenant's list at a moment.
func (h *demoHistory) version(tenant string, at time.Time) (version int64) {
	for _, v := range h.versions {
		if v.tenant == tenant && !at.Before(v.at) {
			version = v.version
		}
	}
	return version
}

func pick(chance *rand.Rand, list []string) string { return list[chance.IntN(len(list))] }
