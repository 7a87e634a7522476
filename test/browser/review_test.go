package browser

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// branch is an address of the demo's branch office, from which li.na works.
const branch = "198.51.100.20"

// reviewStory takes the branch office off the list of the demo, from the branch
// office itself.
var reviewStory = []state{
	{"review-nothing", 200, "review.none.title", "", func(v *visitor) int { return v.open("networks/review") }},
	{"review", 200, "review.title", "", func(v *visitor) int {
		v.open("networks/compare?from=4&to=7")
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
	for _, walk := range []struct {
		lang     string
		noScript bool
	}{{"en", false}, {"zh-CN", false}, {"en", true}, {"zh-CN", true}} {
		t.Run(fmt.Sprintf("%s, scripts %v", walk.lang, !walk.noScript), func(t *testing.T) {
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
}

func (v *visitor) open(path string) int {
	v.t.Helper()
	return v.Goto(v.gate.URL("acme", "/_sallyport/"+path))
}
