package gate

import (
	"context"
	"slices"
	"time"
)

// AllowUndo is how long what Allow did can be taken back with one word.
const AllowUndo = 10 * time.Minute

// allowVersions is how many versions of a list are looked through for it.
const allowVersions = 20

// Allowance is what Allow did for an attempt, while it can be taken back.
type Allowance struct {
	Network Network   // the entry that it made or changed
	Until   time.Time // it can be taken back
	before  *Network  // the entry as it was; nil: there was none
}

// Allowance returns what Allow did for an attempt lately, or ErrNotFound: it did
// nothing, its time is over, or the entry was changed by somebody since.
func (g *Gate) Allowance(ctx context.Context, by Actor, tenant, reference string) (*Allowance, error) {
	versions, err := g.Versions(ctx, by, tenant, 0, allowVersions)
	if err != nil {
		return nil, err
	}
	for i := range versions {
		v := &versions[i]
		until := v.At.Add(AllowUndo)
		if !g.now().Before(until) {
			break
		}
		if v.Reason != allowReason(reference) || v.Added+v.Changed != 1 || v.Removed > 0 {
			continue
		}
		c, err := g.onlyChange(ctx, tenant, v.Version)
		if err != nil {
			return nil, err
		}
		now, err := g.store.List(ctx, tenant, 0)
		if err != nil {
			return nil, err
		}
		same := func(n Network) bool { return n.ID == c.After.ID && len(differing(&n, c.After)) == 0 }
		if !slices.ContainsFunc(now.Networks, same) {
			break
		}
		return &Allowance{Network: *c.After, Until: until, before: c.Before}, nil
	}
	return nil, ErrNotFound
}

// onlyChange returns what a version that adds or changes one entry does.
func (g *Gate) onlyChange(ctx context.Context, tenant string, version int64) (*NetworkChange, error) {
	after, err := g.store.List(ctx, tenant, version)
	if err != nil {
		return nil, err
	}
	before, err := g.store.List(ctx, tenant, version-1)
	if err != nil {
		return nil, err
	}
	changes := Compare(before.Networks, after.Networks)
	if len(changes) != 1 || changes[0].After == nil {
		return nil, ErrNotFound
	}
	return &changes[0], nil
}

// UndoAllow takes back what Allow did for an attempt: the entry is gone, or as
// it was. What else was changed since stays. The guards of every edit hold.
func (g *Gate) UndoAllow(ctx context.Context, by Actor, tenant, reference string, o EditOptions) (*Edited, error) {
	if err := by.may(tenant, RoleOwner); err != nil {
		return nil, err
	}
	allowed, err := g.Allowance(ctx, by, tenant, reference)
	if err != nil {
		return nil, err
	}
	if o.Reason == "" {
		o.Reason = allowReason(reference) + ", undone"
	}
	return g.change(ctx, by, tenant, o, func(e *Edit) error {
		i := slices.IndexFunc(e.Entries, func(d Draft) bool { return d.ID == allowed.Network.ID })
		switch {
		case i < 0:
			return ErrNotFound
		case allowed.before == nil:
			e.Entries = slices.Delete(e.Entries, i, i+1)
		default:
			e.Entries[i] = DraftsOf([]Network{*allowed.before})[0]
		}
		return nil
	})
}
