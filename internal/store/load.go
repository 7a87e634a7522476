package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-gate/sallyport/internal/backup"
)

// Bounds of what is inserted at once.
const (
	loadRows  = 1024
	loadBytes = 4 << 20
)

// loader is a sink that inserts rows in a transaction.
type loader struct {
	ctx   context.Context
	tx    querier
	table backup.Table
	batch [][]any
	bytes int // of the texts in batch
}

var _ backup.Sink = (*loader)(nil)

// Table ends the table before.
func (l *loader) Table(t backup.Table) error {
	if err := l.flush(); err != nil {
		return err
	}
	l.table = t
	return nil
}

// Row inserts sooner or later.
func (l *loader) Row(values []any) error {
	l.batch = append(l.batch, slices.Clone(values))
	for _, value := range values {
		switch v := value.(type) {
		case string:
			l.bytes += len(v)
		case []byte:
			l.bytes += len(v)
		}
	}
	if len(l.batch) < loadRows && l.bytes < loadBytes {
		return nil
	}
	return l.flush()
}

func (l *loader) flush() error {
	insert := bulk{head: `INSERT INTO ` + quote(l.table.Name) + ` (` + columnNames(&l.table) + `) VALUES`}
	err := execAll(l.ctx, l.tx, insert, l.batch, func(row *[]any) []any { return *row })
	l.batch, l.bytes = l.batch[:0], 0
	if err != nil {
		return fmt.Errorf("putting rows into %s: %w", l.table.Name, err)
	}
	return nil
}

// source hands over all tables, as often as it is called.
type source func(to backup.Sink) error

// load fills tables that are empty.
func load(ctx context.Context, tx querier, from source) error {
	l := &loader{ctx: ctx, tx: tx}
	if err := from(l); err != nil {
		return err
	}
	return l.flush()
}

// shape is a sink that checks that tables are those of a version, and that none
// is missing.
type shape struct {
	version int64
	missing []backup.Table
}

// Table refuses what the version does not have.
func (s *shape) Table(t backup.Table) error {
	i := slices.IndexFunc(s.missing, func(m backup.Table) bool { return m.Name == t.Name })
	if i < 0 {
		return fmt.Errorf("%w: version %d of the tables has no %q", backup.ErrDamaged, s.version, t.Name)
	}
	if !slices.Equal(s.missing[i].Columns, t.Columns) {
		return fmt.Errorf("%w: the columns of %q are not those of version %d", backup.ErrDamaged, t.Name, s.version)
	}
	s.missing = slices.Delete(s.missing, i, i+1)
	return nil
}

// Row takes any.
func (s *shape) Row([]any) error { return nil }

// checkShape reads a backup to its end, changing nothing.
func checkShape(f *backup.File, sc *schema, progress func(rows int64)) (counts map[string]int64, err error) {
	s := &shape{sc.version, inBackup(sc, f.Without)}
	if counts, err = f.Read(counting(s, progress)); err != nil {
		return nil, err
	}
	if len(s.missing) > 0 {
		return nil, fmt.Errorf("%w: the table %q is missing", backup.ErrDamaged, s.missing[0].Name)
	}
	return counts, nil
}

// migrated loads a backup of an older program into a database beside the store,
// which it migrates there. The caller calls done when it has read it.
func migrated(ctx context.Context, f *backup.File, sc *schema, dir string) (from source, done func(), err error) {
	scratch, err := os.MkdirTemp(dir, "sallyport-restore-*")
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(scratch)
		}
	}()
	e, err := openSQLite(ctx, filepath.Join(scratch, "older.db"), openOrCreate)
	if err != nil {
		return nil, nil, err
	}
	done = func() { e.close(); os.RemoveAll(scratch) }
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if err := e.migrateTo(ctx, f.Schema); err != nil {
		return nil, nil, err
	}
	err = e.inTx(ctx, e.writer, nil, func(tx querier) error { return refill(ctx, tx, e, sc, fileSource(f)) })
	if err != nil {
		return nil, nil, err
	}
	if err := e.migrateTo(ctx, newestSchema); err != nil {
		return nil, nil, err
	}
	newest, err := readSchema(ctx, e.read(), newestSchema)
	if err != nil {
		return nil, nil, err
	}
	from = func(to backup.Sink) error {
		return e.view(ctx, func(tx querier) error { return dump(ctx, tx, inBackup(newest, f.Without), to) })
	}
	return from, done, nil
}

func fileSource(f *backup.File) source {
	return func(to backup.Sink) error { _, err := f.Read(to); return err }
}

// refill replaces the rows of all tables.
func refill(ctx context.Context, tx querier, e *engine, sc *schema, from source) error {
	if err := e.clear(ctx, tx, sc); err != nil {
		return fmt.Errorf("emptying the tables: %w", err)
	}
	if err := load(ctx, tx, from); err != nil {
		return err
	}
	return e.refill(ctx, tx, sc)
}
