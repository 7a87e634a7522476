package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

var deliveryBoot = gate.Ledger{Boot: "BOOT", Node: "sh-1", Started: epoch}

// holdDelivery makes the account of a destination and holds it.
func holdDelivery(t testing.TB, s *Store, name, tenant string, now time.Time) {
	t.Helper()
	must(t, s.OpenDelivery(t.Context(), gate.Delivery{Name: name, Kind: "webhook", Address: "https://" + name, Tenant: tenant}, now))
	last, err := s.LastBeat(t.Context(), name)
	must(t, err)
	must(t, s.TakeDelivery(t.Context(), name, last, "HOLDER", "n1", now))
}

// refused is a record that is complete at a time.
func refused(reference, tenant string, ends time.Duration) gate.Attempt {
	a := attempt(reference, tenant, epoch.Add(ends-10*time.Second))
	a.Ends = epoch.Add(ends)
	return a
}

// leave returns the references of what a destination has not had yet.
func leave(t testing.TB, s *Store, name string, now time.Duration, limit int) (references []string, upTo int64) {
	t.Helper()
	list, upTo, err := s.Outgoing(t.Context(), name, epoch.Add(now), limit)
	must(t, err)
	for i := range list {
		references = append(references, list[i].Reference)
	}
	return references, upTo
}

func delivery(t testing.TB, s *Store, name string, now time.Duration) gate.Delivery {
	t.Helper()
	list, err := s.Deliveries(t.Context(), epoch.Add(now))
	must(t, err)
	i := slices.IndexFunc(list, func(d gate.Delivery) bool { return d.Name == name })
	if i < 0 {
		t.Fatalf("there is no account of %s", name)
	}
	return list[i]
}

func TestOutgoingInOrder(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{refused("SP-OLD", "ACME", -time.Second)}))
		holdDelivery(t, s, "all", "", epoch)
		holdDelivery(t, s, "globex", "GLOBEX", epoch)
		must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{
			refused("SP-A", "ACME", 3*time.Second), refused("SP-B", "GLOBEX", time.Second), refused("SP-C", "ACME", time.Minute), refused("SP-D", "ACME", 2*time.Second),
		}))
		got, upTo := leave(t, s, "all", 10*time.Second, 2)
		equal(t, "the first that are complete, the first complete first", got, []string{"SP-B", "SP-D"})
		must(t, s.NoteDelivered(t.Context(), "all", "HOLDER", upTo, 2, epoch.Add(11*time.Second)))
		got, upTo = leave(t, s, "all", 10*time.Second, 2)
		equal(t, "then the rest, but what still grows", got, []string{"SP-A"})
		again, _ := leave(t, s, "all", 10*time.Second, 2)
		equal(t, "and again while they have not arrived", again, got)

		waiting := delivery(t, s, "all", 30*time.Second)
		equal(t, "records that wait", waiting.Waiting, int64(1))
		equal(t, "lag", waiting.Lag(epoch.Add(30*time.Second)), 27*time.Second)
		must(t, s.NoteDelivered(t.Context(), "all", "HOLDER", upTo, 1, epoch.Add(31*time.Second)))
		done := delivery(t, s, "all", 30*time.Second)
		equal(t, "delivered, waiting, lag", []any{done.Delivered, done.Waiting, done.Lag(epoch.Add(30 * time.Second))}, []any{int64(3), int64(0), time.Duration(0)})

		got, _ = leave(t, s, "globex", 10*time.Second, 2)
		equal(t, "one tenant's", got, []string{"SP-B"})
		got, _ = leave(t, s, "all", 2*time.Minute, 2)
		equal(t, "what has stopped growing", got, []string{"SP-C"})
	})
}

// TestOutgoingGrowsAgain: a node that was cut off from the store brings the
// rest of a record that has left, which leaves again.
func TestOutgoingGrowsAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		holdDelivery(t, s, "all", "", epoch)
		a := refused("SP-A", "ACME", time.Second)
		must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{a}))
		_, upTo := leave(t, s, "all", time.Minute, 10)
		must(t, s.NoteDelivered(t.Context(), "all", "HOLDER", upTo, 1, epoch))
		must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{a}))
		got, _ := leave(t, s, "all", time.Minute, 10)
		equal(t, "what is stored twice leaves once", got, []string(nil))
		a.Count = 7
		must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{a}))
		got, _ = leave(t, s, "all", time.Minute, 10)
		equal(t, "what has grown", got, []string{"SP-A"})
	})
}

// TestDeliveryHeldByOne: of many that want to deliver one may, and who has lost
// the hold can note nothing.
func TestDeliveryHeldByOne(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.OpenDelivery(t.Context(), gate.Delivery{Name: "all"}, epoch))
		last, err := s.LastBeat(t.Context(), "all")
		must(t, err)
		results := make(chan error)
		for i := range 8 {
			go func() { results <- s.TakeDelivery(t.Context(), "all", last, fmt.Sprint("H", i), "n", epoch) }()
		}
		took := 0
		for range 8 {
			switch err := <-results; {
			case err == nil:
				took++
			case !errors.Is(err, gate.ErrChanged):
				t.Error(err)
			}
		}
		equal(t, "how many took it", took, 1)
		last, err = s.LastBeat(t.Context(), "all")
		must(t, err)
		must(t, s.BeatDelivery(t.Context(), "all", last.Holder, epoch))
		if err := s.TakeDelivery(t.Context(), "all", last, "OTHER", "n2", epoch); !errors.Is(err, gate.ErrChanged) {
			t.Errorf("taking over from one whose beat goes on: got %v, want %v", err, gate.ErrChanged)
		}
		now, err := s.LastBeat(t.Context(), "all")
		must(t, err)
		must(t, s.TakeDelivery(t.Context(), "all", now, "OTHER", "n2", epoch))
		for name, err := range map[string]error{
			"beat":      s.BeatDelivery(t.Context(), "all", last.Holder, epoch),
			"delivered": s.NoteDelivered(t.Context(), "all", last.Holder, 9, 1, epoch),
			"failed":    s.NoteFailed(t.Context(), "all", last.Holder, "x", epoch),
			"leave":     s.LeaveDelivery(t.Context(), "all", last.Holder),
		} {
			if !errors.Is(err, gate.ErrChanged) {
				t.Errorf("%s by who lost the hold: got %v, want %v", name, err, gate.ErrChanged)
			}
		}
	})
}

// TestDeliveryFailsAndDrops: what retention deletes before it was delivered is
// counted where it was to go, and what was wrong is forgotten when it is over.
func TestDeliveryFailsAndDrops(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		holdDelivery(t, s, "all", "", epoch)
		holdDelivery(t, s, "globex", "GLOBEX", epoch)
		must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{
			refused("SP-A", "ACME", time.Second), refused("SP-B", "ACME", 2*time.Second), refused("SP-C", "ACME", 3*time.Second),
		}))
		got, upTo := leave(t, s, "all", time.Minute, 1)
		equal(t, "the first", got, []string{"SP-A"})
		must(t, s.NoteDelivered(t.Context(), "all", "HOLDER", upTo, 1, epoch))
		must(t, s.NoteFailed(t.Context(), "all", "HOLDER", "it is away", epoch.Add(time.Minute)))
		must(t, s.NoteFailed(t.Context(), "all", "HOLDER", "it is slow", epoch.Add(2*time.Minute)))
		d := delivery(t, s, "all", time.Minute)
		equal(t, "what is wrong, and since when", []any{d.LastError, d.Failing}, []any{"it is slow", epoch.Add(time.Minute)})

		_, err := s.DeleteAttempts(t.Context(), "", epoch.Add(time.Hour), 100)
		must(t, err)
		d = delivery(t, s, "all", time.Minute)
		equal(t, "dropped and waiting", []int64{d.Dropped, d.Waiting}, []int64{2, 0})
		equal(t, "dropped by who gets only another tenant's", delivery(t, s, "globex", time.Minute).Dropped, int64(0))

		must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{refused("SP-D", "ACME", 4*time.Second)}))
		got, upTo = leave(t, s, "all", time.Minute, 10)
		equal(t, "what came after", got, []string{"SP-D"})
		must(t, s.NoteDelivered(t.Context(), "all", "HOLDER", upTo, 1, epoch.Add(time.Hour)))
		d = delivery(t, s, "all", time.Minute)
		equal(t, "nothing wrong any more", []any{d.LastError, d.Failing, d.LastSuccess}, []any{"", time.Time{}, epoch.Add(time.Hour)})

		must(t, s.ForgetDeliveries(t.Context(), epoch))
		must(t, s.ForgetDeliveries(t.Context(), epoch.Add(time.Second)))
		list, err := s.Deliveries(t.Context(), epoch)
		must(t, err)
		equal(t, "accounts that nobody works on", len(list), 0)
	})
}
