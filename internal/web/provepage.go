package web

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// provePath is where whoever is signed in proves again who that is.
const provePath = "prove"

// maxProof is the most bytes of that form, which carries the one that waits for
// it, written twice over.
const maxProof = 16 * maxForm

// proveData asks for a proof, and holds what goes on with it.
type proveData struct {
	*consoleView
	Form          proveForm
	Code          bool // a code of the second factor is asked for, not the password
	Action, Back  string
	Other, Switch string // the other sort of code, and its word
}

// proveForm is a proof, and what waits for it: a path of the gate's own, and the
// form that was sent to it.
type proveForm struct {
	Code     string `json:"code"`
	Password string `json:"password"`
	To       string `json:"to"`
	Post     string `json:"post"` // not empty: To is sent a form, which Sent is
	Sent     string `json:"sent"`
	Use      string `json:"use"`    // useRecovery, or empty for a code of the app
	Switch   string `json:"switch"` // the button that asks for the other
}

// Values of Use and Switch.
const (
	useRecovery = "recovery"
	useApp      = "app"
)

// stepUp asks for the proof that an action needs, in the place of its answer.
// What was sent is in the page, and goes on with the proof.
func (s *screen) stepUp() error {
	form := proveForm{To: ownPath(s.URL.RequestURI())}
	if s.Method == http.MethodPost {
		form.Post, form.Sent = "1", s.PostForm.Encode()
	}
	return s.prove(http.StatusForbidden, form)
}

// provePage asks for a proof before a page that is only looked at.
func provePage(s *screen) error {
	to := ownPath(s.URL.Query().Get("to"))
	if !s.actor.Stale {
		seeOther(s.w, to)
		return nil
	}
	return s.prove(http.StatusOK, proveForm{To: to})
}

// prove shows the page.
func (s *screen) prove(status int, form proveForm, problems ...trouble) error {
	code, err := s.h.door.ProvesByCode(s.Context(), s.self.Request, s.self.Decision)
	if err != nil {
		return err
	}
	form.Code, form.Password, form.Switch = "", "", ""
	d := &proveData{consoleView: s.frame("prove.title"), Form: form, Code: code}
	d.Problems, d.Languages = problems, nil // a link would lose what waits
	d.Action, d.Back = d.Own(provePath), d.Own("")
	if to, err := url.Parse(form.To); err == nil {
		if s.shows(strings.TrimPrefix(to.Path, Prefix)) {
			d.Back = to.Path
		}
	}
	d.Other, d.Switch = useRecovery, d.T("totp.recovery")
	if form.Use == useRecovery {
		d.Other, d.Switch = useApp, d.T("recovery.totp")
	}
	return s.render(status, "prove", d)
}

// takeProof takes the proof and goes on with what waits for it.
func takeProof(s *screen) error {
	var form proveForm
	if err := s.read(maxProof, &form); err != nil {
		return err
	}
	if form.Switch != "" {
		if form.Use = ""; form.Switch == useRecovery {
			form.Use = useRecovery
		}
		return s.prove(http.StatusOK, form)
	}
	token, err := s.h.door.Prove(s.Context(), s.self.Request, s.self.Decision, gate.Proof{Code: form.Code, Password: form.Password})
	if field, refusal, key := wrongProof(err, form.Use == useRecovery); field != "" {
		v := s.h.view(s.Request, s.self)
		p := s.h.errorProblem(err)
		problemHeaders(s.w, p)
		return s.prove(p.Status, form, v.trouble(field, refusal, key))
	}
	if err != nil {
		return err
	}
	http.SetCookie(s.w, auth.NewSessionCookie(token))
	return s.goOn(form)
}

// wrongProof says which field an error is about, and in which words.
func wrongProof(err error, recovery bool) (field string, refusal *gate.Refusal, key string) {
	if _, ok := errors.AsType[*gate.InvalidError](err); ok { // nothing was sent
		err = &gate.Refusal{Reason: gate.BadCode}
	}
	refusal, ok := errors.AsType[*gate.Refusal](err)
	switch {
	case !ok:
		return "", nil, ""
	case refusal.Reason == gate.BadCredentials:
		return "proof", refusal, "password.wrong"
	case refusal.Reason == gate.BadCode || refusal.Reason == gate.CodeReused || refusal.Reason == gate.Throttled:
		return "proof", refusal, codeTrouble(refusal, recovery)
	}
	return "", nil, ""
}

// goOn does what waited for the proof: it leads on to a page, or sends the form
// to the one that it was for, as if it had been sent just now.
func (s *screen) goOn(form proveForm) error {
	to, err := url.Parse(ownPath(form.To))
	if err != nil {
		return malformed.problem("", fieldProblem{"to", "invalid", "this is no path"})
	}
	if form.Post == "" {
		seeOther(s.w, to.RequestURI())
		return nil
	}
	if to.Path == Prefix+provePath {
		return notFound.problem("there is nothing by this name")
	}
	r := s.Clone(s.Context())
	r.URL, r.RequestURI = to, to.RequestURI()
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form.Sent)), int64(len(form.Sent))
	r.Header.Set("Content-Type", formMedia)
	q := *s.self.Request
	q.Path = to.Path
	s.h.show(s.pages, s.w, r, Visit{&q, s.self.Decision})
	return nil
}

// proofJSON says until when what is sensitive goes on without another proof.
type proofJSON struct {
	Proved timestamp `json:"proved"`
	Until  timestamp `json:"until"` // null: to the end of the session
}

func postProof(c *call) (any, error) {
	var body struct {
		Code     string `json:"code"`
		Password string `json:"password"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	dec := c.visit.Decision
	token, err := c.h.door.Prove(c.Context(), c.visit.Request, dec, gate.Proof{Code: body.Code, Password: body.Password})
	if err != nil {
		return nil, err
	}
	http.SetCookie(c.w, auth.NewSessionCookie(token))
	out := proofJSON{Proved: timestamp(dec.Claims.Proved)}
	if counts := c.h.door.Rules.StepUp; counts > 0 {
		out.Until = timestamp(dec.Claims.Proved.Add(counts))
	}
	return out, nil
}
