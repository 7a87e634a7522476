package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// hidden are the fields that a page keeps, by name.
func hidden(page *html.Node) (pairs []string) {
	for _, n := range all(page, "input") {
		if attr(n, "type") == "hidden" {
			pairs = append(pairs, attr(n, "name"), attr(n, "value"))
		}
	}
	return pairs
}

// TestStepUp: what is sensitive asks for a proof when the last one is old, keeps
// what was sent, and goes on with it.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) { d.Rules.StepUp = 10 * time.Minute })
	v, secret, recovery := s.enrolled("li.na")
	v.accept = browserAccept
	const proof = Prefix + provePath
	sensitive := func(login string) response {
		t.Helper()
		return v.form(Prefix+"people/invite", "login", login, "name", "吴 & 敏", "role", "member")
	}
	sensitive("a.fresh").shows(t, 200, "The invitation is ready") // the sign-in was a proof

	s.later(11 * time.Minute)
	page := sensitive("wu.min").shows(t, 403, "Confirm that it's you")
	kept := hidden(page)
	if n := s.people(); n != 2 {
		t.Fatalf("without a proof there are %d people, want 2", n)
	}
	page = v.form(proof, append(kept, "code", "000000")...).shows(t, 401, "Confirm that it's you")
	if !strings.Contains(textOf(page), "That code didn't work.") {
		t.Errorf("it does not say what is wrong: %s", textOf(page))
	}
	page = v.form(proof, append(hidden(page), "code", "")...).shows(t, 422, "Confirm that it's you")
	good := s.code(secret)
	answer := v.form(proof, append(hidden(page), "code", good)...)
	page = answer.shows(t, 200, "The invitation is ready")
	if text := textOf(page); !strings.Contains(text, "wu.min") {
		t.Errorf("another one was invited: %s", text)
	}
	sensitive("b.proved").shows(t, 200, "The invitation is ready") // and counts for a while
	s.later(11 * time.Minute)

	kept = hidden(sensitive("zhao.yu").shows(t, 403, "Confirm that it's you"))
	page = v.form(proof, append(kept, "code", good)...).shows(t, 401, "Confirm that it's you")
	page = v.form(proof, append(hidden(page), "switch", "recovery")...).shows(t, 200, "Confirm that it's you")
	if !strings.Contains(textOf(page), "Recovery code") {
		t.Error("a recovery code is not asked for")
	}
	kept = hidden(page)
	v.form(proof, append(kept, "code", recovery[0])...).shows(t, 200, "The invitation is ready")
	s.later(11 * time.Minute)
	kept = append(hidden(sensitive("once").shows(t, 403, "Confirm that it's you")), "use", "recovery")
	v.form(proof, append(kept, "code", recovery[0])...).shows(t, 401, "Confirm that it's you")
	if n := s.people(); n != 5 {
		t.Errorf("there are %d people, want 5", n)
	}
}

// people counts those of acme.
func (s *site) people() int {
	s.Helper()
	return len(must(s.Admins(s.Context(), command, s.tenant.ID)))
}

// TestStepUpIsThrottled: tries count with those of signing in, and stand in the
// records at the stage of the session.
func TestStepUpIsThrottled(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) { d.Rules.StepUp = 10 * time.Minute })
	v, secret, _ := s.enrolled("li.na")
	v.accept = "application/json"
	s.later(11 * time.Minute)
	for range s.door.Rules.Throttle.Attempts {
		v.json(apiPrefix+"me/proof", "code", "000000").is(t, 401, "reason", "bad_code")
	}
	v.json(apiPrefix+"me/proof", "code", s.code(secret)).is(t, 429, "reason", "throttled")
	if r := v.get(apiPrefix + "me"); r.StatusCode != 200 {
		t.Errorf("the session is locked out: %s", r.Status)
	}
	s.later(16 * time.Minute)
	v.json(apiPrefix+"me/proof", "password", newPassword).is(t, 422)
	v.json(apiPrefix+"me/proof", "code", s.code(secret)).is(t, 200)
	s.Stop() // stores what waits
	got := map[string]int64{}
	for _, a := range must(s.store.Attempts(t.Context(), gate.AttemptFilter{Tenant: s.tenant.ID, Limit: 100,
		Where: []gate.Condition{{Field: gate.FieldStage, Value: string(gate.StageSession)}}})) {
		got[fmt.Sprintf("%s %s %s", a.Outcome, a.Reason, a.Login)] += a.Count
	}
	want := map[string]int64{"refused bad_code li.na": 5, "refused throttled li.na": 1, "allowed network li.na": 1}
	for what, n := range want {
		if got[what] != n {
			t.Errorf("%s: got %d records, want %d; all: %v", what, got[what], n, got)
		}
	}
}

// TestStepUpOfTheAPI makes every sensitive call, without a proof and with one,
// and with a token, which needs none.
func TestStepUpOfTheAPI(t *testing.T) {
	s := newAPISite(t)
	s.door.Rules.StepUp = 10 * time.Minute
	scopes := `["networks:write","admins:write","attempts:read"]`
	var token row
	s.ok(s.do("owner", "POST", "tokens", `{"name":"robot","scopes":`+scopes+`}`), 201, &token)
	s.bearers["robot"] = token["token"].(string)
	member := s.actorOf("member").Admin
	var list row
	s.get("owner", "networks", &list)
	later := apiStart.Add(10 * time.Minute)
	s.clock.Store(&later)
	sensitive := []struct{ method, path, body string }{
		{"PUT", "networks", fmt.Sprintf(`{"base_version":%v,"mode":"enforced","entries":[{"range":"203.0.113.0/24","label":"HQ"}]}`, list["version"])},
		{"POST", "networks/entries", `{"range":"192.0.2.0/24","label":"Branch"}`},
		{"DELETE", "networks/entries/192.0.2.0/24", ""},
		{"POST", "networks/import?mode=add&label=x&apply=true", "192.0.2.9"},
		{"POST", "admins", `{"login":"wu.min","role":"member"}`},
		{"PATCH", "admins/" + member, `{"role":"reviewer"}`},
		{"DELETE", "admins/" + member, ""},
		{"GET", "attempts/export?format=csv", ""},
		{"POST", "tokens", `{"name":"second","scopes":["networks:read"]}`},
		{"DELETE", "sessions", ""},
	}
	headers := func(path string) []string {
		if strings.HasPrefix(path, "networks/import") {
			return []string{"Content-Type", "text/plain"}
		}
		return nil
	}
	for _, c := range sensitive {
		s.refused(s.do("owner", c.method, c.path, c.body, headers(c.path)...), 403, "step_up")
	}
	s.refused(s.do("member", "DELETE", "sessions", ""), 403, "step_up")
	s.refused(s.do("member", "POST", "admins", `{"login":"x","role":"owner"}`), 403, "forbidden") // roles come first
	for _, path := range []string{"networks", "admins", "sessions", "tokens", "attempts", "changes", "me"} {
		if a := s.do("owner", "GET", path, ""); a.StatusCode != 200 {
			t.Errorf("GET %s: got %s: looking is not sensitive", path, a.Status)
		}
	}
	a := s.send("owner", "GET", apiPrefix+"attempts/export?format=csv", "", "Accept", browserAccept)
	if got := a.Header.Get("Location"); a.StatusCode != 303 || got != "/_sallyport/prove?to=%2F_sallyport%2Fapi%2Fv1%2Fattempts%2Fexport%3Fformat%3Dcsv" {
		t.Errorf("a link to the file: got %s to %q", a.Status, got)
	}
	if a := s.bearing("robot", "POST", "networks/entries", `{"range":"198.51.100.0/24","label":"Robots"}`); a.StatusCode != 201 {
		t.Errorf("with a token: got %s %s", a.Status, a.body)
	}
	if a := s.bearing("robot", "POST", "me/proof", `{"password":"x"}`); a.StatusCode != 403 {
		t.Errorf("a token proves who it is: %s", a.Status)
	}

	s.refused(s.do("owner", "POST", "me/proof", `{}`), 422, "invalid", "password required")
	s.refused(s.do("owner", "POST", "me/proof", `{"password":"not it at all"}`), 401, "bad_credentials")
	a = s.do("owner", "POST", "me/proof", `{"password":"a phrase of owner alone"}`)
	var proved row
	s.ok(a, 200, &proved)
	if proved["proved"] != "2026-11-24T12:10:00Z" || proved["until"] != "2026-11-24T12:20:00Z" {
		t.Errorf("proved: got %v", proved)
	}
	s.tokens = map[string]string{"owner": a.Cookies()[0].Value}
	for _, c := range sensitive[1:] { // the first is of a version that was
		if a := s.do("owner", c.method, c.path, c.body, headers(c.path)...); a.StatusCode >= 300 {
			t.Errorf("%s %s with a proof: got %s %s", c.method, c.path, a.Status, a.body)
		}
	}
}

// TestEnrolNeedsAProof: who finds a session open may not make a second factor of
// their own, and prove by that from then on.
func TestEnrolNeedsAProof(t *testing.T) {
	s := newAPISite(t)
	s.door.Rules.StepUp, s.door.Rules.SecondFactor = 10*time.Minute, gate.SecondFactorOptional
	if a := s.send("owner", "GET", enrolPath, "", "Accept", "application/json"); a.StatusCode != 200 {
		t.Fatalf("just signed in: got %s %s", a.Status, a.body)
	}
	later := apiStart.Add(time.Hour - time.Second)
	s.clock.Store(&later)
	s.refused(s.send("owner", "GET", enrolPath, "", "Accept", "application/json"), 403, "step_up")
	s.refused(s.send("owner", "POST", enrolPath, `{"code":"123456"}`), 403, "step_up")
	a := s.browser("owner", "GET", "enrol", nil)
	a.leads(t, "/_sallyport/prove?to=%2F_sallyport%2Fenrol")
	page, _ := s.look("owner", "prove?to=%2F_sallyport%2Fenrol")
	s.says(page, "Confirm that it's you", "Password")
	pairs := append(hidden(page), "password", "a phrase of owner alone")
	s.post("owner", "prove", pairs...).leads(t, enrolPath)
}

// TestProofGoesNowhereElse: what waits for a proof is a page of this site.
func TestProofGoesNowhereElse(t *testing.T) {
	s := newAPISite(t)
	s.door.Rules.StepUp = time.Minute
	later := apiStart.Add(time.Hour - time.Second)
	s.clock.Store(&later)
	for to, want := range map[string]int{
		"https://evil.example/": http.StatusSeeOther, "//evil.example": http.StatusSeeOther, "/_sallyport/people": http.StatusSeeOther,
	} {
		a := s.post("owner", "prove", "to", to, "password", "a phrase of owner alone")
		if got := a.Header.Get("Location"); a.StatusCode != want || strings.Contains(got, "evil") {
			t.Errorf("to %s: got %s to %q", to, a.Status, got)
		}
	}
	for _, to := range []string{"/_sallyport/prove", "/_sallyport/nothing", "/_sallyport/api/v1/tokens"} {
		if a := s.post("owner", "prove", "to", to, "post", "1", "sent", "a=b", "password", "a phrase of owner alone"); a.StatusCode != http.StatusNotFound {
			t.Errorf("a form to %s: got %s, want 404", to, a.Status)
		}
	}
	if a := s.post("member", "prove", "to", "/_sallyport/people/invite", "post", "1", "sent", "login=x&name=&role=owner", "password", "a phrase of member alone"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a form that the role may not send: got %s, want 403", a.Status)
	}
}
