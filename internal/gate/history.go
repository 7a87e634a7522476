package gate

import (
	"context"
	"maps"
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
	// AttemptsOf returns the records of a tenant with some keys, newest first.
	AttemptsOf(ctx context.Context, tenant string, keys []AttemptKey) ([]Attempt, error)
	PackStore
}

// AttemptKey names a record: two may have one reference.
type AttemptKey struct {
	Reference string
	First     time.Time
}

// HourOf is the hour that a moment lies in, counted from 1970.
func HourOf(t time.Time) int64 { return t.Truncate(time.Hour).Unix() / int64(time.Hour/time.Second) }

func hourStart(hour int64) time.Time { return time.Unix(hour*int64(time.Hour/time.Second), 0).UTC() }

// Bounds of the history in memory.
const (
	maxTraces    = 2 << 20          // of all tenants together, some 50 bytes each
	historyIdle  = 15 * time.Minute // a tenant nobody reviews is forgotten
	historyPiece = 24               // hours that are read at a time
)

// patience is how long somebody waits for what is not in memory yet, and how many
// times as old as it took to read an hour may be that grows.
type patience struct {
	wait  time.Duration
	worth int
}

var (
	quick   = patience{1500 * time.Millisecond, 10} // looks at a page: during a flood, that does not add to it
	exact   = patience{1500 * time.Millisecond, 0}
	patient = patience{10 * time.Second, 0} // asks for data
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

// recall returns the traces of a span: whole, or as far as they could be read
// while somebody waits. Reading goes on, the newest hours first, and who asks
// again gets what there is by then.
//
// An hour that grows is read again after as many times what that took before as
// the patience says.
func (g *Gate) recall(ctx context.Context, tenant string, since, until time.Time, p patience) (*view, error) {
	first, end := HourOf(since), HourOf(until)+1
	marks, err := g.store.AttemptHours(ctx, tenant, first, end)
	if err != nil {
		return nil, err
	}
	t := g.history.of(tenant, time.Now())
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	if t.want(first, end, marks, p.worth) {
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
