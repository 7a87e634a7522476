package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"modernc.org/sqlite"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("this is no database ", 100)), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for _, tt := range []struct{ name, dsn, want string }{
		{"memory", "sqlite::memory:", "would forget everybody"},
		{"no path", "sqlite:", "would forget everybody"},
		{"options", "sqlite:/a.db?mode=memory", "options after ?"},
		{"another engine", "mysql://root@host/db", "a store is written sqlite:"},
		{"empty", "", "a store is written sqlite:"},
		{"no database", "sqlite:" + dir + "/text.db", "the file is something else"},
		{"folder is a file", "sqlite:" + dir + "/file/x.db", "name a file that this user may write"},
		{"is a folder", "sqlite:" + dir, "it is a folder: name a file in it"},
		{"nobody there", "postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=2", "check that the server runs there"},
		{"bad port", "postgres://u:hunter2@127.0.0.1:99999999/db", "the address cannot be read"},
		{"bad escape", "postgres://u:hunter2%zz@127.0.0.1/db", "the address cannot be read"},
		{"bad option", "postgres://u@127.0.0.1/db?sslmode=no&password=hunter2", "the address cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.dsn, Options{Secret: testSecret, Migrate: true})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q and no password", err, tt.want)
			}
			if _, err := Open(t.Context(), tt.dsn, Options{}); strings.Contains(tt.want, "is written") && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("without a secret: got %v, want %q first", err, tt.want)
			}
			err = Check(t.Context(), tt.dsn, testSecret)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Check: got %v, want %q and no password", err, tt.want)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	for dsn, want := range map[string]string{
		"sqlite:/var/lib/x.db":                           "sqlite:/var/lib/x.db",
		"postgres://u:p%40ss@db.test:5432/gate":          "postgres://u@db.test:5432/gate",
		"postgresql://db/gate?password=p&sslmode=verify": "postgresql://db/gate?sslmode=verify",
		"postgres://u:p%zz@db/gate":                      "postgres://…",
	} {
		if got := Redact(dsn); got != want {
			t.Errorf("Redact(%q) = %q, want %q", dsn, got, want)
		}
	}
}

func TestWrongSecret(t *testing.T) {
	for engine, dsn := range newDSN {
		t.Run(engine, func(t *testing.T) {
			dsn := dsn(t)
			openNew(t, dsn)
			other := []byte("another secret that is long enough")
			_, err := Open(t.Context(), dsn, Options{Secret: other, Migrate: true})
			for what, err := range map[string]error{"Open": err, "Check": Check(t.Context(), dsn, other)} {
				if err == nil || !strings.Contains(err.Error(), "not the one this store was made with") {
					t.Errorf("%s: got %v, want an error about the secret", what, err)
				}
			}
			_, err = Open(t.Context(), dsn, Options{Migrate: true})
			for what, err := range map[string]error{"Open": err, "Check": Check(t.Context(), dsn, nil)} {
				if err == nil || !strings.Contains(err.Error(), "secret") {
					t.Errorf("%s without a secret: got %v, want an error about the secret", what, err)
				}
			}
			if _, err := Open(t.Context(), dsn, Options{Secret: testSecret[:31]}); err == nil {
				t.Error("a short secret was taken")
			}
			must(t, Check(t.Context(), dsn, testSecret))
		})
	}
}

func TestSchemas(t *testing.T) {
	for engine, dsn := range newDSN {
		t.Run(engine, func(t *testing.T) {
			dsn := dsn(t)
			_, err := Open(t.Context(), dsn, Options{Secret: testSecret})
			if !errors.Is(err, ErrNeedsMigration) {
				t.Fatalf("empty: got %v, want %v", err, ErrNeedsMigration)
			}
			if path, ok := sqlitePath(dsn); ok && len(list(t, filepath.Dir(path))) != 0 {
				t.Error("a store was made where none may be: the path could be misspelled")
			}
			must(t, Check(t.Context(), dsn, testSecret))
			s := openNew(t, dsn)
			again, err := Open(t.Context(), dsn, Options{Secret: testSecret})
			must(t, err)
			must(t, again.Close())
			equal(t, "newest migration", newestSchema, int64(lastMigration(t)))

			raw(t, s, `INSERT INTO schema_version (version, applied) VALUES ($1, 0)`, newestSchema+1)
			_, err = Open(t.Context(), dsn, Options{Secret: testSecret, Migrate: true})
			for what, err := range map[string]error{"Open": err, "Check": Check(t.Context(), dsn, testSecret)} {
				if err == nil || !strings.Contains(err.Error(), "a newer Sallyport made them") {
					t.Errorf("%s of a newer store: got %v", what, err)
				}
			}
		})
	}
}

func lastMigration(t *testing.T) int {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	must(t, err)
	return len(files)
}

// A database that is somebody else's is not taken over.
func TestForeignDatabase(t *testing.T) {
	dsn := newDSN["sqlite"](t)
	s := openNew(t, dsn)
	raw(t, s, `DELETE FROM schema_version`)
	_, err := s.writer.ExecContext(t.Context(), `DROP TABLE schema_version`)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.migrate(ctx, 0); err == nil || !strings.Contains(err.Error(), "must be empty or Sallyport's own") {
		t.Errorf("got %v", err)
	}
}

// Nodes that start at the same time make one store together.
func TestConcurrentFirstStarts(t *testing.T) {
	for engine, dsn := range newDSN {
		t.Run(engine, func(t *testing.T) {
			dsn := dsn(t)
			var wg sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				wg.Go(func() {
					s, err := Open(context.Background(), dsn, Options{Secret: testSecret, Migrate: true})
					if err == nil {
						_, err = s.LoadPolicy(context.Background())
						s.Close()
					}
					errs[i] = err
				})
			}
			wg.Wait()
			must(t, errors.Join(errs...))
			s := openNew(t, dsn)
			var rows int
			must(t, s.read().row(t.Context(), `SELECT COUNT(*) FROM installation`).Scan(&rows))
			equal(t, "installations", rows, 1)
		})
	}
}

// Of two nodes with different secrets, the first to open the store decides.
func TestConcurrentSecrets(t *testing.T) {
	for engine, dsn := range newDSN {
		t.Run(engine, func(t *testing.T) {
			dsn := dsn(t)
			var wg sync.WaitGroup
			errs := make([]error, 6)
			for i := range errs {
				wg.Go(func() {
					secret := slices.Clone(testSecret)
					secret[0] = byte('a' + i)
					s, err := Open(context.Background(), dsn, Options{Secret: secret, Migrate: true})
					if err == nil {
						s.Close()
					}
					errs[i] = err
				})
			}
			wg.Wait()
			errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
			if len(errs) != 5 {
				t.Errorf("%d of 6 were refused, want 5", len(errs))
			}
			for _, err := range errs {
				if !strings.Contains(err.Error(), "not the one this store was made with") {
					t.Error(err)
				}
			}
		})
	}
}

func TestSQLiteFiles(t *testing.T) {
	dsn := newDSN["sqlite"](t)
	path, _ := sqlitePath(dsn)
	s := openNew(t, dsn)
	addTenant(t, s, "ACME")
	for name, want := range map[string]fs.FileMode{filepath.Dir(path): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		info, err := os.Stat(name)
		must(t, err)
		equal(t, name, info.Mode().Perm(), want)
	}
	if !sqlite.OFDLockingEnabled() {
		t.Log("this system has no locks of open files")
	}
	must(t, s.Close())
	if files := list(t, path); len(files) != 1 {
		t.Errorf("after closing there are %v, want the file only", files)
	}
}

func TestSQLiteRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	openNew(t, "sqlite:some folder/100%#.db")
	if _, err := os.Stat("some folder/100%#.db"); err != nil {
		t.Error(err)
	}
}

// Check is for validating a configuration, which must change nothing.
func TestCheckWritesNothing(t *testing.T) {
	dsn := newDSN["sqlite"](t)
	path, _ := sqlitePath(dsn)
	must(t, Check(t.Context(), dsn, nil))
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the folder was made: %v", err)
	}
	s := openNew(t, dsn)
	addTenant(t, s, "ACME")
	must(t, Check(t.Context(), dsn, testSecret)) // while it is open and has a log
	must(t, s.Close())
	before, err := os.ReadFile(path)
	must(t, err)
	must(t, Check(t.Context(), dsn, testSecret))
	after, err := os.ReadFile(path)
	must(t, err)
	if string(before) != string(after) {
		t.Error("the file was changed")
	}
	if files := list(t, path); len(files) != 1 {
		t.Errorf("there are %v, want the file only", files)
	}
}

func list(t *testing.T, path string) []string {
	files, err := filepath.Glob(path + "*")
	must(t, err)
	return files
}

func TestOlderVersion(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"3.51.2", "3.51.3", true}, {"3.51.3", "3.51.3", false}, {"3.51.10", "3.51.3", false},
		{"3.6", "3.51.3", true}, {"4.0", "3.51.3", false}, {"3.51", "3.51.3", true},
	} {
		if got := olderVersion(tt.a, tt.b); got != tt.want {
			t.Errorf("olderVersion(%s, %s) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestSecretFile(t *testing.T) {
	path, ok := SecretFile("sqlite:/var/lib/x.db")
	equal(t, "SQLite", path, "/var/lib/x.db.secret")
	equal(t, "SQLite has one", ok, true)
	_, ok = SecretFile("postgres://h/d")
	equal(t, "PostgreSQL has one", ok, false)
}

func TestLoadOrCreateSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gate", "x.db.secret")
	var wg sync.WaitGroup
	made := make([]string, 8)
	for i := range made {
		wg.Go(func() {
			secret, err := LoadOrCreateSecret(path)
			if err != nil {
				t.Error(err)
			}
			made[i] = string(secret)
		})
	}
	wg.Wait()
	if made[0] == "" || len(slices.Compact(slices.Clone(made))) != 1 {
		t.Fatalf("several secrets were made: %q", made)
	}
	info, err := os.Stat(path)
	must(t, err)
	equal(t, "mode", info.Mode().Perm(), fs.FileMode(0o600))
	if files := list(t, path); len(files) != 1 {
		t.Errorf("there are %v, want the secret only", files)
	}

	must(t, os.Chmod(path, 0o640))
	if _, err := LoadOrCreateSecret(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a secret that others may read: got %v", err)
	}
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, []byte("short\n"), 0o600))
	if _, err := LoadOrCreateSecret(path); err == nil || !strings.Contains(err.Error(), "needs at least 32") {
		t.Errorf("a short secret: got %v", err)
	}
	must(t, os.Remove(path))
	must(t, os.WriteFile(strings.TrimSuffix(path, ".secret"), []byte("x"), 0o600))
	if _, err := LoadOrCreateSecret(path); err == nil || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("a lost secret: got %v", err)
	}
	if _, err := LoadSecret(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing secret: got %v", err)
	}
}
