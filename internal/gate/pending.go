package gate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// undoEvery bounds how long a change outlives its time to be confirmed.
const undoEvery = 250 * time.Millisecond

// Errors about changes that wait to be confirmed.
var (
	// ErrChangePending means that another change of the list waits to be
	// confirmed or undone.
	ErrChangePending = errors.New("another change of the list waits to be confirmed: keep it or undo it first")
	// ErrNothingPending means that no such change waits to be confirmed: it
	// was confirmed or undone, or its time is over.
	ErrNothingPending = errors.New("no such change waits to be confirmed")
	// ErrNotAdmitted means that who confirms a change is not admitted by it.
	ErrNotAdmitted = errors.New("the new list does not admit you here: confirm from a network that it has")
)

// Pending is a change of a list that is in force and is undone unless somebody
// confirms it.
type Pending struct {
	Version int64 // the change
	Base    int64 // the version before it, which comes back
	Until   time.Time
	By      string // who made the change: login, or the command's user
	ByAdmin string // admin ID; empty: a command
	Reason  string
}

// PendingStore keeps the changes that wait. They are made by PutNetworks.
type PendingStore interface {
	// Confirm lets the waiting change stand; ErrNothingPending when this
	// version does not wait (any more).
	Confirm(ctx context.Context, rec Record, tenant string, version int64) error
	// Undo brings back mode and entries from before the waiting change, as a
	// new version, and returns it; ErrNothingPending likewise. Of several who
	// confirm and undo at once, one succeeds.
	Undo(ctx context.Context, rec Record, tenant string, version int64) (int64, error)
}

// Pending returns the change of a tenant's list that waits to be confirmed;
// nil: none does. It reads the snapshot: also while the store is away.
func (g *Gate) Pending(tenant string) *Pending {
	if t := g.snap.byID(tenant); t != nil {
		return t.pending
	}
	return nil
}

// Confirm lets a waiting change stand. An admin confirms from where the new
// list itself lets it in: that is what the confirmation proves.
func (g *Gate) Confirm(ctx context.Context, by Actor, tenant string, version int64) error {
	if err := by.may(tenant, RoleOwner); err != nil {
		return err
	}
	p, err := g.store.LoadTenant(ctx, tenant)
	if err != nil {
		return err
	}
	now := g.now()
	switch {
	case p.Pending == nil, p.Pending.Version != version, !now.Before(p.Pending.Until):
		return ErrNothingPending
	case by.Kind != ActorCommand && p.Tenant.Mode == ModeEnforced &&
		!compile(p.Networks, now).admitAdmin(by.Address, by.listRole(), by.Admin):
		return ErrNotAdmitted
	}
	rec := Record{Actor: by, Action: "network.confirm", At: now, Detail: listDetail{Change: version}}
	if err := g.store.Confirm(ctx, rec, tenant, version); err != nil {
		return err
	}
	return g.applied(ctx)
}

// Undo brings back what was in force before a waiting change.
func (g *Gate) Undo(ctx context.Context, by Actor, tenant string, version int64) (*Edited, error) {
	if err := by.may(tenant, RoleOwner); err != nil {
		return nil, err
	}
	p, err := g.store.LoadTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if p.Pending == nil || p.Pending.Version != version {
		return nil, ErrNothingPending
	}
	next, err := g.undo(ctx, by, tenant, p.Pending, "")
	if err != nil {
		return nil, err
	}
	v, err := g.store.List(ctx, tenant, next)
	if err != nil {
		return nil, errors.Join(ErrNotYetInForce, err)
	}
	return &Edited{Version: next, Entries: v.Networks}, g.applied(ctx)
}

// undo undoes a waiting change, and returns the new version.
func (g *Gate) undo(ctx context.Context, by Actor, tenant string, p *Pending, why string) (int64, error) {
	was, err := g.store.List(ctx, tenant, p.Version)
	if err != nil {
		return 0, err
	}
	is, err := g.store.List(ctx, tenant, p.Base)
	if err != nil {
		return 0, err
	}
	detail := between(was.Mode, is.Mode, was.Networks, is.Networks)
	detail.Change, detail.Base, detail.Why = p.Version, p.Base, why
	return g.store.Undo(ctx, Record{Actor: by, Action: "network.undo", At: g.now(), Detail: detail}, tenant, p.Version)
}

// undoDue undoes the changes whose time to be confirmed is over, until the
// context ends: first of all those whose time ended while nothing ran.
func (g *Gate) undoDue(ctx context.Context) {
	var down atomic.Bool
	undo := func(ctx context.Context) {
		if err := g.undoOverdue(ctx); ctx.Err() == nil {
			g.trouble("undoing changes that nobody confirmed", &down, err)
		}
	}
	undo(ctx)
	every(ctx, func() time.Duration { return undoEvery }, undo)
}

// undoOverdue undoes what is due now. Every node tries, and one succeeds.
func (g *Gate) undoOverdue(ctx context.Context) error {
	now := g.now()
	var errs []error
	g.snap.pending.all(func(tenant string, p *Pending) {
		if now.Before(p.Until) {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, storeWithin)
		defer cancel()
		_, err := g.undo(ctx, Actor{Kind: ActorSystem}, tenant, p, "not confirmed")
		if err == nil {
			err = g.applied(ctx)
		}
		if err != nil && !errors.Is(err, ErrNothingPending) && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	})
	return errors.Join(errs...)
}
