package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// refusedData is what the console shows in place of a page that cannot be.
type refusedData struct {
	*consoleView
	Status    int
	Lead      string
	Reference string
	Next      *nextLink   // nil: there is nothing to do
	Sent      []sentValue // of a form that could not be carried out, to be sent again
}

// sentValue is a field of a form as it was sent.
type sentValue struct{ Name, Value string }

// inConsole are the words for errors where the console has others than the
// pages of strangers.
var inConsole = map[string]errorWords{
	unavailable.code:    {"error.store_away.title", "error.store_away.lead", "page.retry"},
	notYetInForce.code:  {"error.not_yet_in_force.title", "error.not_yet_in_force.lead", "page.retry"},
	lastOwner.code:      {"error.last_owner.title", "error.last_owner.lead", ""},
	notAdmitted.code:    {"error.not_admitted.title", "error.not_admitted.lead", ""},
	nothingPending.code: {"error.nothing_pending.title", "error.nothing_pending.lead", ""},
	changePending.code:  {"error.change_pending.title", "error.change_pending.lead", ""},
	forbidden.code:      {"error.forbidden.title", "error.forbidden.lead", ""},
	notFound.code:       {"error.not_found.title", "error.not_found.lead", ""},
}

// fail answers a request with an error: to people as a page in the frame, so
// that the way on stays, and to programs as JSON. What of a form could not be
// carried out because the store is away is kept in the page.
func (s *screen) fail(err error) {
	if errors.Is(err, gate.ErrStepUp) && wantsPage(s.Request) {
		if err = s.stepUp(); err == nil {
			return
		}
	}
	p := s.h.errorProblem(err)
	if p.Reference == "" {
		p.Reference = s.h.record(s.visit, p)
	}
	if !wantsPage(s.Request) {
		writeProblem(s.w, p)
		return
	}
	words, ok := inConsole[p.code()]
	if !ok {
		words = wordsFor(p)
	}
	d := &refusedData{consoleView: s.frame(words.title), Status: p.Status, Lead: s.T(words.lead), Reference: p.Reference}
	if words.next == "page.retry" {
		d.Next = &nextLink{"", d.T("page.retry")}
	}
	if s.Method == http.MethodPost && p.Status == http.StatusServiceUnavailable {
		d.Sent = sentValues(s.PostForm)
	}
	problemHeaders(s.w, p)
	if err := s.render(p.Status, "refused", d); err != nil {
		writeProblem(s.w, brokenPage)
	}
}

// T returns a sentence in the language of the request.
func (s *screen) T(key string, pairs ...any) string {
	l, _ := localeOf(s.Request)
	return l.T(key, pairs...)
}

// sentValues are the values of a form that may be shown again: no password is.
func sentValues(form url.Values) []sentValue {
	var out []sentValue
	for name, values := range form {
		if name == "password" || name == "current" {
			return nil
		}
		for _, value := range values {
			out = append(out, sentValue{name, value})
		}
	}
	slices.SortStableFunc(out, func(a, b sentValue) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
