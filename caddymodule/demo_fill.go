package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// sample marks everything in the demo that nobody did.
const sample = "sample"

// demoDays is how long the made-up history is; the branch office was opened
// branchDays ago.
const (
	demoDays   = 30
	branchDays = 20
)

// demoPerson is somebody who may sign in to the demo.
type demoPerson struct {
	tenant, login, name string
	role                gate.Role
	password            string // made at the start
	id                  string
}

var demoPeople = []demoPerson{
	{tenant: "acme", login: "li.na", name: "Li Na", role: gate.RoleOwner},
	{tenant: "acme", login: "sam.reed", name: "Sam Reed", role: gate.RoleReviewer},
	{tenant: "acme", login: "mo.diaz", name: "Mo Diaz", role: gate.RoleMember},
	{tenant: "globex", login: "ada.berg", name: "Ada Berg", role: gate.RoleOwner},
	{tenant: gate.OperatorTenant, login: "zhang.wei", name: "Zhang Wei", role: gate.RoleOwner},
}

// demoNetwork is an entry of the demo's lists, and how many days ago it was
// added.
type demoNetwork struct {
	tenant string
	days   int
	draft  gate.Draft
	ends   int // days ago; 0: it does not
}

var demoNetworks = []demoNetwork{
	{"acme", 31, gate.Draft{Range: "127.0.0.1", Label: "This computer", Note: "So that you get in"}, 0},
	{"acme", 31, gate.Draft{Range: "::1", Label: "This computer, IPv6"}, 0},
	{"acme", 31, gate.Draft{Range: "203.0.113.0/24", Label: "Head office", Owner: "it@acme.example"}, 0},
	{"globex", 31, gate.Draft{Range: "198.51.100.0/24", Label: "Data centre", Owner: "ops@globex.example"}, 0},
	{gate.OperatorTenant, 31, gate.Draft{Range: "127.0.0.1", Label: "This computer"}, 0},
	{gate.OperatorTenant, 31, gate.Draft{Range: "::1", Label: "This computer, IPv6"}, 0},
	{gate.OperatorTenant, 31, gate.Draft{Range: "203.0.113.0/24", Label: "Operations"}, 0},
	{"acme", branchDays, gate.Draft{Range: "198.51.100.10-198.51.100.40", Label: "Branch office", Owner: "it@acme.example"}, 0},
	{"acme", 12, gate.Draft{Range: "192.0.2.44", Label: "Auditor", Note: "Until the audit is over"}, 5},
	{"acme", 6, gate.Draft{Range: "2001:db8:5::/48", Label: "VPN of the reviewers", Roles: []gate.Role{gate.RoleReviewer}}, 0},
}

// filling is the making of a demo's store.
type filling struct {
	*gate.Gate
	store    *store.Store
	by       gate.Actor
	now      time.Time // goes forward through the made-up past
	tenants  map[string]*gate.Tenant
	people   []demoPerson
	versions []demoVersion
}

// demoVersion is when a version of a list came into force.
type demoVersion struct {
	tenant  string
	version int64
	at      time.Time
}

// fill opens the demo's store, and fills it if it is empty.
func (d *demo) fill(ctx context.Context, history bool) (err error) {
	f := &filling{
		by: gate.Actor{Kind: gate.ActorCommand, Login: sample}, now: time.Now(),
		tenants: map[string]*gate.Tenant{}, people: slices.Clone(demoPeople),
	}
	fresh := !d.at.exists() // tables of something else are not touched
	if d.at.secret == nil {
		if d.at.secret, err = d.at.ownSecret(fresh); err != nil {
			return err
		}
	}
	now := func() time.Time { return f.now }
	if f.store, err = store.Open(ctx, d.at.dsn, store.Options{Secret: d.at.secret, Migrate: fresh, Now: now}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.store.Close()) }()
	if f.Gate, err = gate.New(ctx, gate.Options{Store: f.store, Node: sample, Now: now}); err != nil {
		return err
	}
	if d.fresh, err = f.isEmpty(ctx, store.Redact(d.at.dsn)); err != nil || !d.fresh {
		return err
	}
	if err := f.all(ctx, history); err != nil {
		f.undo(context.WithoutCancel(ctx))
		return fmt.Errorf("filling the store: %w", err)
	}
	d.people = f.people
	return nil
}

// isEmpty reports whether there is no tenant in the store; an error is one
// that has others than the demo's.
func (f *filling) isEmpty(ctx context.Context, name string) (bool, error) {
	tenants, err := f.Tenants(ctx, f.by)
	if err != nil || len(tenants) == 0 {
		return err == nil, err
	}
	for _, slug := range []string{"acme", "globex"} {
		if !slices.ContainsFunc(tenants, func(t gate.Tenant) bool { return t.Slug == slug && slices.Contains(t.Hosts, slug+".localhost") }) {
			return false, fmt.Errorf("the store %s has other tenants than a demo's, so it was left alone: name one that does not exist yet", name)
		}
	}
	return false, nil
}

// all makes tenants, people, lists and history. With a history everything but
// the people is as old as it says.
func (f *filling) all(ctx context.Context, history bool) error {
	end := f.now
	ago := func(days int) time.Time {
		if !history {
			return end
		}
		return end.Add(-time.Duration(days) * 24 * time.Hour)
	}
	f.now = ago(demoDays + 1)
	for _, t := range []gate.Tenant{{Slug: "acme", Name: "Acme"}, {Slug: "globex", Name: "Globex"}, {Slug: gate.OperatorTenant, Name: "Hosting"}} {
		t.Hosts, t.Mode = []string{t.Slug + ".localhost"}, gate.ModeEnforced
		added, err := f.AddTenant(ctx, f.by, t)
		if err != nil {
			return err
		}
		f.tenants[t.Slug] = added
	}
	for i := range f.people {
		if err := f.person(ctx, &f.people[i]); err != nil {
			return err
		}
	}
	for _, n := range demoNetworks {
		f.now = ago(n.days)
		if err := f.network(ctx, n, end); err != nil {
			return err
		}
	}
	f.now = end
	if !history {
		return nil
	}
	return f.history(ctx, end)
}

// person adds somebody whose password need not be changed, so that signing in
// takes one step.
func (f *filling) person(ctx context.Context, p *demoPerson) error {
	p.password, p.id = auth.NewRecoveryCodes(1)[0], gate.NewID()
	encoded, err := auth.NewHasher(1, 1).Hash(ctx, p.password)
	if err != nil {
		return err
	}
	about := map[string]any{"after": map[string]any{"login": p.login, "name": p.name, "role": p.role, "password": "own"}}
	return f.store.AddAdmin(ctx, gate.Record{Actor: f.by, Action: "admin.add", At: f.now, Detail: about}, gate.Admin{
		ID: p.id, Tenant: f.tenants[p.tenant].ID, Login: p.login, Name: p.name, Role: p.role, Password: encoded, Created: f.now,
	})
}

func (f *filling) network(ctx context.Context, n demoNetwork, end time.Time) error {
	n.draft.Enabled = true
	if n.ends > 0 {
		n.draft.Expires = end.Add(-time.Duration(n.ends) * 24 * time.Hour)
	}
	done, err := f.AddNetwork(ctx, f.by, f.tenants[n.tenant].ID, n.draft, gate.EditOptions{})
	if err != nil {
		return err
	}
	f.versions = append(f.versions, demoVersion{n.tenant, done.Version, f.now})
	return nil
}

// undo leaves no half-filled store behind, which the next demo would take for
// a whole one.
func (f *filling) undo(ctx context.Context) {
	for slug := range f.tenants {
		_ = f.RemoveTenant(ctx, f.by, slug) // there is nothing more to try
	}
}
