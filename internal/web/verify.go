package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// codeForm is what the pages send that ask for a code.
type codeForm struct {
	Code string `json:"code"`
}

// codeData is what the page shows that asks for a one-time or recovery code.
type codeData struct {
	view
	Action, Other, Restart string
	Recovery               bool // it asks for a recovery code
}

// verifyPage asks for a code, if a sign-in is under way.
func (h *Handler) verifyPage(w http.ResponseWriter, r *http.Request, v Visit) {
	if h.notUnderWay(w, r, v) {
		return
	}
	render(w, r, http.StatusOK, "verify", h.codeData(r, v))
}

// notUnderWay leads on whoever is signed in, and back to the beginning whoever
// has not begun. Whether what was begun is still good is for gate to say, when
// the step is sent.
func (h *Handler) notUnderWay(w http.ResponseWriter, r *http.Request, v Visit) bool {
	switch {
	case stepToken(r) != "":
		return false
	case signedIn(v):
		seeOther(w, "/")
	default:
		h.fail(w, r, v, &gate.Refusal{Reason: gate.NoSession})
	}
	return true
}

func (h *Handler) codeData(r *http.Request, v Visit) *codeData {
	d := &codeData{view: h.view(r, v), Recovery: r.URL.Query().Get("use") == "recovery"}
	app, recovery := d.link(verifyPath), d.choice.link(verifyPath, url.Values{"use": {"recovery"}})
	d.Action, d.Other, d.Restart, d.Title = app, recovery, d.link(loginPath), d.T("totp.title")
	if d.Recovery {
		d.Action, d.Other, d.Title = recovery, app, d.T("recovery.title")
	}
	return d
}

// verify takes a one-time or recovery code.
func (h *Handler) verify(w http.ResponseWriter, r *http.Request, v Visit) {
	var f codeForm
	if err := readStep(w, r, &f); err != nil {
		h.fail(w, r, v, err)
		return
	}
	p, err := h.door.Verify(r.Context(), v.Request, v.Decision, stepToken(r), f.Code)
	if err == nil {
		h.proceed(w, r, v, p)
		return
	}
	refusal, wrong := wrongCode(err)
	if !wrong || !wantsPage(r) {
		h.fail(w, r, v, err)
		return
	}
	d := h.codeData(r, v)
	d.Problems = []trouble{d.trouble("code", refusal, codeTrouble(refusal, d.Recovery))}
	h.again(w, r, err, "verify", d)
}

// wrongCode reports whether a step was refused for its code, or for too many.
func wrongCode(err error) (*gate.Refusal, bool) {
	refusal, ok := errors.AsType[*gate.Refusal](err)
	return refusal, ok && (refusal.Reason == gate.BadCode || refusal.Reason == gate.CodeReused || refusal.Reason == gate.Throttled)
}

func codeTrouble(refusal *gate.Refusal, recovery bool) string {
	switch {
	case recovery:
		return "recovery.error"
	case refusal.Reason == gate.CodeReused:
		return "totp.reused"
	}
	return "totp.error"
}
