package gate_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

const (
	inside    = "203.0.113.7"  // in the list of every test tenant
	outside   = "198.51.100.7" // in none
	operators = "192.0.2.7"    // in the operator's networks
)

var command = gate.Actor{Kind: gate.ActorCommand, Login: "test"}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a gate over a real store, with one tenant.
type world struct {
	testing.TB
	*gate.Gate
	clock  *clock
	dsn    string
	secret []byte
	door   *gate.Door
	acme   *gate.Tenant
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, "sqlite:"+filepath.Join(t.TempDir(), "gate.db"))
}

func newWorldOn(t testing.TB, dsn string) *world {
	t.Helper()
	w := &world{
		TB: t, clock: &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)},
		dsn: dsn, secret: make([]byte, 32),
	}
	w.Gate = w.node("n1")
	w.door = w.doorOf(w.Gate)
	w.acme = w.tenant("acme", gate.ModeEnforced, "acme.example")
	w.add("acme", gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true})
	return w
}

// node starts one more gate on the same store, as another process would.
func (w *world) node(name string) *gate.Gate {
	w.Helper()
	s, err := store.Open(w.Context(), w.dsn, store.Options{Secret: w.secret, Migrate: true, Now: w.clock.Now})
	if err != nil {
		w.Fatal(err)
	}
	g, err := gate.New(w.Context(), gate.Options{Store: s, Node: name, Now: w.clock.Now, Spool: filepath.Join(w.TempDir(), name)})
	if err != nil {
		w.Fatal(err)
	}
	if err := g.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { g.Stop(); s.Close() })
	return g
}

// putAttempts stores records past the gate, as another node would.
func (w *world) putAttempts(records []gate.Attempt) {
	w.Helper()
	s, err := store.Open(w.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		w.Fatal(err)
	}
	defer s.Close()
	if err := s.PutAttempts(w.Context(), gate.Ledger{Boot: "OTHER", Node: "n2", Started: w.clock.Now()}, records); err != nil {
		w.Fatal(err)
	}
}

// actor is somebody of acme, inside its list.
func (w *world) actor(role gate.Role) gate.Actor {
	return gate.Actor{Kind: gate.ActorAdmin, Tenant: w.acme.ID, Admin: "SOMEBODY", Login: "boss", Role: role, Address: netip.MustParseAddr(inside)}
}

func (w *world) doorOf(g *gate.Gate) *gate.Door {
	return &gate.Door{
		Gate: g, Source: &gate.Source{Header: "X-Forwarded-For"}, Site: gate.Site{Login: true, Console: true},
		Rules: gate.Rules{
			Lifetime: 12 * time.Hour, Idle: 30 * time.Minute, Bind: gate.BindNetwork,
			Throttle:     gate.Throttle{Attempts: 5, Within: 15 * time.Minute, Lock: 15 * time.Minute},
			SecondFactor: gate.SecondFactorOptional,
			Operator:     cidr.NewSet([]cidr.Range{cidr.MustParse("192.0.2.0/28")}),
		},
	}
}

func (w *world) tenant(slug string, mode gate.Mode, hosts ...string) *gate.Tenant {
	w.Helper()
	tenant, err := w.AddTenant(w.Context(), command, gate.Tenant{Slug: slug, Name: slug, Mode: mode, Hosts: hosts})
	if err != nil {
		w.Fatal(err)
	}
	return tenant
}

func (w *world) add(slug string, d gate.Draft) *gate.Edited {
	w.Helper()
	tenant, err := w.Tenant(w.Context(), slug)
	if err != nil {
		w.Fatal(err)
	}
	done, err := w.AddNetwork(w.Context(), command, tenant.ID, d, gate.EditOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return done
}

// person adds an admin who has set a password of its own.
func (w *world) person(login string, role gate.Role) *gate.Admin {
	w.Helper()
	a, first, err := w.AddAdmin(w.Context(), command, w.acme.ID, gate.NewAdmin{Login: login, Role: role})
	if err != nil {
		w.Fatal(err)
	}
	q := w.from(inside)
	p, err := w.login(q, login, first)
	if err != nil || p.Next != gate.NextNewPassword {
		w.Fatalf("first sign-in of %s: %+v, %v", login, p, err)
	}
	dec := w.door.Decide(q)
	if p, err = w.door.SetPassword(w.Context(), q, &dec, p.Step, first, password(login)); err != nil || p.Next != gate.NextDone {
		w.Fatalf("setting the password of %s: %+v, %v", login, p, err)
	}
	return a
}

func password(login string) string { return "a long phrase of " + login }

// from is a request to the tenant's site.
func (w *world) from(address string) *gate.Request {
	a := netip.MustParseAddr(address)
	return &gate.Request{Host: "acme.example", Address: gate.Address{Addr: a, Peer: a}, Method: "GET", Path: "/", UserAgent: "test"}
}

func (w *world) with(q *gate.Request, token string) *gate.Request {
	next := *q
	next.Token = token
	return &next
}

func (w *world) login(q *gate.Request, login, password string) (*gate.Progress, error) {
	w.clock.advance(time.Millisecond) // so that the newest record is the last one made
	dec := w.door.Decide(q)
	return w.door.Login(w.Context(), q, &dec, gate.LoginForm{Login: login, Password: password, ReturnTo: "/reports"})
}

// signIn returns a session token of somebody that person made.
func (w *world) signIn(address, login string) string {
	w.Helper()
	p, err := w.login(w.from(address), login, password(login))
	if err != nil || p.Next != gate.NextDone {
		w.Fatalf("signing in %s: %+v, %v", login, p, err)
	}
	return p.Session
}

// decided compares a decision.
func (w *world) decided(q *gate.Request, outcome gate.Outcome, reason gate.Reason) gate.Decision {
	w.Helper()
	dec := w.door.Decide(q)
	if dec.Outcome != outcome || dec.Reason != reason {
		w.Errorf("got %s %s, want %s %s", dec.Outcome, dec.Reason, outcome, reason)
	}
	return dec
}

// code returns the one-time code of a moment.
func code(w *world, secret string, at time.Time) string {
	w.Helper()
	text, err := totp.GenerateCode(secret, at)
	if err != nil {
		w.Fatal(err)
	}
	return text
}

// eventually waits until a condition holds, at most a second: the time within
// which every change is in force everywhere.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within a second: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
