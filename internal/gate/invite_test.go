package gate_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func (w *world) invite(login string, role gate.Role) (*gate.Admin, string) {
	w.Helper()
	a, secret, err := w.Invite(w.Context(), command, w.acme.ID, gate.NewAdmin{Login: login, Name: "Wu", Role: role})
	if err != nil {
		w.Fatal(err)
	}
	return a, secret
}

func (w *world) accept(address, secret, password string) (*gate.Progress, error) {
	q := w.from(address)
	dec := w.door.Decide(q)
	return w.door.Accept(w.Context(), q, &dec, secret, password)
}

// refusedWith checks that somebody was refused with what they may know.
func refusedWith(t testing.TB, name string, err error, want gate.Reason) {
	t.Helper()
	r, ok := errors.AsType[*gate.Refusal](err)
	if !ok || r.Reason != want {
		t.Errorf("%s: got %v, want %s", name, err, want)
	}
}

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	a, secret := w.invite("wu.min", gate.RoleReviewer)
	if a.Password != "" || !a.Invited(w.clock.Now()) || strings.Contains(string(a.Invitation), secret) {
		t.Errorf("got %+v", a)
	}
	_, err := w.login(w.from(inside), "wu.min", "")
	refusedWith(t, "signing in before", err, gate.BadCredentials)
	q := w.from(inside)
	dec := w.door.Decide(q)
	for range 3 { // looking uses nothing up
		if who, err := w.door.Invitation(t.Context(), q, &dec, secret); err != nil || who.Login != "wu.min" {
			t.Fatalf("got %v, %v", who, err)
		}
	}
	if _, err := w.accept(inside, secret, "short"); err == nil {
		t.Error("a short password was taken")
	} else if _, weak := errors.AsType[*auth.WeakPasswordError](err); !weak {
		t.Errorf("got %v", err)
	}
	_, err = w.accept(outside, secret, "a phrase of my own")
	refusedWith(t, "from outside", err, gate.OutsideNetworks)
	p, err := w.accept(inside, secret, "a phrase of my own")
	if err != nil || p.Next != gate.NextDone {
		t.Fatalf("got %+v, %v", p, err)
	}
	w.decided(w.with(w.from(inside), p.Session), gate.Allowed, gate.ByNetwork)
	if p, err := w.login(w.from(inside), "wu.min", "a phrase of my own"); err != nil || p.Next != gate.NextDone {
		t.Errorf("signing in after: got %+v, %v", p, err)
	}
	_, err = w.accept(inside, secret, "a phrase of another")
	refusedWith(t, "twice", err, gate.BadCredentials)
}

// Every way in which an invitation does not count looks the same.
func TestInvitationsThatDoNotCount(t *testing.T) {
	w := newWorld(t)
	w.tenant("globex", gate.ModeOff, "globex.example")
	w.person("li.na", gate.RoleOwner)
	for name, c := range map[string]struct {
		before func(a *gate.Admin)
		secret string
		host   string
	}{
		"unknown":  {secret: "spi_unknown"},
		"empty":    {secret: " "},
		"expired":  {before: func(*gate.Admin) { w.clock.advance(24 * time.Hour) }},
		"disabled": {before: func(a *gate.Admin) { w.patch(a, gate.AdminPatch{Disabled: new(true)}) }},
		"enabled again": {before: func(a *gate.Admin) {
			w.patch(a, gate.AdminPatch{Disabled: new(true)})
			w.patch(a, gate.AdminPatch{Disabled: new(false)})
		}},
		"made again":      {before: func(a *gate.Admin) { w.patch(a, gate.AdminPatch{Invite: true}) }},
		"password given":  {before: func(a *gate.Admin) { w.patch(a, gate.AdminPatch{Password: new("a first phrase")}) }},
		"removed":         {before: func(a *gate.Admin) { _ = w.RemoveAdmin(w.Context(), command, w.acme.ID, a.ID) }},
		"at another site": {host: "globex.example"},
	} {
		w.clock.advance(time.Hour) // past every lock
		a, secret := w.invite(strings.ReplaceAll(name, " ", "."), gate.RoleMember)
		if c.before != nil {
			c.before(a)
		}
		if c.secret != "" {
			secret = strings.TrimSpace(c.secret)
		}
		q := w.from(inside)
		if c.host != "" {
			q.Host = c.host
		}
		dec := w.door.Decide(q)
		_, err := w.door.Invitation(t.Context(), q, &dec, secret)
		refusedWith(t, name, err, gate.BadCredentials)
		_, err = w.door.Accept(t.Context(), q, &dec, secret, "a phrase of my own")
		refusedWith(t, name+", used", err, gate.BadCredentials)
	}
	// Guessing is held back like any failed sign-in.
	w.clock.advance(time.Hour)
	for range 5 {
		_, err := w.accept(inside, "spi_guess", "a phrase of my own")
		refusedWith(t, "guess", err, gate.BadCredentials)
	}
	_, err := w.accept(inside, "spi_guess", "a phrase of my own")
	refusedWith(t, "one guess more", err, gate.Throttled)
}

func (w *world) patch(a *gate.Admin, p gate.AdminPatch) string {
	w.Helper()
	_, secret, err := w.SetAdmin(w.Context(), command, w.acme.ID, a.ID, p)
	if err != nil {
		w.Fatal(err)
	}
	return secret
}

// Of many who use one link at the same time, one sets the password.
func TestInvitationIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	_, secret := w.invite("wu.min", gate.RoleMember)
	var group sync.WaitGroup
	done := make(chan string, 4)
	for i := range cap(done) {
		group.Go(func() {
			if _, err := w.accept(inside, secret, "a long phrase "+strings.Repeat("x", i+1)); err == nil {
				done <- "a long phrase " + strings.Repeat("x", i+1)
			}
		})
	}
	group.Wait()
	if len(done) != 1 {
		t.Fatalf("%d set a password, want 1", len(done))
	}
	if _, err := w.login(w.from(inside), "wu.min", <-done); err != nil {
		t.Errorf("its password: got %v", err)
	}
}

// A password that is reset counts no more, nor does any session; a second factor
// stays, and is asked for.
func TestResetByInvitation(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	a := w.person("wu.min", gate.RoleOwner)
	session := w.signIn(inside, "wu.min")
	secret := w.enrolledFactor(session)
	w.clock.advance(time.Minute)
	link := w.patch(a, gate.AdminPatch{Invite: true})
	w.decided(w.with(w.from(inside), session), gate.Refused, gate.SessionRevoked)
	_, err := w.login(w.from(inside), "wu.min", password("wu.min"))
	refusedWith(t, "the old password", err, gate.BadCredentials)
	p, err := w.accept(inside, link, "a phrase of my own")
	if err != nil || p.Next != gate.NextCode || p.Session != "" {
		t.Fatalf("got %+v, %v; want %s and no session", p, err, gate.NextCode)
	}
	q := w.from(inside)
	dec := w.door.Decide(q)
	if p, err = w.door.Verify(t.Context(), q, &dec, p.Step, code(w, secret, w.clock.Now())); err != nil || p.Next != gate.NextDone {
		t.Errorf("got %+v, %v", p, err)
	}
}

// enrolledFactor gives who has a session a second factor and returns its secret.
func (w *world) enrolledFactor(session string) string {
	w.Helper()
	q := w.with(w.from(inside), session)
	dec := w.door.Decide(q)
	e, err := w.door.Enrolment(w.Context(), q, &dec, "")
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.door.Enrol(w.Context(), q, &dec, "", code(w, e.Secret, w.clock.Now())); err != nil {
		w.Fatal(err)
	}
	return e.Secret
}

// An owner who was invited and has not come yet cannot sign in, so the last who
// can stays.
func TestInvitedOwnersDoNotCount(t *testing.T) {
	w := newWorld(t)
	first := w.person("li.na", gate.RoleOwner)
	_, link := w.invite("wu.min", gate.RoleOwner)
	for name, err := range map[string]error{
		"demoted":  w.tries(first, gate.AdminPatch{Role: new(gate.RoleMember)}),
		"disabled": w.tries(first, gate.AdminPatch{Disabled: new(true)}),
		"reset":    w.tries(first, gate.AdminPatch{Invite: true}),
		"removed":  w.RemoveAdmin(t.Context(), command, w.acme.ID, first.ID),
	} {
		if !errors.Is(err, gate.ErrLastOwner) {
			t.Errorf("%s: got %v, want %v", name, err, gate.ErrLastOwner)
		}
	}
	if _, err := w.accept(inside, link, "a phrase of my own"); err != nil {
		t.Fatal(err)
	}
	if err := w.RemoveAdmin(t.Context(), command, w.acme.ID, first.ID); err != nil {
		t.Errorf("when the other has come: got %v", err)
	}
}

func (w *world) tries(a *gate.Admin, p gate.AdminPatch) error {
	_, _, err := w.SetAdmin(w.Context(), command, w.acme.ID, a.ID, p)
	return err
}

// The change log says what was and what is, never a secret.
func TestPeopleInTheChangeLog(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	a, secret := w.invite("wu.min", gate.RoleMember)
	w.patch(a, gate.AdminPatch{Role: new(gate.RoleReviewer)})
	changes, err := w.Changes(t.Context(), command, gate.ChangeFilter{Tenant: w.acme.ID, Kind: gate.ChangeAdmin, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	const invited = `{"login":"wu.min","name":"Wu","role":"member","disabled":false,"password":"none","invited":true,"second_factor":false,"second_factor_exempt":false}`
	for i, want := range []string{
		`{"before":` + invited + `,"after":` + strings.Replace(invited, "member", "reviewer", 1) + `}`,
		`{"after":` + invited + `}`,
	} {
		if got := string(changes[i].Detail); got != want || strings.Contains(got, secret) {
			t.Errorf("%s:\n got %s\nwant %s", changes[i].Action, got, want)
		}
	}
}

func TestEndSessions(t *testing.T) {
	w := newWorld(t)
	for login, role := range map[string]gate.Role{"li.na": gate.RoleOwner, "mo": gate.RoleMember} {
		w.person(login, role)
	}
	owner, member, other := w.signIn(inside, "li.na"), w.signIn(inside, "mo"), w.signIn("203.0.113.8", "mo")
	ends := func(token string) int64 {
		t.Helper()
		q := w.with(w.from(inside), token)
		dec := w.door.Decide(q)
		n, err := w.EndSessions(t.Context(), w.door.Actor(q, &dec), w.acme.ID)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := ends(member); n != 2 { // the one of person(), and the other
		t.Errorf("a member ended %d of its own, want 2", n)
	}
	w.decided(w.with(w.from(inside), other), gate.Refused, gate.SessionRevoked)
	w.decided(w.with(w.from(inside), member), gate.Allowed, gate.ByNetwork)
	w.decided(w.with(w.from(inside), owner), gate.Allowed, gate.ByNetwork)
	if n := ends(owner); n != 2 { // its other one, and the member's
		t.Errorf("an owner ended %d, want 2", n)
	}
	w.decided(w.with(w.from(inside), member), gate.Refused, gate.SessionRevoked)
	w.decided(w.with(w.from(inside), owner), gate.Allowed, gate.ByNetwork)
	stranger := w.actor(gate.RoleOwner)
	stranger.Tenant = "GLOBEX"
	if _, err := w.EndSessions(t.Context(), stranger, w.acme.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("of another tenant: got %v, want %v", err, gate.ErrNotFound)
	}
}

// Reading attempts is in the change log, and its repeats are not.
func TestReadingIsNoted(t *testing.T) {
	w := newWorld(t)
	owner, reviewer := w.actor(gate.RoleOwner), w.actor(gate.RoleReviewer)
	reviewer.Admin = "ANOTHER"
	read := func(by gate.Actor, f gate.AttemptFilter) {
		t.Helper()
		f.Tenant = w.acme.ID
		if _, err := w.Attempts(t.Context(), by, f); err != nil {
			t.Fatal(err)
		}
	}
	blocked := gate.AttemptFilter{Where: []gate.Condition{{Field: gate.FieldOutcome, Value: "blocked"}}}
	noted := func() (n int) {
		changes, err := w.Changes(t.Context(), command, gate.ChangeFilter{Tenant: w.acme.ID, Kind: gate.ChangeAccess})
		if err != nil {
			t.Fatal(err)
		}
		return len(changes)
	}
	for _, c := range []struct {
		name string
		do   func()
		want int
	}{
		{"first", func() { read(owner, gate.AttemptFilter{}) }, 1},
		{"again", func() { read(owner, gate.AttemptFilter{Limit: 7}) }, 1},
		{"another time", func() { read(owner, gate.AttemptFilter{Since: w.clock.Now().Add(-time.Hour)}) }, 1},
		{"another filter", func() { read(owner, blocked) }, 2},
		{"somebody else", func() { read(reviewer, blocked) }, 3},
		{"a little later", func() { w.clock.advance(9 * time.Minute); read(owner, blocked) }, 3},
		{"later", func() { w.clock.advance(time.Minute); read(owner, blocked) }, 4},
	} {
		c.do()
		if got := noted(); got != c.want {
			t.Errorf("%s: %d readings in the change log, want %d", c.name, got, c.want)
		}
	}
	changes, err := w.Changes(t.Context(), command, gate.ChangeFilter{Tenant: w.acme.ID, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := changes[0]; got.Action != "attempts.read" || string(got.Detail) != `{"where":[{"field":"outcome","value":"blocked"}]}` {
		t.Errorf("got %s %s", got.Action, got.Detail)
	}
}

func TestVerified(t *testing.T) {
	w := newWorld(t)
	reviewer := w.actor(gate.RoleReviewer)
	v, err := w.Verified(reviewer, w.acme.ID, false)
	if err != nil || !v.Running || !v.At.IsZero() {
		t.Fatalf("first: got %+v, %v", v, err)
	}
	eventually(t, "it is verified", func() bool { v, _ = w.Verified(reviewer, w.acme.ID, false); return !v.Running })
	if v.Held == 0 || v.Trouble != "" || !v.At.Equal(w.clock.Now()) {
		t.Errorf("got %+v", v)
	}
	if v, _ = w.Verified(reviewer, w.acme.ID, false); v.Running {
		t.Error("it is verified again at once")
	}
	if v, _ = w.Verified(reviewer, w.acme.ID, true); !v.Running {
		t.Error("it is not verified when asked")
	}
	if _, err := w.Verified(w.actor(gate.RoleMember), w.acme.ID, true); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("member: got %v", err)
	}
}
