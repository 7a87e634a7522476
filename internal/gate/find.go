package gate

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// ErrTooMany means that a span has more records than can be looked through for a
// place, which no record has: a shorter one has to do.
var ErrTooMany = errors.New("the span has too many records")

// longestReview is the longest span that the page of the review offers, and the
// hours around it.
const longestReview = 31 * 24 * time.Hour

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
	found, complete, err := g.fromMemory(ctx, f, patient)
	if err == nil && !complete {
		err = ErrTooMany
	}
	return found, err
}

// findAttempts lists what a filter selects that may select hardly any: neither
// engine has an index for every filter, and would read a month to find nothing.
// What is of lately is looked for in the store, which then has little to read;
// what was before, in memory, where it is packed or there already; and what is
// older than anybody looks at, in the store again.
func (g *Gate) findAttempts(ctx context.Context, f AttemptFilter) (page []Attempt, err error) {
	lately := hourStart(HourOf(g.now()) - 1)
	earlier := lately.Add(-longestReview)
	for _, part := range []struct {
		since, until time.Time // of the first times
		memory       bool
	}{{since: lately}, {since: earlier, until: lately, memory: true}, {until: earlier}} {
		p := f
		p.Limit = f.Limit - len(page)
		if !part.until.IsZero() && (p.Until.IsZero() || part.until.Before(p.Until)) {
			p.Until = part.until
		}
		if part.since.After(p.Since) {
			p.Since = part.since
		}
		over := !p.Until.IsZero() && !p.Until.After(p.Since.Add(-LongestRecord)) || !f.Before.Time.IsZero() && f.Before.Time.Before(part.since)
		if over || p.Limit == 0 {
			continue
		}
		found, complete := []Attempt(nil), false
		if part.memory {
			found, complete, err = g.fromMemory(ctx, p, exact)
		}
		if err == nil && !complete {
			found, err = g.store.Attempts(ctx, p)
		}
		if err != nil {
			return nil, err
		}
		// Records that began before the part, and ended in it, are of the next.
		before := func(a Attempt) bool { return a.FirstTime.Before(part.since) }
		page = append(page, slices.DeleteFunc(found, before)...)
	}
	return page, nil
}

// fromMemory lists what a filter with both ends selects: found in the history,
// read from the store. Where the history is not complete, there is no answer.
func (g *Gate) fromMemory(ctx context.Context, f AttemptFilter, p patience) (found []Attempt, complete bool, err error) {
	v, err := g.recall(ctx, f.Tenant, f.Since.Add(-LongestRecord), f.Until, p)
	if err != nil || !v.Complete {
		return nil, false, err
	}
	rows := v.newest(matchingOf(g, v, f.Where), &f)
	if len(rows) == 0 {
		return nil, true, nil
	}
	keys := make([]AttemptKey, len(rows))
	for i := range rows {
		keys[i] = AttemptKey{referenceText(rows[i].reference), time.UnixMicro(rows[i].first)}
	}
	found, err = g.store.AttemptsOf(ctx, f.Tenant, keys)
	return found, true, err
}

// newest returns the rows that match in the order of a list, as many as a page
// has.
func (v *view) newest(m matching, f *AttemptFilter) []*traceRow {
	var out []*traceRow
	for r := range v.selected(m, f) {
		after := f.Before.Time.IsZero() || cmp.Or(
			cmp.Compare(r.first, f.Before.Time.UnixMicro()), cmp.Compare(referenceText(r.reference), f.Before.ID)) < 0
		if !after {
			continue
		}
		if out = append(out, r); len(out) == f.Limit {
			break
		}
	}
	return out
}

// selected gives the rows of a span that match, newest first.
func (v *view) selected(m matching, f *AttemptFilter) iter.Seq[*traceRow] {
	since, until := f.Since.UnixMicro(), f.Until.UnixMicro()
	return func(yield func(*traceRow) bool) {
		for _, h := range v.hours {
			for i := range h.rows {
				r := &h.rows[len(h.rows)-1-i]
				if r.last() >= since && r.first < until && m.matches(r) && !yield(r) {
					return
				}
			}
		}
	}
}
