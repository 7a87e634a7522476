package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/web"
)

func init() { caddy.RegisterModule(new(Handler)) }

// Handler protects a site. Whatever stands behind it in the configuration is the
// console, which only requests reach that passed both doors: none is public.
type Handler struct {
	// Tenant is the slug of the one tenant whose site this is.
	Tenant string `json:"tenant,omitempty"`

	// TenantFrom says how the tenant is found where the site is not one
	// tenant's: "host" (the default), or "login" for one site that all share.
	TenantFrom string `json:"tenant_from,omitempty"`

	// Login is false for a site that only has the network door, for consoles
	// with a sign-in of their own. Default: true.
	Login *bool `json:"login,omitempty"`

	// Console is false for a site that does not serve the settings and review
	// pages of the gate. Default: true.
	Console *bool `json:"console,omitempty"`

	app  *App
	site atomic.Pointer[site]
}

// site is what a Handler has once the gate is there.
type site struct {
	door  *gate.Door
	pages *web.Handler
}

// Values of TenantFrom.
const (
	tenantFromHost  = "host"
	tenantFromLogin = "login"
)

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.sallyport", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the app.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("sallyport")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		h.app.servers[server] = true
	}
	return nil
}

// Validate checks the options against each other.
func (h *Handler) Validate() error {
	switch {
	case h.Tenant != "" && h.TenantFrom != "":
		return fmt.Errorf("tenant %q and tenant_from %q say different things: write one of them", h.Tenant, h.TenantFrom)
	case h.Tenant != "":
		return gate.ValidSlug(h.Tenant)
	case h.TenantFrom == "":
		return nil
	case h.TenantFrom == tenantFromLogin && !isOn(h.Login):
		return errors.New("tenant_from login needs login on: without a sign-in nobody's tenant is known")
	}
	return oneOf("tenant_from", h.TenantFrom, tenantFromHost, tenantFromLogin)
}

func isOn(option *bool) bool { return option == nil || *option }

// ServeHTTP is the switchboard.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	v := &visit{answer: w.Header()}
	v.asSent(r)
	if p := impossible(&v.sent); p != nil {
		p.write(w)
		return nil
	}
	if v.site = h.open(r.Context()); v.site == nil {
		unavailable.write(w)
		return nil
	}
	page, isOwn := own(&v.sent)
	v.ask(h.app)
	if isOwn {
		web.ReadToken(&v.q, page)
	}
	if early(&v.sent, v.q.Address) {
		tooEarly.write(w)
		return nil
	}
	v.shareAddress(r.Context())
	v.dec = v.door.Decide(&v.q)
	v.door.Count(&v.dec)
	v.door.Met(&v.q.Address)
	v.publish(r)

	switch {
	case isOwn:
		v.page(w, page)
		return nil
	case !v.dec.Passed():
		v.refuse(w)
		return nil
	}
	v.record()
	h.app.keepStreams()
	if err := v.prepare(r, h.app.header); err != nil {
		unavailable.write(w)
		return nil
	}
	return v.pass(w, r, next)
}

// open returns the site, which is made when the gate is there. Nil: it is not.
func (h *Handler) open(ctx context.Context) *site {
	g := h.app.install.wait(ctx)
	if g == nil {
		return nil
	}
	if s := h.site.Load(); s != nil {
		return s
	}
	door := &gate.Door{Gate: g, Rules: h.app.rules, Source: h.app.source, Site: gate.Site{
		Tenant: h.Tenant, ByLogin: h.TenantFrom == tenantFromLogin, Login: isOn(h.Login), Console: isOn(h.Console),
	}}
	h.site.CompareAndSwap(nil, &site{door, web.New(door)})
	return h.site.Load()
}

// visit is one request on its way through a site, with all that is made for it:
// a dozen things, one piece of memory.
type visit struct {
	*site
	q         gate.Request
	dec       gate.Decision
	address   string       // of q, empty: unknown
	sent      http.Request // see asSent
	url       url.URL      // of sent
	out       response
	answer    http.Header // of the response
	reference string      // of the record of a request that passed; empty: there is none
}

// prepare makes the request one for the console behind.
func (v *visit) prepare(r *http.Request, p proxyHeader) error {
	var assertion string
	if v.dec.Admin != nil {
		var err error
		if assertion, err = v.door.Assertion(web.Origin(&v.sent), &v.q, &v.dec); err != nil {
			return err
		}
	}
	scheme := ""
	if lines := r.Header["X-Forwarded-Proto"]; len(lines) > 0 {
		scheme = lines[len(lines)-1]
	}
	p.strip(r.Header)
	v.forward(r.Header, p, scheme)
	v.identify(r.Header, assertion)
	return nil
}

func (v *visit) web() web.Visit { return web.Visit{Request: &v.q, Decision: &v.dec} }

// record notes requests that pass although the list does not have them.
func (v *visit) record() {
	if v.dec.Outcome == gate.WouldBlock || v.dec.Pass == gate.ByOperatorNetwork || v.dec.Pass == gate.ByEmergency {
		v.reference = v.door.Record(&v.q, &v.dec)
	}
}

func (v *visit) refuse(w http.ResponseWriter) { v.pages.Refuse(w, &v.sent, v.web()) }

// page serves one of the gate's own pages. They are short, and some end the very
// session that asks for them, which must not take their answer away: unlike what
// the console behind answers they are not ended half-way.
func (v *visit) page(w http.ResponseWriter, r *http.Request) {
	if v.dec.Passed() && v.dec.Token == nil { // the calls of a token are recorded one and all
		v.record()
	}
	out := v.respond(r.Context(), w, false)
	defer out.end()
	v.pages.Own(out, r, v.web())
}

// pass serves a request that may go on, and ends it as soon as it may not.
func (v *visit) pass(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	out := v.respond(ctx, w, true)
	defer out.end()
	open := v.door.Open(&v.q, func(e *gate.Ended) {
		cancel(e)
		go out.abort()
	})
	defer open.Close()
	r = r.WithContext(ctx)
	r.Trailer = nil // what comes after the body comes after the decision
	err := next.ServeHTTP(out, r)
	if !ended(ctx) {
		return err
	}
	if out.wrote.Load() {
		panic(http.ErrAbortHandler) // half a response must not look like a whole one
	}
	if r.ProtoMajor == 1 {
		// For net/http the connection broke when its deadline passed: every later
		// request on it would be cancelled at once, a proxy's other visitors' too.
		w.Header().Set("Connection", "close")
	}
	if v.dec = v.door.Decide(&v.q); !v.dec.Passed() {
		v.refuse(w)
		return nil
	}
	unavailable.write(w) // allowed again, or the gate is gone
	return nil
}

// freshCookie notes that the session was used; nil: its cookie is fresh enough.
func (v *visit) freshCookie() *http.Cookie {
	if v.dec.Admin == nil {
		return nil
	}
	token := v.door.Seen(&v.q, &v.dec)
	if token == "" {
		return nil
	}
	return auth.NewSessionCookie(token)
}

// publish makes the placeholders {http.sallyport.…} known.
func (v *visit) publish(r *http.Request) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	repl.Map(v.placeholder)
}

// placeholder returns the value of a placeholder, empty where there is none yet.
func (v *visit) placeholder(name string) (any, bool) {
	switch name {
	case "http.sallyport.tenant":
		if v.dec.Tenant != nil {
			return v.dec.Tenant.Slug, true
		}
	case "http.sallyport.admin":
		if v.dec.Admin != nil {
			return v.dec.Admin.Login, true
		}
	case "http.sallyport.role":
		if v.dec.Admin != nil {
			return string(v.dec.Admin.Role), true
		}
	case "http.sallyport.address":
		return v.address, true
	case "http.sallyport.reason":
		return string(v.dec.Reason), true
	case "http.sallyport.reference":
		if v.reference == "" { // a refusal has it in its answer, as soon as there is one
			return v.answer.Get("X-Sallyport-Reference"), true
		}
		return v.reference, true
	default:
		return nil, false
	}
	return "", true
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
