package gate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func tailed(t *testing.T, tail *gate.Tail) (shown string, skipped int64) {
	t.Helper()
	grown, skipped, err := tail.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range grown {
		all = append(all, fmt.Sprintf("%s×%d", a.Reference, a.Count))
	}
	return strings.Join(all, " "), skipped
}

func TestTail(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	record := func(reference string, after time.Duration, count int64) gate.Attempt {
		return gate.Attempt{
			Reference: reference, Tenant: w.acme.ID, Outcome: gate.Blocked, Reason: gate.OutsideNetworks, Stage: gate.StageGate,
			Count: count, FirstTime: now.Add(after), LastTime: now.Add(after + time.Duration(count-1)*time.Second), Node: "n2",
		}
	}
	w.putAttempts([]gate.Attempt{record("OLD", -time.Second, 1)})
	tail, err := w.Tail(t.Context(), w.actor(gate.RoleReviewer), gate.AttemptFilter{Tenant: w.acme.ID}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	other := record("OTHER", time.Second, 1)
	other.Tenant = "GLOBEX"
	for _, step := range []struct {
		name    string
		records []gate.Attempt
		want    string
	}{
		{"what was there before", nil, ""},
		{"two new ones", []gate.Attempt{record("B", 2*time.Second, 1), record("A", time.Second, 1), other}, "A×1 B×1"},
		{"nothing new", nil, ""},
		{"one has grown", []gate.Attempt{record("A", time.Second, 3)}, "A×3"},
		{"one that came late", []gate.Attempt{record("C", time.Second, 1)}, "C×1"},
		{"an old one has grown", []gate.Attempt{record("OLD", -time.Second, 6)}, "OLD×6"},
		{"later ones", []gate.Attempt{record("D", time.Minute, 1), record("E", time.Hour, 1)}, "D×1 E×1"},
		{"too late for anybody", []gate.Attempt{record("F", 2*time.Minute, 1)}, ""},
	} {
		w.putAttempts(step.records)
		if got, skipped := tailed(t, tail); got != step.want || skipped != 0 {
			t.Errorf("%s: got %q and %d skipped, want %q", step.name, got, skipped, step.want)
		}
	}
	// Another node goes on where this one was.
	w.clock.advance(2 * time.Hour)
	resumed, err := w.Tail(t.Context(), w.actor(gate.RoleOwner), gate.AttemptFilter{Tenant: w.acme.ID}, tail.At())
	if err != nil {
		t.Fatal(err)
	}
	w.putAttempts([]gate.Attempt{record("G", 90*time.Minute, 1)})
	if got, _ := tailed(t, resumed); got != "G×1" {
		t.Errorf("resumed: got %q, want G×1", got)
	}
	for role, want := range map[gate.Role]error{gate.RoleMember: gate.ErrForbidden} {
		if _, err := w.Tail(t.Context(), w.actor(role), gate.AttemptFilter{Tenant: w.acme.ID}, time.Time{}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", role, err, want)
		}
	}
}

// In a flood the newest are shown, and the rest are counted: no record is both.
func TestTailFlood(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	tail, err := w.Tail(t.Context(), command, gate.AttemptFilter{Tenant: w.acme.ID}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for second := range 4 {
		var batch []gate.Attempt
		for i := range 1000 {
			at := now.Add(time.Duration(second)*time.Second + time.Duration(i+1)*time.Millisecond/2)
			batch = append(batch, gate.Attempt{
				Reference: fmt.Sprintf("R%d-%d", second, i), Tenant: w.acme.ID, Outcome: gate.Blocked, Reason: gate.OutsideNetworks,
				Stage: gate.StageGate, Count: 1, FirstTime: at, LastTime: at,
			})
		}
		w.putAttempts(batch)
		grown, skipped, err := tail.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total += len(grown) + int(skipped)
		if len(grown) != 200 || grown[199].Reference != fmt.Sprintf("R%d-999", second) {
			t.Errorf("second %d: %d shown, the last is %s", second, len(grown), grown[len(grown)-1].Reference)
		}
	}
	if total != 4000 {
		t.Errorf("shown and passed over: %d, want 4,000", total)
	}
}
