package gate_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/backup"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// newStore names an empty store of an engine.
func newStore(t *testing.T, engine string) string {
	t.Helper()
	if engine == "sqlite" {
		return "sqlite:" + filepath.Join(t.TempDir(), "gate.db")
	}
	server := os.Getenv("SALLYPORT_TEST_POSTGRES")
	if server == "" {
		t.Skip("SALLYPORT_TEST_POSTGRES names no server")
	}
	dsn, err := url.Parse(server)
	if err != nil {
		t.Fatal("SALLYPORT_TEST_POSTGRES is not a URL")
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := "restore_" + strings.ToLower(gate.NewID())
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = db.Exec("DROP DATABASE " + name + " WITH (FORCE)"); db.Close() })
	dsn.Path = "/" + name
	return dsn.String()
}

// used is what people have of a store that they have worked with.
type used struct {
	session, factor, token, invitation string
}

// use fills a store by doing what people do.
func (w *world) use() (u used) {
	w.Helper()
	li := w.person("li.na", gate.RoleOwner)
	u.session = w.signIn(inside, "li.na")
	u.factor = w.enrolledFactor(u.session)
	w.person("sam", gate.RoleMember)
	u.session = w.signIn(inside, "sam")
	_, u.invitation = w.invite("wu.min", gate.RoleReviewer)
	u.token = w.tokenOf(gate.NewToken{Name: "monitoring"})
	w.add("acme", entry("2001:db8::/48", "v6"))
	w.add("acme", gate.Draft{Range: "192.0.2.128/25", Label: "Short", Enabled: true, Expires: w.clock.Now().Add(time.Minute)})
	w.tenant("globex", gate.ModeOff, "globex.example")
	by := gate.Actor{Kind: gate.ActorAdmin, Tenant: w.acme.ID, Admin: li.ID, Login: li.Login, Role: gate.RoleOwner, Address: netip.MustParseAddr(inside)}
	w.draft(by, gate.DraftOp{Step: gate.DraftSet, Entry: entry("192.0.2.9/24", "Office")})
	w.ask("198.51.100.9", "li.na")
	_, err1 := w.OpenEmergency(w.Context(), command, w.acme.ID, netip.MustParseAddr(outside), time.Hour, "TICKET-1")
	_, _, err2 := w.SetAlertRules(w.Context(), by, w.acme.ID, gate.AlertRules{ListChanged: true, Days: 30, Count: 10, Minutes: 5, Quiet: 60, Language: "en"}, false)
	_, err3 := w.SetSettings(w.Context(), by, w.acme.ID, gate.Settings{CheckOutside: true})
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			w.Fatal(err)
		}
	}
	w.blockedAt("198.51.100.66")
	_, _ = w.login(w.from(inside), "sam", "a wrong password")
	w.wait(by, gate.ModeEnforced, entry("203.0.113.0/25", "half"))
	w.Stop() // stores what waits
	return u
}

// saved is a backup of a store, and its rows as texts.
func (w *world) saved(dsn string) (file string, rows map[string][]string) {
	w.Helper()
	var out bytes.Buffer
	if _, err := store.Backup(w.Context(), dsn, store.BackupOptions{Secret: w.secret, Now: w.clock.Now}, &out); err != nil {
		w.Fatal(err)
	}
	f, err := backup.Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		w.Fatal(err)
	}
	kept := &keptRows{rows: map[string][]string{}}
	if _, err := f.Read(kept); err != nil {
		w.Fatal(err)
	}
	for _, list := range kept.rows {
		slices.Sort(list)
	}
	file = filepath.Join(w.TempDir(), "gate.backup")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		w.Fatal(err)
	}
	return file, kept.rows
}

type keptRows struct {
	table string
	rows  map[string][]string
}

func (k *keptRows) Table(t backup.Table) error {
	k.table, k.rows[t.Name] = t.Name, nil
	return nil
}

func (k *keptRows) Row(values []any) error {
	k.rows[k.table] = append(k.rows[k.table], fmt.Sprintf("%#v", values))
	return nil
}

// changedByRestore are the tables whose rows a restore changes.
var changedByRestore = []string{
	"installation",                 // the epoch
	"change_log", "change_counter", // the restore is on record
	"sessions",                                // ended
	"admins", "recovery_codes", "emergencies", // what can be used once
	"ledger", // closed
}

// TestRestoredStore: after a store was worked with, saved and restored, on either
// engine, everything is there, and what must not come back does not.
func TestRestoredStore(t *testing.T) {
	for _, from := range []string{"sqlite", "postgres"} {
		for _, to := range []string{"sqlite", "postgres"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				w := newWorldOn(t, newStore(t, from))
				u := w.use()
				file, before := w.saved(w.dsn)
				for name, rows := range before {
					if len(rows) == 0 && !slices.Contains([]string{"alert_folds", "alert_letters", "deliveries"}, name) {
						t.Errorf("nobody has used the table %s: it proves nothing", name)
					}
				}
				w.clock.advance(2 * time.Minute)
				w.dsn = newStore(t, to)
				done, err := store.Restore(t.Context(), w.dsn, file, store.RestoreOptions{Secret: w.secret, Actor: command, Now: w.clock.Now})
				if err != nil {
					t.Fatal(err)
				}
				if want := (store.Void{Invitations: 1, RecoveryCodes: 10, Emergencies: 1}); done.Void != want || done.Back.Tokens != 1 || done.Back.Pending != 1 {
					t.Errorf("got %+v and %+v, want %+v, a token and a change that waits", done.Void, done.Back, want)
				}
				_, after := w.saved(w.dsn)
				for name, rows := range before {
					if !slices.Contains(changedByRestore, name) && !slices.Equal(after[name], rows) {
						t.Errorf("%s:\n got %v\nwant %v", name, after[name], rows)
					}
				}
				w.goesOn(u)
			})
		}
	}
}

// goesOn starts a gate on the restored store and looks who gets in.
func (w *world) goesOn(u used) {
	t := w.TB
	w.clock.advance(10 * time.Minute) // also beyond the change that waited
	w.Gate = w.node("n2")
	w.door = w.doorOf(w.Gate)
	eventually(t, "the change that waited is undone", func() bool { return w.Pending(w.acme.ID) == nil && w.TenantByID(w.acme.ID).Version > 4 })

	w.decided(w.with(w.from(inside), u.session), gate.Refused, gate.SessionRevoked)
	w.decided(w.from(outside), gate.Blocked, gate.OutsideNetworks) // its emergency is over
	w.decided(w.from("192.0.2.200"), gate.Blocked, gate.OutsideNetworks)
	if dec := w.door.Decide(w.bearing(inside, u.token)); dec.Outcome != gate.Allowed {
		t.Errorf("a token: got %s (%s), want %s", dec.Outcome, dec.Reason, gate.Allowed)
	}
	_, err := w.accept(inside, u.invitation, password("wu.min"))
	refusedWith(t, "an invitation of before", err, gate.BadCredentials)

	q := w.from(inside)
	p, err := w.login(q, "li.na", password("li.na"))
	if err != nil || p.Next != gate.NextCode {
		t.Fatalf("the password: %+v, %v", p, err)
	}
	dec := w.door.Decide(q)
	if p, err = w.door.Verify(t.Context(), q, &dec, p.Step, code(w, u.factor, w.clock.Now())); err != nil || p.Next != gate.NextDone {
		t.Fatalf("the second factor: %+v, %v", p, err)
	}
	w.decided(w.with(q, p.Session), gate.Allowed, gate.ByNetwork)
	if chain, err := w.VerifyChanges(t.Context()); err != nil || chain.Held == 0 {
		t.Errorf("the chain: %+v, %v", chain, err)
	}
}
