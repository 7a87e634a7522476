package browser

import (
	"strings"
	"testing"
)

// newcomer signs somebody in for the first time, without a second factor, and
// leads to the console behind.
func newcomer(t *testing.T, gate *Gate, o Options, login string, more ...string) *visitor {
	t.Helper()
	if o.Headers == nil {
		o.Headers = from(headOffice)
	}
	v := &visitor{Tab: Open(t, o), t: t, gate: gate, phrases: readPhrases(t, o.Lang), login: login}
	v.password = gate.addAdmin(t, login, append([]string{"--no-second-factor"}, more...)...)
	v.Goto(gate.URL("acme", "/"))
	v.signIn(v.password)
	if status := v.choosePassword(v.password, newPassword); status != 200 {
		t.Fatalf("signing in %s: got status %d", login, status)
	}
	return v
}

// console opens a page of the console.
func (v *visitor) console(path string) int {
	v.t.Helper()
	return v.Goto(v.gate.URL("acme", "/_sallyport/"+path))
}

// choose picks one of several radio buttons, with the keyboard's key for it.
func (v *visitor) choose(selector string) {
	v.t.Helper()
	v.Click(selector)
}

// draftStory is a version that is restored as a draft, which meets what somebody
// else did meanwhile, and goes in the end.
var draftStory = []state{
	{"history", 200, "hist.title", "", func(v *visitor) int { return v.console("networks/history") }},
	{"compare-wrong", 422, "hist.title", "hist.no_version", func(v *visitor) int {
		v.Fill("#from", "99")
		return v.Submit("form.inline button")
	}},
	{"compare", 200, "hist.compare.title", "", func(v *visitor) int {
		v.console("networks/history")
		return v.Submit(`a[href*="to=4"]`)
	}},
	{"compare-text", 200, "hist.compare.title", "", func(v *visitor) int {
		v.Click(".as-text summary")
		if text := v.Text(".as-text pre"); !strings.Contains(text, `-198.51.100.0/26 "Shenzhen branch" expires=`) {
			v.t.Errorf("as text: got %q", text)
		}
		return 200
	}},
	{"restored", 200, "draft.title", "", func(v *visitor) int { return v.Submit(`form[action*="networks/restore"] button`) }},
	{"mode-in-draft", 200, "draft.title", "", func(v *visitor) int {
		v.console("networks")
		v.Submit(`button[name="mode"][value="dry_run"]`)
		return v.Submit(`.draftbar a[href*="networks/draft"]`)
	}},
	{"reverted", 200, "draft.title", "", func(v *visitor) int { return v.Submit(`form:has(input[name="mode"]) button`) }},
	{"restore-asks", 200, "hist.restore", "", func(v *visitor) int {
		v.console("networks/compare?from=1&to=2")
		return v.Submit(`form[action*="networks/restore"] button`)
	}},
	{"behind", 200, "hist.title", "", func(v *visitor) int {
		v.gate.Command(v.t, "network", "add", "acme", "198.51.100.0/26", "--label", "Shenzhen, rented")
		v.gate.Command(v.t, "network", "add", "acme", "192.0.2.64/26", "--label", "Data centre")
		status := v.console("networks/history")
		for range 20 { // the gateway hears of what another process did within a second
			if strings.Contains(v.Text(".draftbar"), "6") {
				break
			}
			status = v.console("networks/history")
		}
		return status
	}},
	{"conflict", 200, "merge.title", "", func(v *visitor) int { return v.Submit(".draftbar a.primary") }},
	{"conflict-wrong", 422, "merge.title", "merge.choose", func(v *visitor) int { return v.Submit("form.merge button.primary") }},
	{"merged", 200, "draft.title", "", func(v *visitor) int {
		v.choose(`.line:has(.verdict.dry) input[value="mine"]`)
		return v.Submit("form.merge button.primary")
	}},
	{"discard", 200, "draft.discard.title", "", func(v *visitor) int { return v.Submit(`a[href*="networks/discard"]`) }},
	{"discarded", 200, "net.title", "", func(v *visitor) int { return v.Submit("button.primary") }},
}

// TestDrafts walks through the story in both languages, with and without scripts,
// and looks at every page from all sides.
func TestDrafts(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate := startSite(t)
			gate.Command(t, "network", "add", "acme", "198.51.100.0/26", "--label", "Shenzhen branch", "--expires", "720h", "--note", "Until the move")
			gate.Command(t, "network", "remove", "acme", "198.51.100.0/26")
			v := newcomer(t, gate, Options{Lang: walk.lang, NoScript: walk.noScript}, "li.na")
			reviewer := newcomer(t, gate, Options{Lang: walk.lang, NoScript: walk.noScript}, "wu.min", "--role", "reviewer")
			for _, p := range draftStory {
				if v.see(p); t.Failed() {
					t.Fatalf("at %q", p.name)
				}
				if !walk.noScript {
					v.look(t, walk.lang+"-"+p.name)
				}
				v.Clean()
				if p.name == "restored" {
					reviewer.seesDraft(walk.lang, !walk.noScript)
				}
			}
		})
	}
}

// seesDraft looks at somebody else's draft as a reviewer.
func (v *visitor) seesDraft(lang string, look bool) {
	v.t.Helper()
	v.console("networks/history")
	if status := v.Submit(".others a"); status != 200 {
		v.t.Fatalf("somebody else's draft: got status %d", status)
	}
	if text := v.Text("main"); !strings.Contains(text, "Shenzhen branch") || strings.Contains(v.HTML(), `method="post" action="/_sallyport/networks`) {
		v.t.Errorf("somebody else's draft says %q", text)
	}
	if look {
		v.look(v.t, lang+"-others-draft")
	}
	v.Clean()
}
