package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// isAsk reports whether a path is one of the pages of an access request.
func isAsk(path string) bool {
	return path == askPath || strings.HasPrefix(path, askPath+"/")
}

// mayAsk reports whether somebody who was kept out may come to a path all the
// same, since an access request starts there: a visitor whose network a known
// tenant does not allow. Who else is kept out learns nothing.
func (h *Handler) mayAsk(path string, v Visit) bool {
	asks := isAsk(path) || path == apiPrefix+"requests" || strings.HasPrefix(path, apiPrefix+"requests/")
	return asks && h.door.Site.Login && v.Decision.Tenant != nil && v.Decision.Reason == gate.OutsideNetworks &&
		!v.Decision.Tenant.Settings.NoRequests
}

// askPages serves the form on which a visitor who was kept out asks to be let
// in, and the page on which the browser that sent it waits.
func (h *Handler) askPages(w http.ResponseWriter, r *http.Request, v Visit) {
	if r.URL.Path == askPath {
		h.byMethod(w, r, v, (*Handler).askPage, (*Handler).ask)
		return
	}
	h.byMethod(w, r, v, (*Handler).askedPage, nil)
}

// askSpans are the times that the form offers.
var askSpans = []struct{ Value, Key string }{
	{"8h", "request.for.8h"}, {"1d", "request.for.1d"}, {"7d", "request.for.7d"}, {forGood, "request.for.always"},
}

// askData is what the form shows.
type askData struct {
	view
	writtenAsk
	Action, Back string
	Address      string
	Spans        []span
	Most         int // characters of the reason
}

// span is one choice of how long.
type span struct {
	Value, Text string
	Chosen      bool
}

func (h *Handler) askData(r *http.Request, v Visit, a writtenAsk) *askData {
	if a.For == "" {
		a.For = askSpans[0].Value
	}
	d := &askData{view: h.view(r, v), writtenAsk: a, Address: v.Request.Address.Addr.String(), Most: gate.MaxWhy}
	d.Title, d.Action = d.T("request.title"), d.link(askPath)
	for _, s := range askSpans {
		d.Spans = append(d.Spans, span{s.Value, d.T(s.Key), s.Value == a.For})
	}
	return d
}

func (h *Handler) askPage(w http.ResponseWriter, r *http.Request, v Visit) {
	if v.Decision.Inside() { // it was approved meanwhile, or the visitor has moved
		seeOther(w, "/")
		return
	}
	reference := r.URL.Query().Get("reference")
	if canonical, err := auth.ParseReference(reference); err == nil {
		reference = canonical
	}
	render(w, r, http.StatusOK, "ask", h.askData(r, v, writtenAsk{Reference: shorten(reference)}))
}

// askFields are the words for what is wrong with a field of the form.
var askFields = map[string]string{"reference": "request.reference.wrong", "login": "request.login.wrong", "why": "request.reason.wrong", "for": "request.for.wrong"}

// ask takes the form. A browser whose request waits already is led to it.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request, v Visit) {
	var form writtenAsk
	if err := readStep(w, r, &form); err != nil {
		h.fail(w, r, v, err)
		return
	}
	made, err := h.makeAsk(w, r, v, &form)
	if bad, ok := errors.AsType[*gate.InvalidError](err); ok && wantsPage(r) {
		d := h.askData(r, v, form)
		for _, f := range bad.Errors {
			d.Problems = append(d.Problems, trouble{Field: f.Field, Text: d.T(askFields[f.Field], "N", gate.MaxWhy)})
		}
		h.again(w, r, err, "ask", d)
		return
	}
	_, chosen := localeOf(r)
	switch {
	case err != nil && made == nil:
		h.fail(w, r, v, err)
	case !wantsPage(r) && err != nil:
		h.fail(w, r, v, err)
	case !wantsPage(r):
		writeJSON(w, http.StatusCreated, showAsked(made))
	case err != nil:
		seeOther(w, chosen.link(askPath+"/"+made.ID, url.Values{"waiting": {"1"}}))
	default:
		seeOther(w, chosen.link(askPath+"/"+made.ID, nil))
	}
}

// askTitles are the headings of the waiting page.
var askTitles = map[gate.AskState]string{
	gate.AskWaiting: "request.waiting.title", gate.AskApproved: "request.approved.title",
	gate.AskDeclined: "request.declined.title", gate.AskExpired: "request.expired.title",
}

// askedData is what the waiting page shows.
type askedData struct {
	view
	State     gate.AskState
	Reference string
	Again     bool    // it was waiting already when another one was sent
	Until     *moment // nil: for good
	Note      string
	Watch     string // where the script asks for the state
}

// askEvery is how often, in seconds, the waiting page loads itself anew.
const askEvery = "15"

// askedPage shows the asking browser where its request stands. While it waits,
// the page loads itself anew: a stream would let strangers hold connections.
func (h *Handler) askedPage(w http.ResponseWriter, r *http.Request, v Visit) {
	id := strings.TrimPrefix(r.URL.Path, askPath+"/")
	asked, err := h.askOf(r, v, id)
	if errors.Is(err, gate.ErrNotFound) && !v.Decision.Inside() {
		h.Refuse(w, r, v)
		return
	}
	if err != nil {
		h.fail(w, r, v, err)
		return
	}
	d := &askedData{
		view: h.view(r, v), State: asked.State, Reference: asked.Reference, Again: r.URL.Query().Get("waiting") != "",
		Watch: apiPrefix + "requests/" + url.PathEscape(id),
	}
	d.Title = d.T(askTitles[asked.State])
	switch asked.State {
	case gate.AskWaiting:
		w.Header().Set("Refresh", askEvery)
	case gate.AskApproved:
		d.Note = asked.Note
		if !asked.Until.IsZero() {
			until := d.moment(asked.Until)
			d.Until = &until
		}
	case gate.AskDeclined:
		d.Note = asked.Note
	}
	render(w, r, http.StatusOK, "asked", d)
}
