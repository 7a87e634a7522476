package gate

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

// TenantPatch changes what it names.
type TenantPatch struct {
	Name  *string
	Hosts []string // nil: as they are
	Mode  *Mode
	Edit  EditOptions // of the change of the mode
}

// AddTenant adds a tenant. Its list is empty; enforced, it admits nobody until
// the first network is added. Commands and owners of the operator's tenant do so.
func (g *Gate) AddTenant(ctx context.Context, by Actor, t Tenant) (*Tenant, error) {
	if err := g.manages(by); err != nil {
		return nil, err
	}
	bad := &InvalidError{}
	g.checkNewTenant(&t, bad)
	if err := bad.orNil(); err != nil {
		return nil, err
	}
	t.ID, t.Version, t.Revision, t.Created = NewID(), 1, 1, micros(g.now())
	if err := g.store.AddTenant(ctx, Record{Actor: by.abroad(), Action: "tenant.add", At: g.now(), Detail: difference{After: t.detail()}}, t); err != nil {
		return nil, err
	}
	return &t, g.applied(ctx)
}

// checkNewTenant checks a tenant that is to be added, and sets what it does not
// say.
func (g *Gate) checkNewTenant(t *Tenant, bad *InvalidError) {
	if err := ValidSlug(t.Slug); err != nil {
		bad.add("slug", "invalid", "%s", err)
	}
	if t.Name == "" {
		t.Name = t.Slug
	}
	if t.Mode == "" {
		t.Mode = ModeOff
	}
	checkTenant(t, bad)
}

// checkTaken looks for what another tenant is known to have, so that the field
// can be named; the store has the last word.
func (g *Gate) checkTaken(t *Tenant, bad *InvalidError) {
	if other := g.snap.bySlug(t.Slug); other != nil && other.ID != t.ID {
		bad.add("slug", "taken", "there is a tenant %q already", t.Slug)
	}
	for _, host := range t.Hosts {
		if id, ok := g.snap.hosts.get(host); ok && id != t.ID {
			bad.add("hosts", "taken", "another tenant has the host %s", host)
		}
	}
}

// checkTenant checks what can be changed of a tenant, and makes its hosts
// canonical.
func checkTenant(t *Tenant, bad *InvalidError) {
	t.Name = strings.TrimSpace(t.Name)
	if t.Name == "" || utf8.RuneCountInString(t.Name) > MaxLabel || hasControl(t.Name) {
		bad.add("name", "invalid", "a name has 1 to %d characters, none of them invisible", MaxLabel)
	}
	if !slices.Contains(Modes, t.Mode) {
		bad.add("mode", "unknown", "%q is no mode: write off, dry_run or enforced", t.Mode)
	}
	if len(t.Hosts) > MaxHosts {
		bad.add("hosts", "too_many", "a tenant has at most %d hosts", MaxHosts)
	}
	hosts := make([]string, 0, len(t.Hosts))
	for _, text := range t.Hosts {
		host, err := CanonicalHost(text)
		if err != nil {
			bad.add("hosts", "invalid", "%s", err)
			continue
		}
		hosts = append(hosts, host)
	}
	t.Hosts = slices.Compact(slices.Sorted(slices.Values(hosts)))
}

// SetTenant changes name and hosts, and the mode by the way of every edit of a
// list: with its guards, and by command only.
func (g *Gate) SetTenant(ctx context.Context, by Actor, slug string, p TenantPatch) (*Tenant, error) {
	if err := g.manages(by); err != nil {
		return nil, err
	}
	if p.Mode != nil && by.Kind != ActorCommand {
		return nil, ErrForbidden
	}
	t, err := g.Tenant(ctx, slug)
	if err != nil {
		return nil, err
	}
	before := t.detail()
	setIf(&t.Name, p.Name)
	if p.Hosts != nil {
		t.Hosts = p.Hosts
	}
	bad := &InvalidError{}
	checkTenant(t, bad)
	if p.Mode != nil && !slices.Contains(Modes, *p.Mode) {
		bad.add("mode", "unknown", "%q is no mode: write off, dry_run or enforced", *p.Mode)
	}
	if by.Kind != ActorCommand {
		g.checkTaken(t, bad)
	}
	if err := bad.orNil(); err != nil {
		return nil, err
	}
	if p.Mode != nil && *p.Mode != t.Mode {
		done, err := g.change(ctx, by, t.ID, p.Edit, func(e *Edit) error { e.Mode = *p.Mode; return nil })
		if err != nil {
			return nil, err
		}
		t.Mode, t.Version = *p.Mode, done.Version
	}
	if p.Name == nil && p.Hosts == nil {
		return t, nil
	}
	if err := g.store.SetTenant(ctx, Record{Actor: by.abroad(), Action: "tenant.set", At: g.now(), Detail: difference{Before: before, After: t.detail()}}, *t); err != nil {
		return nil, err
	}
	return t, g.applied(ctx)
}

// RemoveTenant removes a tenant with its people, list and sessions. Its
// attempts and its change log stay until their retention ends.
func (g *Gate) RemoveTenant(ctx context.Context, by Actor, slug string) error {
	if by.Kind != ActorCommand {
		return ErrForbidden
	}
	t, err := g.Tenant(ctx, slug)
	if err != nil {
		return err
	}
	if err := g.store.RemoveTenant(ctx, Record{Actor: by, Action: "tenant.remove", At: g.now(), Detail: difference{Before: t.detail()}}, t.ID); err != nil {
		return err
	}
	return g.applied(ctx)
}

// tenantDetail is a tenant in the change log.
type tenantDetail struct {
	Slug  string   `json:"slug"`
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
	Mode  Mode     `json:"mode"`
}

func (t *Tenant) detail() tenantDetail { return tenantDetail{t.Slug, t.Name, t.Hosts, t.Mode} }

// Tenant finds a tenant by its slug.
func (g *Gate) Tenant(_ context.Context, slug string) (*Tenant, error) {
	t := g.snap.bySlug(slug)
	if t == nil {
		return nil, ErrNotFound
	}
	found := t.Tenant
	found.Hosts = slices.Clone(found.Hosts)
	return &found, nil
}

// TenantByID finds a tenant by its ID; nil: there is none.
func (g *Gate) TenantByID(id string) *Tenant {
	if t := g.snap.byID(id); t != nil {
		return &t.Tenant
	}
	return nil
}

// Tenants lists all tenants, for commands.
func (g *Gate) Tenants(ctx context.Context, by Actor) ([]Tenant, error) {
	if by.Kind != ActorCommand {
		return nil, ErrForbidden
	}
	return g.store.Tenants(ctx)
}
