package gate_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// meeting is a draft of an owner over a list of three entries, which somebody
// else then edits.
type meeting struct {
	*world
	li  gate.Actor
	ids map[string]string // of entries, by their label
}

func newMeeting(t *testing.T, mine []gate.DraftOp, theirs func(e *gate.Edit)) *meeting {
	w := newWorld(t)
	w.add("acme", entry("192.0.2.0/24", "Office"))
	w.add("acme", entry("2001:db8::/48", "IPv6"))
	m := &meeting{world: w, li: w.editor("li.na"), ids: map[string]string{}}
	e := w.list()
	for _, d := range e.Entries {
		m.ids[d.Label] = d.ID
	}
	for _, op := range mine {
		if id, ok := m.ids[op.Key]; ok {
			op.Key = id
		}
		w.draft(m.li, op)
	}
	theirs(&e)
	if _, err := w.PutNetworks(t.Context(), command, e); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *meeting) conflict() *gate.Conflict {
	m.Helper()
	c, err := m.Conflict(m.Context(), m.li, m.acme.ID)
	if err != nil {
		m.Fatal(err)
	}
	return c
}

// labels of entries by their range.
func labels(entries []gate.DraftEntry) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		out[e.Range] = e.Label
	}
	return out
}

func TestRebaseDraft(t *testing.T) {
	set := func(key, span, label string) gate.DraftOp {
		return gate.DraftOp{Step: gate.DraftSet, Key: key, Entry: entry(span, label)}
	}
	remove := func(key string) gate.DraftOp { return gate.DraftOp{Step: gate.DraftRemove, Key: key} }
	mode := func(m gate.Mode) gate.DraftOp { return gate.DraftOp{Step: gate.DraftMode, Mode: m} }
	rename := func(i int, label string) func(*gate.Edit) { return func(e *gate.Edit) { e.Entries[i].Label = label } }
	drop := func(i int) func(*gate.Edit) {
		return func(e *gate.Edit) { e.Entries = slices.Delete(e.Entries, i, i+1) }
	}
	list := map[string]string{"203.0.113.0/24": "HQ", "192.0.2.0/24": "Office", "2001:db8::/48": "IPv6"}
	with := func(change func(map[string]string)) map[string]string {
		m := maps.Clone(list)
		change(m)
		return m
	}
	tests := []struct {
		name    string
		mine    []gate.DraftOp
		theirs  func(*gate.Edit)
		lines   int
		open    bool
		choice  gate.Side // of all that is open
		want    map[string]string
		mode    gate.Mode
		changes int // that the draft has left
	}{
		{"each another entry", []gate.DraftOp{set("HQ", "203.0.113.0/24", "mine")}, rename(1, "theirs"), 2, false, "",
			with(func(m map[string]string) { m["203.0.113.0/24"], m["192.0.2.0/24"] = "mine", "theirs" }), "enforced", 1},
		{"both one entry, mine", []gate.DraftOp{set("HQ", "203.0.113.0/24", "mine")}, rename(0, "theirs"), 1, true, gate.Mine,
			with(func(m map[string]string) { m["203.0.113.0/24"] = "mine" }), "enforced", 1},
		{"both one entry, theirs", []gate.DraftOp{set("HQ", "203.0.113.0/24", "mine")}, rename(0, "theirs"), 1, true, gate.Theirs,
			with(func(m map[string]string) { m["203.0.113.0/24"] = "theirs" }), "enforced", 0},
		{"both alike", []gate.DraftOp{set("HQ", "203.0.113.0/24", "same")}, rename(0, "same"), 0, false, "",
			with(func(m map[string]string) { m["203.0.113.0/24"] = "same" }), "enforced", 0},
		{"both removed it", []gate.DraftOp{remove("Office")}, drop(1), 0, false, "",
			with(func(m map[string]string) { delete(m, "192.0.2.0/24") }), "enforced", 0},
		{"I removed, they changed, mine", []gate.DraftOp{remove("Office")}, rename(1, "theirs"), 1, true, gate.Mine,
			with(func(m map[string]string) { delete(m, "192.0.2.0/24") }), "enforced", 1},
		{"I removed, they changed, theirs", []gate.DraftOp{remove("Office")}, rename(1, "theirs"), 1, true, gate.Theirs,
			with(func(m map[string]string) { m["192.0.2.0/24"] = "theirs" }), "enforced", 0},
		{"I changed, they removed, mine", []gate.DraftOp{set("Office", "192.0.2.0/25", "mine")}, drop(1), 1, true, gate.Mine,
			with(func(m map[string]string) { delete(m, "192.0.2.0/24"); m["192.0.2.0/25"] = "mine" }), "enforced", 1},
		{"I changed, they removed, theirs", []gate.DraftOp{set("Office", "192.0.2.0/25", "mine")}, drop(1), 1, true, gate.Theirs,
			with(func(m map[string]string) { delete(m, "192.0.2.0/24") }), "enforced", 0},
		{"both added one range, mine", []gate.DraftOp{set("", "198.51.100.0/24", "mine")},
			func(e *gate.Edit) { e.Entries = append(e.Entries, entry("198.51.100.0/24", "theirs")) }, 1, true, gate.Mine,
			with(func(m map[string]string) { m["198.51.100.0/24"] = "mine" }), "enforced", 1},
		{"each added a range", []gate.DraftOp{set("", "198.51.100.0/24", "mine")},
			func(e *gate.Edit) { e.Entries = append(e.Entries, entry("198.51.101.0/24", "theirs")) }, 2, false, "",
			with(func(m map[string]string) { m["198.51.100.0/24"], m["198.51.101.0/24"] = "mine", "theirs" }), "enforced", 1},
		{"mode of mine", []gate.DraftOp{mode("dry_run")}, rename(0, "theirs"), 1, false, "",
			with(func(m map[string]string) { m["203.0.113.0/24"] = "theirs" }), "dry_run", 1},
		{"mode of theirs", []gate.DraftOp{set("HQ", "203.0.113.0/24", "mine")}, func(e *gate.Edit) { e.Mode = "off" }, 1, false, "",
			with(func(m map[string]string) { m["203.0.113.0/24"] = "mine" }), "off", 1},
		{"both another mode, mine", []gate.DraftOp{mode("dry_run")}, func(e *gate.Edit) { e.Mode = "off" }, 0, true, gate.Mine, list, "dry_run", 1},
		{"both another mode, theirs", []gate.DraftOp{mode("dry_run")}, func(e *gate.Edit) { e.Mode = "off" }, 0, true, gate.Theirs, list, "off", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMeeting(t, tt.mine, tt.theirs)
			c := m.conflict()
			if len(c.Lines) != tt.lines || c.Open() != tt.open || c.Base.Version != 4 || c.Theirs.Version != 5 || len(c.Missed) != 1 {
				t.Errorf("got %d lines, open %t, from %d to %d, %d missed", len(c.Lines), c.Open(), c.Base.Version, c.Theirs.Version, len(c.Missed))
			}
			choices := map[string]gate.Side{}
			for _, l := range c.Lines {
				if l.Side == "" {
					choices[l.Key] = tt.choice
				}
			}
			if c.Mode.Side == "" {
				choices[gate.MergeMode] = tt.choice
			}
			if tt.open {
				_, err := m.RebaseDraft(t.Context(), m.li, m.acme.ID, 5, nil)
				if invalid, ok := errors.AsType[*gate.InvalidError](err); !ok || invalid.Errors[0].Code != "required" {
					t.Errorf("without a choice: got %v", err)
				}
			}
			d, err := m.RebaseDraft(t.Context(), m.li, m.acme.ID, 5, choices)
			if err != nil {
				t.Fatal(err)
			}
			if got := labels(d.Entries); !maps.Equal(got, tt.want) || d.Mode != tt.mode || d.Changes != tt.changes || d.Base != 5 {
				t.Errorf("got %v, %s with %d changes of %d; want %v, %s with %d", got, d.Mode, d.Changes, d.Base, tt.want, tt.mode, tt.changes)
			}
			_, err = m.WorkingDraft(t.Context(), m.li, m.acme.ID)
			if gone := errors.Is(err, gate.ErrNotFound); gone != (tt.changes == 0) {
				t.Errorf("with %d changes left, the draft: %v", tt.changes, err)
			}
			// What comes of it can be applied.
			if done, err := m.PutNetworks(t.Context(), command, d.Edit()); err != nil || len(done.Entries) != len(tt.want) {
				t.Errorf("applying it: %v, %v", done, err)
			}
		})
	}
}

func TestRebaseDraftRefuses(t *testing.T) {
	mine := []gate.DraftOp{{Step: gate.DraftSet, Key: "HQ", Entry: entry("203.0.113.0/24", "mine")}}
	m := newMeeting(t, mine, func(e *gate.Edit) { e.Entries[0].Label = "theirs" })
	key := m.conflict().Lines[0].Key
	rebase := func(version int64, choices map[string]gate.Side) error {
		return result(m.RebaseDraft(t.Context(), m.li, m.acme.ID, version, choices))
	}
	if v, ok := errors.AsType[*gate.VersionConflict](rebase(4, nil)); !ok || v.Current != 5 {
		t.Errorf("onto a version that is not the newest: got %v", v)
	}
	if invalid, ok := errors.AsType[*gate.InvalidError](rebase(5, map[string]gate.Side{key: "ours"})); !ok || invalid.Errors[0].Field != key {
		t.Errorf("a side that is none: got %v", invalid)
	}
	if err := rebase(5, map[string]gate.Side{key: gate.Mine}); err != nil {
		t.Error(err)
	}
	if c := m.conflict(); c.Base.Version != c.Theirs.Version || len(c.Lines) != 1 || c.Open() || len(c.Missed) != 0 {
		t.Errorf("after it was settled: %+v", c)
	}
	if err := m.DiscardDraft(t.Context(), m.li, m.acme.ID); err != nil {
		t.Fatal(err)
	}
	if err := rebase(5, nil); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("without a draft: got %v, want %v", err, gate.ErrNotFound)
	}
}

// A draft whose base was restored away keeps what its owner did.
func TestDraftOfRestoredBase(t *testing.T) {
	mine := []gate.DraftOp{{Step: gate.DraftSet, Entry: entry("198.51.100.0/24", "mine")}}
	m := newMeeting(t, mine, func(e *gate.Edit) { e.Entries = e.Entries[:1] })
	wu := m.editor("wu.min")
	restored := m.draft(wu, gate.DraftOp{Step: gate.DraftRestore, Version: 2}) // before Office and IPv6
	if restored.Changes != 0 {
		t.Fatalf("got %d changes", restored.Changes)
	}
	restored = m.draft(wu, gate.DraftOp{Step: gate.DraftRestore, Version: 4})
	if _, err := m.PutNetworks(t.Context(), wu, restored.Edit()); err != nil {
		t.Fatal(err)
	}
	d, err := m.RebaseDraft(t.Context(), m.li, m.acme.ID, 6, nil)
	if err != nil || d.Changes != 1 || len(d.Entries) != 4 {
		t.Fatalf("got %+v, %v", d, err)
	}
	if _, err := m.PutNetworks(t.Context(), m.li, d.Edit()); err != nil {
		t.Error(err)
	}
}
