package gate

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Question is what somebody wants to know of a tenant's attempts, all together.
type Question struct {
	AttemptFilter         // Limit is how many groups; Before counts for nothing
	Group         GroupBy // empty: none
	// Attention parts the addresses that a person should look at from the noise.
	// Grouped by address, the groups are the noise.
	Attention bool
	Patient   bool // waits longer for records that are not in memory yet
}

// Summary answers a question. Counts are of attempts where nothing else is said.
type Summary struct {
	Reach
	Until   time.Time
	Bucket  time.Duration // length of a bucket
	Buckets []Bucket      // of the whole span, the oldest first
	Total   Tally
	Records int64

	Groups     []AttemptGroup // the largest first
	GroupCount int            // of all groups

	Attention      []AttentionGroup // the most urgent first
	AttentionCount int              // addresses
	Noise          int64            // attempts that were not let in, from all other addresses
	NoiseAddresses int
}

// Tally counts attempts by what became of them.
type Tally struct{ Blocked, WouldBlock, Refused, Allowed int64 }

// NotAllowed counts what did not pass, or would not have.
func (t *Tally) NotAllowed() int64 { return t.Blocked + t.WouldBlock + t.Refused }

func (t *Tally) add(o Outcome, n int64) {
	switch o {
	case Blocked:
		t.Blocked += n
	case WouldBlock:
		t.WouldBlock += n
	case Refused:
		t.Refused += n
	case Allowed:
		t.Allowed += n
	}
}

// Bucket is what began within a part of the span.
type Bucket struct {
	Start time.Time
	Tally
}

// Bounds of summaries.
const (
	maxGroups    = 500
	maxAttention = 50
	someBuckets  = 60 // a span has at most about as many
)

// bucketLengths are those that a span is cut into, so that buckets begin at round
// times.
var bucketLengths = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour, 364 * 24 * time.Hour,
}

func bucketFor(span time.Duration) time.Duration {
	for _, d := range bucketLengths {
		if span <= someBuckets*d {
			return d
		}
	}
	return bucketLengths[len(bucketLengths)-1]
}

// defaultSpan is what is summed up where nobody says since when.
const defaultSpan = 24 * time.Hour

// Summarize answers a question, for owners and reviewers.
func (g *Gate) Summarize(ctx context.Context, by Actor, q Question) (*Summary, error) {
	if by.Kind != ActorSystem {
		if err := g.readable(ctx, by, &q.AttemptFilter); err != nil {
			return nil, err
		}
	}
	now := g.now()
	if q.Until.IsZero() || q.Until.After(now) {
		q.Until = now.Add(time.Second) // clocks of nodes differ
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-defaultSpan)
	}
	if !q.Since.Before(q.Until) {
		return &Summary{Reach: Reach{Since: q.Since, Complete: true}, Until: q.Until, Bucket: bucketLengths[0]}, nil
	}
	v, err := g.recall(ctx, q.Tenant, q.Since.Add(-LongestRecord), q.Until, q.Patient)
	if err != nil {
		return nil, err
	}
	if v.Complete || v.Since.Before(q.Since) {
		v.Since = q.Since
	}
	var marks *marksOf
	if q.Attention {
		if marks, err = g.attentionMarks(ctx, q.Tenant); err != nil {
			return nil, err
		}
	}
	select {
	case g.history.counts <- struct{}{}:
		defer func() { <-g.history.counts }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c := newCount(g, v, &q)
	c.run()
	out := c.summary(marks)
	if q.Group == GroupAdmin {
		err = g.nameGroups(ctx, q.Tenant, out.Groups)
	}
	return out, err
}

// nameGroups turns ids into the logins that people know.
func (g *Gate) nameGroups(ctx context.Context, tenant string, groups []AttemptGroup) error {
	t := g.snap.byID(tenant)
	for i := range groups {
		group := &groups[i]
		if group.Key == "" {
			continue
		}
		if t != nil {
			if admin, ok := t.admins[group.Key]; ok {
				group.Key = admin.Login
				continue
			}
		}
		// A token, or somebody who is gone: the store knows what they were called.
		a, err := g.store.Attempt(ctx, tenant, group.Reference)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if a != nil && a.Admin == group.Key {
			group.Key = cmp.Or(a.Login, a.Admin)
		}
	}
	return nil
}

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
	limit := min(cmp.Or(c.q.Limit, maxGroups), maxGroups)
	if c.q.Attention {
		c.attention(marks)
	}
	switch {
	case c.q.Group == GroupAddress:
		c.groups(c.byAddr, limit, c.addressKey)
	case c.grouped != nil:
		c.groups(c.grouped.tallies, limit, c.grouped.key)
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

// largest keeps the tallies with the most attempts: a heap whose first is the
// smallest of them.
type largest struct {
	of    []tally
	index []int
}

func (l *largest) compare(a, b int) int {
	return cmp.Or(cmp.Compare(l.of[a].count, l.of[b].count), cmp.Compare(l.of[a].last, l.of[b].last), cmp.Compare(b, a))
}
func (l *largest) Len() int           { return len(l.index) }
func (l *largest) Less(i, j int) bool { return l.compare(l.index[i], l.index[j]) < 0 }
func (l *largest) Swap(i, j int)      { l.index[i], l.index[j] = l.index[j], l.index[i] }
func (l *largest) Push(x any)         { l.index = append(l.index, x.(int)) }
func (l *largest) Pop() any           { panic("nothing is taken out") }

func (l *largest) offer(i, limit int) {
	switch {
	case len(l.index) < limit:
		heap.Push(l, i)
	case l.compare(i, l.index[0]) > 0:
		l.index[0] = i
		heap.Fix(l, 0)
	}
}

// grouping says which group a row belongs to.
type grouping struct {
	of      func(*traceRow) uint32
	key     func(int) (string, netip.Prefix)
	tallies []tally
	places  []Place // of each group, where the group is a place
}

func newGrouping(g *Gate, v *view, by GroupBy) *grouping {
	switch by {
	case GroupNetwork:
		return groupingOf(v.addrs, addrOf, func(a traceAddr) netip.Prefix {
			if !a.addr.IsValid() {
				return netip.Prefix{}
			}
			net := NetworkOf(a.addr)
			if a.bits < net.Bits() {
				net = netip.PrefixFrom(a.addr, a.bits).Masked()
			}
			return net
		}, func(p netip.Prefix) (string, netip.Prefix) {
			if !p.IsValid() {
				return "", p
			}
			return p.String(), p
		})
	case GroupAdmin:
		return groupingOf(v.whos, whoOf, func(w traceWho) string { return w.admin }, noPrefix)
	case GroupReason:
		return groupingOf(v.kinds, kindOf, func(k traceKind) string { return string(k.reason) }, noPrefix)
	case GroupCountry:
		return groupingOf(v.addrs, addrOf, func(a traceAddr) string { return g.PlaceOf(a.addr, a.bits).Country }, noPrefix).
			with(func(key string) Place { return Place{Country: key} })
	case GroupASN:
		names := map[string]string{}
		return groupingOf(v.addrs, addrOf, func(a traceAddr) string {
			p := g.PlaceOf(a.addr, a.bits)
			if p.ASN == 0 {
				return ""
			}
			asn := strconv.FormatUint(uint64(p.ASN), 10)
			names[asn] = p.Network
			return asn
		}, noPrefix).with(func(key string) Place {
			asn, _ := strconv.ParseUint(key, 10, 32)
			return Place{ASN: uint32(asn), Network: names[key]}
		})
	}
	return nil
}

func addrOf(r *traceRow) uint32 { return r.addr }
func whoOf(r *traceRow) uint32  { return r.who }
func kindOf(r *traceRow) uint32 { return r.kind }

func noPrefix(key string) (string, netip.Prefix) { return key, netip.Prefix{} }

// groupingOf groups by what is made of a value of the rows.
func groupingOf[V any, K comparable](values []V, number func(*traceRow) uint32, of func(V) K, name func(K) (string, netip.Prefix)) *grouping {
	var keys interned[K]
	group := make([]uint32, len(values))
	for i, v := range values {
		group[i] = keys.id(of(v))
	}
	return &grouping{
		of:      func(r *traceRow) uint32 { return group[number(r)] },
		key:     func(i int) (string, netip.Prefix) { return name(keys.all[i]) },
		tallies: make([]tally, len(keys.all)),
	}
}

// with adds the place of each group.
func (g *grouping) with(place func(key string) Place) *grouping {
	g.places = make([]Place, len(g.tallies))
	for i := range g.places {
		key, _ := g.key(i)
		g.places[i] = place(key)
	}
	return g
}

// matching says which rows a filter selects, by the numbers of their values:
// each distinct value is looked at once, not each row.
type matching struct {
	kind, who, addr []bool
	any, none       [][12]byte // references
}

func (m *matching) matches(r *traceRow) bool {
	return m.kind[r.kind] && m.who[r.who] && m.addr[r.addr] &&
		(m.any == nil || slices.Contains(m.any, r.reference)) && !slices.Contains(m.none, r.reference)
}

// matchingOf prepares conditions: several on one field that are not negated mean any
// of them, everything else must hold together.
func matchingOf(g *Gate, v *view, where []Condition) matching {
	var m matching
	m.kind = allowed(v.kinds, where, []Field{FieldStage, FieldOutcome, FieldReason, FieldPassword}, func(k traceKind, c *Condition) bool {
		switch c.Field {
		case FieldStage:
			return string(k.stage) == c.Value
		case FieldOutcome:
			return string(k.outcome) == c.Value
		case FieldPassword:
			return string(k.password) == c.Value
		default:
			return string(k.reason) == c.Value
		}
	})
	m.who = allowed(v.whos, where, []Field{FieldLogin}, func(w traceWho, c *Condition) bool {
		return w.admin == c.Value || w.hash == c.Value
	})
	m.addr = allowed(v.addrs, where, []Field{FieldAddress, FieldCountry, FieldASN}, func(a traceAddr, c *Condition) bool {
		switch c.Field {
		case FieldAddress:
			p := unmapped(c.Range)
			return a.addr.IsValid() && a.bits >= p.Bits() && p.Contains(a.addr)
		case FieldCountry:
			return g.PlaceOf(a.addr, a.bits).Country == c.Value
		default:
			return strconv.FormatUint(uint64(g.PlaceOf(a.addr, a.bits).ASN), 10) == c.Value
		}
	})
	for i := range where {
		if c := &where[i]; c.Field == FieldReference {
			var reference [12]byte
			copy(reference[:], c.Value)
			if c.Not {
				m.none = append(m.none, reference)
			} else {
				m.any = append(m.any, reference)
			}
		}
	}
	return m
}

// unmapped is a prefix of IPv4 as such.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// allowed says which values the conditions on some fields let through.
func allowed[V any](values []V, where []Condition, fields []Field, holds func(V, *Condition) bool) []bool {
	out := make([]bool, len(values))
	for i, v := range values {
		out[i] = !slices.ContainsFunc(fields, func(f Field) bool { return !fieldHolds(v, where, f, holds) })
	}
	return out
}

func fieldHolds[V any](v V, where []Condition, field Field, holds func(V, *Condition) bool) bool {
	asked, met := false, false
	for i := range where {
		c := &where[i]
		switch {
		case c.Field != field:
		case c.Not:
			if holds(v, c) {
				return false
			}
		default:
			asked = true
			met = met || holds(v, c)
		}
	}
	return met || !asked
}
