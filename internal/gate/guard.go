package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// coverSince is how far back a sign-in shows which networks an admin uses.
const coverSince = 30 * 24 * time.Hour

// coverNeeds is how many admins have to keep a network that they really used.
const coverNeeds = 2

// Refusals of the guards.
var (
	// ErrLocksYouOut means that the edit would shut out who makes it.
	ErrLocksYouOut = errors.New("the new list does not contain your own address")
	// ErrLocksEveryoneOut means that the list would be enforced with no entry
	// in force that lets an owner in. Nothing overrides it.
	ErrLocksEveryoneOut = errors.New("the list would be enforced and admit no owner")
)

// EndsError means that there is a moment to come at which no entry in force
// lets an owner in.
type EndsError struct{ At time.Time }

func (e *EndsError) Error() string {
	return fmt.Sprintf("from %s on no entry would let an owner in", e.At.Format(time.RFC3339))
}

// CoverError means that too few admins keep a network that they used lately.
type CoverError struct {
	At     time.Time // when that is first so
	Kept   int       // admins who keep one
	Known  int       // admins of whom one is known
	Needed int       // admins who have to keep one
	Losing []AdminView
}

func (e *CoverError) Error() string {
	return fmt.Sprintf("%d of %d admins would keep a network that they used in the last 30 days, and at least %d must", e.Kept, e.Known, e.Needed)
}

// Codes of what the guards check.
const (
	CheckOwnAddress = "own_address" // the editor's own address stays admitted
	CheckReachable  = "reachable"   // an owner is let in, now and at every later moment
	CheckCover      = "cover"       // enough admins keep a network that they really used
)

// GuardCheck is what one guard says about an edit.
type GuardCheck struct {
	Code string
	OK   bool
	// Accept is the word that lets the edit through all the same; empty:
	// nothing does. Accepted: it was needed, and said.
	Accept   string
	Accepted bool

	Address netip.Addr // own_address: whose; not valid: the guard does not apply
	Entry   *Network   // own_address: the narrowest entry that admits it
	At      time.Time  // when the check first fails
	// Of cover, at that time or now: see CoverError.
	Kept, Known, Needed int
	Losing              []AdminView
}

// Overridable reports whether a word lets the edit through all the same.
func (c *GuardCheck) Overridable() bool { return c.Accept != "" }

// Err is the refusal that the check stands for; nil: it holds or was accepted.
func (c *GuardCheck) Err() error {
	switch {
	case c.OK, c.Accepted:
		return nil
	case c.Code == CheckOwnAddress:
		return ErrLocksYouOut
	case c.Code == CheckCover:
		return &CoverError{c.At, c.Kept, c.Known, c.Needed, c.Losing}
	case c.Overridable():
		return &EndsError{c.At}
	}
	return ErrLocksEveryoneOut
}

// refusal is the error of the first check that does not hold, what cannot be
// overridden before the rest.
func refusal(checks []GuardCheck) error {
	var first error
	for i := range checks {
		err := checks[i].Err()
		if err != nil && !checks[i].Overridable() {
			return err
		}
		first = cmp.Or(first, err)
	}
	return first
}

// Used is an address that an admin came from lately.
type Used struct {
	Admin   string // ID
	Address netip.Addr
}

// GuardStore knows what the guards ask for.
type GuardStore interface {
	// UsedAddresses returns the addresses of sign-ins since that a list or its
	// absence let in, and the last ones of sessions that run now.
	UsedAddresses(ctx context.Context, tenant string, since, now time.Time) ([]Used, error)
}

// checks asks every guard about an edit. Only an enforced list can lock
// anybody out.
func (g *Gate) checks(ctx context.Context, by Actor, e *Edit, p *prepared) ([]GuardCheck, error) {
	if e.Mode != ModeEnforced {
		return nil, nil
	}
	used, err := g.store.UsedAddresses(ctx, e.Tenant, p.now.Add(-coverSince), p.now)
	if err != nil {
		return nil, err
	}
	if by.Kind == ActorAdmin && !by.besideList() {
		used = append(used, Used{by.Admin, by.Address})
	}
	reach := checkReachable(e, p)
	return []GuardCheck{checkOwnAddress(by, e, p), reach, checkCover(e, p, people(p.before.Admins, used), reach.At)}, nil
}

// checkOwnAddress asks whether the editor could come again. Who comes by
// command, or by another way than the list, can.
func checkOwnAddress(by Actor, e *Edit, p *prepared) GuardCheck {
	c := GuardCheck{Code: CheckOwnAddress, Accept: AcceptOwnAddress, OK: true}
	if by.Kind != ActorAdmin && by.Kind != ActorToken || by.besideList() {
		return c
	}
	c.Address = by.Address
	c.Entry = narrowest(p.networks, by.Address, p.now, by.counts)
	if c.OK = c.Entry != nil; !c.OK {
		c.At, c.Accepted = p.now, e.accepts(AcceptOwnAddress) && e.ConfirmWithin > 0
	}
	return c
}

// checkReachable asks whether an owner is let in, now and at every later
// moment at which an entry begins or ends.
func checkReachable(e *Edit, p *prepared) GuardCheck {
	c := GuardCheck{Code: CheckReachable, At: ownerGap(p.networks, owners(p.before.Admins, ""), p.now)}
	c.OK = c.At.IsZero()
	if c.OK || c.At.After(p.now) {
		c.Accept, c.Accepted = AcceptEnds, !c.OK && e.accepts(AcceptEnds)
	}
	return c
}

// checkCover asks whether enough admins keep a network that they really used,
// now and at every later moment until the one at which no owner is let in at
// all. An edit does not answer for those whom an enforced list before it did
// not let in either.
func checkCover(e *Edit, p *prepared, known []person, until time.Time) GuardCheck {
	c := GuardCheck{Code: CheckCover, Accept: AcceptFewAdmins, Known: len(known), Needed: min(coverNeeds, len(known)), OK: true}
	after := covered(p.networks, known)
	before := make([][]span, len(known))
	if p.before.Tenant.Mode == ModeEnforced {
		before = covered(p.before.Networks, known)
	} else {
		for i := range before {
			before[i] = []span{{}}
		}
	}
	for _, at := range moments(p.now, until, before, after) {
		kept, had := 0, 0
		var losing []AdminView
		for i := range known {
			was, is := within(before[i], at), within(after[i], at)
			if was {
				had++
			}
			if is {
				kept++
			} else if was {
				losing = append(losing, known[i].AdminView)
			}
		}
		if at.Equal(p.now) || kept < min(c.Needed, had) {
			c.Kept, c.Losing = kept, losing
		}
		if kept < min(c.Needed, had) {
			c.OK, c.At, c.Accepted = false, at, e.accepts(AcceptFewAdmins)
			return c
		}
	}
	return c
}

// person is an enabled admin of whom an address is known.
type person struct {
	AdminView
	addresses []netip.Addr
}

func people(admins []AdminView, used []Used) []person {
	addresses := map[string][]netip.Addr{}
	for _, u := range used {
		if u.Address.IsValid() && !slices.Contains(addresses[u.Admin], u.Address) {
			addresses[u.Admin] = append(addresses[u.Admin], u.Address)
		}
	}
	var out []person
	for _, a := range admins {
		if known := addresses[a.ID]; !a.Disabled && len(known) > 0 {
			out = append(out, person{a, known})
		}
	}
	return out
}

// owners are the admins who may edit the list, but for one.
func owners(admins []AdminView, but string) []AdminView {
	return slices.DeleteFunc(slices.Clone(admins), func(a AdminView) bool {
		return a.Role != RoleOwner || a.Disabled || a.NoPassword || a.ID == but
	})
}

// span is a stretch of time. Without until it has no end.
type span struct{ from, until time.Time }

func (s span) has(at time.Time) bool {
	return !at.Before(s.from) && (s.until.IsZero() || at.Before(s.until))
}

func within(spans []span, at time.Time) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.has(at) })
}

// merge sorts spans and joins those that meet.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	out := spans[:0]
	for _, s := range spans {
		last := len(out) - 1
		switch {
		case last < 0 || !out[last].until.IsZero() && out[last].until.Before(s.from):
			out = append(out, s)
		case s.until.IsZero() || !out[last].until.IsZero() && out[last].until.Before(s.until):
			out[last].until = s.until
		}
	}
	return out
}

// ownerGap returns the first moment, from now on, at which no entry in force
// lets an owner in; zero: there is none. Where there is no owner yet, entries
// count that would let any owner in.
func ownerGap(networks []Network, owners []AdminView, now time.Time) time.Time {
	var spans []span
	for i := range networks {
		n := &networks[i]
		counts := slices.ContainsFunc(owners, func(o AdminView) bool { return n.For(RoleOwner, o.ID) })
		if n.Enabled && (counts || len(owners) == 0 && n.For(RoleOwner, "")) {
			spans = append(spans, span{n.NotBefore, n.Expires})
		}
	}
	for _, s := range merge(spans) {
		if s.has(now) {
			return s.until
		}
	}
	return now
}

// covered returns for each person when an entry admits it from an address that
// it used.
func covered(networks []Network, people []person) [][]span {
	index := cidr.NewIndex(rangesOf(networks))
	out := make([][]span, len(people))
	for i, p := range people {
		for _, a := range p.addresses {
			for _, k := range index.Matching(a) {
				if n := &networks[k]; n.Enabled && n.For(p.Role, p.ID) {
					out[i] = append(out[i], span{n.NotBefore, n.Expires})
				}
			}
		}
		out[i] = merge(out[i])
	}
	return out
}

// moments are now and the beginnings and ends of spans after it, in order,
// before a time (zero: all).
func moments(now, until time.Time, lists ...[][]span) []time.Time {
	out := []time.Time{now}
	for _, list := range lists {
		for _, spans := range list {
			for _, s := range spans {
				for _, at := range []time.Time{s.from, s.until} {
					if at.After(now) && (until.IsZero() || at.Before(until)) {
						out = append(out, at)
					}
				}
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}
