package gate

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Import is entries that are to come into a list together.
type Import struct {
	Tenant  string
	Base    int64 // the version they are meant for; 0: the newest
	Entries []Draft
	Replace bool // they are the list, rather than added to it
	Draft   bool // to the actor's draft, where it has one
	EditOptions
}

// Fate is what would become of an entry that is imported.
type Fate string

// Fates, from a closed list.
const (
	FateNew       Fate = "new"
	FateKept      Fate = "kept"      // the list that is replaced has it already
	FateCovered   Fate = "covered"   // it is new, and another entry contains it
	FatePrivate   Fate = "private"   // it is new, and visitors from the internet never have such an address
	FateWide      Fate = "wide"      // it is refused unless it is said on purpose
	FateDuplicate Fate = "duplicate" // it is refused: the list, or an earlier row, has it
	FateInvalid   Fate = "invalid"   // it is refused
)

// Fates are all of them, in the order of what they ask for.
var Fates = []Fate{FateNew, FateKept, FateCovered, FatePrivate, FateWide, FateDuplicate, FateInvalid}

// Refused reports whether an import with such an entry is refused.
func (f Fate) Refused() bool { return f == FateWide || f == FateDuplicate || f == FateInvalid }

// Tried is what would come of an import.
type Tried struct {
	Version int64 // of the list, or that the draft was made from
	Kept    int   // entries that are there and stay
	Entries []TriedEntry
	Errors  []FieldError // what no entry is wrong with by itself
}

// TriedEntry is what would become of one entry. Fields have no entry's number.
type TriedEntry struct {
	Fate     Fate
	Errors   []FieldError
	Warnings []Warning
}

// TryImport says what would come of an import, by the same rules as an edit,
// and does nothing. *VersionConflict: the list has another version.
func (g *Gate) TryImport(ctx context.Context, by Actor, in Import) (*Tried, error) {
	if err := by.may(in.Tenant, RoleOwner); err != nil {
		return nil, err
	}
	list, kept, err := g.importInto(ctx, by, in)
	if err != nil {
		return nil, err
	}
	admins, err := g.store.Admins(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	e := Edit{Tenant: in.Tenant, Mode: list.Mode, Entries: kept, EditOptions: in.EditOptions}
	if in.Replace {
		e.Entries = nil
	}
	out := &Tried{Version: list.Version, Kept: len(e.Entries)}
	e.Entries = slices.Concat(e.Entries, in.Entries)
	b := newBuilder(&e, list.Networks, viewsOf(admins), by, g.now())
	networks := b.entries()
	b.covered(networks)
	out.Entries = b.fates(networks[out.Kept:], out.Kept)
	b.bad.Errors = nil
	admitted := networks[:out.Kept:out.Kept]
	for i := range out.Entries {
		if !out.Entries[i].Fate.Refused() {
			admitted = append(admitted, networks[out.Kept+i])
		}
	}
	b.whole(admitted)
	if len(admitted) > MaxEntries {
		b.bad.add("entries", "too_many", "a list has at most %d entries, this one would have %d", MaxEntries, len(admitted))
	}
	out.Errors = b.bad.Errors
	return out, nil
}

// importInto returns the list that an import is for, and the entries that are
// there: of the list, or of the actor's draft.
func (g *Gate) importInto(ctx context.Context, by Actor, in Import) (*ListVersion, []Draft, error) {
	if in.Draft {
		d, err := g.store.Draft(ctx, in.Tenant, by.Admin)
		if err == nil {
			list, err := g.store.List(ctx, in.Tenant, d.Base)
			return list, d.Edit().Entries, err
		}
		if !errors.Is(err, ErrNotFound) {
			return nil, nil, err
		}
	}
	list, err := g.store.List(ctx, in.Tenant, 0)
	if err != nil {
		return nil, nil, err
	}
	if in.Base != 0 && in.Base != list.Version {
		return nil, nil, &VersionConflict{Base: in.Base, Current: list.Version}
	}
	return list, DraftsOf(list.Networks), nil
}

// fates says what became of the entries from first on.
func (b *builder) fates(networks []Network, first int) []TriedEntry {
	out := make([]TriedEntry, len(networks))
	for _, f := range b.bad.Errors {
		if i, field, ok := splitField(f.Field); ok && i >= first {
			if f.Field = field; f.Code == "duplicate" {
				f.Message = duplicateText
			}
			out[i-first].Errors = append(out[i-first].Errors, f)
		}
	}
	for _, w := range b.warnings {
		if i, field, ok := splitField(w.Field); ok && i >= first {
			w.Field = field
			out[i-first].Warnings = append(out[i-first].Warnings, w)
		}
	}
	for i := range out {
		out[i].Fate = out[i].fate(b.byID[networks[i].ID] != nil)
	}
	return out
}

// fate is the most pressing thing about an entry.
func (e *TriedEntry) fate(known bool) Fate {
	fate := FateNew
	if known {
		fate = FateKept
	}
	for _, w := range e.Warnings {
		switch {
		case w.Code == WarnCovered:
			fate = FateCovered
		case w.Code == WarnPrivate && fate == FateNew:
			fate = FatePrivate
		}
	}
	for _, f := range e.Errors {
		switch {
		case f.Code != "wide" && f.Code != "duplicate":
			return FateInvalid
		case fate != FateDuplicate:
			fate = Fate(f.Code)
		}
	}
	return fate
}

// ImportNetworks adds entries to the newest list, or makes them the list, all
// or none. The errors are those of PutNetworks; fields of entries are counted
// from the first that is imported.
func (g *Gate) ImportNetworks(ctx context.Context, by Actor, in Import) (*Edited, error) {
	first := 0
	done, err := g.change(ctx, by, in.Tenant, in.EditOptions, func(e *Edit) error {
		if in.Base != 0 && in.Base != e.Base {
			return &VersionConflict{Base: in.Base, Current: e.Base}
		}
		if in.Replace {
			e.Entries = nil
		}
		first = len(e.Entries)
		e.Entries = slices.Concat(e.Entries, in.Entries)
		return nil
	})
	if bad, ok := errors.AsType[*InvalidError](err); ok {
		return nil, bad.countedFrom(first)
	}
	return done, err
}

// countedFrom names the fields of entries as whoever wrote those from first on
// knows them.
func (e *InvalidError) countedFrom(first int) *InvalidError {
	out := &InvalidError{}
	for _, f := range e.Errors {
		if field, ok := touchedField(f.Field, DraftAdd, first); ok {
			f.Field = field
		}
		if f.Code == "duplicate" { // the number of an entry in the list says nothing to them
			f.Message = duplicateText
		}
		out.Errors = append(out.Errors, f)
	}
	return out
}

// splitField splits the name of a field of an entry: entries[2].range.
func splitField(text string) (entry int, field string, ok bool) {
	number, field, ok := strings.Cut(strings.TrimPrefix(text, "entries["), "].")
	entry, err := strconv.Atoi(number)
	return entry, field, ok && err == nil
}

// duplicateText is said where entries have no numbers.
const duplicateText = "this network stands in the list already"
