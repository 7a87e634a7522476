package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

var exporter = gate.Actor{Kind: gate.ActorCommand, Login: "test"}

func newGate(t testing.TB, s *Store) *gate.Gate {
	t.Helper()
	g, err := gate.New(t.Context(), gate.Options{Store: s, Node: "test"})
	must(t, err)
	return g
}

// manyAttempts stores n records of ACME, several at each moment.
func manyAttempts(t testing.TB, s *Store, n int) {
	t.Helper()
	boot := gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}
	random := rand.New(rand.NewPCG(5, 6))
	batch := make([]gate.Attempt, 0, 5000)
	for i := range n {
		a := attempt(fmt.Sprintf("SP-%07d", random.IntN(10_000_000)), "ACME", epoch.Add(time.Duration(i/3)*time.Second))
		a.Address = netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		a.UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
		a.LastTime = a.FirstTime.Add(time.Duration(random.IntN(9)) * time.Second)
		if batch = append(batch, a); len(batch) == cap(batch) || i == n-1 {
			boot.Seen += int64(len(batch))
			must(t, s.PutAttempts(t.Context(), boot, batch))
			batch = batch[:0]
		}
	}
}

// TestExportWhileRecording: what is stored while an export runs neither takes
// records out of it nor brings any twice.
func TestExportWhileRecording(t *testing.T) {
	const before = 5000
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		manyAttempts(t, s, before)
		there, err := s.Attempts(t.Context(), gate.AttemptFilter{Tenant: "ACME"})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		writer.Go(func() {
			boot := gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}
			for i := 0; ctx.Err() == nil; i++ {
				grown := there[(i*17)%len(there)]
				grown.Count += int64(i)
				grown.LastTime = grown.LastTime.Add(time.Minute)
				late := attempt(fmt.Sprintf("SP-LATE%d", i), "ACME", epoch.Add(time.Duration(i%3000)*time.Second))
				fresh := attempt(fmt.Sprintf("SP-NEW%d", i), "ACME", epoch.Add(time.Duration(4000+i)*time.Second))
				_ = s.PutAttempts(ctx, boot, []gate.Attempt{grown, late, fresh})
			}
		})
		e, err := newGate(t, s).Export(t.Context(), exporter, gate.AttemptFilter{Tenant: "ACME"}, "jsonl")
		must(t, err)
		type key struct {
			reference string
			at        time.Time
		}
		seen := map[key]bool{}
		var order []time.Time
		for {
			page, err := e.Next(t.Context())
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, a := range page {
				if k := (key{a.Reference, a.FirstTime}); seen[k] {
					t.Errorf("%v comes twice", k)
				} else {
					seen[k] = true
				}
				order = append(order, a.FirstTime)
			}
		}
		stop()
		writer.Wait()
		for _, a := range there {
			if !seen[key{a.Reference, a.FirstTime}] {
				t.Errorf("%s is missing", a.Reference)
			}
		}
		if !slices.IsSortedFunc(order, func(a, b time.Time) int { return b.Compare(a) }) {
			t.Error("the order is not newest first")
		}
		if got := e.Rows(); got != int64(len(seen)) || got < before {
			t.Errorf("got %d rows, want %d", got, len(seen))
		}
	})
}

// TestExportIsRecorded: the change log has every export, what it selected and
// what became of it, never what was typed as a login, and holds.
func TestExportIsRecorded(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		manyAttempts(t, s, 10)
		g := newGate(t, s)
		f := gate.AttemptFilter{Tenant: "ACME", Since: epoch, Limit: 4, Where: []gate.Condition{
			{Field: gate.FieldLogin, Value: "my password", Not: true}, {Field: gate.FieldAddress, Range: netip.MustParsePrefix("198.51.0.0/16")},
		}}
		e, err := g.Export(t.Context(), exporter, f, "csv")
		must(t, err)
		sum, err := export.Write(t.Context(), io.Discard, e, exportOptions(export.CSV))
		must(t, err)
		changes, err := s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Limit: 2})
		must(t, err)
		for i, want := range []struct{ action, detail string }{
			{"attempts.exported", fmt.Sprintf(`{"export":%q,"rows":4,"sha256":"%x","complete":true}`, e.ID, sum)},
			{"attempts.export", fmt.Sprintf(`{"export":%q,"format":"csv","since":"2026-03-01T12:00:00Z","limit":4,"where":[{"field":"login","value":%q,"not":true},{"field":"address","value":"198.51.0.0/16"}]}`,
				e.ID, g.LoginHash("my password"))},
		} {
			if c := changes[i]; c.Action != want.action || string(c.Detail) != want.detail || c.Subject != e.ID || c.Kind != gate.ChangeAccess {
				t.Errorf("got %s %s, want %s %s", c.Action, c.Detail, want.action, want.detail)
			}
		}
		if _, err := s.VerifyChanges(t.Context()); err != nil {
			t.Error(err)
		}

		// One that is cut off is recorded as such.
		e, err = g.Export(t.Context(), exporter, gate.AttemptFilter{Tenant: "ACME"}, "csv")
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := export.Write(ctx, io.Discard, e, exportOptions(export.CSV)); err == nil {
			t.Error("an export that was stopped is whole")
		}
		changes, err = s.Changes(t.Context(), gate.ChangeFilter{Tenant: "ACME", Limit: 1})
		must(t, err)
		var end struct {
			Export   string
			Complete bool
		}
		must(t, json.Unmarshal(changes[0].Detail, &end))
		if changes[0].Action != "attempts.exported" || end.Export != e.ID || end.Complete {
			t.Errorf("got %s %s", changes[0].Action, changes[0].Detail)
		}
	})
}

// TestExportMemory: an export holds a page, however many records there are.
func TestExportMemory(t *testing.T) {
	s := openNew(t, newDSN["sqlite"](t))
	addTenant(t, s, "ACME")
	manyAttempts(t, s, 14_000)
	g := newGate(t, s)
	grown := func(limit int) uint64 {
		e, err := g.Export(t.Context(), exporter, gate.AttemptFilter{Tenant: "ACME", Limit: limit}, "jsonl")
		must(t, err)
		base, most := heap(), uint64(0)
		o := exportOptions(export.JSONLines)
		o.Progress = func(int64) { most = max(most, heap()) }
		_, err = export.Write(t.Context(), io.Discard, e, o)
		must(t, err)
		equal(t, "rows", e.Rows(), int64(limit))
		return most - min(base, most)
	}
	few, many := grown(4000), grown(14_000)
	t.Logf("4,000 rows hold %d KiB, 14,000 rows %d KiB", few>>10, many>>10)
	if many > 2*few+(4<<20) {
		t.Errorf("14,000 rows hold %d KiB, and 4,000 %d KiB", many>>10, few>>10)
	}
}

// heap is what is in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func exportOptions(f export.Format) export.Options {
	return export.Options{
		Format: f, Slug: func(id string) string { return id },
		Place: func(*gate.Attempt) gate.Place { return gate.Place{} },
	}
}

// BenchmarkExport takes a million records out in every format, and says how
// much memory that holds at most.
func BenchmarkExport(b *testing.B) {
	const records = 1_000_000
	benchEach(b, func(b *testing.B, s *Store) {
		addTenant(b, s, "ACME")
		manyAttempts(b, s, records)
		g := newGate(b, s)
		for _, format := range export.Formats {
			b.Run(string(format), func(b *testing.B) {
				rows, most := int64(0), uint64(0)
				for b.Loop() {
					e, err := g.Export(b.Context(), exporter, gate.AttemptFilter{Tenant: "ACME"}, string(format))
					must(b, err)
					o := exportOptions(format)
					o.Progress = func(rows int64) {
						if rows%200_000 == 0 {
							most = max(most, heap())
						}
					}
					_, err = export.Write(b.Context(), io.Discard, e, o)
					must(b, err)
					rows += e.Rows()
				}
				b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(most)/(1<<20), "MiB-held")
			})
		}
	})
}
