package gate

import (
	"context"
	"sync"
	"time"
)

// sweepEvery bounds how long after the end of an entry or a session a request
// may stay open; changes are looked at when they happen.
const sweepEvery = 500 * time.Millisecond

// Ended is the cause with which the context of an open request is cancelled.
type Ended struct{ Reason Reason }

func (e *Ended) Error() string { return "no longer allowed: " + string(e.Reason) }

// registry knows the requests under way, so that upgrades, event streams and
// downloads end when they are no longer allowed.
type registry struct {
	mu   sync.Mutex
	open map[*openRequest]struct{}
}

type openRequest struct {
	door   *Door
	req    Request
	cancel context.CancelCauseFunc
}

// Open registers a request that passed until done is called. Its context is
// cancelled with *Ended as the cause as soon as the request would not pass any
// more, on whichever node the change was made.
func (d *Door) Open(ctx context.Context, q *Request) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	o := &openRequest{door: d, req: *q, cancel: cancel}
	r := &d.open
	r.mu.Lock()
	if r.open == nil {
		r.open = map[*openRequest]struct{}{}
	}
	r.open[o] = struct{}{}
	r.mu.Unlock()
	return ctx, func() {
		r.mu.Lock()
		delete(r.open, o)
		r.mu.Unlock()
		cancel(context.Canceled)
	}
}

// OpenRequests returns how many requests are under way.
func (g *Gate) OpenRequests() int {
	g.open.mu.Lock()
	defer g.open.mu.Unlock()
	return len(g.open.open)
}

// sweep looks at the open requests at intervals, for what ends by the clock.
func (g *Gate) sweep(ctx context.Context) {
	every(ctx, func() time.Duration { return sweepEvery }, func(context.Context) {
		g.recheck()
		g.flushSeen(ctx)
	})
}

// recheck decides every open request anew and ends those that would not pass.
func (g *Gate) recheck() {
	g.open.mu.Lock()
	all := make([]*openRequest, 0, len(g.open.open))
	for o := range g.open.open {
		all = append(all, o)
	}
	g.open.mu.Unlock()
	for _, o := range all {
		if dec := o.door.Decide(&o.req); !dec.Passed() {
			o.cancel(&Ended{Reason: dec.Reason})
		}
	}
}
