package gate_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestWaitingAsks: the count in the navigation follows what is asked and
// answered, and what nobody answered in time, without a question to the store.
func TestWaitingAsks(t *testing.T) {
	w := newWorld(t)
	owner, member := w.actor(gate.RoleOwner), w.actor(gate.RoleMember)
	waits := func(want int) {
		t.Helper()
		if got := w.WaitingAsks(owner, w.acme.ID); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	waits(0)
	first, _ := w.ask(outside, "wu.min")
	w.clock.advance(time.Hour)
	w.ask("198.51.100.99", "li.na")
	waits(2)
	if got := w.WaitingAsks(member, w.acme.ID); got != 0 {
		t.Errorf("a member is told of %d", got)
	}
	if _, err := w.Decline(t.Context(), owner, w.acme.ID, first.ID, ""); err != nil {
		t.Fatal(err)
	}
	waits(1)
	w.clock.advance(gate.AskLives)
	waits(0)
}

// TestAskEvidence: what is said of several requests is what each of them would
// be told by itself.
func TestAskEvidence(t *testing.T) {
	w := newWorld(t)
	owner := w.actor(gate.RoleOwner)
	wu, li := w.person("wu.min", gate.RoleMember), w.person("li.na", gate.RoleMember)
	now := w.clock.Now()
	at := func(reference, address string, admin *gate.Admin, stage gate.Stage, outcome gate.Outcome, count int64) gate.Attempt {
		a := gate.Attempt{
			Reference: reference, FirstTime: now, LastTime: now, Tenant: w.acme.ID, Host: "acme.example", Address: netip.MustParseAddr(address),
			Stage: stage, Outcome: outcome, Reason: gate.ByNetwork, Count: count, Node: "n1", Boot: "B",
		}
		a.Bits = a.Address.BitLen()
		if admin != nil {
			a.Admin, a.Login = admin.ID, admin.Login
		}
		return a
	}
	folded := at("SP-6", "198.51.100.0", nil, gate.StageGate, gate.Blocked, 500)
	folded.Bits = 24
	w.putAttempts([]gate.Attempt{
		at("SP-1", outside, wu, gate.StageSignIn, gate.Allowed, 3),
		at("SP-2", inside, wu, gate.StageSignIn, gate.WouldBlock, 2),
		at("SP-3", outside, li, gate.StageSignIn, gate.Allowed, 1),
		at("SP-4", outside, nil, gate.StageGate, gate.Blocked, 40),
		at("SP-5", inside, li, gate.StageSignIn, gate.Refused, 7),
		folded,
	})
	ask := func(address string, admin *gate.Admin) gate.AccessRequest {
		r := gate.AccessRequest{Tenant: w.acme.ID, Address: netip.MustParseAddr(address)}
		if admin != nil {
			r.Admin = admin.ID
		}
		return r
	}
	requests := []gate.AccessRequest{ask(outside, wu), ask(outside, nil), ask(inside, li), ask("198.51.100.0", nil)}
	got, err := w.AskEvidence(t.Context(), owner, w.acme.ID, requests)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		signIns, blocked, here int64
		others                 int
		admin                  string
	}{
		{4, 40, 3, 1, "6 0"}, // everybody signed in once from inside, to be there
		{4, 40, 0, 2, ""},
		{4, 0, 1, 1, "2 7"},
		{0, 0, 0, 0, ""},
	} {
		e, admin := got[i], ""
		if e.Admin != nil {
			admin = string(rune('0'+e.Admin.SignIns)) + " " + string(rune('0'+e.Admin.Refused))
		}
		if e.Address.SignIns != want.signIns || e.Address.Blocked != want.blocked || e.Here != want.here || e.Others != want.others || admin != want.admin {
			t.Errorf("request %d: got %+v with admin %q, want %+v", i, e, admin, want)
		}
	}
	if _, err := w.AskEvidence(t.Context(), w.actor(gate.RoleMember), w.acme.ID, requests); err == nil {
		t.Error("a member is told")
	}
}
