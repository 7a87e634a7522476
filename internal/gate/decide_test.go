package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestDecideNetwork(t *testing.T) {
	w := newWorld(t)
	w.tenant("off", gate.ModeOff, "off.example")
	w.tenant("dry", gate.ModeDryRun, "dry.example")
	w.add("dry", gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true})
	w.tenant("empty", gate.ModeEnforced, "empty.example")
	tests := []struct {
		name, host, address string
		outcome             gate.Outcome
		reason              gate.Reason
		pass                gate.Reason
	}{
		{"inside", "acme.example", inside, gate.Refused, gate.NoSession, gate.ByNetwork},
		{"outside", "acme.example", outside, gate.Blocked, gate.OutsideNetworks, ""},
		{"mapped inside", "acme.example", "::ffff:203.0.113.7", gate.Refused, gate.NoSession, gate.ByNetwork},
		{"operator", "acme.example", operators, gate.Refused, gate.NoSession, gate.ByOperatorNetwork},
		{"unknown host", "acme2.example", inside, gate.Blocked, gate.UnknownSite, ""},
		{"no host", "", inside, gate.Blocked, gate.UnknownSite, ""},
		{"host in other spelling", "ACME.example.:8443", inside, gate.Refused, gate.NoSession, gate.ByNetwork},
		{"off", "off.example", outside, gate.Refused, gate.NoSession, gate.ByGateOff},
		{"dry run inside", "dry.example", inside, gate.Refused, gate.NoSession, gate.ByNetwork},
		{"dry run outside", "dry.example", outside, gate.Refused, gate.NoSession, gate.ByDryRun},
		{"enforced and empty", "empty.example", inside, gate.Blocked, gate.OutsideNetworks, ""},
		{"enforced and empty, operator", "empty.example", operators, gate.Refused, gate.NoSession, gate.ByOperatorNetwork},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := w.from(tt.address)
			q.Host, q.Address.Addr = tt.host, netip.MustParseAddr(tt.address).Unmap()
			if dec := w.decided(q, tt.outcome, tt.reason); dec.Pass != tt.pass {
				t.Errorf("pass: got %q, want %q", dec.Pass, tt.pass)
			}
		})
	}
	t.Run("no address", func(t *testing.T) {
		for _, host := range []string{"acme.example", "off.example", "dry.example"} {
			q := w.from(inside)
			q.Host, q.Address = host, gate.Address{Problem: "none"}
			w.decided(q, gate.Blocked, gate.AddressUnknown)
		}
	})
	t.Run("only the network door", func(t *testing.T) {
		door := *w.door
		door.Site.Login = false
		if dec := door.Decide(w.from(inside)); !dec.Passed() || dec.Reason != gate.ByNetwork {
			t.Errorf("inside: got %s %s", dec.Outcome, dec.Reason)
		}
		if dec := door.Decide(w.from(outside)); dec.Passed() {
			t.Errorf("outside: got %s %s", dec.Outcome, dec.Reason)
		}
	})
	t.Run("fixed tenant", func(t *testing.T) {
		door := *w.door
		door.Site.Tenant = "acme"
		q := w.from(inside)
		q.Host = "anything.example"
		if dec := door.Decide(q); dec.Reason != gate.NoSession || dec.Tenant.Slug != "acme" {
			t.Errorf("got %s %s", dec.Outcome, dec.Reason)
		}
		door.Site.Tenant = "nobody"
		if dec := door.Decide(q); dec.Reason != gate.UnknownSite {
			t.Errorf("unknown slug: got %s %s", dec.Outcome, dec.Reason)
		}
	})
	t.Run("another tenant's server name", func(t *testing.T) {
		q := w.from(inside)
		q.ServerName = "off.example"
		if dec := w.decided(q, gate.Blocked, gate.UnknownSite); !dec.Misdirected {
			t.Error("not misdirected")
		}
		q.ServerName = "ACME.example"
		w.decided(q, gate.Refused, gate.NoSession)
	})
}

func TestManyHosts(t *testing.T) {
	w := newWorld(t)
	hosts := make([]string, 250)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("Console-%d.Many.Example", i)
	}
	w.tenant("many", gate.ModeOff, hosts...)
	for i := range hosts {
		q := w.from(outside)
		q.Host = fmt.Sprintf("CONSOLE-%d.many.example:443", i)
		w.decided(q, gate.Refused, gate.NoSession)
	}
}

func TestEntriesBeginAndEndToTheSecond(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	w.add("acme", gate.Draft{Range: outside, Label: "visit", Enabled: true, NotBefore: now.Add(10 * time.Second), Expires: now.Add(20 * time.Second)})
	q := w.from(outside)
	for second := range 30 {
		want := second >= 10 && second < 20
		if dec := w.door.Decide(q); dec.Inside() != want {
			t.Errorf("second %d: inside is %v, want %v", second, dec.Inside(), want)
		}
		w.clock.advance(time.Second)
	}
}

func TestEntriesForSomePeople(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.person("chen.jie", gate.RoleReviewer)
	w.person("wu.min", gate.RoleMember)
	w.add("acme", gate.Draft{Range: "198.51.100.0/28", Label: "home of owners", Enabled: true, Roles: []gate.Role{gate.RoleOwner}})
	w.add("acme", gate.Draft{Range: "198.51.100.16/28", Label: "hotel of Wu Min", Enabled: true, Admins: []string{"wu.min"}})
	for _, tt := range []struct {
		login, address string
		passes         bool
	}{
		{"li.na", "198.51.100.1", true}, {"chen.jie", "198.51.100.1", false}, {"wu.min", "198.51.100.1", false},
		{"li.na", "198.51.100.17", false}, {"wu.min", "198.51.100.17", true},
		{"li.na", inside, true}, {"wu.min", inside, true},
	} {
		t.Run(tt.login+" "+tt.address, func(t *testing.T) {
			token := w.signIn(inside, tt.login)
			q := w.with(w.from(tt.address), token)
			if dec := w.door.Decide(q); dec.Passed() != tt.passes {
				t.Errorf("session: got %s %s", dec.Outcome, dec.Reason)
			}
			if dec := w.door.Decide(w.from(tt.address)); !dec.Inside() {
				t.Errorf("the sign-in page: got %s %s, want it shown", dec.Outcome, dec.Reason)
			}
			if _, err := w.login(w.from(tt.address), tt.login, password(tt.login)); (err == nil) != tt.passes {
				t.Errorf("sign-in: got %v", err)
			}
		})
	}
	t.Run("bind off", func(t *testing.T) {
		door := *w.door
		door.Rules.Bind = gate.BindOff
		if dec := door.Decide(w.with(w.from("198.51.100.1"), w.signIn(inside, "wu.min"))); !dec.Passed() {
			t.Errorf("got %s %s", dec.Outcome, dec.Reason)
		}
	})
}

func TestSessionReasons(t *testing.T) {
	w := newWorld(t)
	li := w.person("li.na", gate.RoleOwner)
	w.person("wu.min", gate.RoleOwner)
	other := w.tenant("other", gate.ModeOff, "other.example")
	token := func() string { return w.signIn(inside, "li.na") }
	pass := func(token string) { t.Helper(); w.decided(w.with(w.from(inside), token), gate.Allowed, gate.ByNetwork) }
	refused := func(token string, reason gate.Reason) {
		t.Helper()
		w.decided(w.with(w.from(inside), token), gate.Refused, reason)
	}
	set := func(p gate.AdminPatch) {
		t.Helper()
		if _, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, "li.na", p); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("passes", func(t *testing.T) { pass(token()) })
	t.Run("outside", func(t *testing.T) {
		w.decided(w.with(w.from(outside), token()), gate.Blocked, gate.OutsideNetworks)
	})
	t.Run("garbled", func(t *testing.T) { refused(token()+"x", gate.SessionInvalid) })
	t.Run("doubled", func(t *testing.T) {
		q := w.with(w.from(inside), token())
		q.Doubled = true
		w.decided(q, gate.Refused, gate.SessionInvalid)
	})
	t.Run("of another tenant", func(t *testing.T) {
		q := w.with(w.from(inside), token())
		q.Host = other.Hosts[0]
		w.decided(q, gate.Refused, gate.WrongTenant)
	})
	t.Run("idle", func(t *testing.T) {
		tok := token()
		w.clock.advance(30*time.Minute - time.Second)
		pass(tok)
		w.clock.advance(time.Second)
		refused(tok, gate.SessionIdle)
	})
	t.Run("kept alive by use, until its absolute end", func(t *testing.T) {
		tok := token()
		end := w.clock.Now().Add(12 * time.Hour)
		for w.clock.Now().Add(20 * time.Minute).Before(end) {
			w.clock.advance(20 * time.Minute)
			q := w.with(w.from(inside), tok)
			dec := w.decided(q, gate.Allowed, gate.ByNetwork)
			if fresh := w.door.Seen(q, &dec); fresh != "" {
				tok = fresh
			}
		}
		w.clock.advance(end.Sub(w.clock.Now()) - time.Second)
		pass(tok)
		w.clock.advance(time.Second)
		refused(tok, gate.SessionExpired)
	})
	t.Run("signed out", func(t *testing.T) {
		tok, another := token(), token()
		q := w.with(w.from(inside), tok)
		dec := w.door.Decide(q)
		if err := w.door.Logout(t.Context(), q, &dec); err != nil {
			t.Fatal(err)
		}
		refused(tok, gate.SessionRevoked)
		pass(another)
	})
	t.Run("ended by an owner", func(t *testing.T) {
		tok := token()
		dec := w.door.Decide(w.with(w.from(inside), tok))
		owner := w.with(w.from(inside), w.signIn(inside, "wu.min"))
		od := w.door.Decide(owner)
		if err := w.EndSession(t.Context(), w.door.Actor(owner, &od), dec.Claims.Session, ""); err != nil {
			t.Fatal(err)
		}
		refused(tok, gate.SessionRevoked)
	})
	t.Run("address changed", func(t *testing.T) {
		door := *w.door
		door.Rules.Bind = gate.BindAddress
		if dec := door.Decide(w.with(w.from("203.0.113.8"), token())); dec.Reason != gate.AddressChanged {
			t.Errorf("got %s %s", dec.Outcome, dec.Reason)
		}
	})
	t.Run("role changes at once", func(t *testing.T) {
		tok, role := token(), gate.RoleReviewer
		set(gate.AdminPatch{Role: &role})
		if dec := w.door.Decide(w.with(w.from(inside), tok)); !dec.Passed() || dec.Admin.Role != gate.RoleReviewer {
			t.Errorf("got %s %s as %v", dec.Outcome, dec.Reason, dec.Admin)
		}
	})
	t.Run("signed out everywhere", func(t *testing.T) {
		tok := token()
		set(gate.AdminPatch{SignOut: true})
		refused(tok, gate.SessionRevoked)
		pass(token())
	})
	t.Run("disabled", func(t *testing.T) {
		tok, yes, no := token(), true, false
		set(gate.AdminPatch{Disabled: &yes})
		refused(tok, gate.SessionRevoked)
		set(gate.AdminPatch{Disabled: &no})
		refused(tok, gate.SessionRevoked)
	})
	t.Run("removed", func(t *testing.T) {
		tok := token()
		if err := w.RemoveAdmin(t.Context(), command, w.acme.ID, li.ID); err != nil {
			t.Fatal(err)
		}
		refused(tok, gate.SessionRevoked)
	})
}

// TestAtOnce changes things through one node and looks at another: in force
// within a second, and what is open ends within it.
func TestAtOnce(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.person("wu.min", gate.RoleOwner)
	second := w.doorOf(w.node("n2"))
	q := w.with(w.from(inside), w.signIn(inside, "wu.min"))
	open := func() context.Context {
		t.Helper()
		eventually(t, "the other node lets the session pass", func() bool { dec := second.Decide(q); return dec.Passed() })
		ctx, cancel := context.WithCancelCause(t.Context())
		o := second.Open(q, func(e *gate.Ended) { cancel(e) })
		t.Cleanup(o.Close)
		return ctx
	}
	ends := func(ctx context.Context, reason gate.Reason) {
		t.Helper()
		eventually(t, "the open request ends", func() bool { return ctx.Err() != nil })
		if ended, ok := errors.AsType[*gate.Ended](context.Cause(ctx)); !ok || ended.Reason != reason {
			t.Errorf("cause: got %v, want %s", context.Cause(ctx), reason)
		}
	}
	still := open()
	done := w.add("acme", gate.Draft{Range: "203.0.113.128/25", Label: "annex", Enabled: true})
	eventually(t, "the other node has the new version", func() bool { return second.TenantByID(w.acme.ID).Version == done.Version })
	if still.Err() != nil {
		t.Fatal("a change that leaves it allowed ended an open request")
	}
	if _, err := w.RemoveNetwork(t.Context(), command, w.acme.ID, "203.0.113.0/24", gate.EditOptions{Accept: []string{gate.AcceptFewAdmins}}); err != nil {
		t.Fatal(err)
	}
	ends(still, gate.OutsideNetworks)
	w.add("acme", gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true, Expires: w.clock.Now().Add(time.Minute)})

	byClock := open()
	w.clock.advance(time.Minute)
	ends(byClock, gate.OutsideNetworks)
	if _, err := w.RemoveNetwork(t.Context(), command, w.acme.ID, "203.0.113.0/24", gate.EditOptions{Accept: []string{gate.AcceptFewAdmins}}); err != nil {
		t.Fatal(err)
	}
	w.add("acme", gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true})

	signedOut := open()
	if _, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, "wu.min", gate.AdminPatch{SignOut: true}); err != nil {
		t.Fatal(err)
	}
	ends(signedOut, gate.SessionRevoked)
	if n := second.OpenRequests(); n != 3 {
		t.Errorf("requests that are registered until they return: got %d, want 3", n)
	}
}

// TestStopEndsAll: nobody watches what is open when the gate has stopped, so it
// ends, and what comes a moment too late ends at once.
func TestStopEndsAll(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	second := w.node("n2")
	door := w.doorOf(second)
	q := w.with(w.from(inside), w.signIn(inside, "li.na"))
	var ends [2][]gate.Reason
	early := door.Open(q, func(e *gate.Ended) { ends[0] = append(ends[0], e.Reason) })
	second.Stop()
	late := door.Open(q, func(e *gate.Ended) { ends[1] = append(ends[1], e.Reason) })
	second.Stop()
	for i, got := range ends {
		if !slices.Equal(got, []gate.Reason{gate.PolicyUnavailable}) {
			t.Errorf("request %d was ended with %q, want once, for policy_unavailable", i, got)
		}
	}
	early.Close()
	late.Close()
	if n := second.OpenRequests(); n != 0 {
		t.Errorf("open requests: got %d, want 0", n)
	}
}

// TestOpenAllocations: a request that passes is registered and taken out again
// with nothing but its entry allocated.
func TestOpenAllocations(t *testing.T) {
	w := newWorld(t)
	q, end := w.from(inside), func(*gate.Ended) {}
	if n := testing.AllocsPerRun(1000, func() { w.door.Open(q, end).Close() }); n > 1 {
		t.Errorf("registering a request costs %v allocations, want 1", n)
	}
}

func TestRefusingAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	for name, q := range map[string]*gate.Request{"outside": w.from(outside), "no session": w.from(inside)} {
		dec := w.door.Decide(q)
		w.door.Record(q, &dec) // the first of its kind makes the record
		if n := testing.AllocsPerRun(200, func() { dec := w.door.Decide(q); w.door.Record(q, &dec) }); n != 0 {
			t.Errorf("%s: refusing and counting a repeat costs %v allocations, want 0", name, n)
		}
	}
}

func ptr[T any](v T) *T { return &v }
