package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// BenchmarkNetworksPage shows the page of a list that is as long as lists get.
// Measured on 2 cores, warm: see docs/benchmarks.md.
func BenchmarkNetworksPage(b *testing.B) {
	data, tokens := apiTemplate()
	file := filepath.Join(b.TempDir(), "gate.db")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	s := &apiSite{ctx: b.Context(), tokens: tokens}
	b.Cleanup(s.open(file))
	s.acme = must(s.Tenant(s.ctx, "acme"))
	owner := s.actorOf("owner")
	e := gate.Edit{Tenant: s.acme.ID, Mode: gate.ModeEnforced, Base: s.acme.Version}
	for i := range gate.MaxEntries - 1 {
		e.Entries = append(e.Entries, gate.Draft{Range: fmt.Sprintf("10.%d.%d.0/25", i/256, i%256), Label: fmt.Sprint("Site ", i), Enabled: true})
	}
	e.Entries = append(e.Entries, gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true})
	if _, err := s.PutNetworks(b.Context(), owner, e); err != nil {
		b.Fatal(err)
	}
	look := func() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, Prefix+networksPath, http.NoBody)
		r.Host, r.RemoteAddr = "acme.example", "127.0.0.1:1"
		r.Header.Set("X-Forwarded-For", apiInside)
		r.Header.Set("Accept", browserAccept)
		r.AddCookie(&http.Cookie{Name: "__Host-sallyport", Value: s.tokens["owner"]})
		w := httptest.NewRecorder()
		if s.serve(w, r); w.Code != http.StatusOK {
			b.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	look()
	for b.Loop() {
		look()
	}
}
