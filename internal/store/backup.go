package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/backup"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// leftOut are the tables that no backup has, and why.
var leftOut = map[string]string{
	"nodes":  "what running programs say of themselves: after a restore none of them runs",
	"chores": "what one node at a time does for all: whoever wants a chore takes it anew",
}

// withAttempts are the tables of records, which can be left out when it is asked
// for: by far the most rows, and nothing is decided by them.
var withAttempts = []string{"attempts", "attempt_hours", "ledger"}

// macPurpose is what the keyed hash of a backup is for.
const macPurpose = "backup"

// BackupOptions are what a backup needs besides a store.
type BackupOptions struct {
	Secret          []byte
	WithoutAttempts bool             // leave out records, and the account of them
	Now             func() time.Time // nil: time.Now
	Progress        func(rows int64) // called for each row; may be nil
}

// Saved is what a backup has.
type Saved struct {
	backup.Header
	Sum    []byte           // SHA-256 of all but the last line
	Counts map[string]int64 // rows of each table
}

// Backup writes everything that a store has, as it is at one moment, while
// others go on working with it. The store may be one of an older program. Memory
// does not grow with the number of rows. The secret is not in the backup, and
// nothing that is encrypted can be read without it.
func Backup(ctx context.Context, dsn string, opts BackupOptions, w io.Writer) (*Saved, error) {
	saved, err := saveStore(ctx, dsn, opts, w)
	if err != nil {
		return nil, fmt.Errorf("backing up the store %s: %w", Redact(dsn), err)
	}
	return saved, nil
}

func saveStore(ctx context.Context, dsn string, opts BackupOptions, w io.Writer) (*Saved, error) {
	sealer, err := newSealer(dsn, opts.Secret)
	if err != nil {
		return nil, err
	}
	e, err := connect(ctx, dsn, openExisting)
	if err != nil {
		return nil, err
	}
	defer e.close()
	state, err := e.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if err := state.check(sealer); err != nil {
		return nil, err
	}
	if state.version == 0 {
		return nil, errors.New("there is nothing in it")
	}
	h := backup.Header{Made: opts.now(), Program: gate.Version, Schema: state.version, Fingerprint: sealer.Fingerprint()}
	if opts.WithoutAttempts {
		h.Without = withAttempts
	}
	return e.save(ctx, h, sealer, opts.Progress, w)
}

func (o *BackupOptions) now() time.Time {
	if o.Now == nil {
		return time.Now().UTC()
	}
	return o.Now().UTC()
}

// save writes the rows of one moment.
func (e *engine) save(ctx context.Context, h backup.Header, sealer *auth.Sealer, progress func(int64), w io.Writer) (saved *Saved, err error) {
	var name, version string
	var size int64
	if err := e.read().row(ctx, e.describe).Scan(&name, &version, &size); err != nil {
		return nil, err
	}
	h.Engine = name + " " + version
	sc, err := schemaAt(ctx, h.Schema)
	if err != nil {
		return nil, err
	}
	out, err := backup.NewWriter(w, h)
	if err != nil {
		return nil, err
	}
	err = e.view(ctx, func(tx querier) error {
		if _, err := tx.exec(ctx, e.great); err != nil {
			return err
		}
		return dump(ctx, tx, inBackup(sc, h.Without), counting(out, progress))
	})
	if err != nil {
		return nil, err
	}
	sum, err := out.Close(func(sum []byte) []byte { return sealer.MAC(macPurpose, string(sum)) })
	if err != nil {
		return nil, err
	}
	return &Saved{h, sum, out.Counts()}, nil
}

// inBackup are the tables that a backup has.
func inBackup(sc *schema, without []string) []backup.Table {
	return slices.DeleteFunc(slices.Clone(sc.tables), func(t backup.Table) bool {
		return leftOut[t.Name] != "" || slices.Contains(without, t.Name)
	})
}

// dump hands over tables with their rows.
func dump(ctx context.Context, tx querier, tables []backup.Table, to backup.Sink) error {
	for i := range tables {
		if err := to.Table(tables[i]); err != nil {
			return err
		}
		if err := dumpRows(ctx, tx, &tables[i], to); err != nil {
			return fmt.Errorf("reading %s: %w", tables[i].Name, err)
		}
	}
	return nil
}

func dumpRows(ctx context.Context, tx querier, t *backup.Table, to backup.Sink) error {
	rows, err := tx.db.QueryContext(ctx, `SELECT `+columnNames(t)+` FROM `+quote(t.Name))
	if err != nil {
		return err
	}
	defer rows.Close()
	values, cells := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i, c := range t.Columns {
		cells[i] = &cell{to: &values[i], kind: c.Type}
	}
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return err
		}
		if err := to.Row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// cell scans a column as the type that it is declared with, however the engine
// keeps it.
type cell struct {
	to   *any
	kind backup.Type
}

func (c *cell) Scan(src any) error {
	*c.to = nil
	if src == nil {
		return nil
	}
	switch c.kind {
	case backup.Bool:
		var v sql.NullBool
		if err := v.Scan(src); err != nil {
			return err
		}
		*c.to = v.Bool
		return nil
	case backup.Bytes:
		if b, ok := src.([]byte); ok {
			*c.to = append([]byte{}, b...)
			return nil
		}
	case backup.Text:
		switch s := src.(type) {
		case string:
			*c.to = s
			return nil
		case []byte:
			*c.to = string(s)
			return nil
		}
	case backup.Int:
		if n, ok := src.(int64); ok {
			*c.to = n
			return nil
		}
	}
	return fmt.Errorf("a column of %s has a value of %T", c.kind, src)
}

// counting tells how many rows have gone by.
func counting(to backup.Sink, progress func(rows int64)) backup.Sink {
	if progress == nil {
		return to
	}
	return &counter{Sink: to, progress: progress}
}

type counter struct {
	backup.Sink
	rows     int64
	progress func(rows int64)
}

func (c *counter) Row(values []any) error {
	c.rows++
	c.progress(c.rows)
	return c.Sink.Row(values)
}
