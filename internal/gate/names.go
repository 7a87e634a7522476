package gate

import (
	"cmp"
	"slices"
)

// People lists who is in a tenant, as this node knows them, by login.
func (g *Gate) People(by Actor, tenant string) ([]AdminView, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	t := g.snap.byID(tenant)
	if t == nil {
		return nil, ErrNotFound
	}
	out := make([]AdminView, 0, len(t.admins))
	for _, a := range t.admins {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b AdminView) int { return cmp.Compare(a.Login, b.Login) })
	return out, nil
}

// Names returns what the admins of a tenant are called, by their ids: the name,
// or the login of who has none. Entries and drafts name people by their ids.
func (g *Gate) Names(by Actor, tenant string) (map[string]string, error) {
	people, err := g.People(by, tenant)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(people))
	for _, a := range people {
		names[a.ID] = cmp.Or(a.Name, a.Login)
	}
	return names, nil
}
