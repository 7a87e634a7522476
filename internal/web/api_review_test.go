package web

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestAPIReview asks what a list would do. The owner and two others signed in
// from 203.0.113.0/24 when the site was made.
func TestAPIReview(t *testing.T) {
	s := newAPISite(t)
	const review = "networks/review"
	send := func(version int, mode, entries string) string {
		return fmt.Sprintf(`{"base_version": %d, "mode": %q, "entries": [%s]}`, version, mode, entries)
	}
	var got map[string]json.RawMessage
	half := `{"range": "203.0.113.0/29", "label": "HQ"}, {"range": "192.168.0.0/24", "label": "LAN"}`
	s.ok(s.do("owner", "POST", review, send(2, "enforced", half)), 200, &got)
	for name, want := range map[string]string{
		"base_version": "2", "mode_before": `"enforced"`, "mode": `"enforced"`, "sessions_ending": "0", "ending": "[]",
		"warnings": `[{"field":"entries[1].range","code":"private","message":"192.168.0.0/24 is private: visitors from the internet never have such an address, unless your proxy is set up that way"}]`,
	} {
		if string(got[name]) != want {
			t.Errorf("%s: got %s, want %s", name, got[name], want)
		}
	}
	var replay struct {
		Days         int
		Complete     bool
		SignIns      int `json:"sign_ins"`
		People       int `json:"people"`
		StillAllowed int `json:"still_allowed"`
	}
	s.decode(got["replay"], &replay)
	if replay.Days != 30 || !replay.Complete || replay.SignIns != 3 || replay.People != 3 || replay.StillAllowed != 3 {
		t.Errorf("got %s", got["replay"])
	}
	var changes []struct{ Change string }
	s.decode(got["changes"], &changes)
	if len(changes) != 3 || changes[0].Change != "added" || changes[2].Change != "removed" {
		t.Errorf("got %s", got["changes"])
	}

	s.ok(s.do("owner", "POST", review, send(2, "enforced", `{"range": "198.51.100.0/24", "label": "Home"}`)), 200, &got)
	var lists struct {
		NewlyBlocked []struct {
			Admin   row
			Address string
			Count   int
			Last    string
		} `json:"newly_blocked"`
		Unknown []row `json:"unknown_people"`
	}
	s.decode(got["replay"], &lists)
	if len(lists.NewlyBlocked) != 3 || lists.NewlyBlocked[0].Count != 1 || lists.NewlyBlocked[0].Last != "2026-11-24T12:00:00Z" || lists.Unknown == nil {
		t.Errorf("got %s", got["replay"])
	}
	var checks []struct {
		Code, Accept string
		OK           bool
		Losing       []row
	}
	s.decode(got["checks"], &checks)
	if len(checks) != 3 || checks[0].Code != "own_address" || checks[0].OK || checks[0].Accept != "own_address" || len(checks[2].Losing) != 3 {
		t.Errorf("got %s", got["checks"])
	}
	if string(got["sessions_ending"]) != "3" {
		t.Errorf("sessions_ending: %s", got["sessions_ending"])
	}

	s.ok(s.do("owner", "POST", review, send(2, "off", "")), 200, &got)
	if string(got["checks"]) != "[]" || string(got["changes"]) == "null" {
		t.Errorf("got %s, %s", got["checks"], got["changes"])
	}
	if version, ranges := s.ranges(); version != 2 || len(ranges) != 1 {
		t.Errorf("a review changed something: version %d, %v", version, ranges)
	}

	if p := s.refused(s.do("owner", "POST", review, send(1, "off", "")), 409, "version_conflict"); p.Theirs == nil {
		t.Error("the conflict does not show the list as it is")
	}
	s.refused(s.do("owner", "POST", review, send(2, "on", `{"range": "300.0.0.0", "label": ""}`)), 422, "invalid", "mode unknown", "entries[0].range octet_too_large", "entries[0].label required")
	s.refused(s.do("owner", "POST", review, `{"mode": "off", "entries": []}`), 422, "invalid", "base_version required")
	s.refused(s.do("reviewer", "POST", review, send(2, "off", "")), 403, "forbidden")
	s.refused(s.do("member", "POST", review, send(2, "off", "")), 403, "forbidden")
}

func (s *apiSite) decode(raw json.RawMessage, into any) {
	s.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		s.Fatalf("%s: %v", raw, err)
	}
}
