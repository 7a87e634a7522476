package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func subjectCommands() *cobra.Command {
	export := onStore(leaf("export TENANT WHO [FILE]", "Write all that is recorded of a person, as JSON", exportSubject))
	export.Long = `Writes all that is recorded of a person as one JSON document, to standard output
or to FILE, which must not exist and which only this user may read. WHO is the
login or id of somebody who is or was an admin of the tenant, or else a login that
was typed and is nobody's. Passwords and other secrets are not in it. That it was
exported is in the change log. TENANT may be one that was removed.

Other people are in it as well, in changes and reasons: look at it before it is
handed out.`
	export.Example = `  caddy sallyport subject export acme li.na li.na.json`

	erase := onStore(leaf("erase TENANT WHO", "Erase what is recorded of a person who is no admin any more", eraseSubject))
	erase.Long = `Erases what is recorded of a person, named as for export, who is no admin any more:
the name and addresses in the change log, whose chain holds all the same, and in the
history of the list; whose attempts were theirs; their access requests. What is in
force and names them is listed, for those who edit it. What was erased is in the
change log, in numbers.

Nothing brings it back, so it has to be said with --yes; --dry-run says what would
go. It works in small steps while gateways run. Interrupt it at any time: the next
time it goes on.

A large SQLite file may hold remains in its free pages until it is rewritten:
--rewrite does that, and whoever wants to write waits meanwhile. Backups, exported
files, logs and what was delivered elsewhere are out of reach.`
	erase.Example = `  caddy sallyport subject erase acme li.na --dry-run
  caddy sallyport subject erase acme li.na --yes`
	erase.Flags().Bool("yes", false, "do it: nothing brings it back")
	erase.Flags().Bool("dry-run", false, "only say what would go")
	erase.Flags().Bool("rewrite", false, "rewrite a SQLite file of any size, so that nothing is left in its free pages")
	return group(&cobra.Command{Use: "subject", Short: "What is recorded of a person"}, export, erase)
}

// subjectView is what was erased, in JSON.
type subjectView struct {
	Tenant   string              `json:"tenant"`
	IDs      []string            `json:"ids"` // of the person, as admin; none: nobody's login
	DryRun   bool                `json:"dry_run"`
	Erased   gate.SubjectErasure `json:"erased"`
	Mentions []gate.Mention      `json:"mentions"`
	Scrubbed bool                `json:"scrubbed"` // nothing of it is left in the files of the store
}

func eraseSubject(c *call) error {
	switch {
	case c.on("yes") == c.on("dry-run"):
		return usage("say either --yes, since nothing brings it back, or --dry-run to see what would go")
	case c.on("rewrite") && c.on("dry-run"):
		return usage("--rewrite goes with --yes")
	}
	ctx, stop := signal.NotifyContext(c.ctx(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.with(func() error {
		t, err := c.TenantEver(ctx, c.by, c.arg(0))
		if err := missing(err, "tenant", c.arg(0), "tenant list"); err != nil {
			return err
		}
		done, err := c.EraseSubject(ctx, c.by, t, c.arg(1), c.on("dry-run"))
		switch {
		case errors.Is(err, gate.ErrStillAdmin):
			return fmt.Errorf("%s is still an admin of %s: 'caddy sallyport admin remove %s %s' first", done.Subject.Admin.Login, t.Slug, t.Slug, done.Subject.Admin.Login)
		case ctx.Err() != nil:
			return errors.New("interrupted: what was erased is on record, and the next time goes on")
		case errors.Is(err, gate.ErrChanged):
			return errors.New("somebody else erased at the same moment: try again")
		}
		if err := nobodyKnown(stored(err), c.arg(1), t.Slug); err != nil {
			return err
		}
		view := subjectView{Tenant: t.Slug, IDs: orEmpty(done.Subject.IDs), DryRun: c.on("dry-run"), Erased: done.Erased, Mentions: []gate.Mention{}}
		for i := range done.Mentions {
			view.Mentions = append(view.Mentions, c.viewMention(&done.Mentions[i]))
		}
		if !view.DryRun {
			if view.Scrubbed, err = c.ScrubStore(ctx, c.by, c.on("rewrite")); err != nil {
				return fmt.Errorf("it is erased, but its remains are still in the files of the store: %w", err)
			}
		}
		return c.print(view, view.human(c.arg(1)))
	})
}

// viewMention is a mention with the short name of its tenant.
func (c *call) viewMention(m *gate.Mention) gate.Mention {
	view := *m
	view.Tenant = c.slug(m.Tenant)
	if m.ID == m.Tenant { // what a tenant has only one of
		view.ID = view.Tenant
	}
	return view
}

// nobodyKnown says that nothing is recorded under a name.
func nobodyKnown(err error, who, slug string) error {
	if errors.Is(err, gate.ErrNotFound) {
		return fmt.Errorf("nothing is recorded of %q in %s: it is or was no admin's login or id, nobody typed it, or it was erased", who, slug)
	}
	return err
}

func (v *subjectView) human(who string) func(io.Writer) {
	return func(w io.Writer) {
		e := &v.Erased
		switch {
		case *e == gate.SubjectErasure{}:
			line(w, "Nothing is left of %s in %s.", who, v.Tenant)
		case v.DryRun:
			line(w, "This would go of %s in %s; nothing has changed:", who, v.Tenant)
		default:
			line(w, "Erased %s in %s:", who, v.Tenant)
		}
		for _, n := range []struct {
			count int64
			what  string
		}{
			{e.Texts, fmt.Sprintf("texts in %d changes of the change log", e.Changes)}, {e.Attempts, "attempts, which are nobody's now"},
			{e.Requests, "access requests"}, {e.Lists, "versions and entries in the history of the list"}, {e.Others, "other records"},
		} {
			if n.count > 0 {
				row(w, fmt.Sprintf("  %d", n.count), n.what)
			}
		}
		if len(v.Mentions) > 0 {
			line(w, "Still named in, and to be edited there:")
		}
		for _, m := range v.Mentions {
			row(w, "  "+m.Where, m.Tenant, m.ID, m.Field)
		}
		if !v.DryRun && !v.Scrubbed {
			line(w, "Remains may be in free pages of the file: --rewrite in a quiet hour takes them out.")
		}
	}
}
