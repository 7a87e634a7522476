package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// inviteForm is what an invited person sends.
type inviteForm struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

// inviteData is what the page of an invitation shows.
type inviteData struct {
	view
	Action string
	Login  string // for password managers
	Name   string
	Token  string
}

// invitePage asks an invited person for a password. Looking at it uses nothing
// up: programs that look at links in mails do it before people.
func (h *Handler) invitePage(w http.ResponseWriter, r *http.Request, v Visit) {
	token := r.URL.Query().Get("token")
	a, err := h.door.Invitation(r.Context(), v.Request, v.Decision, token)
	if err != nil {
		h.uninvited(w, r, v, err)
		return
	}
	render(w, r, http.StatusOK, "invite", h.inviteData(r, v, a, token))
}

func (h *Handler) inviteData(r *http.Request, v Visit, a *gate.Admin, token string) *inviteData {
	d := &inviteData{view: h.view(r, v), Login: a.Login, Name: a.Name, Token: token}
	if t := h.door.TenantByID(a.Tenant); t != nil {
		d.Tenant = t.Name
	}
	d.Action, d.Title = d.link(invitePath), d.T("invite.title", "Tenant", d.Tenant)
	for i := range d.Languages { // of a page that was posted, too
		query := url.Values{"token": {token}, "lang": {d.Languages[i].Tag}}
		d.Languages[i].URL = "?" + query.Encode()
	}
	return d
}

// invite sets the password of an invited person.
func (h *Handler) invite(w http.ResponseWriter, r *http.Request, v Visit) {
	var f inviteForm
	if err := readStep(w, r, &f); err != nil {
		h.fail(w, r, v, err)
		return
	}
	p, err := h.door.Accept(r.Context(), v.Request, v.Decision, f.Token, f.Password)
	if err == nil {
		h.proceed(w, r, v, p)
		return
	}
	if _, weak := errors.AsType[*auth.WeakPasswordError](err); !weak || !wantsPage(r) {
		h.uninvited(w, r, v, err)
		return
	}
	a, gone := h.door.Invitation(r.Context(), v.Request, v.Decision, f.Token)
	if gone != nil {
		h.uninvited(w, r, v, gone)
		return
	}
	d := h.inviteData(r, v, a, f.Token)
	d.Problems = d.passwordTroubles(err)
	h.again(w, r, err, "invite", d)
}

// badInvitation is the answer to an invitation that does not count.
var badInvitation = kind{"invitation_invalid", http.StatusUnauthorized, "The link does not work any more"}

// uninvited answers an invitation that does not count, with one sentence
// whatever is wrong, or any other error.
func (h *Handler) uninvited(w http.ResponseWriter, r *http.Request, v Visit, err error) {
	refusal, ok := errors.AsType[*gate.Refusal](err)
	if !ok || refusal.Reason != gate.BadCredentials {
		h.fail(w, r, v, err)
		return
	}
	p := badInvitation.problem("it can be used once, for a day: ask an owner for another")
	p.Reason, p.Reference = refusal.Reason, refusal.Reference
	h.explain(w, r, v, p)
}
