package web

import (
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// tenantRowJSON is a tenant with how it is doing, for those who run the gateway.
type tenantRowJSON struct {
	Slug       string               `json:"slug"`
	Name       string               `json:"name"`
	Hosts      []string             `json:"hosts"`
	Mode       gate.Mode            `json:"mode"`
	Version    int64                `json:"version"` // of the list
	Entries    int                  `json:"entries"` // in force
	Admins     int                  `json:"admins"`  // who can sign in
	Created    timestamp            `json:"created"`
	Warnings   []gate.TenantWarning `json:"warnings"`
	Blocked    *int64               `json:"blocked_24h"` // null, as the next ones: not known in time
	Requests   *int64               `json:"open_requests"`
	LastSignIn timestamp            `json:"last_sign_in"` // or null: never
}

func showTenant(r *gate.TenantRow) tenantRowJSON {
	t := tenantRowJSON{
		Slug: r.Slug, Name: r.Name, Hosts: append([]string{}, r.Hosts...), Mode: r.Mode, Version: r.Version, Entries: r.Entries, Admins: r.Admins,
		Created: timestamp(r.Created), Warnings: append([]gate.TenantWarning{}, r.Warnings()...), LastSignIn: timestamp(r.LastSignIn),
	}
	if r.Known {
		t.Blocked, t.Requests = &r.Blocked, &r.Requests
	}
	return t
}

// tenantParams are the parameters of the list of tenants.
var tenantParams = append([]string{"search", "mode"}, pageParams...)

func getTenants(c *call) (any, error) {
	limit, from := c.query.limit(), c.query.cursor("tenants")
	mode := c.query.values["mode"]
	if mode != "" && chosenOf(tenantModes, mode, "") == "" {
		c.query.note("mode", "unknown", "write off, dry_run or enforced")
	}
	if err := c.query.err(); err != nil {
		return nil, err
	}
	found, err := c.h.door.TenantRows(c.Context(), c.actor, gate.TenantFilter{
		Search: strings.TrimSpace(c.query.values["search"]), Mode: gate.Mode(mode), Sort: gate.SortSlug, After: from.id, Limit: limit + 1,
	})
	if err != nil {
		return nil, err
	}
	return page(found, limit, showTenant, func(r *gate.TenantRow) cursor { return cursor{"tenants", 1, r.Slug} }), nil
}
