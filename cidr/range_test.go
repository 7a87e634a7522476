package cidr

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// checkPrefixes checks that the prefixes of r follow each other from its first
// address to its last and that no two of them make one.
func checkPrefixes(t *testing.T, r Range) {
	t.Helper()
	prefixes := r.Prefixes()
	next, count := r.First(), new(big.Int)
	for i, p := range prefixes {
		if p != p.Masked() || p.Addr() != next || p.Addr().Is4In6() {
			t.Fatalf("prefixes of %v: %v does not begin at %v", r, p, next)
		}
		if i > 0 && p.Bits() == prefixes[i-1].Bits() {
			if netip.PrefixFrom(p.Addr(), p.Bits()-1).Contains(prefixes[i-1].Addr()) {
				t.Fatalf("prefixes of %v: %v and %v are one", r, prefixes[i-1], p)
			}
		}
		size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
		count.Add(count, size)
		next = plus(p.Addr(), size)
	}
	if next != r.Last().Next() {
		t.Fatalf("prefixes of %v end before %v, want after %v", r, next, r.Last())
	}
	if r.Count().Cmp(count) != 0 {
		t.Fatalf("%v has %v addresses, want %v", r, r.Count(), count)
	}
}

// plus returns a + n, and the zero Addr past the end of the family.
func plus(a netip.Addr, n *big.Int) netip.Addr {
	sum := new(big.Int).SetBytes(a.AsSlice())
	sum.Add(sum, n)
	if sum.BitLen() > a.BitLen() {
		return netip.Addr{}
	}
	b, _ := netip.AddrFromSlice(sum.FillBytes(make([]byte, a.BitLen()/8)))
	return b
}

func TestPrefixes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"203.0.113.7", []string{"203.0.113.7/32"}},
		{"203.0.113.0/24", []string{"203.0.113.0/24"}},
		{"203.0.113.10-203.0.113.40", []string{"203.0.113.10/31", "203.0.113.12/30", "203.0.113.16/28", "203.0.113.32/29", "203.0.113.40/32"}},
		{"127.255.255.255-128.0.0.0", []string{"127.255.255.255/32", "128.0.0.0/32"}},
		{"2001:db8::1-2001:db8::4", []string{"2001:db8::1/128", "2001:db8::2/127", "2001:db8::4/128"}},
		{"::fffe:0:0/95", []string{"::fffe:0:0/95"}},
	} {
		t.Run(tt.text, func(t *testing.T) {
			r := MustParse(tt.text)
			var want []netip.Prefix
			for _, p := range tt.want {
				want = append(want, netip.MustParsePrefix(p))
			}
			if got := r.Prefixes(); !slices.Equal(got, want) {
				t.Errorf("prefixes of %v: got %v, want %v", r, got, want)
			}
			checkRange(t, r)
		})
	}
	if got := (Range{}).Prefixes(); got != nil {
		t.Errorf("prefixes of the zero value: got %v", got)
	}
}

// TestPrefixesFewest compares with every way of cutting every range of a /27.
func TestPrefixesFewest(t *testing.T) {
	for _, block := range []string{"203.0.113.32", "2001:db8::20"} {
		var all []netip.Addr
		for a := netip.MustParseAddr(block); len(all) < 32; a = a.Next() {
			all = append(all, a)
		}
		for from := range 32 {
			for to := from; to < 32; to++ {
				r := MustParse(all[from].String() + "-" + all[to].String())
				checkRange(t, r)
				if got, want := len(r.Prefixes()), fewest(from, to); got != want {
					t.Errorf("%v: %d prefixes, want %d", r, got, want)
				}
			}
		}
	}
}

func TestPrefixesMost(t *testing.T) {
	for text, want := range map[string]int{
		"0.0.0.1-255.255.255.254":                            62,
		"8000::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe":    252,
		"2000::1-3fff:ffff:ffff:ffff:ffff:ffff:ffff:fffe":    248,
		"2001:db8::1-2001:db8:ffff:ffff:ffff:ffff:ffff:fffe": 190,
		"2001:db8::ffff:ffff:ffff:ffff-2001:db8:0:1::":       2,
		"1::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff":        16,
		"0.0.0.1-255.255.255.255":                            32,
		"10.0.0.0-10.0.1.255":                                1,
		"10.0.1.0-10.0.2.255":                                2,
		"::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe":  206,
		"::1:0:0:1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe":  253,
	} {
		r := MustParse(text)
		checkRange(t, r)
		if got := len(r.Prefixes()); got != want {
			t.Errorf("%v: %d prefixes, want %d", r, got, want)
		}
	}
}

// TestRangesAtRandom checks what holds of every range and pair of ranges.
func TestRangesAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		d := decoder{make([]byte, 200)}
		for i := range d.data {
			d.data[i] = byte(random.Uint32())
		}
		ranges := d.ranges()
		for _, r := range ranges {
			checkRange(t, r)
			for _, a := range probes(ranges) {
				if got, want := r.Contains(a), holds(r, a); got != want {
					t.Fatalf("%v contains %v: got %t, want %t", r, a, got, want)
				}
			}
			for _, o := range ranges {
				if got, want := r.Covers(o), inside(o, r); got != want {
					t.Fatalf("%v covers %v: got %t, want %t", r, o, got, want)
				}
				want := between(r, o.First()) || between(o, r.First())
				if got := r.Overlaps(o); got != want {
					t.Fatalf("%v overlaps %v: got %t, want %t", r, o, got, want)
				}
				if got, want := r.Compare(o) == 0, r == o; got != want || r.Compare(o) != -o.Compare(r) {
					t.Fatalf("%v compared with %v: %d, %d", r, o, r.Compare(o), o.Compare(r))
				}
			}
		}
	}
}

func TestContains(t *testing.T) {
	for _, tt := range []struct {
		name, r, a string
		want       bool
	}{
		{"first", "10.0.0.0/8", "10.0.0.0", true},
		{"last", "10.0.0.0/8", "10.255.255.255", true},
		{"before", "10.0.0.0/8", "9.255.255.255", false},
		{"after", "10.0.0.0/8", "11.0.0.0", false},
		{"mapped", "10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"mapped with a zone", "10.0.0.0/8", "::ffff:10.1.2.3%eth0", false},
		{"zone", "fe80::/10", "fe80::1%eth0", false},
		{"no zone", "fe80::/10", "fe80::1", true},
		{"the same bytes as IPv6", "10.0.0.0/8", "a00::", false},
		{"IPv4 is not in an IPv6 range over the mapped block", "::/1", "10.0.0.1", false},
		{"nor is it mapped", "::/1", "::ffff:10.0.0.1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := MustParse(tt.r).Contains(netip.MustParseAddr(tt.a)); got != tt.want {
				t.Errorf("%s contains %s: got %t, want %t", tt.r, tt.a, got, tt.want)
			}
		})
	}
	if MustParse("10.0.0.0/8").Contains(netip.Addr{}) {
		t.Error("the zero address is in a range")
	}
}

func TestZeroRange(t *testing.T) {
	var zero Range
	other := MustParse("10.0.0.0/8")
	if zero.IsValid() || zero.First().IsValid() || zero.Last().IsValid() || zero.Wide() || zero.Kind() != Public {
		t.Error("the zero value has properties")
	}
	if zero.Contains(netip.Addr{}) || zero.Contains(other.First()) || zero.Covers(zero) || zero.Covers(other) ||
		other.Covers(zero) || zero.Overlaps(zero) || zero.Overlaps(other) || other.Overlaps(zero) {
		t.Error("the zero value has addresses")
	}
	if zero.Count().Sign() != 0 || zero.String() != "invalid range" {
		t.Errorf("zero value: %v addresses, %q", zero.Count(), zero)
	}
	if zero.Compare(zero) != 0 || zero.Compare(other) >= 0 || other.Compare(zero) <= 0 {
		t.Error("the zero value does not come first")
	}
}

func TestCountAndWide(t *testing.T) {
	for _, tt := range []struct {
		text, count string
		wide        bool
	}{
		{"203.0.113.7", "1", false},
		{"203.0.113.10-203.0.113.40", "31", false},
		{"10.1.0.0/16", "65536", false},
		{"10.1.0.0-10.2.0.0", "65537", true},
		{"10.0.0.0/15", "131072", true},
		{"0.0.0.0/1", "2147483648", true},
		{"2001:db8::1", "1", false},
		{"2001:db8::/64", "18446744073709551616", false},
		{"2001:db8::/32", "79228162514264337593543950336", false},
		{"2001:db8::-2001:db9::", "79228162514264337593543950337", true},
		{"2001:db8::/31", "158456325028528675187087900672", true},
		{"8000::/1", "170141183460469231731687303715884105728", true},
	} {
		r := MustParse(tt.text)
		if got := r.Count().String(); got != tt.count || r.Wide() != tt.wide {
			t.Errorf("%v: %s addresses, wide %t; want %s, %t", r, got, r.Wide(), tt.count, tt.wide)
		}
	}
}

func TestCompareSorts(t *testing.T) {
	want := []string{"9.0.0.0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0-10.0.0.9", "10.0.0.0", "10.0.0.1", "::1", "2001:db8::/32", "2001:db8::/48"}
	var ranges []Range
	for _, text := range want {
		ranges = append(ranges, MustParse(text))
	}
	slices.Reverse(ranges)
	slices.SortFunc(ranges, Range.Compare)
	var got []string
	for _, r := range ranges {
		got = append(got, r.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("sorted: got %v, want %v", got, want)
	}
}

func TestCoversAll(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []string
		want int
	}{
		{"nothing", nil, 0},
		{"one network", []string{"10.0.0.0/8"}, 0},
		{"two halves", []string{"128.0.0.0/1", "0.0.0.0/1"}, 4},
		{"two halves of IPv6", []string{"::/1", "8000::/1"}, 6},
		{"a half of each", []string{"0.0.0.0/1", "8000::/1"}, 0},
		{"both", []string{"::/1", "8000::/1", "0.0.0.0/1", "128.0.0.0/1"}, 4},
		{"halves that overlap, and more", []string{"0.0.0.0-200.0.0.0", "10.0.0.0/8", "100.0.0.0-255.255.255.255", "::1"}, 4},
		{"all but the first address", []string{"0.0.0.1-255.255.255.255"}, 0},
		{"all but the last address", []string{"0.0.0.0-255.255.255.254"}, 0},
		{"all but one in the middle", []string{"0.0.0.0-9.255.255.255", "10.0.0.1-255.255.255.255"}, 0},
		{"the last one as well", []string{"0.0.0.0-9.255.255.255", "10.0.0.1-255.255.255.255", "10.0.0.0"}, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ranges []Range
			for _, text := range tt.list {
				ranges = append(ranges, MustParse(text))
			}
			before := slices.Clone(ranges)
			if got := CoversAll(append(ranges, Range{})); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			if !slices.Equal(ranges, before) {
				t.Error("the list was changed")
			}
		})
	}
}

func TestKind(t *testing.T) {
	for text, want := range map[string]Kind{
		"8.8.8.8":                   Public,
		"2606:4700::/32":            Public,
		"64:ff9b::/96":              Public,
		"10.1.2.0/24":               Private,
		"172.16.0.0/12":             Private,
		"172.32.0.0/16":             Public,
		"192.168.1.1":               Private,
		"fd00::/8":                  Private,
		"fec0::1":                   Private,
		"127.0.0.1":                 Loopback,
		"::1":                       Loopback,
		"169.254.169.254":           LinkLocal,
		"fe80::/64":                 LinkLocal,
		"100.64.0.0/10":             CGNAT,
		"100.128.0.0/16":            Public,
		"203.0.113.7":               Documentation,
		"198.51.100.0/24":           Documentation,
		"192.0.2.1":                 Documentation,
		"2001:db8:1::/48":           Documentation,
		"3fff::/24":                 Documentation,
		"198.19.0.0/16":             Benchmark,
		"2001:2::1":                 Benchmark,
		"239.1.2.3":                 Multicast,
		"ff02::1":                   Multicast,
		"0.0.0.0":                   Unspecified,
		"::":                        Unspecified,
		"255.255.255.255":           Reserved,
		"192.0.0.8":                 Reserved,
		"100::1":                    Reserved,
		"::ffff:127.0.0.1":          Loopback,
		"9.255.255.255-10.0.0.0":    Private,  // any overlap counts
		"0.0.0.0/1":                 Loopback, // the first kind of several
		"192.167.255.0-192.169.0.0": Private,
	} {
		if got := MustParse(text).Kind(); got != want {
			t.Errorf("kind of %s: got %s, want %s", text, got, want)
		}
	}
}
