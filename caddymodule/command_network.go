package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func networkCommands() *cobra.Command {
	history := onStore(leaf("history TENANT", "List the versions of a list, newest first", listVersions))
	history.Flags().Int("limit", 50, "how many; 0: all")

	restore := onStore(leaf("restore TENANT VERSION", "Put the entries of an earlier version back, as a new version", restoreVersion))
	restore.Long = `Puts the entries of an earlier version back as a new version. The mode stays as
it is now: an old list must not switch the gate off by the way. Without --reason
the history says which version was restored.`
	editFlags(restore)

	remove := onStore(leaf("remove TENANT RANGE|ID", "Remove an entry; sessions from there end within a second", removeNetwork))
	editFlags(remove)

	return group(&cobra.Command{Use: "network", Short: "The lists of allowed IP ranges"}, append([]*cobra.Command{
		addNetworkCommand(),
		onStore(leaf("list TENANT", "List the entries, with their use in the last 30 days", listNetworks)),
		remove, importCommand(), exportCommand(), history, restore,
	}, pendingCommands()...)...)
}

func addNetworkCommand() *cobra.Command {
	add := onStore(leaf("add TENANT RANGE", "Add an entry to the list of a tenant", addNetwork))
	add.Long = `Adds an entry: an address, a CIDR, or a range written first-last, IPv4 or IPv6.
Entries with --role or --admin count only for those people once they are signed
in; before, every entry admits to the sign-in page.`
	add.Example = `  caddy sallyport network add acme 203.0.113.0/24 --label "Head office" --owner it@acme.example
  caddy sallyport network add acme 198.51.100.7 --label "Hotel, Li Na" --expires 8h --admin li.na
  caddy sallyport network add acme 203.0.113.10-203.0.113.40 --label "VPN pool"`
	f := add.Flags()
	f.String("label", "", "what this network is, so that the next person knows; required")
	f.String("note", "", "anything else")
	f.String("owner", "", "who answers for it")
	f.String("expires", "", "end: a time, or 8h or 7d from now")
	f.String("not-before", "", "begin: a time, or 8h or 7d from now")
	f.StringArray("role", nil, "counts only for owner, reviewer or member; may be repeated")
	f.StringArray("admin", nil, "counts only for this login; may be repeated")
	f.Bool("disabled", false, "switched off for now")
	editFlags(add)
	return add
}

// networkView is an entry in JSON, as the API shows it.
type networkView struct {
	ID        string      `json:"id"`
	Range     string      `json:"range"`
	First     string      `json:"first"`
	Last      string      `json:"last"`
	Addresses string      `json:"addresses"` // a decimal number, for IPv6 beyond what JSON numbers hold
	Label     string      `json:"label"`
	Note      string      `json:"note"`
	Owner     string      `json:"owner"`
	Enabled   bool        `json:"enabled"`
	NotBefore *string     `json:"not_before"`
	Expires   *string     `json:"expires"`
	Roles     []gate.Role `json:"roles"`
	Admins    []string    `json:"admins"`
	Created   *string     `json:"created"`
	CreatedBy string      `json:"created_by"`
}

func viewNetwork(n *gate.Network) networkView {
	return networkView{
		ID: n.ID, Range: n.Range.String(), First: n.Range.First().String(), Last: n.Range.Last().String(),
		Addresses: n.Range.Count().String(), Label: n.Label, Note: n.Note, Owner: n.Owner, Enabled: n.Enabled,
		NotBefore: stampOrNull(n.NotBefore), Expires: stampOrNull(n.Expires), Roles: orEmpty(n.Roles), Admins: orEmpty(n.Admins),
		Created: stampOrNull(n.Created), CreatedBy: n.CreatedBy,
	}
}

// warningView is a word about an entry that is stored all the same.
type warningView struct {
	Field string `json:"field"`
	Code  string `json:"code"`
	Text  string `json:"message"`
}

// editView is what came of an edit, in JSON.
type editView struct {
	Version  int64         `json:"version"`
	Pending  *pendingView  `json:"pending"`
	Entry    *networkView  `json:"entry,omitempty"`
	Added    int           `json:"added"`
	Removed  int           `json:"removed"`
	Warnings []warningView `json:"warnings"`
}

func (v *editView) print(c *call, sentence string) error {
	return c.print(v, func(w io.Writer) {
		line(w, "%s The list has version %d now.", sentence, v.Version)
		v.Pending.print(w, c.arg(0))
		for _, warning := range v.Warnings {
			line(w, "Note: %s", warning.Text)
		}
	})
}

func addNetwork(c *call) error {
	d := gate.Draft{
		Range: c.arg(1), Label: c.text("label"), Note: c.text("note"), Owner: c.text("owner"),
		Enabled: !c.on("disabled"), Admins: c.list("admin"),
	}
	for _, role := range c.list("role") {
		d.Roles = append(d.Roles, gate.Role(role))
	}
	options, err := c.editOptions()
	if err != nil {
		return err
	}
	if d.NotBefore, err = c.moment("not-before", 1); err != nil {
		return err
	}
	if d.Expires, err = c.moment("expires", 1); err != nil {
		return err
	}
	if !c.given("label") {
		return usage("--label is missing: say what this network is, so that the next person knows")
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		done, err := c.AddNetwork(c.ctx(), c.by, t.ID, d, options)
		if err = plainFields(c.waiting(stored(err), t)); err != nil {
			return err
		}
		r, _, _ := cidr.Parse(d.Range)
		added := slices.IndexFunc(done.Entries, func(n gate.Network) bool { return n.Range == r })
		entry := viewNetwork(&done.Entries[added])
		view := &editView{Entry: &entry, Added: 1}
		view.of(done, func(i int) (string, bool) { return "", i == added })
		return view.print(c, fmt.Sprintf("Added %s (%s).", entry.Range, entry.Label))
	})
}

// of shows an edit with the warnings about the entries that it is about:
// named says which, and what is put before the name of their field.
func (v *editView) of(done *gate.Edited, named func(i int) (prefix string, about bool)) *editView {
	v.Version, v.Pending, v.Warnings = done.Version, viewPending(done.Pending), []warningView{}
	for _, w := range done.Warnings {
		i, field, ok := entryField(w.Field)
		prefix, about := named(i)
		if !ok || !about {
			continue
		}
		v.Warnings = append(v.Warnings, warningView{prefix + field, w.Code, w.Text})
	}
	return v
}

// entryField splits the name of a field of an entry: entries[2].range.
func entryField(text string) (entry int, field string, ok bool) {
	number, field, ok := strings.Cut(strings.TrimPrefix(text, "entries["), "].")
	entry, err := strconv.Atoi(number)
	return entry, field, ok && err == nil
}

// plainFields drops the entries' numbers from errors about the one entry that
// was written.
func plainFields(err error) error {
	bad, ok := errors.AsType[*gate.InvalidError](err)
	if !ok {
		return err
	}
	out := &gate.InvalidError{}
	for _, f := range bad.Errors {
		if _, field, ok := entryField(f.Field); ok {
			f.Field = field
		}
		if f.Code == "duplicate" {
			f.Message = "the list has it already: remove that entry first"
		}
		f.Message += howToAccept(f)
		out.Errors = append(out.Errors, f)
	}
	return out
}

// howToAccept says how to insist on what an edit refuses, where it can be done.
func howToAccept(f gate.FieldError) string {
	if f.Code == gate.AcceptWide {
		return ", with --accept wide"
	}
	return ""
}

func removeNetwork(c *call) error {
	options, err := c.editOptions()
	if err != nil {
		return err
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		done, err := c.RemoveNetwork(c.ctx(), c.by, t.ID, c.arg(1), options)
		if err := missing(c.waiting(err, t), "entry", c.arg(1), "network list "+t.Slug); err != nil {
			return err
		}
		view := &editView{Removed: 1}
		view.of(done, func(int) (string, bool) { return "", false })
		return view.print(c, fmt.Sprintf("Removed %s.", c.arg(1)))
	})
}

// listView is a tenant's list in JSON, as the API shows it.
type listView struct {
	Version int64        `json:"version"`
	Mode    gate.Mode    `json:"mode"`
	Entries []usedView   `json:"entries"`
	Pending *pendingView `json:"pending"`
}

type usedView struct {
	networkView
	LastUsed *string `json:"last_used"`
	Uses30d  int64   `json:"uses_30d"`
}

func listNetworks(c *call) error {
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		list, err := c.Networks(c.ctx(), c.by, t.ID)
		if err != nil {
			return err
		}
		logins, err := c.logins(t.ID)
		if err != nil {
			return err
		}
		view := listView{Version: list.Version, Mode: list.Mode, Pending: viewPending(list.Pending), Entries: []usedView{}}
		for i := range list.Entries {
			e := &list.Entries[i]
			view.Entries = append(view.Entries, usedView{viewNetwork(&e.Network), stampOrNull(e.LastUsed), e.Uses30d})
		}
		return c.print(view, func(w io.Writer) {
			line(w, "%s: mode %s, version %d, %d entries", t.Slug, list.Mode, list.Version, len(list.Entries))
			view.Pending.print(w, t.Slug)
			row(w, "RANGE", "LABEL", "STATE", "FOR", "OWNER", "USES 30D", "LAST USED", "ID")
			for i := range list.Entries {
				e := &list.Entries[i]
				row(w, e.Range, e.Label, networkState(&e.Network, time.Now()), whom(&e.Network, logins), e.Owner, e.Uses30d, stamp(e.LastUsed), e.ID)
			}
		})
	})
}

// logins names a tenant's admins by their ids.
func (c *call) logins(tenant string) (map[string]string, error) {
	admins, err := c.Admins(c.ctx(), c.by, tenant)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(admins))
	for i := range admins {
		names[admins[i].ID] = admins[i].Login
	}
	return names, nil
}

func networkState(n *gate.Network, now time.Time) string {
	switch {
	case !n.Enabled:
		return "off"
	case now.Before(n.NotBefore):
		return "begins " + stamp(n.NotBefore)
	case n.Expires.IsZero():
		return "on"
	case n.Admits(now):
		return "ends " + stamp(n.Expires)
	}
	return "ended " + stamp(n.Expires)
}

// whom says for whom an entry counts.
func whom(n *gate.Network, logins map[string]string) string {
	var names []string
	for _, r := range n.Roles {
		names = append(names, string(r))
	}
	for _, id := range n.Admins {
		name := logins[id]
		if name == "" {
			name = "removed admin " + id
		}
		names = append(names, name)
	}
	if names == nil {
		return "everybody"
	}
	return strings.Join(names, ", ")
}
