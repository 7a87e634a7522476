// Package test holds what is tested across packages, on the program as a whole.
package test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sallyport-gate/sallyport/"

// outside lists who may import what this module does not own, and what lies below it.
var outside = map[string][]string{
	"database/sql":                 {"internal/store"},
	"github.com/caddyserver/caddy": {"caddymodule", "cmd/caddy"},
	"github.com/gaissmai/bart":     {"cidr"},
	"github.com/golang-jwt/jwt":    {"auth"},
	"github.com/jackc/pgx":         {"internal/store"},
	"github.com/klauspost":         {"internal/backup"},
	"github.com/oschwald":          {"internal/geo"},
	"github.com/pressly/goose":     {"internal/store"},
	"github.com/wneessen/go-mail":  {"internal/deliver"},
	"github.com/yl2chen/cidranger": {"cidr"},
	"modernc.org/sqlite":           {"internal/store"},
	"net/http":                     {"auth", "caddymodule", "internal/deliver", "internal/web"}, // auth: cookies
}

// inside lists what each package may import of this module; others may import nothing.
var inside = map[string][]string{
	"caddymodule":      {"auth", "cidr", "internal/backup", "internal/deliver", "internal/export", "internal/gate", "internal/geo", "internal/sheet", "internal/store", "internal/web"},
	"cmd/caddy":        {"caddymodule"},
	"internal/deliver": {"internal/export", "internal/gate"},
	"internal/export":  {"internal/gate", "internal/geo"},
	"internal/gate":    {"auth", "cidr"},
	"internal/geo":     {"internal/gate"},
	"internal/sheet":   {"cidr", "internal/gate"},
	"internal/store":   {"auth", "cidr", "internal/backup", "internal/gate"},
	"internal/web":     {"auth", "cidr", "internal/export", "internal/gate", "internal/geo", "internal/sheet"},
}

// TestImports holds the direction of the imports. Test files are free: they start
// servers, look into databases, and compare with other libraries. So are test and
// bench, which nothing else imports.
func TestImports(t *testing.T) {
	seen := 0
	for path, imported := range imports(t) {
		from := strings.TrimPrefix(path, module)
		if under(from, "bench") || under(from, "test") {
			continue
		}
		seen++
		for _, to := range imported {
			check(t, from, to)
		}
	}
	if seen == 0 {
		t.Fatal("go list named no package of the module")
	}
}

// check reports an import that neither table allows.
func check(t *testing.T, from, to string) {
	if own, ok := strings.CutPrefix(to, module); ok {
		if !slices.Contains(inside[from], own) {
			t.Errorf("%s imports %s; it may import %q of this module", from, own, inside[from])
		}
		return
	}
	for path, users := range outside {
		if under(to, path) && !slices.Contains(users, from) {
			t.Errorf("%s imports %s; only %q may", from, to, users)
		}
	}
}

// under reports whether path is the folder or lies below it.
func under(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// imports asks the go command for every package of the module, with what it imports,
// also of packages that do not compile.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir, list.Stderr = "..", t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		all[words[0]] = words[1:]
	}
	return all
}
