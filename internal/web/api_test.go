package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestAPIRoles(t *testing.T) {
	const entry = `{"range":"192.0.2.1","label":"Home"}`
	const put = `{"base_version":99,"mode":"enforced","entries":[]}`
	calls := []struct {
		method, path, body                string
		owner, reviewer, member, stranger int
	}{
		{"GET", "me", "", 200, 200, 200, 200},
		{"GET", "networks", "", 200, 200, 403, 200},
		{"PUT", "networks", put, 409, 403, 403, 409},
		{"POST", "networks/entries", entry, 201, 403, 403, 201},
		{"DELETE", "networks/entries/192.0.2.1", "", 200, 403, 403, 200},
		{"GET", "networks/check?address=192.0.2.1", "", 200, 200, 403, 200},
		{"GET", "networks/versions", "", 200, 200, 403, 200},
		{"GET", "networks/versions/1", "", 200, 200, 403, 200},
		{"POST", "networks/versions/1/restore", "", 200, 403, 403, 200},
		{"GET", "attempts", "", 200, 200, 403, 200},
		{"GET", "attempts?group_by=reason", "", 200, 200, 403, 200},
		{"GET", "attempts/$reference", "", 200, 200, 403, 404},
		{"GET", "sessions", "", 200, 200, 200, 200},
		{"DELETE", "sessions/$session", "", 204, 204, 404, 404},
		{"GET", "changes", "", 200, 200, 403, 200},
	}
	for who, want := range map[string]func(int) int{
		"owner":    func(i int) int { return calls[i].owner },
		"reviewer": func(i int) int { return calls[i].reviewer },
		"member":   func(i int) int { return calls[i].member },
		"stranger": func(i int) int { return calls[i].stranger },
	} {
		t.Run(who, func(t *testing.T) {
			s := newAPISite(t)
			var sessions, attempts list[row]
			s.get("owner", "sessions", &sessions)
			s.get("owner", "attempts?outcome=allowed", &attempts)
			others := slices.DeleteFunc(sessions.Items, func(r row) bool { return r["login"] == who || r["login"] == "owner" })
			replace := strings.NewReplacer("$reference", attempts.Items[0]["reference"].(string), "$session", others[0]["id"].(string))
			for i, c := range calls {
				a := s.do(who, c.method, replace.Replace(c.path), c.body)
				if a.StatusCode != want(i) {
					t.Errorf("%s %s: got %s %s, want %d", c.method, c.path, a.Status, a.body, want(i))
				}
				if got := a.Header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("%s %s: Cache-Control: got %q", c.method, c.path, got)
				}
				if got := a.Header.Get("X-Content-Type-Options"); got != "nosniff" {
					t.Errorf("%s %s: X-Content-Type-Options: got %q", c.method, c.path, got)
				}
			}
		})
	}
}

func TestAPIWithoutSession(t *testing.T) {
	s := newAPISite(t)
	for _, path := range []string{"me", "networks", "no/such/call", "attempts?limit=0"} {
		a := s.do("", "GET", path, "", "Accept", "application/json")
		p := s.refused(a, 401, "no_session")
		if p.Reason != gate.NoSession || p.Reference == "" || a.Header.Get("X-Sallyport-Reference") != p.Reference {
			t.Errorf("%s: got reason %q, references %q %q", path, p.Reason, p.Reference, a.Header.Get("X-Sallyport-Reference"))
		}
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without a challenge", path)
		}
	}
	s.refused(s.do("", "GET", "me", "", "Cookie", auth.SessionCookie+"=x"), 401, "session_invalid")
	s.refused(s.do("owner", "GET", "me", "", "X-Forwarded-For", apiOutside), 403, "outside_networks")
	s.refused(s.do("owner", "GET", "me", "", "X-Forwarded-For", "unknown"), 403, "address_unknown")
	s.tokens = map[string]string{"stranger": s.tokens["owner"]}
	s.refused(s.do("stranger", "GET", "me", ""), 401, "wrong_tenant")
}

func TestAPIMethods(t *testing.T) {
	s := newAPISite(t)
	for path, allow := range map[string]string{
		"me": "GET, HEAD, OPTIONS", "networks": "GET, HEAD, OPTIONS, PUT", "networks/entries": "OPTIONS, POST",
		"networks/entries/10.0.0.0/8": "DELETE, OPTIONS", "networks/versions/1": "GET, HEAD, OPTIONS", "sessions/x": "DELETE, OPTIONS",
	} {
		a := s.do("member", "PATCH", path, "{}")
		s.refused(a, 405, "method_not_allowed")
		if got := a.Header.Get("Allow"); got != allow {
			t.Errorf("PATCH %s: Allow: got %q, want %q", path, got, allow)
		}
		a = s.do("member", "OPTIONS", path, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT")
		if a.StatusCode != 204 || a.Header.Get("Allow") != allow || a.body != "" {
			t.Errorf("OPTIONS %s: got %s, Allow %q", path, a.Status, a.Header.Get("Allow"))
		}
		for name := range a.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("OPTIONS %s: got %s", path, name)
			}
		}
	}
	got, head := s.do("owner", "GET", "networks", ""), s.do("owner", "HEAD", "networks", "")
	if head.StatusCode != 200 || head.body != "" || head.ContentLength != int64(len(got.body)) {
		t.Errorf("HEAD: got %s, %q, length %d; want 200 and length %d", head.Status, head.body, head.ContentLength, len(got.body))
	}
	for _, path := range []string{"", "mee", "me/", "networks/", "networks/entries/", "networks/check/x", "Networks", "openapi.jsonx"} {
		s.refused(s.do("owner", "GET", path, ""), 404, "not_found")
	}
}

// TestAPIMalformed holds that what every call has in common is checked on every
// call: unknown and doubled parameters, bodies where none belongs.
func TestAPIMalformed(t *testing.T) {
	s := newAPISite(t)
	calls := 0
	for _, r := range routes {
		path := strings.ReplaceAll(r.path, "*", "x")
		for method, e := range r.methods {
			calls++
			body := ""
			if e.body > 0 {
				body = "{}"
			}
			s.refused(s.do("owner", method, path+"?nonsense=1", body), 400, "malformed", "nonsense unknown_parameter")
			s.refused(s.do("owner", method, path+"?%zz", body), 400, "malformed")
			for _, p := range e.params {
				s.refused(s.do("owner", method, path+"?"+p+"=1&"+p+"=1", body), 400, "malformed", p+" doubled")
			}
			if e.body == 0 {
				s.refused(s.do("owner", method, path, "{}"), 400, "malformed")
				continue
			}
			if r.path == "networks/import" { // takes text
				s.refused(s.do("owner", method, path, "{}"), 415, "unsupported_media_type")
				continue
			}
			s.refused(s.do("owner", method, path, ""), 415, "unsupported_media_type")
			s.refused(s.do("owner", method, path, "{}", "Content-Type", "text/plain"), 415, "unsupported_media_type")
			s.refused(s.do("owner", method, path, "[]"), 400, "malformed")
			s.refused(s.do("owner", method, path, `{"x":1}`), 400, "malformed", "x unknown_field")
			s.refused(s.do("owner", method, path, `{}`+strings.Repeat(" ", int(e.body))), 413, "too_large")
		}
	}
	if calls < 12 {
		t.Errorf("only %d calls", calls)
	}
}

// TestAPIUnknownLength sends bodies of a length that is not declared, as every
// request over HTTP/3 does that has none.
func TestAPIUnknownLength(t *testing.T) {
	s := newAPISite(t)
	for body, status := range map[string]int{"": 200, "{}": 400} {
		r := httptest.NewRequest(http.MethodGet, "http://acme.example/_sallyport/api/v1/me", io.NopCloser(strings.NewReader(body)))
		r.RemoteAddr = "127.0.0.1:4711"
		r.Header.Set("X-Forwarded-For", apiInside)
		r.AddCookie(&http.Cookie{Name: auth.SessionCookie, Value: s.tokens["member"]})
		w := httptest.NewRecorder()
		if s.serve(w, r); r.ContentLength != -1 || w.Code != status {
			t.Errorf("%q of length %d: got %d %s, want %d", body, r.ContentLength, w.Code, w.Body, status)
		}
	}
}

func TestAPICrossOrigin(t *testing.T) {
	s := newAPISite(t)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		p := s.refused(s.do("owner", "DELETE", "networks/entries/203.0.113.0/24", "", headers...), 403, "cross_origin")
		if p.Reason != gate.CrossOrigin {
			t.Errorf("%v: got reason %q", headers, p.Reason)
		}
	}
	if a := s.do("owner", "POST", "networks/entries", `{"range":"192.0.2.1","label":"Home"}`, "Sec-Fetch-Site", "same-origin"); a.StatusCode != 201 {
		t.Errorf("same origin: got %s %s", a.Status, a.body)
	}
}

// TestAPISwitchedOff holds which parts a site can leave out.
func TestAPISwitchedOff(t *testing.T) {
	s := newAPISite(t)
	s.door.Site.Console = false
	s.refused(s.do("owner", "GET", "networks", ""), 404, "not_found")
	if a := s.do("owner", "GET", "me", ""); a.StatusCode != 200 {
		t.Errorf("me without the console: got %s", a.Status)
	}
	s.door.Site.Login = false
	s.refused(s.do("owner", "GET", "me", ""), 404, "not_found")
}

// TestAPIStoreAway holds that nothing of the inside is told, and that what the
// snapshot knows is answered.
func TestAPIStoreAway(t *testing.T) {
	s := newAPISite(t)
	s.store.Close()
	if a := s.do("owner", "GET", "me", ""); a.StatusCode != 200 {
		t.Errorf("me: got %s", a.Status)
	}
	for _, path := range []string{"networks", "attempts", "sessions", "changes"} {
		a := s.do("owner", "GET", path, "")
		s.refused(a, 503, "unavailable")
		if a.Header.Get("Retry-After") == "" || strings.Contains(a.body, "sql") {
			t.Errorf("%s: got %v %s", path, a.Header, a.body)
		}
	}
}

func TestAPIMe(t *testing.T) {
	s := newAPISite(t)
	var me struct {
		Login, Role, Address string
		Tenant, Session      row
		Hops                 []gate.Hop
		Network              struct {
			Allowed bool
			Reason  string
			Entry   row
		}
	}
	s.get("member", "me", &me)
	if me.Login != "member" || me.Role != "member" || me.Address != apiInside || me.Tenant["slug"] != "acme" || me.Tenant["name"] != "ACME" {
		t.Errorf("got %+v", me)
	}
	if me.Session["id"] == "" || me.Session["signed_in"] != "2026-11-24T12:00:00Z" || me.Session["expires"] != "2026-11-25T00:00:00Z" {
		t.Errorf("session: got %v", me.Session)
	}
	want := []gate.Hop{
		{Text: "127.0.0.1", Address: "127.0.0.1", Source: "peer", Trusted: true},
		{Text: apiInside, Address: apiInside, Source: "X-Forwarded-For", Chosen: true},
	}
	if !reflect.DeepEqual(me.Hops, want) {
		t.Errorf("hops: got %+v, want %+v", me.Hops, want)
	}
	if n := me.Network; !n.Allowed || n.Reason != "network" || n.Entry["range"] != "203.0.113.0/24" || n.Entry["label"] != "HQ" || len(n.Entry) != 3 {
		t.Errorf("network: got %+v", n)
	}
	s.ok(s.do("stranger", "POST", "networks/entries", `{"range":"203.0.113.7","label":"not needed"}`), 201, &row{})
	s.get("stranger", "me", &me)
	if n := me.Network; !n.Allowed || n.Reason != "gate_off" || n.Entry != nil {
		t.Errorf("gate off: got %+v", n)
	}
}
