package web

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// forGood is how a span without an end is written.
const forGood = "always"

// spanText writes how long something is to be allowed: whole days, hours or
// minutes, or forGood.
func spanText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return forGood
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	}
	return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
}

// parseSpan reads what spanText writes.
func parseSpan(text string) (d time.Duration, ok bool) {
	if text == forGood {
		return 0, true
	}
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}

const badSpan = "write 30m, 8h, 7d or " + forGood

// askedJSON is an access request as the browser that made it sees it.
type askedJSON struct {
	ID        string        `json:"id"`
	State     gate.AskState `json:"state"`
	Reference string        `json:"reference"`
	Made      timestamp     `json:"made"`
	Expires   timestamp     `json:"expires"` // until then it waits
	Until     timestamp     `json:"until"`   // of an approval; null: for good, or none yet
	Note      string        `json:"note"`    // of the answer
}

func showAsked(r *gate.AccessRequest) askedJSON {
	out := askedJSON{
		ID: r.ID, State: r.State, Reference: r.Reference, Made: timestamp(r.Made), Expires: timestamp(r.Made.Add(gate.AskLives)), Until: timestamp(r.Until),
	}
	if r.State == gate.AskApproved || r.State == gate.AskDeclined { // a proposal's note is not for the asker
		out.Note = r.Note
	}
	return out
}

// requestJSON is an access request as those see it who answer it.
type requestJSON struct {
	askedJSON
	Address   string        `json:"address"`
	Login     string        `json:"login"`    // as it was typed
	AdminID   *string       `json:"admin_id"` // whose login it is; null: nobody's
	Name      *string       `json:"name"`
	Why       string        `json:"why"`
	For       string        `json:"for"` // as in 8h or 7d, or "always"
	UserAgent string        `json:"user_agent"`
	Proposal  *proposalJSON `json:"proposal"` // of a reviewer; null: none
	Decided   timestamp     `json:"decided"`
	DecidedBy *string       `json:"decided_by"`
	Entry     *string       `json:"entry"` // id of the network that an approval added
}

type proposalJSON struct {
	By   string    `json:"by"`
	For  string    `json:"for"`
	Time timestamp `json:"time"`
	Note string    `json:"note"`
}

func showRequest(r *gate.AccessRequest) requestJSON {
	out := requestJSON{
		askedJSON: showAsked(r), Address: addressText(r.Address, r.Bits), Login: r.Login, AdminID: present(r.Admin), Name: present(r.Name),
		Why: r.Why, For: spanText(r.For), UserAgent: r.UserAgent,
		Decided: timestamp(r.Decided), DecidedBy: present(r.DecidedBy), Entry: present(r.Entry),
	}
	if !r.Proposed.IsZero() {
		out.Proposal = &proposalJSON{By: r.ProposedBy, For: spanText(r.ProposedFor), Time: timestamp(r.Proposed)}
		if r.State == gate.AskWaiting {
			out.Proposal.Note = r.Note
		}
	}
	return out
}

// writtenAsk is a request as it is sent, as a form or as JSON.
type writtenAsk struct {
	Reference string `json:"reference"`
	Login     string `json:"login"`
	Why       string `json:"why"`
	For       string `json:"for"` // empty: 8h
}

func (a *writtenAsk) ask(r *http.Request) (gate.Ask, error) {
	out := gate.Ask{Reference: a.Reference, Login: a.Login, Why: a.Why}
	var ok bool
	if out.For, ok = parseSpan(cmp.Or(a.For, "8h")); !ok {
		return out, gate.Invalid("for", "invalid", badSpan)
	}
	// Two cookies of the name are none: a second request is no harm.
	out.Browser, _, _ = auth.FindCookie(r.Header, auth.AskCookie)
	return out, nil
}

func postRequest(c *call) (any, error) {
	if t := c.visit.Decision.Tenant; t != nil && t.Settings.NoRequests {
		if c.tenant == "" {
			return nil, c.h.refusal(c.visit)
		}
		return nil, notFound.problem(noSuchCall)
	}
	var body writtenAsk
	if err := c.read(&body); err != nil {
		return nil, err
	}
	r, err := c.h.makeAsk(c.w, c.Request, c.visit, &body)
	if err != nil {
		return nil, err
	}
	return showAsked(r), nil
}

// makeAsk makes a request, and gives the browser the secret to read its answer.
func (h *Handler) makeAsk(w http.ResponseWriter, r *http.Request, v Visit, written *writtenAsk) (*gate.AccessRequest, error) {
	a, err := written.ask(r)
	if err != nil {
		return nil, err
	}
	made, secret, err := h.door.Ask(r.Context(), v.Request, v.Decision, a)
	if err != nil && !errors.Is(err, gate.ErrNotYetInForce) { // nothing of a request has to come into force
		if errors.Is(err, gate.ErrAskAgain) {
			p := h.errorProblem(err)
			p.Theirs = showAsked(made)
			return made, p
		}
		return nil, err
	}
	http.SetCookie(w, auth.NewAskCookie(secret))
	return made, nil
}

// askOf returns the request that belongs to the browser.
func (h *Handler) askOf(r *http.Request, v Visit, id string) (*gate.AccessRequest, error) {
	secret, _, err := auth.FindCookie(r.Header, auth.AskCookie)
	if err != nil {
		return nil, gate.ErrNotFound
	}
	return h.door.AskOf(r.Context(), v.Decision, id, secret)
}

// getRequest answers the asking browser with its state, and with a session, the
// rest.
func getRequest(c *call) (any, error) {
	mine, err := c.h.askOf(c.Request, c.visit, c.arg)
	if err == nil {
		return showAsked(mine), nil
	}
	switch {
	case !errors.Is(err, gate.ErrNotFound):
		return nil, err
	case c.tenant == "": // to whom it does not belong, it is as if it were not there
		return nil, c.h.refusal(c.visit)
	}
	r, err := c.h.door.AccessRequest(c.Context(), c.actor, c.tenant, c.arg)
	if err != nil {
		return nil, err
	}
	return showRequest(r), nil
}

func getRequests(c *call) (any, error) {
	limit := c.query.limit()
	f := gate.AskFilter{Tenant: c.tenant, Limit: limit + 1, Before: c.query.cursor("requests").moment()}
	if state, ok := c.query.values["state"]; ok {
		oneOf(&c.query, "state", state, gate.AskStates)
		f.State = gate.AskState(state)
	}
	if err := c.query.err(); err != nil {
		return nil, err
	}
	found, err := c.h.door.AccessRequests(c.Context(), c.actor, f)
	if err != nil {
		return nil, err
	}
	return page(found, limit, showRequest, func(r *gate.AccessRequest) cursor {
		return cursor{"requests", r.Made.UnixMicro(), r.ID}
	}), nil
}

// answeredJSON is a request that was answered, and what came of it.
type answeredJSON struct {
	requestJSON
	Version  int64          `json:"version,omitempty"` // of the list, where it was changed
	Warnings []fieldProblem `json:"warnings"`
}

func approveRequest(c *call) (any, error) {
	var body struct {
		For  string `json:"for"` // empty: as it was asked for
		Note string `json:"note"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	asked, err := c.h.door.AccessRequest(c.Context(), c.actor, c.tenant, c.arg)
	if err != nil {
		return nil, err
	}
	span, ok := parseSpan(cmp.Or(body.For, spanText(asked.For)))
	if !ok {
		return nil, gate.Invalid("for", "invalid", badSpan)
	}
	a := gate.Answer{For: span, Note: body.Note}
	a.Trusted = c.h.door.Source.Trusted
	r, edit, err := c.h.door.Approve(c.Context(), c.actor, c.tenant, c.arg, a)
	if err != nil {
		return nil, err
	}
	out := answeredJSON{requestJSON: showRequest(r), Warnings: []fieldProblem{}}
	if edit != nil {
		out.Version = edit.Version
	}
	return out, nil
}

func declineRequest(c *call) (any, error) {
	var body struct {
		Note string `json:"note"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	r, err := c.h.door.Decline(c.Context(), c.actor, c.tenant, c.arg, body.Note)
	if err != nil {
		return nil, err
	}
	return showRequest(r), nil
}
