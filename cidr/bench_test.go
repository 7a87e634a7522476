package cidr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"go4.org/netipx"
)

// benchList returns n networks, four in five of them IPv4, of the sizes that
// companies write into their lists.
func benchList(random *rand.Rand, n int) []Range {
	seen := make(map[Range]bool, n)
	ranges := make([]Range, 0, n)
	for len(ranges) < n {
		var p netip.Prefix
		if len(ranges)%5 == 4 {
			a := netip.AddrFrom16([16]byte{0: 0x20 | byte(random.UintN(16)), 1: byte(random.UintN(256)), 2: byte(random.UintN(256)),
				3: byte(random.UintN(256)), 4: byte(random.UintN(256)), 5: byte(random.UintN(256)), 6: byte(random.UintN(256)), 7: byte(random.UintN(256))})
			p = netip.PrefixFrom(a, 32+int(random.UintN(33)))
		} else {
			a := netip.AddrFrom4([4]byte{1 + byte(random.UintN(223)), byte(random.UintN(256)), byte(random.UintN(256)), byte(random.UintN(256))})
			p = netip.PrefixFrom(a, 16+int(random.UintN(17)))
		}
		r, err := RangeOf(p)
		if err == nil && !seen[r] {
			seen[r] = true
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// benchVisitors returns addresses of which every other one is in a range; the
// rest are anywhere.
func benchVisitors(random *rand.Rand, ranges []Range) []netip.Addr {
	visitors := make([]netip.Addr, 4096)
	for i := range visitors {
		r := ranges[random.IntN(len(ranges))]
		visitors[i] = r.Last()
		if i%2 == 1 {
			visitors[i] = benchList(random, 5)[i/2%5].First()
		}
	}
	return visitors
}

// asker is one of the ways to ask whether a list contains an address.
type asker struct {
	lib  string
	make func(testing.TB, []Range) (contains func(i int, a netip.Addr) bool)
}

// askers returns the ways; addresses of other types are made beforehand.
func askers(visitors []netip.Addr) []asker {
	ips := make([]net.IP, len(visitors))
	for i, a := range visitors {
		ips[i] = a.AsSlice()
	}
	return []asker{
		{"set", func(_ testing.TB, ranges []Range) func(int, netip.Addr) bool {
			set := NewSet(ranges)
			return func(_ int, a netip.Addr) bool { return set.Contains(a) }
		}},
		{"cidranger", func(tb testing.TB, ranges []Range) func(int, netip.Addr) bool {
			ranger := rangerOf(tb, ranges)
			return func(i int, _ netip.Addr) bool { in, _ := ranger.Contains(ips[i]); return in }
		}},
		{"netipx", func(tb testing.TB, ranges []Range) func(int, netip.Addr) bool {
			set := ipSetOf(tb, ranges)
			return func(_ int, a netip.Addr) bool { return set.Contains(a) }
		}},
		{"linear", func(_ testing.TB, ranges []Range) func(int, netip.Addr) bool {
			var prefixes []netip.Prefix
			for _, r := range ranges {
				prefixes = append(prefixes, r.Prefixes()...)
			}
			return func(_ int, a netip.Addr) bool {
				for _, p := range prefixes {
					if p.Contains(a) {
						return true
					}
				}
				return false
			}
		}},
	}
}

func ipSetOf(tb testing.TB, ranges []Range) *netipx.IPSet {
	var b netipx.IPSetBuilder
	for _, r := range ranges {
		b.AddRange(netipx.IPRangeFrom(r.First(), r.Last()))
	}
	set, err := b.IPSet()
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func BenchmarkContains(b *testing.B) {
	for _, n := range []int{10, 100, 1_000, 100_000} {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		ranges := benchList(random, n)
		visitors := benchVisitors(random, ranges)
		for _, asker := range askers(visitors) {
			b.Run(fmt.Sprintf("lib=%s/n=%d", asker.lib, n), func(b *testing.B) {
				contains := asker.make(b, ranges)
				b.ReportAllocs()
				asked, inside := 0, 0
				for b.Loop() {
					i := asked % len(visitors)
					if contains(i, visitors[i]) {
						inside++
					}
					asked++
				}
				b.ReportMetric(100*float64(inside)/float64(asked), "%hits")
			})
		}
	}
}

// BenchmarkMemory reports what a prefix costs in the many small lists of a
// gateway with many tenants, and the time to build one list.
func BenchmarkMemory(b *testing.B) {
	const tables, each = 2_000, 50
	random := rand.New(rand.NewPCG(1, 2))
	lists := make([][]Range, tables)
	for i := range lists {
		lists[i] = benchList(random, each)
	}
	for _, lib := range []struct {
		name string
		make func([]Range) any
	}{
		{"set", func(ranges []Range) any { return NewSet(ranges) }},
		{"cidranger", func(ranges []Range) any { return rangerOf(b, ranges) }},
		{"netipx", func(ranges []Range) any { return ipSetOf(b, ranges) }},
		{"index", func(ranges []Range) any { return NewIndex(ranges) }},
		{"linear", func(ranges []Range) any {
			prefixes := make([]netip.Prefix, 0, len(ranges))
			for _, r := range ranges {
				prefixes = append(prefixes, r.Prefixes()...)
			}
			return prefixes
		}},
	} {
		b.Run(fmt.Sprintf("lib=%s/n=%d", lib.name, each), func(b *testing.B) {
			kept := make([]any, tables)
			before := heap()
			for i, ranges := range lists {
				kept[i] = lib.make(ranges)
			}
			used := heap() - before
			runtime.KeepAlive(kept)
			built := 0
			for b.Loop() {
				kept[built%tables] = lib.make(lists[built%tables])
				built++
			}
			b.ReportMetric(float64(used)/(tables*each), "B/prefix")
		})
	}
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
