package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// TestStepUp: what is sensitive asks for the second factor once more, keeps what
// was typed, and goes on with it.
func TestStepUp(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate := startSite(t, "session {", "step_up 1s", "}")
			v := newcomer(t, gate, Options{Lang: walk.lang, NoScript: walk.noScript}, "li.na")
			time.Sleep(time.Second) // until the sign-in is no proof any more
			for _, p := range []state{
				{"prove", 403, "prove.title", "", func(v *visitor) int {
					v.console("people/invite")
					v.Fill("#login", "zhao.yu")
					return v.Submit("button.primary")
				}},
				{"prove-wrong", 401, "prove.title", "password.wrong", func(v *visitor) int {
					v.Fill("#proof", "not the password at all")
					return v.Submit("button.primary")
				}},
				{"proved", 200, "people.link.title", "", func(v *visitor) int {
					v.Fill("#proof", newPassword)
					return v.Submit("button.primary")
				}},
			} {
				if v.see(p); t.Failed() {
					t.Fatalf("at %q", p.name)
				}
				if !walk.noScript {
					v.look(t, walk.lang+"-"+p.name)
				}
				v.Clean()
			}
		})
	}
}

// TestSessionWarning: before a session ends, the page says so. A page that is
// open does not keep its session alive; the button does; and what was typed is
// there when it has ended all the same.
func TestSessionWarning(t *testing.T) {
	gate := startSite(t, "session {", "idle 12s", "}") // the page warns at a quarter
	v := newcomer(t, gate, Options{Lang: "en"}, "li.na")
	v.console("people/invite")
	v.Fill("#name", "Zhao Yu")
	began := time.Now()
	open := `document.querySelector('#session').open`
	v.await("the warning", open)
	if after := time.Since(began); after < 5*time.Second {
		t.Errorf("it comes after %v of 12 s", after)
	}
	v.look(t, "en-session-warning")
	v.await("the warning", open) // looking may have taken its time
	if step := eval[string](v.Tab, `document.activeElement.value`); step == "stay" {
		v.Press(kb.Enter)
		v.await("the session to stay", `!`+open)
	}
	v.await("the end", open+` && !document.querySelector('#session a.primary').hidden`)
	v.look(t, "en-session-over")
	v.Press(kb.Escape)
	if got := eval[string](v.Tab, `document.querySelector('#name').value`); got != "Zhao Yu" {
		t.Errorf("what was typed is %q", got)
	}
	if got := v.console("people"); got != 200 || v.Text("h1") != v.phrases.say(t, "login.title") && !v.phrases.fits(t, "login.title", v.Text("h1")) {
		t.Errorf("after the end: got %d %s", got, v.Text("h1"))
	}
	v.Clean()
}

// TestKeys presses the keys of the console.
func TestKeys(t *testing.T) {
	gate := startSite(t)
	gate.Command(t, "network", "add", "acme", "198.51.100.0/26", "--label", "Shenzhen")
	v := newcomer(t, gate, Options{Lang: "en"}, "li.na")
	wants := func(what, condition string) {
		t.Helper()
		v.await(what, condition)
	}
	row := func(n int) string {
		return fmt.Sprintf(`document.activeElement === document.querySelectorAll('tbody tr')[%d]`, n)
	}
	v.console("networks")
	v.Press("j")
	wants("the first row", row(0))
	v.Press("j")
	wants("the second row", row(1))
	v.Press("j")
	wants("the last row stays", row(1))
	v.Press("k")
	wants("the first row again", row(0))
	v.look(t, "en-keys-row")
	v.Press("/")
	wants("the filter", `document.activeElement.id === 'q'`)
	v.Press("jn?g")
	if got := eval[string](v.Tab, `document.activeElement.value + document.querySelector('#keys').open`); strings.TrimPrefix(got, "/") != "jn?gfalse" { // the driver types a sign whatever became of its key
		t.Errorf("typing into the filter: got %q", got)
	}

	v.console("networks")
	v.Press("k")
	v.Press("?")
	wants("the list of keys", `document.querySelector('#keys').open`)
	v.look(t, "en-keys")
	v.Press("n") // nothing, while it is open
	v.Press(kb.Escape)
	wants("the focus back", `!document.querySelector('#keys').open && `+row(1))
	v.Press("n")
	wants("the form for a network", `location.pathname.endsWith('/networks/add')`)
	v.console("networks")
	for _, key := range []struct{ key, path string }{{"p", "/people"}, {"s", "/sessions"}, {"n", "/networks"}} {
		v.Press("g" + key.key)
		wants("g "+key.key, `location.pathname.endsWith('`+key.path+`') && document.readyState === 'complete'`)
	}
	v.console("people")
	v.Press("j")
	wants("the first person", row(0))
	v.Press(kb.Enter)
	wants("the page of the person", `location.pathname.includes('/people/') && document.readyState === 'complete'`)

	v.Click(".account > summary")
	v.Click("[data-keys-switch]")
	wants("the switch", `document.querySelector('[data-keys-switch]').getAttribute('aria-checked') === 'false'`)
	v.look(t, "en-keys-menu")
	v.console("people")
	v.Press("j")
	v.Press("?")
	wants("silence", `document.activeElement === document.body && !document.querySelector('#keys').open`)
	v.Click(".account > summary")
	v.Click("[data-keys-help]")
	wants("the list all the same", `document.querySelector('#keys').open`)
	v.Clean()

	page := Open(t, Options{Headers: from(elsewhere)}) // never on public pages
	page.Goto(gate.URL("acme", "/reports"))
	if got := eval[int](page, `document.querySelectorAll('[src*="keys.js"], #keys').length`); got != 0 {
		t.Error("the page of who is kept out has keys")
	}
	page.Clean()
}
