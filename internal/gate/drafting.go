package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// DraftStep is what an edit of a draft does.
type DraftStep string

// Steps of drafts.
const (
	DraftSet     DraftStep = "set"     // Entry with Key; without a key it is a new one
	DraftRemove  DraftStep = "remove"  // the entry with Key
	DraftRevert  DraftStep = "revert"  // the entry with Key: as it is in the list, or gone if it is not
	DraftMode    DraftStep = "mode"    // Mode
	DraftAdd     DraftStep = "add"     // Entries, to those that are there
	DraftReplace DraftStep = "replace" // Entries, in place of all
	DraftRestore DraftStep = "restore" // the entries of Version; the mode stays
)

// DraftOp is one edit of a draft.
type DraftOp struct {
	Step    DraftStep
	Key     string
	Entry   Draft
	Entries []Draft
	Mode    Mode
	Version int64
	Accept  []string
	Trusted func(netip.Addr) bool // see Edit; may be nil
}

// EditDraft edits the actor's draft, which is made from the newest list when
// there is none, and returns it with words about what was written. What is
// wrong with it is an *InvalidError whose fields are those of the entry, or
// entries[i].… of what was added; ErrNotFound: no such entry or version. A
// draft that comes to the list it was made from is gone, and has no changes.
//
// Drafts change nothing for anybody, so they are not in the change log: what is
// applied is.
func (g *Gate) EditDraft(ctx context.Context, by Actor, tenant string, op DraftOp) (*WorkingDraft, []Warning, error) {
	if err := by.mayDraft(tenant); err != nil {
		return nil, nil, err
	}
	for tries := 0; ; tries++ {
		d, warnings, err := g.editDraft(ctx, by, tenant, op)
		if errors.Is(err, ErrChanged) && tries < 10 {
			continue // another window of the same person; an edit means the same after it
		}
		return d, warnings, err
	}
}

func (g *Gate) editDraft(ctx context.Context, by Actor, tenant string, op DraftOp) (*WorkingDraft, []Warning, error) {
	d, base, err := g.openDraft(ctx, by, tenant, op)
	if err != nil {
		return nil, nil, err
	}
	if op.Step != DraftMode {
		d.Restores = 0
	}
	touched, err := g.step(ctx, d, base, op)
	if err != nil {
		return nil, nil, err
	}
	warnings, err := g.checkDraft(ctx, by, d, base, op, touched)
	if err != nil {
		return nil, nil, err
	}
	return d, warnings, g.keepDraft(ctx, d, base)
}

// openDraft returns the actor's draft, or a fresh one, and its base. Restoring
// and replacing begin anew from the newest list.
func (g *Gate) openDraft(ctx context.Context, by Actor, tenant string, op DraftOp) (*WorkingDraft, *ListVersion, error) {
	d, err := g.store.Draft(ctx, tenant, by.Admin)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, nil, err
	}
	if d != nil && op.Step != DraftRestore {
		base, err := g.store.List(ctx, tenant, d.Base)
		return d, base, err
	}
	base, err := g.store.List(ctx, tenant, 0)
	if err != nil {
		return nil, nil, err
	}
	fresh := newDraft(by, tenant, base)
	if d != nil {
		fresh.Revision = d.Revision
	}
	return fresh, base, nil
}

func newDraft(by Actor, tenant string, base *ListVersion) *WorkingDraft {
	return &WorkingDraft{
		Tenant: tenant, Admin: by.Admin, Login: by.Login,
		Base: base.Version, Mode: base.Mode, Entries: draftEntries(base.Networks),
	}
}

func draftEntries(networks []Network) []DraftEntry {
	out := make([]DraftEntry, len(networks))
	for i, d := range DraftsOf(networks) {
		out[i] = DraftEntry{d.ID, d}
	}
	return out
}

// step applies an edit and returns the keys of the entries that it wrote.
func (g *Gate) step(ctx context.Context, d *WorkingDraft, base *ListVersion, op DraftOp) (touched []string, err error) {
	switch op.Step {
	case DraftSet:
		return d.set(op.Key, op.Entry)
	case DraftRemove:
		i := d.index(op.Key)
		if i < 0 {
			return nil, ErrNotFound
		}
		d.Entries = slices.Delete(d.Entries, i, i+1)
		return nil, nil
	case DraftRevert:
		return nil, d.revert(op.Key, base.Networks)
	case DraftMode:
		d.Mode = op.Mode
		return nil, nil
	case DraftReplace:
		d.Entries = nil
		return d.add(op.Entries), nil
	case DraftAdd:
		return d.add(op.Entries), nil
	case DraftRestore:
		return nil, g.restoreInto(ctx, d, op.Version)
	}
	return nil, Invalid("step", "unknown", "%q is nothing that can be done to a draft", op.Step)
}

func (d *WorkingDraft) set(key string, entry Draft) ([]string, error) {
	if key == "" {
		return d.add([]Draft{entry}), nil
	}
	i := d.index(key)
	if i < 0 {
		return nil, ErrNotFound
	}
	entry.ID = d.Entries[i].ID
	d.Entries[i].Draft = entry
	return []string{key}, nil
}

func (d *WorkingDraft) add(entries []Draft) []string {
	keys := make([]string, len(entries))
	for i, e := range entries {
		e.ID, keys[i] = "", NewID()
		d.Entries = append(d.Entries, DraftEntry{keys[i], e})
	}
	return keys
}

// revert undoes what was done to one entry, which is named by its key, or by its
// id when it was removed.
func (d *WorkingDraft) revert(key string, base []Network) error {
	if i := d.index(key); i >= 0 {
		partners, _ := match(base, d.Networks())
		if before := partners[i]; before != nil {
			d.Entries[i] = draftEntries([]Network{*before})[0]
		} else {
			d.Entries = slices.Delete(d.Entries, i, i+1)
		}
		return nil
	}
	i := slices.IndexFunc(base, func(n Network) bool { return n.ID == key })
	if i < 0 {
		return ErrNotFound
	}
	d.Entries = append(d.Entries, draftEntries(base[i:i+1])...)
	return nil
}

// restoreInto puts the entries of a version into a fresh draft. What is not in
// the newest list any more becomes a new entry.
func (g *Gate) restoreInto(ctx context.Context, d *WorkingDraft, version int64) error {
	if version <= 0 { // to the store, 0 is the newest
		return ErrNotFound
	}
	v, err := g.store.List(ctx, d.Tenant, version)
	if err != nil {
		return err
	}
	newest := d.Entries
	d.Restores = version
	d.Entries = draftEntries(v.Networks)
	disown(d.Entries, newest)
	return nil
}

// disown makes new entries of those that are not in a list any more.
func disown(entries, list []DraftEntry) {
	there := make(map[string]bool, len(list))
	for i := range list {
		there[list[i].ID] = true
	}
	for i := range entries {
		if !there[entries[i].ID] {
			entries[i].ID = ""
		}
	}
}

// checkDraft holds what was touched against the rules that will hold when the
// draft is applied, and writes it as it will be stored. Entries nobody touched
// may meanwhile be wrong, as when a named admin is gone: that is said when the
// draft is reviewed, and must not stand in the way of another edit.
func (g *Gate) checkDraft(ctx context.Context, by Actor, d *WorkingDraft, base *ListVersion, op DraftOp, touched []string) ([]Warning, error) {
	admins, err := g.store.Admins(ctx, d.Tenant)
	if err != nil {
		return nil, err
	}
	e, order := d.touchedLast(touched)
	e.Accept, e.Trusted = op.Accept, op.Trusted
	b := newBuilder(&e, base.Networks, viewsOf(admins), by, g.now())
	if b.frame(); len(b.bad.Errors) > 0 {
		return nil, &b.bad
	}
	networks, first := b.entries(), len(order)-len(touched)
	if bad := badOf(b.bad.Errors, op.Step, first); len(bad) > 0 {
		return nil, &InvalidError{bad}
	}
	ofEntries := len(b.bad.Errors)
	b.whole(networks)
	if bad := b.bad.Errors[ofEntries:]; len(bad) > 0 {
		return nil, &InvalidError{bad}
	}
	if len(touched) > 0 {
		b.covered(networks)
	}
	for i, stored := range DraftsOf(networks[first:]) {
		at := &d.Entries[order[first+i]]
		stored.ID = at.ID
		at.Draft = stored
	}
	return warningsOf(b.warnings, op.Step, first), nil
}

// touchedLast is the draft as an edit with the touched entries at its end, so
// that of two that are the same, the touched one is called the duplicate. order
// says where in the draft each comes from.
func (d *WorkingDraft) touchedLast(touched []string) (Edit, []int) {
	isTouched := make(map[string]bool, len(touched))
	for _, key := range touched {
		isTouched[key] = true
	}
	order := make([]int, 0, len(d.Entries))
	for _, last := range []bool{false, true} {
		for i := range d.Entries {
			if isTouched[d.Entries[i].Key] == last {
				order = append(order, i)
			}
		}
	}
	e := Edit{Tenant: d.Tenant, Base: d.Base, Mode: d.Mode, Entries: make([]Draft, len(order))}
	for i, from := range order {
		e.Entries[i] = d.Entries[from].Draft
	}
	return e, order
}

// touchedField names a field as whoever wrote the entry knows it: without the
// entry where there is one only, and counted from the first that was written.
func touchedField(field string, step DraftStep, first int) (string, bool) {
	i, name, ok := splitField(field)
	if !ok || i < first {
		return "", false
	}
	if step == DraftSet {
		return name, true
	}
	return fmt.Sprintf("entries[%d].%s", i-first, name), true
}

// badOf returns what is wrong with the entries from first on.
func badOf(all []FieldError, step DraftStep, first int) []FieldError {
	var out []FieldError
	for _, f := range all {
		field, ok := touchedField(f.Field, step, first)
		if !ok {
			continue
		}
		if f.Code == "duplicate" { // entries have no numbers in a draft
			f.Message = duplicateText
		}
		f.Field = field
		out = append(out, f)
	}
	return out
}

func warningsOf(all []Warning, step DraftStep, first int) []Warning {
	var out []Warning
	for _, w := range all {
		if field, ok := touchedField(w.Field, step, first); ok {
			w.Field = field
			out = append(out, w)
		}
	}
	return out
}

// RestoreAsDraft makes an earlier version the actor's draft, in place of what it
// has, and returns it. Whoever has no drafts gets one that is kept nowhere.
func (g *Gate) RestoreAsDraft(ctx context.Context, by Actor, tenant string, version int64) (*WorkingDraft, error) {
	err := by.mayDraft(tenant)
	if err == nil {
		d, _, err := g.EditDraft(ctx, by, tenant, DraftOp{Step: DraftRestore, Version: version})
		return d, err
	}
	if !errors.Is(err, ErrNoDraft) {
		return nil, err
	}
	base, err := g.store.List(ctx, tenant, 0)
	if err != nil {
		return nil, err
	}
	d := newDraft(Actor{}, tenant, base)
	if err := g.restoreInto(ctx, d, version); err != nil {
		return nil, err
	}
	d.count(base)
	return d, nil
}

// count fills how many changes there are.
func (d *WorkingDraft) count(base *ListVersion) {
	d.Changes = len(Compare(base.Networks, d.Networks()))
	if d.Mode != base.Mode {
		d.Changes++
	}
}

// keepDraft stores a draft, or removes it where nothing of it is left.
func (g *Gate) keepDraft(ctx context.Context, d *WorkingDraft, base *ListVersion) error {
	was := d.Revision
	d.count(base)
	d.Updated = micros(g.now())
	d.Revision = max(was+1, d.Updated.UnixMicro()) // not one that an earlier draft had
	if d.Changes > 0 {
		return g.store.PutDraft(ctx, *d, was)
	}
	if was == 0 {
		return nil
	}
	return g.store.RemoveDraft(ctx, d.Tenant, d.Admin, was)
}

// ApplyDraft makes the actor's draft of a revision the list. The errors to
// expect are those of PutNetworks, ErrNotFound when there is no draft, and
// ErrDraftChanged when it is of another revision by now. With an error the draft
// stays, and without one it is gone.
func (g *Gate) ApplyDraft(ctx context.Context, by Actor, tenant string, revision int64, o EditOptions) (*Edited, error) {
	d, err := g.WorkingDraft(ctx, by, tenant)
	if err == nil {
		err = by.lately()
	}
	if err != nil {
		return nil, err
	}
	if d.Revision != revision {
		return nil, ErrDraftChanged
	}
	e := d.Edit()
	o.Accept = append(e.Accept, o.Accept...)
	o.draft = d
	e.EditOptions = o
	return g.PutNetworks(ctx, by, e)
}
