package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

func importCommand() *cobra.Command {
	cmd := onStore(leaf("import TENANT FILE", "Add the entries of a file, all or none; - is standard input", importNetworks))
	cmd.Long = `Reads CSV with the header range,label,note,owner,enabled,not_before,expires (the
last five may be missing, the order is free), or a file with one range a line
and # before comments, whose entries get the --label. It adds them to the list,
or with --replace makes them the list. Either every line is right and all is
done, or nothing is, and every wrong line is named.

Commas, semicolons and tabs are told apart, and so are UTF-8, UTF-16, GB18030
and Windows-1252; where that goes wrong, say it with --separator and --encoding.
The header may be in English or Chinese; without one, the columns stand in the
order above.

Further columns that export writes where they are needed: roles, parted by
spaces, and admins, logins parted by semicolons. An apostrophe before a sign
that spreadsheets take for a formula, as export writes it, is not part of a
text. Times without a zone are UTC.`
	cmd.Example = `  caddy sallyport network import acme networks.csv
  curl https://example.com/ranges.txt | caddy sallyport network import acme - --label "Example cloud"`
	f := cmd.Flags()
	f.String("label", "", "label of ranges that have none")
	f.String("separator", "", "what parts the cells: comma, semicolon or tab (default: found out)")
	f.String("encoding", "", "of the file: "+strings.Join(sheet.Charsets, ", ")+" (default: found out)")
	f.Bool("replace", false, "these are the list, and what is not among them goes")
	editFlags(cmd)
	return cmd
}

func exportCommand() *cobra.Command {
	cmd := onStore(leaf("export TENANT", "Write the list as CSV, which import reads", exportNetworks))
	cmd.Long = `Writes the list as CSV that import reads back the same. A text that begins with
a sign spreadsheets take for a formula (= + - @) or with an apostrophe gets one
apostrophe more, which import takes away.

--format text writes one range a line with the label as a comment, and caddyfile
what the list admits now, as a matcher for servers without this gate.`
	cmd.Flags().String("format", "csv", "csv, text or caddyfile")
	return cmd
}

func importNetworks(c *call) error {
	options, err := c.editOptions()
	if err != nil {
		return err
	}
	if _, ok := sheet.Commas[c.text("separator")]; !ok && c.given("separator") {
		return usage("--separator %q is unknown: there are comma, semicolon and tab", c.text("separator"))
	}
	if c.given("encoding") && !slices.Contains(sheet.Charsets, c.text("encoding")) {
		return usage("--encoding %q is unknown: there are %s", c.text("encoding"), strings.Join(sheet.Charsets, ", "))
	}
	file, err := c.readImport()
	if err != nil {
		return fmt.Errorf("reading %s: %w", c.arg(1), err)
	}
	if bad := file.unreadable(); len(bad) > 0 {
		return &linesError{c.arg(1), bad}
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		return c.putImport(t, file, options)
	})
}

// maxImport bounds what is read: 5,000 entries with the longest texts stay
// below it.
const maxImport = 64 << 20

// importFile is the entries of a file.
type importFile []sheet.Row

func (c *call) readImport() (importFile, error) {
	in := c.cmd.InOrStdin()
	if c.arg(1) != "-" {
		f, err := os.Open(c.arg(1))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxImport {
		return nil, fmt.Errorf("more than %d MiB is no list of networks", maxImport>>20)
	}
	_, rows, err := sheet.Read(data, sheet.Options{Charset: c.text("encoding"), Comma: sheet.Commas[c.text("separator")], Label: c.text("label")})
	return rows, err
}

// unreadable are the cells that cannot be read.
func (f importFile) unreadable() (bad []lineError) {
	for i := range f {
		for _, e := range f[i].Bad {
			if e.Field != "" {
				e.Message = e.Field + ": " + e.Message
			}
			bad = append(bad, lineError{f[i].Line, e.Message})
		}
	}
	return bad
}

func (c *call) putImport(t *gate.Tenant, file importFile, options gate.EditOptions) error {
	var kept []gate.Draft
	view := &editView{}
	done, err := c.edit(t, options, func(now *gate.ListVersion, e *gate.Edit) {
		if c.on("replace") {
			e.Entries = nil
		}
		kept = e.Entries
		view.Added, view.Removed = len(file), len(now.Networks)-len(kept)
		e.Entries = slices.Clone(kept)
		for _, r := range file {
			e.Entries = append(e.Entries, r.Draft)
		}
	})
	if err != nil {
		return file.explain(err, c.arg(1), kept)
	}
	view.of(done, func(i int) (string, bool) {
		if i < len(kept) {
			return "", false
		}
		return fmt.Sprintf("line %d: ", file[i-len(kept)].Line), true
	})
	return view.print(c, fmt.Sprintf("Imported %d entries; the list has %d.", view.Added, len(done.Entries)))
}

// explain names the lines of the file in the errors of an edit, whose first
// entries were kept from the list before.
func (f importFile) explain(err error, name string, kept []gate.Draft) error {
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		return err
	}
	out := &linesError{name: name}
	for _, e := range bad.Errors {
		i, field, ok := entryField(e.Field)
		switch i -= len(kept); {
		case !ok || i < 0:
			out.lines = append(out.lines, lineError{0, e.Message})
		case e.Code == "duplicate":
			out.lines = append(out.lines, lineError{f[i].Line, "range: " + f.duplicate(i)})
		default:
			out.lines = append(out.lines, lineError{f[i].Line, field + ": " + e.Message + howToAccept(e)})
		}
	}
	return out
}

// duplicate says where the range of row i stands already.
func (f importFile) duplicate(i int) string {
	r, _, _ := cidr.Parse(f[i].Draft.Range)
	for _, earlier := range f[:i] {
		if e, _, err := cidr.Parse(earlier.Draft.Range); err == nil && e == r {
			return fmt.Sprintf("%s stands in line %d already", r, earlier.Line)
		}
	}
	return fmt.Sprintf("%s is in the list already", r)
}

// lineError is what is wrong with a line; line 0: the whole file.
type lineError struct {
	line    int
	message string
}

// maxLines bounds how many wrong lines are printed.
const maxLines = 20

// linesError is a file with wrong lines. It is printed with all of them.
type linesError struct {
	name  string
	lines []lineError
}

func (e *linesError) Error() string {
	if len(e.lines) == 1 {
		return fmt.Sprintf("one thing in %s is wrong, so nothing was imported: correct it and try again", e.name)
	}
	return fmt.Sprintf("%d things in %s are wrong, so nothing was imported: correct them and try again", len(e.lines), e.name)
}

func (e *linesError) print(w io.Writer) {
	for i, l := range e.lines {
		if i == maxLines {
			line(w, "  and %d more", len(e.lines)-i)
			return
		}
		if l.line == 0 {
			line(w, "  %s", l.message)
			continue
		}
		line(w, "  line %d: %s", l.line, l.message)
	}
}

func exportNetworks(c *call) error {
	if format := c.text("format"); !slices.Contains([]string{"csv", "text", "caddyfile"}, format) {
		return usage("--format %q is unknown: there are csv, text and caddyfile", format)
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		list, err := c.Version(c.ctx(), c.by, t.ID, 0)
		if err != nil {
			return err
		}
		if c.on("json") {
			view := make([]networkView, len(list.Networks))
			for i := range list.Networks {
				view[i] = viewNetwork(&list.Networks[i])
			}
			return c.print(items[networkView]{view}, nil)
		}
		logins, err := c.logins(t.ID)
		if err != nil {
			return err
		}
		switch out := c.cmd.OutOrStdout(); c.text("format") {
		case "text":
			return sheet.WriteText(out, list.Networks)
		case "caddyfile":
			return sheet.WriteCaddyfile(out, t.Slug, list.Networks, time.Now())
		default:
			return sheet.Write(out, list.Networks, logins, nil)
		}
	})
}
