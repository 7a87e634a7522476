package web

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

const (
	importPath = "networks/import"
	exportPath = "networks/export"
)

// Bounds of what the page takes: a file, and the form around it, in which a file
// is a third longer.
const (
	maxImportFile = 2 << 20
	maxImportForm = 4 << 20
)

// What the buttons of the page do.
const (
	stepRead     = "read"     // find out anew what the columns are
	stepColumns  = "columns"  // show them
	stepCheck    = "check"    // say what becomes of every row
	stepAdd      = "add"      // put them into the draft
	stepProblems = "problems" // a file of the rows that are left out
)

// importForm is everything that is known of an import. It goes from step to
// step in the page itself, so that nothing of it has to be kept for whoever
// does not come back.
type importForm struct {
	File    formFile `json:"file"`
	Text    string   `json:"text"`
	Name    string   `json:"name"` // of the file, for showing only
	Data    string   `json:"data"` // after the first step, the file
	Step    string   `json:"step"`
	Mode    string   `json:"mode"`
	Label   string   `json:"label"`
	Charset string   `json:"encoding"`
	Comma   string   `json:"separator"`
	Columns []string `json:"column"`
	At      []string `json:"at"`      // row and column of what was mended,
	Mends   []string `json:"mend"`    // and what is written there now
	Shown   bool     `json:"shown"`   // the boxes of the next were shown
	Include []string `json:"include"` // rows that are asked about and come in
}

// data returns the file, whichever way it was sent.
func (f *importForm) data() ([]byte, error) {
	switch {
	case f.Data != "":
		data, err := base64.RawURLEncoding.DecodeString(f.Data)
		if err != nil {
			return nil, malformed.problem("", fieldProblem{"data", "invalid", "this is no file of this page"})
		}
		return data, nil
	case len(f.File.Content) > 0:
		f.Name = f.File.Name
		return f.File.Content, nil
	}
	return []byte(f.Text), nil
}

// field is the one that the file came by.
func (f *importForm) field() string {
	if f.Text != "" && len(f.File.Content) == 0 {
		return "text"
	}
	return "file"
}

func importPage(s *screen) error {
	return s.importStart(http.StatusOK, importForm{Mode: importAdd})
}

// importStart shows the first step, with what is wrong with what was sent.
func (s *screen) importStart(status int, f importForm, problems ...trouble) error {
	d := &importData{consoleView: s.frame("import.title"), Form: f, Step: 1}
	d.Problems = problems
	return s.render(status, "import", d)
}

// importNetworks does what the button of the form says.
func importNetworks(s *screen) error {
	var f importForm
	err := s.read(maxImportForm, &f)
	data, dataErr := f.data()
	if p, ok := errors.AsType[problem](err); ok && p.Status == tooLarge.status || len(data) > maxImportFile {
		return s.importStart(tooLarge.status, importForm{Mode: importAdd}, trouble{Field: "file", Text: s.T("import.too_large")})
	}
	if err := cmp.Or(err, dataErr); err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return s.importStart(http.StatusUnprocessableEntity, f, trouble{Field: "file", Text: s.T("import.nothing")})
	}
	d := &importData{consoleView: s.frame("import.title"), Form: f}
	d.Form.Data = base64.RawURLEncoding.EncodeToString(data)
	d.table, err = sheet.Parse(data, sheet.Options{Charset: f.Charset, Comma: sheet.Commas[f.Comma]})
	if wrong, ok := errors.AsType[*sheet.Error](err); ok {
		return s.importUnread(d, wrong)
	}
	if err != nil {
		return err
	}
	return s.importStep(d)
}

// importUnread says what is wrong with a file as a whole: beside what was chosen
// on the second step, where that was it, and otherwise on the first.
func (s *screen) importUnread(d *importData, wrong *sheet.Error) error {
	text := d.sheetFault(wrong)
	if d.Form.Step == "" || d.Form.Charset == "" && d.Form.Comma == "" {
		f := d.Form
		f.Data = ""
		return s.importStart(http.StatusUnprocessableEntity, f, trouble{Field: f.field(), Text: text})
	}
	d.Step, d.table = 2, &sheet.Table{Charset: d.Form.Charset}
	field := "separator"
	if wrong.Code == sheet.CodeCharset || wrong.Code == sheet.CodeBinary {
		field = "encoding"
	}
	d.Problems = []trouble{{Field: field, Text: text}}
	d.fill()
	return s.again("import", d)
}

// importStep goes on with a file that was read.
func (s *screen) importStep(d *importData) error {
	f, t := &d.Form, d.table
	known := t.Check() == nil && (slices.Contains(t.Columns, sheet.Label) || f.Label != "")
	switch {
	case f.Step == "" && known:
		f.Step = stepCheck
	case f.Step == "" || f.Step == stepRead || len(f.Columns) > 0 && len(f.Columns) != len(t.Columns):
		f.Step, f.Columns = stepColumns, nil
	}
	if len(f.Columns) > 0 {
		t.Columns = f.Columns
	} else {
		t.Guess()
	}
	problems := d.columnFaults()
	if f.Step == stepColumns || len(problems) > 0 {
		d.Step = 2
		if d.fill(); f.Step != stepColumns {
			d.Problems = problems
			return s.again("import", d)
		}
		return s.render(http.StatusOK, "import", d)
	}
	return s.importCheck(d)
}

// importCheck says what becomes of every row, and does it where that was asked.
func (s *screen) importCheck(d *importData) error {
	d.Step, d.rows = 3, d.table.Rows(d.Form.Label)
	if err := d.mend(); err != nil {
		return err
	}
	in := gate.Import{Tenant: s.tenant, Replace: d.Form.Mode == importReplace, Draft: true}
	in.Trusted = s.h.door.Source.Trusted
	for i := range d.rows {
		in.Entries = append(in.Entries, d.rows[i].Draft)
	}
	tried, err := s.h.door.TryImport(s.Context(), s.actor, in)
	if err != nil {
		return err
	}
	if err := d.decide(tried); err != nil {
		return err
	}
	switch d.Form.Step {
	case stepProblems:
		return d.problemFile(s)
	case stepAdd:
		return s.importAdd(d, in)
	}
	d.fill()
	return s.render(http.StatusOK, "import", d)
}

// importAdd puts the rows that come in into the draft.
func (s *screen) importAdd(d *importData, in gate.Import) error {
	op := gate.DraftOp{Step: gate.DraftAdd, Trusted: in.Trusted}
	if in.Replace {
		op.Step = gate.DraftReplace
	}
	for i := range d.fates {
		if d.fates[i].in {
			op.Entries = append(op.Entries, d.rows[i].Draft)
		}
		if d.fates[i].in && d.fates[i].Fate == gate.FateWide {
			op.Accept = []string{gate.AcceptWide}
		}
	}
	if len(op.Entries) == 0 {
		d.Problems = []trouble{{Field: "rows", Text: d.T("import.none")}}
		d.fill()
		return s.again("import", d)
	}
	_, _, err := s.h.door.EditDraft(s.Context(), s.actor, s.tenant, op)
	if e, ok := errors.AsType[*gate.InvalidError](err); ok {
		d.Problems = d.wholeFaults(e.Errors)
		d.fill()
		return s.again("import", d)
	}
	if err != nil {
		return err
	}
	return s.done(draftPath, "done.imported")
}

// mend writes into the rows what was mended on the page.
func (d *importData) mend() error {
	bad := malformed.problem("", fieldProblem{"at", "invalid", "this is no cell of this file"})
	if len(d.Form.At) != len(d.Form.Mends) {
		return bad
	}
	d.mended = map[int][]string{}
	for i, at := range d.Form.At {
		row, column, _ := strings.Cut(at, " ")
		n, err := strconv.Atoi(row)
		if err != nil || n < 0 || n >= len(d.rows) || !slices.Contains(sheet.Columns, column) {
			return bad
		}
		if text := strings.TrimSpace(d.Form.Mends[i]); text != d.cellText(n, column) {
			d.rows[n].Mend(column, text)
			d.mended[n] = append(d.mended[n], column)
		}
	}
	return nil
}

// rowFate is what becomes of a row, and whether it comes into the draft.
type rowFate struct {
	gate.TriedEntry
	in bool
}

// asked are the fates about which somebody decides, row by row, and whether such
// a row comes in unless they say otherwise.
var asked = map[gate.Fate]bool{gate.FateCovered: false, gate.FatePrivate: true, gate.FateWide: false}

// decide says which rows come in.
func (d *importData) decide(tried *gate.Tried) error {
	included := make(map[int]bool, len(d.Form.Include))
	for _, text := range d.Form.Include {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= len(d.rows) {
			return malformed.problem("", fieldProblem{"include", "invalid", "this is no row of this file"})
		}
		included[n] = true
	}
	d.fates, d.whole = make([]rowFate, len(d.rows)), tried.Errors
	for i := range d.rows {
		f := rowFate{TriedEntry: mergeRow(&d.rows[i], tried.Entries[i])}
		usual, isAsked := asked[f.Fate]
		switch {
		case isAsked && d.Form.Shown:
			f.in = included[i]
		case isAsked:
			f.in = usual
		default:
			f.in = !f.Fate.Refused()
		}
		d.fates[i] = f
	}
	return nil
}

// problemFile answers with the rows that do not come in, and why, as a file that
// can be mended and read again.
func (d *importData) problemFile(s *screen) error {
	var problems []sheet.Problem
	for i := range d.fates {
		if !d.fates[i].in {
			problems = append(problems, sheet.Problem{Row: &d.rows[i], Text: strings.Join(d.says(i), " ")})
		}
	}
	out := &file{name: "problems.csv", media: "text/csv; charset=utf-8; header=present"}
	var body bytes.Buffer
	if err := sheet.WriteProblems(&body, problems, d.columnWord); err != nil {
		return err
	}
	out.data = body.Bytes()
	out.write(s.w, s.Request)
	return nil
}

// exportPage answers with the list as a file, for spreadsheets in the words of
// the page.
func exportPage(s *screen) error {
	format := s.URL.Query().Get("format")
	if !slices.Contains(exportFormats, format) {
		return notFound.problem("there is no such format")
	}
	l, _ := localeOf(s.Request)
	answer, err := s.h.export(s.Request, s.visit, format, l.columnWord)
	if err != nil {
		return err
	}
	if f, ok := answer.(*file); ok {
		f.write(s.w, s.Request)
		return nil
	}
	writeJSON(s.w, http.StatusOK, answer)
	return nil
}
