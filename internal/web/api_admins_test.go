package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestAPIAdmins(t *testing.T) {
	s := newAPISite(t)
	var made row
	s.ok(s.do("owner", "POST", "admins", `{"login":"wu.min","name":"Wu Min","role":"member"}`), 201, &made)
	invitation := made["invitation"].(map[string]any)
	link := must(url.Parse(invitation["url"].(string)))
	if link.Scheme != "https" || link.Host != "acme.example" || link.Path != invitePath || !strings.HasPrefix(link.Query().Get("token"), "spi_") ||
		invitation["expires"] != "2026-11-25T12:00:00Z" || made["password"] != false || made["invited_until"] != invitation["expires"] {
		t.Errorf("got %v", made)
	}
	id := made["id"].(string)
	var all list[row]
	s.get("owner", "admins", &all)
	if len(all.Items) != 4 || strings.Contains(jsonText(all), "spi_") {
		t.Errorf("got %v, want four people and no link", all)
	}
	s.refused(s.do("owner", "POST", "admins", `{"login":"WU.MIN","role":"member"}`), 409, "exists")
	s.refused(s.do("owner", "POST", "admins", `{"login":"","role":"king"}`), 422, "invalid", "login invalid", "role unknown")

	var now row
	s.ok(s.do("owner", "PATCH", "admins/"+id, `{"name":"Wu","role":"reviewer"}`), 200, &now)
	if now["name"] != "Wu" || now["role"] != "reviewer" || now["invitation"] != nil {
		t.Errorf("got %v", now)
	}
	s.ok(s.do("owner", "PATCH", "admins/"+id, `{"reset":["password","second_factor"],"sign_out":true}`), 200, &now)
	if again := now["invitation"].(map[string]any); again["url"] == invitation["url"] {
		t.Error("the new link is the old one")
	}
	s.refused(s.do("owner", "PATCH", "admins/"+id, `{"reset":["everything"]}`), 422, "invalid", "reset[0] unknown")
	s.ok(s.do("owner", "PATCH", "admins/"+id, `{"disabled":true}`), 200, &now)
	if now["disabled"] != true || now["invited_until"] != nil {
		t.Errorf("got %v", now)
	}
	s.refused(s.do("owner", "PATCH", "admins/"+id, `{"reset":["password"]}`), 422, "invalid", "reset disabled")
	s.refused(s.do("owner", "PATCH", "admins/wu.min", `{"disabled":false}`), 404, "not_found") // ids, not logins
	s.refused(s.do("owner", "DELETE", "admins/wu.min", ""), 404, "not_found")

	me := s.actorOf("owner").Admin
	for body, what := range map[string]string{`{"role":"member"}`: "demoted", `{"disabled":true}`: "disabled", `{"reset":["password"]}`: "reset"} {
		if a := s.do("owner", "PATCH", "admins/"+me, body); a.StatusCode != 409 {
			t.Errorf("the last owner %s: got %s %s", what, a.Status, a.body)
		}
	}
	s.refused(s.do("owner", "DELETE", "admins/"+me, ""), 409, "last_owner")
	if a := s.do("owner", "DELETE", "admins/"+id, ""); a.StatusCode != 204 {
		t.Errorf("got %s %s", a.Status, a.body)
	}
	s.refused(s.do("owner", "GET", "admins/"+id, ""), 404, "not_found")
}

func TestAPIEndSessions(t *testing.T) {
	s := newAPISite(t)
	var ended struct{ Ended int64 }
	s.ok(s.do("reviewer", "DELETE", "sessions", ""), 200, &ended)
	if ended.Ended != 2 {
		t.Errorf("got %d, want the owner's and the member's", ended.Ended)
	}
	s.refused(s.do("owner", "GET", "me", ""), 401, "session_revoked")
	if a := s.do("reviewer", "GET", "me", ""); a.StatusCode != 200 {
		t.Errorf("its own: got %s", a.Status)
	}
}

func TestAPIChangesAreFiltered(t *testing.T) {
	s := newAPISite(t)
	var made row
	s.ok(s.do("owner", "POST", "admins", `{"login":"wu.min","role":"member"}`), 201, &made)
	for query, want := range map[string]int{"kind=admin&actor=owner": 2, "kind=token": 0, "actor=nobody": 0} { // one is its own password
		var found list[row]
		s.get("reviewer", "changes?"+query, &found)
		if len(found.Items) != want {
			t.Errorf("%s: got %d, want %d: %v", query, len(found.Items), want, found.Items)
		}
	}
	s.ok(s.do("owner", "POST", "admins", `{"login":"zhao","role":"member"}`), 201, &made)
	var newest list[row]
	s.get("reviewer", "changes?limit=2", &newest)
	if newest.Items[0]["before"] != newest.Items[1]["hash"] {
		t.Errorf("got %v", newest.Items)
	}
	s.refused(s.do("owner", "GET", "changes?kind=everything", ""), 400, "malformed", "kind unknown")
}
