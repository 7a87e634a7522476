package gate

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Bounds of looking at sign-ins from outside. Who comes from there may be
// anybody, so that all of them together get one hash at a time: people who sign
// in from inside wait for one of them at most.
const (
	outsideWaiting = 8       // tries that wait for the one under way
	outsideLocked  = 1 << 14 // networks that are remembered to be locked, so that they cost the store nothing
)

// outsiders lets tries from outside to the hashers.
type outsiders struct {
	places chan struct{} // one for each that waits or runs
	turn   chan struct{}

	mu     sync.Mutex
	locked map[netip.Prefix]time.Time
}

func newOutsiders() *outsiders {
	return &outsiders{
		places: make(chan struct{}, 1+outsideWaiting), turn: make(chan struct{}, 1), locked: map[netip.Prefix]time.Time{},
	}
}

// enter waits for a turn, unless too many do; done gives it back.
func (o *outsiders) enter(ctx context.Context) (done func(), ok bool) {
	select {
	case o.places <- struct{}{}:
	default:
		return nil, false
	}
	select {
	case o.turn <- struct{}{}:
		return func() { <-o.turn; <-o.places }, true
	case <-ctx.Done():
		<-o.places
		return nil, false
	}
}

func (o *outsiders) isLocked(net netip.Prefix, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.locked[net])
}

func (o *outsiders) lock(net netip.Prefix, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.locked) >= outsideLocked {
		clear(o.locked) // the store knows them still
	}
	o.locked[net] = until
}

// LooksOutside reports whether a sign-in that the list keeps out has its password
// looked at: see [Door.TryOutside].
func (d *Door) LooksOutside(dec *Decision) bool {
	return d.Site.Login && dec.Tenant != nil && !dec.Inside() && dec.Reason == OutsideNetworks && dec.Tenant.Settings.CheckOutside
}

// TryOutside looks at the password of a sign-in from outside, for the record
// alone: the visitor is told what everybody outside is told. It does the same
// whatever was typed: one count, one look-up, one hash, one record that is on
// disk when it returns, with its reference. An empty reference means that it did
// not look, and that the try is one more refusal of the first door: the address
// had its tries, which count nowhere else, too many come from outside at once,
// or the store is away.
func (d *Door) TryOutside(ctx context.Context, q *Request, dec *Decision, f LoginForm) (reference string) {
	from := d.countedBy(q.Address.Addr)
	if !d.LooksOutside(dec) || d.outsiders.isLocked(from, dec.Now) {
		return ""
	}
	done, ok := d.outsiders.enter(ctx)
	if !ok {
		return ""
	}
	defer done()
	key := d.store.MAC("throttle outside", from.String())
	until, err := d.store.Reserve(ctx, [][]byte{key}, d.Rules.Throttle, dec.Now)
	if err != nil {
		return ""
	}
	if !until.IsZero() {
		d.outsiders.lock(from, until)
		return ""
	}
	t := &try{door: d, q: q, dec: *dec, tenant: d.snap.byID(dec.Tenant.ID), typed: f.Login}
	t.dec.Stage = StageSignIn
	if t.tenant == nil || t.look(ctx, f, d.hasher.Verify) != nil {
		return ""
	}
	a := t.attempt(Blocked, OutsideNetworks)
	_ = d.recorder.put(ctx, a) // what cannot be stored is kept for later, and nobody gets in by it
	return a.Reference
}

// countedBy is what tries from an address are counted by: of IPv6 it is the /64,
// which one visitor has all of.
func (d *Door) countedBy(a netip.Addr) netip.Prefix {
	if a.Is6() {
		return NetworkOf(a)
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// look finds out whose login was typed from outside, and whether the password is
// the right one. Every answer takes the same steps.
func (t *try) look(ctx context.Context, f LoginForm, verify func(ctx context.Context, password, encoded string) (bool, error)) error {
	admin, err := t.door.store.AdminByLogin(ctx, t.tenant.ID, CanonicalLogin(f.Login))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	encoded := ""
	if admin != nil {
		encoded = admin.Password
	}
	ok, err := verify(ctx, f.Password, encoded)
	if err != nil {
		return err
	}
	t.admin, t.right = admin, ok
	return nil
}
