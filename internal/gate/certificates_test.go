package gate_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestCertificates: hosts without a certificate, and those whose certificate
// should have been renewed, are counted and some of them named.
func TestCertificates(t *testing.T) {
	w := newWorld(t)
	const life, short = 90 * 24 * time.Hour, 12 * time.Hour
	var hosts []string
	for i := range 9 {
		hosts = append(hosts, fmt.Sprintf("none-%d.example", 8-i))
	}
	w.tenant("birch", gate.ModeOff, append(hosts, "late.example", "fine.example", "short.example", "short-late.example")...)
	now := time.Now()
	held := map[string]gate.Validity{
		"acme.example":       {Begins: now.Add(-life / 2), Ends: now.Add(life / 2)},
		"fine.example":       {Begins: now.Add(15*24*time.Hour - life), Ends: now.Add(15 * 24 * time.Hour)},
		"late.example":       {Begins: now.Add(13*24*time.Hour - life), Ends: now.Add(13 * 24 * time.Hour)},
		"short.example":      {Begins: now.Add(-short / 2), Ends: now.Add(short / 2)},
		"short-late.example": {Begins: now.Add(time.Hour - short), Ends: now.Add(time.Hour)},
	}
	found := func(of func(string) gate.Validity) *gate.Certificates {
		t.Helper()
		w.SetCertificates(of)
		if err := w.KeepHouse(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w.HealthNow().Certificates
	}
	c := found(func(host string) gate.Validity { return held[host] })
	if c == nil || c.Held != 5 || c.Host != "short-late.example" || !c.Ends.Equal(held[c.Host].Ends) || c.Missing != 9 {
		t.Fatalf("got %+v", c)
	}
	if want := []string{"late.example", "short-late.example"}; !slices.Equal(c.Late, want) {
		t.Errorf("late are %q, want %q", c.Late, want)
	}
	if want := []string{"none-0.example", "none-1.example", "none-2.example", "none-3.example", "none-4.example"}; !slices.Equal(c.Without, want) {
		t.Errorf("without are %q, want %q", c.Without, want)
	}
	if c := found(func(string) gate.Validity { return gate.Validity{} }); c != nil {
		t.Errorf("a node that leaves TLS to others says %+v", c)
	}
}
