package store

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestTenantFigures(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "OTHER")
		addAdmin(t, s, "ACME", "A1")
		var batch []gate.Attempt
		for i, a := range []gate.Attempt{
			{Stage: gate.StageGate, Outcome: gate.Blocked, Count: 7},
			{Stage: gate.StageGate, Outcome: gate.WouldBlock, Count: 11},
			{Stage: gate.StageSignIn, Outcome: gate.Refused, Count: 13},
			{Stage: gate.StageGate, Outcome: gate.Blocked, Count: 17, Tenant: "OTHER"},
			{Stage: gate.StageGate, Outcome: gate.Blocked, Count: 19, LastTime: epoch.Add(-25 * time.Hour)},
		} {
			a.Reference, a.Reason, a.Address, a.Boot = fmt.Sprint("R", i), gate.OutsideNetworks, netip.MustParseAddr("198.51.100.7"), "B"
			if a.Tenant == "" {
				a.Tenant = "ACME"
			}
			if a.LastTime.IsZero() {
				a.LastTime = epoch
			}
			a.FirstTime = a.LastTime
			batch = append(batch, a)
		}
		must(t, s.PutAttempts(t.Context(), gate.Ledger{Boot: "B", Node: "n1", Started: epoch}, batch))
		_, err := s.AddAsk(t.Context(), record("request.add"), ask("R1", "browser1", epoch), 9)
		must(t, err)
		got, err := s.TenantFigures(t.Context(), "ACME", epoch.Add(-24*time.Hour), epoch.Add(-time.Hour))
		must(t, err)
		if got.Blocked != 7 || got.Requests != 1 || !got.LastSignIn.IsZero() || !got.DryRunSince.IsZero() {
			t.Errorf("got %+v", got)
		}
		for i, mode := range []gate.Mode{gate.ModeDryRun, gate.ModeEnforced, gate.ModeDryRun, gate.ModeDryRun} {
			_, err := s.PutNetworks(t.Context(), at(record("network.put"), time.Duration(i)*time.Hour), gate.ListPut{Tenant: "ACME", Base: int64(i) + 1, Mode: mode})
			must(t, err)
		}
		got, err = s.TenantFigures(t.Context(), "ACME", epoch, epoch)
		must(t, err)
		if want := epoch.Add(2 * time.Hour); !got.DryRunSince.Equal(want) {
			t.Errorf("in dry run since %s, want %s", got.DryRunSince, want)
		}
	})
}

func TestDescribeStore(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		i, err := s.DescribeStore(t.Context())
		must(t, err)
		if want := map[bool]string{true: "SQLite", false: "PostgreSQL"}[s.clock == ""]; i.Kind != want || i.Version == "" || i.Bytes < 100_000 {
			t.Errorf("got %+v", i)
		}
	})
}
