package store

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestAdmins(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		a := addAdmin(t, s, "ACME", "A1")
		g := addAdmin(t, s, "GLOBEX", "G1")
		got, err := s.Admin(t.Context(), "A1")
		must(t, err)
		equal(t, "admin", *got, a)
		got, err = s.AdminByLogin(t.Context(), "ACME", gate.CanonicalLogin(" ａ1@Example.TEST"))
		must(t, err)
		equal(t, "admin by login", *got, a)

		other := gate.Admin{ID: "A2", Tenant: "ACME", Login: "A1@EXAMPLE.test", Created: epoch}
		if err := s.AddAdmin(t.Context(), record("admin.add"), other); !errors.Is(err, gate.ErrExists) {
			t.Errorf("another spelling of a login: got %v, want %v", err, gate.ErrExists)
		}
		other.Tenant = "GLOBEX" // has no such login
		must(t, s.AddAdmin(t.Context(), record("admin.add"), other))
		other.ID, other.Tenant, other.Revision = "A3", "NONE", 1
		if err := s.AddAdmin(t.Context(), record("admin.add"), other); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("no tenant: got %v, want %v", err, gate.ErrNotFound)
		}
		list, err := s.Admins(t.Context(), "GLOBEX")
		must(t, err)
		other.ID, other.Tenant = "A2", "GLOBEX"
		equal(t, "admins", list, []gate.Admin{other, g})
		for name, err := range map[string]error{
			"by id":         second(s.Admin(t.Context(), "NONE")),
			"by login":      second(s.AdminByLogin(t.Context(), "ACME", "none")),
			"to set":        second(s.SetAdmin(t.Context(), record("x"), gate.Admin{ID: "NONE", Tenant: "ACME"}, false, nil)),
			"of another":    second(s.SetAdmin(t.Context(), record("x"), gate.Admin{ID: "G1", Tenant: "ACME", Revision: 1}, false, nil)),
			"to remove":     s.RemoveAdmin(t.Context(), record("x"), "NONE"),
			"with a secret": second(s.SetPending(t.Context(), "NONE", "SECRET")),
		} {
			if !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
			}
		}
	})
}

func TestSetAdmin(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		signIn(t, s, a, "S1", epoch)
		a.LastSignIn = epoch
		a.Name, a.Role, a.Disabled, a.Exempt, a.MustChange, a.Password, a.Pending = "New", gate.RoleMember, true, true, false, "", "PENDING"
		set := func(raise bool, recovery [][]byte) {
			t.Helper()
			got, err := s.SetAdmin(t.Context(), record("admin.set"), a, raise, recovery)
			must(t, err)
			a.Revision++
			if raise {
				a.Epoch++
			}
			equal(t, "epoch", got, a.Epoch)
			now, err := s.Admin(t.Context(), "A1")
			must(t, err)
			equal(t, "admin", *now, a)
		}
		set(false, [][]byte{{1}, {2}, {3}})
		n, err := s.Session(t.Context(), "S1")
		must(t, err)
		equal(t, "session goes on", n.Ended, time.Time{})

		set(true, nil)
		n, err = s.Session(t.Context(), "S1")
		must(t, err)
		equal(t, "session ended", n.Ended, epoch)
		equal(t, "ended by", n.EndedBy, "li.na")
		p, err := s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		if p.Ended != nil {
			t.Errorf("a session that an epoch ends is also in the ended set: %v", p.Ended)
		}

		must(t, s.UseRecovery(t.Context(), "A1", []byte{2}))
		if err := s.UseRecovery(t.Context(), "A1", []byte{2}); !errors.Is(err, gate.ErrCodeUsed) {
			t.Errorf("a recovery code used twice: got %v, want %v", err, gate.ErrCodeUsed)
		}
		set(false, [][]byte{{9}})
		if err := s.UseRecovery(t.Context(), "A1", []byte{1}); !errors.Is(err, gate.ErrCodeUsed) {
			t.Errorf("a recovery code of before: got %v, want %v", err, gate.ErrCodeUsed)
		}
		set(false, [][]byte{})
		if err := s.UseRecovery(t.Context(), "A1", []byte{9}); !errors.Is(err, gate.ErrCodeUsed) {
			t.Errorf("a recovery code that was taken away: got %v, want %v", err, gate.ErrCodeUsed)
		}
	})
}

// A disabled admin must not come back to life because its password was changed
// at the same moment.
func TestSetAdminOfOldRevision(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		read := addAdmin(t, s, "ACME", "A1")
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := s.SetAdmin(t.Context(), record("admin.disable"), read, true, nil)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, gate.ErrChanged):
					t.Errorf("got %v, want %v", err, gate.ErrChanged)
				}
			})
		}
		wg.Wait()
		equal(t, "edits that won", won.Load(), int32(1))
		now, err := s.Admin(t.Context(), "A1")
		must(t, err)
		equal(t, "epoch", now.Epoch, read.Epoch+1)
	})
}

func TestTOTPStep(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1") // has used step 100
		for _, tt := range []struct {
			step int64
			want error
		}{{99, gate.ErrCodeUsed}, {100, gate.ErrCodeUsed}, {102, nil}, {102, gate.ErrCodeUsed}, {101, gate.ErrCodeUsed}, {103, nil}} {
			if err := s.UseTOTP(t.Context(), "A1", tt.step); !errors.Is(err, tt.want) {
				t.Errorf("step %d: got %v, want %v", tt.step, err, tt.want)
			}
		}
		_, err := s.SetAdmin(t.Context(), record("admin.set"), a, false, nil) // read when step 100 was the last
		must(t, err)
		now, err := s.Admin(t.Context(), "A1")
		must(t, err)
		equal(t, "step with the same second factor", now.TOTPStep, int64(103))
		now.TOTP, now.TOTPStep = "ANOTHER", 7
		_, err = s.SetAdmin(t.Context(), record("admin.set"), *now, false, nil)
		must(t, err)
		now, err = s.Admin(t.Context(), "A1")
		must(t, err)
		equal(t, "step with another second factor", now.TOTPStep, int64(7))
		if err := s.UseTOTP(t.Context(), "NONE", 1); !errors.Is(err, gate.ErrCodeUsed) {
			t.Errorf("no admin: got %v, want %v", err, gate.ErrCodeUsed)
		}
	})
}

// Of parallel tries of one code, one gets in.
func TestCodesWorkOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		_, err := s.SetAdmin(t.Context(), record("admin.set"), a, false, [][]byte{{7}})
		must(t, err)
		for name, use := range map[string]func() error{
			"totp":     func() error { return s.UseTOTP(t.Context(), "A1", 200) },
			"recovery": func() error { return s.UseRecovery(t.Context(), "A1", []byte{7}) },
		} {
			var used atomic.Int32
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if err := use(); err == nil {
						used.Add(1)
					} else if !errors.Is(err, gate.ErrCodeUsed) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			equal(t, name, used.Load(), int32(1))
		}
	})
}

func TestSetPending(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addAdmin(t, s, "ACME", "A1")
		for _, secret := range []string{"FIRST", "SECOND"} {
			got, err := s.SetPending(t.Context(), "A1", secret)
			must(t, err)
			equal(t, "secret in force", got, "FIRST")
		}
	})
}

func TestRemoveAdmin(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		signIn(t, s, a, "S1", epoch)
		must(t, s.RemoveAdmin(t.Context(), record("admin.remove"), "A1"))
		if _, err := s.Session(t.Context(), "S1"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("session: got %v, want %v", err, gate.ErrNotFound)
		}
		got, err := s.Attempt(t.Context(), "ACME", "SIGNIN-S1")
		must(t, err)
		equal(t, "admin of an attempt", got.Admin+got.Login, "A1")
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Limit: 1})
		must(t, err)
		equal(t, "subject", changes[0].Subject, "A1")
		a.ID = "A2"
		must(t, s.AddAdmin(t.Context(), record("admin.add"), a)) // the login is free again
	})
}

// What is secret stands nowhere in the tables as it is, and fits no other row.
func TestSecretsAreSealed(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addAdmin(t, s, "ACME", "A1")
		addAdmin(t, s, "ACME", "A2")
		_, err := s.SetPending(t.Context(), "A1", "PENDING-A1")
		must(t, err)
		session, assertion := auth.NewKey(epoch), auth.NewAssertionKey(epoch)
		must(t, s.AddKeys(t.Context(), record("keys"), "", session, assertion))
		for secret, query := range map[string]string{
			"$argon2id$A1":             `SELECT password FROM admins WHERE id = 'A1'`,
			"TOTPA1":                   `SELECT totp FROM admins WHERE id = 'A1'`,
			"PENDING-A1":               `SELECT pending FROM admins WHERE id = 'A1'`,
			string(session.Secret):     `SELECT session_key FROM key_pairs`,
			string(assertion.Seed):     `SELECT assertion_key FROM key_pairs`,
			string(session.Secret)[:8]: `SELECT session_key FROM key_pairs`,
		} {
			var stored []byte
			must(t, s.read().row(t.Context(), query).Scan(&stored))
			if len(stored) == 0 || bytes.Contains(stored, []byte(secret)) {
				t.Errorf("%s: got %q, which is not sealed", query, stored)
			}
		}
		for name, query := range map[string]string{
			"password of another": `UPDATE admins SET password = (SELECT o.password FROM admins o WHERE o.id = 'A1') WHERE id = 'A2'`,
			"totp as password":    `UPDATE admins SET password = totp WHERE id = 'A2'`,
			"not sealed":          `UPDATE admins SET password = $1 WHERE id = 'A2'`,
		} {
			var args []any
			if name == "not sealed" {
				args = []any{[]byte("$argon2id$known")}
			}
			raw(t, s, query, args...)
			if _, err := s.Admin(t.Context(), "A2"); !errors.Is(err, auth.ErrWrongSecret) {
				t.Errorf("%s: got %v, want %v", name, err, auth.ErrWrongSecret)
			}
		}
		raw(t, s, `UPDATE key_pairs SET session_key = assertion_key`)
		if _, err := s.LoadPolicy(t.Context()); !errors.Is(err, auth.ErrWrongSecret) {
			t.Errorf("swapped keys: got %v, want %v", err, auth.ErrWrongSecret)
		}
	})
}

func TestInvitations(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := gate.Admin{ID: "A1", Tenant: "ACME", Login: "wu", Role: gate.RoleOwner, Created: epoch, Invitation: []byte("hash"), InvitedUntil: epoch.Add(time.Hour)}
		must(t, s.AddAdmin(t.Context(), record("admin.invite"), a))
		got, err := s.AdminByInvitation(t.Context(), []byte("hash"))
		must(t, err)
		a.Revision = 1
		equal(t, "invited", *got, a)
		p, err := s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		equal(t, "no password", p.Admins[0].NoPassword, true)

		got.Password, got.Invitation, got.InvitedUntil = "phc", nil, time.Time{}
		_, err = s.SetAdmin(t.Context(), record("admin.accept"), *got, true, nil)
		must(t, err)
		for _, hash := range [][]byte{[]byte("hash"), {}, nil} {
			if _, err := s.AdminByInvitation(t.Context(), hash); !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%q: got %v, want %v", hash, err, gate.ErrNotFound)
			}
		}
		p, err = s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		equal(t, "no password after", p.Admins[0].NoPassword, false)
	})
}
