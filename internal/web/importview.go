package web

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

// Bounds of what is shown.
const (
	importSample = 5   // rows from which the columns are chosen
	importOpen   = 200 // rows with something to decide or mend
)

// importData is what the import page shows.
type importData struct {
	*consoleView
	Form    importForm
	Step    int // 1 to 3
	Replace bool
	Columns *importColumns // of the second step
	Rows    *importRows    // of the third

	table  *sheet.Table
	rows   []sheet.Row
	mended map[int][]string // columns by row
	fates  []rowFate
	whole  []gate.FieldError
}

// Steps are the keys of the names of the steps, counted from 1.
func (d *importData) Steps() map[int]string {
	return map[int]string{1: "import.step.file", 2: "import.step.columns", 3: "import.step.check", 4: "import.step.add"}
}

// importColumns is the second step: what the columns are.
type importColumns struct {
	Rows     int
	Charsets []wordChoice
	Commas   []wordChoice
	Columns  []importColumn
	Sample   [][]string
}

// wordChoice is one of several values, and the key of its word.
type wordChoice struct {
	Value, Word string
	Chosen      bool
}

// importColumn is a column of a file, and what it may be.
type importColumn struct {
	ID, Header string
	Number     int
	Choices    []wordChoice
}

// importRows is the third step: what becomes of the rows.
type importRows struct {
	Result []string // sentences
	Open   []importRow
	More   int // rows like these that are not shown
	Good   []importRow
	Adding int  // rows that come in without being asked about
	Asked  bool // there are rows that are asked about
	Left   bool // there are rows that do not come in
	// Of rows that are not shown: what was mended, and which come in.
	Mended   []importCell
	Included []int
}

// importRow is a row of a file, and what becomes of it.
type importRow struct {
	Index, Line  int
	Range, Label string
	Fate         fateWord
	Says         []string
	Cells        []importCell // to be mended
	Asked, In    bool
}

// importCell is a field in which a cell is mended.
type importCell struct {
	Row                 int
	At, ID, Word, Value string // Word is the key of the column's
	Wrong               bool
}

// fill makes what the page shows of its step.
func (d *importData) fill() {
	d.Replace = d.Form.Mode == importReplace
	if d.Step == 2 {
		d.fillColumns()
		return
	}
	d.fillRows()
}

func (d *importData) fillColumns() {
	t := d.table
	c := &importColumns{Rows: len(t.Records)}
	d.Columns = c
	for _, name := range sheet.Charsets {
		c.Charsets = append(c.Charsets, wordChoice{name, charsetKeys[name], name == t.Charset})
	}
	for _, comma := range commaKeys {
		comma.Chosen = sheet.Commas[comma.Value] == t.Comma
		c.Commas = append(c.Commas, comma)
	}
	for i, name := range t.Columns {
		column := importColumn{ID: columnID(i), Number: i + 1}
		if i < len(t.Header) {
			column.Header = t.Header[i]
		}
		for _, known := range append([]string{""}, sheet.Columns...) {
			column.Choices = append(column.Choices, wordChoice{known, columnKeys[known], known == name})
		}
		c.Columns = append(c.Columns, column)
	}
	for _, r := range t.Records[:min(len(t.Records), importSample)] {
		cells := make([]string, len(t.Columns))
		copy(cells, r.Cells)
		c.Sample = append(c.Sample, cells)
	}
}

func columnID(i int) string { return "column-" + strconv.Itoa(i) }

// columnFaults says what keeps the columns from being read.
func (d *importData) columnFaults() []trouble {
	t := d.table
	for i, name := range t.Columns {
		switch {
		case name != "" && !slices.Contains(sheet.Columns, name):
			return []trouble{{Field: columnID(i), Text: d.T("import.column.unknown")}}
		case name != "" && slices.Contains(t.Columns[:i], name):
			return []trouble{{Field: columnID(i), Text: d.T("import.column.twice", "Name", d.columnWord(name))}}
		}
	}
	switch {
	case !slices.Contains(t.Columns, sheet.Range):
		return []trouble{{Field: columnID(0), Text: d.T("import.column.none")}}
	case !slices.Contains(t.Columns, sheet.Label) && strings.TrimSpace(d.Form.Label) == "":
		return []trouble{{Field: "label", Text: d.T("import.label.wrong")}}
	}
	return nil
}

// fillRows makes the rows: those about which there is something to decide or to
// mend, and all others.
func (d *importData) fillRows() {
	r := &importRows{}
	d.Rows = r
	counts := map[gate.Fate]int{}
	for i := range d.fates {
		f := &d.fates[i]
		counts[f.Fate]++
		_, isAsked := asked[f.Fate]
		r.Asked, r.Left = r.Asked || isAsked, r.Left || !f.in
		if f.in && !isAsked {
			r.Adding++
		}
		switch {
		case !isAsked && !f.Fate.Refused() && d.mended[i] == nil:
			r.Good = append(r.Good, d.row(i))
		case len(r.Open) < importOpen:
			r.Open = append(r.Open, d.row(i))
		default:
			r.More++
			for _, column := range d.mended[i] {
				r.Mended = append(r.Mended, d.cell(i, column))
			}
			if f.in && isAsked {
				r.Included = append(r.Included, i)
			}
		}
	}
	r.Result = d.result(counts)
	d.Problems = append(d.Problems, d.wholeFaults(d.whole)...)
}

// result says how many rows there are of each fate.
func (d *importData) result(counts map[gate.Fate]int) []string {
	out := []string{d.T("import.result", "New", counts[gate.FateNew], "Cov", counts[gate.FateCovered],
		"Wide", counts[gate.FateWide], "Bad", counts[gate.FateInvalid])}
	for _, more := range []struct {
		fate gate.Fate
		key  string
	}{{gate.FateKept, "import.result.kept"}, {gate.FatePrivate, "import.result.private"}, {gate.FateDuplicate, "import.result.duplicate"}} {
		if n := counts[more.fate]; n > 0 {
			out = append(out, d.T(more.key, "N", n))
		}
	}
	return out
}

func (d *importData) row(i int) importRow {
	r, f := &d.rows[i], &d.fates[i]
	_, isAsked := asked[f.Fate]
	out := importRow{
		Index: i, Line: r.Line, Range: r.Draft.Range, Label: r.Draft.Label, Fate: fateWords[f.Fate], Says: d.says(i), Asked: isAsked, In: f.in,
	}
	if isAsked && d.mended[i] == nil || !isAsked && !f.Fate.Refused() && d.mended[i] == nil {
		return out
	}
	for _, column := range sheet.Columns {
		wrong := slices.ContainsFunc(f.Errors, func(e gate.FieldError) bool { return e.Field == column })
		if wrong || column == sheet.Range || column == sheet.Label || slices.Contains(d.mended[i], column) {
			out.Cells = append(out.Cells, d.cell(i, column))
		}
	}
	return out
}

func (d *importData) cell(i int, column string) importCell {
	at := strconv.Itoa(i)
	return importCell{
		Row: i, At: at + " " + column, ID: "row-" + at + "-" + column, Word: columnKeys[column], Value: d.cellText(i, column),
		Wrong: slices.ContainsFunc(d.fates[i].Errors, func(e gate.FieldError) bool { return e.Field == column }),
	}
}

// cellText is what stands in a cell now.
func (d *importData) cellText(i int, column string) string {
	if column == sheet.Label { // which the whole file may have given it
		return d.rows[i].Draft.Label
	}
	return d.rows[i].Cells[column]
}

// says is what is wrong with a row, or else what there is to know about it.
func (d *importData) says(i int) (out []string) {
	for _, e := range d.fates[i].Errors {
		text := d.rowFault(i, e)
		if e.Field != "" && e.Field != sheet.Range {
			text = d.T("import.row.field", "Name", d.columnWord(e.Field), "Text", text)
		}
		out = append(out, text)
	}
	if len(out) > 0 {
		return out
	}
	for _, w := range d.fates[i].Warnings {
		out = append(out, d.rowWarning(i, w))
	}
	return out
}

func (d *importData) rowFault(i int, e gate.FieldError) string {
	text := d.cellText(i, e.Field)
	for _, code := range []string{e.Field + "." + e.Code, e.Code} {
		if key, ok := rowFaults[code]; ok {
			return d.T(key, "N", len(d.table.Columns), "Text", shorten(text))
		}
	}
	if _, _, err := cidr.Parse(text); e.Field == sheet.Range && err != nil {
		return d.rangeFault(err)
	}
	return d.fault(e)
}

func (d *importData) rowWarning(i int, w gate.Warning) string {
	r, _, _ := cidr.Parse(d.rows[i].Draft.Range)
	switch w.Code {
	case gate.WarnCovered:
		return d.T("net.covered", "Label", w.Cover.Label, "Net", w.Cover.Range)
	case gate.WarnPrivate:
		return d.T("net.private", "Net", r)
	case gate.WarnTrustedProxy:
		return d.T("net.proxy", "Net", r)
	case gate.WarnStoredAs:
		return d.T("import.row.stored_as", "Net", r)
	}
	return d.T("import.row.ended")
}

// wholeFaults says what no row is wrong with by itself.
func (d *importData) wholeFaults(errs []gate.FieldError) []trouble {
	out := make([]trouble, len(errs))
	for i, e := range errs {
		if _, field, ok := strings.Cut(e.Field, "]."); ok { // somebody was faster
			e.Field = field
		}
		out[i] = trouble{Field: "rows", Text: d.fault(e)}
	}
	return out
}
