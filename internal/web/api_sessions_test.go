package web

import (
	"slices"
	"testing"
)

func TestAPISessions(t *testing.T) {
	s := newAPISite(t)
	ids := map[string]string{}
	s.walk("reviewer", "sessions?limit=2", func(r row) {
		login := r["login"].(string)
		if ids[login] != "" {
			t.Errorf("%s is there twice", login)
		}
		ids[login] = r["id"].(string)
		if r["current"] != (login == "reviewer") || r["address"] != apiInside || r["started"] != "2026-11-24T12:00:00Z" ||
			r["expires"] != "2026-11-25T00:00:00Z" || r["user_agent"] != "test" {
			t.Errorf("got %v", r)
		}
	})
	if len(ids) != 3 {
		t.Errorf("reviewer sees %v, want owner, reviewer and member", ids)
	}
	var own list[row]
	s.get("member", "sessions", &own)
	if len(own.Items) != 1 || own.Items[0]["id"] != ids["member"] {
		t.Errorf("member sees %v, want its own session", own.Items)
	}
	s.refused(s.do("member", "DELETE", "sessions/"+ids["owner"], ""), 404, "not_found")
	s.refused(s.do("stranger", "DELETE", "sessions/"+ids["owner"], ""), 404, "not_found")
	s.refused(s.do("owner", "DELETE", "sessions/nothing", ""), 404, "not_found")
	if a := s.do("reviewer", "DELETE", "sessions/"+ids["owner"], ""); a.StatusCode != 204 || a.body != "" {
		t.Errorf("got %s %q, want 204", a.Status, a.body)
	}
	s.refused(s.do("owner", "GET", "me", ""), 401, "session_revoked")
	s.refused(s.do("reviewer", "DELETE", "sessions/"+ids["owner"], ""), 404, "not_found")
	if a := s.do("member", "DELETE", "sessions/"+ids["member"], ""); a.StatusCode != 204 {
		t.Errorf("own session: got %s", a.Status)
	}
	s.refused(s.do("member", "GET", "me", ""), 401, "session_revoked")
}

func TestAPIChanges(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"192.0.2.1","label":"Home"}`), 201, &row{})
	var rows []row
	s.walk("reviewer", "changes?limit=3", func(r row) { rows = append(rows, r) })
	newest := rows[0]
	if newest["action"] != "network.put" || newest["kind"] != "list" || newest["actor"] != "owner" || newest["actor_id"] == nil ||
		newest["address"] != apiInside || newest["version"] != 3.0 || newest["time"] != "2026-11-24T12:00:00Z" || len(newest["hash"].(string)) != 64 {
		t.Errorf("newest: got %v", newest)
	}
	entries, _ := newest["detail"].(map[string]any)["entries"].([]any)
	if len(entries) != 1 || entries[0].(map[string]any)["after"].(map[string]any)["range"] != "192.0.2.1" {
		t.Errorf("entries of the newest: got %v", newest["detail"])
	}
	var positions []int
	for _, r := range rows {
		positions = append(positions, int(r["position"].(float64)))
	}
	if len(positions) < 5 || !slices.IsSortedFunc(positions, func(a, b int) int { return b - a }) || len(slices.Compact(positions)) != len(rows) {
		t.Errorf("positions: got %v", positions)
	}
	oldest := rows[len(rows)-1]
	if oldest["action"] != "tenant.add" || oldest["actor"] != "test" || oldest["actor_id"] != nil || oldest["address"] != nil {
		t.Errorf("oldest: got %v", oldest)
	}
	for _, r := range rows {
		if r["subject"] == "" || r["actor"] == "stranger" {
			t.Errorf("got %v", r)
		}
	}
}
