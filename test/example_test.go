package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExample runs Caddyfile.example in an empty home as it stands, but for its
// ports, and then the commands in its first lines, word for word.
func TestExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, home: t.TempDir(), setup: setup{node: "the example"}, ready: "console.localhost"}
	g.root = filepath.Join(g.home, "data/caddy/pki/authorities/local/root.crt")
	t.Cleanup(func() {
		g.stop()
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", g.setup.node, g.log.tail())
		}
	})
	g.config = g.example(string(text))
	if err := g.start(); err != nil {
		t.Fatal(err)
	}
	stranger := g.visit("console.localhost", "203.0.113.1")
	if err := stranger.get("/").refused(http.StatusNotFound, "unknown_site"); err != nil {
		t.Errorf("before there is a tenant: %v", err)
	}
	who := g.shellCommands(string(text))
	if err := stranger.get("/").refused(http.StatusUnauthorized, "no_session"); err != nil {
		t.Errorf("the header of nobody who is trusted counts: %v", err)
	}
	stranger.signIn(who)
	const want = "Signed in as li.na of acme, owner, from 127.0.0.1."
	if a := stranger.get("/"); a.status != http.StatusOK || string(a.body) != want {
		t.Errorf("signed in: %d %s, want %s", a.status, a.body, want)
	}
}

// example writes the example with free ports for its own.
func (g *gateway) example(text string) (path string) {
	g.t.Helper()
	g.port, g.admin = freePort(g.t), freePort(g.t)
	for from, to := range map[string]int{"http_port 8080": freePort(g.t), "https_port 8443": g.port} {
		if strings.Count(text, "\t"+from+"\n") != 1 {
			g.t.Fatalf("%s stands in the example not once", from)
		}
		name, _, _ := strings.Cut(from, " ")
		text = strings.Replace(text, from, fmt.Sprintf("%s %d", name, to), 1)
	}
	g.env = []string{fmt.Sprintf("CADDY_ADMIN=127.0.0.1:%d", g.admin)}
	path = filepath.Join(g.home, "Caddyfile.example")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// firstPassword finds it in what "admin add" prints.
var firstPassword = regexp.MustCompile(`(?m)^First password, .*: (\S+)$`)

// shellCommands runs the commands that the comments name in a shell, and returns
// the account that they make.
func (g *gateway) shellCommands(text string) account {
	g.t.Helper()
	who := account{login: "li.na", password: "a password of one's own 4711"}
	commands := 0
	for line := range strings.Lines(text) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "#\tcaddy sallyport ")
		if !ok {
			continue
		}
		commands++
		cmd := command(g.t, g.home)
		cmd.Args = []string{"sh", "-c", `"$CADDY" sallyport ` + line}
		cmd.Env = append(cmd.Env, "CADDY="+cmd.Path)
		cmd.Path = "/bin/sh"
		r := run(g.t, cmd)
		if r.status != 0 {
			g.t.Fatalf("caddy sallyport %s: exit status %d: %s", line, r.status, r.errors)
		}
		if found := firstPassword.FindStringSubmatch(r.out); found != nil {
			who.first = found[1]
		}
	}
	if commands < 4 || who.first == "" {
		g.t.Fatalf("%d commands stand in the example, with the first password %q", commands, who.first)
	}
	return who
}

// TestExampleIsFormatted: "caddy fmt" has nothing to change.
func TestExampleIsFormatted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	h := home{t, t.TempDir()}
	path := h.write("Caddyfile.example", string(text))
	r := h.caddy("fmt", "--diff", path)
	if r.status != 0 {
		t.Errorf("exit status %d: %s", r.status, r.errors)
	}
	for line := range strings.Lines(r.out) {
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			t.Errorf("fmt changes %s", line)
		}
	}
}
