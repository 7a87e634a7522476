package gate

import (
	"context"
	"maps"
	"slices"
	"time"
)

// read reads what is wanted, the newest hours first, until nothing is.
func (t *tenantHistory) read(g *Gate) {
	ctx, cancel := context.WithTimeout(g.history.ctx, evidenceWithin)
	defer cancel()
	for {
		first, marks := t.next()
		if len(marks) == 0 {
			return
		}
		err := t.readPiece(ctx, g.store, first, marks)
		fits := err != nil || g.history.makeRoom(t) || t.trim(g.history.limit)
		t.mu.Lock()
		if err != nil || !fits {
			t.err, t.full = err, !fits
			clear(t.wanted)
			t.reading = false
		}
		close(t.grown)
		t.grown = make(chan struct{})
		ended := !t.reading
		t.mu.Unlock()
		if ended {
			return
		}
	}
}

// next returns the newest wanted hours that follow each other, by their marks,
// or says that reading has ended.
func (t *tenantHistory) next() (first int64, marks []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wanted) == 0 {
		t.reading = false
		return 0, nil
	}
	newest := slices.Max(slices.Collect(maps.Keys(t.wanted)))
	for first = newest; first > newest-historyPiece; first-- {
		mark, ok := t.wanted[first]
		if !ok {
			break
		}
		marks = append(marks, mark)
	}
	slices.Reverse(marks)
	return first + 1, marks
}

// readPiece reads hours that follow each other: packed where they are, else from
// their records.
func (t *tenantHistory) readPiece(ctx context.Context, store HistoryStore, first int64, marks []string) error {
	began := time.Now()
	hours := make([]*hourTraces, len(marks))
	if err := t.readPacks(ctx, store, first, marks, hours); err != nil {
		return err
	}
	for i := 0; i < len(hours); i++ {
		from := i
		for i < len(hours) && hours[i] == nil {
			hours[i] = &hourTraces{mark: marks[i]}
			i++
		}
		if err := t.readRecords(ctx, store, first+int64(from), hours[from:i]); err != nil {
			return err
		}
	}
	took := time.Since(began) / time.Duration(len(marks))
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, h := range hours {
		h.read, h.took = began, took
		if t.hours[first+int64(i)] != nil {
			t.drop(first + int64(i))
		}
		t.hours[first+int64(i)] = h
		t.rows += len(h.rows)
		if t.wanted[first+int64(i)] == h.mark { // otherwise it has changed again
			delete(t.wanted, first+int64(i))
		}
	}
	return nil
}

// readPacks reads the hours that are packed as they are wanted. What cannot be
// used is taken away, so that it is packed anew.
func (t *tenantHistory) readPacks(ctx context.Context, store HistoryStore, first int64, marks []string, hours []*hourTraces) error {
	var useless []HourPack
	err := store.HourPacks(ctx, t.tenant, first, first+int64(len(marks)), func(hour int64, mark string, pack []byte) {
		i := hour - first
		if mark != marks[i] || len(pack) == 0 {
			return
		}
		h := TenantHour{t.tenant, hour, mark}
		t.mu.Lock()
		defer t.mu.Unlock()
		rows, err := t.table.unpack(h, pack)
		if err != nil {
			useless = append(useless, HourPack{TenantHour: h})
			return
		}
		hours[i] = &hourTraces{mark: mark, rows: rows}
	})
	if err == nil && len(useless) > 0 {
		_, err = store.PackHours(ctx, useless)
	}
	return err
}

// readRecords reads hours that follow each other, record by record.
func (t *tenantHistory) readRecords(ctx context.Context, store HistoryStore, first int64, hours []*hourTraces) error {
	if len(hours) == 0 {
		return nil
	}
	var batch []Trace
	flush := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for i := range batch {
			h := hours[HourOf(batch[i].First)-first]
			h.rows = append(h.rows, t.table.row(&batch[i]))
		}
		batch = batch[:0]
	}
	err := store.AttemptTraces(ctx, t.tenant, hourStart(first), hourStart(first+int64(len(hours))), func(trace Trace) {
		if batch = append(batch, trace); len(batch) == 1000 {
			flush()
		}
	})
	if err != nil {
		return err
	}
	flush()
	for _, h := range hours {
		h.rows = slices.Clip(h.rows)
	}
	return nil
}
