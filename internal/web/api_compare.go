package web

import (
	"strconv"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// entryChangeJSON is one difference between two lists.
type entryChangeJSON struct {
	Change gate.ChangeOf `json:"change"`
	Before *networkJSON  `json:"before"`
	After  *networkJSON  `json:"after"`
	Fields []string      `json:"fields"` // that differ, where changed
}

func showEntryChanges(changes []gate.NetworkChange) []entryChangeJSON {
	side := func(n *gate.Network) *networkJSON {
		if n == nil {
			return nil
		}
		shown := showNetwork(n)
		return &shown
	}
	out := make([]entryChangeJSON, len(changes))
	for i, c := range changes {
		out[i] = entryChangeJSON{c.Kind, side(c.Before), side(c.After), append([]string{}, c.Fields...)}
	}
	return out
}

// comparedJSON is a version with its entries and how it differs from another,
// by default from the one before it.
type comparedJSON struct {
	versionJSON
	Against int64             `json:"against"` // 0: it is the first
	Changes []entryChangeJSON `json:"changes"`
}

func getVersion(c *call) (any, error) {
	n, err := versionNumber(c.arg)
	if err != nil {
		return nil, err
	}
	against := c.query.version("against", n-1)
	if err := c.query.err(); err != nil {
		return nil, err
	}
	v, err := c.h.door.Version(c.Context(), c.actor, c.tenant, n)
	if err != nil {
		return nil, err
	}
	out := comparedJSON{versionJSON: showVersion(v), Against: against}
	out.Entries = showNetworks(v.Networks)
	before := &gate.ListVersion{} // the first has none before it
	if against > 0 {
		if before, err = c.h.door.Version(c.Context(), c.actor, c.tenant, against); err != nil {
			return nil, err
		}
	}
	out.Changes = showEntryChanges(gate.Compare(before.Networks, v.Networks))
	return out, nil
}

// versionNumber reads the number of a version; to gate, 0 is the newest.
func versionNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, gate.ErrNotFound
	}
	return n, nil
}

// version reads the number of a version, where it is given.
func (q *query) version(name string, otherwise int64) int64 {
	text, ok := q.values[name]
	if !ok {
		return otherwise
	}
	n, err := versionNumber(text)
	if err != nil {
		q.note(name, "invalid", "this has to be the number of a version, 1 or more")
	}
	return n
}

// restoredJSON is a list as it can be reviewed and put.
type restoredJSON struct {
	Base    int64            `json:"base_version"`
	Mode    gate.Mode        `json:"mode"`
	Entries []draftEntryJSON `json:"entries"`
	Changes int              `json:"changes"` // against base_version
}

// draftEntryJSON is an entry of a draft; without an id it is a new one.
type draftEntryJSON struct {
	ID        string      `json:"id,omitempty"`
	Range     string      `json:"range"`
	Label     string      `json:"label"`
	Note      string      `json:"note"`
	Owner     string      `json:"owner"`
	Enabled   bool        `json:"enabled"`
	NotBefore timestamp   `json:"not_before"`
	Expires   timestamp   `json:"expires"`
	Roles     []gate.Role `json:"roles"`
	Admins    []string    `json:"admins"`
}

func showDraftEntry(d *gate.Draft) draftEntryJSON {
	return draftEntryJSON{
		ID: d.ID, Range: d.Range, Label: d.Label, Note: d.Note, Owner: d.Owner, Enabled: d.Enabled,
		NotBefore: timestamp(d.NotBefore), Expires: timestamp(d.Expires),
		Roles: append([]gate.Role{}, d.Roles...), Admins: append([]string{}, d.Admins...),
	}
}

// postRestore makes an earlier version the caller's draft.
func postRestore(c *call) (any, error) {
	n, err := versionNumber(c.arg)
	if err != nil {
		return nil, err
	}
	d, err := c.h.door.RestoreAsDraft(c.Context(), c.actor, c.tenant, n)
	if err != nil {
		return nil, err
	}
	out := restoredJSON{Base: d.Base, Mode: d.Mode, Entries: make([]draftEntryJSON, len(d.Entries)), Changes: d.Changes}
	for i := range d.Entries {
		out.Entries[i] = showDraftEntry(&d.Entries[i].Draft)
	}
	return out, nil
}
