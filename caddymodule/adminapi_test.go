package caddymodule

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// ask calls an endpoint of the admin API.
func ask(t *testing.T, method, target string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for _, route := range new(adminAPI).Routes() {
		if route.Pattern != r.URL.Path {
			continue
		}
		w := httptest.NewRecorder()
		if err := route.Handler.ServeHTTP(w, r); err != nil {
			refused, ok := errors.AsType[caddy.APIError](err)
			if !ok {
				t.Fatalf("%s: not for Caddy: %v", target, err)
			}
			return refused.HTTPStatus, map[string]any{"error": refused.Err.Error()}
		}
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		return w.Code, answer
	}
	t.Fatalf("nobody serves %s", target)
	return 0, nil
}

func TestAdminAPI(t *testing.T) {
	if status, _ := ask(t, "GET", "/sallyport/status"); status != http.StatusNotFound {
		t.Errorf("without a configuration: got %d, want 404", status)
	}
	w := newWorld(t)
	w.load()
	w.do(request{from: outsideIP})
	waitFor(t, "the refusal is stored", 3*time.Second, func() bool {
		_, s := ask(t, "GET", "/sallyport/status")
		return s["attempts_waiting"] == 0.0
	})
	status, s := ask(t, "GET", "/sallyport/status")
	if status != 200 || s["node"] != "test" || s["store_up"] != true || s["tenants"] != 2.0 || s["open_requests"] != 0.0 || s["position"] == 0.0 || s["store"] != w.dsn {
		t.Errorf("got %d %v", status, s)
	}
	if ledgers, _ := s["ledgers"].([]any); len(ledgers) != 2 {
		t.Errorf("got %v, want the ledgers of two nodes", s["ledgers"])
	}

	for _, c := range []struct {
		method, target string
		status         int
		field          string
		want           any
	}{
		{"GET", "?tenant=acme&address=" + insideIP, 200, "reason", "network"},
		{"GET", "?tenant=acme&address=" + outsideIP, 200, "allowed", false},
		{"GET", "?tenant=acme&address=" + insideIP + "&at=2100-01-01T00:00:00Z", 200, "allowed", true},
		{"GET", "?tenant=acme&address=" + insideIP + "&at=2000-01-01T00:00:00Z", 404, "error", "at: acme had no list yet"},
		{"GET", "?tenant=nobody&address=" + insideIP, 404, "error", `tenant: there is none with the short name "nobody"`},
		{"GET", "?tenant=acme&address=010.0.0.1", 400, "", nil},
		{"GET", "?tenant=acme", 400, "", nil},
		{"GET", "?tenant=acme&address=" + insideIP + "&at=yesterday", 400, "", nil},
		{"GET", "?tenant=acme&address=" + insideIP + "&mode=x", 400, "", nil},
		{"GET", "?tenant=acme&tenant=globex&address=" + insideIP, 400, "", nil},
		{"GET", "?tenant=%zz", 400, "", nil},
		{"POST", "?tenant=acme&address=" + insideIP, 405, "", nil},
	} {
		status, got := ask(t, c.method, "/sallyport/check"+c.target)
		if status != c.status || c.field != "" && got[c.field] != c.want {
			t.Errorf("%s %s: got %d %v, want %d %v", c.method, c.target, status, got, c.status, c.want)
		}
	}
	if status, _ := ask(t, "DELETE", "/sallyport/status"); status != 405 {
		t.Errorf("DELETE: got %d", status)
	}
}

// TestMetrics: they are those of the gate and not of a configuration, in a
// registry that refuses what does not fit its description.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.load()
	for range 3 {
		w.do(request{})
		w.do(request{from: outsideIP})
	}
	w.do(request{host: "nobody.example"})
	w.load() // a reload forgets nothing
	w.do(request{})
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"sallyport_decisions_total allowed network": 4, "sallyport_decisions_total blocked outside_networks": 3, "sallyport_decisions_total blocked unknown_site": 1,
		"sallyport_open_requests": 0, "sallyport_tenants": 2, "sallyport_store_up": 1, "sallyport_attempts_seen_total": 4,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
	for _, name := range []string{"sallyport_attempts_waiting", "sallyport_policy_position", "sallyport_store_lag_seconds"} {
		if _, ok := got[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
}

// TestMatcher: the list alone, in a Caddyfile of somebody's own.
func TestMatcher(t *testing.T) {
	w := newWorld(t)
	w.options = "trusted_proxies static " + proxyIP
	site := w.caddyfile()
	site = site[:strings.LastIndex(site, "	sallyport {")] + "	@inside sallyport_network acme\n	@gone sallyport_network gone\n	respond @gone gone\n	respond @inside inside\n	respond outside\n}\n"
	w.load(site)
	for _, c := range []struct {
		from, header, want string
		mode               gate.Mode
	}{
		{insideIP, "", "inside", gate.ModeEnforced},
		{outsideIP, "", "outside", gate.ModeEnforced},
		{outsideIP, insideIP, "outside", gate.ModeEnforced},
		{proxyIP, insideIP, "inside", gate.ModeEnforced},
		{proxyIP, "", "outside", gate.ModeEnforced},
		{operatorIP, "", "outside", gate.ModeEnforced},
		{insideIP, "", "inside", gate.ModeDryRun},
		{outsideIP, "", "outside", gate.ModeDryRun},
	} {
		w.mode("acme", c.mode)
		header := http.Header{}
		if c.header != "" {
			header.Set("X-Forwarded-For", c.header)
		}
		if _, body := w.do(request{from: c.from, host: "any.example", header: header}); body != c.want {
			t.Errorf("from %s (%s), %s: got %s, want %s", c.from, c.header, c.mode, body, c.want)
		}
	}
}
