package web

import (
	"net/http"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// errorData is what the page shows that stands for every other error.
type errorData struct {
	view
	Status    int
	Lead      string
	Reference string
	Next      *nextLink // nil: there is nothing to do
}

// nextLink is the one next step that an error page offers.
type nextLink struct{ URL, Text string }

// errorWords are the words for an error, and its next step, by the code of its
// problem.
type errorWords struct{ title, lead, next string }

var errorPages = map[string]errorWords{
	malformed.code:                 {"error.malformed.title", "error.malformed.lead", ""},
	invalid.code:                   {"error.malformed.title", "error.malformed.lead", ""},
	notForm.code:                   {"error.malformed.title", "error.malformed.lead", ""},
	forbidden.code:                 {"error.forbidden.title", "error.forbidden.lead", "page.console"},
	notFound.code:                  {"error.not_found.title", "error.not_found.lead", "page.console"},
	methodNotAllowed.code:          {"error.method_not_allowed.title", "error.method_not_allowed.lead", "page.console"},
	tooLarge.code:                  {"error.too_large.title", "error.too_large.lead", ""},
	misdirected.code:               {"error.misdirected.title", "error.misdirected.lead", "page.retry"},
	exists.code:                    {"error.conflict.title", "error.conflict.lead", "page.retry"},
	changed.code:                   {"error.conflict.title", "error.conflict.lead", "page.retry"},
	requestNotNeeded.code:          {"error.request_not_needed.title", "error.request_not_needed.lead", "page.sign_in"},
	requestAnswered.code:           {"error.conflict.title", "error.conflict.lead", "page.retry"},
	hasSecondFactor.code:           {"error.second_factor_exists.title", "error.second_factor_exists.lead", "page.console"},
	stepUp.code:                    {"error.step_up.title", "error.step_up.lead", "page.console"},
	badInvitation.code:             {"error.invitation.title", "error.invitation.lead", "page.sign_in"},
	unavailable.code:               {"error.unavailable.title", "error.unavailable.lead", "page.retry"},
	string(gate.CrossOrigin):       {"error.cross_origin.title", "error.cross_origin.lead", "page.retry"},
	string(gate.UnknownSite):       {"error.unknown_site.title", "error.unknown_site.lead", ""},
	string(gate.PolicyUnavailable): {"error.policy_unavailable.title", "error.policy_unavailable.lead", "page.retry"},
	string(gate.Throttled):         {"error.throttled.title", "error.throttled.lead", "page.retry"},
}

// wordsFor falls back to what the status alone can say.
func wordsFor(p problem) errorWords {
	words, ok := errorPages[p.code()]
	switch {
	case ok:
		return words
	case p.Status == http.StatusUnauthorized:
		return errorWords{"error.session.title", "error.session.lead", "page.sign_in"}
	case p.Status >= 500:
		return errorWords{"error.internal.title", "error.internal.lead", "page.retry"}
	}
	return errorPages[malformed.code]
}

// errorPage shows a problem to people: what it is, its reference, and one next
// step; never a word of what went wrong inside.
func (h *Handler) errorPage(w http.ResponseWriter, r *http.Request, v Visit, p problem) {
	words := wordsFor(p)
	d := &errorData{view: h.view(r, v), Status: p.Status, Reference: p.Reference}
	d.Title, d.Lead = d.T(words.title), d.T(words.lead)
	switch words.next {
	case "page.retry":
		d.Next = &nextLink{"", d.T("page.retry")} // an empty reference is this page
	case "page.console":
		d.Next = &nextLink{"/", d.T("page.console")}
	case "page.sign_in":
		d.Next = &nextLink{d.link(loginPath), d.T("page.sign_in")}
	}
	problemHeaders(w, p)
	render(w, r, p.Status, "error", d)
}
