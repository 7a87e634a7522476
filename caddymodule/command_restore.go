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
	"github.com/sallyport-gate/sallyport/internal/store"
)

func restoreCommand() *cobra.Command {
	cmd := onStore(leaf("restore FILE", "Put a backup into a store that no gateway uses", restoreStore))
	cmd.Long = `Puts a backup into the store, SQLite or PostgreSQL, wholly or not at all. The
file is checked from beginning to end before anything is touched; interrupted, the
store is as it was. Stop the gateways first.

The secret is not in the file: put the one that the backup was made with where the
store looks for it. A backup of an older program is brought up to date.

Nobody stays signed in. Invitations, recovery codes and emergency access may have
been used since the backup, so they are void; --moving keeps them, for a store that
nobody has worked with since. Whatever else was removed, disabled or changed since
then is back as it was: look at people, lists and tokens.`
	cmd.Example = `  caddy sallyport restore /var/backups/sallyport/today.backup --check
  caddy sallyport restore /var/backups/sallyport/today.backup --replace
  caddy sallyport restore sallyport.backup --moving --store postgres://gate@db/gate --secret-file /etc/sallyport/secret`
	f := cmd.Flags()
	f.Bool("replace", false, "also where the store is not empty: what it has is lost")
	f.Bool("moving", false, "nobody has worked with the store since the backup: keep what can be used once")
	f.Bool("check", false, "check the file, and that the secret fits, and change nothing")
	return cmd
}

// restoredView is a restore in JSON.
type restoredView struct {
	savedView
	Store  string     `json:"store"`
	Void   store.Void `json:"void"`
	AsThen store.Back `json:"as_then"` // as it was when the backup was made
}

func restoreStore(c *call) error {
	file := c.arg(0)
	if file == "-" {
		return usage("a backup is read more than once: save it in a file first")
	}
	p, err := c.find()
	if err != nil {
		return err
	}
	if p.secret == nil {
		if p.secret, err = p.ownSecret(false); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(c.ctx(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := store.RestoreOptions{
		Secret: p.secret, Actor: gate.Actor{Kind: gate.ActorCommand, Login: osUser()},
		Replace: c.on("replace"), Moving: c.on("moving"), CheckOnly: c.on("check"),
	}
	if isTerminal(os.Stderr) {
		progress := c.progress("rows")
		defer progress.end()
		o.Progress = progress.showOf
	}
	done, err := store.Restore(ctx, p.dsn, file, o)
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("interrupted: the store is as it was")
	case err != nil:
		return err
	}
	saved := viewSaved(file, &done.Header, done.Sum, done.Counts)
	if o.CheckOnly {
		return c.print(saved, func(w io.Writer) {
			line(w, "%s is whole and fits the secret: %s, made %s by %s from %s.", file, countsText(done.Counts), stamp(done.Made), done.Program, done.Engine)
		})
	}
	view := restoredView{saved, store.Redact(p.dsn), done.Void, done.Back}
	return c.print(view, func(w io.Writer) { printRestored(w, &view, stamp(done.Made), o.Moving) })
}

// printRestored says what the operator has to look at.
func printRestored(w io.Writer, v *restoredView, made string, moving bool) {
	line(w, "Restored %s into %s: %s.", v.File, v.Store, countsText(v.Rows))
	line(w, "Everybody is signed out.")
	if !moving {
		line(w, "Void, since they may have been used after the backup: %d invitations, %d recovery codes, %d emergencies.",
			v.Void.Invitations, v.Void.RecoveryCodes, v.Void.Emergencies)
		line(w, "As they were at %s, also what was removed, disabled or changed since: %d people, %d networks, %d tokens. Look at 'admin list', 'network list' and 'token list'.",
			made, v.AsThen.Admins, v.AsThen.Networks, v.AsThen.Tokens)
	}
	if v.AsThen.Pending > 0 {
		line(w, "%s", pendingText(v.AsThen.Pending))
	}
}

func pendingText(n int64) string {
	return fmt.Sprintf("Changes of lists that waited to be confirmed then: %d. Those whose time is over are undone when a gateway starts.", n)
}
