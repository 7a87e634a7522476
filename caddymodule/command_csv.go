package caddymodule

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Columns of a list as CSV. Roles and admins are written only where an entry
// has any: without them an entry for one admin would come back as one for
// everybody.
var (
	columns       = []string{"range", "label", "note", "owner", "enabled", "not_before", "expires"}
	peopleColumns = []string{"roles", "admins"}
)

// maxImport bounds what is read: 5,000 entries with the longest texts stay
// below it.
const maxImport = 64 << 20

// importRow is one line of a file.
type importRow struct {
	line  int
	draft gate.Draft
}

// importFile is what a file says, and what is wrong with it.
type importFile struct {
	rows []importRow
	bad  []lineError
}

// lineError is what is wrong with a line; line 0: the whole file.
type lineError struct {
	line    int
	message string
}

func (f *importFile) wrong(line int, format string, args ...any) {
	f.bad = append(f.bad, lineError{line, fmt.Sprintf(format, args...)})
}

// readNetworks reads CSV with a header, or one range a line, which all get the
// label. A CSV row without a label gets it, too.
func readNetworks(r io.Reader, label string) (*importFile, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxImport+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxImport {
		return nil, fmt.Errorf("more than %d MiB is no list of networks", maxImport>>20)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if hasHeader(text) {
		return readCSV(text, label)
	}
	if label == "" {
		return nil, fmt.Errorf("the first line is no header: write %q there, or give --label for a file with one range a line", strings.Join(columns, ","))
	}
	f := &importFile{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text != "" {
			f.rows = append(f.rows, importRow{n, gate.Draft{Range: text, Label: label, Enabled: true}})
		}
	}
	return f, lines.Err()
}

// hasHeader reports whether one of the cells of the first line is "range".
func hasHeader(text []byte) bool {
	first, _, _ := strings.Cut(string(text[:min(len(text), 4096)]), "\n")
	return slices.ContainsFunc(strings.Split(first, ","), func(cell string) bool { return column(cell) == "range" })
}

// column is the name of a column, however it is written.
func column(cell string) string { return strings.ToLower(strings.Trim(cell, "\" \t\r")) }

func readCSV(text []byte, label string) (*importFile, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1 // told with the other errors
	header, err := r.Read()
	if err != nil {
		return nil, err
	}
	for i := range header {
		header[i] = column(header[i])
		if !slices.Contains(columns, header[i]) && !slices.Contains(peopleColumns, header[i]) {
			return nil, fmt.Errorf("there is no column %q: there are %s", header[i], strings.Join(append(columns, peopleColumns...), ", "))
		}
		if slices.Contains(header[:i], header[i]) {
			return nil, fmt.Errorf("the column %q is there twice", header[i])
		}
	}
	f := &importFile{}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil { // the quoting is broken, so where the next line begins is unknown
			return nil, err
		}
		n, _ := r.FieldPos(0)
		if len(cells) != len(header) {
			f.wrong(n, "it has %d cells, and the header has %d", len(cells), len(header))
			continue
		}
		row := importRow{n, gate.Draft{Label: label, Enabled: true}}
		for i, name := range header {
			if err := setColumn(&row.draft, name, fromCell(cells[i])); err != nil {
				f.wrong(n, "%s: %s", name, err)
			}
		}
		f.rows = append(f.rows, row)
	}
}

// setColumn reads one cell. What the gate checks is left to it.
func setColumn(d *gate.Draft, name, text string) (err error) {
	switch text = strings.TrimSpace(text); name {
	case "range":
		d.Range = text
	case "label":
		if text != "" {
			d.Label = text
		}
	case "note":
		d.Note = text
	case "owner":
		d.Owner = text
	case "enabled":
		d.Enabled, err = cellBool(text)
	case "not_before":
		d.NotBefore, err = cellTime(text)
	case "expires":
		d.Expires, err = cellTime(text)
	case "roles":
		for role := range strings.FieldsSeq(text) {
			d.Roles = append(d.Roles, gate.Role(role))
		}
	case "admins":
		d.Admins = splitAdmins(text)
	}
	return err
}

// splitAdmins reads logins, which may have spaces, one a line or parted by
// semicolons.
func splitAdmins(text string) []string {
	var out []string
	for login := range strings.SplitSeq(text, ";") {
		if login = strings.TrimSpace(login); login != "" {
			out = append(out, login)
		}
	}
	return out
}

func cellBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "", "true", "yes", "1":
		return true, nil
	case "false", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

func cellTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, ok := parseMoment(text)
	if !ok {
		return t, fmt.Errorf("%q is not a time: write 2006-01-02T15:04:05Z", text)
	}
	return t, nil
}

// A spreadsheet takes a cell that begins with one of these for a formula,
// which may run programs or send the sheet away
// (https://owasp.org/www-community/attacks/CSV_Injection).
const formulaSigns = "=+-@\t\r＝＋－＠"

// toCell puts an apostrophe before what a spreadsheet would run, and before
// one that stands there already, so that fromCell gives back the same text.
func toCell(text string) string {
	if text != "" && strings.ContainsRune(formulaSigns+"'", []rune(text)[0]) {
		return "'" + text
	}
	return text
}

// fromCell takes away the apostrophe that toCell put before a text.
func fromCell(cell string) string {
	rest, ok := strings.CutPrefix(cell, "'")
	if ok && rest != "" && strings.ContainsRune(formulaSigns+"'", []rune(rest)[0]) {
		return rest
	}
	return cell
}

// writeNetworks writes a list so that readNetworks reads the same one.
func writeNetworks(w io.Writer, networks []gate.Network, logins map[string]string) error {
	header := columns
	people := slices.ContainsFunc(networks, func(n gate.Network) bool { return len(n.Roles)+len(n.Admins) > 0 })
	if people {
		header = slices.Concat(columns, peopleColumns)
	}
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range networks {
		n := &networks[i]
		cells := []string{n.Range.String(), n.Label, n.Note, n.Owner, strconv.FormatBool(n.Enabled), exact(n.NotBefore), exact(n.Expires)}
		if people {
			cells = append(cells, joinRoles(n.Roles), joinAdmins(n.Admins, logins))
		}
		for j := range cells {
			cells[j] = toCell(cells[j])
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// exact is a time with all its digits, so that it reads back the same.
func exact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func joinRoles(roles []gate.Role) string {
	texts := make([]string, len(roles))
	for i, r := range roles {
		texts[i] = string(r)
	}
	return strings.Join(texts, " ")
}

// joinAdmins writes logins. One that is gone, or that could not be told from
// several, is written as its id, which is read as well.
func joinAdmins(ids []string, logins map[string]string) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		if texts[i] = logins[id]; texts[i] == "" || strings.Contains(texts[i], ";") {
			texts[i] = id
		}
	}
	return strings.Join(texts, ";")
}
