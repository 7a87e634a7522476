package gate_test

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// signedIn is a record of a sign-in.
func (w *world) signedIn(reference, address, admin string, at time.Time, outcome gate.Outcome) gate.Attempt {
	a := gate.Attempt{
		Reference: reference, Tenant: w.acme.ID, Stage: gate.StageSignIn, Outcome: outcome, Admin: admin,
		Count: 1, FirstTime: at, LastTime: at, Bits: 32, Address: netip.MustParseAddr(address),
	}
	if outcome == gate.WouldBlock {
		a.Reason = gate.ByDryRun
	}
	return a
}

func TestUsage(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	w.putAttempts([]gate.Attempt{
		w.signedIn("SP-1", "203.0.113.7", "a", now.Add(-time.Hour), gate.Allowed),
		w.signedIn("SP-2", "203.0.113.7", "b", now.Add(-2*time.Hour), gate.Allowed),
		w.signedIn("SP-3", "203.0.113.200", "a", now.Add(-3*time.Hour), gate.Allowed),
		w.signedIn("SP-4", "203.0.113.7", "a", now.Add(-40*24*time.Hour), gate.Allowed),
		w.signedIn("SP-5", "198.51.100.7", "a", now.Add(-time.Hour), gate.WouldBlock),
	})
	ranges := []cidr.Range{cidr.MustParse("203.0.113.0/24"), cidr.MustParse("203.0.113.0/25"), cidr.MustParse("198.51.100.0/24")}
	got, err := w.Usage(t.Context(), command, w.acme.ID, ranges)
	if err != nil {
		t.Fatal(err)
	}
	last := now.Add(-time.Hour)
	if want := []gate.Usage{{Count: 3, Last: last}, {Count: 2, Last: last}, {Count: 1, Last: last}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := w.Usage(t.Context(), w.actor(gate.RoleMember), w.acme.ID, nil); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("a member: got %v, want ErrForbidden", err)
	}
}

// TestDryRun sums up only what is of the dry run that is on, and of people.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	wu := w.person("wu.min", gate.RoleMember)
	mode := func(m gate.Mode) {
		t.Helper()
		v := sure(w.Version(t.Context(), command, w.acme.ID, 0))
		sure(w.PutNetworks(t.Context(), command, gate.Edit{Tenant: w.acme.ID, Base: v.Version, Mode: m, Entries: gate.DraftsOf(v.Networks)}))
	}
	summed := func() *gate.DryRun {
		t.Helper()
		return sure(w.DryRun(t.Context(), command, w.acme.ID))
	}
	if got := summed(); got != nil {
		t.Errorf("enforced: got %+v, want nil", got)
	}
	w.clock.advance(time.Hour)
	mode(gate.ModeDryRun)
	began := w.clock.Now()
	w.putAttempts([]gate.Attempt{
		w.signedIn("SP-1", outside, wu.ID, began.Add(-10*time.Minute), gate.WouldBlock),
		w.signedIn("SP-2", outside, wu.ID, began.Add(10*time.Minute), gate.WouldBlock),
		w.signedIn("SP-3", outside, wu.ID, began.Add(20*time.Minute), gate.WouldBlock),
		w.signedIn("SP-4", inside, wu.ID, began.Add(20*time.Minute), gate.Allowed),
		w.signedIn("SP-5", outside, "", began.Add(20*time.Minute), gate.WouldBlock),
	})
	w.clock.advance(time.Hour)
	w.add("acme", gate.Draft{Range: "192.0.2.0/24", Label: "Branch", Enabled: true}) // a version more, in the same mode
	if got, want := summed(), (&gate.DryRun{Since: began, SignIns: 2, People: 1}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.clock.advance(40 * 24 * time.Hour)
	if got, want := summed(), (&gate.DryRun{Since: w.clock.Now().Add(-30 * 24 * time.Hour)}); !reflect.DeepEqual(got, want) {
		t.Errorf("later: got %+v, want %+v", got, want)
	}
	mode(gate.ModeEnforced)
	if got := summed(); got != nil {
		t.Errorf("enforced again: got %+v, want nil", got)
	}
}

// sure returns a value that a test cannot go on without.
func sure[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
