package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// token makes a token of acme, whose calls are those of "token:" and its name.
func (s *apiSite) token(name string, scopes []gate.Scope, networks ...string) {
	s.Helper()
	_, secret, err := s.AddToken(s.ctx, apiCommand, s.acme.ID, gate.NewToken{Name: name, Scopes: scopes, Networks: networks})
	if err != nil {
		s.Fatal(err)
	}
	s.bearers[name] = secret
}

// bearing sends a call with a token and without a session.
func (s *apiSite) bearing(name, method, path, body string, headers ...string) answer {
	s.Helper()
	return s.do("", method, path, body, append([]string{"Authorization", "Bearer " + s.bearers[name]}, headers...)...)
}

func TestAPITokens(t *testing.T) {
	s := newAPISite(t)
	var made row
	s.ok(s.do("owner", "POST", "tokens", `{"name":"backup","scopes":["networks:read"],"networks":["198.51.100.7","2001:db8::/64"],"expires":"2026-12-24T00:00:00Z"}`), 201, &made)
	secret := made["token"].(string)
	if !strings.HasPrefix(secret, "spt_") || made["name"] != "backup" || made["expires"] != "2026-12-24T00:00:00Z" || made["created_by"] != "owner" || made["last_used"] != nil {
		t.Errorf("got %v", made)
	}
	delete(made, "token")
	var all list[row]
	s.get("owner", "tokens", &all)
	if len(all.Items) != 1 || !maps.EqualFunc(all.Items[0], made, func(a, b any) bool { return jsonText(a) == jsonText(b) }) {
		t.Errorf("got %v, want %v and no secret", all.Items, made)
	}
	s.bearers["backup"] = secret
	var me struct {
		Login   string
		Role    string
		Session *row
		Token   row
		Network struct{ Allowed bool }
	}
	s.ok(s.bearing("backup", "GET", "me", "", "X-Forwarded-For", apiOutside), 200, &me)
	if me.Login != "token backup" || me.Session != nil || me.Token["id"] != made["id"] || !me.Network.Allowed {
		t.Errorf("me: got %+v", me)
	}
	s.refused(s.do("owner", "POST", "tokens", `{"name":"backup","scopes":["networks:read"]}`), 409, "exists")
	s.refused(s.do("owner", "POST", "tokens", `{"name":"","scopes":["all"],"networks":["x"],"expires":"2026-01-01T00:00:00Z"}`), 422, "invalid",
		"name invalid", "scopes[0] unknown", "expires past", "networks[0] invalid")
	s.refused(s.do("owner", "POST", "tokens", `{"name":"x","scopes":["networks:read"],"expires":"tomorrow"}`), 422, "invalid", "expires invalid")
	s.refused(s.do("owner", "DELETE", "tokens/nothing", ""), 404, "not_found")
	s.refused(s.do("stranger", "DELETE", "tokens/"+made["id"].(string), ""), 404, "not_found")
	if a := s.do("owner", "DELETE", "tokens/"+made["id"].(string), ""); a.StatusCode != 204 {
		t.Errorf("got %s %s", a.Status, a.body)
	}
	s.refused(s.bearing("backup", "GET", "me", ""), 401, "bad_credentials")
}

// Every call of the API is in the table of scopes or is named here, so that a
// new one is thought about.
func TestEveryCallHasAScope(t *testing.T) {
	people := []string{ // only somebody who is signed in
		"POST networks/versions/*/restore",                                                                      // makes a draft, which is a person's
		"GET requests", "POST requests", "GET requests/*", "POST requests/*/approve", "POST requests/*/decline", // people answer people
		"POST me/proof", // who shows it
		"GET tokens", "POST tokens", "DELETE tokens/*",
		"GET tenants",                                  // another tenant's are nobody's to hand on
		"GET operator/health",                          // programs have the metrics
		"PUT policy",                                   // deletes for good
		"GET alerts", "PUT alerts", "POST alerts/test", // they have a secret, and send messages
	}
	all := map[string]bool{}
	for _, r := range routes {
		for method := range r.methods {
			name := method + " " + r.path
			all[name] = true
			if _, ok := tokenScopes[name]; ok == slices.Contains(people, name) {
				t.Errorf("%s: give it a scope or name it here", name)
			}
		}
	}
	for name := range tokenScopes {
		if !all[name] {
			t.Errorf("%s is no call of the API", name)
		}
	}
}

// A token may do what its scopes say, in every call there is, and nothing more.
func TestScopes(t *testing.T) {
	s := newAPISite(t)
	held := map[string][]gate.Scope{"all": gate.Scopes}
	for _, scope := range gate.Scopes {
		held[string(scope)] = []gate.Scope{scope}
	}
	for name, scopes := range held {
		s.token(name, scopes)
	}
	for _, r := range routes {
		for method, e := range r.methods {
			scope, known := tokenScopes[method+" "+r.path]
			for name, scopes := range held {
				may := known && (scope == anyToken || slices.Contains(scopes, scope) ||
					scope == gate.ScopeNetworksRead && slices.Contains(scopes, gate.ScopeNetworksWrite))
				body := ""
				if e.body > 0 {
					body = "{}"
				}
				if e.stream != nil {
					method = http.MethodHead // it says whether it would begin
				}
				a := s.bearing(name, method, strings.ReplaceAll(r.path, "*", "SP-0000-0000"), body)
				if got := a.StatusCode != http.StatusForbidden; got != may || a.StatusCode == http.StatusUnauthorized {
					t.Errorf("%s %s with %v: got %s %s, want allowed %t", method, r.path, scopes, a.Status, a.body, may)
				}
				if method == http.MethodGet {
					if head := s.bearing(name, http.MethodHead, strings.ReplaceAll(r.path, "*", "SP-0000-0000"), ""); head.StatusCode != a.StatusCode {
						t.Errorf("HEAD %s with %v: got %s, want %s", r.path, scopes, head.Status, a.Status)
					}
				}
			}
			s.move(10 * time.Second) // so that no call is one too many
		}
	}
}

// What an attacker may try with a token, over HTTP.
func TestTokenAttacks(t *testing.T) {
	s := newAPISite(t)
	s.token("robot", gate.Scopes)
	s.token("away", gate.Scopes, "198.51.100.0/24")
	globex := must(s.Tenant(s.ctx, "globex"))
	_, theirs, err := s.AddToken(s.ctx, apiCommand, globex.ID, gate.NewToken{Name: "theirs", Scopes: gate.Scopes})
	if err != nil {
		t.Fatal(err)
	}
	s.bearers["theirs"] = theirs
	for name, c := range map[string]struct {
		as      string
		headers []string
		status  int
		code    string
	}{
		"of another tenant":         {"theirs", nil, 401, "bad_credentials"},
		"wrong":                     {"nobody", []string{"Authorization", "Bearer spt_" + strings.Repeat("A", 43)}, 401, "bad_credentials"},
		"nothing of a token":        {"nobody", []string{"Authorization", "Bearer spt_"}, 401, "bad_credentials"},
		"a very long one":           {"nobody", []string{"Authorization", "Bearer spt_" + strings.Repeat("A", 100_000)}, 401, "bad_credentials"},
		"another's sort":            {"nobody", []string{"Authorization", "Bearer ghp_1234"}, 401, "no_session"},
		"with a session":            {"robot", []string{"Cookie", auth.SessionCookie + "=" + s.tokens["owner"]}, 401, "session_invalid"},
		"with a bad session":        {"robot", []string{"Cookie", auth.SessionCookie + "="}, 401, "session_invalid"},
		"two in one header":         {"nobody", []string{"Authorization", "Bearer " + s.bearers["robot"] + ", Bearer " + s.bearers["robot"]}, 401, "bad_credentials"},
		"from outside":              {"robot", []string{"X-Forwarded-For", apiOutside}, 403, "outside_networks"},
		"from outside, wrong":       {"theirs", []string{"X-Forwarded-For", apiOutside}, 403, "outside_networks"},
		"from not its own":          {"away", nil, 403, "outside_networks"},
		"from nowhere":              {"away", []string{"X-Forwarded-For", "x"}, 403, "address_unknown"},
		"by another site, changing": {"robot", []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &apiSite{T: t, Gate: s.Gate, ctx: s.ctx, server: s.server, tokens: s.tokens, bearers: s.bearers}
			method, body := "GET", ""
			if strings.HasSuffix(name, "changing") {
				method, body = "POST", `{"range":"192.0.2.1","label":"x"}`
			}
			a := s.bearing(c.as, method, "networks", body, c.headers...)
			p := s.refused(a, c.status, c.code)
			if p.Reference == "" || a.Header.Get("X-Sallyport-Reference") != p.Reference {
				t.Errorf("no record: %+v", p)
			}
			if c.status == 401 && c.code != "no_session" && a.Header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
				t.Errorf("challenge: got %q", a.Header.Get("WWW-Authenticate"))
			}
		})
	}
	// Two lines of one header.
	r := must(http.NewRequestWithContext(t.Context(), "GET", s.server.URL+"/_sallyport/api/v1/me", nil))
	r.Host = "acme.example"
	r.Header = http.Header{"X-Forwarded-For": {apiInside}, "Authorization": {"Bearer " + s.bearers["robot"], "Bearer " + s.bearers["robot"]}}
	s.refused(s.exchange(r), 401, "session_invalid")
	// It opens nothing but the API, wherever it comes from.
	for _, path := range []string{"/_sallyport/", "/_sallyport/login", "/_sallyport/password", "/_sallyport/api/v1", "/_sallyport/api/v2/me"} {
		r := must(http.NewRequestWithContext(t.Context(), "GET", s.server.URL+path, nil))
		r.Host = "acme.example"
		r.Header = http.Header{"X-Forwarded-For": {apiOutside}, "Authorization": {"Bearer " + s.bearers["away"]}}
		if a := s.exchange(r); a.StatusCode != 403 {
			t.Errorf("%s: got %s, want 403", path, a.Status)
		}
	}
	// A session is no way to use a token's networks, nor the other way round.
	if a := s.bearing("robot", "OPTIONS", "networks", ""); a.StatusCode != 204 {
		t.Errorf("OPTIONS: got %s", a.Status)
	}
	s.refused(s.bearing("theirs", "OPTIONS", "networks", ""), 401, "bad_credentials")
	s.refused(s.bearing("robot", "GET", "tokens", ""), 403, "forbidden")
	s.door.Site.Console = false
	s.refused(s.bearing("robot", "GET", "networks", ""), 404, "not_found")
	s.door.Site.Console, s.door.Site.Login = true, false
	s.refused(s.bearing("robot", "GET", "me", ""), 404, "not_found")
}

// On a site that all tenants share nobody is told whether a token is somebody's.
func TestTokensOnASharedSite(t *testing.T) {
	s := newAPISite(t)
	s.door.Site.ByLogin = true
	s.token("robot", gate.Scopes)
	var me row
	s.ok(s.bearing("robot", "GET", "me", ""), 200, &me)
	s.refused(s.bearing("robot", "GET", "me", "", "X-Forwarded-For", apiOutside), 403, "outside_networks")
	s.bearers["wrong"] = "spt_wrong"
	for range 10 {
		s.refused(s.bearing("wrong", "GET", "me", "", "X-Forwarded-For", apiOutside), 401, "bad_credentials")
	}
	a := s.bearing("wrong", "GET", "me", "", "X-Forwarded-For", apiOutside)
	s.refused(a, 429, "throttled")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
}
