package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuildElsewhere builds the program as xcaddy does: from a module of
// somebody else's that imports Caddy, its standard modules and the plugin, and
// has nothing of this module's own go.mod but what it requires.
func TestBuildElsewhere(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	h := home{t, t.TempDir()}
	version := strings.TrimSpace(goTool(t, here, "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2"))
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	h.write("go.sum", string(sums))
	h.write("go.mod", "module caddy\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/caddyserver/caddy/v2 "+version+
		"\n\tgithub.com/sallyport-gate/sallyport v0.0.0\n)\n\nreplace github.com/sallyport-gate/sallyport => "+here+"\n")
	h.write("main.go", `package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/sallyport-gate/sallyport/caddymodule"
)

func main() { caddycmd.Main() }
`)
	goTool(t, h.dir, "build", "-mod=mod", "-o", "caddy", ".")
	cmd := command(t, h.dir, "list-modules")
	cmd.Path = filepath.Join(h.dir, "caddy")
	r := run(t, cmd)
	for _, module := range []string{"sallyport", "http.handlers.sallyport", "http.matchers.sallyport_network", "admin.api.sallyport"} {
		if !strings.Contains("\n"+r.out, "\n"+module+"\n") {
			t.Errorf("the program has no module %s", module)
		}
	}
	if r.status != 0 {
		t.Errorf("exit status %d: %s", r.status, r.errors)
	}
}

// goTool runs the go command in a folder and returns what it prints.
func goTool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Stderr = dir, t.Output()
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
