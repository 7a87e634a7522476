package browser

import (
	"encoding/json"
	"fmt"
	"testing"
)

// pick chooses a file in a field, as a person does in the browser's own window.
func (v *visitor) pick(selector, name, content string) {
	v.t.Helper()
	code, err := json.Marshal([]string{selector, name, content})
	if err != nil {
		v.t.Fatal(err)
	}
	eval[bool](v.Tab, fmt.Sprintf(`(([field, name, content]) => {
		const files = new DataTransfer();
		files.items.add(new File([content], name, { type: 'text/csv' }));
		document.querySelector(field).files = files.files;
		return true;
	})(%s)`, code))
}

// paste puts a text into a field at once.
func (v *visitor) paste(selector, text string) {
	v.t.Helper()
	code, err := json.Marshal([]string{selector, text})
	if err != nil {
		v.t.Fatal(err)
	}
	eval[bool](v.Tab, fmt.Sprintf(`(([field, text]) => { document.querySelector(field).value = text; return true; })(%s)`, code))
}

const (
	noList   = "\x7fELF\x00\x00"
	officeCS = "Standort;Netz;Seit\nShenzhen branch;198.51.100.0/26;2024\nBranch 4;203.0.113.300;2025\nFront desk;203.0.113.9;2025\n" +
		"VPN, inside;10.20.0.0/16;2023\nCloud;11.0.0.0/8;2022\nShenzhen again;198.51.100.0/26;2026\nData centre;192.0.2.77/24;2021\n"
)

// importStory brings a file with a row of every sort into the draft.
var importStory = []state{
	{"import", 200, "import.title", "", func(v *visitor) int { return v.console("networks/import") }},
	{"import-nothing", 422, "import.title", "import.nothing", func(v *visitor) int { return v.Submit("main button.primary") }},
	{"import-binary", 422, "import.title", "import.file.binary", func(v *visitor) int {
		v.pick("#file", "program", noList)
		return v.Submit("main button.primary")
	}},
	{"import-columns", 200, "import.title", "", func(v *visitor) int {
		v.console("networks/import")
		v.pick("#file", "offices.csv", officeCS)
		return v.Submit("main button.primary")
	}},
	{"import-columns-wrong", 422, "import.title", "import.column.none", func(v *visitor) int {
		v.selectValue("#column-1", "")
		return v.Submit(`button[value="check"]`)
	}},
	{"import-check", 200, "import.title", "", func(v *visitor) int {
		v.selectValue("#column-1", "range")
		return v.Submit(`button[value="check"]`)
	}},
	{"import-mended", 200, "import.title", "", func(v *visitor) int {
		v.Fill("#row-1-range", "203.0.112.30")
		v.Click(`input[name="include"][value="4"]`)
		return v.Submit(`button[value="check"]`)
	}},
	{"import-drafted", 200, "draft.title", "", func(v *visitor) int { return v.Submit(`button[value="add"]`) }},
	{"import-again", 200, "import.title", "", func(v *visitor) int {
		v.console("networks/import")
		v.paste("#text", "198.51.100.0/26\n198.51.100.64/26\n")
		v.Fill("#label", "Shenzhen")
		v.Click(`input[value="replace"]`)
		return v.Submit("main button.primary")
	}},
}

// selectValue chooses one of a list.
func (v *visitor) selectValue(selector, value string) { v.t.Helper(); v.paste(selector, value) }

// TestImport walks through the story in both languages, with and without scripts,
// and looks at every page from all sides.
func TestImport(t *testing.T) {
	for _, walk := range walks {
		t.Run(walk.String(), func(t *testing.T) {
			t.Parallel()
			v := newcomer(t, startSite(t), Options{Lang: walk.lang, NoScript: walk.noScript}, "li.na")
			for _, p := range importStory {
				if v.see(p); t.Failed() {
					t.Fatalf("at %q", p.name)
				}
				if !walk.noScript {
					v.look(t, walk.lang+"-"+p.name)
				}
				v.Clean()
			}
			if got := v.Text(".tally"); got == "" {
				t.Error("no result")
			}
		})
	}
}
