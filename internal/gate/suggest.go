package gate

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// How far suggested ranges may go beyond what was seen: at most so many times
// the addresses that people used (of IPv6: the /64, which one site has all of),
// and never wider than what is usually given to one site.
const (
	suggestSlack = 16
	suggestV4    = 24
	suggestV6    = 48
)

// Suggestion is a list to begin with: the fewest, smallest ranges that hold
// from where people signed in lately and the list does not have yet.
type Suggestion struct {
	Reading
	SignIns int64 // of people who may sign in today
	Listed  int64 // of these, from where the list or the draft lets them in
	Ranges  []SuggestedRange
}

// SuggestedRange is one range of a suggestion, and the evidence for it.
type SuggestedRange struct {
	Range     cidr.Range
	Label     string // the people, for want of a better one
	People    []AdminView
	SignIns   int64
	Addresses int // that people used
	Last      time.Time
	Place     Place
	Signs     []SharedSign // that strangers share it; none: nothing speaks against it
	Strangers int64        // failed sign-ins with logins that are nobody's
}

// SharedSign is a reason to look twice at a suggested range.
type SharedSign string

// Signs that a range is shared with strangers, or hardly used.
const (
	SharedStrangers SharedSign = "strangers" // sign-ins failed from it with logins that are nobody's
	SharedCGNAT     SharedSign = "cgnat"     // a provider's customers share it
	SharedPrivate   SharedSign = "private"   // no address of the internet: is a proxy set up?
	SharedOnce      SharedSign = "once"      // one sign-in only
)

// Suggest makes a suggestion from the sign-ins of the last 30 days, beside what
// the actor's draft, or the list where there is none, has already.
func (d *Door) Suggest(ctx context.Context, by Actor, tenant string) (*Suggestion, error) {
	if err := by.may(tenant, RoleOwner); err != nil {
		return nil, err
	}
	t, err := d.store.LoadTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	c, err := d.collect(ctx, tenant, replayDays, false, evidencePatient)
	if err != nil {
		return nil, err
	}
	networks, err := d.draftOrList(ctx, by, t)
	if err != nil {
		return nil, err
	}
	s := suggest(c, t.Admins, d.judge(ModeEnforced, networks, d.now()))
	for i := range s.Ranges {
		r := s.Ranges[i].Range
		s.Ranges[i].Place = d.PlaceOf(r.First(), r.First().BitLen())
	}
	return s, nil
}

func suggest(c *collected, admins []AdminView, list judge) *Suggestion {
	s := &Suggestion{Reading: c.Reading}
	who := active(admins)
	var used []*Evidence
	for i := range c.evidence {
		e := &c.evidence[i]
		admin := who[e.Admin]
		if e.Kind != EvidenceSignIn || admin == nil {
			continue
		}
		s.SignIns += e.Count
		if list.listed(e.Address, admin) {
			s.Listed += e.Count
			continue
		}
		used = append(used, e)
	}
	for _, g := range gather(used) {
		s.Ranges = append(s.Ranges, suggested(g, who))
	}
	for i := range c.evidence {
		if e := &c.evidence[i]; e.Kind == EvidenceFailed && e.Admin == "" {
			s.stranger(e)
		}
	}
	slices.SortFunc(s.Ranges, func(a, b SuggestedRange) int {
		return cmp.Or(cmp.Compare(b.SignIns, a.SignIns), a.Range.Compare(b.Range))
	})
	return s
}

// stranger counts a failed sign-in of somebody unknown in the range it came from.
func (s *Suggestion) stranger(e *Evidence) {
	for i := range s.Ranges {
		r := &s.Ranges[i]
		if !r.Range.Contains(e.Address) {
			continue
		}
		if r.Strangers == 0 {
			r.Signs = append([]SharedSign{SharedStrangers}, r.Signs...)
		}
		r.Strangers += e.Count
		return
	}
}

// gathered is evidence that one range holds.
type gathered struct {
	prefix   netip.Prefix
	units    int // distinct addresses, or /64 of IPv6
	evidence []*Evidence
}

// gather finds the fewest, smallest prefixes that hold all addresses of the
// evidence.
func gather(used []*Evidence) []gathered {
	slices.SortStableFunc(used, func(a, b *Evidence) int { return a.Address.Compare(b.Address) })
	var units []gathered
	for _, e := range used {
		p := unitOf(e.Address)
		if last := len(units) - 1; last >= 0 && units[last].prefix == p {
			units[last].evidence = append(units[last].evidence, e)
			continue
		}
		units = append(units, gathered{p, 1, []*Evidence{e}})
	}
	// Addresses of IPv4 sort before those of IPv6.
	v6, _ := slices.BinarySearchFunc(units, true, func(u gathered, _ bool) int {
		if u.prefix.Addr().Is6() {
			return 0
		}
		return -1
	})
	return slices.Concat(join(units[:v6]), join(units[v6:]))
}

// unitOf is the smallest prefix worth suggesting: an address, or the /64 of
// IPv6, within which devices change theirs every day.
func unitOf(a netip.Addr) netip.Prefix {
	if a.Is6() {
		return NetworkOf(a)
	}
	return netip.PrefixFrom(a, 32)
}

// join makes one prefix of units where it stays close to what was seen, and
// else tries the two halves in which they lie.
func join(units []gathered) []gathered {
	if len(units) <= 1 {
		return units
	}
	first, last := units[0].prefix, units[len(units)-1].prefix
	bits := commonBits(first.Addr(), last.Addr())
	floor := suggestV4
	if first.Addr().Is6() {
		floor = suggestV6
	}
	if wider := first.Bits() - bits; bits >= floor && 1<<wider <= suggestSlack*len(units) {
		all := gathered{prefix: netip.PrefixFrom(first.Addr(), bits).Masked(), units: len(units)}
		for _, u := range units {
			all.evidence = append(all.evidence, u.evidence...)
		}
		return []gathered{all}
	}
	half := netip.PrefixFrom(first.Addr(), bits+1).Masked()
	second := slices.IndexFunc(units, func(u gathered) bool { return !half.Contains(u.prefix.Addr()) })
	return slices.Concat(join(units[:second]), join(units[second:]))
}

// commonBits is how many leading bits two addresses of one family share.
func commonBits(a, b netip.Addr) int {
	x, y := a.AsSlice(), b.AsSlice()
	for i := range x {
		for bit := range 8 {
			if mask := byte(0x80) >> bit; x[i]&mask != y[i]&mask {
				return 8*i + bit
			}
		}
	}
	return a.BitLen()
}

func suggested(g gathered, who map[string]*AdminView) SuggestedRange {
	r, _ := cidr.RangeOf(g.prefix) // no prefix is as wide as a family
	s := SuggestedRange{Range: r, Addresses: len(distinct(g.evidence))}
	for _, e := range g.evidence {
		s.SignIns += e.Count
		if e.Last.After(s.Last) {
			s.Last = e.Last
		}
		if a := *who[e.Admin]; !slices.ContainsFunc(s.People, func(p AdminView) bool { return p.ID == a.ID }) {
			s.People = append(s.People, a)
		}
	}
	slices.SortFunc(s.People, byLogin)
	s.Label = namesOf(s.People)
	switch r.Kind() {
	case cidr.CGNAT:
		s.Signs = append(s.Signs, SharedCGNAT)
	case cidr.Private, cidr.Loopback, cidr.LinkLocal:
		s.Signs = append(s.Signs, SharedPrivate)
	}
	if s.SignIns == 1 {
		s.Signs = append(s.Signs, SharedOnce)
	}
	return s
}

func distinct(evidence []*Evidence) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, e := range evidence {
		out[e.Address] = true
	}
	return out
}

// namesOf is a label made of people, in no language: Li Na, Wu Min +3.
func namesOf(people []AdminView) string {
	const shown = 3
	var names []string
	for _, p := range people[:min(shown, len(people))] {
		names = append(names, cmp.Or(p.Name, p.Login))
	}
	text := shorten(strings.Join(names, ", "), MaxLabel-10)
	if more := len(people) - shown; more > 0 {
		text += fmt.Sprintf(" +%d", more)
	}
	return text
}
