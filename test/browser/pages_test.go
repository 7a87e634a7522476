package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// visitor is a person who walks through the pages of the test site.
type visitor struct {
	*Tab
	t               *testing.T
	gate            *Gate
	phrases         phrasebook
	login, password string
	secret          string // of the second factor
	step            int64  // of the last one-time code
	recovery        string // codes, the first is the next to use
	shortly         bool   // lets somebody in for a minute only
}

func (v *visitor) signIn(password string) int {
	v.t.Helper()
	v.Fill("#login", v.login)
	v.Fill("#password", password)
	return v.Submit("button.primary")
}

// enter sends the one field of a page.
func (v *visitor) enter(code string) int {
	v.t.Helper()
	v.Fill("#code", code)
	return v.Submit("button.primary")
}

// nextCode returns a one-time code that was not used yet. It is of now or, where
// that one was used, the next: phones that are ahead are forgiven.
func (v *visitor) nextCode() string {
	v.t.Helper()
	v.step = max(v.step+1, nowStep())
	return totp(v.t, v.secret, v.step)
}

func (v *visitor) choosePassword(current, password string) int {
	v.t.Helper()
	v.Fill("#current", current)
	v.Fill("#password", password)
	return v.Submit("button.primary")
}

func (v *visitor) signOut() int {
	v.t.Helper()
	v.Goto(v.gate.URL("acme", "/_sallyport/"))
	return v.Submit("main form button")
}

// state is a state of a page, and how to get there from the one before.
type state struct {
	name   string
	status int
	title  string // key of the heading; empty: it is the console behind
	wrong  string // key of what the page says is wrong; empty: nothing is
	reach  func(v *visitor) int
}

// story is somebody's first day: first password, second factor, sign-out, and
// every way to sign in and to be wrong.
var story = []state{
	{"sign-in", 200, "login.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/reports?week=48"))
	}},
	{"sign-in-wrong", 401, "login.title", "login.error", func(v *visitor) int {
		return v.signIn("not the password at all")
	}},
	{"enrolment", 200, "enrol.title", "", func(v *visitor) int { return v.signIn(v.password) }},
	{"enrolment-wrong", 401, "enrol.title", "totp.error", func(v *visitor) int {
		v.secret = strings.ReplaceAll(v.Text(".key .mono"), " ", "")
		return v.enter("000000")
	}},
	{"recovery-codes", 200, "codes.title", "", func(v *visitor) int { return v.enter(v.nextCode()) }},
	{"first-password", 200, "password.title", "", func(v *visitor) int {
		v.recovery = v.Text(".codes li:first-child")
		return v.Submit("a.primary")
	}},
	{"first-password-wrong", 422, "password.title", "password.too_short", func(v *visitor) int {
		return v.choosePassword(v.password, "short")
	}},
	{"", 200, "", "", func(v *visitor) int {
		status := v.choosePassword(v.password, newPassword)
		v.password = newPassword
		if got, want := v.URL(), v.gate.URL("acme", "/reports?week=48"); got != want {
			v.t.Errorf("led to %s, want back to %s", got, want)
		}
		return status
	}},
	{"signed-in", 200, "home.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/"))
	}},
	{"password", 200, "password.title", "", func(v *visitor) int {
		return v.Submit(".ways a")
	}},
	{"password-wrong", 401, "password.title", "password.wrong", func(v *visitor) int {
		return v.choosePassword("not the password at all", newPassword+"!")
	}},
	{"not-found", 404, "error.not_found.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/nothing"))
	}},
	{"already-enrolled", 409, "error.second_factor_exists.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/enrol"))
	}},
	{"signed-out", 200, "goodbye.title", "", (*visitor).signOut},
	{"code", 200, "totp.title", "", func(v *visitor) int {
		v.Submit("a.button")
		return v.signIn(v.password)
	}},
	{"code-wrong", 401, "totp.title", "totp.error", func(v *visitor) int { return v.enter("000000") }},
	{"code-used", 401, "totp.title", "totp.reused", func(v *visitor) int { return v.enter(totp(v.t, v.secret, v.step)) }},
	{"", 200, "", "", func(v *visitor) int { return v.enter(v.nextCode()) }},
	{"ended", 200, "login.title", "", func(v *visitor) int {
		v.gate.Command(v.t, "admin", "sign-out", "acme", v.login)
		// The gateway hears of what another process did within a second.
		status := v.Goto(v.gate.URL("acme", "/reports"))
		for end := time.Now().Add(patience); !strings.Contains(v.URL(), "/login") && time.Now().Before(end); {
			status = v.Goto(v.gate.URL("acme", "/reports"))
		}
		if got, want := v.Text(".notice"), v.phrases.say(v.t, "session.ended.admin"); got != want {
			v.t.Errorf("the page says %q, want %q", got, want)
		}
		return status
	}},
	{"recovery", 200, "recovery.title", "", func(v *visitor) int {
		v.signIn(v.password)
		return v.Submit(".ways a")
	}},
	{"recovery-wrong", 401, "recovery.title", "recovery.error", func(v *visitor) int { return v.enter("0000-0000") }},
	{"", 200, "", "", func(v *visitor) int { return v.enter(v.recovery) }},
	{"signed-out-again", 200, "goodbye.title", "", (*visitor).signOut},
}

const newPassword = "kettle harbour ninefold"

// TestStory walks through the story in both languages, looking at every page from
// all sides, and again without scripts.
func TestStory(t *testing.T) {
	gate := startSite(t)
	for i, walk := range []struct {
		lang     string
		noScript bool
	}{{"en", false}, {"zh-CN", false}, {"en", true}, {"zh-CN", true}} {
		t.Run(fmt.Sprintf("%s, scripts %v", walk.lang, !walk.noScript), func(t *testing.T) {
			t.Parallel()
			v := &visitor{
				Tab: Open(t, Options{Lang: walk.lang, NoScript: walk.noScript, Headers: from(fmt.Sprintf("203.0.113.%d", 10+i))}),
				t:   t, gate: gate, phrases: readPhrases(t, walk.lang), login: fmt.Sprintf("li.na.%d", i),
			}
			v.password = gate.addAdmin(t, v.login)
			for _, p := range story {
				if v.see(p); t.Failed() {
					t.Fatalf("at %q", p.name)
				}
				if p.name != "" && !walk.noScript {
					v.look(t, walk.lang+"-"+p.name)
				}
				v.Clean()
			}
		})
	}
}

// from is the header by which the site's proxy says where a visitor comes from.
func from(address string) map[string]string { return map[string]string{"X-Forwarded-For": address} }

// see goes on to a page and checks that it is the one.
func (v *visitor) see(p state) {
	v.t.Helper()
	if got := p.reach(v); got != p.status {
		v.t.Errorf("status: got %d, want %d", got, p.status)
	}
	heading := v.Text("h1")
	if p.title == "" {
		if text := v.Text("main"); heading != "Console of acme" || !strings.Contains(text, v.login+", owner, from 203.0.113.") {
			v.t.Errorf("the console says %q, want who it is", text)
		}
		return
	}
	if !v.phrases.fits(v.t, p.title, heading) {
		v.t.Errorf("heading: got %q, want %q", heading, v.phrases[p.title])
	}
	v.wrong(p)
}

// wrong checks the rules for pages that say that something is wrong: title, focus
// on the summary, its links to the fields, what was typed kept, passwords never.
func (v *visitor) wrong(p state) {
	v.t.Helper()
	if p.wrong != "" {
		v.await("the focus", `document.activeElement !== document.body`)
	}
	got := eval[struct {
		Title, Focus, Summary, Alert string
		Fields                       []bool
		Login                        string
		Passwords                    []string
	}](v.Tab, `({
		title: document.title, focus: document.activeElement.id,
		summary: document.querySelector('#problems li')?.textContent ?? '',
		alert: document.querySelector('#problems')?.role ?? '',
		fields: [...document.querySelectorAll('#problems a')].map(a => document.querySelector(a.hash)?.ariaInvalid === 'true'),
		login: document.querySelector('#login')?.value ?? '',
		passwords: [...document.querySelectorAll('.secret input')].map(i => i.value).filter(s => s !== ''),
	})`)
	if isError := strings.HasPrefix(got.Title, strings.TrimSpace(v.phrases["page.error"].(string))); isError != (p.wrong != "") {
		v.t.Errorf("title: got %q, want one of an error: %v", got.Title, p.wrong != "")
	}
	if len(got.Passwords) > 0 {
		v.t.Errorf("the page holds a password: %q", got.Passwords)
	}
	if p.wrong == "" {
		return
	}
	if want := v.phrases.say(v.t, p.wrong); !strings.HasPrefix(got.Summary, want) {
		v.t.Errorf("summary: got %q, want %q", got.Summary, want)
	}
	if got.Focus != "problems" || got.Alert != "alert" {
		v.t.Errorf("focus on %q, role of the summary %q; want problems, alert", got.Focus, got.Alert)
	}
	for _, invalid := range got.Fields {
		if wrong := p.status != http.StatusTooManyRequests; invalid != wrong { // too many tries are no field's fault
			v.t.Errorf("a link of the summary leads to a field marked as wrong: got %v, want %v", invalid, wrong)
		}
	}
	if strings.HasPrefix(p.title, "login.") && got.Login != v.login {
		v.t.Errorf("login: got %q, want %q as it was typed", got.Login, v.login)
	}
}

// others are the pages that need no walk. Each is opened by a visitor of its own.
var others = []struct {
	state
	address string // where the visitor comes from; empty: the proxy does not say
}{
	{state{"blocked", 403, "blocked.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/reports"))
	}}, elsewhere},
	{state{"blocked-ipv6", 403, "blocked.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/"))
	}}, "2001:db8:ab12:cd34:5e6f:7a8b:9c0d:1e2f"},
	{state{"blocked-unknown", 403, "blocked.unknown.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/"))
	}}, ""},
	{state{"unknown-site", 404, "error.unknown_site.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("nobody", "/"))
	}}, headOffice},
	{state{"no-step", 200, "login.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/verify"))
	}}, headOffice},
	{state{"expired", 200, "login.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/login?reason=session_expired"))
	}}, headOffice},
	{state{"idle", 200, "login.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/login?reason=session_idle"))
	}}, headOffice},
	{state{"shared", 200, "login.title.any", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("console", "/"))
	}}, headOffice},
	{state{"shared-wrong", 401, "login.title.any", "login.error", func(v *visitor) int {
		v.Goto(v.gate.URL("console", "/"))
		v.Fill("#organization", "acme")
		return v.signIn("not the password at all")
	}}, "203.0.113.50"},
	{state{"throttled", 429, "login.title", "login.limited", func(v *visitor) int {
		v.login = "nobody." + v.login
		status := v.Goto(v.gate.URL("acme", "/"))
		for range 9 {
			status = v.signIn("not the password at all")
		}
		return status
	}}, "203.0.113.60"},
}

// TestPages looks at every page that needs no walk, in both languages.
func TestPages(t *testing.T) {
	gate := startSite(t)
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			for _, p := range others {
				options := Options{Lang: lang}
				if p.address != "" {
					options.Headers = from(p.address)
				}
				v := &visitor{Tab: Open(t, options), t: t, gate: gate, phrases: readPhrases(t, lang), login: "li.na"}
				v.see(p.state)
				v.look(t, lang+"-"+p.name)
			}
		})
	}
}
