package web

import (
	"bytes"
	"encoding/json"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// entriesPerChange is how many entries the page names of one change; the rest is
// behind a link.
const entriesPerChange = 10

// loggedEntry is an entry as the change log has it: a field whose text was erased
// may stand for a range or a time that it is none of any more.
type loggedEntry map[string]json.RawMessage

// loggedEntries shows the entries in the detail of a change, and says how many are
// left out. names are those of admins, by their ids.
func (l *locale) loggedEntries(text json.RawMessage, names map[string]string) (rows []changeRow, more int) {
	var entries []struct{ Before, After loggedEntry }
	if json.Unmarshal(text, &entries) != nil {
		return nil, 0
	}
	for _, e := range entries[:min(len(entries), entriesPerChange)] {
		kind, now := gate.Changed, e.After
		switch {
		case e.Before == nil:
			kind = gate.Added
		case e.After == nil:
			kind, now = gate.Removed, e.Before
		}
		row := changeKinds[kind]
		row.Word, row.Range, row.Label = l.T(row.Word), l.valueText("range", now["range"]), l.valueText("label", now["label"])
		if kind == gate.Changed {
			if was := l.valueText("range", e.Before["range"]); was != row.Range {
				row.Was = was
			}
			row.Facts = l.loggedDifferences(e.Before, e.After, names)
		}
		rows = append(rows, row)
	}
	return rows, len(entries) - len(rows)
}

func (l *locale) loggedDifferences(before, after loggedEntry, names map[string]string) (facts []entryFact) {
	value := func(e loggedEntry, field string) string {
		var ids []string
		if field == "admins" && json.Unmarshal(e[field], &ids) == nil {
			return l.listed(called(ids, names, l.T("change.gone")))
		}
		return l.orNone(l.valueText(field, e[field]))
	}
	for _, f := range entryFields {
		if !bytes.Equal(before[f.name], after[f.name]) {
			facts = append(facts, entryFact{l.T(f.word), value(after, f.name), value(before, f.name)})
		}
	}
	return facts
}
