package web

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// rangePreview says what a range means, before it is written anywhere.
type rangePreview struct {
	Problem     string // why it is none; then the rest is empty
	Net         string // as it will be stored
	First, Last string // the same where it is one address
	Addresses   string
	Notes       []previewNote
	Wide        string // number of addresses that has to be typed; empty: none
	Single      string // the address that was typed with a length that reaches beyond it
}

// previewNote is a sentence about a range.
type previewNote struct{ Class, Icon, Text string }

// previewKinds are the kinds of ranges that visitors from the internet do not
// have.
var unusualKinds = []cidr.Kind{cidr.Private, cidr.Loopback, cidr.LinkLocal, cidr.CGNAT, cidr.Benchmark, cidr.Multicast, cidr.Unspecified, cidr.Reserved}

// preview says what a typed range means in the list or draft, where key is the
// entry that it will replace.
func (s *screen) preview(v *consoleView, l *lists, key, text string) (*rangePreview, error) {
	r, notes, err := cidr.Parse(text)
	if err != nil {
		return &rangePreview{Problem: v.rangeFault(err)}, nil
	}
	p := &rangePreview{Net: r.String(), First: r.First().String(), Last: r.Last().String(), Addresses: v.addresses(r)}
	note := func(class, icon, key string, pairs ...any) {
		p.Notes = append(p.Notes, previewNote{class, icon, v.T(key, pairs...)})
	}
	if notes&cidr.HostBitsCleared != 0 {
		note("off", "warn", "net.hostbits", "Net", p.Net, "First", p.First, "Last", p.Last, "Count", addressCount(r))
		p.Single, _, _ = strings.Cut(strings.TrimSpace(text), "/")
	}
	if notes&cidr.MappedUnwrapped != 0 {
		note("off", "warn", "net.mapped", "Net", p.Net)
	}
	if slices.Contains(unusualKinds, r.Kind()) {
		note("dry", "warn", "net.private", "Net", p.Net)
	}
	if t := s.h.door.Source.Trusted; t != nil && (t(r.First()) || t(r.Last())) {
		note("dry", "warn", "net.proxy", "Net", p.Net)
	}
	s.relations(l, key, r, note)
	if r.Contains(s.visit.Request.Address.Addr) {
		note("allowed", "pin", "net.you")
	}
	usage, err := s.h.door.Usage(s.Context(), s.actor, s.tenant, []cidr.Range{r})
	if err != nil {
		return nil, err
	}
	note("off", "clock", "net.matched", "N", usage[0].Count)
	if old := entryOf(l.list.Networks, key); r.Wide() && (old == nil || old.Range != r) {
		p.Wide = addressCount(r)
		note("blocked", "warn", "net.wide", "Net", p.Net, "Count", p.Wide)
	}
	return p, nil
}

func entryOf(networks []gate.Network, id string) *gate.Network {
	if i := slices.IndexFunc(networks, func(n gate.Network) bool { return n.ID == id }); i >= 0 {
		return &networks[i]
	}
	return nil
}

// relations says which other entries hold the range, and which it holds.
func (s *screen) relations(l *lists, key string, r cidr.Range, note func(class, icon, key string, pairs ...any)) {
	var inside []string
	for _, n := range l.shown() {
		switch {
		case n.ID == key:
		case n.Range == r:
			note("blocked", "warn", "net.same", "Label", n.Label)
			return
		case n.Range.Covers(r) && n.Admits(s.visit.Decision.Now):
			note("dry", "warn", "net.covered", "Label", n.Label, "Net", n.Range)
		case r.Covers(n.Range):
			inside = append(inside, n.Label)
		}
	}
	if len(inside) > 0 {
		note("off", "warn", "net.covers", "N", len(inside), "Label", inside[0])
	}
}

// addressCount is how many addresses a range has: up to what people can count, in
// digits, and beyond that as a power of two.
func addressCount(r cidr.Range) string {
	count := r.Count()
	if count.BitLen() <= 50 {
		return thousands(count.String())
	}
	return "2^" + strconv.Itoa(count.BitLen()-1)
}

// means reports whether somebody typed the number of addresses of a wide range,
// with or without its commas.
func (p *rangePreview) means(typed string) bool {
	plain := func(text string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(", ，　'.", r) {
				return -1
			}
			return r
		}, text)
	}
	return p.Wide != "" && plain(typed) == plain(p.Wide)
}
