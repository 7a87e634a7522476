package gate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// ErrNoDraft is the error of whoever cannot have a draft: only people edit one
// step after another, commands and tokens write whole lists.
var ErrNoDraft = errors.New("only an admin who is signed in has a draft")

// ErrDraftChanged means that a draft was changed after it was reviewed.
var ErrDraftChanged = errors.New("the draft was changed after you looked at it")

// WorkingDraft is a list that an owner is still editing. Each owner has at most
// one in its tenant; it outlives sessions and changes nothing until it is
// applied.
//
// Whatever is wide in it was said on purpose when it was written, or has stood
// in the list before.
type WorkingDraft struct {
	Tenant  string
	Admin   string // ID
	Login   string // filled when read
	Base    int64  // the version it was made from
	Mode    Mode
	Entries []DraftEntry // nil where drafts are listed
	// Restores is the version whose entries these are, untouched; 0: none.
	Restores int64
	Changes  int // how many there are against Base; one for the mode
	Updated  time.Time
	// Revision is another one after every edit, so that nobody applies what
	// was changed after it was reviewed.
	Revision int64
}

// DraftEntry is an entry of a draft. Its key is the entry's ID, or for a new
// entry, whose Draft.ID is empty, a fresh one.
type DraftEntry struct {
	Key string
	Draft
}

// Edit is the draft as an edit of the list.
func (d *WorkingDraft) Edit() Edit {
	e := Edit{Tenant: d.Tenant, Base: d.Base, Mode: d.Mode, Restores: d.Restores, Entries: make([]Draft, len(d.Entries))}
	wide := false
	for i := range d.Entries {
		e.Entries[i] = d.Entries[i].Draft
		r, _, err := cidr.Parse(d.Entries[i].Range)
		wide = wide || err == nil && r.Wide()
	}
	if wide {
		e.Accept = []string{AcceptWide}
	}
	return e
}

// Entry returns the entry with a key, nil for none.
func (d *WorkingDraft) Entry(key string) *DraftEntry {
	if i := d.index(key); i >= 0 {
		return &d.Entries[i]
	}
	return nil
}

func (d *WorkingDraft) index(key string) int {
	return slices.IndexFunc(d.Entries, func(e DraftEntry) bool { return e.Key == key })
}

// Networks is the draft as the list would be. New entries have their key for an
// id.
func (d *WorkingDraft) Networks() []Network {
	out := make([]Network, len(d.Entries))
	for i := range d.Entries {
		out[i] = d.Entries[i].network()
	}
	return out
}

func (e *DraftEntry) network() Network {
	r, _, _ := cidr.Parse(e.Range) // canonical since it was written
	return Network{
		ID: e.Key, Range: r, Label: e.Label, Note: e.Note, Owner: e.Owner, Enabled: e.Enabled,
		NotBefore: e.NotBefore, Expires: e.Expires, Roles: e.Roles, Admins: e.Admins,
	}
}

// DraftStore keeps drafts.
type DraftStore interface {
	// Draft returns an admin's draft, or ErrNotFound.
	Draft(ctx context.Context, tenant, admin string) (*WorkingDraft, error)
	// Drafts lists a tenant's drafts without their entries, newest first.
	Drafts(ctx context.Context, tenant string) ([]WorkingDraft, error)
	// PutDraft stores a draft where there is the one of the revision that was
	// read (0: none), and ErrChanged otherwise.
	PutDraft(ctx context.Context, d WorkingDraft, was int64) error
	// RemoveDraft removes the draft of the revision; ErrChanged otherwise.
	RemoveDraft(ctx context.Context, tenant, admin string, was int64) error
}

// WorkingDraft returns the actor's own draft; ErrNotFound when it has none.
func (g *Gate) WorkingDraft(ctx context.Context, by Actor, tenant string) (*WorkingDraft, error) {
	if err := by.mayDraft(tenant); err != nil {
		return nil, err
	}
	return g.store.Draft(ctx, tenant, by.Admin)
}

// OthersDraft returns the draft of anybody in the tenant, to be read.
func (g *Gate) OthersDraft(ctx context.Context, by Actor, tenant, admin string) (*WorkingDraft, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	return g.store.Draft(ctx, tenant, admin)
}

// WorkingDrafts lists a tenant's drafts, the actor's own included, newest
// first and without their entries.
func (g *Gate) WorkingDrafts(ctx context.Context, by Actor, tenant string) ([]WorkingDraft, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	return g.store.Drafts(ctx, tenant)
}

// mayDraft checks that the actor may have a draft in the tenant.
func (a Actor) mayDraft(tenant string) error {
	if err := a.may(tenant, RoleOwner); err != nil {
		return err
	}
	if a.Kind != ActorAdmin || a.Admin == "" {
		return ErrNoDraft
	}
	return nil
}

// DiscardDraft removes the actor's draft.
func (g *Gate) DiscardDraft(ctx context.Context, by Actor, tenant string) error {
	for tries := 0; ; tries++ {
		d, err := g.WorkingDraft(ctx, by, tenant)
		if err != nil {
			return err
		}
		err = g.store.RemoveDraft(ctx, tenant, d.Admin, d.Revision)
		if !errors.Is(err, ErrChanged) || tries == 10 {
			return err
		}
	}
}
