package web

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

var alertsNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// alertsFormOf is the form with sound values, and what a test changes.
func alertsFormOf(changes ...string) []string {
	form := map[string]string{
		"days": "30", "count": "100", "minutes": "10", "quiet": "15", "emails": "", "webhook": "", "language": "en", "revision": "0",
	}
	for i := 0; i+1 < len(changes); i += 2 {
		form[changes[i]] = changes[i+1]
	}
	var out []string
	for name, value := range form {
		out = append(out, name, value)
	}
	return out
}

// TestAlertsPage saves alerts without JavaScript: the secret is shown once, and
// what was saved is there again.
func TestAlertsPage(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	page := s.page("owner", alertsPath).shows(t, http.StatusOK, "Alerts")
	says(t, page, "This installation sends no e-mail")
	a := s.post("owner", alertsPath, alertsFormOf("webhook", "https://hooks.example.test/x", "refusals", "on", "password_elsewhere", "on", "count", "7", "language", "zh-CN")...)
	a.shows(t, http.StatusOK, "The webhook's secret")
	if !strings.Contains(a.body, `value="whsec_`) {
		t.Errorf("the secret is not there: %s", a.body)
	}
	a = s.page("owner", alertsPath)
	page = a.shows(t, http.StatusOK, "Alerts")
	if strings.Contains(a.body, "whsec_") {
		t.Error("the secret is shown again")
	}
	form := fieldsOf(page)
	if !strings.Contains(strings.Join(form, " "), "revision 1") || !strings.Contains(a.body, `value="7"`) || !strings.Contains(a.body, `value="zh-CN" lang="zh-CN" selected`) {
		t.Errorf("what was saved is not there: %q", form)
	}

	a = s.post("owner", alertsPath, alertsFormOf("webhook", "https://hooks.example.test/x", "revision", "1")...)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != Prefix+alertsPath+"?done=alerts_set" {
		t.Errorf("saving again: got %s to %q", a.Status, a.Header.Get("Location"))
	}
	page = s.post("owner", alertsPath, alertsFormOf("revision", "1")...).shows(t, http.StatusUnprocessableEntity, "Alerts")
	says(t, page, "Somebody else changed the alerts in the meantime.")
	page = s.page("owner", auditPath).shows(t, http.StatusOK, "Change log")
	says(t, page, "Changed the alerts")
}

// TestAlertsPageWrong: what is wrong is said at its field, and what was typed
// stays.
func TestAlertsPageWrong(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	for name, tt := range map[string]struct{ field, value, says string }{
		"no number":       {"days", "many", "Write a number from 1 to 365."},
		"too many days":   {"days", "366", "Write a number from 1 to 365."},
		"no refusals":     {"count", "0", "Write a number from 1 to 1,000,000."},
		"too long":        {"quiet", "1441", "Write a number from 1 to 1,440."},
		"no address":      {"emails", "li.na", "li.na is no e-mail address, or stands here twice."},
		"a header":        {"emails", "a@example.test\nBcc:b@example.test", "is no e-mail address"},
		"no mail server":  {"emails", "a@example.test", "This installation sends no e-mail."},
		"no encryption":   {"webhook", "http://hooks.example.test", "Write an https:// address"},
		"with a user":     {"webhook", "https://u:p@hooks.example.test", "Write an https:// address"},
		"another tongue":  {"language", "tlh", "Choose one of the languages."},
		"nothing at all":  {"minutes", "", "Write a number from 1 to 1,440."},
		"too many people": {"emails", strings.Repeat("a@example.test ", 11), "At most 10 addresses."},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.post("owner", alertsPath, alertsFormOf(tt.field, tt.value)...)
			page := a.shows(t, http.StatusUnprocessableEntity, "Alerts")
			says(t, page, tt.says)
			if !strings.Contains(a.body, `id="`+tt.field+`-wrong"`) || !strings.Contains(a.body, `aria-invalid="true"`) {
				t.Error("it is not said at the field")
			}
		})
	}
}

// TestAlertsAPI reads and writes alerts as JSON.
func TestAlertsAPI(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	var got alertsJSON
	s.get("owner", "alerts", &got)
	if got.Revision != 0 || got.Refusals.Enabled || got.Refusals.Count != 100 || !got.Operator.Enabled || got.Messages == nil || got.Messages.CanMail {
		t.Errorf("before anything was set: got %+v", got)
	}
	put := func(body string, status int) answer {
		t.Helper()
		a := s.do("owner", http.MethodPut, "alerts", body)
		if a.StatusCode != status {
			t.Fatalf("%s: got %s %s, want %d", body, a.Status, a.body, status)
		}
		return a
	}
	a := put(`{"revision":0,"refusals":{"enabled":true,"count":5,"minutes":1},"webhook":"https://hooks.example.test/x"}`, http.StatusOK)
	if !strings.Contains(a.body, `"secret":"whsec_`) || !strings.Contains(a.body, `"revision":1`) || !strings.Contains(a.body, `"operator":{"enabled":true}`) {
		t.Errorf("got %s", a.body)
	}
	a = put(`{"revision":1,"webhook":"https://hooks.example.test/x","operator":{"enabled":false}}`, http.StatusOK)
	if strings.Contains(a.body, "secret") || !strings.Contains(a.body, `"operator":{"enabled":false}`) {
		t.Errorf("the same webhook got another secret: %s", a.body)
	}
	if a = put(`{"revision":2,"webhook":"https://hooks.example.test/x","new_secret":true}`, http.StatusOK); !strings.Contains(a.body, "whsec_") {
		t.Errorf("there is no new secret: %s", a.body)
	}
	put(`{"revision":1}`, http.StatusConflict)
	if a = put(`{"revision":3,"quiet_minutes":0}`, http.StatusUnprocessableEntity); !strings.Contains(a.body, `"quiet"`) {
		t.Errorf("got %s", a.body)
	}
	if a = s.do("owner", http.MethodPost, "alerts/test", ""); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "this program sends no messages") {
		t.Errorf("testing without anything to send with: got %s %s", a.Status, a.body)
	}
	var changes struct {
		Items []struct{ Action, Kind string }
	}
	s.get("owner", "changes?kind=alerts", &changes)
	if len(changes.Items) != 4 || changes.Items[0].Action != "alerts.test" {
		t.Errorf("the change log has %+v", changes.Items)
	}
}

// TestAlertText: nothing that came from outside makes a header, a line or a link
// of its own.
func TestAlertText(t *testing.T) {
	m := gate.AlertMessage{Kind: gate.AlertNewAddress, First: true, Count: 1, Since: alertsNow, Until: alertsNow, Items: []gate.AlertItem{
		{At: alertsNow, Who: "li.na\r\nBcc: x@example.test\u202e", Address: must(netip.ParseAddr("198.51.100.7")), Bits: 32, Reference: "SP-7K4M-92QD"},
	}}
	for lang, want := range map[string]string{
		"en":    "[Acme\\nX] li.na\\r\\nBcc: x@example.test\\u202e signed in from a new network",
		"zh-CN": "[Acme\\nX] li.na\\r\\nBcc: x@example.test\\u202e 从新的网络登录",
		"tlh":   "[Acme\\nX] li.na\\r\\nBcc: x@example.test\\u202e signed in from a new network",
	} {
		subject, text := AlertText(lang, &m, &gate.Tenant{Name: "Acme\nX", Slug: "acme"}, nil)
		if subject != want {
			t.Errorf("%s: got the subject %q, want %q", lang, subject, want)
		}
		if strings.ContainsAny(text, "\r\u202e") || !strings.Contains(text, "198.51.100.7 · SP-7K4M-92QD") || strings.Count(text, "\n") != 7 {
			t.Errorf("%s: got %q", lang, text)
		}
	}
}

// TestAlertWords: every kind has its words, in the singular and the plural.
func TestAlertWords(t *testing.T) {
	for kind, words := range alertWords {
		for _, first := range []bool{true, false} {
			m := gate.AlertMessage{Kind: kind, First: first, Count: 1234, Since: alertsNow, Until: alertsNow, Items: []gate.AlertItem{{At: alertsNow, Who: "li.na", Version: 3}}}
			for _, l := range languages {
				subject, text := AlertText(l.Lang, &m, &gate.Tenant{Name: "Acme"}, nil)
				if strings.Contains(subject+text, "alert.") || strings.Contains(subject+text, "<no value>") {
					t.Errorf("%s %+v in %s: got %q %q", kind, words, l.Lang, subject, text)
				}
				if !first && kind != gate.AlertTest && !strings.Contains(subject, "1,234") {
					t.Errorf("%s in %s: the count is not in %q", kind, l.Lang, subject)
				}
			}
		}
	}
}
