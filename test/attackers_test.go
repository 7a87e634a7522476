package test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// foldedWithin is how long repeats of one refusal are one record.
const foldedWithin = 10 * time.Second

// company is a tenant with its list, as the oracle knows it.
type company struct {
	slug, file, mode string
	login            bool // its site asks for a sign-in; otherwise it has the network door only
	list             []netip.Prefix
}

func (c *company) host() string {
	if c.login {
		return c.slug + ".gate.test"
	}
	return c.slug + ".door.test"
}

// admits is the plain oracle: it looks at every range.
func (c *company) admits(a netip.Addr) bool {
	for _, p := range c.list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// verdict is what a visitor has to get, and what has to be recorded of it.
type verdict struct {
	status          int
	outcome, reason string // empty: nothing is recorded
}

// decide says what becomes of a visitor without a session. An address that is
// not valid could not be found out.
func (c *company) decide(a netip.Addr) verdict {
	outside := c.mode != "off" && !c.admits(a)
	switch {
	case !a.IsValid():
		return verdict{http.StatusForbidden, "blocked", "address_unknown"}
	case outside && c.mode == "enforced":
		return verdict{http.StatusForbidden, "blocked", "outside_networks"}
	case c.login:
		return verdict{http.StatusUnauthorized, "refused", "no_session"}
	case outside:
		return verdict{http.StatusOK, "would_block", "dry_run"}
	}
	return verdict{status: http.StatusOK}
}

// visit is one visitor at one company, some times in a row.
type visit struct {
	company *company
	header  string     // what the proxy says of the address
	address netip.Addr // what that means
	times   int
}

// attempt is a record, as commands and the API show it.
type attempt struct {
	Reference, Tenant, Address, Admin, Session string
	Stage, Outcome, Reason, Path, Node         string
	Count                                      int64
	First                                      time.Time `json:"first_time"`
	Last                                       time.Time `json:"last_time"`
}

// tally is what is known of one refusal and its repeats.
type tally struct {
	count      int64
	references []string
	took       time.Duration // from before the first to after the last
}

type tallyKey struct{ tenant, address, outcome, reason string }

func (a *attempt) key() tallyKey { return tallyKey{a.Tenant, a.Address, a.Outcome, a.Reason} }

// TestAttackers sends real attackers to companies whose lists are those of real
// companies, through the running gate, and compares every decision, every
// record and every count with a plain oracle.
func TestAttackers(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			behind := startConsole(t)
			g := startGateway(t, setup{store: engine.store(t), console: behind.address(), sites: hostSites + `
https://*.door.test {
	tls internal
	sallyport {
		login off
	}
	reverse_proxy CONSOLE
}`})
			companies := foundCompanies(t, g)
			visits := allVisits(t, companies)
			seen, passed := sendVisits(t, g, visits)
			if got := behind.asked.Load(); got != passed {
				t.Errorf("%d requests reached the console, want %d", got, passed)
			}
			compareRecords(t, g, companies, seen)
		})
	}
}

// foundCompanies adds the companies with their lists, by command as an operator
// does.
func foundCompanies(t *testing.T, g *gateway) []*company {
	companies := []*company{
		{slug: "aws", file: "aws", mode: "enforced", login: true},
		{slug: "github", file: "github", mode: "enforced", login: true},
		{slug: "google", file: "google", mode: "enforced"},
		{slug: "cloudflare", file: "cloudflare", mode: "enforced", login: true},
		{slug: "trial", file: "google", mode: "dry_run"},
		{slug: "open", file: "cloudflare", mode: "off"},
	}
	for _, c := range companies {
		path := "testdata/" + c.file + ".txt"
		for _, text := range lines(t, path) {
			c.list = append(c.list, netip.MustParsePrefix(text))
		}
		ranges, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g.do("tenant", "add", c.slug, "--host", c.host(), "--mode", c.mode)
		g.doWith(string(ranges), "network", "import", c.slug, "-", "--label", c.file, "--accept", "wide")
	}
	return companies
}

func lines(t *testing.T, path string) (out []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

// allVisits sends every attacker to a company in turn, to all of them if one of
// their lists has it, some of them several times; and visitors from the edges of
// the ranges, who are the ones a wrong comparison would get wrong.
func allVisits(t *testing.T, companies []*company) (visits []visit) {
	attackers := lines(t, "testdata/attackers.txt")
	if len(attackers) != 14217 {
		t.Fatalf("there are %d attackers, want 14217", len(attackers))
	}
	for i, text := range attackers {
		a := netip.MustParseAddr(text)
		listed := slices.ContainsFunc(companies, func(c *company) bool { return c.admits(a) })
		for j, c := range companies {
			if j != i%len(companies) && !listed {
				continue
			}
			v := visit{company: c, header: text, address: a, times: 1}
			if i%50 == 0 {
				v.times = 2 + i/50%7
			}
			if i%11 == 0 {
				v.header = "::ffff:" + text
			}
			visits = append(visits, v)
		}
	}
	for _, c := range companies {
		visits = append(visits, visit{company: c, header: "unknown", times: 3})
		for i := 0; i < len(c.list); i += 1 + len(c.list)/40 {
			p := c.list[i]
			for _, a := range []netip.Addr{p.Addr(), p.Addr().Prev(), last(p), last(p).Next()} {
				visits = append(visits, visit{company: c, header: a.String(), address: a, times: 1})
			}
		}
	}
	return visits
}

// last is the last address of a prefix, found bit by bit.
func last(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for bit := p.Bits(); bit < p.Addr().BitLen(); bit++ {
		raw[bit/8] |= 1 << (7 - bit%8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

// workers is how many visitors come at once, each over a connection that stays
// open.
const workers = 8

// sendVisits sends the visitors and compares every answer with the oracle. It
// returns what has to be on record, and how many requests passed.
func sendVisits(t *testing.T, g *gateway, visits []visit) (map[tallyKey]*tally, int64) {
	queue := make(chan visit, len(visits))
	for _, v := range visits {
		queue <- v
	}
	close(queue)
	var mu sync.Mutex
	seen, passed, wrong := map[tallyKey]*tally{}, int64(0), 0
	began := time.Now()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for v := range queue {
				want := v.company.decide(v.address)
				begin := time.Now()
				references, err := v.send(t, g, want)
				mu.Lock()
				if err != nil {
					if wrong++; wrong <= 20 {
						t.Errorf("%s at %s: %v", v.header, v.company.slug, err)
					}
				}
				if want.status == http.StatusOK {
					passed += int64(v.times)
				}
				if want.outcome != "" {
					seen[v.key(want)] = seen[v.key(want)].add(int64(v.times), references, time.Since(begin))
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if wrong > 20 {
		t.Errorf("and %d more", wrong-20)
	}
	t.Logf("%d visitors in %s", len(visits), time.Since(began).Round(time.Millisecond))
	return seen, passed
}

func (v *visit) key(want verdict) tallyKey {
	address := ""
	if v.address.IsValid() {
		address = v.address.String()
	}
	return tallyKey{v.company.slug, address, want.outcome, want.reason}
}

// add counts more of the same. Visits of one address by two ways, as an attacker
// and from an edge, may be far apart.
func (y *tally) add(times int64, references []string, took time.Duration) *tally {
	if y == nil {
		return &tally{times, references, took}
	}
	return &tally{y.count + times, append(y.references, references...), foldedWithin}
}

// send sends a visitor and compares the answers with the oracle's.
func (v *visit) send(t *testing.T, g *gateway, want verdict) (references []string, err error) {
	from := &visitor{t: t, net: g.net, host: v.company.host(), address: v.header, client: &http.Client{Transport: g.net.transport, Timeout: answerWithin}}
	for range v.times {
		a, sendErr := from.send(t.Context(), http.MethodGet, "/reports", nil)
		if sendErr != nil {
			return references, sendErr
		}
		reference := a.header.Get("X-Sallyport-Reference")
		if reference != "" {
			references = append(references, reference)
		}
		if want.status == http.StatusOK {
			if a.status != want.status || reference != "" {
				err = fmt.Errorf("got status %d with reference %q, want to pass: %s", a.status, reference, a.body)
			}
			continue
		}
		if wrong := a.refused(want.status, want.reason); wrong != nil {
			err = wrong
		} else if p, _ := a.problem(); p.Reference == "" || p.Reference != reference {
			err = fmt.Errorf("reference %q in the body, %q in the header", p.Reference, reference)
		}
	}
	return references, err
}

// compareRecords compares what is stored with what was sent: every attempt is
// there once, repeats are folded, and the ledger balances.
func compareRecords(t *testing.T, g *gateway, companies []*company, seen map[tallyKey]*tally) {
	waitStored(t, g)
	total, records, stopped := int64(0), int64(0), 0
	stored := map[tallyKey][]attempt{}
	for _, c := range companies {
		var list struct{ Items []attempt }
		g.read(&list, "attempts", "--tenant", c.slug, "--limit", "0")
		for _, a := range list.Items {
			stored[a.key()] = append(stored[a.key()], a)
			total, records = total+a.Count, records+1
			if a.Outcome != "would_block" {
				stopped++
			}
		}
	}
	wrong := 0
	for key := range maps.Keys(stored) {
		if seen[key] == nil && wrong < 20 {
			wrong++
			t.Errorf("%+v is on record and was never sent", key)
		}
	}
	for key, want := range seen {
		if err := compareTally(stored[key], want); err != nil && wrong < 20 {
			wrong++
			t.Errorf("%+v: %v", key, err)
		}
	}
	l := ledgerOf(t, g)
	if l.Seen != total || l.Stored != total || l.Lost != 0 || l.Waiting != 0 {
		t.Errorf("ledger: %+v, want %d seen and stored", l, total)
	}
	if got := g.log.blocked(); got != stopped {
		t.Errorf("%d lines on sallyport.blocked, want one for each of %d records", got, stopped)
	}
	t.Logf("%d attempts in %d records", total, records)
}

func compareTally(got []attempt, want *tally) error {
	var references []string
	count := int64(0)
	for _, a := range got {
		count += a.Count
		references = append(references, a.Reference)
		if took := a.Last.Sub(a.First); took < 0 || took >= foldedWithin {
			return fmt.Errorf("%s lasts %s", a.Reference, took)
		}
	}
	if count != want.count {
		return fmt.Errorf("count %d in %d records, want %d", count, len(got), want.count)
	}
	if want.took < foldedWithin && len(got) != 1 {
		return fmt.Errorf("%d records of %d repeats within %s, want one", len(got), count, want.took)
	}
	for _, r := range want.references {
		if !slices.Contains(references, r) {
			return fmt.Errorf("the answer had the reference %s, on record are %s", r, strings.Join(references, " "))
		}
	}
	return nil
}

// ledger is the account of one start of a node.
type ledger struct {
	Node                                 string
	Finished                             bool
	Seen, Stored, Deleted, Waiting, Lost int64
}

func (l *ledger) balance() error {
	if l.Seen != l.Stored+l.Deleted+l.Waiting+l.Lost {
		return fmt.Errorf("the ledger does not balance: %+v", *l)
	}
	return nil
}

// nodeStatus is the answer of GET /sallyport/status.
type nodeStatus struct {
	Node    string
	StoreUp bool  `json:"store_up"`
	Waiting int64 `json:"attempts_waiting"`
	Ledgers []ledger
}

// waitStored waits until the gateway has nothing to store any more: what it has
// answered is stored within a second.
func waitStored(t *testing.T, g *gateway) {
	t.Helper()
	eventually(t, restoredWithin, func() error {
		var s nodeStatus
		if err := g.askAdmin(t.Context(), "/sallyport/status", &s); err != nil {
			return err
		}
		if s.Waiting > 0 || !s.StoreUp {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

// ledgerOf returns the one account of a store that was used by one start.
func ledgerOf(t *testing.T, g *gateway) ledger {
	t.Helper()
	ledgers := ledgersOf(t, g)
	if len(ledgers) != 1 {
		t.Fatalf("%d accounts, want one: %+v", len(ledgers), ledgers)
	}
	return ledgers[0]
}

func ledgersOf(t *testing.T, g *gateway) []ledger {
	t.Helper()
	var s struct{ Ledgers []ledger }
	g.read(&s, "status")
	for i := range s.Ledgers {
		if err := s.Ledgers[i].balance(); err != nil {
			t.Error(err)
		}
	}
	return s.Ledgers
}
