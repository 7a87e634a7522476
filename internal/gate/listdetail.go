package gate

import "time"

// listDetail is what the change log keeps of a change of a list. With the entries
// as they were and became, the chain of the log says what the list was at any time,
// whatever happened to the tables of the list since.
type listDetail struct {
	Base int64 `json:"base,omitempty"` // the version it was made from, or that came back
	difference
	Entries      []entryDifference `json:"entries,omitempty"`
	Reason       string            `json:"reason,omitempty"`
	Accepted     []string          `json:"accepted,omitempty"`
	ConfirmUntil string            `json:"confirm_until,omitempty"`
	Restores     int64             `json:"restores,omitempty"`
	Change       int64             `json:"change,omitempty"` // the version that was confirmed or undone
	Why          string            `json:"why,omitempty"`
}

// modeDetail is what a list has beside its entries.
type modeDetail struct {
	Mode Mode `json:"mode"`
}

// entryDifference is an entry that was added, removed or changed.
type entryDifference struct {
	Before *entryDetail `json:"before,omitempty"`
	After  *entryDetail `json:"after,omitempty"`
}

// entryDetail is an entry with the names that its fields have in the API.
type entryDetail struct {
	ID        string   `json:"id"`
	Range     string   `json:"range"`
	Label     string   `json:"label"`
	Note      string   `json:"note,omitempty"`
	Owner     string   `json:"owner,omitempty"`
	Enabled   bool     `json:"enabled"`
	NotBefore string   `json:"not_before,omitempty"`
	Expires   string   `json:"expires,omitempty"`
	Roles     []Role   `json:"roles,omitempty"`
	Admins    []string `json:"admins,omitempty"` // ids
}

func (n *Network) detail() *entryDetail {
	if n == nil {
		return nil
	}
	text := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	return &entryDetail{
		n.ID, n.Range.String(), n.Label, n.Note, n.Owner, n.Enabled, text(n.NotBefore), text(n.Expires), n.Roles, n.Admins,
	}
}

// between says what leads from one mode and list to another.
func between(before, after Mode, was, is []Network) listDetail {
	d := listDetail{difference: difference{Before: modeDetail{before}, After: modeDetail{after}}}
	for _, c := range Compare(was, is) {
		d.Entries = append(d.Entries, entryDifference{c.Before.detail(), c.After.detail()})
	}
	return d
}
