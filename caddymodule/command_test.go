package caddymodule_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/sallyport-gate/sallyport/caddymodule"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// The test binary is the program itself where it is called caddy, so that the
// scripts run real processes. All packages are initialised by now.
func init() {
	if filepath.Base(os.Args[0]) == "caddy" {
		caddycmd.Main()
		os.Exit(0)
	}
}

// caddyPath makes a folder with the program in it.
func caddyPath(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "caddy")); err != nil {
		t.Skip("symbolic links are not possible here:", err)
	}
	return bin
}

// TestCommands runs testdata/script. Beside testscript's own commands there are
//
//	status N[+] PROGRAM ARG…  runs it; it must end with the status N, and print one line
//	                          on standard error for 1 and 2 (with +: more), else none
//	json PATH [VALUE]         the value in standard output, such as items.0.slug; without
//	                          VALUE it has to be there
//	await FILE TEXT           waits until the file has the text
//	attempt, signin           put a record into s.db, see the functions
//	sql FILE STATEMENT        alters a SQLite file behind the program's back
func TestCommands(t *testing.T) {
	t.Parallel()
	bin := caddyPath(t)
	places, err := filepath.Abs("../internal/geo/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("PLACES", places)
			env.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":  cmdStatus,
			"json":    cmdJSON,
			"await":   cmdAwait,
			"attempt": cmdAttempt,
			"signin":  cmdSignIn,
			"sql":     cmdSQL,
		},
	})
}

func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N[+] program [arg…]")
	}
	text, more := strings.CutSuffix(args[0], "+")
	want, err := strconv.Atoi(text)
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status: got %d, want %d", got, want)
	}
	lines := strings.Count(ts.ReadFile("stderr"), "\n")
	switch failed := want == 1 || want == 2; {
	case more && lines < 2, failed && !more && lines != 1, !failed && lines != 0:
		ts.Fatalf("standard error has %d lines", lines)
	}
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: json path [value]")
	}
	var at any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &at); err != nil {
		ts.Fatalf("standard output is not JSON: %v", err)
	}
	there := true
	for key := range strings.SplitSeq(args[0], ".") {
		switch in := at.(type) {
		case map[string]any:
			at, there = in[key]
		case []any:
			i, err := strconv.Atoi(key)
			if key == "len" {
				at = float64(len(in))
			} else if there = err == nil && i < len(in); there {
				at = in[i]
			}
		default:
			there = false
		}
		if !there {
			break
		}
	}
	if len(args) == 1 {
		if there == neg {
			ts.Fatalf("%s is there: %v", args[0], there)
		}
		return
	}
	text, err := json.Marshal(at)
	ts.Check(err)
	if s, ok := at.(string); ok {
		text = []byte(s)
	}
	if got := there && string(text) == args[1]; got == neg {
		ts.Fatalf("%s: got %s (there: %v), want %s", args[0], text, there, args[1])
	}
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("%s did not get %q", args[0], args[1])
}

// openStore opens s.db of a script.
func openStore(ts *testscript.TestScript) (*store.Store, *gate.Gate, context.Context) {
	ctx := context.Background()
	secret, err := store.LoadSecret(ts.MkAbs("s.db.secret"))
	ts.Check(err)
	s, err := store.Open(ctx, "sqlite:"+ts.MkAbs("s.db"), store.Options{Secret: secret})
	ts.Check(err)
	g, err := gate.New(ctx, gate.Options{Store: s, Node: "script"})
	ts.Check(err)
	return s, g, ctx
}

// cmdAttempt stores a refusal: attempt REFERENCE TENANT ADDRESS REASON AGE,
// with a path and a user agent that try to take over a terminal.
func cmdAttempt(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 5 {
		ts.Fatalf("usage: attempt REFERENCE TENANT ADDRESS REASON AGE")
	}
	s, g, ctx := openStore(ts)
	defer s.Close()
	t, err := g.Tenant(ctx, args[1])
	ts.Check(err)
	address, err := netip.ParseAddr(args[2])
	ts.Check(err)
	age, err := time.ParseDuration(args[4])
	ts.Check(err)
	at := time.Now().Add(-age).UTC().Truncate(time.Microsecond)
	boot := gate.Ledger{Node: "script", Boot: gate.NewID(), Started: at, Seen: 3}
	ts.Check(s.OpenLedger(ctx, boot))
	ts.Check(s.PutAttempts(ctx, boot, []gate.Attempt{{
		Reference: args[0], Tenant: t.ID, Host: "acme.example.com", Address: address, Bits: address.BitLen(), Peer: address,
		Hops:  []gate.Hop{{Text: args[2], Address: args[2], Source: "peer", Chosen: true}},
		Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.Reason(args[3]), Method: "GET", Path: "/\x1b[31mred\u202egnp",
		UserAgent: "evil\x1b]0;title\a\nfake line", ListVersion: t.Version, Count: 3, FirstTime: at, LastTime: at, Node: boot.Node, Boot: boot.Boot,
	}}))
	_, err = s.CloseLedger(ctx, boot.Boot, boot.Seen)
	ts.Check(err)
}

// cmdSignIn stores a session: signin ID TENANT LOGIN.
func cmdSignIn(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: signin ID TENANT LOGIN")
	}
	s, g, ctx := openStore(ts)
	defer s.Close()
	t, err := g.Tenant(ctx, args[1])
	ts.Check(err)
	a, err := s.AdminByLogin(ctx, t.ID, args[2])
	ts.Check(err)
	now, from := time.Now().UTC().Truncate(time.Microsecond), netip.MustParseAddr("203.0.113.7")
	ts.Check(s.SignIn(ctx, gate.Session{
		ID: args[0], Tenant: t.ID, Admin: a.ID, Started: now, LastSeen: now, Expires: now.Add(time.Hour),
		Address: from, LastAddress: from, UserAgent: "browser\x1b[2J",
	}, gate.Attempt{
		Reference: "SP-SIGN-" + args[0], Tenant: t.ID, Address: from, Bits: 32, Stage: gate.StageSignIn, Outcome: gate.Allowed,
		Reason: gate.ByNetwork, Admin: a.ID, Session: args[0], Count: 1, FirstTime: now, LastTime: now, Node: "script",
	}))
}

func cmdSQL(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	res, err := db.Exec(args[1])
	ts.Check(err)
	if n, err := res.RowsAffected(); err == nil && n == 0 && !strings.HasPrefix(args[1], "DROP") {
		ts.Fatalf("%s", fmt.Sprint("no row was altered by ", args[1]))
	}
}

// TestCommandsPostgres goes from an empty database to a tenant, as an operator
// would, and looks for the password in what is printed.
func TestCommandsPostgres(t *testing.T) {
	t.Parallel()
	server := os.Getenv("SALLYPORT_TEST_POSTGRES")
	if server == "" {
		t.Skip("SALLYPORT_TEST_POSTGRES names no server")
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := "commands_" + strings.ToLower(gate.NewID())
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = db.Exec("DROP DATABASE " + name + " WITH (FORCE)") })
	dsn, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	dsn.Path = "/" + name
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := caddyPath(t)
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"status", 1, "run 'caddy sallyport migrate'"},
		{"tenant add acme", 1, "run 'caddy sallyport migrate'"},
		{"migrate", 0, "is up to date now"},
		{"migrate", 0, "was up to date already"},
		{"tenant add acme", 0, "Added the tenant acme"},
		{"network add acme 203.0.113.0/24 --label HQ", 0, "version 2"},
		{"tenant set acme --mode enforced", 0, "enforced"},
		{"check acme 203.0.113.7", 0, "is admitted"},
		{"check acme 198.51.100.7", 3, "is not admitted"},
		{"status --json", 0, `"tenants": 1`},
		{"status --json", 0, `"nodes": []`},
		{"audit verify", 0, "3 changes verified"},
	} {
		args := append([]string{"sallyport"}, strings.Fields(c.args)...)
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "caddy"), append(args, "--store", dsn.String(), "--secret-file", secret)...)
		cmd.Args[0] = "caddy"
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.status || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: got status %d, %v, %s; want %d and %q", c.args, got, err, out, c.status, c.want)
		}
		if password, ok := dsn.User.Password(); ok && strings.Contains(string(out), password) {
			t.Errorf("%s prints the password: %s", c.args, out)
		}
	}
}
