package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Who may make a call or see a page: o owners, r reviewers, m members.
var (
	apiRoles = map[string]string{
		"GET tenants": "", "GET operator/health": "", // of those who run the gateway, see TestOperatorsCalls
		"GET me": "orm", "POST me/proof": "orm", "GET openapi.json": "orm",

		"GET networks": "or", "PUT networks": "o", "POST networks/entries": "o", "DELETE networks/entries/*": "o",
		"POST networks/confirm": "o", "POST networks/undo": "o", "POST networks/review": "o", "GET networks/check": "or",
		"POST networks/import": "o", "GET networks/export": "or",
		"GET networks/versions": "or", "GET networks/versions/*": "or", "POST networks/versions/*/restore": "o",

		"GET attempts": "or", "GET attempts/summary": "or", "GET attempts/*": "or", "GET attempts/stream": "or", "GET attempts/export": "or",
		"GET requests": "or", "POST requests": "orm", "GET requests/*": "or", "POST requests/*/approve": "or", "POST requests/*/decline": "or",

		"GET admins": "o", "POST admins": "o", "GET admins/*": "o", "PATCH admins/*": "o", "DELETE admins/*": "o",
		"GET sessions": "orm", "DELETE sessions": "orm", "DELETE sessions/*": "orm", // of a member only its own
		"GET changes": "or", "GET alerts": "o", "PUT alerts": "o", "POST alerts/test": "o",
		"GET policy": "or", "PUT policy": "o",
		"GET tokens": "o", "POST tokens": "o", "DELETE tokens/*": "o",
	}
	pageRoles = map[string]string{
		"": "orm", "keys": "orm", "prove": "orm",

		"people": "o", "people/invite": "o", "people/*": "o", "sessions": "orm", "sessions/all": "orm", "sessions/*": "orm",
		"tokens": "o", "tokens/new": "o", "tokens/*": "o", "audit": "or", "policy": "or", "policy/alerts": "o", "policy/alerts/test": "o", "audit/verify": "or", "audit/download": "or",

		"review": "or", "review/find": "or", "review/live": "or", "review/*": "or", "review/*/allow": "o", "review/*/undo": "o",
		"requests": "or", "requests/*/approve": "or", "requests/*/decline": "or",
		"networks": "or", "networks/add": "o", "networks/entries/*": "o", "networks/confirm": "o", "networks/undo": "o",
		"networks/import": "o", "networks/export": "or", "networks/history": "or", "networks/compare": "or", "networks/restore": "o", "networks/review": "o",
		"networks/draft": "o", "networks/draft/*": "or", "networks/discard": "o", "networks/conflict": "o",
		"networks/mend": "o", "networks/suggest": "o",
	}
)

// soundCalls are those that are read before it is asked who makes them: what
// they lack would be the answer.
var soundCalls = map[string]struct {
	path, body string
	headers    []string
}{
	"PUT networks":                     {body: `{"base_version":1,"mode":"off","entries":[]}`},
	"POST networks/review":             {body: `{"base_version":1,"mode":"off","entries":[]}`},
	"POST networks/confirm":            {body: `{"version":99}`},
	"POST networks/undo":               {body: `{"version":99}`},
	"POST networks/import":             {body: "192.0.2.9", path: "networks/import?mode=add&label=x", headers: []string{"Content-Type", "text/plain"}},
	"GET networks/check":               {path: "networks/check?address=192.0.2.1"},
	"GET networks/versions/*":          {path: "networks/versions/1"},
	"POST networks/versions/*/restore": {path: "networks/versions/1/restore"},
	"GET attempts/export":              {path: "attempts/export?format=csv"},
	"PUT policy":                       {body: `{"base_version":0,"retention":null,"shorten_addresses_after":null,"check_passwords_from_outside":false,"access_requests":true}`},
}

// TestRolesOfTheAPI makes every call as everybody. A call that is not in the
// table fails, so that a new one is thought about.
func TestRolesOfTheAPI(t *testing.T) {
	s := newAPISite(t)
	for _, r := range routes {
		for method, e := range r.methods {
			name := method + " " + r.path
			roles, ok := apiRoles[name]
			if !ok {
				t.Errorf("%s: say here who may", name)
			}
			for _, role := range gate.Roles {
				if name == "DELETE sessions" && role != gate.RoleMember { // would sign the others out
					continue
				}
				c := soundCalls[name]
				method, path := method, cmp.Or(c.path, strings.ReplaceAll(r.path, "*", "SP-0000-0000"))
				if e.body > 0 && c.body == "" {
					c.body = "{}"
				}
				if e.stream != nil { // it says whether it would begin
					method = http.MethodHead
				}
				a := s.do(string(role), method, path, c.body, c.headers...)
				forbidden := a.StatusCode == http.StatusForbidden || roles == "" && a.StatusCode == http.StatusNotFound
				if may := strings.Contains(roles, string(role[0])); forbidden == may || a.StatusCode == http.StatusUnauthorized {
					t.Errorf("%s as %s: got %s %s, want allowed %t", name, role, a.Status, a.body, may)
				}
			}
		}
	}
}

// TestRolesOfThePages looks at every page, and posts to it, as everybody.
func TestRolesOfThePages(t *testing.T) {
	s := newAPISite(t)
	for _, p := range consolePages {
		roles, ok := pageRoles[p.path]
		if !ok {
			t.Errorf("page %q: say here who may", p.path)
		}
		for _, role := range gate.Roles {
			for method, there := range map[string]bool{http.MethodGet: p.get != nil, http.MethodPost: p.post != nil} {
				if !there {
					continue
				}
				path, headers := Prefix+strings.ReplaceAll(p.path, "*", "SP-0000-0000"), []string{"Accept", browserAccept}
				body := ""
				if method == http.MethodPost {
					body, headers = "no_such_field=1", append(headers, "Content-Type", formMedia, "Sec-Fetch-Site", "same-origin")
				}
				a := s.send(string(role), method, path, body, headers...)
				may := strings.Contains(roles, string(role[0]))
				if forbidden := a.StatusCode == http.StatusForbidden; forbidden == may || a.StatusCode == http.StatusUnauthorized || a.StatusCode >= 500 {
					t.Errorf("%s %q as %s: got %s, want allowed %t", method, p.path, role, a.Status, may)
				}
			}
		}
	}
}

// TestAnotherTenant: what is another tenant's does not exist, by whatever call,
// whether it is there or not.
func TestAnotherTenant(t *testing.T) {
	s := newAPISite(t)
	ids := s.everything()
	for _, r := range routes {
		for method, e := range r.methods {
			if !strings.Contains(r.path, "*") || e.anybody {
				continue
			}
			what, _, _ := strings.Cut(r.path, "/*")
			id, ok := ids[what]
			if !ok {
				t.Errorf("%s: say in everything what there is", r.path)
				continue
			}
			body := ""
			if e.body > 0 {
				body = "{}"
			}
			theirs := s.do("stranger", method, strings.ReplaceAll(r.path, "*", id), body)
			none := s.do("stranger", method, strings.ReplaceAll(r.path, "*", noneLike(id)), body)
			if theirs.StatusCode != http.StatusNotFound || theirs.body != none.body {
				t.Errorf("%s %s: got %s %s, want 404, like %s %s", method, r.path, theirs.Status, theirs.body, none.Status, none.body)
			}
		}
	}
	for _, p := range consolePages {
		if !strings.Contains(p.path, "*") {
			continue
		}
		what, _, _ := strings.Cut(p.path, "/*")
		id, ok := ids[what]
		if !ok {
			t.Errorf("page %s: say in everything what there is", p.path)
			continue
		}
		if p.get != nil {
			if a := s.send("stranger", "GET", Prefix+strings.ReplaceAll(p.path, "*", id), "", "Accept", browserAccept); a.StatusCode != http.StatusNotFound {
				t.Errorf("page %s: got %s, want 404", p.path, a.Status)
			}
		}
	}
}

// noneLike is an id that is nobody's, of the form of one.
func noneLike(id string) string {
	switch {
	case strings.HasPrefix(id, "SP-"):
		return "SP-0000-0000"
	case len(id) < 10:
		return "77"
	}
	return strings.Repeat("A", len(id))
}

// everything makes one of each sort of thing in acme, and returns their ids by
// the paths that they are below.
func (s *apiSite) everything() map[string]string {
	s.Helper()
	owner := s.actorOf("owner")
	networks := must(s.Networks(s.ctx, owner, s.acme.ID))
	admins := must(s.Admins(s.ctx, owner, s.acme.ID))
	sessions := must(s.Sessions(s.ctx, owner, gate.SessionFilter{Tenant: s.acme.ID}))
	token, _, err := s.AddToken(s.ctx, owner, s.acme.ID, gate.NewToken{Name: "x", Scopes: gate.Scopes})
	if err != nil {
		s.Fatal(err)
	}
	refused := s.refused(s.do("", "GET", "me", "", "X-Forwarded-For", apiOutside), 403, "outside_networks")
	var asked row
	s.ok(s.do("", "POST", "requests", `{"reference":"`+refused.Reference+`","login":"owner","why":"away","for":"8h"}`,
		"X-Forwarded-For", apiOutside, "Sec-Fetch-Site", "same-origin"), 201, &asked)
	return map[string]string{
		"networks/entries": networks.Entries[0].ID, "networks/versions": fmt.Sprint(networks.Version), "networks/draft": admins[0].ID,
		"attempts": refused.Reference, "review": refused.Reference, "requests": asked["id"].(string), "admins": admins[0].ID, "people": admins[0].ID,
		"sessions": sessions[0].ID, "tokens": token.ID,
	}
}

// actorOf is who has a session.
func (s *apiSite) actorOf(login string) gate.Actor {
	q := &gate.Request{Host: "acme.example", Address: s.door.Source.Find("127.0.0.1:1", []string{apiInside}), Token: s.tokens[login]}
	dec := s.door.Decide(q)
	return s.door.Actor(q, &dec)
}

func TestRoleTablesNameWhatThereIs(t *testing.T) {
	for name := range apiRoles {
		method, path, _ := strings.Cut(name, " ")
		if !slices.ContainsFunc(routes, func(r route) bool { _, ok := r.methods[method]; return ok && r.path == path }) {
			t.Errorf("%s is no call", name)
		}
	}
	for path := range pageRoles {
		if !slices.ContainsFunc(consolePages, func(p consolePage) bool { return p.path == path }) {
			t.Errorf("%q is no page", path)
		}
	}
}
