package cidr

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseError says why a text is no address or range, in a way that can be shown
// to the person who typed it. Text and Part are as typed, of any length and with
// any characters: escape them. Problem and Error quote them shortened.
type ParseError struct {
	Text    string // the whole text
	Part    string // the part that is wrong
	Problem string // a sentence that names Part: "300" is over 255
	Code    string // the same problem as one of Codes, for pages in other languages
}

// Error returns the text and its problem: "203.0.113.300": "300" is over 255.
func (e *ParseError) Error() string {
	if text := quote(e.Text); !strings.HasPrefix(e.Problem, text) {
		return text + ": " + e.Problem
	}
	return e.Problem
}

// The values of ParseError.Code.
const (
	CodeEmpty          = "empty"            // nothing, or nothing on one side of the dash
	CodeNotAnAddress   = "not_an_address"   // none of what follows, and no address either
	CodeShortened      = "shortened"        // IPv4 with fewer than four numbers: 127.1
	CodeOctetTooLarge  = "octet_too_large"  // 203.0.113.300
	CodeLeadingZero    = "leading_zero"     // 010.0.0.1, 10.0.0.0/08
	CodeHex            = "hex"              // 0x7f.0.0.1
	CodeZone           = "zone"             // fe80::1%eth0
	CodePort           = "port"             // 203.0.113.7:443, [2001:db8::1]
	CodeSpace          = "space"            // a space where none belongs
	CodeSeveral        = "several"          // 203.0.113.7, 203.0.113.8
	CodeWildcard       = "wildcard"         // 203.0.113.*
	CodeBadCharacter   = "bad_character"    // 203.0.113.10–203.0.113.40: not a "-"
	CodeBadGroup       = "bad_group"        // 2001:db8::12345
	CodeBadLength      = "bad_length"       // 10.0.0.0/, 10.0.0.0/x
	CodeLengthTooLarge = "length_too_large" // 10.0.0.0/33
	CodeMask           = "mask"             // 10.0.0.0/255.0.0.0
	CodeLengthInRange  = "length_in_range"  // 10.0.0.0/24-10.0.1.0/24
	CodeReversed       = "reversed"         // 10.0.0.9-10.0.0.1
	CodeMixedFamilies  = "mixed_families"   // 10.0.0.1-2001:db8::1
	CodeMappedTooWide  = "mapped_too_wide"  // ::ffff:10.0.0.0/8: more than the mapped block
	CodeEverything     = "everything"       // 0.0.0.0/0, ::/0
)

// Codes returns every value ParseError.Code can have.
func Codes() []string {
	return []string{
		CodeEmpty, CodeNotAnAddress, CodeShortened, CodeOctetTooLarge, CodeLeadingZero, CodeHex, CodeZone,
		CodePort, CodeSpace, CodeSeveral, CodeWildcard, CodeBadCharacter, CodeBadGroup, CodeBadLength,
		CodeLengthTooLarge, CodeMask, CodeLengthInRange, CodeReversed, CodeMixedFamilies, CodeMappedTooWide, CodeEverything,
	}
}

// refuse returns the error whose sentence is the quoted part followed by problem.
// The exported functions, which know the whole text, set Text.
func refuse(code, part, problem string) *ParseError {
	return &ParseError{Part: part, Problem: quote(part) + " " + problem, Code: code}
}

func refuseEverything(text string, r Range) *ParseError {
	family := "IPv6"
	if r.first.Is4() {
		family = "IPv4"
	}
	return refuse(CodeEverything, text, "is every "+family+" address: to admit everybody, use mode off")
}

// quote makes hostile text harmless and short.
func quote(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return strconv.Quote(text)
}

// explain finds what is wrong with a text that is known to be no address. It
// decides nothing: whether a text is an address is for netip to say.
func explain(text string) *ParseError {
	switch {
	case text == "":
		return &ParseError{Problem: "an address is missing", Code: CodeEmpty}
	case strings.IndexFunc(text, notASCII) >= 0:
		// Often a long dash or an invisible character from a document or a chat.
		at := strings.IndexFunc(text, notASCII)
		_, size := utf8.DecodeRuneInString(text[at:])
		return refuse(CodeBadCharacter, text[at:at+size], "does not belong in an address")
	case strings.ContainsAny(text, ",;"):
		return refuse(CodeSeveral, text, "is more than one entry: write one address or range")
	case strings.ContainsFunc(text, unicode.IsSpace):
		return refuse(CodeSpace, text, "has a space in it")
	case strings.Contains(text, "%"):
		return refuse(CodeZone, text[strings.Index(text, "%"):], "is a zone: it means something on one machine only, so leave it out")
	case strings.ContainsAny(text, "[]"):
		return refuse(CodePort, text, "has brackets or a port: write the address alone")
	case strings.Contains(text, "*"):
		return refuse(CodeWildcard, text, "has a wildcard: write a network, as in 203.0.113.0/24")
	case strings.Count(text, ":") > 1:
		return explainIPv6(text)
	}
	if host, port, ok := strings.Cut(text, ":"); ok && strings.Contains(host, ".") {
		return refuse(CodePort, ":"+port, "is a port: write the address alone")
	}
	return explainIPv4(text)
}

func notASCII(r rune) bool { return r > unicode.MaxASCII }

func explainIPv4(text string) *ParseError {
	octets := strings.Split(text, ".")
	for _, octet := range octets {
		if strings.HasPrefix(octet, "0x") || strings.HasPrefix(octet, "0X") {
			return refuse(CodeHex, octet, "is hexadecimal: write IPv4 addresses in decimal")
		}
	}
	for _, octet := range octets {
		if octet == "" || strings.Trim(octet, "0123456789") != "" {
			return refuse(CodeNotAnAddress, text, "is not an IP address")
		}
	}
	if len(octets) < 4 {
		return refuse(CodeShortened, text, "is shortened: an IPv4 address has four numbers")
	}
	if len(octets) > 4 {
		return refuse(CodeNotAnAddress, text, fmt.Sprintf("is not an IP address: it has %d numbers, not four", len(octets)))
	}
	for _, octet := range octets {
		if len(octet) > 1 && octet[0] == '0' {
			return refuse(CodeLeadingZero, octet, "has a leading zero, which some programs read as octal")
		}
		if n, err := strconv.ParseUint(octet, 10, 64); err != nil || n > 255 {
			return refuse(CodeOctetTooLarge, octet, "is over 255")
		}
	}
	return refuse(CodeNotAnAddress, text, "is not an IP address")
}

func explainIPv6(text string) *ParseError {
	groups := strings.Split(text, ":")
	tail := groups[len(groups)-1]
	if strings.Contains(tail, ".") {
		if _, err := netip.ParseAddr(tail); err != nil {
			return explainIPv4(tail)
		}
		groups = groups[:len(groups)-1]
	}
	for _, group := range groups {
		if len(group) > 4 || strings.Trim(group, "0123456789abcdefABCDEF") != "" {
			return refuse(CodeBadGroup, group, "is not a group of one to four hexadecimal digits")
		}
	}
	if strings.Count(text, "::") > 1 || strings.Contains(text, ":::") {
		return refuse(CodeNotAnAddress, text, `is not an IP address: "::" may stand in it once`)
	}
	return refuse(CodeNotAnAddress, text, "is not an IP address: it has too few or too many groups")
}

var _ error = (*ParseError)(nil)
