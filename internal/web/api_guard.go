package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// optionsJSON is what every edit of a list can say beside what it changes.
type optionsJSON struct {
	Reason        string   `json:"reason"`
	ConfirmWithin wait     `json:"confirm_within"`
	Accept        []string `json:"accept"`
}

// optionParams are the same for calls that take no body; the words of accept
// are parted by commas.
var optionParams = []string{"reason", "confirm_within", "accept"}

func (o *optionsJSON) options(c *call, bad *[]fieldProblem) gate.EditOptions {
	within, err := o.ConfirmWithin.duration()
	if err != nil {
		*bad = append(*bad, fieldProblem{"confirm_within", "invalid", err.Error()})
	}
	for i, word := range o.Accept { // whoever says one expects it to mean something
		if !slices.Contains(gate.AcceptWords, word) {
			*bad = append(*bad, fieldProblem{fmt.Sprintf("accept[%d]", i), "unknown", "what can be accepted is " + strings.Join(gate.AcceptWords, ", ")})
		}
	}
	return gate.EditOptions{Reason: o.Reason, ConfirmWithin: within, Accept: o.Accept, Trusted: c.h.door.Source.Trusted}
}

// options reads them from the query.
func (q *query) options() (o optionsJSON) {
	o.Reason, o.ConfirmWithin = q.values["reason"], wait(q.values["confirm_within"])
	if words, ok := q.values["accept"]; ok {
		o.Accept = strings.Split(words, ",")
	}
	return o
}

// wait is a stretch of time as it is written: "5m", or a number of seconds.
type wait string

// UnmarshalJSON implements json.Unmarshaler.
func (w *wait) UnmarshalJSON(value []byte) error {
	if string(value) == "null" {
		return nil
	}
	if value[0] == '"' {
		return json.Unmarshal(value, (*string)(w))
	}
	var seconds json.Number
	if err := json.Unmarshal(value, &seconds); err != nil {
		return err
	}
	*w = wait(seconds)
	return nil
}

func (w wait) duration() (time.Duration, error) {
	if w == "" {
		return 0, nil
	}
	text := string(w)
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no time: write 5m, 90s, or a number of seconds", shorten(string(w)))
	}
	return d, nil
}

// pendingJSON is a change that is undone unless it is confirmed.
type pendingJSON struct {
	Version int64     `json:"version"`
	Base    int64     `json:"base"` // the version that comes back
	Until   timestamp `json:"until"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
}

func showPending(p *gate.Pending) *pendingJSON {
	if p == nil {
		return nil
	}
	return &pendingJSON{Version: p.Version, Base: p.Base, Until: timestamp(p.Until), By: p.By, Reason: p.Reason}
}

// guardJSON says more about an edit that a guard refused.
type guardJSON struct {
	Accept string    `json:"accept,omitempty"` // the word that lets it through all the same
	At     timestamp `json:"at,omitzero"`      // when it would go wrong first
	Kept   *int      `json:"kept,omitempty"`   // admins who would keep a network, of those known, and who have to
	Known  *int      `json:"known,omitempty"`
	Needed *int      `json:"needed,omitempty"`
	Losing []string  `json:"losing,omitempty"` // logins
}

// guardProblem is the answer to an edit that a guard refused, if that is it.
func guardProblem(err error) (p problem, ok bool) {
	if e, ok := errors.AsType[*gate.EndsError](err); ok {
		p := locksEveryoneOut.problem("from " + e.At.UTC().Format(time.RFC3339) + " on no entry would let an owner in: let one go on, or say that you mean it")
		p.Guard = &guardJSON{Accept: gate.AcceptEnds, At: timestamp(e.At)}
		return p, true
	}
	if e, ok := errors.AsType[*gate.CoverError](err); ok {
		p := cutsOffAdmins.problem(fmt.Sprintf("%d of %d admins would keep a network that they used in the last 30 days, and at least %d must", e.Kept, e.Known, e.Needed))
		more := &guardJSON{Accept: gate.AcceptFewAdmins, At: timestamp(e.At), Kept: &e.Kept, Known: &e.Known, Needed: &e.Needed}
		for _, a := range e.Losing {
			more.Losing = append(more.Losing, a.Login)
		}
		p.Guard = more
		return p, true
	}
	if errors.Is(err, gate.ErrLocksYouOut) {
		p := locksYouOut.problem("the new list does not contain your own address: add the network that you are in, or give it a time to confirm and accept own_address, so that an owner on a network of the new list has to confirm it")
		p.Guard = &guardJSON{Accept: gate.AcceptOwnAddress}
		return p, true
	}
	return p, false
}

// conflicting is the answer to an edit that failed: with the list as it is now, or
// the change that waits, where that is why.
func (c *call) conflicting(err error) error {
	p := c.h.errorProblem(err)
	switch {
	case errors.Is(err, gate.ErrChangePending):
		if waiting := showPending(c.h.door.Pending(c.tenant)); waiting != nil {
			p.Pending = waiting
		}
	case p.code() == versionConflict.code:
		theirs, err := getNetworks(c)
		if err != nil {
			return err
		}
		p.Theirs = theirs
	}
	return p
}

// versionBody names the change that is meant.
type versionBody struct {
	Version *int64 `json:"version"`
}

func (c *call) readVersion() (int64, error) {
	var body versionBody
	if err := c.read(&body); err != nil {
		return 0, err
	}
	if body.Version == nil {
		return 0, invalid.problem("nothing was changed", fieldProblem{"version", "required", "this field has to be there: the version of the change that waits"})
	}
	return *body.Version, nil
}

func postConfirm(c *call) (any, error) {
	version, err := c.readVersion()
	if err != nil {
		return nil, err
	}
	if err := c.h.door.Confirm(c.Context(), c.actor, c.tenant, version); err != nil {
		return nil, err
	}
	return editedJSON{Version: version, Warnings: []fieldProblem{}}, nil
}

func postUndo(c *call) (any, error) {
	version, err := c.readVersion()
	if err != nil {
		return nil, err
	}
	done, err := c.h.door.Undo(c.Context(), c.actor, c.tenant, version)
	if err != nil {
		return nil, err
	}
	return showEdited(done), nil
}
