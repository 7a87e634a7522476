package gate_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// rewound is a real store whose newest change can get another id, as after a
// failover to a copy that missed some changes and has made others since.
type rewound struct {
	gate.Store
	rewind atomic.Bool
	loads  atomic.Int32
}

func (s *rewound) ChangesFrom(ctx context.Context, pos int64, limit int) ([]gate.Change, error) {
	list, err := s.Store.ChangesFrom(ctx, pos, limit)
	if s.rewind.Load() && len(list) > 0 {
		list = slices.Clone(list)
		list[0].ID = "another"
	}
	return list, err
}

func (s *rewound) LoadPolicy(ctx context.Context) (*gate.Policy, error) {
	s.loads.Add(1)
	return s.Store.LoadPolicy(ctx)
}

func TestLostChangesAreNoticed(t *testing.T) {
	w := newWorld(t)
	inner, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	s := &rewound{Store: inner}
	second, err := gate.New(t.Context(), gate.Options{Store: s, Node: "n2", Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	time.Sleep(500 * time.Millisecond) // nothing must happen: at least one look at the store
	if n := s.loads.Load(); n != 1 {
		t.Fatalf("the policy was loaded %d times without a reason", n)
	}
	s.rewind.Store(true)
	eventually(t, "everything is read anew", func() bool { return s.loads.Load() > 1 })
}

func TestTenantsComeAndGo(t *testing.T) {
	w := newWorld(t)
	second := w.doorOf(w.node("n2"))
	decided := func(host string) gate.Reason {
		q := w.from(inside)
		q.Host = host
		dec := second.Decide(q)
		return dec.Reason
	}
	w.tenant("beta", gate.ModeOff, "beta.example", "b.example")
	eventually(t, "a new tenant", func() bool { return decided("beta.example") == gate.NoSession })
	if _, err := w.SetTenant(t.Context(), command, "beta", gate.TenantPatch{Hosts: []string{"b.example", "Neu.Example"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a host that moved away", func() bool { return decided("beta.example") == gate.UnknownSite })
	if decided("neu.example") != gate.NoSession || decided("b.example") != gate.NoSession {
		t.Error("the hosts it has now are unknown")
	}
	if _, err := w.AddTenant(t.Context(), command, gate.Tenant{Slug: "gamma", Hosts: []string{"b.example"}}); err == nil {
		t.Error("two tenants have one host")
	}
	if err := w.RemoveTenant(t.Context(), command, "beta"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a tenant that is gone", func() bool { return decided("b.example") == gate.UnknownSite })
	w.tenant("gamma", gate.ModeEnforced, "b.example")
	eventually(t, "the host of another tenant", func() bool { return decided("b.example") == gate.OutsideNetworks })
}

// TestKeysRotate makes new keys and signs nobody out.
func TestKeysRotate(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.clock.advance(30*24*time.Hour - time.Hour)
	old := w.signIn(inside, "li.na")
	jwks, err := w.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	second := w.node("n2") // rotates when it starts
	door := w.doorOf(second)
	eventually(t, "both nodes publish the new key", func() bool {
		a, _ := w.JWKS()
		b, _ := second.JWKS()
		return string(a) == string(b) && string(a) != string(jwks)
	})
	keep := func(what string) {
		t.Helper()
		for _, d := range []*gate.Door{w.door, door} {
			if dec := d.Decide(w.with(w.from(inside), old)); dec.Reason == gate.SessionInvalid {
				t.Errorf("%s: the old session became %s", what, dec.Reason)
			}
		}
	}
	keep("a new key")
	w.clock.advance(time.Minute)
	third := w.doorOf(w.node("n3")) // signs with the new key from its start
	keep("the new key signs")
	p, err := func() (*gate.Progress, error) {
		q := w.from(inside)
		dec := third.Decide(q)
		return third.Login(t.Context(), q, &dec, gate.LoginForm{Login: "li.na", Password: password("li.na")})
	}()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*gate.Door{w.door, door, third} {
		if dec := d.Decide(w.with(w.from(inside), p.Session)); !dec.Passed() {
			t.Errorf("a session of the new key: %s", dec.Reason)
		}
	}
}
