package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestHealthPage shows what nodes say of themselves, and the lines that mend what
// is wrong.
func TestHealthPage(t *testing.T) {
	s := newOperators(t)
	peer := netip.MustParseAddr("10.0.0.4")
	fine := gate.Health{Decisions: gate.Timing{P50: 38 * time.Microsecond, P99: 140 * time.Microsecond, PerSecond: 1200}, Streams: 7, Waiting: 3, Certificates: &gate.Certificates{Held: 4, Ends: apiStart.Add(time.Hour), Host: "b.example", Late: []string{}, Without: []string{}}}
	bad := gate.Health{
		MissingWords: 3, Certificates: &gate.Certificates{Held: 3, Ends: apiStart, Host: "a.example", Late: []string{"a.example"}, Without: []string{"c.example", "d.example"}, Missing: 7},
		TrustElsewhere: true, Violations: 2, LastViolation: "script-src: inline @ https://acme.example/x", Addresses: []gate.AddressTrouble{
			{Kind: gate.TroubleHidden, Peer: peer, Header: "X-Forwarded-For", Requests: 312},
			{Kind: gate.TroubleHidden, Peer: peer.Next(), Header: "X-Real-Ip", Requests: 50},
			{Kind: gate.TroubleOne, Peer: peer.Next().Next(), Requests: 900},
		}}
	now, ahead := apiStart, int64(1000)
	for _, n := range []gate.Node{
		{Name: "sh-1", Version: "v1.0.0", Seen: now, Position: ahead, Health: fine},
		{Name: "sh-2", Version: "v1.1.0", Seen: now, Position: 1, Offset: 2 * time.Second, Health: bad},
		{Name: "sh-3", Version: "v0.9.0", Seen: now.Add(-time.Minute), Position: ahead},
		{Name: "sh-4", Version: "v0.8.0", Seen: now.Add(-time.Hour), Position: 1},
	} {
		n.Boot = n.Name
		must(s.store.PutNode(s.ctx, n))
	}
	page, a := s.look("operator-reviewer", healthPath)
	s.says(page,
		"sh-1: 38µs p50 · 140µs p99 · 1200.0/s",
		"312 requests per hour from 10.0.0.4 carry X-Forwarded-For, but 10.0.0.4 is not a trusted proxy. Every visitor looks like 10.0.0.4.",
		"client_ip_header X-Real-Ip", "trusted_proxies static 10.0.0.5", "allow 10.0.0.6/32", "Only Caddy's own trusted_proxies is set",
		"SQLite 3.", "2 of 4 nodes in step", "sh-3 has not been heard of for 1 minute.", "sh-2 is 18 changes behind.", "At most 2000 ms from the store's",
		"2 since the nodes started", "script-src: inline @ https://acme.example/x", "3 missing keys", "Live streams7",
		"3 hosts have one; the first to end is that of a.example, on 24 Nov 2026, 12:00 UTC", "Ends soon and was not renewed: a.example.", "7 hosts of tenants have none, such as c.example, d.example",
		"sh-4 v0.8.0 Gone", "sh-2 v1.1.0 Behind", "sh-3 v0.9.0 Silent", "sh-1 v1.0.0 In step",
	)
	if strings.Count(a.body, "<details>") < 4 {
		t.Error("a fix is missing")
	}
	type answer struct {
		Nodes []struct {
			State  string
			Health gate.Health
		}
		Store           struct{ Kind *string }
		Places, Deliver []any
	}
	var health, cut answer
	s.get("operator-reviewer", "operator/health", &health)
	if len(health.Nodes) != 5 || // this one as well
		health.Nodes[2].State != "behind" || health.Nodes[2].Health.MissingWords != 3 || health.Nodes[2].Health.Certificates.Missing != 7 ||
		health.Store.Kind == nil || *health.Store.Kind != "SQLite" || health.Deliver == nil || health.Places == nil {
		t.Errorf("the API says %+v", health)
	}
	s.store.Close()
	page, _ = s.look("operator-reviewer", healthPath)
	s.says(page, "StoreThe store does not answer", "Nodes–", "Delivery–")
	s.get("operator-reviewer", "operator/health", &cut)
	if cut.Nodes != nil || cut.Store.Kind != nil || cut.Deliver != nil {
		t.Errorf("without a store the API says %+v", cut)
	}
}

// TestViolations counts what browsers of people who are signed in report, in both
// forms and not without end.
func TestViolations(t *testing.T) {
	s := newAPISite(t)
	send := func(as, body string) {
		t.Helper()
		if a := s.send(as, http.MethodPost, reportPath, body, "Content-Type", "application/reports+json"); a.StatusCode != http.StatusNoContent {
			t.Fatalf("got %s, want 204", a.Status)
		}
	}
	count := func() int64 { return s.HealthNow().Violations }
	old := `{"csp-report":{"effective-directive":"script-src","blocked-uri":"https://evil.example/x.js?token=secret","document-uri":"https://acme.example/p?a=b"}}`
	send("", old)
	send("member", "nonsense")
	if got := count(); got != 0 {
		t.Errorf("%d are counted that nobody vouches for", got)
	}
	send("member", old)
	if got, want := s.HealthNow().LastViolation, "script-src: https://evil.example/x.js @ https://acme.example/p"; count() != 1 || got != want {
		t.Errorf("got %d, %q, want %q", count(), got, want)
	}
	send("member", `[{"type":"deprecation","body":{}},{"type":"csp-violation","body":{"effectiveDirective":"img-src","blockedURL":"data","documentURL":"https://acme.example/p"}}]`)
	if got, want := s.HealthNow().LastViolation, "img-src: data @ https://acme.example/p"; count() != 2 || got != want {
		t.Errorf("got %d, %q, want %q", count(), got, want)
	}
	if a := s.send("", http.MethodPost, reportPath, old, "X-Forwarded-For", apiOutside); a.StatusCode != http.StatusForbidden {
		t.Errorf("from outside: got %s, want 403", a.Status)
	}
	if a := s.page("member", ""); !strings.Contains(a.Header.Get("Content-Security-Policy"), "report-uri "+reportPath) || a.Header.Get("Reporting-Endpoints") == "" {
		t.Error("no page asks for reports")
	}
	limit := newReports()
	var taken []bool
	for range 30 {
		taken = append(taken, limit.Allow())
	}
	if slices.Index(taken, false) != 20 {
		t.Errorf("at once are counted %d", slices.Index(taken, false))
	}
}
