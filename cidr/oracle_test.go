package cidr

// What the tests compare with: slow, plain and written without the package's own
// arithmetic.

import (
	"bytes"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/yl2chen/cidranger"
)

// holds is Range.Contains by bytes.
func holds(r Range, a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	return between(r, a.Unmap())
}

// between is holds without unmapping: the last address of ::fffe:0:0/95 is mapped.
func between(r Range, a netip.Addr) bool {
	first, last, b := r.First().AsSlice(), r.Last().AsSlice(), a.AsSlice()
	return len(b) > 0 && len(b) == len(first) && bytes.Compare(first, b) <= 0 && bytes.Compare(b, last) <= 0
}

// scan is Set.Contains as a loop over the list.
func scan(ranges []Range, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r Range) bool { return holds(r, a) })
}

// pickPlain is an answer of Index as a loop over the list.
func pickPlain(ranges []Range, keep func(Range) bool) []int {
	var picked []int
	for i, r := range ranges {
		if keep(r) {
			picked = append(picked, i)
		}
	}
	slices.SortStableFunc(picked, func(i, j int) int { return ranges[i].Count().Cmp(ranges[j].Count()) })
	return picked
}

// inside is o.Covers(r) by the two ends.
func inside(r, o Range) bool { return between(o, r.First()) && between(o, r.Last()) }

// sharedBits counts equal leading bits one by one.
func sharedBits(a, b netip.Addr) int {
	x, y := a.AsSlice(), b.AsSlice()
	for i := range 8 * len(x) {
		mask := byte(0x80) >> (i % 8)
		if x[i/8]&mask != y[i/8]&mask {
			return i
		}
	}
	return 8 * len(x)
}

// nearestPlain is Index.Nearest over every prefix of every entry.
func nearestPlain(ranges []Range, a netip.Addr) (best Near, ok bool) {
	if !a.IsValid() || a.Zone() != "" {
		return Near{}, false
	}
	a = a.Unmap()
	shared := -1
	for i, r := range ranges {
		if r.First().BitLen() != a.BitLen() {
			continue
		}
		prefixes := r.Prefixes()
		if r.Last().Less(a) {
			slices.Reverse(prefixes) // nearest to a first
		}
		for _, p := range prefixes {
			n := Near{Entry: i, Prefix: p}
			s := sharedBits(a, p.Addr())
			if s >= p.Bits() {
				s = a.BitLen()
			} else {
				n.Bit = s + 1
			}
			wider := ok && i != best.Entry && r.Count().Cmp(ranges[best.Entry].Count()) > 0
			if s > shared || s == shared && wider {
				best, shared, ok = n, s, true
			}
		}
	}
	return best, ok
}

// rangerOf is the list in a cidranger tree, each prefix an entry.
func rangerOf(tb testing.TB, ranges []Range) cidranger.Ranger {
	tb.Helper()
	ranger := cidranger.NewPCTrieRanger()
	for _, r := range ranges {
		for _, p := range r.Prefixes() {
			if err := ranger.Insert(cidranger.NewBasicRangerEntry(ipNet(p))); err != nil {
				tb.Fatalf("inserting %v: %v", p, err)
			}
		}
	}
	return ranger
}

// fewest is the least number of prefixes for the addresses from..to of a block
// whose size is a power of two, tried in every way.
func fewest(from, to int) int {
	best := map[int]int{to + 1: 0}
	for at := to; at >= from; at-- {
		best[at] = to - at + 1
		for size := 1; at%size == 0 && at+size <= to+1; size *= 2 {
			best[at] = min(best[at], 1+best[at+size])
		}
	}
	return best[from]
}

// decoder makes addresses and ranges of fuzzed bytes. Many come from two small
// corners, so that they meet.
type decoder struct{ data []byte }

func (d *decoder) byte() byte {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

func (d *decoder) addr(form byte) netip.Addr {
	switch form % 4 {
	case 0:
		return netip.AddrFrom4([4]byte{d.byte(), d.byte(), d.byte(), d.byte()})
	case 1:
		return netip.AddrFrom4([4]byte{10, 0, d.byte(), d.byte()})
	case 2:
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 7: d.byte(), 15: d.byte()})
	}
	var b [16]byte
	for i := range b {
		b[i] = d.byte()
	}
	return netip.AddrFrom16(b)
}

// maxFuzzed bounds the list, since the oracles are slow.
const maxFuzzed = 24

func (d *decoder) ranges() []Range {
	var ranges []Range
	for len(d.data) > 0 && len(ranges) < maxFuzzed {
		form := d.byte()
		a := d.addr(form)
		var r Range
		var err error
		if form&4 == 0 {
			r, err = RangeOf(netip.PrefixFrom(a, int(d.byte())%(a.BitLen()+1)))
		} else {
			b := d.addr(form)
			if b.Less(a) {
				a, b = b, a
			}
			r, _, err = Parse(a.String() + "-" + b.String())
		}
		if err == nil {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// probes are the addresses at and beside the ends of the ranges, each IPv4 one
// mapped as well.
func probes(ranges []Range) []netip.Addr {
	var all []netip.Addr
	for _, r := range ranges {
		for _, a := range []netip.Addr{r.First().Prev(), r.First(), r.First().Next(), r.Last().Prev(), r.Last(), r.Last().Next()} {
			all = append(all, a)
			if a.Is4() {
				all = append(all, netip.AddrFrom16(a.As16()))
			}
		}
	}
	return all
}

// seeds are fuzz inputs in the form that decoder reads.
var seeds = [][]byte{
	{},
	{0, 203, 0, 113, 7, 24, 0, 203, 0, 113, 7, 32},                                                                     // one in the other
	{1, 0, 0, 24, 1, 1, 0, 24, 5, 0, 200, 1, 10},                                                                       // neighbours and a range over both
	{5, 0, 1, 0, 254, 1, 0, 0, 31, 1, 0, 255, 32, 1, 0, 0, 31},                                                         // odd ends, equal entries
	{2, 0, 0, 64, 2, 1, 0, 64, 6, 0, 5, 1, 5, 2, 0, 5, 128},                                                            // IPv6 likewise
	{0, 127, 255, 255, 255, 1, 0, 128, 0, 0, 0, 1},                                                                     // both halves of IPv4
	{4, 127, 255, 255, 255, 128, 0, 0, 0},                                                                              // a range about the middle
	append([]byte{3, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, append([]byte{3}, make([]byte, 17)...)...), // half of IPv6, and refused ::/0
	{3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0, 104},                                                    // mapped 10.0.0.0/8
	{3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0, 95, 1, 0, 0, 24},                                         // reaches over the mapped block
}

// lines reads a file of testdata.
func lines(tb testing.TB, name string) []string {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Fields(string(text))
}

// realList is the ranges of a file of testdata.
func realList(tb testing.TB, names ...string) []Range {
	tb.Helper()
	var ranges []Range
	for _, name := range names {
		for _, line := range lines(tb, name) {
			r, notes, err := Parse(line)
			if err != nil || notes != 0 {
				tb.Fatalf("%s: Parse(%q): notes %d, %v", name, line, notes, err)
			}
			ranges = append(ranges, r)
		}
	}
	return ranges
}
