package gate

import (
	"context"
	"slices"
)

// pendingRecord is a record that has grown since it was stored, as it was when
// it was looked at.
type pendingRecord struct {
	rec *record
	Attempt
}

// pending returns what the store does not have yet.
func (r *recorder) pending() []pendingRecord {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, rec := range r.current {
		if now.Sub(rec.FirstTime) >= key.window() {
			r.close(key, rec)
		}
	}
	var out []pendingRecord
	for _, rec := range r.closed {
		out = append(out, pendingRecord{rec, rec.Attempt})
	}
	for _, rec := range r.current {
		if rec.stored != rec.Count {
			out = append(out, pendingRecord{rec, rec.Attempt})
		}
	}
	return out
}

// flush stores what waits. What cannot be stored goes to the spool, so that it
// outlives the program.
func (r *recorder) flush(ctx context.Context) error {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	waiting := r.pending()
	err := r.storeAll(ctx, waiting)
	if r.down.Swap(err != nil) != (err != nil) && r.log.Trouble != nil {
		r.log.Trouble("storing attempts", err)
	}
	if err == nil {
		r.spool.clear()
		return nil
	}
	r.toSpool(waiting)
	return err
}

// storeAll stores what waits, and how many attempts were seen.
func (r *recorder) storeAll(ctx context.Context, waiting []pendingRecord) error {
	for batch := range slices.Chunk(waiting, flushBatch) {
		if err := r.storeBatch(ctx, batch); err != nil {
			return err
		}
	}
	r.mu.Lock()
	untold := r.seen != r.told
	r.mu.Unlock()
	if untold {
		return r.storeBatch(ctx, nil)
	}
	return nil
}

// storeBatch stores one batch and notes what the store has now.
func (r *recorder) storeBatch(ctx context.Context, batch []pendingRecord) error {
	attempts := make([]Attempt, len(batch))
	for i := range batch {
		attempts[i] = batch[i].Attempt
	}
	r.mu.Lock()
	boot := r.ledger()
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	if err := r.store.PutAttempts(ctx, boot, attempts); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = boot.Seen
	for i := range batch {
		batch[i].rec.stored = batch[i].Count
	}
	r.closed = slices.DeleteFunc(r.closed, func(rec *record) bool { return rec.stored == rec.Count })
	return nil
}

// toSpool appends what the spool does not have yet.
func (r *recorder) toSpool(waiting []pendingRecord) {
	var grown []Attempt
	for i := range waiting {
		if p := &waiting[i]; p.rec.stored < p.Count && p.rec.spooled < p.Count {
			grown = append(grown, p.Attempt)
		}
	}
	if err := r.spool.add(grown); err != nil {
		if r.log.Trouble != nil {
			r.log.Trouble("spooling attempts", err)
		}
		return
	}
	for i := range waiting {
		waiting[i].rec.spooled = waiting[i].Count
	}
}

// counts returns how many attempts were seen, and how many of them the store
// does not have yet.
func (r *recorder) counts() (seen, waiting int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.closed {
		waiting += rec.Count - rec.stored
	}
	for _, rec := range r.current {
		waiting += rec.Count - rec.stored
	}
	return r.seen, waiting
}
