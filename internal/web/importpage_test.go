package web

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

// upload sends a file to the first step; pairs are further fields.
func (s *apiSite) upload(as, name string, data []byte, pairs ...string) response {
	s.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part := must(w.CreateFormFile("file", name))
	_ = must(part.Write(data))
	for i := 0; i+1 < len(pairs); i += 2 {
		_ = w.WriteField(pairs[i], pairs[i+1])
	}
	w.Close()
	a := s.send(as, http.MethodPost, Prefix+importPath, body.String(),
		"Accept", browserAccept, "Sec-Fetch-Site", "same-origin", "Content-Type", w.FormDataContentType())
	return response(a)
}

// fieldsOf are the fields of the form with the file in it, as a browser would
// send them.
func fieldsOf(page *html.Node) (pairs []string) {
	for n := range first(page, "main").Descendants() { // the frame has a form of its own
		if n.Type != html.ElementNode || n.Data != "input" && n.Data != "select" || attr(n, "name") == "" || attr(n, "type") == "file" {
			continue
		}
		kind, value := attr(n, "type"), attr(n, "value")
		if (kind == "checkbox" || kind == "radio") && !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
			continue
		}
		if n.Data == "select" {
			for o := range n.Descendants() {
				if slices.ContainsFunc(o.Attr, func(a html.Attribute) bool { return a.Key == "selected" }) {
					value = attr(o, "value")
				}
			}
		}
		pairs = append(pairs, attr(n, "name"), value)
	}
	return pairs
}

// with sets a field of a form, or the n-th of this name.
func with(pairs []string, name string, nth int, value string) []string {
	out := slices.Clone(pairs)
	for i := 0; i+1 < len(out); i += 2 {
		if out[i] == name {
			if nth--; nth < 0 {
				out[i+1] = value
				return out
			}
		}
	}
	return append(out, name, value)
}

const mixedCSV = "网段;名称\n198.51.100.0/24;Branch\n203.0.113.300;Typo\n203.0.113.9;in HQ\n10.1.0.0/16;Plant\n11.0.0.0/8;Cloud\n198.51.100.0/24;again\n"

// TestImportPage walks through a file with a row of every sort: what is mended
// comes in, what is ticked comes in, and nothing else.
func TestImportPage(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	s.page("owner", importPath).shows(t, http.StatusOK, "Import networks")
	chinese := must(simplifiedchinese.GB18030.NewEncoder().String(mixedCSV))
	page := s.upload("owner", "办公室.csv", []byte(chinese)).shows(t, http.StatusOK, "Import networks")
	says(t, page, "1 new, 1 already covered, 1 very wide, 1 with errors", "1 private", "1 there already", "“300” is over 255.",
		"Already covered by “HQ” (203.0.113.0/24)", "10.1.0.0/16 is a private", "11.0.0.0/8 is very wide", "Add 1 network and the ticked ones to draft")

	form := fieldsOf(page)
	mended := s.post("owner", importPath, with(with(form, "mend", 0, "192.0.2.7"), "step", 0, stepCheck)...)
	page = mended.shows(t, http.StatusOK, "Import networks")
	says(t, page, "2 new, 1 already covered, 1 very wide, 0 with errors", "Add 2 networks and the ticked ones to draft")

	form = fieldsOf(page)
	a := s.post("owner", importPath, with(append(form, "include", "4"), "step", 0, stepAdd)...)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != Prefix+draftPath+"?done=imported" {
		t.Fatalf("got %s to %q: %s", a.Status, a.Header.Get("Location"), a.body)
	}
	d := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID))
	var got []string
	for _, e := range d.Entries {
		got = append(got, e.Range+" "+e.Label)
	}
	want := []string{"203.0.113.0/24 HQ", "198.51.100.0/24 Branch", "192.0.2.7 Typo", "10.1.0.0/16 Plant", "11.0.0.0/8 Cloud"}
	if !slices.Equal(got, want) {
		t.Errorf("the draft: got %q, want %q", got, want)
	}
	if got := s.version(); got != 2 {
		t.Errorf("the list changed: version %d", got)
	}
	// Once more, now to the draft.
	page = s.upload("owner", "again.csv", []byte(chinese)).shows(t, http.StatusOK, "Import networks")
	says(t, page, "0 new, 1 already covered, 0 very wide, 1 with errors", "4 there already")
}

func TestImportColumns(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	const text = "Standort;Netz;Seit\nZweig;198.51.100.0/24;2020\n"
	page := s.upload("owner", "netze.csv", []byte(text)).shows(t, http.StatusOK, "Import networks")
	says(t, page, "netze.csv", "1 row", "Standort", "Zweig")
	form := fieldsOf(page)
	if want := []string{"column", "label", "column", "range", "column", ""}; !contains(form, want) {
		t.Errorf("guessed: got %q, want %q in it", form, want)
	}
	twice := s.post("owner", importPath, with(with(form, "column", 2, "range"), "step", 0, stepCheck)...)
	says(t, twice.shows(t, http.StatusUnprocessableEntity, "Import networks"), "“Network” is chosen twice.")
	none := s.post("owner", importPath, with(with(form, "column", 1, ""), "step", 0, stepCheck)...)
	says(t, none.shows(t, http.StatusUnprocessableEntity, "Import networks"), "Choose the column with the networks.")
	unlabelled := s.post("owner", importPath, with(with(form, "column", 0, ""), "step", 0, stepCheck)...)
	says(t, unlabelled.shows(t, http.StatusUnprocessableEntity, "Import networks"), "Choose the column with the labels, or write a label for all.")
	labelled := with(with(form, "column", 0, ""), "label", 0, "Branches")
	page = s.post("owner", importPath, with(labelled, "step", 0, stepCheck)...).shows(t, http.StatusOK, "Import networks")
	says(t, page, "1 new", "Branches")
	// Another separator, and the columns are others.
	again := s.post("owner", importPath, with(with(form, "separator", 0, "comma"), "step", 0, stepRead)...)
	says(t, again.shows(t, http.StatusOK, "Import networks"), "Standort;Netz;Seit")
	chinese := must(simplifiedchinese.GB18030.NewEncoder().String("名,段\n上海,198.51.100.0/24\n"))
	form = fieldsOf(s.upload("owner", "x.csv", []byte(chinese)).shows(t, http.StatusOK, "Import networks"))
	wrong := s.post("owner", importPath, with(with(form, "encoding", 0, "utf-8"), "step", 0, stepRead)...)
	says(t, wrong.shows(t, http.StatusUnprocessableEntity, "Import networks"), "It cannot be read in this encoding.")
}

// contains reports whether a list has another one in it.
func contains(all, part []string) bool {
	for i := range all {
		if len(all)-i >= len(part) && slices.Equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

func TestImportReplaces(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	const text = "203.0.113.0/24\n198.51.100.7\n"
	page := s.post("owner", importPath, "text", text, "label", "Office", "mode", importReplace).shows(t, http.StatusOK, "Import networks")
	says(t, page, "1 new", "1 in the list already, kept", "Replace the list in the draft with 2 networks")
	s.post("owner", importPath, with(fieldsOf(page), "step", 0, stepAdd)...)
	d := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID))
	if len(d.Entries) != 2 || d.Entries[0].Label != "Office" {
		t.Errorf("got %+v", d.Entries)
	}
}

func TestImportProblemRows(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	page := s.post("owner", importPath, "text", mixedCSV).shows(t, http.StatusOK, "Import networks")
	a := s.post("owner", importPath, with(fieldsOf(page), "step", 0, stepProblems)...)
	if got := a.Header.Get("Content-Disposition"); got != `attachment; filename="problems.csv"` || !strings.HasPrefix(a.body, "\ufeffNetwork,Label,") {
		t.Fatalf("got %q %q", got, a.body)
	}
	// It is read again as it is, and once it is mended, comes in.
	mended := strings.ReplaceAll(a.body, "203.0.113.300", "192.0.2.7")
	page = s.upload("owner", "problems.csv", []byte(mended)).shows(t, http.StatusOK, "Import networks")
	says(t, page, "2 new, 1 already covered, 1 very wide, 0 with errors")
}

// TestImportBadFiles has a sentence for everything that is no list.
func TestImportBadFiles(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	many := strings.Repeat("192.0.2.1\n", gate.MaxEntries+1)
	for _, c := range []struct {
		name, text string
		status     int
		want       string
	}{
		{"nothing", " \n", 422, "Choose a file, or paste a list."},
		{"a header", "range,label\n", 422, "There is no network in it."},
		{"a program", "\x7fELF\x00\x00", 422, "This is not a text file"},
		{"a workbook", "PK\x03\x04\x00", 422, "Save it as CSV there"},
		{"quotes", "range,label\n192.0.2.1,a\"b\n", 422, "A quotation mark stands wrong in line 2."},
		{"5,001 networks", many, 422, "It has 5001 rows. A list holds 5,000 networks."},
		{"60 columns", "range,label" + strings.Repeat(",", 58) + "\n192.0.2.1,a\n", 422, "It has 60 columns"},
		{"3 MB", strings.Repeat("192.0.2.1\n", 300<<10), 413, "That is more than 2 MB."},
		{"10 MB", strings.Repeat("192.0.2.1\n", 1<<20), 413, "That is more than 2 MB."},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, answer := range []response{s.upload("owner", "x.csv", []byte(c.text)), s.post("owner", importPath, "text", c.text)} {
				says(t, answer.shows(t, c.status, "Import networks"), c.want)
			}
		})
	}
	form := []string{"data", base64.RawURLEncoding.EncodeToString([]byte(mixedCSV)), "column", "range", "column", "label", "step", stepCheck}
	for _, more := range [][]string{{"at", "1 range"}, {"at", "99 range", "mend", "x"}, {"at", "1 colour", "mend", "x"}, {"include", "99"}, {"data", "!"}} {
		if a := s.post("owner", importPath, with(form, more[0], 0, more[1])...); more[0] == "data" && a.StatusCode != 400 {
			t.Errorf("%q: got %s", more, a.Status)
		}
		if a := s.post("owner", importPath, append(slices.Clone(form), more...)...); a.StatusCode != 400 {
			t.Errorf("%q: got %s, want 400", more, a.Status)
		}
	}
}

func TestImportRoles(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	for _, role := range []string{"reviewer", "member"} {
		for _, a := range []response{s.page(role, importPath), s.post(role, importPath, "text", mixedCSV)} {
			if a.StatusCode != http.StatusForbidden {
				t.Errorf("%s: got %s, want 403", role, a.Status)
			}
		}
	}
	if a := s.page("member", exportPath+"?format=csv"); a.StatusCode != http.StatusForbidden {
		t.Errorf("export by a member: got %s, want 403", a.Status)
	}
}

// TestExportPage exports in the words of each language, which read back.
func TestExportPage(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	for _, role := range []string{"owner", "reviewer"} {
		for lang, header := range map[string]string{"en": "\ufeffNetwork,Label,", "zh-CN": "\ufeff网络,标签,"} {
			a := s.page(role, exportPath+"?format=csv&lang="+lang)
			if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, header) {
				t.Errorf("%s in %s: got %s %q", role, lang, a.Status, a.body)
			}
			_, rows, err := sheet.Read([]byte(a.body), sheet.Options{})
			if err != nil || len(rows) != 1 || rows[0].Draft.Label != "HQ" || len(rows[0].Bad) > 0 {
				t.Errorf("%s: reading back: got %+v, %v", lang, rows, err)
			}
		}
	}
	for format, want := range map[string]string{"text": "203.0.113.0/24 # HQ\n", "json": `"base_version":2`, "caddyfile": "client_ip 203.0.113.0/24"} {
		if a := s.page("owner", exportPath+"?format="+format); a.StatusCode != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s: got %s %q", format, a.Status, a.body)
		}
	}
	if a := s.page("owner", exportPath+"?format=xml"); a.StatusCode != http.StatusNotFound {
		t.Errorf("another format: got %s, want 404", a.Status)
	}
}

// TestImportMany holds that the longest list is no trouble, and that what is not
// shown of its problems is not forgotten.
func TestImportMany(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	var text strings.Builder
	text.WriteString("range,label\n")
	for i := range 4000 {
		fmt.Fprintf(&text, "20.18.%d.%d,Branch %d\n", i/256, i%256, i)
	}
	for i := range importOpen + 50 {
		fmt.Fprintf(&text, "10.0.%d.0/24,Plant %d\n", i, i)
	}
	begun := time.Now()
	answer := s.post("owner", importPath, "text", text.String())
	checked := time.Since(begun)
	page := answer.shows(t, http.StatusOK, "Import networks")
	says(t, page, fmt.Sprintf("%d private", importOpen+50), "4000 networks without a problem")
	fields := with(fieldsOf(page), "step", 0, stepAdd)
	begun = time.Now()
	a := s.post("owner", importPath, fields...)
	t.Logf("%d rows: checked in %v, a page of %d KiB; added in %v", 4000+importOpen+50, checked, len(answer.body)>>10, time.Since(begun))
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("got %s %s", a.Status, a.body[:min(len(a.body), 500)])
	}
	d := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID))
	if got, want := len(d.Entries), 4000+importOpen+50+1; got != want {
		t.Errorf("got %d entries, want %d", got, want)
	}
}
