package browser

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDemo does what the demo invites to: sign in with a printed password, see what
// the console behind is told, and be blocked at the other tenant.
func TestDemo(t *testing.T) {
	gate := StartGate(t, "--no-history")
	password := regexp.MustCompile(`(?m)^ *acme +li\.na +(\S+)`).FindStringSubmatch(gate.Output())
	if password == nil {
		t.Fatalf("no password in %q", gate.Output())
	}
	for name, options := range map[string]Options{"scripts": {}, "no scripts": {NoScript: true}} {
		t.Run(name, func(t *testing.T) {
			v := &visitor{Tab: Open(t, options), t: t, gate: gate, login: "li.na"}
			v.signInToDemo(password[1])
			v.Tab = Open(t, options)
			v.blockedAtGlobex()
		})
	}
	t.Run("dry run", func(t *testing.T) {
		gate.Command(t, "tenant", "set", "acme", "--mode", "dry_run")
		for _, lang := range []string{"en", "zh-CN"} {
			v := &visitor{Tab: Open(t, Options{Lang: lang, Headers: from(elsewhere)}), t: t, gate: gate, login: "li.na"}
			// The gateway hears of what another process did within a second.
			for end := time.Now().Add(patience); v.Goto(gate.URL("acme", "/_sallyport/")) != 200 && time.Now().Before(end); {
			}
			v.signIn(password[1])
			v.Goto(gate.URL("acme", "/_sallyport/"))
			if got, want := v.Text(".facts .chip.dry"), readPhrases(t, lang).say(t, "home.would_block"); got != want {
				t.Errorf("the network: got %q, want %q", got, want)
			}
			v.look(t, lang+"-signed-in-dry-run")
		}
	})
}

func (v *visitor) signInToDemo(password string) {
	v.t.Helper()
	v.Goto(v.gate.URL("acme", "/?x=1"))
	v.signIn(password)
	if got, want := v.Text("h1"), "Welcome, li.na"; got != want {
		v.t.Errorf("the console says %q, want %q", got, want)
	}
	if got, want := v.URL(), v.gate.URL("acme", "/?x=1"); got != want {
		v.t.Errorf("led to %s, want back to %s", got, want)
	}
	if lead := v.Text(".lead"); !strings.Contains(lead, "owner of acme") {
		v.t.Errorf("the console says %q, want who it is", lead)
	}
	v.Clean() // before the end of the session, which breaks off what the console still receives
	v.Submit("header button")
	if got, want := v.Text("h1"), "You are signed out"; got != want {
		v.t.Errorf("after signing out: got %q, want %q", got, want)
	}
}

// blockedAtGlobex checks that what the blocked page shows is what a reviewer finds.
func (v *visitor) blockedAtGlobex() {
	v.t.Helper()
	if got := v.Goto(v.gate.URL("globex", "/secret?token=x")); got != 403 {
		v.t.Errorf("status: got %d, want 403", got)
	}
	v.Clean()
	reference := v.Text(".reference .mono")
	time.Sleep(recorded) // a refusal is on disk within a second
	record := v.gate.Command(v.t, "attempts", reference)
	for _, want := range []string{reference, "outside_networks", "127.0.0.1", "globex"} {
		if !strings.Contains(record, want) {
			v.t.Errorf("the record of %s says %q, want %q in it", reference, record, want)
		}
	}
	if strings.Contains(record, "token") {
		v.t.Errorf("the record has the query: %q", record)
	}
}

// recorded is how long the record of a refusal may take, and a little more.
const recorded = 1500 * time.Millisecond
