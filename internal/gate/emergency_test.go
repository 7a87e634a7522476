package gate_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestEmergency: one address gets in beside the list, to the second, on every
// node, and what is open from there ends with it.
func TestEmergency(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	locked := entry("203.0.113.0/24", "HQ")
	locked.Admins = []string{"li.na"}
	w.set(gate.ModeEnforced, locked)
	second := w.doorOf(w.node("n2"))
	w.decided(w.from(outside), gate.Blocked, gate.OutsideNetworks)
	e, err := w.OpenEmergency(t.Context(), command, w.acme.ID, netip.MustParseAddr("::ffff:"+outside), 15*time.Minute, " TICKET-1 ")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Emergencies(w.acme.ID); len(got) != 1 || got[0] != *e || e.Reason != "TICKET-1" || e.By != "test" || e.Address.String() != outside {
		t.Errorf("running: got %+v, want %+v", got, e)
	}
	if dec := w.decided(w.from(outside), gate.Refused, gate.NoSession); dec.Pass != gate.ByEmergency {
		t.Errorf("passes by %s", dec.Pass)
	}
	w.decided(w.from("198.51.100.8"), gate.Blocked, gate.OutsideNetworks)
	token := w.signIn(outside, "li.na")
	q := w.with(w.from(outside), token)
	dec := w.decided(q, gate.Allowed, gate.ByEmergency)
	if by := w.door.Actor(q, &dec); !by.Emergency {
		t.Error("the actor is not known to come by emergency access")
	}
	w.decided(w.with(w.from(inside), token), gate.Allowed, gate.ByNetwork)
	eventually(t, "the other node has it", func() bool { d := second.Decide(q); return d.Passed() })

	var ended atomic.Pointer[gate.Reason]
	open := w.door.Open(q, func(e *gate.Ended) { ended.Store(&e.Reason) })
	defer open.Close()
	w.clock.advance(15*time.Minute - time.Second)
	w.decided(q, gate.Allowed, gate.ByEmergency)
	w.clock.advance(time.Second)
	w.decided(q, gate.Blocked, gate.OutsideNetworks)
	eventually(t, "the open request ends", func() bool { return ended.Load() != nil })
	if got := *ended.Load(); got != gate.OutsideNetworks {
		t.Errorf("ended by %s", got)
	}
	if got := w.Emergencies(w.acme.ID); len(got) != 0 {
		t.Errorf("after its time: got %+v", got)
	}
}

// TestEmergencyBesideRoles: an address that the list has, but not for this
// admin, is let in too.
func TestEmergencyBesideRoles(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.person("wu.min", gate.RoleMember)
	hotel := entry("198.51.100.0/24", "Hotel")
	hotel.Admins = []string{"li.na"}
	w.set(gate.ModeEnforced, entry("203.0.113.0/24", "HQ"), hotel)
	if _, err := w.login(w.from(outside), "wu.min", password("wu.min")); refusal(err) != "bad_credentials" {
		t.Fatalf("got %v", err)
	}
	e, err := w.OpenEmergency(t.Context(), command, w.acme.ID, netip.MustParseAddr(outside), time.Hour, "x")
	if err != nil {
		t.Fatal(err)
	}
	q := w.with(w.from(outside), w.signIn(outside, "wu.min"))
	w.decided(q, gate.Allowed, gate.ByEmergency)
	owner := w.owner(inside, gate.RoleOwner)
	reviewer := owner
	reviewer.Role = gate.RoleReviewer
	if err := w.EndEmergency(t.Context(), reviewer, w.acme.ID, e.ID); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("ended by a reviewer: %v", err)
	}
	if err := w.EndEmergency(t.Context(), owner, w.acme.ID, e.ID); err != nil {
		t.Error(err)
	}
	w.decided(q, gate.Blocked, gate.OutsideNetworks)
	if err := w.EndEmergency(t.Context(), command, w.acme.ID, e.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("ended twice: %v", err)
	}
	changes, err := w.Changes(t.Context(), command, gate.ChangeFilter{Tenant: w.acme.ID, Limit: 2})
	if err != nil || changes[0].Action != "emergency.end" || changes[0].Actor != "li.na" || changes[1].Action != "emergency.open" ||
		!strings.Contains(string(changes[1].Detail), `"address":"198.51.100.7"`) || string(changes[0].Detail) != string(changes[1].Detail) {
		t.Errorf("change log: %+v, %v", changes, err)
	}
}

func TestEmergencyRefused(t *testing.T) {
	w := newWorld(t)
	a := netip.MustParseAddr(outside)
	for _, tt := range []struct {
		name, field string
		address     netip.Addr
		within      time.Duration
		why         string
	}{
		{"no address", "address", netip.Addr{}, time.Hour, "x"},
		{"a zone", "address", netip.MustParseAddr("fe80::1%eth0"), time.Hour, "x"},
		{"no time", "for", a, 0, "x"},
		{"backwards", "for", a, -time.Hour, "x"},
		{"too long", "for", a, 24*time.Hour + time.Second, "x"},
		{"no reason", "why", a, time.Hour, " "},
		{"long reason", "why", a, time.Hour, strings.Repeat("x", 2001)},
	} {
		_, err := w.OpenEmergency(t.Context(), command, w.acme.ID, tt.address, tt.within, tt.why)
		bad, ok := errors.AsType[*gate.InvalidError](err)
		if !ok || bad.Errors[0].Field != tt.field {
			t.Errorf("%s: got %v, want an error of %s", tt.name, err, tt.field)
		}
	}
	for what, err := range map[string]error{
		"an owner":  result(w.OpenEmergency(t.Context(), w.owner(inside, gate.RoleOwner), w.acme.ID, a, time.Hour, "x")),
		"a tenant":  result(w.OpenEmergency(t.Context(), command, "NONE", a, time.Hour, "x")),
		"anonymous": result(w.OpenEmergency(t.Context(), gate.Actor{}, w.acme.ID, a, time.Hour, "x")),
	} {
		if !errors.Is(err, gate.ErrForbidden) && !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if got := w.Emergencies(w.acme.ID); got != nil {
		t.Errorf("running: %+v", got)
	}
}
