package gate

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// AllowChoice is a range that would let in the address of an attempt, and what
// else it would have let in during the last 30 days, as far as these have no more
// records than are looked at at once: see [Reach].
type AllowChoice struct {
	Range     netip.Prefix
	Blocked   int64 // attempts that were blocked and would have passed
	Addresses int   // that they came from
}

// AllowChoices proposes ranges for the address of an attempt, the smallest first:
// the address itself, and where others close by were blocked as well, the
// smallest range around all of them. Close by is the same /24, or /64 of IPv6.
func (g *Gate) AllowChoices(ctx context.Context, by Actor, tenant, reference string) ([]AllowChoice, error) {
	a, err := g.allowable(ctx, by, tenant, reference)
	if err != nil {
		return nil, err
	}
	around := NetworkOf(a.Address)
	sum, err := g.summarize(ctx, Question{Group: GroupAddress, Patient: true, AttemptFilter: AttemptFilter{
		Tenant: tenant, Since: g.now().Add(-usesSince), Limit: math.MaxInt,
		Where: []Condition{{Field: FieldAddress, Range: around}, {Field: FieldOutcome, Value: string(Blocked)}},
	}})
	if err != nil {
		return nil, err
	}
	alone := AllowChoice{Range: netip.PrefixFrom(a.Address, a.Address.BitLen())}
	all := alone
	for _, group := range sum.Groups {
		addr, err := netip.ParseAddr(group.Key)
		if err != nil { // a flood that was folded into a network: nobody's address
			continue
		}
		for !all.Range.Contains(addr) {
			all.Range = netip.PrefixFrom(a.Address, all.Range.Bits()-1).Masked()
		}
		all.Blocked += group.Count
		all.Addresses++
		if addr == a.Address {
			alone.Blocked, alone.Addresses = group.Count, 1
		}
	}
	if all.Range == alone.Range {
		return []AllowChoice{alone}, nil
	}
	return []AllowChoice{alone, all}, nil
}

// allowable returns an attempt that has one address which could be allowed.
func (g *Gate) allowable(ctx context.Context, by Actor, tenant, reference string) (*Attempt, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	a, err := g.store.Attempt(ctx, tenant, reference)
	if err != nil {
		return nil, err
	}
	if !a.Address.IsValid() || a.Bits != a.Address.BitLen() {
		return nil, ErrNoAddress
	}
	return a, nil
}

// ErrNoAddress means that an attempt stands for no single address: it is not
// known, or the record is of a flood.
var ErrNoAddress = errors.New("this record is of no single address")

// Allow is an entry to be made of an attempt.
type Allow struct {
	Range string // empty: the address alone
	Label string // empty: the admin and the reference
	For   time.Duration
	Admin string // id of the admin that it counts for; empty: everybody
	EditOptions
}

// Allow lets in the address of an attempt: with an entry of its own, or with the
// one of that range that is in the list already. The guards of every edit hold.
func (g *Gate) Allow(ctx context.Context, by Actor, tenant, reference string, allow Allow) (*Edited, *Network, error) {
	a, err := g.allowable(ctx, by, tenant, reference)
	if err != nil {
		return nil, nil, err
	}
	bad := &InvalidError{}
	checkFor(bad, "for", allow.For)
	r, _, err := cidr.Parse(cmp.Or(allow.Range, a.Address.String()))
	switch {
	case err != nil:
		bad.add("range", "invalid", "%s", err)
	case !r.Contains(a.Address):
		bad.add("range", "elsewhere", "%s does not contain %s", r, a.Address)
	}
	if err := bad.orNil(); err != nil {
		return nil, nil, err
	}
	d := Draft{
		Range: r.String(), Label: cmp.Or(allow.Label, shorten(cmp.Or(a.Login, a.Address.String()), MaxLabel-40)+" – "+a.Reference),
		Owner: by.Name(), Enabled: true,
	}
	if allow.For > 0 {
		d.Expires = g.now().Add(allow.For)
	}
	if allow.Admin != "" {
		d.Admins = []string{allow.Admin}
	}
	if allow.Reason == "" {
		allow.Reason = allowReason(a.Reference)
	}
	done, entry, err := g.allow(ctx, by, tenant, d, allow.EditOptions)
	if err != nil && !errors.Is(err, ErrNotYetInForce) {
		return nil, nil, err
	}
	return done, entry, errors.Join(err, g.answerBy(ctx, by, tenant, entry))
}

// allowReason is why a list has a version that lets in an attempt's address.
func allowReason(reference string) string { return "attempt " + reference }

// answerBy answers the requests whose askers an entry lets in: they wait for
// nothing else.
func (g *Gate) answerBy(ctx context.Context, by Actor, tenant string, n *Network) error {
	waiting, err := g.AccessRequests(ctx, by, AskFilter{Tenant: tenant, State: AskWaiting})
	if err != nil {
		return err
	}
	for i := range waiting {
		r := &waiting[i]
		everybody := len(n.Roles)+len(n.Admins) == 0
		if r.State != AskWaiting || !n.Range.Contains(r.Address) || !everybody && !slices.Contains(n.Admins, r.Admin) {
			continue
		}
		r.State, r.Note, r.Entry, r.Until = AskApproved, "", n.ID, n.Expires
		if err := g.decide(ctx, by, "request.approve", r); err != nil && !errors.Is(err, ErrAnswered) {
			return err
		}
	}
	return nil
}

// allow adds an entry to the newest list, or, where it has one of that range
// already, makes that one admit: at least as long, and whom it admitted before
// with whom it is to admit now. Doing it twice is doing it once.
func (g *Gate) allow(ctx context.Context, by Actor, tenant string, d Draft, o EditOptions) (*Edited, *Network, error) {
	done, err := g.change(ctx, by, tenant, o, func(e *Edit) error {
		i := slices.IndexFunc(e.Entries, func(old Draft) bool { return old.Range == d.Range })
		if i < 0 {
			e.Entries = append(e.Entries, d)
			return nil
		}
		e.Entries[i].admitToo(d, g.now())
		return nil
	})
	if done == nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(done.Entries, func(n Network) bool { return n.Range.String() == d.Range })
	return done, &done.Entries[i], err
}

// admitToo makes an entry admit what another one of the same range would.
func (e *Draft) admitToo(d Draft, now time.Time) {
	inForce := e.Enabled && !now.Before(e.NotBefore) && (e.Expires.IsZero() || now.Before(e.Expires))
	if !inForce { // whom it admitted once is no reason to admit them again
		id := e.ID
		*e = d
		e.ID = id
		return
	}
	if !e.Expires.IsZero() && (d.Expires.IsZero() || d.Expires.After(e.Expires)) {
		e.Expires = d.Expires
	}
	everybody := len(e.Roles)+len(e.Admins) == 0
	if len(d.Roles)+len(d.Admins) == 0 || everybody {
		e.Roles, e.Admins = nil, nil
		return
	}
	e.Roles = slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.Roles, d.Roles))))
	e.Admins = slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.Admins, d.Admins))))
}
