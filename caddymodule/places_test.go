package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// TestPlaces: files that tell places come, go, are replaced and break, and no
// request ever notices.
func TestPlaces(t *testing.T) {
	city, asn := "../internal/geo/testdata/GeoLite2-City-Test.mmdb", "../internal/geo/testdata/GeoLite2-ASN-Test.mmdb"
	w := newWorld(t)
	w.site = "login off"
	path := filepath.Join(w.dir, "places.mmdb")
	replace := func(from string) {
		t.Helper()
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	// state is the type and the trouble of the file in use; empty: there is none.
	state := func() (text string) {
		t.Helper()
		_, s := ask(t, "GET", "/sallyport/status")
		for _, f := range s["places"].([]any) {
			f := f.(map[string]any)
			text += f["type"].(string)
			if trouble, _ := f["trouble"].(string); trouble != "" {
				text += " " + trouble
			}
		}
		return text
	}
	expect := func(step, want string) {
		t.Helper()
		waitFor(t, step, 10*time.Second, func() bool { return strings.HasPrefix(state(), want) && (want != "") == (state() != "") })
		if res, _ := w.do(request{}); res.StatusCode != 200 {
			t.Errorf("%s: got %s", step, res.Status)
		}
	}

	w.load()
	expect("none", "")
	replace(city)
	w.options = "places " + path
	w.load()
	expect("at first", "GeoLite2-City")
	replace(asn)
	expect("replaced", "GeoLite2-ASN")
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	expect("broken", "GeoLite2-ASN "+path+" is no whole file")
	up, age := placesMetrics(t)
	if up != 0 || age < time.Hour.Seconds() {
		t.Errorf("broken: got sallyport_places_up %v, age %v", up, age)
	}
	if !strings.Contains(w.log(), "places file cannot be used") {
		t.Error("the log does not say so")
	}

	// A reload is refused, and what was there goes on.
	if err := caddy.Load(adapt(t, w.caddyfile()), true); err == nil || !strings.Contains(err.Error(), "places: "+path+" is no whole file") {
		t.Errorf("reload: got %v", err)
	}
	expect("reload refused", "GeoLite2-ASN "+path+" is no whole file")

	// So is one whose start fails after the files were shown.
	replace(asn)
	expect("mended", "GeoLite2-ASN")
	failing := strings.Replace(w.caddyfile(), "http://:"+w.port, "http://203.0.113.1:"+w.port, 1)
	failing = strings.Replace(strings.Replace(failing, "bind 127.0.0.1", "bind 203.0.113.1", 1), "places "+path, "", 1)
	if err := caddy.Load(adapt(t, failing), true); err == nil {
		t.Error("an address that is not this machine's was taken")
	}
	expect("start failed", "GeoLite2-ASN")
	replace(city)
	expect("and still watched", "GeoLite2-City")
	if up, _ := placesMetrics(t); up != 1 {
		t.Errorf("mended: got sallyport_places_up %v", up)
	}

	w.options = ""
	w.load()
	expect("none again", "")
}

func placesMetrics(t *testing.T) (up, age float64) {
	t.Helper()
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	up, age = -1, -1
	for _, f := range families {
		switch f.GetName() {
		case "sallyport_places_up":
			up = f.GetMetric()[0].GetGauge().GetValue()
		case "sallyport_places_age_seconds":
			age = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return up, age
}
