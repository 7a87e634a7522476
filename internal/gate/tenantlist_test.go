package gate_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// listed are the slugs of the tenants that a filter selects.
func (w *world) listed(f gate.TenantFilter) (slugs []string) {
	w.Helper()
	rows, err := w.TenantRows(w.Context(), command, f)
	if err != nil {
		w.Fatal(err)
	}
	for i := range rows {
		slugs = append(slugs, rows[i].Slug)
	}
	return slugs
}

func TestTenantList(t *testing.T) {
	w := newWorld(t)
	for _, login := range []string{"boss", "deputy"} { // nobody of the others can sign in
		w.person(login, gate.RoleOwner)
	}
	for i, name := range []string{"Birch", "Acme", "100% pure", "Birch"} {
		n := gate.Tenant{Slug: fmt.Sprint("t", 4-i), Name: name, Mode: gate.ModeOff, Hosts: []string{fmt.Sprintf("h%d.example", i), fmt.Sprintf("a%d.example", i)}}
		switch i {
		case 1:
			n.Mode = gate.ModeEnforced
		case 2:
			n.Hosts = nil
		}
		w.clock.advance(time.Hour)
		added, err := w.AddTenant(t.Context(), command, n)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			continue
		}
		if _, err := w.OpenEmergency(t.Context(), command, added.ID, netip.MustParseAddr(outside), 24*time.Hour, "T-1"); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		f    gate.TenantFilter
		want []string
	}{
		"all":               {gate.TenantFilter{}, []string{"acme", "t1", "t2", "t3", "t4"}},
		"by name":           {gate.TenantFilter{Sort: gate.SortName}, []string{"t2", "acme", "t3", "t1", "t4"}},
		"newest":            {gate.TenantFilter{Sort: gate.SortCreated}, []string{"t1", "t2", "t3", "t4", "acme"}},
		"what to look at":   {gate.TenantFilter{Sort: gate.SortWarnings}, []string{"t4", "t2", "t1", "t3", "acme"}},
		"behind a warning":  {gate.TenantFilter{Sort: gate.SortWarnings, After: "t2"}, []string{"t1", "t3", "acme"}},
		"behind":            {gate.TenantFilter{After: "t2", Limit: 1}, []string{"t3"}},
		"behind one gone":   {gate.TenantFilter{After: "t2x", Sort: gate.SortName}, []string{"t3", "t4"}},
		"behind one hidden": {gate.TenantFilter{After: "t3", Mode: gate.ModeOff}, []string{"t4"}},
		"behind a name":     {gate.TenantFilter{Sort: gate.SortName, After: "t1"}, []string{"t4"}},
		"behind a moment":   {gate.TenantFilter{Sort: gate.SortCreated, After: "t2"}, []string{"t3", "t4", "acme"}},
		"mode":              {gate.TenantFilter{Mode: gate.ModeEnforced}, []string{"acme", "t3"}},
		"part of a name":    {gate.TenantFilter{Search: " BIRC"}, []string{"t1", "t4"}},
		"host":              {gate.TenantFilter{Search: "A0.example"}, []string{"t4"}},
		"slug":              {gate.TenantFilter{Search: "T3"}, []string{"t3"}},
		"percent":           {gate.TenantFilter{Search: "0%"}, []string{"t2"}},
		"both":              {gate.TenantFilter{Search: "acme", Mode: gate.ModeOff}, nil},
		"under":             {gate.TenantFilter{Search: "_"}, nil},
	} {
		if got := w.listed(tt.f); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// BenchmarkTenantRows lists tenants as the operator's page does, of a hundred
// thousand, with the figures of each that is shown.
func BenchmarkTenantRows(b *testing.B) {
	w := newWorld(b)
	w.HoldTenants(100_000)
	for name, f := range map[string]gate.TenantFilter{
		"first": {}, "deep": {After: "tenant-90000"}, "by name": {Sort: gate.SortName, After: "tenant-50000"}, "by warnings": {Sort: gate.SortWarnings},
		"search": {Search: "company 99"}, "search for nothing": {Search: "nobody"},
	} {
		f.Limit = 51
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.listed(f)
			}
		})
	}
}
