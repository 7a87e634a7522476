package gate

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// AttentionSign says why a person should look at an address that was not let in.
type AttentionSign string

// Signs, the most urgent first.
const (
	SignPassword AttentionSign = "right_password"   // from outside, somebody had an admin's right password
	SignRequest  AttentionSign = "open_request"     // somebody there asks for access
	SignAdmin    AttentionSign = "known_admin"      // an admin's login was typed, and nobody got in from there
	SignBefore   AttentionSign = "signed_in_before" // an admin signed in from there within 30 days
	SignListed   AttentionSign = "was_listed"       // an entry that has it counted within 30 days, and does no more
	SignNearMiss AttentionSign = "near_miss"        // it is next to an entry
)

// AttentionSigns is the closed list, the most urgent first.
var AttentionSigns = []AttentionSign{SignPassword, SignRequest, SignAdmin, SignBefore, SignListed, SignNearMiss}

// AttentionGroup is an address to look at.
type AttentionGroup struct {
	AttemptGroup
	Address netip.Addr
	Signs   []AttentionSign // the most urgent first
	Admin   string          // login of the admin that SignPassword or SignAdmin is about, or who signed in before; empty: nobody
	Request string          // id of the access request; empty: there is none
	Entry   *Network        // that SignListed or SignNearMiss is about
}

// nearBits bounds how far from an entry an address is next to it: within the
// range that the entry is one half of, or, of smaller ones, in the same /24 or
// IPv6 /48, which a provider hands out together.
func nearPrefix(p netip.Prefix) netip.Prefix {
	bits := 24
	if p.Addr().Is6() {
		bits = 48
	}
	return netip.PrefixFrom(p.Addr(), max(min(p.Bits()-1, bits), 0)).Masked()
}

// marksOf is what a tenant's addresses are judged by.
type marksOf struct {
	inForce *cidr.Set
	near    *cidr.Set
	listed  *cidr.Set // by entries that counted within 30 days and do no more
	before  map[netip.Addr]string
	asked   map[netip.Addr]string
	logins  map[string]AdminView // by id

	entries []Network // what near was made of
	spans   []Network // what listed was made of
}

// attentionMarks collects what addresses are judged by.
func (g *Gate) attentionMarks(ctx context.Context, tenant string) (*marksOf, error) {
	t := g.snap.byID(tenant)
	if t == nil {
		return nil, ErrNotFound
	}
	now := g.now()
	m := &marksOf{before: map[netip.Addr]string{}, asked: map[netip.Addr]string{}, logins: t.admins}
	if err := m.ofList(ctx, g.store, t, now); err != nil {
		return nil, err
	}
	signIns, err := g.collect(ctx, tenant, replayDays, true, evidenceQuick)
	if err != nil {
		return nil, err
	}
	for _, e := range signIns.evidence {
		if _, ok := m.before[e.Address]; !ok { // the newest is the first
			m.before[e.Address] = e.Admin
		}
	}
	waiting, err := g.store.Asks(ctx, AskFilter{Tenant: tenant, State: AskWaiting, Now: now})
	for _, r := range waiting {
		m.asked[r.Address] = r.ID
	}
	return m, err
}

// ofList makes the sets of addresses.
func (m *marksOf) ofList(ctx context.Context, store Store, t *tenantState, now time.Time) error {
	spans, err := store.NetworkSpans(ctx, t.ID)
	if err != nil {
		return err
	}
	var near []cidr.Range
	for _, n := range t.networks {
		if !n.Admits(now) {
			continue
		}
		m.entries = append(m.entries, n)
		for _, p := range n.Range.Prefixes() {
			if r, err := cidr.RangeOf(nearPrefix(p)); err == nil { // not the whole of a family
				near = append(near, r)
			}
		}
	}
	for i := range spans {
		s := &spans[i]
		if s.Enabled && s.counted(now.Add(-usesSince), now) {
			m.spans = append(m.spans, s.Network)
		}
	}
	m.inForce, m.near, m.listed = cidr.NewSet(rangesOf(m.entries)), cidr.NewSet(near), cidr.NewSet(rangesOf(m.spans))
	return nil
}

// counted reports whether the entry counted at some moment of a span.
func (s *NetworkSpan) counted(since, until time.Time) bool {
	from, to := s.From, until
	if s.NotBefore.After(from) {
		from = s.NotBefore
	}
	for _, end := range []time.Time{s.To, s.Expires} {
		if !end.IsZero() && end.Before(to) {
			to = end
		}
	}
	return from.Before(to) && to.After(since)
}

// signs judges an address by what was met and what is known.
func (m *marksOf) signs(a netip.Addr, met tallySign) (signs []AttentionSign) {
	if met&metRight != 0 {
		signs = append(signs, SignPassword)
	}
	if _, ok := m.asked[a]; ok {
		signs = append(signs, SignRequest)
	}
	if met&metNamed != 0 && met&metSignIn == 0 {
		signs = append(signs, SignAdmin)
	}
	if met&metOutside == 0 || m.inForce.Contains(a) {
		return signs
	}
	if _, ok := m.before[a]; ok {
		signs = append(signs, SignBefore)
	}
	switch {
	case m.listed.Contains(a):
		signs = append(signs, SignListed)
	case m.near.Contains(a):
		signs = append(signs, SignNearMiss)
	}
	return signs
}

// attention parts addresses into those to look at and the noise.
func (c *count) attention(m *marksOf) {
	var found []AttentionGroup
	for i := range c.byAddr {
		t, a := &c.byAddr[i], c.addrs[i]
		if t.records == 0 || t.bad == 0 {
			continue
		}
		var signs []AttentionSign
		if a.addr.IsValid() && a.bits == a.addr.BitLen() {
			signs = m.signs(a.addr, t.signs)
		}
		if len(signs) == 0 {
			c.out.Noise += t.bad
			c.out.NoiseAddresses++
			continue
		}
		found = append(found, AttentionGroup{AttemptGroup: c.groupOf(t, a.addr.String()), Address: a.addr, Signs: signs})
		last := &found[len(found)-1]
		last.Admin, last.Request = cmp.Or(c.whos[t.who].admin, m.before[a.addr]), m.asked[a.addr]
		if t.signs&metNamed == 0 {
			last.Admin = m.before[a.addr]
		}
		if c.q.Group == GroupAddress {
			*t = tally{} // it is no noise
		}
	}
	c.out.AttentionCount = len(found)
	slices.SortFunc(found, moreUrgent)
	c.out.Attention = found[:min(len(found), maxAttention)]
	for i := range c.out.Attention {
		c.detail(&c.out.Attention[i], m)
	}
}

// moreUrgent sorts by the most urgent sign, then by how many there are, then by
// time.
func moreUrgent(a, b AttentionGroup) int {
	return cmp.Or(
		cmp.Compare(slices.Index(AttentionSigns, a.Signs[0]), slices.Index(AttentionSigns, b.Signs[0])),
		cmp.Compare(len(b.Signs), len(a.Signs)),
		b.LastTime.Compare(a.LastTime),
		a.Address.Compare(b.Address),
	)
}

// detail adds what is shown of an address.
func (c *count) detail(a *AttentionGroup, m *marksOf) {
	a.Place = c.g.PlaceOf(a.Address, a.Address.BitLen())
	a.Admin = m.logins[a.Admin].Login // empty: somebody who is gone
	switch {
	case slices.Contains(a.Signs, SignListed):
		a.Entry = entryAround(m.spans, a.Address)
	case slices.Contains(a.Signs, SignNearMiss):
		if n := nearest(m.entries, a.Address, c.g.now()); n != nil {
			a.Entry = &n.Network
		}
	}
}

// entryAround is the narrowest entry that has an address.
func entryAround(entries []Network, a netip.Addr) *Network {
	if found := cidr.NewIndex(rangesOf(entries)).Matching(a); len(found) > 0 {
		return &entries[found[0]]
	}
	return nil
}
