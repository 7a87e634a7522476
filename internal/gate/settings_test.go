package gate_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// aged stores one blocked attempt for each age, in days.
func (w *world) aged(ages ...int) {
	w.Helper()
	var list []gate.Attempt
	for i, age := range ages {
		at := w.clock.Now().Add(-time.Duration(age) * day)
		list = append(list, gate.Attempt{
			Reference: fmt.Sprintf("SP-AGE%d-%04d", i, age), Tenant: w.acme.ID, Address: netip.MustParseAddr(outside), Bits: 32,
			Peer: netip.MustParseAddr(outside), Hops: []gate.Hop{{Text: outside, Address: outside, Source: "peer", Chosen: true}},
			Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks, ListVersion: 2, Count: 1, FirstTime: at, LastTime: at, Node: "n2", Boot: "OTHER",
		})
	}
	w.putAttempts(list)
}

// left are the ages, in days, of what is stored, with their addresses.
func (w *world) left() string {
	w.Helper()
	list, err := w.Attempts(w.Context(), command, gate.AttemptFilter{Tenant: w.acme.ID})
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprintf("%d:%s/%d", int(w.clock.Now().Sub(a.FirstTime)/day), a.Address, a.Bits))
	}
	return strings.Join(out, " ")
}

// TestSettingsAtWork: what a tenant chose happens to what is stored, within the
// operator's bounds, and is told beforehand.
func TestSettingsAtWork(t *testing.T) {
	w := newWorld(t)
	owner := w.actor(gate.RoleOwner)
	w.aged(10, 40, 100, 200, 300)
	set := gate.Settings{Retention: 150 * day, ShortenAfter: 60 * day}
	effect, err := w.CheckSettings(t.Context(), owner, w.acme.ID, set)
	if err != nil || *effect != (gate.SettingsEffect{Deleted: 2, Shortened: 1}) {
		t.Fatalf("what it would do: %+v, %v; want 2 deleted and 1 shortened", effect, err)
	}
	got, err := w.SetSettings(t.Context(), owner, w.acme.ID, set)
	if err != nil || got.Version != 1 {
		t.Fatalf("changed: %+v, %v", got, err)
	}
	keepHouse := func() string {
		if err := w.KeepHouse(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w.left()
	}
	if got, want := keepHouse(), "10:198.51.100.7/32 40:198.51.100.7/32 100:198.51.100.0/24"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
	e, err := w.Explain(t.Context(), owner, w.acme.ID, "SP-AGE2-0100")
	if err != nil || e.Check != nil || !strings.Contains(e.Steps[0].Detail, "erased at its age") {
		t.Errorf("explanation of a record that was cut: %+v, %v", e, err)
	}
	w.clock.advance(30 * day)
	if got, want := keepHouse(), "40:198.51.100.7/32 70:198.51.100.0/24 130:198.51.100.0/24"; got != want {
		t.Errorf("30 days later: %s, want %s", got, want)
	}
	w.aged(120) // from a spool that was found late
	w.clock.advance(day)
	if got, want := keepHouse(), "41:198.51.100.7/32 71:198.51.100.0/24 121:198.51.100.0/24 131:198.51.100.0/24"; got != want {
		t.Errorf("what came late: %s, want %s", got, want)
	}
	w.SetRetention(gate.RetentionBounds{Floor: 140 * day, Most: 140 * day})
	if got := w.Retention(w.TenantByID(w.acme.ID)); got != 140*day {
		t.Errorf("within narrower bounds it keeps them for %s", got)
	}
	if accounts := w.Status(t.Context()).Ledgers; len(accounts) == 0 {
		t.Error("no ledger")
	} else {
		for _, l := range accounts {
			if l.Boot == "OTHER" && l.Stored+l.Deleted != 6 {
				t.Errorf("the ledger has %d stored and %d deleted of 6", l.Stored, l.Deleted)
			}
		}
	}
}

func TestSettingsAreGuarded(t *testing.T) {
	w := newWorld(t)
	invalid := func(s gate.Settings, field string) {
		t.Helper()
		_, err := w.SetSettings(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, s)
		var bad *gate.InvalidError
		if !errors.As(err, &bad) || bad.Errors[0].Field != field {
			t.Errorf("%+v: got %v, want %s to be wrong", s, err, field)
		}
	}
	invalid(gate.Settings{Retention: 29 * day}, "retention")
	invalid(gate.Settings{Retention: 366 * day}, "retention")
	invalid(gate.Settings{ShortenAfter: 29 * day}, "shorten_addresses_after")
	for role, want := range map[gate.Role]error{gate.RoleReviewer: gate.ErrForbidden, gate.RoleMember: gate.ErrForbidden} {
		if _, err := w.SetSettings(t.Context(), w.actor(role), w.acme.ID, gate.Settings{}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", role, err, want)
		}
	}
	if _, err := w.Settings(t.Context(), w.actor(gate.RoleReviewer), w.acme.ID); err != nil {
		t.Errorf("a reviewer reads it: %v", err)
	}
	if _, err := w.SetSettings(t.Context(), w.actor(gate.RoleOwner), "ANOTHER", gate.Settings{}); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	// What was chosen before the bounds became narrower may stay.
	if _, err := w.SetSettings(t.Context(), command, w.acme.ID, gate.Settings{Retention: 200 * day}); err != nil {
		t.Fatal(err)
	}
	w.SetRetention(gate.RetentionBounds{Most: 100 * day})
	if _, err := w.SetSettings(t.Context(), command, w.acme.ID, gate.Settings{Version: 1, Retention: 200 * day, NoRequests: true}); err != nil {
		t.Errorf("a retention that is not touched: %v", err)
	}
	if _, err := w.SetSettings(t.Context(), command, w.acme.ID, gate.Settings{Version: 1}); !errors.Is(err, gate.ErrChanged) {
		t.Errorf("from an older version: %v", err)
	}
}

// TestOneNodeShortens: while one node is at it, the others are not.
func TestOneNodeShortens(t *testing.T) {
	w := newWorld(t)
	other := w.node("n2")
	if _, err := w.SetSettings(t.Context(), command, w.acme.ID, gate.Settings{ShortenAfter: 60 * day}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node knows", func() bool { return other.TenantByID(w.acme.ID).Settings.ShortenAfter > 0 })
	if err := w.KeepHouse(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.aged(100)
	if err := other.KeepHouse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.left(); got != "100:198.51.100.7/32" {
		t.Errorf("the other node cut it: %s", got)
	}
	w.clock.advance(6 * time.Minute)
	if err := other.KeepHouse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.left(); got != "100:198.51.100.0/24" {
		t.Errorf("when nobody else is at it: %s", got)
	}
}
