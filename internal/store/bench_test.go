package store

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// benchEach runs a benchmark on both engines.
func benchEach(b *testing.B, bench func(b *testing.B, s *Store)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) { bench(b, openNew(b, newDSN[engine](b))) })
	}
}

// BenchmarkPutAttempts stores batches as the recorder makes them.
func BenchmarkPutAttempts(b *testing.B) {
	const size = 2000
	benchEach(b, func(b *testing.B, s *Store) {
		batch := make([]gate.Attempt, size)
		boot := gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}
		n := 0
		for b.Loop() {
			for i := range batch {
				n++
				batch[i] = attempt(gate.NewID(), fmt.Sprint("T", n%50), epoch.Add(time.Duration(n)*time.Millisecond))
				batch[i].Address = netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
			}
			boot.Seen += size
			must(b, s.PutAttempts(b.Context(), boot, batch))
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
	})
}

func BenchmarkLoadPolicy(b *testing.B) {
	const tenants, entries = 1000, 50
	benchEach(b, func(b *testing.B, s *Store) {
		list := manyNetworks(entries)
		for i := range tenants {
			id := fmt.Sprint("T", i)
			addTenant(b, s, id)
			addAdmin(b, s, id, "A-"+id)
			_, err := s.PutNetworks(b.Context(), record("network.put"), gate.ListPut{Tenant: id, Base: 1, Mode: gate.ModeEnforced, Networks: list})
			must(b, err)
		}
		for b.Loop() {
			p, err := s.LoadPolicy(b.Context())
			must(b, err)
			if len(p.Tenants) != tenants || len(p.Tenants[7].Networks) != entries {
				b.Fatal("the policy is not whole")
			}
		}
		b.ReportMetric(float64(b.N*tenants*entries)/b.Elapsed().Seconds(), "entries/s")
	})
}

// BenchmarkChange is the smallest change there is: what every edit pays.
func BenchmarkChange(b *testing.B) {
	benchEach(b, func(b *testing.B, s *Store) {
		n := addTenant(b, s, "ACME")
		for b.Loop() {
			must(b, s.SetTenant(b.Context(), record("tenant.set"), n))
		}
	})
}
