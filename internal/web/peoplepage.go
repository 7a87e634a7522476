package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of the pages about people.
const (
	peoplePath     = "people"
	invitationPath = "people/invite"
	personPath     = "people/*"
)

// peopleData is the list of who may sign in.
type peopleData struct {
	*consoleView
	Rows []personRow
}

// personRow is one of them.
type personRow struct {
	gate.Person
	URL, Role  string // Role is the key of its word
	Me         bool
	State      *verdict // nil: nothing is to be said
	Methods    []verdict
	LastSignIn *moment // nil: never
	Cover      verdict
}

// verdict is a state with its icon and words.
type verdict struct{ Class, Icon, Text string }

func peoplePage(s *screen) error {
	people, err := s.h.door.Roster(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	d := &peopleData{consoleView: s.frame("people.title")}
	for i := range people {
		d.Rows = append(d.Rows, s.personRow(d.consoleView, &people[i]))
	}
	return s.render(http.StatusOK, "people", d)
}

func (s *screen) personRow(v *consoleView, p *gate.Person) personRow {
	row := personRow{
		Person: *p, URL: v.Link(peoplePath + "/" + url.PathEscape(p.ID)), Role: roleWords[p.Role], Me: p.ID == s.actor.Admin,
		State: s.personState(v, &p.Admin), Methods: v.methods(&p.Admin), Cover: v.cover(p),
	}
	if !p.LastSignIn.IsZero() {
		at := v.minuteOf(p.LastSignIn)
		row.LastSignIn = &at
	}
	return row
}

// personState says what keeps somebody from signing in as usual.
func (s *screen) personState(v *consoleView, a *gate.Admin) *verdict {
	now := s.visit.Decision.Now
	switch {
	case a.Disabled:
		return &verdict{"blocked", "cross", v.T("people.disabled")}
	case a.Invited(now):
		return &verdict{"dry", "clock", v.T("people.invited", "Time", v.rough(a.InvitedUntil.Sub(now)))}
	case a.Password == "":
		return &verdict{"blocked", "warn", v.T("people.lapsed")}
	case a.MustChange:
		return &verdict{"dry", "clock", v.T("people.first")}
	}
	return nil
}

// methods are what somebody signs in with.
func (v *consoleView) methods(a *gate.Admin) []verdict {
	switch {
	case a.Password == "":
		return []verdict{{"off", "ring", v.T("people.nothing")}}
	case a.TOTP != "":
		return []verdict{{"allowed", "tick", v.T("people.totp")}}
	}
	return []verdict{{"dry", "warn", v.T("people.password_only")}}
}

// cover says whether the list lets somebody in from where they come.
func (v *consoleView) cover(p *gate.Person) verdict {
	switch p.Coverage {
	case gate.Covered:
		return verdict{"allowed", "tick", v.T("people.covered", "Label", p.Network.Label)}
	case gate.CoveredUntil:
		return verdict{"dry", "warn", v.T("people.ends", "Label", p.Network.Label, "Time", v.minute(p.Until))}
	case gate.Uncovered:
		return verdict{"blocked", "cross", v.T("people.uncovered")}
	}
	return verdict{"off", "ring", v.T("people.unknown")}
}

// inviteFormData is the form to invite somebody.
type inviteFormData struct {
	*consoleView
	Form  personForm
	Roles []roleChoice
	Life  string // how long the link counts
}

// personForm is a person as the forms are sent.
type personForm struct {
	Login string `json:"login"`
	Name  string `json:"name"`
	Role  string `json:"role"`
}

func (s *screen) inviteForm(form personForm, problems ...trouble) *inviteFormData {
	d := &inviteFormData{consoleView: s.frame("people.invite.title"), Form: form}
	d.Life, d.Roles, d.Problems = d.duration(gate.InvitationLife), roleChoices, problems
	return d
}

// roleChoice is a role to choose, with what it may do.
type roleChoice struct{ Value, Word, May string }

var roleChoices = []roleChoice{
	{string(gate.RoleOwner), "role.owner", "role.owner.may"},
	{string(gate.RoleReviewer), "role.reviewer", "role.reviewer.may"},
	{string(gate.RoleMember), "role.member", "role.member.may"},
}

func inviteSomebody(s *screen) error {
	return s.render(http.StatusOK, "invite", s.inviteForm(personForm{Role: string(gate.RoleMember)}))
}

func sendInvitation(s *screen) error {
	var form personForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	n := gate.NewAdmin{Login: strings.TrimSpace(form.Login), Name: form.Name, Role: gate.Role(form.Role)}
	a, secret, err := s.h.door.Invite(s.Context(), s.actor, s.tenant, n)
	if problems := s.personTroubles(err); problems != nil {
		return s.again("invite", s.inviteForm(form, problems...))
	}
	if err != nil {
		return err
	}
	return s.invited(a, secret)
}

// personWrong says what is wrong with the fields of a person.
var personWrong = map[string]string{
	"login": "people.wrong.login", "name": "people.wrong.name", "role": "people.wrong.role", "reset": "people.wrong.reset",
}

// personTroubles says in words what is wrong with a person; nil: nothing that a
// field could say.
func (s *screen) personTroubles(err error) (out []trouble) {
	l, _ := localeOf(s.Request)
	if errors.Is(err, gate.ErrExists) {
		return []trouble{{Field: "login", Text: l.T("people.wrong.exists")}}
	}
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		return nil
	}
	for _, f := range bad.Errors {
		out = append(out, trouble{Field: f.Field, Text: l.T(personWrong[f.Field])})
	}
	return out
}

// linkData shows an invitation, this once.
type linkData struct {
	*consoleView
	Login, URL, Back string
	Until            moment
}

// invited shows the link of an invitation. It answers the POST itself: a page to
// be sent on to would have to be told the secret.
func (s *screen) invited(a *gate.Admin, secret string) error {
	d := &linkData{consoleView: s.frame("people.link.title"), Login: a.Login, URL: invitationURL(s.Request, secret)}
	d.Back, d.Until, d.Languages = d.Link(peoplePath), d.minuteOf(a.InvitedUntil), nil // it cannot be shown again
	return s.render(http.StatusOK, "link", d)
}

// personData is the page of one person.
type personData struct {
	*consoleView
	Row    personRow
	Form   personForm
	Roles  []roleChoice
	Deeds  []deed
	Action string
	Path   string // of this page
}

func (s *screen) person(form *personForm, problems ...trouble) (*personData, error) {
	people, err := s.h.door.Roster(s.Context(), s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(people, func(p gate.Person) bool { return p.ID == s.arg })
	if i < 0 {
		return nil, gate.ErrNotFound
	}
	p := &people[i]
	if form == nil {
		form = &personForm{Name: p.Name, Role: string(p.Role)}
	}
	d := &personData{consoleView: s.frame("people.person.title", "Login", p.Login), Form: *form}
	d.Row, d.Roles, d.Problems = s.personRow(d.consoleView, p), roleChoices, problems
	d.Action, d.Path, d.Deeds = d.Row.URL, peoplePath+"/"+url.PathEscape(p.ID), deedsFor(&p.Admin)
	return d, nil
}

func personPage(s *screen) error {
	if do := s.URL.Query().Get("do"); do != "" {
		return s.personQuestion(do)
	}
	d, err := s.person(nil)
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "person", d)
}

// personActions are what a button on the page of a person does, and the notice
// that says so.
var personActions = map[string]struct {
	patch gate.AdminPatch
	done  string
}{
	"disable":  {gate.AdminPatch{Disabled: new(true)}, "done.person_disabled"},
	"enable":   {gate.AdminPatch{Disabled: new(false)}, "done.person_enabled"},
	"factor":   {gate.AdminPatch{NoFactor: true}, "done.person_factor"},
	"sign_out": {gate.AdminPatch{SignOut: true}, "done.person_signed_out"},
	"password": {gate.AdminPatch{Invite: true}, ""},
}

// deed is a button on the page of a person. All but enabling ask a question.
type deed struct {
	Do, Word, Help string
	Danger         bool
	Ask            string // the question; empty: there is none
}

// personQuestion asks before something is done to a person.
func (s *screen) personQuestion(do string) error {
	a, err := s.h.door.Admin(s.Context(), s.actor, s.tenant, s.arg)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(deedsFor(a), func(d deed) bool { return d.Do == do && d.Ask != "" })
	if i < 0 {
		return gate.ErrNotFound
	}
	d := deedsFor(a)[i]
	q := &question{consoleView: s.frame(d.Ask, "Login", a.Login), Danger: true, Sent: []sentValue{{"do", do}}}
	q.Lead, q.Do = q.T(d.Help), q.T(d.Word)
	if a.ID == s.actor.Admin {
		q.Notice = q.T("people.yourself")
	}
	q.Action = q.Link(peoplePath + "/" + url.PathEscape(a.ID))
	q.Back = q.Action
	return s.ask(q)
}

// deedsFor are the buttons that make sense for somebody.
func deedsFor(a *gate.Admin) (out []deed) {
	if !a.Disabled {
		out = append(out, deed{"password", "people.do.password", "people.do.password.help", false, "people.ask.password"})
	}
	if a.TOTP != "" {
		out = append(out, deed{"factor", "people.do.factor", "people.do.factor.help", false, "people.ask.factor"})
	}
	out = append(out, deed{"sign_out", "people.do.sign_out", "people.do.sign_out.help", false, "people.ask.sign_out"})
	if a.Disabled {
		out = append(out, deed{"enable", "people.do.enable", "people.do.enable.help", false, ""})
	} else {
		out = append(out, deed{"disable", "people.do.disable", "people.do.disable.help", true, "people.ask.disable"})
	}
	return append(out, deed{"remove", "people.do.remove", "people.do.remove.help", true, "people.ask.remove"})
}

func changePerson(s *screen) error {
	var form struct {
		Do   string `json:"do"` // empty: name and role
		Name string `json:"name"`
		Role string `json:"role"`
	}
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	if _, err := s.h.door.Admin(s.Context(), s.actor, s.tenant, s.arg); err != nil { // by its id only
		return err
	}
	if form.Do == "remove" {
		if err := s.h.door.RemoveAdmin(s.Context(), s.actor, s.tenant, s.arg); err != nil {
			return err
		}
		return s.done(peoplePath, "done.person_removed")
	}
	action, known := personActions[form.Do]
	switch {
	case form.Do == "":
		role := gate.Role(form.Role)
		action.patch, action.done = gate.AdminPatch{Name: &form.Name, Role: &role}, "done.person_set"
	case !known:
		return malformed.problem("", fieldProblem{"do", "unknown", "there is no such button"})
	}
	a, secret, err := s.h.door.SetAdmin(s.Context(), s.actor, s.tenant, s.arg, action.patch)
	if problems := s.personTroubles(err); problems != nil {
		d, err := s.person(&personForm{Name: form.Name, Role: form.Role}, problems...)
		if err != nil {
			return err
		}
		return s.again("person", d)
	}
	switch {
	case err != nil:
		return err
	case secret != "":
		return s.invited(a, secret)
	}
	return s.done(peoplePath+"/"+url.PathEscape(s.arg), action.done)
}
