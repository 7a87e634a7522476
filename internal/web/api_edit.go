package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// writtenEntry is an entry as clients write it. The fields at the end are
// taken and left unread, so that a list can be read, edited and sent back.
type writtenEntry struct {
	ID        string      `json:"id"`
	Range     string      `json:"range"`
	Label     string      `json:"label"`
	Note      string      `json:"note"`
	Owner     string      `json:"owner"`
	Enabled   *bool       `json:"enabled"` // away: true
	NotBefore string      `json:"not_before"`
	Expires   string      `json:"expires"`
	Roles     []gate.Role `json:"roles"`
	Admins    []string    `json:"admins"`

	First     given `json:"first"`
	Last      given `json:"last"`
	Addresses given `json:"addresses"`
	Created   given `json:"created"`
	CreatedBy given `json:"created_by"`
	LastUsed  given `json:"last_used"`
	Uses30d   given `json:"uses_30d"`
}

// draft turns a written entry into a gate.Draft, and notes what of it cannot
// even be read. at is what the names of its fields begin with.
func (e *writtenEntry) draft(at string, bad *[]fieldProblem) gate.Draft {
	moment := func(field, text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		t, err := parseTime(text)
		if err != nil {
			*bad = append(*bad, fieldProblem{at + field, "invalid", err.Error()})
		}
		return t
	}
	return gate.Draft{
		ID: e.ID, Range: e.Range, Label: e.Label, Note: e.Note, Owner: e.Owner,
		Enabled:   e.Enabled == nil || *e.Enabled,
		NotBefore: moment("not_before", e.NotBefore), Expires: moment("expires", e.Expires),
		Roles: e.Roles, Admins: e.Admins,
	}
}

// editedJSON is what came of an edit.
type editedJSON struct {
	Version  int64          `json:"version"`
	Pending  *pendingJSON   `json:"pending"`
	Entry    *networkJSON   `json:"entry,omitempty"` // the one that was added
	Warnings []fieldProblem `json:"warnings"`
}

func showEdited(e *gate.Edited) editedJSON {
	return editedJSON{Version: e.Version, Pending: showPending(e.Pending), Warnings: showWarnings(e.Warnings)}
}

func showWarnings(warnings []gate.Warning) []fieldProblem {
	out := make([]fieldProblem, len(warnings))
	for i, w := range warnings {
		out[i] = fieldProblem{w.Field, w.Code, w.Text}
	}
	return out
}

type putNetworksJSON struct {
	BaseVersion *int64         `json:"base_version"`
	Mode        *gate.Mode     `json:"mode"`
	Entries     []writtenEntry `json:"entries"`
	optionsJSON
}

// edit turns the body into an edit. Version, mode and entries have to be
// there: a list that was forgotten is not an empty one.
func (b *putNetworksJSON) edit(c *call) (gate.Edit, error) {
	var bad []fieldProblem
	for _, f := range []struct {
		name    string
		missing bool
	}{{"base_version", b.BaseVersion == nil}, {"mode", b.Mode == nil}, {"entries", b.Entries == nil}} {
		if f.missing {
			bad = append(bad, fieldProblem{f.name, "required", "this field has to be there"})
		}
	}
	e := gate.Edit{Tenant: c.tenant, Entries: make([]gate.Draft, len(b.Entries)), EditOptions: b.options(c, &bad)}
	for i := range b.Entries {
		e.Entries[i] = b.Entries[i].draft(fmt.Sprintf("entries[%d].", i), &bad)
	}
	if len(bad) > 0 {
		return e, invalid.problem("nothing was changed", bad...)
	}
	e.Base, e.Mode = *b.BaseVersion, *b.Mode
	return e, nil
}

func putNetworks(c *call) (any, error) {
	var body putNetworksJSON
	if err := c.read(&body); err != nil {
		return nil, err
	}
	e, err := body.edit(c)
	if err != nil {
		return nil, err
	}
	done, err := c.h.door.PutNetworks(c.Context(), c.actor, e)
	if err != nil {
		return nil, c.conflicting(err)
	}
	return showEdited(done), nil
}

func postEntry(c *call) (any, error) {
	var body struct {
		writtenEntry
		optionsJSON
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	var bad []fieldProblem
	draft, options := body.draft("", &bad), body.options(c, &bad)
	if body.ID != "" {
		bad = append(bad, fieldProblem{"id", "not_allowed", "a new entry gets its id here: leave it away"})
	}
	if len(bad) > 0 {
		return nil, invalid.problem("nothing was changed", bad...)
	}
	done, err := c.h.door.AddNetwork(c.Context(), c.actor, c.tenant, draft, options)
	if err != nil {
		return nil, c.ofEntry(c.conflicting(err))
	}
	return showAdded(done), nil
}

// ofEntry names the fields of an entry that was not added, which to gate would
// have been the last of the list, as they were sent.
func (c *call) ofEntry(err error) error {
	p := c.h.errorProblem(err)
	if len(p.Errors) == 0 {
		return p
	}
	l, readErr := c.h.door.Networks(c.Context(), c.actor, c.tenant)
	if readErr != nil {
		return readErr
	}
	at := fmt.Sprintf("entries[%d].", len(l.Entries))
	for i := range p.Errors {
		p.Errors[i].Field = strings.TrimPrefix(p.Errors[i].Field, at)
	}
	return p
}

// showAdded shows an edit that added one entry, the last: with the warnings
// that are about it, and without those about entries nobody touched.
func showAdded(done *gate.Edited) editedJSON {
	last := len(done.Entries) - 1
	entry, at := showNetwork(&done.Entries[last]), fmt.Sprintf("entries[%d].", last)
	out := editedJSON{Version: done.Version, Pending: showPending(done.Pending), Entry: &entry, Warnings: []fieldProblem{}}
	for _, w := range done.Warnings {
		if field, ok := strings.CutPrefix(w.Field, at); ok {
			out.Warnings = append(out.Warnings, fieldProblem{field, w.Code, w.Text})
		}
	}
	return out
}

func deleteEntry(c *call) (any, error) {
	written := c.query.options()
	options := written.options(c, &c.query.bad)
	if err := c.query.err(); err != nil {
		return nil, err
	}
	done, err := c.h.door.RemoveNetwork(c.Context(), c.actor, c.tenant, c.arg, options)
	if err != nil {
		return nil, c.conflicting(err)
	}
	return editedJSON{Version: done.Version, Pending: showPending(done.Pending), Warnings: []fieldProblem{}}, nil
}
