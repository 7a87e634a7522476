package gate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// ErrTooMany means that a span has more records than can be looked through for a
// place, which no record has: a shorter one has to do.
var ErrTooMany = errors.New("the span has too many records")

// byPlace reports whether a filter asks for something that no record has, and
// that is found out from its address.
func (f *AttemptFilter) byPlace() bool {
	return slices.ContainsFunc(f.Where, func(c Condition) bool { return c.Field == FieldCountry || c.Field == FieldASN })
}

// attemptsByPlace lists what a filter with places selects: found in the history,
// read from the store.
func (g *Gate) attemptsByPlace(ctx context.Context, f AttemptFilter) ([]Attempt, error) {
	now := g.now()
	if f.Until.IsZero() || f.Until.After(now) {
		f.Until = now.Add(time.Second)
	}
	if f.Since.IsZero() {
		f.Since = g.Oldest()
	}
	if !f.Before.Time.IsZero() && f.Before.Time.Before(f.Until) {
		f.Until = f.Before.Time.Add(time.Microsecond)
	}
	v, err := g.recall(ctx, f.Tenant, f.Since.Add(-LongestRecord), f.Until, true)
	if err != nil {
		return nil, err
	}
	if !v.Complete {
		return nil, ErrTooMany
	}
	rows := v.newest(matchingOf(g, v, f.Where), &f)
	if len(rows) == 0 {
		return nil, nil
	}
	exact := AttemptFilter{Tenant: f.Tenant, Since: time.UnixMicro(rows[len(rows)-1].first), Until: time.UnixMicro(rows[0].first + 1)}
	for _, r := range rows {
		exact.Where = append(exact.Where, Condition{Field: FieldReference, Value: referenceText(r.reference)})
	}
	return g.store.Attempts(ctx, exact)
}

// newest returns the rows that match in the order of a list, as many as a page
// has.
func (v *view) newest(m matching, f *AttemptFilter) []traceRow {
	var out []traceRow
	since, until := f.Since.UnixMicro(), f.Until.UnixMicro()
	for _, h := range v.hours {
		for i := len(h.rows) - 1; i >= 0; i-- {
			r := &h.rows[i]
			after := f.Before.Time.IsZero() || cmp.Or(
				cmp.Compare(r.first, f.Before.Time.UnixMicro()), cmp.Compare(referenceText(r.reference), f.Before.ID)) < 0
			if after && r.last() >= since && r.first < until && m.matches(r) {
				if out = append(out, *r); len(out) == f.Limit {
					return out
				}
			}
		}
	}
	return out
}
