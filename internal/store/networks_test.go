package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestPutNetworks(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		n1, n2, n3 := network("N1", "192.0.2.0/24", 0), network("N2", "203.0.113.10-203.0.113.40", 0), network("N3", "2001:db8::/48", -time.Hour)
		n2.NotBefore, n2.Expires, n2.Roles, n2.Admins = time.Time{}, time.Time{}, nil, nil
		n3.Enabled, n3.Note, n3.Owner = false, "", ""
		put := func(base int64, mode gate.Mode, list ...gate.Network) int64 {
			t.Helper()
			v, err := s.PutNetworks(t.Context(), at(record("network.put"), time.Duration(base)*time.Minute),
				gate.ListPut{Tenant: "ACME", Base: base, Mode: mode, Networks: list, Reason: fmt.Sprint("reason ", base)})
			must(t, err)
			return v
		}
		equal(t, "second version", put(1, gate.ModeEnforced, n1, n2), int64(2))
		changed := n1
		changed.Label = "another"
		put(2, gate.ModeEnforced, n2, changed, n3)
		put(3, gate.ModeOff, n3, n1) // n1 as it was, n2 gone
		put(4, gate.ModeOff)
		put(5, gate.ModeOff, n2) // n2 again

		// Entries come in the order they were made in, then as they were put.
		want := map[int64][]gate.Network{1: nil, 2: {n1, n2}, 3: {n3, changed, n2}, 4: {n3, n1}, 5: nil, 6: {n2}}
		counts := map[int64][3]int{1: {}, 2: {2, 0, 0}, 3: {1, 0, 1}, 4: {0, 1, 1}, 5: {0, 2, 0}, 6: {1, 0, 0}}
		for version, list := range want {
			v, err := s.List(t.Context(), "ACME", version)
			must(t, err)
			equal(t, fmt.Sprint("version ", version), v.Networks, list)
			equal(t, fmt.Sprint("counts of ", version), [3]int{v.Added, v.Removed, v.Changed}, counts[version])
			then, err := s.ListAt(t.Context(), "ACME", epoch.Add(time.Duration(version-1)*time.Minute+time.Second))
			must(t, err)
			equal(t, fmt.Sprint("at the time of ", version), then, v)
		}
		newest, err := s.List(t.Context(), "ACME", 0)
		must(t, err)
		equal(t, "newest", newest, &gate.ListVersion{
			Version: 6, Mode: gate.ModeOff, At: epoch.Add(5 * time.Minute), By: "li.na", Reason: "reason 5", Added: 1, Networks: []gate.Network{n2}})
		exactly, err := s.ListAt(t.Context(), "ACME", epoch.Add(2*time.Minute))
		must(t, err)
		equal(t, "at the moment of an edit", exactly.Version, int64(3))

		for name, err := range map[string]error{
			"version to come":  second(s.List(t.Context(), "ACME", 7)),
			"before the first": second(s.ListAt(t.Context(), "ACME", epoch.Add(-time.Second))),
			"no tenant":        second(s.List(t.Context(), "NONE", 0)),
			"put to no tenant": second(s.PutNetworks(t.Context(), record("x"), gate.ListPut{Tenant: "NONE", Base: 1})),
		} {
			if !errors.Is(err, gate.ErrNotFound) {
				t.Errorf("%s: got %v, want %v", name, err, gate.ErrNotFound)
			}
		}
		versions, err := s.ListVersions(t.Context(), "ACME", 5, 2)
		must(t, err)
		equal(t, "versions before 5", []int64{versions[0].Version, versions[1].Version}, []int64{4, 3})
		if versions[0].Networks != nil {
			t.Error("a list of versions has entries")
		}
	})
}

// An edit writes what differs and no more.
func TestPutNetworksWritesDifferences(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		list := manyNetworks(100)
		list[7].Label = "a\x00b" // differs from what is stored, but not from edit to edit
		for base := range int64(5) {
			list[3].Label = fmt.Sprint("label ", base)
			_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{Tenant: "ACME", Base: base + 1, Mode: gate.ModeEnforced, Networks: list})
			must(t, err)
		}
		var rows int
		must(t, s.read().row(t.Context(), `SELECT COUNT(*) FROM networks`).Scan(&rows))
		equal(t, "rows", rows, 100+4)
	})
}

func manyNetworks(n int) []gate.Network {
	list := make([]gate.Network, n)
	for i := range list {
		a := netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0})
		list[i] = network(fmt.Sprintf("N%05d", i*7919%100000), a.String()+"/24", 0)
	}
	return list
}

func TestFiveThousandEntries(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		list := manyNetworks(gate.MaxEntries)
		put := func(base int64, list []gate.Network) {
			t.Helper()
			began := time.Now()
			_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{Tenant: "ACME", Base: base, Mode: gate.ModeEnforced, Networks: list})
			must(t, err)
			t.Logf("edit of version %d took %v", base, time.Since(began))
		}
		put(1, list)
		got, err := s.List(t.Context(), "ACME", 0)
		must(t, err)
		if !reflect.DeepEqual(got.Networks, list) {
			t.Error("the list came back otherwise")
		}
		changed := slices.Clone(list)
		for i := range changed {
			changed[i].Enabled = false
		}
		put(2, changed)
		put(3, nil)
		for version, want := range map[int64][]gate.Network{2: list, 3: changed, 4: nil} {
			got, err := s.List(t.Context(), "ACME", version)
			must(t, err)
			if !reflect.DeepEqual(got.Networks, want) {
				t.Errorf("version %d came back otherwise", version)
			}
		}
	})
}

// Edits of one version at the same time: exactly one wins, and each loser
// learns which version there is now.
func TestConflictingEdits(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		for round := range int64(5) {
			var wg sync.WaitGroup
			errs := make([]error, 12)
			for i := range errs {
				wg.Go(func() {
					if i%4 == 3 { // a change of mode takes a version too, and always gets one
						_, errs[i] = s.List(t.Context(), "ACME", 0)
						return
					}
					_, errs[i] = s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{
						Tenant: "ACME", Base: round + 1, Mode: gate.ModeEnforced, Networks: []gate.Network{network(fmt.Sprint("N", i), "192.0.2.0/24", 0)}})
				})
			}
			wg.Wait()
			won := 0
			for i, err := range errs {
				conflict, ok := errors.AsType[*gate.VersionConflict](err)
				switch {
				case i%4 == 3:
					must(t, err)
				case err == nil:
					won++
				case !ok || conflict.Base != round+1 || conflict.Current != round+2:
					t.Errorf("got %+v (%v), want a conflict of %d with %d", conflict, err, round+1, round+2)
				}
			}
			equal(t, "edits that won", won, 1)
			v, err := s.List(t.Context(), "ACME", 0)
			must(t, err)
			equal(t, "entries", len(v.Networks), 1)
		}
	})
}

// The clock of the node that edits may be behind that of the one before.
func TestVersionsAreInOrderOfTime(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		for base, after := range []time.Duration{time.Hour, time.Minute} {
			_, err := s.PutNetworks(t.Context(), at(record("network.put"), after), gate.ListPut{Tenant: "ACME", Base: int64(base + 1), Mode: gate.ModeOff})
			must(t, err)
		}
		for after, want := range map[time.Duration]int64{time.Hour: 3, time.Hour - time.Second: 1, time.Minute: 1} {
			v, err := s.ListAt(t.Context(), "ACME", epoch.Add(after))
			must(t, err)
			equal(t, fmt.Sprint("version after ", after), v.Version, want)
		}
	})
}

// An oracle that keeps every version whole.
func TestListsAgainstWholeCopies(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		random := rand.New(rand.NewPCG(1, 2))
		copies := [][]gate.Network{nil, nil} // by version
		var list []gate.Network
		for made := range 40 {
			list = slices.Clone(list)
			for range 1 + random.IntN(3) {
				switch n := len(list); {
				case n > 0 && random.IntN(3) == 0:
					i := random.IntN(n)
					list = slices.Delete(list, i, i+1)
				case n > 0 && random.IntN(2) == 0:
					list[random.IntN(n)].Note = fmt.Sprint("note ", random.IntN(3))
				default:
					id := fmt.Sprint("N", made, ".", len(list), ".", random.IntN(1000))
					list = append(list, network(id, "192.0.2.0/24", time.Duration(made)*time.Second))
				}
			}
			_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{
				Tenant: "ACME", Base: int64(len(copies) - 1), Mode: gate.ModeEnforced, Networks: list})
			must(t, err)
			copies = append(copies, list)
		}
		for version := 1; version < len(copies); version++ {
			v, err := s.List(t.Context(), "ACME", int64(version))
			must(t, err)
			if !slices.EqualFunc(v.Networks, copies[version], func(a, b gate.Network) bool { return reflect.DeepEqual(a, b) }) {
				t.Errorf("version %d: got %+v, want %+v", version, v.Networks, copies[version])
			}
		}
	})
}

func TestRangesComeBack(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		var list []gate.Network
		for i, span := range []string{"203.0.113.7", "203.0.113.0/24", "203.0.113.10-203.0.113.40", "2001:db8::1", "2001:db8::/32", "2001:db8::1-2001:db8::9", "::ffff:198.51.100.7"} {
			n := network(fmt.Sprint("N", i), span, 0)
			list = append(list, n)
			if n.Range != cidr.MustParse(n.Range.String()) {
				t.Fatalf("%s does not come back from its own text", span)
			}
		}
		_, err := s.PutNetworks(t.Context(), record("network.put"), gate.ListPut{Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced, Networks: list})
		must(t, err)
		v, err := s.List(t.Context(), "ACME", 0)
		must(t, err)
		equal(t, "ranges", v.Networks, list)
	})
}

func TestNetworkSpans(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		a, b := network("A", "203.0.113.0/24", 0), network("B", "198.51.100.7", time.Minute)
		for i, list := range [][]gate.Network{{a}, {a, b}, {b}} {
			put := gate.ListPut{Tenant: "ACME", Base: int64(i + 1), Mode: gate.ModeEnforced, Networks: list}
			_, err := s.PutNetworks(t.Context(), at(record("network.put"), time.Duration(i+1)*time.Hour), put)
			must(t, err)
		}
		got, err := s.NetworkSpans(t.Context(), "ACME")
		must(t, err)
		equal(t, "spans", got, []gate.NetworkSpan{
			{Network: a, Version: 2, From: epoch.Add(time.Hour), Until: 4, To: epoch.Add(3 * time.Hour)},
			{Network: b, Version: 3, From: epoch.Add(2 * time.Hour)},
		})
	})
}

func TestSumAttempts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		blocked, again, in := attempt("SP-1", "ACME", epoch), attempt("SP-2", "ACME", epoch.Add(time.Hour)), attempt("SP-3", "ACME", epoch)
		blocked.Count, again.Count = 7, 2
		in.Stage, in.Outcome = gate.StageSignIn, gate.Allowed
		putAll(t, s, blocked, again, in, attempt("SP-4", "GLOBEX", epoch))
		got, err := s.SumAttempts(t.Context(), gate.AttemptFilter{Tenant: "ACME"})
		must(t, err)
		equal(t, "sums", got, []gate.AttemptSum{
			{Stage: gate.StageGate, Outcome: gate.Blocked, Count: 9, Last: epoch.Add(time.Hour)},
			{Stage: gate.StageSignIn, Outcome: gate.Allowed, Count: 1, Last: epoch},
		})
	})
}
