package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// signInOf is a sign-in at the second door.
func signInOf(address string, outcome gate.Outcome, reason gate.Reason, admin string) gate.Attempt {
	a := blocked(address)
	a.Stage, a.Outcome, a.Reason, a.Admin = gate.StageSignIn, outcome, reason, admin
	return a
}

// TestSecurityPage: among what is refused, whom a person should look at stands
// apart, with the reason; owners may let them in.
func TestSecurityPage(t *testing.T) {
	s := newAPISite(t)
	s.SetPlaces(must(geo.Open([]string{"../geo/testdata/GeoLite2-City-Test.mmdb", "../geo/testdata/GeoLite2-ASN-Test.mmdb"})))
	member := s.actor("member").Admin
	var attempts []gate.Attempt
	for i := range 300 {
		attempts = append(attempts, blocked(fmt.Sprintf("45.0.%d.%d", i/250, i%250)))
	}
	attempts = append(attempts,
		blocked("89.160.20.112"), // a place that is known
		signInOf("198.51.100.99", gate.Refused, gate.BadCredentials, member),
		signInOf("203.0.113.99", gate.Refused, gate.BadCredentials, member), signInOf("203.0.113.99", gate.Allowed, gate.ByNetwork, member),
		blocked("203.0.112.7"), // beside HQ
	)
	references := s.put(attempts...)
	for _, c := range []struct{ as, query, want, not string }{
		{"owner", "", "302 blocked", ""},
		{"owner", "", "Needs attention (2)", "203.0.113.99"},
		{"owner", "", "198.51.100.99", "45.0.0.1"},
		{"owner", "", "The user name of member was typed, and nobody got in from there", ""},
		{"owner", "", "Next to “HQ”", ""},
		{"owner", "", "Background noise: 302 attempts from 302 addresses", ""},
		{"owner", "?noise=1", "50 of 30", ""},
		{"owner", "?noise=1&limit=200", "200 of 30", ""},
		{"owner", "?group_by=network", "45.0.0.0/24", ""},
		{"owner", "?group_by=reason", "not in the list", ""},
		{"owner", "?group_by=admin", "member", ""},
		{"owner", "?group_by=country", "Sweden", ""},
		{"owner", "?group_by=none&country=SE", "89.160.20.112", "45.0.0.1"},
		{"owner", "?country=SE", "Files cannot be filtered", ""},
		{"owner", "?group_by=none&not.country=SE&not.address=45.0.0.0/16", "203.0.112.7", "89.160.20.112"},
		{"owner", "?group_by=none&outcome=refused", references[302], references[0]},
		{"owner", "?outcome=refused&address=45.0.0.0/16", "No attempt matches these 2 filters", ""},
		{"owner", "?outcome=refused&address=45.0.0.0/16", "Without “Outcome: Refused” there are 300", ""},
		{"owner", "?since=2020-01-01T00:00&until=2020-01-02T00:00", "Nothing was refused and nobody signed in", ""},
		{"reviewer", "?lang=zh-CN", "有人输入了 member 的用户名，但未能登录", "Next to"},
		{"owner", "?since=2026-11-24T11:00:00Z&until=2026-11-24T11:01:00Z", "60 blocked", ""},
	} {
		page, a := s.look(c.as, "review"+c.query)
		text := textOf(first(page, "main"))
		if a.StatusCode != http.StatusOK || !strings.Contains(text, c.want) || c.not != "" && strings.Contains(text, c.not) {
			t.Errorf("%s: got %s %q, want %q and no %q", c.query, a.Status, text, c.want, c.not)
		}
	}
	for as, may := range map[string]bool{"owner": true, "reviewer": false} {
		if _, a := s.look(as, "review"); strings.Contains(a.body, "/allow") != may {
			t.Errorf("%s may allow: want %t", as, may)
		}
	}
}

// TestSecurityPageWrong: a filter that cannot be says which part of it is wrong,
// beside its field, and what was typed stays.
func TestSecurityPageWrong(t *testing.T) {
	s := newAPISite(t)
	for query, want := range map[string]string{
		"?address=300.1.1.1": "“300” is over 255",
		"?country=Sweden":    "“Sweden” cannot be used as Country/region code",
		"?asn=x":             "“x” cannot be used as Network number",
		"?group_by=color":    "“color” cannot be used as group_by",
		"?outcome=maybe":     "“maybe” cannot be used as Outcome",
		"?since=yesterday":   "“yesterday” cannot be used as since",
		"?since=2026-11-24T12:00&until=2020-01-01T00:00": "cannot be used as until",
		"?color=red":                          "“red” cannot be used as color",
		"?limit=0":                            "“0” cannot be used as limit",
		"?address=1.2.3.4&address=1.2.3.5":    "cannot be used as Address or range",
		"?login=" + strings.Repeat("x", 1001): "cannot be used as User name",
		"?address=%3Cscript%3E":               "“<script>” is not an IP address",
	} {
		page, a := s.look("owner", "review"+query)
		if text := textOf(page); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, want) {
			t.Errorf("%s: got %s %q, want %q", query, a.Status, text, want)
		}
	}
	page, _ := s.look("owner", "review?address=300.1.1.1&outcome=blocked")
	if !strings.Contains(s.page("owner", "review?address=300.1.1.1&outcome=blocked").body, `value="300.1.1.1"`) || first(page, "svg") == nil {
		t.Error("what was typed is gone")
	}
}

// TestSecurityChart: bars lead to their span, and the table says what they show.
func TestSecurityChart(t *testing.T) {
	s := newAPISite(t)
	s.put(blocked("45.0.0.1"), signInOf("203.0.113.9", gate.Allowed, gate.ByNetwork, s.actor("member").Admin), signInOf("203.0.113.9", gate.WouldBlock, gate.ByDryRun, ""))
	_, a := s.look("owner", "review?since=2026-11-24T10:00:00Z&until=2026-11-24T12:00:00Z")
	for _, want := range []string{
		`viewBox="0 0 240 100"`, `<rect class="blocked" x="120" y="1" width="8" height="33"/>`, `<rect class="allowed" x="120" y="67" width="8" height="33"/>`,
		`<rect class="dry" x="120" y="34" width="8" height="33"/>`,
		`since=2026-11-24T11%3A00%3A00Z&amp;until=2026-11-24T11%3A05%3A00Z`,
		`aria-label="24 Nov 2026, 11:00 UTC – 24 Nov 2026, 11:05 UTC: 1 not let in, 1 allowed, 1 in dry run"`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in the page", want)
		}
	}
	if n := strings.Count(a.body, `class="hit"`); n != 1 {
		t.Errorf("%d bars are links, want the one with attempts", n)
	}
}

// TestSecurityFirst: where nothing was ever recorded, the page says so.
func TestSecurityFirst(t *testing.T) {
	s := newAPISite(t)
	if _, err := s.store.DeleteAttempts(s.ctx, "", apiStart.Add(time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	page, _ := s.look("owner", "review")
	s.says(page, "No attempts recorded yet")
}

// TestAPISummary answers in numbers what the page shows.
func TestAPISummary(t *testing.T) {
	s := newAPISite(t)
	member := s.actor("member").Admin
	s.list(gate.ModeEnforced, gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true}, gate.Draft{Range: "45.9.9.0/24", Label: "Hotel", Enabled: true})
	s.move(time.Minute)
	s.list(gate.ModeEnforced, gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true})
	right := signInOf("46.0.0.1", gate.Blocked, gate.OutsideNetworks, member)
	right.Password = gate.PasswordRight
	s.put(blocked("45.0.0.1"), blocked("45.0.0.1"), blocked("203.0.112.7"), signInOf("198.51.100.99", gate.Refused, gate.BadCredentials, member),
		right, signInOf("47.0.0.1", gate.Allowed, gate.ByNetwork, member), blocked("47.0.0.1"), blocked("45.9.9.9"))
	var sum struct {
		Complete      bool
		BucketSeconds int64 `json:"bucket_seconds"`
		Buckets       []struct{ Start string }
		Total         tallyJSON
		Records       int64
		Attention     []struct {
			Address string
			Signs   []gate.AttentionSign
		}
		AttentionCount int `json:"attention_count"`
		Noise          noiseJSON
	}
	s.get("reviewer", "attempts/summary?since=2026-11-24T10:00:00Z&until=2026-11-24T11:59:00Z", &sum)
	if sum.Total != (tallyJSON{Blocked: 6, Refused: 1, Allowed: 1}) || sum.Records != 8 || !sum.Complete || sum.BucketSeconds != 300 || len(sum.Buckets) != 24 {
		t.Errorf("got %+v", sum)
	}
	var signs []string
	for _, a := range sum.Attention {
		signs = append(signs, a.Address+" "+string(a.Signs[0]))
	}
	if want := []string{
		"46.0.0.1 right_password", "198.51.100.99 known_admin", "47.0.0.1 signed_in_before", "45.9.9.9 was_listed", "203.0.112.7 near_miss",
	}; !slices.Equal(signs, want) || sum.AttentionCount != 5 || sum.Noise != (noiseJSON{2, 1}) {
		t.Errorf("got %q, %+v; want %q", signs, sum.Noise, want)
	}
	s.refused(s.do("owner", "GET", "attempts/summary?group_by=address", ""), 400, "malformed", "group_by unknown_parameter")
	s.refused(s.do("member", "GET", "attempts/summary", ""), 403, "forbidden")
}
