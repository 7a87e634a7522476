package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

const suggestPath = networksPath + "/suggest"

// maxSuggested is the most bytes that a chosen suggestion has.
const maxSuggested = 2 << 20

// suggestData is a list to begin with.
type suggestData struct {
	*consoleView
	Reading string // how far the records are read; empty: they are
	Basis   string
	Listed  string // how many sign-ins the list lets in already
	Ranges  []suggestView
}

// suggestView is one suggested range.
type suggestView struct {
	Index          int
	Range, Label   string
	Chosen         bool
	SignIns, Place string
	Addresses      string
	People         string
	Last           moment
	Signs          []string
}

// suggestForm is what of a suggestion was chosen. Of and Label are as long as
// the suggestion, Take has those that were ticked.
type suggestForm struct {
	Take  []string `json:"take"`
	Of    []string `json:"of"`
	Label []string `json:"label"`
}

// suggestPage shows a list to begin with.
func suggestPage(s *screen) error { return s.suggest(http.StatusOK, nil, nil) }

func (s *screen) suggest(status int, form *suggestForm, problems []trouble) error {
	found, err := s.h.door.Suggest(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	d := &suggestData{consoleView: s.frame("suggest.title")}
	d.Problems = problems
	d.Basis = d.T("suggest.basis", "Days", found.Days, "SignIns", d.signIns(found.SignIns))
	if found.Listed > 0 {
		d.Listed = d.T("suggest.listed", "N", found.Listed, "Count", grouped(found.Listed))
	}
	if !found.Complete {
		d.Reading = d.T("sim.reading", "Days", found.Days, "Read", grouped(found.Read), "Total", grouped(found.Total))
		s.w.Header().Set("Refresh", "2")
	}
	for i := range found.Ranges {
		d.Ranges = append(d.Ranges, d.suggested(i, &found.Ranges[i], form))
	}
	return s.render(status, "suggest", d)
}

func (l *locale) suggested(i int, r *gate.SuggestedRange, form *suggestForm) suggestView {
	v := suggestView{
		Index: i, Range: r.Range.String(), Label: r.Label, Chosen: len(r.Signs) == 0, SignIns: l.signIns(r.SignIns),
		Addresses: l.T("suggest.addresses", "N", r.Addresses), Place: r.Place.String(), People: l.names(r.People), Last: l.moment(r.Last),
	}
	if form != nil {
		v.Chosen = slices.Contains(form.Take, v.Range)
		if at := slices.Index(form.Of, v.Range); at >= 0 && at < len(form.Label) {
			v.Label = form.Label[at]
		}
	}
	for _, sign := range r.Signs {
		v.Signs = append(v.Signs, l.T(signWords[sign], "N", r.Strangers, "Count", grouped(r.Strangers)))
	}
	return v
}

var signWords = map[gate.SharedSign]string{
	gate.SharedStrangers: "suggest.strangers", gate.SharedCGNAT: "suggest.cgnat", gate.SharedPrivate: "suggest.private", gate.SharedOnce: "suggest.once",
}

// takeSuggestion adds what was chosen to the draft.
func takeSuggestion(s *screen) error {
	var form suggestForm
	if err := s.read(maxSuggested, &form); err != nil {
		return err
	}
	if len(form.Of) != len(form.Label) {
		return malformed.problem("", fieldProblem{"label", "missing", "there has to be one for each range"})
	}
	op := gate.DraftOp{Step: gate.DraftAdd, Trusted: s.h.door.Source.Trusted}
	var index []int // on the page
	for i, text := range form.Of {
		if slices.Contains(form.Take, text) {
			op.Entries = append(op.Entries, gate.Draft{Range: text, Label: form.Label[i], Enabled: true})
			index = append(index, i)
		}
	}
	if len(op.Entries) == 0 {
		return s.suggest(http.StatusUnprocessableEntity, &form, []trouble{{Field: "take-0", Text: s.T("suggest.none_chosen")}})
	}
	_, _, err := s.h.door.EditDraft(s.Context(), s.actor, s.tenant, op)
	invalid, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		if err != nil {
			return err
		}
		return s.done(networksPath, "done.suggested")
	}
	l, _ := localeOf(s.Request)
	var problems []trouble
	for _, f := range invalid.Errors {
		var i int
		if _, err := fmt.Sscanf(f.Field, "entries[%d].", &i); err == nil && i < len(index) {
			_, f.Field, _ = strings.Cut(f.Field, "].")
			problems = append(problems, trouble{Field: fmt.Sprintf("label-%d", index[i]), Text: l.fault(f)})
			continue
		}
		problems = append(problems, trouble{Field: "take-0", Text: l.fault(f)})
	}
	return s.suggest(http.StatusUnprocessableEntity, &form, problems)
}
