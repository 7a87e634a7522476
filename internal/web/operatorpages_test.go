package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// newOperators is newAPISite with the tenant that runs the gateway, and of it
// operator-owner, operator-reviewer and operator-member.
func newOperators(t *testing.T) *apiSite {
	t.Helper()
	s := newAPISite(t)
	s.tokens = maps.Clone(s.tokens)
	must(s.AddTenant(s.ctx, apiCommand, gate.Tenant{Slug: gate.OperatorTenant, Name: "Hosting", Hosts: []string{"operator.example"}}))
	for _, role := range gate.Roles {
		login := "operator-" + string(role)
		s.tokens[login] = s.signIn(gate.OperatorTenant, login, role)
	}
	return s
}

// operatorRoles says who of the operator's tenant may see a page of it.
var operatorRoles = map[string]string{
	tenantsPath: "or", healthPath: "or", newTenantPath: "o", editTenant: "o", firstOwner: "o", emergencyPath: "o", tenantPrefix + "*": "or",
}

// visited are the pages of a tenant's console that operators may look at.
var visited = []string{securityPath, findPath, attemptPath, "requests", "networks", "networks/history", "networks/compare", "networks/export", "people", "sessions", "audit", "policy"}

// TestRolesOfOperatorPages looks at every page of the operator, and at every page
// of another tenant's console, and posts to it, as everybody.
func TestRolesOfOperatorPages(t *testing.T) {
	s := newOperators(t)
	send := func(as, method, path string) int {
		t.Helper()
		body, headers := "", []string{"Accept", browserAccept}
		if method == http.MethodPost {
			body, headers = "no_such_field=1", append(headers, "Content-Type", formMedia, "Sec-Fetch-Site", "same-origin")
		}
		return s.send(as, method, Prefix+path, body, headers...).StatusCode
	}
	check := func(page consolePage, path, as, roles string) {
		t.Helper()
		for method, there := range map[string]bool{http.MethodGet: page.get != nil, http.MethodPost: page.post != nil, http.MethodDelete: false} {
			got := send(as, method, path)
			role, mine := strings.CutPrefix(as, "operator-")
			switch may := strings.Contains(roles, string(role[0])); {
			case !mine && got != http.StatusNotFound,
				mine && !may && got != http.StatusForbidden && got != http.StatusNotFound,
				mine && may && there && (got == http.StatusForbidden || got == http.StatusNotFound || got >= 500),
				mine && may && !there && got < 400:
				t.Errorf("%s %s as %s: got %d", method, path, as, got)
			}
		}
	}
	reference := s.everything()["review"]
	everybody := []string{"operator-owner", "operator-reviewer", "operator-member", "owner", "reviewer", "member", "stranger"}
	for _, page := range operatorPages {
		roles, ok := operatorRoles[page.path]
		if !ok {
			t.Errorf("%s: say here who may", page.path)
		}
		for _, as := range everybody {
			check(page, strings.ReplaceAll(page.path, "*", "acme"), as, roles)
		}
	}
	for _, page := range consolePages {
		roles := ""
		if slices.Contains(visited, page.path) {
			roles = "or"
		} else if page.visit {
			t.Errorf("%s: say here that operators may look at it", page.path)
		}
		page.post = nil
		path := tenantPrefix + "acme/" + strings.ReplaceAll(page.path, "*", reference)
		if page.path == "networks/compare" {
			path += "?from=1&to=2"
		}
		if page.path == "networks/export" {
			path += "?format=csv"
		}
		if page.path == "" {
			continue
		}
		for _, as := range everybody {
			check(page, path, as, roles)
		}
		if got := send("operator-owner", http.MethodPost, path); got != http.StatusForbidden && got != http.StatusNotFound {
			t.Errorf("a POST to %s: got %d, want 403 or 404", path, got)
		}
	}
	for _, path := range []string{"operator/", "operator/nothing", tenantPrefix, tenantPrefix + "nobody", tenantPrefix + "nobody/networks", tenantPrefix + "acme/", tenantPrefix + "acme/edit/more", tenantPrefix + "operator/operator/tenants"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if got := send("operator-owner", method, path); got < 403 || got > 405 || method == http.MethodGet && got != http.StatusNotFound {
				t.Errorf("%s %s: got %d, want 404", method, path, got)
			}
		}
	}
}

// TestTenantsPages goes the way of somebody who runs the gateway.
func TestTenantsPages(t *testing.T) {
	s := newOperators(t)
	page, _ := s.look("operator-reviewer", tenantsPath)
	s.says(page, "3 tenants, your own included.", "ACMEacme acme.example Enforced 1 3 0 0 Nothing to do", "GLOBEX", "1 admin", "Not protected")
	if a := s.page("operator-reviewer", tenantsPath); strings.Contains(a.body, "New tenant") {
		t.Error("a reviewer is offered to add a tenant")
	}
	page, _ = s.look("operator-owner", tenantsPath+"?search=glo&mode=off&sort=name")
	s.says(page, "GLOBEX", "New tenant")
	if text := textOf(page); strings.Contains(text, "ACME") {
		t.Errorf("the filter shows %s", text)
	}
	page, _ = s.look("operator-owner", tenantsPath+"?search=nobody")
	s.says(page, "No tenant matches.")

	a := s.post("operator-owner", newTenantPath, "name", "", "slug", "Ac me", "hosts", "acme.example\nhttps://x/", "login", "")
	page = checkPage(t, a)
	s.says(page, "A short name has 1 to 63", "Another tenant has one of these hosts.", "Wrong is: https://x/", "Write a username or email")
	if a.StatusCode != 422 || !strings.Contains(a.body, `value="Ac me"`) {
		t.Errorf("got %s, want what was typed once more", a.Status)
	}
	a = s.post("operator-owner", newTenantPath, "name", "Birch", "slug", "birch", "hosts", "birch.example", "login", "wu.min")
	s.says(checkPage(t, a), "Birch: the invitation is ready", "It is shown this once.")
	if !strings.Contains(a.body, `value="https://birch.example/_sallyport/invite?token=spi_`) {
		t.Errorf("the link is not there: %s", a.body)
	}
	page, _ = s.look("operator-owner", tenantPrefix+"birch")
	s.says(page, "Birch", "birch.example", "No owner can sign in", "Invite an owner", "Emergency access", "Look at its console")
	a = s.post("operator-owner", tenantPrefix+"birch/owner", "login", "wu.min")
	s.says(checkPage(t, a), "Birch: the invitation is ready")
	if a := s.post("operator-owner", tenantPrefix+"acme/owner", "login", "x"); a.StatusCode != http.StatusForbidden {
		t.Errorf("an owner for a tenant that has one: got %s", a.Status)
	}
	s.look("operator-owner", tenantPrefix+"birch/edit")
	a = s.post("operator-owner", tenantPrefix+"birch/edit", "name", "Birch", "hosts", "globex.example")
	s.says(checkPage(t, a), "Another tenant has one of these hosts.")
	s.went(s.post("operator-owner", tenantPrefix+"birch/edit", "name", "Birch & Co", "hosts", "b.example"), tenantPrefix+"birch?done=tenant_set")
	page, _ = s.look("operator-owner", tenantPrefix+"birch?done=tenant_set")
	s.says(page, "Saved.", "Birch & Co", "b.example")
}

func TestTenantsPaged(t *testing.T) {
	s := newOperators(t)
	for i := range tenantsPerPage {
		must(s.AddTenant(s.ctx, apiCommand, gate.Tenant{Slug: fmt.Sprintf("t%02d", i), Name: fmt.Sprint("Tenant ", i)}))
	}
	page, a := s.look("operator-owner", tenantsPath)
	if got := len(all(page, "tr")) - 1; got != tenantsPerPage || !strings.Contains(a.body, "after=t46\">Next<") {
		t.Errorf("the first page has %d tenants", got)
	}
	page, a = s.look("operator-owner", tenantsPath+"?after=t46")
	if got := len(all(page, "tr")) - 1; got != 3 || strings.Contains(a.body, ">Next<") {
		t.Errorf("the second page has %d tenants, want 3", got)
	}
}

func TestEmergencyPage(t *testing.T) {
	s := newOperators(t)
	path := tenantPrefix + "acme/emergency"
	s.look("operator-owner", path)
	a := s.post("operator-owner", path, "address", "198.51.100.0/24", "for", "24h", "ticket", " ")
	s.says(checkPage(t, a), "Write the one address to let in", "Choose how long.", "Write the ticket")
	if a.StatusCode != 422 {
		t.Errorf("got %s, want 422", a.Status)
	}
	s.went(s.post("operator-owner", path, "address", apiOutside, "for", "15m", "ticket", "T-1"), tenantPrefix+"acme?done=emergency_open")
	want := "Emergency access: 198.51.100.7 gets in until 24 Nov 2026, 12:15 UTC, whatever the list says. Opened by operator-owner@operator: T-1"
	if got := textOf(bannerOf(s.console("owner").get(homePath).shows(t, 200, "You are signed in to ACME"))); got != want {
		t.Errorf("the owners see %q, want %q", got, want)
	}
	page, _ := s.look("operator-owner", tenantPrefix+"acme")
	s.says(page, "Emergency access is open", "198.51.100.7, until 24 Nov 2026, 12:15 UTC", "T-1")
	s.went(s.post("operator-owner", path, "end", s.Emergencies(s.acme.ID)[0].ID), tenantPrefix+"acme?done=emergency_ended")
	if got := s.Emergencies(s.acme.ID); got != nil {
		t.Errorf("it runs on: %+v", got)
	}
}

// TestVisitPages looks at each page of another tenant: it says whose it is and
// that it is a visit, leads nowhere else, and has nothing to send.
func TestVisitPages(t *testing.T) {
	s := newOperators(t)
	reference := s.everything()["review"]
	for _, path := range visited {
		if path == findPath || path == "networks/export" { // which show nothing
			continue
		}
		at := tenantPrefix + "acme/" + strings.ReplaceAll(path, "*", reference)
		if path == "networks/compare" {
			at += "?from=1&to=2"
		}
		page, a := s.look("operator-reviewer", at)
		if got, want := textOf(bannerOf(page)), "You are viewing ACME as operator. Its owners can see this. Leave"; got != want {
			t.Errorf("%s: the banner says %q", path, got)
		}
		for _, form := range all(page, "form") {
			if attr(form, "method") == "post" && attr(form, "action") != Prefix+"logout" {
				t.Errorf("%s has a form to %s", path, attr(form, "action"))
			}
		}
		for _, link := range all(page, "a") {
			href, own := strings.CutPrefix(attr(link, "href"), Prefix)
			if own && href != "" && href != keysPath && !strings.HasPrefix(href, operatorPrefix) {
				t.Errorf("%s leads to %s", path, attr(link, "href"))
			}
			if path, ok := strings.CutPrefix(href, tenantPrefix+"acme/"); ok {
				if got := s.page("operator-reviewer", tenantPrefix+"acme/"+path); got.StatusCode >= 400 {
					t.Errorf("%s leads to %s: %s", at, href, got.Status)
				}
			}
		}
		if strings.Contains(a.body, "globex") {
			t.Errorf("%s names another tenant", path)
		}
	}
	sloppy := strings.ToLower(strings.ReplaceAll(reference, "-", " "))
	s.went(s.page("operator-reviewer", tenantPrefix+"acme/review/find?reference="+url.QueryEscape(sloppy)), tenantPrefix+"acme/review/"+reference)
	page, _ := s.look("operator-owner", tenantPrefix+"acme/review/SP-0000-0000") // which there is not
	s.says(page, "No attempt with this reference")
	page, _ = s.look("operator-owner", tenantPrefix+"acme/review?outcome=blocked&group_by=none&period=7d")
	s.says(page, "Outcome: Blocked", reference)
	page, _ = s.look("owner", "audit?kind=access&actor=operator-reviewer@operator")
	s.says(page, "An operator looked at a page", "operator-reviewer@operator", "Page: people")
	s.says(page, "Page: review", "Reference: "+reference)
	looks := strings.Count(textOf(page), "An operator looked at a page")
	if want := len(visited) - 1; looks != want { // the list of attempts and one of them are the same page
		t.Errorf("%d looks are on record, want %d", looks, want)
	}
}
