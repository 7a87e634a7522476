package web

import (
	"errors"
	"net/http"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// passwordForm is what the page sends that changes a password.
type passwordForm struct {
	Current  string `json:"current"`
	Password string `json:"password"`
}

// passwordData is what that page shows.
type passwordData struct {
	view
	Action string
	Login  string // for password managers, where it is known
	First  bool   // the current one was given by somebody else
}

// passwordPage asks for a new password: in a sign-in, or whoever is signed in.
func (h *Handler) passwordPage(w http.ResponseWriter, r *http.Request, v Visit) {
	if !signedIn(v) && h.notUnderWay(w, r, v) {
		return
	}
	render(w, r, http.StatusOK, "password", h.passwordData(r, v))
}

func (h *Handler) passwordData(r *http.Request, v Visit) *passwordData {
	d := &passwordData{view: h.view(r, v), First: !signedIn(v)}
	if !d.First {
		d.Login = v.Decision.Admin.Login
	}
	d.Action, d.Title = d.link(passwordPath), d.T("password.title")
	return d
}

// password takes the current and the new password.
func (h *Handler) password(w http.ResponseWriter, r *http.Request, v Visit) {
	var f passwordForm
	if err := readStep(w, r, &f); err != nil {
		h.fail(w, r, v, err)
		return
	}
	p, err := h.door.SetPassword(r.Context(), v.Request, v.Decision, stepToken(r), f.Current, f.Password)
	if err == nil {
		h.proceed(w, r, v, p)
		return
	}
	d := h.passwordData(r, v)
	if d.Problems = d.passwordTroubles(err); d.Problems == nil || !wantsPage(r) {
		h.fail(w, r, v, err)
		return
	}
	h.again(w, r, err, "password", d)
}

// weakWords say what is wrong with a new password.
var weakWords = map[string]string{
	auth.PasswordTooShort: "password.too_short",
	auth.PasswordTooLong:  "password.too_long",
	auth.PasswordCommon:   "password.common",
	auth.PasswordTrivial:  "password.trivial",
	auth.PasswordOwn:      "password.own",
	"unchanged":           "password.unchanged",
}

// passwordTroubles says in words what was wrong, nil where the page cannot.
func (v *view) passwordTroubles(err error) []trouble {
	if weak, ok := errors.AsType[*auth.WeakPasswordError](err); ok {
		key, known := weakWords[weak.Code]
		if !known {
			key = "password.weak"
		}
		return []trouble{{Field: "password", Text: v.T(key, "N", weak.Min)}}
	}
	refusal, ok := errors.AsType[*gate.Refusal](err)
	if !ok || refusal.Reason != gate.BadCredentials && refusal.Reason != gate.Throttled {
		return nil
	}
	return []trouble{v.trouble("current", refusal, "password.wrong")}
}
