package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/freeport"
)

// startWithin bounds the start of a gateway, which makes keys and certificates,
// and stopWithin its orderly end.
const (
	startWithin = 30 * time.Second
	stopWithin  = 20 * time.Second
)

// secret encrypts what is secret in the stores of these tests.
const secret = "0123456789abcdef0123456789abcdef"

// built is the folder with the program, where this test run has built it.
var built string

func TestMain(m *testing.M) {
	status := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(status)
}

// program returns the path of the program under test: the one of SALLYPORT_BIN,
// or the one of this checkout, built once.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SALLYPORT_BIN"); path != "" {
		return filepath.Abs(path)
	}
	var err error
	if built, err = os.MkdirTemp("", "sallyport-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(built, "caddy")
	build := exec.Command("go", "build", "-o", path, "./cmd/caddy")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
})

// command makes a run of the program with a home of its own: nothing is read
// from, or written to, that of whoever runs the tests.
func command(t *testing.T, home string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "XDG_DATA_HOME=" + home + "/data", "XDG_CONFIG_HOME=" + home + "/config", "PATH=" + os.Getenv("PATH")}
	return cmd
}

// result is what came of a run of the program.
type result struct {
	status      int
	out, errors string
}

// run runs the program to its end, which has to come within a minute.
func run(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// gateway is a running program with a configuration, a home and an authority
// for its certificates of its own.
type gateway struct {
	t      *testing.T
	home   string
	config string // path of the Caddyfile
	setup  setup
	env    []string
	root   string // path of the authority's certificate
	ready  string // host that is asked whether it serves
	port   int    // of HTTPS
	admin  int    // of the admin API

	cmd  *exec.Cmd
	log  *log
	over chan struct{} // closed when the program has ended
	net  *network
}

// setup is what the configurations of these tests differ in.
type setup struct {
	store   string // DSN
	options string // further lines of the global option sallyport
	sites   string // Caddyfile; PORT stands for the port; default: one site for all tenants of gate.test
	console string // address of the console behind
	node    string
}

const caddyfile = `{
	admin 127.0.0.1:%d
	https_port %d
	default_bind 127.0.0.1
	auto_https disable_redirects
	skip_install_trust
	storage file_system %s
	storage_clean_interval off
	servers {
		protocols h1 h2
	}
	sallyport {
		store %s
		secret {file.%s}
		node %s
		trusted_proxies static 127.0.0.1/32
%s
	}
}

%s
`

const hostSites = `https://*.gate.test {
	tls internal
	sallyport
	reverse_proxy CONSOLE
}`

// startGateway starts a program and waits until it serves. It is stopped, if it
// still runs, when the test ends, and when the test has failed its log is shown.
func startGateway(t *testing.T, s setup) *gateway {
	t.Helper()
	g := &gateway{t: t, home: t.TempDir(), setup: s, ready: "ready.gate.test"}
	g.root = filepath.Join(g.home, "storage/pki/authorities/local/root.crt")
	t.Cleanup(func() {
		g.stop()
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", g.setup.node, g.log.tail())
		}
	})
	if err := os.WriteFile(filepath.Join(g.home, "secret"), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 { // somebody else may take a free port first
		g.port, g.admin = freePort(t), freePort(t)
		g.configure()
		err := g.start()
		if err == nil {
			return g
		}
		if !strings.Contains(g.log.tail(), "address already in use") {
			t.Fatal(err)
		}
	}
	t.Fatal("there is no free port")
	return nil
}

// configure writes the configuration.
func (g *gateway) configure() {
	g.t.Helper()
	if g.setup.node == "" {
		g.setup.node = "node-1"
	}
	if g.setup.sites == "" {
		g.setup.sites = hostSites
	}
	sites := strings.NewReplacer("PORT", fmt.Sprint(g.port), "CONSOLE", g.setup.console).Replace(g.setup.sites)
	text := fmt.Sprintf(caddyfile, g.admin, g.port, filepath.Join(g.home, "storage"),
		g.setup.store, filepath.Join(g.home, "secret"), g.setup.node, g.setup.options, sites)
	g.config = filepath.Join(g.home, "gate.caddyfile")
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// start runs the program and returns when it serves.
func (g *gateway) start() error {
	g.t.Helper()
	g.log = &log{}
	g.over = make(chan struct{})
	g.cmd = command(g.t, g.home, "run", "--config", g.config)
	g.cmd.Env = append(g.cmd.Env, g.env...)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	if err := g.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, over chan struct{}) {
		_ = cmd.Wait()
		close(over)
	}(g.cmd, g.over)
	deadline := time.After(startWithin)
	for {
		net, err := g.reach()
		if err == nil {
			g.net = net
			return nil
		}
		select {
		case <-g.over:
			return fmt.Errorf("the gateway ended at its start:\n%s", g.log.tail())
		case <-deadline:
			return fmt.Errorf("the gateway does not serve after %s: %w\n%s", startWithin, err, g.log.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// restart starts a program again that has ended.
func (g *gateway) restart() {
	g.t.Helper()
	if err := g.start(); err != nil {
		g.t.Fatal(err)
	}
}

// kill ends the program as kill -9 does: it gets to do nothing any more.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	<-g.over
}

// stop ends the program as an operator does.
func (g *gateway) stop() {
	if g.cmd == nil || g.cmd.Process == nil {
		return
	}
	if g.net != nil {
		g.net.transport.CloseIdleConnections() // the program would wait for those that were never used
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.over:
	case <-time.After(stopWithin):
		g.t.Errorf("the gateway does not stop within %s", stopWithin)
		g.kill()
	}
}

// try runs "caddy sallyport …" on the store of the gateway's configuration.
func (g *gateway) try(args ...string) result {
	g.t.Helper()
	return g.tryWith("", args...)
}

// tryWith is try with something on standard input.
func (g *gateway) tryWith(input string, args ...string) result {
	g.t.Helper()
	cmd := command(g.t, g.home, append(append([]string{"sallyport"}, args...), "--config", g.config)...)
	cmd.Stdin = strings.NewReader(input)
	return run(g.t, cmd)
}

// do is try for commands that have to work; it returns what they print.
func (g *gateway) do(args ...string) string {
	g.t.Helper()
	return g.doWith("", args...)
}

func (g *gateway) doWith(input string, args ...string) string {
	g.t.Helper()
	r := g.tryWith(input, args...)
	if r.status != 0 {
		g.t.Fatalf("caddy sallyport %s: exit status %d\n%s", strings.Join(args, " "), r.status, r.errors)
	}
	return r.out
}

// read is do with --json; it reads what the command prints.
func (g *gateway) read(into any, args ...string) {
	g.t.Helper()
	out := g.do(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		g.t.Fatalf("caddy sallyport %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// log keeps the end of what a program writes, and counts lines.
type log struct {
	mu    sync.Mutex
	rest  []byte
	lines []string
	begun int // lines that name the logger of blocked attempts
}

// kept is how many lines a log keeps, and shown how many of them a failure shows.
const (
	kept  = 400
	shown = 40
)

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.rest = rest
		if bytes.Contains(line, []byte(`"logger":"sallyport.blocked"`)) {
			l.begun++
			continue // a flood of them would leave nothing else
		}
		if bytes.Contains(line, []byte(`"logger":"admin.api"`)) {
			continue // these are the test's own questions
		}
		if l.lines = append(l.lines, string(line)); len(l.lines) > 2*kept {
			l.lines = append([]string(nil), l.lines[kept:]...)
		}
	}
}

// blocked is how many lines were written about blocked attempts.
func (l *log) blocked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

func (l *log) tail() string {
	if l == nil {
		return "(it was never started)"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-shown):], "\n")
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// eventually asks until the answer is nil, and fails with the last one when it
// is not within a time.
func eventually(t *testing.T, within time.Duration, ask func() error) {
	t.Helper()
	for began := time.Now(); ; {
		err := ask()
		if err == nil {
			return
		}
		if time.Since(began) > within {
			t.Fatalf("not within %s: %v", within, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// askAdmin reads an answer of the admin API, which runs beside the sites.
func (g *gateway) askAdmin(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	answer, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d%s", g.admin, path))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != 200 {
		return fmt.Errorf("%s: %s: %s", path, answer.Status, body)
	}
	return json.Unmarshal(body, into)
}
