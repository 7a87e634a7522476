package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// stored waits until an attempt can be looked at.
func (s *site) stored(reference string) {
	s.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := s.Explain(s.Context(), command, s.tenant.ID, reference)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("%s is never stored: %v", reference, err)
		}
	}
}

// refused is an attempt of a visitor who is kept out, in the store.
func (s *site) refused(address string, headers ...string) (reference string) {
	s.Helper()
	v := s.visitorFrom(address)
	reference = v.send("GET", "/reports", "", "", headers...).Header.Get("X-Sallyport-Reference")
	s.stored(reference)
	return reference
}

// longSessions are such that moving the clock ends none.
func longSessions(d *gate.Door) {
	d.Rules.SecondFactor, d.Rules.Idle = gate.SecondFactorOff, 12*time.Hour
}

func attemptURL(reference string) string { return Prefix + attemptLink(reference) }

// saysAll checks that a page has sentences on it.
func saysAll(t testing.TB, page *html.Node, want ...string) {
	t.Helper()
	text := textOf(first(page, "main"))
	for _, sentence := range want {
		if !strings.Contains(text, sentence) {
			t.Errorf("no %q in %q", sentence, text)
		}
	}
}

// TestAttemptPage explains one refusal in both languages, to those who may know.
func TestAttemptPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	owner, reviewer, member := s.person("li.na", gate.RoleOwner), s.person("wu.min", gate.RoleReviewer), s.person("chen.jie", gate.RoleMember)
	must(s.AddNetwork(s.Context(), command, s.tenant.ID, gate.Draft{Range: "198.51.100.0/25", Label: "Branch", Enabled: true}, gate.EditOptions{}))
	s.later(time.Hour)
	must(s.RemoveNetwork(s.Context(), command, s.tenant.ID, "198.51.100.0/25", gate.EditOptions{}))
	must(s.AddNetwork(s.Context(), command, s.tenant.ID, gate.Draft{Range: "198.51.100.128/25", Label: "Next door", Enabled: true}, gate.EditOptions{}))
	s.later(time.Hour)
	reference := s.refused("10.0.0.9, 198.51.100.77, 127.0.0.1")
	page := attemptURL(reference)
	for _, l := range languages {
		shown := owner.get(page+"?lang="+l.Lang).shows(t, 200, l.T("attempt.title", "Ref", reference))
		saysAll(t, shown,
			l.T("dec.block"), l.T("explain.none", "V", 5, "IP", "198.51.100.77"),
			l.T("explain.mode", "Mode", l.T("mode.enforced"), "Time", l.minute(time.Date(2026, 11, 24, 14, 5, 0, 0, time.UTC))),
			l.T("explain.near", "Label", "Next door", "Net", "198.51.100.128/25", "B", 25, "V", 3, "Time", l.moment(time.Date(2026, 11, 24, 15, 5, 9, 0, time.UTC)).Text),
			l.T("explain.before.entry", "Label", "Branch", "Net", "198.51.100.0/25"),
			l.T("attempt.undo", "V", 4), l.T("attempt.allow"), l.T("explain.result.blocked"), "acme.example → Acme",
			l.T("explain.counts", "SignIns", "0", "Blocked", "1", "Refused", "0"),
		)
		var hops []string
		for n := range first(shown, "ol").Descendants() {
			if n.Data == "li" && n.Parent.Data == "ul" {
				hops = append(hops, textOf(n))
			}
		}
		for i, want := range []string{
			l.T("explain.hop.peer") + " 127.0.0.1 " + l.T("explain.hop.trusted"), "X-Forwarded-For 127.0.0.1 " + l.T("explain.hop.trusted"),
			"X-Forwarded-For 198.51.100.77 " + l.T("explain.hop.taken"),
		} {
			if hops[i] != want {
				t.Errorf("hop %d is %q, want %q", i+1, hops[i], want)
			}
		}
		if strings.Contains(textOf(first(shown, "ol")), "10.0.0.9") {
			t.Error("what stands before the visitor's address is shown as a hop")
		}
	}

	theirs := reviewer.get(page).shows(t, 200, english.T("attempt.title", "Ref", reference))
	saysAll(t, theirs, english.T("attempt.ask"), "li.na")
	for _, control := range []string{"/allow", "networks/restore"} {
		if strings.Contains(reviewer.get(page).body, control) {
			t.Errorf("a reviewer is shown %s", control)
		}
	}
	reviewer.get(page+"/allow").shows(t, 403, english.T("error.forbidden.title"))
	member.get(page).shows(t, 403, english.T("error.forbidden.title"))

	// The version that took the network away is undone as a draft.
	restore := owner.form(Prefix+restorePath, "version", "3")
	restore.leads(t, Prefix+draftPath+"?done=restored")
}

// TestAttemptWords: there is nothing that an attempt can be without a word for it.
func TestAttemptWords(t *testing.T) {
	for _, r := range gate.Reasons {
		for _, words := range []map[gate.Reason]string{reasonWords, reasonSentences} {
			if _, ok := english.find(words[r]); !ok {
				t.Errorf("%s has no words", r)
			}
		}
	}
	for _, o := range gate.Outcomes {
		if _, ok := english.find(outcomeWords[o].Word); !ok || resultWords[o] == "" {
			t.Errorf("%s has no words", o)
		}
	}
}

// TestAttemptStates: what an attempt can be beside a plain refusal.
func TestAttemptStates(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	owner := s.person("li.na", gate.RoleOwner)
	now := time.Unix(s.clock.Load(), 0)
	add := func(span string, enabled bool, from, until time.Time, people ...string) {
		t.Helper()
		d := gate.Draft{Range: span, Label: "Net " + span, Enabled: enabled, NotBefore: from, Expires: until, Admins: people}
		must(s.AddNetwork(s.Context(), command, s.tenant.ID, d, gate.EditOptions{}))
	}
	add("198.51.100.1", true, time.Time{}, now.Add(time.Minute))
	add("198.51.100.2", false, time.Time{}, time.Time{})
	add("198.51.100.3", true, now.Add(5*time.Hour), time.Time{})
	add("198.51.100.4", true, time.Time{}, time.Time{}, "li.na")
	s.person("wu.min", gate.RoleMember)
	s.later(3 * time.Hour)
	later := func(refused func() string) string { // not a repeat of the one before
		s.later(time.Minute)
		return refused()
	}
	outsider := s.visitorFrom("198.51.100.4")
	notFor := outsider.form(loginPath, "login", "wu.min", "password", newPassword).Header.Get("X-Sallyport-Reference")
	typo := s.visitor().form(loginPath, "login", "nobody.here", "password", "x").Header.Get("X-Sallyport-Reference")
	for name, c := range map[string]struct {
		reference string
		want      []string
	}{
		"expired":  {s.refused("198.51.100.1"), []string{"Blocked because “Net 198.51.100.1” (198.51.100.1), which contains 198.51.100.1, expired 2 hours ago."}},
		"off":      {s.refused("198.51.100.2"), []string{"Blocked because “Net 198.51.100.2” (198.51.100.2), which contains 198.51.100.2, is switched off."}},
		"later":    {s.refused("198.51.100.3"), []string{"only begins 24 Nov 2026, 19:05 UTC."}},
		"not for":  {notFor, []string{"Refused because “Net 198.51.100.4” (198.51.100.4), which contains 198.51.100.4, does not count for this person.", "wu.min", english.T("explain.seen.admin")}},
		"stranger": {typo, []string{english.T("explain.account_unknown"), english.T("explain.stranger.help"), english.T("dec.refused")}},
		"silent proxy": {s.refused(""), []string{
			english.T("explain.address_unknown"), english.T("explain.hop.silent"),
		}},
		"no address": {later(func() string { return s.refused("198.51.100.9, somewhere") }), []string{english.T("explain.address_unknown"), "X-Forwarded-For somewhere " + english.T("explain.hop.bad")}},
	} {
		t.Run(name, func(t *testing.T) {
			s.stored(c.reference)
			saysAll(t, owner.get(attemptURL(c.reference)).shows(t, 200, english.T("attempt.title", "Ref", c.reference)), c.want...)
		})
	}
	t.Run("dry run", func(t *testing.T) {
		list := must(s.Version(s.Context(), command, s.tenant.ID, 0))
		must(s.PutNetworks(s.Context(), command, gate.Edit{
			Tenant: s.tenant.ID, Base: list.Version, Mode: gate.ModeDryRun, Entries: gate.DraftsOf(list.Networks),
		}))
		s.later(time.Minute)
		s.visitorFrom("192.0.2.9").form(loginPath, "login", "li.na", "password", newPassword).leads(t, "/")
		found := must(s.Attempts(s.Context(), command, gate.AttemptFilter{Tenant: s.tenant.ID, Limit: 1}))
		saysAll(t, owner.get(attemptURL(found[0].Reference)).shows(t, 200, english.T("attempt.title", "Ref", found[0].Reference)),
			english.T("dec.dry"), "Let in only because the list was in dry run: no enabled network in version 7 contains 192.0.2.9.",
			english.T("explain.result.would_block"), english.T("mode.dry_run")+" (since 24 Nov 2026, 17:06 UTC)")
	})
}

// TestHostileAttempt: what a visitor makes up is text, and shows what it hides.
func TestHostileAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	owner := s.person("li.na", gate.RoleOwner)
	const agent = "<img src=x onerror=alert(1)>\u202egpj.exe\u2066 \x1b[31mred\x07 =cmd|' /C calc'!A0 \\n"
	visit := func(path string) string {
		q := &gate.Request{
			Host: "acme.example", Address: s.door.Source.Find("127.0.0.1:1", []string{"<b>\u202e, 198.51.100.9"}), Method: "GET", Path: path, UserAgent: agent,
		}
		dec := s.door.Decide(q)
		reference := s.door.Record(q, &dec)
		s.stored(reference)
		return reference
	}
	reference := visit("/<script>alert('1')</script>/\u200f\u0000\x9b")
	answer := owner.get(attemptURL(reference))
	page := answer.shows(t, 200, english.T("attempt.title", "Ref", reference))
	saysAll(t, page, `<img src=x onerror=alert(1)>\u202egpj.exe\u2066 \x1b[31mred\a =cmd|' /C calc'!A0 \\n`, `/<script>alert('1')</script>/\u200f`)
	for _, r := range answer.body {
		switch {
		case r == '\n', r == '→', r >= ' ' && r != 0x7f && !strings.ContainsRune("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c", r) && (r < 0x80 || r > 0x9f):
		default:
			t.Errorf("the page has the sign %U", r)
		}
	}
	if len(all(page, "img")) > 0 || strings.Contains(textOf(first(page, "head")), "alert") {
		t.Error("markup of a visitor is markup of the page")
	}
}

// TestFind types references, addresses and user names as people do.
func TestFind(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	owner, other := s.person("li.na", gate.RoleOwner), s.addTenant("globex", "Globex")
	s.person("sp-2000", gate.RoleMember)
	reference := s.refused("198.51.100.9")
	signs := reference[3:7] + reference[8:]
	find := func(typed string) response {
		return owner.get(Prefix + findPath + "?reference=" + url.QueryEscape(typed))
	}
	for _, typed := range []string{reference, strings.ToLower(reference), " " + signs + " ", "sp" + signs[:4] + " " + signs[4:], "SP–" + signs} {
		find(typed).leads(t, attemptURL(reference))
	}
	for typed, want := range map[string]string{
		"": "", "198.51.100.9": "?address=198.51.100.9", "198.51.100.77/24": "?address=198.51.100.0%2F24", "2001:DB8::1": "?address=2001%3Adb8%3A%3A1",
		"wu.min": "?login=wu.min", "sp-2000": "?login=sp-2000", "chenjie": "?login=chenjie", "li.na@acme.example": "?login=li.na%40acme.example",
	} {
		find(typed).leads(t, Prefix+securityPath+want)
	}
	for _, sloppy := range []string{strings.ToLower(signs), "sp " + signs, "SP-" + signs[:2] + "-" + signs[2:]} {
		owner.get(Prefix+securityPath+"/"+url.PathEscape(sloppy)).leads(t, attemptURL(reference))
	}

	// One sign is wrong, or two are in each other's place: the right one is
	// offered, from here or from the address itself.
	wrong := "SP-" + strings.Map(func(r rune) rune { return r }, otherSign(signs[:1])+signs[1:])
	for _, answer := range []response{find(wrong), owner.get(Prefix + securityPath + "/" + wrong)} {
		page := answer.shows(t, 404, english.T("attempt.unknown.title"))
		saysAll(t, page, english.T("ref.unknown"), english.T("ref.near"), reference)
		if got := attr(byID(page, "reference"), "value"); got != wrong {
			t.Errorf("the field has %q, want %q as it was typed", got, wrong)
		}
	}

	// Another tenant's reference is as unknown as one that nobody has.
	v := s.visitorFrom("198.51.100.9")
	v.host = "globex.example"
	theirs := v.get("/").Header.Get("X-Sallyport-Reference")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := s.Explain(s.Context(), command, other.ID, theirs); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	nobodys := auth.NewReference()
	one, two := owner.get(attemptURL(theirs)), owner.get(attemptURL(nobodys))
	one.shows(t, 404, english.T("attempt.unknown.title"))
	strip := func(r response, reference string) string {
		page := checkPage(t, r)
		return strings.ReplaceAll(textOf(first(page, "main")), reference, "")
	}
	if a, b := strip(one, theirs), strip(two, nobodys); a != b {
		t.Errorf("another tenant's: %q\nnobody's: %q", a, b)
	}
	mistyped := "SP-" + otherSign(theirs[3:4]) + theirs[4:]
	if body := owner.get(Prefix + securityPath + "/" + mistyped).body; strings.Contains(body, theirs) {
		t.Error("another tenant's reference is proposed")
	}
	v.host = "acme.example"
	if got := find("SP-" + strings.Repeat("7", 300)).StatusCode; got != http.StatusNotFound {
		t.Errorf("a long text: got %d", got)
	}
}

// otherSign is a sign that a reference can have, and not the one.
func otherSign(sign string) string {
	if sign == "7" {
		return "8"
	}
	return "7"
}
