package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// What the tests of the pages sign in with.
const (
	firstPassword = "the first password"
	newPassword   = "violet kettle under bridges"
	browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
)

// site is a protected site over real HTTP, before a gate over a real store:
// acme, enforced, with 203.0.113.0/24 and the owner li.na, who signs in for the
// first time. Behind the gate is a console that answers with its name.
type site struct {
	*testing.T
	*gate.Gate
	store  *store.Store
	door   *gate.Door
	server *httptest.Server
	clock  atomic.Int64 // unix seconds
	tenant *gate.Tenant
}

func newSite(t *testing.T, set ...func(*gate.Door)) *site {
	t.Helper()
	s := &site{T: t}
	s.clock.Store(time.Date(2026, 11, 24, 14, 5, 9, 0, time.UTC).Unix())
	now := func() time.Time { return time.Unix(s.clock.Load(), 0) }
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "gate.db")
	s.store = must(store.Open(t.Context(), dsn, store.Options{Secret: make([]byte, 32), Migrate: true, Now: now}))
	t.Cleanup(func() { s.store.Close() })
	s.Gate = must(gate.New(t.Context(), gate.Options{Store: s.store, Node: "n1", Now: now}))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.door = &gate.Door{
		Gate:   s.Gate,
		Source: &gate.Source{Header: "X-Forwarded-For", Trusted: func(a netip.Addr) bool { return a.IsLoopback() }},
		Site:   gate.Site{Login: true, Console: true},
		Rules: gate.Rules{
			Lifetime: 12 * time.Hour, Idle: 30 * time.Minute, Bind: gate.BindNetwork, SecondFactor: gate.SecondFactorRequired,
			Throttle: gate.Throttle{Attempts: 5, Within: 15 * time.Minute, Lock: 15 * time.Minute},
		},
	}
	s.tenant = s.addTenant("acme", "Acme")
	for _, f := range set {
		f(s.door)
	}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.server.Close)
	return s
}

var command = gate.Actor{Kind: gate.ActorCommand, Login: "test"}

// addTenant adds an enforced tenant whose list is 203.0.113.0/24.
func (s *site) addTenant(slug, name string) *gate.Tenant {
	s.Helper()
	t := gate.Tenant{Slug: slug, Name: name, Mode: gate.ModeEnforced, Hosts: []string{slug + ".example"}}
	added := must(s.AddTenant(s.Context(), command, t))
	must(s.AddNetwork(s.Context(), command, added.ID, gate.Draft{Range: "203.0.113.0/24", Label: "HQ Shanghai", Enabled: true}, gate.EditOptions{}))
	return added
}

// addAdmin adds somebody with firstPassword.
func (s *site) addAdmin(login string) *gate.Admin {
	s.Helper()
	n := gate.NewAdmin{Login: login, Name: "Li Na", Role: gate.RoleOwner, Password: firstPassword}
	a, _, err := s.AddAdmin(s.Context(), command, s.tenant.ID, n)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// serve does what the switchboard does.
func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	token, _, err := auth.FindCookie(r.Header, auth.SessionCookie)
	q := &gate.Request{
		Host: r.Host, Address: s.door.Source.Find(r.RemoteAddr, r.Header["X-Forwarded-For"]),
		Token: token, Doubled: err != nil, Method: r.Method, Path: r.URL.Path, UserAgent: r.UserAgent(),
	}
	ReadToken(q, r)
	dec := s.door.Decide(q)
	h, v := New(s.door), Visit{q, &dec}
	switch {
	case strings.HasPrefix(r.URL.Path, Prefix):
		h.Own(w, r, v)
	case !dec.Passed():
		h.Refuse(w, r, v)
	default:
		_, _ = io.WriteString(w, "console")
	}
}

// visitor is a browser, or with another accept a program. It keeps cookies and
// follows nothing by itself.
type visitor struct {
	*site
	host, address, accept, language string
	cookies                         map[string]string
}

func (s *site) visitor() *visitor {
	return &visitor{s, "acme.example", "203.0.113.7", browserAccept, "", map[string]string{}}
}

// response is an answer with its body.
type response struct {
	*http.Response
	body string
}

func (v *visitor) send(method, path, contentType, body string, headers ...string) response {
	v.Helper()
	r := must(http.NewRequestWithContext(v.Context(), method, v.server.URL+path, strings.NewReader(body)))
	r.Host = v.host
	r.Header.Set("X-Forwarded-For", v.address)
	r.Header.Set("Accept", v.accept)
	r.Header.Set("Accept-Language", v.language)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer := must(http.DefaultTransport.RoundTrip(r))
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			v.Errorf("%s %s sets the cookie %s", method, path, c)
		}
		v.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	return response{answer, string(must(io.ReadAll(answer.Body)))}
}

func (v *visitor) get(path string) response { v.Helper(); return v.send("GET", path, "", "") }

// form sends a form; pairs are names and values.
func (v *visitor) form(path string, pairs ...string) response {
	v.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.send("POST", path, formMedia, form.Encode(), "Sec-Fetch-Site", "same-origin")
}

// json sends a JSON object; pairs are names and values.
func (v *visitor) json(path string, pairs ...string) response {
	v.Helper()
	object := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		object[pairs[i]] = pairs[i+1]
	}
	return v.send("POST", path, jsonMedia, string(must(json.Marshal(object))))
}

// leads checks that the answer sends a browser on to a path.
func (r response) leads(t testing.TB, to string) {
	t.Helper()
	if got := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || got != to {
		t.Fatalf("got %d to %q, want 303 to %q\n%s", r.StatusCode, got, to, r.body)
	}
}

// is checks status and, of JSON, single fields: pairs are names and values.
func (r response) is(t testing.TB, status int, pairs ...string) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("got status %d, want %d\n%s", r.StatusCode, status, r.body)
	}
	if len(pairs) == 0 {
		return
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(r.body), &object); err != nil {
		t.Fatalf("%v in %q", err, r.body)
	}
	for i := 0; i < len(pairs); i += 2 {
		if got := object[pairs[i]]; got != pairs[i+1] {
			t.Errorf("%s is %v, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

// shows checks that a page is one, in good order, with this heading.
func (r response) shows(t testing.TB, status int, heading string) *html.Node {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("got status %d, want %d\n%s", r.StatusCode, status, r.body)
	}
	page := checkPage(t, r)
	if got := textOf(first(page, "h1")); got != heading {
		t.Fatalf("the heading is %q, want %q", got, heading)
	}
	return page
}

// code is the one-time code of now.
func (s *site) code(secret string) string {
	s.Helper()
	return must(totp.GenerateCode(secret, time.Unix(s.clock.Load(), 0)))
}

// later moves the clock on.
func (s *site) later(d time.Duration) { s.clock.Add(int64(d / time.Second)) }

// enrolled adds an admin and leads it through its first sign-in.
func (s *site) enrolled(login string) (v *visitor, secret string, recovery []string) {
	s.Helper()
	s.addAdmin(login)
	v = s.visitor()
	v.accept = "application/json"
	v.json(loginPath, "login", login, "password", firstPassword).is(s, 200, "next", "enrol")
	var e enrolmentJSON
	if err := json.Unmarshal([]byte(v.get(enrolPath).body), &e); err != nil {
		s.Fatal(err)
	}
	answer := v.json(enrolPath, "code", s.code(e.Secret))
	answer.is(s, 200, "next", "new_password")
	var p progressJSON
	if err := json.Unmarshal([]byte(answer.body), &p); err != nil {
		s.Fatal(err)
	}
	v.json(passwordPath, "current", firstPassword, "password", newPassword).is(s, 200, "next", "done")
	v.accept = browserAccept
	s.later(time.Minute) // so that the next code is another one
	return v, e.Secret, p.Recovery
}
