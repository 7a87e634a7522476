package gate

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Bounds of recording.
const (
	foldWindow = 10 * time.Second       // repeats of one refusal in it are one record
	callWindow = 5 * time.Minute        // the calls of one token in it are one record
	flushEvery = 400 * time.Millisecond // so that a refusal is stored within a second
	flushBatch = 2000                   // records in one transaction
	maxRecords = 1 << 16                // in memory by default; beyond, floods are folded more coarsely
)

// LongestRecord bounds how long a record grows: its last time is less than that
// behind its first. Stores find by it where to begin to look.
const LongestRecord = max(foldWindow, callWindow)

// recorder folds refusals with exact counts and stores them in batches. A
// refusal never waits for the store.
type recorder struct {
	store Store
	log   Logger
	now   func() time.Time
	boot  Ledger // of this start
	spool *spool
	max   int // records in memory

	mu      sync.Mutex
	seen    int64
	told    int64 // the value of seen that the store has
	current map[foldKey]*record
	closed  []*record // no longer current, and not stored yet

	flushing sync.Mutex // one flush at a time
	down     atomic.Bool
}

// foldKey is what repeats of one refusal have in common.
type foldKey struct {
	tenant  string
	net     netip.Prefix // of the address; not valid: everybody
	reason  Reason
	outcome Outcome
	token   string // ID of the token that was used, for the calls of each are its own
}

// window is how long a record of the key may grow.
func (k foldKey) window() time.Duration {
	if k.token != "" {
		return callWindow
	}
	return foldWindow
}

// record is an attempt that may still grow.
type record struct {
	Attempt
	stored  int64 // the count that the store has
	spooled int64 // the count that the spool has
}

func newRecorder(o Options, now func() time.Time) *recorder {
	if o.MaxRecords <= 0 {
		o.MaxRecords = maxRecords
	}
	return &recorder{
		max: o.MaxRecords, store: o.Store, log: o.Log, now: now, current: map[foldKey]*record{}, spool: &spool{dir: o.Spool},
		boot: Ledger{Node: o.Node, Boot: NewID(), Started: now()},
	}
}

// Record notes what was decided and returns the reference of its record.
// Repeats of one refusal within ten seconds share one, and so do the calls of a
// token within five minutes.
func (d *Door) Record(q *Request, dec *Decision) (reference string) {
	key := foldKey{reason: dec.Reason, outcome: dec.Outcome}
	if dec.Tenant != nil {
		key.tenant = dec.Tenant.ID
	}
	if dec.Token != nil {
		key.token = dec.Token.ID
	}
	if a := q.Address.Addr; a.IsValid() {
		key.net = netip.PrefixFrom(a, a.BitLen())
	}
	return d.recorder.fold(key, dec.Now, func() Attempt { return d.attempt(q, dec) })
}

// fold counts an attempt in its record, which describe makes if there is none.
func (r *recorder) fold(key foldKey, now time.Time, describe func() Attempt) (reference string) {
	r.mu.Lock()
	r.seen++
	r.spool.count(r.seen)
	rec, key := r.find(key, now)
	if rec != nil {
		rec.Count++
		rec.LastTime = now
		reference = rec.Reference
		r.mu.Unlock()
		return reference
	}
	rec = &record{Attempt: describe()}
	rec.Boot, rec.Node, rec.Ends = r.boot.Boot, r.boot.Node, rec.FirstTime.Add(key.window())
	if rec.Bits = key.net.Bits(); rec.Bits < 0 {
		rec.Bits, rec.Address = 0, netip.Addr{}
	} else {
		rec.Address = key.net.Addr()
	}
	r.current[key] = rec
	fresh := rec.Attempt
	r.mu.Unlock()
	if r.log.Attempt != nil {
		r.log.Attempt(fresh)
	}
	return fresh.Reference
}

// find returns the record that an attempt counts in, or the key of the one to
// make. When memory is full of records that cannot be stored, networks are
// counted together, then everybody: the counts stay exact, the detail goes.
func (r *recorder) find(key foldKey, now time.Time) (*record, foldKey) {
	if rec := r.within(key, now); rec != nil {
		return rec, key
	}
	if len(r.current)+len(r.closed) < r.max {
		return nil, key
	}
	if a := key.net.Addr(); a.IsValid() {
		key.net = NetworkOf(a)
	}
	if rec := r.within(key, now); rec != nil {
		return rec, key
	}
	if len(r.current)+len(r.closed) < 2*r.max {
		return nil, key
	}
	key.net = netip.Prefix{}
	return r.current[key], key
}

// within returns the current record of a key if its window is not over; one
// whose window is over is closed.
func (r *recorder) within(key foldKey, now time.Time) *record {
	rec := r.current[key]
	if rec == nil || now.Sub(rec.FirstTime) < key.window() {
		return rec
	}
	r.close(key, rec)
	return nil
}

func (r *recorder) close(key foldKey, rec *record) {
	delete(r.current, key)
	if rec.stored != rec.Count {
		r.closed = append(r.closed, rec)
	}
}

// NetworkOf is the network that addresses are taken together by: /24 of IPv4,
// /64 of IPv6, the smallest that are usually given to one customer.
func NetworkOf(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// attempt describes a decision for its record.
func (d *Door) attempt(q *Request, dec *Decision) Attempt {
	a := Attempt{
		Reference: auth.NewReference(),
		Host:      shorten(q.Host, 253), Address: q.Address.Addr, Bits: q.Address.Addr.BitLen(),
		Peer: q.Address.Peer, Hops: d.Source.Hops(q.Address),
		Stage: dec.Stage, Outcome: dec.Outcome, Reason: dec.Reason, Session: dec.Claims.Session,
		Method: shorten(q.Method, 32), Path: shorten(q.Path, 512), UserAgent: shorten(q.UserAgent, 512),
		Count: 1, FirstTime: dec.Now.UTC(), LastTime: dec.Now.UTC(),
		Node: d.recorder.boot.Node, Boot: d.recorder.boot.Boot,
	}
	if dec.Tenant != nil {
		a.Tenant, a.ListVersion = dec.Tenant.ID, dec.Tenant.Version
	}
	if dec.Admin != nil {
		a.Admin, a.Login = dec.Admin.ID, dec.Admin.Login
	}
	if dec.Token != nil {
		a.Admin, a.Login = dec.Token.ID, dec.Token.Shown()
	}
	return a
}

// put stores an attempt before it returns, for those that must be durable
// before they are answered. One that cannot be stored is kept for later, and
// the caller must not answer as if nothing were wrong.
func (r *recorder) put(ctx context.Context, a Attempt) error {
	rec := &record{Attempt: a}
	r.mu.Lock()
	r.seen++
	r.spool.count(r.seen)
	boot := r.ledger()
	r.mu.Unlock()
	err := r.store.PutAttempts(ctx, boot, []Attempt{a})
	if err != nil {
		r.mu.Lock()
		r.closed = append(r.closed, rec)
		r.mu.Unlock()
	}
	if r.log.Attempt != nil {
		r.log.Attempt(a)
	}
	return err
}

// with counts an attempt that store itself puts into the store; one that could
// not be stored did not happen.
func (r *recorder) with(a Attempt, store func() error) error {
	count := func(n int64) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen += n
		r.spool.count(r.seen)
	}
	count(1)
	if err := store(); err != nil {
		count(-1)
		return err
	}
	if r.log.Attempt != nil {
		r.log.Attempt(a)
	}
	return nil
}

// ledger is the boot's account; the caller holds mu.
func (r *recorder) ledger() Ledger {
	l := r.boot
	l.Seen = r.seen
	return l
}

// begin opens this start's account and closes those of starts that ended
// without doing so.
func (r *recorder) begin(ctx context.Context) error {
	if err := r.spool.open(r.boot.Boot); err != nil {
		return err
	}
	if err := r.store.OpenLedger(ctx, r.boot); err != nil {
		return err
	}
	return r.spool.recover(func(old spooled) error {
		for batch := range slices.Chunk(old.attempts, flushBatch) {
			l := Ledger{Node: r.boot.Node, Boot: old.boot, Seen: old.seen}
			if err := r.store.PutAttempts(ctx, l, batch); err != nil {
				return err
			}
		}
		_, err := r.store.CloseLedger(ctx, old.boot, old.seen)
		if errors.Is(err, ErrNotFound) { // died before it could open its account
			return nil
		}
		return err
	})
}

// run stores what waits, until the context ends; then it stores the rest and
// closes the account.
func (r *recorder) run(ctx context.Context) {
	every(ctx, func() time.Duration { return flushEvery }, func(ctx context.Context) { r.flush(ctx) })
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := r.flush(last)
	if err == nil {
		seen, _ := r.counts() // the lock is not held on the way to the store: refusals never wait for it
		_, err = r.store.CloseLedger(last, r.boot.Boot, seen)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spool.end(err == nil)
}
