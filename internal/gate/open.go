package gate

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// sweepEvery bounds how long after the end of an entry or a session a request
// may stay open; changes are looked at when they happen.
const sweepEvery = 500 * time.Millisecond

// Ended is why a request was ended that had passed; it is meant to be the cause
// with which its context is cancelled.
type Ended struct{ Reason Reason }

func (e *Ended) Error() string { return "no longer allowed: " + string(e.Reason) }

// registry knows the requests under way, so that upgrades, event streams and
// downloads end when they are no longer allowed. It is in parts because every
// request that passes is put in and taken out.
type registry struct {
	parts [16]openPart
	over  atomic.Bool // the gate has stopped: nobody watches any more
}

type openPart struct {
	mu   sync.Mutex
	open map[*OpenRequest]struct{}
}

// OpenRequest is a request that passed and is under way.
type OpenRequest struct {
	door  *Door
	req   *Request
	end   func(*Ended)
	ended atomic.Bool
	part  *openPart
}

// Open registers a request that passed until Close is called. As soon as it
// would not pass any more, on whichever node the change was made, and when the
// gate stops, end is called, once. It must not wait for anything, and may still
// be called while Close is. Nobody may change the Request from here on.
func (d *Door) Open(q *Request, end func(*Ended)) *OpenRequest {
	r := &d.open
	o := &OpenRequest{door: d, req: q, end: end, part: &r.parts[rand.IntN(len(r.parts))]} //nolint:gosec // only spreads the load
	o.part.mu.Lock()
	if o.part.open == nil {
		o.part.open = map[*OpenRequest]struct{}{}
	}
	o.part.open[o] = struct{}{}
	o.part.mu.Unlock()
	if r.over.Load() { // since before endAll looked for what is open, or it has found this one
		o.stop(PolicyUnavailable)
	}
	return o
}

// Close says that the request is over.
func (o *OpenRequest) Close() {
	o.part.mu.Lock()
	delete(o.part.open, o)
	o.part.mu.Unlock()
}

func (o *OpenRequest) stop(reason Reason) {
	if !o.ended.Swap(true) {
		o.end(&Ended{Reason: reason})
	}
}

// OpenRequests returns how many requests are under way.
func (g *Gate) OpenRequests() (n int) {
	for i := range g.open.parts {
		p := &g.open.parts[i]
		p.mu.Lock()
		n += len(p.open)
		p.mu.Unlock()
	}
	return n
}

// all returns the requests under way.
func (r *registry) all() (all []*OpenRequest) {
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		for o := range p.open {
			all = append(all, o)
		}
		p.mu.Unlock()
	}
	return all
}

// sweep looks at the open requests at intervals, for what ends by the clock. It
// asks the store for nothing, which may keep silent for long.
func (g *Gate) sweep(ctx context.Context) {
	every(ctx, func() time.Duration { return sweepEvery }, func(context.Context) { g.recheck() })
}

// recheck decides every open request anew and ends those that would not pass.
func (g *Gate) recheck() {
	for _, o := range g.open.all() {
		if dec := o.door.Decide(o.req); !dec.Passed() {
			o.stop(dec.Reason)
		}
	}
}

// endAll ends every open request, and those still to come.
func (g *Gate) endAll() {
	g.open.over.Store(true)
	for _, o := range g.open.all() {
		o.stop(PolicyUnavailable)
	}
}
