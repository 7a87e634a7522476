package gate

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// tenantHistory is what is in memory of one tenant.
type tenantHistory struct {
	tenant string

	mu      sync.Mutex
	hours   map[int64]*hourTraces
	rows    int
	kinds   interned[traceKind]
	whos    interned[traceWho]
	addrs   interned[traceAddr]
	wanted  map[int64]string // hours to read, with their marks
	reading bool
	full    bool          // the bound was met: what is older is not in memory
	err     error         // that ended the last reading
	grown   chan struct{} // closed whenever an hour was read, or reading has ended
	used    time.Time
	first   int64 // the hours that were asked about last
	end     int64
}

// hourTraces is an hour as it was read. Its rows are never changed.
type hourTraces struct {
	mark string
	read time.Time
	took time.Duration
	rows []traceRow
}

// want asks for the hours that are missing or have changed, and reports whether
// somebody has to begin to read them.
func (t *tenantHistory) want(first, end int64, marks map[int64]string, worth int) (begin bool) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first, t.end = first, end
	for hour := range t.hours {
		if _, ok := marks[hour]; !ok && first <= hour && hour < end {
			t.drop(hour)
		}
	}
	for hour, mark := range marks {
		if h := t.hours[hour]; h == nil || h.mark != mark && now.Sub(h.read) >= time.Duration(worth)*h.took {
			t.wanted[hour] = mark
		}
	}
	if t.reading {
		return false
	}
	t.err, t.full = nil, false
	t.reading = len(t.wanted) > 0
	return t.reading
}

func (t *tenantHistory) drop(hour int64) {
	t.rows -= len(t.hours[hour].rows)
	delete(t.hours, hour)
}

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

// readPiece reads hours that follow each other.
func (t *tenantHistory) readPiece(ctx context.Context, store HistoryStore, first int64, marks []string) error {
	began := time.Now()
	hours := make([]*hourTraces, len(marks))
	for i := range hours {
		hours[i] = &hourTraces{mark: marks[i], read: began}
	}
	var batch []Trace
	flush := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for i := range batch {
			h := hours[HourOf(batch[i].First)-first]
			h.rows = append(h.rows, t.row(&batch[i]))
		}
		batch = batch[:0]
	}
	err := store.AttemptTraces(ctx, t.tenant, hourStart(first), hourStart(first+int64(len(marks))), func(trace Trace) {
		if batch = append(batch, trace); len(batch) == 1000 {
			flush()
		}
	})
	if err != nil {
		return err
	}
	flush()
	took := time.Since(began) / time.Duration(len(marks))
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, h := range hours {
		h.took = took
		h.rows = slices.Clip(h.rows)
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

// row makes the row of a trace; the caller holds mu.
func (t *tenantHistory) row(r *Trace) traceRow {
	row := traceRow{
		first: r.First.UnixMicro(), count: r.Count, span: uint32(min(max(r.Last.Sub(r.First).Microseconds(), 0), 1<<32-1)),
		addr: t.addrs.id(traceAddr{r.Address, r.Bits}), who: t.whos.id(traceWho{r.Admin, r.LoginHash}),
		kind: t.kinds.id(traceKind{r.Stage, r.Outcome, r.Reason, r.Password}),
	}
	copy(row.reference[:], r.Reference)
	return row
}

// trim forgets hours, the oldest first: those outside of what was asked about
// last, then others. It reports whether those inside could all stay.
func (t *tenantHistory) trim(limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	outside := func(hour int64) bool { return hour < t.first || hour >= t.end }
	fits := true
	for _, inside := range []bool{false, true} {
		for _, hour := range slices.Sorted(maps.Keys(t.hours)) {
			if t.rows > limit && outside(hour) != inside {
				t.drop(hour)
				fits = fits && !inside
			}
		}
	}
	return fits
}

// look returns what is in memory of the hours that have marks, from the newest
// to the first that is missing, and a channel that is closed when there is more.
func (t *tenantHistory) look(since time.Time, marks map[int64]string) (*view, <-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &view{kinds: t.kinds.all, whos: t.whos.all, addrs: t.addrs.all}
	v.Since, v.Complete, v.Total = since, true, len(marks)
	for _, hour := range slices.Backward(slices.Sorted(maps.Keys(marks))) {
		h := t.hours[hour]
		if _, again := t.wanted[hour]; h == nil || again {
			v.Complete, v.Full = false, t.full
			if from := hourStart(hour + 1); from.After(since) {
				v.Since = from
			}
			break
		}
		v.hours = append(v.hours, h)
	}
	v.Read = len(v.hours)
	if !t.reading && t.err != nil {
		return nil, nil, t.err
	}
	return v, t.grown, nil
}
