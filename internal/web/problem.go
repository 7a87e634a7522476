package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// problem is the body of every error answer that is no page (RFC 9457). It
// travels as an error from where it is found to where it is written, and its
// texts are meant to be shown: no internal text ever stands in them.
type problem struct {
	Type      string         `json:"type"` // urn:sallyport:problem: and a code that programs branch on
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Reason    gate.Reason    `json:"reason,omitempty"`
	Reference string         `json:"reference,omitempty"`
	Errors    []fieldProblem `json:"errors,omitempty"`
	// Of version_conflict the list as it is now, of request_waiting the request.
	Theirs  any `json:"theirs,omitempty"`
	Pending any `json:"pending,omitempty"` // of change_pending: the change that waits
	Guard   any `json:"guard,omitempty"`   // of would_…: more about it

	RetryAfter int64  `json:"-"` // seconds, for the header; 0: none
	Challenge  string `json:"-"` // of WWW-Authenticate, where it is not the sign-in page
}

// fieldProblem says what is wrong with one field of the input.
type fieldProblem struct {
	Field   string `json:"field"` // e.g. entries[3].range
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (p problem) Error() string { return p.Title + ": " + p.Detail }

// code is what programs branch on.
func (p problem) code() string { return strings.TrimPrefix(p.Type, problemType) }

// problemType is what the type of every problem begins with.
const problemType = "urn:sallyport:problem:"

// kind is one sort of problem.
type kind struct {
	code   string
	status int
	title  string
}

// The problems that are no refusals of a door.
var (
	malformed        = kind{"malformed", http.StatusBadRequest, "The request cannot be read"}
	invalid          = kind{"invalid", http.StatusUnprocessableEntity, "The input is wrong"}
	forbidden        = kind{"forbidden", http.StatusForbidden, "Your role does not allow this"}
	notFound         = kind{"not_found", http.StatusNotFound, "Not found"}
	methodNotAllowed = kind{"method_not_allowed", http.StatusMethodNotAllowed, "The method is not allowed here"}
	tooLarge         = kind{"too_large", http.StatusRequestEntityTooLarge, "The body is too large"}
	notJSON          = kind{"unsupported_media_type", http.StatusUnsupportedMediaType, "The body has to be JSON"}
	notText          = kind{notJSON.code, notJSON.status, "The body has to be text"}
	misdirected      = kind{"misdirected", http.StatusMisdirectedRequest, "The connection was made for another site"}
	versionConflict  = kind{"version_conflict", http.StatusConflict, "The list was changed by somebody else"}
	locksYouOut      = kind{"would_lock_you_out", http.StatusConflict, "The list would lock you out"}
	locksEveryoneOut = kind{"would_lock_everyone_out", http.StatusConflict, "The list would lock everyone out"}
	cutsOffAdmins    = kind{"would_cut_off_admins", http.StatusConflict, "Too few admins would keep their network"}
	changePending    = kind{"change_pending", http.StatusConflict, "Another change waits to be confirmed"}
	nothingPending   = kind{"nothing_pending", http.StatusConflict, "No such change waits to be confirmed"}
	notAdmitted      = kind{"not_admitted", http.StatusConflict, "The new list does not admit you here"}
	exists           = kind{"exists", http.StatusConflict, "It exists already"}
	changed          = kind{"changed", http.StatusConflict, "It was changed by somebody else"}
	draftChanged     = kind{"draft_changed", http.StatusConflict, "The draft was changed after you looked at it"}
	lastOwner        = kind{"last_owner", http.StatusConflict, "The last owner stays"}
	hasSecondFactor  = kind{"second_factor_exists", http.StatusConflict, "There is a second factor already"}
	requestWaiting   = kind{"request_waiting", http.StatusConflict, "A request is waiting already"}
	requestNotNeeded = kind{"request_not_needed", http.StatusConflict, "Your network is allowed"}
	requestAnswered  = kind{"request_answered", http.StatusConflict, "The request was answered"}
	stepUp           = kind{"step_up", http.StatusForbidden, "Prove again who you are"}
	notYetInForce    = kind{"not_yet_in_force", http.StatusServiceUnavailable, "Stored, but not in force yet"}
	unavailable      = kind{"unavailable", http.StatusServiceUnavailable, "Not possible at the moment"}
)

// problem makes one; without a detail, the first field's error is it.
func (k kind) problem(detail string, errs ...fieldProblem) problem {
	if detail == "" && len(errs) > 0 {
		detail = errs[0].Field + ": " + errs[0].Message
	}
	return problem{Type: problemType + k.code, Title: k.title, Status: k.status, Detail: detail, Errors: errs}
}

// refusals say how a refusal is answered, by its reason.
var refusals = map[gate.Reason]struct {
	status        int
	title, detail string
}{
	gate.UnknownSite:       {http.StatusNotFound, "There is no such site", "no site with this name is served here"},
	gate.AddressUnknown:    {http.StatusForbidden, "Your address could not be verified", "whoever runs the gateway has to look at its trusted proxies; tell them the reference"},
	gate.OutsideNetworks:   {http.StatusForbidden, "Your network is not allowed", "connect from an allowed network, or tell an administrator the reference"},
	gate.PolicyUnavailable: {http.StatusServiceUnavailable, "Not possible at the moment", "it is not known who may enter, so nobody may; try again later"},
	gate.NoSession:         {http.StatusUnauthorized, "Sign in first", "there is no session cookie"},
	gate.SessionExpired:    {http.StatusUnauthorized, "Sign in again", "the session has reached its end"},
	gate.SessionIdle:       {http.StatusUnauthorized, "Sign in again", "the session was not used for too long"},
	gate.SessionRevoked:    {http.StatusUnauthorized, "Sign in again", "the session was ended"},
	gate.SessionInvalid:    {http.StatusUnauthorized, "Sign in again", "the session cookie is not valid"},
	gate.WrongTenant:       {http.StatusUnauthorized, "Sign in here", "the session belongs to another organization"},
	gate.AddressChanged:    {http.StatusUnauthorized, "Sign in again", "your address is another than at sign-in"},
	gate.BadCredentials:    {http.StatusUnauthorized, "Those details did not match", "check them and try again"},
	gate.BadCode:           {http.StatusUnauthorized, "That code did not work", "codes change every 30 seconds: enter the newest one"},
	gate.CodeReused:        {http.StatusUnauthorized, "That code was used already", "wait for the next one"},
	gate.Throttled:         {http.StatusTooManyRequests, "Too many tries", "wait before you try again"},
	gate.CrossOrigin:       {http.StatusForbidden, "The request came from another site", "send it from this site"},
}

// refusalAnswers are the problems that refusals are answered with, made before
// they are needed: most of them go to floods.
var refusalAnswers = func() map[gate.Reason]refusalAnswer {
	answers := map[gate.Reason]refusalAnswer{}
	for reason, r := range refusals {
		p := kind{string(reason), r.status, r.title}.problem(r.detail)
		p.Reason = reason
		body, err := json.Marshal(p)
		if err != nil {
			panic(err) // every test would see it
		}
		answers[reason] = refusalAnswer{p, bytes.TrimSuffix(body, []byte("}"))}
	}
	return answers
}()

type refusalAnswer struct {
	problem problem
	body    []byte // up to where the reference comes, which is its last field
}

// refusalProblem is the answer to a refusal. Nobody is told whether an account
// exists, and a reason that should not occur refuses like the first door does.
func refusalProblem(reason gate.Reason) problem {
	if reason == gate.AccountUnknown || reason == gate.AccountDisabled {
		reason = gate.BadCredentials
	}
	a, ok := refusalAnswers[reason]
	if !ok {
		return forbidden.problem("")
	}
	return a.problem
}

// decisionProblem is the answer to a request that does not pass.
func decisionProblem(dec *gate.Decision) problem {
	if dec.Misdirected {
		p := misdirected.problem("the TLS server name and the host belong to different sites: open a new connection")
		p.Reason = dec.Reason
		return p
	}
	return refusalProblem(dec.Reason)
}

// sentinels are the errors of gate that stand for themselves.
var sentinels = []struct {
	err    error
	kind   kind
	detail string
}{
	// First: it wraps what kept the change from being read back.
	{gate.ErrNotYetInForce, notYetInForce, "the change is stored and will be in force when the store answers again: look before you repeat it"},
	{gate.ErrNotFound, notFound, "there is nothing by this name"},
	{gate.ErrForbidden, forbidden, "ask somebody with another role"},
	{gate.ErrLocksEveryoneOut, locksEveryoneOut, "the list would be enforced with no entry in force that lets an owner in: enable one, or set the mode to dry_run or off"},
	{gate.ErrChangePending, changePending, "keep it or undo it first"},
	{gate.ErrNothingPending, nothingPending, "it was confirmed or undone, or its time is over: look at the list"},
	{gate.ErrNotAdmitted, notAdmitted, "confirm from a network that the new list has, or undo the change"},
	{gate.ErrExists, exists, "take another name"},
	{gate.ErrChanged, changed, "read it again, then repeat your change"},
	{gate.ErrDraftChanged, draftChanged, "review it again, then apply it"},
	{gate.ErrNoDraft, forbidden, "only an admin who is signed in has a draft: send the whole list instead"},
	{gate.ErrLastAdmittedOwner, lastOwner, "the list lets no other owner in: add an entry that counts for one first"},
	{gate.ErrLastOwner, lastOwner, "make somebody else owner first"},
	{gate.ErrAskAgain, requestWaiting, "wait for its answer: theirs is the request"},
	{gate.ErrAskNotNeeded, requestNotNeeded, "no request is needed: sign in"},
	{gate.ErrAnswered, requestAnswered, "it was answered already, or nobody answered within a day"},
	{gate.ErrStepUp, stepUp, `send {"code": …} or, without a second factor, {"password": …} to ` + apiPrefix + `me/proof, then repeat the call with the new cookie`},
	{gate.ErrTooMany, malformed, "to filter by country or asn, ask for a shorter span with since and until"},
	{gate.ErrSecondFactorExists, hasSecondFactor, "an owner has to reset it first"},
}

// errorProblem turns every error of gate, and every problem, into an answer.
// What is not known to be the visitor's doing is 503, without a word of what
// went wrong inside.
func (h *Handler) errorProblem(err error) problem {
	if p, ok := errors.AsType[problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*gate.Refusal](err); ok {
		p := refusalProblem(r.Reason)
		p.Reference, p.RetryAfter = r.Reference, r.RetryAfter
		return p
	}
	if e, ok := errors.AsType[*gate.InvalidError](err); ok {
		p := invalid.problem("nothing was changed")
		for _, f := range e.Errors {
			if f.Code == gate.AcceptWide {
				f.Message += `, with "accept": ["wide"]`
			}
			p.Errors = append(p.Errors, fieldProblem(f))
		}
		return p
	}
	if _, ok := errors.AsType[*gate.VersionConflict](err); ok {
		return versionConflict.problem("compare your change with the list as it is now, then send it again with its version as base_version")
	}
	if e, ok := errors.AsType[*auth.WeakPasswordError](err); ok {
		return invalid.problem("nothing was changed", fieldProblem{"password", e.Code, e.Error()})
	}
	if p, ok := guardProblem(err); ok {
		return p
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.kind.problem(s.detail)
		}
	}
	p := unavailable.problem("try again in a moment")
	p.RetryAfter = 5
	return p
}

// body returns the problem as JSON. That of a plain refusal is there already.
func (p problem) body() ([]byte, error) {
	a, ok := refusalAnswers[p.Reason]
	same := ok && p.Type == a.problem.Type && p.Title == a.problem.Title && p.Status == a.problem.Status && p.Detail == a.problem.Detail
	if !same || p.Errors != nil || p.Theirs != nil || p.Pending != nil || p.Guard != nil || p.Reference == "" {
		return json.Marshal(p)
	}
	// No reference has a sign that JSON escapes: they are the gate's own.
	const name, end = `,"reference":"`, `"}`
	body := make([]byte, 0, len(a.body)+len(name)+len(p.Reference)+len(end))
	return append(append(append(append(body, a.body...), name...), p.Reference...), end...), nil
}

// writeProblem answers with a problem.
func writeProblem(w http.ResponseWriter, p problem) {
	body, err := p.body()
	if err != nil { // cannot happen: every field is text, a number, or what was read from the store
		http.Error(w, p.Title, p.Status)
		return
	}
	SetHeaders(w.Header(), "Content-Type", "application/problem+json", "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff")
	problemHeaders(w, p)
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) //nolint:gosec // G705: it is JSON; and if the visitor is gone, there is nobody to tell
}
