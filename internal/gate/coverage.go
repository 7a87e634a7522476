package gate

import (
	"context"
	"time"
)

// Coverage says whether the list lets an admin in from where it really comes.
type Coverage string

// States of a coverage.
const (
	Covered      Coverage = "covered"
	CoveredUntil Coverage = "ends"      // by entries that end within a day
	Uncovered    Coverage = "uncovered" // from none of the networks that it used
	CoverUnknown Coverage = "unknown"   // it has not been here for 30 days
)

// coverEnds is how far ahead the end of an entry is said.
const coverEnds = 24 * time.Hour

// Person is an admin with what else is known of it.
type Person struct {
	Admin
	Coverage Coverage
	Network  *Network  // that covers it; nil: none does
	Until    time.Time // of CoveredUntil: when the last of its networks ends
}

// Roster lists a tenant's admins, and whether the networks that they used in the
// last 30 days are still in the list.
func (g *Gate) Roster(ctx context.Context, by Actor, tenant string) ([]Person, error) {
	admins, err := g.Admins(ctx, by, tenant)
	if err != nil {
		return nil, err
	}
	now := g.now()
	used, err := g.store.UsedAddresses(ctx, tenant, now.Add(-coverSince), now)
	if err != nil {
		return nil, err
	}
	list, err := g.store.List(ctx, tenant, 0)
	if err != nil {
		return nil, err
	}
	people := make([]Person, len(admins))
	for i := range admins {
		people[i] = Person{Admin: admins[i], Coverage: CoverUnknown}
		people[i].cover(list.Networks, used, now)
	}
	return people, nil
}

// cover finds the entry that lets an admin in for the longest.
func (p *Person) cover(networks []Network, used []Used, now time.Time) {
	for _, u := range used {
		if u.Admin != p.ID {
			continue
		}
		if p.Coverage == CoverUnknown {
			p.Coverage = Uncovered
		}
		for i := range networks {
			n := &networks[i]
			if n.Range.Contains(u.Address) && n.Admits(now) && n.For(p.Role, p.ID) && p.Network.endsBefore(n) {
				p.Network = n
			}
		}
	}
	switch n := p.Network; {
	case n == nil:
	case n.Expires.IsZero() || n.Expires.Sub(now) > coverEnds:
		p.Coverage = Covered
	default:
		p.Coverage, p.Until = CoveredUntil, n.Expires
	}
}

// endsBefore reports whether an entry, nil being none, ends before another.
func (n *Network) endsBefore(other *Network) bool {
	switch {
	case n == nil:
		return true
	case n.Expires.IsZero():
		return false
	}
	return other.Expires.IsZero() || n.Expires.Before(other.Expires)
}
