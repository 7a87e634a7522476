package gate_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestAllowChoices(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name    string
		blocked []string
		want    string
	}{
		{"alone", []string{"198.51.100.9"}, "[{198.51.100.9/32 1 1}]"},
		{"a neighbour", []string{"198.51.100.9", "198.51.100.12", "198.51.101.9"}, "[{198.51.100.9/32 2 1} {198.51.100.8/29 3 2}]"},
		{"the other half", []string{"198.51.100.9", "198.51.100.200"}, "[{198.51.100.9/32 3 1} {198.51.100.0/24 5 3}]"},
		{"IPv6", []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}, "[{2001:db8::1/128 1 1} {2001:db8::/126 2 2}]"},
	} {
		reference := ""
		for i, address := range tt.blocked {
			w.clock.advance(time.Minute)
			_, _, found := w.blockedAt(address)
			if i == 0 {
				reference = found
			}
		}
		eventually(t, "stored", func() bool {
			got, err := w.AllowChoices(t.Context(), w.actor(gate.RoleReviewer), w.acme.ID, reference)
			return err == nil && fmt.Sprint(got) == tt.want
		})
	}
}

func TestAllow(t *testing.T) {
	w := newWorld(t)
	q, _, reference := w.blockedAt("198.51.100.9")
	eventually(t, "stored", func() bool {
		_, err := w.Explain(t.Context(), command, w.acme.ID, reference)
		return err == nil
	})
	for name, tt := range map[string]struct {
		by    gate.Actor
		allow gate.Allow
		field string
		want  error
	}{
		"a reviewer":     {w.actor(gate.RoleReviewer), gate.Allow{For: time.Hour}, "", gate.ErrForbidden},
		"another range":  {w.actor(gate.RoleOwner), gate.Allow{Range: "198.51.101.0/24"}, "range", nil},
		"no range":       {w.actor(gate.RoleOwner), gate.Allow{Range: "198.51.100.300"}, "range", nil},
		"for too long":   {w.actor(gate.RoleOwner), gate.Allow{For: 2 * gate.MaxAllow}, "for", nil},
		"for nobody":     {w.actor(gate.RoleOwner), gate.Allow{Admin: "nobody"}, "entries[1].admins", nil},
		"a wide network": {w.actor(gate.RoleOwner), gate.Allow{Range: "198.0.0.0/8"}, "entries[1].range", nil},
	} {
		_, _, err := w.Allow(t.Context(), tt.by, w.acme.ID, reference, tt.allow)
		bad, _ := errors.AsType[*gate.InvalidError](err)
		if tt.want != nil && !errors.Is(err, tt.want) || tt.field != "" && (bad == nil || bad.Errors[0].Field != tt.field) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for range 2 { // twice is once
		_, entry, err := w.Allow(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, reference, gate.Allow{Range: "198.51.100.8/29", For: time.Hour})
		if err != nil || entry.Range.String() != "198.51.100.8/29" {
			t.Fatalf("%+v, %v", entry, err)
		}
	}
	list, err := w.Networks(t.Context(), command, w.acme.ID)
	if err != nil || len(list.Entries) != 2 {
		t.Fatalf("%d entries, %v", len(list.Entries), err)
	}
	if dec := w.door.Decide(q); !dec.Inside() {
		t.Errorf("after it was allowed: %s", dec.Reason)
	}
	w.clock.advance(time.Hour)
	if dec := w.door.Decide(q); dec.Inside() {
		t.Error("still allowed when the hour is over")
	}
}

// TestUndoAllow takes back what was allowed: the entry that was made, then the
// one that was changed, and nothing that somebody has changed since.
func TestUndoAllow(t *testing.T) {
	w := newWorld(t)
	owner := w.actor(gate.RoleOwner)
	q, _, reference := w.blockedAt("198.51.100.9")
	eventually(t, "stored", func() bool {
		_, err := w.Explain(t.Context(), command, w.acme.ID, reference)
		return err == nil
	})
	allow := func(within time.Duration) {
		t.Helper()
		if _, _, err := w.Allow(t.Context(), owner, w.acme.ID, reference, gate.Allow{For: within}); err != nil {
			t.Fatal(err)
		}
	}
	undo := func(by gate.Actor) error {
		_, err := w.UndoAllow(t.Context(), by, w.acme.ID, reference, gate.EditOptions{})
		return err
	}
	if err := undo(owner); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("before anything was allowed: got %v", err)
	}
	allow(time.Hour)
	if err := undo(w.actor(gate.RoleReviewer)); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("by a reviewer: got %v", err)
	}
	if err := undo(owner); err != nil {
		t.Error(err)
	}
	if dec := w.door.Decide(q); dec.Inside() {
		t.Error("still allowed after it was undone")
	}
	if err := undo(owner); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("twice: got %v", err)
	}

	allow(time.Hour)
	w.clock.advance(gate.AllowUndo)
	allow(8 * time.Hour)
	if err := undo(owner); err != nil {
		t.Fatal(err)
	}
	if dec := w.door.Decide(q); !dec.Inside() {
		t.Error("undoing a change of an entry took the entry away")
	}
	w.clock.advance(time.Hour)
	if dec := w.door.Decide(q); dec.Inside() {
		t.Error("the end of the entry did not come back")
	}

	w.clock.advance(gate.AllowUndo)
	allow(time.Hour)
	a, err := w.Allowance(t.Context(), owner, w.acme.ID, reference)
	if err != nil || a.Until != w.clock.Now().Add(gate.AllowUndo) {
		t.Fatalf("%+v, %v", a, err)
	}
	list, err := w.Version(t.Context(), owner, w.acme.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	entries := gate.DraftsOf(list.Networks)
	entries[len(entries)-1].Label = "Known by now"
	if _, err := w.PutNetworks(t.Context(), owner, gate.Edit{Tenant: w.acme.ID, Base: list.Version, Mode: list.Mode, Entries: entries}); err != nil {
		t.Fatal(err)
	}
	if err := undo(owner); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("changed since: got %v", err)
	}
}

// TestAllowAnswers: whoever asked for what an entry lets in has the answer.
func TestAllowAnswers(t *testing.T) {
	w := newWorld(t)
	q, dec, reference := w.blockedAt("198.51.100.9")
	asked, secret, err := w.door.Ask(t.Context(), q, dec, gate.Ask{Reference: reference, Login: "chen.jie", Why: "away", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Allow(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, reference, gate.Allow{For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	after := w.door.Decide(q)
	r, err := w.door.AskOf(t.Context(), &after, asked.ID, secret)
	if err != nil || r.State != gate.AskApproved || r.Until != w.clock.Now().Add(time.Hour) {
		t.Errorf("the request is %+v, %v", r, err)
	}
}
