package gate_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// wait makes an edit that waits five minutes to be confirmed.
func (w *world) wait(by gate.Actor, mode gate.Mode, list ...gate.Draft) *gate.Edited {
	w.Helper()
	e := w.list()
	e.Mode, e.Entries, e.ConfirmWithin, e.Accept, e.Reason = mode, list, 5*time.Minute, gate.AcceptWords, "move"
	done, err := w.PutNetworks(w.Context(), by, e)
	if err != nil {
		w.Fatal(err)
	}
	return done
}

func TestConfirm(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	reviewer := li
	reviewer.Role = gate.RoleReviewer
	from := func(address string, by gate.Actor) gate.Actor { by.Address = netip.MustParseAddr(address); return by }
	stranger := li
	stranger.Tenant = "X"
	branch := entry("198.51.100.0/24", "Branch")
	branch.Admins = []string{"li.na"}
	done := w.wait(li, gate.ModeEnforced, branch)
	want := &gate.Pending{Version: 3, Base: 2, Until: w.clock.Now().Add(5 * time.Minute), By: "li.na", ByAdmin: li.Admin, Reason: "move"}
	if !reflect.DeepEqual(done.Pending, want) || !reflect.DeepEqual(w.Pending(w.acme.ID), want) {
		t.Errorf("got %+v and %+v, want %+v", done.Pending, w.Pending(w.acme.ID), want)
	}
	operator := li
	operator.Operator = true
	another := from(outside, li)
	another.Admin = "ANOTHER"
	for _, tt := range []struct {
		name    string
		by      gate.Actor
		version int64
		want    error
	}{
		{"from the old list", li, 3, gate.ErrNotAdmitted},
		{"from an operator's network", operator, 3, gate.ErrNotAdmitted},
		{"whom the entry does not count for", another, 3, gate.ErrNotAdmitted},
		{"reviewer", from(outside, reviewer), 3, gate.ErrForbidden},
		{"another tenant's", from(outside, stranger), 3, gate.ErrNotFound},
		{"another version", from(outside, li), 2, gate.ErrNothingPending},
		{"right", from(outside, li), 3, nil},
		{"twice", from(outside, li), 3, gate.ErrNothingPending},
	} {
		if err := w.Confirm(t.Context(), tt.by, w.acme.ID, tt.version); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	w.clock.advance(time.Hour)
	if err := w.UndoOverdue(t.Context()); err != nil || w.list().Base != 3 || w.Pending(w.acme.ID) != nil {
		t.Errorf("a confirmed change: version %d, %v", w.list().Base, err)
	}
	// Where nothing is enforced, anywhere will do.
	w.wait(li, gate.ModeDryRun)
	if err := w.Confirm(t.Context(), li, w.acme.ID, 4); err != nil {
		t.Errorf("dry run: %v", err)
	}
	w.wait(li, gate.ModeEnforced, entry("203.0.113.0/24", "HQ"))
	if err := w.Confirm(t.Context(), command, w.acme.ID, 5); err != nil {
		t.Errorf("by command: %v", err)
	}
}

// TestOneChangeWaits: while a change waits, nobody makes another.
func TestOneChangeWaits(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	w.wait(li, gate.ModeEnforced, entry("203.0.113.0/24", "HQ"), entry("198.51.100.0/24", "Branch"))
	off, edit := gate.ModeOff, w.list()
	name := "Acme"
	for what, err := range map[string]error{
		"put":    result(w.PutNetworks(t.Context(), li, edit)),
		"add":    result(w.AddNetwork(t.Context(), command, w.acme.ID, entry("192.0.2.1", "x"), gate.EditOptions{})),
		"remove": result(w.RemoveNetwork(t.Context(), command, w.acme.ID, "198.51.100.0/24", gate.EditOptions{})),
		"mode":   result(w.SetTenant(t.Context(), command, "acme", gate.TenantPatch{Mode: &off})),
		"review": result(w.door.Review(t.Context(), li, edit)),
	} {
		if !errors.Is(err, gate.ErrChangePending) {
			t.Errorf("%s: got %v, want %v", what, err, gate.ErrChangePending)
		}
	}
	if _, err := w.SetTenant(t.Context(), command, "acme", gate.TenantPatch{Name: &name}); err != nil {
		t.Errorf("what is not the list: %v", err)
	}
}

// TestUndo brings back what was, by hand and by itself, with every entry as it
// was.
func TestUndo(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	before, err := w.Version(t.Context(), command, w.acme.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	undone := func(version, undoes int64, by string) {
		t.Helper()
		v, err := w.Version(t.Context(), command, w.acme.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if v.Version != version || v.Undoes != undoes || v.By != by || v.Mode != before.Mode || !reflect.DeepEqual(v.Networks, before.Networks) {
			t.Errorf("got version %d that undoes %d by %s: %s %v\nwant %d, %d, %s: %s %v",
				v.Version, v.Undoes, v.By, v.Mode, v.Networks, version, undoes, by, before.Mode, before.Networks)
		}
		if w.Pending(w.acme.ID) != nil {
			t.Error("it still waits")
		}
		w.decided(w.from(inside), gate.Refused, gate.NoSession)
		w.decided(w.from(outside), gate.Blocked, gate.OutsideNetworks)
	}
	w.wait(li, gate.ModeOff)
	reviewer := li
	reviewer.Role = gate.RoleReviewer
	for by, want := range map[gate.Actor]error{reviewer: gate.ErrForbidden, {}: gate.ErrNotFound} {
		if _, err := w.Undo(t.Context(), by, w.acme.ID, 3); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if _, err := w.Undo(t.Context(), li, w.acme.ID, 2); !errors.Is(err, gate.ErrNothingPending) {
		t.Errorf("another version: %v", err)
	}
	done, err := w.Undo(t.Context(), li, w.acme.ID, 3)
	if err != nil || done.Version != 4 || len(done.Entries) != 1 {
		t.Fatalf("got %+v, %v", done, err)
	}
	undone(4, 3, "li.na")

	w.wait(li, gate.ModeEnforced, entry("203.0.113.0/25", "half"))
	w.clock.advance(5*time.Minute - time.Millisecond)
	time.Sleep(600 * time.Millisecond) // two looks at what is due
	if w.list().Base != 5 {
		t.Fatal("undone before its time")
	}
	w.clock.advance(time.Millisecond)
	eventually(t, "it is undone", func() bool { return w.TenantByID(w.acme.ID).Version == 6 })
	undone(6, 5, "system")
	if err := w.Confirm(t.Context(), command, w.acme.ID, 5); !errors.Is(err, gate.ErrNothingPending) {
		t.Errorf("confirmed too late: %v", err)
	}
	changes, err := w.Changes(t.Context(), command, gate.ChangeFilter{Tenant: w.acme.ID, Limit: 1})
	if err != nil || len(changes) != 1 || changes[0].Action != "network.undo" {
		t.Fatalf("change log: got %v, %v", changes, err)
	}
	for _, want := range []string{
		`{"base":4,"before":{"mode":"enforced"},"after":{"mode":"enforced"},"entries":[{"after":{"id":"`, `,"range":"203.0.113.0/24","label":"HQ","enabled":true}}`,
		`,{"before":{"id":"`, `"range":"203.0.113.0/25","label":"half","enabled":true}}],"change":5,"why":"not confirmed"}`,
	} {
		if !strings.Contains(string(changes[0].Detail), want) {
			t.Errorf("the change log has no %s in %s", want, changes[0].Detail)
		}
	}
}

// TestNodesUndoOnce: of many nodes that undo and confirm at once, one does.
func TestNodesUndoOnce(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	nodes := []*gate.Gate{w.Gate, w.node("n2"), w.node("n3")}
	for round := range int64(3) {
		done := w.wait(li, gate.ModeEnforced, entry("203.0.113.0/25", "half"))
		w.clock.advance(5 * time.Minute)
		var wg sync.WaitGroup
		for _, g := range nodes {
			wg.Go(func() {
				if err := g.UndoOverdue(t.Context()); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := g.Confirm(t.Context(), command, w.acme.ID, done.Version); !errors.Is(err, gate.ErrNothingPending) {
					t.Errorf("confirmed when its time is over: %v", err)
				}
			})
		}
		wg.Wait()
		for _, g := range nodes {
			eventually(t, "every node has it", func() bool { return g.TenantByID(w.acme.ID).Version == done.Version+1 && g.Pending(w.acme.ID) == nil })
		}
		if got, want := w.list().Base, 4+2*round; got != want {
			t.Fatalf("the list has version %d, want %d", got, want)
		}
	}
}

// TestUndoAfterStart: a change whose time ended while nothing ran is undone
// right after the start.
func TestUndoAfterStart(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	w.wait(li, gate.ModeEnforced, entry("203.0.113.0/25", "half"))
	w.Stop()
	w.clock.advance(time.Hour)
	g := w.node("n2")
	eventually(t, "it is undone", func() bool { return g.TenantByID(w.acme.ID).Version == 4 && g.Pending(w.acme.ID) == nil })
}

// unable is a real store that cannot undo for the time being.
type unable struct {
	gate.Store
	mu    sync.Mutex
	away  bool
	tried int
}

func (s *unable) Undo(ctx context.Context, rec gate.Record, tenant string, version int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tried++; s.away {
		return 0, errAway
	}
	return s.Store.Undo(ctx, rec, tenant, version)
}

// TestUndoWhenStoreIsBack: the store is away at the moment when a change is due;
// that is said, and it is undone as soon as the store is back.
func TestUndoWhenStoreIsBack(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	w.wait(li, gate.ModeEnforced, entry("203.0.113.0/25", "half"))
	w.Stop()
	inner, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	s := &unable{Store: inner, away: true}
	troubles := make(chan error, 10)
	g, err := gate.New(t.Context(), gate.Options{
		Store: s, Node: "n2", Now: w.clock.Now, Spool: filepath.Join(t.TempDir(), "n2"),
		Log: gate.Logger{Trouble: func(task string, err error) {
			if task == "undoing changes that nobody confirmed" {
				troubles <- err
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	if err := <-troubles; !errors.Is(err, errAway) {
		t.Errorf("got %v, want %v", err, errAway)
	}
	if v := g.TenantByID(w.acme.ID).Version; v != 3 {
		t.Errorf("version %d is in force, want 3", v)
	}
	s.mu.Lock()
	s.away = false
	s.mu.Unlock()
	if err := <-troubles; err != nil {
		t.Errorf("got %v, want that it works again", err)
	}
	eventually(t, "it is undone", func() bool { return g.TenantByID(w.acme.ID).Version == 4 && g.Pending(w.acme.ID) == nil })
	if v, err := g.Version(t.Context(), command, w.acme.ID, 4); err != nil || v.Undoes != 3 || !slices.ContainsFunc(v.Networks, func(n gate.Network) bool { return n.Range.String() == "203.0.113.0/24" }) {
		t.Errorf("got %+v, %v", v, err)
	}
}
