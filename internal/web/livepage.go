package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// livePath is the path of the live tail.
const livePath = securityPath + "/live"

const (
	liveRows    = 50              // that the page begins with
	liveRefresh = "10"            // seconds, for who has no scripts and wants that
	liveOverlap = 5 * time.Second // before the page was made, whose records may become visible after it
)

// notLive are what the query of the live page may have beside filters: the rest
// of the review page's, from which it is reached, and its own.
var notLive = []string{"lang", "done", "since", "until", "group_by", "limit", "cursor", "refresh"}

// liveData is the live tail.
type liveData struct {
	*consoleView
	Filters    []liveFilter
	Rows       []liveRow
	Prototypes []liveRow // one for each outcome, of which the script makes rows
	Stream     string    // where events come from
	Alive      string    // where the script asks whether the session still counts
	Review     string    // the review page with these filters
	Words      string    // of the script, as JSON
	Self       string    // this page as it is
	Every      string    // this page, loading itself anew
	Refreshing bool
}

// liveFilter is a condition, as it stands in the query.
type liveFilter struct{ Name, Value string }

// liveRow is an attempt on one line. A prototype has a link to which its
// reference is added.
type liveRow struct {
	Outcome   gate.Outcome
	Verdict   stateWord
	Word      string // of the verdict
	At        moment // the time of day
	Address   string
	Place     string
	Who       string
	Reason    string
	Count     string // empty: once
	Reference string
	Link      string
}

// livePage shows attempts as they happen: by a script, and without one the newest
// each time that it is loaded.
func livePage(s *screen) error {
	d := &liveData{consoleView: s.frame("live.title")}
	values := s.URL.Query()
	for name := range values {
		if values.Get(name) == "" || slices.Contains(notLive, name) {
			delete(values, name)
		}
	}
	q, err := parseQuery(values.Encode(), tailParams)
	f := q.filter(s.tenant)
	if err == nil {
		err = q.err()
	}
	if p, ok := errors.AsType[problem](err); ok {
		for _, field := range p.Errors {
			d.Problems = append(d.Problems, trouble{Field: "filters", Text: d.T("live.filter.wrong", "Name", field.Field)})
		}
		d.Review = d.Link(securityPath)
		return s.render(http.StatusBadRequest, "live", d)
	}
	f.Limit = liveRows
	found, err := s.h.door.Attempts(s.Context(), s.actor, f)
	if err != nil {
		return err
	}
	for i := range found {
		d.Rows = append(d.Rows, d.liveRow(s, &found[i]))
	}
	for _, outcome := range gate.Outcomes {
		d.Prototypes = append(d.Prototypes, liveRow{Outcome: outcome, Verdict: outcomeWords[outcome], Word: d.T(outcomeWords[outcome].Word), Reference: "SP", Link: d.Link(securityPath)})
	}
	d.links(s, values)
	if d.Refreshing = s.URL.Query().Get("refresh") != ""; d.Refreshing {
		s.w.Header().Set("Refresh", liveRefresh)
	}
	d.Words, err = d.liveWords()
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "live", d)
}

// links sets where the page leads with its filters.
func (d *liveData) links(s *screen, filters url.Values) {
	with := func(path string, more ...string) string {
		query := url.Values{}
		for name, value := range filters {
			query[name] = value
		}
		for i := 0; i+1 < len(more); i += 2 {
			query.Set(more[i], more[i+1])
		}
		return d.choice.link(Prefix+path, query)
	}
	d.Self, d.Every, d.Review = with(livePath), with(livePath, "refresh", liveRefresh), with(securityPath)
	from := s.visit.Decision.Now.Add(-liveOverlap).UnixMicro()
	d.Stream = apiPrefix + "attempts/stream?" + merged(filters, lastEventParam, number(from))
	d.Alive = apiPrefix + "me"
	for name := range filters {
		d.Filters = append(d.Filters, liveFilter{name, export.Plain(filters.Get(name))})
	}
	slices.SortFunc(d.Filters, func(a, b liveFilter) int { return strings.Compare(a.Name, b.Name) })
}

// merged is a query with one more value.
func merged(values url.Values, name, value string) string {
	query := url.Values{name: {value}}
	for n, v := range values {
		query[n] = v
	}
	return query.Encode()
}

func (d *liveData) liveRow(s *screen, a *gate.Attempt) liveRow {
	row := liveRow{
		Outcome: a.Outcome, Verdict: outcomeWords[a.Outcome], Word: d.T(outcomeWords[a.Outcome].Word),
		At:      moment{d.moment(a.LastTime).Machine, a.LastTime.UTC().Format(time.TimeOnly)},
		Address: addressText(a.Address, a.Bits), Place: export.Plain(s.h.door.PlaceOf(a.Address, a.Bits).String()),
		Who: export.Plain(a.Login), Reason: d.T(reasonWords[a.Reason]), Reference: a.Reference, Link: d.Link(attemptLink(a.Reference)),
	}
	if row.Address == "" {
		row.Address = d.T("explain.unknown")
	}
	if a.LoginHash != "" {
		row.Who = d.T("live.stranger")
	}
	if a.Count > 1 {
		row.Count = "×" + grouped(a.Count)
	}
	return row
}

// liveWords are what the script says. Names in braces stand for values.
func (v *consoleView) liveWords() (string, error) {
	words := map[string]any{
		"connecting": v.T("live.connecting"), "live": v.T("live.live"), "paused": v.T("live.paused", "Count", "{N}"), "lost": v.T("live.lost", "S", "{S}"),
		"ended": v.T("live.ended"), "outside": v.T("live.outside"), "pause": v.T("live.pause"), "resume": v.T("live.resume"),
		"gap": v.T("live.gap", "Count", "{N}"), "new": v.forms("live.new"), "said": v.forms("live.said"),
		"flood": v.T("live.flood", "Count", "{N}", "Net", "{Net}", "S", "{S}"), "many": v.T("live.flood.many", "Count", "{N}", "M", "{M}", "S", "{S}"),
		"unknown": v.T("explain.unknown"), "stranger": v.T("live.stranger"),
	}
	reasons := map[gate.Reason]string{}
	for reason, key := range reasonWords {
		reasons[reason] = v.T(key)
	}
	words["reasons"] = reasons
	text, err := json.Marshal(words)
	return string(text), err
}

// forms are the sentence for one and the one for more, with {N} for the number.
func (v *consoleView) forms(key string) [2]string {
	return [2]string{strings.Replace(v.T(key, "N", 1), "1", "{N}", 1), strings.Replace(v.T(key, "N", 2), "2", "{N}", 1)}
}
