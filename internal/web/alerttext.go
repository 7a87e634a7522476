package web

import (
	"strings"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// alertWords are the keys of what is said of a kind of alert: the first, how many
// followed, and where to look.
var alertWords = map[gate.AlertKind]struct{ first, more, where string }{
	gate.AlertNewAddress:  {"alert.new_address", "alert.new_address.more", "alert.where.new_address"},
	gate.AlertRefusals:    {"alert.refusals", "alert.refusals.more", "alert.where.refusals"},
	gate.AlertElsewhere:   {"alert.elsewhere", "alert.elsewhere.more", "alert.where.elsewhere"},
	gate.AlertListChanged: {"alert.list_changed", "alert.list_changed.more", "alert.where.list_changed"},
	gate.AlertEmergency:   {"alert.emergency", "alert.emergency.more", "alert.where.emergency"},
	gate.AlertVisit:       {"alert.visit", "alert.visit.more", "alert.where.visit"},
	gate.AlertTest:        {"alert.test", "alert.test", "alert.where.test"},
}

// AlertText is an alert as an e-mail has it, in a language. place tells where an
// address is; it may be nil.
func AlertText(lang string, m *gate.AlertMessage, t *gate.Tenant, place func(*gate.AlertItem) gate.Place) (subject, text string) {
	l := english
	for _, one := range languages {
		if one.Lang == lang {
			l = one
		}
	}
	tenant := export.Plain(t.Name)
	words := alertWords[m.Kind]
	key := words.more
	if m.First {
		key = words.first
	}
	about := []any{"N", m.Count, "Count", grouped(m.Count), "Since", l.minute(m.Since), "Until", l.minute(m.Until), "Tenant", tenant}
	if len(m.Items) > 0 {
		about = append(about, "Who", export.Plain(m.Items[0].Who))
	}
	what := l.T(key, about...)
	var b strings.Builder
	b.WriteString(what + "\n\n")
	for i := range m.Items {
		b.WriteString("- " + l.alertItem(&m.Items[i], m.Kind, place) + "\n")
	}
	if int64(len(m.Items)) < m.Count && len(m.Items) > 1 {
		b.WriteString("- " + l.T("alert.others") + "\n")
	}
	b.WriteString("\n" + l.T(words.where, about...) + "\n\n" + l.T("alert.footer", "Tenant", tenant) + "\n")
	return "[" + tenant + "] " + what, b.String()
}

// alertItem is one event on a line.
func (l *locale) alertItem(i *gate.AlertItem, kind gate.AlertKind, place func(*gate.AlertItem) gate.Place) string {
	parts := []string{i.At.UTC().Format(l.dateTime)}
	if i.Who != "" {
		parts = append(parts, export.Plain(i.Who))
	}
	if address := export.Address(i.Address, i.Bits); address != "" {
		parts = append(parts, address)
		if place != nil {
			if where := place(i).String(); where != "" {
				parts = append(parts, export.Plain(where))
			}
		}
	}
	if kind == gate.AlertListChanged && i.Version > 0 {
		parts = append(parts, l.T("alert.version", "Version", i.Version))
	}
	if i.Reference != "" {
		parts = append(parts, i.Reference)
	}
	return strings.Join(parts, " · ")
}

// AlertJSON is what the webhook of a tenant gets.
type AlertJSON struct {
	Type      string        `json:"type"` // alert
	Timestamp export.Time   `json:"timestamp"`
	Data      AlertDataJSON `json:"data"`
}

// AlertDataJSON is an alert.
type AlertDataJSON struct {
	ID     string          `json:"id"`
	Tenant string          `json:"tenant"` // short name
	Kind   gate.AlertKind  `json:"kind"`
	First  bool            `json:"first"` // false: a summary of what followed
	Count  int64           `json:"count"`
	Since  export.Time     `json:"since"`
	Until  export.Time     `json:"until"`
	Items  []AlertItemJSON `json:"items"` // some of them
}

// AlertItemJSON is one event of an alert.
type AlertItemJSON struct {
	Time        export.Time `json:"time"`
	Who         *string     `json:"who"`
	Address     *string     `json:"address"`
	Reference   *string     `json:"reference"`
	Reason      *string     `json:"reason"`
	ListVersion *int64      `json:"list_version"`
}

// NewAlertJSON shows an alert of a tenant.
func NewAlertJSON(m *gate.AlertMessage, t *gate.Tenant) AlertJSON {
	out := AlertJSON{"alert", export.Time(m.Until), AlertDataJSON{
		ID: m.ID, Tenant: t.Slug, Kind: m.Kind, First: m.First, Count: m.Count, Since: export.Time(m.Since), Until: export.Time(m.Until), Items: []AlertItemJSON{},
	}}
	for i := range m.Items {
		it := &m.Items[i]
		one := AlertItemJSON{
			Time: export.Time(it.At), Who: present(it.Who), Address: present(export.Address(it.Address, it.Bits)),
			Reference: present(it.Reference), Reason: present(string(it.Reason)),
		}
		if it.Version > 0 {
			one.ListVersion = &it.Version
		}
		out.Data.Items = append(out.Data.Items, one)
	}
	return out
}
