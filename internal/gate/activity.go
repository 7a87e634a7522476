package gate

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Pace of what follows from a session being used.
const (
	flushSeenEvery = 5 * time.Second // to the store, for the list of sessions
	reissueParts   = 30              // a token is made anew after this part of the idle time
)

// activity remembers when sessions were last seen by this node, exactly, which
// their tokens know only roughly. Requests read and write it without a lock.
type activity struct {
	sessions sync.Map     // session ID → *seenSession
	flushed  atomic.Int64 // unix µs
	down     atomic.Bool
}

type seenSession struct {
	last    atomic.Int64 // unix µs
	address atomic.Pointer[netip.Addr]
	stored  atomic.Int64 // the value of last that the store has
}

// lastSeen is when the session was last used, as far as is known here.
func (g *Gate) lastSeen(c auth.Claims) time.Time {
	if v, ok := g.seen.sessions.Load(c.Session); ok {
		if last := time.UnixMicro(v.(*seenSession).last.Load()); last.After(c.Issued) {
			return last
		}
	}
	return c.Issued
}

// Seen notes that a session was used, and returns a fresh token for its cookie
// when the one it came with is no longer fresh; empty: keep it.
func (d *Door) Seen(q *Request, dec *Decision) (token string) {
	v, ok := d.seen.sessions.Load(dec.Claims.Session)
	if !ok {
		v, _ = d.seen.sessions.LoadOrStore(dec.Claims.Session, new(seenSession))
	}
	s := v.(*seenSession)
	s.last.Store(dec.Now.UnixMicro())
	if a := s.address.Load(); a == nil || *a != q.Address.Addr {
		addr := q.Address.Addr // a copy: a pointer into the request would keep all of it for as long as the session
		s.address.Store(&addr)
	}
	if dec.Now.Sub(dec.Claims.Issued) < d.Rules.Idle/reissueParts {
		return ""
	}
	fresh := dec.Claims
	fresh.Issued = dec.Now
	token, err := d.snap.global.Load().keys.SignSession(fresh)
	if err != nil { // cannot happen with keys that verified; the old token goes on until it idles
		return ""
	}
	return token
}

// storeSeen stores when sessions were seen, until the context ends.
func (g *Gate) storeSeen(ctx context.Context) {
	every(ctx, func() time.Duration { return sweepEvery }, g.flushSeen)
}

// flushSeen stores what was seen since the last time, and forgets sessions
// that have been idle for longer than any token lives.
func (g *Gate) flushSeen(ctx context.Context) {
	now := g.now()
	if now.UnixMicro()-g.seen.flushed.Load() < flushSeenEvery.Microseconds() {
		return
	}
	g.flushUses(ctx)
	var batch []Session
	marks := map[*seenSession]int64{}
	g.seen.sessions.Range(func(id, v any) bool {
		s := v.(*seenSession)
		last := s.last.Load()
		if a := s.address.Load(); last != s.stored.Load() && a != nil {
			batch = append(batch, Session{ID: id.(string), LastSeen: time.UnixMicro(last).UTC(), LastAddress: *a})
			marks[s] = last
		} else if now.Sub(time.UnixMicro(last)) > MaxLifetime {
			g.seen.sessions.Delete(id)
		}
		return true
	})
	if len(batch) > 0 {
		ctx, cancel := context.WithTimeout(ctx, storeWithin)
		defer cancel()
		err := g.store.Touch(ctx, batch)
		g.trouble("storing when sessions were seen", &g.seen.down, err)
		if err != nil {
			return
		}
		for s, last := range marks {
			s.stored.Store(last)
		}
	}
	g.seen.flushed.Store(now.UnixMicro())
}
