package web

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// enrolData is what the page shows that sets up a second factor.
type enrolData struct {
	view
	Action string
	QR     template.HTML // drawn by auth.QRSVG, which escapes the text in it
	Secret string
	Key    string // the secret in groups of four
}

// enrolmentJSON is the same for programs.
type enrolmentJSON struct {
	Secret string `json:"secret"`
	URI    string `json:"uri"`
	QR     string `json:"qr"`
}

// enrolPage shows the secret of a second factor that is to be set up.
func (h *Handler) enrolPage(w http.ResponseWriter, r *http.Request, v Visit) {
	e, qr, err := h.enrolment(r, v)
	switch {
	case err != nil:
		h.fail(w, r, v, err)
	case !wantsHTML(r):
		writeJSON(w, http.StatusOK, enrolmentJSON{e.Secret, e.URI, qr})
	default:
		render(w, r, http.StatusOK, "enrol", h.enrolData(r, v, e, qr))
	}
}

func (h *Handler) enrolment(r *http.Request, v Visit) (*gate.Enrolment, string, error) {
	e, err := h.door.Enrolment(r.Context(), v.Request, v.Decision, stepToken(r))
	if err != nil {
		return nil, "", err
	}
	l, _ := localeOf(r)
	qr, err := auth.QRSVG(e.URI, l.T("enrol.qr"))
	return e, qr, err
}

func (h *Handler) enrolData(r *http.Request, v Visit, e *gate.Enrolment, qr string) *enrolData {
	d := &enrolData{view: h.view(r, v), QR: template.HTML(qr), Secret: e.Secret, Key: groups(e.Secret)} //nolint:gosec // G203: auth.QRSVG draws it and escapes the text in it
	d.Action, d.Title = d.link(enrolPath), d.T("enrol.title")
	return d
}

// enrol takes the first code of the new second factor.
func (h *Handler) enrol(w http.ResponseWriter, r *http.Request, v Visit) {
	var f codeForm
	if err := readStep(w, r, &f); err != nil {
		h.fail(w, r, v, err)
		return
	}
	p, err := h.door.Enrol(r.Context(), v.Request, v.Decision, stepToken(r), f.Code)
	if err == nil {
		h.proceed(w, r, v, p)
		return
	}
	refusal, wrong := wrongCode(err)
	if !wrong || !wantsPage(r) {
		h.fail(w, r, v, err)
		return
	}
	e, qr, fresh := h.enrolment(r, v)
	if fresh != nil {
		h.fail(w, r, v, fresh)
		return
	}
	d := h.enrolData(r, v, e, qr)
	d.Problems = []trouble{d.trouble("code", refusal, codeTrouble(refusal, false))}
	h.again(w, r, err, "enrol", d)
}

// codesData is what the page shows that gives out recovery codes.
type codesData struct {
	view
	Codes []string
	Text  string // all of them, a line each
	Next  string
}

// codesPage shows recovery codes. It is the one page without a language
// switch: it cannot be shown again.
func (h *Handler) codesPage(w http.ResponseWriter, r *http.Request, v Visit, codes []string, next string) {
	d := &codesData{view: h.view(r, v), Codes: codes, Text: strings.Join(codes, "\n"), Next: next}
	d.Title, d.Languages = d.T("codes.title"), nil
	render(w, r, http.StatusOK, "codes", d)
}

// groups parts a key into groups of four, which are easier to type.
func groups(key string) string {
	var b strings.Builder
	for i, c := range []byte(key) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(c)
	}
	return b.String()
}
