package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// policyPath is the page about signing in and privacy.
const policyPath = "policy"

// policyForm is what a tenant chose, as the form for it is sent.
type policyForm struct {
	Version   string `json:"version"`
	Retention string `json:"retention"` // as in 183d; empty: for as long as the operator allows
	Shorten   string `json:"shorten"`   // as in 90d; empty: never
	Check     string `json:"check"`     // on or off, as the next
	Requests  string `json:"requests"`
	Confirmed string `json:"confirmed"` // what it does to what is stored was read
}

// policyData is the page.
type policyData struct {
	*consoleView
	Form       policyForm
	Retentions []span
	Shortens   []span
	Kept       string // how long attempts are kept now
	Floor      string
	Shortened  string // age after which addresses are cut; empty: never
	Rules      []ruleRow
}

// ruleRow is a rule of the operator's, which is only shown.
type ruleRow struct{ Name, Value string }

// Ages that the form offers, as far as the operator's bounds have them.
var (
	retentionAges = []string{"30d", "90d", "183d", "365d", "730d", "1095d"}
	shortenAges   = []string{"30d", "60d", "90d", "183d", "365d"}
)

func policyPage(s *screen) error {
	set, err := s.h.door.Settings(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "policy", s.policy(policyFormOf(set)))
}

func policyFormOf(set *gate.Settings) policyForm {
	f := policyForm{Version: strconv.FormatInt(set.Version, 10), Check: "off", Requests: "on"}
	if set.Retention > 0 {
		f.Retention = spanText(set.Retention)
	}
	if set.ShortenAfter > 0 {
		f.Shorten = spanText(set.ShortenAfter)
	}
	if set.CheckOutside {
		f.Check = "on"
	}
	if set.NoRequests {
		f.Requests = "off"
	}
	return f
}

// settings are those of the form; false: it was not the page that sent it.
func (f *policyForm) settings() (set gate.Settings, ok bool) {
	version, err := strconv.ParseInt(f.Version, 10, 64)
	set = gate.Settings{Version: version, CheckOutside: f.Check == "on", NoRequests: f.Requests == "off"}
	ok = err == nil && slices.Contains([]string{"on", "off"}, f.Check) && slices.Contains([]string{"on", "off"}, f.Requests)
	read := func(text string) time.Duration {
		if text == "" {
			return 0
		}
		d, fits := parseSpan(text)
		ok = ok && fits && d > 0
		return d
	}
	set.Retention, set.ShortenAfter = read(f.Retention), read(f.Shorten)
	return set, ok
}

func (s *screen) policy(form policyForm) *policyData {
	d, b := &policyData{consoleView: s.frame("policy.title"), Form: form}, s.h.door.RetentionBounds()
	t := s.visit.Decision.Tenant
	d.Kept, d.Floor = d.duration(s.h.door.Retention(t)), d.duration(b.Floor)
	if age := t.Settings.ShortenAfter; age > 0 {
		d.Shortened = d.duration(age)
	}
	d.Retentions = d.ages(retentionAges, form.Retention, b.Floor, b.Most-1, d.T("policy.retention.default", "Time", d.duration(b.Most)))
	d.Shortens = d.ages(shortenAges, form.Shorten, gate.MinShorten, gate.MaxRetention, d.T("policy.shorten.never"))
	d.Rules = d.rules(&s.h.door.Rules)
	return d
}

// ages are the choices of an age: none, those between two bounds, and what was
// chosen, whatever it is.
func (v *consoleView) ages(offered []string, chosen string, least, most time.Duration, none string) []span {
	out := []span{{"", none, chosen == ""}}
	var all []time.Duration
	for _, text := range append([]string{chosen}, offered...) {
		d, ok := parseSpan(text)
		if ok && d > 0 && (text == chosen || d >= least && d <= most) && !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	slices.Sort(all)
	for _, d := range all {
		out = append(out, span{spanText(d), v.duration(d), spanText(d) == chosen})
	}
	return out
}

// secondFactorWords say who needs a second factor.
var secondFactorWords = map[gate.SecondFactor]string{
	gate.SecondFactorRequired: "policy.factor.required", gate.SecondFactorOptional: "policy.factor.optional", gate.SecondFactorOff: "policy.factor.off",
}

// bindWords say what sessions are held to.
var bindWords = map[gate.Bind]string{
	gate.BindNetwork: "policy.bind.network", gate.BindAddress: "policy.bind.address", gate.BindOff: "policy.bind.off",
}

// rules are those that the operator made.
func (v *consoleView) rules(r *gate.Rules) []ruleRow {
	rows := []ruleRow{
		{v.T("policy.lifetime"), v.duration(r.Lifetime)},
		{v.T("policy.idle"), v.duration(r.Idle)},
		{v.T("policy.throttle"), v.T("policy.throttle.value", "N", r.Throttle.Attempts, "Within", v.duration(r.Throttle.Within), "Lock", v.duration(r.Throttle.Lock))},
	}
	if key, ok := secondFactorWords[r.SecondFactor]; ok {
		rows = append([]ruleRow{{v.T("policy.factor"), v.T(key)}}, rows...)
	}
	if key, ok := bindWords[r.Bind]; ok {
		rows = append(rows, ruleRow{v.T("policy.bind"), v.T(key)})
	}
	return rows
}

// policyFields are the fields of the form by those of package gate, with the
// words for what is wrong with them.
var policyFields = map[string]struct{ field, word string }{
	"retention":               {"retention", "policy.retention.wrong"},
	"shorten_addresses_after": {"shorten", "policy.shorten.wrong"},
}

// setPolicy changes what the tenant chose. What would be lost by it is asked
// about first.
func setPolicy(s *screen) error {
	var form policyForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	if s.actor.Role != gate.RoleOwner {
		return gate.ErrForbidden
	}
	set, ok := form.settings()
	if !ok {
		return malformed.problem("choose what the page offers")
	}
	effect, err := s.h.door.CheckSettings(s.Context(), s.actor, s.tenant, set)
	if bad, ok := errors.AsType[*gate.InvalidError](err); ok {
		d := s.policy(form)
		for _, f := range bad.Errors {
			known := policyFields[f.Field]
			d.Problems = append(d.Problems, trouble{Field: known.field, Text: d.T(known.word, "Floor", d.Floor, "Most", d.duration(s.h.door.RetentionBounds().Most))})
		}
		return s.again("policy", d)
	}
	if err != nil {
		return err
	}
	if *effect != (gate.SettingsEffect{}) && form.Confirmed == "" {
		return s.ask(s.policyQuestion(form, effect))
	}
	_, err = s.h.door.SetSettings(s.Context(), s.actor, s.tenant, set)
	if errors.Is(err, gate.ErrChanged) {
		d := s.policy(policyFormOf(&s.h.door.TenantByID(s.tenant).Settings))
		d.Problems = []trouble{{Field: "retention", Text: d.T("policy.changed")}}
		return s.again("policy", d)
	}
	if err != nil {
		return err
	}
	return s.done(policyPath, "done.policy_set")
}

// policyQuestion says what a change does to what is stored.
func (s *screen) policyQuestion(form policyForm, effect *gate.SettingsEffect) *question {
	q := &question{consoleView: s.frame("policy.ask"), Danger: true}
	switch {
	case effect.Shortened == 0:
		q.Lead = q.T("policy.ask.delete", "N", effect.Deleted)
	case effect.Deleted == 0:
		q.Lead = q.T("policy.ask.shorten", "N", effect.Shortened)
	default:
		q.Lead = q.T("policy.ask.both", "Deleted", effect.Deleted, "Shortened", effect.Shortened)
	}
	q.Action, q.Do, q.Back = q.Link(policyPath), q.T("policy.ask.do"), q.Link(policyPath)
	q.Sent = []sentValue{
		{"version", form.Version}, {"retention", form.Retention}, {"shorten", form.Shorten},
		{"check", form.Check}, {"requests", form.Requests}, {"confirmed", "1"},
	}
	return q
}
