package sheet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Row is one entry as a file has it.
type Row struct {
	Line  int
	Cells map[string]string // by column, as they are written
	Draft gate.Draft
	Bad   []gate.FieldError // what of it cannot even be read; field empty: the row
}

// Codes of what cannot be read.
const (
	CodeCells   = "cells"    // more or fewer cells than the header has
	CodeNotBool = "not_bool" // neither yes nor no
	CodeNotTime = "not_time"
)

// Rows reads the entries of a table. Those without a label get the given one.
func (t *Table) Rows(label string) []Row {
	out := make([]Row, len(t.Records))
	for i, r := range t.Records {
		row := &out[i]
		*row = Row{Line: r.Line, Cells: map[string]string{}, Draft: gate.Draft{Label: label, Enabled: true}}
		cells := r.Cells
		for len(cells) > len(t.Columns) && strings.TrimSpace(cells[len(cells)-1]) == "" {
			cells = cells[:len(cells)-1] // as spreadsheets fill up rows
		}
		if len(cells) > len(t.Columns) || t.Header != nil && len(cells) < len(t.Columns) {
			row.Bad = append(row.Bad, gate.FieldError{Code: CodeCells, Message: fmt.Sprintf("it has %d cells, and the header has %d", len(cells), len(t.Columns))})
		}
		for j, name := range t.Columns[:min(len(cells), len(t.Columns))] {
			if name != "" && name != ProblemColumn {
				row.Set(name, fromCell(strings.TrimSpace(cells[j])))
			}
		}
	}
	return out
}

// Read reads the entries of a file whose columns have to be known. Its errors
// are *[Error].
func Read(data []byte, o Options) (*Table, []Row, error) {
	t, err := Parse(data, o)
	if err != nil {
		return nil, nil, err
	}
	if err := t.Check(); err != nil {
		return nil, nil, err
	}
	if t.Comma == 0 && o.Label == "" {
		return nil, nil, &Error{Code: CodeNoHeader}
	}
	return t, t.Rows(o.Label), nil
}

// Mend writes a cell anew, by somebody who has seen the row: that it had too
// few cells, or too many, is settled.
func (r *Row) Mend(column, text string) {
	r.forgive("")
	r.Set(column, text)
}

// forgive forgets what was wrong with a field.
func (r *Row) forgive(field string) {
	r.Bad = slices.DeleteFunc(r.Bad, func(e gate.FieldError) bool { return e.Field == field })
}

// Set reads one cell, also over what it was before. What package gate checks is
// left to it.
func (r *Row) Set(column, text string) {
	text = strings.TrimSpace(text)
	r.Cells[column] = text
	r.forgive(column)
	d := &r.Draft
	switch column {
	case Range:
		d.Range = text
	case Label:
		if text != "" {
			d.Label = text
		}
	case Note:
		d.Note = text
	case Owner:
		d.Owner = text
	case Enabled:
		d.Enabled = r.yesNo(text)
	case NotBefore:
		d.NotBefore = r.time(column, text)
	case Expires:
		d.Expires = r.time(column, text)
	case Roles:
		d.Roles = nil
		for role := range strings.FieldsFuncSeq(text, func(c rune) bool { return strings.ContainsRune(" \t\n,;，；、", c) }) {
			d.Roles = append(d.Roles, gate.Role(strings.ToLower(role)))
		}
	case Admins:
		d.Admins = splitAdmins(text)
	}
}

// splitAdmins reads logins, which may have spaces, parted by semicolons.
func splitAdmins(text string) []string {
	var out []string
	for login := range strings.SplitSeq(text, ";") {
		if login = strings.TrimSpace(login); login != "" {
			out = append(out, login)
		}
	}
	return out
}

func (r *Row) wrong(field, code, format string, args ...any) {
	r.Bad = append(r.Bad, gate.FieldError{Field: field, Code: code, Message: fmt.Sprintf(format, args...)})
}

func (r *Row) yesNo(text string) bool {
	switch strings.ToLower(text) {
	case "", "true", "yes", "1", "on", "是", "启用", "已启用":
		return true
	case "false", "no", "0", "off", "否", "停用", "已停用":
		return false
	}
	r.wrong(Enabled, CodeNotBool, "%q is neither true nor false", text)
	return false
}

func (r *Row) time(column, text string) time.Time {
	switch strings.ToLower(text) {
	case "", "never", "永不", "永久":
		return time.Time{}
	}
	t, ok := ParseTime(text)
	if !ok {
		r.wrong(column, CodeNotTime, "%q is not a time: write 2006-01-02T15:04:05Z", text)
	}
	return t
}

// moments are the ways to write a time.
var moments = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
	"2006/1/2 15:04:05", "2006/1/2 15:04", "2006/1/2",
}

// ParseTime reads a time as people and spreadsheets write it. Without a zone it
// is UTC.
func ParseTime(text string) (time.Time, bool) {
	for _, layout := range moments {
		// The years are those that the store can keep; above all the zero time
		// would mean "never".
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 1970 && t.Year() < 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
