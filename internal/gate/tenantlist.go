package gate

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// selectTenants lists the tenants that a filter selects, from memory: to look for
// a part of a name among all of them takes a store longer than it takes this.
func (g *Gate) selectTenants(f TenantFilter) []Tenant {
	search, now := strings.ToLower(strings.TrimSpace(f.Search)), g.now()
	var found []listedTenant
	var after *listedTenant
	g.snap.tenants.all(func(_ string, t *tenantState) {
		last := t.Slug == f.After
		if !last && (f.Mode != "" && t.Mode != f.Mode || !t.matches(search)) {
			return
		}
		one := listedTenant{tenantState: t}
		switch f.Sort {
		case SortName:
			one.name = strings.ToLower(t.Name)
		case SortWarnings:
			one.grave = g.gravity(t, now)
		}
		if last {
			after = &one
			return
		}
		found = append(found, one)
	})
	order := tenantOrders[f.Sort]
	if order == nil {
		order = bySlug
	}
	if after == nil && f.After != "" { // it is gone meanwhile
		after, order = &listedTenant{tenantState: &tenantState{Tenant: Tenant{Slug: f.After}}}, bySlug
	}
	if after != nil {
		found = slices.DeleteFunc(found, func(t listedTenant) bool { return order(t, *after) < 0 })
	}
	slices.SortFunc(found, order)
	list := make([]Tenant, min(len(found), cmp.Or(f.Limit, len(found))))
	for i := range list {
		list[i] = found[i].Tenant
	}
	return list
}

// listedTenant is a tenant with what it is ordered by.
type listedTenant struct {
	*tenantState
	name  string // in lower case
	grave int    // see gravity
}

func bySlug(a, b listedTenant) int { return strings.Compare(a.Slug, b.Slug) }

// tenantOrders are how tenants are ordered.
var tenantOrders = map[TenantSort]func(a, b listedTenant) int{
	SortSlug:     bySlug,
	SortName:     func(a, b listedTenant) int { return cmp.Or(strings.Compare(a.name, b.name), bySlug(a, b)) },
	SortCreated:  func(a, b listedTenant) int { return cmp.Or(b.Created.Compare(a.Created), bySlug(b, a)) },
	SortWarnings: func(a, b listedTenant) int { return cmp.Or(cmp.Compare(b.grave, a.grave), bySlug(a, b)) },
}

// matches reports whether a text, in lower case, is part of the slug, the name or
// a host.
func (t *tenantState) matches(search string) bool {
	return search == "" || strings.Contains(t.Slug, search) || strings.Contains(strings.ToLower(t.Name), search) ||
		slices.ContainsFunc(t.Hosts, func(host string) bool { return strings.Contains(host, search) })
}

// gravity orders tenants by the gravest of their warnings, and by how many there
// are. Whether anybody has signed in is not in memory, and does not count.
func (g *Gate) gravity(t *tenantState, now time.Time) int {
	row := g.heldRow(t, now)
	warnings := row.Warnings()
	if len(warnings) == 0 {
		return 0
	}
	return (len(warningOrder)-slices.Index(warningOrder, warnings[0]))*len(warningOrder) + len(warnings)
}

// heldRow is what is in memory of a tenant.
func (g *Gate) heldRow(t *tenantState, now time.Time) TenantRow {
	row := TenantRow{Tenant: t.Tenant, Open: len(g.Emergencies(t.ID))}
	for i := range t.networks {
		if n := &t.networks[i]; n.Enabled && n.Admits(now) {
			row.Entries++
		}
	}
	for _, a := range t.admins {
		if a.Disabled || a.NoPassword {
			continue
		}
		row.Admins++
		if a.Role == RoleOwner {
			row.Owners++
		}
	}
	return row
}
