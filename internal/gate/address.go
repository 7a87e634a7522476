package gate

import (
	"net/netip"
	"strings"

	"github.com/sallyport-gate/sallyport/cidr"
)

// Bounds of a forwarding header; beyond them no address is taken from it, so
// that nobody makes the gate walk a novel.
const (
	maxForwardedEntries = 64
	maxForwardedBytes   = 4 << 10
)

// tooLong ends the problem of a header beyond the bounds.
const tooLong = " is too long"

// Address is where a visitor comes from, and how that was found out.
type Address struct {
	Addr    netip.Addr // not valid: it could not be proven, and nobody gets in
	Peer    netip.Addr // the TCP peer
	Trusted bool       // the peer is a trusted proxy, so Header counted
	Header  []string   // the lines of the forwarding header that counted
	Problem string     // why Addr is not valid, in words
	Ignored *string    // a forwarding header that the peer sent and that counts for nothing; nil: none
}

// Source finds the address of a visitor. It is set up once and read by all
// requests.
type Source struct {
	// Trusted reports whether an address is one of the trusted proxies; nil:
	// nobody is.
	Trusted func(netip.Addr) bool
	// Header is the one header that trusted proxies write, e.g.
	// X-Forwarded-For: a second name would be a way round.
	Header string
	// WithoutHeaderPeer takes the address of a trusted proxy that sends no
	// header for the visitor's; otherwise such a request is refused.
	WithoutHeaderPeer bool
}

// Find returns the address of a visitor from the TCP peer, as net/http writes
// it ("192.0.2.1:4711"), and the lines of s.Header in the order they came.
//
// The walk goes from the right, the side the nearest proxy wrote, and stops at
// the first entry that is no trusted proxy. An entry on that walk which is not
// an IP address ends it without a result: everything further left was written
// by somebody unknown.
func (s *Source) Find(peer string, lines []string) Address {
	a := Address{Peer: peerAddress(peer)}
	if !a.Peer.IsValid() {
		a.Problem = "the connection has no IP address"
		return a
	}
	if s.Trusted == nil || !s.Trusted(a.Peer) {
		a.Addr = a.Peer
		return a
	}
	a.Trusted, a.Header = true, lines
	a.Addr, a.Problem = s.walk(a.Peer, lines)
	return a
}

func (s *Source) walk(peer netip.Addr, lines []string) (netip.Addr, string) {
	size, entries := 0, 0
	for _, line := range lines {
		size += len(line)
		entries += strings.Count(line, ",") + 1
	}
	if size > maxForwardedBytes || entries > maxForwardedEntries {
		return netip.Addr{}, "the header " + s.Header + tooLong
	}
	if strings.TrimSpace(strings.Join(lines, "")) == "" {
		if s.WithoutHeaderPeer {
			return peer, ""
		}
		return netip.Addr{}, "a trusted proxy sent no " + s.Header
	}
	var last netip.Addr
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var entry string
			rest, entry, more = cutLast(rest)
			addr, ok := parseForwarded(entry)
			if !ok {
				return netip.Addr{}, "an entry of " + s.Header + " is not an IP address"
			}
			if !s.Trusted(addr) {
				return addr, ""
			}
			last = addr
		}
	}
	return last, ""
}

// cutLast splits off what stands behind the last comma.
func cutLast(list string) (rest, entry string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseForwarded reads one entry of a forwarding header: an address, perhaps
// with a port or in quotes (RFC 7239 section 6 writes both).
func parseForwarded(entry string) (netip.Addr, bool) {
	entry = strings.Trim(entry, " \t")
	if n := len(entry); n >= 2 && entry[0] == '"' && entry[n-1] == '"' {
		entry = entry[1 : n-1]
	}
	if addr, err := cidr.ParseAddr(entry); err == nil {
		return addr, true
	}
	host, port, bracketed := entry, "", strings.HasPrefix(entry, "[")
	if bracketed {
		end := strings.IndexByte(entry, ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		host, port = entry[1:end], entry[end+1:]
	} else if i := strings.IndexByte(entry, ':'); i >= 0 {
		host, port = entry[:i], entry[i:]
	}
	if port != "" && !validPort(port) {
		return netip.Addr{}, false
	}
	addr, err := cidr.ParseAddr(host)
	// Brackets are for IPv6 only (RFC 3986 section 3.2.2).
	if err != nil || bracketed && !strings.Contains(host, ":") {
		return netip.Addr{}, false
	}
	return addr, true
}

// validPort reports whether the text is a colon and a port number.
func validPort(text string) bool {
	if len(text) < 2 || len(text) > 6 || text[0] != ':' {
		return false
	}
	n := 0
	for _, c := range []byte(text[1:]) {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// peerAddress reads the TCP peer. A link-local peer has a zone, which says on
// which of our own interfaces it is; the address decides, as everywhere.
func peerAddress(peer string) netip.Addr {
	if ap, err := netip.ParseAddrPort(peer); err == nil {
		return ap.Addr().WithZone("").Unmap()
	}
	addr, err := cidr.ParseAddr(peer)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// Hops explains how the address was found, one step a row: the peer, then the
// entries of the header from the right as far as the walk went.
func (s *Source) Hops(a Address) []Hop {
	hops := []Hop{{Text: textOf(a.Peer), Address: textOf(a.Peer), Source: "peer", Trusted: a.Trusted}}
	if !a.Trusted || strings.TrimSpace(strings.Join(a.Header, "")) == "" {
		hops[0].Chosen = a.Addr.IsValid()
		return hops
	}
	for i := len(a.Header) - 1; i >= 0; i-- {
		for rest, more := a.Header[i], true; more; {
			var entry string
			rest, entry, more = cutLast(rest)
			addr, ok := parseForwarded(entry)
			hop := Hop{Text: shorten(strings.TrimSpace(entry), 80), Address: textOf(addr), Source: s.Header}
			hop.Trusted = ok && s.Trusted(addr)
			hops = append(hops, hop)
			if !hop.Trusted || len(hops) > maxForwardedEntries {
				hops[len(hops)-1].Chosen = ok && a.Addr.IsValid()
				return hops
			}
		}
	}
	hops[len(hops)-1].Chosen = a.Addr.IsValid()
	return hops
}

func textOf(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
