package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// Addresses of the tests: in acme's list, and in nobody's.
const (
	apiInside  = "203.0.113.7"
	apiOutside = "198.51.100.7"
)

var apiStart = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// apiSite is the API over real HTTP, before a gate over a real store. There
// are two tenants: acme, enforced, with an owner, a reviewer and a member, and
// globex, off, with an owner called stranger.
type apiSite struct {
	*testing.T
	*gate.Gate
	ctx    context.Context
	store  *store.Store
	door   *gate.Door
	server *httptest.Server
	clock  *atomic.Pointer[time.Time]
	tokens map[string]string // session tokens by login
	acme   *gate.Tenant
}

// apiTemplate is a store with everybody signed in. Passwords take long to hash,
// so it is made once and copied for every test.
var apiTemplate = sync.OnceValues(func() ([]byte, map[string]string) {
	dir, err := os.MkdirTemp("", "sallyport")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "gate.db")
	s := &apiSite{ctx: context.Background(), tokens: map[string]string{}}
	stop := s.open(file)
	for slug, mode := range map[string]gate.Mode{"acme": gate.ModeEnforced, "globex": gate.ModeOff} {
		tenant := gate.Tenant{Slug: slug, Name: strings.ToUpper(slug), Mode: mode, Hosts: []string{slug + ".example"}}
		must(s.AddTenant(s.ctx, apiCommand, tenant))
	}
	s.acme = must(s.Tenant(s.ctx, "acme"))
	must(s.AddNetwork(s.ctx, apiCommand, s.acme.ID, gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true}, nil, nil))
	for _, role := range gate.Roles {
		s.tokens[string(role)] = s.signIn("acme", string(role), role)
	}
	s.tokens["stranger"] = s.signIn("globex", "stranger", gate.RoleOwner)
	stop()
	return must(os.ReadFile(file)), s.tokens
})

var apiCommand = gate.Actor{Kind: gate.ActorCommand, Login: "test"}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newAPISite starts a server over a store of its own.
func newAPISite(t *testing.T) *apiSite {
	t.Helper()
	data, tokens := apiTemplate()
	file := filepath.Join(t.TempDir(), "gate.db")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &apiSite{T: t, ctx: t.Context(), tokens: tokens}
	t.Cleanup(s.open(file))
	s.acme = must(s.Tenant(s.ctx, "acme"))
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.server.Close)
	return s
}

// open starts the gate of a store.
func (s *apiSite) open(file string) (stop func()) {
	s.clock = new(atomic.Pointer[time.Time])
	s.clock.Store(&apiStart)
	now := func() time.Time { return *s.clock.Load() }
	s.store = must(store.Open(s.ctx, "sqlite:"+file, store.Options{Secret: make([]byte, 32), Migrate: true, Now: now}))
	s.Gate = must(gate.New(s.ctx, gate.Options{Store: s.store, Node: "n1", Now: now}))
	if err := s.Start(s.ctx); err != nil {
		panic(err)
	}
	s.door = &gate.Door{
		Gate:   s.Gate,
		Source: &gate.Source{Header: "X-Forwarded-For", Trusted: func(a netip.Addr) bool { return a.IsLoopback() }},
		Site:   gate.Site{Login: true, Console: true},
		Rules: gate.Rules{
			Lifetime: 12 * time.Hour, Idle: time.Hour, Bind: gate.BindNetwork, SecondFactor: gate.SecondFactorOff,
			Throttle: gate.Throttle{Attempts: 5, Within: time.Minute, Lock: time.Minute},
		},
	}
	return func() { s.Stop(); s.store.Close() }
}

// signIn adds somebody and returns a session token of theirs.
func (s *apiSite) signIn(slug, login string, role gate.Role) (token string) {
	tenant := must(s.Tenant(s.ctx, slug))
	const first = "a first phrase"
	if _, _, err := s.AddAdmin(s.ctx, apiCommand, tenant.ID, gate.NewAdmin{Login: login, Role: role, Password: first}); err != nil {
		panic(err)
	}
	q := &gate.Request{Host: slug + ".example", Address: s.door.Source.Find("127.0.0.1:1", []string{apiInside}), UserAgent: "test"}
	dec := s.door.Decide(q)
	p := must(s.door.Login(s.ctx, q, &dec, gate.LoginForm{Login: login, Password: first}))
	p = must(s.door.SetPassword(s.ctx, q, &dec, p.Step, first, "a phrase of "+login+" alone"))
	return p.Session
}

// serve does what the switchboard does.
func (s *apiSite) serve(w http.ResponseWriter, r *http.Request) {
	token, _, err := auth.FindCookie(r.Header, auth.SessionCookie)
	q := &gate.Request{
		Host: r.Host, Address: s.door.Source.Find(r.RemoteAddr, r.Header["X-Forwarded-For"]),
		Token: token, Doubled: err != nil, Method: r.Method, Path: r.URL.Path, UserAgent: r.UserAgent(),
	}
	dec := s.door.Decide(q)
	New(s.door).Own(w, r, Visit{q, &dec})
}

// row is one JSON object as a client sees it.
type row map[string]any

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

// do sends a request of somebody, from inside. headers are pairs; a body is
// JSON unless they say otherwise.
func (s *apiSite) do(as, method, path, body string, headers ...string) answer {
	s.Helper()
	host := "acme.example"
	if as == "stranger" {
		host = "globex.example"
	}
	r := must(http.NewRequestWithContext(s.ctx, method, s.server.URL+"/_sallyport/api/v1/"+path, strings.NewReader(body)))
	r.Host = host
	r.Header.Set("X-Forwarded-For", apiInside)
	if as != "" {
		r.AddCookie(&http.Cookie{Name: auth.SessionCookie, Value: s.tokens[as]})
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	return answer{res, string(must(io.ReadAll(res.Body)))}
}

// get reads something, which has to work, into a value.
func (s *apiSite) get(as, path string, into any) {
	s.Helper()
	s.ok(s.do(as, http.MethodGet, path, ""), http.StatusOK, into)
}

// ok checks a status and decodes the answer.
func (s *apiSite) ok(a answer, status int, into any) {
	s.Helper()
	if a.StatusCode != status {
		s.Fatalf("%s %s: got %s %s, want %d", a.Request.Method, a.Request.URL, a.Status, a.body, status)
	}
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		s.Errorf("type: got %q, want application/json", got)
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		s.Fatalf("%v in %s", err, a.body)
	}
}

// refused checks a problem: its status, code, and fields with their codes.
func (s *apiSite) refused(a answer, status int, code string, fields ...string) problem {
	s.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil && a.Request.Method != http.MethodHead {
		s.Fatalf("%s %s: got %s %q, want a problem", a.Request.Method, a.Request.URL, a.Status, a.body)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field+" "+e.Code)
		if e.Message == "" {
			s.Errorf("%s has no message", e.Field)
		}
	}
	if a.StatusCode != status || p.Status != status || p.Type != "urn:sallyport:problem:"+code || !reflect.DeepEqual(got, fields) {
		s.Errorf("%s %s:\n got %d %s %q\nwant %d %s %q\n%s", a.Request.Method, a.Request.URL, a.StatusCode, p.Type, got, status, code, fields, a.body)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		s.Errorf("type: got %q, want application/problem+json", got)
	}
	return p
}

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

// TestAPIStoreAway holds that nothing of the inside is told.
func TestAPIStoreAway(t *testing.T) {
	s := newAPISite(t)
	s.store.Close()
	for _, path := range []string{"me", "networks", "attempts", "sessions", "changes"} {
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
