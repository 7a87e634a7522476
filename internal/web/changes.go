package web

import (
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// entryView is an entry in words.
type entryView struct {
	Range, Label string
	Facts        []entryFact
}

// entryFact is one thing about an entry. Before is what it was where that is
// another, and else empty.
type entryFact struct{ Name, Value, Before string }

// changeRow is what happened to an entry, as templates/changes.html shows it.
type changeRow struct {
	entryView
	Kind, Class, Icon, Word string
	Was                     string // range before, where that is another
	Key                     string // of the entry in a draft
}

// changeKinds are the looks of changes.
var changeKinds = map[gate.ChangeOf]changeRow{
	gate.Added:   {Kind: "added", Class: "allowed", Icon: "plus", Word: "change.added"},
	gate.Removed: {Kind: "removed", Class: "blocked", Icon: "minus", Word: "change.removed"},
	gate.Changed: {Kind: "changed", Class: "dry", Icon: "tilde", Word: "change.changed"},
}

// changeRows are changes in words. names are those of admins, by their ids.
func (l *locale) changeRows(changes []gate.NetworkChange, names map[string]string) []changeRow {
	rows := make([]changeRow, len(changes))
	for i, c := range changes {
		row := changeKinds[c.Kind]
		row.Word = l.T(row.Word)
		if c.After != nil {
			row.entryView, row.Key = l.entryView(c.After, names), c.After.ID
		} else {
			row.entryView, row.Key = l.entryView(c.Before, names), c.Before.ID
		}
		if c.Kind == gate.Changed {
			row.Facts = l.differences(c, names)
			if slices.Contains(c.Fields, "range") {
				row.Was = c.Before.Range.String()
			}
		}
		rows[i] = row
	}
	return rows
}

// entryFields are the fields of an entry that are told about it, in order, with
// the keys of their names.
var entryFields = []struct{ name, word string }{
	{"label", "change.field.label"}, {"enabled", "change.field.enabled"},
	{"not_before", "change.field.not_before"}, {"expires", "change.field.expires"},
	{"roles", "change.field.roles"}, {"admins", "change.field.admins"},
	{"owner", "change.field.owner"}, {"note", "change.field.note"},
}

// entryView says of an entry when it ends, and what else is not as usual.
func (l *locale) entryView(n *gate.Network, names map[string]string) entryView {
	v := entryView{Range: n.Range.String(), Label: n.Label}
	usual := gate.Network{Enabled: true}
	for _, f := range entryFields {
		value := l.fieldValue(n, f.name, names)
		if f.name == "label" || f.name != "expires" && value == l.fieldValue(&usual, f.name, names) {
			continue
		}
		v.Facts = append(v.Facts, entryFact{Name: l.T(f.word), Value: value})
	}
	return v
}

func (l *locale) differences(c gate.NetworkChange, names map[string]string) (facts []entryFact) {
	for _, f := range entryFields {
		if slices.Contains(c.Fields, f.name) {
			facts = append(facts, entryFact{l.T(f.word), l.fieldValue(c.After, f.name, names), l.fieldValue(c.Before, f.name, names)})
		}
	}
	return facts
}

// fieldValue is a field of an entry in words, never empty.
func (l *locale) fieldValue(n *gate.Network, field string, names map[string]string) string {
	switch field {
	case "label":
		return n.Label
	case "enabled":
		if n.Enabled {
			return l.T("change.on")
		}
		return l.T("change.off")
	case "not_before":
		if n.NotBefore.IsZero() {
			return l.T("change.at_once")
		}
		return l.moment(n.NotBefore).Text
	case "expires":
		if n.Expires.IsZero() {
			return l.T("change.never")
		}
		return l.moment(n.Expires).Text
	case "roles":
		words := make([]string, len(n.Roles))
		for i, r := range n.Roles {
			words[i] = l.T(roleWords[r])
		}
		return l.listed(words)
	case "admins":
		return l.listed(called(n.Admins, names, l.T("change.gone")))
	case "owner":
		return l.orNone(n.Owner)
	}
	return l.orNone(n.Note)
}

// called are the names of admins; those who are gone are all called gone.
func called(ids []string, names map[string]string, gone string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		var there bool
		if out[i], there = names[id]; !there {
			out[i] = gone
		}
	}
	slices.Sort(out)
	return out
}

func (l *locale) listed(words []string) string {
	return l.orNone(strings.Join(words, l.comma))
}

func (l *locale) orNone(text string) string {
	if text == "" {
		return l.T("change.none")
	}
	return text
}
