package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// otherRange is the choice of a range that is typed.
const otherRange = "other"

// allowSpans are the times that an address may be let in for, the shortest
// first.
var allowSpans = []string{"8h", "1d", "7d", "30d"}

// allowForm is how the address of an attempt is let in.
type allowForm struct {
	Range  string   `json:"range"` // one of the choices, or otherRange…
	Other  string   `json:"other"` // …and then what was typed
	For    string   `json:"for"`
	Label  string   `json:"label"`
	Wide   string   `json:"wide"` // the number of addresses, typed by who means a wide range
	Accept []string `json:"accept"`
}

// allowData is what the page for it shows.
type allowData struct {
	*consoleView
	Reference, IP string
	Back          string
	Form          allowForm
	Choices       []allowChoice
	Spans         []allowSpan
	Preview       *rangePreview // of the range that was typed
	Guard         *allowGuard   // what the list's guards refuse; nil: nothing
}

// allowChoice is a range that would let the address in.
type allowChoice struct {
	Value, Text, Effect string
	Chosen, Alone       bool // Alone: it is the address and no more
}

// allowSpan is a time, and what the button says when it is chosen.
type allowSpan struct {
	Value, Text, Do string
	Chosen          bool
}

// allowGuard is a refusal of the list's guards. Accept is the word that
// overrides it, and empty where nothing does.
type allowGuard struct {
	Text, Names  string
	Accept, Word string
	Ticked       bool
}

// allowPage proposes to let in the address of an attempt: the smallest range,
// for a short time.
func allowPage(s *screen) error {
	d, err := s.allowData(allowForm{For: allowSpans[0]})
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "allow", d)
}

// allowData is the page with a form as it was filled in.
func (s *screen) allowData(f allowForm) (*allowData, error) {
	reference, err := auth.ParseReference(s.arg)
	if err != nil {
		return nil, gate.ErrNotFound
	}
	e, err := s.h.door.Explain(s.Context(), s.actor, s.tenant, reference)
	if err != nil {
		return nil, err
	}
	choices, err := s.h.door.AllowChoices(s.Context(), s.actor, s.tenant, reference)
	if err != nil {
		return nil, err
	}
	a := &e.Attempt
	d := &allowData{consoleView: s.frame("allow.title", "IP", a.Address), Reference: reference, IP: a.Address.String(), Form: f}
	d.Back = d.Link(attemptLink(reference))
	d.Form.Range = cmp.Or(f.Range, choices[0].Range.String())
	d.Form.Label = cmp.Or(f.Label, shorten(cmp.Or(export.Plain(a.Login), d.IP))+" – "+reference)
	for i, c := range choices {
		text := d.T("allow.only", "IP", a.Address)
		if i > 0 {
			text = c.Range.String()
		}
		value := c.Range.String()
		d.Choices = append(d.Choices, allowChoice{value, text, d.effect(&c), value == d.Form.Range, i == 0})
	}
	d.spans(s.visit.Decision.Now)
	if d.Form.Range == otherRange && strings.TrimSpace(f.Other) != "" {
		now, err := s.lists()
		if err != nil {
			return nil, err
		}
		if d.Preview, err = s.preview(d.consoleView, now, "", f.Other); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// effect says what a choice would have let in.
func (v *consoleView) effect(c *gate.AllowChoice) string {
	return v.T("allow.effect", "N", c.Blocked, "From", v.T("count.addresses", "N", c.Addresses))
}

// spans are the times to choose from. The end of each is of now.
func (d *allowData) spans(now time.Time) {
	for _, value := range allowSpans {
		length, _ := parseSpan(value)
		until := d.minute(now.Add(length))
		d.Spans = append(d.Spans, allowSpan{value, d.T("allow.for", "Time", d.duration(length), "Until", until), d.T("allow.do", "Time", until), value == d.Form.For})
	}
}

// allow lets in the address of an attempt, or shows the form again with what is
// in its way.
func allow(s *screen) error {
	var f allowForm
	if err := s.read(maxForm, &f); err != nil {
		return err
	}
	d, err := s.allowData(f)
	if err != nil {
		return err
	}
	length, ok := parseSpan(f.For)
	if !ok || length == 0 {
		d.Problems = append(d.Problems, trouble{Field: "for", Text: d.T("request.for.wrong")})
		return s.again("allow", d)
	}
	a := gate.Allow{Range: f.Range, Label: strings.TrimSpace(f.Label), For: length}
	if f.Range == otherRange {
		a.Range = strings.TrimSpace(f.Other)
	}
	if f.Range == otherRange && a.Range == "" {
		d.Problems = append(d.Problems, trouble{Field: "other", Text: d.T("fault.empty")})
		return s.again("allow", d)
	}
	a.Trusted, a.Accept = s.h.door.Source.Trusted, slices.Clone(f.Accept)
	if d.Preview != nil && d.Preview.means(f.Wide) {
		a.Accept = append(a.Accept, gate.AcceptWide)
	}
	if _, _, err = s.h.door.Allow(s.Context(), s.actor, s.tenant, d.Reference, a); err != nil {
		return s.notAllowed(d, err)
	}
	return s.done(attemptLink(d.Reference), "")
}

// notAllowed shows the form again, as it was filled in, with what is wrong with
// it or what the guards of the list refuse.
func (s *screen) notAllowed(d *allowData, err error) error {
	if bad, ok := errors.AsType[*gate.InvalidError](err); ok {
		d.Problems = d.wrong(bad)
		return s.again("allow", d)
	}
	if d.Guard = d.guard(err); d.Guard == nil {
		return err
	}
	field := "guard"
	if d.Guard.Accept != "" {
		field = "accept-" + d.Guard.Accept
		d.Guard.Word, d.Guard.Ticked = d.T(acceptSentences[d.Guard.Accept]), slices.Contains(d.Form.Accept, d.Guard.Accept)
	}
	d.Problems = []trouble{{Field: field, Text: d.Guard.Text}}
	return s.render(http.StatusConflict, "allow", d)
}

// wrong puts into words what is wrong with the form.
func (d *allowData) wrong(bad *gate.InvalidError) (out []trouble) {
	for _, f := range bad.Errors {
		if strings.HasPrefix(f.Field, "entries[") {
			_, f.Field, _ = strings.Cut(f.Field, "].")
		}
		t := trouble{Field: f.Field, Text: d.fault(f)}
		switch {
		case f.Code == gate.AcceptWide:
			t.Field = "wide"
		case f.Code == "elsewhere":
			t = trouble{Field: "other", Text: d.T("allow.elsewhere", "IP", d.IP)}
		case f.Field == "range", f.Field == "entries":
			t.Field = "other"
			if _, _, err := cidr.Parse(d.Form.Other); err != nil {
				t.Text = d.rangeFault(err)
			}
		case f.Field == "for":
			t.Text = d.T("request.for.wrong")
		}
		out = append(out, t)
	}
	return out
}

// guard puts a refusal of the list's guards into words; nil: it is another
// error.
func (v *locale) guard(err error) *allowGuard {
	if e, ok := errors.AsType[*gate.CoverError](err); ok {
		g := &allowGuard{Text: v.T("guard.cover", "Kept", e.Kept, "Known", e.Known, "Needed", e.Needed), Accept: gate.AcceptFewAdmins}
		if len(e.Losing) > 0 {
			g.Names = v.listed(peopleNames(e.Losing))
		}
		return g
	}
	if e, ok := errors.AsType[*gate.EndsError](err); ok {
		return &allowGuard{Text: v.T("safety.gap", "Time", v.moment(e.At).Text), Accept: gate.AcceptEnds}
	}
	for _, known := range []struct {
		err  error
		word string
	}{
		{gate.ErrLocksYouOut, "allow.locks_you_out"}, {gate.ErrLocksEveryoneOut, "allow.locks_everyone_out"}, {gate.ErrChangePending, "apply.pending"},
	} {
		if errors.Is(err, known.err) {
			return &allowGuard{Text: v.T(known.word)}
		}
	}
	return nil
}

// allowedView says what was allowed for an attempt a moment ago.
type allowedView struct{ Text, Undo string }

// allowed is what can still be taken back; nil: nothing.
func (s *screen) allowed(v *consoleView, reference string) (*allowedView, error) {
	a, err := s.h.door.Allowance(s.Context(), s.actor, s.tenant, reference)
	switch {
	case errors.Is(err, gate.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &allowedView{
		v.T("allow.done", "IP", a.Network.Range, "Time", v.minute(a.Network.Expires)), v.Link(attemptLink(reference) + "/undo"),
	}, nil
}

// undoAllow takes back what was allowed a moment ago.
func undoAllow(s *screen) error {
	if err := s.read(maxForm, &struct{}{}); err != nil {
		return err
	}
	reference, err := auth.ParseReference(s.arg)
	if err != nil {
		return gate.ErrNotFound
	}
	_, err = s.h.door.UndoAllow(s.Context(), s.actor, s.tenant, reference, gate.EditOptions{})
	l, _ := localeOf(s.Request)
	if refused := l.guard(err); refused != nil {
		return s.attempt(http.StatusConflict, reference, refused)
	}
	if err != nil {
		return err
	}
	return s.done(attemptLink(reference), "done.allow_undone")
}
