package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func importCommand() *cobra.Command {
	cmd := onStore(leaf("import TENANT FILE", "Add the entries of a file, all or none; - is standard input", importNetworks))
	cmd.Long = `Reads CSV with the header range,label,note,owner,enabled,not_before,expires (the
last five may be missing, the order is free), or a file with one range a line
and # before comments, whose entries get the --label. It adds them to the list,
or with --replace makes them the list. Either every line is right and all is
done, or nothing is, and every wrong line is named.

Further columns that export writes where they are needed: roles, parted by
spaces, and admins, logins parted by semicolons. An apostrophe before a sign
that spreadsheets take for a formula, as export writes it, is not part of a
text.`
	cmd.Example = `  caddy sallyport network import acme networks.csv
  curl https://example.com/ranges.txt | caddy sallyport network import acme - --label "Example cloud"`
	f := cmd.Flags()
	f.String("label", "", "label of ranges that have none")
	f.Bool("replace", false, "these are the list, and what is not among them goes")
	f.StringArray("accept", nil, `"wide": entries wider than /16 or IPv6 /32 are meant`)
	f.String("reason", "", "why, for the history")
	return cmd
}

func exportCommand() *cobra.Command {
	cmd := onStore(leaf("export TENANT", "Write the list as CSV, which import reads", exportNetworks))
	cmd.Long = `Writes the list as CSV that import reads back the same. A text that begins with
a sign spreadsheets take for a formula (= + - @) or with an apostrophe gets one
apostrophe more, which import takes away.`
	return cmd
}

func importNetworks(c *call) error {
	for _, word := range c.list("accept") {
		if word != gate.AcceptWide {
			return usage("--accept %q is unknown: there is wide", word)
		}
	}
	file, err := c.readImport()
	if err != nil {
		return fmt.Errorf("reading %s: %w", c.arg(1), err)
	}
	if len(file.rows) > gate.MaxEntries {
		return fmt.Errorf("%s has %d ranges and a list at most %d: nothing was imported", c.arg(1), len(file.rows), gate.MaxEntries)
	}
	if len(file.bad) > 0 {
		return &linesError{c.arg(1), file.bad}
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		return c.putImport(t, file)
	})
}

func (c *call) readImport() (*importFile, error) {
	in := c.cmd.InOrStdin()
	if c.arg(1) != "-" {
		f, err := os.Open(c.arg(1))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	file, err := readNetworks(in, c.text("label"))
	if err == nil && len(file.rows)+len(file.bad) == 0 {
		err = errors.New("there is no range in it")
	}
	return file, err
}

func (c *call) putImport(t *gate.Tenant, file *importFile) error {
	var kept []gate.Draft
	view := &editView{}
	done, err := c.edit(t.ID, func(now *gate.ListVersion, e *gate.Edit) {
		if c.on("replace") {
			e.Entries = nil
		}
		kept = e.Entries
		view.Added, view.Removed = len(file.rows), len(now.Networks)-len(kept)
		e.Entries = slices.Clone(kept)
		for _, r := range file.rows {
			e.Entries = append(e.Entries, r.draft)
		}
		e.Accept, e.Reason = c.list("accept"), c.text("reason")
	})
	if err != nil {
		return file.explain(err, c.arg(1), kept)
	}
	view.of(done, func(i int) (string, bool) {
		if i < len(kept) {
			return "", false
		}
		return fmt.Sprintf("line %d: ", file.rows[i-len(kept)].line), true
	})
	return view.print(c, fmt.Sprintf("Imported %d entries; the list has %d.", view.Added, len(done.Entries)))
}

// explain names the lines of the file in the errors of an edit, whose first
// entries were kept from the list before.
func (f *importFile) explain(err error, name string, kept []gate.Draft) error {
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
			out.lines = append(out.lines, lineError{f.rows[i].line, "range: " + f.duplicate(i)})
		default:
			out.lines = append(out.lines, lineError{f.rows[i].line, field + ": " + e.Message})
		}
	}
	return out
}

// duplicate says where the range of row i stands already.
func (f *importFile) duplicate(i int) string {
	r, _, _ := cidr.Parse(f.rows[i].draft.Range)
	for _, earlier := range f.rows[:i] {
		if e, _, err := cidr.Parse(earlier.draft.Range); err == nil && e == r {
			return fmt.Sprintf("%s stands in line %d already", r, earlier.line)
		}
	}
	return fmt.Sprintf("%s is in the list already", r)
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
		return writeNetworks(c.cmd.OutOrStdout(), list.Networks, logins)
	})
}
