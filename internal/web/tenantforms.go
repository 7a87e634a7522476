package web

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// tenantForm is a tenant as its forms are sent.
type tenantForm struct {
	Name  string `json:"name"`
	Slug  string `json:"slug"`
	Hosts string `json:"hosts"` // one a line
	Login string `json:"login"` // of the first owner
}

func (f *tenantForm) hosts() []string {
	return append([]string{}, strings.Fields(strings.ReplaceAll(f.Hosts, ",", " "))...)
}

// tenantFormData is the form of a tenant.
type tenantFormData struct {
	*consoleView
	Form         tenantForm
	New          bool
	Action, Back string
	Life         string // of an invitation
}

// tenantWrong says what is wrong with a field of a tenant, by field and code; a
// field alone stands for every other code.
var tenantWrong = map[string]string{
	"slug": "op.wrong.slug", "slug taken": "op.wrong.slug_taken", "name": "op.wrong.name",
	"hosts": "op.wrong.hosts", "hosts taken": "op.wrong.hosts_taken", "hosts too_many": "op.wrong.hosts_many",
	"login": "people.wrong.login", "address": "op.wrong.address", "for": "op.wrong.for", "why": "op.wrong.ticket", "why too_long": "op.wrong.ticket_long",
}

// tenantTroubles says in words what is wrong with a form about a tenant; nil:
// nothing that a field could say. hosts are those that were sent.
func (s *screen) tenantTroubles(err error, hosts ...string) (out []trouble) {
	l, _ := localeOf(s.Request)
	if errors.Is(err, gate.ErrExists) { // somebody was faster
		return []trouble{{Field: "slug", Text: l.T("op.wrong.exists")}}
	}
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		return nil
	}
	hosts = slices.DeleteFunc(hosts, func(host string) bool { _, err := gate.CanonicalHost(host); return err == nil })
	said := map[string]bool{}
	for _, f := range bad.Errors {
		key, ok := tenantWrong[f.Field+" "+f.Code]
		if !ok {
			key = tenantWrong[f.Field]
		}
		if !said[key] { // of several hosts, each is one error
			out = append(out, trouble{Field: f.Field, Text: l.T(key, "Hosts", l.List(hosts))})
		}
		said[key] = true
	}
	return out
}

func (s *screen) newTenantForm(form tenantForm, problems ...trouble) *tenantFormData {
	d := &tenantFormData{consoleView: s.frame("op.new.title"), Form: form, New: true}
	d.Action, d.Back, d.Life, d.Problems = d.Link(newTenantPath), d.Link(tenantsPath), d.duration(gate.InvitationLife), problems
	return d
}

func newTenant(s *screen) error {
	return s.render(http.StatusOK, "tenantform", s.newTenantForm(tenantForm{}))
}

// openTenant adds a tenant and shows the link for its first owner, this once.
func openTenant(s *screen) error {
	var form tenantForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	t := gate.Tenant{Slug: strings.TrimSpace(form.Slug), Name: form.Name, Hosts: form.hosts()}
	added, a, secret, err := s.h.door.OpenTenant(s.Context(), s.actor, t, form.Login)
	if problems := s.tenantTroubles(err, form.hosts()...); problems != nil {
		return s.again("tenantform", s.newTenantForm(form, problems...))
	}
	if err != nil {
		return err
	}
	return s.ownerInvited(added, a, secret)
}

// ownerInvited shows the link of a first owner, which leads to the tenant's site.
func (s *screen) ownerInvited(t *gate.Tenant, a *gate.Admin, secret string) error {
	d := &linkData{consoleView: s.frame("op.link.title", "Name", t.Name), Login: a.Login, URL: tenantOrigin(s.Request, t) + InvitationPath(secret)}
	d.Back, d.Until, d.Languages = d.Link(tenantPrefix+t.Slug), d.minuteOf(a.InvitedUntil), nil // it cannot be shown again
	return s.render(http.StatusOK, "link", d)
}

// tenantOrigin is where a tenant's site is: at its first host, with the port of
// this request. A tenant without hosts is reached by a site that all share.
func tenantOrigin(r *http.Request, t *gate.Tenant) string {
	if len(t.Hosts) == 0 {
		return Origin(r)
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "443" {
		return "https://" + net.JoinHostPort(t.Hosts[0], port)
	}
	return (&url.URL{Scheme: "https", Host: t.Hosts[0]}).String()
}

// tenantOf finds the tenant that a page is about.
func (s *screen) tenantOf() (*gate.Tenant, error) { return s.h.door.Tenant(s.Context(), s.arg) }

func (s *screen) tenantEdit(t *gate.Tenant, form tenantForm, problems ...trouble) *tenantFormData {
	d := &tenantFormData{consoleView: s.frame("op.edit.title", "Name", t.Name), Form: form}
	d.Action, d.Back, d.Problems = d.Link(tenantPrefix+t.Slug+"/edit"), d.Link(tenantPrefix+t.Slug), problems
	return d
}

func editTenantPage(s *screen) error {
	t, err := s.tenantOf()
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "tenantform", s.tenantEdit(t, tenantForm{Name: t.Name, Hosts: strings.Join(t.Hosts, "\n")}))
}

func setTenant(s *screen) error {
	var form struct {
		Name  string `json:"name"`
		Hosts string `json:"hosts"`
	}
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	t, err := s.tenantOf()
	if err != nil {
		return err
	}
	sent := tenantForm{Name: form.Name, Hosts: form.Hosts}
	_, err = s.h.door.SetTenant(s.Context(), s.actor, t.Slug, gate.TenantPatch{Name: &form.Name, Hosts: sent.hosts()})
	if problems := s.tenantTroubles(err, sent.hosts()...); problems != nil {
		return s.again("tenantform", s.tenantEdit(t, sent, problems...))
	}
	if err != nil {
		return err
	}
	return s.done(tenantPrefix+t.Slug, "done.tenant_set")
}

// ownerFormData is the form to invite a first owner.
type ownerFormData struct {
	*consoleView
	Login, Life  string
	Action, Back string
}

func (s *screen) ownerForm(t *gate.Tenant, login string, problems ...trouble) *ownerFormData {
	d := &ownerFormData{consoleView: s.frame("op.owner.title", "Name", t.Name), Login: login}
	d.Action, d.Back, d.Life, d.Problems = d.Link(tenantPrefix+t.Slug+"/owner"), d.Link(tenantPrefix+t.Slug), d.duration(gate.InvitationLife), problems
	return d
}

func firstOwnerPage(s *screen) error {
	t, err := s.tenantOf()
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "owner", s.ownerForm(t, ""))
}

func inviteFirstOwner(s *screen) error {
	var form struct {
		Login string `json:"login"`
	}
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	t, err := s.tenantOf()
	if err != nil {
		return err
	}
	a, secret, err := s.h.door.InviteOwner(s.Context(), s.actor, t.Slug, form.Login)
	problems := s.tenantTroubles(err)
	if errors.Is(err, gate.ErrExists) {
		problems = s.personTroubles(err)
	}
	if problems != nil {
		return s.again("owner", s.ownerForm(t, form.Login, problems...))
	}
	if err != nil {
		return err
	}
	return s.ownerInvited(t, a, secret)
}

// emergencyForm is emergency access as its form is sent.
type emergencyForm struct {
	Address string `json:"address"`
	For     string `json:"for"`
	Ticket  string `json:"ticket"`
	End     string `json:"end"` // id of the access to end; empty: another is opened
}

// emergencyData is that form.
type emergencyData struct {
	*consoleView
	Name         string
	Form         emergencyForm
	Lengths      []option
	Most         int
	Action, Back string
}

// emergencyLengths are how long emergency access may be opened by a page.
var emergencyLengths = []option{{"15m", "op.for.15m"}, {"1h", "op.for.1h"}}

func (s *screen) emergencyForm(t *gate.Tenant, form emergencyForm, problems ...trouble) *emergencyData {
	d := &emergencyData{consoleView: s.frame("op.emergency.title", "Name", t.Name), Name: t.Name, Form: form, Lengths: emergencyLengths, Most: gate.MaxNote}
	d.Action, d.Back, d.Problems = d.Link(tenantPrefix+t.Slug+"/emergency"), d.Link(tenantPrefix+t.Slug), problems
	return d
}

func emergencyPage(s *screen) error {
	t, err := s.tenantOf()
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "emergency", s.emergencyForm(t, emergencyForm{For: emergencyLengths[0].Value}))
}

func openEmergency(s *screen) error {
	var form emergencyForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	t, err := s.tenantOf()
	if err != nil {
		return err
	}
	if form.End != "" {
		if err := s.h.door.EndEmergency(s.Context(), s.actor, t.ID, form.End); err != nil {
			return err
		}
		return s.done(tenantPrefix+t.Slug, "done.emergency_ended")
	}
	address, _ := netip.ParseAddr(strings.TrimSpace(form.Address)) // what is none is said to be none
	within, _ := time.ParseDuration(chosenOf(emergencyLengths, form.For, ""))
	_, err = s.h.door.OpenEmergency(s.Context(), s.actor, t.ID, address, within, form.Ticket)
	if problems := s.tenantTroubles(err); problems != nil {
		for i := range problems {
			if problems[i].Field == "why" {
				problems[i].Field = "ticket"
			}
		}
		return s.again("emergency", s.emergencyForm(t, form, problems...))
	}
	if err != nil {
		return err
	}
	return s.done(tenantPrefix+t.Slug, "done.emergency_open")
}
