package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
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

// TestManyRequests: the inbox shows some at a time, the newest first, and the
// navigation how many there are.
func TestManyRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) { d.Rules.SecondFactor = gate.SecondFactorOff })
	owner := s.person("li.na", gate.RoleOwner)
	const many = waitingMost + 3
	for i := range many {
		r := gate.AccessRequest{
			ID: fmt.Sprintf("R%02d", i), Tenant: s.tenant.ID, Reference: "SP-0000-0000", Address: netip.MustParseAddr("198.51.100.7"), Login: "wu.min",
			Why: "why", For: time.Hour, Made: time.Unix(s.clock.Load()+int64(i), 0).UTC(), Browser: []byte{byte(i)}, State: gate.AskWaiting,
		}
		must(s.store.AddAsk(t.Context(), gate.Record{Action: "request.add", At: r.Made}, r, many))
	}
	if _, err := s.Decline(t.Context(), command, s.tenant.ID, "R00", ""); err != nil { // brings this node up to date
		t.Fatal(err)
	}
	s.later(time.Minute)
	cards := func(path string) (ids []string, page *html.Node) {
		t.Helper()
		page = owner.get(path).shows(t, http.StatusOK, english.T("requests.title"))
		for _, n := range all(page, "article") {
			ids = append(ids, strings.TrimPrefix(attr(n, "aria-labelledby"), "request-"))
		}
		return ids, page
	}
	ids, page := cards(Prefix + "requests")
	if len(ids) != waitingMost || ids[0] != "R22" {
		t.Errorf("the first page has %d cards from %s on", len(ids), ids[0])
	}
	if text := textOf(first(page, "nav")) + textOf(page); !strings.Contains(text, "Requests 22") {
		t.Errorf("the navigation does not say how many there are: %s", text)
	}
	older := find1(page, func(n *html.Node) bool { return attr(n, "rel") == "next" })
	ids, _ = cards(attr(older, "href"))
	if !slices.Equal(ids, []string{"R02", "R01"}) {
		t.Errorf("the second page has %v", ids)
	}
	wrong := owner.form(Prefix+"requests/R01/approve", "for", "8h", "note", strings.Repeat("x", gate.MaxWhy+1))
	page = wrong.shows(t, http.StatusUnprocessableEntity, english.T("requests.title"))
	if id := attr(first(page, "article"), "aria-labelledby"); id != "request-R01" {
		t.Errorf("what is wrong with R01 is said on a page that begins with %s", id)
	}
	owner.get(Prefix+"requests?before=x").shows(t, http.StatusNotFound, english.T("error.not_found.title"))
}
