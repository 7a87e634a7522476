package gate_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// editor is an owner whom the store knows.
func (w *world) editor(login string) gate.Actor {
	w.Helper()
	a, _, err := w.AddAdmin(w.Context(), command, w.acme.ID, gate.NewAdmin{Login: login, Role: gate.RoleOwner})
	if err != nil {
		w.Fatal(err)
	}
	return gate.Actor{
		Kind: gate.ActorAdmin, Tenant: w.acme.ID, Admin: a.ID, Login: login, Role: gate.RoleOwner, Address: netip.MustParseAddr(inside),
	}
}

// draft applies one edit to an actor's draft.
func (w *world) draft(by gate.Actor, op gate.DraftOp) *gate.WorkingDraft {
	w.Helper()
	d, _, err := w.EditDraft(w.Context(), by, w.acme.ID, op)
	if err != nil {
		w.Fatalf("%s: %v", op.Step, err)
	}
	return d
}

func entry(span, label string) gate.Draft {
	return gate.Draft{Range: span, Label: label, Enabled: true}
}

// ranges of a draft, in order.
func ranges(d *gate.WorkingDraft) []string {
	var out []string
	for _, e := range d.Entries {
		out = append(out, e.Range)
	}
	return out
}

func TestEditDraft(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	if _, err := w.WorkingDraft(t.Context(), li, w.acme.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Fatalf("before the first edit: got %v, want %v", err, gate.ErrNotFound)
	}
	d := w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("192.0.2.9/24", " Office ")})
	if d.Base != 2 || d.Mode != gate.ModeEnforced || d.Changes != 1 || d.Login != "li.na" {
		t.Errorf("got %+v", d)
	}
	if got, want := ranges(d), []string{"203.0.113.0/24", "192.0.2.0/24"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v as they will be stored", got, want)
	}
	hq, office := d.Entries[0], d.Entries[1]
	if hq.Key != hq.ID || office.ID != "" || office.Key == "" || office.Label != "Office" {
		t.Errorf("got %+v and %+v", hq, office)
	}
	hq.Range, hq.Owner = "203.0.113.0/25", "IT"
	w.draft(li, gate.DraftOp{Step: gate.DraftSet, Key: hq.Key, Entry: hq.Draft})
	w.draft(li, gate.DraftOp{Step: gate.DraftSet, Key: office.Key, Entry: entry("192.0.2.0/26", "Office")})
	d = w.draft(li, gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeDryRun})
	if d.Changes != 3 || d.Entry(hq.Key).ID != hq.ID || d.Entry(office.Key).ID != "" {
		t.Errorf("got %+v", d)
	}
	revision := d.Revision
	d = w.draft(li, gate.DraftOp{Step: gate.DraftAdd, Entries: []gate.Draft{entry("2001:db8::/48", "v6"), entry("192.0.2.128/25", "b")}})
	if d.Changes != 5 || d.Revision <= revision {
		t.Errorf("got %d changes, revision %d after %d", d.Changes, d.Revision, revision)
	}
	stored, err := w.WorkingDraft(t.Context(), li, w.acme.ID)
	if err != nil || !slices.Equal(ranges(stored), ranges(d)) || stored.Revision != d.Revision {
		t.Errorf("stored: %+v, %v", stored, err)
	}
	if l := w.list(); l.Base != 2 || l.Mode != gate.ModeEnforced || l.Entries[0].Range != "203.0.113.0/24" {
		t.Errorf("a draft changed the list: %+v", l)
	}
	d = w.draft(li, gate.DraftOp{Step: gate.DraftReplace, Entries: []gate.Draft{entry("203.0.113.0/24", "HQ")}})
	if d.Changes != 1 || d.Entries[0].ID != "" { // the mode; the same range is the same entry
		t.Errorf("replaced: %+v", d)
	}
	d = w.draft(li, gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeEnforced})
	if _, err := w.WorkingDraft(t.Context(), li, w.acme.ID); d.Changes != 0 || !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("a draft without changes is still there: %+v, %v", d, err)
	}
}

func TestRevertInDraft(t *testing.T) {
	w := newWorld(t)
	w.add("acme", entry("192.0.2.0/24", "Office"))
	li, l := w.editor("li.na"), w.list()
	hq, office := l.Entries[0].ID, l.Entries[1].ID
	w.draft(li, gate.DraftOp{Step: gate.DraftSet, Key: hq, Entry: entry("203.0.113.0/25", "half")})
	w.draft(li, gate.DraftOp{Step: gate.DraftRemove, Key: office})
	d := w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("192.0.2.0/24", "Office again")}) // the same entry, by its range
	again := d.Entries[1].Key
	d = w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("198.51.100.0/24", "new")})
	for _, key := range []string{d.Entries[2].Key, again, hq} {
		if d.Changes == 0 {
			t.Fatal("nothing is left to revert")
		}
		before := d.Changes
		if d = w.draft(li, gate.DraftOp{Step: gate.DraftRevert, Key: key}); d.Changes != before-1 {
			t.Errorf("got %d changes after %d: %v", d.Changes, before, labels(d.Entries))
		}
	}
	w.draft(li, gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeOff})
	w.draft(li, gate.DraftOp{Step: gate.DraftRemove, Key: office})
	if d = w.draft(li, gate.DraftOp{Step: gate.DraftRevert, Key: office}); d.Changes != 1 || d.Entry(office) == nil {
		t.Errorf("a removed entry came back as %+v", d)
	}
	if _, _, err := w.EditDraft(t.Context(), li, w.acme.ID, gate.DraftOp{Step: gate.DraftRevert, Key: "X"}); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("reverting what never was: got %v, want %v", err, gate.ErrNotFound)
	}
}

func TestEditDraftRefuses(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	d := w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("192.0.2.0/24", "Office")})
	hq, office := d.Entries[0], d.Entries[1]
	set := func(key string, e gate.Draft) gate.DraftOp {
		return gate.DraftOp{Step: gate.DraftSet, Key: key, Entry: e}
	}
	tests := []struct {
		name, field, code string
		op                gate.DraftOp
	}{
		{"step", "step", "unknown", gate.DraftOp{Step: "burn"}},
		{"mode", "mode", "unknown", gate.DraftOp{Step: gate.DraftMode, Mode: "on"}},
		{"no address", "range", "not_an_address", set("", entry("office", "x"))},
		{"no label", "label", "required", set("", entry("198.51.100.0/24", ""))},
		{"new, and there already", "range", "duplicate", set("", entry("203.0.113.9/24", "x"))},
		{"earlier one becomes a later one", "range", "duplicate", set(hq.Key, entry("192.0.2.0/24", "x"))},
		{"later one becomes an earlier one", "range", "duplicate", set(office.Key, entry("203.0.113.0/24", "x"))},
		{"wide", "range", "wide", set("", entry("10.0.0.0/8", "x"))},
		{"admin", "admins", "unknown", set("", gate.Draft{Range: "198.51.100.0/24", Label: "x", Admins: []string{"nobody"}})},
		{"the second of many", "entries[1].range", "octet_too_large", gate.DraftOp{Step: gate.DraftAdd, Entries: []gate.Draft{
			entry("198.51.100.0/24", "x"), entry("198.51.300.0/24", "x")}}},
		{"many that replace", "entries[0].label", "required", gate.DraftOp{Step: gate.DraftReplace, Entries: []gate.Draft{entry("198.51.100.0/24", "")}}},
		{"everything in halves", "entries", "everything", gate.DraftOp{Step: gate.DraftReplace, Accept: []string{gate.AcceptWide}, Entries: []gate.Draft{
			entry("0.0.0.0/1", "x"), entry("128.0.0.0/1", "y")}}},
		{"5,001", "entries", "too_many", gate.DraftOp{Step: gate.DraftAdd, Entries: slices.Repeat([]gate.Draft{entry("198.51.100.0/24", "x")}, 4999)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := w.EditDraft(t.Context(), li, w.acme.ID, tt.op)
			invalid, ok := errors.AsType[*gate.InvalidError](err)
			if !ok {
				t.Fatalf("got %v, want an error of a field", err)
			}
			if f := invalid.Errors[0]; f.Field != tt.field || f.Code != tt.code || f.Message == "" {
				t.Errorf("got %+v, want %s of %s", f, tt.code, tt.field)
			}
		})
	}
	for name, op := range map[string]gate.DraftOp{
		"setting no entry":           set("X", entry("198.51.100.0/24", "x")),
		"removing no entry":          {Step: gate.DraftRemove, Key: "X"},
		"restoring a version before": {Step: gate.DraftRestore, Version: 0},
		"restoring a version after":  {Step: gate.DraftRestore, Version: 3},
	} {
		if _, _, err := w.EditDraft(t.Context(), li, w.acme.ID, op); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
		}
	}
	if after, err := w.WorkingDraft(t.Context(), li, w.acme.ID); err != nil || after.Revision != d.Revision {
		t.Errorf("a refused edit left revision %d of %d, %v", after.Revision, d.Revision, err)
	}
}

func TestEditDraftWarns(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("10.1.0.0/24", "VPN")}) // private, and untouched below
	_, warnings, err := w.EditDraft(t.Context(), li, w.acme.ID, gate.DraftOp{Step: gate.DraftAdd, Entries: []gate.Draft{
		entry("198.51.100.0/24", "new"), entry("203.0.113.9/30", "inside"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, warning := range warnings {
		got = append(got, warning.Field+" "+warning.Code)
	}
	if want := []string{"entries[1].range stored_as", "entries[1].range covered"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	_, warnings, err = w.EditDraft(t.Context(), li, w.acme.ID, gate.DraftOp{
		Step: gate.DraftSet, Entry: entry("10.0.0.0/8", "All"), Accept: []string{gate.AcceptWide},
		Trusted: func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.0") },
	})
	if err != nil || len(warnings) != 2 || warnings[0].Field != "range" || warnings[1].Code != gate.WarnTrustedProxy {
		t.Errorf("got %+v, %v", warnings, err)
	}
	// What was accepted once needs not be said again.
	d := w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("198.51.101.0/24", "other")})
	if e := d.Edit(); !slices.Contains(e.Accept, gate.AcceptWide) {
		t.Error("the edit of a draft with a wide entry does not accept it")
	}
}

func TestRestoreAsDraft(t *testing.T) {
	w := newWorld(t)
	li, wu := w.editor("li.na"), w.editor("wu.min")
	w.add("acme", gate.Draft{Range: "192.0.2.0/24", Label: "Office", Enabled: true, Admins: []string{"wu.min"}}) // version 3
	if _, err := w.RemoveNetwork(t.Context(), command, w.acme.ID, "192.0.2.0/24", gate.EditOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.RemoveAdmin(t.Context(), command, w.acme.ID, "wu.min"); err != nil {
		t.Fatal(err)
	}
	w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("198.51.100.0/24", "goes")})
	d := w.draft(li, gate.DraftOp{Step: gate.DraftRestore, Version: 3})
	if d.Base != 4 || d.Changes != 1 || d.Restores != 3 {
		t.Errorf("got %+v", d)
	}
	hq, office := d.Entries[0], d.Entries[1]
	if hq.ID == "" || office.ID != "" || office.Key == "" || office.Range != "192.0.2.0/24" {
		t.Errorf("got %+v and %+v", hq, office)
	}
	// Whoever is gone is not dropped in silence, which would open the entry to
	// everybody: the edit of the entry names it.
	if !slices.Equal(office.Admins, []string{wu.Admin}) {
		t.Errorf("admins of the restored entry: %v", office.Admins)
	}
	_, err := w.PutNetworks(t.Context(), li, d.Edit())
	if invalid, ok := errors.AsType[*gate.InvalidError](err); !ok || invalid.Errors[0].Field != "entries[1].admins" {
		t.Errorf("applying it: %v", err)
	}
	d = w.draft(li, gate.DraftOp{Step: gate.DraftSet, Key: office.Key, Entry: entry("192.0.2.0/24", "Office")})
	if d.Restores != 0 {
		t.Error("a draft that was edited still says that it restores a version")
	}
	if done, err := w.PutNetworks(t.Context(), li, d.Edit()); err != nil || len(done.Entries) != 2 {
		t.Errorf("after mending it: %v, %v", done, err)
	}
}

func TestApplyDraft(t *testing.T) {
	w := newWorld(t)
	li, wu := w.editor("li.na"), w.editor("wu.min")
	apply := func(by gate.Actor, revision int64, o gate.EditOptions) error {
		return result(w.ApplyDraft(t.Context(), by, w.acme.ID, revision, o))
	}
	if err := apply(li, 1, gate.EditOptions{}); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("without a draft: got %v, want %v", err, gate.ErrNotFound)
	}
	reviewed := w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("10.0.0.0/8", "wide"), Accept: []string{gate.AcceptWide}})
	hq := reviewed.Entries[0]
	w.clock.advance(time.Second)
	later := w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("192.0.2.0/24", "not looked at")})
	if err := apply(li, reviewed.Revision, gate.EditOptions{}); !errors.Is(err, gate.ErrDraftChanged) {
		t.Errorf("what was changed after the review: got %v, want %v", err, gate.ErrDraftChanged)
	}
	w.draft(wu, gate.DraftOp{Step: gate.DraftSet, Entry: entry("198.51.100.0/24", "Wu's")})
	if err := apply(li, later.Revision, gate.EditOptions{Reason: "branch", Accept: []string{gate.AcceptFewAdmins}}); err != nil {
		t.Fatal(err)
	}
	if l := w.list(); l.Base != 3 || len(l.Entries) != 3 {
		t.Errorf("got %+v", l)
	}
	v, err := w.Version(t.Context(), li, w.acme.ID, 3)
	if err != nil || v.Reason != "branch" || v.By != "li.na" || !slices.Equal(v.Accepted, []string{gate.AcceptWide}) {
		t.Errorf("got %+v, %v", v, err)
	}
	if _, err := w.WorkingDraft(t.Context(), li, w.acme.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("the draft after it was applied: got %v, want %v", err, gate.ErrNotFound)
	}
	theirs, err := w.WorkingDraft(t.Context(), wu, w.acme.ID)
	if err != nil {
		t.Fatalf("somebody else's draft is gone: %v", err)
	}
	if conflict, ok := errors.AsType[*gate.VersionConflict](apply(wu, theirs.Revision, gate.EditOptions{})); !ok || conflict.Current != 3 {
		t.Errorf("two owners who apply one version: got %v", conflict)
	}
	out := w.draft(li, gate.DraftOp{Step: gate.DraftRemove, Key: hq.Key})
	if err := apply(li, out.Revision, gate.EditOptions{}); !errors.Is(err, gate.ErrLocksYouOut) {
		t.Errorf("locking oneself out: got %v, want %v", err, gate.ErrLocksYouOut)
	}
	if d, err := w.WorkingDraft(t.Context(), li, w.acme.ID); err != nil || d.Revision != out.Revision {
		t.Errorf("a refused draft is gone: %v, %v", d, err)
	}
	restored := w.draft(li, gate.DraftOp{Step: gate.DraftRestore, Version: 2})
	if err := apply(li, restored.Revision, gate.EditOptions{}); err != nil {
		t.Fatal(err)
	}
	if v, err := w.Version(t.Context(), li, w.acme.ID, 4); err != nil || v.Restores != 2 {
		t.Errorf("got %+v, %v", v, err)
	}
}

// Of two windows that apply one draft, one does.
func TestApplyDraftAtOnce(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	d := w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("192.0.2.0/24", "new")})
	var through atomic.Int32
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			_, err := w.ApplyDraft(t.Context(), li, w.acme.ID, d.Revision, gate.EditOptions{})
			_, conflict := errors.AsType[*gate.VersionConflict](err)
			switch {
			case err == nil:
				through.Add(1)
			case !conflict && !errors.Is(err, gate.ErrNotFound):
				t.Error(err)
			}
		})
	}
	done.Wait()
	if got := through.Load(); got != 1 {
		t.Errorf("%d windows applied one draft, want 1", got)
	}
	if l := w.list(); l.Base != 3 {
		t.Errorf("the list has version %d, want 3", l.Base)
	}
}

func TestDraftsOfOthers(t *testing.T) {
	w := newWorld(t)
	li, wu := w.editor("li.na"), w.editor("wu.min")
	mine := w.draft(li, gate.DraftOp{Step: gate.DraftRemove, Key: w.list().Entries[0].ID})
	w.clock.advance(time.Minute)
	theirs := w.draft(wu, gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeOff})
	if mine.Changes != 1 || theirs.Changes != 1 || len(theirs.Entries) != 1 {
		t.Errorf("drafts of two people meet: %+v, %+v", mine, theirs)
	}
	reviewer := w.owner(inside, gate.RoleReviewer)
	list, err := w.WorkingDrafts(t.Context(), reviewer, w.acme.ID)
	if err != nil || len(list) != 2 || list[0].Login != "wu.min" || list[1].Changes != 1 || list[0].Entries != nil {
		t.Errorf("got %+v, %v", list, err)
	}
	if d, err := w.OthersDraft(t.Context(), reviewer, w.acme.ID, li.Admin); err != nil || len(d.Entries) != 0 || d.Login != "li.na" {
		t.Errorf("got %+v, %v", d, err)
	}
	if err := w.DiscardDraft(t.Context(), wu, w.acme.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := w.WorkingDrafts(t.Context(), li, w.acme.ID); err != nil || len(list) != 1 || list[0].Admin != li.Admin {
		t.Errorf("after discarding: %+v, %v", list, err)
	}
	if err := w.DiscardDraft(t.Context(), wu, w.acme.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("discarding nothing: got %v, want %v", err, gate.ErrNotFound)
	}
}

func TestDraftsAreForOwners(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	w.draft(li, gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeOff})
	stranger := li
	stranger.Tenant = "another"
	for _, tt := range []struct {
		name string
		by   gate.Actor
		want error
	}{
		{"reviewer", w.owner(inside, gate.RoleReviewer), gate.ErrForbidden},
		{"member", w.owner(inside, gate.RoleMember), gate.ErrForbidden},
		{"another tenant's", stranger, gate.ErrNotFound},
		{"nobody", gate.Actor{}, gate.ErrNotFound},
		{"command", command, gate.ErrNoDraft},
	} {
		for name, err := range map[string]error{
			"reading":    result(w.WorkingDraft(t.Context(), tt.by, w.acme.ID)),
			"editing":    result(result2(w.EditDraft(t.Context(), tt.by, w.acme.ID, gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeOff}))),
			"discarding": w.DiscardDraft(t.Context(), tt.by, w.acme.ID),
		} {
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: got %v, want %v", tt.name, name, err, tt.want)
			}
		}
	}
	for name, by := range map[string]gate.Actor{"member": w.owner(inside, gate.RoleMember), "stranger": stranger} {
		if result(w.WorkingDrafts(t.Context(), by, w.acme.ID)) == nil || result(w.OthersDraft(t.Context(), by, w.acme.ID, li.Admin)) == nil {
			t.Errorf("%s reads drafts", name)
		}
	}
	if err := result(w.OthersDraft(t.Context(), command, "another", li.Admin)); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("a draft of another tenant: got %v, want %v", err, gate.ErrNotFound)
	}
}

func result[T any](_ T, err error) error { return err }

func result2[T, U any](t T, _ U, err error) (T, error) { return t, err }

// Windows of one person that edit at once lose none of what they did.
func TestEditDraftAtOnce(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	var done sync.WaitGroup
	for i := range 6 {
		done.Go(func() {
			op := gate.DraftOp{Step: gate.DraftSet, Entry: entry(fmt.Sprintf("198.51.100.%d", i), "x")}
			if err := result(result2(w.EditDraft(t.Context(), li, w.acme.ID, op))); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if d, err := w.WorkingDraft(t.Context(), li, w.acme.ID); err != nil || d.Changes != 6 {
		t.Errorf("got %+v, %v, want 6 changes", d, err)
	}
}

func TestDraftOfFiveThousand(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	many := make([]gate.Draft, gate.MaxEntries)
	for i := range many {
		many[i] = entry(fmt.Sprintf("20.%d.%d.0/24", i>>8, i&255), strings.Repeat("n", 40))
	}
	for _, op := range []gate.DraftOp{{Step: gate.DraftReplace, Entries: many}, {Step: gate.DraftMode, Mode: gate.ModeOff}} {
		began := time.Now()
		w.draft(li, op)
		t.Logf("%s took %v", op.Step, time.Since(began))
	}
	if d, err := w.WorkingDraft(t.Context(), li, w.acme.ID); err != nil || len(d.Entries) != gate.MaxEntries {
		t.Errorf("got %d entries, %v", len(d.Entries), err)
	}
}

// Entries may change places: the id of what moves away is not given to what
// takes its range.
func TestRangesChangePlaces(t *testing.T) {
	w := newWorld(t)
	e := w.list()
	hq := e.Entries[0].ID
	e.Entries[0].Range = "192.0.2.0/24"
	e.Entries = append([]gate.Draft{entry("203.0.113.0/24", "new")}, e.Entries...)
	done, err := w.PutNetworks(t.Context(), command, e)
	if err != nil {
		t.Fatal(err)
	}
	if done.Entries[0].ID == hq || done.Entries[1].ID != hq {
		t.Errorf("got ids %s, %s; want a new one and %s", done.Entries[0].ID, done.Entries[1].ID, hq)
	}
	e = w.list()
	e.Entries = append(e.Entries, gate.Draft{ID: hq, Range: "198.51.100.0/24", Label: "twice"})
	_, err = w.PutNetworks(t.Context(), command, e)
	if invalid, ok := errors.AsType[*gate.InvalidError](err); !ok || invalid.Errors[0].Code != "duplicate" || invalid.Errors[0].Field != "entries[2].id" {
		t.Errorf("an id that stands twice: got %v", err)
	}
}
