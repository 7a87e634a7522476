package browser

import (
	"strings"
	"testing"
)

// peopleStory is what an owner does with people, sessions, tokens and the change
// log.
var peopleStory = []state{
	{"people", 200, "people.title", "", func(v *visitor) int { return v.console("people") }},
	{"people-invite", 200, "people.invite.title", "", func(v *visitor) int { return v.Submit(".head a.primary") }},
	{"people-invite-wrong", 422, "people.invite.title", "people.wrong.exists", func(v *visitor) int {
		v.Fill("#login", "WU.MIN")
		v.Fill("#name", "Zhao Yu")
		return v.Submit("button.primary")
	}},
	{"people-link", 200, "people.link.title", "", func(v *visitor) int {
		v.Fill("#login", "zhao.yu")
		v.Click(`input[value="reviewer"]`)
		return v.Submit("button.primary")
	}},
	{"people-invited", 200, "people.title", "", func(v *visitor) int { return v.Submit("a.primary") }},
	{"person", 200, "people.person.title", "", func(v *visitor) int { return v.Submit(`tbody tr:last-child a`) }},
	{"person-disable", 200, "people.ask.disable", "", func(v *visitor) int { return v.Submit(`a[href*="do=disable"]`) }},
	{"person-kept", 200, "people.person.title", "", func(v *visitor) int { return v.Submit(`main form a`) }},
	{"person-disabled", 200, "people.person.title", "", func(v *visitor) int {
		v.Submit(`a[href*="do=disable"]`)
		return v.Submit(`main form button`)
	}},
	{"person-enabled", 200, "people.person.title", "", func(v *visitor) int { return v.Submit(`form:has([value="enable"]) button`) }},
	{"person-set", 200, "people.person.title", "", func(v *visitor) int {
		v.Click(`input[value="member"]`)
		return v.Submit("button.primary")
	}},
	{"person-remove", 200, "people.ask.remove", "", func(v *visitor) int { return v.Submit(`a[href*="do=remove"]`) }},
	{"person-removed", 200, "people.title", "", func(v *visitor) int { return v.Submit(`main form button`) }},
	{"last-owner", 409, "error.last_owner.title", "", func(v *visitor) int {
		v.Submit(`tbody tr:first-child a`)
		v.Submit(`a[href*="do=remove"]`)
		return v.Submit(`main form button`)
	}},
	{"sessions", 200, "sessions.title", "", func(v *visitor) int { return v.console("sessions") }},
	{"sessions-end-all", 200, "sessions.ask.all", "", func(v *visitor) int { return v.Submit(`.head .danger`) }},
	{"sessions-end", 200, "sessions.ask.one", "", func(v *visitor) int {
		v.Submit(`main form a`)
		return v.Submit(`tbody .danger`)
	}},
	{"sessions-end-wrong", 422, "sessions.ask.one", "question.wrong.reason", func(v *visitor) int {
		v.paste("#reason", strings.Repeat("x", 281))
		return v.Submit(`main form button`)
	}},
	{"sessions-one-ended", 200, "sessions.title", "", func(v *visitor) int {
		v.Fill("#reason", "the laptop is lost")
		return v.Submit(`main form button`)
	}},
	{"tokens", 200, "tokens.title", "", func(v *visitor) int { return v.console("tokens") }},
	{"token-new", 200, "tokens.new.title", "", func(v *visitor) int { return v.Submit(".head a.primary") }},
	{"token-wrong", 422, "tokens.new.title", "tokens.wrong.scopes", func(v *visitor) int {
		v.Fill("#name", "backup")
		return v.Submit("button.primary")
	}},
	{"token-made", 200, "tokens.made.title", "", func(v *visitor) int {
		v.Click(`input[value="networks:read"]`)
		v.paste("#networks", "198.51.100.7\n2001:db8:40::/48")
		return v.Submit("button.primary")
	}},
	{"tokens-made", 200, "tokens.title", "", func(v *visitor) int { return v.Submit("a.primary") }},
	{"token-remove", 200, "tokens.ask", "", func(v *visitor) int { return v.Submit("tbody .danger") }},
	{"tokens-removed", 200, "tokens.title", "", func(v *visitor) int { return v.Submit("main form button") }},
	{"audit", 200, "audit.title", "", func(v *visitor) int { return v.until("audit", ".head .verdict.allowed") }},
	{"audit-filtered", 200, "audit.title", "", func(v *visitor) int {
		eval[bool](v.Tab, `document.querySelector('#kind').value = 'token', true`)
		status := v.Submit(".filters button")
		if rows := eval[int](v.Tab, `document.querySelectorAll('tbody tr').length`); rows != 2 {
			v.t.Errorf("the token was made and removed, and %d rows say so", rows)
		}
		return status
	}},
	{"audit-none", 200, "audit.title", "", func(v *visitor) int {
		v.Fill("#actor", "nobody")
		return v.Submit(".filters button")
	}},
}

// TestPeople walks through the story in both languages, with and without scripts,
// and looks at every page from all sides.
func TestPeople(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate, o := startSite(t), Options{Lang: walk.lang, NoScript: walk.noScript}
			v := newcomer(t, gate, o, "li.na", "--name", "Li Na")
			newcomer(t, gate, o, "wu.min", "--role", "reviewer", "--name", "Wu Min").Clean()
			for _, p := range peopleStory {
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

// TestInvitation: whoever is invited sets a password and is in, by a link that
// works once.
func TestInvitation(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			gate := startSite(t)
			o := Options{Lang: walk.lang, NoScript: walk.noScript}
			owner := newcomer(t, gate, o, "li.na", "--name", "Li Na")
			owner.console("people/invite")
			owner.Fill("#login", "zhao.yu")
			owner.Submit("button.primary")
			link := eval[string](owner.Tab, `document.querySelector('#link').value`)
			_, token, _ := strings.Cut(link, "token=")
			owner.Clean()

			o.Headers = from(headOffice)
			v := &visitor{Tab: Open(t, o), t: t, gate: gate, phrases: readPhrases(t, o.Lang), login: "zhao.yu"}
			for _, p := range []state{
				{"invitation", 200, "invite.title", "", func(v *visitor) int { return v.console("invite?token=" + token) }},
				{"invitation-wrong", 422, "invite.title", "password.too_short", func(v *visitor) int {
					v.Fill("#password", "short")
					return v.Submit("button.primary")
				}},
				{"invitation-accepted", 200, "enrol.title", "", func(v *visitor) int {
					v.Fill("#password", newPassword)
					return v.Submit("button.primary")
				}},
				{"invitation-used", 401, "error.invitation.title", "", func(v *visitor) int { return v.console("invite?token=" + token) }},
			} {
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
