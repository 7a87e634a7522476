package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestRequestsPage answers requests as people do: a reviewer proposes, an owner
// allows and declines, and a note that is too long loses nothing.
func TestRequestsPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) { d.Rules.SecondFactor = gate.SecondFactorOff })
	owner, reviewer := s.person("li.na", gate.RoleOwner), s.person("wu.min", gate.RoleReviewer)
	member := s.person("chen.jie", gate.RoleMember)
	page := Prefix + "requests"
	owner.get(page).shows(t, http.StatusOK, english.T("requests.title"))
	member.get(page).shows(t, http.StatusForbidden, english.T("error.forbidden.title"))

	ids := map[string]string{}
	for address, login := range map[string]string{"198.51.100.7": "chen.jie", "198.51.100.8": "<script>alert(1)</script>"} {
		v := s.visitorFrom(address)
		sent := v.form(askPath, "reference", v.blocked(t), "login", login, "why", "at <b>a customer</b>", "for", "1d")
		ids[login] = strings.TrimPrefix(sent.Header.Get("Location"), askPath+"/")
	}
	known, unknown := page+"/"+ids["chen.jie"], page+"/"+ids["<script>alert(1)</script>"]

	inbox := reviewer.get(page)
	inbox.shows(t, http.StatusOK, english.T("requests.title"))
	for _, want := range []string{english.T("requests.known"), english.T("requests.unknown"), english.T("requests.propose"), "&lt;b&gt;", "&lt;script&gt;"} {
		if !strings.Contains(inbox.body, want) {
			t.Errorf("the inbox does not say %q", want)
		}
	}
	reviewer.form(known+"/approve", "for", "8h", "note", "my colleague").leads(t, page+"?done=request_proposed")
	if body := owner.get(page).body; !strings.Contains(body, english.T("requests.proposal", "Who", "wu.min", "Time", "8 hours")) || !strings.Contains(body, "my colleague") {
		t.Error("the owner does not see the proposal")
	}

	long := owner.form(known+"/approve", "for", "8h", "note", strings.Repeat("x", gate.MaxWhy+1))
	long.shows(t, http.StatusUnprocessableEntity, english.T("requests.title"))
	if !strings.Contains(long.body, english.T("requests.wrong.note", "N", gate.MaxWhy)) {
		t.Error("nothing is said of a note that is too long")
	}
	owner.form(known+"/approve", "for", "tomorrow", "note", "").shows(t, http.StatusUnprocessableEntity, english.T("requests.title"))
	owner.form(known+"/approve", "for", "8h", "note", "welcome").leads(t, page+"?done=request_approved")
	owner.form(unknown+"/decline", "for", "8h", "note", "").leads(t, page+"?done=request_declined")
	owner.form(unknown+"/decline", "for", "8h", "note", "").shows(t, http.StatusConflict, english.T("error.conflict.title"))
	owner.form(page+"/nothing/approve", "for", "8h", "note", "").shows(t, http.StatusNotFound, english.T("error.not_found.title"))
	member.form(unknown+"/approve", "for", "8h", "note", "").shows(t, http.StatusForbidden, english.T("error.forbidden.title"))

	s.visitorFrom("198.51.100.7").get(loginPath).shows(t, http.StatusOK, english.T("login.title", "Tenant", "Acme"))
	s.visitorFrom("198.51.100.8").blocked(t)
	for _, l := range languages {
		answered := owner.get(page+"?lang="+l.Lang).shows(t, http.StatusOK, l.T("requests.title"))
		rows := 0
		for n := range answered.Descendants() {
			if n.Type == html.ElementNode && n.Data == "tr" {
				rows++
			}
		}
		if rows != 3 {
			t.Errorf("%s: %d rows, want a heading and two answers", l.Lang, rows)
		}
	}
	s.later(9 * time.Hour)
	s.visitorFrom("198.51.100.7").blocked(t)
}

// person is the browser of somebody who is signed in from inside.
func (s *site) person(login string, role gate.Role) *visitor {
	s.Helper()
	n := gate.NewAdmin{Login: login, Role: role, Password: firstPassword}
	if _, _, err := s.AddAdmin(s.Context(), command, s.tenant.ID, n); err != nil {
		s.Fatal(err)
	}
	v := s.visitor()
	v.form(loginPath, "login", login, "password", firstPassword).leads(s, passwordPath)
	v.form(passwordPath, "current", firstPassword, "password", newPassword).leads(s, "/")
	return v
}
