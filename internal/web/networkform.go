package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// networkForm is an entry as the form for it is sent.
type networkForm struct {
	Range   string   `json:"range"`
	Label   string   `json:"label"`
	Note    string   `json:"note"`
	Owner   string   `json:"owner"`
	Enabled bool     `json:"enabled"`
	Begins  string   `json:"not_before"` // a moment, in UTC; empty: at once
	Ends    string   `json:"ends"`       // how long from now, "never", or "at"…
	EndsAt  string   `json:"expires"`    // …a moment, in UTC
	For     string   `json:"for"`        // "all", or "some": those of the next two
	Roles   []string `json:"roles"`
	Admins  []string `json:"admins"` // ids
	Wide    string   `json:"wide"`   // the number of addresses, typed by who means a wide range
	Look    bool     `json:"look"`   // only show what the range means
}

// networkFormData is what the page of one entry shows.
type networkFormData struct {
	*consoleView
	Form    networkForm
	Key     string // of the entry; empty: a new one
	Action  string
	Cancel  string
	Lengths []option
	Roles   []option
	People  []option
	Owners  []string // suggestions
	Preview *rangePreview
	More    bool // the options that few need are in use
}

// lengths are how long an entry may be made to last, from the moment it is
// written.
var lengths = []option{
	{"1h", "ends.1h"}, {"8h", "ends.8h"}, {"24h", "ends.24h"}, {"168h", "ends.168h"}, {"720h", "ends.720h"},
	{"never", "ends.never"}, {"at", "ends.at"},
}

// usualLength is what a new entry lasts unless somebody says otherwise: most of
// what is added in a hurry is for a while.
const usualLength = "168h"

// addNetworkPage shows the form for a new entry. The range may be in the query.
func addNetworkPage(s *screen) error {
	form := networkForm{Enabled: true, Ends: usualLength, For: "all", Owner: s.ownName(), Range: strings.TrimSpace(s.URL.Query().Get("range"))}
	d, err := s.networkForm("", form)
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "network", d)
}

// networkPage shows the form of an entry of the list or draft.
func networkPage(s *screen) error {
	now, err := s.lists()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(now.shown(), func(n gate.Network) bool { return n.ID == s.arg })
	if i < 0 {
		return gate.ErrNotFound
	}
	form := formOf(&now.shown()[i])
	if query := s.URL.Query(); query.Has("range") { // typed just now, to be looked at
		form.Range = strings.TrimSpace(query.Get("range"))
	}
	d, err := s.networkForm(s.arg, form)
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "network", d)
}

// ownName is what the visitor is called as the owner of an entry.
func (s *screen) ownName() string {
	if name := s.visit.Decision.Admin.Name; name != "" {
		return name
	}
	return s.actor.Login
}

// momentLayout is how browsers write a field of the type datetime-local.
const momentLayout = "2006-01-02T15:04"

func formOf(n *gate.Network) networkForm {
	f := networkForm{
		Range: n.Range.String(), Label: n.Label, Note: n.Note, Owner: n.Owner, Enabled: n.Enabled,
		Ends: "never", For: "all", Admins: n.Admins,
	}
	for _, r := range n.Roles {
		f.Roles = append(f.Roles, string(r))
	}
	if len(n.Roles)+len(n.Admins) > 0 {
		f.For = "some"
	}
	if !n.NotBefore.IsZero() {
		f.Begins = n.NotBefore.UTC().Format(momentLayout)
	}
	if !n.Expires.IsZero() {
		f.Ends, f.EndsAt = "at", n.Expires.UTC().Format(momentLayout)
	}
	return f
}

// readMoment reads a moment as browsers write it; empty text is none.
func readMoment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{momentLayout, momentLayout + ":05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("not a moment")
}

// networkForm is the page of an entry with what was typed.
func (s *screen) networkForm(key string, form networkForm) (*networkFormData, error) {
	now, err := s.lists()
	if err != nil {
		return nil, err
	}
	title, path := "net.add.title", networksPath+"/add"
	if key != "" {
		title, path = "net.edit.title", networksPath+"/entries/"+url.PathEscape(key)
	}
	d := &networkFormData{
		consoleView: s.frame(title), Form: form, Key: key, Lengths: lengths,
		More: form.Note != "" || form.Begins != "" || form.For == "some" || !form.Enabled,
	}
	d.Action, d.Cancel = d.Link(path), d.Link(networksPath)
	for _, r := range gate.Roles {
		d.Roles = append(d.Roles, option{string(r), d.T(roleWords[r])})
	}
	for _, p := range now.people {
		d.People = append(d.People, option{p.ID, nameOf(p)})
		if !p.Disabled {
			d.Owners = append(d.Owners, nameOf(p))
		}
	}
	if form.Range != "" {
		d.Preview, err = s.preview(d.consoleView, now, key, form.Range)
	}
	return d, err
}

// Chosen reports whether a role or person is ticked.
func (f *networkForm) Chosen(value string) bool {
	return slices.Contains(f.Roles, value) || slices.Contains(f.Admins, value)
}

// draft turns the form into an entry, and says what of it cannot be read.
func (f *networkForm) draft(now time.Time, v *consoleView) (d gate.Draft, bad []trouble) {
	d = gate.Draft{Range: strings.TrimSpace(f.Range), Label: f.Label, Note: f.Note, Owner: f.Owner, Enabled: f.Enabled}
	var err error
	if d.NotBefore, err = readMoment(f.Begins); err != nil {
		bad = append(bad, trouble{Field: "not_before", Text: v.T("fault.time")})
	}
	switch f.Ends {
	case "never":
	case "at":
		if d.Expires, err = readMoment(f.EndsAt); err != nil || d.Expires.IsZero() {
			bad = append(bad, trouble{Field: "expires", Text: v.T("fault.time")})
		}
	default:
		length, err := time.ParseDuration(f.Ends)
		if err != nil {
			bad = append(bad, trouble{Field: "expires", Text: v.T("fault.time")})
		}
		d.Expires = laterOf(now, d.NotBefore).Add(length)
	}
	if f.For == "some" {
		for _, r := range f.Roles {
			d.Roles = append(d.Roles, gate.Role(r))
		}
		if d.Admins = f.Admins; len(f.Roles)+len(f.Admins) == 0 {
			bad = append(bad, trouble{Field: "for", Text: v.T("fault.nobody")})
		}
	}
	return d, bad
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func addNetwork(s *screen) error { return s.writeNetwork("") }

func setNetwork(s *screen) error { return s.writeNetwork(s.arg) }

// writeNetwork puts an entry into the draft. What is wrong with it is said beside
// its fields, which keep what was typed.
func (s *screen) writeNetwork(key string) error {
	var f networkForm
	if err := s.read(maxForm, &f); err != nil {
		return err
	}
	d, err := s.networkForm(key, f)
	if err != nil {
		return err
	}
	if f.Look {
		return s.render(http.StatusOK, "network", d)
	}
	op := gate.DraftOp{Step: gate.DraftSet, Key: key, Trusted: s.h.door.Source.Trusted}
	op.Entry, d.Problems = f.draft(s.visit.Decision.Now, d.consoleView)
	if d.Preview != nil && d.Preview.means(f.Wide) {
		op.Accept = []string{gate.AcceptWide}
	}
	if len(d.Problems) > 0 {
		return s.again("network", d)
	}
	draft, _, err := s.h.door.EditDraft(s.Context(), s.actor, s.tenant, op)
	if e, ok := errors.AsType[*gate.InvalidError](err); ok {
		d.Problems = d.faults(e, f.Range)
		return s.again("network", d)
	}
	if err != nil {
		return err
	}
	if key == "" && len(draft.Entries) > 0 {
		return s.done(networksPath, "done.network_added", "#", rowID(draft.Entries[len(draft.Entries)-1].Key))
	}
	return s.done(networksPath, "done.network_changed", "#", rowID(key))
}

// faults puts what is wrong with an entry into words.
func (v *consoleView) faults(e *gate.InvalidError, typed string) []trouble {
	out := make([]trouble, len(e.Errors))
	for i, f := range e.Errors {
		out[i] = trouble{Field: f.Field, Text: v.fault(f)}
		if f.Field == "range" {
			if _, _, err := cidr.Parse(typed); err != nil {
				out[i].Text = v.rangeFault(err)
			}
		}
		if f.Code == "wide" {
			out[i].Field = "wide"
		}
		if f.Field == "entries" { // of the list as a whole
			out[i].Field = "range"
		}
	}
	return out
}
