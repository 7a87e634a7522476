package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// look shows a page of the console to somebody, which has to be in good order.
func (s *apiSite) look(as, path string) (*html.Node, response) {
	s.Helper()
	a := s.page(as, path)
	return checkPage(s.T, a), a
}

// went checks that a form sent the browser on to a page.
func (s *apiSite) went(a response, to string) {
	s.Helper()
	if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != Prefix+to {
		s.Errorf("got %s to %q, want 303 to %q\n%s", a.Status, got, Prefix+to, a.body)
	}
}

func (s *apiSite) says(page *html.Node, sentences ...string) {
	s.Helper()
	text := strings.Join(strings.Fields(textOf(page)), " ")
	for _, sentence := range sentences {
		if !strings.Contains(text, sentence) {
			s.Errorf("the page does not say %q: %s", sentence, text)
		}
	}
}

func TestPeoplePages(t *testing.T) {
	s := newAPISite(t)
	page, _ := s.look("owner", "people")
	s.says(page, "People", "owner (you)", "Password only", "Covered by HQ")
	s.look("owner", "people/invite")
	a := s.post("owner", "people/invite", "login", " ", "name", "Wu", "role", "king")
	page = checkPage(t, a)
	s.says(page, "Write a username or email", "Choose a role.")
	if a.StatusCode != 422 || !strings.Contains(a.body, `value="Wu"`) {
		t.Errorf("got %s, want what was typed once more", a.Status)
	}
	a = s.post("owner", "people/invite", "login", "OWNER", "role", "member")
	s.says(checkPage(t, a), "Somebody has this username already.")
	a = s.post("owner", "people/invite", "login", "wu.min", "name", "Wu Min", "role", "member")
	page = checkPage(t, a)
	s.says(page, "The invitation is ready", "It is shown this once.")
	if !strings.Contains(a.body, `value="https://acme.example/_sallyport/invite?token=spi_`) {
		t.Errorf("the link is not there: %s", a.body)
	}
	var all list[row]
	s.get("owner", "admins", &all)
	i := slices.IndexFunc(all.Items, func(r row) bool { return r["login"] == "wu.min" })
	id := all.Items[i]["id"].(string)
	page, _ = s.look("owner", "people")
	s.says(page, "Wu Min", "Invited, 1 day left", "Nothing yet", "Not known")
	page, _ = s.look("owner", "people/"+id)
	s.says(page, "wu.min", "Reset the password", "Disable", "Remove")
	s.went(s.post("owner", "people/"+id, "name", "Wu", "role", "reviewer"), "people/"+id+"?done=person_set")
	s.went(s.post("owner", "people/"+id, "do", "disable"), "people/"+id+"?done=person_disabled")
	page, _ = s.look("owner", "people/"+id+"?done=person_disabled")
	s.says(page, "Disabled. All sessions have ended.", "Enable")
	a = s.post("owner", "people/"+id, "do", "password")
	s.says(checkPage(t, a), "Enable the account first")
	s.went(s.post("owner", "people/"+id, "do", "enable"), "people/"+id+"?done=person_enabled")
	a = s.post("owner", "people/"+id, "do", "password")
	s.says(checkPage(t, a), "The invitation is ready")
	s.went(s.post("owner", "people/"+id, "do", "sign_out"), "people/"+id+"?done=person_signed_out")
	s.went(s.post("owner", "people/"+id, "do", "remove"), "people?done=person_removed")
	if a := s.post("owner", "people/"+id, "do", "remove"); a.StatusCode != 404 {
		t.Errorf("removed twice: got %s", a.Status)
	}
	me := s.actorOf("owner").Admin
	a = s.post("owner", "people/"+me, "do", "disable")
	if checkPage(t, a); a.StatusCode != 409 {
		t.Errorf("the last owner: got %s", a.Status)
	}
	if a := s.post("owner", "people/"+me, "do", "everything"); a.StatusCode != 400 {
		t.Errorf("no such button: got %s", a.Status)
	}
}

func TestSessionsPage(t *testing.T) {
	s := newAPISite(t)
	page, _ := s.look("reviewer", "sessions")
	s.says(page, "Sessions", "This session", "owner", "member", "End all except mine", "HQ")
	page, _ = s.look("member", "sessions")
	if text := textOf(page); strings.Contains(text, "owner") || strings.Contains(text, "HQ") && !strings.Contains(text, "You:") {
		t.Errorf("a member sees %s", text)
	}
	var all list[row]
	s.get("reviewer", "sessions", &all)
	ids := map[string]string{}
	for _, n := range all.Items {
		ids[n["login"].(string)] = n["id"].(string)
	}
	if a := s.post("member", "sessions/"+ids["owner"]); a.StatusCode != 404 {
		t.Errorf("somebody else's, as member: got %s", a.Status)
	}
	s.went(s.post("reviewer", "sessions/"+ids["member"]), "sessions?done=session_ended")
	s.refused(s.do("member", "GET", "me", ""), 401, "session_revoked")
	s.went(s.post("reviewer", "sessions"), "sessions?done=sessions_ended")
	s.refused(s.do("owner", "GET", "me", ""), 401, "session_revoked")
	page, _ = s.look("reviewer", "sessions")
	if strings.Contains(textOf(page), "End all") {
		t.Error("there is nothing more to end")
	}
}

// TestQuestions: whatever cannot simply be taken back asks first, and looking at
// the question does nothing.
func TestQuestions(t *testing.T) {
	s := newAPISite(t)
	owner, member := s.actorOf("owner").Admin, s.actorOf("member").Admin
	var sessions list[row]
	s.get("owner", "sessions", &sessions)
	ids := map[string]string{}
	for _, n := range sessions.Items {
		ids[n["login"].(string)] = n["id"].(string)
	}
	s.post("owner", "tokens/new", "name", "backup", "scopes", "networks:read", "ends", "never")
	var tokens list[row]
	s.get("owner", "tokens", &tokens)
	for path, says := range map[string][]string{
		"people/" + member + "?do=disable":         {"Disable member?", "all sessions end", "Cancel"},
		"people/" + member + "?do=remove":          {"Remove member?", "Gone for good"},
		"people/" + member + "?do=sign_out":        {"Sign out member everywhere?"},
		"people/" + member + "?do=password":        {"Reset the password of member?"},
		"people/" + owner + "?do=disable":          {"Disable owner?", "This is you."},
		"sessions/all":                             {"End all sessions except yours?"},
		"sessions/" + ids["member"]:                {"End the session of member?", "Reason"},
		"tokens/" + tokens.Items[0]["id"].(string): {"Remove the token backup?"},
	} {
		page, _ := s.look("owner", path)
		s.says(page, says...)
	}
	page, _ := s.look("owner", "sessions/"+ids["owner"])
	if strings.Contains(textOf(page), "Reason") {
		t.Error("one is asked why one ends one's own session")
	}
	page, _ = s.look("member", "sessions/all")
	s.says(page, "End your other sessions?")
	for _, path := range []string{"people/" + member + "?do=enable", "people/" + member + "?do=everything", "tokens/none", "sessions/none"} {
		if a := s.send("owner", "GET", Prefix+path, "", "Accept", browserAccept); a.StatusCode != 404 {
			t.Errorf("%s: got %s, want 404", path, a.Status)
		}
	}
	var after list[row]
	s.get("owner", "sessions", &after)
	if len(after.Items) != len(sessions.Items) {
		t.Errorf("after the questions there are %d sessions, before %d", len(after.Items), len(sessions.Items))
	}
}

// TestEndedByAnAdministrator: the reason goes into the change log, whose session
// it was learns that an administrator ended it, and who ends the own does not.
func TestEndedByAnAdministrator(t *testing.T) {
	s := newAPISite(t)
	const reason = "the laptop is lost"
	id := func(as string) string {
		var me row
		s.get(as, "me", &me)
		return me["session"].(map[string]any)["id"].(string)
	}
	member, reviewer := "sessions/"+id("member"), "sessions/"+id("reviewer")
	a := s.post("owner", member, "reason", strings.Repeat("长", gate.MaxWhy+1))
	s.says(checkPage(t, a), "Write at most 280 characters")
	s.refused(s.do("owner", "DELETE", reviewer+"?reason="+strings.Repeat("x", gate.MaxWhy+1), ""), 422, "invalid", "reason too_long")
	s.went(s.post("owner", member, "reason", reason), "sessions?done=session_ended")
	if a := s.do("owner", "DELETE", reviewer+"?reason=moved", ""); a.StatusCode != 204 {
		t.Errorf("ending by the API: got %s", a.Status)
	}
	page, _ := s.look("owner", "audit?kind=session")
	s.says(page, "Ended a session", "Reason: "+reason, "Reason: moved")
	for _, as := range []string{"member", "reviewer"} {
		a = s.browser(as, "GET", "login?reason=session_revoked", nil)
		if text := textOf(checkPage(t, a)); !strings.Contains(text, "An administrator ended this session.") || strings.Contains(a.body, reason) {
			t.Errorf("%s is told %s", as, text)
		}
	}
	if a := s.send("owner", "POST", logoutPath, "", "Accept", browserAccept); a.StatusCode != 303 {
		t.Fatalf("signing out: got %s", a.Status)
	}
	a = s.browser("owner", "GET", "login?reason=session_revoked", nil)
	if text := textOf(checkPage(t, a)); strings.Contains(text, "An administrator ended this session.") || !strings.Contains(text, "by a sign-out") {
		t.Errorf("who signed out is told %s", text)
	}
}

func TestBrowserOf(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36":                   "Chrome 156 · macOS",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/155.0.0.0 Safari/537.36 Edg/155.0.0.0":           "Edge 155 · Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1": "Safari 19 · iOS",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox 140 · Linux",
		"curl/8.5.0": "curl 8", "": "", "robot": "robot", "Chrome/" + strings.Repeat("9", 50): "Chrome", strings.Repeat("x", 500): strings.Repeat("x", 80) + "…",
	} {
		if got := browserOf(agent); got != want {
			t.Errorf("%.60q: got %q, want %q", agent, got, want)
		}
	}
}

func TestTokenPages(t *testing.T) {
	s := newAPISite(t)
	for _, path := range []string{"tokens", "tokens/new", alertsPath} {
		page, _ := s.look("owner", path)
		current := find1(page, func(n *html.Node) bool { return n.Data == "a" && attr(n, "aria-current") == "page" })
		if current == nil || textOf(current) != "Policy" {
			t.Errorf("the navigation does not lead from Policy to %s", path)
		}
	}
	page, _ := s.look("owner", "tokens")
	s.says(page, "API tokens", "There are no tokens yet.")
	s.look("owner", "tokens/new")
	a := s.post("owner", "tokens/new", "name", "", "networks", "192.0.2.1\nx", "ends", "never")
	s.says(checkPage(t, a), "A name has 1 to 60 characters", "Choose what the token may do.", "Entry 2 is no address")
	a = s.post("owner", "tokens/new", "name", "backup", "scopes", "networks:read", "scopes", "attempts:read", "networks", "198.51.100.7, 2001:db8::/64", "ends", "720h")
	page = checkPage(t, a)
	s.says(page, "The token is ready", "This is backup.")
	_, rest, _ := strings.Cut(a.body, `value="spt_`)
	secret, _, _ := strings.Cut(rest, `"`)
	s.bearers["backup"] = "spt_" + secret
	var me row
	s.ok(s.bearing("backup", "GET", "me", "", "X-Forwarded-For", apiOutside), 200, &me)
	page, a = s.look("owner", "tokens")
	s.says(page, "backup", "networks:read", "2001:db8::/64", "24 Dec 2026")
	if strings.Contains(a.body, secret) {
		t.Error("the token is shown again")
	}
	a = s.post("owner", "tokens/new", "name", "backup", "scopes", "networks:read", "ends", "never")
	s.says(checkPage(t, a), "There is a token of this name already.")
	var all list[row]
	s.get("owner", "tokens", &all)
	s.went(s.post("owner", "tokens/"+all.Items[0]["id"].(string)), "tokens?done=token_removed")
	s.refused(s.bearing("backup", "GET", "me", ""), 401, "bad_credentials")
}

// What was erased is a word in every place, and never what stands for it.
func TestAuditPageSaysErased(t *testing.T) {
	s := newAPISite(t)
	s.post("owner", "people/invite", "login", "wu.min", "name", "Wu Min", "role", "member")
	if err := s.RemoveAdmin(s.ctx, apiCommand, s.acme.ID, "wu.min"); err != nil {
		t.Fatal(err)
	}
	done, err := s.EraseSubject(s.ctx, apiCommand, s.acme, "wu.min", false)
	if err != nil || done.Erased.Texts != 4 {
		t.Fatalf("got %+v, %v; want 4 texts", done, err)
	}
	page, a := s.look("reviewer", "audit")
	s.says(page, "Name: erased", "Username: erased", "Erased what was recorded of a person")
	for i := 0; i < 200 && !strings.Contains(textOf(page), "verified just"); i++ {
		page, _ = s.look("reviewer", "audit")
	}
	s.says(page, "changes hold, 4 texts in them were erased; verified just now")
	page, _ = s.look("reviewer", "audit?lang=zh-CN")
	s.says(page, "已清除", "清除了某人的个人数据", "其中 4 处文字已清除")
	var all list[row]
	s.get("reviewer", "changes?kind=admin&limit=1", &all)
	if got := fmt.Sprint(all.Items[0]["erased"]); got != "[/detail/before/login /detail/before/name]" {
		t.Errorf("erased: got %s", got)
	}
	if file := s.send("reviewer", "GET", Prefix+"audit/download", "").body; strings.Contains(a.body+file, "wu.min") {
		t.Error("the login is still there")
	}
}

func TestAuditPage(t *testing.T) {
	s := newAPISite(t)
	s.post("owner", "people/invite", "login", "wu.min", "name", "<b>Wu</b>", "role", "member")
	page, a := s.look("reviewer", "audit")
	s.says(page, "Change log", "Invited a person", "Name: <b>Wu</b>", "Role: Member", "Password: none", "Changed the own password", "first password → own password")
	if strings.Contains(a.body, "<b>Wu") {
		t.Error("a name is not escaped")
	}
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"192.0.2.1","label":"<i>Home"}`), 201, &row{})
	page, a = s.look("reviewer", "audit?kind=list")
	s.says(page, "Changed the list version 3", "Added 192.0.2.1 <i>Home", "What version 3 changed")
	if strings.Contains(a.body, "<i>") {
		t.Error("a label is not escaped")
	}
	s.ok(s.do("owner", "DELETE", "networks/entries/192.0.2.1", ""), 200, &row{})
	page, _ = s.look("reviewer", "audit?kind=list")
	s.says(page, "Removed 192.0.2.1 <i>Home")
	page, _ = s.look("reviewer", "audit?kind=token")
	s.says(page, "No change matches.")
	page, _ = s.look("reviewer", "audit?kind=admin&actor=owner")
	if text := textOf(page); strings.Contains(text, "test") && strings.Contains(text, "Added a person") {
		t.Errorf("somebody else's change is there: %s", text)
	}
	for range 200 { // until it is verified
		page, _ = s.look("reviewer", "audit")
		if strings.Contains(textOf(page), "verified just") {
			break
		}
	}
	s.says(page, "changes hold; verified just now")
	s.went(s.post("reviewer", "audit/verify"), "audit?done=verifying")
	file := s.send("reviewer", "GET", Prefix+"audit/download", "")
	found, err := gate.VerifyChangeFile(strings.NewReader(file.body))
	if err != nil || found.Verified < 5 || file.Header.Get("Content-Disposition") != `attachment; filename="acme-changes.jsonl"` {
		t.Errorf("the file: got %+v, %v, %v", found, err, file.Header)
	}
	page, _ = s.look("owner", "audit?lang=zh-CN")
	s.says(page, "变更日志", "邀请了人员")
}
