package web

import (
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of the pages of those who run the gateway.
const (
	operatorPrefix = "operator/"
	tenantsPath    = "operator/tenants"
	newTenantPath  = "operator/new-tenant" // beside them, since a tenant may be called so
	tenantPrefix   = tenantsPath + "/"
	editTenant     = tenantPrefix + "*/edit"
	firstOwner     = tenantPrefix + "*/owner"
	emergencyPath  = tenantPrefix + "*/emergency"
)

// operatorPages are the pages about all tenants, in the same way as
// [consolePages]. For everybody but the admins of the tenant that runs the gateway
// they do not exist. What * stands for is the slug of a tenant.
var operatorPages = []consolePage{
	{path: tenantsPath, nav: "nav.tenants", roles: readerRoles, get: tenantsPage},
	{path: healthPath, nav: "nav.health", roles: readerRoles, get: healthPage},
	{path: newTenantPath, roles: ownerRoles, get: newTenant, post: openTenant},
	{path: editTenant, roles: ownerRoles, get: editTenantPage, post: setTenant},
	{path: firstOwner, roles: ownerRoles, get: firstOwnerPage, post: inviteFirstOwner},
	{path: emergencyPath, roles: ownerRoles, get: emergencyPage, post: openEmergency},
	{path: tenantPrefix + "*", roles: readerRoles, get: tenantPage},
}

// route finds the page that a request is for, and puts the screen in its place.
func (s *screen) route(path string) (*consolePage, error) {
	if !strings.HasPrefix(path, operatorPrefix) {
		s.nav = navOf(s.pages.console, s.actor.Role, path)
		page, arg := findPage(s.pages.console, path)
		s.arg = arg
		return page, nil
	}
	if s.actor.Tenant != s.h.door.OperatorID() {
		return nil, nil
	}
	if slug, rest, ok := strings.Cut(strings.TrimPrefix(path, tenantPrefix), "/"); ok && strings.HasPrefix(path, tenantPrefix) {
		if page, _ := findPage(s.pages.operator, tenantPrefix+"*/"+rest); page == nil || page.path == tenantPrefix+"*" {
			return s.visitPage(slug, rest)
		}
	}
	s.nav = navOf(s.pages.operator, s.actor.Role, path)
	page, arg := findPage(s.pages.operator, path)
	s.arg = arg
	return page, nil
}

// shows reports whether there is a page to look at by a path.
func (s *screen) shows(path string) bool {
	for _, pages := range [][]consolePage{s.pages.console, s.pages.operator} {
		if page, _ := findPage(pages, path); page != nil && page.get != nil {
			return true
		}
	}
	return false
}

// tenantWarnings are the words of warnings, and how grave they are.
var tenantWarnings = map[gate.TenantWarning]verdict{
	gate.WarnNoOwner:   {"blocked", "warn", "op.warn.no_owner"},
	gate.WarnOneAdmin:  {"dry", "warn", "op.warn.one_admin"},
	gate.WarnOff:       {"dry", "warn", "op.warn.off"},
	gate.WarnEmptyList: {"blocked", "warn", "op.warn.empty"},
	gate.WarnNobody:    {"dry", "warn", "op.warn.nobody"},
	gate.WarnNoHost:    {"dry", "warn", "op.warn.no_host"},
	gate.WarnEmergency: {"dry", "warn", "op.warn.emergency"},
}

// tenantLine is a tenant as it is shown.
type tenantLine struct {
	gate.TenantRow
	URL        string
	Pill       modePill
	Since      string // when the dry run began; empty: it is not
	Blocked    string // – where it was not known in time
	Requests   string
	LastSignIn *moment // nil: never, or not known
	Warnings   []verdict
}

func (v *consoleView) tenantLine(r *gate.TenantRow, s *screen) tenantLine {
	line := tenantLine{TenantRow: *r, URL: v.Link(tenantPrefix + r.Slug), Pill: modePills[r.Mode], Blocked: "–", Requests: "–"}
	if r.Known {
		line.Blocked, line.Requests, line.LastSignIn = grouped(r.Blocked), grouped(r.Requests), v.momentOrNil(r.LastSignIn)
	}
	if since := r.DryRunSince; r.Mode == gate.ModeDryRun && !since.IsZero() {
		line.Since = v.ago(s.visit.Decision.Now.Sub(since))
	}
	for _, w := range r.Warnings() {
		words := tenantWarnings[w]
		words.Text = v.T(words.Text)
		line.Warnings = append(line.Warnings, words)
	}
	return line
}

// tenantsPerPage is how many tenants a page has.
const tenantsPerPage = 50

// tenantsData is the list of tenants.
type tenantsData struct {
	*consoleView
	Count        string // of all, in words
	First        bool   // there is none yet but the operator's own
	Search       string
	Only, Sorted string
	Modes, Sorts []option
	Rows         []tenantLine
	Filtered     bool
	Start, Next  string // links to the first page and the one behind this; empty: none
}

var tenantModes = []option{{string(gate.ModeEnforced), "mode.enforced"}, {string(gate.ModeDryRun), "mode.dry_run"}, {string(gate.ModeOff), "mode.off"}}

var tenantSorts = []option{{string(gate.SortSlug), "op.sort.slug"}, {string(gate.SortName), "op.sort.name"}, {string(gate.SortCreated), "op.sort.created"}, {string(gate.SortWarnings), "op.sort.warnings"}}

// chosenOf is a value of a query if it is one of the options, or the first.
func chosenOf(options []option, value, otherwise string) string {
	for _, o := range options {
		if o.Value == value {
			return value
		}
	}
	return otherwise
}

func tenantsPage(s *screen) error {
	query := s.URL.Query()
	d := &tenantsData{
		consoleView: s.frame("op.tenants.title"), Search: strings.TrimSpace(query.Get("search")), Modes: tenantModes, Sorts: tenantSorts,
		Only: chosenOf(tenantModes, query.Get("mode"), ""), Sorted: chosenOf(tenantSorts, query.Get("sort"), string(gate.SortSlug)),
	}
	after := query.Get("after")
	rows, err := s.h.door.TenantRows(s.Context(), s.actor, gate.TenantFilter{
		Search: d.Search, Mode: gate.Mode(d.Only), Sort: gate.TenantSort(d.Sorted), After: after, Limit: tenantsPerPage + 1,
	})
	if err != nil {
		return err
	}
	same := []string{"search", d.Search, "mode", d.Only, "sort", query.Get("sort")}
	if len(rows) > tenantsPerPage {
		rows = rows[:tenantsPerPage]
		d.Next = d.Link(tenantsPath, append(same, "after", rows[tenantsPerPage-1].Slug)...)
	}
	if after != "" {
		d.Start = d.Link(tenantsPath, same...)
	}
	for i := range rows {
		d.Rows = append(d.Rows, d.tenantLine(&rows[i], s))
	}
	count := s.h.door.CountTenants()
	d.Count, d.First, d.Filtered = d.T("op.tenants.lead", "N", count, "Count", grouped(int64(count))), count <= 1, d.Search != "" || d.Only != ""
	return s.render(http.StatusOK, "tenants", d)
}

// tenantData is the page of one tenant.
type tenantData struct {
	*consoleView
	Row                     tenantLine
	Created                 moment
	Pages                   []navItem
	Edit, Invite, Emergency string // links; empty: not for this visitor, or nothing to do
	Running                 []runningEmergency
}

// runningEmergency is emergency access that is open.
type runningEmergency struct {
	gate.Emergency
	Until moment
}

func tenantPage(s *screen) error {
	row, err := s.h.door.TenantRow(s.Context(), s.actor, s.arg)
	if err != nil {
		return err
	}
	d := &tenantData{consoleView: s.frame("op.tenant.title", "Name", row.Name)}
	d.Row, d.Created = d.tenantLine(row, s), d.minuteOf(row.Created)
	base := tenantPrefix + row.Slug + "/"
	for _, p := range s.pages.console {
		if p.visit && p.nav != "" {
			d.Pages = append(d.Pages, navItem{Path: base + p.path, Word: p.nav})
		}
	}
	for _, e := range s.h.door.Emergencies(row.ID) {
		d.Running = append(d.Running, runningEmergency{e, d.minuteOf(e.Until)})
	}
	if d.Owner {
		d.Edit, d.Emergency = d.Link(base+"edit"), d.Link(base+"emergency")
		if row.Owners == 0 {
			d.Invite = d.Link(base + "owner")
		}
	}
	return s.render(http.StatusOK, "tenant", d)
}
