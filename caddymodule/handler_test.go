package caddymodule

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

var referencePattern = regexp.MustCompile(`^SP-[0-9A-Z]{4}-[0-9A-Z]{4}$`)

// TestAnswers is the table "What a request gets".
func TestAnswers(t *testing.T) {
	w := newWorld(t)
	w.load()
	session := w.signIn("li.na", gate.RoleOwner)
	w.console.take()
	html := http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}}
	for name, c := range map[string]struct {
		request
		status   int
		location string // of a redirect
		reason   gate.Reason
		page     bool
	}{
		"unknown host, browser":       {request{host: "nobody.example", header: html}, 404, "", "", true},
		"unknown host, program":       {request{host: "nobody.example"}, 404, "", gate.UnknownSite, false},
		"outside, browser":            {request{from: outsideIP, header: html}, 403, "", "", true},
		"outside, program":            {request{from: outsideIP}, 403, "", gate.OutsideNetworks, false},
		"outside with a session":      {request{from: outsideIP, session: session}, 403, "", gate.OutsideNetworks, false},
		"inside, browser":             {request{path: "/a/b?c=d", header: html}, 303, "/_sallyport/login?return_to=%2Fa%2Fb%3Fc%3Dd", "", false},
		"inside, browser, HEAD":       {request{method: "HEAD", header: html}, 303, "/_sallyport/login", "", false},
		"inside, browser, POST":       {request{method: "POST", header: html}, 401, "", "", true},
		"inside, program":             {request{}, 401, "", gate.NoSession, false},
		"inside, forged session":      {request{session: session + "x"}, 401, "", gate.SessionInvalid, false},
		"inside, two session cookies": {request{session: session, header: http.Header{"Cookie": {auth.SessionCookie + "=" + session}}}, 401, "", gate.SessionInvalid, false},
		"session of another tenant":   {request{host: "globex.example", session: session}, 403, "", gate.OutsideNetworks, false},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := w.do(c.request)
			if res.StatusCode != c.status {
				t.Errorf("got status %d, want %d: %s", res.StatusCode, c.status, body)
			}
			if got := res.Header.Get("X-Sallyport-Reference"); !referencePattern.MatchString(got) {
				t.Errorf("got reference %q", got)
			}
			if got := res.Header.Get("Location"); !strings.HasPrefix(got, c.location) || (got == "") != (c.location == "") {
				t.Errorf("got location %q, want %q", got, c.location)
			}
			if got := res.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
				t.Errorf("got Cache-Control %q", got)
			}
			switch kind := res.Header.Get("Content-Type"); {
			case c.page && !strings.HasPrefix(kind, "text/html"):
				t.Errorf("got %q, want a page", kind)
			case c.reason != "":
				var p struct {
					Reason, Reference string
					Status            int
				}
				if err := json.Unmarshal([]byte(body), &p); err != nil || kind != "application/problem+json" {
					t.Fatalf("got %q %s", kind, body)
				}
				if p.Reason != string(c.reason) || p.Status != c.status || p.Reference != res.Header.Get("X-Sallyport-Reference") {
					t.Errorf("got %+v, want %s", p, c.reason)
				}
			}
		})
	}
	if seen := w.console.take(); len(seen) > 0 {
		t.Errorf("the console was asked for %s", seen[0].URL)
	}
	res, body := w.do(request{session: session, path: "/reports?x=1"})
	if res.StatusCode != 200 || body != "console" {
		t.Errorf("with a session: got %d %s", res.StatusCode, body)
	}
	if got := w.console.take(); len(got) != 1 || got[0].URL.String() != "/reports?x=1" {
		t.Errorf("the console was asked %d times", len(got))
	}
}
