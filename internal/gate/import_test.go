package gate_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// fates of what was tried, as text.
func fates(tried *gate.Tried) []gate.Fate {
	var out []gate.Fate
	for _, e := range tried.Entries {
		out = append(out, e.Fate)
	}
	return out
}

func TestTryImport(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	rows := []gate.Draft{
		entry("198.51.100.0/24", "Branch"), entry("203.0.113.0/24", "HQ"), entry("203.0.113.9", "in HQ"), entry("10.1.0.0/16", "Plant"),
		entry("11.0.0.0/8", "Cloud"), entry("198.51.100.0/24", "again"), entry("198.51.100.300", "typo"), entry("192.0.2.0/28", ""),
	}
	with := func(change func(*gate.Import)) gate.Import {
		in := gate.Import{Tenant: w.acme.ID, Entries: rows}
		change(&in)
		return in
	}
	added := []gate.Fate{
		gate.FateNew, gate.FateDuplicate, gate.FateCovered, gate.FatePrivate, gate.FateWide, gate.FateDuplicate, gate.FateInvalid, gate.FateInvalid,
	}
	replaced := append([]gate.Fate{gate.FateNew, gate.FateKept}, added[2:]...)
	accepted := append([]gate.Fate{}, added...)
	accepted[4] = gate.FateNew
	for _, c := range []struct {
		name string
		in   gate.Import
		want []gate.Fate
		kept int
	}{
		{"added", with(func(*gate.Import) {}), added, 1},
		{"in place of the list", with(func(in *gate.Import) { in.Replace = true }), replaced, 0},
		{"wide on purpose", with(func(in *gate.Import) { in.Accept = []string{gate.AcceptWide} }), accepted, 1},
		{"to a draft that there is not", with(func(in *gate.Import) { in.Draft = true }), added, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			tried, err := w.TryImport(t.Context(), li, c.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := fates(tried); !reflect.DeepEqual(got, c.want) || tried.Kept != c.kept || tried.Version != 2 || tried.Errors != nil {
				t.Errorf("got %v, %d kept of version %d, %v\nwant %v, %d", got, tried.Kept, tried.Version, tried.Errors, c.want, c.kept)
			}
		})
	}
	t.Run("to a draft", func(t *testing.T) {
		w.draft(li, gate.DraftOp{Step: gate.DraftSet, Entry: entry("198.51.100.0/24", "In the draft")})
		tried, err := w.TryImport(t.Context(), li, with(func(in *gate.Import) { in.Draft = true }))
		if err != nil {
			t.Fatal(err)
		}
		if tried.Entries[0].Fate != gate.FateDuplicate || tried.Kept != 2 {
			t.Errorf("got %v, %d kept; want a duplicate of what the draft has", fates(tried), tried.Kept)
		}
	})
	if list, err := w.Networks(t.Context(), li, w.acme.ID); err != nil || list.Version != 2 {
		t.Errorf("trying changed something: %+v, %v", list, err)
	}
}

func TestTryImportOfAll(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	many := make([]gate.Draft, gate.MaxEntries)
	for i := range many {
		many[i] = entry(fmt.Sprintf("198.18.%d.%d", i/256, i%256), "x")
	}
	for _, c := range []struct {
		name string
		rows []gate.Draft
		want string
	}{
		{"one too many with the list", many, "too_many"},
		{"what the list would not take does not count", append(many[1:len(many):len(many)], entry("198.18.0.1", "again")), ""},
		{"everything", []gate.Draft{entry("0.0.0.0/1", "a"), entry("128.0.0.0/1", "b")}, "everything"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tried, err := w.TryImport(t.Context(), li, gate.Import{Tenant: w.acme.ID, Entries: c.rows, EditOptions: gate.EditOptions{Accept: []string{gate.AcceptWide}}})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, e := range tried.Errors {
				got += e.Code
			}
			if got != c.want || len(tried.Entries) != len(c.rows) {
				t.Errorf("got %q for %d rows, want %q for %d", got, len(tried.Entries), c.want, len(c.rows))
			}
		})
	}
}

func TestImportNetworks(t *testing.T) {
	w := newWorld(t)
	li := w.editor("li.na")
	rows := []gate.Draft{entry("198.51.100.0/24", "Branch"), entry("192.0.2.0/28", "VPN")}
	in := gate.Import{Tenant: w.acme.ID, Entries: rows, EditOptions: gate.EditOptions{Reason: "moved"}}
	done, err := w.ImportNetworks(t.Context(), li, in)
	if err != nil || done.Version != 3 || len(done.Entries) != 3 {
		t.Fatalf("got %+v, %v", done, err)
	}
	_, err = w.ImportNetworks(t.Context(), li, in)
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok || len(bad.Errors) != 2 || bad.Errors[0].Field != "entries[0].range" || bad.Errors[1].Code != "duplicate" {
		t.Errorf("again: got %v, want two duplicates, counted from the first row", err)
	}
	in.Replace, in.Base = true, 2
	if _, err := w.ImportNetworks(t.Context(), li, in); !isConflict(err) {
		t.Errorf("an old version: got %v, want a conflict", err)
	}
	in.Base = 3
	if _, err := w.ImportNetworks(t.Context(), li, in); !errors.Is(err, gate.ErrLocksYouOut) {
		t.Errorf("a list without the editor: got %v, want %v", err, gate.ErrLocksYouOut)
	}
	in.Entries = slices.Concat(rows, []gate.Draft{entry("203.0.113.0/24", "HQ")})
	if done, err = w.ImportNetworks(t.Context(), li, in); err != nil || done.Version != 4 || len(done.Entries) != 3 {
		t.Errorf("in place of the list: got %+v, %v", done, err)
	}
	for _, role := range []gate.Role{gate.RoleReviewer, gate.RoleMember} {
		if _, err := w.ImportNetworks(t.Context(), w.actor(role), in); !errors.Is(err, gate.ErrForbidden) {
			t.Errorf("%s: got %v, want %v", role, err, gate.ErrForbidden)
		}
		if _, err := w.TryImport(t.Context(), w.actor(role), in); !errors.Is(err, gate.ErrForbidden) {
			t.Errorf("%s, trying: got %v, want %v", role, err, gate.ErrForbidden)
		}
	}
}

func isConflict(err error) bool {
	_, ok := errors.AsType[*gate.VersionConflict](err)
	return ok
}

func BenchmarkTryImport(b *testing.B) {
	w := newWorld(b)
	rows := make([]gate.Draft, gate.MaxEntries-1)
	for i := range rows {
		rows[i] = entry(fmt.Sprintf("198.18.%d.%d", i/256, i%256), "x")
	}
	for b.Loop() {
		if tried, err := w.TryImport(b.Context(), command, gate.Import{Tenant: w.acme.ID, Entries: rows}); err != nil || len(tried.Errors) > 0 {
			b.Fatal(err, tried)
		}
	}
}
