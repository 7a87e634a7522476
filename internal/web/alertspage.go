package web

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of the pages about alerts.
const (
	alertsPath    = "policy/alerts"
	testAlertPath = "policy/alerts/test"
)

// alertsForm is what a tenant is alerted about, as the form for it is sent.
type alertsForm struct {
	NewAddress  bool   `json:"new_address"`
	Days        string `json:"days"`
	Refusals    bool   `json:"refusals"`
	Count       string `json:"count"`
	Minutes     string `json:"minutes"`
	Elsewhere   bool   `json:"password_elsewhere"`
	ListChanged bool   `json:"list_changed"`
	Operator    bool   `json:"operator"`
	Quiet       string `json:"quiet"`
	Emails      string `json:"emails"` // one a line
	Webhook     string `json:"webhook"`
	NewSecret   bool   `json:"new_secret"`
	Language    string `json:"language"`
	Revision    string `json:"revision"`
}

// alertsData is the page.
type alertsData struct {
	*consoleView
	Form          alertsForm
	HasSecret     bool
	CanMail       bool
	MailLanguages []option
	State         gate.AlertState
	LastSent      *moment
	ErrorAt       *moment
	Results       []testResult // of a test; nil: none was made
	Tested        bool
}

// testResult is how a test message went on one way.
type testResult struct {
	To, Trouble string
}

func alertsPage(s *screen) error {
	d, err := s.alerts(nil)
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "alerts", d)
}

// alerts makes the page, with a form that was refused or, where that is nil, with
// what is in force.
func (s *screen) alerts(form *alertsForm, problems ...trouble) (*alertsData, error) {
	r, state, err := s.h.door.AlertRules(s.Context(), s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	d := &alertsData{
		consoleView: s.frame("alerts.title"), HasSecret: r.Secret != nil, CanMail: s.h.door.CanMail(), State: *state,
		MailLanguages: []option{{"en", "English"}, {"zh-CN", "简体中文"}},
	}
	d.LastSent, d.ErrorAt = d.momentOrNil(state.LastSent), d.momentOrNil(state.ErrorAt)
	d.State.LastError = export.Plain(state.LastError)
	d.Problems = problems
	if form != nil {
		d.Form = *form
		return d, nil
	}
	d.Form = alertsForm{
		NewAddress: r.NewAddress, Days: strconv.Itoa(r.Days), Refusals: r.Refusals, Count: strconv.Itoa(r.Count), Minutes: strconv.Itoa(r.Minutes),
		Elsewhere: r.Elsewhere, ListChanged: r.ListChanged, Operator: r.Operator, Quiet: strconv.Itoa(r.Quiet), Emails: strings.Join(r.Emails, "\n"), Webhook: r.Webhook,
		Language: r.Language, Revision: strconv.FormatInt(r.Revision, 10),
	}
	return d, nil
}

func setAlerts(s *screen) error {
	var form alertsForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	revision, err := strconv.ParseInt(form.Revision, 10, 64)
	if err != nil {
		return malformed.problem("the form is not whole: open the page again")
	}
	r := gate.AlertRules{
		NewAddress: form.NewAddress, Days: whole(form.Days), Refusals: form.Refusals, Count: whole(form.Count), Minutes: whole(form.Minutes),
		Elsewhere: form.Elsewhere, ListChanged: form.ListChanged, Operator: form.Operator, Quiet: whole(form.Quiet), Emails: strings.Fields(strings.ReplaceAll(form.Emails, ",", " ")),
		Webhook: form.Webhook, Language: form.Language, Revision: revision,
	}
	_, secret, err := s.h.door.SetAlertRules(s.Context(), s.actor, s.tenant, r, form.NewSecret)
	if problems := s.alertTroubles(err, r.Emails); problems != nil {
		d, err := s.alerts(&form, problems...)
		if err != nil {
			return err
		}
		return s.again("alerts", d)
	}
	if err != nil {
		return err
	}
	if secret == nil {
		return s.done(alertsPath, "done.alerts_set")
	}
	d := &secretData{consoleView: s.frame("alerts.secret.title"), Secret: webhookSecret(secret)}
	d.Back, d.Languages = d.Link(alertsPath), nil // it cannot be shown again
	return s.render(http.StatusOK, "alertsecret", d)
}

// whole reads a number; 0, which no field takes, for what is none.
func whole(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return n
}

// webhookSecret is a secret as those who check signatures are given it.
func webhookSecret(secret []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(secret) }

// alertWrong says what is wrong with the fields.
var alertWrong = map[string]string{
	"days": "alerts.wrong.days", "count": "alerts.wrong.count", "minutes": "alerts.wrong.minutes", "quiet": "alerts.wrong.minutes",
	"language": "alerts.wrong.language", "emails": "alerts.wrong.emails", "emails.unavailable": "alerts.wrong.mail",
	"emails.too_many": "alerts.wrong.emails.many", "webhook": "alerts.wrong.webhook",
}

// alertTroubles says in words what is wrong; nil: nothing that a field could
// say.
func (s *screen) alertTroubles(err error, emails []string) (out []trouble) {
	l, _ := localeOf(s.Request)
	if errors.Is(err, gate.ErrChanged) {
		return []trouble{{Field: "rules", Text: l.T("alerts.wrong.changed")}}
	}
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		return nil
	}
	for _, f := range bad.Errors {
		field, index, indexed := strings.Cut(f.Field, "[")
		text := l.T(cmp.Or(alertWrong[field+"."+f.Code], alertWrong[field]))
		if indexed {
			i, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
			text = l.T("alerts.wrong.email", "Address", emails[min(i, len(emails)-1)])
		}
		out = append(out, trouble{Field: field, Text: text})
	}
	return out
}

// testAlerts sends a message to everybody who gets them, and says how that went.
func testAlerts(s *screen) error {
	if err := s.read(maxForm, &struct{}{}); err != nil {
		return err
	}
	results, err := s.h.door.TestAlerts(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	d, err := s.alerts(nil)
	if err != nil {
		return err
	}
	d.Tested = true
	for _, r := range results {
		one := testResult{To: r.To}
		if r.Err != nil {
			one.Trouble = export.Plain(r.Err.Error())
		}
		d.Results = append(d.Results, one)
	}
	return s.render(http.StatusOK, "alerts", d)
}
