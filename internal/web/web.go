// Package web is what visitors see of the gate itself: the sign-in pages, the
// page for those who are kept out, and the JSON API. A handler decodes, calls
// one method of package gate, and renders; no rule lives here.
//
// Every page works without JavaScript and under a content security policy that
// allows neither inline style nor script. Every sentence comes from locales/.
package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Prefix is what every path of the gate's own begins with; everything else is
// the console's.
const Prefix = "/_sallyport/"

// answerWithin is how long the gate's own pages may wait for the store before
// they answer that it is away.
const answerWithin = 20 * time.Second

// The gate's own pages.
const (
	homePath     = Prefix
	loginPath    = Prefix + "login"
	verifyPath   = Prefix + "verify"
	enrolPath    = Prefix + "enrol"
	passwordPath = Prefix + "password"
	invitePath   = Prefix + "invite"
	logoutPath   = Prefix + "logout"
	goodbyePath  = Prefix + "goodbye"
	askPath      = Prefix + "request"
	jwksPath     = Prefix + "jwks.json"
	staticPrefix = Prefix + "static/"
)

// Handler serves one protected site's own pages, API and refusals.
type Handler struct {
	door    *gate.Door
	origins http.CrossOriginProtection
	blocked blockedPages
	reports *rate.Limiter // of violations of the console's policy
}

// New returns the Handler of a site. It is cheap: pages, words and files are
// read once for the whole program.
func New(door *gate.Door) *Handler {
	door.SetMissingWords(missingWords.Load)
	return &Handler{door: door, reports: newReports()}
}

// Visit is one request as the switchboard knows it.
type Visit struct {
	Request  *gate.Request
	Decision *gate.Decision
}

// pageFunc answers a request for one of the gate's own pages.
type pageFunc func(*Handler, http.ResponseWriter, *http.Request, Visit)

// signInPage returns what answers GET and POST, nil where nothing does, of the
// pages that visitors see before they have a session.
func signInPage(path string) (get, post pageFunc, ok bool) {
	switch path {
	case loginPath:
		return (*Handler).loginPage, (*Handler).login, true
	case verifyPath:
		return (*Handler).verifyPage, (*Handler).verify, true
	case enrolPath:
		return (*Handler).enrolPage, (*Handler).enrol, true
	case invitePath:
		return (*Handler).invitePage, (*Handler).invite, true
	case passwordPath:
		return (*Handler).passwordPage, (*Handler).password, true
	case logoutPath:
		return nil, (*Handler).logout, true
	case goodbyePath:
		return (*Handler).goodbyePage, nil, true
	}
	return nil, nil, false
}

// Own serves every path under [Prefix]; r.URL.Path is cleaned. It decides from
// the visit what of it may be seen: style, script, public keys and the access
// request from anywhere, the sign-in pages by whom the first door let through,
// the rest with a session. Everybody else is refused as everywhere on the site.
func (h *Handler) Own(w http.ResponseWriter, r *http.Request, v Visit) {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, staticPrefix):
		h.byMethod(w, r, v, (*Handler).static, nil)
		return
	case path == jwksPath:
		h.byMethod(w, r, v, (*Handler).jwks, nil)
		return
	case !v.Decision.Inside() && path == loginPath && r.Method == http.MethodPost && h.door.LooksOutside(v.Decision):
		h.loginOutside(w, r, v)
		return
	case !v.Decision.Inside() && !h.mayAsk(path, v):
		h.Refuse(w, r, v)
		return
	case path == reportPath: // before the check of the origin, which browsers may leave out here
		h.byMethod(w, r, v, nil, (*Handler).report)
		return
	}
	vary(w)
	if h.origins.Check(r) != nil {
		h.fail(w, r, v, &gate.Refusal{Reason: gate.CrossOrigin})
		return
	}
	get, post, isSignIn := signInPage(path)
	switch site := h.door.Site; {
	case strings.HasPrefix(path, apiPrefix):
		h.api(w, r, v)
	case isAsk(path) && site.Login:
		h.askPages(w, r, v)
	case isSignIn && site.Login:
		h.byMethod(w, r, v, get, post)
	case isSignIn || path == homePath && (!site.Login || !site.Console):
		h.fail(w, r, v, notFound.problem("this part is switched off for this site"))
	case !v.Decision.Passed():
		h.Refuse(w, r, v)
	case site.Login && site.Console:
		h.console(w, r, v)
	default:
		h.fail(w, r, v, notFound.problem("there is nothing by this name"))
	}
}

// hurry makes a request that is given up when nothing has moved for too long: a
// database that is cut off answers nothing at all. What it still sends counts.
func hurry(r *http.Request) (_ *http.Request, done func()) {
	ctx, cancel := context.WithCancel(r.Context())
	late := time.AfterFunc(answerWithin, cancel)
	r = r.WithContext(ctx)
	r.Body = &upload{r.Body, late}
	return r, func() {
		late.Stop()
		cancel()
	}
}

// upload is a body that puts the end of its request off while it comes.
type upload struct {
	io.ReadCloser
	late *time.Timer
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.late.Reset(answerWithin)
	return n, err
}

// byMethod calls get for GET and HEAD, and post for POST; nil: not allowed.
func (h *Handler) byMethod(w http.ResponseWriter, r *http.Request, v Visit, get, post pageFunc) {
	var allowed []string
	if get != nil {
		allowed = append(allowed, http.MethodGet, http.MethodHead)
	}
	if post != nil {
		allowed = append(allowed, http.MethodPost)
	}
	r, done := hurry(r)
	defer done()
	switch {
	case get != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		get(h, w, r, v)
	case post != nil && r.Method == http.MethodPost:
		post(h, w, r, v)
	default:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		h.fail(w, r, v, methodNotAllowed.problem("allowed are "+strings.Join(allowed, ", ")))
	}
}

// Refuse answers a request that does not pass, wherever it was going, and
// records it. It returns the reference of the record.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, v Visit) (reference string) {
	vary(w)
	p := h.refusal(v)
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if p.Status == http.StatusUnauthorized && read && wantsHTML(r) {
		reason := p.Reason
		if reason == gate.NoSession { // the usual beginning, and no news to anybody
			reason = ""
		}
		toLogin(w, r, p.Reference, reason, safePath(r.URL.RequestURI()))
		return p.Reference
	}
	h.explain(w, r, v, p)
	return p.Reference
}

// toLogin sends a visitor to the sign-in page, which says why they are there
// when that is worth a word.
func toLogin(w http.ResponseWriter, r *http.Request, reference string, reason gate.Reason, returnTo string) {
	query := url.Values{}
	if returnTo != "/" {
		query.Set("return_to", returnTo)
	}
	if _, ok := notices[reason]; ok {
		query.Set("reason", string(reason))
	}
	w.Header().Set("X-Sallyport-Reference", reference)
	_, chosen := localeOf(r)
	seeOther(w, chosen.link(loginPath, query))
}

// stepLost are the reasons for which a sign-in under way has to begin again.
var stepLost = map[gate.Reason]bool{
	gate.NoSession: true, gate.SessionExpired: true, gate.SessionInvalid: true, gate.SessionRevoked: true, gate.WrongTenant: true,
}

// fail answers a request that an operation refused, or that cannot be read.
// Every refusal leaves here with the reference of a record.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, v Visit, err error) {
	if errors.Is(err, gate.ErrStepUp) && h.door.Site.Console && r.Method == http.MethodGet && wantsHTML(r) {
		h.toProof(w, r)
		return
	}
	p := h.errorProblem(err)
	if p.Reference == "" {
		p.Reference = h.record(v, p)
	}
	if stepLost[p.Reason] && wantsPage(r) {
		http.SetCookie(w, auth.ClearCookie(auth.StepCookie))
		toLogin(w, r, p.Reference, gate.NoSession, "/")
		return
	}
	h.explain(w, r, v, p)
}

// toProof leads a browser to the page that asks for a proof, and back from there.
func (h *Handler) toProof(w http.ResponseWriter, r *http.Request) {
	_, chosen := localeOf(r)
	seeOther(w, chosen.link(Prefix+provePath, url.Values{"to": {ownPath(r.URL.RequestURI())}}))
}

// record makes the record of a refusal that gate did not make itself; what is
// no refusal has none.
func (h *Handler) record(v Visit, p problem) (reference string) {
	dec := *v.Decision
	dec.Stage, dec.Outcome, dec.Reason = gate.StageSignIn, gate.Refused, p.Reason
	switch {
	case p.Reason == "" && p.Status == http.StatusServiceUnavailable:
		dec.Reason = gate.PolicyUnavailable
		if signedIn(v) {
			dec.Stage = gate.StageSession
		}
	case p.Reason == "":
		return ""
	}
	return h.door.Record(v.Request, &dec)
}

// explain answers with a problem: as a page to people, as JSON to programs.
func (h *Handler) explain(w http.ResponseWriter, r *http.Request, v Visit, p problem) {
	switch {
	case !wantsPage(r):
		writeProblem(w, p)
	case p.Reason == gate.OutsideNetworks || p.Reason == gate.AddressUnknown:
		h.blockedPage(w, r, v, p)
	default:
		h.errorPage(w, r, v, p)
	}
}

// jwks publishes the keys that assertions verify against.
func (h *Handler) jwks(w http.ResponseWriter, r *http.Request, v Visit) {
	keys, err := h.door.JWKS()
	if err != nil {
		h.fail(w, r, v, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/jwk-set+json")
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("X-Content-Type-Options", "nosniff")
	write(w, r, http.StatusOK, keys)
}

// Origin returns the origin of the site that a request is for, as browsers
// write it (RFC 6454, 6.2). It is https whatever the connection: the gate's
// cookies go over nothing else, also behind a proxy that ends TLS.
func Origin(r *http.Request) string {
	name, port := r.Host, ""
	if strings.IndexByte(name, ':') >= 0 { // most have none, and an error is not for free
		if n, p, err := net.SplitHostPort(name); err == nil {
			name, port = n, p
		}
	}
	if canonical, err := gate.CanonicalHost(name); err == nil {
		name = canonical
	}
	if port == "" || port == "443" {
		return "https://" + name
	}
	return "https://" + net.JoinHostPort(strings.Trim(name, "[]"), port)
}

// vary says what the answers of the gate's own pages depend on.
func vary(w http.ResponseWriter) {
	const on = "Accept, Accept-Language, Cookie"
	if !slices.Contains(w.Header()["Vary"], on) {
		w.Header().Add("Vary", on)
	}
}

// seeOther sends a browser on with GET. http.Redirect is not used because it
// cleans paths, and the console behind may tell /a//b from /a/b.
func seeOther(w http.ResponseWriter, path string) {
	w.Header().Set("Location", path)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}
