package cidr

// Kind says what a range is used for on the internet, as far as that is worth a
// warning beside an entry: visitors from outside rarely have such addresses.
type Kind string

// The kinds. What is in none of the others is Public.
const (
	Public        Kind = "public"
	Private       Kind = "private"       // RFC 1918; unique local, RFC 4193; site-local, RFC 3879
	Loopback      Kind = "loopback"      // RFC 1122; RFC 4291
	LinkLocal     Kind = "link_local"    // RFC 3927; RFC 4291
	CGNAT         Kind = "cgnat"         // shared by the customers of a provider, RFC 6598
	Documentation Kind = "documentation" // RFC 5737; RFC 3849, RFC 9637
	Benchmark     Kind = "benchmark"     // RFC 2544; RFC 5180
	Multicast     Kind = "multicast"     // RFC 5771; RFC 4291: never a sender
	Unspecified   Kind = "unspecified"   // "this network", RFC 1122; RFC 4291
	Reserved      Kind = "reserved"      // RFC 1112; RFC 6890; discard-only, RFC 6666
)

// kinds is in order of what most needs saying, since a wide range can overlap
// several.
var kinds = []struct {
	kind  Kind
	block Range
}{
	{Loopback, MustParse("127.0.0.0/8")},
	{Loopback, MustParse("::1")},
	{Private, MustParse("10.0.0.0/8")},
	{Private, MustParse("172.16.0.0/12")},
	{Private, MustParse("192.168.0.0/16")},
	{Private, MustParse("fc00::/7")},
	{Private, MustParse("fec0::/10")},
	{LinkLocal, MustParse("169.254.0.0/16")},
	{LinkLocal, MustParse("fe80::/10")},
	{CGNAT, MustParse("100.64.0.0/10")},
	{Documentation, MustParse("192.0.2.0/24")},
	{Documentation, MustParse("198.51.100.0/24")},
	{Documentation, MustParse("203.0.113.0/24")},
	{Documentation, MustParse("2001:db8::/32")},
	{Documentation, MustParse("3fff::/20")},
	{Benchmark, MustParse("198.18.0.0/15")},
	{Benchmark, MustParse("2001:2::/48")},
	{Multicast, MustParse("224.0.0.0/4")},
	{Multicast, MustParse("ff00::/8")},
	{Unspecified, MustParse("0.0.0.0/8")},
	{Unspecified, MustParse("::")},
	{Reserved, MustParse("192.0.0.0/24")},
	{Reserved, MustParse("240.0.0.0/4")},
	{Reserved, MustParse("100::/64")},
}

// Kind returns the first kind, in the order loopback, private, link-local, CGNAT,
// documentation, benchmark, multicast, unspecified, reserved, of which r has an
// address; else Public. The zero value is Public.
func (r Range) Kind() Kind {
	for _, k := range kinds {
		if r.Overlaps(k.block) {
			return k.kind
		}
	}
	return Public
}
