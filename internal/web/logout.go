package web

import (
	"net/http"

	"github.com/sallyport-gate/sallyport/auth"
)

// goodbyeData is what the page shows after signing out.
type goodbyeData struct {
	view
	Again string
}

// logout ends the session on every node. Without one there is nothing to end,
// and the cookie goes all the same.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request, v Visit) {
	if err := h.door.Logout(r.Context(), v.Request, v.Decision); err != nil {
		h.fail(w, r, v, err)
		return
	}
	http.SetCookie(w, auth.ClearCookie(auth.SessionCookie))
	http.SetCookie(w, auth.ClearCookie(auth.StepCookie))
	if !wantsHTML(r) {
		writeJSON(w, http.StatusNoContent, nil)
		return
	}
	_, chosen := localeOf(r)
	seeOther(w, chosen.link(goodbyePath, nil))
}

// goodbyePage says that the session has ended, or leads on whoever has one.
func (h *Handler) goodbyePage(w http.ResponseWriter, r *http.Request, v Visit) {
	if signedIn(v) {
		seeOther(w, "/")
		return
	}
	d := &goodbyeData{view: h.view(r, v)}
	d.Title, d.Again = d.T("goodbye.title"), d.link(loginPath)
	render(w, r, http.StatusOK, "goodbye", d)
}
