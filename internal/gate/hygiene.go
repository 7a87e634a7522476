package gate

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// What counts as worth a word.
const (
	endingWithin = 72 * time.Hour
	extendBy     = 7 * 24 * time.Hour
	// A range that is so many bits wider than what is used of it could be
	// narrower; by fewer sign-ins than these one cannot tell.
	wideSlack = 4
	wideUses  = 10
)

// FindingCode says what a finding is about.
type FindingCode string

// Codes of findings.
const (
	FindRedundant FindingCode = "redundant"   // Other holds all of Entry, for everybody and all the time
	FindOverlap   FindingCode = "overlapping" // Entry and Other have addresses in common
	FindUnused    FindingCode = "unused"      // nobody signed in from Entry
	FindWide      FindingCode = "wide"        // Entry is far wider than Range, from where people signed in
	FindEnding    FindingCode = "ending"      // Entry ends soon; People have no other
	FindIPv6      FindingCode = "ipv6"        // People of Entry signed in from Range, which is not in the list
)

// Finding is something about a list that could be better, and what mends it.
type Finding struct {
	Code   FindingCode
	Entry  Network
	Other  *Network
	Range  cidr.Range
	People []AdminView
	Count  int64 // sign-ins that tell so
	Last   time.Time
	Days   int // over which they were counted
	// Op mends it in a draft; nil: a person has to think.
	Op *DraftOp
}

// ID names the finding as long as the list and the evidence stay as they are.
func (f *Finding) ID() string {
	id := string(f.Code) + " " + f.Entry.ID
	if f.Other != nil {
		id += " " + f.Other.ID
	}
	if f.Range.IsValid() {
		id += " " + f.Range.String()
	}
	return id
}

// Hygiene looks at the actor's draft, or at the list in force where there is
// none. What needs evidence that is still being read is left out until it is,
// and complete is false. Nobody may change what it returns: it stands for a while.
func (d *Door) Hygiene(ctx context.Context, by Actor, tenant string) (out []Finding, complete bool, err error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, false, err
	}
	key, err := d.tidyKey(ctx, by, tenant)
	if err != nil {
		return nil, false, err
	}
	if found, ok := d.tidied.get(key, d.now()); ok {
		return found, true, nil
	}
	h, err := d.hygiene(ctx, by, tenant)
	if err != nil {
		return nil, false, err
	}
	for _, find := range []func() []Finding{h.ending, h.redundant, h.overlapping, h.wide, h.unused, h.ipv6} {
		out = append(out, find()...)
	}
	if h.complete {
		d.tidied.put(key, out, h.now)
	}
	return out, h.complete, nil
}

// hygiene is a list with what is known of its use.
type hygiene struct {
	networks []Network
	index    *cidr.Index
	admins   map[string]*AdminView
	now      time.Time
	days     int                      // of the long evidence; 0: it is still being read
	uses     [][]Evidence             // by network: sign-ins that it admits
	entries  map[string]map[int]int64 // by admin: sign-ins by network
	recent   *collected               // of the last 30 days; nil: still being read
	complete bool                     // all evidence was read
	list     judge
}

func (d *Door) hygiene(ctx context.Context, by Actor, tenant string) (*hygiene, error) {
	t, err := d.store.LoadTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	networks, err := d.draftOrList(ctx, by, t)
	if err != nil {
		return nil, err
	}
	now := d.now()
	h := &hygiene{
		networks: networks, index: cidr.NewIndex(rangesOf(networks)), admins: active(t.Admins), now: now,
		uses: make([][]Evidence, len(networks)), entries: map[string]map[int]int64{}, list: d.judge(ModeEnforced, networks, now),
	}
	days := d.hygieneSpan(&t.Tenant)
	long, err := d.collect(ctx, tenant, days, true, evidenceQuick)
	if err != nil {
		return nil, err
	}
	recent, err := d.collect(ctx, tenant, replayDays, false, evidenceQuick)
	if err != nil {
		return nil, err
	}
	if recent.Complete {
		h.recent = recent
	}
	if long.Complete {
		h.days = days
		h.use(long.evidence)
	}
	h.complete = recent.Complete && long.Complete
	return h, h.sessions(ctx, d, tenant)
}

// draftOrList returns the entries of the actor's draft, made when they were in
// the list, or those of the list.
func (g *Gate) draftOrList(ctx context.Context, by Actor, t *TenantPolicy) ([]Network, error) {
	draft, err := g.store.Draft(ctx, t.Tenant.ID, by.Admin)
	if errors.Is(err, ErrNotFound) {
		return t.Networks, nil
	}
	if err != nil {
		return nil, err
	}
	networks := draft.Networks()
	made := make(map[string]time.Time, len(t.Networks))
	for i := range t.Networks {
		made[t.Networks[i].ID] = t.Networks[i].Created
	}
	for i := range networks {
		networks[i].Created = made[networks[i].ID]
	}
	return networks, nil
}

// use counts evidence for every entry that admits it.
func (h *hygiene) use(evidence []Evidence) {
	for _, e := range evidence {
		admin := h.admins[e.Admin]
		if admin == nil {
			continue
		}
		for _, i := range h.index.Matching(e.Address) {
			if !h.networks[i].For(admin.Role, admin.ID) {
				continue
			}
			h.uses[i] = append(h.uses[i], e)
			if h.entries[admin.ID] == nil {
				h.entries[admin.ID] = map[int]int64{}
			}
			h.entries[admin.ID][i] += e.Count
		}
	}
}

// sessions counts where running sessions are now: who signed in elsewhere and
// came here uses the entry as well.
func (h *hygiene) sessions(ctx context.Context, d *Door, tenant string) error {
	running, err := d.store.Sessions(ctx, SessionFilter{Tenant: tenant, Now: h.now})
	if err != nil {
		return err
	}
	var seen []Evidence
	for _, s := range running {
		seen = append(seen, Evidence{Kind: EvidenceSignIn, Admin: s.Admin, Address: s.LastAddress, Bits: s.LastAddress.BitLen(), Last: s.LastSeen})
	}
	h.use(seen)
	return nil
}

// removal is the mend of an entry that can go.
func removal(n *Network) *DraftOp { return &DraftOp{Step: DraftRemove, Key: n.ID} }

// change is the mend of an entry that should be another.
func change(n *Network, edit func(*Draft)) *DraftOp {
	d := DraftsOf([]Network{*n})[0]
	edit(&d)
	return &DraftOp{Step: DraftSet, Key: n.ID, Entry: d}
}

// redundant finds entries that another one holds all of, for everybody and all
// the time that they count.
func (h *hygiene) redundant() (out []Finding) {
	gone := map[string]bool{} // of two that hold each other, one stays
	for i := range h.networks {
		n := &h.networks[i]
		if !n.Enabled {
			continue
		}
		for _, k := range h.index.Covering(n.Range) {
			if other := &h.networks[k]; k != i && !gone[other.ID] && stands(other, n) {
				gone[n.ID] = true
				out = append(out, Finding{Code: FindRedundant, Entry: *n, Other: other, Op: removal(n)})
				break
			}
		}
	}
	return out
}

// stands reports whether an entry counts whenever and for whomever another
// does.
func stands(n, other *Network) bool {
	switch {
	case !n.Enabled, n.NotBefore.After(other.NotBefore):
		return false
	case !n.Expires.IsZero() && (other.Expires.IsZero() || other.Expires.After(n.Expires)):
		return false
	case len(n.Roles) == 0 && len(n.Admins) == 0:
		return true
	case len(other.Roles) == 0 && len(other.Admins) == 0:
		return false
	}
	return subset(other.Roles, n.Roles) && subset(other.Admins, n.Admins)
}

func subset[T comparable](part, all []T) bool {
	return !slices.ContainsFunc(part, func(v T) bool { return !slices.Contains(all, v) })
}

// overlapping finds entries that share some addresses and count alike, which
// can be told apart. Only ranges from address to address can.
func (h *hygiene) overlapping() (out []Finding) {
	order := make([]*Network, 0, len(h.networks))
	for i := range h.networks {
		if h.networks[i].Enabled {
			order = append(order, &h.networks[i])
		}
	}
	slices.SortFunc(order, func(a, b *Network) int { return a.Range.Compare(b.Range) })
	for i, n := range order {
		for _, next := range order[i+1:] {
			if !n.Range.Overlaps(next.Range) {
				break // the rest begins later still
			}
			if n.Range.Covers(next.Range) || !stands(n, next) || !stands(next, n) {
				continue
			}
			rest, _, err := cidr.Parse(n.Range.Last().Next().String() + "-" + next.Range.Last().String())
			if err != nil {
				continue
			}
			mend := change(next, func(d *Draft) { d.Range = rest.String() })
			out = append(out, Finding{Code: FindOverlap, Entry: *next, Other: n, Range: rest, Op: mend})
			break
		}
	}
	return out
}

// old reports whether an entry has been in force for as long as evidence goes
// back.
func (h *hygiene) old(n *Network) bool {
	began := n.Created
	if n.NotBefore.After(began) {
		began = n.NotBefore
	}
	return !n.Created.IsZero() && n.Admits(h.now) && h.now.Sub(began) >= time.Duration(h.days)*evidencePiece
}

func (h *hygiene) unused() (out []Finding) {
	for i := range h.networks {
		if n := &h.networks[i]; h.days > 0 && len(h.uses[i]) == 0 && h.old(n) {
			out = append(out, Finding{Code: FindUnused, Entry: *n, Days: h.days, Op: removal(n)})
		}
	}
	return out
}

// wide finds entries far wider than what is used of them, and those that are
// wider than one site plausibly is.
func (h *hygiene) wide() (out []Finding) {
	for i := range h.networks {
		n := &h.networks[i]
		if !n.Enabled {
			continue
		}
		f := Finding{Code: FindWide, Entry: *n, Days: h.days}
		var bits int
		if f.Range, bits = narrowed(h.uses[i]); f.Range.IsValid() {
			f.Count, f.Last, f.People = h.sum(h.uses[i])
		}
		prefixes := n.Range.Prefixes()
		widest := slices.MinFunc(prefixes, func(a, b netip.Prefix) int { return cmp.Compare(a.Bits(), b.Bits()) }).Bits()
		switch {
		case h.days > 0 && f.Count >= wideUses && bits-widest >= wideSlack && n.Range.Covers(f.Range):
			f.Op = change(n, func(d *Draft) { d.Range = f.Range.String() })
		case n.Range.Wide():
			f.Range = cidr.Range{}
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// narrowed returns the smallest prefix, no smaller than what one site is given,
// that holds all of the evidence.
func narrowed(uses []Evidence) (r cidr.Range, bits int) {
	if len(uses) == 0 {
		return cidr.Range{}, 0
	}
	first := uses[0].Address
	bits = suggestV4
	if first.Is6() {
		bits = suggestV6
	}
	for i := range uses {
		bits = min(bits, commonBits(first, uses[i].Address))
	}
	r, err := cidr.RangeOf(netip.PrefixFrom(first, bits))
	if err != nil {
		return cidr.Range{}, 0
	}
	return r, bits
}

// sum counts evidence and names the people in it.
func (h *hygiene) sum(uses []Evidence) (count int64, last time.Time, people []AdminView) {
	who := map[string]bool{}
	for i := range uses {
		count += uses[i].Count
		if uses[i].Last.After(last) {
			last = uses[i].Last
		}
		if admin := h.admins[uses[i].Admin]; admin != nil && !who[admin.ID] {
			who[admin.ID] = true
			people = append(people, *admin)
		}
	}
	slices.SortFunc(people, byLogin)
	return count, last, people
}

// ending finds entries that end soon, and who has no other.
func (h *hygiene) ending() (out []Finding) {
	soon := h.now.Add(endingWithin)
	for i := range h.networks {
		n := &h.networks[i]
		if !n.Admits(h.now) || n.Expires.IsZero() || n.Expires.After(soon) {
			continue
		}
		f := Finding{Code: FindEnding, Entry: *n, Op: change(n, func(d *Draft) { d.Expires = d.Expires.Add(extendBy) })}
		_, _, users := h.sum(h.uses[i])
		for _, a := range users {
			if !h.stays(&a, n.Expires) {
				f.People = append(f.People, a)
			}
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return a.Entry.Expires.Compare(b.Entry.Expires) })
	return out
}

// stays reports whether an admin has used an entry that goes on after a time.
func (h *hygiene) stays(admin *AdminView, at time.Time) bool {
	for i := range h.entries[admin.ID] {
		if h.networks[i].Admits(at) {
			return true
		}
	}
	return false
}

// ipv6 finds IPv6 networks that the list does not have and that people use who
// also come from one that it has: a site whose IPv6 was forgotten.
func (h *hygiene) ipv6() (out []Finding) {
	if h.recent == nil {
		return nil
	}
	var used []*Evidence
	for i := range h.recent.evidence {
		e := &h.recent.evidence[i]
		admin := h.admins[e.Admin]
		if admin == nil || !e.Address.Is6() || e.Kind == EvidenceFailed || h.list.listed(e.Address, admin) {
			continue
		}
		if h.home(admin.ID) >= 0 {
			used = append(used, e)
		}
	}
	for _, g := range gather(used) {
		s := suggested(g, h.admins)
		n := &h.networks[h.home(g.evidence[0].Admin)]
		entry := Draft{
			Range: s.Range.String(), Label: shorten(n.Label, MaxLabel-10) + " IPv6", Owner: n.Owner, Enabled: true,
			Expires: n.Expires, Roles: n.Roles, Admins: n.Admins,
		}
		out = append(out, Finding{
			Code: FindIPv6, Entry: *n, Range: s.Range, People: s.People, Count: s.SignIns, Last: s.Last, Days: replayDays,
			Op: &DraftOp{Step: DraftSet, Entry: entry},
		})
	}
	return out
}

// home is the entry in force that an admin uses most, -1 for none.
func (h *hygiene) home(admin string) int {
	best, most := -1, int64(-1)
	for i, count := range h.entries[admin] {
		if h.networks[i].Admits(h.now) && (count > most || count == most && i < best) {
			best, most = i, count
		}
	}
	return best
}
