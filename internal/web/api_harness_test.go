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
	ctx     context.Context
	store   *store.Store
	door    *gate.Door
	server  *httptest.Server
	clock   *atomic.Pointer[time.Time]
	tokens  map[string]string // session tokens by login
	bearers map[string]string // API tokens by name
	acme    *gate.Tenant
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
	must(s.AddNetwork(s.ctx, apiCommand, s.acme.ID, gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true}, gate.EditOptions{}))
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
	s := &apiSite{T: t, ctx: t.Context(), tokens: tokens, bearers: map[string]string{}}
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
	ReadToken(q, r)
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

// do sends a request to the API as somebody, from inside. headers are pairs; a
// body is JSON unless they say otherwise.
func (s *apiSite) do(as, method, path, body string, headers ...string) answer {
	s.Helper()
	return s.send(as, method, apiPrefix+path, body, headers...)
}

// hostOf is the site that somebody belongs to.
func hostOf(as string) string {
	switch {
	case as == "stranger":
		return "globex.example"
	case strings.HasPrefix(as, "operator-"):
		return "operator.example"
	}
	return "acme.example"
}

// send is do for every path. It follows nothing.
func (s *apiSite) send(as, method, path, body string, headers ...string) answer {
	s.Helper()
	r := must(http.NewRequestWithContext(s.ctx, method, s.server.URL+path, strings.NewReader(body)))
	r.Host = hostOf(as)
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
	return s.exchange(r)
}

func (s *apiSite) exchange(r *http.Request) answer {
	s.Helper()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{res, string(must(io.ReadAll(res.Body)))}
	s.asDescribed(r, a)
	return a
}

func jsonText(v any) string { return string(must(json.Marshal(v))) }

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

// shownProblem is a problem as a client sees it, no error.
type shownProblem problem

// refused checks a problem: its status, code, and fields with their codes.
func (s *apiSite) refused(a answer, status int, code string, fields ...string) shownProblem {
	s.Helper()
	var p shownProblem
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
