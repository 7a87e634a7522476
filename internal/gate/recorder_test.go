package gate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// switched is a real store that can be made to go away.
type switched struct {
	gate.Store
	away atomic.Bool
}

var errAway = errors.New("the store is away")

func (s *switched) PutAttempts(ctx context.Context, l gate.Ledger, batch []gate.Attempt) error {
	if s.away.Load() {
		return errAway
	}
	return s.Store.PutAttempts(ctx, l, batch)
}

func (s *switched) ChangesFrom(ctx context.Context, pos int64, limit int) ([]gate.Change, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.Store.ChangesFrom(ctx, pos, limit)
}

func (s *switched) Reserve(ctx context.Context, keys [][]byte, l gate.Throttle, now time.Time) (time.Time, error) {
	if s.away.Load() {
		return time.Time{}, errAway
	}
	return s.Store.Reserve(ctx, keys, l, now)
}

func (s *switched) CloseLedger(ctx context.Context, boot string, seen int64) (gate.Ledger, error) {
	if s.away.Load() {
		return gate.Ledger{}, errAway
	}
	return s.Store.CloseLedger(ctx, boot, seen)
}

// refuse sends n visitors that are refused, and returns how often each was.
func (w *world) refuse(n int, address func(i int) string) map[netip.Addr]int64 {
	counts := map[netip.Addr]int64{}
	for i := range n {
		q := w.from(address(i))
		dec := w.door.Decide(q)
		w.door.Record(q, &dec)
		counts[q.Address.Addr]++
	}
	return counts
}

// stored returns the counts of the records in the store by address.
func (w *world) stored() map[netip.Addr]int64 {
	w.Helper()
	counts := map[netip.Addr]int64{}
	f := gate.AttemptFilter{Tenant: w.acme.ID, Limit: 500, Where: []gate.Condition{{Field: gate.FieldOutcome, Value: string(gate.Blocked)}}}
	for {
		list, err := w.Attempts(w.Context(), command, f)
		if err != nil {
			w.Fatal(err)
		}
		for _, a := range list {
			counts[a.Address] += a.Count
		}
		if len(list) < f.Limit {
			return counts
		}
		last := list[len(list)-1]
		f.Before = gate.Cursor{Time: last.FirstTime, ID: last.Reference}
	}
}

func same(got, want map[netip.Addr]int64) error {
	for a, n := range want {
		if got[a] != n {
			return fmt.Errorf("%s: got %d, want %d", a, got[a], n)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("got %d addresses, want %d", len(got), len(want))
	}
	return nil
}

func TestRepeatsAreOneRecord(t *testing.T) {
	w := newWorld(t)
	q := w.from(outside)
	record := func() string { dec := w.door.Decide(q); return w.door.Record(q, &dec) }
	first := record()
	for range 99 {
		w.clock.advance(50 * time.Millisecond)
		if got := record(); got != first {
			t.Fatalf("a repeat got the reference %s, want %s", got, first)
		}
	}
	w.clock.advance(6 * time.Second)
	if record() == first {
		t.Error("a refusal after ten seconds counts in the old record")
	}
	eventually(t, "both records are stored", func() bool { return w.stored()[q.Address.Addr] == 101 })
	a, err := w.Explain(t.Context(), command, w.acme.ID, first)
	if err != nil {
		t.Fatal(err)
	}
	if a.Attempt.Count != 100 || a.Attempt.LastTime.Sub(a.Attempt.FirstTime) != 99*50*time.Millisecond {
		t.Errorf("first record: count %d over %s", a.Attempt.Count, a.Attempt.LastTime.Sub(a.Attempt.FirstTime))
	}
}

func TestCountsAreExactInParallel(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	want := map[netip.Addr]int64{}
	for range 8 {
		wg.Go(func() {
			counts := w.refuse(5000, func(int) string { return fmt.Sprintf("198.51.100.%d", rand.N(50)) })
			mu.Lock()
			defer mu.Unlock()
			for a, n := range counts {
				want[a] += n
			}
		})
	}
	wg.Wait()
	eventually(t, "every refusal is counted in the store", func() bool { return same(w.stored(), want) == nil })
	balanced(t, w.Gate)
}

// balanced checks the ledgers of all nodes and starts.
func balanced(t *testing.T, g *gate.Gate) {
	t.Helper()
	var wrong error
	eventually(t, "ledgers balance", func() bool {
		wrong = nil
		s := g.Status(t.Context())
		for _, l := range s.Ledgers {
			if l.Seen != l.Stored+l.Deleted+l.Waiting+l.Lost {
				wrong = fmt.Errorf("%s saw %d, but %d stored, %d deleted, %d waiting, %d lost", l.Boot, l.Seen, l.Stored, l.Deleted, l.Waiting, l.Lost)
			}
		}
		return wrong == nil && len(s.Ledgers) > 0
	})
}

// TestStoreAway takes the store away while refusals go on: requests are decided
// from the last snapshot, sign-ins are refused, and what could not be stored is
// stored later, once.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	inner, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	s := &switched{Store: inner}
	spool := t.TempDir()
	node := func() *gate.Gate {
		g, err := gate.New(t.Context(), gate.Options{Store: s, Node: "n2", Now: w.clock.Now, Spool: spool})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return g
	}
	second := node()
	w.door = w.doorOf(second)
	session := w.signIn(inside, "li.na")
	s.away.Store(true)
	want := w.refuse(3000, func(i int) string { return fmt.Sprintf("198.51.100.%d", i%200) })
	w.decided(w.with(w.from(inside), session), gate.Allowed, gate.ByNetwork)
	if _, err := w.login(w.from(inside), "li.na", password("li.na")); !errors.Is(err, errAway) {
		t.Errorf("sign-in while the store is away: %v, want its error", err)
	}
	eventually(t, "the node says that the store is away", func() bool { return second.Status(t.Context()).StoreDown })
	eventually(t, "refusals are spooled", func() bool { m, _ := filepath.Glob(spool + "/*.jsonl"); return len(m) == 1 })
	if n := second.Status(t.Context()).Waiting; n != 3000 {
		t.Errorf("waiting: got %d, want 3000", n)
	}
	second.Stop() // before the store is back: the next start takes over
	if got := w.stored(); len(got) != 0 {
		t.Fatalf("%d addresses are stored while the store is away", len(got))
	}
	s.away.Store(false)
	third := node()
	defer third.Stop()
	if err := same(w.stored(), want); err != nil {
		t.Error(err)
	}
	if m, _ := filepath.Glob(spool + "/*"); len(m) != 2 {
		t.Errorf("the spool has %v, want the two files of the running program", m)
	}
	balanced(t, third)
}

// TestSpoolCutShort ends a spool in the middle of a line, as a kill does, and
// loses a counted attempt: the ledger says so.
func TestSpoolCutShort(t *testing.T) {
	w := newWorld(t)
	inner, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	s := &switched{Store: inner}
	spool := t.TempDir()
	o := gate.Options{Store: s, Node: "n2", Now: w.clock.Now, Spool: spool}
	second, err := gate.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.door = w.doorOf(second)
	s.away.Store(true)
	w.refuse(10, func(i int) string { return fmt.Sprintf("198.51.100.%d", i) })
	second.Stop()
	files, _ := filepath.Glob(spool + "/*.jsonl")
	if len(files) != 1 {
		t.Fatalf("spool: %v", files)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], info.Size()-20); err != nil {
		t.Fatal(err)
	}
	s.away.Store(false)
	third, err := gate.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer third.Stop()
	if got := len(w.stored()); got != 9 {
		t.Errorf("stored: got %d, want 9", got)
	}
	balanced(t, third)
	for _, l := range third.Status(t.Context()).Ledgers {
		if l.Seen == 10 && l.Lost != 1 {
			t.Errorf("lost: got %d, want 1", l.Lost)
		}
	}
}

// TestFloodFoldsCoarsely sends more addresses than memory holds while the store
// is away: the counts stay exact, the detail goes.
func TestFloodFoldsCoarsely(t *testing.T) {
	w := newWorld(t)
	inner, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	s := &switched{Store: inner}
	second, err := gate.New(t.Context(), gate.Options{Store: s, Node: "n2", Now: w.clock.Now, MaxRecords: 1000})
	if err != nil {
		t.Fatal(err)
	}
	s.away.Store(true)
	w.door = w.doorOf(second)
	w.refuse(3000, func(i int) string { return fmt.Sprintf("8.8.%d.%d", i>>8, i&255) })
	w.refuse(1500, func(i int) string { return fmt.Sprintf("9.%d.%d.1", i>>8&255, i&255) })
	w.refuse(500, func(i int) string { return fmt.Sprintf("10.%d.%d.1", i>>8&255, i&255) })
	s.away.Store(false)
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.Stop()
	var single, networks, everybody, total int64
	q := gate.Question{Patient: true}
	q.Tenant, q.Since = w.acme.ID, w.clock.Now().Add(-time.Hour)
	all, err := w.Summarize(t.Context(), command, q)
	if err != nil {
		t.Fatal(err)
	}
	total = all.Total.NotAllowed() + all.Total.Allowed
	if total != 5000 {
		t.Errorf("total: got %d, want %d", total, 5000)
	}
	f := gate.AttemptFilter{Tenant: w.acme.ID, Limit: 500}
	for {
		list, err := w.Attempts(t.Context(), command, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			switch a.Bits {
			case 32:
				single++
			case 24:
				networks++
			case 0:
				everybody++
			}
		}
		if len(list) < f.Limit {
			break
		}
		f.Before = gate.Cursor{Time: list[len(list)-1].FirstTime, ID: list[len(list)-1].Reference}
	}
	if single != 1000 || networks != 1000 || everybody != 1 {
		t.Errorf("records: %d of one address, %d of networks, %d of everybody; want 1000, 1000, 1", single, networks, everybody)
	}
}

func TestRetentionDeletes(t *testing.T) {
	w := newWorld(t)
	w.refuse(10, func(i int) string { return fmt.Sprintf("198.51.100.%d", i) })
	eventually(t, "refusals are stored", func() bool { return len(w.stored()) == 10 })
	w.clock.advance(400 * 24 * time.Hour)
	w.refuse(3, func(i int) string { return fmt.Sprintf("198.51.100.%d", i) })
	second := w.node("n2") // keeps house when it starts
	eventually(t, "old refusals are deleted", func() bool { return len(w.stored()) == 3 })
	balanced(t, second)
}
