package web

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestVendored compares the vendored scripts with what VENDOR.md says they are.
func TestVendored(t *testing.T) {
	list := string(must(os.ReadFile("static/vendor/VENDOR.md")))
	want := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+\.js) \|.*\| ([0-9a-f]{64}) \|`).FindAllStringSubmatch(list, -1) {
		want["static/vendor/"+row[1]] = row[2]
	}
	files := must(filepath.Glob("static/vendor/*.js"))
	if len(files) != len(want) || len(files) == 0 {
		t.Errorf("VENDOR.md lists %d scripts, the folder has %d", len(want), len(files))
	}
	for _, file := range files {
		if got := fmt.Sprintf("%x", sha256.Sum256(must(os.ReadFile(file)))); got != want[file] {
			t.Errorf("%s: got SHA-256 %s, want %s", file, got, want[file])
		}
	}
}

// sentForm has every sort of field that a form can have.
type sentForm struct {
	Word  string   `json:"word"`
	Roles []string `json:"roles"`
	On    bool     `json:"on"`
	File  formFile `json:"file"`
}

func TestReadForm(t *testing.T) {
	for name, c := range map[string]struct {
		form url.Values
		want sentForm
		code string // of what is wrong
	}{
		"all":           {url.Values{"word": {"a"}, "roles": {"owner", "member"}, "on": {"on"}}, sentForm{Word: "a", Roles: []string{"owner", "member"}, On: true}, ""},
		"nothing":       {url.Values{}, sentForm{}, ""},
		"doubled":       {url.Values{"word": {"a", "b"}}, sentForm{}, "doubled"},
		"doubled box":   {url.Values{"on": {"on", "on"}}, sentForm{}, "doubled"},
		"unknown":       {url.Values{"words": {"a"}}, sentForm{}, "unknown_field"},
		"text for file": {url.Values{"file": {"a"}}, sentForm{}, "wrong_type"},
		"too large":     {url.Values{"word": {strings.Repeat("a", 2000)}}, sentForm{}, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(c.form.Encode()))
			r.Header.Set("Content-Type", formMedia)
			var got sentForm
			if code := codeOf(readForm(httptest.NewRecorder(), r, 1000, &got)); code != c.code {
				t.Fatalf("got %q, want %q", code, c.code)
			}
			if c.code == "" && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// codeOf is the code of the first field that is wrong, or of the problem.
func codeOf(err error) string {
	p, ok := errors.AsType[problem](err)
	switch {
	case err == nil:
		return ""
	case !ok:
		return err.Error()
	case len(p.Errors) > 0:
		return p.Errors[0].Code
	}
	return p.code()
}

func TestReadFormWithFile(t *testing.T) {
	send := func(names ...string) (sentForm, error) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for _, name := range names {
			field, file, _ := strings.Cut(name, "=")
			content := must(w.CreateFormFile(field, file))
			if file != "" { // browsers send an empty one where none was chosen
				_, _ = io.WriteString(content, "1,2")
			}
		}
		_ = w.WriteField("word", "a")
		w.Close()
		r := httptest.NewRequest("POST", "/", &body)
		r.Header.Set("Content-Type", w.FormDataContentType())
		var got sentForm
		err := readForm(httptest.NewRecorder(), r, 1000, &got)
		return got, err
	}
	for name, c := range map[string]struct {
		files []string
		want  formFile
		code  string
	}{
		"one":           {[]string{"file=a.csv"}, formFile{"a.csv", []byte("1,2")}, ""},
		"none chosen":   {[]string{"file="}, formFile{}, ""},
		"none":          {nil, formFile{}, ""},
		"two":           {[]string{"file=a.csv", "file=b.csv"}, formFile{}, "doubled"},
		"unknown":       {[]string{"other=a.csv"}, formFile{}, "unknown_field"},
		"file for text": {[]string{"roles=a.csv"}, formFile{}, "unknown_field"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := send(c.files...)
			if code := codeOf(err); code != c.code {
				t.Fatalf("got %q, want %q", code, c.code)
			}
			if want := (sentForm{Word: "a", File: c.want}); c.code == "" && !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestConsoleFrame looks for what stands on every page of the console, on one
// that is there and on one that is not.
func TestConsoleFrame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	owner, _, _ := s.enrolled("li.na")
	for path, want := range map[string]struct {
		status  int
		heading string
	}{
		homePath:           {200, "You are signed in to Acme"},
		Prefix + "nothing": {404, "There is nothing here"},
	} {
		page := owner.get(path).shows(t, want.status, want.heading)
		bar := textOf(first(page, "header"))
		for _, word := range []string{"Acme", "Enforced", "You: 203.0.113.7 HQ Shanghai", "li.na", "Sign out", "简体中文"} {
			if !strings.Contains(bar, word) {
				t.Errorf("%s: no %q in %q", path, word, bar)
			}
		}
	}
	a := owner.send("DELETE", homePath, "", "")
	a.shows(t, http.StatusMethodNotAllowed, "This doesn't work that way")
	if got := a.Header.Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow is %q", got)
	}
	one, two := owner.get(homePath), owner.get(homePath)
	if one.Header.Get("Content-Security-Policy") == two.Header.Get("Content-Security-Policy") {
		t.Error("two answers have one nonce")
	}
}
