package store

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// setAlerts stores rules of ACME that tell everything to an e-mail address and
// a webhook.
func setAlerts(t testing.TB, s *Store) {
	t.Helper()
	r := gate.DefaultAlertRules()
	r.NewAddress, r.Refusals, r.ListChanged = true, true, true
	r.Emails, r.Webhook, r.Secret = []string{"a@example.test"}, "https://hooks.example.test/x", []byte("secret")
	must(t, s.SetAlertRules(t.Context(), record("alerts.set"), "ACME", r))
}

// alertEvent is one of ACME, after a time.
func alertEvent(pos int64, kind gate.AlertKind, after time.Duration) gate.AlertEvent {
	at := epoch.Add(after)
	return gate.AlertEvent{
		Tenant: "ACME", Kind: kind, Pos: pos, Count: 1, At: at, Quiet: 15 * time.Minute,
		Item: gate.AlertItem{At: at, Who: "li.na", Reference: fmt.Sprint("SP-", pos)},
	}
}

// letters describes the messages that are due, by e-mail only.
func letters(t testing.TB, s *Store, after time.Duration) (out []string) {
	t.Helper()
	due, err := s.DueAlerts(t.Context(), epoch.Add(after), 100)
	must(t, err)
	hooks := 0
	for i := range due {
		l := &due[i]
		if l.Email == "" {
			hooks++
			continue
		}
		m := &l.Message
		out = append(out, fmt.Sprintf("%s first=%t count=%d items=%d", m.Kind, m.First, m.Count, len(m.Items)))
	}
	slices.Sort(out)
	if hooks != len(out) {
		t.Errorf("the webhook gets %d messages, and the address %d", hooks, len(out))
	}
	return out
}

func TestAlertRules(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		if _, err := s.AlertRules(t.Context(), "ACME"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("before they were set: got %v, want %v", err, gate.ErrNotFound)
		}
		setAlerts(t, s)
		got, err := s.AlertRules(t.Context(), "ACME")
		must(t, err)
		equal(t, "rules", []any{got.Revision, got.Refusals, got.Count, got.Emails, string(got.Secret)}, []any{int64(1), true, 100, []string{"a@example.test"}, "secret"})
		var stored []byte
		must(t, s.read().row(t.Context(), `SELECT secret FROM alert_rules`).Scan(&stored))
		if strings.Contains(string(stored), "secret") {
			t.Error("the secret is readable in the store")
		}
		got.Count = 7
		must(t, s.SetAlertRules(t.Context(), record("alerts.set"), "ACME", *got))
		if err := s.SetAlertRules(t.Context(), record("alerts.set"), "ACME", *got); !errors.Is(err, gate.ErrChanged) {
			t.Errorf("with the revision before: got %v, want %v", err, gate.ErrChanged)
		}
		all, err := s.AllAlertRules(t.Context())
		must(t, err)
		equal(t, "count and revision of all", []any{len(all), all["ACME"].Count, all["ACME"].Revision}, []any{1, 7, int64(2)})
		must(t, s.RemoveTenant(t.Context(), record("tenant.remove"), "ACME"))
		all, err = s.AllAlertRules(t.Context())
		must(t, err)
		equal(t, "rules of a tenant that is gone", len(all), 0)
	})
}

// TestAlertsFolded: a flood is one message at once and one summary for each span,
// with exact counts, however often it is told.
func TestAlertsFolded(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		setAlerts(t, s)
		note := func(from, n int64, after time.Duration) {
			b := gate.AlertBatch{UpTo: from + n - 1}
			for i := range n {
				b.Events = append(b.Events, alertEvent(from+i, gate.AlertNewAddress, after))
			}
			must(t, s.NoteAlerts(t.Context(), b))
		}
		note(1, 1, 0)
		first := "new_address first=true count=1 items=1"
		equal(t, "the first, at once", letters(t, s, 0), []string{first})
		note(1, 101, time.Minute) // the first is told again
		note(2, 100, time.Minute)
		must(t, s.CloseAlerts(t.Context(), epoch.Add(14*time.Minute)))
		equal(t, "before the span is over", letters(t, s, time.Hour), []string{first})
		must(t, s.CloseAlerts(t.Context(), epoch.Add(15*time.Minute)))
		must(t, s.CloseAlerts(t.Context(), epoch.Add(15*time.Minute)))
		more := "new_address first=false count=100 items=5"
		equal(t, "what followed", letters(t, s, time.Hour), []string{more, first})
		note(102, 3, 20*time.Minute)
		must(t, s.CloseAlerts(t.Context(), epoch.Add(30*time.Minute)))
		last := "new_address first=false count=3 items=3"
		equal(t, "and again", letters(t, s, time.Hour), []string{more, last, first})
		must(t, s.CloseAlerts(t.Context(), epoch.Add(45*time.Minute)))
		note(105, 1, 50*time.Minute)
		equal(t, "after a quiet span, at once", letters(t, s, time.Hour), []string{more, last, first, first})
	})
}

// TestAlertOfMany: refusals are worth a message when there are enough of them.
func TestAlertOfMany(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		setAlerts(t, s)
		note := func(pos int64, count int64, after time.Duration) {
			a := attempt(fmt.Sprint("SP-", pos), "ACME", epoch.Add(after))
			a.Count = count
			must(t, s.PutAttempts(t.Context(), deliveryBoot, []gate.Attempt{a}))
			raw(t, s, `UPDATE attempts SET pos = $1 WHERE reference = $2`, pos, a.Reference)
			e := alertEvent(pos, gate.AlertRefusals, after)
			e.Count, e.Least, e.Within = count, 100, 10*time.Minute
			must(t, s.NoteAlerts(t.Context(), gate.AlertBatch{Events: []gate.AlertEvent{e}, UpTo: pos}))
		}
		note(1, 99, 0)
		note(2, 99, 10*time.Minute) // the first are too long ago
		equal(t, "too few", letters(t, s, time.Hour), []string(nil))
		note(3, 1, 11*time.Minute)
		first := "refusals first=true count=100 items=1"
		equal(t, "enough", letters(t, s, time.Hour), []string{first})
		note(4, 50, 12*time.Minute)
		must(t, s.CloseAlerts(t.Context(), epoch.Add(26*time.Minute)))
		more := "refusals first=false count=50 items=1"
		equal(t, "what followed", letters(t, s, time.Hour), []string{more, first})
		note(5, 1, 40*time.Minute)
		must(t, s.CloseAlerts(t.Context(), epoch.Add(time.Hour)))
		equal(t, "noise after the flood", letters(t, s, time.Hour), []string{more, first})
	})
}

func TestAlertLetters(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		setAlerts(t, s)
		must(t, s.NoteAlerts(t.Context(), gate.AlertBatch{Events: []gate.AlertEvent{alertEvent(1, gate.AlertNewAddress, 0)}, UpTo: 1}))
		due, err := s.DueAlerts(t.Context(), epoch, 10)
		must(t, err)
		equal(t, "letters", len(due), 2)
		must(t, s.NoteUnsent(t.Context(), &due[0], "it is away", epoch.Add(time.Second), epoch.Add(time.Minute)))
		must(t, s.NoteSent(t.Context(), &due[1], epoch))
		state, err := s.AlertState(t.Context(), "ACME")
		must(t, err)
		equal(t, "after one has arrived", state, gate.AlertState{Waiting: 1, LastSent: epoch})
		due, err = s.DueAlerts(t.Context(), epoch.Add(time.Minute), 10)
		must(t, err)
		equal(t, "tries", due[0].Tries, 1)
		must(t, s.NoteUnsent(t.Context(), &due[0], "it is gone", epoch.Add(time.Hour), time.Time{}))
		state, err = s.AlertState(t.Context(), "ACME")
		must(t, err)
		equal(t, "after one was given up", state, gate.AlertState{LastSent: epoch, LastError: "it is gone", ErrorAt: epoch.Add(time.Hour), Dropped: 1})
	})
}

func TestAlertChanges(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		list, err := s.AlertChanges(t.Context(), 10)
		must(t, err)
		equal(t, "changes from before", len(list), 0)
		addTenant(t, s, "GLOBEX")
		list, err = s.AlertChanges(t.Context(), 10)
		must(t, err)
		equal(t, "changes since", len(list), 1)
		must(t, s.NoteAlerts(t.Context(), gate.AlertBatch{Changes: true, UpTo: list[0].Pos}))
		list, err = s.AlertChanges(t.Context(), 10)
		must(t, err)
		equal(t, "changes after those", len(list), 0)
	})
}

func TestSignedInFrom(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		addTenant(t, s, "ACME")
		who := addAdmin(t, s, "ACME", "A1")
		signIn(t, s, who, "S1", epoch)
		for name, tt := range map[string]struct {
			admin, address string
			since, until   time.Duration
			want           bool
		}{
			"the same address":   {"A1", "198.51.100.7", -time.Hour, time.Hour, true},
			"the same network":   {"A1", "198.51.100.99", -time.Hour, time.Hour, true},
			"another network":    {"A1", "198.51.101.7", -time.Hour, time.Hour, false},
			"somebody else":      {"A2", "198.51.100.7", -time.Hour, time.Hour, false},
			"too long ago":       {"A1", "198.51.100.7", time.Second, time.Hour, false},
			"the sign-in itself": {"A1", "198.51.100.7", -time.Hour, 0, false},
		} {
			a := attempt("SP-X", "ACME", epoch)
			a.Admin = tt.admin
			a.Address = netip.MustParseAddr(tt.address)
			got, err := s.SignedInFrom(t.Context(), &a, epoch.Add(tt.since), epoch.Add(tt.until))
			must(t, err)
			equal(t, name, got, tt.want)
		}
	})
}
