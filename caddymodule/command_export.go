package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// exportAttempts writes attempts for other programs, to a file or to standard
// output. Unlike a list it has no limit unless one was given.
func (c *call) exportAttempts(f gate.AttemptFilter) error {
	ctx, stop := signal.NotifyContext(c.ctx(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !c.given("limit") {
		f.Limit = 0
	}
	o := export.Options{
		Format: export.Format(c.text("format")), Slug: c.slug,
		Place: func(a *gate.Attempt) gate.Place { return c.PlaceOf(a.Address, a.Bits) },
	}
	if isTerminal(os.Stderr) && (c.given("output") || !isTerminal(os.Stdout)) {
		progress := c.progress("attempts")
		defer progress.end()
		o.Progress = progress.show
	}
	if path := c.text("output"); path != "" {
		return c.exportFile(ctx, path, f, o)
	}
	_, err := c.exportTo(ctx, c.cmd.OutOrStdout(), f, o)
	return err
}

func (c *call) exportTo(ctx context.Context, w io.Writer, f gate.AttemptFilter, o export.Options) (sum []byte, err error) {
	e, err := c.Export(ctx, c.by, f, string(o.Format))
	if err != nil {
		return nil, err
	}
	sum, err = export.Write(ctx, w, e, o)
	if ctx.Err() != nil {
		return nil, errors.New("interrupted: what was written is not whole")
	}
	return sum, err
}

// exportFile writes a file that has its name only when it is whole, and its
// SHA-256 beside it as sha256sum reads it. Only this user may read them:
// addresses are personal.
func (c *call) exportFile(ctx context.Context, path string, f gate.AttemptFilter, o export.Options) (err error) {
	part, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // what there is of it is of no use
			_ = part.Close()
			_ = os.Remove(part.Name())
		}
	}()
	out := bufio.NewWriterSize(part, 1<<20)
	sum, err := c.exportTo(ctx, out, f, o)
	if err != nil {
		return err
	}
	if err := errors.Join(out.Flush(), part.Sync()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	line := fmt.Sprintf("%x  %s\n", sum, filepath.Base(path))
	return os.WriteFile(path+".sha256", []byte(line), 0o600)
}

// isTerminal reports whether a person looks at a file.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
