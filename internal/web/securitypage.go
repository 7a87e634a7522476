package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
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

// countView is a number with its icon and colour.
type countView struct {
	stateWord
	Text string
}

// emptyView says why there is nothing to show.
type emptyView struct {
	Text  string
	Good  bool
	Links []tab
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
