package store

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestSignIn(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		want := signIn(t, s, a, "S1", epoch)
		got, err := s.Session(t.Context(), "S1")
		must(t, err)
		equal(t, "session", *got, want)
		tried, err := s.Attempt(t.Context(), "ACME", "SIGNIN-S1")
		must(t, err)
		equal(t, "attempt", tried.Session+" "+tried.Login+" "+string(tried.Outcome), "S1 A1@example.test allowed")

		signIn(t, s, a, "S0", epoch.Add(-time.Hour)) // another node's, stored later
		now, err := s.Admin(t.Context(), "A1")
		must(t, err)
		equal(t, "last sign-in", now.LastSignIn, epoch)
		equal(t, "revision", now.Revision, int64(1))

		for name, change := range map[string]func(n *gate.Session){
			"no admin":       func(n *gate.Session) { n.Admin = "NONE" },
			"another tenant": func(n *gate.Session) { n.Tenant = "GLOBEX" },
		} {
			n := want
			n.ID = "S9"
			change(&n)
			if err := s.SignIn(t.Context(), n, attempt("SP-9", "ACME", epoch)); !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
			}
		}
		if err := s.SignIn(t.Context(), want, attempt("SP-9", "ACME", epoch)); err == nil {
			t.Error("a session was stored twice")
		}
		if _, err := s.Attempt(t.Context(), "", "SP-9"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("the attempt of a sign-in that failed: got %v, want %v", err, gate.ErrNotFound)
		}
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		a1, a2, g := addAdmin(t, s, "ACME", "A1"), addAdmin(t, s, "ACME", "A2"), addAdmin(t, s, "GLOBEX", "G1")
		for i := range 7 {
			a := a1
			if i%2 == 1 {
				a = a2
			}
			signIn(t, s, a, fmt.Sprint("S", i), epoch.Add(time.Duration(i/3)*time.Minute)) // several at one moment
		}
		signIn(t, s, g, "G", epoch)
		signIn(t, s, a1, "OLD", epoch.Add(-12*time.Hour))
		must(t, s.EndSession(t.Context(), record("session.end"), "S4"))

		ids := func(f gate.SessionFilter) (ids []string) {
			t.Helper()
			f.Now = epoch
			list, err := s.Sessions(t.Context(), f)
			must(t, err)
			for _, n := range list {
				ids = append(ids, n.ID)
			}
			return ids
		}
		want := []string{"S6", "S5", "S3", "S2", "S1", "S0"}
		equal(t, "of a tenant", ids(gate.SessionFilter{Tenant: "ACME"}), want)
		equal(t, "of an admin", ids(gate.SessionFilter{Tenant: "ACME", Admin: "A2"}), []string{"S5", "S3", "S1"})
		equal(t, "of an admin of another tenant", ids(gate.SessionFilter{Tenant: "GLOBEX", Admin: "A2"}), []string(nil))
		equal(t, "of all", len(ids(gate.SessionFilter{})), 7)
		var paged []string
		for f := (gate.SessionFilter{Tenant: "ACME", Limit: 2, Now: epoch}); ; {
			page, err := s.Sessions(t.Context(), f)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, n := range page {
				paged = append(paged, n.ID)
			}
			last := page[len(page)-1]
			f.Before = gate.Cursor{Time: last.Started, ID: last.ID}
		}
		equal(t, "in pages", paged, want)
	})
}

func TestEndSession(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		signIn(t, s, a, "S1", epoch)
		signIn(t, s, a, "OLD", epoch.Add(-12*time.Hour))
		must(t, s.EndSession(t.Context(), at(record("session.end"), time.Minute), "S1"))
		n, err := s.Session(t.Context(), "S1")
		must(t, err)
		equal(t, "ended", n.Ended, epoch.Add(time.Minute))
		equal(t, "ended by", n.EndedBy, "li.na")
		for _, id := range []string{"S1", "OLD", "NONE"} {
			if err := s.EndSession(t.Context(), record("session.end"), id); !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", id, err, gate.ErrNotFound)
			}
		}
	})
}

func TestTouch(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		n := signIn(t, s, a, "S1", epoch)
		signIn(t, s, a, "S2", epoch)
		seen := func(id string, after time.Duration, address string) gate.Session {
			return gate.Session{ID: id, LastSeen: epoch.Add(after), LastAddress: netip.MustParseAddr(address)}
		}
		must(t, s.Touch(t.Context(), []gate.Session{
			seen("S2", time.Minute, "192.0.2.2"), seen("S1", 2*time.Minute, "2001:db8::2"), seen("S1", time.Minute, "192.0.2.1"), seen("NONE", 0, "192.0.2.9")}))
		must(t, s.Touch(t.Context(), []gate.Session{seen("S1", time.Second, "192.0.2.3")})) // another node's, late
		n.LastSeen, n.LastAddress = epoch.Add(2*time.Minute), netip.MustParseAddr("2001:db8::2")
		n.Moves = 2 // to 192.0.2.1, and on
		got, err := s.Session(t.Context(), "S1")
		must(t, err)
		equal(t, "session", *got, n)
		must(t, s.Touch(t.Context(), nil))
		p, err := s.LoadPolicy(t.Context())
		must(t, err)
		equal(t, "changes by use", p.Pos, int64(2))
	})
}

func TestSessionWithoutAddress(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		n := gate.Session{ID: "S1", Tenant: "ACME", Admin: "A1", Login: a.Login, Started: epoch, LastSeen: epoch, Expires: epoch.Add(time.Hour)}
		must(t, s.SignIn(t.Context(), n, attempt("SP-1", "ACME", epoch)))
		list, err := s.Sessions(t.Context(), gate.SessionFilter{Now: epoch})
		must(t, err)
		equal(t, "sessions", list, slices.Concat([]gate.Session{n}))
	})
}

func TestEndSessions(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		a1, a2, g := addAdmin(t, s, "ACME", "A1"), addAdmin(t, s, "ACME", "A2"), addAdmin(t, s, "GLOBEX", "G1")
		for id, a := range map[string]gate.Admin{"S1": a1, "S2": a1, "S3": a2, "S4": a2, "G": g} {
			signIn(t, s, a, id, epoch)
		}
		signIn(t, s, a1, "OLD", epoch.Add(-12*time.Hour))
		ends := func(want int64, f gate.SessionFilter, but string) {
			t.Helper()
			f.Now = epoch
			n, err := s.EndSessions(t.Context(), record("session.end_all"), f, but)
			must(t, err)
			equal(t, "ended", n, want)
		}
		ends(1, gate.SessionFilter{Tenant: "ACME", Admin: "A2"}, "S4")
		ends(2, gate.SessionFilter{Tenant: "ACME"}, "S4")
		ends(0, gate.SessionFilter{Tenant: "ACME"}, "S4")
		p, err := s.LoadTenant(t.Context(), "ACME")
		must(t, err)
		var ended []string
		for _, e := range p.Ended {
			ended = append(ended, e.ID)
		}
		slices.Sort(ended)
		equal(t, "ended in the policy", ended, []string{"S1", "S2", "S3"})
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Kind: gate.ChangeSessions})
		must(t, err)
		equal(t, "changes", len(changes), 2) // none where none ended
		equal(t, "how many", changes[0].Version, int64(2))
	})
}

// A session that goes to and fro between networks says how often it did.
func TestMoves(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		signIn(t, s, addAdmin(t, s, "ACME", "A1"), "S1", epoch)
		first, err := s.Session(t.Context(), "S1")
		must(t, err)
		seen := func(minutes int, address netip.Addr) int64 {
			t.Helper()
			must(t, s.Touch(t.Context(), []gate.Session{{ID: "S1", LastSeen: epoch.Add(time.Duration(minutes) * time.Minute), LastAddress: address}}))
			now, err := s.Session(t.Context(), "S1")
			must(t, err)
			return now.Moves
		}
		away := netip.MustParseAddr("2001:db8::9")
		for i, step := range []struct {
			minutes int
			address netip.Addr
			want    int64
		}{{1, first.LastAddress, 0}, {2, away, 1}, {3, away, 1}, {4, first.LastAddress, 2}, {3, away, 2}, {5, away, 3}} {
			equal(t, fmt.Sprint("step ", i), seen(step.minutes, step.address), step.want)
		}
	})
}
