package sheet

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Bounds of what is read: more would be no list.
const (
	most        = gate.MaxEntries
	mostColumns = 50
)

// Options say how a text is to be read. What is not said is found out.
type Options struct {
	Charset string   // of Charsets
	Comma   rune     // of Commas
	Columns []string // what each column is, of the constants; empty: it is not read
	Label   string   // of entries that have none
}

// Commas are what cells may be parted by, as people name it.
var Commas = map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t'}

var commas = []rune{',', ';', '\t'}

// Table is a text as rows of cells.
type Table struct {
	Charset string
	Comma   rune     // 0: one range a line, or several
	Header  []string // as it is written; nil: there is none
	Columns []string // what each column is; empty: not known, or not to be read
	Records []Record
}

// Record is one row as it stands.
type Record struct {
	Line  int
	Cells []string
}

// Parse reads a file, or what was pasted, into rows of cells. Its errors are
// *[Error].
func Parse(data []byte, o Options) (*Table, error) {
	text, charset, err := decode(data, o.Charset)
	if err != nil {
		return nil, err
	}
	t := &Table{Charset: charset, Comma: o.Comma}
	if o.Comma == 0 {
		t.Comma = sniff(text)
	} else if !slices.Contains(commas, o.Comma) {
		return nil, &Error{Code: CodeUnknownWords, Name: string(o.Comma)}
	}
	if t.Comma == 0 {
		t.Records, err = plain(text)
	} else {
		t.Records, err = cells(text, t.Comma, false)
	}
	if err != nil {
		return nil, err
	}
	t.head()
	if o.Columns != nil {
		t.Columns = o.Columns
	}
	switch n := len(t.Records); {
	case n == 0:
		return nil, &Error{Code: CodeEmpty}
	case n > most:
		return nil, &Error{Code: CodeTooMany, N: n}
	case len(t.Columns) > mostColumns:
		return nil, &Error{Code: CodeTooWide, N: len(t.Columns)}
	}
	return t, nil
}

// plain reads ranges, one a line or parted by commas, with # before comments.
func plain(text string) ([]Record, error) {
	var out []Record
	n := 0
	for line := range strings.Lines(text) {
		n++
		for _, r := range ranges(line) {
			out = append(out, Record{n, []string{r}})
		}
	}
	return out, nil
}

// ranges returns what stands on one line of a plain list.
func ranges(line string) (out []string) {
	line, _, _ = strings.Cut(line, "#")
	for cell := range strings.FieldsFuncSeq(line, func(r rune) bool { return slices.Contains(commas, r) }) {
		if cell = strings.TrimSpace(cell); cell != "" {
			out = append(out, cell)
		}
	}
	return out
}

// cells reads CSV. Rows that have nothing in them are left out.
func cells(text string, comma rune, sample bool) ([]Record, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma, -1 // told with the other errors
	r.LazyQuotes = sample
	r.TrimLeadingSpace = comma != '\t' // which is a space, too
	var out []Record
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) || sample && len(out) == sampleRows {
			return out, nil
		}
		if wrong, ok := errors.AsType[*csv.ParseError](err); ok { // where the next row begins is unknown
			return out, &Error{Code: CodeQuotes, Line: wrong.Line}
		}
		if err != nil {
			return out, err
		}
		line, _ := r.FieldPos(0)
		if slices.ContainsFunc(row, func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
			out = append(out, Record{line, row})
		}
	}
}

// Bounds of the part of a text that tells what it is.
const (
	sampleRows  = 20
	sampleBytes = 64 << 10
)

// sniff finds out what the cells are parted by: what shows the most ranges and
// names of columns. 0: the text is a plain list.
func sniff(text string) rune {
	if len(text) > sampleBytes {
		text = text[:sampleBytes]
	}
	if comma := headed(text); comma != 0 {
		return comma
	}
	best, score := rune(0), 0
	n := 0
	for line := range strings.Lines(text) {
		if n++; n > sampleRows {
			break
		}
		for _, r := range ranges(line) {
			score += 100 * toInt(isRange(r))
		}
	}
	for _, comma := range commas {
		records, _ := cells(text, comma, true) // a row cut short at the end counts for little
		if s := scoreOf(records); s > score {
			best, score = comma, s
		}
	}
	return best
}

// headed returns what parts the cells of a first line that names the column of
// the ranges; 0: it does not. It comes before everything else, since a note may
// hold any number of ranges.
func headed(text string) (best rune) {
	first, _, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n"), "\n")
	if strings.HasPrefix(first, "#") {
		return 0
	}
	most := 0
	for _, comma := range commas {
		named, hasRange := 0, false
		for cell := range strings.SplitSeq(first, string(comma)) {
			name := column(strings.Trim(cell, "\" \t\r"))
			named += toInt(name != "")
			hasRange = hasRange || name == Range
		}
		if hasRange && named > most {
			best, most = comma, named
		}
	}
	return best
}

// scoreOf says how much rows look like a table.
func scoreOf(records []Record) (score int) {
	for i, r := range records {
		others := 0
		for _, cell := range r.Cells {
			switch {
			case i == 0 && column(cell) != "", isRange(cell):
				score += 100
			case cell != "":
				others++
			}
		}
		score += toInt(len(r.Cells) > 1 && others > 0)
	}
	return score
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func isRange(cell string) bool {
	_, _, err := cidr.Parse(fromCell(strings.TrimSpace(cell)))
	return err == nil
}

// head takes the header off the rows, if there is one, and says what each
// column is.
func (t *Table) head() {
	if len(t.Records) == 0 {
		return
	}
	if t.Comma == 0 {
		t.Columns = []string{Range}
		return
	}
	if first := t.Records[0].Cells; isHeader(t.Records) {
		t.Header, t.Records = first, t.Records[1:]
		for i := range t.Header {
			t.Header[i] = strings.TrimSpace(t.Header[i])
			t.Columns = append(t.Columns, column(t.Header[i]))
		}
		return
	}
	at, width := t.rangeColumn(), 0
	for _, r := range t.Records {
		width = max(width, len(r.Cells))
	}
	if at == 0 {
		t.Columns = slices.Clone(Columns[:min(width, len(Columns))])
		return
	}
	t.Columns = make([]string, width)
	t.Columns[at], t.Columns[0] = Range, Label
}

// isHeader reports whether the first row names columns: it has a known name, or
// nothing like an address where the next row has one.
func isHeader(records []Record) bool {
	first := records[0].Cells
	if slices.ContainsFunc(first, func(cell string) bool { return column(cell) != "" }) {
		return true
	}
	like := func(cell string) bool {
		return strings.ContainsAny(cell, ".:/") && strings.ContainsFunc(cell, unicode.IsDigit)
	}
	return !slices.ContainsFunc(first, like) && len(records) > 1 && slices.ContainsFunc(records[1].Cells, isRange)
}

// rangeColumn is the column with the most ranges.
func (t *Table) rangeColumn() (best int) {
	var count []int
	for _, r := range t.Records[:min(len(t.Records), sampleRows)] {
		for i, cell := range r.Cells {
			if i == len(count) {
				count = append(count, 0)
			}
			count[i] += toInt(isRange(cell))
		}
	}
	for i := range count {
		if count[i] > count[best] {
			best = i
		}
	}
	return best
}

// Guess fills in what the columns may be where their names do not say it, for
// somebody to look at: the one with the ranges, and the first other for labels.
// A column that is there twice is read once.
func (t *Table) Guess() {
	for i, name := range t.Columns {
		if name == ProblemColumn || slices.Contains(t.Columns[:i], name) {
			t.Columns[i] = ""
		}
	}
	if len(t.Records) > 0 && !slices.Contains(t.Columns, Range) {
		if at := t.rangeColumn(); at < len(t.Columns) {
			t.Columns[at] = Range
		}
	}
	if at := slices.Index(t.Columns, ""); at >= 0 && !slices.Contains(t.Columns, Label) {
		t.Columns[at] = Label
	}
}
