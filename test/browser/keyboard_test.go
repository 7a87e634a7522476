package browser

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestKeyboard signs in and out without a mouse: the focus is where one types,
// goes round in the order of reading, can be seen, and is never covered.
func TestKeyboard(t *testing.T) {
	gate := startSite(t)
	tab := Open(t, Options{Headers: from(headOffice)})
	v := &visitor{Tab: tab, t: t, gate: gate, phrases: readPhrases(t, "en"), login: "li.na"}
	v.password = gate.addAdmin(t, v.login)
	order := func(page string, want ...string) {
		t.Helper()
		for _, width := range []int{1280, 320} {
			tab.View(false, width, 400) // low, so that the focus has to scroll into view
			if got := tab.tabOrder(t); !slices.Equal(got, want) {
				t.Errorf("order of %s at %d px: got %q, want %q", page, width, got, want)
			}
		}
		tab.View(false, 1280, 800)
	}
	focus := func(want string) {
		t.Helper()
		tab.await("the focus on "+want, `document.activeElement.id === '`+want+`'`)
	}

	tab.Goto(gate.URL("acme", "/"))
	focus("login")
	order("sign-in", "English", "简体中文", "login", "password", "Show password", "Sign in")
	tab.Goto(gate.URL("acme", "/"))
	focus("login")
	tab.Press(v.login + kb.Tab + v.password)
	if got := tab.Enter(); got != 200 {
		t.Fatalf("signing in: got %d, want 200", got)
	}
	v.secret = eval[string](tab, `document.querySelector('.key button').dataset.copy`)
	order("enrolment", "English", "简体中文", "Copy", "code", "Turn on")
	v.enter(v.nextCode())
	order("recovery codes", "I saved them, continue", "Copy all")
	v.Submit("a.primary")
	order("first password", "English", "简体中文", "current", "Show current", "password", "Show password", "Save password")
	v.choosePassword(v.password, newPassword)
	tab.Goto(gate.URL("acme", "/_sallyport/"))
	order("signed in", "Skip to the content", "find", "Find", "English", "简体中文", v.login, "Security review", "Requests", "Networks", "People", "Sessions", "Policy", "Change log", "Continue to the console", "Sign out", "Change password")
	v.signOut()
	order("signed out", "English", "简体中文", "Sign in again")

	v.Submit("a.button")
	v.signIn(newPassword)
	focus("code")
	order("code", "English", "简体中文", "code", "Verify", "Use a recovery code", "Not you? Start again")
	tab.Goto(gate.URL("acme", "/_sallyport/verify"))
	focus("code")
	tab.Press("000000")
	if got := tab.Enter(); got != 401 {
		t.Errorf("a wrong code: got %d, want 401", got)
	}
	focus("problems")
	tab.Press(kb.Tab + kb.Enter) // the summary leads to the field
	focus("code")
	tab.Press(v.nextCode())
	if got := tab.Enter(); got != 200 || tab.Text("h1") != "Console of acme" {
		t.Errorf("the right code: got %d and %q, want the console", got, tab.Text("h1"))
	}
	tab.Clean()
}
