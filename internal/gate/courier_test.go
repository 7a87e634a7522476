package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// faraway is a sink whose other side is away, in one manner after the other: it
// hangs, then it refuses, and in the end it takes everything.
type faraway struct {
	hangs, refuses time.Time // until then
	tries          int
	longest        time.Duration // from the end of a try to the next
	ended          time.Time
	most           int // records of a batch
	got            []string
}

func (f *faraway) Deliver(ctx context.Context, out *gate.Outgoing) error {
	f.tries++
	f.most = max(f.most, len(out.Attempts))
	if !f.ended.IsZero() {
		f.longest = max(f.longest, time.Since(f.ended))
	}
	defer func() { f.ended = time.Now() }()
	switch now := time.Now(); {
	case now.Before(f.hangs):
		<-ctx.Done()
		return ctx.Err()
	case now.Before(f.refuses):
		return errors.New("the other side answers 500")
	}
	for i := range out.Attempts {
		f.got = append(f.got, out.Attempts[i].Address.String())
	}
	return nil
}

func (f *faraway) Close() error { return nil }

// TestDeliveryAway has the other side be away for an hour, half of which it hangs:
// it is tried once a minute all that time, in batches, what is wrong and since when
// is known, and afterwards every record has come once, in order, soon.
func TestDeliveryAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		sink := &faraway{hangs: began.Add(30 * time.Minute), refuses: began.Add(61 * time.Minute)}
		w.SetDestinations([]gate.Destination{{Name: "siem", Kind: "webhook", Address: "https://siem.example", Config: "siem", Open: func() gate.Sink { return sink }}})
		pass := func(d time.Duration) {
			time.Sleep(d)
			w.clock.advance(d)
			synctest.Wait()
		}
		pass(20 * time.Second) // the account begins with what comes from now on

		var want []string
		at := netip.MustParseAddr("198.51.100.1")
		for range 1200 {
			q := w.from(at.String())
			dec := w.decided(q, gate.Blocked, gate.OutsideNetworks)
			w.door.Record(q, &dec)
			want = append(want, at.String())
			at = at.Next()
			pass(3 * time.Second)
		}
		state := func() gate.Delivery {
			list, err := w.Deliveries(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatalf("got %v, %v", list, err)
			}
			return list[0]
		}
		away := state()
		failing := w.clock.Now().Sub(away.Failing)
		if away.LastError != "the other side answers 500" || failing < 58*time.Minute || away.Waiting < 1100 || away.Delivered != 0 {
			t.Errorf("after an hour: got %+v, failing for %v", away, failing)
		}
		if sink.tries < 50 || sink.tries > 90 || sink.longest > time.Minute {
			t.Errorf("%d tries in an hour, at most %v apart, want about one a minute", sink.tries, sink.longest)
		}

		for range 50 {
			pass(3 * time.Second)
		}
		if back := state(); back.LastError != "" || !back.Failing.IsZero() || back.Waiting != 0 || back.Delivered != int64(len(want)) || back.Dropped != 0 {
			t.Errorf("when it is back: got %+v", back)
		}
		if !slices.Equal(sink.got, want) {
			t.Errorf("%d records came, want %d, each once and in order; the first are %v", len(sink.got), len(want), fmt.Sprint(sink.got[:min(5, len(sink.got))]))
		}
		if sink.most > 500 {
			t.Errorf("a batch had %d records", sink.most)
		}
	})
}
