package caddymodule

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/backup"
	"github.com/sallyport-gate/sallyport/internal/store"
)

func backupCommand() *cobra.Command {
	cmd := onStore(leaf("backup FILE", "Save the whole store in a file, while gateways run", backUp))
	cmd.Long = `Saves everything that the store has at one moment in a file: tenants, people,
lists with their history, tokens, settings, the change log, records. Gateways go
on meanwhile. - is standard output.

The file fits SQLite and PostgreSQL alike, whichever it was made from. It has its
name only when it is whole, and only this user may read it. The secret is not in
it: keep a copy of that in another place, since nothing that is encrypted can be
read without it.`
	cmd.Example = `  caddy sallyport backup /var/backups/sallyport/today.backup --replace
  caddy sallyport backup - --without-attempts | ssh backup.example.com 'cat >sallyport.backup'`
	cmd.Flags().Bool("replace", false, "overwrite the file if there is one")
	cmd.Flags().Bool("without-attempts", false, "leave out the records of attempts: by far the most, and nothing is decided by them")
	return cmd
}

// savedView is a backup in JSON.
type savedView struct {
	File        string           `json:"file"`
	Made        *string          `json:"made"`
	Program     string           `json:"program"`
	Engine      string           `json:"engine"`
	Schema      int64            `json:"schema"`
	Fingerprint string           `json:"secret_fingerprint"`
	Without     []string         `json:"without"`
	SHA256      string           `json:"sha256"` // of all but the last line, which has it
	Rows        map[string]int64 `json:"rows"`
}

func viewSaved(file string, h *backup.Header, sum []byte, rows map[string]int64) savedView {
	return savedView{file, stampOrNull(h.Made), h.Program, h.Engine, h.Schema, h.Fingerprint, orEmpty(h.Without), hex.EncodeToString(sum), rows}
}

func backUp(c *call) error {
	p, err := c.find()
	if err != nil {
		return err
	}
	if !p.exists() {
		return fmt.Errorf("there is no store %s: name another with --store or --config", p.dsn)
	}
	if p.secret == nil {
		if p.secret, err = p.ownSecret(false); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(c.ctx(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := store.BackupOptions{Secret: p.secret, WithoutAttempts: c.on("without-attempts")}
	if isTerminal(os.Stderr) {
		progress := c.progress("rows")
		defer progress.end()
		o.Progress = progress.show
	}
	save := func(w io.Writer) (*store.Saved, error) {
		saved, err := store.Backup(ctx, p.dsn, o, w)
		if err != nil && ctx.Err() != nil {
			return nil, errors.New("interrupted: there is no backup")
		}
		return saved, err
	}
	if c.arg(0) == "-" {
		return c.backUpOut(save)
	}
	return c.backUpFile(p, save)
}

// backUpOut writes to standard output, and what else there is to say beside it.
func (c *call) backUpOut(save func(io.Writer) (*store.Saved, error)) error {
	if isTerminal(os.Stdout) {
		return usage("a terminal cannot take a backup: name a file, or send it on with |")
	}
	saved, err := save(c.cmd.OutOrStdout())
	if err != nil {
		return err
	}
	c.cmd.SetOut(c.cmd.ErrOrStderr())
	return c.printSaved("-", saved)
}

func (c *call) backUpFile(p location, save func(io.Writer) (*store.Saved, error)) (err error) {
	path := c.arg(0)
	if err := c.mayWrite(path, p); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // what there is of it is of no use
			_ = part.Close()
			_ = os.Remove(part.Name())
		}
	}()
	saved, err := save(part)
	if err != nil {
		return err
	}
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return err
	}
	if err := c.mayWrite(path, p); err != nil { // somebody else may have been faster
		return err
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return c.printSaved(path, saved)
}

// mayWrite refuses to overwrite what is there: always the store and its secret,
// and what is no file; a file unless it was said.
func (c *call) mayWrite(path string, p location) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file: name one, or - for standard output", path)
	}
	if db, ok := strings.CutPrefix(p.dsn, "sqlite:"); ok {
		for _, own := range []string{db, db + "-wal", db + "-shm", db + ".secret"} {
			if there, err := os.Stat(own); err == nil && os.SameFile(info, there) {
				return fmt.Errorf("%s belongs to the store: name another file", path)
			}
		}
	}
	if !c.on("replace") {
		return fmt.Errorf("there is a file %s already: name another, or say --replace", path)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (c *call) printSaved(path string, saved *store.Saved) error {
	return c.print(viewSaved(path, &saved.Header, saved.Sum, saved.Counts), func(w io.Writer) {
		name := path
		if path == "-" {
			name = "standard output"
		}
		line(w, "Saved %s in %s: %s.", saved.Engine, name, countsText(saved.Counts))
		line(w, "The secret (fingerprint %s) is not in it: keep a copy of it in another place.", saved.Fingerprint)
	})
}

// countsText names the tables that people count by.
func countsText(rows map[string]int64) string {
	var parts []string
	for _, name := range []string{"tenants", "admins", "change_log", "attempts"} {
		if n, ok := rows[name]; ok {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(name, "change_log", "changes")))
		}
	}
	var all int64
	for _, n := range rows {
		all += n
	}
	return strings.Join(append(parts, fmt.Sprintf("%d rows in all", all)), ", ")
}
