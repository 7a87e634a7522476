package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		var sessions []auth.Key
		var assertions []auth.AssertionKey
		known := ""
		// The second node's clock is behind: its key is the newest all the same.
		for _, created := range []time.Duration{0, -time.Hour, time.Hour} {
			k, a := auth.NewKey(epoch.Add(created)), auth.NewAssertionKey(epoch.Add(created))
			must(t, s.AddKeys(ctx, record("keys.rotate"), known, k, a))
			known = k.ID
			sessions, assertions = append([]auth.Key{k}, sessions...), append([]auth.AssertionKey{a}, assertions...)
		}
		load := func() gate.Global {
			t.Helper()
			g, err := s.LoadGlobal(ctx)
			must(t, err)
			return g
		}
		equal(t, "keys", load(), gate.Global{Epoch: 1, Session: sessions, Assertions: assertions})
		for _, known := range []string{"", sessions[1].ID} {
			if err := s.AddKeys(ctx, record("keys.rotate"), known, auth.NewKey(epoch), auth.NewAssertionKey(epoch)); !errors.Is(err, gate.ErrExists) {
				t.Errorf("known %q: got %v, want %v", known, err, gate.ErrExists)
			}
		}
		must(t, s.RemoveKeys(ctx, record("keys.remove"), epoch))
		equal(t, "after removing the old", load().Session, []auth.Key{sessions[0], sessions[2]})
		must(t, s.RemoveKeys(ctx, record("keys.remove"), epoch.Add(24*time.Hour)))
		equal(t, "after removing all", load().Session, sessions[:1])
		changes, err := s.ChangesFrom(ctx, 0, 0)
		must(t, err)
		equal(t, "changes", len(changes), 5)
		equal(t, "kind", changes[0].Kind, gate.ChangeGlobal)
	})
}

// Of nodes that make keys at the same time, one is first.
func TestConcurrentKeys(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		known := ""
		for range 5 {
			var added atomic.Int32
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					err := s.AddKeys(t.Context(), record("keys.rotate"), known, auth.NewKey(epoch), auth.NewAssertionKey(epoch))
					if err == nil {
						added.Add(1)
					} else if !errors.Is(err, gate.ErrExists) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			equal(t, "pairs added", added.Load(), int32(1))
			g, err := s.LoadGlobal(t.Context())
			must(t, err)
			known = g.Session[0].ID
		}
	})
}

func TestRaiseEpoch(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		signIn(t, s, addAdmin(t, s, "ACME", "A1"), "S1", epoch)
		signIn(t, s, addAdmin(t, s, "ACME", "A2"), "S2", epoch)
		must(t, s.RaiseEpoch(t.Context(), record("epoch.raise")))
		p, err := s.LoadPolicy(t.Context())
		must(t, err)
		equal(t, "epoch", p.Global.Epoch, int64(2))
		if p.Tenants[0].Ended != nil {
			t.Errorf("the epoch ends sessions, the ended set has them too: %v", p.Tenants[0].Ended)
		}
		list, err := s.Sessions(t.Context(), gate.SessionFilter{Now: epoch})
		must(t, err)
		if list != nil {
			t.Errorf("sessions still run: %v", list)
		}
	})
}

func TestMAC(t *testing.T) {
	s := openNew(t, newDSN["sqlite"](t))
	if a, b := s.MAC("login", "x"), s.MAC("throttle", "x"); len(a) != 32 || string(a) == string(b) {
		t.Errorf("MACs for two purposes are %x and %x", a, b)
	}
}
