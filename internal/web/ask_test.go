package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// blocked opens a page from outside and returns the reference it shows.
func (v *visitor) blocked(t *testing.T) string {
	t.Helper()
	r := v.get("/reports")
	r.shows(t, http.StatusForbidden, english.T("blocked.title"))
	return r.Header.Get("X-Sallyport-Reference")
}

// TestAskStory leads a visitor from the page that keeps it out to signing in,
// and out again when the time is over.
func TestAskStory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addAdmin("li.na")
	v := s.visitor()
	v.address = "198.51.100.7"
	reference := v.blocked(t)
	link := askPath + "?reference=" + reference
	if page := v.get("/reports"); !strings.Contains(page.body, `href="`+link+`"`) {
		t.Errorf("the page that keeps the visitor out does not lead to %s", link)
	}
	form := v.get(link)
	form.shows(t, http.StatusOK, english.T("request.title"))
	if !strings.Contains(form.body, `value="`+reference+`"`) {
		t.Error("the form does not know the reference")
	}

	bad := v.form(askPath, "reference", reference, "login", "li.na", "why", " ", "for", "8h")
	bad.shows(t, http.StatusUnprocessableEntity, english.T("request.title"))
	if !strings.Contains(bad.body, `value="li.na"`) || !strings.Contains(bad.body, english.T("request.reason.wrong", "N", gate.MaxWhy)) {
		t.Errorf("the form without a reason: %s", bad.body)
	}

	sent := v.form(askPath, "reference", strings.ToLower(reference), "login", "li.na", "why", "<b>at a customer</b>", "for", "8h")
	status := sent.Header.Get("Location")
	if sent.StatusCode != http.StatusSeeOther || !strings.HasPrefix(status, askPath+"/") || v.cookies[auth.AskCookie] == "" {
		t.Fatalf("sent: %d to %q, cookies %v", sent.StatusCode, status, v.cookies)
	}
	waiting := v.get(status)
	waiting.shows(t, http.StatusOK, english.T("request.waiting.title"))
	if got := waiting.Header.Get("Refresh"); got != askEvery {
		t.Errorf("Refresh is %q, want %q", got, askEvery)
	}
	v.form(askPath, "reference", reference, "login", "li.na", "why", "again", "for", "8h").leads(t, status+"?waiting=1")
	s.visitorFrom("198.51.100.7").get(status).shows(t, http.StatusForbidden, english.T("blocked.title")) // another browser

	id := strings.TrimPrefix(status, askPath+"/")
	if _, _, err := s.Approve(t.Context(), command, s.tenant.ID, id, gate.Answer{For: time.Hour, Note: "<i>welcome</i>"}); err != nil {
		t.Fatal(err)
	}
	approved := v.get(status)
	approved.shows(t, http.StatusOK, english.T("request.approved.title"))
	if !strings.Contains(approved.body, "24 Nov 2026, 15:05:09 UTC") || !strings.Contains(approved.body, "&lt;i&gt;welcome&lt;/i&gt;") {
		t.Errorf("approved: %s", approved.body)
	}
	if approved.Header.Get("Refresh") != "" {
		t.Error("the page still loads itself anew")
	}
	v.get(loginPath).shows(t, http.StatusOK, english.T("login.title", "Tenant", "Acme"))
	v.get(link).leads(t, "/")

	s.later(2 * time.Hour)
	v.blocked(t)
}

// visitorFrom is one more browser.
func (s *site) visitorFrom(address string) *visitor {
	v := s.visitor()
	v.address = address
	return v
}

// TestAskPages shows every state in every language.
func TestAskPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for state, answer := range map[gate.AskState]func(id string){
		gate.AskWaiting: func(string) {},
		gate.AskApproved: func(id string) {
			_, _, err := s.Approve(t.Context(), command, s.tenant.ID, id, gate.Answer{})
			if err != nil {
				t.Fatal(err)
			}
		},
		gate.AskDeclined: func(id string) { must(s.Decline(t.Context(), command, s.tenant.ID, id, "call me")) },
		gate.AskExpired:  func(string) { s.later(25 * time.Hour) },
	} {
		v := s.visitorFrom("198.51.100." + map[gate.AskState]string{gate.AskWaiting: "1", gate.AskApproved: "2", gate.AskDeclined: "3", gate.AskExpired: "4"}[state])
		reference := v.blocked(t)
		sent := v.form(askPath, "reference", reference, "login", "x", "why", "y", "for", "always")
		path := sent.Header.Get("Location")
		answer(strings.TrimPrefix(path, askPath+"/"))
		for _, l := range languages {
			v.get(path+"?lang="+l.Lang).shows(t, http.StatusOK, l.T(askTitles[state]))
		}
	}
}

// TestAskAPI asks and answers as programs do.
func TestAskAPI(t *testing.T) {
	s := newAPISite(t)
	out := []string{"X-Forwarded-For", apiOutside}
	blocked := s.do("", "GET", "me", "", out...)
	reference := blocked.Header.Get("X-Sallyport-Reference")
	body := `{"reference":"` + reference + `","login":"owner","why":"at a customer","for":"1d"}`
	var asked row
	answer := s.do("", "POST", "requests", body, out...)
	s.ok(answer, http.StatusCreated, &asked)
	if asked["state"] != "waiting" || asked["reference"] != reference {
		t.Errorf("asked: %+v", asked)
	}
	id := asked["id"].(string)
	cookie := answer.Cookies()[0]
	if cookie.Name != auth.AskCookie || !cookie.HttpOnly || !cookie.Secure {
		t.Errorf("cookie: %v", cookie)
	}
	mine := append([]string{"Cookie", auth.AskCookie + "=" + cookie.Value}, out...)
	var seen row
	s.ok(s.do("", "GET", "requests/"+id, "", mine...), http.StatusOK, &seen)
	if len(seen) != 7 || seen["state"] != "waiting" {
		t.Errorf("what the asker sees: %v", seen)
	}

	s.refused(s.do("", "GET", "requests/"+id, "", out...), http.StatusForbidden, "outside_networks")
	s.refused(s.do("", "GET", "requests", "", out...), http.StatusForbidden, "outside_networks")
	s.refused(s.do("", "POST", "requests/"+id+"/approve", `{}`, out...), http.StatusForbidden, "outside_networks")
	s.refused(s.do("", "POST", "requests/"+id+"/approve", `{}`, mine...), http.StatusForbidden, "outside_networks")
	s.refused(s.do("", "GET", "requests", ""), http.StatusUnauthorized, "no_session")
	s.refused(s.do("member", "GET", "requests", ""), http.StatusForbidden, "forbidden")
	s.refused(s.do("stranger", "GET", "requests/"+id, ""), http.StatusNotFound, "not_found")
	s.refused(s.do("stranger", "POST", "requests/"+id+"/approve", `{}`), http.StatusNotFound, "not_found")
	s.refused(s.do("owner", "GET", "requests?state=open", ""), http.StatusBadRequest, "malformed", "state unknown")
	s.refused(s.do("", "POST", "requests", body, append(mine, "Sec-Fetch-Site", "cross-site")...), http.StatusForbidden, "cross_origin")

	again := s.refused(s.do("", "POST", "requests", body, mine...), http.StatusConflict, "request_waiting")
	if theirs, _ := json.Marshal(again.Theirs); !strings.Contains(string(theirs), id) {
		t.Errorf("theirs: %s", theirs)
	}
	s.refused(s.do("", "POST", "requests", body), http.StatusConflict, "request_not_needed")
	s.refused(s.do("", "POST", "requests", `{"reference":"x","login":"","why":"","for":"8 h"}`, out...), http.StatusUnprocessableEntity, "invalid", "for invalid")
	s.refused(s.do("", "POST", "requests", `{"reference":"x","login":"","why":""}`, out...), http.StatusUnprocessableEntity, "invalid",
		"reference invalid", "login required", "why required")

	var inbox list[row]
	s.get("reviewer", "requests?state=waiting", &inbox)
	if len(inbox.Items) != 1 || inbox.Items[0]["admin_id"] == nil || inbox.Items[0]["for"] != "1d" || inbox.Items[0]["address"] != apiOutside {
		t.Fatalf("inbox: %+v", inbox.Items)
	}
	var proposed row
	s.ok(s.do("reviewer", "POST", "requests/"+id+"/approve", `{"for":"2h","note":"known"}`), http.StatusOK, &proposed)
	if by, _ := proposed["proposal"].(map[string]any); proposed["state"] != "waiting" || by["for"] != "2h" || by["by"] != "reviewer" || proposed["version"] != nil {
		t.Errorf("proposed: %+v", proposed)
	}
	s.ok(s.do("", "GET", "requests/"+id, "", mine...), http.StatusOK, &seen)
	if seen["note"] != "" || seen["state"] != "waiting" {
		t.Errorf("the asker reads the proposal: %v", seen)
	}
	s.refused(s.do("owner", "POST", "requests/"+id+"/approve", `{"for":"400d"}`), http.StatusUnprocessableEntity, "invalid", "for out_of_range")
	s.refused(s.do("owner", "POST", "requests/"+id+"/approve", `{"for":"8"}`), http.StatusUnprocessableEntity, "invalid", "for invalid")
	var approved row
	s.ok(s.do("owner", "POST", "requests/"+id+"/approve", `{}`), http.StatusOK, &approved)
	if approved["state"] != "approved" || approved["version"] == nil || approved["entry"] == nil || approved["until"] != "2026-11-25T12:00:00Z" {
		t.Errorf("approved: %+v", approved)
	}
	s.refused(s.do("owner", "POST", "requests/"+id+"/decline", `{}`), http.StatusConflict, "request_answered")
}
