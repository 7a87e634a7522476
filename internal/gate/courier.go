package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// pace is how often couriers do what they do.
type pace struct {
	poll  time.Duration // looks for more
	beat  time.Duration // shows that it is alive
	lapse time.Duration // without a beat another takes over
	first time.Duration // waits after a failure, then twice as long each time
	most  time.Duration // up to that, so that all goes on soon after the other side is back
}

var usualPace = pace{poll: time.Second, beat: 2 * time.Second, lapse: 8 * time.Second, first: time.Second, most: time.Minute}

// Bounds of delivering.
const (
	outgoingMost  = 500              // records in one batch
	deliverWithin = 30 * time.Second // the other side must have a batch
	latestRetry   = time.Hour        // however long the other side asks to wait
)

// courier delivers to one destination. Of all nodes that have the destination
// one does so at a time: its holder, for as long as its beat goes on.
type courier struct {
	Destination
	sink    Sink
	gate    *Gate
	pace    pace
	holder  string
	trouble atomic.Pointer[lasting]
	stop    context.CancelFunc
	done    chan struct{}

	last   Beat      // of another holder
	noted  time.Time // when that was first seen
	opened bool
}

// lasting is what is wrong, and since when.
type lasting struct {
	what  string
	since time.Time
}

func (g *Gate) newCourier(ctx context.Context, d Destination) *courier {
	c := &courier{Destination: d, gate: g, pace: g.pace, holder: NewID(), done: make(chan struct{})}
	ctx, c.stop = context.WithCancel(ctx)
	go func() {
		defer close(c.done)
		c.sink = d.Open()
		defer func() { _ = c.sink.Close() }()
		c.run(ctx)
	}()
	return c
}

// end returns when nothing is delivered any more.
func (c *courier) end() {
	c.stop()
	<-c.done
}

// run delivers while it may, and otherwise looks whether it may.
func (c *courier) run(ctx context.Context) {
	for ctx.Err() == nil {
		took, err := c.take(ctx)
		c.note(err)
		if took {
			c.hold(ctx)
		}
		pause(ctx, c.pace.beat)
	}
}

// note keeps what is wrong on this node.
func (c *courier) note(err error) {
	switch old := c.trouble.Load(); {
	case err == nil:
		c.trouble.Store(nil)
	case old == nil || old.what != err.Error():
		now := c.gate.now()
		if old != nil {
			now = old.since
		}
		c.trouble.Store(&lasting{err.Error(), now})
	}
}

// take becomes the holder, if there is none whose beat goes on.
func (c *courier) take(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	if err := c.open(ctx); err != nil {
		return false, err
	}
	last, err := c.gate.store.LastBeat(ctx, c.Name)
	if err != nil {
		c.opened = !errors.Is(err, ErrNotFound) // forgotten
		return false, err
	}
	if c.last != last {
		c.last, c.noted = last, time.Now()
	}
	if last.Holder != "" && time.Since(c.noted) < c.pace.lapse {
		return false, nil
	}
	err = c.gate.store.TakeDelivery(ctx, c.Name, last, c.holder, c.gate.node, c.gate.now())
	if errors.Is(err, ErrChanged) {
		return false, nil // another was faster
	}
	return err == nil, err
}

// open makes the account of the destination.
func (c *courier) open(ctx context.Context) error {
	if c.opened {
		return nil
	}
	d := Delivery{Name: c.Name, Kind: c.Kind, Address: c.Address}
	if c.Tenant != "" {
		t := c.gate.snap.bySlug(c.Tenant)
		if t == nil {
			return fmt.Errorf("there is no tenant %s", c.Tenant)
		}
		d.Tenant = t.ID
	}
	err := c.gate.store.OpenDelivery(ctx, d, c.gate.now())
	c.opened = err == nil
	return err
}

// hold delivers until somebody else has taken over or the context ends.
func (c *courier) hold(ctx context.Context) {
	held, lost := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		defer lost()
		c.beat(held)
	})
	if more, ok := c.sink.(holder); ok {
		beating.Go(func() { more.hold(held) })
	}
	c.deliver(held)
	lost()
	beating.Wait()
	left, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin)
	defer cancel()
	_ = c.gate.store.LeaveDelivery(left, c.Name, c.holder) // without it another waits a little longer
}

// beat shows that the courier is alive, and returns when nobody can know it any
// more.
func (c *courier) beat(ctx context.Context) {
	for last := time.Now(); time.Since(last) < c.pace.lapse; {
		if !pause(ctx, c.pace.beat) {
			return
		}
		within, cancel := context.WithTimeout(ctx, c.pace.lapse)
		err := c.gate.store.BeatDelivery(within, c.Name, c.holder, c.gate.now())
		cancel()
		switch {
		case err == nil:
			last = time.Now()
		case errors.Is(err, ErrChanged):
			return
		}
	}
}

// deliver sends batch after batch, each until the other side has it.
func (c *courier) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		list, upTo, err := c.next(ctx)
		if err == nil && len(list) > 0 && c.send(ctx, list, upTo) {
			continue
		}
		c.note(err)
		pause(ctx, c.pace.poll)
	}
}

// next reads a batch. Where there are only others' records, it moves on by
// itself.
func (c *courier) next(ctx context.Context) ([]Attempt, int64, error) {
	within, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	list, upTo, err := c.gate.store.Outgoing(within, c.Name, c.gate.now(), outgoingMost)
	if err == nil && len(list) == 0 && upTo > 0 {
		err = c.gate.store.NoteDelivered(within, c.Name, c.holder, upTo, 0, time.Time{})
	}
	return list, upTo, err
}

// send delivers a batch, however often that takes. False: it is no longer this
// courier's.
func (c *courier) send(ctx context.Context, list []Attempt, upTo int64) bool {
	out := &Outgoing{ID: batchID(c.Name, list, upTo), Attempts: list, Slug: c.gate.slugOf, Place: c.gate.placeOf}
	for wait := c.pace.first; ; wait = min(2*wait, c.pace.most) {
		within, cancel := context.WithTimeout(ctx, deliverWithin)
		err := c.sink.Deliver(within, out)
		cancel()
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			break
		}
		c.failed(ctx, err)
		if !pause(ctx, c.until(err, wait)) {
			return false
		}
	}
	return c.delivered(ctx, upTo, int64(len(list)))
}

// until is how long to wait after a failure.
func (c *courier) until(err error, wait time.Duration) time.Duration {
	if later, ok := errors.AsType[*RetryLater](err); ok && later.After > wait {
		return min(later.After, latestRetry)
	}
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // only spreads the tries
}

// failed notes why nothing goes on. The records wait in the store.
func (c *courier) failed(ctx context.Context, err error) {
	c.note(err)
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	_ = c.gate.store.NoteFailed(ctx, c.Name, c.holder, err.Error(), c.gate.now()) // it is said again after the next try
}

// delivered notes that a batch has arrived, until the store knows: what it does
// not know is sent again.
func (c *courier) delivered(ctx context.Context, upTo, n int64) bool {
	for {
		within, cancel := context.WithTimeout(ctx, storeWithin)
		err := c.gate.store.NoteDelivered(within, c.Name, c.holder, upTo, n, c.gate.now())
		cancel()
		if c.note(err); err == nil {
			return true
		}
		if errors.Is(err, ErrChanged) || !pause(ctx, c.pace.poll) {
			return false
		}
	}
}

// batchID names a batch.
func batchID(name string, list []Attempt, upTo int64) string {
	first, last := &list[0], &list[len(list)-1]
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s %d\x00%s %d\x00%d %d", name,
		first.Reference, first.FirstTime.UnixMicro(), last.Reference, last.FirstTime.UnixMicro(), len(list), upTo))
	return hex.EncodeToString(sum[:16])
}

// slugOf is the short name of a tenant, or the id of one that is gone.
func (g *Gate) slugOf(id string) string {
	if t := g.snap.byID(id); t != nil {
		return t.Slug
	}
	return id
}

func (g *Gate) placeOf(a *Attempt) Place { return g.PlaceOf(a.Address, a.Bits) }

// pause waits, and returns false when the context ended instead.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
