package store

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// waiting makes a change of ACME's list that waits to be confirmed.
func waiting(t *testing.T, s *Store, base int64, list ...gate.Network) int64 {
	t.Helper()
	version, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{
		Tenant: "ACME", Base: base, Mode: gate.ModeDryRun, Networks: list, Reason: "move", Accepted: []string{"ends", "wide"},
		ConfirmUntil: epoch.Add(5 * time.Minute),
	})
	must(t, err)
	return version
}

func pendingOf(t *testing.T, s *Store) *gate.Pending {
	t.Helper()
	p, err := s.LoadTenant(t.Context(), "ACME")
	must(t, err)
	return p.Pending
}

func TestPendingChange(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		n1, n2 := network("N1", "192.0.2.0/24", 0), network("N2", "203.0.113.0/24", time.Second)
		_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced, Networks: []gate.Network{n1, n2}})
		must(t, err)
		changed := n1
		changed.Label = "another"
		equal(t, "version", waiting(t, s, 2, changed), int64(3))
		want := &gate.Pending{Version: 3, Base: 2, Until: epoch.Add(5 * time.Minute), By: "li.na", ByAdmin: "ADMIN", Reason: "move"}
		equal(t, "pending", pendingOf(t, s), want)
		all, err := s.LoadPolicy(t.Context())
		must(t, err)
		equal(t, "pending, of all", all.Tenants[0].Pending, want)
		if all.Tenants[1].Pending != nil {
			t.Error("another tenant's change waits")
		}
		before, err := s.LoadPolicy(t.Context())
		must(t, err)
		for name, err := range map[string]error{
			"another edit":         second(s.PutNetworks(t.Context(), record("x"), gate.ListPut{Tenant: "ACME", Base: 3})),
			"another that waits":   second(s.PutNetworks(t.Context(), record("x"), gate.ListPut{Tenant: "ACME", Base: 3, ConfirmUntil: epoch.Add(time.Hour)})),
			"of an older version":  second(s.PutNetworks(t.Context(), record("x"), gate.ListPut{Tenant: "ACME", Base: 2})),
			"confirm another":      s.Confirm(t.Context(), record("x"), "ACME", 2),
			"undo another":         second(s.Undo(t.Context(), record("x"), "ACME", 2)),
			"confirm of another":   s.Confirm(t.Context(), record("x"), "GLOBEX", 3),
			"confirm without":      s.Confirm(t.Context(), record("x"), "NONE", 3),
			"undo without":         second(s.Undo(t.Context(), record("x"), "NONE", 3)),
			"guarded by the past":  second(s.Undo(t.Context(), guardedBy(record("x"), 1), "ACME", 3)),
			"guarded by what's to": s.Confirm(t.Context(), guardedBy(record("x"), 99), "ACME", 3),
		} {
			if !errors.Is(err, gate.ErrChangePending) && !errors.Is(err, gate.ErrNothingPending) && !errors.Is(err, gate.ErrNotFound) && !errors.Is(err, gate.ErrChanged) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		after, err := s.LoadPolicy(t.Context())
		must(t, err)
		equal(t, "after all refusals", after, before)

		next, err := s.Undo(t.Context(), at(record("network.undo"), time.Minute), "ACME", 3)
		must(t, err)
		equal(t, "undone", next, int64(4))
		newest, err := s.List(t.Context(), "ACME", 0)
		must(t, err)
		equal(t, "what came back", newest, &gate.ListVersion{
			Version: 4, Mode: gate.ModeEnforced, At: epoch.Add(time.Minute), By: "li.na", Undoes: 3, Added: 1, Changed: 1, Networks: []gate.Network{n1, n2}})
		waited, err := s.List(t.Context(), "ACME", 3)
		must(t, err)
		equal(t, "accepted", waited.Accepted, []string{"ends", "wide"})
		if p := pendingOf(t, s); p != nil {
			t.Errorf("it still waits: %+v", p)
		}
		waiting(t, s, 4, n2)
		must(t, s.Confirm(t.Context(), record("network.confirm"), "ACME", 5))
		if err := s.Confirm(t.Context(), record("network.confirm"), "ACME", 5); !errors.Is(err, gate.ErrNothingPending) {
			t.Errorf("confirmed twice: %v", err)
		}
		newest, err = s.List(t.Context(), "ACME", 0)
		must(t, err)
		equal(t, "what stays", newest.Networks, []gate.Network{n2})
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Limit: 3})
		must(t, err)
		var told []string
		for _, c := range changes {
			told = append(told, fmt.Sprint(c.Kind, " ", c.Action, " ", c.Version))
		}
		equal(t, "changes", told, []string{"list network.confirm 5", "list network.put 5", "list network.undo 4"})
		_, err = s.VerifyChanges(t.Context())
		must(t, err)
	})
}

// guardedBy is a record of an operation that was decided on a revision.
func guardedBy(rec gate.Record, revision int64) gate.Record {
	rec.Guarded = revision
	return rec
}

// TestPendingIsTakenOnce: of many stores that confirm and undo one change at
// once, one does.
func TestPendingIsTakenOnce(t *testing.T) {
	for engine, dsn := range newDSN {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			name := dsn(t)
			stores := []*Store{openNew(t, name), openNew(t, name)}
			addTenant(t, stores[0], "ACME")
			base := int64(1)
			for round := range 5 {
				version := waiting(t, stores[0], base, network("N1", "192.0.2.0/24", 0))
				var wg sync.WaitGroup
				var mu sync.Mutex
				confirmed, undone := 0, 0
				count := func(n *int, err error) {
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						*n++
					} else if !errors.Is(err, gate.ErrNothingPending) {
						t.Error(err)
					}
				}
				for i := range 8 {
					wg.Go(func() {
						if i%4 == 0 {
							count(&confirmed, stores[i%2].Confirm(t.Context(), record("network.confirm"), "ACME", version))
							return
						}
						count(&undone, second(stores[i%2].Undo(t.Context(), record("network.undo"), "ACME", version)))
					})
				}
				wg.Wait()
				if confirmed+undone != 1 {
					t.Fatalf("round %d: confirmed %d times, undone %d times, want one of them", round, confirmed, undone)
				}
				v, err := stores[1].List(t.Context(), "ACME", 0)
				must(t, err)
				equal(t, "version", v.Version, version+int64(undone))
				base = v.Version
			}
		})
	}
}

// TestGuarded: what was decided on a revision that is not the newest any more
// does not happen.
func TestGuarded(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a := addAdmin(t, s, "ACME", "A1")
		revision := func() int64 {
			p, err := s.LoadTenant(t.Context(), "ACME")
			must(t, err)
			return p.Tenant.Revision
		}
		equal(t, "first", revision(), int64(1))
		_, err := s.PutNetworks(t.Context(), guardedBy(record("network.put"), 1), gate.ListPut{Tenant: "ACME", Base: 1, Mode: gate.ModeOff})
		must(t, err)
		equal(t, "after an edit", revision(), int64(2))
		for name, err := range map[string]error{
			"edit":      second(s.PutNetworks(t.Context(), guardedBy(record("x"), 1), gate.ListPut{Tenant: "ACME", Base: 2, Mode: gate.ModeOff})),
			"admin":     second(s.SetAdmin(t.Context(), guardedBy(record("x"), 1), a, false, nil)),
			"removal":   s.RemoveAdmin(t.Context(), guardedBy(record("x"), 1), "A1"),
			"in future": s.RemoveAdmin(t.Context(), guardedBy(record("x"), 3), "A1"),
		} {
			if !errors.Is(err, gate.ErrChanged) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrChanged)
			}
		}
		equal(t, "after refusals", revision(), int64(2))
		_, err = s.SetAdmin(t.Context(), guardedBy(record("admin.set"), 2), a, false, nil)
		must(t, err)
		must(t, s.RemoveAdmin(t.Context(), guardedBy(record("admin.remove"), 3), "A1"))
		equal(t, "at last", revision(), int64(4))
	})
}

func TestEmergencies(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		emergency := func(id, tenant, address string, until time.Duration) gate.Emergency {
			e := gate.Emergency{
				ID: id, Tenant: tenant, Address: netip.MustParseAddr(address), Until: epoch.Add(until), Reason: "TICKET " + id, Made: epoch, By: "root",
			}
			must(t, s.AddEmergency(t.Context(), record("emergency.open"), e))
			return e
		}
		running := func(tenant string) []gate.Emergency {
			p, err := s.LoadTenant(t.Context(), tenant)
			must(t, err)
			return p.Running
		}
		e1, e2 := emergency("E1", "ACME", "198.51.100.7", time.Hour), emergency("E2", "ACME", "2001:db8::7", time.Minute)
		emergency("E3", "ACME", "198.51.100.8", 0) // over
		equal(t, "running", running("ACME"), []gate.Emergency{e1, e2})
		equal(t, "of another", running("GLOBEX"), []gate.Emergency(nil))
		for name, err := range map[string]error{
			"another tenant's": s.EndEmergency(t.Context(), record("x"), "GLOBEX", "E1"),
			"over":             s.EndEmergency(t.Context(), record("x"), "ACME", "E3"),
			"none":             s.EndEmergency(t.Context(), record("x"), "ACME", "E4"),
			"no tenant":        s.AddEmergency(t.Context(), record("x"), gate.Emergency{ID: "E5", Tenant: "NONE", Address: e1.Address, Until: e1.Until}),
		} {
			if !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
			}
		}
		must(t, s.EndEmergency(t.Context(), record("emergency.end"), "ACME", "E1"))
		equal(t, "one ended", running("ACME"), []gate.Emergency{e2})
		if err := s.EndEmergency(t.Context(), record("x"), "ACME", "E1"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("ended twice: %v", err)
		}
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Limit: 1})
		must(t, err)
		equal(t, "change", fmt.Sprint(changes[0].Kind, " ", changes[0].Action, " ", changes[0].Subject), "emergency emergency.end E1")
		must(t, s.RemoveTenant(t.Context(), record("tenant.remove"), "ACME"))
	})
}

func TestUsedAddresses(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a1, a2 := addAdmin(t, s, "ACME", "A1"), addAdmin(t, s, "ACME", "A2")
		g1 := addAdmin(t, s, func() string { return addTenant(t, s, "GLOBEX").ID }(), "G1")
		signIn(t, s, a1, "S1", epoch)
		signIn(t, s, g1, "S2", epoch)
		signIn(t, s, a2, "S3", epoch.Add(-13*time.Hour)) // over; the sign-in counts
		must(t, s.Touch(t.Context(), []gate.Session{{ID: "S1", LastSeen: epoch.Add(time.Minute), LastAddress: netip.MustParseAddr("2001:db8::7")}}))
		must(t, s.Touch(t.Context(), []gate.Session{{ID: "S3", LastSeen: epoch.Add(time.Minute), LastAddress: netip.MustParseAddr("2001:db8::8")}}))
		var batch []gate.Attempt
		add := func(reference, address string, ago time.Duration, change func(*gate.Attempt)) {
			a := attempt(reference, "ACME", epoch.Add(-ago))
			a.Stage, a.Outcome, a.Reason, a.Admin, a.Address = gate.StageSignIn, gate.Allowed, gate.ByNetwork, "A2", netip.MustParseAddr(address)
			change(&a)
			batch = append(batch, a)
		}
		add("R1", "192.0.2.1", time.Hour, func(a *gate.Attempt) { a.Outcome, a.Reason = gate.WouldBlock, gate.ByDryRun })
		add("R2", "192.0.2.2", time.Hour, func(a *gate.Attempt) { a.Reason = gate.ByGateOff })
		add("R3", "192.0.2.3", time.Hour, func(a *gate.Attempt) { a.Reason = gate.ByOperatorNetwork })
		add("R4", "192.0.2.4", time.Hour, func(a *gate.Attempt) { a.Reason = gate.ByEmergency })
		add("R5", "192.0.2.5", time.Hour, func(a *gate.Attempt) { a.Outcome, a.Reason = gate.Refused, gate.BadCredentials })
		add("R6", "192.0.2.6", 31*24*time.Hour, func(*gate.Attempt) {})
		add("R7", "192.0.2.1", 2*time.Hour, func(*gate.Attempt) {}) // again
		add("R8", "192.0.2.8", time.Hour, func(a *gate.Attempt) { a.Stage = gate.StageGate })
		must(t, s.PutAttempts(t.Context(), gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}, batch))
		used, err := s.UsedAddresses(t.Context(), "ACME", epoch.Add(-30*24*time.Hour), epoch)
		must(t, err)
		got := map[string]bool{}
		for _, u := range used {
			if key := u.Admin + " " + u.Address.String(); got[key] {
				t.Errorf("twice: %s", key)
			} else {
				got[key] = true
			}
		}
		equal(t, "used", got, map[string]bool{
			"A1 198.51.100.7": true, "A1 2001:db8::7": true, "A2 198.51.100.7": true, "A2 192.0.2.1": true, "A2 192.0.2.2": true,
		})
	})
}
