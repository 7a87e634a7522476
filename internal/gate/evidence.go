package gate

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Evidence is what the records of a tenant say about one admin, or nobody who
// is known, and one address: all that replaying a list needs of them.
type Evidence struct {
	Kind    EvidenceKind
	Admin   string // ID; empty: no admin's login was typed
	Address netip.Addr
	Bits    int   // less than all of the address: a flood, folded into this network
	Count   int64 // attempts
	Last    time.Time
}

// EvidenceKind says what sort of attempts a piece of evidence counts.
type EvidenceKind string

// Kinds of evidence.
const (
	EvidenceSignIn  EvidenceKind = "sign_in" // somebody signed in
	EvidenceBlocked EvidenceKind = "blocked" // the list kept somebody out
	EvidenceFailed  EvidenceKind = "failed"  // the first door let somebody through who could not sign in
)

// EvidenceStore gives what evidence is made of. Records without an address are
// none.
type EvidenceStore interface {
	// CountEvidence returns how many records a span has.
	CountEvidence(ctx context.Context, s EvidenceSpan) (int64, error)
	// Evidence gives every record of a span to add, in no order.
	Evidence(ctx context.Context, s EvidenceSpan, add func(Evidence)) error
}

// EvidenceSpan selects records by their first time.
type EvidenceSpan struct {
	Tenant       string
	Since, Until time.Time // not before; before
	SignIns      bool      // only of EvidenceSignIn
}

// How evidence is collected and kept.
const (
	replayDays  = 30
	hygieneDays = 90

	evidenceFresh  = time.Minute // evidence is at most this old…
	evidenceWorth  = 10          // …or this many times as old as it took to read
	evidencePiece  = 24 * time.Hour
	evidenceWithin = 10 * time.Minute // reading that takes longer is given up

	// How long who asks waits for it: to review a list, and to show one.
	evidencePatient = 1500 * time.Millisecond
	evidenceQuick   = 300 * time.Millisecond
)

// evidence keeps what was collected for a short time, so that a person who goes
// back and forth between a draft and its review does not read a month of
// records each time. Large collections go on in the background.
type evidence struct {
	mu   sync.Mutex
	held map[evidenceKey]*collection
	stop context.CancelFunc
	ctx  context.Context //nolint:containedctx // that of the process, for collections that outlive the request
	done sync.WaitGroup
}

type evidenceKey struct {
	tenant  string
	days    int
	signIns bool
}

func newEvidence() *evidence {
	e := &evidence{held: map[evidenceKey]*collection{}}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

// end stops what goes on in the background.
func (e *evidence) end() {
	e.mu.Lock()
	e.stop()
	e.mu.Unlock()
	e.done.Wait()
}

// Reading says how much of the evidence was read.
type Reading struct {
	Days     int // that are looked at
	Complete bool
	Read     int64 // records
	Total    int64 // records; 0 while they have not been counted
}

// collected is evidence as far as it was read.
type collected struct {
	Reading
	evidence []Evidence
}

// collect returns the evidence of the last days. It waits a while for it; what
// takes longer goes on in the background, and who asks again gets what there is
// by then.
func (g *Gate) collect(ctx context.Context, tenant string, days int, signIns bool, patience time.Duration) (*collected, error) {
	c := g.evidence.begin(g, evidenceKey{tenant, days, signIns})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return c.state()
}

// begin returns the collection for a key, a new one where there is none or only
// an old one, and forgets what is too old for anybody.
func (e *evidence) begin(g *Gate, key evidenceKey) *collection {
	now := g.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, c := range e.held {
		if c.stale(now) {
			delete(e.held, k)
		}
	}
	if c := e.held[key]; c != nil {
		return c
	}
	c := &collection{key: key, end: now, done: make(chan struct{}), sums: map[evidenceOf]*Evidence{}}
	if c.err = e.ctx.Err(); c.err != nil {
		close(c.done)
		return c
	}
	e.held[key] = c
	e.done.Go(func() {
		ctx, cancel := context.WithTimeout(e.ctx, evidenceWithin)
		defer cancel()
		c.run(ctx, g)
	})
	return c
}

// evidenceOf is what evidence is summed up by.
type evidenceOf struct {
	kind    EvidenceKind
	admin   string
	address netip.Addr
	bits    int
}

// collection is evidence being read, a day at a time, the newest day first.
type collection struct {
	key  evidenceKey
	end  time.Time
	done chan struct{} // closed when it is complete or has failed

	mu          sync.Mutex
	read, total int64
	sums        map[evidenceOf]*Evidence
	took        time.Duration
	err         error
}

func (c *collection) run(ctx context.Context, g *Gate) {
	defer close(c.done)
	began := time.Now()
	err := c.readAll(ctx, g.store)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took, c.err = time.Since(began), err
}

func (c *collection) readAll(ctx context.Context, store EvidenceStore) error {
	span := EvidenceSpan{Tenant: c.key.tenant, SignIns: c.key.signIns, Since: c.end.Add(-time.Duration(c.key.days) * evidencePiece), Until: c.end.Add(time.Second)}
	total, err := store.CountEvidence(ctx, span)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.total = total
	c.mu.Unlock()
	for first := span.Since; span.Until.After(first); span.Until = span.Since {
		span.Since = span.Until.Add(-evidencePiece)
		if span.Since.Before(first) {
			span.Since = first
		}
		if err := store.Evidence(ctx, span, c.add); err != nil {
			return err
		}
	}
	return nil
}

// add sums a record up.
func (c *collection) add(e Evidence) {
	of := evidenceOf{e.Kind, e.Admin, e.Address, e.Bits}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	sum := c.sums[of]
	if sum == nil {
		c.sums[of] = &e
		return
	}
	sum.Count += e.Count
	if e.Last.After(sum.Last) {
		sum.Last = e.Last
	}
}

// stale reports whether the collection should be read anew. One that failed is
// read anew at once.
func (c *collection) stale(now time.Time) bool {
	select {
	case <-c.done:
	default:
		return false
	}
	return c.err != nil || now.Sub(c.end) >= max(evidenceFresh, evidenceWorth*c.took)
}

// state is what there is by now, in a fixed order.
func (c *collection) state() (*collected, error) {
	complete := false
	select {
	case <-c.done:
		complete = true
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if complete && c.err != nil {
		return nil, c.err
	}
	out := &collected{Reading{c.key.days, complete, c.read, max(c.total, c.read)}, make([]Evidence, 0, len(c.sums))}
	for _, sum := range c.sums {
		out.evidence = append(out.evidence, *sum)
	}
	slices.SortFunc(out.evidence, func(a, b Evidence) int {
		return cmp.Or(b.Last.Compare(a.Last), a.Address.Compare(b.Address), cmp.Compare(a.Admin, b.Admin), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Bits, b.Bits))
	})
	return out, nil
}
