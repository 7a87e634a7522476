package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
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
	fileMedia = "multipart/form-data" // a form with files
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
		return readForm(w, r, maxForm, into)
	}
	return notForm.problem("send it with Content-Type: " + jsonMedia + " or " + formMedia)
}

// formFile is a file that was sent with a form. Its field has the zero value
// where none was chosen.
type formFile struct {
	Name    string // as the browser gave it, for showing only
	Content []byte
}

// readForm reads a form of at most limit bytes into a pointer to a struct, whose
// fields are named by their json tags: a string for a text, []string for what
// may stand in the form several times or not at all, a bool for a checkbox,
// which is sent only when it is ticked, and a [formFile], which the form has to
// be multipart/form-data for. What is not sent keeps its zero value; names that
// the struct does not have are errors.
func readForm(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	parse := r.ParseForm
	if mediaOf(r) == fileMedia {
		parse = func() error { return r.ParseMultipartForm(limit) } //nolint:gosec // G120: the body is bounded above; all of it stays in memory
	}
	err := parse()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge.problem(fmt.Sprintf("it may have at most %d bytes", limit))
	}
	if err != nil {
		return malformed.problem("the form cannot be read")
	}
	fields := formFields(reflect.ValueOf(into).Elem())
	for name, values := range r.PostForm {
		if err := setField(fields, name, values); err != nil {
			return err
		}
	}
	if r.MultipartForm == nil {
		return nil
	}
	for name, files := range r.MultipartForm.File {
		if err := setFile(fields, name, files); err != nil {
			return err
		}
	}
	return nil
}

// formFields are the fields of a struct by the names that they have in a form,
// those of embedded structs included.
func formFields(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if name := f.Tag.Get("json"); name != "" {
			fields[name] = v.FieldByIndex(f.Index)
		}
	}
	return fields
}

func setField(fields map[string]reflect.Value, name string, values []string) error {
	field, known := fields[name]
	if !known {
		return malformed.problem("", fieldProblem{shorten(name), "unknown_field", "there is no such field"})
	}
	if texts, ok := field.Addr().Interface().(*[]string); ok {
		*texts = values
		return nil
	}
	if len(values) != 1 {
		return malformed.problem("", fieldProblem{shorten(name), "doubled", "the field stands here twice"})
	}
	switch into := field.Addr().Interface().(type) {
	case *bool:
		*into = true
	case *formFile: // a browser sends a file, or an empty one where none was chosen
		if values[0] == "" {
			return nil
		}
		return malformed.problem("", fieldProblem{name, "wrong_type", "this has to be a file"})
	default:
		field.SetString(values[0])
	}
	return nil
}

func setFile(fields map[string]reflect.Value, name string, files []*multipart.FileHeader) error {
	field, known := fields[name]
	if !known || field.Type() != reflect.TypeFor[formFile]() {
		return malformed.problem("", fieldProblem{shorten(name), "unknown_field", "there is no such file"})
	}
	if len(files) != 1 {
		return malformed.problem("", fieldProblem{name, "doubled", "one file at a time"})
	}
	f, err := files[0].Open()
	if err != nil {
		return fmt.Errorf("opening the file of a form: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	field.Set(reflect.ValueOf(formFile{files[0].Filename, content}))
	return err
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
