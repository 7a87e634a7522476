package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AlertKind is what a tenant can be alerted about.
type AlertKind string

// Kinds of alerts.
const (
	AlertNewAddress  AlertKind = "new_address"        // somebody signed in from a network that they had not used for days
	AlertRefusals    AlertKind = "refusals"           // so many refusals in so many minutes
	AlertElsewhere   AlertKind = "password_elsewhere" // the right password from outside the list, where the tenant looks at that
	AlertListChanged AlertKind = "list_changed"       // of allowed networks, or its mode
	AlertEmergency   AlertKind = "emergency"          // access that those who run the gateway opened
	AlertVisit       AlertKind = "operator_visit"     // they looked at the console
	AlertTest        AlertKind = "test"               // somebody wanted to see whether messages arrive
)

// AlertRules are what a tenant is alerted about, and how.
type AlertRules struct {
	NewAddress  bool     `json:"new_address"`
	Days        int      `json:"days"` // a network that was not used for so long is new
	Refusals    bool     `json:"refusals"`
	Count       int      `json:"count"`   // refusals
	Minutes     int      `json:"minutes"` // within so many
	Elsewhere   bool     `json:"password_elsewhere"`
	ListChanged bool     `json:"list_changed"`
	Operator    bool     `json:"operator"` // emergency access, and visits: what those do who run the gateway
	Quiet       int      `json:"quiet"`    // minutes in which what follows an alert is gathered into one message
	Emails      []string `json:"emails"`   // who gets them
	Webhook     string   `json:"webhook"`  // what gets them; empty: nothing
	Language    string   `json:"language"` // of e-mails: en or zh-CN
	// Set is when they were: what happened before is told to nobody.
	Set time.Time `json:"set,omitzero"`

	Revision int64  `json:"-"` // 0: they were never set
	Secret   []byte `json:"-"` // signs what the webhook gets; nil: there is none
}

// Bounds of alert rules.
const (
	MaxAlertDays    = 365
	MaxAlertCount   = 1_000_000
	MaxAlertMinutes = 24 * 60
	MaxAlertEmails  = 10
)

// AlertLanguages are those that e-mails can be in.
var AlertLanguages = []string{"en", "zh-CN"}

// DefaultAlertRules are those of a tenant that never set any. What the operator
// does is told unless the owners say no: nothing else would make them look.
func DefaultAlertRules() AlertRules {
	return AlertRules{Days: 30, Count: 100, Minutes: 10, Quiet: 15, Operator: true, Emails: []string{}, Language: "en"}
}

// On reports whether anything can come of the rules.
func (r *AlertRules) On() bool {
	return (r.NewAddress || r.Refusals || r.Elsewhere || r.ListChanged || r.Operator) && (len(r.Emails) > 0 || r.Webhook != "")
}

// AlertState is how it went with a tenant's messages.
type AlertState struct {
	Waiting   int64     // messages that have not arrived
	LastSent  time.Time // zero: never
	LastError string    // empty: nothing is wrong
	ErrorAt   time.Time
	Dropped   int64 // that did not arrive within a day
}

// AlertStore keeps alert rules, and what comes of them.
type AlertStore interface {
	// AlertRules returns ErrNotFound for a tenant that never set any.
	AlertRules(ctx context.Context, tenant string) (*AlertRules, error)
	// AllAlertRules returns those that were set, by tenant ID.
	AllAlertRules(ctx context.Context) (map[string]AlertRules, error)
	// SetAlertRules stores rules where the revision is still the one that was
	// read; ErrChanged otherwise.
	SetAlertRules(ctx context.Context, rec Record, tenant string, r AlertRules) error
	// NoteTest adds to the change log that somebody tried the channels.
	NoteTest(ctx context.Context, rec Record, tenant string) error
	AlertState(ctx context.Context, tenant string) (AlertState, error)

	// NoteAlerts counts what has happened, once, however often it is told:
	// the first of a kind becomes a message, what follows is gathered.
	NoteAlerts(ctx context.Context, b AlertBatch) error
	// AlertChanges returns the changes after the last that NoteAlerts was told
	// of, and that position; before it was told of any, those from now on.
	AlertChanges(ctx context.Context, limit int) ([]Change, error)
	// CloseAlerts makes messages of what was gathered until now.
	CloseAlerts(ctx context.Context, now time.Time) error
	// SignedInFrom reports whether an admin signed in from an address's network
	// within a time; until is not part of it.
	SignedInFrom(ctx context.Context, a *Attempt, since, until time.Time) (bool, error)
	// DueAlerts returns messages that should go now, the oldest first.
	DueAlerts(ctx context.Context, now time.Time, limit int) ([]AlertLetter, error)
	// NoteSent removes a message that has arrived.
	NoteSent(ctx context.Context, l *AlertLetter, now time.Time) error
	// NoteUnsent says why a message has not arrived, and when to try again;
	// zero: never, it is dropped.
	NoteUnsent(ctx context.Context, l *AlertLetter, why string, now, next time.Time) error
}

// AlertRules returns what a tenant is alerted about, and how that goes, for its
// owners.
func (g *Gate) AlertRules(ctx context.Context, by Actor, tenant string) (*AlertRules, *AlertState, error) {
	if err := by.may(tenant, RoleOwner); err != nil {
		return nil, nil, err
	}
	r, err := g.alertRules(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	state, err := g.store.AlertState(ctx, tenant)
	return r, &state, err
}

func (g *Gate) alertRules(ctx context.Context, tenant string) (*AlertRules, error) {
	r, err := g.store.AlertRules(ctx, tenant)
	if errors.Is(err, ErrNotFound) {
		none := DefaultAlertRules()
		return &none, nil
	}
	return r, err
}

// SetAlertRules changes what a tenant is alerted about; ErrChanged when somebody
// else did so since r.Revision. A webhook that was not there before, or with
// renew any, gets a secret, which is returned this once.
func (g *Gate) SetAlertRules(ctx context.Context, by Actor, tenant string, r AlertRules, renew bool) (saved *AlertRules, secret []byte, err error) {
	if err := by.proved(tenant, RoleOwner); err != nil {
		return nil, nil, err
	}
	if err := g.checkAlertRules(&r); err != nil {
		return nil, nil, err
	}
	old, err := g.alertRules(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	if old.Revision != r.Revision {
		return nil, nil, ErrChanged
	}
	switch {
	case r.Webhook == "":
		r.Secret = nil
	case renew || old.Secret == nil || old.Webhook != r.Webhook:
		secret = make([]byte, 32)
		rand.Read(secret) // never fails
		r.Secret = secret
	default:
		r.Secret = old.Secret
	}
	r.Set = micros(g.now()).UTC()
	rec := Record{Actor: by, Action: "alerts.set", At: r.Set, Detail: difference{Before: old.detail(), After: r.detail()}}
	if err := g.store.SetAlertRules(ctx, rec, tenant, r); err != nil {
		return nil, nil, err
	}
	r.Revision++
	return &r, secret, g.applied(ctx)
}

// detail is what the change log says of rules. The path of a webhook is often
// as good as a password.
func (r *AlertRules) detail() *AlertRules {
	d := *r
	d.Set = time.Time{}
	if u, err := url.Parse(r.Webhook); err == nil && r.Webhook != "" {
		d.Webhook = u.Scheme + "://" + u.Host
	}
	return &d
}

// checkAlertRules says what is wrong with rules, and tidies them.
func (g *Gate) checkAlertRules(r *AlertRules) error {
	bad := &InvalidError{}
	for _, n := range []struct {
		field string
		value int
		most  int
	}{{"days", r.Days, MaxAlertDays}, {"count", r.Count, MaxAlertCount}, {"minutes", r.Minutes, MaxAlertMinutes}, {"quiet", r.Quiet, MaxAlertMinutes}} {
		if n.value < 1 || n.value > n.most {
			bad.add(n.field, "range", "write 1 to %d", n.most)
		}
	}
	if !slices.Contains(AlertLanguages, r.Language) {
		bad.add("language", "unknown", "%q is none: write %s", r.Language, strings.Join(AlertLanguages, " or "))
	}
	if len(r.Emails) > MaxAlertEmails {
		bad.add("emails", "too_many", "at most %d addresses", MaxAlertEmails)
	}
	if r.Emails == nil {
		r.Emails = []string{}
	}
	for i, text := range r.Emails {
		field := fmt.Sprintf("emails[%d]", i)
		switch {
		case !validEmail(text):
			bad.add(field, "invalid", "%q is no e-mail address", text)
		case slices.Contains(r.Emails[:i], text):
			bad.add(field, "doubled", "it stands here twice")
		}
	}
	if len(r.Emails) > 0 && !g.CanMail() {
		bad.add("emails", "unavailable", "this installation sends no e-mail: its operator has to name a mail server")
	}
	if r.Webhook = strings.TrimSpace(r.Webhook); r.Webhook != "" {
		if err := checkWebhook(r.Webhook); err != nil {
			bad.add("webhook", "invalid", "%s", err)
		}
	}
	return bad.orNil()
}

// validEmail reports whether a text is one plain address and nothing else.
func validEmail(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text && a.Name == "" && len(text) <= 254 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func checkWebhook(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || len(text) > 2000 || hasControl(text):
		return errors.New("this is no address of a web server: write one such as https://hooks.example.com/sallyport")
	case u.Scheme != "https":
		return fmt.Errorf("%s:// is not encrypted: write https://", u.Scheme)
	case u.User != nil || u.Fragment != "":
		return errors.New("leave the user and what follows # away")
	}
	return nil
}

// TestResult is how a test message went on one way.
type TestResult struct {
	To  string // address or webhook
	Err error
}

// TestAlerts sends a message to everybody who gets a tenant's alerts, now.
func (g *Gate) TestAlerts(ctx context.Context, by Actor, tenant string) ([]TestResult, error) {
	if err := by.may(tenant, RoleOwner); err != nil {
		return nil, err
	}
	r, err := g.alertRules(ctx, tenant)
	if err != nil {
		return nil, err
	}
	now := g.now()
	if err := g.store.NoteTest(ctx, Record{Actor: by, Action: "alerts.test", At: now}, tenant); err != nil {
		return nil, err
	}
	m := AlertMessage{ID: NewID(), Tenant: tenant, Kind: AlertTest, First: true, Since: now, Until: now, Items: []AlertItem{{At: now, Who: by.Name()}}}
	var results []TestResult
	for _, to := range r.Emails {
		results = append(results, TestResult{to, g.send(ctx, &AlertLetter{Tenant: tenant, Email: to, Message: m}, r)})
	}
	if r.Webhook != "" {
		results = append(results, TestResult{r.Webhook, g.send(ctx, &AlertLetter{Tenant: tenant, Message: m}, r)})
	}
	return results, nil
}
