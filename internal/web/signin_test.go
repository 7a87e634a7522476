package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestSignInWithForms goes the whole way of a new admin in a browser, and then
// that of every day.
func TestSignInWithForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addAdmin("li.na")
	v := s.visitor()

	v.get("/reports?day=1").leads(t, "/_sallyport/login?return_to=%2Freports%3Fday%3D1")
	page := v.get("/_sallyport/login?return_to=%2Freports%3Fday%3D1").shows(t, 200, "Sign in to Acme")
	if got := attr(find1(page, func(n *html.Node) bool { return attr(n, "name") == "return_to" }), "value"); got != "/reports?day=1" {
		t.Errorf("the form keeps %q to return to", got)
	}
	v.form(loginPath, "login", "li.na", "password", firstPassword, "return_to", "/reports?day=1").leads(t, enrolPath)

	page = v.get(enrolPath).shows(t, 200, "Set up two-step sign-in")
	key := textOf(find1(page, func(n *html.Node) bool { return attr(n, "class") == "mono" }))
	if len(strings.Split(key, " ")) != 8 || len(all(page, "svg")) == 0 && !strings.Contains(textOf(page), key) {
		t.Errorf("the key is shown as %q", key)
	}
	secret := strings.ReplaceAll(key, " ", "")
	page = v.form(enrolPath, "code", "000000").shows(t, 401, "Set up two-step sign-in")
	if !strings.Contains(textOf(page), key) {
		t.Error("another key after a wrong code")
	}
	page = v.form(enrolPath, "code", s.code(secret)).shows(t, 200, "Save your recovery codes")
	codes := all(page, "li")
	if len(codes) != 10 || len(all(page, "nav")) != 0 {
		t.Errorf("%d recovery codes, and %d ways to leave the page unread", len(codes), len(all(page, "nav")))
	}
	if next := attr(find1(page, func(n *html.Node) bool { return attr(n, "class") == "button primary" }), "href"); next != passwordPath {
		t.Fatalf("the recovery codes lead to %q", next)
	}

	v.get(passwordPath).shows(t, 200, "Choose a new password")
	page = v.form(passwordPath, "current", firstPassword, "password", "short").shows(t, 422, "Choose a new password")
	if got := textOf(byID(page, "problems")); !strings.Contains(got, "at least 8 characters") {
		t.Errorf("the summary says %q", got)
	}
	page = v.form(passwordPath, "current", "wrong", "password", newPassword).shows(t, 401, "Choose a new password")
	if attr(byID(page, "current"), "aria-invalid") != "true" || has(byID(page, "password"), "aria-invalid") {
		t.Error("another field than the current password is marked")
	}
	v.form(passwordPath, "current", firstPassword, "password", newPassword).leads(t, "/reports?day=1")
	if v.cookies[auth.SessionCookie] == "" || v.cookies[auth.StepCookie] != "" {
		t.Fatalf("cookies after signing in: %v", v.cookies)
	}
	if got := v.get("/reports").body; got != "console" {
		t.Fatalf("got %q, want the console", got)
	}

	page = v.get(homePath).shows(t, 200, "You are signed in to Acme")
	for _, want := range []string{"li.na", "Li Na", "Owner", "203.0.113.7", "HQ Shanghai", "24 Nov 2026, 14:05:09 UTC", "25 Nov 2026, 02:05:09 UTC"} {
		if !strings.Contains(textOf(page), want) {
			t.Errorf("the first page does not show %q", want)
		}
	}
	v.get("/_sallyport/login?return_to=%2Freports").leads(t, "/reports")
	v.get(verifyPath).leads(t, "/")
	v.get(enrolPath).shows(t, 409, "Two-step sign-in is already set up")

	v.form(logoutPath).leads(t, goodbyePath)
	if len(v.cookies) != 0 {
		t.Errorf("cookies after signing out: %v", v.cookies)
	}
	v.get(goodbyePath).shows(t, 200, "You are signed out")

	v.form(loginPath, "login", " LI.NA ", "password", newPassword).leads(t, verifyPath)
	v.get(verifyPath).shows(t, 200, "Enter your 6-digit code")
	v.form(verifyPath, "code", s.code(secret)).shows(t, 401, "Enter your 6-digit code") // it was used to enrol
	v.get("/_sallyport/verify?use=recovery").shows(t, 200, "Enter a recovery code")
	v.form("/_sallyport/verify?use=recovery", "code", "0000-0000-0000-0000").shows(t, 401, "Enter a recovery code")
	v.form("/_sallyport/verify?use=recovery", "code", textOf(codes[0])).leads(t, "/")
}

func TestSignInWithJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	owner, secret, recovery := s.enrolled("li.na")
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes, want 10", len(recovery))
	}
	v := s.visitor()
	v.accept = "*/*"
	v.json(loginPath, "login", "li.na", "password", "wrong").is(t, 401, "reason", "bad_credentials")
	v.json(loginPath, "login", "li.na", "password", newPassword, "return_to", "//evil.example").is(t, 200, "next", "code")
	v.json(verifyPath, "code", "000000").is(t, 401, "reason", "bad_code")
	code := s.code(secret)
	v.json(verifyPath, "code", code).is(t, 200, "next", "done", "return_to", "/")
	again := s.visitor()
	again.json(loginPath, "login", "li.na", "password", newPassword).is(t, 200, "next", "code")
	again.json(verifyPath, "code", code).is(t, 401, "reason", "code_reused")
	again.json(verifyPath, "code", recovery[3]).is(t, 200, "next", "done")
	again.json(passwordPath, "current", newPassword, "password", "short").is(t, 422)
	again.json(passwordPath, "current", newPassword, "password", "another phrase altogether").is(t, 200, "next", "done")
	if got := again.get("/").body; got != "console" {
		t.Errorf("whoever changes a password is left with %q", got)
	}
	if got := owner.get("/"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("the other session of that admin: status %d", got.StatusCode)
	}
	again.accept = "*/*"
	if r := again.send("POST", logoutPath, "", ""); r.StatusCode != 204 || r.body != "" || len(again.cookies) != 0 {
		t.Errorf("signing out: status %d, body %q, cookies %v", r.StatusCode, r.body, again.cookies)
	}
	again.get("/").is(t, 401, "reason", "no_session")
	again.send("POST", logoutPath, "", "").is(t, 204)
}

// TestOneAnswer compares every way to be wrong with the next: nobody may learn
// who has an account.
func TestOneAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) { d.Rules.Throttle.Attempts = 50 })
	s.addAdmin("li.na")
	off := s.addAdmin("off.duty")
	yes := true
	if _, _, err := s.SetAdmin(t.Context(), command, s.tenant.ID, off.ID, gate.AdminPatch{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	cases := map[string][2]string{
		"wrong password": {"li.na", "wrong"},
		"no password":    {"li.na", ""},
		"no account":     {"nobody", firstPassword},
		"disabled":       {"off.duty", firstPassword},
	}
	page, problem := "", ""
	for name, c := range cases {
		v := s.visitor()
		r := v.form(loginPath, "login", c[0], "password", c[1])
		r.shows(t, 401, "Sign in to Acme")
		got := strings.ReplaceAll(r.body, c[0], "LOGIN")
		if page == "" {
			page = got
		}
		if got != page || len(v.cookies) != 0 {
			t.Errorf("%s: another page than the others, or cookies %v", name, v.cookies)
		}
		r = v.json(loginPath, "login", c[0], "password", c[1])
		r.is(t, 401, "reason", "bad_credentials", "reference", r.Header.Get("X-Sallyport-Reference"))
		got = strings.ReplaceAll(r.body, r.Header.Get("X-Sallyport-Reference"), "REFERENCE")
		if problem == "" {
			problem = got
		}
		if got != problem {
			t.Errorf("%s: %s, want %s", name, got, problem)
		}
	}
}

// TestSharedSite is a site that all tenants share: what it answers must not say
// whether there is such an organization, or whether it admits the visitor.
func TestSharedSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) {
		d.Site.ByLogin, d.Rules.SecondFactor, d.Rules.Throttle.Attempts = true, gate.SecondFactorOff, 50
	})
	s.addAdmin("li.na")
	v := s.visitor()
	v.host = "console.example"
	page := v.get(loginPath).shows(t, 200, "Sign in")
	if !has(byID(page, "organization"), "autofocus") || strings.Contains(textOf(page), "Acme") {
		t.Error("the page does not begin with the organization, or names one")
	}
	first := ""
	for name, c := range map[string][2]string{
		"wrong password":          {"acme", "203.0.113.7"},
		"no organization":         {"nobody", "203.0.113.7"},
		"outside of the networks": {"acme", "198.51.100.7"},
	} {
		v.address = c[1]
		password := "wrong"
		if c[1] != "203.0.113.7" {
			password = firstPassword
		}
		r := v.form(loginPath, "organization", c[0], "login", "li.na", "password", password)
		r.shows(t, 401, "Sign in")
		got := strings.ReplaceAll(r.body, `value="`+c[0], `value="`)
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("%s: another page than the others", name)
		}
	}
	v.address = "203.0.113.7"
	v.form(loginPath, "organization", "acme", "login", "li.na", "password", firstPassword).leads(t, passwordPath)
	v.get(passwordPath).shows(t, 200, "Choose a new password")
	v.form(passwordPath, "current", firstPassword, "password", newPassword).leads(t, "/")
	v.get(homePath).shows(t, 200, "You are signed in to Acme")
	v.address = "198.51.100.7"
	v.get("/").shows(t, 403, "Your network isn't allowed here")

	own := newSite(t).visitor()
	own.json(loginPath, "organization", "acme", "login", "x", "password", "y").is(t, 400)
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) { d.Rules.Throttle.Attempts, d.Rules.Throttle.Lock = 1, 270*time.Second })
	v := s.visitor()
	v.form(loginPath, "login", "li.na", "password", "wrong").shows(t, 401, "Sign in to Acme")
	s.later(time.Second)
	r := v.form(loginPath, "login", "li.na", "password", "wrong")
	page := r.shows(t, 429, "Sign in to Acme")
	retry := r.Header.Get("Retry-After")
	link := find1(page, func(n *html.Node) bool { return has(n, "data-countdown") })
	if retry == "" || attr(link, "data-countdown") != retry {
		t.Errorf("Retry-After is %q, the countdown %q", retry, attr(link, "data-countdown"))
	}
	if got := textOf(link); !strings.HasPrefix(got, "Too many attempts. Try again in 4 min") {
		t.Errorf("the page says %q", got)
	}
	if has(byID(page, "login"), "aria-invalid") || attr(byID(page, "login"), "value") != "li.na" {
		t.Error("the login is marked as wrong, or not kept")
	}
	v.json(loginPath, "login", "li.na", "password", "wrong").is(t, 429, "reason", "throttled")
}

func TestStepIsLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addAdmin("li.na")
	v := s.visitor()
	const restart = "/_sallyport/login?reason=no_session"
	for _, path := range []string{verifyPath, enrolPath, passwordPath} {
		v.get(path).leads(t, restart)
	}
	v.form(verifyPath, "code", "123456").leads(t, restart)
	v.json(verifyPath, "code", "123456").is(t, 401, "reason", "no_session")
	v.form(loginPath, "login", "li.na", "password", firstPassword).leads(t, enrolPath)
	s.later(11 * time.Minute)
	v.form(enrolPath, "code", "123456").leads(t, restart)
	if len(v.cookies) != 0 {
		t.Errorf("cookies of a sign-in that is over: %v", v.cookies)
	}
	page := v.get(restart).shows(t, 200, "Sign in to Acme")
	if got := textOf(page); !strings.Contains(got, "finished within 10 minutes") {
		t.Errorf("the page says %q", got)
	}
	v.cookies[auth.StepCookie] = "forged"
	v.form(passwordPath, "current", firstPassword, "password", newPassword).leads(t, restart)
}

// TestStoreAway stops the store: who is signed in goes on, sign-ins are 503.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	owner, _, _ := s.enrolled("li.na")
	s.store.Close()
	if got := owner.get("/").body; got != "console" {
		t.Errorf("with a session: %q", got)
	}
	owner.get(homePath).shows(t, 200, "You are signed in to Acme")
	v := s.visitor()
	r := v.form(loginPath, "login", "li.na", "password", newPassword)
	page := r.shows(t, 503, "Sign-in is unavailable right now")
	if ref := r.Header.Get("X-Sallyport-Reference"); ref == "" || !strings.Contains(textOf(page), ref) || r.Header.Get("Retry-After") == "" {
		t.Errorf("reference %q, Retry-After %q", ref, r.Header.Get("Retry-After"))
	}
	r = v.json(loginPath, "login", "li.na", "password", newPassword)
	r.is(t, 503)
	if strings.Contains(r.body, "sql") {
		t.Errorf("internal text: %s", r.body)
	}
	owner.form(logoutPath).shows(t, 503, "Sign-in is unavailable right now")
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	v := newSite(t).visitor()
	big := strings.Repeat("x", maxForm)
	for name, c := range map[string]struct {
		media, body string
		status      int
		says        string
	}{
		"unknown field":     {jsonMedia, `{"login":"a","password":"b","admin":"1"}`, 400, `"field":"admin"`},
		"doubled field":     {jsonMedia, `{"login":"a","login":"b"}`, 400, `"field":"login"`},
		"another case":      {jsonMedia, `{"Login":"a"}`, 400, `"field":"Login"`},
		"no text":           {jsonMedia, `{"login":7}`, 400, `"field":"login"`},
		"no object":         {jsonMedia, `[]`, 400, "malformed"},
		"cut off":           {jsonMedia, `{"login":"a"`, 400, "malformed"},
		"too much":          {jsonMedia, `{"login":"` + big + `"}`, 413, "too_large"},
		"another type":      {"text/plain", "login=a", 415, "unsupported_media_type"},
		"no type":           {"", "login=a", 415, "unsupported_media_type"},
		"multipart":         {"multipart/form-data; boundary=x", "--x--", 415, "unsupported_media_type"},
		"form, unknown":     {formMedia, "login=a&password=b&admin=1", 400, "This can&#39;t be read"},
		"form, doubled":     {formMedia, "login=a&login=b", 400, "This can&#39;t be read"},
		"form, no encoding": {formMedia, "login=%zz", 400, "This can&#39;t be read"},
		"form, too much":    {formMedia, "login=" + big, 413, "That is too much"},
	} {
		v.accept = "application/json"
		r := v.send("POST", loginPath, c.media, c.body)
		if r.StatusCode != c.status || !strings.Contains(r.body, c.says) {
			t.Errorf("%s: status %d, want %d; %s", name, r.StatusCode, c.status, r.body)
		}
	}
}
