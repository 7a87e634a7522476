package test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite
)

// otherSecret is as good as secret, and not the same.
const otherSecret = "fedcba9876543210fedcba9876543210"

// home is a folder with a Caddyfile, in which the program is run.
type home struct {
	t   *testing.T
	dir string
}

// newHome makes one whose global option sallyport has these lines.
func newHome(t *testing.T, options ...string) home {
	h := home{t, t.TempDir()}
	h.configure(options...)
	return h
}

func (h home) configure(options ...string) {
	h.t.Helper()
	h.write("Caddyfile", fmt.Sprintf("{\n\tadmin off\n\tsallyport {\n\t\t%s\n\t}\n}\n\nhttp://gate.test:%d {\n\tbind 127.0.0.1\n\tsallyport\n\trespond ok\n}\n",
		strings.Join(options, "\n\t\t"), freePort(h.t)))
}

func (h home) write(name, text string) (path string) {
	h.t.Helper()
	path = filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// caddy runs the program in the home.
func (h home) caddy(args ...string) result {
	h.t.Helper()
	return run(h.t, command(h.t, h.dir, args...))
}

// store makes a store with a tenant.
func (h home) store(dsn string) {
	h.t.Helper()
	file := h.write("made.secret", secret+"\n")
	for _, args := range [][]string{{"migrate"}, {"tenant", "add", "acme"}} {
		args = append(append([]string{"sallyport"}, args...), "--store", dsn, "--secret-file", file)
		if r := h.caddy(args...); r.status != 0 {
			h.t.Fatalf("caddy %s: %s", strings.Join(args, " "), r.errors)
		}
	}
}

// database opens a store past the program, as somebody with access to it could.
func database(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	driver, name := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name = "sqlite", path
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestStartRefuses holds starts that have to fail, with one sentence that says
// what to do.
func TestStartRefuses(t *testing.T) {
	tests := []struct {
		name    string
		options func(h home) []string
		want    []string // in the sentence
	}{
		{"unknown option", func(home) []string {
			return []string{"sesion {", "\tidle 5m", "}"}
		}, []string{`no option "sesion"`, "session", "Caddyfile:4"}},
		{"bad duration", func(home) []string {
			return []string{"retention forever"}
		}, []string{`retention: "forever"`, "write one such as", "Caddyfile:4"}},
		{"bad range", func(home) []string {
			return []string{"operator_networks 203.0.113.0/33"}
		}, []string{"operator_networks", "203.0.113.0/33", "Caddyfile:4"}},
		{"store is a folder", func(h home) []string {
			return []string{"store sqlite:" + h.dir}
		}, []string{"it is a folder", "name a file in it"}},
		{"store below a file", func(h home) []string {
			return []string{"store sqlite:" + h.write("file", "") + "/sallyport.db"}
		}, []string{"not a directory", "a file that this user may"}},
		{"store is something else", func(h home) []string {
			return []string{"store sqlite:" + h.write("notes.db", strings.Repeat("these are notes ", 100))}
		}, []string{"the file is something else, name another"}},
		{"unknown kind of store", func(home) []string {
			return []string{"store mysql://root@127.0.0.1/db", "secret " + secret}
		}, []string{"sqlite:/path/to/file.db", "postgres://"}},
		{"short secret", func(h home) []string {
			return []string{"store sqlite:" + h.dir + "/sallyport.db", "secret tooshort"}
		}, []string{"the secret has 8 bytes", "32 or more", "openssl rand"}},
		{"wrong secret", func(h home) []string {
			h.store("sqlite:" + h.dir + "/sallyport.db")
			return []string{"store sqlite:" + h.dir + "/sallyport.db", "secret " + otherSecret}
		}, []string{"not the one this store was made with", "configure that one"}},
		{"secret is gone", func(h home) []string {
			h.store("sqlite:" + h.dir + "/sallyport.db")
			return []string{"store sqlite:" + h.dir + "/sallyport.db"}
		}, []string{"its secret is missing", "sallyport.db.secret back"}},
		{"newer schema", func(h home) []string {
			return newer(h, "sqlite:"+h.dir+"/sallyport.db")
		}, []string{"version 999", "a newer Sallyport made them, start that one"}},
		{"newer schema, PostgreSQL", func(h home) []string {
			return newer(h, newDatabase(h.t))
		}, []string{"version 999", "a newer Sallyport made them, start that one"}},
		{"wrong secret, PostgreSQL", func(h home) []string {
			dsn := newDatabase(h.t)
			h.store(dsn)
			return []string{"store " + dsn, "secret " + otherSecret}
		}, []string{"not the one this store was made with", "configure that one"}},
		{"no secret, PostgreSQL", func(home) []string {
			return []string{"store postgres://u@127.0.0.1:1/db"}
		}, []string{"secret", "32 bytes", "openssl rand"}},
		{"nobody there, PostgreSQL", func(home) []string {
			return []string{"store postgres://u:hunter2@127.0.0.1:1/db", "secret " + secret}
		}, []string{"postgres://u@127.0.0.1:1/db", "check that the server runs there"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.configure(test.options(h)...)
			r := h.caddy("run")
			sentence := lastLine(t, r.errors)
			if r.status == 0 {
				t.Errorf("exit status 0: %s", sentence)
			}
			for _, want := range test.want {
				if !strings.Contains(sentence, want) {
					t.Errorf("got %s\nwant %q in it", sentence, want)
				}
			}
			if strings.Contains(r.errors, "hunter2") || strings.Contains(r.errors, otherSecret) {
				t.Errorf("it tells the password or the secret: %s", r.errors)
			}
		})
	}
}

// newer makes a store that a later version of the program has worked on.
func newer(h home, dsn string) (options []string) {
	h.t.Helper()
	h.store(dsn)
	if _, err := database(h.t, dsn).ExecContext(h.t.Context(), `INSERT INTO schema_version (version, applied) VALUES (999, 0)`); err != nil {
		h.t.Fatal(err)
	}
	return []string{"store " + dsn, "secret " + secret}
}

// lastLine returns the error with which Caddy ends: the message of its last line.
func lastLine(t *testing.T, text string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	var entry struct{ Level, Msg string }
	if err := json.Unmarshal([]byte(last), &entry); err != nil {
		t.Fatalf("the last line is none of the log: %s", text)
	}
	if entry.Level != "error" || strings.Contains(entry.Msg, "\n") {
		t.Errorf("it ends with no error on one line: %s", last)
	}
	return entry.Msg
}

// TestValidateWritesNothing: neither a store nor a secret is made, and one that
// is there stays as it is.
func TestValidateWritesNothing(t *testing.T) {
	t.Parallel()
	t.Run("no store", func(t *testing.T) {
		h := newHome(t)
		h.configure("store sqlite:" + h.dir + "/deep/sallyport.db")
		h.validates()
	})
	t.Run("store in Caddy's data folder", func(t *testing.T) { newHome(t, "node sh-1").validates() })
	t.Run("a store", func(t *testing.T) {
		h := newHome(t)
		h.store("sqlite:" + h.dir + "/sallyport.db")
		h.configure("store sqlite:"+h.dir+"/sallyport.db", "secret "+secret)
		h.validates()
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := newDatabase(t)
		newHome(t, "store "+dsn, "secret "+secret).validates()
		var tables int
		err := database(t, dsn).QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables)
		if err != nil || tables != 0 {
			t.Errorf("%d tables were made, %v", tables, err)
		}
	})
}

// validates runs "caddy validate" and compares the home before and after.
func (h home) validates() {
	h.t.Helper()
	before := h.tree()
	if r := h.caddy("validate"); r.status != 0 {
		h.t.Fatalf("exit status %d: %s", r.status, r.errors)
	}
	after := h.tree()
	for path, was := range before {
		if after[path] != was {
			h.t.Errorf("%s: %q, and was %q", path, after[path], was)
		}
	}
	for path := range after {
		if _, known := before[path]; !known {
			h.t.Errorf("%s was made", path)
		}
	}
}

// tree describes every file below the home.
func (h home) tree() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime())
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[path] += fmt.Sprintf(" %x", sha256.Sum256(text))
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func TestAdapt(t *testing.T) {
	t.Parallel()
	h := newHome(t, "node sh-1", "retention 30d")
	r := h.caddy("adapt")
	var config struct {
		Apps struct {
			Sallyport struct {
				Node      string
				Retention int64
			}
		}
	}
	if err := json.Unmarshal([]byte(r.out), &config); err != nil || r.status != 0 {
		t.Fatalf("exit status %d, %v: %s", r.status, err, r.errors)
	}
	if got := config.Apps.Sallyport; got.Node != "sh-1" || got.Retention != int64(30*24*60*60)*1e9 {
		t.Errorf("got %+v, want the node sh-1 and 30 days", got)
	}
}
