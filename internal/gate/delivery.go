package gate

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Destination is where attempts go on to, outside of this installation.
type Destination struct {
	// Name is what its position is kept under: whatever else of it changes, it
	// goes on where it was.
	Name    string
	Kind    string // syslog or webhook; alerts is the gate's own
	Address string // as it is shown, without what is secret
	Tenant  string // short name of the one whose attempts go there; empty: all
	// Config is everything it was made from; while it stays the same, a
	// reload does not interrupt it.
	Config string
	Open   func() Sink // makes what it is delivered with
}

// Sink takes attempts over. One goroutine uses it.
type Sink interface {
	// Deliver returns nil once the other side has all of them. Otherwise it
	// will be given the same Outgoing again; *RetryLater says not before when.
	// It ends soon after its context.
	Deliver(ctx context.Context, out *Outgoing) error
	// Close ends what the sink has open.
	Close() error
}

// holder is a sink that has more to do while its courier holds the destination.
type holder interface {
	Sink
	hold(ctx context.Context)
}

// Outgoing are attempts on their way out, in the order in which they became
// complete.
type Outgoing struct {
	ID       string // the same for the same attempts to one destination
	Attempts []Attempt
	// Slug names a tenant by its id, and Place tells where an attempt came from.
	Slug  func(id string) string
	Place func(*Attempt) Place
}

// RetryLater is the error of a sink that was asked to wait.
type RetryLater struct {
	After time.Duration
	Err   error
}

func (e *RetryLater) Error() string { return e.Err.Error() }
func (e *RetryLater) Unwrap() error { return e.Err }

// Delivery is how far a destination has come.
type Delivery struct {
	Name, Kind, Address string
	Tenant              string    // id; empty: all
	Node                string    // that delivers; empty: none does at the moment
	Delivered           int64     // records, ever
	Dropped             int64     // records that were deleted, by retention, before they were delivered
	Waiting             int64     // records
	Oldest              time.Time // since when the oldest of them could have gone; zero: none waits
	LastSuccess         time.Time // zero: never
	LastError           string    // why nothing goes on at the moment; empty: nothing is wrong
	Failing             time.Time // since when; zero: nothing is wrong
	Seen                time.Time // when a node last worked on it: long ago, none is configured to
}

// Lag is how far a destination is behind.
func (d *Delivery) Lag(now time.Time) time.Duration {
	if d.Oldest.IsZero() {
		return 0
	}
	return max(now.Sub(d.Oldest), 0)
}

// DeliveryStore keeps what leaves the system, and how far it has come. Records
// leave in the order of a position that each is given when it does not grow any
// more. One that has grown all the same, since its node was cut off from the
// store, is given another and leaves again.
type DeliveryStore interface {
	// OpenDelivery makes the account of a destination, which begins with what
	// is complete from now on, or finds it.
	OpenDelivery(ctx context.Context, d Delivery, now time.Time) error
	// TakeDelivery makes a holder the one who delivers, where the last beat
	// is still the given one; ErrChanged otherwise.
	TakeDelivery(ctx context.Context, name string, last Beat, holder, node string, now time.Time) error
	// BeatDelivery shows that the holder is alive; ErrChanged when somebody
	// else has taken over.
	BeatDelivery(ctx context.Context, name, holder string, now time.Time) error
	// LeaveDelivery ends the hold.
	LeaveDelivery(ctx context.Context, name, holder string) error
	// LastBeat returns who delivers, and how far its beat has counted.
	LastBeat(ctx context.Context, name string) (Beat, error)
	// Outgoing gives positions to what is complete and returns what a
	// destination has not had yet, at most limit records, and up to which
	// position that is.
	Outgoing(ctx context.Context, name string, now time.Time, limit int) (list []Attempt, upTo int64, err error)
	// NoteDelivered notes that the other side has n records, up to a position.
	NoteDelivered(ctx context.Context, name, holder string, upTo, n int64, now time.Time) error
	// NoteFailed notes why nothing goes on.
	NoteFailed(ctx context.Context, name, holder, why string, now time.Time) error
	// Deliveries lists the accounts by name.
	Deliveries(ctx context.Context, now time.Time) ([]Delivery, error)
	// ForgetDeliveries deletes accounts that no node has worked on since.
	ForgetDeliveries(ctx context.Context, before time.Time) error
}

// Beat is a sign of life. Whether it goes on is judged by the clock of who
// looks, since the clocks of two nodes differ.
type Beat struct {
	Holder string // empty: nobody
	Count  int64
}

// forgetDeliveries is how long a destination that no configuration has any
// more keeps its position.
const forgetDeliveries = 30 * 24 * time.Hour

// couriers are those that deliver, on this node.
type couriers struct {
	mu      sync.Mutex
	run     context.Context // they live in; nil: not started, or stopped
	wanted  []Destination
	running map[string]*courier // by name
	alerts  *courier            // nil: no tenant has rules
}

// SetDestinations says where attempts go on to. What is there already and has not
// changed goes on undisturbed. It may be called at any time.
func (g *Gate) SetDestinations(list []Destination) {
	c := &g.couriers
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		c.wanted = list
		return
	}
	for name, old := range c.running {
		i := slices.IndexFunc(list, func(d Destination) bool { return d.Name == name })
		if i >= 0 && list[i].Config == old.Config {
			continue
		}
		old.end()
		delete(c.running, name)
	}
	for i := range list {
		if _, there := c.running[list[i].Name]; !there {
			c.running[list[i].Name] = g.newCourier(c.run, list[i])
		}
	}
}

// deliver runs the couriers until the context ends.
func (g *Gate) deliver(ctx context.Context) {
	c := &g.couriers
	c.mu.Lock()
	c.run = ctx
	wanted := c.wanted
	c.mu.Unlock()
	g.SetDestinations(wanted)
	g.wantAlerts(ctx)
	every(ctx, func() time.Duration { return g.pace.poll }, g.wantAlerts)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run = nil
	if c.alerts != nil {
		c.alerts.end()
		c.alerts = nil
	}
	for name, old := range c.running {
		old.end()
		delete(c.running, name)
	}
}

// Deliveries tells how far each destination has come, whichever node delivers,
// by name.
func (g *Gate) Deliveries(ctx context.Context) ([]Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	list, err := g.store.Deliveries(ctx, g.now())
	if err != nil {
		return nil, err
	}
	g.couriers.mu.Lock()
	defer g.couriers.mu.Unlock()
	for name, c := range g.couriers.running {
		trouble := c.trouble.Load()
		if trouble == nil || slices.ContainsFunc(list, func(d Delivery) bool { return d.Name == name }) {
			continue
		}
		list = append(list, Delivery{Name: name, Kind: c.Kind, Address: c.Address, LastError: trouble.what, Failing: trouble.since})
	}
	slices.SortFunc(list, func(a, b Delivery) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}
