package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestAPIExport(t *testing.T) {
	s := newAPISite(t)
	hostile := blocked("198.51.100.9")
	hostile.UserAgent = "=1+1\x1b[2J\u202e"
	references := s.put(blocked("198.51.100.1"), blocked("198.51.100.2"), hostile)
	for _, c := range []struct {
		format      export.Format
		contentType string
		lines       int
	}{
		{export.CSV, "text/csv; charset=utf-8; header=present", 4},
		{export.JSONLines, "application/x-ndjson", 3},
		{export.ECS, "application/x-ndjson", 3},
		{export.OCSF, "application/x-ndjson", 3},
		{export.CEF, "text/plain; charset=utf-8", 3},
	} {
		a := s.do("reviewer", "GET", "attempts/export?outcome=blocked&"+header(c.format)+"format="+string(c.format), "")
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != c.contentType || a.Header.Get("Cache-Control") != "no-store, no-transform" {
			t.Errorf("%s: got %s %v", c.format, a.Status, a.Header)
		}
		if got, want := a.Header.Get("Content-Disposition"), `attachment; filename="attempts-acme-`; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s…", c.format, got, want)
		}
		if got := strings.Count(a.body, "\n"); got != c.lines {
			t.Errorf("%s: got %d lines in %s", c.format, got, a.body)
		}
		sum := sha256.Sum256([]byte(a.body))
		digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
		if got := a.Trailer; got.Get("Content-Digest") != digest || got.Get("X-Sallyport-Rows") != "3" {
			t.Errorf("%s: got trailers %v, want %s", c.format, got, digest)
		}
		if strings.ContainsAny(a.body, "\x1b\u202e") {
			t.Errorf("%s: got %q", c.format, a.body)
		}
		changes := must(s.store.Changes(s.ctx, gate.ChangeFilter{Tenant: s.acme.ID, Limit: 2}))
		if changes[1].Action != "attempts.export" || changes[1].Actor != "reviewer" || !strings.Contains(string(changes[1].Detail), `"format":"`+string(c.format)+`"`) ||
			changes[0].Action != "attempts.exported" || !strings.Contains(string(changes[0].Detail), fmt.Sprintf(`"rows":3,"sha256":"%x","complete":true`, sum)) {
			t.Errorf("%s: got changes %s %s, %s %s", c.format, changes[1].Action, changes[1].Detail, changes[0].Action, changes[0].Detail)
		}
	}

	// The same records in the same order as the list.
	var lines list[row]
	s.get("reviewer", "attempts?outcome=blocked", &lines)
	var got []string
	for line := range strings.Lines(s.do("reviewer", "GET", "attempts/export?format=jsonl&outcome=blocked", "").body) {
		var one row
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if want := lines.Items[len(got)]; fmt.Sprint(one) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", one, want)
		}
		got = append(got, one["reference"].(string))
	}
	slices.Reverse(references)
	if !slices.Equal(got, references) {
		t.Errorf("got %q, want %q", got, references)
	}
}

// header is what CSV may have and others not.
func header(f export.Format) string {
	if f == export.CSV {
		return "header=machine&"
	}
	return ""
}

func TestAPIExportHeader(t *testing.T) {
	s := newAPISite(t)
	s.put(blocked("198.51.100.1"))
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "Reference,First time (UTC),"},
		{"", "zh-CN", "参考编号,首次时间（UTC）,"},
		{"&lang=zh-CN", "en", "参考编号,首次时间（UTC）,"},
		{"&header=machine", "zh-CN", "reference,time,"},
	} {
		a := s.do("owner", "GET", "attempts/export?stage=gate&format=csv"+c.query, "", "Accept-Language", c.accept)
		if !strings.HasPrefix(a.body, "\ufeff"+c.want) {
			t.Errorf("%s %s: got %.80s", c.query, c.accept, a.body)
		}
		rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[0]) != len(columnWords) || slices.Contains(rows[0], "") {
			t.Errorf("%s: got %q, %v", c.query, rows, err)
		}
	}
}

func TestAPIExportRefuses(t *testing.T) {
	s := newAPISite(t)
	before := must(s.store.Changes(s.ctx, gate.ChangeFilter{Tenant: s.acme.ID, Limit: 1}))[0].Pos
	for query, fields := range map[string][]string{
		"":                                   {"format required"},
		"?format=xls":                        {"format unknown"},
		"?format=csv&header=none":            {"header unknown"},
		"?format=cef&header=machine":         {"header not_allowed"},
		"?format=csv&lang=tlh":               {"lang unknown"},
		"?format=csv&outcome=none":           {"outcome unknown"},
		"?format=csv&limit=5":                {"limit unknown_parameter"},
		"?format=csv&since=2026-01-01":       {"since invalid"},
		"?format=csv&not.address=1.2.3.4/33": {"not.address invalid"},
	} {
		s.refused(s.do("owner", "GET", "attempts/export"+query, ""), 400, "malformed", fields...)
	}
	s.refused(s.do("member", "GET", "attempts/export?format=csv", ""), 403, "forbidden")
	s.refused(s.do("owner", "POST", "attempts/export?format=csv", ""), 405, "method_not_allowed")
	s.refused(s.do("", "GET", "attempts/export?format=csv", ""), 401, "no_session")
	a := s.do("owner", "HEAD", "attempts/export?format=csv", "")
	if a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("HEAD: got %s %v", a.Status, a.Header)
	}
	if a := s.do("member", "HEAD", "attempts/export?format=csv", ""); a.StatusCode != 403 {
		t.Errorf("HEAD by a member: got %s", a.Status)
	}
	if after := must(s.store.Changes(s.ctx, gate.ChangeFilter{Tenant: s.acme.ID, Limit: 1}))[0].Pos; after != before {
		t.Errorf("%d changes were recorded, and nothing was exported", after-before)
	}
}

// TestAPIExportEnds: a file that is on its way is broken off when the session
// ends, also under a client that does not read, and the change log says so.
func TestAPIExportEnds(t *testing.T) {
	s := newAPISite(t)
	boot := gate.Ledger{Node: "test", Boot: gate.NewID(), Started: apiStart}
	must(0, s.store.OpenLedger(s.ctx, boot))
	batch := make([]gate.Attempt, 0, 40_000)
	for i := range cap(batch) {
		a := blocked("198.51.100.1")
		a.Reference, a.Tenant, a.Boot, a.Node, a.Count, a.Bits = auth.NewReference(), s.acme.ID, boot.Boot, "test", 1, 32
		a.FirstTime = apiStart.Add(-time.Duration(i) * time.Second)
		a.LastTime, a.UserAgent = a.FirstTime, strings.Repeat("long ", 60)
		batch = append(batch, a)
	}
	boot.Seen = int64(len(batch))
	must(0, s.store.PutAttempts(s.ctx, boot, batch))

	r := must(http.NewRequestWithContext(s.ctx, "GET", s.server.URL+"/_sallyport/api/v1/attempts/export?format=jsonl", nil))
	r.Host = "acme.example"
	r.Header.Set("X-Forwarded-For", apiInside)
	r.AddCookie(&http.Cookie{Name: auth.SessionCookie, Value: s.tokens["reviewer"]})
	res := must(http.DefaultClient.Do(r))
	defer res.Body.Close()
	must(io.ReadFull(res.Body, make([]byte, 10_000)))
	sessions := must(s.Sessions(s.ctx, apiCommand, gate.SessionFilter{Tenant: s.acme.ID, Limit: 10}))
	for _, session := range sessions {
		if session.Login == "reviewer" {
			must(0, s.EndSession(s.ctx, apiCommand, session.ID, ""))
		}
	}
	var end gate.Change
	for deadline := time.Now().Add(5 * time.Second); end.Action != "attempts.exported" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		end = must(s.store.Changes(s.ctx, gate.ChangeFilter{Tenant: s.acme.ID, Limit: 1}))[0]
	}
	if !bytes.Contains(end.Detail, []byte(`"complete":false`)) {
		t.Errorf("got %s %s", end.Action, end.Detail)
	}
	rest, err := io.ReadAll(res.Body)
	if err == nil {
		t.Errorf("%d bytes came after it was broken off, and it looks whole: trailers %v", len(rest), res.Trailer)
	}
}
