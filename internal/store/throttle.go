package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// tries is a row of the throttle.
type tries struct {
	count  int64
	locked bool
	ends   int64 // of the window, or of the lock
}

// Reserve counts one try against every key, before the try is made, so that
// parallel tries cannot slip past; the one that uses a key up locks it. Where a
// key is locked it counts none, and returns the latest end of a lock. A window
// begins with its first try and a key starts afresh when window or lock are
// over.
func (s *Store) Reserve(ctx context.Context, keys [][]byte, limit gate.Throttle, now time.Time) (lockedUntil time.Time, err error) {
	if limit.Attempts < 1 || limit.Within <= 0 || limit.Lock <= 0 {
		return time.Time{}, errors.New("reserving a try: the limit must be positive")
	}
	keys = sorted(keys)
	at := micro(now)
	err = s.write(ctx, func(tx querier) error {
		rows, until, err := lockTries(ctx, tx, keys, at)
		lockedUntil = timeOf(until)
		if err != nil || until != 0 {
			return err
		}
		for i, r := range rows {
			if r.ends <= at {
				r = tries{ends: at + limit.Within.Microseconds()}
			}
			if r.count++; r.count >= int64(limit.Attempts) {
				r.locked, r.ends = true, at+limit.Lock.Microseconds()
			}
			_, err := tx.exec(ctx, `UPDATE throttle SET count = $2, locked = $3, ends = $4 WHERE key = $1`, keys[i], r.count, r.locked, r.ends)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return lockedUntil, err
}

// lockTries locks the rows of all keys, makes those that are missing, and
// returns the end of the longest lock among them, 0 for none.
func lockTries(ctx context.Context, tx querier, keys [][]byte, at int64) (rows []tries, lockedUntil int64, err error) {
	for _, key := range keys {
		var r tries
		err := tx.row(ctx, `
			INSERT INTO throttle (key, count, locked, ends) VALUES ($1, 0, FALSE, 0)
			ON CONFLICT (key) DO UPDATE SET count = throttle.count
			RETURNING count, locked, ends`, key).Scan(&r.count, &r.locked, &r.ends)
		if err != nil {
			return nil, 0, err
		}
		if r.locked && r.ends > at {
			lockedUntil = max(lockedUntil, r.ends)
		}
		rows = append(rows, r)
	}
	return rows, lockedUntil, nil
}

// Release takes one try back from the keys, for one that did not fail. That
// brings a locked key below its limit, so it is not locked any more; its window
// then ends when the lock would have.
func (s *Store) Release(ctx context.Context, keys [][]byte) error {
	keys = sorted(keys)
	return s.write(ctx, func(tx querier) error {
		for _, key := range keys {
			_, err := tx.exec(ctx, `UPDATE throttle SET count = count - 1, locked = FALSE WHERE key = $1 AND count > 0`, key)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Forget clears a key after a complete sign-in.
func (s *Store) Forget(ctx context.Context, key []byte) error {
	return s.write(ctx, func(tx querier) error {
		_, err := tx.exec(ctx, `DELETE FROM throttle WHERE key = $1`, key)
		return err
	})
}

// sorted puts keys into the one order in which all transactions lock them.
func sorted(keys [][]byte) [][]byte {
	return slices.CompactFunc(slices.SortedFunc(slices.Values(keys), bytes.Compare), bytes.Equal)
}
