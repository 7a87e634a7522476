package gate_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// refusal returns the reason of a refusal, or what else the error is.
func refusal(err error) string {
	var r *gate.Refusal
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &r):
		return string(r.Reason)
	}
	return err.Error()
}

// newest returns the newest record of the tenant.
func (w *world) newest() gate.Attempt {
	w.Helper()
	list, err := w.Attempts(w.Context(), command, gate.AttemptFilter{Tenant: w.acme.ID, Limit: 1})
	if err != nil || len(list) != 1 {
		w.Fatalf("reading the newest attempt: %d, %v", len(list), err)
	}
	return list[0]
}

func TestEveryWrongWayIsTheSame(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.person("gone", gate.RoleMember)
	yes := true
	if _, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, "gone", gate.AdminPatch{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		login, password string
		recorded        gate.Reason
		admin           bool
	}{
		{"li.na", "wrong", gate.BadCredentials, true},
		{"li.na", "", gate.BadCredentials, true},
		{"nobody", "wrong", gate.AccountUnknown, false},
		{"", "", gate.AccountUnknown, false},
		{"gone", password("gone"), gate.AccountDisabled, true},
	} {
		t.Run(tt.login+" "+string(tt.recorded), func(t *testing.T) {
			w.clock.advance(time.Hour) // past every throttle
			_, err := w.login(w.from(inside), tt.login, tt.password)
			if got := refusal(err); got != string(gate.BadCredentials) {
				t.Fatalf("told: got %s, want bad_credentials", got)
			}
			a := w.newest()
			if a.Reason != tt.recorded || a.Outcome != gate.Refused || a.Stage != gate.StageSignIn {
				t.Errorf("recorded: got %s %s %s, want %s", a.Stage, a.Outcome, a.Reason, tt.recorded)
			}
			if (a.Admin != "") != tt.admin || tt.admin && a.LoginHash != "" {
				t.Errorf("recorded admin %q, hash %q", a.Admin, a.LoginHash)
			}
		})
	}
}

func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.door.Rules.SecondFactor = gate.SecondFactorRequired
	w.door.Rules.Throttle.Attempts = 100
	_, first, err := w.AddAdmin(t.Context(), command, w.acme.ID, gate.NewAdmin{Login: "li.na", Role: gate.RoleOwner})
	if err != nil {
		t.Fatal(err)
	}
	q := w.from(inside)
	dec := func() *gate.Decision { return ptr(w.door.Decide(q)) }
	p, err := w.login(q, "li.na", first)
	if err != nil || p.Next != gate.NextEnrol || p.Session != "" {
		t.Fatalf("first sign-in: %+v, %v", p, err)
	}
	e, err := w.door.Enrolment(t.Context(), q, dec(), p.Step)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.door.Enrolment(t.Context(), q, dec(), p.Step); err != nil || *again != *e {
		t.Errorf("enrolment asked for again: %+v, %v; want the same", again, err)
	}
	if _, err := w.door.Enrol(t.Context(), q, dec(), p.Step, "000000"); refusal(err) != "bad_code" {
		t.Errorf("wrong code: %v", err)
	}
	if _, err := w.door.SetPassword(t.Context(), q, dec(), p.Step, first, password("li.na")); err != nil {
		t.Errorf("asking for a later step: %v, want what is next", err)
	}
	enrolled := code(w, e.Secret, w.clock.Now())
	p, err = w.door.Enrol(t.Context(), q, dec(), p.Step, enrolled)
	if err != nil || p.Next != gate.NextNewPassword || len(p.Recovery) != 10 {
		t.Fatalf("enrolling: %+v, %v", p, err)
	}
	if _, err := w.door.SetPassword(t.Context(), q, dec(), p.Step, first, "short"); !errors.As(err, new(*auth.WeakPasswordError)) {
		t.Errorf("weak password: %v", err)
	}
	recovery := p.Recovery
	if p, err = w.door.SetPassword(t.Context(), q, dec(), p.Step, first, password("li.na")); err != nil || p.Next != gate.NextDone {
		t.Fatalf("new password: %+v, %v", p, err)
	}
	w.decided(w.with(q, p.Session), gate.Allowed, gate.ByNetwork)

	step := func() string {
		t.Helper()
		p, err := w.login(q, "li.na", password("li.na"))
		if err != nil || p.Next != gate.NextCode || p.Session != "" {
			t.Fatalf("password: %+v, %v", p, err)
		}
		return p.Step
	}
	verify := func(code, want string) {
		t.Helper()
		p, err := w.door.Verify(t.Context(), q, dec(), step(), code)
		if got := refusal(err); got != want {
			t.Errorf("code %s: got %s, want %s", code, got, want)
		} else if want == "none" && (p.Next != gate.NextDone || p.Session == "") {
			t.Errorf("code %s: got %+v", code, p)
		}
	}
	verify(enrolled, "code_reused")
	w.clock.advance(time.Minute)
	now := code(w, e.Secret, w.clock.Now())
	verify(now, "none")
	verify(now, "code_reused")
	w.clock.advance(time.Minute)
	verify(code(w, e.Secret, w.clock.Now().Add(30*time.Second)), "none") // a clock that is ahead
	verify(code(w, e.Secret, w.clock.Now()), "code_reused")              // an earlier one than the last
	verify(recovery[3], "none")
	verify(recovery[3], "bad_code")
	verify("ABCD-EFGH", "bad_code")
	w.clock.advance(time.Hour)
	late := step()
	w.clock.advance(11 * time.Minute)
	if _, err := w.door.Verify(t.Context(), q, dec(), late, recovery[4]); refusal(err) != "session_expired" {
		t.Errorf("a step that took too long: %v", err)
	}
	if _, err := w.door.Enrolment(t.Context(), w.with(q, ""), dec(), step()); !errors.Is(err, gate.ErrSecondFactorExists) {
		t.Errorf("enrolling over a second factor: %v", err)
	}
}

// TestCodeUsedInParallel offers one code many times at once: it works once.
func TestCodeUsedInParallel(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.door.Rules.Throttle.Attempts = 1000
	q := w.with(w.from(inside), w.signIn(inside, "li.na"))
	dec := w.door.Decide(q)
	e, err := w.door.Enrolment(t.Context(), q, &dec, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.door.Enrol(t.Context(), q, &dec, "", code(w, e.Secret, w.clock.Now()))
	if err != nil || p.Session == "" {
		t.Fatalf("enrolling in a session: %+v, %v", p, err)
	}
	w.decided(q, gate.Refused, gate.SessionRevoked)
	w.decided(w.with(q, p.Session), gate.Allowed, gate.ByNetwork)

	w.clock.advance(time.Minute)
	p, err = w.login(w.from(inside), "li.na", password("li.na"))
	if err != nil || p.Next != gate.NextCode {
		t.Fatalf("password: %+v, %v", p, err)
	}
	now := code(w, e.Secret, w.clock.Now())
	var done atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			dec := w.door.Decide(w.from(inside))
			if got, err := w.door.Verify(t.Context(), w.from(inside), &dec, p.Step, now); err == nil && got.Next == gate.NextDone {
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("one code worked %d times, want once", done.Load())
	}
}

func TestThrottle(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	session := w.signIn(inside, "li.na")
	from := func(i int) string { return fmt.Sprintf("203.0.113.%d", 10+i) }
	var passed atomic.Int32
	var wg sync.WaitGroup
	for i := range 40 { // parallel tries, in several spellings, each from its own address
		wg.Go(func() {
			_, err := w.login(w.from(from(i)), []string{"li.na", "LI.NA", " Li.Na"}[i%3], "wrong")
			if refusal(err) == "bad_credentials" {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n > 5 {
		t.Errorf("%d tries were looked at, want at most 5", n)
	}
	_, err := w.login(w.from(from(50)), "li.na", password("li.na"))
	var r *gate.Refusal
	if !errors.As(err, &r) || r.Reason != gate.Throttled || r.RetryAfter < 1 || r.RetryAfter > 15*60+1 {
		t.Fatalf("the right password while locked: %+v", err)
	}
	w.decided(w.with(w.from(inside), session), gate.Allowed, gate.ByNetwork)

	again := *w
	again.Gate = w.node("n2") // a restart, or another node
	again.door = w.doorOf(again.Gate)
	if _, err := again.login(again.from(from(51)), "li.na", password("li.na")); refusal(err) != "throttled" {
		t.Errorf("after a restart: %v", err)
	}
	w.clock.advance(16 * time.Minute)
	w.signIn(from(52), "li.na")

	t.Run("accounts that do not exist", func(t *testing.T) {
		for i := range 6 {
			_, err := w.login(w.from(from(60+i)), "nobody", "wrong")
			if want := map[bool]string{true: "bad_credentials", false: "throttled"}[i < 5]; refusal(err) != want {
				t.Errorf("try %d: got %v, want %s", i+1, err, want)
			}
		}
	})
	t.Run("one address, many accounts", func(t *testing.T) {
		for i := range 6 {
			_, err := w.login(w.from(from(90)), fmt.Sprintf("guess-%d", i), "wrong")
			if want := map[bool]string{true: "bad_credentials", false: "throttled"}[i < 5]; refusal(err) != want {
				t.Errorf("try %d: got %v, want %s", i+1, err, want)
			}
		}
	})
	t.Run("successes count for nothing", func(t *testing.T) {
		for range 12 {
			w.signIn(from(91), "li.na")
		}
	})
	t.Run("outsiders count for nothing", func(t *testing.T) {
		w.clock.advance(time.Hour)
		for range 10 {
			if _, err := w.login(w.from(outside), "li.na", "wrong"); refusal(err) != "outside_networks" {
				t.Fatalf("from outside: %v", err)
			}
		}
		w.signIn(inside, "li.na")
	})
}

func TestSharedSite(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	shared := *w.door
	shared.Site.ByLogin = true
	login := func(address, organization, login, password string) (*gate.Progress, error) {
		q := w.from(address)
		q.Host = "console.example"
		w.clock.advance(time.Millisecond)
		dec := shared.Decide(q)
		if dec.Reason != gate.NoSession || !dec.Inside() {
			t.Fatalf("the sign-in page: got %s %s", dec.Outcome, dec.Reason)
		}
		return shared.Login(t.Context(), q, &dec, gate.LoginForm{Login: login, Password: password, Organization: organization})
	}
	for _, tt := range []struct {
		name, address, organization, login, password string
		recorded                                     gate.Reason
	}{
		{"unknown organization", inside, "nobody", "li.na", password("li.na"), gate.UnknownSite},
		{"outside, right password", outside, "acme", "li.na", password("li.na"), gate.OutsideNetworks},
		{"outside, unknown account", outside, "acme", "nobody", "wrong", gate.OutsideNetworks},
		{"wrong password", inside, "acme", "li.na", "wrong", gate.BadCredentials},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := login(tt.address, tt.organization, tt.login, tt.password); refusal(err) != "bad_credentials" {
				t.Errorf("told: %v", err)
			}
			list, err := w.Attempts(t.Context(), command, gate.AttemptFilter{Limit: 1})
			if err != nil || len(list) != 1 || list[0].Reason != tt.recorded {
				t.Errorf("recorded: %+v, %v; want %s", list, err, tt.recorded)
			}
		})
	}
	p, err := login(inside, "acme", "li.na", password("li.na"))
	if err != nil || p.Next != gate.NextDone {
		t.Fatalf("signing in: %+v, %v", p, err)
	}
	q := w.with(w.from(inside), p.Session)
	q.Host = "console.example"
	if dec := shared.Decide(q); !dec.Passed() || dec.Tenant.Slug != "acme" {
		t.Errorf("session: got %s %s", dec.Outcome, dec.Reason)
	}
	q.Address.Addr = w.from(outside).Address.Addr
	if dec := shared.Decide(q); dec.Outcome != gate.Blocked || dec.Reason != gate.OutsideNetworks {
		t.Errorf("session from outside: got %s %s", dec.Outcome, dec.Reason)
	}
}
