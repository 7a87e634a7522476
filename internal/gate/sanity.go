package gate

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// peers counts where connections come from and what they bring, to find out from
// live traffic that the addresses of visitors cannot be right. It takes no lock and
// has a fixed size: of the peers that share a slot, the one that comes most often
// holds it, so floods from many addresses do not push out a proxy.
type peers struct{ now, before atomic.Pointer[peerTable] }

// peerSpan is after how long counting begins anew; the span before is kept.
const peerSpan = 30 * time.Minute

type peerTable struct {
	since time.Time
	all   atomic.Int64
	slots [512]atomic.Pointer[peer]
}

// peer is what one peer did.
type peer struct {
	addr       netip.Addr
	votes      atomic.Int64
	requests   atomic.Int64
	ignored    atomic.Int64 // with a forwarding header, though it is no trusted proxy
	silent     atomic.Int64 // without the header, though it is one
	unreadable atomic.Int64 // with a header that no address could be taken from
	header     atomic.Pointer[string]
}

var peerSeed = maphash.MakeSeed()

// at returns the count of a peer; nil: another one holds its slot. It allocates
// only where a slot changes hands.
func (t *peerTable) at(a netip.Addr) *peer {
	bytes := a.As16()
	slot := &t.slots[maphash.Bytes(peerSeed, bytes[:])%uint64(len(t.slots))]
	p := slot.Load()
	switch {
	case p != nil && p.addr == a:
		p.votes.Add(1)
		return p
	case p != nil && p.votes.Add(-1) >= 0:
		return nil
	}
	fresh := &peer{addr: a}
	fresh.votes.Store(1)
	if !slot.CompareAndSwap(p, fresh) {
		return nil
	}
	return fresh
}

// Met notes what the address of a request was taken from.
func (g *Gate) Met(a *Address) {
	t := g.peers.now.Load()
	if t == nil || !a.Peer.IsValid() {
		return
	}
	t.all.Add(1)
	p := t.at(a.Peer)
	if p == nil {
		return
	}
	p.requests.Add(1)
	switch {
	case a.Ignored != nil:
		p.ignored.Add(1)
		p.header.Store(a.Ignored)
	case !a.Trusted:
	case blank(a.Header):
		p.silent.Add(1)
	case !a.Addr.IsValid() && !strings.HasSuffix(a.Problem, tooLong): // that one a visitor can bring about
		p.unreadable.Add(1)
	}
}

// blank reports whether a header says nothing.
func blank(lines []string) bool {
	return !slices.ContainsFunc(lines, func(line string) bool { return strings.TrimSpace(line) != "" })
}

// TroubleKind says what is wrong with the addresses of visitors.
type TroubleKind string

// Kinds of troubles.
const (
	TroubleHidden     TroubleKind = "hidden_proxy" // a forwarding header from a peer that is not trusted
	TroubleOne        TroubleKind = "one_address"  // everybody has one private address, and nothing says another
	TroubleSilent     TroubleKind = "silent_proxy" // a trusted proxy that does not send the header
	TroubleUnreadable TroubleKind = "unreadable"   // a trusted proxy whose header has no addresses
)

// AddressTrouble is something that is wrong with the addresses of visitors.
type AddressTrouble struct {
	Kind     TroubleKind `json:"kind"`
	Peer     netip.Addr  `json:"peer"`
	Header   string      `json:"header"`   // that it sent; empty: none
	Requests int64       `json:"requests"` // that show it, in the last half to whole hour
}

// Bounds of findings. Strangers send forwarding headers, too: one is taken for a
// proxy when nearly all it sends has one and it is near, or a large part of all.
const (
	troubleLeast    = 20  // requests
	troubleOneLeast = 200 // that have one address
	troubleMost     = 8
)

// turn begins a new span where the last one is over.
func (p *peers) turn(now time.Time) {
	t := p.now.Load()
	if t != nil && now.Sub(t.since) < peerSpan {
		return
	}
	p.before.Store(t)
	p.now.Store(&peerTable{since: now})
}

// sums are the counts of a peer over both spans.
type sums struct{ requests, ignored, silent, unreadable int64 }

// findings says what is wrong, the most frequent first.
func (p *peers) findings() []AddressTrouble {
	found, headers := map[netip.Addr]sums{}, map[netip.Addr]string{}
	var all int64
	for _, t := range []*peerTable{p.before.Load(), p.now.Load()} {
		if t == nil {
			continue
		}
		all += t.all.Load()
		for i := range t.slots {
			q := t.slots[i].Load()
			if q == nil {
				continue
			}
			s := found[q.addr]
			s.requests, s.ignored = s.requests+q.requests.Load(), s.ignored+q.ignored.Load()
			s.silent, s.unreadable = s.silent+q.silent.Load(), s.unreadable+q.unreadable.Load()
			found[q.addr] = s
			if h := q.header.Load(); h != nil {
				headers[q.addr] = *h
			}
		}
	}
	var out []AddressTrouble
	for addr, s := range found {
		if f, ok := s.finding(addr, all); ok {
			f.Header = headers[addr]
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b AddressTrouble) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), a.Peer.Compare(b.Peer))
	})
	return out[:min(len(out), troubleMost)]
}

// finding says what the counts of a peer show, among all requests.
func (s sums) finding(a netip.Addr, all int64) (AddressTrouble, bool) {
	near := a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a)
	switch {
	case s.ignored >= troubleLeast && s.ignored*10 >= s.requests*9 && (near || s.ignored*4 >= all):
		return AddressTrouble{Kind: TroubleHidden, Peer: a, Requests: s.ignored}, true
	case s.unreadable >= troubleLeast:
		return AddressTrouble{Kind: TroubleUnreadable, Peer: a, Requests: s.unreadable}, true
	case s.silent >= troubleLeast:
		return AddressTrouble{Kind: TroubleSilent, Peer: a, Requests: s.silent}, true
	case near && s.silent+s.ignored+s.unreadable == 0 && s.requests >= troubleOneLeast && s.requests*100 >= all*99:
		return AddressTrouble{Kind: TroubleOne, Peer: a, Requests: s.requests}, true
	}
	return AddressTrouble{}, false
}

// sharedSpace is what providers use behind their own translation (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
