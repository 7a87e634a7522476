package gate

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// count counts the traces of a view.
type count struct {
	g *Gate
	*view
	q *Question

	matching
	out     Summary
	since   int64
	until   int64
	start   int64 // of the first bucket
	length  int64
	grouped *grouping
	byAddr  []tally // by number of the address; only for attention
}

// tally is a group while it is counted.
type tally struct {
	count, bad  int64 // attempts, and those that were not let in
	first, last int64
	records     uint32
	who         uint32 // of a record that names an admin and was not let in; one with the right password goes before
	signs       tallySign
	reference   [12]byte // of the newest record
}

// tallySign is what was met among the records of a group.
type tallySign uint8

const (
	metSignIn  tallySign = 1 << iota // somebody signed in
	metNamed                         // an admin's login at the sign-in, and refused
	metOutside                       // kept out by the list, or would have been
	metRight                         // kept out with the right password
)

func newCount(g *Gate, v *view, q *Question) *count {
	c := &count{g: g, view: v, q: q, since: v.Since.UnixMicro(), until: q.Until.UnixMicro()}
	c.matching = matchingOf(g, v, q.Where)
	length := bucketFor(q.Until.Sub(q.Since))
	start := q.Since.Truncate(length)
	c.out = Summary{Reach: v.Reach, Until: q.Until, Bucket: length}
	c.start, c.length = start.UnixMicro(), length.Microseconds()
	for at := start; at.Before(q.Until); at = at.Add(length) {
		c.out.Buckets = append(c.out.Buckets, Bucket{Start: at})
	}
	if q.Attention || q.Group == GroupAddress {
		c.byAddr = make([]tally, len(v.addrs))
	}
	if q.Group != "" && q.Group != GroupAddress {
		c.grouped = newGrouping(g, v, q.Group)
	}
	return c
}

func (c *count) run() {
	for _, h := range c.hours {
		for i := range h.rows {
			if r := &h.rows[i]; r.last() >= c.since && r.first < c.until && c.matches(r) {
				c.add(r)
			}
		}
	}
}

func (c *count) add(r *traceRow) {
	kind := &c.kinds[r.kind]
	at := max(r.first-c.start, 0) / c.length
	c.out.Buckets[at].add(kind.outcome, r.count)
	c.out.Total.add(kind.outcome, r.count)
	c.out.Records++
	var sign tallySign
	switch {
	case kind.stage == StageSignIn && (kind.outcome == Allowed || kind.outcome == WouldBlock):
		sign = metSignIn
	case kind.stage == StageSignIn && c.whos[r.who].admin != "":
		sign = metNamed
	}
	if kind.reason == OutsideNetworks || kind.outcome == WouldBlock {
		sign |= metOutside
	}
	if kind.password == PasswordRight {
		sign |= metRight
	}
	if c.byAddr != nil {
		c.byAddr[r.addr].add(r, kind.outcome, sign)
	}
	if c.grouped != nil {
		c.grouped.tallies[c.grouped.of(r)].add(r, kind.outcome, sign)
	}
}

func (t *tally) add(r *traceRow, outcome Outcome, sign tallySign) {
	if t.records == 0 || r.first < t.first {
		t.first = r.first
	}
	if last := r.last(); t.records == 0 || last > t.last {
		t.last, t.reference = last, r.reference
	}
	t.records++
	t.count += r.count
	if outcome != Allowed {
		t.bad += r.count
	}
	if sign&metNamed != 0 && (t.signs&metRight == 0 || sign&metRight != 0) {
		t.who = r.who
	}
	t.signs |= sign
}

// summary makes the answer of what was counted.
func (c *count) summary(marks *marksOf) *Summary {
	if c.q.Attention {
		c.attention(marks)
	}
	switch {
	case c.q.Group == GroupAddress:
		c.groups(c.byAddr, c.q.Limit, c.addressKey)
	case c.grouped != nil:
		c.groups(c.grouped.tallies, c.q.Limit, c.grouped.key)
	}
	return &c.out
}

// addressKey names the address with a number.
func (c *count) addressKey(i int) (string, netip.Prefix) {
	a := c.addrs[i]
	if !a.addr.IsValid() {
		return "", netip.Prefix{}
	}
	p := netip.PrefixFrom(a.addr, a.bits).Masked()
	if a.bits == a.addr.BitLen() {
		return a.addr.String(), p
	}
	return p.String(), p
}

// groups adds the largest groups to the answer.
func (c *count) groups(tallies []tally, limit int, key func(int) (string, netip.Prefix)) {
	best := &largest{of: tallies}
	for i := range tallies {
		if tallies[i].records == 0 {
			continue
		}
		c.out.GroupCount++
		best.offer(i, limit)
	}
	for _, i := range best.index {
		t := &tallies[i]
		name, prefix := key(i)
		group := c.groupOf(t, name)
		switch {
		case prefix.IsValid():
			group.Place = c.g.PlaceOf(prefix.Addr(), prefix.Bits())
		case c.grouped != nil && c.grouped.places != nil:
			group.Place = c.grouped.places[i]
		}
		c.out.Groups = append(c.out.Groups, group)
	}
	slices.SortFunc(c.out.Groups, func(a, b AttemptGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key))
	})
}

func (c *count) groupOf(t *tally, key string) AttemptGroup {
	return AttemptGroup{
		Key: key, Records: int64(t.records), Count: t.count, NotAllowed: t.bad, Reference: referenceText(t.reference),
		FirstTime: time.UnixMicro(t.first).UTC(), LastTime: time.UnixMicro(t.last).UTC(),
	}
}
