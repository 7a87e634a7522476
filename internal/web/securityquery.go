package web

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// securityParams are the filters of the API's list, and what only the page has.
var securityParams = append([]string{"period", "noise", "lang", "done"}, attemptParams...)

// period is a span of time up to now that the page offers.
type period struct {
	value, key string
	span       time.Duration
}

// usualPeriod is looked at where nothing else is asked for.
var usualPeriod = period{"24h", "period.24h", 24 * time.Hour}

var periods = []period{
	{"1h", "period.1h", time.Hour}, usualPeriod, {"7d", "period.7d", 7 * 24 * time.Hour}, {"30d", "period.30d", 30 * 24 * time.Hour},
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
	chosen := usualPeriod
	for _, p := range periods {
		if p.value == q.values.Get("period") {
			chosen = p
		}
	}
	q.period = chosen.value
	end := now
	if !q.filter.Until.IsZero() && q.filter.Until.Before(end) {
		end = q.filter.Until
	}
	q.filter.Since = end.Add(-chosen.span)
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
