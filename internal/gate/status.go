package gate

import (
	"context"
	"sync/atomic"
	"time"
)

// counters count decisions by outcome and reason.
type counters map[Outcome]map[Reason]*atomic.Int64

func newCounters() counters {
	c := counters{}
	for _, o := range Outcomes {
		c[o] = map[Reason]*atomic.Int64{}
		for _, r := range Reasons {
			c[o][r] = new(atomic.Int64)
		}
	}
	return c
}

// Count counts a decision, right after it was made, for the metrics and for how
// long it took.
func (g *Gate) Count(dec *Decision) {
	g.took.add(g.now().Sub(dec.Now))
	if n := g.counts[dec.Outcome][dec.Reason]; n != nil {
		n.Add(1)
	}
}

// Counts calls f for every pair of outcome and reason that occurred.
func (g *Gate) Counts(f func(Outcome, Reason, int64)) {
	for o, reasons := range g.counts {
		for r, n := range reasons {
			if v := n.Load(); v > 0 {
				f(o, r, v)
			}
		}
	}
}

// Status is the state of a node as it is reported.
type Status struct {
	Node      string
	Started   time.Time
	Tenants   int
	Open      int           // requests under way
	Position  int64         // in the change log
	StoreDown bool          // the store did not answer when last asked
	Lag       time.Duration // since the store last answered
	Seen      int64         // attempts since this start
	Waiting   int64         // of these, what is not stored yet
	Ledgers   []Ledger      // of all nodes and starts; empty while the store is away
}

// StoreDown reports whether the store did not answer when it was last asked.
func (g *Gate) StoreDown() bool { return g.follower.down.Load() || g.recorder.down.Load() }

// Status reports the state of this node.
func (g *Gate) Status(ctx context.Context) *Status {
	s := &Status{
		Node: g.node, Started: g.recorder.boot.Started, Open: g.OpenRequests(),
		StoreDown: g.StoreDown(),
		Lag:       g.now().Sub(time.UnixMicro(g.follower.last.Load())),
	}
	s.Seen, s.Waiting = g.recorder.counts()
	g.snap.tenants.all(func(string, *tenantState) { s.Tenants++ })
	s.Position = g.follower.pos.Load()
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	var err error
	if s.Ledgers, err = g.store.Ledgers(ctx); err != nil {
		s.StoreDown = true
	}
	for i := range s.Ledgers {
		if l := &s.Ledgers[i]; l.Boot == g.recorder.boot.Boot {
			l.Seen, l.Waiting = g.recorder.counts()
		}
	}
	return s
}
