package sheet

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

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

// Header names the columns as they are written; nil: by the constants. A
// header in words of people begins the file with a byte order mark, without
// which spreadsheets do not take it for UTF-8.
type Header func(column string) string

// Write writes a list as CSV so that [Read] reads the same one. Roles and admins
// are written only where an entry has any: without them an entry for one admin
// would come back as one for everybody. logins are the admins' by their ids.
func Write(w io.Writer, networks []gate.Network, logins map[string]string, header Header) error {
	columns := Columns[:7]
	if slices.ContainsFunc(networks, func(n gate.Network) bool { return len(n.Roles)+len(n.Admins) > 0 }) {
		columns = Columns
	}
	rows := func(yield func([]string) bool) {
		for i := range networks {
			n := &networks[i]
			cells := []string{
				n.Range.String(), n.Label, n.Note, n.Owner, strconv.FormatBool(n.Enabled), exact(n.NotBefore), exact(n.Expires),
				joinRoles(n.Roles), joinAdmins(n.Admins, logins),
			}
			if !yield(cells[:len(columns)]) {
				return
			}
		}
	}
	return write(w, columns, header, rows)
}

// Problem is a row of a file that cannot become an entry, and why.
type Problem struct {
	*Row
	Text string
}

// WriteProblems writes rows with what is wrong with them in a last column, to
// be mended in a spreadsheet and read again.
func WriteProblems(w io.Writer, problems []Problem, header Header) error {
	columns := append(slices.Clone(Columns), ProblemColumn)
	return write(w, columns, header, func(yield func([]string) bool) {
		for _, p := range problems {
			cells := make([]string, 0, len(columns))
			for _, name := range Columns {
				cells = append(cells, p.Cells[name])
			}
			cells[1] = p.Draft.Label // which the whole file may have given it
			if !yield(append(cells, p.Text)) {
				return
			}
		}
	})
}

func write(w io.Writer, columns []string, header Header, rows func(func([]string) bool)) error {
	names := slices.Clone(columns)
	if header != nil {
		for i := range names {
			names[i] = header(names[i])
		}
		if _, err := io.WriteString(w, "\ufeff"); err != nil {
			return err
		}
	}
	out := csv.NewWriter(w)
	if err := out.Write(names); err != nil {
		return err
	}
	for cells := range rows {
		for i := range cells {
			cells[i] = toCell(cells[i])
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

// WriteText writes the ranges, one a line, with their labels as comments. It
// is no backup: [Read] takes the ranges of it and nothing else.
func WriteText(w io.Writer, networks []gate.Network) error {
	out := bufio.NewWriter(w)
	for i := range networks {
		n := &networks[i]
		fmt.Fprintf(out, "%s # %s\n", n.Range, oneLine(n.Label))
	}
	return out.Flush()
}

// WriteCaddyfile writes what the list admits at a moment as a matcher of
// Caddy's own, for servers without this gate. What counts for some people only
// is left out: Caddy does not know who asks.
func WriteCaddyfile(w io.Writer, name string, networks []gate.Network, at time.Time) error {
	out := bufio.NewWriter(w)
	counts := func(n gate.Network) bool { return n.Admits(at) && len(n.Roles)+len(n.Admins) == 0 }
	if !slices.ContainsFunc(networks, counts) {
		fmt.Fprintf(out, "@%s expression false\n", name) // an empty matcher would match everything
		return out.Flush()
	}
	fmt.Fprintf(out, "@%s {\n", name)
	for i := range networks {
		n := &networks[i]
		if !counts(*n) {
			continue
		}
		fmt.Fprintf(out, "\t# %s\n", oneLine(n.Label))
		for _, p := range n.Range.Prefixes() {
			fmt.Fprintf(out, "\tclient_ip %s\n", p)
		}
	}
	fmt.Fprintln(out, "}")
	return out.Flush()
}

// oneLine keeps a text that came from people within its comment.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
