package gate

import (
	"context"
	"slices"
)

// visited is the action of a look at a tenant's console, in the change log.
const visited = "operator.visit"

// visitDetail is what the change log says of a look at a tenant's console.
type visitDetail struct {
	Page string `json:"page"`
}

// Visit lets somebody who runs the gateway look at a page of a tenant's console,
// and returns the tenant and the actor to look with: one that reads and changes
// nothing. The tenant's change log says so, once in ten minutes for each visitor
// and page; where it cannot be said, nothing is shown.
func (g *Gate) Visit(ctx context.Context, by Actor, slug, page string) (*Tenant, Actor, error) {
	if err := g.operates(by, RoleOwner, RoleReviewer); err != nil {
		return nil, Actor{}, err
	}
	t, err := g.Tenant(ctx, slug)
	if err != nil {
		return nil, Actor{}, err
	}
	visitor := by.abroad()
	visitor.Tenant, visitor.Role, visitor.Session, visitor.Visiting = t.ID, RoleReviewer, "", true
	now, key := g.now(), "visit "+by.Admin+" "+t.ID+" "+page
	if !g.read.fresh(key, now) {
		return t, visitor, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	err = g.store.NoteAccess(ctx, Record{Actor: visitor, Action: visited, Detail: visitDetail{page}, At: now}, t.ID, t.ID)
	if err != nil {
		g.read.forget(key)
		return nil, Actor{}, err
	}
	return t, visitor, nil
}

// mayRead is may for what changes nothing, which whoever visits may see whatever
// the roles.
func (a Actor) mayRead(tenant string, roles ...Role) error {
	if a.Visiting {
		roles = append(slices.Clip(roles), a.Role)
	}
	return a.may(tenant, roles...)
}
