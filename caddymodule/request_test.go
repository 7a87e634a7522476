package caddymodule

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// spellings are targets that some server would take for a page of the gate, or
// for something public beside it.
var spellings = []string{
	"/_sallyport", "/_Sallyport/login", "/_SALLYPORT/static/x", "/_sallyport\\login", "/_sallyport;/login", "/_sallyport%3b/login",
	"/_sallyport/../admin", "/_sallyport/static/../../admin", "/_sallyport/%2e%2e/admin", "/_sallyport/..%2fadmin", "/_sallyport%2f..%2fadmin",
	"/_sallyport/static/..%2f..%2fadmin", "/_sallyport/./../admin", "//_sallyport/../admin", "/_sallyport//../admin", "/_sallyport/.%2e/admin",
	"/_sallyport/jwks.json/../../admin", "/x/_sallyport/login", "/_sallyport%5clogin", "/%5fsallyport%5c..%5cadmin", "/_sallyport%00/login",
	"/_sallyport../admin", "/_sallyport./login", "/_sallyport%20/login", "/_sallyport?/login", "/admin?/_sallyport/login", "/admin;/_sallyport/login",
	"/..;/_sallyport/../admin", "/\uff3fsallyport/login", "/%c0%af_sallyport/login", "/_sallypor%C5%A7/login", "http://acme.example/admin",
	"http://acme.example", "/_sallyport/..", "/_sallyport/../", "/.", "/..", "/login", "/static/x.css", "/jwks.json", "/favicon.ico",
}

// TestSpellings: whatever a path looks like, the console is not reached without a
// session, and no page of the gate is served for what is not one.
func TestSpellings(t *testing.T) {
	w := newWorld(t)
	w.load()
	session := w.signIn("li.na", gate.RoleOwner)
	w.console.take()
	for _, target := range spellings {
		head := "GET " + target + " HTTP/1.1\r\nHost: acme.example\r\nConnection: close\r\n"
		if got := w.rawStatus(insideIP, head+"\r\n"); got != http.StatusUnauthorized {
			t.Errorf("%q without a session: got %d, want 401", target, got)
		}
		if got := w.rawStatus(outsideIP, head+"\r\n"); got != http.StatusForbidden {
			t.Errorf("%q from outside: got %d, want 403", target, got)
		}
		if seen := w.console.take(); len(seen) > 0 {
			t.Errorf("%q reached the console without a session", target)
		}
		got := w.rawStatus(insideIP, head+"Cookie: __Host-sallyport="+session+"\r\n\r\n")
		if seen := w.console.take(); got != http.StatusOK || len(seen) != 1 {
			t.Errorf("%q with a session: got %d, the console was asked %d times", target, got, len(seen))
		}
	}
	// These are pages of the gate, however they are spelt, and never the console's.
	for _, target := range []string{
		"/_sallyport/login", "/%5fsallyport/login", "/_sallyport%2flogin", "/x/../_sallyport/login", "/x/..%2f_sallyport/login", "//_sallyport//login",
		"/./_sallyport/./login", "/_sallyport/../_sallyport/login", "http://acme.example/_sallyport/login", "/_sallyport/x/%2e%2e/login",
	} {
		head := "GET " + target + " HTTP/1.1\r\nHost: acme.example\r\nAccept: text/html\r\nConnection: close\r\n"
		if answer := w.raw(insideIP, head+"\r\n"); !strings.Contains(answer, "Content-Security-Policy") {
			t.Errorf("%q is no page of the gate: %.80q", target, answer)
		}
		w.raw(insideIP, head+"Cookie: __Host-sallyport="+session+"\r\n\r\n")
		if seen := w.console.take(); len(seen) > 0 {
			t.Errorf("%q reached the console", target)
		}
	}
}

// TestMethods: what has no place on any site is turned away for everybody.
func TestMethods(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.load()
	for text, want := range map[string]int{
		"TRACE / HTTP/1.1\r\nHost: acme.example\r\n":                                                            405,
		"TRACE /_sallyport/login HTTP/1.1\r\nHost: acme.example\r\n":                                            405,
		"CONNECT acme.example:443 HTTP/1.1\r\nHost: acme.example\r\n":                                           405,
		"CONNECT / HTTP/1.1\r\nHost: acme.example\r\n":                                                          405,
		"GET * HTTP/1.1\r\nHost: acme.example\r\n":                                                              400,
		"GET http:acme HTTP/1.1\r\nHost: acme.example\r\n":                                                      400,
		"GET / HTTP/1.1\r\nHost: acme.example\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n":                       400,
		"GET / HTTP/1.1\r\nHost: acme.example\r\nUpgrade: websocket, h2c\r\nConnection: Upgrade\r\n":            400,
		"GET / HTTP/1.1\r\nHost: acme.example\r\nUpgrade: websocket\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n": 400,
		"GET / HTTP/1.1\r\nHost: acme.example\r\nUpgrade: tcp\r\n":                                              400,
		"PROPFIND / HTTP/1.1\r\nHost: acme.example\r\n":                                                         200,
		"get / HTTP/1.1\r\nHost: acme.example\r\n":                                                              200,
		"GET / HTTP/1.1\r\nHost: nobody.example\r\nHost: acme.example\r\n":                                      400,
		"GET http://nobody.example/ HTTP/1.1\r\nHost: acme.example\r\n":                                         404, // the target wins
		"GET http://acme.example/ HTTP/1.1\r\nHost: nobody.example\r\n":                                         200,
		"GET / HTTP/1.1\r\nHost: ACME.example.:" + w.port + "\r\n":                                              200,
		"GET / HTTP/1.0\r\n":                       404,
		"GET / HTTP/1.0\r\nHost: acme.example\r\n": 200,
		"GET / HTTP/1.1\r\nHost: acme.example\r\nConnection: close\r\nX-Original-Method: TRACE\r\nX-Forwarded-Proto: wss\r\n": 200,
	} {
		w.console.take()
		closing := "Connection: close\r\n\r\n"
		if strings.Contains(text, "Connection:") {
			closing = "\r\n"
		}
		// A server may keep a connection that asks for an upgrade: read one answer.
		c, err := w.dial(t.Context(), insideIP)
		if err != nil {
			t.Fatal(err)
		}
		if got := statusOn(t, c, text+closing); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
		if seen := w.console.take(); (len(seen) > 0) != (want == 200) {
			t.Errorf("%q: the console was asked %d times", text, len(seen))
		}
		c.Close()
	}
}

// secure is a site over TLS with a certificate of Caddy's own.
func (w *world) secure(sites string) string {
	text := strings.Replace(w.caddyfile(), "auto_https off", "auto_https disable_redirects\n\tskip_install_trust\n\tstorage_clean_interval off\n\thttps_port "+w.port, 1)
	text = strings.Replace(text, "protocols h1 h2 h2c", "protocols h1 h2 h3", 1)
	return strings.Replace(text, "http://:"+w.port+" {", sites+" {\n\ttls internal", 1)
}

// TestOverTLS: HTTP/1.1 and HTTP/2 over TLS; a connection for one tenant is none
// for another, and HTTP/2's :authority is the host.
func TestOverTLS(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.add("globex", insideIP)
	w.load(w.secure("https://acme.example, https://globex.example"))
	for _, name := range []string{"acme.example", "globex.example"} {
		waitFor(t, "a certificate for "+name, 10*time.Second, func() bool {
			c, err := w.dialTLS(t.Context(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, c := range []struct {
			name, host string
			want       int
		}{
			{"acme.example", "acme.example", 200},
			{"globex.example", "globex.example", 200},
			{"acme.example", "globex.example", 421},
			{"acme.example", "GLOBEX.example", 421},
		} {
			res := w.overTLS(version, c.name, c.host, "GET", "/")
			if res.StatusCode != c.want || res.Proto != version {
				t.Errorf("%s, name %s, host %s: got %d, want %d", res.Proto, c.name, c.host, res.StatusCode, c.want)
			}
			if c.want == 200 && w.console.take()[0].Header.Get("X-Sallyport-Tenant")+".example" != c.host {
				t.Errorf("name %s, host %s: another tenant", c.name, c.host)
			}
		}
		if res := w.overTLS(version, "acme.example", "acme.example", "TRACE", "/"); res.StatusCode != 405 {
			t.Errorf("%s TRACE: got %d, want 405", version, res.StatusCode)
		}
	}
	if seen := w.console.take(); len(seen) > 0 {
		t.Errorf("a refused request reached the console")
	}
}

func (w *world) overTLS(version, name, host, method, path string) *http.Response {
	w.Helper()
	config := &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	var transport http.RoundTripper = &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dialTLS(ctx, config) },
	}
	if version == "HTTP/2.0" {
		config.NextProtos = []string{"h2"}
		transport = &http2.Transport{
			DialTLSContext: func(ctx context.Context, _, _ string, _ *tls.Config) (net.Conn, error) { return w.dialTLS(ctx, config) },
		}
	}
	r := (&http.Request{Method: method, Host: host, URL: &url.URL{Scheme: "https", Host: name, Path: path}, Header: http.Header{}}).WithContext(w.Context())
	res, err := transport.RoundTrip(r)
	if err != nil {
		w.Fatal(err)
	}
	res.Body.Close()
	return res
}

func (w *world) dialTLS(ctx context.Context, config *tls.Config) (net.Conn, error) {
	c, err := w.dial(ctx, insideIP)
	if err != nil {
		return nil, err
	}
	t := tls.Client(c, config)
	return t, t.HandshakeContext(ctx)
}

// TestEarlyData: a request that anybody may have sent again proves no address.
func TestEarlyData(t *testing.T) {
	w := trusting(t, "")
	send := func(from, header string) int {
		return w.rawStatus(from, "GET / HTTP/1.1\r\nHost: acme.example\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n"+header+"\r\n")
	}
	if got := send(proxyIP, "Early-Data: 1\r\n"); got != http.StatusTooEarly {
		t.Errorf("from a trusted proxy: got %d, want 425", got)
	}
	if got := send(insideIP, "Early-Data: 1\r\n"); got != http.StatusOK {
		t.Errorf("from somebody else: got %d, want 200", got)
	}
	if got := send(proxyIP, ""); got != http.StatusOK {
		t.Errorf("without: got %d, want 200", got)
	}
	if !early(&http.Request{TLS: &tls.ConnectionState{}}, gate.Address{}) || early(&http.Request{TLS: &tls.ConnectionState{HandshakeComplete: true}}, gate.Address{}) {
		t.Error("the handshake does not count")
	}
}

// TestRewritten: directives before the gate do not hide its pages, nor make pages
// of the gate out of something else.
func TestRewritten(t *testing.T) {
	w := newWorld(t)
	w.load(strings.Replace(w.caddyfile(), "	reverse_proxy", "	rewrite /page /_sallyport/login\n	rewrite * /index.html\n	reverse_proxy", 1))
	html := http.Header{"Accept": {"text/html"}}
	if res, _ := w.do(request{path: "/_sallyport/login", header: html}); res.StatusCode != 200 {
		t.Errorf("the sign-in page: got %d", res.StatusCode)
	}
	res, _ := w.do(request{path: "/page", header: html})
	if got := res.Header.Get("Location"); !strings.HasPrefix(got, "/_sallyport/login?return_to=%2Fpage") {
		t.Errorf("/page: got %d %q", res.StatusCode, got)
	}
}

// TestDoors: the ways to find the tenant, and what passes although the list does
// not have it.
func TestDoors(t *testing.T) {
	w := newWorld(t)
	w.load(strings.Replace(w.caddyfile(), "	sallyport {\n		\n	}", "	sallyport acme {\n		login off\n	}\n	header >X-Seen \"{http.sallyport.tenant} {http.sallyport.address} {http.sallyport.reason} {http.sallyport.admin}{http.sallyport.role} {http.sallyport.reference}\"", 1))
	for _, c := range []struct {
		from, mode, seen string
		status           int
	}{
		{insideIP, "enforced", "acme " + insideIP + " network", 200},
		{outsideIP, "enforced", "acme " + outsideIP + " outside_networks  SP-", 403},
		{operatorIP, "enforced", "acme " + operatorIP + " operator_network  SP-", 200},
		{outsideIP, "dry_run", "acme " + outsideIP + " dry_run  SP-", 200},
		{outsideIP, "off", "acme " + outsideIP + " gate_off", 200},
	} {
		w.mode("acme", gate.Mode(c.mode))
		waitFor(t, "the mode is in force here", 3*time.Second, func() bool {
			_, g, err := running()
			if err != nil {
				t.Fatal(err)
			}
			here, err := g.Tenant(t.Context(), "acme")
			return err == nil && here.Mode == gate.Mode(c.mode)
		})
		res, _ := w.do(request{from: c.from, host: "whatever.example"})
		if got := res.Header.Get("X-Seen"); res.StatusCode != c.status || !strings.HasPrefix(got, c.seen) {
			t.Errorf("%s %s: got %d %q, want %d %q", c.mode, c.from, res.StatusCode, got, c.status, c.seen)
		}
	}
	waitFor(t, "every look of the operator and of the dry run is on record", 3*time.Second, func() bool {
		list, err := w.Attempts(t.Context(), asCommand, gate.AttemptFilter{Tenant: w.acme.ID, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		reasons := map[gate.Reason]int64{}
		for _, a := range list {
			reasons[a.Reason] += a.Count
		}
		return reasons[gate.ByOperatorNetwork] == 1 && reasons[gate.ByDryRun] == 1 && reasons[gate.OutsideNetworks] == 1
	})
	if line := w.log(); !strings.Contains(line, `"logger":"sallyport.blocked","msg":"attempt stopped","reference":"SP-`) || strings.Contains(line, `"reason":"dry_run"`) {
		t.Error("not just the refusal is in the log of what was blocked")
	}
}

// TestTenantFromLogin: on a site that all tenants share the session says whose.
func TestTenantFromLogin(t *testing.T) {
	w := newWorld(t)
	w.load()
	session := w.signIn("li.na", gate.RoleOwner)
	w.site = "tenant_from login"
	if err := caddy.Stop(); err != nil { // a reload loses connections that are made while it replaces the sockets
		t.Fatal(err)
	}
	w.load()
	if res, _ := w.do(request{from: outsideIP, host: "any.example"}); res.StatusCode != 401 {
		t.Errorf("without a session: got %d, want 401", res.StatusCode)
	}
	if res, _ := w.do(request{host: "any.example", session: session}); res.StatusCode != 200 {
		t.Errorf("with a session: got %d, want 200", res.StatusCode)
	}
	if res, _ := w.do(request{from: outsideIP, host: "any.example", session: session}); res.StatusCode != 403 {
		t.Errorf("with a session from outside: got %d, want 403", res.StatusCode)
	}
}

func FuzzOwn(f *testing.F) {
	for _, target := range spellings {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		page, isOwn := own(&http.Request{URL: u})
		if impossible(&http.Request{URL: u}) != nil {
			return
		}
		if want := strings.HasPrefix(slowClean(u.Path), "/_sallyport/"); isOwn != want {
			t.Fatalf("%q: got %v, want %v", target, isOwn, want)
		}
		if isOwn && (strings.Contains(page.URL.Path, "//") || strings.Contains(page.URL.Path+"/", "/../") || !strings.HasPrefix(page.URL.EscapedPath(), "/")) {
			t.Fatalf("%q: got page %q", target, page.URL.Path)
		}
	})
}

// slowClean works a path off segment by segment.
func slowClean(path string) string {
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	clean := "/" + strings.Join(kept, "/")
	if clean != "/" && strings.HasSuffix(path, "/") {
		clean += "/"
	}
	return clean
}

// TestStreamsOverTLS: streams of HTTP/2 and HTTP/3 end as those of HTTP/1.1, and
// HTTP/3 goes through the same door.
func TestStreamsOverTLS(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.add("acme", "127.0.0.9")
	w.load(w.secure("https://acme.example"))
	w.console.answer(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Address", r.Header.Get("X-Sallyport-Address"))
		for piece := make([]byte, 64<<10); r.Context().Err() == nil; {
			_, _ = rw.Write(piece)
		}
	})
	config := &tls.Config{ServerName: "acme.example", InsecureSkipVerify: true}
	waitFor(t, "a certificate", 10*time.Second, func() bool {
		c, err := w.dialTLS(t.Context(), config.Clone())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(insideIP)})
	if err != nil {
		t.Fatal(err)
	}
	three := &quic.Transport{Conn: udp}
	t.Cleanup(func() { three.Close(); udp.Close() })
	for name, transport := range map[string]http.RoundTripper{
		"HTTP/2.0": &http2.Transport{TLSClientConfig: config, DialTLSContext: func(ctx context.Context, _, _ string, _ *tls.Config) (net.Conn, error) {
			two := config.Clone()
			two.NextProtos = []string{"h2"}
			return w.dialTLS(ctx, two)
		}},
		"HTTP/3.0": &http3.Transport{TLSClientConfig: config, Dial: func(ctx context.Context, _ string, config *tls.Config, q *quic.Config) (*quic.Conn, error) {
			port, _ := strconv.Atoi(w.port)
			return three.Dial(ctx, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, config, q)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(method string) *http.Response {
				r, err := http.NewRequestWithContext(t.Context(), method, "https://acme.example/", nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { res.Body.Close() })
				return res
			}
			if res := ask("TRACE"); res.StatusCode != 405 || res.Proto != name {
				t.Errorf("TRACE: got %s %d", res.Proto, res.StatusCode)
			}
			res, stalled := ask("GET"), ask("GET") // nobody reads the second
			if got := res.Header.Get("X-Address"); res.StatusCode != 200 || got != insideIP || stalled.StatusCode != 200 {
				t.Fatalf("got %d from %s", res.StatusCode, got)
			}
			piece := make([]byte, 16<<10)
			endsAtOnce(t, name, func() { w.remove("acme", insideIP) }, func() error {
				for {
					if _, err := res.Body.Read(piece); err != nil {
						return err
					}
				}
			})
			waitFor(t, "the stalled one is over", atOnce, func() bool { return w.openRequests(t) == 0 })
			if res := ask("GET"); res.StatusCode != 403 {
				t.Errorf("afterwards: got %d, want 403", res.StatusCode)
			}
			w.add("acme", insideIP)
			waitFor(t, "the network is back", 3*time.Second, func() bool {
				res := ask("GET")
				res.Body.Close()
				return res.StatusCode == 200
			})
		})
	}
}
