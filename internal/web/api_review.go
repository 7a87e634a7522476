package web

import (
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// reviewJSON is what an edit would do.
type reviewJSON struct {
	Base       int64             `json:"base_version"`
	ModeBefore gate.Mode         `json:"mode_before"`
	Mode       gate.Mode         `json:"mode"`
	Changes    []entryChangeJSON `json:"changes"`
	Replay     replayJSON        `json:"replay"`
	Checks     []checkOfJSON     `json:"checks"`
	Ending     int               `json:"sessions_ending"`
	Sessions   []endingJSON      `json:"ending"` // which they are
	Warnings   []fieldProblem    `json:"warnings"`
}

// replayJSON is what a list would have done to the last days' attempts.
type replayJSON struct {
	Days           int          `json:"days"`
	Complete       bool         `json:"complete"` // false: ask again for the rest
	Read           int64        `json:"read"`     // records, of total
	Total          int64        `json:"total"`
	SignIns        int64        `json:"sign_ins"`
	People         int64        `json:"people"`
	StillAllowed   int64        `json:"still_allowed"`
	NewlyBlocked   []lineJSON   `json:"newly_blocked"`
	AlreadyBlocked int64        `json:"already_blocked"`
	WouldBlock     []lineJSON   `json:"would_block"`
	NewlyAllowed   int64        `json:"newly_allowed"`
	StillBlocked   int64        `json:"still_blocked"`
	Unknown        []personJSON `json:"unknown_people"`
}

type personJSON struct {
	ID    string    `json:"id"`
	Login string    `json:"login"`
	Name  string    `json:"name"`
	Role  gate.Role `json:"role"`
}

// lineJSON is one person's sign-ins from one address.
type lineJSON struct {
	Admin   personJSON `json:"admin"`
	Address string     `json:"address"`
	Count   int64      `json:"count"`
	Last    timestamp  `json:"last"`
}

func showPeople(people []gate.AdminView) []personJSON {
	out := make([]personJSON, len(people))
	for i := range people {
		out[i] = showPerson(&people[i])
	}
	return out
}

func showPerson(a *gate.AdminView) personJSON { return personJSON{a.ID, a.Login, a.Name, a.Role} }

func showLines(lines []gate.ReplayLine) []lineJSON {
	out := make([]lineJSON, len(lines))
	for i := range lines {
		l := &lines[i]
		out[i] = lineJSON{showPerson(&l.Admin), l.Address.String(), l.Count, timestamp(l.Last)}
	}
	return out
}

func showReplay(r *gate.Replay) replayJSON {
	return replayJSON{
		Days: r.Days, Complete: r.Complete, Read: r.Read, Total: r.Total, SignIns: r.SignIns, People: r.People,
		StillAllowed: r.StillAllowed, NewlyBlocked: showLines(r.NewlyBlocked), AlreadyBlocked: r.AlreadyBlocked,
		WouldBlock: showLines(r.WouldBlock), NewlyAllowed: r.NewlyAllowed, StillBlocked: r.StillBlocked, Unknown: showPeople(r.Unknown),
	}
}

// checkOfJSON is what one guard says.
type checkOfJSON struct {
	Code     string       `json:"code"`
	OK       bool         `json:"ok"`
	Accept   string       `json:"accept"`   // the word that lets the edit through all the same; empty: none does
	Accepted bool         `json:"accepted"` // it was said
	Address  string       `json:"address,omitempty"`
	Entry    *networkJSON `json:"entry,omitempty"`
	At       timestamp    `json:"at"` // when it first fails
	Kept     int          `json:"kept"`
	Known    int          `json:"known"`
	Needed   int          `json:"needed"`
	Losing   []personJSON `json:"losing"`
}

func showChecks(checks []gate.GuardCheck) []checkOfJSON {
	out := make([]checkOfJSON, len(checks))
	for i := range checks {
		c := &checks[i]
		out[i] = checkOfJSON{
			Code: c.Code, OK: c.OK, Accept: c.Accept, Accepted: c.Accepted, At: timestamp(c.At),
			Kept: c.Kept, Known: c.Known, Needed: c.Needed, Losing: showPeople(c.Losing),
		}
		if c.Address.IsValid() {
			out[i].Address = c.Address.String()
		}
		if c.Entry != nil {
			n := showNetwork(c.Entry)
			out[i].Entry = &n
		}
	}
	return out
}

// endingJSON is a session that would end.
type endingJSON struct {
	ID       string    `json:"id"`
	Login    string    `json:"login"`
	Address  string    `json:"address"`
	LastSeen timestamp `json:"last_seen"`
	Current  bool      `json:"current"` // the one that asks
}

func (c *call) showReview(r *gate.Review) reviewJSON {
	out := reviewJSON{
		Base: r.Base, ModeBefore: r.ModeBefore, Mode: r.ModeAfter, Changes: showEntryChanges(r.Changes),
		Replay: showReplay(r.Replay), Checks: showChecks(r.Checks), Ending: len(r.Ending),
		Sessions: make([]endingJSON, len(r.Ending)), Warnings: showWarnings(r.Warnings),
	}
	for i := range r.Ending {
		s := &r.Ending[i]
		out.Sessions[i] = endingJSON{s.ID, s.Login, s.LastAddress.String(), timestamp(s.LastSeen), s.ID == c.actor.Session}
	}
	return out
}

// postReview says what a list would do, and changes nothing.
func postReview(c *call) (any, error) {
	var body putNetworksJSON
	if err := c.read(&body); err != nil {
		return nil, err
	}
	e, err := body.edit(c)
	if err != nil {
		return nil, err
	}
	r, err := c.h.door.Review(c.Context(), c.actor, e)
	if err != nil {
		return nil, c.conflicting(err)
	}
	return c.showReview(r), nil
}
