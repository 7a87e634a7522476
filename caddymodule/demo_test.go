package caddymodule_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// demoRun is a demo in a process of its own.
type demoRun struct {
	testing.TB
	cmd    *exec.Cmd
	bin    string // folder of the program
	home   string
	output string // what it printed until it was ready
	errors *strings.Builder
	rest   chan string // what it printed after that
	client *http.Client
}

// startDemo starts a demo on a free port and waits until it has printed its
// last line.
func startDemo(t *testing.T, args ...string) *demoRun {
	t.Helper()
	d := &demoRun{TB: t, bin: caddyPath(t), home: t.TempDir(), errors: &strings.Builder{}, rest: make(chan string, 1)}
	d.cmd = d.command(append([]string{"demo", "--listen", "127.0.0.1:0"}, args...)...)
	d.cmd.Stderr = d.errors
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill(); _ = d.cmd.Wait() })
	lines := bufio.NewReader(out)
	for !strings.Contains(d.output, "Refusals are logged below") {
		line, err := lines.ReadString('\n')
		if err != nil {
			_ = d.cmd.Wait()
			t.Fatalf("the demo ended early: %v\n%s%s", err, d.output, d.errors)
		}
		d.output += line
	}
	go func() {
		rest, _ := io.ReadAll(lines)
		d.rest <- string(rest)
	}()
	d.client = d.newClient()
	return d
}

// command makes one of our commands in the demo's surroundings: an empty home
// and a folder for temporary files that is looked at afterwards.
func (d *demoRun) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(d.Context(), filepath.Join(d.bin, "caddy"), append([]string{"sallyport"}, args...)...)
	cmd.Args[0] = "caddy"
	cmd.Dir = d.home
	cmd.Env = append(os.Environ(), "HOME="+d.home, "XDG_DATA_HOME="+d.home+"/data", "XDG_CONFIG_HOME="+d.home+"/config", "TMPDIR="+d.home)
	return cmd
}

// find returns the first group of a pattern in what the demo printed.
func (d *demoRun) find(pattern string) string {
	d.Helper()
	m := regexp.MustCompile("(?m)" + pattern).FindStringSubmatch(d.output)
	if m == nil {
		d.Fatalf("the demo printed nothing like %s:\n%s", pattern, d.output)
	}
	return m[1]
}

func (d *demoRun) site(tenant string) string {
	return d.find(`^  (https?://` + tenant + `\.localhost:\d+) `)
}

// newClient trusts the demo's root only, finds its names, and keeps cookies.
func (d *demoRun) newClient() *http.Client {
	d.Helper()
	roots := x509.NewCertPool()
	if strings.HasPrefix(d.site("acme"), "https:") {
		root, err := os.ReadFile(d.find(`(/\S+/root\.crt)$`))
		if err != nil {
			d.Fatal(err)
		}
		roots.AppendCertsFromPEM(root)
	}
	address := d.find(`^  https?://acme\.localhost(:\d+) `)
	jar, _ := cookiejar.New(nil)
	return &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1"+address)
			},
			TLSClientConfig: &tls.Config{RootCAs: roots},
		},
	}
}

// do sends a request; header is "Name: value", empty: none.
func (d *demoRun) do(method, url, header, body string) (status int, answer string, h http.Header) {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), method, url, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(name, value)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// signIn signs in with the printed password.
func (d *demoRun) signIn(tenant, login string) {
	d.Helper()
	password := d.find(`^  ` + tenant + ` +` + regexp.QuoteMeta(login) + ` +(\S+) `)
	body, _ := json.Marshal(map[string]string{"login": login, "password": password})
	status, answer, _ := d.do("POST", d.site(tenant)+"/_sallyport/login", "", string(body))
	if status != 200 || !strings.Contains(answer, `"next":"done"`) {
		d.Fatalf("signing in as %s: got %d %s, want 200 done", login, status, answer)
	}
}

// run runs a command on the demo's store.
func (d *demoRun) run(args ...string) string {
	d.Helper()
	out, err := d.command(append(args, "--store", d.find(`--store (\S+)$`))...).CombinedOutput()
	if err != nil {
		d.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// stop ends the demo by a signal, and looks at what it leaves behind.
func (d *demoRun) stop(sig os.Signal, left ...string) {
	d.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.Fatal(err)
	}
	done := make(chan error, 1)
	rest := <-d.rest
	go func() { done <- d.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			d.Errorf("the demo ended with %v\n%s", err, d.errors)
		}
	case <-time.After(time.Minute):
		d.Fatal("the demo did not end")
	}
	if !strings.Contains(rest, "The demo has ended.") {
		d.Errorf("the last words are missing: %q", rest)
	}
	var got []string
	entries, _ := os.ReadDir(d.home)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if g, w := strings.Join(got, " "), strings.Join(left, " "); g != w {
		d.Errorf("left behind: got %q, want %q", g, w)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	acme, globex := d.site("acme"), d.site("globex")
	attacker := d.find(`(?s)203\.0\.113\.7.*?X-Forwarded-For: (\S+)' `)
	for _, c := range []struct {
		name, url, header string
		want              int
	}{
		{"this computer is in acme's list", acme, "", 401},
		{"the head office, too", acme, "X-Forwarded-For: 203.0.113.7", 401},
		{"an attacker is not", acme, "X-Forwarded-For: " + attacker, 403},
		{"this computer is not in globex's list", globex, "", 403},
		{"its data centre is", globex, "X-Forwarded-For: 198.51.100.9", 401},
		{"nonsense in the header is refused", acme, "X-Forwarded-For: nonsense", 403},
		{"a browser is sent to sign in", acme, "Accept: text/html", 303},
	} {
		if got, _, h := d.do("GET", c.url+"/", c.header, ""); got != c.want || h.Get("X-Sallyport-Reference") == "" {
			t.Errorf("%s: got %d, reference %q, want %d and a reference", c.name, got, h.Get("X-Sallyport-Reference"), c.want)
		}
	}

	d.signIn("acme", "sam.reed")
	d.testConsole(acme)
	d.testStreams(acme)
	d.testHistory()
	d.testOperator()
	d.stop(os.Interrupt)
	if log := d.errors.String(); !strings.Contains(log, "outside_networks") || strings.Contains(log, "ERROR") {
		t.Errorf("the log has no refusal, or an error:\n%s", log)
	}
}

// testOperator looks at the tenants, the health of everything and another
// tenant's attempts as somebody who runs the gateway.
func (d *demoRun) testOperator() {
	d.Helper()
	operator := d.site("operator")
	d.signIn("operator", "zhang.wei")
	for path, want := range map[string]string{
		"tenants": "acme.localhost", "health": "SQLite", "tenants/acme/review?period=30d": "You are viewing Acme as operator",
	} {
		if status, page, _ := d.do("GET", operator+"/_sallyport/operator/"+path, "Accept: text/html", ""); status != 200 || !strings.Contains(page, want) {
			d.Errorf("%s: got %d, want 200 and %q", path, status, want)
		}
	}
}

// testConsole reads what the console behind was told, and that it believed it.
func (d *demoRun) testConsole(acme string) {
	d.Helper()
	_, answer, _ := d.do("GET", acme+"/", "X-Sallyport-Role: owner", "")
	var told struct {
		Headers   []struct{ Name, Value string }
		Assertion struct{ Iss, Aud, Login, Role, Address string }
		Problem   string
	}
	if err := json.Unmarshal([]byte(answer), &told); err != nil || told.Problem != "" {
		d.Fatalf("the console answered %v %s", err, answer)
	}
	if got, want := told.Assertion, (struct{ Iss, Aud, Login, Role, Address string }{acme, "acme", "sam.reed", "reviewer", "127.0.0.1"}); got != want {
		d.Errorf("assertion: got %v, want %v", got, want)
	}
	headers := map[string]string{}
	for _, h := range told.Headers {
		headers[h.Name] = h.Value
	}
	if headers["X-Sallyport-Role"] != "reviewer" || headers["X-Sallyport-Tenant"] != "acme" || headers["X-Sallyport-Assertion"] == "" {
		d.Errorf("headers: got %v", headers)
	}
	for path, want := range map[string]string{"/": "Welcome, sam.reed", "/console.css": ":focus-visible", "/console.js": "new WebSocket"} {
		if status, page, _ := d.do("GET", acme+path, "Accept: text/html", ""); status != 200 || !strings.Contains(page, want) {
			d.Errorf("%s: got %d %.200s, want 200 and %q", path, status, page, want)
		}
	}
}

// testStreams opens everything that stays open, takes the network away by a
// command, as the printed list says, and waits for the ends.
func (d *demoRun) testStreams(acme string) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(acme, "https")+"/clock", &websocket.DialOptions{HTTPClient: d.client})
	if err != nil {
		d.Fatal(err)
	}
	defer ws.CloseNow()
	if _, tick, err := ws.Read(ctx); err != nil || !strings.HasSuffix(string(tick), " UTC") {
		d.Fatalf("the clock said %q, %v", tick, err)
	}
	ended := make(chan string, 3)
	go func() {
		for err := error(nil); err == nil; {
			_, _, err = ws.Read(ctx)
		}
		ended <- "WebSocket"
	}()
	for _, path := range []string{"/events", "/download"} {
		req, _ := http.NewRequestWithContext(ctx, "GET", acme+path, nil)
		resp, err := d.client.Do(req)
		if err != nil {
			d.Fatal(err)
		}
		defer resp.Body.Close()
		if first, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || !strings.Contains(first, " UTC") {
			d.Fatalf("%s began with %q, %v", path, first, err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, resp.Body)
			ended <- path
		}()
	}
	d.run("network", "remove", "acme", "127.0.0.1")
	removed := time.Now()
	for range 3 {
		select {
		case what := <-ended:
			if late := time.Since(removed); late > 3*time.Second || ctx.Err() != nil {
				d.Errorf("%s ended %v after the network was removed", what, late)
			}
		case <-ctx.Done():
			d.Fatal("a stream did not end")
		}
	}
	if got, _, _ := d.do("GET", acme+"/", "", ""); got != 403 {
		d.Errorf("after the network was removed: got %d, want 403", got)
	}
}

// testHistory looks at the sample history, and that the accounts balance.
func (d *demoRun) testHistory() {
	d.Helper()
	var list struct {
		Items []struct {
			Node, Outcome, Tenant string
			Time                  time.Time
		}
	}
	if err := json.Unmarshal([]byte(d.run("attempts", "--json", "--limit", "0")), &list); err != nil {
		d.Fatal(err)
	}
	counts, oldest := map[string]int{}, time.Now()
	for _, a := range list.Items {
		counts[a.Node+" "+a.Outcome]++
		if a.Time.Before(oldest) {
			oldest = a.Time
		}
	}
	if counts["sample allowed"] < 50 || counts["sample blocked"] < 200 || counts["demo blocked"] == 0 || counts["demo allowed"] != 1 {
		d.Errorf("attempts: got %v", counts)
	}
	if age := time.Since(oldest); age < 28*24*time.Hour || age > 32*24*time.Hour {
		d.Errorf("the history is %v long", age)
	}
	var status struct {
		Ledgers []struct {
			Node               string
			Seen, Stored, Lost int64
			Waiting, Deleted   int64
			Finished           bool
		}
	}
	if err := json.Unmarshal([]byte(d.run("status", "--json")), &status); err != nil {
		d.Fatal(err)
	}
	for _, l := range status.Ledgers {
		if l.Node == "sample" && (l.Seen == 0 || l.Seen != l.Stored || l.Lost != 0 || !l.Finished) {
			d.Errorf("the account of the sample does not balance: %+v", l)
		}
	}
	d.run("audit", "verify")
}

// TestDemoStore keeps the store of a demo and goes on with it.
func TestDemoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a demo.db")
	d := startDemo(t, "--store", file, "--no-history", "--plain-http-for-tests")
	d.signInPlain("li.na", d.find(`^  acme +li\.na +(\S+) `))
	d.stop(syscall.SIGTERM)
	password := d.find(`^  acme +li\.na +(\S+) `)

	again := startDemo(t, "--store", file, "--plain-http-for-tests")
	if strings.Contains(again.output, password) || !strings.Contains(again.output, "those of the store") {
		t.Errorf("the second start printed:\n%s", again.output)
	}
	again.signInPlain("li.na", password)
	out, err := again.command("attempts", "--json", "--store", file).Output()
	if err != nil || strings.Contains(string(out), `"sample"`) || strings.Count(string(out), `"sign_in"`) != 2 {
		t.Errorf("attempts: got %v %s, want two sign-ins and no sample", err, out)
	}
	again.stop(os.Interrupt)
}

// signInPlain signs in without TLS, where the cookie is still Secure.
func (d *demoRun) signInPlain(login, password string) {
	d.Helper()
	if !strings.Contains(d.output, "for tests only") {
		d.Errorf("plain HTTP is not called what it is:\n%s", d.output)
	}
	status, answer, h := d.do("POST", d.site("acme")+"/_sallyport/login", "", `{"login":"`+login+`","password":"`+password+`"}`)
	cookie := h.Get("Set-Cookie")
	if status != 200 || !strings.HasPrefix(cookie, "__Host-sallyport=") || !strings.Contains(cookie, "; Secure") {
		d.Fatalf("signing in: got %d %s, cookie %q", status, answer, cookie)
	}
	token, _, _ := strings.Cut(cookie, ";")
	d.client.Jar = nil // whether it sends the cookie without TLS depends on the version of Go
	if status, answer, _ := d.do("GET", d.site("acme")+"/", "Cookie: "+token, ""); status != 200 || !strings.Contains(answer, `"role": "owner"`) {
		d.Errorf("the console: got %d %s", status, answer)
	}
}

// TestDemoRefused names what keeps a demo from starting.
func TestDemoRefused(t *testing.T) {
	t.Parallel()
	d := &demoRun{TB: t, bin: caddyPath(t), home: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own := filepath.Join(t.TempDir(), "own.db")
	if out, err := d.command("tenant", "add", "acme", "--host", "acme.example.com", "--store", own).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"a port in use", "choose another with --listen", []string{"--listen", l.Addr().String()}},
		{"a store of somebody else", "has other tenants than a demo's", []string{"--store", own}},
		{"no store at all", "secret", []string{"--store", text}},
		{"a store that cannot be", "not a directory", []string{"--store", text + "/demo.db"}},
	} {
		args := append([]string{"demo", "--listen", "127.0.0.1:0"}, c.args...)
		out, err := d.command(args...).CombinedOutput()
		exit, _ := errors.AsType[*exec.ExitError](err)
		if exit == nil || exit.ExitCode() != 1 || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: got %v %q, want status 1 and one line with %q", c.name, err, out, c.want)
		}
	}
	if left, _ := os.ReadDir(d.home); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
