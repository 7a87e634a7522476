package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

const sampleCSV = "range;label;expires\n198.51.100.0/24;Branch;2030-01-02\n203.0.113.9;in HQ;\n10.1.0.0/16;Plant;\n"

// csv sends a file.
func (s *apiSite) csv(as, query, body string, headers ...string) answer {
	s.Helper()
	return s.do(as, http.MethodPost, "networks/import"+query, body, append([]string{"Content-Type", "text/csv"}, headers...)...)
}

// version of acme's list.
func (s *apiSite) version() int64 { return must(s.Version(s.ctx, apiCommand, s.acme.ID, 0)).Version }

func TestAPIImport(t *testing.T) {
	s := newAPISite(t)
	var tried importJSON
	s.ok(s.csv("owner", "", sampleCSV), http.StatusOK, &tried)
	if tried.Applied || tried.Version != 2 || tried.Encoding != "utf-8" || tried.Separator != "semicolon" || len(tried.Rows) != 3 {
		t.Errorf("got %+v", tried)
	}
	if got := tried.Counts; got[gate.FateNew] != 1 || got[gate.FateCovered] != 1 || got[gate.FatePrivate] != 1 || len(got) != len(gate.Fates) {
		t.Errorf("counts: got %v", got)
	}
	if r := tried.Rows[1]; r.Line != 3 || r.Range != "203.0.113.9" || r.Label != "in HQ" || len(r.Warnings) != 1 || r.Warnings[0].Field != "range" {
		t.Errorf("a covered row: got %+v", r)
	}
	if got := s.version(); got != 2 {
		t.Errorf("trying changed the list: version %d", got)
	}
	var done importJSON
	s.ok(s.csv("owner", "?apply=true&reason=moved&base_version=2", sampleCSV), http.StatusOK, &done)
	if !done.Applied || done.Version != 3 {
		t.Errorf("applied: got %+v", done)
	}
	list := must(s.Version(s.ctx, apiCommand, s.acme.ID, 0))
	if list.Version != 3 || len(list.Networks) != 4 || list.Networks[1].Label != "Branch" || list.Reason != "moved" || list.By != "owner" {
		t.Errorf("got %+v", list)
	}
	chinese, err := simplifiedchinese.GB18030.NewEncoder().String("网段,名称\n192.0.2.0/28,上海总部\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, headers := range [][]string{nil, {"Content-Type", "text/csv; charset=GB18030"}} {
		s.ok(s.csv("owner", "", chinese, headers...), http.StatusOK, &tried)
		if tried.Encoding != "gb18030" || tried.Rows[0].Label != "上海总部" {
			t.Errorf("%v: got %+v", headers, tried)
		}
	}
}

func TestAPIImportRefuses(t *testing.T) {
	s := newAPISite(t)
	many := "range,label\n"
	for i := range gate.MaxEntries + 1 {
		many += fmt.Sprintf("198.18.%d.%d,x\n", i/256, i%256)
	}
	const bad = "range,label,enabled\n198.51.100.300,a,\n192.0.2.1,,\n192.0.2.2,b,maybe\n203.0.113.0/24,c,\n"
	for _, c := range []struct {
		name, as, query, body string
		status                int
		code                  string
		fields                []string
	}{
		{"bad rows", "owner", "?apply=true", bad, 422, "invalid", []string{"lines[2].range octet_too_large", "lines[3].label required", "lines[4].enabled not_bool", "lines[5].range duplicate"}},
		{"no column of ranges", "owner", "", "label\nx\n", 422, "invalid", []string{"file no_range"}},
		{"a program", "owner", "", "\x7fELF\x00", 422, "invalid", []string{"file binary"}},
		{"5,001 rows", "owner", "", many, 422, "invalid", []string{"file too_many"}},
		{"nothing", "owner", "", "\n", 422, "invalid", []string{"file empty"}},
		{"who wants to be locked out", "owner", "?apply=true&mode=replace&base_version=2", "range,label\n198.51.100.0/24,x\n", 409, "would_lock_you_out", nil},
		{"an older version", "owner", "?apply=true&mode=replace&base_version=1", sampleCSV, 409, "version_conflict", nil},
		{"an older version, tried", "owner", "?base_version=1", sampleCSV, 409, "version_conflict", nil},
		{"replacing without saying what", "owner", "?apply=true&mode=replace", sampleCSV, 400, "malformed", []string{"base_version required"}},
		{"words that are none", "owner", "?apply=maybe&mode=merge&separator=pipe&encoding=latin-9&accept=all", sampleCSV, 400, "malformed",
			[]string{"mode unknown", "apply unknown", "separator unknown", "encoding unknown", "accept[0] unknown"}},
		{"a reviewer", "reviewer", "", sampleCSV, 403, "forbidden", nil},
		{"a member", "member", "?apply=true", sampleCSV, 403, "forbidden", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := *s
			s.T = t
			s.refused(s.csv(c.as, c.query, c.body), c.status, c.code, c.fields...)
		})
	}
	s.refused(s.csv("owner", "", "{}", "Content-Type", "application/json"), 415, "unsupported_media_type")
	s.refused(s.csv("owner", "", "range,label\n192.0.2.1,"+strings.Repeat("x", maxListBody)), 413, "too_large")
	if got := s.version(); got != 2 {
		t.Errorf("the list changed: version %d", got)
	}
}

func TestAPIExportNetworks(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.csv("owner", "?apply=true", sampleCSV), http.StatusOK, new(importJSON))
	for _, c := range []struct{ query, name, media, begins string }{
		{"", "acme-networks-3.csv", "text/csv; charset=utf-8; header=present", "range,label,note,owner,enabled,not_before,expires\n203.0.113.0/24,HQ,"},
		{"?format=text", "acme-networks-3.txt", "text/plain; charset=utf-8", "203.0.113.0/24 # HQ\n"},
		{"?format=caddyfile", "acme-networks-3.caddyfile", "text/plain; charset=utf-8", "@acme {\n\t# HQ\n\tclient_ip 203.0.113.0/24\n"},
	} {
		for _, role := range []string{"owner", "reviewer"} {
			a := s.do(role, http.MethodGet, "networks/export"+c.query, "")
			if a.StatusCode != 200 || a.Header.Get("Content-Type") != c.media || !strings.HasPrefix(a.body, c.begins) ||
				a.Header.Get("Content-Disposition") != `attachment; filename="`+c.name+`"` {
				t.Errorf("%s %q: got %s %v %q", role, c.query, a.Status, a.Header, a.body)
			}
		}
	}
	// What was written reads back as the same list.
	written := s.do("owner", http.MethodGet, "networks/export", "").body
	var done importJSON
	s.ok(s.csv("owner", "?apply=true&mode=replace&base_version=3", written), http.StatusOK, &done)
	if done.Counts[gate.FateKept] != 4 {
		t.Errorf("counts: got %v, want 4 kept", done.Counts)
	}
	if v := must(s.Version(s.ctx, apiCommand, s.acme.ID, 4)); v.Added+v.Removed+v.Changed != 0 {
		t.Errorf("reading back changed the list: %+v", v)
	}
	var exported struct {
		BaseVersion int64 `json:"base_version"`
		Mode        gate.Mode
		Entries     []row
	}
	s.get("owner", "networks/export?format=json", &exported)
	if exported.BaseVersion != 4 || exported.Mode != gate.ModeEnforced || len(exported.Entries) != 4 {
		t.Errorf("JSON: got %+v", exported)
	}
	s.ok(s.do("owner", http.MethodPut, "networks", s.do("owner", http.MethodGet, "networks/export?format=json", "").body), http.StatusOK, new(editedJSON))
	s.refused(s.do("member", http.MethodGet, "networks/export", ""), 403, "forbidden")
	s.refused(s.do("owner", http.MethodGet, "networks/export?format=xml", ""), 400, "malformed", "format unknown")
}
