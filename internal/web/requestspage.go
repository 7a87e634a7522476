package web

import (
	"errors"
	"net/http"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// answeredMost is how many answered requests the page shows below those that
// wait.
const answeredMost = 20

// requestsData is what the inbox of access requests shows.
type requestsData struct {
	*consoleView
	Waiting  []requestCard
	Answered []answeredRow
	Most     int // characters of a note
}

// requestCard is a request that waits, with what is known of who asks.
type requestCard struct {
	gate.AccessRequest
	*gate.AskEvidence
	Made, LastSignIn moment
	Wanted           string // how long
	Spans            []span
	Place            string
	Proposal         string // of a reviewer, in words; empty: none
	ProposalNote     string
}

// answeredRow is a request that was answered, or has expired.
type answeredRow struct {
	gate.AccessRequest
	Made, Decided moment
	State         stateWord
	Until         *moment
}

// stateWord is how a state is shown.
type stateWord struct{ Class, Icon, Word string }

var askStates = map[gate.AskState]stateWord{
	gate.AskApproved: {"allowed", "tick", "requests.approved"},
	gate.AskDeclined: {"blocked", "cross", "requests.declined"},
	gate.AskExpired:  {"off", "ring", "requests.expired"},
}

func requestsPage(s *screen) error { return s.requests(http.StatusOK) }

// requests shows the inbox.
func (s *screen) requests(status int, problems ...trouble) error {
	d := &requestsData{consoleView: s.frame("requests.title"), Most: gate.MaxWhy}
	d.Problems = problems
	all, err := s.h.door.AccessRequests(s.Context(), s.actor, gate.AskFilter{Tenant: s.tenant, State: gate.AskWaiting})
	if err != nil {
		return err
	}
	for i := range all {
		card, err := s.requestCard(d, &all[i])
		if err != nil {
			return err
		}
		d.Waiting = append(d.Waiting, card)
	}
	recent, err := s.h.door.AccessRequests(s.Context(), s.actor, gate.AskFilter{Tenant: s.tenant, Limit: answeredMost + len(all)})
	if err != nil {
		return err
	}
	for _, r := range recent {
		if r.State == gate.AskWaiting {
			continue
		}
		row := answeredRow{AccessRequest: r, Made: d.moment(r.Made), Decided: d.moment(r.Decided), State: askStates[r.State]}
		if !r.Until.IsZero() {
			until := d.moment(r.Until)
			row.Until = &until
		}
		d.Answered = append(d.Answered, row)
	}
	return s.render(status, "requests", d)
}

func (s *screen) requestCard(d *requestsData, r *gate.AccessRequest) (requestCard, error) {
	evidence, err := s.h.door.AskEvidence(s.Context(), s.actor, r)
	if err != nil {
		return requestCard{}, err
	}
	c := requestCard{AccessRequest: *r, AskEvidence: evidence, Made: d.moment(r.Made), Wanted: d.spanWords(spanText(r.For))}
	c.Place = s.h.door.PlaceOf(r.Address, r.Address.BitLen()).String()
	if evidence.Admin != nil && !evidence.Admin.Last.IsZero() {
		c.LastSignIn = d.moment(evidence.Admin.Last)
	}
	chosen := spanText(r.For)
	if !r.Proposed.IsZero() {
		chosen = spanText(r.ProposedFor)
		c.Proposal, c.ProposalNote = d.T("requests.proposal", "Who", r.ProposedBy, "Time", d.spanWords(chosen)), r.Note
	}
	c.Spans = d.spans(chosen)
	return c, nil
}

// spans are the times to choose from, and the chosen one where it is another.
func (l *locale) spans(chosen string) (all []span) {
	found := false
	for _, s := range askSpans {
		all = append(all, span{s.Value, l.T(s.Key), s.Value == chosen})
		found = found || s.Value == chosen
	}
	if !found {
		all = append(all, span{chosen, l.spanWords(chosen), true})
	}
	return all
}

// spanWords writes how long something is to be allowed.
func (l *locale) spanWords(text string) string {
	if d, _ := parseSpan(text); d > 0 {
		return l.duration(d)
	}
	return l.T("request.for.always")
}

// answerForm is how a request is answered.
type answerForm struct {
	For  string `json:"for"`
	Note string `json:"note"`
}

func approvePage(s *screen) error {
	var form answerForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	forHow, ok := parseSpan(form.For)
	if !ok {
		return s.requestWrong(gate.Invalid("for", "invalid", badSpan))
	}
	a := gate.Answer{For: forHow, Note: form.Note}
	a.Trusted = s.h.door.Source.Trusted
	r, edit, err := s.h.door.Approve(s.Context(), s.actor, s.tenant, s.arg, a)
	switch {
	case err != nil:
		return s.requestWrong(err)
	case edit == nil:
		return s.done("requests", "done.request_proposed")
	case r.Until.IsZero():
		return s.done("requests", "done.request_approved_for_good")
	}
	return s.done("requests", "done.request_approved")
}

func declinePage(s *screen) error {
	var form answerForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	if _, err := s.h.door.Decline(s.Context(), s.actor, s.tenant, s.arg, form.Note); err != nil {
		return s.requestWrong(err)
	}
	return s.done("requests", "done.request_declined")
}

// requestWrong shows the inbox once more where what was typed is wrong, and
// everything else as any error.
func (s *screen) requestWrong(err error) error {
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		return err
	}
	words := s.frame("requests.title")
	key := "requests.wrong.note"
	if bad.Errors[0].Field == "for" {
		key = "request.for.wrong"
	}
	return s.requests(http.StatusUnprocessableEntity, trouble{Field: bad.Errors[0].Field + "-" + s.arg, Text: words.T(key, "N", gate.MaxWhy)})
}
