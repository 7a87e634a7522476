package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of the pages about tokens.
const (
	tokensPath   = "tokens"
	newTokenPath = "tokens/new"
)

// tokensData is the list of tokens.
type tokensData struct {
	*consoleView
	Rows []tokenRow
}

// tokenRow is one of them.
type tokenRow struct {
	gate.APIToken
	Ranges   []string
	Expires  *moment // nil: never
	Ended    bool
	LastUsed *moment // nil: never
	Remove   string  // where it is removed
}

func tokensPage(s *screen) error {
	tokens, err := s.h.door.Tokens(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	d := &tokensData{consoleView: s.frame("tokens.title")}
	for i := range tokens {
		t := &tokens[i]
		row := tokenRow{APIToken: *t, Remove: d.Link(tokensPath + "/" + url.PathEscape(t.ID))}
		for _, r := range t.Networks {
			row.Ranges = append(row.Ranges, r.String())
		}
		row.Expires, row.LastUsed = d.momentOrNil(t.Expires), d.momentOrNil(t.LastUsed)
		row.Ended = row.Expires != nil && !s.visit.Decision.Now.Before(t.Expires)
		d.Rows = append(d.Rows, row)
	}
	return s.render(http.StatusOK, "tokens", d)
}

func (l *locale) momentOrNil(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	m := l.minuteOf(t)
	return &m
}

// tokenForm is a token as the form for it is sent.
type tokenForm struct {
	Name     string   `json:"name"`
	Scopes   []string `json:"scopes"`
	Networks string   `json:"networks"` // one a line
	Ends     string   `json:"ends"`     // how long from now, or "never"
}

// Chosen reports whether a scope was chosen.
func (f *tokenForm) Chosen(scope string) bool {
	for _, s := range f.Scopes {
		if s == scope {
			return true
		}
	}
	return false
}

// tokenFormData is the form to make a token.
type tokenFormData struct {
	*consoleView
	Form    tokenForm
	Scopes  []option
	Lengths []option
}

// tokenLengths are how long a token may be made to last.
var tokenLengths = []option{{"720h", "ends.720h"}, {"2160h", "tokens.ends.2160h"}, {"8760h", "tokens.ends.8760h"}, {"never", "ends.never"}}

// scopeWords say what scopes allow.
var scopeWords = map[gate.Scope]string{
	gate.ScopeNetworksRead: "scope.networks_read", gate.ScopeNetworksWrite: "scope.networks_write",
	gate.ScopeAttemptsRead: "scope.attempts_read", gate.ScopeAdminsWrite: "scope.admins_write",
}

func (s *screen) tokenForm(form tokenForm, problems ...trouble) *tokenFormData {
	d := &tokenFormData{consoleView: s.frame("tokens.new.title"), Form: form, Lengths: tokenLengths}
	for _, scope := range gate.Scopes {
		d.Scopes = append(d.Scopes, option{string(scope), scopeWords[scope]})
	}
	d.Problems = problems
	return d
}

func newTokenPage(s *screen) error {
	return s.render(http.StatusOK, "token", s.tokenForm(tokenForm{Ends: tokenLengths[1].Value}))
}

func makeToken(s *screen) error {
	var form tokenForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	n := gate.NewToken{Name: form.Name, Networks: strings.Fields(strings.ReplaceAll(form.Networks, ",", " "))}
	for _, scope := range form.Scopes {
		n.Scopes = append(n.Scopes, gate.Scope(scope))
	}
	if form.Ends != "never" {
		d, err := time.ParseDuration(form.Ends)
		if err != nil || d <= 0 {
			return malformed.problem("", fieldProblem{"ends", "unknown", "choose one of the lengths"})
		}
		n.Expires = s.visit.Decision.Now.Add(d)
	}
	t, secret, err := s.h.door.AddToken(s.Context(), s.actor, s.tenant, n)
	if problems := s.tokenTroubles(err); problems != nil {
		return s.again("token", s.tokenForm(form, problems...))
	}
	if err != nil {
		return err
	}
	d := &secretData{consoleView: s.frame("tokens.made.title"), Name: t.Name, Secret: secret}
	d.Back, d.Languages = d.Link(tokensPath), nil // it cannot be shown again
	return s.render(http.StatusOK, "secret", d)
}

// secretData shows a token, this once.
type secretData struct {
	*consoleView
	Name, Secret, Back string
}

// tokenWrong says what is wrong with the fields of a token.
var tokenWrong = map[string]string{
	"name": "tokens.wrong.name", "name.too_many": "tokens.wrong.name.too_many", "scopes": "tokens.wrong.scopes",
	"networks": "tokens.wrong.networks", "expires": "tokens.wrong.expires",
}

// tokenTroubles says in words what is wrong with a token; nil: nothing that a
// field could say.
func (s *screen) tokenTroubles(err error) (out []trouble) {
	l, _ := localeOf(s.Request)
	if errors.Is(err, gate.ErrExists) {
		return []trouble{{Field: "name", Text: l.T("tokens.wrong.exists")}}
	}
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		return nil
	}
	for _, f := range bad.Errors {
		field, index, indexed := strings.Cut(f.Field, "[")
		t := trouble{Field: field, Text: l.T(cmp.Or(tokenWrong[field+"."+f.Code], tokenWrong[field]))}
		if indexed && field == "networks" {
			t.Text = l.T("tokens.wrong.network", "Line", lineOf(index))
		}
		out = append(out, t)
	}
	return out
}

// lineOf counts from one what stands in brackets and counts from zero.
func lineOf(index string) string {
	n := 0
	for _, c := range strings.TrimSuffix(index, "]") {
		n = 10*n + int(c-'0')
	}
	return number(int64(n) + 1)
}

// removeTokenQuestion asks before a token goes.
func removeTokenQuestion(s *screen) error {
	tokens, err := s.h.door.Tokens(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tokens, func(t gate.APIToken) bool { return t.ID == s.arg })
	if i < 0 {
		return gate.ErrNotFound
	}
	q := &question{consoleView: s.frame("tokens.ask", "Name", tokens[i].Name), Danger: true}
	q.Lead, q.Do, q.Back = q.T("tokens.ask.lead"), q.T("tokens.ask.do"), q.Link(tokensPath)
	q.Action = q.Link(tokensPath + "/" + url.PathEscape(tokens[i].ID))
	return s.ask(q)
}

func removeToken(s *screen) error {
	if err := s.read(maxForm, &struct{}{}); err != nil {
		return err
	}
	if err := s.h.door.RemoveToken(s.Context(), s.actor, s.tenant, s.arg); err != nil {
		return err
	}
	return s.done(tokensPath, "done.token_removed")
}
