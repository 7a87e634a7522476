package browser

import (
	"testing"
)

// securityStory is what a reviewer does who was told that somebody cannot get in.
var securityStory = []state{
	{"security", 200, "security.title", "", func(v *visitor) int { return v.until("review", ".attention li") }},
	{"security-noise", 200, "security.title", "", func(v *visitor) int { return v.Submit(".noise a.button") }},
	{"security-reasons", 200, "security.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/review?group_by=reason&not.outcome=allowed"))
	}},
	{"security-wrong", 422, "security.title", "fault.octet_too_large", func(v *visitor) int {
		v.paste("#f-address", "300.1.1.1")
		return v.Submit(".filterbox button")
	}},
	{"security-filtered", 200, "security.title", "", func(v *visitor) int {
		v.paste("#f-address", "198.51.100.0/24")
		return v.Submit(".filterbox button")
	}},
	{"security-empty", 200, "security.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/review?login=nobody&outcome=refused"))
	}},
	{"security-list", 200, "security.title", "", func(v *visitor) int {
		return v.Goto(v.gate.URL("acme", "/_sallyport/review?group_by=none&outcome=blocked"))
	}},
	{"security-attempt", 200, "attempt.title", "", func(v *visitor) int { return v.Submit("#groups tbody th a") }},
}

// TestSecurity: among strangers who are kept out, the reviewer sees the one who
// came from beside a network of the list, filters, and reads why.
func TestSecurity(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate, o := startSite(t), Options{Lang: walk.lang, NoScript: walk.noScript}
			owner := newcomer(t, gate, o, "li.na", "--name", "Li Na")
			for _, address := range []string{away, "203.0.112.9", "192.0.2.9", "2001:db8:ffff::9"} {
				stranger := o
				stranger.Headers = from(address)
				Open(t, stranger).Goto(gate.URL("acme", "/wp-login.php"))
			}
			for _, p := range securityStory {
				if owner.see(p); t.Failed() {
					t.Fatalf("at %q", p.name)
				}
				if !walk.noScript {
					owner.look(t, walk.lang+"-"+p.name)
				}
				owner.Clean()
			}
		})
	}
}
