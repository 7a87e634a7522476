package gate

import (
	"cmp"
	"container/heap"
	"net/netip"
	"strconv"
)

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
