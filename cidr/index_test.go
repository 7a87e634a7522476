package cidr

import (
	"net/netip"
	"slices"
	"testing"
)

// office is a list with everything in it that Index explains.
var office = []Range{
	0: MustParse("203.0.113.0/24"),
	1: MustParse("203.0.113.7"),
	2: MustParse("203.0.113.0-203.0.113.40"),
	3: MustParse("198.51.100.0/25"),
	4: MustParse("198.51.100.128/25"),
	5: MustParse("2001:db8::/48"),
	6: MustParse("203.0.113.0/24"),
	7: {},
	8: MustParse("203.0.112.0/23"),
	9: MustParse("2001:db8::1-2001:db8:1::1"),
}

func TestIndexMatching(t *testing.T) {
	x := NewIndex(office)
	for _, tt := range []struct {
		address string
		want    []int
	}{
		{"203.0.113.7", []int{1, 2, 0, 6, 8}},
		{"::ffff:203.0.113.7", []int{1, 2, 0, 6, 8}},
		{"203.0.113.41", []int{0, 6, 8}},
		{"203.0.112.1", []int{8}},
		{"198.51.100.200", []int{4}},
		{"2001:db8::1", []int{5, 9}},
		{"2001:db8:1::1", []int{9}},
		{"2001:db8::1%eth0", nil},
		{"::ffff:203.0.113.7%eth0", nil},
		{"8.8.8.8", nil},
		{"2001:db8:1::2", nil},
	} {
		if got := x.Matching(netip.MustParseAddr(tt.address)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.address, got, tt.want)
		}
	}
	if got := x.Matching(netip.Addr{}); got != nil {
		t.Errorf("the zero address: got %v", got)
	}
}

func TestIndexCovering(t *testing.T) {
	x := NewIndex(office)
	for _, tt := range []struct {
		text                string
		covering, coveredBy []int
	}{
		{"203.0.113.0/24", []int{0, 6, 8}, []int{1, 2, 0, 6}},
		{"203.0.113.30-203.0.113.40", []int{2, 0, 6, 8}, nil},
		{"203.0.113.30-203.0.113.41", []int{0, 6, 8}, nil},
		{"203.0.113.7", []int{1, 2, 0, 6, 8}, []int{1}},
		{"198.51.100.0/24", nil, []int{3, 4}},
		{"198.51.100.1-198.51.101.0", nil, []int{4}},
		{"198.51.100.0-203.0.113.255", nil, []int{1, 2, 3, 4, 0, 6, 8}},
		{"2001:db8::/32", nil, []int{5, 9}},
		{"2001:db8::2", []int{5, 9}, nil},
		{"8.8.8.8", nil, nil},
	} {
		r := MustParse(tt.text)
		if got := x.Covering(r); !slices.Equal(got, tt.covering) {
			t.Errorf("covering %v: got %v, want %v", r, got, tt.covering)
		}
		if got := x.CoveredBy(r); !slices.Equal(got, tt.coveredBy) {
			t.Errorf("covered by %v: got %v, want %v", r, got, tt.coveredBy)
		}
	}
	if x.Covering(Range{}) != nil || x.CoveredBy(Range{}) != nil {
		t.Error("the zero range covers or is covered")
	}
}

func TestIndexRedundant(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []string
		want []Redundancy
	}{
		{"nothing", nil, nil},
		{"apart", []string{"10.0.0.0/8", "11.0.0.0/8", "2001:db8::/32"}, nil},
		{"overlapping", []string{"10.0.0.1-10.0.0.9", "10.0.0.5-10.0.0.20"}, nil},
		{"only together", []string{"10.0.0.0/25", "10.0.0.128/25", "10.0.0.100-10.0.0.200"}, nil},
		{"equal", []string{"10.0.0.0/8", "10.0.0.0/8", "::ffff:10.0.0.0/104"}, []Redundancy{{1, 0}, {2, 0}}},
		{"wider one later", []string{"10.1.0.0/16", "10.0.0.0/8"}, []Redundancy{{0, 1}}},
		{"a chain, by the one that stays", []string{"10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "10.0.0.0-10.255.255.255"}, []Redundancy{{0, 2}, {1, 2}, {3, 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ranges []Range
			for _, text := range tt.list {
				ranges = append(ranges, MustParse(text))
			}
			if got := NewIndex(append(ranges, Range{})).Redundant(); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestIndexNearest(t *testing.T) {
	x := NewIndex(office)
	for _, tt := range []struct {
		address string
		entry   int
		prefix  string
		bit     int
	}{
		{"203.0.113.7", 8, "203.0.112.0/23", 0},
		{"198.51.100.6", 3, "198.51.100.0/25", 0},
		{"203.0.114.7", 8, "203.0.112.0/23", 23},
		{"198.51.101.200", 3, "198.51.100.0/25", 24},
		{"::ffff:198.51.101.200", 3, "198.51.100.0/25", 24},
		{"8.8.8.8", 8, "203.0.112.0/23", 1},
		{"2001:db8:1::2", 9, "2001:db8:1::/127", 127},
		{"2001:db8:3::", 9, "2001:db8:1::/127", 47},
		{"fe80::1", 9, "2001:db8:1::/127", 1},
	} {
		want := Near{Entry: tt.entry, Prefix: netip.MustParsePrefix(tt.prefix), Bit: tt.bit}
		if got, ok := x.Nearest(netip.MustParseAddr(tt.address)); !ok || got != want {
			t.Errorf("%s: got %v, %t; want %v", tt.address, got, ok, want)
		}
	}
	for name, a := range map[string]netip.Addr{"invalid": {}, "zone": netip.MustParseAddr("2001:db8::1%eth0"), "mapped with a zone": netip.MustParseAddr("::ffff:203.0.113.7%1")} {
		if got, ok := x.Nearest(a); ok {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got, ok := NewIndex([]Range{MustParse("10.0.0.0/8"), {}}).Nearest(netip.MustParseAddr("2001:db8::1")); ok {
		t.Errorf("of another family: got %v", got)
	}
	if got, ok := NewIndex(nil).Nearest(netip.MustParseAddr("10.0.0.1")); ok {
		t.Errorf("of no list: got %v", got)
	}
}

// TestIndexOwnsItsList changes the slice after the index was made of it.
func TestIndexOwnsItsList(t *testing.T) {
	ranges := []Range{MustParse("10.0.0.0/8")}
	x := NewIndex(ranges)
	ranges[0] = MustParse("192.168.0.0/16")
	if got := x.Matching(netip.MustParseAddr("10.0.0.1")); len(got) != 1 {
		t.Errorf("got %v, want the entry as it was", got)
	}
}

// TestIndexOfRealLists compares with plain scans on the lists of two companies.
func TestIndexOfRealLists(t *testing.T) {
	ranges := realList(t, "cloudflare-ip-ranges.txt", "aws-ip-ranges-cut.txt")
	x := NewIndex(ranges)
	for i, r := range ranges {
		if i%50 == 0 {
			checkAbout(t, x, ranges, r)
			checkAt(t, x, ranges, r.First())
			checkAt(t, x, ranges, r.Last().Next())
		}
	}
	checkRedundant(t, x, ranges)
	if len(x.Redundant()) == 0 {
		t.Error("no entry is redundant: the list tries nothing")
	}
}

// checkAt compares the answers about an address with plain scans.
func checkAt(t *testing.T, x *Index, ranges []Range, a netip.Addr) {
	t.Helper()
	if got, want := x.Matching(a), pickPlain(ranges, func(r Range) bool { return holds(r, a) }); !slices.Equal(got, want) {
		t.Fatalf("matching %v in %v: got %v, want %v", a, ranges, got, want)
	}
	got, ok := x.Nearest(a)
	want, wantOK := nearestPlain(ranges, a)
	if got != want || ok != wantOK {
		t.Fatalf("nearest to %v in %v: got %v, %t; want %v, %t", a, ranges, got, ok, want, wantOK)
	}
}

// checkAbout compares the answers about a range with plain scans.
func checkAbout(t *testing.T, x *Index, ranges []Range, r Range) {
	t.Helper()
	if got, want := x.Covering(r), pickPlain(ranges, func(o Range) bool { return inside(r, o) }); !slices.Equal(got, want) {
		t.Fatalf("covering %v in %v: got %v, want %v", r, ranges, got, want)
	}
	if got, want := x.CoveredBy(r), pickPlain(ranges, func(o Range) bool { return inside(o, r) }); !slices.Equal(got, want) {
		t.Fatalf("covered by %v in %v: got %v, want %v", r, ranges, got, want)
	}
}

// checkRedundant checks that exactly the redundant entries are named, each with a
// cover that stays.
func checkRedundant(t *testing.T, x *Index, ranges []Range) {
	t.Helper()
	named := make(map[int]int)
	for _, r := range x.Redundant() {
		named[r.Entry] = r.By
	}
	for i, r := range ranges {
		want := false
		for j, o := range ranges {
			want = want || i != j && inside(r, o) && (r != o || j < i)
		}
		by, got := named[i]
		if got != want {
			t.Fatalf("entry %d, %v, of %v redundant: got %t, want %t", i, r, ranges, got, want)
		}
		if !got {
			continue
		}
		if _, gone := named[by]; gone || !inside(r, ranges[by]) {
			t.Fatalf("entry %d, %v, of %v: %d, %v, does not cover it or goes too", i, r, ranges, by, ranges[by])
		}
	}
}

func FuzzIndex(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed, []byte{203, 0, 113, 9})
	}
	f.Fuzz(func(t *testing.T, list, more []byte) {
		ranges := (&decoder{list}).ranges()
		x := NewIndex(ranges)
		d := decoder{more}
		for form := range byte(4) {
			checkAt(t, x, ranges, d.addr(form))
		}
		for _, a := range probes(ranges) {
			checkAt(t, x, ranges, a)
		}
		for _, r := range append(d.ranges(), ranges...) {
			checkAbout(t, x, ranges, r)
		}
		checkRedundant(t, x, ranges)
	})
}
