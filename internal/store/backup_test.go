package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-gate/sallyport/internal/backup"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// rowsOf is a sink that keeps rows as texts, by table.
type rowsOf struct {
	table string
	rows  map[string][]string
}

func (r *rowsOf) Table(t backup.Table) error {
	r.table, r.rows[t.Name] = t.Name, nil
	return nil
}

func (r *rowsOf) Row(values []any) error {
	r.rows[r.table] = append(r.rows[r.table], fmt.Sprintf("%#v", values))
	return nil
}

// everything reads all tables of a store, also those that no backup has.
func everything(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	sc, err := schemaAt(t.Context(), newestSchema)
	must(t, err)
	to := &rowsOf{rows: map[string][]string{}}
	must(t, s.view(t.Context(), func(tx querier) error { return dump(t.Context(), tx, sc.tables, to) }))
	for _, rows := range to.rows {
		slices.Sort(rows)
	}
	return to.rows
}

func backUp(t testing.TB, dsn string, opts BackupOptions) (file string, saved *Saved) {
	t.Helper()
	var out bytes.Buffer
	if opts.Secret == nil {
		opts.Secret = testSecret
	}
	saved, err := Backup(t.Context(), dsn, opts, &out)
	must(t, err)
	return save(t, out.Bytes()), saved
}

func save(t testing.TB, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.backup")
	must(t, os.WriteFile(file, content, 0o600))
	return file
}

var restoredBy = gate.Actor{Kind: gate.ActorCommand, Login: "root"}

func restoring(opts RestoreOptions) RestoreOptions {
	opts.Actor = restoredBy
	if opts.Secret == nil {
		opts.Secret = testSecret
	}
	if opts.Now == nil {
		opts.Now = func() time.Time { return epoch.Add(48 * time.Hour) }
	}
	return opts
}

func restore(t testing.TB, dsn, file string, opts RestoreOptions) *Restored {
	t.Helper()
	done, err := Restore(t.Context(), dsn, file, restoring(opts))
	must(t, err)
	return done
}

// fillStore puts a little of much into a store, with values that engines keep
// differently.
func fillStore(t testing.TB, s *Store) {
	t.Helper()
	addTenant(t, s, "ACME")
	addTenant(t, s, "GLOBEX")
	_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced, Networks: []gate.Network{network("N1", "203.0.113.0/24", 0)}})
	must(t, err)
	a := addAdmin(t, s, "ACME", "A1")
	signIn(t, s, a, "SESSION", epoch)
	manyAttempts(t, s, 200)
	_, err = s.writer.ExecContext(t.Context(), `UPDATE attempt_hours SET pack = $1`, []byte{}) // not the same as NULL
	must(t, err)
	_, err = s.Reserve(t.Context(), [][]byte{[]byte("key")}, gate.Throttle{Attempts: 5, Within: time.Hour, Lock: time.Hour}, epoch)
	must(t, err)
	_, err = s.PutNode(t.Context(), gate.Node{Name: "sh-1", Boot: "BOOT", Seen: epoch, Started: epoch})
	must(t, err)
}

// TestTablesInBackups: every table is in a backup, but those that are known to
// mean nothing afterwards.
func TestTablesInBackups(t *testing.T) {
	sc, err := schemaAt(t.Context(), newestSchema)
	must(t, err)
	all := map[string]bool{}
	for _, table := range sc.tables {
		all[table.Name] = true
	}
	for _, name := range append(slices.Collect(maps.Keys(leftOut)), withAttempts...) {
		if !all[name] {
			t.Errorf("%s is left out, and there is no such table", name)
		}
		delete(all, name)
	}
	in := map[string]bool{}
	for _, table := range inBackup(sc, withAttempts) {
		in[table.Name] = true
	}
	equal(t, "tables in a backup without attempts", in, all)
	equal(t, "tables that no backup has", slices.Sorted(maps.Keys(leftOut)), []string{"chores", "nodes"})
	each(t, func(t *testing.T, s *Store) {
		var known int64
		query := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
		if s.clock != "" {
			query = `SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()`
		}
		must(t, s.read().row(t.Context(), query).Scan(&known))
		equal(t, "tables that there are, with that of the version", known, int64(len(sc.tables)+1))
	})
}

// TestRestoreAcross: from each engine into each.
func TestRestoreAcross(t *testing.T) {
	for _, from := range []string{"sqlite", "postgres"} {
		for _, to := range []string{"sqlite", "postgres"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source := newDSN[from](t)
				s := openNew(t, source)
				fillStore(t, s)
				before := everything(t, s)
				file, saved := backUp(t, source, BackupOptions{})
				equal(t, "attempts", saved.Counts["attempts"], int64(len(before["attempts"])))

				target := newDSN[to](t)
				done := restore(t, target, file, RestoreOptions{Moving: true})
				equal(t, "counts", done.Counts, saved.Counts)
				restored := openNew(t, target)
				after := everything(t, restored)
				for name, want := range before {
					switch name {
					case "installation", "change_log", "change_counter", "sessions", "ledger", "nodes":
					default:
						if !slices.Equal(after[name], want) {
							t.Errorf("%s: got %d rows, want the %d that were there", name, len(after[name]), len(want))
						}
					}
				}
				equal(t, "nodes", len(after["nodes"]), 0)
				var packed int64
				must(t, restored.read().row(t.Context(), `SELECT COUNT(*) FROM attempt_hours WHERE pack IS NOT NULL`).Scan(&packed))
				equal(t, "values that are empty, and not NULL", packed, saved.Counts["attempt_hours"])
				equal(t, "changes", len(after["change_log"]), len(before["change_log"])+1)
				if !slices.Equal(slices.DeleteFunc(after["change_log"], func(row string) bool { return strings.Contains(row, "store.restore") }), before["change_log"]) {
					t.Error("the change log is another")
				}
				chain, err := restored.VerifyChanges(t.Context())
				must(t, err)
				equal(t, "changes verified", chain.Held, int64(len(before["change_log"])+1))
			})
		}
	}
}

// TestRestoreRenews: what may have been used since the backup is void, what ran
// is over, and the epoch is one that never was.
func TestRestoreRenews(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		fillStore(t, s)
		until := micro(epoch.Add(72 * time.Hour))
		raw(t, s, `UPDATE admins SET invitation = $1, invited_until = $2`, []byte("invitation"), until)
		raw(t, s, `INSERT INTO recovery_codes (admin, hash) VALUES ('A1', $1)`, []byte("code"))
		raw(t, s, `INSERT INTO emergencies (id, tenant, address, ends, reason, made, made_by, ended) VALUES ('E', 'ACME', $1, $2, '', 0, '', 0)`, []byte{192, 0, 2, 9}, until)
		raw(t, s, `UPDATE sessions SET expires = $1`, until)
		raw(t, s, `UPDATE ledger SET seen = seen + 5`)
		must(t, s.OpenDelivery(t.Context(), gate.Delivery{Name: "siem", Kind: "webhook"}, epoch))
		must(t, s.TakeDelivery(t.Context(), "siem", gate.Beat{}, "HOLDER", "sh-1", epoch))
		dsn := dsnOf(t, s)
		file, _ := backUp(t, dsn, BackupOptions{})

		now := epoch.Add(48 * time.Hour)
		later := micro(now) + 1000 // the clock of who raised it last was ahead
		for _, tt := range []struct {
			name   string
			moving bool
			old    int64 // epoch of what is replaced
			want   int64
			void   Void
		}{
			{"replacing an epoch of before", false, 3, micro(now) + 1, Void{1, 1, 1}},
			{"replacing one of later", false, later, later + 1, Void{1, 1, 1}},
			{"moving", true, 3, micro(now) + 1, Void{}},
		} {
			raw(t, s, `UPDATE installation SET epoch = $1`, tt.old)
			done := restore(t, dsn, file, RestoreOptions{Replace: true, Moving: tt.moving})
			equal(t, tt.name+": void", done.Void, tt.void)
			g, err := s.LoadGlobal(t.Context())
			must(t, err)
			equal(t, tt.name+": epoch", g.Epoch, tt.want)
			n, err := s.Session(t.Context(), "SESSION")
			must(t, err)
			equal(t, tt.name+": end of the session", n.Ended, now)
			a, err := s.AdminByLogin(t.Context(), "ACME", "a1@example.test")
			must(t, err)
			equal(t, tt.name+": invited", a.Invitation != nil, tt.moving)
			equal(t, tt.name+": last time step", a.TOTPStep > 100, !tt.moving)
			beat, err := s.LastBeat(t.Context(), "siem")
			must(t, err)
			equal(t, tt.name+": who delivers", beat.Holder, "")
			ledgers, err := s.Ledgers(t.Context())
			must(t, err)
			for _, l := range ledgers {
				if !l.Finished || l.Seen != l.Stored+l.Lost {
					t.Errorf("%s: the account is not closed: %+v", tt.name, l)
				}
			}
			changes, err := s.Changes(t.Context(), gate.ChangeFilter{Limit: 1})
			must(t, err)
			if c := changes[0]; c.Action != "store.restore" || c.Actor != restoredBy.Name() || !strings.Contains(string(c.Detail), `"replaced"`) || !strings.Contains(string(c.Detail), "x.backup") {
				t.Errorf("%s: the change log says %+v %s", tt.name, c, c.Detail)
			}
		}
	})
}

// dsnOf finds out where a store of a test is.
func dsnOf(t testing.TB, s *Store) string {
	t.Helper()
	var name string
	if s.clock == "" {
		must(t, s.read().row(t.Context(), `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&name))
		return "sqlite:" + name
	}
	must(t, s.read().row(t.Context(), `SELECT current_database()`).Scan(&name))
	return databaseOf(t, name)
}

// TestRestoreRefuses: nothing is touched then, and what is wrong is said.
func TestRestoreRefuses(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		fillStore(t, s)
		dsn := dsnOf(t, s)
		file, _ := backUp(t, dsn, BackupOptions{})
		good, err := os.ReadFile(file)
		must(t, err)
		before := everything(t, s)
		for _, tt := range []struct {
			name    string
			content []byte
			opts    RestoreOptions
			want    string
		}{
			{"no backup", []byte("hello\n"), RestoreOptions{Replace: true}, "it is no backup of Sallyport"},
			{"newer format", bytes.Replace(good, []byte(`backup":1`), []byte(`backup":9`), 1), RestoreOptions{Replace: true}, "a newer Sallyport made it"},
			{"cut off", good[:len(good)-100], RestoreOptions{Replace: true}, "it is cut off"},
			{"damaged", append(bytes.Clone(good[:300]), good[301:]...), RestoreOptions{Replace: true}, "it is damaged or was altered"},
			{"newer tables", rewritten(t, good, testSecret, func(h *backup.Header) { h.Schema = newestSchema + 1 }, nil), RestoreOptions{Replace: true}, "restore it with that one"},
			{"tables of no version", rewritten(t, good, testSecret, func(h *backup.Header) { h.Schema = 0 }, nil), RestoreOptions{Replace: true}, "it is damaged"},
			{"a table is missing", rewritten(t, good, testSecret, nil, func(name string, _ []any) bool { return name != "hosts" }), RestoreOptions{Replace: true}, `the table "hosts" is missing`},
			{"another secret", good, RestoreOptions{Replace: true, Secret: []byte("another secret that is long enough")}, "it was made with another secret"},
			{"altered on purpose", rewritten(t, good, []byte("a secret that somebody made up by himself"), nil, nil), RestoreOptions{Replace: true}, "altered by somebody who does not have the secret"},
			{"a change is missing", rewritten(t, good, testSecret, nil, func(name string, row []any) bool { return name != "change_log" || row == nil || row[1] != int64(2) }), RestoreOptions{Replace: true}, "the change log in the backup does not verify"},
			{"not empty", good, RestoreOptions{}, "it is not empty: say --replace"},
		} {
			_, err := Restore(t.Context(), dsn, save(t, tt.content), restoring(tt.opts))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
			}
		}
		now := epoch
		if s.clock != "" {
			now = time.Now()
		}
		raw(t, s, `UPDATE nodes SET seen = $1`, micro(now.Add(-5*time.Second)))
		_, err = Restore(t.Context(), dsn, file, restoring(RestoreOptions{Replace: true, Now: func() time.Time { return epoch }}))
		if err == nil || !strings.Contains(err.Error(), "gateways run on it (sh-1): stop them first") {
			t.Errorf("in use: got %v", err)
		}
		raw(t, s, `UPDATE nodes SET seen = $1`, micro(epoch))
		if s.clock != "" {
			holder, err := s.writer.BeginTx(t.Context(), nil)
			must(t, err)
			_, err = holder.ExecContext(t.Context(), `LOCK TABLE attempts IN SHARE MODE`)
			must(t, err)
			impatient, err := url.Parse(dsn)
			must(t, err)
			query := impatient.Query()
			query.Set("lock_timeout", "100")
			impatient.RawQuery = query.Encode()
			_, err = Restore(t.Context(), impatient.String(), file, restoring(RestoreOptions{Replace: true}))
			if err == nil || !strings.Contains(err.Error(), "another program holds it") {
				t.Errorf("while somebody holds a table: got %v", err)
			}
			must(t, holder.Rollback())
		}
		if after := everything(t, s); !maps.EqualFunc(after, before, slices.Equal) {
			t.Error("a refused restore has changed the store")
		}
		if _, err := Restore(t.Context(), dsn, filepath.Join(t.TempDir(), "none"), restoring(RestoreOptions{})); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no file: got %v, want %v", err, os.ErrNotExist)
		}
		_, err = Restore(t.Context(), dsn, t.TempDir(), restoring(RestoreOptions{}))
		if err == nil || !strings.Contains(err.Error(), "save it in a file first") {
			t.Errorf("a folder: got %v", err)
		}
	})
}

// rewritten is a backup with another header, or without some tables and rows (a
// row of nil is the table), as whoever has a secret could write it.
func rewritten(t *testing.T, file, secret []byte, change func(*backup.Header), keep func(table string, row []any) bool) []byte {
	t.Helper()
	f, err := backup.Open(bytes.NewReader(file), int64(len(file)))
	must(t, err)
	if change != nil {
		change(&f.Header)
	}
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, f.Header)
	must(t, err)
	_, err = f.Read(&filtered{Writer: w, keep: keep})
	must(t, err)
	sealer, err := newSealer("sqlite:x", secret)
	must(t, err)
	_, err = w.Close(func(sum []byte) []byte { return sealer.MAC(macPurpose, string(sum)) })
	must(t, err)
	return out.Bytes()
}

type filtered struct {
	*backup.Writer
	keep  func(string, []any) bool
	table string
}

func (f *filtered) Table(t backup.Table) error {
	f.table = t.Name
	if f.keep != nil && !f.keep(t.Name, nil) {
		return nil
	}
	return f.Writer.Table(t)
}

func (f *filtered) Row(row []any) error {
	if f.keep != nil && (!f.keep(f.table, nil) || !f.keep(f.table, row)) {
		return nil
	}
	return f.Writer.Row(row)
}

// TestRestoreOlder: a backup of older tables is migrated, and a table that came
// with a migration is in backups by itself.
func TestRestoreOlder(t *testing.T) { // not parallel: it changes what all tests use
	for engine, dsn := range newDSN {
		t.Run(engine, func(t *testing.T) { restoreOlder(t, dsn(t)) })
	}
}

// restoreOlder makes a backup of the tables of now, and restores it with those
// of later.
func restoreOlder(t *testing.T, dsn string) {
	fillStore(t, openNew(t, dsn))
	file, _ := backUp(t, dsn, BackupOptions{})
	older, now := migrations, newestSchema
	defer func() { migrations, newestSchema = older, now }()
	first, err := embedded.ReadFile("migrations/00001_store.sql")
	must(t, err)
	migrations = fstest.MapFS{
		"migrations/00001_store.sql": {Data: first},
		"migrations/00002_later.sql": {Data: []byte("-- +goose Up\nALTER TABLE tenants ADD COLUMN color TEXT NOT NULL DEFAULT 'blue';\nCREATE TABLE later (id BIGINT PRIMARY KEY, note TEXT);\nINSERT INTO later (id, note) VALUES (1, 'kept');\n")},
	}
	newestSchema = 2

	_, err = Restore(t.Context(), dsn, file, restoring(RestoreOptions{Replace: true}))
	if err == nil || !strings.Contains(err.Error(), "run 'caddy sallyport migrate' first") {
		t.Errorf("into older tables: got %v", err)
	}
	saved, err := Backup(t.Context(), dsn, BackupOptions{Secret: testSecret}, &bytes.Buffer{})
	must(t, err)
	equal(t, "tables of a backup before migrating", saved.Schema, int64(1))

	target := "sqlite:" + filepath.Join(t.TempDir(), "target.db")
	if isPostgres(dsn) {
		target = newDatabase(t)
	}
	restore(t, target, file, RestoreOptions{})
	s := openNew(t, target)
	var color, note string
	must(t, s.read().row(t.Context(), `SELECT MIN(color), (SELECT note FROM later) FROM tenants`).Scan(&color, &note))
	equal(t, "what the migration made", color+" "+note, "blue kept")
	_, saved = backUp(t, target, BackupOptions{})
	equal(t, "rows of a table that is new", saved.Counts["later"], int64(1))
	if path, ok := sqlitePath(target); ok {
		for _, name := range list(t, filepath.Dir(path)) {
			if strings.Contains(name, "restore") {
				t.Errorf("%s was left behind", name)
			}
		}
	}
}

// TestBackupWhileWriting: what is saved is one moment, and nobody waits for it.
func TestBackupWhileWriting(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		fillStore(t, s)
		dsn := dsnOf(t, s)
		ctx, stop := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		var wrote atomic.Int64
		writer.Go(func() {
			boot := gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}
			for i := 0; ctx.Err() == nil; i++ {
				n := gate.Tenant{ID: "ACME", Slug: "acme", Name: fmt.Sprint("Name ", i), Hosts: []string{"acme.test"}, Mode: gate.ModeEnforced}
				if s.SetTenant(ctx, record("tenant.set"), n) == nil && s.PutAttempts(ctx, boot, []gate.Attempt{attempt(gate.NewID(), "ACME", epoch)}) == nil {
					wrote.Add(1)
				}
			}
		})
		begun := false
		file, saved := backUp(t, dsn, BackupOptions{Progress: func(rows int64) {
			if !begun { // somebody writes while it goes on
				begun = true
				n := wrote.Load()
				for began := time.Now(); wrote.Load() < n+2 && time.Since(began) < 10*time.Second; {
					time.Sleep(time.Millisecond)
				}
				if wrote.Load() < n+2 {
					t.Error("writers wait for the backup")
				}
			}
		}})
		stop()
		writer.Wait()
		target := openNew(t, newDSN["sqlite"](t))
		done := restore(t, dsnOf(t, target), file, RestoreOptions{})
		equal(t, "counts", done.Counts, saved.Counts)
	})
}

// TestBackupWithoutAttempts leaves out the records and their account.
func TestBackupWithoutAttempts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		fillStore(t, s)
		dsn := dsnOf(t, s)
		file, saved := backUp(t, dsn, BackupOptions{WithoutAttempts: true})
		if _, ok := saved.Counts["attempts"]; ok {
			t.Error("the attempts are there")
		}
		restore(t, dsn, file, RestoreOptions{Replace: true})
		after := everything(t, s)
		equal(t, "attempts, hours and accounts", len(after["attempts"])+len(after["attempt_hours"])+len(after["ledger"]), 0)
		equal(t, "tenants", len(after["tenants"]), 2)
	})
}
