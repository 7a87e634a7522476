package gate

import (
	"cmp"
	"context"
	"slices"

	"github.com/sallyport-gate/sallyport/cidr"
)

// ChangeOf says what happened to an entry between two lists.
type ChangeOf string

// Kinds of changes of entries.
const (
	Added   ChangeOf = "added"
	Removed ChangeOf = "removed"
	Changed ChangeOf = "changed"
)

// NetworkChange is one difference between two lists.
type NetworkChange struct {
	Kind   ChangeOf
	Before *Network // nil: added
	After  *Network // nil: removed
	Fields []string // that differ, by their names in the API; where changed
}

// Compare says what leads from one list to another: first what was added or
// changed, in the order of the new list, then what was removed. An entry is the
// same one by its id, and else by its range.
func Compare(before, after []Network) []NetworkChange {
	var out []NetworkChange
	partners, gone := match(before, after)
	for i := range after {
		n, old := &after[i], partners[i]
		if old == nil {
			out = append(out, NetworkChange{Kind: Added, After: n})
		} else if fields := differing(old, n); len(fields) > 0 {
			out = append(out, NetworkChange{Changed, old, n, fields})
		}
	}
	for _, old := range gone {
		out = append(out, NetworkChange{Kind: Removed, Before: old})
	}
	return out
}

// match finds for each entry of a list the one it was before, nil for none, and
// those that are gone, in their order.
func match(before, after []Network) (partners, gone []*Network) {
	byID := make(map[string]*Network, len(before))
	byRange := make(map[cidr.Range]*Network, len(before))
	for i := range before {
		byID[before[i].ID], byRange[before[i].Range] = &before[i], &before[i]
	}
	partners = make([]*Network, len(after))
	taken := make(map[*Network]bool, len(before))
	for i := range after {
		if old := byID[after[i].ID]; old != nil && !taken[old] {
			partners[i], taken[old] = old, true
		}
	}
	for i := range after {
		if old := byRange[after[i].Range]; partners[i] == nil && old != nil && !taken[old] {
			partners[i], taken[old] = old, true
		}
	}
	for i := range before {
		if !taken[&before[i]] {
			gone = append(gone, &before[i])
		}
	}
	return partners, gone
}

// differing names the fields in which two entries differ.
func differing(a, b *Network) (fields []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"range", a.Range == b.Range},
		{"label", a.Label == b.Label},
		{"note", a.Note == b.Note},
		{"owner", a.Owner == b.Owner},
		{"enabled", a.Enabled == b.Enabled},
		{"not_before", a.NotBefore.Equal(b.NotBefore)},
		{"expires", a.Expires.Equal(b.Expires)},
		{"roles", sameSet(a.Roles, b.Roles)},
		{"admins", sameSet(a.Admins, b.Admins)},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// sameSet compares lists whose order and doubles mean nothing.
func sameSet[T cmp.Ordered](a, b []T) bool {
	sorted := func(list []T) []T { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(sorted(a), sorted(b))
}

// Comparison is two versions of a list and what leads from one to the other.
type Comparison struct {
	From, To *ListVersion
	Changes  []NetworkChange
}

// CompareVersions compares two versions of a tenant's list; 0 is the newest.
func (g *Gate) CompareVersions(ctx context.Context, by Actor, tenant string, from, to int64) (*Comparison, error) {
	a, err := g.Version(ctx, by, tenant, from)
	if err != nil {
		return nil, err
	}
	b, err := g.Version(ctx, by, tenant, to)
	if err != nil {
		return nil, err
	}
	return &Comparison{a, b, Compare(a.Networks, b.Networks)}, nil
}
