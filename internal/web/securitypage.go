package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// securityParams are the filters of the API's list, and what only the page has.
var securityParams = append([]string{"period", "noise", "lang", "done"}, attemptParams...)

// periods are the spans that the page offers; the first is the usual one.
var periods = []struct {
	Value, Key string
	Span       time.Duration
}{
	{"24h", "period.24h", 24 * time.Hour}, {"1h", "period.1h", time.Hour}, {"7d", "period.7d", 7 * 24 * time.Hour}, {"30d", "period.30d", 30 * 24 * time.Hour},
}

// securityFields are what the form filters by, as it shows them.
var securityFields = []gate.Field{gate.FieldOutcome, gate.FieldReason, gate.FieldAddress, gate.FieldLogin, gate.FieldCountry, gate.FieldASN}

const (
	groupNone     = "none" // as group_by: the attempts one by one
	securityRows  = 50     // that the page begins with
	securityMost  = maxLimit
	maxChips      = 20
	refreshPeriod = "2" // seconds, while records are being read
)

// securityData is the page of the security review.
type securityData struct {
	*consoleView
	Periods   []tab
	Span      string // when it is none of the periods; empty: it is
	Since     string // for the fields of another span
	Until     string
	Reading   string // how far the records are read; empty: they are
	Counts    []countView
	Chart     *chartView
	Fields    []filterField
	Hidden    []hiddenField // of the form
	Chips     []chipView
	Clear     string // link that takes away all filters; empty: there are none
	Tabs      []tab  // of the grouping
	Attention []attentionView
	More      string // how many more need attention; empty: these are all
	Noise     string
	ShowNoise string // link that shows it; empty: it is shown, or there is none
	HideNoise string
	Caption   string
	Groups    []groupView
	Attempts  []attemptRow
	Next      string // link to more; empty: these are all
	Shown     string
	Live      string // link; empty: the filters are none that it can have, or the time is over
	Exports   []tab  // empty: the filters are none that a file can have
	Empty     *emptyView

	query securityQuery
}

// tab is one of several links.
type tab struct {
	Text, URL string
	Current   bool
}

// hiddenField is a hidden field of a form.
type hiddenField struct{ Name, Value string }

// countView is a number with its icon and colour.
type countView struct {
	stateWord
	Text string
}

// filterField is a field of the form of filters.
type filterField struct {
	Name, Label, Value, Hint string
	Options                  []option // none: it is typed
}

// chipView is a filter that is set.
type chipView struct {
	Text, Flip, FlipText, Remove, RemoveText string
}

// emptyView says why there is nothing to show.
type emptyView struct {
	Text  string
	Good  bool
	Links []tab
}

// securityQuery is the address of the page, taken apart.
type securityQuery struct {
	values url.Values // without what is empty
	filter gate.AttemptFilter
	period string // one of periods; empty: since and until say it
	group  gate.GroupBy
	noise  bool
	limit  int
	bad    []fieldProblem
}

// readSecurity takes the address of the page apart.
func (s *screen) readSecurity() securityQuery {
	q := securityQuery{values: url.Values{}, group: gate.GroupAddress, limit: securityRows}
	for name, values := range s.URL.Query() {
		if values = slices.DeleteFunc(values, func(v string) bool { return strings.TrimSpace(v) == "" }); len(values) > 0 {
			q.values[name] = values
		}
	}
	for _, name := range []string{"since", "until"} { // as fields of forms have it
		if t, err := time.Parse("2006-01-02T15:04", q.values.Get(name)); err == nil {
			q.values.Set(name, t.Format(time.RFC3339))
		}
	}
	parsed, err := parseQuery(q.values.Encode(), securityParams)
	if err != nil {
		q.bad = parsed.bad
		return q
	}
	q.filter = parsed.filter(s.tenant)
	q.filter.Before = parsed.cursor("attempts").moment()
	if by, ok := parsed.values["group_by"]; ok {
		if q.group = gate.GroupBy(by); by == groupNone {
			q.group = ""
		} else {
			oneOf(&parsed, "group_by", by, gate.Groupings)
		}
	}
	if _, ok := parsed.values["limit"]; ok {
		q.limit = parsed.limit()
	}
	q.noise = parsed.values["noise"] != ""
	q.bad = parsed.bad
	q.setPeriod(s.visit.Decision.Now)
	return q
}

// setPeriod makes times of a period, the usual one where nothing is said.
func (q *securityQuery) setPeriod(now time.Time) {
	if !q.filter.Since.IsZero() {
		return
	}
	i := slices.IndexFunc(periods, func(p struct {
		Value, Key string
		Span       time.Duration
	},
	) bool {
		return p.Value == q.values.Get("period")
	})
	i = max(i, 0)
	q.period = periods[i].Value
	end := now
	if !q.filter.Until.IsZero() && q.filter.Until.Before(end) {
		end = q.filter.Until
	}
	q.filter.Since = end.Add(-periods[i].Span)
}

// link is the address of the page with some of its query changed: pairs of a name
// and a value, an empty one takes it away. A list begins anew.
func (q *securityQuery) link(v *consoleView, pairs ...string) string {
	values := url.Values{}
	for name, list := range q.values {
		if name != "lang" && name != "done" && name != "cursor" {
			values[name] = list
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Del(pairs[i])
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return v.choice.link(Prefix+v.base+securityPath, values)
}

// securityPage shows what was refused and who needs attention.
func securityPage(s *screen) error {
	d := &securityData{consoleView: s.frame("security.title"), query: s.readSecurity()}
	d.Style = "security.css"
	q := &d.query
	if len(q.bad) > 0 {
		for _, bad := range q.bad {
			field := strings.TrimPrefix(bad.Field, "not.")
			if !slices.Contains(securityFields, gate.Field(field)) && field != "since" && field != "until" { // it has no field here
				field = string(gate.FieldOutcome)
			}
			d.Problems = append(d.Problems, trouble{Field: "f-" + field, Text: d.badFilter(bad, q.values)})
		}
		d.form()
		return s.render(http.StatusUnprocessableEntity, "security", d)
	}
	ask := gate.Question{AttemptFilter: q.filter, Group: q.group, Attention: true}
	ask.Limit = q.limit
	sum, err := s.h.door.Summarize(s.Context(), s.actor, ask)
	if err != nil {
		return err
	}
	d.form()
	d.reading(s, sum)
	d.counts(sum)
	d.Chart = d.chart(sum)
	d.attention(s, sum)
	switch {
	case q.group == "":
		err = d.attempts(s)
	case q.group != gate.GroupAddress || q.noise:
		d.groups(sum)
	}
	if err == nil && sum.Records == 0 {
		err = d.empty(s)
	}
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "security", d)
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
		d.Periods = append(d.Periods, tab{d.T(p.Key), q.link(d.consoleView, "period", p.Value, "since", "", "until", ""), p.Value == q.period && q.filter.Until.IsZero()})
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
	if byPlace || d.Visiting() { // the API is of whoever looks
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

// reading says from when on everything is counted, while it is not all of it.
func (d *securityData) reading(s *screen, sum *gate.Summary) {
	switch {
	case sum.Complete:
	case sum.Full:
		d.Reading = d.T("security.full", "Time", d.minute(sum.Since))
	default:
		d.Reading = d.T("security.reading", "Time", d.minute(sum.Since), "Read", sum.Read, "Total", sum.Total)
		s.w.Header().Set("Refresh", refreshPeriod)
	}
}

// counts are the sums above the chart.
func (d *securityData) counts(sum *gate.Summary) {
	for _, c := range []struct {
		outcome gate.Outcome
		key     string
		n       int64
	}{
		{gate.Blocked, "count.blocked", sum.Total.Blocked}, {gate.WouldBlock, "count.would_block", sum.Total.WouldBlock},
		{gate.Refused, "count.refused", sum.Total.Refused}, {gate.Allowed, "count.allowed", sum.Total.Allowed},
	} {
		d.Counts = append(d.Counts, countView{outcomeWords[c.outcome], grouped(c.n) + " " + d.T(c.key)})
	}
}

// empty says why there is nothing, and what would show something.
func (d *securityData) empty(s *screen) error {
	q := &d.query
	if len(d.Chips) == 0 {
		all := gate.Question{AttemptFilter: gate.AttemptFilter{Tenant: s.tenant, Since: s.h.door.Oldest()}}
		sum, err := s.h.door.Summarize(s.Context(), s.actor, all)
		if err != nil {
			return err
		}
		if sum.Complete && sum.Records == 0 {
			d.Empty = &emptyView{Text: d.T("security.first")}
			return nil
		}
		d.Empty = &emptyView{Text: d.T("security.none"), Good: true}
		return nil
	}
	d.Empty = &emptyView{Text: d.T("security.none.filter", "N", len(d.Chips))}
	for i, chip := range d.Chips {
		if i == 5 {
			break
		}
		without := q.filter
		without.Where = withoutFilter(q.filter.Where, i)
		sum, err := s.h.door.Summarize(s.Context(), s.actor, gate.Question{AttemptFilter: without})
		if err != nil {
			return err
		}
		if n := sum.Total.NotAllowed() + sum.Total.Allowed; n > 0 {
			d.Empty.Links = append(d.Empty.Links, tab{Text: d.T("security.without", "F", chip.Text, "Count", grouped(n)), URL: chip.Remove})
		}
	}
	if d.Clear != "" {
		d.Empty.Links = append(d.Empty.Links, tab{Text: d.T("chip.clear"), URL: d.Clear})
	}
	return nil
}

// withoutFilter leaves out the conditions of one chip.
func withoutFilter(where []gate.Condition, chip int) []gate.Condition {
	type name struct {
		field gate.Field
		not   bool
	}
	var names []name // in the order of the chips
	for _, c := range where {
		if n := (name{c.Field, c.Not}); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if chip >= len(names) {
		return where
	}
	return slices.DeleteFunc(slices.Clone(where), func(c gate.Condition) bool { return name{c.Field, c.Not} == names[chip] })
}

// limitLink leads to more groups.
func (d *securityData) limitLink() string {
	return d.query.link(d.consoleView, "limit", strconv.Itoa(min(d.query.limit*4, securityMost)))
}
