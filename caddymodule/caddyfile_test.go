package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// update writes what comes out over what is expected: look at the difference.
var update = os.Getenv("SALLYPORT_UPDATE") != ""

// TestAdapt compares the JSON of every Caddyfile in testdata/adapt with the file
// beside it.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfile")
	if err != nil || len(files) < 4 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfile"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, adapt(t, string(text)), "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			golden(t, strings.TrimSuffix(file, ".caddyfile")+".json", got.String())
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it is not what %s says; got\n%s", file, got)
	}
}

// TestAdaptErrors holds the texts of all errors, with file and line.
func TestAdaptErrors(t *testing.T) {
	const file = "testdata/adapt/errors.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, cases, _ := strings.Cut(string(text), "\n\n")
	var out strings.Builder
	out.WriteString(head + "\n")
	n := 0
	for one := range strings.SplitSeq(cases, "\n\n") {
		name, rest, _ := strings.Cut(strings.TrimSpace(one), "\n")
		options, _, _ := strings.Cut(rest, "\n= ")
		got := adaptError(t, name, options)
		out.WriteString("\n" + name + "\n" + options + "\n= " + got + "\n")
		n++
	}
	if n < 40 {
		t.Errorf("there are only %d cases", n)
	}
	golden(t, file, out.String())
}

// adaptError is the error for options of the global option or, where the name of
// the case begins with "site", the words after the directive's name.
func adaptError(t *testing.T, name, options string) string {
	t.Helper()
	config := "{\n\tsallyport {\n" + options + "\n\t}\n}\nexample.com {\n\tsallyport\n}\n"
	switch {
	case strings.HasPrefix(name, "site"):
		config = "example.com {\n\tsallyport" + strings.TrimPrefix(options, "\t") + "\n}\n"
	case strings.HasPrefix(name, "global"):
		config = "{\n\tsallyport" + strings.TrimPrefix(options, "\t") + "\n}\n"
	case strings.HasPrefix(name, "matcher"):
		config = "example.com {\n" + options + "\n}\n"
	}
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err == nil {
		t.Errorf("%s: it is taken", name)
		return ""
	}
	if !strings.Contains(err.Error(), "Caddyfile:") {
		t.Errorf("%s: the error names no line: %v", name, err)
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

// TestExample: the example is as "caddy fmt" would write it, and is taken.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": "Caddyfile.example"})
	if err != nil || len(warnings) > 0 {
		t.Errorf("got %v, %v", warnings, err)
	}
	for option := range global {
		if !strings.Contains(string(text), "# "+option+" ") {
			t.Errorf("it does not show %s", option)
		}
	}
	for option := range siteWords {
		if !strings.Contains(string(text), "# "+option+" ") {
			t.Errorf("it does not show %s", option)
		}
	}
}
