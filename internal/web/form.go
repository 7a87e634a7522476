package web

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"reflect"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// maxForm is the most bytes that a sign-in page is sent.
const maxForm = 16 << 10

// The two ways in which a step of a sign-in is sent.
const (
	jsonMedia = "application/json"
	formMedia = "application/x-www-form-urlencoded"
)

var notForm = kind{notJSON.code, notJSON.status, "The body has to be a form or JSON"}

// mediaOf returns the media type of the body, empty if it has none.
func mediaOf(r *http.Request) string {
	line := r.Header.Get("Content-Type")
	if line == "" { // as most requests are, and an error is not for free
		return ""
	}
	media, _, _ := mime.ParseMediaType(line)
	return media
}

// wantsPage reports whether the answer is a page: always to a form, never to
// JSON, and otherwise as negotiated.
func wantsPage(r *http.Request) bool {
	switch mediaOf(r) {
	case jsonMedia:
		return false
	case formMedia:
		return true
	}
	return wantsHTML(r)
}

// readStep reads what a step of a sign-in was sent, as a form or as JSON, into
// a pointer to a struct of texts. The names of both are those of its json
// tags, each at most once; other names are errors that name the field.
func readStep(w http.ResponseWriter, r *http.Request, into any) error {
	switch mediaOf(r) {
	case jsonMedia:
		return readJSON(w, r, maxForm, into)
	case formMedia:
		return readForm(w, r, into)
	}
	return notForm.problem("send it with Content-Type: " + jsonMedia + " or " + formMedia)
}

func readForm(w http.ResponseWriter, r *http.Request, into any) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge.problem(fmt.Sprintf("it may have at most %d bytes", maxForm))
	}
	if err != nil {
		return malformed.problem("the form cannot be read")
	}
	return setFields(reflect.ValueOf(into).Elem(), r.PostForm)
}

func setFields(v reflect.Value, form url.Values) error {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("json")] = v.Field(i)
	}
	for name, values := range form {
		field, known := fields[name]
		switch {
		case !known:
			return malformed.problem("", fieldProblem{shorten(name), "unknown_field", "there is no such field"})
		case len(values) != 1:
			return malformed.problem("", fieldProblem{shorten(name), "doubled", "the field stands here twice"})
		}
		field.SetString(values[0])
	}
	return nil
}

// stepToken returns the token of the sign-in under way; two are none.
func stepToken(r *http.Request) string {
	token, _, err := auth.FindCookie(r.Header, auth.StepCookie)
	if err != nil {
		return ""
	}
	return token
}

// signedIn reports whether the visitor has a session.
func signedIn(v Visit) bool { return v.Decision.Passed() && v.Decision.Admin != nil }

// nextPaths are the pages of the steps of a sign-in.
var nextPaths = map[gate.Next]string{
	gate.NextCode: verifyPath, gate.NextEnrol: enrolPath, gate.NextNewPassword: passwordPath,
}

// nextPath is where a browser goes after a step. Where it is done, that is
// checked once more: the path came back in a cookie.
func nextPath(p *gate.Progress, chosen choice) string {
	if path, ok := nextPaths[p.Next]; ok {
		return chosen.link(path, nil)
	}
	return safePath(p.ReturnTo)
}

// progressJSON is the answer to a step that was sent as JSON.
type progressJSON struct {
	Next     gate.Next `json:"next"`
	ReturnTo string    `json:"return_to,omitempty"`
	Recovery []string  `json:"recovery_codes,omitempty"`
}

// proceed answers a step that was right: with the cookies, and what is next.
func (h *Handler) proceed(w http.ResponseWriter, r *http.Request, v Visit, p *gate.Progress) {
	if p.Session != "" {
		// The browser forgets it when it is closed; the gate ends it earlier.
		http.SetCookie(w, auth.NewSessionCookie(p.Session))
	}
	if p.Step != "" {
		http.SetCookie(w, auth.NewStepCookie(p.Step))
	} else {
		http.SetCookie(w, auth.ClearCookie(auth.StepCookie))
	}
	_, chosen := localeOf(r)
	switch next := nextPath(p, chosen); {
	case !wantsPage(r):
		answer := progressJSON{Next: p.Next, Recovery: p.Recovery}
		if p.Next == gate.NextDone {
			answer.ReturnTo = next
		}
		writeJSON(w, http.StatusOK, answer)
	case len(p.Recovery) > 0:
		h.codesPage(w, r, v, p.Recovery, next)
	default:
		seeOther(w, next)
	}
}
