// Package cidr is the one place where address ranges are read and compared.
//
// [Parse] turns what people type (an address, a CIDR or a first-last range) into
// a [Range], canonical from the first step. [Set] answers on the request path
// whether an address is in a list; [Index] explains a list to the person who
// edits it: what admits an address, what covers what, what is nearly right.
//
// IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2) are IPv4 addresses everywhere
// in this package, so that one visitor cannot be two. Addresses with a zone are
// in no range: a zone means something on one machine only.
package cidr

import (
	"cmp"
	"encoding/binary"
	"math/big"
	"math/bits"
	"net/netip"
	"slices"
)

// Range is a span of addresses of one family, both ends included. It is
// canonical: the same addresses are the same value, so that == finds duplicates
// and a Range can be a map key. It is immutable. The zero value is no range:
// it contains nothing and nothing covers it.
//
// A Range is never a whole family; [Parse] and [RangeOf] refuse that. An IPv6
// Range such as ::/1 may reach over the mapped block ::ffff:0:0/96, but contains
// none of it, since mapped addresses are IPv4.
type Range struct {
	first, last netip.Addr
}

// IsValid reports whether r is a range: true for all that [Parse] and [RangeOf]
// return without an error, false for the zero value.
func (r Range) IsValid() bool { return r.first.IsValid() }

// First returns the lowest address.
func (r Range) First() netip.Addr { return r.first }

// Last returns the highest address.
func (r Range) Last() netip.Addr { return r.last }

// Prefixes returns the fewest prefixes that hold exactly the addresses of r, in
// ascending order: at most 62 for IPv4 and 253 for IPv6, none for the zero value.
func (r Range) Prefixes() []netip.Prefix {
	if !r.IsValid() {
		return nil
	}
	return appendPrefixes(nil, r.first, r.last)
}

// appendPrefixes halves the smallest prefix around first and last until the
// halves are prefixes themselves. No prefix of the answer can cross a middle
// unless it is the whole, so the answer is the shortest.
func appendPrefixes(dst []netip.Prefix, first, last netip.Addr) []netip.Prefix {
	around := enclosing(first, last)
	if around.Addr() == first && lastOf(around) == last {
		return append(dst, around)
	}
	lower := netip.PrefixFrom(first, around.Bits()+1)
	upper := netip.PrefixFrom(last, around.Bits()+1).Masked()
	dst = appendPrefixes(dst, first, lastOf(lower))
	return appendPrefixes(dst, upper.Addr(), last)
}

// String returns the canonical text: an address, a CIDR or "first-last". A range
// that is exactly one prefix is shown as that prefix, however it was written,
// since equal ranges are one value. Parse(r.String()) gives r again. The zero
// value is "invalid range".
func (r Range) String() string {
	if !r.IsValid() {
		return "invalid range"
	}
	if r.first == r.last {
		return r.first.String()
	}
	if around := enclosing(r.first, r.last); around.Addr() == r.first && lastOf(around) == r.last {
		return around.String()
	}
	return r.first.String() + "-" + r.last.String()
}

// Contains reports whether a is in r. A mapped address counts as IPv4; an
// invalid address and one with a zone are in no range.
func (r Range) Contains(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false // asked before Unmap, which drops the zone
	}
	// Addr.Compare puts IPv4 below IPv6, so families need no case of their own.
	a = a.Unmap()
	return r.first.Compare(a) <= 0 && a.Compare(r.last) <= 0
}

// Covers reports whether every address of o is in r. A range covers itself.
func (r Range) Covers(o Range) bool {
	return o.IsValid() && r.first.Compare(o.first) <= 0 && o.last.Compare(r.last) <= 0
}

// Overlaps reports whether r and o have an address in common.
func (r Range) Overlaps(o Range) bool {
	return r.IsValid() && o.IsValid() && r.first.Compare(o.last) <= 0 && o.first.Compare(r.last) <= 0
}

// Compare orders ranges for lists: IPv4 before IPv6, then by first address, then
// the wider one first. It is 0 only for equal ranges; the zero value comes first.
func (r Range) Compare(o Range) int {
	return cmp.Or(r.first.Compare(o.first), o.last.Compare(r.last))
}

// Count returns the number of addresses from first to last; 0 for the zero value.
func (r Range) Count() *big.Int {
	if !r.IsValid() {
		return new(big.Int)
	}
	hi, lo := r.spread()
	n := new(big.Int).SetUint64(hi)
	n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(lo))
	return n.Add(n, big.NewInt(1))
}

// Wide reports whether r has more addresses than an IPv4 /16 or an IPv6 /32:
// more than one site plausibly uses, so that it has to be said on purpose.
func (r Range) Wide() bool {
	hi, lo := r.spread()
	if r.first.Is4() {
		return lo >= 1<<16
	}
	return hi >= 1<<(96-64)
}

// CoversAll returns 4 or 6 when the ranges together hold every address of that
// family (4 when they do so for both), else 0. Such a list admits everybody and
// is refused like 0.0.0.0/0.
func CoversAll(ranges []Range) (family int) {
	for _, r := range merge(ranges) {
		switch {
		case !r.whole():
		case r.first.Is4():
			return 4
		default:
			return 6
		}
	}
	return 0
}

// merge returns the same addresses as the fewest spans in ascending order. Unlike
// what Parse returns, a span may be a whole family, so it stays in this package.
func merge(ranges []Range) []Range {
	var spans []Range
	for _, r := range slices.SortedFunc(slices.Values(ranges), Range.Compare) {
		if !r.IsValid() {
			continue
		}
		if n := len(spans); n > 0 {
			open := &spans[n-1]
			if r.first.Compare(open.last) <= 0 || r.first == open.last.Next() {
				if r.last.Compare(open.last) > 0 {
					open.last = r.last
				}
				continue
			}
		}
		spans = append(spans, r)
	}
	return spans
}

// whole reports whether r is every address of its family.
func (r Range) whole() bool {
	return r.first.IsUnspecified() && !r.last.Next().IsValid()
}

// spread returns last - first as a 128-bit number: the count less one, which
// unlike the count always fits.
func (r Range) spread() (hi, lo uint64) {
	first, last := r.first.As16(), r.last.As16()
	lo, borrow := bits.Sub64(binary.BigEndian.Uint64(last[8:]), binary.BigEndian.Uint64(first[8:]), 0)
	hi, _ = bits.Sub64(binary.BigEndian.Uint64(last[:8]), binary.BigEndian.Uint64(first[:8]), borrow)
	return hi, lo
}

// compareWidth orders by number of addresses, narrower first.
func (r Range) compareWidth(o Range) int {
	rHi, rLo := r.spread()
	oHi, oLo := o.spread()
	return cmp.Or(cmp.Compare(rHi, oHi), cmp.Compare(rLo, oLo))
}

// enclosing returns the smallest prefix that holds both addresses of one family.
func enclosing(first, last netip.Addr) netip.Prefix {
	return netip.PrefixFrom(first, commonBits(first, last)).Masked()
}

// commonBits returns how many leading bits two addresses of one family share.
func commonBits(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range x {
		if diff := x[i] ^ y[i]; diff != 0 {
			return 8*i + bits.LeadingZeros8(diff) - (128 - a.BitLen())
		}
	}
	return a.BitLen()
}

// lastOf returns the highest address of p.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	network := p.Bits() + 128 - p.Addr().BitLen()
	for i := range b {
		b[i] |= 0xff >> min(max(network-8*i, 0), 8)
	}
	if p.Addr().Is4() {
		return netip.AddrFrom16(b).Unmap()
	}
	return netip.AddrFrom16(b)
}
