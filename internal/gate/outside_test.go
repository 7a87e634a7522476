package gate_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// counting is a real store that notes what it is asked, in order.
type counting struct {
	gate.Store
	mu    sync.Mutex
	asked []string
	away  atomic.Bool // PutAttempts fails
}

func (c *counting) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, what)
}

// since returns what was asked since the last call.
func (c *counting) since() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

func (c *counting) Reserve(ctx context.Context, keys [][]byte, limit gate.Throttle, now time.Time) (time.Time, error) {
	c.note(fmt.Sprintf("Reserve %d", len(keys)))
	return c.Store.Reserve(ctx, keys, limit, now)
}

func (c *counting) Release(ctx context.Context, keys [][]byte) error {
	c.note("Release")
	return c.Store.Release(ctx, keys)
}

func (c *counting) AdminByLogin(ctx context.Context, tenant, login string) (*gate.Admin, error) {
	c.note("AdminByLogin")
	return c.Store.AdminByLogin(ctx, tenant, login)
}

func (c *counting) PutAttempts(ctx context.Context, l gate.Ledger, list []gate.Attempt) error {
	if c.away.Load() {
		return context.DeadlineExceeded
	}
	if len(list) == 1 && list[0].Stage == gate.StageSignIn {
		c.note("PutAttempts")
	}
	return c.Store.PutAttempts(ctx, l, list)
}

// looked is a world whose tenant looks at passwords from outside, and whose
// store notes what it is asked.
func looked(t *testing.T) (*world, *counting) {
	t.Helper()
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.person("gone", gate.RoleMember)
	yes := true
	if _, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, "gone", gate.AdminPatch{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SetSettings(t.Context(), command, w.acme.ID, gate.Settings{CheckOutside: true}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{Store: s}
	g, err := gate.New(t.Context(), gate.Options{Store: c, Node: "n2", Now: w.clock.Now, Spool: filepath.Join(t.TempDir(), "n2")})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Stop(); s.Close() })
	w.door = w.doorOf(g)
	c.since()
	return w, c
}

func (w *world) tryOutside(address, login, password string) string {
	w.clock.advance(time.Millisecond)
	q := w.from(address)
	dec := w.door.Decide(q)
	return w.door.TryOutside(w.Context(), q, &dec, gate.LoginForm{Login: login, Password: password})
}

// TestOutsideTriesAreTheSame: whatever is typed, the store is asked the same
// and there is one record on disk before the answer; only the record differs.
func TestOutsideTriesAreTheSame(t *testing.T) {
	w, c := looked(t)
	var first []string
	for i, tt := range []struct {
		name, login, password string
		admin                 bool
		want                  gate.PasswordCheck
	}{
		{"right", "li.na", password("li.na"), true, gate.PasswordRight},
		{"right, in other letters", " LI.NA ", password("li.na"), true, gate.PasswordRight},
		{"wrong", "li.na", "wrong", true, ""},
		{"none", "li.na", "", true, ""},
		{"right, of a disabled admin", "gone", password("gone"), true, gate.PasswordRight},
		{"nobody's", "nobody", "wrong", false, ""},
		{"nothing", "", "", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reference := w.tryOutside(fmt.Sprintf("198.51.100.%d", 10+i), tt.login, tt.password)
			asked := c.since()
			if i == 0 {
				first = asked
			}
			if fmt.Sprint(asked) != fmt.Sprint(first) || len(asked) != 3 {
				t.Errorf("the store was asked %q, and for the first %q", asked, first)
			}
			a := w.newest() // another gate's: it has not been told but by the disk
			if reference == "" || a.Reference != reference {
				t.Fatalf("the newest record is %s, want %q", a.Reference, reference)
			}
			if a.Stage != gate.StageSignIn || a.Outcome != gate.Blocked || a.Reason != gate.OutsideNetworks || a.Count != 1 {
				t.Errorf("recorded %s %s %s, %d times", a.Stage, a.Outcome, a.Reason, a.Count)
			}
			if a.Password != tt.want || (a.Admin != "") != tt.admin || tt.admin == (a.LoginHash != "") && tt.login != "" {
				t.Errorf("recorded password %q, admin %q, hash %q", a.Password, a.Admin, a.LoginHash)
			}
		})
	}
	found, err := w.Attempts(t.Context(), command, gate.AttemptFilter{
		Tenant: w.acme.ID, Where: []gate.Condition{{Field: gate.FieldPassword, Value: string(gate.PasswordRight)}},
	})
	if err != nil || len(found) != 3 {
		t.Errorf("found by the filter: %d, %v; want 3", len(found), err)
	}
}

// TestOutsideTriesNotLookedAt: where nobody asked for it, and from where the
// list admits, nothing is looked at.
func TestOutsideTriesNotLookedAt(t *testing.T) {
	w, c := looked(t)
	if r := w.tryOutside(inside, "li.na", password("li.na")); r != "" {
		t.Errorf("from inside: got %s", r)
	}
	c.away.Store(true)
	if r := w.tryOutside("198.51.100.99", "li.na", password("li.na")); r == "" {
		t.Error("a record that could not be stored has no reference")
	}
	c.away.Store(false)
	eventually(t, "what could not be stored is stored later", func() bool {
		a := w.newest()
		return a.Password == gate.PasswordRight && a.Address.String() == "198.51.100.99"
	})
	if _, err := w.SetSettings(t.Context(), command, w.acme.ID, gate.Settings{Version: 1}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node knows the settings", func() bool {
		return !w.door.TenantByID(w.acme.ID).Settings.CheckOutside
	})
	c.since()
	if r := w.tryOutside(outside, "li.na", password("li.na")); r != "" || len(c.since()) != 0 {
		t.Errorf("not chosen: got %s", r)
	}
}

// TestOutsideTriesAreBounded: an address has its tries, which are no account's;
// then it costs the store nothing. From many addresses at once, whoever is
// inside still signs in.
func TestOutsideTriesAreBounded(t *testing.T) {
	w, c := looked(t)
	w.door.Rules.Throttle.Attempts = 3
	for i := range 3 {
		if w.tryOutside(outside, "li.na", "wrong") == "" {
			t.Errorf("try %d was not looked at", i+1)
		}
	}
	c.since()
	for range 2 { // the first asks the store, and then it is known
		if w.tryOutside(outside, "li.na", password("li.na")) != "" {
			t.Error("a try beyond the bound was looked at")
		}
	}
	if asked := c.since(); len(asked) != 1 {
		t.Errorf("beyond the bound the store was asked %q, want one Reserve", asked)
	}
	if w.tryOutside("2001:db8:1:2::1", "li.na", "wrong") == "" {
		t.Error("another address was not looked at")
	}
	w.door.Rules.Throttle.Attempts = 1
	if w.tryOutside("2001:db8:1:3::1", "x", "y") == "" || w.tryOutside("2001:db8:1:3:9:9:9:9", "x", "y") != "" {
		t.Error("a /64 does not count as one visitor")
	}

	w.door.Rules.Throttle.Attempts = 5
	var flood sync.WaitGroup
	var looked, passed atomic.Int64
	for i := range 30 {
		flood.Go(func() {
			q := w.from(netip.AddrFrom4([4]byte{198, 51, 101, byte(i)}).String())
			dec := w.door.Decide(q)
			if w.door.TryOutside(w.Context(), q, &dec, gate.LoginForm{Login: "li.na", Password: "wrong"}) == "" {
				passed.Add(1)
			} else {
				looked.Add(1)
			}
		})
	}
	w.signIn(inside, "li.na")
	flood.Wait()
	if looked.Load() == 0 || passed.Load() < 10 {
		t.Errorf("of a flood of 30, %d were looked at and %d were not", looked.Load(), passed.Load())
	}
	w.clock.advance(16 * time.Minute)
	if w.tryOutside(outside, "li.na", "wrong") == "" {
		t.Error("after the lock, the address is not looked at again")
	}
}

// TestSharedSiteLooks: where the tenant is only known from the form, a right
// password from outside is recorded, and told like every wrong one.
func TestSharedSiteLooks(t *testing.T) {
	w, _ := looked(t)
	shared := *w.door
	shared.Site.ByLogin = true
	for typed, want := range map[string]gate.PasswordCheck{password("li.na"): gate.PasswordRight, "wrong": ""} {
		q := w.from(outside)
		q.Host = "console.example"
		w.clock.advance(time.Millisecond)
		dec := shared.Decide(q)
		_, err := shared.Login(t.Context(), q, &dec, gate.LoginForm{Login: "li.na", Password: typed, Organization: "acme"})
		if a := w.newest(); refusal(err) != "bad_credentials" || a.Outcome != gate.Blocked || a.Reason != gate.OutsideNetworks || a.Password != want || a.Login != "li.na" {
			t.Errorf("%s: told %v, recorded %+v", typed, err, a)
		}
	}
}
