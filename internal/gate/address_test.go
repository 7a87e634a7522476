package gate

import (
	"net/netip"
	"strings"
	"testing"
)

// proxies trusts 10.0.0.0/8 and fd00::/8, as an installation behind load
// balancers would.
func proxies(withoutHeaderPeer bool) *Source {
	nets := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	return &Source{
		Header: "X-Forwarded-For", WithoutHeaderPeer: withoutHeaderPeer,
		Trusted: func(a netip.Addr) bool { return nets[0].Contains(a) || nets[1].Contains(a) },
	}
}

func TestFind(t *testing.T) {
	long := strings.Repeat("10.0.0.1,", 64) + "198.51.100.7"
	tests := []struct {
		name, peer string
		lines      []string
		want       string // empty: none
	}{
		{"untrusted peer", "203.0.113.9:4711", []string{"198.51.100.7"}, "203.0.113.9"},
		{"untrusted peer without header", "203.0.113.9:4711", nil, "203.0.113.9"},
		{"untrusted IPv6 peer", "[2001:db8::9]:4711", []string{"198.51.100.7"}, "2001:db8::9"},
		{"mapped peer", "[::ffff:203.0.113.9]:4711", nil, "203.0.113.9"},
		{"peer with zone", "[fe80::1%eth0]:4711", nil, "fe80::1"},
		{"no peer", "@", nil, ""},
		{"absent", "10.0.0.4:80", nil, ""},
		{"empty", "10.0.0.4:80", []string{""}, ""},
		{"spaces only", "10.0.0.4:80", []string{"  ", "\t"}, ""},
		{"one", "10.0.0.4:80", []string{"198.51.100.7"}, "198.51.100.7"},
		{"spoofed left", "10.0.0.4:80", []string{"192.0.2.1, 198.51.100.7"}, "198.51.100.7"},
		{"through two proxies", "10.0.0.4:80", []string{"192.0.2.1, 198.51.100.7, 10.0.0.9"}, "198.51.100.7"},
		{"all trusted", "10.0.0.4:80", []string{"10.1.1.1, 10.2.2.2, 10.3.3.3"}, "10.1.1.1"},
		{"not an address on the walk", "10.0.0.4:80", []string{"198.51.100.7, unknown"}, ""},
		{"not an address behind a trusted one", "10.0.0.4:80", []string{"198.51.100.7, unknown, 10.0.0.9"}, ""},
		{"not an address left of the walk", "10.0.0.4:80", []string{"unknown, 198.51.100.7"}, "198.51.100.7"},
		{"trailing comma", "10.0.0.4:80", []string{"198.51.100.7,"}, ""},
		{"leading comma", "10.0.0.4:80", []string{",198.51.100.7"}, "198.51.100.7"},
		{"several lines", "10.0.0.4:80", []string{"192.0.2.1", "198.51.100.7", "10.0.0.9"}, "198.51.100.7"},
		{"empty last line", "10.0.0.4:80", []string{"198.51.100.7", ""}, ""},
		{"port", "10.0.0.4:80", []string{"198.51.100.7:567"}, "198.51.100.7"},
		{"IPv6", "10.0.0.4:80", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.4:80", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with port", "10.0.0.4:80", []string{"[2001:db8::1]:567"}, "2001:db8::1"},
		{"quotes", "10.0.0.4:80", []string{`"[2001:db8::1]:567"`}, "2001:db8::1"},
		{"quoted IPv4", "10.0.0.4:80", []string{`"198.51.100.7"`}, "198.51.100.7"},
		{"mapped in the header", "10.0.0.4:80", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"mapped trusted proxy", "10.0.0.4:80", []string{"198.51.100.7, ::ffff:10.0.0.9"}, "198.51.100.7"},
		{"mapped trusted peer", "[::ffff:10.0.0.4]:80", []string{"198.51.100.7"}, "198.51.100.7"},
		{"zone", "10.0.0.4:80", []string{"fe80::1%eth0"}, ""},
		{"leading zeros", "10.0.0.4:80", []string{"010.0.0.1"}, ""},
		{"shortened", "10.0.0.4:80", []string{"127.1"}, ""},
		{"hex", "10.0.0.4:80", []string{"0x7f.0.0.1"}, ""},
		{"bad port", "10.0.0.4:80", []string{"198.51.100.7:99999"}, ""},
		{"port without number", "10.0.0.4:80", []string{"198.51.100.7:"}, ""},
		{"IPv4 in brackets", "10.0.0.4:80", []string{"[198.51.100.7]:80"}, ""},
		{"open bracket", "10.0.0.4:80", []string{"[2001:db8::1"}, ""},
		{"text behind the bracket", "10.0.0.4:80", []string{"[2001:db8::1]x"}, ""},
		{"one quote", "10.0.0.4:80", []string{`"198.51.100.7`}, ""},
		{"65 entries", "10.0.0.4:80", []string{long}, ""},
		{"64 entries", "10.0.0.4:80", []string{strings.TrimPrefix(long, "10.0.0.1,")}, "198.51.100.7"},
		{"more than 4 KiB", "10.0.0.4:80", []string{strings.Repeat(" ", 4097) + "198.51.100.7"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := proxies(false).Find(tt.peer, tt.lines)
			if textOf(got.Addr) != tt.want {
				t.Errorf("address: got %q (%s), want %q", textOf(got.Addr), got.Problem, tt.want)
			}
			if got.Addr.IsValid() != (got.Problem == "") {
				t.Errorf("address %q goes with the problem %q", textOf(got.Addr), got.Problem)
			}
			chosen := ""
			for _, h := range proxies(false).Hops(got) {
				if h.Chosen {
					chosen = h.Address
				}
			}
			if chosen != tt.want && tt.name != "65 entries" {
				t.Errorf("the explanation chose %q, want %q", chosen, tt.want)
			}
		})
	}
}

func TestFindWithoutHeader(t *testing.T) {
	s := proxies(true)
	if got := textOf(s.Find("10.0.0.4:80", nil).Addr); got != "10.0.0.4" {
		t.Errorf("without a header: got %q, want the peer", got)
	}
	if got := textOf(s.Find("10.0.0.4:80", []string{"unknown"}).Addr); got != "" {
		t.Errorf("with an unreadable header: got %q, want none", got)
	}
	var nobody Source
	if got := textOf(nobody.Find("10.0.0.4:80", []string{"198.51.100.7"}).Addr); got != "10.0.0.4" {
		t.Errorf("trusting nobody: got %q, want the peer", got)
	}
}

// FuzzFind checks what must hold for every header: an address that is found is
// canonical, it stands in the header (or is the peer's), and what an attacker
// writes to the left of the entry that was chosen changes nothing.
func FuzzFind(f *testing.F) {
	f.Add("198.51.100.7, 10.0.0.9", "6.6.6.6")
	f.Add(`"[2001:db8::1]:567"`, "unknown,")
	f.Add("::ffff:198.51.100.7", "10.0.0.1")
	f.Fuzz(func(t *testing.T, header, spoofed string) {
		s := proxies(false)
		got := s.Find("10.0.0.4:80", []string{header})
		hops := s.Hops(got)
		if !got.Addr.IsValid() {
			return
		}
		if got.Addr.Zone() != "" || got.Addr.Is4In6() {
			t.Fatalf("%q gave %s, which is not canonical", header, got.Addr)
		}
		if last := hops[len(hops)-1]; last.Address != got.Addr.String() || !last.Chosen {
			t.Fatalf("%q gave %s, explained as %+v", header, got.Addr, hops)
		}
		more := s.Find("10.0.0.4:80", []string{spoofed + "," + header})
		if !s.Trusted(got.Addr) && more.Addr != got.Addr && more.Problem != "the header X-Forwarded-For is too long" {
			t.Fatalf("%q in front of %q changed %s to %v", spoofed, header, got.Addr, more)
		}
	})
}
