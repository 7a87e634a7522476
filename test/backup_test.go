package test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// fat puts enough into a store that to restore it takes a moment.
func fat(t *testing.T, dsn string) {
	t.Helper()
	s, err := store.Open(t.Context(), dsn, store.Options{Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const records = 3000
	now := time.Now().UTC().Truncate(time.Microsecond)
	list := make([]gate.Attempt, records)
	for i := range list {
		a := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		list[i] = gate.Attempt{
			Reference: fmt.Sprintf("SP-FAT%05d", i), Address: a, Bits: 32, Peer: a, Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.UnknownSite,
			UserAgent: strings.Repeat("Mozilla/5.0 ", 1000), Count: 1, FirstTime: now, LastTime: now, Node: "fat", Boot: "FAT",
		}
	}
	boot := gate.Ledger{Node: "fat", Boot: "FAT", Started: now, Seen: records}
	if err := s.PutAttempts(t.Context(), boot, list); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CloseLedger(t.Context(), boot.Boot, records); err != nil {
		t.Fatal(err)
	}
}

// TestBackupWhileServing: backups of a gateway that is at work cost no request,
// and what was saved can be restored when it has stopped, not before.
func TestBackupWhileServing(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			l := newLoad(t, engine.store(t))
			l.done = map[string]int{}
			fat(t, l.g.setup.store)
			var work sync.WaitGroup
			ctx, stop := context.WithCancel(t.Context())
			view := func(context.Context) error {
				if a := l.owner.get("/"); a.status != http.StatusOK {
					t.Errorf("a page during a backup: status %d: %s", a.status, a.body)
				}
				return nil
			}
			for _, do := range []func(context.Context) error{view, view, l.signIn} {
				work.Go(func() {
					for ctx.Err() == nil && do(ctx) == nil {
					}
				})
			}
			for range 3 {
				l.g.do("backup", "x.backup", "--replace")
			}
			stop()
			work.Wait()
			if l.stalled > 0 || l.done["sign-in"] == 0 {
				t.Errorf("during the backups %d sign-ins worked and %d found the store busy", l.done["sign-in"], l.stalled)
			}
			l.g.do("tenant", "add", "later")
			refused := l.g.try("restore", "x.backup", "--replace")
			if refused.status != 1 || !strings.Contains(refused.errors, "gateways run on it (node-1): stop them first") {
				t.Errorf("restoring while it runs: got %d, %s", refused.status, refused.errors)
			}
			l.g.stop()
			l.g.do("restore", "x.backup", "--replace")
			if out := l.g.do("tenant", "list"); strings.Contains(out, "later") {
				t.Errorf("what came after the backup is still there:\n%s", out)
			}
			if out := l.g.do("audit", "verify"); !strings.Contains(out, "verified") {
				t.Errorf("the chain: %s", out)
			}
			l.g.restart()
			visitor := l.owner.at(l.g)
			if answer := visitor.get("/"); answer.status != http.StatusUnauthorized && answer.status != http.StatusSeeOther {
				t.Errorf("a session of before: got status %d, want that of a visitor who is not signed in", answer.status)
			}
			if next, err := visitor.step("login", map[string]string{"login": l.who.login, "password": l.who.password}); err != nil || next != "done" {
				t.Errorf("signing in again: got %q, %v", next, err)
			}
		})
	}
}

// TestKilledRestore: a restore that is killed in the middle leaves the store as
// it was.
func TestKilledRestore(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			dsn, home := engine.store(t), t.TempDir()
			if err := os.WriteFile(filepath.Join(home, "secret"), []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			caddy := func(args ...string) *exec.Cmd {
				return command(t, home, append(append([]string{"sallyport"}, args...), "--store", dsn, "--secret-file", "secret")...)
			}
			do := func(args ...string) string {
				r := run(t, caddy(args...))
				if r.status != 0 {
					t.Fatalf("%s: exit status %d\n%s", strings.Join(args, " "), r.status, r.errors)
				}
				return r.out
			}
			do("migrate")
			do("tenant", "add", "acme")
			fat(t, dsn)
			do("backup", "x.backup")
			do("tenant", "add", "later")
			before := do("tenant", "list") + do("audit", "verify")
			for killed := 0; killed < 2; {
				restore := caddy("restore", "x.backup", "--replace")
				if err := restore.Start(); err != nil {
					t.Fatal(err)
				}
				midway(t, dsn)
				_ = restore.Process.Kill()
				if err := restore.Wait(); err == nil {
					t.Fatal("the restore was over before it was killed: put more into the store")
				}
				killed++
				if after := do("tenant", "list") + do("audit", "verify"); after != before {
					t.Fatalf("after a restore that was killed:\n%s\nwant:\n%s", after, before)
				}
			}
			do("restore", "x.backup", "--replace")
			if out := do("tenant", "list"); strings.Contains(out, "later") {
				t.Errorf("a whole restore has not replaced the store:\n%s", out)
			}
		})
	}
}

// midway waits until a restore has written some of what it has to write.
func midway(t *testing.T, dsn string) {
	t.Helper()
	path, isFile := strings.CutPrefix(dsn, "sqlite:")
	var db *sql.DB
	if !isFile {
		var err error
		if db, err = sql.Open("pgx", dsn); err != nil {
			t.Fatal(err)
		}
		defer db.Close()
	}
	eventually(t, time.Minute, func() error {
		if isFile {
			info, err := os.Stat(path + "-wal")
			if err == nil && info.Size() < 4<<20 {
				err = errors.New("little is written")
			}
			return err
		}
		var n int
		err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT INTO "attempts"%'`).Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("nothing is written")
		}
		return err
	})
}
