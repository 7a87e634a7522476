package browser

import (
	"testing"
)

// away is an address that no list has.
const away = "198.51.100.23"

// askStory is what a visitor does who is kept out, up to the page that waits.
var askStory = []state{
	{"ask-blocked", 403, "blocked.title", "", func(v *visitor) int { return v.Goto(v.gate.URL("acme", "/reports")) }},
	{"ask", 200, "request.title", "", func(v *visitor) int { return v.Submit("li a.button") }},
	{"ask-wrong", 422, "request.title", "request.reason.wrong", func(v *visitor) int {
		v.Fill("#login", "wu.min")
		v.paste("#why", " ")
		return v.Submit("button.primary")
	}},
	{"ask-waiting", 200, "request.waiting.title", "", func(v *visitor) int {
		v.paste("#why", "At a customer's site")
		return v.Submit("button.primary")
	}},
}

// TestRequests: a visitor who is kept out asks, an owner allows, and the page
// that waits leads on to the sign-in, with scripts by itself.
func TestRequests(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate, o := startSite(t), Options{Lang: walk.lang, NoScript: walk.noScript}
			owner := newcomer(t, gate, o, "li.na", "--name", "Li Na")
			gate.addAdmin(t, "wu.min", "--no-second-factor", "--name", "Wu Min")
			play := func(v *visitor, states ...state) {
				t.Helper()
				for _, p := range states {
					if v.see(p); t.Failed() {
						t.Fatalf("at %q", p.name)
					}
					if !walk.noScript {
						v.look(t, walk.lang+"-"+p.name)
					}
					v.Clean()
				}
			}
			o.Headers = from(away)
			asker := &visitor{Tab: Open(t, o), t: t, gate: gate, phrases: readPhrases(t, o.Lang), login: "wu.min"}
			play(asker, askStory...)
			play(owner,
				state{"requests", 200, "requests.title", "", func(v *visitor) int { return v.until("requests", "article") }},
				state{"requests-allowed", 200, "requests.title", "", func(v *visitor) int { return v.Submit("article button.primary") }},
			)
			if !walk.noScript {
				asker.await("the page to open by itself", `document.querySelector('a[href="/"].primary') !== null`)
			}
			play(asker,
				state{"ask-approved", 200, "request.approved.title", "", func(v *visitor) int { return v.Goto(v.URL()) }},
				state{"ask-sign-in", 200, "login.title", "", func(v *visitor) int { return v.Submit("a.primary") }},
			)
		})
	}
}
