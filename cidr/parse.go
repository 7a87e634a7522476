package cidr

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Notes is the set of things that [Parse] changed on its way to the canonical
// form. They are told to the person who typed the text.
type Notes uint8

// What Parse may change.
const (
	HostBitsCleared Notes = 1 << iota // 203.0.113.7/24 became 203.0.113.0/24
	MappedUnwrapped                   // ::ffff:203.0.113.7 became 203.0.113.7
)

// mappedBits is the length of the prefix of IPv4-mapped IPv6 addresses, and
// mapped that prefix, which no Range begins in.
const mappedBits = 96

var mapped = Range{netip.MustParseAddr("::ffff:0:0"), netip.MustParseAddr("::ffff:ffff:ffff")}

// ParseAddr reads one IP address and nothing else. It refuses zones, leading
// zeros, shortened IPv4, hexadecimal IPv4, ports, brackets and spaces, since
// programs disagree on what those mean. A mapped address comes back as IPv4.
// Errors are [*ParseError].
func ParseAddr(text string) (netip.Addr, error) {
	a, err := parseAddr(text)
	if err != nil {
		err.Text = text
		return netip.Addr{}, err
	}
	return a.Unmap(), nil
}

// parseAddr is ParseAddr without the unmapping.
func parseAddr(text string) (netip.Addr, *ParseError) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, explain(text)
	}
	return a, nil
}

// Parse reads an address, a CIDR or a first-last range. Spaces at the ends and
// round the dash are fine. Notes say what was changed on the way. Refused, with
// a [*ParseError], is everything ParseAddr refuses, lengths that do not fit,
// ranges that are reversed or of two families, what is only partly in the
// IPv4-mapped block, and what is a whole family.
func Parse(text string) (Range, Notes, error) {
	r, notes, err := parse(strings.TrimSpace(text))
	if err != nil {
		err.Text = text
		return Range{}, 0, err
	}
	return r, notes, nil
}

func parse(text string) (Range, Notes, *ParseError) {
	// In 10.0.0.0/-1 the dash is a sign, and the length what is wrong.
	if dash := strings.IndexByte(text, '-'); dash >= 0 && !strings.HasSuffix(text[:dash], "/") {
		return parseSpan(text, dash)
	}
	address, length, isPrefix := strings.Cut(text, "/")
	a, err := parseAddr(address)
	if err != nil {
		return Range{}, 0, err
	}
	if !isPrefix {
		a, notes := unwrap(a)
		return Range{a, a}, notes, nil
	}
	bits, err := parseLength(length, a.BitLen())
	if err != nil {
		return Range{}, 0, err
	}
	return fromPrefix(text, netip.PrefixFrom(a, bits))
}

// MustParse is [Parse] for constants and tests. It panics on an error.
func MustParse(text string) Range {
	r, _, err := Parse(text)
	if err != nil {
		panic("cidr: " + err.Error())
	}
	return r
}

// RangeOf returns the addresses of p, host bits cleared and unmapped. It refuses
// with a [*ParseError] what [Parse] refuses of p's text.
func RangeOf(p netip.Prefix) (Range, error) {
	text := p.String()
	r, _, err := fromPrefix(text, p)
	if err != nil {
		err.Text = text
		return Range{}, err
	}
	return r, nil
}

// fromPrefix makes a range of a prefix; text is how it was written.
func fromPrefix(text string, p netip.Prefix) (Range, Notes, *ParseError) {
	if !p.IsValid() {
		return Range{}, 0, refuse(CodeNotAnAddress, text, "is not a network")
	}
	a, notes := unwrap(p.Addr())
	if notes != 0 {
		if p.Bits() < mappedBits {
			return Range{}, 0, refuse(CodeMappedTooWide, fmt.Sprintf("/%d", p.Bits()),
				"is too wide for IPv4-mapped addresses: write an IPv4 network, or /96 to /128")
		}
		p = netip.PrefixFrom(a, p.Bits()-mappedBits)
	}
	masked := p.Masked()
	if masked != p {
		notes |= HostBitsCleared
	}
	r := Range{masked.Addr(), lastOf(masked)}
	if r.whole() {
		return Range{}, 0, refuseEverything(text, r)
	}
	return r, notes, nil
}

// parseSpan reads a range whose dash is at that place in text.
func parseSpan(text string, dash int) (Range, Notes, *ParseError) {
	from, fromNotes, err := parseEnd(text[:dash])
	if err != nil {
		return Range{}, 0, err
	}
	to, toNotes, err := parseEnd(text[dash+1:])
	if err != nil {
		return Range{}, 0, err
	}
	r := Range{from, to}
	switch {
	case from.BitLen() != to.BitLen():
		err = refuse(CodeMixedFamilies, text, "has an IPv4 and an IPv6 end: write a range of each family")
	case to.Less(from):
		err = refuse(CodeReversed, text, "ends before it begins: write the lower address first")
	case r.whole():
		err = refuseEverything(text, r)
	case r.Overlaps(mapped) && len(r.Prefixes()) > 1:
		// Cut into prefixes, some of them would be IPv4 and some IPv6.
		err = refuse(CodeMappedTooWide, text, "reaches over the IPv4-mapped addresses, ::ffff:0:0/96: write that part as IPv4")
	}
	if err != nil {
		return Range{}, 0, err
	}
	return r, fromNotes | toNotes, nil
}

// parseEnd reads one end of a range.
func parseEnd(text string) (netip.Addr, Notes, *ParseError) {
	text = strings.TrimSpace(text)
	if slash := strings.IndexByte(text, '/'); slash >= 0 {
		return netip.Addr{}, 0, refuse(CodeLengthInRange, text[slash:], "does not belong in a range: write two addresses")
	}
	a, err := parseAddr(text)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	a, notes := unwrap(a)
	return a, notes, nil
}

// unwrap is Addr.Unmap with a note.
func unwrap(a netip.Addr) (netip.Addr, Notes) {
	if a.Is4In6() {
		return a.Unmap(), MappedUnwrapped
	}
	return a, 0
}

// parseLength reads the prefix length of an address of that many bits. Other
// than net.ParseCIDR it refuses leading zeros.
func parseLength(text string, most int) (int, *ParseError) {
	n, err := strconv.ParseUint(text, 10, 64) // n is huge when it is out of range
	part := "/" + text
	switch {
	case errors.Is(err, strconv.ErrSyntax) && strings.Contains(text, "."):
		return 0, refuse(CodeMask, part, "is a mask: write its length, as in /24")
	case errors.Is(err, strconv.ErrSyntax):
		return 0, refuse(CodeBadLength, part, "is not a prefix length")
	case len(text) > 1 && text[0] == '0':
		return 0, refuse(CodeLeadingZero, part, "has a leading zero")
	case n > uint64(most):
		return 0, refuse(CodeLengthTooLarge, part, fmt.Sprintf("is over /%d", most))
	}
	return int(n), nil
}
