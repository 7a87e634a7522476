package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// versionView is a version of a list in JSON, without its entries.
type versionView struct {
	Version  int64     `json:"version"`
	Mode     gate.Mode `json:"mode"`
	Time     *string   `json:"time"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	Accepted []string  `json:"accepted"`           // what the editor overrode
	Undoes   int64     `json:"undoes,omitempty"`   // the version that this one undoes
	Restores int64     `json:"restores,omitempty"` // the version whose entries these are
	Added    int       `json:"added"`
	Removed  int       `json:"removed"`
	Changed  int       `json:"changed"`
}

func viewVersion(v *gate.ListVersion) versionView {
	return versionView{v.Version, v.Mode, stampOrNull(v.At), v.By, v.Reason, orEmpty(v.Accepted), v.Undoes, v.Restores, v.Added, v.Removed, v.Changed}
}

func listVersions(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		versions, err := c.Versions(c.ctx(), c.by, t.ID, 0, limit)
		if err != nil {
			return err
		}
		views := make([]versionView, len(versions))
		for i, v := range versions {
			views[i] = viewVersion(&v)
		}
		return c.print(items[versionView]{views}, func(w io.Writer) {
			row(w, "VERSION", "TIME", "BY", "MODE", "ADDED", "REMOVED", "CHANGED", "REASON")
			for _, v := range versions {
				row(w, v.Version, stamp(v.At), v.By, v.Mode, v.Added, v.Removed, v.Changed, whyVersion(&v))
			}
		})
	})
}

// whyVersion is the reason of a version, or what else it came from, and what its
// editor overrode.
func whyVersion(v *gate.ListVersion) string {
	why := v.Reason
	if v.Undoes > 0 {
		why = fmt.Sprintf("undoes version %d", v.Undoes)
	}
	if len(v.Accepted) > 0 {
		why = strings.TrimSpace(why + " (accepted: " + strings.Join(v.Accepted, ", ") + ")")
	}
	return why
}

// limit reads --limit.
func (c *call) limit() (int, error) {
	n, _ := c.cmd.Flags().GetInt("limit")
	if n < 0 {
		return 0, usage("--limit %d is negative: 0 means all", n)
	}
	return n, nil
}

func restoreVersion(c *call) error {
	version, err := strconv.ParseInt(c.arg(1), 10, 64)
	if err != nil || version < 1 {
		return usage("%q is not the number of a version", c.arg(1))
	}
	options, err := c.editOptions()
	if err != nil {
		return err
	}
	options.Accept = append(options.Accept, gate.AcceptWide) // it was said on purpose when the version was made
	options.Reason = cmp.Or(options.Reason, fmt.Sprintf("restored version %d", version))
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		old, err := c.Version(c.ctx(), c.by, t.ID, version)
		if err := missing(err, "version", c.arg(1), "network history "+t.Slug); err != nil {
			return err
		}
		view := &editView{}
		done, err := c.edit(t, options, func(now *gate.ListVersion, e *gate.Edit) {
			e.Entries, e.Restores = gate.DraftsOf(old.Networks), version
			for i := range e.Entries {
				e.Entries[i].ID = "" // found by their ranges; those that are gone are made anew
			}
			view.Added, view.Removed = difference(now.Networks, old.Networks)
		})
		if err != nil {
			return err
		}
		view.of(done, func(i int) (string, bool) { return fmt.Sprintf("entries[%d].", i), true })
		return view.print(c, fmt.Sprintf("Restored the %d entries of version %d.", len(old.Networks), version))
	})
}

// difference counts the ranges that are only in one of two lists.
func difference(from, to []gate.Network) (added, removed int) {
	was := make(map[string]bool, len(from))
	for i := range from {
		was[from[i].Range.String()] = true
	}
	kept := 0
	for i := range to {
		if was[to[i].Range.String()] {
			kept++
		}
	}
	return len(to) - kept, len(from) - kept
}

// edit replaces a tenant's list by what change makes of it, again from the
// start when somebody else was faster.
func (c *call) edit(t *gate.Tenant, o gate.EditOptions, change func(now *gate.ListVersion, e *gate.Edit)) (*gate.Edited, error) {
	for tries := 0; ; tries++ {
		now, err := c.Version(c.ctx(), c.by, t.ID, 0)
		if err != nil {
			return nil, err
		}
		e := gate.Edit{Tenant: t.ID, Base: now.Version, Mode: now.Mode, Entries: gate.DraftsOf(now.Networks), EditOptions: o}
		change(now, &e)
		done, err := c.PutNetworks(c.ctx(), c.by, e)
		if _, conflict := errors.AsType[*gate.VersionConflict](err); conflict && tries < 10 {
			continue
		}
		return done, c.waiting(stored(err), t)
	}
}
