package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestIdentity: the console is told who comes, and only by the gate, whatever a
// signed-in visitor writes.
func TestIdentity(t *testing.T) {
	w := newWorld(t)
	// So that Caddy itself does not drop the aliases.
	w.servers = "expected_underscore_headers X_Sallyport_* x_sallyport_* X_SALLYPORT_*\nexpected_dot_headers X.Sallyport.* x.sallyport.*"
	w.load()
	session := w.signIn("li.na", gate.RoleReviewer)
	w.console.take()
	answer := w.raw(insideIP, strings.Join([]string{
		"POST /a HTTP/1.1", "Host: acme.example", "Transfer-Encoding: chunked",
		"Cookie: a=1; " + auth.SessionCookie + "=" + session + "; " + auth.StepCookie + "=x; b=2",
		"X-Sallyport-Admin: root", "x-sallyport-role: owner", "X_Sallyport_Admin: root", "X.Sallyport.Admin: root", "x_sallyport.ROLE: owner",
		"X-SALLYPORT-ANYTHING: 1", "X-Sallyport-Assertion: x.y.z",
		"Forwarded: for=1.2.3.4", "X-Real-Ip: 1.2.3.4", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: globex.example", "X-Forwarded-Proto: https",
		"X-Forwarded-Prefix: /x", "X-Forwarded-User: root", "X-Original-Url: /admin", "X-Rewrite-Url: /admin", "X-Original-Host: globex.example",
		"True-Client-Ip: 1.2.3.4", "Cf-Connecting-Ip: 1.2.3.4", "Proxy: http://evil", "X-Mine: kept",
		"Connection: close, X-Sallyport-Admin, x_sallyport_role, X-Sallyport-Assertion, X-Forwarded-For, X-Hop",
		"X-Hop: gone", "Trailer: X-Sallyport-Admin, X-After", "",
		"2", "hi", "0", "X-Sallyport-Admin: root", "X-After: 1", "X-Sallyport-Role: owner", "", "",
	}, "\r\n"))
	seen := w.console.take()
	if len(seen) != 1 {
		t.Fatalf("did not pass: %s", answer)
	}
	r := seen[0]
	for name, want := range map[string]string{
		"X-Sallyport-Tenant": "acme", "X-Sallyport-Admin": "li.na", "X-Sallyport-Role": "reviewer", "X-Sallyport-Address": insideIP,
		"X-Forwarded-For": insideIP, "X-Forwarded-Host": "acme.example", "X-Forwarded-Proto": "http",
		"Cookie": "a=1; b=2", "X-Mine": "kept", "X-Hop": "", "X-Forwarded-Prefix": "",
	} {
		if got := r.Header.Get(name); got != want || len(r.Header[name]) > 1 {
			t.Errorf("%s: got %q, want %q", name, r.Header[name], want)
		}
	}
	ours := map[string]bool{}
	for name := range r.Header {
		if plain := plainName(name); strings.HasPrefix(plain, "x-sallyport-") {
			ours[name] = true
		} else if forged[plain] {
			t.Errorf("%s reached the console", name)
		}
	}
	if len(ours) != 7 {
		t.Errorf("got %v, want the seven of the contract", ours)
	}
	if len(r.Trailer) > 0 {
		t.Errorf("got trailers %v", r.Trailer)
	}
	_, jwks := w.do(request{from: outsideIP, path: "/_sallyport/jwks.json"})
	a, err := auth.VerifyAssertion(r.Header.Get("X-Sallyport-Assertion"), []byte(jwks), "acme", "https://acme.example", time.Now())
	if err != nil || a.Login != "li.na" || a.Role != "reviewer" || a.Session != r.Header.Get("X-Sallyport-Session") || a.Subject != r.Header.Get("X-Sallyport-Admin-Id") {
		t.Errorf("got assertion %+v, %v", a, err)
	}
}

// TestForwarded: from a trusted proxy the console gets the address that was
// proven, the scheme, and the host that was decided by.
func TestForwarded(t *testing.T) {
	w := trusting(t, "")
	for name, c := range map[string]struct{ header, wantFor, wantProto string }{
		"one":             {"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https", "198.51.100.7, " + proxyIP, "https"},
		"forged left":     {"X-Forwarded-For: 1.2.3.4, 198.51.100.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Proto: https", "198.51.100.7, " + proxyIP, "https"},
		"scheme, rubbish": {"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: javascript", "198.51.100.7, " + proxyIP, "http"},
		"tokens":          {"X-Forwarded-For: 198.51.100.7\r\nConnection: X-Forwarded-For, X-Forwarded-Proto, close", "198.51.100.7, " + proxyIP, "http"},
	} {
		w.raw(proxyIP, "GET / HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-Host: globex.example\r\nForwarded: host=globex.example\r\nConnection: close\r\n"+c.header+"\r\n\r\n")
		seen := w.console.take()
		if len(seen) != 1 {
			t.Errorf("%s: did not pass", name)
			continue
		}
		for header, want := range map[string]string{
			"X-Forwarded-For": c.wantFor, "X-Forwarded-Proto": c.wantProto, "X-Forwarded-Host": "acme.example", "Forwarded": "",
		} {
			if got := strings.Join(seen[0].Header[header], " | "); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, header, got, want)
			}
		}
	}
}

// TestResponseCookies: a console cannot hand out the gate's cookies.
func TestResponseCookies(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.load()
	w.console.answer(func(rw http.ResponseWriter, _ *http.Request) {
		for _, line := range []string{"mine=1", auth.SessionCookie + "=evil", " =" + auth.StepCookie + "=evil", "__host-SALLYPORT = evil; Path=/", auth.SessionCookie + "-other=2"} {
			rw.Header().Add("Set-Cookie", line)
		}
		rw.WriteHeader(http.StatusEarlyHints)
		_, _ = rw.Write([]byte("x"))
	})
	res, _ := w.do(request{})
	if got := strings.Join(res.Header["Set-Cookie"], " | "); got != "mine=1 | "+auth.SessionCookie+"-other=2" {
		t.Errorf("got %q", got)
	}
}

// TestIdentify: the headers share memory, but what a directive behind the gate
// does to one of them changes no other.
func TestIdentify(t *testing.T) {
	v := visit{address: "203.0.113.7", dec: gate.Decision{
		Tenant: &gate.Tenant{Slug: "acme"}, Admin: &gate.AdminView{ID: "A1", Login: "li.na", Role: gate.RoleOwner}, Claims: auth.Claims{Session: "S1"},
	}}
	want := map[string]string{
		"Address": "203.0.113.7", "Tenant": "acme", "Admin": "li.na", "Admin-Id": "A1", "Role": "owner", "Session": "S1", "Assertion": "a.b.c",
	}
	h := http.Header{}
	v.identify(h, "a.b.c")
	for name := range want {
		h.Add("X-Sallyport-"+name, "more")
		h["X-Sallyport-"+name][1] = "other"
	}
	for name, value := range want {
		if got := h["X-Sallyport-"+name]; len(got) != 2 || got[0] != value || got[1] != "other" {
			t.Errorf("%s: got %q, want %q and what was added", name, got, value)
		}
	}
	if len(h) != len(want) {
		t.Errorf("got %d headers, want %d", len(h), len(want))
	}
}

func FuzzStrip(f *testing.F) {
	for _, seed := range []string{"X-Sallyport-Admin", "x_sallyport.role", "X.SALLYPORT.x", "X-Forwarded_For", "forwarded", "x_real_ip", "Cf-Connecting-Ip", "X-Mine", "Connection"} {
		f.Add(seed, "close, "+seed)
	}
	f.Fuzz(func(t *testing.T, name, connection string) {
		p := newProxyHeader("X-Client-Address")
		h := http.Header{name: {"forged"}, "Connection": {connection}}
		p.strip(h)
		v := visit{dec: gate.Decision{Tenant: &gate.Tenant{Slug: "acme"}}}
		v.identify(h, "")
		for name, values := range h {
			plain := plainName(name)
			if name == "X-Sallyport-Tenant" && values[0] == "acme" || name == "X-Sallyport-Address" && values[0] != "forged" {
				continue
			}
			if strings.HasPrefix(plain, "x-sallyport-") || strings.HasPrefix(plain, "x-forwarded") || plain == "x-client-address" || forged[plain] {
				t.Errorf("%q is still there", name)
			}
		}
		for token := range strings.SplitSeq(strings.Join(h["Connection"], ","), ",") {
			if http.CanonicalHeaderKey(strings.Trim(token, " \t\r\n")) == "X-Sallyport-Tenant" {
				t.Errorf("Connection %q still deletes what the gate set", h["Connection"])
			}
		}
	})
}

// plainName is the slow, obvious way to say what a lenient reader sees.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '.':
			return '-'
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

func TestIgnoredHeader(t *testing.T) {
	p := newProxyHeader("cf-connecting-ip")
	for name, tt := range map[string]struct {
		header http.Header
		want   string
	}{
		"none":           {http.Header{"Accept": {"*/*"}}, ""},
		"the configured": {http.Header{"Cf-Connecting-Ip": {"192.0.2.1"}, "Forwarded": {"for=192.0.2.1"}}, "Cf-Connecting-Ip"},
		"the usual":      {http.Header{"X-Forwarded-For": {"192.0.2.1"}}, "X-Forwarded-For"},
		"another's":      {http.Header{"Forwarded": {"for=192.0.2.1"}}, "Forwarded"},
	} {
		got := ""
		if found := p.ignored(tt.header); found != nil {
			got = *found
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
