package store

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
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

// BenchmarkReview replays a list against a month of 100,000 records, read anew
// each time.
func BenchmarkReview(b *testing.B) {
	const records = 100_000
	benchEach(b, func(b *testing.B, s *Store) {
		addTenant(b, s, "ACME")
		people := make([]string, 200)
		for i := range people {
			people[i] = fmt.Sprint("ADMIN-", i)
			addAdmin(b, s, "ACME", people[i])
		}
		month(b, s, "ACME", records, people, epoch)
		now := epoch
		g, err := gate.New(b.Context(), gate.Options{Store: s, Node: "sh-1", Now: func() time.Time { return now }})
		must(b, err)
		b.Cleanup(g.Stop)
		door := &gate.Door{Gate: g}
		command := gate.Actor{Kind: gate.ActorCommand}
		edit := gate.Edit{Tenant: "ACME", Base: 1, Mode: gate.ModeEnforced}
		edit.Entries = []gate.Draft{{Range: "203.0.113.0/24", Label: "HQ", Enabled: true}}
		_, err = g.PutNetworks(b.Context(), command, edit)
		must(b, err)
		edit.Base, edit.Entries[0].Range = 2, "203.0.113.0/25"
		for b.Loop() {
			now = now.Add(2 * time.Minute) // what was read before is too old
			r, err := door.Review(b.Context(), command, edit)
			must(b, err)
			for !r.Replay.Complete {
				r, err = door.Review(b.Context(), command, edit)
				must(b, err)
			}
			if r.Replay.Read < records*99/100 || len(r.Replay.NewlyBlocked) == 0 {
				b.Fatalf("read %d records, %d lines", r.Replay.Read, len(r.Replay.NewlyBlocked))
			}
		}
	})
}

// Of all records, those that say something are summed up, by what they say.
func TestEvidence(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		addTenant(t, s, "GLOBEX")
		at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Hour) }
		put := func(tenant, address string, when time.Time, stage gate.Stage, outcome gate.Outcome, reason gate.Reason, admin string) {
			a := attempt(gate.NewID(), tenant, when)
			a.Stage, a.Outcome, a.Reason, a.Admin, a.Count = stage, outcome, reason, admin, 3
			if a.Address, a.Bits = (netip.Addr{}), 0; address != "" {
				p := netip.MustParsePrefix(address)
				a.Address, a.Bits = p.Addr(), p.Bits()
			}
			must(t, s.PutAttempts(t.Context(), gate.Ledger{Boot: "BOOT", Node: "sh-1"}, []gate.Attempt{a}))
		}
		const here, there = "203.0.113.7/32", "2001:db8::7/128"
		put("ACME", here, at(1), gate.StageSignIn, gate.Allowed, gate.ByNetwork, "A")
		put("ACME", here, at(2), gate.StageSignIn, gate.WouldBlock, gate.ByDryRun, "A")
		put("ACME", there, at(2), gate.StageSignIn, gate.Allowed, gate.ByOperatorNetwork, "B")
		put("ACME", there, at(3), gate.StageSignIn, gate.Refused, gate.BadCredentials, "B")
		put("ACME", there, at(3), gate.StageSignIn, gate.Refused, gate.AccountUnknown, "")
		put("ACME", there, at(3), gate.StageSignIn, gate.Refused, gate.OutsideNetworks, "B")
		put("ACME", here, at(3), gate.StageGate, gate.Blocked, gate.OutsideNetworks, "")
		put("ACME", "203.0.113.0/24", at(4), gate.StageGate, gate.Blocked, gate.OutsideNetworks, "") // folded
		put("ACME", here, at(4), gate.StageGate, gate.WouldBlock, gate.ByDryRun, "")                 // not kept out, not a sign-in
		put("ACME", here, at(4), gate.StageSession, gate.Refused, gate.NoSession, "")
		put("ACME", "", at(4), gate.StageGate, gate.Blocked, gate.OutsideNetworks, "") // everybody, folded
		put("ACME", here, at(0), gate.StageSignIn, gate.Allowed, gate.ByNetwork, "A")  // before the span
		put("ACME", here, at(5), gate.StageSignIn, gate.Allowed, gate.ByNetwork, "A")  // after it
		put("GLOBEX", here, at(1), gate.StageSignIn, gate.Allowed, gate.ByNetwork, "A")

		span := gate.EvidenceSpan{Tenant: "ACME", Since: at(1), Until: at(5)}
		signIns := []string{
			"sign_in A 203.0.113.7/32 3 " + at(1).Format(time.TimeOnly),
			"sign_in A 203.0.113.7/32 3 " + at(2).Format(time.TimeOnly),
			"sign_in B 2001:db8::7/128 3 " + at(2).Format(time.TimeOnly),
		}
		others := []string{
			"blocked  203.0.113.0/24 3 " + at(4).Format(time.TimeOnly),
			"blocked  203.0.113.7/32 3 " + at(3).Format(time.TimeOnly),
			"blocked B 2001:db8::7/128 3 " + at(3).Format(time.TimeOnly),
			"failed  2001:db8::7/128 3 " + at(3).Format(time.TimeOnly),
			"failed B 2001:db8::7/128 3 " + at(3).Format(time.TimeOnly),
		}
		for _, tt := range []struct {
			signIns bool
			want    []string
		}{{true, signIns}, {false, append(slices.Clone(others), signIns...)}} {
			span.SignIns = tt.signIns
			var got []string
			must(t, s.Evidence(t.Context(), span, func(e gate.Evidence) {
				got = append(got, fmt.Sprintf("%s %s %s/%d %d %s", e.Kind, e.Admin, e.Address, e.Bits, e.Count, e.Last.Format(time.TimeOnly)))
			}))
			if slices.Sort(got); !slices.Equal(got, tt.want) {
				t.Errorf("sign-ins only %v: got\n%s\nwant\n%s", tt.signIns, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			n, err := s.CountEvidence(t.Context(), span)
			if err != nil || n != int64(len(tt.want)) {
				t.Errorf("counted %d, %v; want %d", n, err, len(tt.want))
			}
		}
	})
}

// Evidence and the history come from the indexes alone: reading the records
// themselves would take three times as long.
func TestReadingIsCovered(t *testing.T) {
	s := openNew(t, newDSN["sqlite"](t))
	span := gate.EvidenceSpan{Tenant: "ACME", Since: epoch, Until: epoch.Add(time.Hour)}
	planOf := func(query string, args ...any) []string {
		t.Helper()
		plan, err := collect(t.Context(), s.read(), func(row scanner) (detail string, err error) {
			var skip int
			err = row.Scan(&skip, &skip, &skip, &detail)
			return detail, err
		}, `EXPLAIN QUERY PLAN `+query, args...)
		must(t, err)
		return plan
	}
	covered := func(index, query string, args ...any) {
		t.Helper()
		plan := planOf(query, args...)
		if want := "SEARCH attempts USING COVERING INDEX " + index + " (tenant=? AND first_time>? AND first_time<?)"; !slices.Equal(plan, []string{want}) {
			t.Errorf("got %q, want %q", plan, want)
		}
	}
	query, args := evidenceQuery(span)
	covered("attempts_tenant", query, args...)
	span.SignIns = true
	query, args = evidenceQuery(span)
	covered("attempts_sign_ins", query, args...)
	covered("attempts_tenant", tracesQuery, "ACME", micro(span.Since), micro(span.Until))
	keys := make([]gate.AttemptKey, 200)
	query, args = attemptsOfQuery("ACME", keys)
	const byKey = "SEARCH a USING INDEX sqlite_autoindex_attempts_1 (reference=? AND first_time=?)"
	if plan := planOf(query, args...); !slices.Contains(plan, byKey) {
		t.Errorf("got %q, want %q among it", plan, byKey)
	}
}
