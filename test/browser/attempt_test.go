package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// find types something into the box on top of the console.
func (v *visitor) find(text string) int {
	v.t.Helper()
	v.Fill("#find", text)
	v.Press(kb.Tab)
	return v.Enter()
}

// understand is how a reviewer, who was told a reference on the telephone, finds
// out what it is about.
func understand(reference string) []state {
	signs := strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(reference, "-", ""), "SP"))
	wrong := map[bool]string{true: "8", false: "7"}[signs[5] == '7']
	return []state{
		{"attempt-unknown", 404, "attempt.unknown.title", "", func(v *visitor) int {
			v.console("requests")
			return v.find("sp " + signs[:4] + " " + signs[4:5] + wrong + signs[6:])
		}},
		{"attempt", 200, "attempt.title", "", func(v *visitor) int {
			if got := v.Text(".near a"); got != reference {
				v.t.Errorf("proposed is %q, want %s", got, reference)
			}
			return v.Submit(".near a")
		}},
		{"attempt-found", 200, "attempt.title", "", func(v *visitor) int {
			status := v.find(signs[:4] + "  " + signs[4:])
			if !strings.HasSuffix(strings.Split(v.URL(), "?")[0], "/review/"+reference) {
				v.t.Errorf("led to %s", v.URL())
			}
			return status
		}},
	}
}

// allowStory is what an owner does about it.
var allowStory = []state{
	{"allow", 200, "allow.title", "", func(v *visitor) int { return v.Submit("main a.primary") }},
	{"allow-wrong", 422, "allow.title", "fault.octet_too_large", func(v *visitor) int {
		v.Click(`input[value="other"]`)
		v.Fill("#other", "198.51.100.300")
		return v.Submit("button.primary")
	}},
	{"allow-wide", 422, "allow.title", "fault.wide", func(v *visitor) int {
		v.Fill("#other", "198.50.0.0/15")
		return v.Submit("button.primary")
	}},
	{"allowed", 200, "attempt.title", "", func(v *visitor) int {
		v.Click(`input[name="range"]`)
		if v.shortly {
			eval[bool](v.Tab, `document.querySelector('[name=for]:checked').value = '1m', true`)
		}
		return v.Submit("button.primary")
	}},
}

// TestAttempt: a visitor who is kept out asks, a reviewer finds the attempt by
// its reference, an owner lets the visitor in, whose page goes on by itself, and
// when the time is over the visitor is out again.
func TestAttempt(t *testing.T) {
	for _, walk := range []struct {
		lang     string
		noScript bool
		shortly  bool // the time really passes; else what was allowed is taken back
	}{{"en", false, true}, {"zh-CN", false, false}, {"en", true, true}, {"zh-CN", true, false}} {
		t.Run(fmt.Sprintf("%s, scripts %v", walk.lang, !walk.noScript), func(t *testing.T) {
			t.Parallel()
			gate, o := startSite(t), Options{Lang: walk.lang, NoScript: walk.noScript}
			gate.Command(t, "network", "add", "acme", "198.51.100.0/26", "--label", "Shenzhen branch")
			gate.Command(t, "network", "remove", "acme", "198.51.100.0/26")
			gate.Command(t, "network", "add", "acme", "198.51.100.64/26", "--label", "Shenzhen branch, new")
			owner := newcomer(t, gate, o, "li.na", "--name", "Li Na")
			reviewer := newcomer(t, gate, o, "wu.min", "--name", "Wu Min", "--role", "reviewer")
			owner.shortly = walk.shortly
			play := func(v *visitor, prefix string, states ...state) {
				t.Helper()
				for _, p := range states {
					if v.see(p); t.Failed() {
						t.Fatalf("at %q", p.name)
					}
					if !walk.noScript {
						v.look(t, walk.lang+"-"+prefix+p.name)
					}
					v.Clean()
				}
			}
			o.Headers = from(away)
			asker := &visitor{Tab: Open(t, o), t: t, gate: gate, phrases: readPhrases(t, o.Lang), login: "wu.min"}
			play(asker, "", askStory[0])
			reference := strings.TrimSpace(asker.Text(".reference .mono"))
			asker.see(askStory[1])
			asker.see(askStory[2])
			asker.see(askStory[3])

			reviewer.storedAttempt(reference)
			play(reviewer, "reviewer-", understand(reference)...)
			for _, control := range []string{`main a[href*="/allow"]`, `main form[method="post"]`} {
				if strings.Contains(eval[string](reviewer.Tab, fmt.Sprintf(`document.querySelector('%s')?.outerHTML ?? ''`, control)), "<") {
					t.Errorf("a reviewer is shown %s", control)
				}
			}
			owner.console("requests")
			owner.find(reference)
			for _, want := range []string{owner.phrases.say(t, "attempt.allow"), "Shenzhen branch", away} {
				if text := owner.Text("main"); !strings.Contains(text, want) {
					t.Errorf("the owner does not see %q in %q", want, text)
				}
			}
			play(owner, "", allowStory...)
			if !walk.noScript {
				asker.await("the page to open by itself", `document.querySelector('a[href="/"].primary') !== null`)
			}
			play(asker, "",
				state{"ask-approved", 200, "request.approved.title", "", func(v *visitor) int { return v.Goto(v.URL()) }},
				state{"ask-sign-in", 200, "login.title", "", func(v *visitor) int { return v.Submit("a.primary") }},
			)
			if !walk.shortly {
				play(owner, "", state{"allow-undone", 200, "attempt.title", "", func(v *visitor) int { return v.Submit(".done button") }})
			}
			for end := time.Now().Add(90 * time.Second); asker.Goto(gate.URL("acme", "/")) != 403; time.Sleep(time.Second) {
				if time.Now().After(end) {
					t.Fatal("still let in")
				}
			}
		})
	}
}

// storedAttempt waits until an attempt can be looked at: refusals are stored
// within a second.
func (v *visitor) storedAttempt(reference string) {
	v.t.Helper()
	for end := time.Now().Add(patience); v.console("review/"+reference) != 200; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("%s is never stored", reference)
		}
	}
}
