package store

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// monthOfAttempts is how many records the review's questions are measured with.
const monthOfAttempts = 1_000_000

// attacked stores a month of a tenant under attack, up to epoch: 15,000 networks
// that scan, and 40 colleagues who sign in.
func attacked(b *testing.B, s *Store, n int) {
	b.Helper()
	addTenant(b, s, "ACME")
	for i := range 40 {
		addAdmin(b, s, "ACME", fmt.Sprint("A", i))
	}
	random := rand.New(rand.NewPCG(1, 2))
	boot := gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}
	const month = 30 * 24 * time.Hour
	batch := make([]gate.Attempt, 0, 10_000)
	for i := range n {
		a := attempt(auth.NewReference(), "ACME", epoch.Add(-month).Add(month/time.Duration(n)*time.Duration(i)))
		scanner := random.IntN(15_000)
		a.Address = netip.AddrFrom4([4]byte{45, byte(scanner >> 8), byte(scanner), byte(random.IntN(3))})
		a.Count = 1 + random.Int64N(5)
		if i%50 == 0 {
			a.Stage, a.Outcome, a.Reason, a.Admin = gate.StageSignIn, gate.Allowed, gate.ByNetwork, fmt.Sprint("A", random.IntN(40))
			a.Address = netip.AddrFrom4([4]byte{203, 0, 113, byte(random.IntN(40))})
		}
		if batch = append(batch, a); len(batch) == cap(batch) || i == n-1 {
			boot.Seen += int64(len(batch))
			must(b, s.PutAttempts(b.Context(), boot, batch))
			batch = batch[:0]
		}
	}
}

// BenchmarkSummary asks what the review page asks, of a million records of one
// month: the page as it opens first after the program was started, before and
// after hours are packed, and later, when somebody groups and filters.
func BenchmarkSummary(b *testing.B) {
	benchEach(b, func(b *testing.B, s *Store) {
		attacked(b, s, monthOfAttempts)
		command := gate.Actor{Kind: gate.ActorCommand}
		begin := func(b *testing.B) *gate.Gate {
			g, err := gate.New(b.Context(), gate.Options{Store: s, Node: "sh-1", Now: func() time.Time { return epoch }})
			must(b, err)
			return g
		}
		ask := func(b *testing.B, g *gate.Gate, q gate.Question) {
			b.Helper()
			out, err := g.Summarize(b.Context(), command, q)
			must(b, err)
			for !out.Complete {
				out, err = g.Summarize(b.Context(), command, q)
				must(b, err)
			}
			if out.Records == 0 {
				b.Fatal("nothing was counted")
			}
		}
		question := func(days int, group gate.GroupBy, where ...gate.Condition) gate.Question {
			q := gate.Question{Group: group, Attention: true}
			q.Tenant, q.Since, q.Limit, q.Where = "ACME", epoch.Add(-time.Duration(days)*24*time.Hour), 100, where
			return q
		}
		first := func(name string, days int) {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					g := begin(b)
					ask(b, g, question(days, gate.GroupAddress))
					g.Stop()
				}
			})
		}
		first("first/unpacked/30d", 30)
		g := begin(b)
		b.Run("pack", func(b *testing.B) {
			for b.Loop() {
				_, err := s.writer.ExecContext(b.Context(), `UPDATE attempt_hours SET pack = NULL, changed = 0`)
				must(b, err)
				for packed(b, s) < 30*24 { // a round has a bound
					pack(b, s, g)
				}
			}
			var size int64
			must(b, s.read().row(b.Context(), `SELECT SUM(LENGTH(pack)) FROM attempt_hours`).Scan(&size))
			b.ReportMetric(float64(size)/monthOfAttempts, "B/record")
		})
		first("first/1d", 1)
		first("first/30d", 30)
		b.Cleanup(g.Stop)
		blocked := gate.Condition{Field: gate.FieldOutcome, Value: string(gate.Blocked)}
		within := gate.Condition{Field: gate.FieldAddress, Range: netip.MustParsePrefix("45.0.0.0/12"), Not: true}
		for name, q := range map[string]gate.Question{
			"address": question(30, gate.GroupAddress), "network": question(30, gate.GroupNetwork), "admin": question(30, gate.GroupAdmin),
			"reason": question(30, gate.GroupReason), "country": question(30, gate.GroupCountry), "filtered": question(30, gate.GroupAddress, blocked, within),
		} {
			ask(b, g, q)
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					ask(b, g, q)
				}
			})
		}
	})
}

// Whatever is asked, the answer is what counting record by record gives, also
// after records have grown, come late or gone, from the records and from packs.
func TestSummaryAgainstPlainCount(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		all := sample(t, s)
		old := after(t, s, 2*time.Hour)
		checkOf := func(t *testing.T, g *gate.Gate) {
			for name, f := range filters() {
				if f.Tenant == "" {
					continue
				}
				for _, by := range []gate.GroupBy{"", gate.GroupAddress, gate.GroupNetwork, gate.GroupAdmin, gate.GroupReason} {
					if f.Since.IsZero() {
						f.Since = epoch.Add(-48 * time.Hour)
					}
					checkSummary(t, fmt.Sprintf("%s by %q", name, by), g, gate.Question{AttemptFilter: f, Group: by, Patient: true}, all)
				}
			}
		}
		check := func(t *testing.T) {
			checkOf(t, old) // what it has in memory, and what has changed since
			pack(t, s, old)
			checkOf(t, after(t, s, 2*time.Hour)) // packs alone
		}
		check(t)
		for i := range all {
			if i%3 == 0 {
				all[i].Count += 7
				all[i].LastTime = all[i].LastTime.Add(time.Second)
			}
		}
		late := attempt("SP-LATE", "ACME", epoch.Add(-30*time.Hour))
		all = append(all, late)
		putAll(t, s, all...)
		check(t)
		cut := epoch.Add(10 * time.Minute)
		if _, err := s.DeleteAttempts(t.Context(), "", cut, 0); err != nil {
			t.Fatal(err)
		}
		all = slices.DeleteFunc(all, func(a gate.Attempt) bool { return a.LastTime.Before(cut) })
		check(t)
	})
}

// checkSummary compares an answer with one that is counted record by record.
func checkSummary(t *testing.T, name string, g *gate.Gate, q gate.Question, all []gate.Attempt) {
	t.Helper()
	got, err := g.Summarize(t.Context(), gate.Actor{Kind: gate.ActorSystem}, q)
	must(t, err)
	var want gate.Tally
	groups := map[string]gate.AttemptGroup{}
	for _, a := range all {
		if !selects(q.AttemptFilter, a) {
			continue
		}
		switch a.Outcome {
		case gate.Blocked:
			want.Blocked += a.Count
		case gate.Refused:
			want.Refused += a.Count
		case gate.Allowed:
			want.Allowed += a.Count
		}
		if q.Group == "" {
			continue
		}
		group, ok := groups[groupKey(a, q.Group)]
		if !ok || a.FirstTime.Before(group.FirstTime) {
			group.FirstTime = a.FirstTime
		}
		group.Key = groupKey(a, q.Group)
		group.Records++
		group.Count += a.Count
		if a.Outcome != gate.Allowed {
			group.NotAllowed += a.Count
		}
		if a.LastTime.After(group.LastTime) {
			group.LastTime = a.LastTime
		}
		groups[group.Key] = group
	}
	var sum gate.Tally
	for _, b := range got.Buckets {
		sum.Blocked, sum.Refused, sum.Allowed = sum.Blocked+b.Blocked, sum.Refused+b.Refused, sum.Allowed+b.Allowed
	}
	if got.Total != want || sum != want || !got.Complete {
		t.Errorf("%s: got %+v, in buckets %+v, complete %v; want %+v", name, got.Total, sum, got.Complete, want)
	}
	if len(got.Groups) != len(groups) || got.GroupCount != len(groups) {
		t.Errorf("%s: got %d of %d groups, want %d", name, len(got.Groups), got.GroupCount, len(groups))
	}
	for i, group := range got.Groups {
		group.Reference = "" // of several at one moment it may be any
		if groups[group.Key] != group {
			t.Errorf("%s: got %+v, want %+v", name, group, groups[group.Key])
		}
		if i > 0 && group.Count > got.Groups[i-1].Count {
			t.Errorf("%s: the largest is not first", name)
		}
	}
}
