package browser

import (
	"testing"
)

// alertsStory is what an owner does to be told what happens.
var alertsStory = []state{
	{"policy", 200, "policy.title", "", func(v *visitor) int { return v.console("policy") }},
	{"alerts", 200, "alerts.title", "", func(v *visitor) int {
		return v.Submit(`main a[href*="policy/alerts"]`)
	}},
	{"alerts-wrong", 422, "alerts.title", "alerts.wrong.webhook", func(v *visitor) int {
		v.Click(`input[name="refusals"]`)
		v.Fill("#count", "50")
		v.paste("#webhook", "http://hooks.example.test/sallyport")
		return v.Submit("button.primary")
	}},
	{"alerts-secret", 200, "alerts.secret.title", "", func(v *visitor) int {
		v.Fill("#webhook", "https://127.0.0.1:1/sallyport")
		return v.Submit("button.primary")
	}},
	{"alerts-set", 200, "alerts.title", "", func(v *visitor) int {
		status := v.Submit("a.primary")
		if got := eval[string](v.Tab, `document.querySelector('#count').value + document.querySelector('[name=refusals]').checked`); got != "50true" {
			v.t.Errorf("what was saved is shown as %q", got)
		}
		return status
	}},
	{"alerts-tested", 200, "alerts.title", "", func(v *visitor) int {
		status := v.Submit(`form[action*="alerts/test"] button`)
		if got := eval[int](v.Tab, `document.querySelectorAll('[role=status] .verdict.blocked').length`); got != 1 {
			v.t.Errorf("the address is inside, and %d ways are said to have failed", got)
		}
		return status
	}},
	{"alerts-again", 200, "alerts.title", "", func(v *visitor) int {
		v.Click(`input[name="list_changed"]`)
		return v.Submit("#rules button.primary")
	}},
}

// TestAlerts walks through the story in both languages, with and without scripts,
// and looks at every page from all sides.
func TestAlerts(t *testing.T) {
	for _, walk := range walks[:3] {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			v := newcomer(t, startSite(t), Options{Lang: walk.lang, NoScript: walk.noScript}, "li.na", "--name", "Li Na")
			for _, p := range alertsStory {
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
