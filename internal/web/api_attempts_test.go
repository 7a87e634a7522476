package web

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

// put stores attempts of acme, one a second from an hour before the start on.
// It returns their references.
func (s *apiSite) put(attempts ...gate.Attempt) (references []string) {
	s.Helper()
	boot := gate.Ledger{Node: "test", Boot: gate.NewID(), Started: apiStart}
	if err := s.store.OpenLedger(s.ctx, boot); err != nil {
		s.Fatal(err)
	}
	for i := range attempts {
		a := &attempts[i]
		a.Reference, a.Tenant, a.Boot, a.Node, a.Count = auth.NewReference(), s.acme.ID, boot.Boot, "test", max(a.Count, 1)
		a.FirstTime = apiStart.Add(-time.Hour + time.Duration(i)*time.Second)
		a.LastTime = a.FirstTime
		if a.Bits == 0 {
			a.Bits = a.Address.BitLen()
		}
		references = append(references, a.Reference)
		boot.Seen += a.Count
	}
	if err := s.store.PutAttempts(s.ctx, boot, attempts); err != nil {
		s.Fatal(err)
	}
	return references
}

// blocked is a refusal at the first door.
func blocked(address string) gate.Attempt {
	return gate.Attempt{
		Host: "acme.example", Address: netip.MustParseAddr(address), Stage: gate.StageGate,
		Outcome: gate.Blocked, Reason: gate.OutsideNetworks, Method: "GET", Path: "/", ListVersion: 2,
	}
}

func TestAPIAttempt(t *testing.T) {
	s := newAPISite(t)
	s.do("", "GET", "me", "", "X-Forwarded-For", "10.1.2.3, 203.0.112.7", "User-Agent", "<script>")
	var attempts list[row]
	for deadline := time.Now().Add(5 * time.Second); len(attempts.Items) == 0 && time.Now().Before(deadline); {
		s.get("reviewer", "attempts?address=203.0.112.0/24", &attempts) // stored within a second
	}
	if len(attempts.Items) != 1 {
		t.Fatalf("got %d attempts, want 1", len(attempts.Items))
	}
	got := attempts.Items[0]
	reference := got["reference"].(string)
	want := row{
		"reference": reference, "time": "2026-11-24T12:00:00Z", "tenant": "acme", "host": "acme.example",
		"address": "203.0.112.7", "peer": "127.0.0.1", "country": nil, "network": nil, "stage": "gate", "outcome": "blocked", "reason": "outside_networks",
		"admin": nil, "admin_id": nil, "login_hash": nil, "password": nil, "session": nil, "method": "GET", "path": "/_sallyport/api/v1/me", "user_agent": "<script>",
		"list_version": 2.0, "count": 1.0, "first_time": "2026-11-24T12:00:00Z", "last_time": "2026-11-24T12:00:00Z", "node": "n1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	spellings := []string{reference, strings.ToLower(reference), strings.ReplaceAll(reference, "-", ""), url.PathEscape(strings.ReplaceAll(reference, "-", " "))}
	for _, spelling := range spellings {
		var one struct {
			Reference   string
			Explanation struct {
				Hops  []gate.Hop
				Check struct {
					Allowed bool
					Nearest struct{ Entry row }
				}
				Steps []struct{ Name, Detail string }
			}
		}
		s.get("reviewer", "attempts/"+spelling, &one)
		e := one.Explanation
		if one.Reference != reference || len(e.Hops) != 2 || e.Check.Allowed || e.Check.Nearest.Entry["label"] != "HQ" {
			t.Errorf("%s: got %+v", spelling, one)
		}
		var names []string
		for _, step := range e.Steps {
			names = append(names, step.Name)
		}
		if want := []string{"address", "tenant", "mode", "list", "entry", "nearest", "result"}; !reflect.DeepEqual(names, want) {
			t.Errorf("%s: steps: got %q, want %q", spelling, names, want)
		}
	}
	for _, other := range []string{auth.NewReference(), "SP-0000-0001", "x", reference + "/x"} {
		s.refused(s.do("owner", "GET", "attempts/"+other, ""), 404, "not_found")
	}
	s.refused(s.do("stranger", "GET", "attempts/"+reference, ""), 404, "not_found")
}

// TestAPIPlaces: where addresses are is looked up when attempts are shown.
func TestAPIPlaces(t *testing.T) {
	s := newAPISite(t)
	s.SetPlaces(must(geo.Open([]string{"../geo/testdata/GeoLite2-City-Test.mmdb", "../geo/testdata/GeoLite2-ASN-Test.mmdb"})))
	folded := blocked("175.16.199.0")
	folded.Bits = 24
	wider := blocked("89.160.20.0")
	wider.Bits = 24
	references := s.put(blocked("89.160.20.113"), blocked("203.0.112.7"), folded, wider, gate.Attempt{Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.AddressUnknown})
	sweden, bredband := "SE", map[string]any{"asn": 29518.0, "name": "Bredband2 AB"}
	for i, want := range []struct{ country, network any }{{sweden, bredband}, {nil, nil}, {"CN", nil}, {nil, bredband}, {nil, nil}} {
		var got row
		s.get("reviewer", "attempts/"+references[i], &got)
		if got["country"] != want.country || !reflect.DeepEqual(got["network"], want.network) {
			t.Errorf("%v: got %v %v, want %v", got["address"], got["country"], got["network"], want)
		}
		steps := fmt.Sprint(got["explanation"].(map[string]any)["steps"])
		if said := strings.Contains(steps, "(approximate)"); said != (want.country != nil || want.network != nil) {
			t.Errorf("%v: got %s", got["address"], steps)
		}
	}
	for by, want := range map[string]string{"address": "89.160.20.113 SE", "network": "175.16.199.0/24 CN", "reason": "outside_networks <nil>", "admin": "<nil> <nil>"} {
		var groups list[row]
		s.get("reviewer", "attempts?group_by="+by, &groups)
		if !slices.ContainsFunc(groups.Items, func(g row) bool { return fmt.Sprint(g["key"], " ", g["country"]) == want }) {
			t.Errorf("by %s: got %v, want %s", by, groups.Items, want)
		}
	}
	s.SetPlaces(nil)
	var got row
	s.get("reviewer", "attempts/"+references[0], &got)
	if got["country"] != nil || got["network"] != nil {
		t.Errorf("without files: got %v", got)
	}
}

// TestAPIAttemptFilters compares every filter with a plain search.
func TestAPIAttemptFilters(t *testing.T) {
	s := newAPISite(t)
	admins := must(s.store.Admins(s.ctx, s.acme.ID))
	member := admins[slices.IndexFunc(admins, func(a gate.Admin) bool { return a.Login == "member" })]
	folded := blocked("198.51.100.0")
	folded.Bits, folded.Count = 24, 1000
	references := s.put(
		blocked("198.51.100.1"), blocked("198.51.100.200"), blocked("2001:db8::1"), folded,
		gate.Attempt{Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.AddressUnknown},
		gate.Attempt{Address: netip.MustParseAddr(apiInside), Stage: gate.StageSignIn, Outcome: gate.Refused, Reason: gate.BadCredentials, Admin: member.ID, Count: 3},
		gate.Attempt{Address: netip.MustParseAddr(apiInside), Stage: gate.StageSignIn, Outcome: gate.Refused, Reason: gate.AccountUnknown, LoginHash: s.LoginHash("a password, perhaps")},
		gate.Attempt{Address: netip.MustParseAddr(apiInside), Stage: gate.StageSession, Outcome: gate.Refused, Reason: gate.SessionIdle, Admin: member.ID},
	)
	all := []int{0, 1, 2, 3, 4, 5, 6, 7}
	tests := []struct {
		query string
		want  []int
	}{
		{"", all},
		{"outcome=blocked", []int{0, 1, 2, 3, 4}},
		{"not.outcome=blocked", []int{5, 6, 7}},
		{"outcome=blocked,refused", all},
		{"stage=sign_in", []int{5, 6}},
		{"not.stage=sign_in,gate", []int{7}},
		{"reason=bad_credentials,account_unknown", []int{5, 6}},
		{"not.reason=outside_networks", []int{4, 5, 6, 7}},
		{"address=198.51.100.1", []int{0}},
		{"address=198.51.100.0/25", []int{0}},
		{"address=198.51.100.0/24", []int{0, 1, 3}},
		{"address=::ffff:198.51.100.1,2001:db8::/32", []int{0, 2}},
		{"not.address=198.51.100.0/24", []int{2, 4, 5, 6, 7}},
		{"login=member", []int{5, 7}},
		{"login=%20MEMBER", []int{5, 7}},
		{"login=" + url.QueryEscape("A password, perhaps"), []int{6}},
		{"not.login=member", []int{0, 1, 2, 3, 4, 6}},
		{"login=nobody", nil},
		{"reference=" + references[3], []int{3}},
		{"reference=" + strings.ToLower(references[3][3:]) + "," + references[0], []int{0, 3}},
		{"not.reference=" + references[3], []int{0, 1, 2, 4, 5, 6, 7}},
		{"since=2026-11-24T11:00:06Z", []int{6, 7}},
		{"until=2026-11-24T11:00:02Z", []int{0, 1}},
		{"since=2026-11-24T11:00:01Z&until=2026-11-24T11:00:03Z", []int{1, 2}},
		{"outcome=refused&login=member&not.stage=session", []int{5}},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			s.T = t
			query := tt.query
			if !strings.Contains(query, "until") { // leaves out the sign-ins of newAPISite
				query += "&until=2026-11-24T11:30:00Z"
			}
			var got []int
			s.walk("owner", "attempts?limit=3&"+strings.TrimPrefix(query, "&"), func(r row) {
				got = append(got, slices.Index(references, r["reference"].(string)))
			})
			slices.Reverse(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	s.T = t
	groups := []struct{ query, want string }{
		{"group_by=reason", "outside_networks 4 1003, bad_credentials 1 3, account_unknown 1 1, address_unknown 1 1, session_idle 1 1"},
		{"group_by=address&reason=outside_networks", "198.51.100.0/24 1 1000, 198.51.100.1 1 1, 198.51.100.200 1 1, 2001:db8::1 1 1"},
		{"group_by=network&not.outcome=refused", "198.51.100.0/24 3 1002, <nil> 1 1, 2001:db8::/64 1 1"},
		{"group_by=admin&outcome=refused", "member 2 4, <nil> 1 1"},
		{"group_by=reason&limit=1", "outside_networks 4 1003 …"},
		{"group_by=reason&login=nobody", ""},
	}
	for _, tt := range groups {
		t.Run(tt.query, func(t *testing.T) {
			s.T = t
			var l struct {
				Items     []row
				Truncated bool
			}
			s.get("owner", "attempts?until=2026-11-24T11:30:00Z&"+tt.query, &l)
			var got []string
			for _, g := range l.Items {
				got = append(got, fmt.Sprint(g["key"], " ", g["records"], " ", g["count"]))
				if !slices.Contains(references, g["reference"].(string)) || g["first_time"] == nil || g["last_time"] == nil {
					t.Errorf("group %v", g)
				}
			}
			text := strings.Join(got, ", ")
			if l.Truncated {
				text += " …"
			}
			if text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
		})
	}
	s.T = t
	s.refused(s.do("owner", "GET", "attempts?group_by=day", ""), 400, "malformed", "group_by unknown")
	s.refused(s.do("owner", "GET", "attempts?group_by=reason&cursor=x", ""), 400, "malformed", "cursor not_allowed")
}

// TestAPIFoldedFlood holds how a record that stands for a network looks.
func TestAPIFoldedFlood(t *testing.T) {
	s := newAPISite(t)
	folded := blocked("2001:db8:0:7::")
	folded.Bits, folded.Count = 64, 123456
	everybody := gate.Attempt{Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks, Count: 7}
	references := s.put(folded, everybody)
	var got row
	s.get("owner", "attempts/"+references[0], &got)
	if got["address"] != "2001:db8:0:7::/64" || got["count"] != 123456.0 {
		t.Errorf("network: got %v %v", got["address"], got["count"])
	}
	s.get("owner", "attempts/"+references[1], &got)
	if e := got["explanation"].(map[string]any); got["address"] != nil || got["peer"] != nil || e["check"] != nil || len(e["hops"].([]any)) != 0 {
		t.Errorf("everybody: got %v", got)
	}
}

// TestAPIPaging walks through attempts while new ones arrive: each that was
// there at the start is met once.
func TestAPIPaging(t *testing.T) {
	s := newAPISite(t)
	var first []gate.Attempt
	for i := range 57 {
		first = append(first, blocked(fmt.Sprintf("198.51.100.%d", i)))
	}
	references := s.put(first...)
	seen, newer := map[string]int{}, 0
	pages := s.walk("reviewer", "attempts?limit=5&outcome=blocked", func(r row) {
		seen[r["reference"].(string)]++
		if newer++; newer%5 == 0 {
			late := blocked("198.51.100.250")
			late.Reference, late.Tenant, late.Bits, late.Count, late.Boot = auth.NewReference(), s.acme.ID, 32, 1, "late"
			late.FirstTime = apiStart.Add(time.Duration(newer) * time.Second)
			late.LastTime = late.FirstTime
			if err := s.store.PutAttempts(s.ctx, gate.Ledger{Boot: "late"}, []gate.Attempt{late}); err != nil {
				t.Fatal(err)
			}
		}
	})
	for _, r := range references {
		if seen[r] != 1 {
			t.Errorf("%s was met %d times", r, seen[r])
		}
	}
	if len(seen) != len(references) || pages != 12 {
		t.Errorf("got %d records on %d pages, want %d on 12", len(seen), pages, len(references))
	}
}
