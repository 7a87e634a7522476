package web

import (
	"errors"
	"net/http"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// notices are the reasons that the sign-in page has a word about. In its query
// they are looked up here and nowhere else.
var notices = map[gate.Reason]string{
	gate.SessionExpired: "session.expired",
	gate.SessionIdle:    "session.idle",
	gate.SessionRevoked: "session.revoked",
	gate.AddressChanged: "session.moved",
	gate.NoSession:      "session.step",
}

// loginForm is what the sign-in page sends.
type loginForm struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	ReturnTo string `json:"return_to"`
}

// sharedForm is loginForm on a site that all tenants share.
type sharedForm struct {
	Organization string `json:"organization"`
	Login        string `json:"login"`
	Password     string `json:"password"`
	ReturnTo     string `json:"return_to"`
}

// loginData is what the sign-in page shows.
type loginData struct {
	view
	Action, ReturnTo, Host string
	ByLogin                bool
	Organization, Login    string // as typed before
	Notice                 string
	Allowed                string // address, where the page may say that it is an allowed one
}

// loginPage shows the sign-in page, or leads on whoever is signed in.
func (h *Handler) loginPage(w http.ResponseWriter, r *http.Request, v Visit) {
	query := r.URL.Query()
	returnTo := safePath(query.Get("return_to"))
	if signedIn(v) {
		seeOther(w, returnTo)
		return
	}
	d := h.loginData(r, v, sharedForm{ReturnTo: returnTo})
	d.Notice = h.notice(r, v, &d.view, gate.Reason(query.Get("reason")))
	render(w, r, http.StatusOK, "login", d)
}

// notice is what the sign-in page says about how a session ended; empty: nothing.
func (h *Handler) notice(r *http.Request, v Visit, words *view, reason gate.Reason) string {
	key, ok := notices[reason]
	if !ok {
		return ""
	}
	if reason == gate.SessionRevoked { // where the store is away, the sentence for every case does
		if by, _ := h.door.EndedByOther(r.Context(), v.Request, v.Decision); by {
			key = "session.ended.admin"
		}
	}
	return words.T(key, "Time", words.duration(h.door.Rules.Idle))
}

func (h *Handler) loginData(r *http.Request, v Visit, f sharedForm) *loginData {
	d := &loginData{
		view: h.view(r, v), ReturnTo: f.ReturnTo, Host: r.Host, ByLogin: h.door.Site.ByLogin,
		Organization: f.Organization, Login: f.Login,
	}
	d.Action, d.Title = d.link(loginPath), d.T("login.title.any")
	if d.Tenant != "" {
		d.Title = d.T("login.title", "Tenant", d.Tenant)
	}
	// In a dry run this line would tell the visitors who have it from those
	// who would be blocked.
	if t := v.Decision.Tenant; t != nil && t.Mode == gate.ModeEnforced {
		d.Allowed = v.Request.Address.Addr.String()
	}
	return d
}

// login takes login and password.
func (h *Handler) login(w http.ResponseWriter, r *http.Request, v Visit) {
	f, err := h.readLogin(w, r)
	if err != nil {
		h.fail(w, r, v, err)
		return
	}
	f.ReturnTo = safePath(f.ReturnTo)
	// The decision is lent as a copy: on a shared site Login notes the tenant
	// in it, and the page that says no must not say of whom.
	dec := *v.Decision
	p, err := h.door.Login(r.Context(), v.Request, &dec, gate.LoginForm{
		Login: f.Login, Password: f.Password, Organization: f.Organization, ReturnTo: f.ReturnTo,
	})
	if err != nil {
		h.loginFailed(w, r, v, f, err)
		return
	}
	h.proceed(w, r, v, p)
}

// loginOutside answers a sign-in of somebody whom the list keeps out like
// everything else that is kept out, whatever was typed; only its record is
// another.
func (h *Handler) loginOutside(w http.ResponseWriter, r *http.Request, v Visit) {
	r, done := hurry(r)
	defer done()
	vary(w)
	p := decisionProblem(v.Decision)
	f, err := h.readLogin(w, r)
	if err == nil && h.origins.Check(r) == nil {
		p.Reference = h.door.TryOutside(r.Context(), v.Request, v.Decision, gate.LoginForm{Login: f.Login, Password: f.Password})
	}
	if p.Reference == "" {
		p.Reference = h.door.Record(v.Request, v.Decision)
	}
	h.explain(w, r, v, p)
}

func (h *Handler) readLogin(w http.ResponseWriter, r *http.Request) (f sharedForm, err error) {
	if h.door.Site.ByLogin {
		err = readStep(w, r, &f)
		return f, err
	}
	var own loginForm
	err = readStep(w, r, &own)
	return sharedForm{Login: own.Login, Password: own.Password, ReturnTo: own.ReturnTo}, err
}

// loginFailed shows the sign-in page again: one page for every way to be wrong.
func (h *Handler) loginFailed(w http.ResponseWriter, r *http.Request, v Visit, f sharedForm, err error) {
	refusal, ok := errors.AsType[*gate.Refusal](err)
	if !ok || !wantsPage(r) || refusal.Reason != gate.BadCredentials && refusal.Reason != gate.Throttled {
		h.fail(w, r, v, err)
		return
	}
	d := h.loginData(r, v, f)
	field := "login"
	if d.ByLogin {
		field = "organization"
	}
	d.Problems = []trouble{d.trouble(field, refusal, "login.error")}
	h.again(w, r, err, "login", d)
}

// trouble says in words why a step was refused: that there were too many
// tries, or the sentence given.
func (v *view) trouble(field string, refusal *gate.Refusal, key string) trouble {
	if refusal.Reason == gate.Throttled {
		return trouble{field, v.T("login.limited", "Time", v.wait(refusal.RetryAfter)), v.countdown(refusal.RetryAfter)}
	}
	return trouble{Field: field, Text: v.T(key)}
}

// again shows the page of a step once more, with the status of the error.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, err error, name string, data any) {
	p := h.errorProblem(err)
	problemHeaders(w, p)
	render(w, r, p.Status, name, data)
}
