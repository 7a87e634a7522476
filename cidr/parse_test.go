package cidr

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		first, last      string
		notes            Notes
	}{
		{"address", "203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7", 0},
		{"address with its full length", "203.0.113.7/32", "203.0.113.7", "203.0.113.7", "203.0.113.7", 0},
		{"network", "203.0.113.0/24", "203.0.113.0/24", "203.0.113.0", "203.0.113.255", 0},
		{"half of IPv4", "128.0.0.0/1", "128.0.0.0/1", "128.0.0.0", "255.255.255.255", 0},
		{"host bits", "203.0.113.7/24", "203.0.113.0/24", "203.0.113.0", "203.0.113.255", HostBitsCleared},
		{"range", "203.0.113.10-203.0.113.40", "203.0.113.10-203.0.113.40", "203.0.113.10", "203.0.113.40", 0},
		{"range with spaces", " \t203.0.113.10 - 203.0.113.40\n", "203.0.113.10-203.0.113.40", "203.0.113.10", "203.0.113.40", 0},
		{"range that is a network", "203.0.113.0-203.0.113.255", "203.0.113.0/24", "203.0.113.0", "203.0.113.255", 0},
		{"range of one address", "203.0.113.7-203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7", 0},
		{"space that is not ASCII at the ends", "\u00a0203.0.113.7\u3000", "203.0.113.7", "203.0.113.7", "203.0.113.7", 0},

		{"IPv6 address", "2001:db8::1", "2001:db8::1", "2001:db8::1", "2001:db8::1", 0},
		{"IPv6 in long form", "2001:0DB8:0:0:0:0:0:0/48", "2001:db8::/48", "2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", 0},
		{"IPv6 host bits", "2001:db8::1/48", "2001:db8::/48", "2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", HostBitsCleared},
		{"IPv6 range", "2001:db8::1-2001:db8::5", "2001:db8::1-2001:db8::5", "2001:db8::1", "2001:db8::5", 0},
		{"IPv6 range that is a network", "2001:db8:: - 2001:db8::ffff", "2001:db8::/112", "2001:db8::", "2001:db8::ffff", 0},
		{"IPv6 with an IPv4 tail", "64:ff9b::192.0.2.1", "64:ff9b::c000:201", "64:ff9b::c000:201", "64:ff9b::c000:201", 0},
		{"half of IPv6", "::/1", "::/1", "::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0},
		{"half of IPv6 as a range", "::-7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/1", "::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0},

		{"mapped address", "::ffff:198.51.100.7", "198.51.100.7", "198.51.100.7", "198.51.100.7", MappedUnwrapped},
		{"mapped address in hex", "::FFFF:c633:6407", "198.51.100.7", "198.51.100.7", "198.51.100.7", MappedUnwrapped},
		{"mapped network", "::ffff:10.0.0.0/104", "10.0.0.0/8", "10.0.0.0", "10.255.255.255", MappedUnwrapped},
		{"mapped network with host bits", "::ffff:10.1.2.3/104", "10.0.0.0/8", "10.0.0.0", "10.255.255.255", MappedUnwrapped | HostBitsCleared},
		{"mapped range", "::ffff:10.0.0.1-::ffff:10.0.0.3", "10.0.0.1-10.0.0.3", "10.0.0.1", "10.0.0.3", MappedUnwrapped},
		{"mapped range end", "10.0.0.1-::ffff:10.0.0.3", "10.0.0.1-10.0.0.3", "10.0.0.1", "10.0.0.3", MappedUnwrapped},
		{"mapped range start", "::ffff:10.0.0.1-10.0.0.3", "10.0.0.1-10.0.0.3", "10.0.0.1", "10.0.0.3", MappedUnwrapped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, notes, err := Parse(tt.text)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.text, err)
			}
			if r.String() != tt.want || notes != tt.notes {
				t.Errorf("Parse(%q) = %v, notes %b; want %v, notes %b", tt.text, r, notes, tt.want, tt.notes)
			}
			if r.First() != netip.MustParseAddr(tt.first) || r.Last() != netip.MustParseAddr(tt.last) {
				t.Errorf("Parse(%q) is %v to %v, want %v to %v", tt.text, r.First(), r.Last(), tt.first, tt.last)
			}
			if !r.IsValid() || MustParse(tt.text) != r {
				t.Errorf("Parse(%q) is not what MustParse gives", tt.text)
			}
		})
	}
}

// refusals are texts that are no range, with the part that is wrong. addr says
// that ParseAddr gives the same error.
var refusals = []struct {
	text, code, part string
	addr             bool
}{
	{"", CodeEmpty, "", true},
	{"   ", CodeEmpty, "", false},
	{"-", CodeEmpty, "", false},
	{"10.0.0.1-", CodeEmpty, "", false},
	{"-10.0.0.1", CodeEmpty, "", false},
	{"/24", CodeEmpty, "", false},

	{"office", CodeNotAnAddress, "office", true},
	{"gate.example.com", CodeNotAnAddress, "gate.example.com", true},
	{"10.0.0.1.2", CodeNotAnAddress, "10.0.0.1.2", true},
	{"10.0.0.", CodeNotAnAddress, "10.0.0.", true},
	{"10..0.1", CodeNotAnAddress, "10..0.1", true},
	{"+10.0.0.1", CodeNotAnAddress, "+10.0.0.1", true},
	{"1e1.0.0.1", CodeNotAnAddress, "1e1.0.0.1", true},
	{"10.0.0.1\x00", CodeNotAnAddress, "10.0.0.1\x00", true},
	{":", CodeNotAnAddress, ":", true},
	{":::", CodeNotAnAddress, ":::", true},
	{"1:2", CodeNotAnAddress, "1:2", true},
	{"2001:db8::1::2", CodeNotAnAddress, "2001:db8::1::2", true},
	{"1:2:3:4:5:6:7", CodeNotAnAddress, "1:2:3:4:5:6:7", true},
	{"1:2:3:4:5:6:7:8:9", CodeNotAnAddress, "1:2:3:4:5:6:7:8:9", true},
	{"1:2:3:4:5:6:7:192.0.2.1", CodeNotAnAddress, "1:2:3:4:5:6:7:192.0.2.1", true},
	{"1:2:3:4:5:6:7:8:", CodeNotAnAddress, "1:2:3:4:5:6:7:8:", true},

	{"127.1", CodeShortened, "127.1", true},
	{"10", CodeShortened, "10", true},
	{"2130706433", CodeShortened, "2130706433", true},
	{"10.0/16", CodeShortened, "10.0", false},
	{"203.0.113.10-40", CodeShortened, "40", false},

	{"203.0.113.300", CodeOctetTooLarge, "300", true},
	{"203.0.113.256/24", CodeOctetTooLarge, "256", false},
	{"203.0.113.10-203.0.1130.40", CodeOctetTooLarge, "1130", false},
	{"1.2.3.99999999999999999999999", CodeOctetTooLarge, "99999999999999999999999", true},
	{"::ffff:1.2.3.256", CodeOctetTooLarge, "256", true},

	{"010.0.0.1", CodeLeadingZero, "010", true},
	{"10.0.0.00", CodeLeadingZero, "00", true},
	{"::ffff:10.0.0.01", CodeLeadingZero, "01", true},
	{"10.0.0.0/08", CodeLeadingZero, "/08", false},
	{"10.0.0.0/00", CodeLeadingZero, "/00", false},
	{"2001:db8::/032", CodeLeadingZero, "/032", false},

	{"0x7f.0.0.1", CodeHex, "0x7f", true},
	{"0X7F000001", CodeHex, "0X7F000001", true},

	{"fe80::1%eth0", CodeZone, "%eth0", true},
	{"fe80::1%", CodeZone, "%", true},
	{"fe80::1%eth0/64", CodeZone, "%eth0", false},
	{"::ffff:10.0.0.1%1", CodeZone, "%1", true},
	{"10.0.0.1%1", CodeZone, "%1", true},
	{"fe80::1-fe80::2%eth0", CodeZone, "%eth0", false},

	{"203.0.113.7:443", CodePort, ":443", true},
	{"[2001:db8::1]:443", CodePort, "[2001:db8::1]:443", true},
	{"[2001:db8::1]", CodePort, "[2001:db8::1]", true},

	{"10.0.0.0 /8", CodeSpace, "10.0.0.0 ", false},
	{"10.0.0. 1", CodeSpace, "10.0.0. 1", true},
	{"10.0.0.1 10.0.0.2", CodeSpace, "10.0.0.1 10.0.0.2", true},

	{"10.0.0.1, 10.0.0.2", CodeSeveral, "10.0.0.1, 10.0.0.2", true},
	{"10.0.0.1;10.0.0.2", CodeSeveral, "10.0.0.1;10.0.0.2", true},

	{"203.0.113.*", CodeWildcard, "203.0.113.*", true},
	{"*", CodeWildcard, "*", true},

	{"203.0.113.10–203.0.113.40", CodeBadCharacter, "–", true},
	{"10.0.0.\u200b1", CodeBadCharacter, "\u200b", true},
	{"10.0.0.\uff11", CodeBadCharacter, "\uff11", true},
	{"10.0.0.\xff", CodeBadCharacter, "\xff", true},

	{"2001:db8::12345", CodeBadGroup, "12345", true},
	{"2001:db8::g", CodeBadGroup, "g", true},
	{"00001::", CodeBadGroup, "00001", true},

	{"10.0.0.0/", CodeBadLength, "/", false},
	{"10.0.0.0/x", CodeBadLength, "/x", false},
	{"10.0.0.0/+8", CodeBadLength, "/+8", false},
	{"10.0.0.0/ 8", CodeBadLength, "/ 8", false},
	{"1.2.3.4/-1", CodeBadLength, "/-1", false},
	{"1.2.3.4/24/24", CodeBadLength, "/24/24", false},

	{"10.0.0.0/33", CodeLengthTooLarge, "/33", false},
	{"2001:db8::/129", CodeLengthTooLarge, "/129", false},
	{"::ffff:10.0.0.0/129", CodeLengthTooLarge, "/129", false},
	{"10.0.0.0/18446744073709551624", CodeLengthTooLarge, "/18446744073709551624", false},

	{"10.0.0.0/255.0.0.0", CodeMask, "/255.0.0.0", false},

	{"10.0.0.0/24-10.0.1.0", CodeLengthInRange, "/24", false},
	{"10.0.0.0-10.0.1.0/24", CodeLengthInRange, "/24", false},
	{"10.0.0.0/24-10.0.1.0/24", CodeLengthInRange, "/24", false},

	{"203.0.113.40-203.0.113.10", CodeReversed, "203.0.113.40-203.0.113.10", false},
	{"2001:db8::2 - 2001:db8::1", CodeReversed, "2001:db8::2 - 2001:db8::1", false},
	{"10.0.0.3-::ffff:10.0.0.1", CodeReversed, "10.0.0.3-::ffff:10.0.0.1", false},

	{"10.0.0.1-2001:db8::1", CodeMixedFamilies, "10.0.0.1-2001:db8::1", false},
	{"2001:db8::1-10.0.0.1", CodeMixedFamilies, "2001:db8::1-10.0.0.1", false},
	{"::1-::ffff:10.0.0.1", CodeMixedFamilies, "::1-::ffff:10.0.0.1", false},
	{"::ffff:10.0.0.1-2001:db8::1", CodeMixedFamilies, "::ffff:10.0.0.1-2001:db8::1", false},

	{"::ffff:10.0.0.0/8", CodeMappedTooWide, "/8", false},
	{"::ffff:10.0.0.0/95", CodeMappedTooWide, "/95", false},
	{"::ffff:0:0/0", CodeMappedTooWide, "/0", false},
	{"::1-2001:db8::", CodeMappedTooWide, "::1-2001:db8::", false},
	{"::fffe:ffff:ffff-::1:0:0:0", CodeMappedTooWide, "::fffe:ffff:ffff-::1:0:0:0", false},

	{"0.0.0.0/0", CodeEverything, "0.0.0.0/0", false},
	{"203.0.113.7/0", CodeEverything, "203.0.113.7/0", false},
	{"0.0.0.0-255.255.255.255", CodeEverything, "0.0.0.0-255.255.255.255", false},
	{"::/0", CodeEverything, "::/0", false},
	{"2001:db8::/0", CodeEverything, "2001:db8::/0", false},
	{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", CodeEverything, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
	{"::ffff:0:0/96", CodeEverything, "::ffff:0:0/96", false},
	{"::ffff:0.0.0.0-255.255.255.255", CodeEverything, "::ffff:0.0.0.0-255.255.255.255", false},
}

func TestParseRefuses(t *testing.T) {
	seen := make(map[string]bool)
	for _, tt := range refusals {
		t.Run(tt.text, func(t *testing.T) {
			r, notes, err := Parse(tt.text)
			checkRefusal(t, err, tt.text, tt.code, tt.part)
			if r.IsValid() || notes != 0 {
				t.Errorf("Parse(%q) = %v, %b beside an error", tt.text, r, notes)
			}
			a, err := ParseAddr(tt.text)
			if a.IsValid() || err == nil {
				// A length or a dash is no more an address.
				t.Errorf("ParseAddr(%q) = %v, %v; want an error", tt.text, a, err)
			}
			if tt.addr {
				checkRefusal(t, err, tt.text, tt.code, tt.part)
			}
		})
		seen[tt.code] = true
	}
	for _, code := range Codes() {
		if !seen[code] {
			t.Errorf("no refusal has the code %q", code)
		}
	}
}

func checkRefusal(t *testing.T, err error, text, code, part string) {
	t.Helper()
	e, ok := errors.AsType[*ParseError](err)
	if !ok {
		t.Fatalf("%q: error %v is no *ParseError", text, err)
	}
	if e.Text != text || e.Code != code || e.Part != part {
		t.Errorf("%q: text %q, code %q, part %q; want code %q, part %q", text, e.Text, e.Code, e.Part, code, part)
	}
	if !slices.Contains(Codes(), e.Code) {
		t.Errorf("%q: code %q is not in Codes", text, e.Code)
	}
	if e.Part != "" && !strings.HasPrefix(e.Problem, quote(e.Part)+" ") {
		t.Errorf("%q: problem %q does not name the part %q", text, e.Problem, e.Part)
	}
}

func TestParseErrorReads(t *testing.T) {
	long := strings.Repeat("9", 1<<20)
	for _, tt := range []struct{ name, text, want string }{
		{"part", "203.0.113.300", `"203.0.113.300": "300" is over 255`},
		{"whole text", "office", `"office" is not an IP address`},
		{"mode off", "0.0.0.0/0", `"0.0.0.0/0" is every IPv4 address: to admit everybody, use mode off`},
		{"mode off, IPv6", "::/0", `"::/0" is every IPv6 address: to admit everybody, use mode off`},
		{"nothing", "", `"": an address is missing`},
		{"hostile", "10.0.0.1\n\x1b[31m\u202e", `"10.0.0.1\n\x1b[31m\u202e": "\u202e" does not belong in an address`},
		{"long", long, `"` + long[:60] + `…" is shortened: an IPv4 address has four numbers`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse(tt.text)
			if err == nil || err.Error() != tt.want {
				t.Errorf("Parse(%.80q): error\n got %v\nwant %s", tt.text, err, tt.want)
			}
		})
	}
}

func TestParseAddr(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7":          "203.0.113.7",
		"0.0.0.0":              "0.0.0.0",
		"255.255.255.255":      "255.255.255.255",
		"::ffff:198.51.100.7":  "198.51.100.7",
		"::ffff:c633:6407":     "198.51.100.7",
		"2001:DB8::0001":       "2001:db8::1",
		"::":                   "::",
		"::198.51.100.7":       "::c633:6407", // IPv4-compatible, RFC 4291 2.5.5.1: not IPv4
		"1:2:3:4:5:6:7.8.9.10": "1:2:3:4:5:6:708:90a",
	} {
		if got, err := ParseAddr(text); err != nil || got != netip.MustParseAddr(want) {
			t.Errorf("ParseAddr(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	// What a range or an entry may have, an address may not.
	for _, text := range []string{" 10.0.0.1", "10.0.0.1 ", "10.0.0.1\n", "10.0.0.1/32", "10.0.0.1-10.0.0.1", `"10.0.0.1"`} {
		if got, err := ParseAddr(text); err == nil {
			t.Errorf("ParseAddr(%q) = %v, want an error", text, got)
		}
	}
}

func TestRangeOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		prefix netip.Prefix
		want   string
		code   string
	}{
		{"network", netip.MustParsePrefix("10.0.0.0/8"), "10.0.0.0/8", ""},
		{"host bits", netip.MustParsePrefix("10.1.2.3/8"), "10.0.0.0/8", ""},
		{"IPv6", netip.MustParsePrefix("2001:db8::/32"), "2001:db8::/32", ""},
		{"mapped", netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104), "10.0.0.0/8", ""},
		{"mapped, too wide", netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 95), "", CodeMappedTooWide},
		{"everything", netip.MustParsePrefix("0.0.0.0/0"), "", CodeEverything},
		{"zero value", netip.Prefix{}, "", CodeNotAnAddress},
		{"impossible length", netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), 33), "", CodeNotAnAddress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := RangeOf(tt.prefix)
			if tt.code == "" {
				if err != nil || r != MustParse(tt.want) {
					t.Errorf("RangeOf(%v) = %v, %v; want %v", tt.prefix, r, err, tt.want)
				}
				return
			}
			if e, ok := errors.AsType[*ParseError](err); !ok || e.Code != tt.code || e.Text != tt.prefix.String() || r.IsValid() {
				t.Errorf("RangeOf(%v) = %v, %v; want code %q", tt.prefix, r, err, tt.code)
			}
		})
	}
}

func TestMustParsePanics(t *testing.T) {
	defer func() {
		if got, want := recover(), `cidr: "10.0.0.0/33": "/33" is over /32`; got != want {
			t.Errorf("panic %v, want %v", got, want)
		}
	}()
	MustParse("10.0.0.0/33")
}

func FuzzParseAddr(f *testing.F) {
	for _, tt := range refusals {
		f.Add(tt.text)
	}
	for _, text := range []string{"203.0.113.7", "::ffff:198.51.100.7", "2001:db8::1", "1:2:3:4:5:6:7.8.9.10"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseAddr(text)
		want, wantErr := netip.ParseAddr(text)
		if wantErr != nil || want.Zone() != "" {
			e, ok := errors.AsType[*ParseError](err)
			if !ok || e.Text != text || !slices.Contains(Codes(), e.Code) || !strings.Contains(text, e.Part) || len(e.Error()) > 2000 {
				t.Fatalf("ParseAddr(%q) = %v, %v; want a whole *ParseError", text, got, err)
			}
			return
		}
		if err != nil || got != want.Unmap() {
			t.Fatalf("ParseAddr(%q) = %v, %v; want %v", text, got, err, want.Unmap())
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, tt := range refusals {
		f.Add(tt.text)
	}
	for _, text := range []string{"203.0.113.7", "203.0.113.7/24", "203.0.113.10 - 203.0.113.40", "::ffff:10.0.0.0/104", "2001:db8::1-2001:db8::5", "::/1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, notes, err := Parse(text)
		if err != nil {
			e, ok := errors.AsType[*ParseError](err)
			if !ok || e.Text != text || !slices.Contains(Codes(), e.Code) || e.Problem == "" || !strings.Contains(text, e.Part) || len(e.Error()) > 2000 || r.IsValid() || notes != 0 {
				t.Fatalf("Parse(%q) = %v, %b, %v; want a whole *ParseError alone", text, r, notes, err)
			}
			return
		}
		checkRange(t, r)
		// What netip reads as a canonical prefix must come out as it went in.
		if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().Is4In6() {
			if want := []netip.Prefix{p.Masked()}; !slices.Equal(r.Prefixes(), want) || (notes != 0) != (p != p.Masked()) {
				t.Fatalf("Parse(%q) = %v, notes %b; netip reads %v", text, r, notes, p)
			}
		}
	})
}

// checkRange checks what holds of every Range.
func checkRange(t *testing.T, r Range) {
	t.Helper()
	if again, notes, err := Parse(r.String()); err != nil || again != r || notes != 0 {
		t.Fatalf("Parse(%q) = %v, notes %b, %v; want the same range unchanged", r.String(), again, notes, err)
	}
	if !r.IsValid() || r.Last().Less(r.First()) || r.First().BitLen() != r.Last().BitLen() || r.First().Is4In6() || r.First().Zone() != "" {
		t.Fatalf("range %v to %v is not canonical", r.First(), r.Last())
	}
	if r.First().IsUnspecified() && !r.Last().Next().IsValid() {
		t.Fatalf("range %v is a whole family", r)
	}
	checkPrefixes(t, r)
}
