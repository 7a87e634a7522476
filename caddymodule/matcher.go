package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func init() { caddy.RegisterModule(new(MatchNetwork)) }

// MatchNetwork matches requests from the networks that a tenant's list has in
// force, for those who only want the list in a configuration of their own.
// Nothing is recorded, and the mode of the list does not matter.
type MatchNetwork struct {
	// Tenant is the slug of the tenant. One that does not exist has no
	// networks.
	Tenant string `json:"tenant"`

	app *App
}

// CaddyModule returns the Caddy module information.
func (*MatchNetwork) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.sallyport_network", New: func() caddy.Module { return new(MatchNetwork) }}
}

// Provision finds the app.
func (m *MatchNetwork) Provision(ctx caddy.Context) error {
	app, err := ctx.App("sallyport")
	if err != nil {
		return err
	}
	m.app = app.(*App)
	return nil
}

// Validate checks the tenant's name.
func (m *MatchNetwork) Validate() error { return gate.ValidSlug(m.Tenant) }

// MatchWithError reports whether the visitor comes from one of the networks. It
// does not match where that cannot be known.
func (m *MatchNetwork) MatchWithError(r *http.Request) (bool, error) {
	a := m.app.source.Find(r.RemoteAddr, r.Header[m.app.header.name])
	if early(r, a) {
		return false, caddyhttp.Error(http.StatusTooEarly, errTooEarly)
	}
	g := m.app.install.wait(r.Context())
	if g == nil {
		return false, nil
	}
	return g.InList(m.Tenant, a.Addr), nil
}

// UnmarshalCaddyfile reads
//
//	sallyport_network <tenant>
func (m *MatchNetwork) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if m.Tenant != "" {
			return d.Err("sallyport_network stands twice in one matcher: use two matchers")
		}
		slug, err := one(d, "the short name of a tenant")
		if err != nil {
			return err
		}
		if err := gate.ValidSlug(slug); err != nil {
			return d.WrapErr(err)
		}
		m.Tenant = slug
		if d.NextBlock(d.Nesting()) {
			return d.Err("sallyport_network takes no block")
		}
	}
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner                 = (*MatchNetwork)(nil)
	_ caddy.Validator                   = (*MatchNetwork)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchNetwork)(nil)
	_ caddyfile.Unmarshaler             = (*MatchNetwork)(nil)
)
