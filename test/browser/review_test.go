package browser

import (
	"regexp"
	"strings"
	"testing"
)

// branch is an address of the demo's branch office, from which li.na works.
const branch = "198.51.100.20"

// reviewStory takes the branch office off the list of the demo, from the branch
// office itself.
var reviewStory = []state{
	{"findings", 200, "net.title", "", func(v *visitor) int {
		v.gate.Command(v.t, "network", "add", "acme", "203.0.113.16/28", "--label", "Second floor", "--reason", "Rented")
		status := v.open("networks")
		for range 20 { // the gateway hears of what another process did within a second
			if strings.Contains(v.Text("#finds"), "Second floor") {
				break
			}
			status = v.open("networks")
		}
		return status
	}},
	{"mended", 200, "net.title", "", func(v *visitor) int { return v.Submit("#finds form button") }},
	{"discarded", 200, "net.title", "", func(v *visitor) int {
		v.open("networks/discard")
		return v.Submit("main button.primary")
	}},
	{"review-nothing", 200, "review.none.title", "", func(v *visitor) int { return v.open("networks/review") }},
	{"review", 200, "review.title", "", func(v *visitor) int {
		v.open("networks/compare?from=4&to=8")
		v.Submit(`form[action*="networks/restore"] button`)
		return v.Submit(`main a[href*="networks/review"]`)
	}},
	{"review-wrong", 422, "review.title", "apply.reason.missing", func(v *visitor) int {
		eval[bool](v.Tab, `document.getElementById('apply').noValidate = true`)
		return v.Submit(`button[value="apply"]`)
	}},
	{"guard", 409, "guard.title", "", func(v *visitor) int {
		v.Fill("#reason", "The branch has closed")
		return v.Submit(`button[value="apply"]`)
	}},
	{"review-added", 200, "review.title", "", func(v *visitor) int { return v.Submit(`button[value="add_mine"]`) }},
}

// TestReview walks through the story in both languages, with and without scripts,
// and looks at every page from all sides.
func TestReview(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate := StartGate(t)
			password := regexp.MustCompile(`(?m)^ *acme +li\.na +(\S+)`).FindStringSubmatch(gate.Output())
			if password == nil {
				t.Fatalf("no password in %q", gate.Output())
			}
			o := Options{Lang: walk.lang, NoScript: walk.noScript, Headers: from(branch)}
			v := &visitor{Tab: Open(t, o), t: t, gate: gate, phrases: readPhrases(t, walk.lang), login: "li.na"}
			v.Goto(gate.URL("acme", "/"))
			v.signIn(password[1])
			for _, p := range reviewStory {
				if v.see(p); t.Failed() {
					t.Fatalf("at %q", p.name)
				}
				if !walk.noScript {
					v.look(t, walk.lang+"-"+p.name)
				}
				v.Clean()
			}
			v.applies(t)
		})
	}
}

// TestSuggest begins a list from the sign-ins of the demo's other tenant.
func TestSuggest(t *testing.T) {
	gate := StartGate(t)
	password := regexp.MustCompile(`(?m)^ *acme +li\.na +(\S+)`).FindStringSubmatch(gate.Output())
	if password == nil {
		t.Fatalf("no password in %q", gate.Output())
	}
	gate.Command(t, "tenant", "set", "acme", "--mode", "dry_run")
	for _, span := range []string{"203.0.113.0/24", "198.51.100.10-198.51.100.40"} {
		gate.Command(t, "network", "remove", "acme", span)
	}
	for _, walk := range []Options{{Lang: "en"}, {Lang: "zh-CN", NoScript: true}} {
		t.Run(walk.Lang, func(t *testing.T) {
			v := &visitor{Tab: Open(t, walk), t: t, gate: gate, phrases: readPhrases(t, walk.Lang), login: "li.na"}
			v.Goto(gate.URL("acme", "/"))
			v.signIn(password[1])
			v.see(state{"suggest", 200, "suggest.title", "", func(v *visitor) int { return v.open("networks/suggest") }})
			v.look(t, walk.Lang+"-suggest")
			v.see(state{"suggested", 200, "net.title", "", func(v *visitor) int { return v.Submit("main form .primary") }})
			v.look(t, walk.Lang+"-suggested")
			v.open("networks/discard")
			v.Submit("main button.primary")
		})
	}
}

// applies applies the draft with a time to confirm it, and takes it back.
func (v *visitor) applies(t *testing.T) {
	t.Helper()
	for _, box := range []string{"few_admins", "ends"} {
		if strings.Contains(v.HTML(), `id="accept-`+box) {
			v.Click("#accept-" + box)
		}
	}
	v.Submit(`button[value="apply"]`)
	if got := v.URL(); !strings.Contains(got, "done=applied_pending") {
		t.Errorf("applying led to %s: %s", got, v.Text("main"))
	}
	for _, key := range []string{"confirm.keep", "confirm.undo"} {
		if want := v.phrases.say(t, key); !strings.Contains(v.Text(".banner"), want) {
			t.Errorf("after applying: no %q in %q", want, v.Text(".banner"))
		}
	}
}

func (v *visitor) open(path string) int {
	v.t.Helper()
	return v.Goto(v.gate.URL("acme", "/_sallyport/"+path))
}
