package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestLedger(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		want := gate.Ledger{Node: "sh-1", Boot: "BOOT", Started: epoch}
		check := func(what string) {
			t.Helper()
			list, err := s.Ledgers(ctx)
			must(t, err)
			equal(t, what, list, []gate.Ledger{want})
		}
		put := func(seen int64, reference string, count int64, age time.Duration) {
			t.Helper()
			a := attempt(reference, "ACME", epoch.Add(-age))
			a.Count = count
			must(t, s.PutAttempts(ctx, gate.Ledger{Node: "sh-1", Boot: "BOOT", Started: epoch, Seen: seen}, []gate.Attempt{a}))
		}
		must(t, s.OpenLedger(ctx, want))
		must(t, s.OpenLedger(ctx, want))
		check("opened twice")
		put(10, "SP-1", 7, 48*time.Hour)
		put(9, "SP-2", 2, 0) // an older state of the counter
		want.Seen, want.Stored = 10, 9
		check("after two records")
		put(12, "SP-1", 8, 48*time.Hour)
		want.Seen, want.Stored = 12, 10
		check("after one grew")

		n, err := s.DeleteAttempts(ctx, "", epoch.Add(-time.Hour), 100)
		must(t, err)
		equal(t, "records deleted", n, int64(1))
		want.Stored, want.Deleted = 2, 8
		check("after retention")

		want.Seen, want.Lost, want.Finished = 15, 5, true
		for range 2 {
			got, err := s.CloseLedger(ctx, "BOOT", 15)
			must(t, err)
			equal(t, "closed", got, want)
		}
		check("closed")
		put(15, "SP-3", 3, 0) // a spool that was found later
		want.Stored, want.Lost = 5, 2
		check("after a late record")
		if _, err := s.CloseLedger(ctx, "NONE", 1); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("no account: got %v, want %v", err, gate.ErrNotFound)
		}
	})
}

// More stored than seen, as after a crash before the counter was stored, is no
// negative loss.
func TestLedgerNeverNegative(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		a := attempt("SP-1", "ACME", epoch)
		a.Count = 9
		must(t, s.PutAttempts(t.Context(), gate.Ledger{Node: "sh-1", Boot: "BOOT", Seen: 3}, []gate.Attempt{a}))
		l, err := s.CloseLedger(t.Context(), "BOOT", 3)
		must(t, err)
		equal(t, "lost", l.Lost, int64(0))
	})
}

func TestSignInCountsAsStored(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.OpenLedger(t.Context(), gate.Ledger{Node: "sh-1", Boot: "BOOT", Started: epoch}))
		addTenant(t, s, "ACME")
		signIn(t, s, addAdmin(t, s, "ACME", "A1"), "S1", epoch)
		l, err := s.CloseLedger(t.Context(), "BOOT", 1)
		must(t, err)
		equal(t, "account", l, gate.Ledger{Node: "sh-1", Boot: "BOOT", Started: epoch, Seen: 1, Stored: 1, Finished: true})
	})
}

func TestDeleteAttempts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		for i := range 10 {
			n := attempt(fmt.Sprint("SP-", i), "ACME", epoch.Add(time.Duration(i-20)*time.Hour))
			if i == 0 {
				n.LastTime = epoch // began first, and is not over
			}
			n.Boot = fmt.Sprint("BOOT", i%2)
			must(t, s.PutAttempts(ctx, gate.Ledger{Node: "sh-1", Boot: n.Boot, Seen: 5}, []gate.Attempt{n}))
		}
		signIn(t, s, a, "OLD", epoch.Add(-40*time.Hour))
		signIn(t, s, a, "NEW", epoch.Add(-time.Hour))
		_, err := s.Reserve(ctx, [][]byte{account}, limit, epoch.Add(-time.Hour))
		must(t, err)
		_, err = s.Reserve(ctx, [][]byte{address}, limit, epoch)
		must(t, err)

		before := epoch.Add(-15 * time.Hour) // SP-1 to SP-4, and the sign-in of OLD
		for _, want := range []int64{3, 2, 0} {
			n, err := s.DeleteAttempts(ctx, "", before, 3)
			must(t, err)
			equal(t, "deleted", n, want)
		}
		left, err := s.Attempts(ctx, gate.AttemptFilter{})
		must(t, err)
		equal(t, "records left", len(left), 7)
		equal(t, "a record that is not over", left[len(left)-1].Reference, "SP-0")
		list, err := s.Ledgers(ctx)
		must(t, err)
		for _, l := range list {
			if l.Boot != "BOOT" && (l.Deleted != 2 || l.Stored != 3) {
				t.Errorf("%s: %d deleted and %d stored, want 2 and 3", l.Boot, l.Deleted, l.Stored)
			}
		}
		if _, err := s.Session(ctx, "OLD"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("a session long ended: got %v, want %v", err, gate.ErrNotFound)
		}
		_, err = s.Session(ctx, "NEW")
		must(t, err)
		var keys int
		must(t, s.read().row(ctx, `SELECT COUNT(*) FROM throttle`).Scan(&keys))
		equal(t, "keys of the throttle", keys, 1)
	})
}
