package gate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// operates checks that the actor is a command, or an admin of the tenant that
// runs the gateway with one of the roles. For everybody else there is nothing
// here: ErrNotFound.
func (g *Gate) operates(by Actor, roles ...Role) error {
	if by.Kind == ActorCommand {
		return nil
	}
	t := g.snap.bySlug(OperatorTenant)
	switch {
	case by.Kind != ActorAdmin, t == nil, by.Tenant != t.ID:
		return ErrNotFound
	case !slices.Contains(roles, by.Role):
		return ErrForbidden
	}
	return nil
}

// manages is operates for what changes something, which is sensitive: the proof of
// who it is must not be old.
func (g *Gate) manages(by Actor) error {
	if err := g.operates(by, RoleOwner); err != nil {
		return err
	}
	return by.lately()
}

// OperatorID is the ID of the tenant that runs the gateway, empty: there is none.
func (g *Gate) OperatorID() string {
	if t := g.snap.bySlug(OperatorTenant); t != nil {
		return t.ID
	}
	return ""
}

// Operates reports whether the actor may see the tenants of others.
func (g *Gate) Operates(by Actor) bool {
	return by.Kind == ActorAdmin && g.operates(by, RoleOwner, RoleReviewer) == nil
}

// abroad is the actor as another tenant's change log names it.
func (a Actor) abroad() Actor {
	if a.Kind == ActorAdmin {
		a.Login += "@" + OperatorTenant
	}
	return a
}

// TenantSort is an order of tenants.
type TenantSort string

// Orders of tenants.
const (
	SortSlug    TenantSort = "slug"
	SortName    TenantSort = "name"
	SortCreated TenantSort = "created" // the newest first
	// SortWarnings begins with those that somebody should look after.
	SortWarnings TenantSort = "warnings"
)

// TenantSorts is the closed list of orders.
var TenantSorts = []TenantSort{SortSlug, SortName, SortCreated, SortWarnings}

// TenantFilter selects tenants.
type TenantFilter struct {
	Search string // in slug, name and hosts
	Mode   Mode   // empty: any
	Sort   TenantSort
	After  string // slug of the tenant to go on behind; empty: from the first
	Limit  int
}

// TenantFigures is what the store knows of a tenant at a glance.
type TenantFigures struct {
	Blocked     int64 // attempts that the first door kept out since the moment that was asked for
	Requests    int64 // that wait for an answer
	LastSignIn  time.Time
	DryRunSince time.Time // zero: its mode is another
}

// OperatorStore is what those see of all tenants who run the gateway.
type OperatorStore interface {
	// TenantFigures reads what a tenant's records say: attempts since one
	// moment, requests since another.
	TenantFigures(ctx context.Context, tenant string, attempts, requests time.Time) (TenantFigures, error)
	// DescribeStore says what the store is.
	DescribeStore(ctx context.Context) (StoreInfo, error)
}

// StoreInfo is what a store says about itself.
type StoreInfo struct {
	Kind, Version string
	Bytes         int64 // that it takes
}

// DescribeStore says what the store is.
func (g *Gate) DescribeStore(ctx context.Context) (StoreInfo, error) {
	return g.store.DescribeStore(ctx)
}

// TenantRow is a tenant with how it is doing.
type TenantRow struct {
	Tenant
	TenantFigures
	Known   bool // the figures were there in time
	Entries int  // of the list, in force now
	Admins  int  // who can sign in
	Owners  int  // of them
	Open    int  // emergency access that runs
}

// TenantWarning says that somebody should look after a tenant.
type TenantWarning string

// Warnings about tenants.
const (
	WarnNoOwner   TenantWarning = "no_owner" // who could sign in
	WarnOneAdmin  TenantWarning = "one_admin"
	WarnOff       TenantWarning = "not_protected"
	WarnEmptyList TenantWarning = "list_empty" // and the mode goes by it
	WarnNobody    TenantWarning = "nobody_signed_in"
	WarnNoHost    TenantWarning = "no_host"
	WarnEmergency TenantWarning = "emergency"
)

// warningOrder has the gravest first.
var warningOrder = []TenantWarning{WarnEmergency, WarnNoOwner, WarnOneAdmin, WarnOff, WarnEmptyList, WarnNobody, WarnNoHost}

// Warnings are those about a tenant, the gravest first.
func (r *TenantRow) Warnings() (out []TenantWarning) {
	holds := map[TenantWarning]bool{
		WarnEmergency: r.Open > 0,
		WarnNoOwner:   r.Owners == 0,
		WarnOneAdmin:  r.Owners > 0 && r.Admins == 1,
		WarnOff:       r.Mode == ModeOff,
		WarnEmptyList: r.Mode != ModeOff && r.Entries == 0,
		WarnNobody:    r.Known && r.LastSignIn.IsZero(),
		WarnNoHost:    len(r.Hosts) == 0,
	}
	for _, w := range warningOrder {
		if holds[w] {
			out = append(out, w)
		}
	}
	return out
}

// Bounds of a list of tenants.
const (
	figuresWithin = 200 * time.Millisecond // for one tenant
	allWithin     = time.Second            // for all of a page
	figuresSpan   = 24 * time.Hour         // of blocked attempts
)

// TenantRows lists tenants for those who run the gateway, a page at a time: what
// can be known without the store is read from memory, and what a tenant's records
// say is left out where it takes too long.
func (g *Gate) TenantRows(ctx context.Context, by Actor, f TenantFilter) ([]TenantRow, error) {
	if err := g.operates(by, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	found := g.selectTenants(f)
	ctx, cancel := context.WithTimeout(ctx, allWithin)
	defer cancel()
	rows := make([]TenantRow, len(found))
	for i, t := range found {
		rows[i] = g.tenantRow(ctx, t)
	}
	return rows, nil
}

// TenantRow is one of them, by its slug.
func (g *Gate) TenantRow(ctx context.Context, by Actor, slug string) (*TenantRow, error) {
	if err := g.operates(by, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	t, err := g.Tenant(ctx, slug)
	if err != nil {
		return nil, err
	}
	row := g.tenantRow(ctx, *t)
	return &row, nil
}

// CountTenants returns how many tenants there are.
func (g *Gate) CountTenants() int { return g.snap.tenants.len() }

func (g *Gate) tenantRow(ctx context.Context, t Tenant) TenantRow {
	row, now := TenantRow{Tenant: t}, g.now()
	if known := g.snap.byID(t.ID); known != nil {
		row = g.heldRow(known, now)
		row.Tenant = t
	}
	ctx, cancel := context.WithTimeout(ctx, figuresWithin)
	defer cancel()
	var err error
	row.TenantFigures, err = g.store.TenantFigures(ctx, t.ID, now.Add(-figuresSpan), now.Add(-AskLives))
	row.Known = err == nil
	return row
}

// OpenTenant adds a tenant and invites its first owner; see [Gate.AddTenant] and
// [Gate.Invite]. Whatever is wrong with either is said before anything is added.
func (g *Gate) OpenTenant(ctx context.Context, by Actor, t Tenant, login string) (*Tenant, *Admin, string, error) {
	if err := g.manages(by); err != nil {
		return nil, nil, "", err
	}
	first := NewAdmin{Login: strings.TrimSpace(login), Role: RoleOwner}
	bad := &InvalidError{}
	g.checkNewTenant(&t, bad)
	g.checkTaken(&t, bad)
	if invalid, ok := errors.AsType[*InvalidError](checkAdmin(first)); ok {
		bad.Errors = append(bad.Errors, invalid.Errors...)
	}
	if err := bad.orNil(); err != nil {
		return nil, nil, "", err
	}
	added, err := g.AddTenant(ctx, by, t)
	if err != nil {
		return nil, nil, "", err
	}
	a, secret, err := g.invite(ctx, by.abroad(), added.ID, first)
	return added, a, secret, err
}

// InviteOwner invites an owner for a tenant that has none who can sign in, so
// that one whose first invitation lapsed is not lost. Where the login is there
// and has never been used, it is invited again.
func (g *Gate) InviteOwner(ctx context.Context, by Actor, slug, login string) (*Admin, string, error) {
	if err := g.manages(by); err != nil {
		return nil, "", err
	}
	t := g.snap.bySlug(slug)
	if t == nil {
		return nil, "", ErrNotFound
	}
	n := NewAdmin{Login: strings.TrimSpace(login), Role: RoleOwner}
	if err := checkAdmin(n); err != nil {
		return nil, "", err
	}
	again := ""
	for id, a := range t.admins {
		switch {
		case a.Role == RoleOwner && !a.Disabled && !a.NoPassword:
			return nil, "", ErrForbidden
		case a.Role == RoleOwner && CanonicalLogin(a.Login) == CanonicalLogin(n.Login):
			again = id
		}
	}
	if again == "" {
		return g.invite(ctx, by.abroad(), t.ID, n)
	}
	a, err := g.store.Admin(ctx, again)
	if err != nil {
		return nil, "", err
	}
	secret, err := g.setAdmin(ctx, by.abroad(), a, AdminPatch{Invite: true, Disabled: new(false)})
	if err != nil {
		return nil, "", err
	}
	return a, secret, g.applied(ctx)
}
