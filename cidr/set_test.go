package cidr

import (
	"net/netip"
	"sync"
	"testing"
)

func TestSet(t *testing.T) {
	set := NewSet([]Range{
		MustParse("203.0.113.0/24"), MustParse("203.0.113.7"), {}, MustParse("198.51.100.10-198.51.100.20"),
		MustParse("::ffff:10.0.0.0/104"), MustParse("2001:db8::/48"), MustParse("fe80::/10"), MustParse("::/64"),
	})
	for address, want := range map[string]bool{
		"203.0.113.0":              true,
		"203.0.113.7":              true,
		"203.0.113.255":            true,
		"203.0.114.0":              false,
		"203.0.112.255":            false,
		"198.51.100.9":             false,
		"198.51.100.10":            true,
		"198.51.100.20":            true,
		"198.51.100.21":            false,
		"10.200.0.1":               true,
		"::ffff:10.200.0.1":        true,
		"::ffff:203.0.114.0":       false,
		"::ffff:203.0.113.7%eth0":  false,
		"::cb00:7107":              true,  // in ::/64, not as 203.0.113.7
		"::ffff:8.8.8.8":           false, // mapped, so not in ::/64
		"2001:db8:0:1::":           true,
		"2001:db8:1::":             false,
		"fe80::1":                  true,
		"fe80::1%eth0":             false,
		"fe80::1%eth0.203.0.113.7": false,
	} {
		if got := set.Contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
	if set.Contains(netip.Addr{}) {
		t.Error("the set contains the zero address")
	}
}

func TestSetLen(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []Range
		want int
	}{
		{"none", nil, 0},
		{"no range", []Range{{}}, 0},
		{"two", []Range{MustParse("10.0.0.0/8"), MustParse("2001:db8::/48")}, 2},
		{"equal", []Range{MustParse("10.0.0.0/8"), MustParse("10.0.0.0/8")}, 1},
		{"one in the other", []Range{MustParse("10.1.0.0/16"), MustParse("10.0.0.0/8")}, 1},
		{"halves", []Range{MustParse("10.0.0.128/25"), MustParse("10.0.0.0/25")}, 1},
		{"neighbours that are no halves", []Range{MustParse("10.0.1.0/24"), MustParse("10.0.2.0/24")}, 2},
		{"a range", []Range{MustParse("203.0.113.10-203.0.113.40")}, 5},
	} {
		if got := NewSet(tt.list).Len(); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestEmptySetContainsNothing(t *testing.T) {
	for name, set := range map[string]*Set{"nil": nil, "zero": new(Set), "of nothing": NewSet(nil), "of no range": NewSet(make([]Range, 3))} {
		for _, a := range []netip.Addr{{}, netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::"), netip.MustParseAddr("127.0.0.1")} {
			if set.Contains(a) {
				t.Errorf("the set that is %s contains %v", name, a)
			}
		}
		if set.Len() != 0 {
			t.Errorf("the set that is %s has %d prefixes", name, set.Len())
		}
	}
}

// TestSetOfRealLists sends attackers and the ends of every network to lists as
// companies have them.
func TestSetOfRealLists(t *testing.T) {
	for name, files := range map[string][]string{
		"cloudflare": {"cloudflare-ip-ranges.txt"},
		"both":       {"aws-ip-ranges-cut.txt", "cloudflare-ip-ranges.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			ranges := realList(t, files...)
			visitors := probes(ranges)
			for _, line := range lines(t, "attackers-ipsum-cut.txt") {
				a, err := ParseAddr(line)
				if err != nil {
					t.Fatal(err)
				}
				visitors = append(visitors, a)
			}
			set, ranger := NewSet(ranges), rangerOf(t, ranges)
			inside, outside := 0, 0
			for _, a := range visitors {
				got, want := set.Contains(a), scan(ranges, a)
				if got != want {
					t.Fatalf("%v: got %t, a scan says %t", a, got, want)
				}
				if !a.IsValid() {
					continue // beyond the last address of a family
				}
				if other, err := ranger.Contains(a.AsSlice()); err != nil || other != got {
					t.Fatalf("%v: got %t, cidranger says %t, %v", a, got, other, err)
				}
				if got {
					inside++
				} else {
					outside++
				}
			}
			t.Logf("%d ranges in %d prefixes, %d visitors inside and %d outside", len(ranges), set.Len(), inside, outside)
			if inside == 0 || outside == 0 {
				t.Error("the visitors do not try both answers")
			}
		})
	}
}

// TestSetAllocatesNothing holds the request path to its budget.
func TestSetAllocatesNothing(t *testing.T) {
	set := NewSet(realList(t, "aws-ip-ranges-cut.txt", "cloudflare-ip-ranges.txt"))
	var none *Set
	for _, text := range []string{"104.16.0.1", "8.8.8.8", "::ffff:104.16.0.1", "::ffff:8.8.8.8", "2606:4700::1", "2001:db8::1", "fe80::1%eth0"} {
		a := netip.MustParseAddr(text)
		if got := testing.AllocsPerRun(100, func() { set.Contains(a); none.Contains(a) }); got != 0 {
			t.Errorf("asking for %s: %v allocations, want 0", text, got)
		}
	}
	if got := testing.AllocsPerRun(100, func() { set.Contains(netip.Addr{}) }); got != 0 {
		t.Errorf("asking for the zero address: %v allocations, want 0", got)
	}
}

// TestAskedByMany is for the race detector.
func TestAskedByMany(t *testing.T) {
	ranges := realList(t, "cloudflare-ip-ranges.txt")
	set, index := NewSet(ranges), NewIndex(ranges)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, r := range ranges {
				if !set.Contains(r.First()) || len(index.Matching(r.Last())) == 0 || len(index.CoveredBy(r)) == 0 {
					t.Errorf("entry %d, %v, is not found", i, r)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzSet(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed, []byte{203, 0, 113, 9})
	}
	f.Fuzz(func(t *testing.T, list, address []byte) {
		ranges := (&decoder{list}).ranges()
		set, ranger := NewSet(ranges), rangerOf(t, ranges)
		visitors := probes(ranges)
		d := decoder{address}
		for form := range byte(4) {
			visitors = append(visitors, d.addr(form))
		}
		prefixes := 0
		for _, r := range ranges {
			prefixes += len(r.Prefixes())
		}
		if set.Len() > prefixes || (set.Len() == 0) != (prefixes == 0) {
			t.Fatalf("set of %v has %d prefixes, the ranges have %d", ranges, set.Len(), prefixes)
		}
		for _, a := range visitors {
			got, want := set.Contains(a), scan(ranges, a)
			if got != want {
				t.Fatalf("%v in %v: got %t, a scan says %t", a, ranges, got, want)
			}
			if !a.IsValid() {
				continue
			}
			if other, err := ranger.Contains(a.AsSlice()); err != nil || other != got {
				t.Fatalf("%v in %v: got %t, cidranger says %t, %v", a, ranges, got, other, err)
			}
			if a.Is6() && set.Contains(a.WithZone("eth0")) {
				t.Fatalf("%v in %v: got true with a zone", a, ranges)
			}
		}
	})
}
