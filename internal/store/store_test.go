package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// testSecret opens the stores of tests.
var testSecret = []byte("0123456789abcdef0123456789abcdef")

// epoch is when the tests take place.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newDSN names an empty store for each engine; it is gone after the test.
var newDSN = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "gate", "sallyport.db") },
	"postgres": newDatabase,
}

// newDatabase makes a database on the server of SALLYPORT_TEST_POSTGRES.
func newDatabase(t testing.TB) string {
	t.Helper()
	server := os.Getenv("SALLYPORT_TEST_POSTGRES")
	if server == "" {
		const missing = "SALLYPORT_TEST_POSTGRES is not set: it names a PostgreSQL server and a user who may make databases, as in postgres://postgres@127.0.0.1:5432/postgres"
		if strings.Contains(os.Getenv("SALLYPORT_REQUIRE"), "postgres") || os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	cfg, err := pgx.ParseConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*cfg)
	name := "sallyport_test_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), `CREATE DATABASE `+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	return databaseOf(t, name)
}

// databaseOf names a database on the server of SALLYPORT_TEST_POSTGRES.
func databaseOf(t testing.TB, name string) string {
	t.Helper()
	u, err := url.Parse(os.Getenv("SALLYPORT_TEST_POSTGRES"))
	if err != nil {
		t.Fatal("SALLYPORT_TEST_POSTGRES is not a URL")
	}
	u.Path = "/" + name
	return u.String()
}

// each runs a test on a fresh store of both engines, at the same time: it waits
// for disks most of its time.
func each(t *testing.T, test func(t *testing.T, s *Store)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, openNew(t, newDSN[engine](t)))
		})
	}
}

// openNew opens a store whose clock stands at epoch.
func openNew(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, Options{Secret: testSecret, Migrate: true, Now: func() time.Time { return epoch }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// raw runs a statement past the store, as somebody with access to the tables
// could.
func raw(t *testing.T, s *Store, query string, args ...any) {
	t.Helper()
	res, err := s.writer.ExecContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := res.RowsAffected(); n == 0 {
		t.Fatalf("%s: touched no row", query)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares values with all that they point to.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// record is what a test adds to the change log.
func record(action string) gate.Record {
	return gate.Record{
		Actor:  gate.Actor{Kind: gate.ActorAdmin, Admin: "ADMIN", Login: "li.na", Address: netip.MustParseAddr("192.0.2.1")},
		Action: action, At: epoch, Detail: map[string]string{"note": action},
	}
}

// at is a record of another time.
func at(rec gate.Record, after time.Duration) gate.Record {
	rec.At = epoch.Add(after)
	return rec
}

func addTenant(t testing.TB, s *Store, id string) gate.Tenant {
	t.Helper()
	n := gate.Tenant{
		ID: id, Slug: strings.ToLower(id), Name: "Company " + id, Hosts: []string{"b." + strings.ToLower(id) + ".test", "a." + strings.ToLower(id) + ".test"},
		Mode: gate.ModeEnforced, Version: 1, Revision: 1, Epoch: 1, Created: epoch,
	}
	must(t, s.AddTenant(t.Context(), record("tenant.add"), n))
	return n
}

func addAdmin(t testing.TB, s *Store, tenant, id string) gate.Admin {
	t.Helper()
	a := gate.Admin{
		ID: id, Tenant: tenant, Login: id + "@example.test", Name: "Name of " + id, Role: gate.RoleOwner, Epoch: 3, Revision: 1,
		Password: "$argon2id$" + id, MustChange: true, TOTP: "TOTP" + id, TOTPStep: 100, Created: epoch,
	}
	must(t, s.AddAdmin(t.Context(), record("admin.add"), a))
	return a
}

func signIn(t testing.TB, s *Store, admin gate.Admin, id string, started time.Time) gate.Session {
	t.Helper()
	n := gate.Session{
		ID: id, Tenant: admin.Tenant, Admin: admin.ID, Login: admin.Login,
		Started: started, LastSeen: started, Expires: started.Add(12 * time.Hour),
		Address: netip.MustParseAddr("198.51.100.7"), LastAddress: netip.MustParseAddr("198.51.100.7"), UserAgent: "Browser/1",
	}
	a := attempt("SIGNIN-"+id, admin.Tenant, started)
	a.Stage, a.Outcome, a.Reason, a.Admin, a.Login, a.Session = gate.StageSignIn, gate.Allowed, gate.ByNetwork, admin.ID, admin.Login, id
	must(t, s.SignIn(t.Context(), n, a))
	return n
}

func network(id, span string, created time.Duration) gate.Network {
	return gate.Network{
		ID: id, Range: cidr.MustParse(span), Label: "Label " + id, Note: "a note", Owner: "IT", Enabled: true,
		NotBefore: epoch.Add(-time.Hour), Expires: epoch.Add(time.Hour), Roles: []gate.Role{gate.RoleOwner}, Admins: []string{"A1", "A2"},
		Created: epoch.Add(created), CreatedBy: "li.na",
	}
}

func attempt(reference, tenant string, at time.Time) gate.Attempt {
	return gate.Attempt{
		Reference: reference, Tenant: tenant, Host: "a.example.test",
		Address: netip.MustParseAddr("198.51.100.7"), Bits: 32, Peer: netip.MustParseAddr("10.0.0.1"),
		Hops:  []gate.Hop{{Text: "10.0.0.1", Address: "10.0.0.1", Source: "peer", Trusted: true}, {Text: "198.51.100.7", Address: "198.51.100.7", Source: "X-Forwarded-For", Chosen: true}},
		Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks,
		Method: "GET", Path: "/reports", UserAgent: "curl/8", ListVersion: 4, Count: 1, FirstTime: at, LastTime: at, Node: "sh-1", Boot: "BOOT",
	}
}

// Both drivers must take $2 for the second argument, wherever it stands: every
// statement of this package relies on it.
func TestParametersAreNumbered(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for _, tt := range []struct{ query, want string }{
			{`SELECT CAST($2 AS TEXT), CAST($1 AS TEXT)`, "second first"},
			{`SELECT CAST($1 AS TEXT), CAST($2 AS TEXT)`, "first second"},
		} {
			var a, b string
			must(t, s.writer.QueryRowContext(t.Context(), tt.query, "first", "second").Scan(&a, &b))
			if got := a + " " + b; got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.query, got, tt.want)
			}
		}
		var a, b, c string
		must(t, s.writer.QueryRowContext(t.Context(), `SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)`, "x", "y").Scan(&a, &b, &c))
		equal(t, "a parameter used twice", a+b+c, "yxy")
	})
}

// SQLite knows no BYTEA, so the column has numeric affinity: bytes that look
// like numbers must stay bytes, and compare as bytes.
func TestBytesStayBytes(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for _, b := range [][]byte{[]byte("1234"), []byte("1e10"), {0, 0, 0, 0}, {0xff, 0xfe, 0xfd, 0xfc}, []byte(" 12 ")} {
			raw(t, s, `INSERT INTO throttle (key, count, locked, ends) VALUES ($1, 1, FALSE, 0)`, b)
			var got []byte
			var length, larger int
			must(t, s.reader.QueryRowContext(t.Context(), `SELECT key, LENGTH(key), (SELECT COUNT(*) FROM throttle WHERE key > $2) FROM throttle WHERE key = $1`,
				b, []byte("\xff\xff")).Scan(&got, &length, &larger))
			equal(t, "bytes", got, b)
			equal(t, "length", length, 4)
			equal(t, "rows above all", larger, 0)
		}
	})
}

func TestReadersCannotWrite(t *testing.T) {
	s := openNew(t, newDSN["sqlite"](t))
	_, err := s.reader.ExecContext(t.Context(), `UPDATE installation SET epoch = 9`)
	if err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("a reader wrote: %v", err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var got string
		must(t, s.writer.QueryRowContext(t.Context(), `PRAGMA `+pragma).Scan(&got))
		equal(t, pragma, got, want)
	}
}

func TestPostgresTimeouts(t *testing.T) {
	s := openNew(t, newDSN["postgres"](t))
	for name, want := range postgresSettings {
		var got string
		must(t, s.writer.QueryRowContext(t.Context(), `SELECT current_setting($1)`, name).Scan(&got))
		equal(t, name, got, want)
	}
}

// Visitors choose what stands in paths, names and headers.
func TestTextThatCannotBeStored(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		a := attempt("SP-1", "T", epoch)
		a.Path, a.UserAgent, a.Host = "/a\x00b", "x\xff\xfe", "\xc3\x28"
		a.Hops[0].Text = "\x00\xff"
		must(t, s.PutAttempts(t.Context(), gate.Ledger{Boot: "BOOT"}, []gate.Attempt{a}))
		got, err := s.Attempt(t.Context(), "", "SP-1")
		must(t, err)
		equal(t, "path", got.Path, "/a\uFFFDb")
		equal(t, "user agent", got.UserAgent, "x\uFFFD")
		equal(t, "host", got.Host, "\uFFFD(")
		if _, err := s.AdminByLogin(t.Context(), "T", "a\x00\xff"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("a login with a NUL byte: got %v, want %v", err, gate.ErrNotFound)
		}
		if _, err := s.Session(t.Context(), "\xff"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("an id of broken UTF-8: got %v, want %v", err, gate.ErrNotFound)
		}
	})
}

// A transaction that lost a race runs again, and ends with the context.
func TestLostRaceRunsAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		lost := s.lostRace
		defer func() { s.lostRace = lost }()
		s.lostRace = func(err error) bool { return errors.Is(err, sql.ErrTxDone) }
		runs := 0
		must(t, s.write(t.Context(), func(tx querier) error {
			if runs++; runs < 3 {
				return sql.ErrTxDone
			}
			return nil
		}))
		equal(t, "runs", runs, 3)

		ctx, cancel := context.WithCancel(t.Context())
		err := s.write(ctx, func(tx querier) error { cancel(); return sql.ErrTxDone })
		if !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("after the context: got %v, want %v", err, sql.ErrTxDone)
		}
	})
}

// Two transactions that wait for each other: the server ends one, which runs
// again.
func TestDeadlockRunsAgain(t *testing.T) {
	s := openNew(t, newDSN["postgres"](t))
	addTenant(t, s, "T0")
	addTenant(t, s, "T1")
	var locked, done sync.WaitGroup
	locked.Add(2)
	var runs atomic.Int32
	for i := range 2 {
		done.Go(func() {
			first := true
			err := s.write(t.Context(), func(tx querier) error {
				runs.Add(1)
				for step := range 2 {
					id := fmt.Sprint("T", (i+step)%2)
					if _, err := tx.exec(t.Context(), `UPDATE tenants SET epoch = epoch + 1 WHERE id = $1`, id); err != nil {
						return err
					}
					if first && step == 0 {
						first = false
						locked.Done()
						locked.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := runs.Load(); n < 3 { // a third may meet again
		t.Errorf("runs of two transactions: got %d, want one more at least", n)
	}
	list, err := s.Tenants(t.Context())
	must(t, err)
	for _, n := range list {
		equal(t, "epoch of "+n.ID, n.Epoch, int64(3))
	}
}
