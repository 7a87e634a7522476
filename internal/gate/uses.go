package gate

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// Usage is how often somebody signed in from a range within 30 days.
type Usage struct {
	Count int64
	Last  time.Time // zero: not at all
}

// Usage returns how much each of the ranges was used. A sign-in counts for every
// range that holds its address.
func (g *Gate) Usage(ctx context.Context, by Actor, tenant string, ranges []cidr.Range) ([]Usage, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	uses, err := g.store.SignIns(ctx, tenant, g.now().Add(-usesSince))
	if err != nil {
		return nil, err
	}
	return usageOf(ranges, uses), nil
}

// usageOf looks for the addresses of each range among those that were used, in
// their order: an index of thousands of ranges would cost more than it finds.
func usageOf(ranges []cidr.Range, uses []Use) []Usage {
	slices.SortFunc(uses, func(a, b Use) int { return a.Address.Compare(b.Address) })
	out := make([]Usage, len(ranges))
	for i, r := range ranges {
		from, _ := slices.BinarySearchFunc(uses, r.First(), func(u Use, first netip.Addr) int { return u.Address.Compare(first) })
		for _, u := range uses[from:] {
			if !r.Contains(u.Address) {
				break
			}
			out[i].Count += u.Count
			if u.Last.After(out[i].Last) {
				out[i].Last = u.Last
			}
		}
	}
	return out
}

// DryRun is what a dry run has found out so far.
type DryRun struct {
	Since   time.Time // the list went into dry run, or records reach back to
	SignIns int64     // that would have been blocked
	People  int       // whose they were
}

// DryRun sums up a dry run; nil where the list is not in one. It looks no
// further back than 30 days.
func (g *Gate) DryRun(ctx context.Context, by Actor, tenant string) (*DryRun, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	since, err := g.inDryRunSince(ctx, tenant)
	if err != nil || since.IsZero() {
		return nil, err
	}
	sum, err := g.summarize(ctx, Question{Group: GroupAdmin, Patient: true, AttemptFilter: AttemptFilter{
		Tenant: tenant, Since: since, Limit: math.MaxInt,
		Where: []Condition{{Field: FieldStage, Value: string(StageSignIn)}, {Field: FieldOutcome, Value: string(WouldBlock)}},
	}})
	if err != nil {
		return nil, err
	}
	d := &DryRun{Since: sum.Since}
	for i := range sum.Groups {
		if f := &sum.Groups[i]; f.Key != "" {
			d.People++
			d.SignIns += f.Count
		}
	}
	return d, nil
}

// inDryRunSince returns when the list went into dry run without a break since;
// zero: it is in none.
func (g *Gate) inDryRunSince(ctx context.Context, tenant string) (time.Time, error) {
	const page = 100
	var since time.Time
	longest := g.now().Add(-usesSince)
	for before := int64(0); ; {
		versions, err := g.store.ListVersions(ctx, tenant, before, page)
		if err != nil {
			return time.Time{}, err
		}
		for _, v := range versions {
			if v.Mode != ModeDryRun {
				return since, nil
			}
			if since = v.At; since.Before(longest) {
				return longest, nil
			}
			before = v.Version
		}
		if len(versions) < page {
			return since, nil
		}
	}
}
