package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/freeport"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// Addresses of the tests. All of 127.0.0.0/8 is this machine.
const (
	insideIP   = "127.0.0.7"  // in the list of acme
	outsideIP  = "127.0.0.66" // in none
	proxyIP    = "127.0.1.1"  // a trusted proxy
	proxy2IP   = "127.0.1.2"  // another one
	operatorIP = "127.0.2.2"  // in the operator's networks
	password   = "seven lanterns over Hekla"
)

var asCommand = gate.Actor{Kind: gate.ActorCommand, Login: "test"}

// world is a running Caddy with Sallyport in front of a console, and a second
// gate on the same store that stands for another process.
type world struct {
	testing.TB
	*gate.Gate // the other process
	dir, dsn   string
	port       string
	console    *console
	acme       *gate.Tenant
	site       string // more lines of the site
	options    string // more lines of the global option
	servers    string // lines of Caddy's option servers
}

// newWorld makes a store with the tenants acme, enforced, and globex, and a
// console. Nothing runs before load.
func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{TB: t, dir: dir, dsn: "sqlite:" + filepath.Join(dir, "gate.db"), port: freePort(t), console: newConsole(t)}
	secret, err := store.LoadOrCreateSecret(filepath.Join(dir, "gate.db.secret"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), w.dsn, store.Options{Secret: secret, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if w.Gate, err = gate.New(t.Context(), gate.Options{Store: s, Node: "other"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	w.acme = w.tenant("acme", "acme.example")
	w.tenant("globex", "globex.example")
	w.add("acme", insideIP)
	w.mode("acme", gate.ModeEnforced)
	w.add("globex", "198.51.100.0/24")
	w.mode("globex", gate.ModeEnforced)
	return w
}

func (w *world) tenant(slug, host string) *gate.Tenant {
	w.Helper()
	t, err := w.AddTenant(w.Context(), asCommand, gate.Tenant{Slug: slug, Name: slug, Hosts: []string{host}})
	if err != nil {
		w.Fatal(err)
	}
	return t
}

func (w *world) id(slug string) string {
	w.Helper()
	t, err := w.Tenant(w.Context(), slug)
	if err != nil {
		w.Fatal(err)
	}
	return t.ID
}

func (w *world) add(slug, text string) {
	w.Helper()
	d := gate.Draft{Range: text, Label: text, Enabled: true}
	if _, err := w.AddNetwork(w.Context(), asCommand, w.id(slug), d, gate.EditOptions{}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) remove(slug, text string) {
	w.Helper()
	if _, err := w.RemoveNetwork(w.Context(), asCommand, w.id(slug), text, gate.EditOptions{Accept: []string{gate.AcceptFewAdmins}}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) mode(slug string, mode gate.Mode) {
	w.Helper()
	if _, err := w.SetTenant(w.Context(), asCommand, slug, gate.TenantPatch{Mode: &mode}); err != nil {
		w.Fatal(err)
	}
}

// admin adds an admin and returns its first password.
func (w *world) admin(slug, login string, role gate.Role) string {
	w.Helper()
	_, first, err := w.AddAdmin(w.Context(), asCommand, w.id(slug), gate.NewAdmin{Login: login, Role: role})
	if err != nil {
		w.Fatal(err)
	}
	return first
}

// caddyfile is the configuration: one site on plain HTTP, as behind a proxy that
// ends TLS.
func (w *world) caddyfile() string {
	return fmt.Sprintf(`{
	admin off
	auto_https off
	persist_config off
	storage file_system %[1]s/caddy
	log {
		output file %[1]s/caddy.log
		level DEBUG
	}
	servers {
		protocols h1 h2 h2c
		%[2]s
	}
	sallyport {
		store %[3]s
		node test
		operator_networks %[4]s
		sign_in {
			second_factor off
		}
		%[5]s
	}
}
http://:%[6]s {
	bind 127.0.0.1
	sallyport {
		%[7]s
	}
	reverse_proxy %[8]s
}
`, w.dir, w.servers, w.dsn, operatorIP, w.options, w.port, w.site, w.console.addr)
}

// load runs the configuration, or a text given instead, in this process.
func (w *world) load(caddyfile ...string) {
	w.Helper()
	text := w.caddyfile()
	if len(caddyfile) > 0 {
		text = caddyfile[0]
	}
	if err := caddy.Load(adapt(w, text), true); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = caddy.Stop() })
}

// adapt turns a Caddyfile into JSON.
func adapt(t testing.TB, text string) []byte {
	t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func freePort(t testing.TB) string {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// dial connects from an address of this machine.
func (w *world) dial(ctx context.Context, from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	return d.DialContext(ctx, "tcp", "127.0.0.1:"+w.port)
}

// client sends requests from an address of this machine, whatever their host.
func (w *world) client(from string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx, from) }}
	w.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is one request of a test.
type request struct {
	from, host, method, path, body string // defaults: insideIP, acme.example, GET, /
	session                        string
	header                         http.Header
}

// do sends a request and returns the answer with its body read.
func (w *world) do(q request) (*http.Response, string) {
	w.Helper()
	or := func(text, value string) string {
		if text == "" {
			return value
		}
		return text
	}
	r, err := http.NewRequestWithContext(w.Context(), or(q.method, "GET"), "http://"+or(q.host, "acme.example")+or(q.path, "/"), strings.NewReader(q.body))
	if err != nil {
		w.Fatal(err)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	if q.session != "" {
		r.Header.Add("Cookie", auth.SessionCookie+"="+q.session)
	}
	res, err := w.client(or(q.from, insideIP)).Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return res, string(body)
}

// signIn signs an admin of acme in over HTTP, as a browser would the first time,
// and returns the session's token.
func (w *world) signIn(login string, role gate.Role) string {
	w.Helper()
	first := w.admin("acme", login, role)
	var step string
	post := func(path string, body map[string]string) (next, session string) {
		text, _ := json.Marshal(body)
		header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
		if step != "" {
			header.Set("Cookie", auth.StepCookie+"="+step)
		}
		res, answer := w.do(request{method: "POST", path: path, body: string(text), header: header})
		var progress struct{ Next string }
		if err := json.Unmarshal([]byte(answer), &progress); err != nil || res.StatusCode != http.StatusOK {
			w.Fatalf("POST %s: %d %s", path, res.StatusCode, answer)
		}
		for _, c := range res.Cookies() {
			switch c.Name {
			case auth.StepCookie:
				step = c.Value
			case auth.SessionCookie:
				session = c.Value
			}
		}
		return progress.Next, session
	}
	next, _ := post("/_sallyport/login", map[string]string{"login": login, "password": first})
	if next != "new_password" {
		w.Fatalf("after the first password comes %q, want new_password", next)
	}
	next, session := post("/_sallyport/password", map[string]string{"current": first, "password": password})
	if next != "done" || session == "" {
		w.Fatalf("after the new password comes %q with session %q, want done", next, session)
	}
	return session
}

// raw sends bytes and returns what comes back until the server closes.
func (w *world) raw(from, text string) string {
	w.Helper()
	c, err := w.dial(w.Context(), from)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		w.Fatal(err)
	}
	answer, _ := io.ReadAll(c) // a reset after the answer is an end like any other
	return string(answer)
}

// rawStatus is the status of the answer to raw bytes, 0 if there was none.
func (w *world) rawStatus(from, text string) int {
	w.Helper()
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(w.raw(from, text))), nil)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// console is the console behind. It keeps what it was asked, and answers with
// what the field says.
type console struct {
	addr string
	mu   sync.Mutex
	seen []*http.Request
	then http.HandlerFunc // nil: "console"
}

func newConsole(t testing.TB) *console {
	c := new(console)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.addr = server.Listener.Addr().String()
	return c
}

func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		body, _ := io.ReadAll(r.Body) // so that trailers are there
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	c.mu.Lock()
	c.seen = append(c.seen, r)
	then := c.then
	c.mu.Unlock()
	if then != nil {
		then(w, r)
		return
	}
	_, _ = io.WriteString(w, "console")
}

func (c *console) answer(then http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.then = then
}

// take returns what the console was asked since the last time.
func (c *console) take() []*http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, within time.Duration, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s still not: %s", within, what)
		}
	}
}

// log is what Caddy has logged.
func (w *world) log() string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "caddy.log"))
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

// statusOn sends bytes on a connection and returns the status of one answer.
func statusOn(t testing.TB, c net.Conn, text string) int {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}
