package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// How many requests the page shows: of those that wait, and below them of those
// that were answered.
const (
	waitingMost  = 20
	answeredMost = 20
)

// requestsData is what the inbox of access requests shows.
type requestsData struct {
	*consoleView
	Waiting  []requestCard
	Older    string // link to those that wait and were made before; empty: there are none
	Newest   string // link back; empty: these are the newest
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

// From is the address that asked, or what of it is kept.
func (r *answeredRow) From() string { return addressText(r.Address, r.Bits) }

// stateWord is how a state is shown.
type stateWord struct{ Class, Icon, Word string }

var askStates = map[gate.AskState]stateWord{
	gate.AskApproved: {"allowed", "tick", "requests.approved"},
	gate.AskDeclined: {"blocked", "cross", "requests.declined"},
	gate.AskExpired:  {"off", "ring", "requests.expired"},
}

func requestsPage(s *screen) error { return s.requests(http.StatusOK) }

// requests shows the inbox: some of the requests that wait, the newest first,
// and beside the first of them those that were answered lately.
func (s *screen) requests(status int, problems ...trouble) error {
	d := &requestsData{consoleView: s.frame("requests.title"), Most: gate.MaxWhy}
	d.Problems = problems
	before, err := requestsBefore(s.URL.Query().Get("before"))
	if err != nil {
		return err
	}
	if len(problems) > 0 { // the one that was answered has to be on the page
		r, err := s.h.door.AccessRequest(s.Context(), s.actor, s.tenant, s.arg)
		if err != nil {
			return err
		}
		before = gate.Cursor{Time: r.Made.Add(time.Microsecond)}
	}
	if err := s.waiting(d, before); err != nil {
		return err
	}
	if before != (gate.Cursor{}) {
		d.Newest = d.Link("requests")
		return s.render(status, "requests", d)
	}
	past, err := s.h.door.AccessRequests(s.Context(), s.actor, gate.AskFilter{Tenant: s.tenant, Past: true, Limit: answeredMost})
	if err != nil {
		return err
	}
	for _, r := range past {
		row := answeredRow{AccessRequest: r, Made: d.moment(r.Made), Decided: d.moment(r.Decided), State: askStates[r.State]}
		if !r.Until.IsZero() {
			until := d.moment(r.Until)
			row.Until = &until
		}
		d.Answered = append(d.Answered, row)
	}
	return s.render(status, "requests", d)
}

// requestsBefore reads where a page of older requests begins.
func requestsBefore(text string) (gate.Cursor, error) {
	if text == "" {
		return gate.Cursor{}, nil
	}
	at, id, _ := strings.Cut(text, "-")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil || micros <= 0 {
		return gate.Cursor{}, gate.ErrNotFound
	}
	return gate.Cursor{Time: time.UnixMicro(micros).UTC(), ID: id}, nil
}

// waiting makes the cards of the requests that wait.
func (s *screen) waiting(d *requestsData, before gate.Cursor) error {
	f := gate.AskFilter{Tenant: s.tenant, State: gate.AskWaiting, Limit: waitingMost + 1, Before: before}
	found, err := s.h.door.AccessRequests(s.Context(), s.actor, f)
	if err != nil {
		return err
	}
	if len(found) > waitingMost {
		found = found[:waitingMost]
		last := &found[waitingMost-1]
		d.Older = d.Link("requests", "before", number(last.Made.UnixMicro())+"-"+last.ID)
	}
	evidence, err := s.h.door.AskEvidence(s.Context(), s.actor, s.tenant, found)
	for i := range evidence {
		d.Waiting = append(d.Waiting, s.requestCard(d, &found[i], &evidence[i]))
	}
	return err
}

func (s *screen) requestCard(d *requestsData, r *gate.AccessRequest, evidence *gate.AskEvidence) requestCard {
	c := requestCard{AccessRequest: *r, AskEvidence: evidence, Made: d.moment(r.Made), Wanted: d.spanWords(spanText(r.For))}
	c.Place = s.h.door.PlaceOf(r.Address, r.Bits).String()
	if evidence.Admin != nil && !evidence.Admin.Last.IsZero() {
		c.LastSignIn = d.moment(evidence.Admin.Last)
	}
	chosen := spanText(r.For)
	if !r.Proposed.IsZero() {
		chosen = spanText(r.ProposedFor)
		c.Proposal, c.ProposalNote = d.T("requests.proposal", "Who", r.ProposedBy, "Time", d.spanWords(chosen)), r.Note
	}
	c.Spans = d.spans(chosen)
	return c
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
