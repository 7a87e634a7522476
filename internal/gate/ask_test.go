package gate_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// blockedAt is a visitor who is kept out, with the reference of the refusal.
func (w *world) blockedAt(address string) (*gate.Request, *gate.Decision, string) {
	w.Helper()
	q := &gate.Request{Host: "acme.example", Address: gate.Address{Addr: netip.MustParseAddr(address)}, Method: "GET", Path: "/", UserAgent: "Browser/1"}
	dec := w.door.Decide(q)
	if dec.Outcome != gate.Blocked {
		w.Fatalf("%s is %s (%s)", address, dec.Outcome, dec.Reason)
	}
	return q, &dec, w.door.Record(q, &dec)
}

func (w *world) ask(address, login string) (*gate.AccessRequest, string) {
	w.Helper()
	q, dec, reference := w.blockedAt(address)
	r, browser, err := w.door.Ask(w.Context(), q, dec, gate.Ask{Reference: reference, Login: login, Why: "at a customer", For: 8 * time.Hour})
	if err != nil {
		w.Fatal(err)
	}
	return r, browser
}

func TestAskAndApprove(t *testing.T) {
	w := newWorld(t)
	admin := w.person("wu.min", gate.RoleMember)
	r, browser := w.ask(outside, " Wu.Min ")
	if r.Admin != admin.ID {
		t.Errorf("admin: got %q, want %q", r.Admin, admin.ID)
	}
	q, dec, _ := w.blockedAt(outside)

	for name, secret := range map[string]string{"another browser": "x" + browser, "no browser": ""} {
		if _, err := w.door.AskOf(t.Context(), dec, r.ID, secret); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("%s reads the request: %v", name, err)
		}
	}
	proposed, edit, err := w.Approve(t.Context(), w.actor(gate.RoleReviewer), w.acme.ID, r.ID, gate.Answer{For: time.Hour, Note: "I know him"})
	if err != nil || edit != nil || proposed.ProposedBy != "boss" || proposed.State != gate.AskWaiting {
		t.Fatalf("a reviewer's approval: %+v, %v, %v", proposed, edit, err)
	}
	if dec := w.door.Decide(q); dec.Inside() {
		t.Fatal("a proposal let the visitor in")
	}

	if _, _, err := w.Approve(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, r.ID, gate.Answer{For: time.Hour, Note: "for today"}); err != nil {
		t.Fatal(err)
	}
	seen, err := w.door.AskOf(t.Context(), dec, r.ID, browser)
	if err != nil || seen.State != gate.AskApproved || seen.Note != "for today" || !seen.Until.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("what the asker sees: %+v, %v", seen, err)
	}
	if dec := w.door.Decide(q); !dec.Inside() {
		t.Errorf("after the approval: %s", dec.Reason)
	}
	list, err := w.Networks(t.Context(), w.actor(gate.RoleOwner), w.acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	entry := list.Entries[len(list.Entries)-1]
	if entry.ID != seen.Entry || len(entry.Admins) != 1 || entry.Admins[0] != admin.ID || !strings.Contains(entry.Label, r.Reference) {
		t.Errorf("entry: %+v", entry.Network)
	}
	if _, err := w.Decline(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, r.ID, ""); !errors.Is(err, gate.ErrAnswered) {
		t.Errorf("a second answer: got %v, want %v", err, gate.ErrAnswered)
	}
	w.clock.advance(time.Hour)
	if dec := w.door.Decide(q); dec.Inside() {
		t.Error("the visitor is still let in when the time is over")
	}
}

// Two approvals for one address leave one entry, which admits both people; one
// whose time is over is no reason to admit again whom it admitted.
func TestApproveOneAddress(t *testing.T) {
	w := newWorld(t)
	wu, li, chen := w.person("wu.min", gate.RoleMember), w.person("li.na", gate.RoleMember), w.person("chen.jie", gate.RoleMember)
	approve := func(requests ...*gate.AccessRequest) []string {
		t.Helper()
		for _, r := range requests {
			if _, _, err := w.Approve(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, r.ID, gate.Answer{For: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := w.Networks(t.Context(), command, w.acme.ID)
		if err != nil {
			t.Fatal(err)
		}
		var admins []string
		found := 0
		for _, e := range list.Entries {
			if e.Range.String() == outside {
				found, admins = found+1, e.Admins
			}
		}
		if found != 1 {
			t.Fatalf("%d entries for the address", found)
		}
		return admins
	}
	first, _ := w.ask(outside, "wu.min")
	second, _ := w.ask(outside, "li.na")
	got, want := approve(first, second), []string{wu.ID, li.ID}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("both approved: got %v, want %v", got, want)
	}
	w.clock.advance(2 * time.Hour)
	third, _ := w.ask(outside, "chen.jie")
	if got := approve(third); !slices.Equal(got, []string{chen.ID}) {
		t.Errorf("approved when the time of the others was over: got %v, want %s", got, chen.ID)
	}
}

func TestAskRefusals(t *testing.T) {
	w := newWorld(t)
	q, dec, reference := w.blockedAt(outside)
	good := gate.Ask{Reference: reference, Login: "wu.min", Why: "why", For: time.Hour}
	for name, tt := range map[string]struct {
		change func(*gate.Ask)
		field  string
	}{
		"no login":          {func(a *gate.Ask) { a.Login = " " }, "login"},
		"a long login":      {func(a *gate.Ask) { a.Login = strings.Repeat("x", gate.MaxLabel+1) }, "login"},
		"a login of signs":  {func(a *gate.Ask) { a.Login = "a\u202eb" }, "login"},
		"no reason":         {func(a *gate.Ask) { a.Why = "" }, "why"},
		"a long reason":     {func(a *gate.Ask) { a.Why = strings.Repeat("界", gate.MaxWhy+1) }, "why"},
		"no reference":      {func(a *gate.Ask) { a.Reference = "" }, "reference"},
		"a negative time":   {func(a *gate.Ask) { a.For = -time.Hour }, "for"},
		"more than a year":  {func(a *gate.Ask) { a.For = gate.MaxAllow + 1 }, "for"},
		"a mistyped refer.": {func(a *gate.Ask) { a.Reference = "SP-0000-0001" }, "reference"},
	} {
		a := good
		tt.change(&a)
		_, _, err := w.door.Ask(t.Context(), q, dec, a)
		if bad, ok := errors.AsType[*gate.InvalidError](err); !ok || bad.Errors[0].Field != tt.field {
			t.Errorf("%s: got %v, want an error of %s", name, err, tt.field)
		}
	}

	in := *q
	in.Address.Addr = netip.MustParseAddr(inside)
	allowed := w.door.Decide(&in)
	if _, _, err := w.door.Ask(t.Context(), &in, &allowed, good); !errors.Is(err, gate.ErrAskNotNeeded) {
		t.Errorf("from inside: %v", err)
	}
	// Whose refusal it was is told apart by the address.
	other, otherDec, _ := w.blockedAt("198.51.100.99")
	if _, _, err := w.door.Ask(t.Context(), other, otherDec, good); err == nil || !strings.Contains(err.Error(), "reference") {
		t.Errorf("with another visitor's reference: %v", err)
	}
	w.clock.advance(25 * time.Hour)
	late := w.door.Decide(q)
	if _, _, err := w.door.Ask(t.Context(), q, &late, good); err == nil || !strings.Contains(err.Error(), "reference") {
		t.Errorf("with yesterday's reference: %v", err)
	}
}

// An address gets three requests an hour, a browser one at a time, and both
// hold for accounts that do not exist as for those that do.
func TestAskThrottle(t *testing.T) {
	w := newWorld(t)
	w.person("wu.min", gate.RoleMember)
	q, dec, reference := w.blockedAt(outside)
	a := gate.Ask{Reference: reference, Login: "wu.min", Why: "why"}
	first, browser, err := w.door.Ask(t.Context(), q, dec, a)
	if err != nil {
		t.Fatal(err)
	}
	a.Browser = browser
	if again, _, err := w.door.Ask(t.Context(), q, dec, a); !errors.Is(err, gate.ErrAskAgain) || again.ID != first.ID {
		t.Errorf("the same browser: got %+v, %v", again, err)
	}
	a.Browser, a.Login = "", "nobody"
	if _, _, err := w.door.Ask(t.Context(), q, dec, a); err != nil {
		t.Errorf("the third: %v", err)
	}
	_, _, err = w.door.Ask(t.Context(), q, dec, a)
	if r, ok := errors.AsType[*gate.Refusal](err); !ok || r.Reason != gate.Throttled || r.RetryAfter < 3000 || r.Reference == "" {
		t.Errorf("the fourth: %v", err)
	}
	w.clock.advance(gate.AskLives)
	expired, err := w.door.AskOf(t.Context(), &gate.Decision{Tenant: w.acme, Now: w.clock.Now()}, first.ID, browser)
	if err != nil || expired.State != gate.AskExpired {
		t.Errorf("a day later: %+v, %v", expired, err)
	}
	if _, _, err := w.Approve(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, first.ID, gate.Answer{}); !errors.Is(err, gate.ErrAnswered) {
		t.Errorf("approving it then: %v", err)
	}
}

func TestWhoAnswers(t *testing.T) {
	w := newWorld(t)
	r, _ := w.ask(outside, "wu.min")
	w.tenant("globex", gate.ModeOff, "globex.example")
	stranger := w.actor(gate.RoleOwner)
	stranger.Tenant = "OTHER"
	for name, tt := range map[string]struct {
		by   gate.Actor
		want error
	}{"a member": {w.actor(gate.RoleMember), gate.ErrForbidden}, "another tenant's owner": {stranger, gate.ErrNotFound}} {
		_, _, err := w.Approve(t.Context(), tt.by, w.acme.ID, r.ID, gate.Answer{})
		_, declineErr := w.Decline(t.Context(), tt.by, w.acme.ID, r.ID, "")
		_, listErr := w.AccessRequests(t.Context(), tt.by, gate.AskFilter{Tenant: w.acme.ID})
		for _, err := range []error{err, declineErr, listErr} {
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
		}
	}
	if _, err := w.AccessRequest(t.Context(), stranger, "OTHER", r.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("another tenant's request: %v", err)
	}
	declined, err := w.Decline(t.Context(), w.actor(gate.RoleReviewer), w.acme.ID, r.ID, "not today")
	if err != nil || declined.State != gate.AskDeclined || declined.DecidedBy != "boss" {
		t.Errorf("declined: %+v, %v", declined, err)
	}
}
