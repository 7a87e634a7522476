package browser

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// startTime bounds how long the gateway may take until it answers.
const startTime = time.Minute

// Gate is a running gateway with a store of its own.
type Gate struct {
	bin, port, dir string
	announces      string // what it prints once it is ready; empty: nothing
	output         *output
}

// URL returns the address of a page of a sample tenant: URL("acme", "/reports").
func (g *Gate) URL(tenant, path string) string {
	return "https://" + tenant + ".localhost:" + g.port + path
}

// Output returns what the demo has printed for its user so far: addresses,
// logins, passwords.
func (g *Gate) Output() string { return g.output.String() }

// built makes the program once per test binary; $SALLYPORT_BIN is used instead.
// removeBuilt deletes it.
var built = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("SALLYPORT_BIN"); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "sallyport-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "caddy")
	build := exec.Command("go", "build", "-o", bin, "./cmd/caddy")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("building cmd/caddy: %w\n%s", err, out)
	}
	removeBuilt = func() { _ = os.RemoveAll(dir) }
	return bin, nil
})

var removeBuilt = func() {}

// StartGate starts `caddy sallyport demo` on a free loopback port, with further
// arguments where the test gives some, and stops it when the test ends.
func StartGate(t testing.TB, arguments ...string) *Gate {
	t.Helper()
	g := newGate(t)
	g.announces = "acme.localhost:" + g.port
	g.start(t, append([]string{"sallyport", "demo", "--listen", "127.0.0.1:" + g.port, "--store", g.store()}, arguments...)...)
	return g
}

// StartSite starts a gateway from a Caddyfile, as an installation would, over the
// store that [Gate.Command] fills. DIR, STORE and PORT stand for those of the gate.
func StartSite(t testing.TB, caddyfile string, commands ...[]string) *Gate {
	t.Helper()
	g := newGate(t)
	for _, arguments := range commands {
		g.Command(t, arguments...)
	}
	file := filepath.Join(g.dir, "Caddyfile")
	text := strings.NewReplacer("DIR", g.dir, "STORE", g.store(), "PORT", g.port).Replace(caddyfile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.start(t, "run", "--config", file, "--adapter", "caddyfile")
	return g
}

func newGate(t testing.TB) *Gate {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return &Gate{bin: bin, port: freePort(t), dir: t.TempDir(), output: &output{}}
}

func (g *Gate) store() string { return "sqlite:" + filepath.Join(g.dir, "sallyport.db") }

// environment is nothing of the person who runs the tests: neither their Caddy's
// certificates and settings nor the port of its admin interface.
func (g *Gate) environment(t testing.TB) []string {
	return append(os.Environ(), "HOME="+g.dir, "XDG_DATA_HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir,
		"CADDY_ADMIN=127.0.0.1:"+freePort(t))
}

// Command runs `caddy sallyport …` on the gate's store and returns what it prints.
func (g *Gate) Command(t testing.TB, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, g.bin, append(append([]string{"sallyport"}, arguments...), "--store", g.store())...)
	command.Env = g.environment(t)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		t.Fatalf("caddy sallyport %s: %v\n%s", strings.Join(arguments, " "), err, complaint.Bytes())
	}
	return string(out)
}

// start runs the program until the test ends, and returns once it answers.
func (g *Gate) start(t testing.TB, arguments ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	program := exec.CommandContext(ctx, g.bin, arguments...)
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	program.WaitDelay = 15 * time.Second
	program.Env = g.environment(t)
	log := &output{}
	program.Stdout, program.Stderr = g.output, log
	if err := program.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait(); close(ended) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the gateway did not stop as it should: %v", err)
		}
		if t.Failed() {
			t.Logf("the gateway printed:\n%s\nand logged:\n%s", g.output, log)
		}
	})
	g.await(t, ended)
}

// await returns once the gate answers.
func (g *Gate) await(t testing.TB, ended <-chan error) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // its own local authority signs
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+g.port)
		},
	}}
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); {
		select {
		case err := <-ended:
			t.Fatalf("the gateway ended before it was ready: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		if !strings.Contains(g.Output(), g.announces) {
			continue
		}
		if response, err := client.Get(g.URL("acme", "/_sallyport/jwks.json")); err == nil {
			_ = response.Body.Close()
			return
		}
	}
	t.Fatalf("the gateway was not ready within %v", startTime)
}

// nextPort walks over the ports below those that the kernel gives to clients, so
// that no connection takes one before the gateway listens.
var nextPort atomic.Uint32

func init() { nextPort.Store(rand.Uint32N(12000)) }

// freePort returns a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	for range 12000 {
		port := strconv.Itoa(20000 + int(nextPort.Add(1)%12000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// output is a buffer that may be read while the program still writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
