package web

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// tab is one of several links.
type tab struct {
	Text, URL string
	Current   bool
}

// hiddenField is a hidden field of a form.
type hiddenField struct{ Name, Value string }

// filterField is a field of the form of filters.
type filterField struct {
	Name, Label, Value, Hint string
	Options                  []option // none: it is typed
}

// chipView is a filter that is set.
type chipView struct {
	Text, Flip, FlipText, Remove, RemoveText string
}

// badFilter says in words which filter cannot be.
func (l *locale) badFilter(bad fieldProblem, values url.Values) string {
	name := strings.TrimPrefix(bad.Field, "not.")
	if key, ok := filterWords[gate.Field(name)]; ok {
		name = l.T(key)
	}
	value := values.Get(bad.Field)
	if gate.Field(strings.TrimPrefix(bad.Field, "not.")) == gate.FieldAddress {
		if _, _, err := cidr.Parse(value); err != nil {
			return l.rangeFault(err)
		}
	}
	return l.T("filter.bad", "Field", name, "Value", shorten(export.Plain(value)))
}

// filterWords are the names of what is filtered by.
var filterWords = map[gate.Field]string{
	gate.FieldOutcome: "col.outcome", gate.FieldReason: "col.reason", gate.FieldStage: "col.stage", gate.FieldAddress: "filter.address",
	gate.FieldLogin: "filter.login", gate.FieldReference: "col.reference", gate.FieldCountry: "filter.country", gate.FieldASN: "filter.asn",
	gate.FieldPassword: "col.password",
}

// form makes everything that changes the address of the page.
func (d *securityData) form() {
	q := &d.query
	for _, p := range periods {
		d.Periods = append(d.Periods, tab{d.T(p.key), q.link(d.consoleView, "period", p.value, "since", "", "until", ""), p.value == q.period && q.filter.Until.IsZero()})
	}
	if len(q.bad) == 0 {
		d.Since = q.filter.Since.UTC().Format("2006-01-02T15:04")
		if !q.filter.Until.IsZero() {
			d.Until = q.filter.Until.UTC().Format("2006-01-02T15:04")
		}
		if q.period == "" || !q.filter.Until.IsZero() {
			d.Span = d.span()
		}
	}
	for _, field := range securityFields {
		d.Fields = append(d.Fields, d.field(field))
	}
	shown := func(name string) bool { return slices.Contains(securityFields, gate.Field(name)) }
	for _, name := range securityParams {
		if value := q.values.Get(name); value != "" && !shown(name) && !slices.Contains([]string{"lang", "done", "cursor", "limit"}, name) {
			d.Hidden = append(d.Hidden, hiddenField{name, value})
		}
	}
	d.chips()
	for _, by := range append([]gate.GroupBy{groupNone}, gate.Groupings...) {
		current := by == q.group || by == groupNone && q.group == ""
		d.Tabs = append(d.Tabs, tab{d.T(groupWords[by]), q.link(d.consoleView, "group_by", string(by), "limit", ""), current})
	}
	d.exports()
}

// groupWords are the names of groupings.
var groupWords = map[gate.GroupBy]string{
	groupNone: "group.none", gate.GroupAddress: "group.address", gate.GroupNetwork: "group.network", gate.GroupAdmin: "group.admin",
	gate.GroupReason: "group.reason", gate.GroupCountry: "group.country", gate.GroupASN: "group.asn",
}

// span is the time that is looked at, where it is none of the periods.
func (d *securityData) span() string {
	until := d.T("period.now")
	if !d.query.filter.Until.IsZero() {
		until = d.minute(d.query.filter.Until)
	}
	return d.T("period.span", "Since", d.minute(d.query.filter.Since), "Until", until)
}

func (d *securityData) field(field gate.Field) filterField {
	f := filterField{Name: string(field), Label: d.T(filterWords[field]), Value: d.query.values.Get(string(field))}
	switch field {
	case gate.FieldOutcome:
		for _, o := range gate.Outcomes {
			f.Options = append(f.Options, option{string(o), outcomeWords[o].Word})
		}
	case gate.FieldReason:
		for _, r := range gate.Reasons {
			f.Options = append(f.Options, option{string(r), reasonWords[r]})
		}
	case gate.FieldCountry:
		f.Hint = "SG"
	case gate.FieldASN:
		f.Hint = "AS64500"
	case gate.FieldAddress:
		f.Hint = "198.51.100.0/24"
	}
	return f
}

// chips are the filters that are set, each with the links that change it.
func (d *securityData) chips() {
	q := &d.query
	none := []string{}
	for _, field := range filterFields {
		for _, not := range []string{"", "not."} {
			name := not + string(field)
			none = append(none, name, "")
			value := q.values.Get(name)
			if value == "" || len(d.Chips) == maxChips {
				continue
			}
			other, key := "not."+string(field), "chip.is"
			flip := d.T("chip.exclude")
			if not != "" {
				other, key, flip = string(field), "chip.not", d.T("chip.include")
			}
			text := d.T(key, "Field", d.T(filterWords[field]), "Value", d.filterValue(field, value))
			d.Chips = append(d.Chips, chipView{
				Text: text, Flip: q.link(d.consoleView, name, "", other, value), FlipText: flip,
				Remove: q.link(d.consoleView, name, ""), RemoveText: d.T("chip.remove", "Filter", text),
			})
		}
	}
	if len(d.Chips) > 1 {
		d.Clear = q.link(d.consoleView, none...)
	}
}

// filterValue is what a filter is set to, in words where there are any.
func (l *locale) filterValue(field gate.Field, value string) string {
	words := strings.Split(value, ",")
	for i, word := range words {
		switch field {
		case gate.FieldOutcome:
			if w, ok := outcomeWords[gate.Outcome(word)]; ok {
				words[i] = l.T(w.Word)
			}
		case gate.FieldReason:
			if key, ok := reasonWords[gate.Reason(word)]; ok {
				words[i] = l.T(key)
			}
		case gate.FieldCountry:
			words[i] = geo.Name(strings.ToUpper(word), language.MustParse(l.Lang))
		default:
			words[i] = shorten(export.Plain(word))
		}
	}
	return l.List(words)
}

// formatNames are what formats are called, in every language.
var formatNames = map[export.Format]string{
	export.CSV: "CSV", export.JSONLines: "JSON Lines", export.ECS: "ECS", export.OCSF: "OCSF", export.CEF: "CEF",
}

// exports are links to what else there is of what the filters select: files, and
// the live tail where the time goes on. Neither can be filtered by place, which no
// record has.
func (d *securityData) exports() {
	q := &d.query
	byPlace := slices.ContainsFunc(q.filter.Where, func(c gate.Condition) bool { return c.Field == gate.FieldCountry || c.Field == gate.FieldASN })
	if byPlace || d.Visit { // the API is of whoever looks
		return
	}
	values := url.Values{}
	for _, name := range tailParams {
		if v := q.values.Get(name); v != "" {
			values.Set(name, v)
		}
	}
	if q.filter.Until.IsZero() {
		d.Live = d.choice.link(Prefix+livePath, maps.Clone(values))
	} else {
		values.Set("until", q.filter.Until.UTC().Format(time.RFC3339))
	}
	values.Set("since", q.filter.Since.UTC().Format(time.RFC3339))
	for _, f := range export.Formats {
		values.Set("format", string(f))
		if f == export.CSV {
			values.Set("lang", d.Lang)
		} else {
			values.Del("lang")
		}
		d.Exports = append(d.Exports, tab{Text: formatNames[f], URL: apiPrefix + "attempts/export?" + values.Encode()})
	}
}
