package browser

import (
	"encoding/json"
	"strings"
	"testing"
)

// operator opens a page of the operator's tenant.
func (v *visitor) operator(path string) int {
	v.t.Helper()
	return v.Goto(v.gate.URL("operator", "/_sallyport/operator/"+path))
}

// openingStory begins where there is no tenant but the operator's own.
var openingStory = []state{
	{"operator-first", 200, "op.tenants.title", "", func(v *visitor) int { return v.operator("tenants") }},
	{"operator-new", 200, "op.new.title", "", func(v *visitor) int { return v.Submit(".head a.primary") }},
	{"operator-new-wrong", 422, "op.new.title", "op.wrong.slug", func(v *visitor) int {
		v.Fill("#name", "Acme")
		v.Fill("#slug", "Ac me")
		v.paste("#hosts", "https://acme.localhost/\noperator.localhost")
		v.Fill("#login", "li.na")
		return v.Submit("button.primary")
	}},
	{"operator-invited", 200, "op.link.title", "", func(v *visitor) int {
		v.Fill("#slug", "acme")
		v.paste("#hosts", "acme.localhost")
		return v.Submit("button.primary")
	}},
}

// operatorStory looks after tenants.
var operatorStory = []state{
	{"operator-tenants", 200, "op.tenants.title", "", func(v *visitor) int { return v.operator("tenants") }},
	{"operator-filtered", 200, "op.tenants.title", "", func(v *visitor) int {
		v.Fill("#search", "nobody")
		return v.Submit(".filters button")
	}},
	{"operator-tenant", 200, "op.tenant.title", "", func(v *visitor) int {
		v.operator("tenants")
		return v.Submit(`a[href*="tenants/acme"]`)
	}},
	{"operator-edit", 200, "op.edit.title", "", func(v *visitor) int { return v.Submit(`a[href*="/edit"]`) }},
	{"operator-edit-wrong", 422, "op.edit.title", "op.wrong.hosts_taken", func(v *visitor) int {
		v.paste("#hosts", "acme.localhost\nglobex.localhost")
		return v.Submit("button.primary")
	}},
	{"operator-edited", 200, "op.tenant.title", "", func(v *visitor) int {
		v.paste("#hosts", "acme.localhost")
		return v.Submit("button.primary")
	}},
	{"operator-owner", 200, "op.owner.title", "", func(v *visitor) int { return v.Submit(`a[href*="/owner"]`) }},
	{"operator-emergency", 200, "op.emergency.title", "", func(v *visitor) int {
		v.operator("tenants/acme")
		return v.Submit(`a[href*="/emergency"]`)
	}},
	{"operator-emergency-wrong", 422, "op.emergency.title", "op.wrong.address", func(v *visitor) int {
		v.Fill("#address", "198.51.100.0/24")
		v.Fill("#ticket", "T-4711")
		return v.Submit("button.primary")
	}},
	{"operator-emergency-open", 200, "op.tenant.title", "", func(v *visitor) int {
		v.Fill("#address", elsewhere)
		return v.Submit("button.primary")
	}},
	{"visit-networks", 200, "net.title", "", func(v *visitor) int { return v.Submit(`a[href$="acme/networks"], a[href*="acme/networks?"]`) }},
	{"visit-history", 200, "hist.title", "", func(v *visitor) int { return v.Submit(`main a[href*="networks/history"]`) }},
	{"visit-people", 200, "people.title", "", func(v *visitor) int { return v.Submit(`nav a[href*="acme/people"]`) }},
	{"visit-sessions", 200, "sessions.title", "", func(v *visitor) int { return v.Submit(`nav a[href*="acme/sessions"]`) }},
	{"visit-requests", 200, "requests.title", "", func(v *visitor) int { return v.Submit(`nav a[href*="acme/requests"]`) }},
	{"visit-review", 200, "security.title", "", func(v *visitor) int { return v.Submit(`nav a[href*="acme/review"]`) }},
	{"visit-attempts", 200, "security.title", "", func(v *visitor) int { return v.Submit(`main a[href*="acme/review?group_by=none"]`) }},
	{"visit-attempt", 200, "attempt.title", "", func(v *visitor) int { return v.Submit(`#groups a[href*="acme/review/SP-"]`) }},
	{"visit-audit", 200, "audit.title", "", func(v *visitor) int { return v.Submit(`nav a[href*="acme/audit"]`) }},
	{"visit-left", 200, "op.tenant.title", "", func(v *visitor) int { return v.Submit(".banner a") }},
	{"operator-health", 200, "op.health.title", "", func(v *visitor) int { return v.operator("health") }},
}

// TestOperator walks through the story of somebody who runs the gateway in both
// languages, with and without scripts, and looks at every page from all sides.
func TestOperator(t *testing.T) {
	for _, walk := range walks[:3] {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate := StartSite(t, strings.Replace(siteCaddyfile, "https://nobody.localhost:PORT", "https://nobody.localhost:PORT, https://operator.localhost:PORT", 1),
				[]string{"tenant", "add", "operator", "--name", "Hosting", "--host", "operator.localhost", "--mode", "enforced"},
				[]string{"network", "add", "operator", "203.0.113.0/24", "--label", "Operations"},
			)
			o := Options{Lang: walk.lang, NoScript: walk.noScript, Headers: from(headOffice)}
			v := &visitor{Tab: Open(t, o), t: t, gate: gate, phrases: readPhrases(t, o.Lang), login: "zhang.wei"}
			var added struct{ Password string }
			out := gate.Command(t, "admin", "add", "operator", v.login, "--role", "owner", "--no-second-factor", "--json")
			if err := json.Unmarshal([]byte(out), &added); err != nil {
				t.Fatal(err)
			}
			v.Goto(gate.URL("operator", "/"))
			v.signIn(added.Password)
			v.choosePassword(added.Password, newPassword)
			play := func(states []state) {
				t.Helper()
				for _, p := range states {
					if v.see(p); t.Failed() {
						t.Fatalf("at %q", p.name)
					}
					if strings.HasPrefix(p.name, "visit-") && p.name != "visit-left" {
						v.visits(p.name)
					}
					if !walk.noScript {
						v.look(t, walk.lang+"-"+p.name)
					}
					v.Clean()
				}
			}
			play(openingStory)
			link := eval[string](v.Tab, `document.querySelector('#link').value`)
			if !strings.HasPrefix(link, gate.URL("acme", "/_sallyport/invite?token=")) {
				t.Errorf("the first owner is sent to %q", link)
			}
			first := &visitor{Tab: Open(t, o), t: t, gate: gate, phrases: v.phrases}
			first.see(state{"operator-first-owner", 200, "invite.title", "", func(v *visitor) int { return v.Goto(link) }})
			first.Clean()
			gate.Command(t, "tenant", "add", "globex", "--name", "Globex", "--host", "globex.localhost", "--mode", "dry_run")
			gate.Command(t, "network", "add", "acme", "203.0.113.0/24", "--label", "Head office")
			gate.Command(t, "tenant", "set", "acme", "--mode", "enforced")
			Open(t, Options{Headers: from(elsewhere)}).Goto(gate.URL("acme", "/")) // is on record when the story looks
			play(operatorStory)
		})
	}
}

// visits checks that a page says that it is a visit, and has nothing to send.
func (v *visitor) visits(name string) {
	v.t.Helper()
	want := strings.ReplaceAll(v.phrases["op.banner"].(string), "{{.Tenant}}", "Acme")
	if text := v.Text(".banner"); !strings.Contains(text, want) {
		v.t.Errorf("%s: the banner says %q, want %q", name, text, want)
	}
	if n := eval[int](v.Tab, `document.querySelectorAll('main form[method=post]').length`); n != 0 {
		v.t.Errorf("%s has %d forms to send", name, n)
	}
}
