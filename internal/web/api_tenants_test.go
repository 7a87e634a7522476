package web

import (
	"net/http"
	"testing"
)

// TestOperatorsCalls answers those who run the gateway, and nobody else.
func TestOperatorsCalls(t *testing.T) {
	s := newOperators(t)
	for as, status := range map[string]int{
		"operator-owner": 200, "operator-reviewer": 200, "operator-member": 403, "owner": 404, "reviewer": 404, "member": 404, "stranger": 404,
	} {
		for _, call := range []string{"tenants", "operator/health"} {
			if a := s.do(as, http.MethodGet, call, ""); a.StatusCode != status {
				t.Errorf("%s as %s: got %s, want %d", call, as, a.Status, status)
			}
		}
	}
	var first, rest list[row]
	s.get("operator-reviewer", "tenants?limit=2", &first)
	if len(first.Items) != 2 || first.Items[0]["slug"] != "acme" || first.Items[0]["blocked_24h"] != 0.0 || first.Items[0]["admins"] != 3.0 || first.Next == "" {
		t.Errorf("got %+v", first)
	}
	s.get("operator-reviewer", "tenants?limit=2&cursor="+first.Next, &rest)
	if len(rest.Items) != 1 || rest.Items[0]["slug"] != "operator" || rest.Next != "" {
		t.Errorf("the rest: got %+v", rest)
	}
	s.get("operator-reviewer", "tenants?search=GLO&mode=off", &rest)
	if len(rest.Items) != 1 || rest.Items[0]["slug"] != "globex" {
		t.Errorf("found: got %+v", rest)
	}
	s.refused(s.do("operator-owner", "GET", "tenants?mode=on&cursor=x", ""), 400, "malformed", "cursor invalid", "mode unknown")
}
