package caddymodule

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// fill stores attempts of acme, some 800 bytes each.
func (w *world) fill(n int) {
	w.Helper()
	secret, err := store.LoadSecret(filepath.Join(w.dir, "gate.db.secret"))
	if err != nil {
		w.Fatal(err)
	}
	s, err := store.Open(w.Context(), w.dsn, store.Options{Secret: secret})
	if err != nil {
		w.Fatal(err)
	}
	defer s.Close()
	now := time.Now().UTC().Truncate(time.Microsecond)
	boot := gate.Ledger{Node: "fill", Boot: gate.NewID(), Started: now, Seen: int64(n)}
	if err := s.OpenLedger(w.Context(), boot); err != nil {
		w.Fatal(err)
	}
	batch := make([]gate.Attempt, n)
	for i := range batch {
		at := now.Add(-time.Duration(i) * time.Second)
		batch[i] = gate.Attempt{
			Reference: auth.NewReference(), Tenant: w.acme.ID, Host: "acme.example", Address: netip.MustParseAddr("198.51.100.7"), Bits: 32,
			Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks, Method: "GET", Path: "/", UserAgent: strings.Repeat("long ", 80),
			Count: 1, FirstTime: at, LastTime: at, Node: boot.Node, Boot: boot.Boot,
		}
	}
	if err := s.PutAttempts(w.Context(), boot, batch); err != nil {
		w.Fatal(err)
	}
}

// TestExport: a file goes through Caddy whole, with its trailers, and is broken
// off at once when its network is taken off the list, also where nobody reads.
func TestExport(t *testing.T) {
	w := newWorld(t)
	w.load()
	session := w.signIn("li.na", gate.RoleOwner)
	w.fill(30_000)
	get := func() *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://acme.example/_sallyport/api/v1/attempts/export?format=jsonl&stage=gate", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", auth.SessionCookie+"="+session)
		client := w.client(insideIP)
		client.Timeout = 2 * time.Minute // under the race detector, on a machine that is busy
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}

	res := get()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	if got := res.Trailer; got.Get("Content-Digest") != digest || got.Get("X-Sallyport-Rows") != "30000" || bytes.Count(body, []byte("\n")) != 30_000 {
		t.Errorf("got %s with %d lines and trailers %v, want %s", res.Status, bytes.Count(body, []byte("\n")), got, digest)
	}

	res = get()
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // everything between the two is full
	before := time.Now()
	w.add("acme", "192.0.2.0/24")
	w.remove("acme", insideIP)
	var last gate.Change
	waitFor(t, "the change log says that it was broken off", 5*time.Second, func() bool {
		changes, err := w.Changes(t.Context(), asCommand, gate.ChangeFilter{Tenant: w.acme.ID, Limit: 1})
		if err != nil || len(changes) == 0 {
			t.Fatal(err)
		}
		last = changes[0]
		return last.Action == "attempts.exported"
	})
	if took := last.At.Sub(before); took > atOnce {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(string(last.Detail), `"complete":false`) {
		t.Errorf("got %s", last.Detail)
	}
	if rest, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d bytes later it looks whole: %v", len(rest), fmt.Sprint(res.Trailer))
	}
}
