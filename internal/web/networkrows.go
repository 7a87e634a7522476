package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// rowsPerPage bounds how much of a long list is shown at once.
const rowsPerPage = 200

// networkRow is an entry as the list shows it.
type networkRow struct {
	ID        string // of the element
	Key       string // of the entry in the draft
	Range     string
	Addresses string
	Label     string
	Note      string
	Owner     string
	For       []string // whom it counts for; none: everybody
	State     rowState
	On        bool
	Change    string // key of what the draft does with it; empty: nothing
	Here      bool   // the visitor's address is in it
	Uses      string // within 30 days
	Used      string // how long ago; empty: never
	Begins    *when
	Ends      *when // nil: never

	network gate.Network
	usage   gate.Usage
	state   string
}

// rowState is whether an entry is in force.
type rowState struct{ Class, Icon, Word string }

var rowStates = map[string]rowState{
	"on":    {"allowed", "tick", "row.on"},
	"off":   {"off", "ring", "row.off"},
	"later": {"dry", "clock", "row.later"},
	"ended": {"off", "cross", "row.ended"},
}

// when is a moment, and how far off it is.
type when struct {
	moment
	Left string
	Soon bool // within a day
}

// rowID is the id of the element of an entry.
func rowID(key string) string { return "n-" + key }

// rows makes the rows that the filter leaves, in order.
func (d *networksData) rows(s *screen, l *lists) error {
	d.Filter = readFilter(s.URL.Query())
	rows := d.allRows(s, l)
	d.Empty = len(rows) == 0
	ranges := make([]cidr.Range, len(rows))
	for i := range rows {
		ranges[i] = rows[i].network.Range
	}
	usage, err := s.h.door.Usage(s.Context(), s.actor, s.tenant, ranges)
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].usage = usage[i]
	}
	all := len(rows)
	now := s.visit.Decision.Now
	rows = slices.DeleteFunc(rows, func(r networkRow) bool { return !d.Filter.keeps(&r, now) })
	d.Filter.sort(rows)
	found := thousands(strconv.Itoa(len(rows)))
	d.Found = d.T("net.rows", "N", len(rows), "Count", found)
	if len(rows) < all {
		d.Found = d.T("net.rows.of", "N", len(rows), "Count", found, "All", thousands(strconv.Itoa(all)))
	}
	d.Columns = d.Filter.columns(d.consoleView)
	d.Pager, rows = paged(d.consoleView, d.Filter, rows)
	names := map[string]string{}
	for _, p := range l.people {
		names[p.ID] = nameOf(p)
	}
	for i := range rows {
		d.fill(&rows[i], now, names)
	}
	d.Rows = rows
	return nil
}

// allRows are the entries of the list or draft, and those the draft removes.
func (d *networksData) allRows(s *screen, l *lists) []networkRow {
	now, here := s.visit.Decision.Now, s.visit.Request.Address.Addr
	var rows []networkRow
	add := func(n gate.Network, change string) {
		rows = append(rows, networkRow{
			ID: rowID(n.ID), Key: n.ID, network: n, state: stateOf(&n, now), Change: change,
			Here: n.Range.Contains(here) && change != "row.removed",
		})
	}
	changed := map[string]string{}
	var removed []gate.Network
	if l.draft != nil {
		for _, c := range gate.Compare(l.list.Networks, l.draft.Networks()) {
			switch c.Kind {
			case gate.Removed:
				removed = append(removed, *c.Before)
			case gate.Added:
				changed[c.After.ID] = "row.added"
			case gate.Changed:
				changed[c.After.ID] = "row.changed"
			}
		}
	}
	for _, n := range l.shown() {
		add(n, changed[n.ID])
	}
	for _, n := range removed {
		add(n, "row.removed")
	}
	return rows
}

// stateOf is the state of an entry, as the filter names it.
func stateOf(n *gate.Network, now time.Time) string {
	switch {
	case !n.Enabled:
		return "off"
	case now.Before(n.NotBefore):
		return "later"
	case n.Admits(now):
		return "on"
	}
	return "ended"
}

// fill puts a row into words.
func (d *networksData) fill(r *networkRow, now time.Time, names map[string]string) {
	n := &r.network
	r.Range, r.Label, r.Note, r.Owner, r.On = n.Range.String(), n.Label, n.Note, n.Owner, n.Enabled
	r.Addresses, r.State = d.addresses(n.Range), rowStates[r.state]
	r.Uses = thousands(strconv.FormatInt(r.usage.Count, 10))
	if !r.usage.Last.IsZero() {
		r.Used = d.ago(now.Sub(r.usage.Last))
	}
	for _, role := range n.Roles {
		r.For = append(r.For, d.T(roleWords[role]))
	}
	for _, id := range n.Admins {
		r.For = append(r.For, cmp.Or(names[id], d.T("row.gone")))
	}
	if now.Before(n.NotBefore) {
		r.Begins = &when{d.minuteOf(n.NotBefore), d.rough(n.NotBefore.Sub(now)), false}
	}
	if !n.Expires.IsZero() {
		left := n.Expires.Sub(now)
		r.Ends = &when{moment: d.minuteOf(n.Expires), Soon: left > 0 && left < 24*time.Hour}
		if left > 0 {
			r.Ends.Left = d.rough(left)
		}
	}
}

// addresses says how many addresses a range has; empty where it is one.
func (l *locale) addresses(r cidr.Range) string {
	if r.First() == r.Last() {
		return ""
	}
	return l.T("net.addresses", "Count", addressCount(r))
}

// networkFilter is which rows are shown, in which order.
type networkFilter struct {
	Text, State, Expiry, Sort string
	page                      int
	within                    cidr.Range // what Text is, where it is an address or range
}

// States and Expiries are what the list can be filtered by, and the keys of
// their words.
var (
	stateFilters  = []option{{"", "filter.all"}, {"on", "row.on"}, {"off", "row.off"}, {"later", "row.later"}, {"ended", "row.ended"}, {"draft", "filter.draft"}}
	expiryFilters = []option{{"", "filter.all"}, {"day", "filter.day"}, {"week", "filter.week"}, {"dated", "filter.dated"}, {"never", "filter.never"}}
)

// option is one choice of a select element.
type option struct{ Value, Word string }

func readFilter(query url.Values) networkFilter {
	f := networkFilter{
		Text: strings.TrimSpace(query.Get("q")), State: query.Get("state"), Expiry: query.Get("expiry"), Sort: query.Get("sort"),
	}
	f.page, _ = strconv.Atoi(query.Get("page")) // what cannot be read is the first
	f.within, _, _ = cidr.Parse(f.Text)
	return f
}

// States are the choices of the state.
func (f networkFilter) States() []option { return stateFilters }

// Expiries are the choices of the end.
func (f networkFilter) Expiries() []option { return expiryFilters }

// keeps reports whether a row is shown.
func (f networkFilter) keeps(r *networkRow, now time.Time) bool {
	n := &r.network
	switch {
	case f.State == "draft" && r.Change == "",
		f.State != "" && f.State != "draft" && f.State != r.state:
		return false
	}
	left := n.Expires.Sub(now)
	switch f.Expiry {
	case "day", "week":
		within := map[string]time.Duration{"day": 24 * time.Hour, "week": 7 * 24 * time.Hour}[f.Expiry]
		if n.Expires.IsZero() || left <= 0 || left > within {
			return false
		}
	case "dated", "never":
		if n.Expires.IsZero() != (f.Expiry == "never") {
			return false
		}
	}
	return f.finds(n)
}

// finds reports whether the text is in the words of an entry, or, where it is an
// address or range, whether they have addresses in common.
func (f networkFilter) finds(n *gate.Network) bool {
	if f.Text == "" || f.within.IsValid() && f.within.Overlaps(n.Range) {
		return true
	}
	text := strings.ToLower(f.Text)
	return slices.ContainsFunc([]string{n.Label, n.Note, n.Owner, n.Range.String()}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), text)
	})
}

// orders are what the list can be sorted by.
var orders = map[string]func(a, b *networkRow) int{
	"range": func(a, b *networkRow) int { return a.network.Range.Compare(b.network.Range) },
	"label": func(a, b *networkRow) int {
		return cmp.Compare(strings.ToLower(a.network.Label), strings.ToLower(b.network.Label))
	},
	"uses": func(a, b *networkRow) int { return cmp.Compare(a.usage.Count, b.usage.Count) },
	"ends": func(a, b *networkRow) int { return compareEnds(a.network.Expires, b.network.Expires) },
}

// compareEnds puts what never ends last.
func compareEnds(a, b time.Time) int {
	switch {
	case a.IsZero() || b.IsZero():
		return -cmp.Compare(btoi(!a.IsZero()), btoi(!b.IsZero()))
	default:
		return a.Compare(b)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (f networkFilter) sort(rows []networkRow) {
	name, down := strings.CutPrefix(f.Sort, "-")
	order, ok := orders[name]
	if !ok {
		return // as they stand in the list
	}
	slices.SortStableFunc(rows, func(a, b networkRow) int {
		if down {
			return order(&b, &a)
		}
		return order(&a, &b)
	})
}

// column is the head of a column of the list.
type column struct {
	Name string // for the stylesheet
	Word string // key
	Sort string // link that sorts by it; empty: it cannot be sorted by
	Aria string // value of aria-sort; empty: it is not sorted by
}

func (f networkFilter) columns(v *consoleView) []column {
	out := []column{{Name: "state", Word: "col.state"}, {Name: "range", Word: "col.range"}, {Name: "label", Word: "col.label"}, {Name: "uses", Word: "col.uses"}, {Name: "ends", Word: "col.ends"}}
	for i := range out {
		c := &out[i]
		if orders[c.Name] == nil {
			continue
		}
		next := c.Name
		if c.Name == "uses" { // the most first
			next = "-uses"
		}
		switch f.Sort {
		case c.Name:
			c.Aria, next = "ascending", "-"+c.Name
		case "-" + c.Name:
			c.Aria, next = "descending", c.Name
		}
		c.Sort = f.link(v, next, 1)
	}
	return out
}

// link leads to the same list in another order, or on another page.
func (f networkFilter) link(v *consoleView, sort string, page int) string {
	number := ""
	if page > 1 {
		number = strconv.Itoa(page)
	}
	return v.Link(networksPath, "q", f.Text, "state", f.State, "expiry", f.Expiry, "sort", sort, "page", number)
}

// pager leads through a list that is longer than a page.
type pager struct{ Page, Pages, Previous, Next string }

// paged cuts out the rows of the page that the filter names.
func paged(v *consoleView, f networkFilter, rows []networkRow) (pager, []networkRow) {
	pages := (len(rows) + rowsPerPage - 1) / rowsPerPage
	page := max(1, min(f.page, pages))
	first := (page - 1) * rowsPerPage
	var p pager
	if pages > 1 {
		p.Page, p.Pages = strconv.Itoa(page), strconv.Itoa(pages)
	}
	if page > 1 {
		p.Previous = f.link(v, f.Sort, page-1)
	}
	if page < pages {
		p.Next = f.link(v, f.Sort, page+1)
	}
	return p, rows[first:min(first+rowsPerPage, len(rows))]
}
