package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestRefuse holds the table of what a request gets that does not pass.
func TestRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const programs = "*/*"
	for name, c := range map[string]struct {
		method, host, address, accept, path string
		status                              int
		reason                              gate.Reason // of a problem
		heading                             string      // of a page
		location                            string
	}{
		"unknown host":            {"GET", "nobody.example", "203.0.113.7", browserAccept, "/x", 404, "", "There is no site here", ""},
		"unknown host, program":   {"GET", "nobody.example", "203.0.113.7", programs, "/x", 404, gate.UnknownSite, "", ""},
		"outside":                 {"GET", "acme.example", "198.51.100.7", browserAccept, "/x?a=1", 403, "", "Your network isn't allowed here", ""},
		"outside, posting":        {"POST", "acme.example", "198.51.100.7", browserAccept, "/x", 403, "", "Your network isn't allowed here", ""},
		"outside, program":        {"PUT", "acme.example", "198.51.100.7", programs, "/x", 403, gate.OutsideNetworks, "", ""},
		"outside, sign-in page":   {"GET", "acme.example", "198.51.100.7", browserAccept, loginPath, 403, "", "Your network isn't allowed here", ""},
		"outside, API":            {"GET", "acme.example", "198.51.100.7", programs, apiPrefix + "me", 403, gate.OutsideNetworks, "", ""},
		"no address":              {"GET", "acme.example", "unknown", browserAccept, "/", 403, "", "Your network can't be recognized", ""},
		"no address, program":     {"GET", "acme.example", "unknown", programs, "/", 403, gate.AddressUnknown, "", ""},
		"no session":              {"GET", "acme.example", "203.0.113.7", browserAccept, "/a//b?c=d&e", 303, "", "", "/_sallyport/login?return_to=%2Fa%2F%2Fb%3Fc%3Dd%26e"},
		"no session, root":        {"GET", "acme.example", "203.0.113.7", browserAccept, "/", 303, "", "", "/_sallyport/login"},
		"no session, own":         {"GET", "acme.example", "203.0.113.7", browserAccept, homePath, 303, "", "", "/_sallyport/login?return_to=%2F_sallyport%2F"},
		"no session, own nothing": {"GET", "acme.example", "203.0.113.7", browserAccept, Prefix + "nothing", 303, "", "", "/_sallyport/login?return_to=%2F_sallyport%2Fnothing"},
		"no session, other host":  {"GET", "acme.example", "203.0.113.7", browserAccept, "//evil.example/", 303, "", "", "/_sallyport/login"},
		"no session, posting":     {"POST", "acme.example", "203.0.113.7", browserAccept, "/x", 401, "", "Sign in first", ""},
		"no session, program":     {"GET", "acme.example", "203.0.113.7", programs, "/x", 401, gate.NoSession, "", ""},
		"no session, API":         {"GET", "acme.example", "203.0.113.7", programs, apiPrefix + "me", 401, gate.NoSession, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := s.visitor()
			v.host, v.address, v.accept = c.host, c.address, c.accept
			r := v.send(c.method, c.path, "", "")
			if ref := r.Header.Get("X-Sallyport-Reference"); ref == "" {
				t.Error("no reference")
			} else if _, err := auth.ParseReference(ref); err != nil {
				t.Error(err)
			}
			if r.Header.Get("Cache-Control") != "no-store" || len(v.cookies) != 0 {
				t.Errorf("Cache-Control %q, cookies %v", r.Header.Get("Cache-Control"), v.cookies)
			}
			switch {
			case c.location != "":
				r.leads(t, c.location)
			case c.heading != "":
				page := r.shows(t, c.status, c.heading)
				if !strings.Contains(textOf(page), r.Header.Get("X-Sallyport-Reference")) {
					t.Error("the page does not show its reference")
				}
				if c.host == "nobody.example" && strings.Contains(r.body, "Acme") {
					t.Error("the page names somebody")
				}
			default:
				r.is(t, c.status, "reason", string(c.reason), "reference", r.Header.Get("X-Sallyport-Reference"))
			}
			if (r.StatusCode == 401) != (r.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("status %d with WWW-Authenticate %q", r.StatusCode, r.Header.Get("WWW-Authenticate"))
			}
			if c.method == "GET" {
				head := v.send("HEAD", c.path, "", "")
				if head.body != "" || head.StatusCode != r.StatusCode || head.Header.Get("Content-Type") != r.Header.Get("Content-Type") {
					t.Errorf("HEAD: status %d, body %q", head.StatusCode, head.body)
				}
			}
		})
	}
}

// TestRefuseDecisions takes decisions that a running gate does not make on
// demand.
func TestRefuseDecisions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, c := range map[string]struct {
		dec     gate.Decision
		status  int
		heading string
	}{
		"policy unavailable": {gate.Decision{Outcome: gate.Blocked, Stage: gate.StageGate, Reason: gate.PolicyUnavailable}, 503, "The console can't be opened right now"},
		"misdirected":        {gate.Decision{Outcome: gate.Blocked, Stage: gate.StageGate, Reason: gate.UnknownSite, Misdirected: true}, 421, "The connection doesn't fit"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("Accept", browserAccept)
		c.dec.Now = time.Unix(s.clock.Load(), 0)
		ref := New(s.door).Refuse(w, r, Visit{&gate.Request{Host: "acme.example", Address: gate.Address{Addr: netip.MustParseAddr("198.51.100.7")}}, &c.dec})
		if got := w.Header().Get("X-Sallyport-Reference"); ref == "" || got != ref {
			t.Errorf("%s: returned %q, the header has %q", name, ref, got)
		}
		response{w.Result(), w.Body.String()}.shows(t, c.status, c.heading)

		// net/http drops what is written to HEAD; not everything in between does.
		w, r.Method = httptest.NewRecorder(), "HEAD"
		New(s.door).Refuse(w, r, Visit{&gate.Request{Host: "acme.example"}, &c.dec})
		if w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
			t.Errorf("%s: HEAD has %d bytes and says %s", name, w.Body.Len(), w.Header().Get("Content-Length"))
		}
	}
}

func TestBlockedPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor()
	v.address = "2001:db8:0:0::23"
	r := v.get("/reports?month=11")
	page := r.shows(t, 403, "Your network isn't allowed here")
	ref, text := r.Header.Get("X-Sallyport-Reference"), textOf(page)
	spelled := strings.Join(strings.Split(strings.ReplaceAll(ref, "-", "–"), ""), " ")
	for _, want := range []string{ref, spelled, "2001:db8::23", "24 Nov 2026, 14:05:09 UTC", "Acme can only be opened", "for 365 days"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q: %s", want, text)
		}
	}
	if got := attr(first(page, "time"), "datetime"); got != "2026-11-24T14:05:09Z" {
		t.Errorf("datetime is %q", got)
	}
	button := find1(page, func(n *html.Node) bool { return has(n, "data-copy") })
	if got, want := attr(button, "data-copy"), ref+", 2026-11-24T14:05:09Z, 2001:db8::23"; got != want {
		t.Errorf("the button copies %q, want %q", got, want)
	}
	var links []string
	for _, a := range all(first(page, "nav"), "a") {
		links = append(links, attr(a, "href"))
	}
	if want := []string{"?lang=en&month=11", "?lang=zh-CN&month=11"}; !slices.Equal(links, want) {
		t.Errorf("the languages lead to %q, want %q", links, want)
	}
}

// TestOwn says what of the gate's own is there in which state of a site.
func TestOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	owner, _, _ := s.enrolled("li.na")
	status := func(v *visitor, paths ...string) (got []int) {
		for _, path := range paths {
			got = append(got, v.get(path).StatusCode)
		}
		return got
	}
	css := assets["app.css"].URL
	paths := []string{css, jwksPath, loginPath, goodbyePath, homePath, Prefix + "nothing", staticPrefix + "x/app.css"}
	outsider, inside, stranger := s.visitor(), s.visitor(), s.visitor()
	outsider.address, stranger.host = "198.51.100.7", "nobody.example"
	for name, c := range map[string]struct {
		site gate.Site
		v    *visitor
		want []int
	}{
		"outside":            {gate.Site{Login: true, Console: true}, outsider, []int{200, 200, 403, 403, 403, 403, 404}},
		"unknown host":       {gate.Site{Login: true, Console: true}, stranger, []int{200, 200, 404, 404, 404, 404, 404}},
		"inside":             {gate.Site{Login: true, Console: true}, inside, []int{200, 200, 200, 200, 303, 303, 404}},
		"signed in":          {gate.Site{Login: true, Console: true}, owner, []int{200, 200, 303, 303, 200, 404, 404}},
		"inside, no console": {gate.Site{Login: true}, inside, []int{200, 200, 200, 200, 404, 303, 404}},
		"signed, no console": {gate.Site{Login: true}, owner, []int{200, 200, 303, 303, 404, 404, 404}},
		"no login":           {gate.Site{Console: true}, inside, []int{200, 200, 404, 404, 404, 404, 404}},
		"no login, outside":  {gate.Site{Console: true}, outsider, []int{200, 200, 403, 403, 403, 403, 404}},
	} {
		s.door.Site = c.site
		if got := status(c.v, paths...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	s.door.Site = gate.Site{Login: true, Console: true}
	for path, want := range map[string]string{
		loginPath: "GET, HEAD, POST", logoutPath: "POST", goodbyePath: "GET, HEAD", homePath: "GET, HEAD", jwksPath: "GET, HEAD", css: "GET, HEAD",
	} {
		r := owner.send("DELETE", path, "", "")
		if r.StatusCode != 405 || r.Header.Get("Allow") != want {
			t.Errorf("DELETE %s: status %d, Allow %q, want %q", path, r.StatusCode, r.Header.Get("Allow"), want)
		}
	}
	owner.get(logoutPath).shows(t, 405, "This doesn't work that way")
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	v := newSite(t).visitor()
	v.address = "198.51.100.7"
	r := v.get(jwksPath)
	var set struct {
		Keys []struct{ Kty, Crv, Kid, D string }
	}
	if err := json.Unmarshal([]byte(r.body), &set); err != nil || len(set.Keys) != 1 || set.Keys[0].Crv != "Ed25519" || set.Keys[0].D != "" {
		t.Errorf("%v in %s", err, r.body)
	}
	if got := r.Header.Get("Content-Type"); got != "application/jwk-set+json" {
		t.Errorf("Content-Type is %q", got)
	}
}

// TestCrossOrigin sends what another site makes a browser send.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	owner, _, _ := s.enrolled("li.na")
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		r := owner.send("POST", logoutPath, formMedia, "", headers...)
		r.shows(t, 403, "This came from another site")
		r = owner.send("POST", loginPath, jsonMedia, `{}`, headers...)
		r.is(t, 403, "reason", "cross_origin", "reference", r.Header.Get("X-Sallyport-Reference"))
		owner.send("PUT", apiPrefix+"networks", jsonMedia, `{}`, headers...).is(t, 403, "reason", "cross_origin")
	}
	if got := owner.get("/").body; got != "console" {
		t.Fatalf("another site signed the admin out: %q", got)
	}
	owner.send("POST", logoutPath, formMedia, "", "Origin", "https://acme.example").leads(t, goodbyePath)
	s.Stop() // stores what waits
	found := must(s.store.Attempts(t.Context(), gate.AttemptFilter{Tenant: s.tenant.ID, Limit: 10,
		Where: []gate.Condition{{Field: gate.FieldReason, Value: string(gate.CrossOrigin)}}}))
	if len(found) != 1 || found[0].Count != 12 || found[0].Stage != gate.StageSignIn || found[0].Outcome != gate.Refused {
		t.Errorf("recorded: %+v", found)
	}
}

// TestNotices follows a session to each of its ends, and what the sign-in page
// says about it.
func TestNotices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v, secret, _ := s.enrolled("li.na")
	ends := func(location, want string) {
		t.Helper()
		v.get("/reports").leads(t, location)
		page := v.get(location).shows(t, 200, "Sign in to Acme")
		if got := textOf(find1(page, func(n *html.Node) bool { return attr(n, "class") == "notice" })); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q", location, got, want)
		}
	}
	signIn := func() {
		t.Helper()
		v.form(loginPath, "login", "li.na", "password", newPassword).leads(t, verifyPath)
		v.form(verifyPath, "code", s.code(secret)).leads(t, "/")
	}
	s.later(31 * time.Minute)
	ends("/_sallyport/login?reason=session_idle&return_to=%2Freports", "away for 30 minutes")
	signIn()
	if _, _, err := s.SetAdmin(t.Context(), command, s.tenant.ID, "li.na", gate.AdminPatch{SignOut: true}); err != nil {
		t.Fatal(err)
	}
	ends("/_sallyport/login?reason=session_revoked&return_to=%2Freports", "An administrator ended this session.")
	s.later(time.Minute)
	signIn()
	s.door.Rules.Bind, v.address = gate.BindAddress, "203.0.113.8"
	ends("/_sallyport/login?reason=address_changed&return_to=%2Freports", "network address changed")
	s.door.Rules.Bind, s.door.Rules.Idle = gate.BindNetwork, 24*time.Hour
	s.later(12 * time.Hour)
	ends("/_sallyport/login?reason=session_expired&return_to=%2Freports", "time limit")
	for _, reason := range []string{"outside_networks", "<script>", ""} {
		page := v.get("/_sallyport/login?reason="+reason).shows(t, 200, "Sign in to Acme")
		if n := find1(page, func(n *html.Node) bool { return attr(n, "class") == "notice" }); n != nil {
			t.Errorf("reason=%s says %q", reason, textOf(n))
		}
	}
}

// TestDryRun makes sure that the sign-in page does not tell those who would be
// blocked from the others.
func TestDryRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dry := gate.ModeDryRun
	if _, err := s.SetTenant(t.Context(), command, "acme", gate.TenantPatch{Mode: &dry}); err != nil {
		t.Fatal(err)
	}
	inside, outside := s.visitor(), s.visitor()
	outside.address = "198.51.100.7"
	if a, b := inside.get(loginPath), outside.get(loginPath); a.StatusCode != 200 || a.body != b.body {
		t.Errorf("two pages:\n%s\n%s", a.body, b.body)
	}
}

// TestUntrustedText puts markup where people and clients can put text.
func TestUntrustedText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	name := `"><script>alert(1)</script><b a='`
	if _, err := s.SetTenant(t.Context(), command, "acme", gate.TenantPatch{Name: &name}); err != nil {
		t.Fatal(err)
	}
	v := s.visitor()
	v.get("/_sallyport/login?return_to=/%22%3E%3Cb%3E&lang=%22%3E%3Cb%3E&x=%22%3E").shows(t, 200, "Sign in to "+name)
	v.form(loginPath, "login", `"><b>`, "password", "x", "return_to", `/"><b>`).shows(t, 401, "Sign in to "+name)
	v.address = "198.51.100.7"
	page := v.get("/x?%22%3E%3Cb%3E=%22%3E%3Cb%3E").shows(t, 403, "Your network isn't allowed here")
	if len(all(page, "b")) != 0 || len(all(page, "script")) != 1 {
		t.Error("markup got into the page")
	}
}

func TestOrigin(t *testing.T) {
	for host, want := range map[string]string{
		"acme.example":           "https://acme.example",
		"ACME.example:443":       "https://acme.example",
		"acme.example.:8443":     "https://acme.example:8443",
		"acme.localhost:8443":    "https://acme.localhost:8443",
		"bücher.example":         "https://xn--bcher-kva.example",
		"[2001:db8::1]:8443":     "https://[2001:db8::1]:8443",
		"[2001:db8::1]":          "https://[2001:db8::1]",
		"xn--bcher-kva.example.": "https://xn--bcher-kva.example",
	} {
		if got := Origin(&http.Request{Host: host}); got != want {
			t.Errorf("Origin of %q is %q, want %q", host, got, want)
		}
	}
}
