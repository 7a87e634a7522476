package gate

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// HistoryStore gives what reviews are made of, by the hour that records began in.
type HistoryStore interface {
	// AttemptHours returns the hours of a tenant, from first to before end, that
	// have records, each with a mark that is another after every change of them.
	AttemptHours(ctx context.Context, tenant string, first, end int64) (map[int64]string, error)
	// AttemptTraces gives the records whose first time is in a span, in the order
	// of that time.
	AttemptTraces(ctx context.Context, tenant string, since, until time.Time, add func(Trace)) error
}

// Trace is what of a record is needed to find, count and group it.
type Trace struct {
	Reference string
	First     time.Time
	Last      time.Time
	Stage     Stage
	Outcome   Outcome
	Reason    Reason
	Admin     string
	LoginHash string
	Password  PasswordCheck
	Address   netip.Addr
	Bits      int
	Count     int64
}

// HourOf is the hour that a moment lies in, counted from 1970.
func HourOf(t time.Time) int64 { return t.Truncate(time.Hour).Unix() / int64(time.Hour/time.Second) }

func hourStart(hour int64) time.Time { return time.Unix(hour*int64(time.Hour/time.Second), 0).UTC() }

// Bounds of the history in memory.
const (
	maxTraces    = 2 << 20          // of all tenants together, some 50 bytes each
	historyIdle  = 15 * time.Minute // a tenant nobody reviews is forgotten
	historyPiece = 24               // hours that are read at a time
	historyWorth = 10               // an hour that grows is read again after this many times what it took

	historyQuick   = 1500 * time.Millisecond // who looks at a page waits no longer
	historyPatient = 10 * time.Second        // and who asks for data no longer than this
)

// history keeps the traces of what is being reviewed in memory, hour by hour, so
// that a month can be counted anew for every question about it: neither engine
// groups a million rows in the time that a person waits for a page. Marks in the
// store say which hours have changed, so what is counted is never older than a
// moment.
type history struct {
	ctx    context.Context //nolint:containedctx // that of the process, for reading that outlives the request
	stop   context.CancelFunc
	done   sync.WaitGroup
	counts chan struct{} // one question is counted at a time: counting takes memory
	limit  int           // traces of all tenants together

	mu      sync.Mutex
	tenants map[string]*tenantHistory
}

func newHistory() *history {
	h := &history{tenants: map[string]*tenantHistory{}, counts: make(chan struct{}, 1), limit: maxTraces}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// start runs a task in the background. Once the history has ended, the task only
// finds that its context has.
func (h *history) start(task func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		go task()
		return
	}
	h.done.Go(task)
}

// end stops what goes on in the background.
func (h *history) end() {
	h.mu.Lock()
	h.stop()
	h.mu.Unlock()
	h.done.Wait()
}

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

// traceRow is a trace, of which what repeats is named by its number.
type traceRow struct {
	first     int64 // unix µs
	count     int64
	span      uint32 // µs from the first time to the last
	addr, who uint32
	kind      uint32
	reference [12]byte
}

func (r *traceRow) last() int64 { return r.first + int64(r.span) }

// referenceText is the reference of a row.
func referenceText(b [12]byte) string {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return string(b[:n])
}

type traceKind struct {
	stage    Stage
	outcome  Outcome
	reason   Reason
	password PasswordCheck
}

type traceWho struct{ admin, hash string }

type traceAddr struct {
	addr netip.Addr
	bits int
}

// interned numbers values in the order in which they come.
type interned[K comparable] struct {
	ids map[K]uint32
	all []K
}

func (i *interned[K]) id(k K) uint32 {
	id, ok := i.ids[k]
	if !ok {
		if i.ids == nil {
			i.ids = map[K]uint32{}
		}
		id = uint32(len(i.all))
		i.ids[k] = id
		i.all = append(i.all, k)
	}
	return id
}

// Reach says how much of a span is counted in an answer: everything from
// Since on, which is later than what was asked for while older hours are still
// being read, or where they are too many.
type Reach struct {
	Since    time.Time
	Complete bool
	Full     bool // there are more records than are looked at at once: older ones stay out
	Read     int  // hours
	Total    int  // hours
}

// view is the traces of a span. It does not change.
type view struct {
	Reach
	hours []*hourTraces // newest first
	kinds []traceKind
	whos  []traceWho
	addrs []traceAddr
}

// recall returns the traces of a span: whole, or as far as they could be read
// while somebody waits. Reading goes on, the newest hours first, and who asks
// again gets what there is by then.
//
// An hour that grows is read again after ten times what that took before, so
// that whoever looks at a page during a flood does not add to it; who is patient
// gets what there is now.
func (g *Gate) recall(ctx context.Context, tenant string, since, until time.Time, patient bool) (*view, error) {
	first, end := HourOf(since), HourOf(until)+1
	marks, err := g.store.AttemptHours(ctx, tenant, first, end)
	if err != nil {
		return nil, err
	}
	t := g.history.of(tenant, time.Now())
	wait, worth := historyQuick, historyWorth
	if patient {
		wait, worth = historyPatient, 0
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	if t.want(first, end, marks, worth) {
		g.history.start(func() { t.read(g) })
	}
	for {
		v, grown, err := t.look(since, marks)
		if err != nil || v.Complete || v.Full {
			return v, err
		}
		select {
		case <-grown:
		case <-timer.C:
			return v, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// of returns the history of a tenant, and forgets those that nobody reviews.
func (h *history) of(tenant string, now time.Time) *tenantHistory {
	h.forget(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tenants[tenant]
	if t == nil {
		t = &tenantHistory{tenant: tenant, hours: map[int64]*hourTraces{}, wanted: map[int64]string{}, grown: make(chan struct{})}
		h.tenants[tenant] = t
	}
	t.mu.Lock()
	t.used = now
	t.mu.Unlock()
	return t
}

func (h *history) forget(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.tenants, func(_ string, t *tenantHistory) bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return !t.reading && now.Sub(t.used) > historyIdle
	})
}

// makeRoom forgets the tenants that were reviewed longest ago, until everything
// fits or the one that is being read is alone. It reports whether it fits.
func (h *history) makeRoom(keep *tenantHistory) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		total := 0
		var oldest *tenantHistory
		var used time.Time
		for _, t := range h.tenants {
			t.mu.Lock()
			total += t.rows
			if t != keep && !t.reading && (oldest == nil || t.used.Before(used)) {
				oldest, used = t, t.used
			}
			t.mu.Unlock()
		}
		if total <= h.limit || oldest == nil {
			return total <= h.limit
		}
		delete(h.tenants, oldest.tenant)
	}
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
