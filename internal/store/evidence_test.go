package store

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// month puts a month of records into the store: sign-ins of people from a few
// addresses each, typos, and strangers who are kept out.
func month(t testing.TB, s *Store, tenant string, records int, people []string, end time.Time) {
	t.Helper()
	chance := rand.New(rand.NewPCG(1, 2))
	boot := gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}
	batch := make([]gate.Attempt, 0, 2000)
	for i := range records {
		a := attempt(gate.NewID(), tenant, end.Add(-time.Duration(chance.Int64N(int64(30*24*time.Hour)))))
		a.Admin, a.Count, a.Bits = "", 1, 32
		switch chance.IntN(10) {
		case 0, 1, 2, 3, 4:
			a.Stage, a.Outcome, a.Reason, a.Admin = gate.StageSignIn, gate.Allowed, gate.ByNetwork, people[chance.IntN(len(people))]
			a.Address = netip.AddrFrom4([4]byte{203, 0, 113, byte(chance.IntN(256))})
		case 5:
			a.Stage, a.Outcome, a.Reason = gate.StageSignIn, gate.Refused, gate.AccountUnknown
			a.Address = netip.AddrFrom4([4]byte{203, 0, 113, byte(chance.IntN(256))})
		default:
			a.Stage, a.Outcome, a.Reason = gate.StageGate, gate.Blocked, gate.OutsideNetworks
			a.Address, a.Count = netip.AddrFrom4([4]byte{198, byte(chance.IntN(100)), byte(chance.IntN(256)), byte(chance.IntN(256))}), 1+chance.Int64N(50)
		}
		if batch = append(batch, a); len(batch) == cap(batch) || i == records-1 {
			boot.Seen += int64(len(batch))
			must(t, s.PutAttempts(t.Context(), boot, batch))
			batch = batch[:0]
		}
	}
}

// BenchmarkEvidence reads a month of 100,000 records, a day at a time as the
// gate does.
func BenchmarkEvidence(b *testing.B) {
	const records = 100_000
	people := make([]string, 200)
	for i := range people {
		people[i] = fmt.Sprint("ADMIN-", i)
	}
	benchEach(b, func(b *testing.B, s *Store) {
		addTenant(b, s, "ACME")
		month(b, s, "ACME", records, people, epoch)
		for b.Loop() {
			read := 0
			for day := range 30 {
				until := epoch.Add(-time.Duration(day) * 24 * time.Hour)
				span := gate.EvidenceSpan{Tenant: "ACME", Since: until.Add(-24 * time.Hour), Until: until}
				must(b, s.Evidence(b.Context(), span, func(gate.Evidence) { read++ }))
			}
			if read < records*99/100 {
				b.Fatalf("read %d records, want %d", read, records)
			}
		}
	})
}

func sortEvidence(a, b gate.Evidence) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Admin, b.Admin), a.Address.Compare(b.Address), cmp.Compare(a.Bits, b.Bits))
}

var _ = slices.SortFunc[[]gate.Evidence]
