package cidr

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"github.com/yl2chen/cidranger"
)

// Index explains a list: which entries admit an address, which cover which, what
// could go, what is nearly right. Entries are named by their place in the slice
// given to [NewIndex]; those that are no range are in no answer. An Index is
// immutable and may be asked by many goroutines at once. It is built for one edit
// or one explanation and then dropped; the request path has [Set].
type Index struct {
	entries []Range
	tree    cidranger.Ranger
}

// node is what the tree holds: the entries whose smallest enclosing prefix is
// this one. One node an entry keeps the tree small where a range would be
// hundreds of prefixes; every answer of the tree is checked against the ranges.
type node struct {
	prefix  netip.Prefix
	entries []int
}

// Network makes node an entry of cidranger.
func (n *node) Network() net.IPNet { return ipNet(n.prefix) }

// NewIndex returns the index of the ranges: entry i is ranges[i].
func NewIndex(ranges []Range) *Index {
	x := &Index{entries: slices.Clone(ranges), tree: cidranger.NewPCTrieRanger()}
	nodes := make(map[netip.Prefix]*node)
	for i, r := range x.entries {
		if !r.IsValid() {
			continue
		}
		p := enclosing(r.first, r.last)
		if nodes[p] == nil {
			nodes[p] = &node{prefix: p}
		}
		nodes[p].entries = append(nodes[p].entries, i)
	}
	for _, n := range nodes {
		// The only errors are about malformed networks and families that mix.
		if err := x.tree.Insert(n); err != nil {
			panic("cidr: indexing " + n.prefix.String() + ": " + err.Error())
		}
	}
	return x
}

// Matching returns the entries that contain a, narrowest first, equally wide ones
// in the order of the list. It agrees with [Range.Contains].
func (x *Index) Matching(a netip.Addr) []int {
	return x.around(a, func(r Range) bool { return r.Contains(a) })
}

// Covering returns the entries that hold all of r, an entry equal to r included,
// in the order of Matching.
func (x *Index) Covering(r Range) []int {
	return x.around(r.first, func(entry Range) bool { return entry.Covers(r) })
}

// CoveredBy returns the entries that are wholly inside r, an entry equal to r
// included, in the order of Matching.
func (x *Index) CoveredBy(r Range) []int {
	if !r.IsValid() {
		return nil
	}
	found, err := x.tree.CoveredNetworks(ipNet(enclosing(r.first, r.last)))
	return x.pick(found, err, r.Covers)
}

// around returns the entries about a that pass keep.
func (x *Index) around(a netip.Addr, keep func(Range) bool) []int {
	if !a.IsValid() {
		return nil
	}
	found, err := x.tree.ContainingNetworks(a.Unmap().AsSlice())
	return x.pick(found, err, keep)
}

// pick returns the entries of the nodes found that pass keep, narrowest first.
func (x *Index) pick(found []cidranger.RangerEntry, err error, keep func(Range) bool) []int {
	if err != nil {
		// cidranger's only error here is an address that is neither IPv4 nor IPv6.
		panic("cidr: asking the index: " + err.Error())
	}
	var picked []int
	for _, f := range found {
		for _, i := range f.(*node).entries {
			if keep(x.entries[i]) {
				picked = append(picked, i)
			}
		}
	}
	slices.SortFunc(picked, func(i, j int) int {
		return cmp.Or(x.entries[i].compareWidth(x.entries[j]), cmp.Compare(i, j))
	})
	return picked
}

// Redundancy says that Entry could go without changing what the list admits,
// since entry By holds all of it.
type Redundancy struct {
	Entry, By int
}

// Redundant returns the entries that another one covers, in the order of the
// list. Of equal ranges the first one stays. By is the widest cover and never
// redundant itself, so that all entries named may go at once. An entry that only
// several others together cover is not named.
func (x *Index) Redundant() []Redundancy {
	var redundant []Redundancy
	for i, r := range x.entries {
		covers := x.Covering(r)
		if len(covers) == 0 {
			continue
		}
		widest := x.entries[covers[len(covers)-1]]
		by := covers[slices.IndexFunc(covers, func(j int) bool { return x.entries[j].compareWidth(widest) == 0 })]
		if by != i {
			redundant = append(redundant, Redundancy{Entry: i, By: by})
		}
	}
	return redundant
}

// Near is the entry nearest to an address, for explaining a near miss.
type Near struct {
	Entry  int
	Prefix netip.Prefix // the prefix of the entry that shares most with the address
	Bit    int          // the first bit, from 1, in which they differ: at most Prefix.Bits(); 0 when Prefix contains the address
}

// Nearest returns the entry that shares the most leading bits with a; of several
// the widest, which is missed by the least, and of those the first. An entry that
// contains a shares all. It is not ok when no entry is of a's family, and for an
// address that is invalid or has a zone.
func (x *Index) Nearest(a netip.Addr) (n Near, ok bool) {
	if !a.IsValid() || a.Zone() != "" {
		return Near{}, false
	}
	a = a.Unmap()
	// A scan, since cidranger has no such question and a list is short.
	best, shared := -1, -1
	for i, r := range x.entries {
		if r.first.BitLen() != a.BitLen() {
			continue
		}
		s := commonBits(a, r.nearest(a))
		if s > shared || s == shared && r.compareWidth(x.entries[best]) > 0 {
			best, shared = i, s
		}
	}
	if best < 0 {
		return Near{}, false
	}
	n = Near{Entry: best, Prefix: x.entries[best].prefixAt(x.entries[best].nearest(a))}
	if shared < a.BitLen() {
		n.Bit = shared + 1
	}
	return n, true
}

// nearest returns a where r contains it, else the end of r towards a, which
// shares more leading bits with a than any address beyond it.
func (r Range) nearest(a netip.Addr) netip.Addr {
	switch {
	case a.Less(r.first):
		return r.first
	case r.last.Less(a):
		return r.last
	}
	return a
}

// prefixAt returns the one of r's prefixes that contains a, which r contains.
func (r Range) prefixAt(a netip.Addr) netip.Prefix {
	prefixes := r.Prefixes()
	return prefixes[slices.IndexFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })]
}

// ipNet is p in the words of cidranger.
func ipNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
