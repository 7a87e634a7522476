package gate

import (
	"context"
	"errors"

	"github.com/sallyport-gate/sallyport/cidr"
)

// Side is whose entry stands in the list in the end.
type Side string

// Sides of a merge.
const (
	Mine   Side = "mine"
	Theirs Side = "theirs"
)

// MergeMode is the key of the mode among the choices of RebaseDraft.
const MergeMode = "mode"

// maxMissed bounds the versions that a conflict names.
const maxMissed = 20

// Conflict is a draft of a list that somebody else has changed since.
type Conflict struct {
	Draft  *WorkingDraft
	Base   *ListVersion // that the draft was made from
	Theirs *ListVersion // the newest
	Missed []ListVersion
	Mode   ModeMerge
	Lines  []MergeLine // what either side changed

	slots []slot
}

// ModeMerge is what becomes of the mode.
type ModeMerge struct {
	Base, Theirs, Mine Mode
	Side               Side // empty: both changed it, to different modes
}

// MergeLine is an entry that one side or both changed, and not in the same way.
// A side that has it no more, or never had it, is nil.
type MergeLine struct {
	Key                string
	Base, Theirs, Mine *Network
	Side               Side // which one stays; empty: both changed it, somebody has to choose
}

// Open reports whether somebody has to choose.
func (c *Conflict) Open() bool {
	if c.Mode.Side == "" {
		return true
	}
	for i := range c.Lines {
		if c.Lines[i].Side == "" {
			return true
		}
	}
	return false
}

// Conflict compares the actor's draft with the newest list and with what both
// were made from; ErrNotFound when it has no draft. Where nobody changed the
// list, Base and Theirs are one version, and all lines are the actor's own.
func (g *Gate) Conflict(ctx context.Context, by Actor, tenant string) (*Conflict, error) {
	d, err := g.WorkingDraft(ctx, by, tenant)
	if err != nil {
		return nil, err
	}
	c := &Conflict{Draft: d}
	if c.Base, err = g.store.List(ctx, tenant, d.Base); err != nil {
		return nil, err
	}
	if c.Theirs, err = g.store.List(ctx, tenant, 0); err != nil {
		return nil, err
	}
	missed, err := g.store.ListVersions(ctx, tenant, c.Theirs.Version+1, maxMissed)
	if err != nil {
		return nil, err
	}
	for _, v := range missed {
		if v.Version > d.Base {
			c.Missed = append(c.Missed, v)
		}
	}
	c.merge()
	return c, nil
}

// slot is one entry on the three sides.
type slot struct {
	base, theirs, mine *Network
}

// merge fills mode and lines.
func (c *Conflict) merge() {
	c.Mode = ModeMerge{Base: c.Base.Mode, Theirs: c.Theirs.Mode, Mine: c.Draft.Mode}
	c.Mode.Side = sideOf(c.Mode.Base == c.Mode.Theirs, c.Mode.Base == c.Mode.Mine, c.Mode.Theirs == c.Mode.Mine)
	c.slots = align(c.Base.Networks, c.Theirs.Networks, c.Draft.Networks())
	for i := range c.slots {
		s := &c.slots[i]
		if sameNetwork(s.theirs, s.mine) {
			continue
		}
		c.Lines = append(c.Lines, MergeLine{
			Key: s.key(), Base: s.base, Theirs: s.theirs, Mine: s.mine,
			Side: sideOf(sameNetwork(s.base, s.theirs), sameNetwork(s.base, s.mine), false),
		})
	}
}

// sideOf says which side stays.
func sideOf(theirsKept, mineKept, agree bool) Side {
	switch {
	case mineKept, agree:
		return Theirs
	case theirsKept:
		return Mine
	}
	return ""
}

func (s *slot) key() string {
	switch {
	case s.mine != nil:
		return s.mine.ID
	case s.theirs != nil:
		return s.theirs.ID
	}
	return s.base.ID
}

func sameNetwork(a, b *Network) bool {
	if a == nil || b == nil {
		return a == b
	}
	return len(differing(a, b)) == 0
}

// align finds the entries that are the same one on the three sides, in the
// order of the newest list. Entries that both sides added for one range are one.
func align(base, theirs, mine []Network) []slot {
	theirPartners, gone := match(base, theirs)
	myPartners, _ := match(base, mine)
	slots := make([]slot, 0, len(theirs)+len(mine))
	ofBase := make(map[*Network]int, len(base))
	ofRange := map[cidr.Range]int{} // what they added
	for i := range theirs {
		if b := theirPartners[i]; b != nil {
			ofBase[b] = len(slots)
		} else {
			ofRange[theirs[i].Range] = len(slots)
		}
		slots = append(slots, slot{base: theirPartners[i], theirs: &theirs[i]})
	}
	for _, b := range gone {
		ofBase[b] = len(slots)
		slots = append(slots, slot{base: b})
	}
	for i := range mine {
		at, known := ofBase[myPartners[i]]
		if !known {
			at, known = ofRange[mine[i].Range]
		}
		if known && slots[at].mine == nil {
			slots[at].mine = &mine[i]
		} else {
			slots = append(slots, slot{mine: &mine[i]})
		}
	}
	return slots
}

// RebaseDraft makes the actor's draft one of the newest list, which must still
// be version theirs (*VersionConflict otherwise). What one side changed stays;
// what both changed is chosen by the keys of the lines, and MergeMode. A choice
// that is missing is an *InvalidError of the field of that key.
func (g *Gate) RebaseDraft(ctx context.Context, by Actor, tenant string, theirs int64, choices map[string]Side) (*WorkingDraft, error) {
	for tries := 0; ; tries++ {
		c, err := g.Conflict(ctx, by, tenant)
		if err != nil {
			return nil, err
		}
		if c.Theirs.Version != theirs {
			return nil, &VersionConflict{Base: theirs, Current: c.Theirs.Version}
		}
		if err := c.choose(choices); err != nil {
			return nil, err
		}
		d := c.result()
		err = g.keepDraft(ctx, d, c.Theirs)
		if errors.Is(err, ErrChanged) && tries < 10 {
			continue
		}
		return d, err
	}
}

// choose settles what both sides changed.
func (c *Conflict) choose(choices map[string]Side) error {
	bad := &InvalidError{}
	take := func(key string, side *Side) {
		switch chosen := choices[key]; {
		case chosen == Mine, chosen == Theirs:
			*side = chosen
		case chosen != "":
			bad.add(key, "unknown", "%q is no side: choose mine or theirs", chosen)
		case *side == "":
			bad.add(key, "required", "both of you changed this: choose which one stays")
		}
	}
	take(MergeMode, &c.Mode.Side)
	for i := range c.Lines {
		take(c.Lines[i].Key, &c.Lines[i].Side)
	}
	return bad.orNil()
}

// result is the draft as an edit of their version.
func (c *Conflict) result() *WorkingDraft {
	d := *c.Draft
	d.Base, d.Mode, d.Entries, d.Restores = c.Theirs.Version, c.Mode.Theirs, nil, 0
	if c.Mode.Side == Mine {
		d.Mode = c.Mode.Mine
	}
	sides := make(map[string]Side, len(c.Lines))
	for i := range c.Lines {
		sides[c.Lines[i].Key] = c.Lines[i].Side
	}
	for i := range c.slots {
		s := &c.slots[i]
		n, id := s.theirs, ""
		if n != nil {
			id = n.ID
		}
		if sides[s.key()] == Mine {
			n = s.mine
		}
		if n == nil {
			continue
		}
		e := DraftEntry{n.ID, DraftsOf([]Network{*n})[0]}
		if e.ID = id; id != "" {
			e.Key = id
		}
		d.Entries = append(d.Entries, e)
	}
	return &d
}
