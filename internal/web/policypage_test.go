package web

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestPolicyPage(t *testing.T) {
	s := newAPISite(t)
	page, a := s.look("owner", "policy")
	s.says(page, "Sign-in & privacy", "As long as the operator allows (365 days)", "China's Cybersecurity Law", "API tokens", "Alerts", "5 within 1 minute")
	if strings.Contains(a.body, "730d") || !strings.Contains(a.body, `href="/_sallyport/policy/alerts"`) {
		t.Error("it offers what the operator does not allow, or does not lead to the alerts")
	}
	page, a = s.look("reviewer", "policy")
	s.says(page, "Keep attempts for365 days", "Shorten addresses afterNever")
	if strings.Contains(a.body, `action="/_sallyport/policy"`) || strings.Contains(a.body, `href="/_sallyport/tokens"`) {
		t.Error("a reviewer sees a form or a link that are not for reviewers")
	}
	form := func(as string, pairs ...string) response {
		values := map[string]string{"version": "0", "retention": "", "shorten": "", "check": "off", "requests": "on"}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = pairs[i+1]
		}
		var all []string
		for name, value := range values {
			all = append(all, name, value)
		}
		return s.post(as, "policy", all...)
	}
	if a := form("reviewer"); a.StatusCode != 403 {
		t.Errorf("a reviewer changes it: got %s", a.Status)
	}
	a = form("owner", "retention", "10d", "shorten", "10d", "check", "on")
	page = checkPage(t, a)
	s.says(page, "Choose between 30 days and 365 days", "Choose 30 days or more.")
	if a.StatusCode != 422 || !strings.Contains(a.body, `value="10d" selected`) || !strings.Contains(a.body, `value="on" checked`) {
		t.Errorf("what is wrong: got %s, want what was chosen once more", a.Status)
	}
	if a := form("owner", "check", "perhaps"); a.StatusCode != 400 {
		t.Errorf("what the page does not have: got %s", a.Status)
	}
	s.went(form("owner", "retention", "183d", "shorten", "183d", "requests", "off"), "policy?done=policy_set")
	page, a = s.look("owner", "policy?done=policy_set")
	s.says(page, "Saved.")
	if strings.Count(a.body, `value="183d" selected`) != 2 || strings.Count(a.body, `value="off" checked`) != 2 {
		t.Errorf("what was saved: %s", a.body)
	}
	page = checkPage(t, form("owner"))
	s.says(page, "Somebody else changed this meanwhile.")
}

// TestPolicyPageAsks: what a change deletes is asked about before it happens.
func TestPolicyPageAsks(t *testing.T) {
	s := newAPISite(t)
	var old []gate.Attempt
	for i, age := range []int{50, 100, 100} {
		at := apiStart.AddDate(0, 0, -age)
		old = append(old, gate.Attempt{
			Reference: "SP-OLD" + string(rune('0'+i)) + "-0000", Tenant: s.acme.ID, Address: netip.MustParseAddr(apiOutside), Bits: 32,
			Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks, Count: 1, FirstTime: at, LastTime: at, Boot: "OTHER",
		})
	}
	if err := s.store.PutAttempts(t.Context(), gate.Ledger{Boot: "OTHER", Node: "n2", Started: apiStart}, old); err != nil {
		t.Fatal(err)
	}
	sent := []string{"version", "0", "retention", "90d", "shorten", "30d", "check", "off", "requests", "on"}
	a := s.post("owner", "policy", sent...)
	s.says(checkPage(t, a), "Delete for good?", "Attempts that will be deleted: 2. Attempts whose addresses will be shortened: 1.")
	if got := must(s.Settings(t.Context(), apiCommand, s.acme.ID)); got.Version != 0 {
		t.Error("it was changed before anybody confirmed")
	}
	for i := 0; i < len(sent); i += 2 {
		if !strings.Contains(a.body, `name="`+sent[i]+`" value="`+sent[i+1]+`"`) {
			t.Errorf("the question has lost %s", sent[i])
		}
	}
	s.went(s.post("owner", "policy", append(sent, "confirmed", "1")...), "policy?done=policy_set")
	if got := must(s.Settings(t.Context(), apiCommand, s.acme.ID)); got.Retention != 90*24*time.Hour || got.ShortenAfter != 30*24*time.Hour {
		t.Errorf("confirmed: %+v", got)
	}
}
