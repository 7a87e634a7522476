package gate

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// Replay is what a list would have done to the attempts of the last days, as
// far as they were read. Sign-ins are those of people who may sign in today;
// they are still allowed, newly blocked or were blocked already.
type Replay struct {
	Reading
	SignIns      int64
	People       int64 // who signed in
	StillAllowed int64
	NewlyBlocked []ReplayLine
	// AlreadyBlocked are sign-ins from where the list in force would not let
	// them in today either.
	AlreadyBlocked int64
	// WouldBlock are, where the new mode is dry run, the sign-ins that it lets
	// in and an enforced list would not.
	WouldBlock   []ReplayLine
	NewlyAllowed int64 // attempts that were blocked, and would not be
	StillBlocked int64
	Unknown      []AdminView // who may sign in and did not
}

// ReplayLine is one admin's sign-ins from one address.
type ReplayLine struct {
	Admin   AdminView
	Address netip.Addr
	Count   int64
	Last    time.Time
}

// Count sums up lines, and the people in them.
func Count(lines []ReplayLine) (signIns int64, people int) {
	who := map[string]bool{}
	for i := range lines {
		signIns += lines[i].Count
		who[lines[i].Admin.ID] = true
	}
	return signIns, len(who)
}

// judge decides as the first door does, at one moment.
type judge struct {
	mode  Mode
	lists *lists
	// beside are networks that are admitted whatever the list says.
	beside *cidr.Set
}

func (d *Door) judge(mode Mode, networks []Network, now time.Time) judge {
	return judge{mode, compile(networks, now), d.Rules.Operator}
}

// listed reports whether the list has an address for an admin (nil: for whoever
// wants to sign in).
func (j judge) listed(a netip.Addr, admin *AdminView) bool {
	if j.beside.Contains(a) {
		return true
	}
	if admin == nil {
		return j.lists.admit(a)
	}
	return j.lists.admitAdmin(a, admin.Role, admin.ID)
}

// admits reports whether a visitor would get in.
func (j judge) admits(a netip.Addr, admin *AdminView) bool {
	return j.mode != ModeEnforced || j.listed(a, admin)
}

// admitsAll is admits for a piece of evidence, which may be about a whole
// network: it counts when both of its ends get in.
func (j judge) admitsAll(e *Evidence, admin *AdminView) bool {
	if !j.admits(e.Address, admin) {
		return false
	}
	if e.Bits >= e.Address.BitLen() {
		return true
	}
	r, err := cidr.RangeOf(netip.PrefixFrom(e.Address, e.Bits))
	return err == nil && j.admits(r.First(), admin) && j.admits(r.Last(), admin)
}

// replay asks two lists about everything that was collected.
func replay(c *collected, admins []AdminView, before, after judge) *Replay {
	r := &Replay{Reading: c.Reading}
	who := active(admins)
	seen := map[string]bool{}
	for i := range c.evidence {
		e := &c.evidence[i]
		admin := who[e.Admin]
		switch {
		case e.Kind == EvidenceBlocked:
			r.blocked(e, before.admitsAll(e, admin), after.admitsAll(e, admin))
		case e.Kind == EvidenceSignIn && admin != nil:
			seen[admin.ID] = true
			r.signIn(e, admin, before, after)
		}
	}
	r.People = int64(len(seen))
	for _, a := range admins {
		if who[a.ID] != nil && !seen[a.ID] {
			r.Unknown = append(r.Unknown, a)
		}
	}
	slices.SortFunc(r.Unknown, byLogin)
	sortLines(r.NewlyBlocked)
	sortLines(r.WouldBlock)
	return r
}

// active are the admins who may sign in, by id.
func active(admins []AdminView) map[string]*AdminView {
	out := make(map[string]*AdminView, len(admins))
	for i := range admins {
		if !admins[i].Disabled {
			out[admins[i].ID] = &admins[i]
		}
	}
	return out
}

func byLogin(a, b AdminView) int { return cmp.Compare(a.Login, b.Login) }

// sortLines puts the people with the most sign-ins first, and of one person the
// addresses with the most.
func sortLines(lines []ReplayLine) {
	total := map[string]int64{}
	for i := range lines {
		total[lines[i].Admin.ID] += lines[i].Count
	}
	slices.SortFunc(lines, func(a, b ReplayLine) int {
		return cmp.Or(cmp.Compare(total[b.Admin.ID], total[a.Admin.ID]), byLogin(a.Admin, b.Admin),
			cmp.Compare(b.Count, a.Count), b.Last.Compare(a.Last), a.Address.Compare(b.Address))
	})
}

func (r *Replay) blocked(e *Evidence, before, after bool) {
	switch {
	case !after:
		r.StillBlocked += e.Count
	case !before:
		r.NewlyAllowed += e.Count
	}
}

func (r *Replay) signIn(e *Evidence, admin *AdminView, before, after judge) {
	r.SignIns += e.Count
	line := ReplayLine{*admin, e.Address, e.Count, e.Last}
	switch {
	case after.admits(e.Address, admin):
		r.StillAllowed += e.Count
		if after.mode == ModeDryRun && !after.listed(e.Address, admin) {
			r.WouldBlock = append(r.WouldBlock, line)
		}
	case before.admits(e.Address, admin):
		r.NewlyBlocked = append(r.NewlyBlocked, line)
	default:
		r.AlreadyBlocked += e.Count
	}
}
