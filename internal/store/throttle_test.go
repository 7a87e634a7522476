package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

var (
	limit   = gate.Throttle{Attempts: 3, Within: 15 * time.Minute, Lock: 10 * time.Minute}
	account = []byte("account")
	address = []byte("address")
)

func TestThrottle(t *testing.T) {
	const minute = time.Minute
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for name, steps := range map[string][]struct {
			do     string
			after  time.Duration
			locked time.Duration // end of the lock; 0: the try is let through
		}{
			"locks at the limit": {
				{"both", 0, 0}, {"both", 1 * minute, 0}, {"both", 2 * minute, 0},
				{"both", 3 * minute, 12 * minute}, {"account", 4 * minute, 12 * minute},
			},
			"a lock ends": {
				{"both", 0, 0}, {"both", 0, 0}, {"both", 0, 0}, {"both", 10*minute - time.Microsecond, 10 * minute},
				{"both", 10 * minute, 0}, {"both", 10 * minute, 0}, {"both", 10 * minute, 0}, {"both", 10 * minute, 20 * minute},
			},
			"a window ends": {
				{"both", 0, 0}, {"both", 14 * minute, 0}, {"both", 15 * minute, 0}, {"both", 29 * minute, 0},
				{"both", 30*minute - time.Microsecond, 0}, {"both", 30 * minute, 40*minute - time.Microsecond},
			},
			"one locked key stops all, and counts none": {
				{"account", 0, 0}, {"account", 0, 0}, {"account", 0, 0},
				{"both", 0, 10 * minute}, {"both", 0, 10 * minute}, {"both", 0, 10 * minute},
				{"address", 0, 0}, {"address", 0, 0}, {"address", 0, 0}, {"address", 0, 10 * minute},
			},
			"the longest lock counts": {
				{"account", 0, 0}, {"account", 0, 0}, {"account", 0, 0},
				{"address", 0, 0}, {"address", 0, 0}, {"address", 5 * minute, 0}, {"both", 6 * minute, 15 * minute},
			},
			"a release takes one try back": {
				{"both", 0, 0}, {"both", 0, 0}, {"release", 0, 0}, {"both", 0, 0}, {"both", 0, 0}, {"both", 0, 10 * minute},
			},
			"a release unlocks": {
				{"both", 0, 0}, {"both", 0, 0}, {"both", 0, 0}, {"both", 0, 10 * minute}, {"release", 0, 0}, {"both", 0, 0}, {"both", 0, 10 * minute},
			},
			"more releases than tries": {
				{"release", 0, 0}, {"both", 0, 0}, {"release", 0, 0}, {"release", 0, 0},
				{"both", 0, 0}, {"both", 0, 0}, {"both", 0, 0}, {"both", 0, 10 * minute},
			},
			"forgetting clears": {
				{"both", 0, 0}, {"both", 0, 0}, {"both", 0, 0}, {"forget", 0, 0}, {"account", 0, 0}, {"address", 0, 10 * minute},
			},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := s.writer.ExecContext(ctx, `DELETE FROM throttle`)
				must(t, err)
				keys := map[string][][]byte{"both": {account, address}, "account": {account}, "address": {address}}
				for i, step := range steps {
					switch step.do {
					case "release":
						must(t, s.Release(ctx, keys["both"]))
					case "forget":
						must(t, s.Forget(ctx, account))
					default:
						got, err := s.Reserve(ctx, keys[step.do], limit, epoch.Add(step.after))
						must(t, err)
						want := time.Time{}
						if step.locked > 0 {
							want = epoch.Add(step.locked)
						}
						if !got.Equal(want) {
							t.Fatalf("step %d (%s after %v): locked until %v, want %v", i+1, step.do, step.after, got, want)
						}
					}
				}
			})
		}
	})
}

func TestThrottleRefusesNonsense(t *testing.T) {
	s := openNew(t, newDSN["sqlite"](t))
	for _, limit := range []gate.Throttle{{}, {Attempts: 5}, {Attempts: 5, Within: time.Minute}, {Attempts: -1, Within: time.Minute, Lock: time.Minute}} {
		if _, err := s.Reserve(t.Context(), [][]byte{account}, limit, epoch); err == nil {
			t.Errorf("%+v: no error, so nobody would ever be locked out", limit)
		}
	}
}

// Parallel tries cannot slip past: exactly as many as allowed get through, also
// where they name their keys in different orders.
func TestParallelReservations(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		limit := gate.Throttle{Attempts: 7, Within: time.Hour, Lock: time.Hour}
		var through atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				keys := [][]byte{account, address, fmt.Append(nil, "own ", i)}
				rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
				until, err := s.Reserve(t.Context(), keys, limit, epoch)
				if err != nil {
					t.Error(err)
				}
				if until.IsZero() {
					through.Add(1)
				}
			})
		}
		wg.Wait()
		equal(t, "tries let through", through.Load(), int32(limit.Attempts))
		var counted int
		must(t, s.read().row(t.Context(), `SELECT CAST(SUM(count) AS BIGINT) FROM throttle`).Scan(&counted))
		equal(t, "tries counted over three keys", counted, 3*limit.Attempts)
	})
}
