package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/backup"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// RestoreOptions are what a restore needs besides a store and a file.
type RestoreOptions struct {
	Secret  []byte
	Actor   gate.Actor
	Replace bool // also a store that is not empty
	// Moving means that nothing was done with the store since the backup: what
	// can be used once has not been.
	Moving bool
	// CheckOnly ends before anything is changed, or even opened.
	CheckOnly bool
	Now       func() time.Time       // nil: time.Now
	Progress  func(rows, most int64) // called for each row; most is 0 until it is known; may be nil
}

// Restored is what came of a restore.
type Restored struct {
	backup.Header
	Sum    []byte
	Counts map[string]int64 // rows of each table in the file
	Void   Void
	Back   Back
}

// Void is what a restore has made void, since it may have been used after the
// backup.
type Void struct {
	Invitations   int64 `json:"invitations"`
	RecoveryCodes int64 `json:"recovery_codes"`
	Emergencies   int64 `json:"emergencies"`
}

// Back is what lets somebody in or waits, as it was when the backup was made.
type Back struct {
	Tenants  int64 `json:"tenants"`
	Admins   int64 `json:"admins"`
	Networks int64 `json:"networks"` // entries in force
	Tokens   int64 `json:"tokens"`
	Pending  int64 `json:"pending_changes"`
}

// Restore puts a backup into a store, wholly or not at all. The file is checked
// from beginning to end before anything is touched. Every session ends, and what
// can be used once is void, since it may have been used after the backup.
func Restore(ctx context.Context, dsn, file string, opts RestoreOptions) (*Restored, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	r := &restorer{dsn: dsn, opts: opts}
	if err := CheckDSN(dsn); err != nil {
		return nil, err
	}
	if len(opts.Secret) == 0 {
		return nil, fmt.Errorf("the secret that the backup was made with is missing: %s", r.whereSecret())
	}
	if r.sealer, err = auth.NewSealer(opts.Secret); err != nil {
		return nil, err
	}
	if err := r.check(ctx, in); err != nil {
		return nil, fmt.Errorf("the backup %s cannot be restored: %w", file, err)
	}
	if opts.CheckOnly {
		return &r.done, nil
	}
	if err := r.restore(ctx, filepath.Base(file)); err != nil {
		return nil, fmt.Errorf("restoring into the store %s: %w", Redact(dsn), explainRestore(err))
	}
	return &r.done, nil
}

// restorer is one restore.
type restorer struct {
	dsn    string
	opts   RestoreOptions
	sealer *auth.Sealer
	file   *backup.File
	schema *schema // of the file
	done   Restored
}

// check reads the file and changes nothing.
func (r *restorer) check(ctx context.Context, in *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is read more than once: save it in a file first")
	}
	if r.file, err = backup.Open(in, info.Size()); err != nil {
		return err
	}
	f := r.file
	switch {
	case f.Schema > newestSchema:
		return fmt.Errorf("%w (%s; its tables have version %d and this program knows up to %d): restore it with that one", backup.ErrNewer, f.Program, f.Schema, newestSchema)
	case f.Schema < 1:
		return backup.ErrDamaged
	case f.Fingerprint != r.sealer.Fingerprint():
		return fmt.Errorf("it was made with another secret (fingerprint %s, and this one has %s): %s", f.Fingerprint, r.sealer.Fingerprint(), r.whereSecret())
	case string(f.MAC) != string(r.sealer.MAC(macPurpose, string(f.Sum))):
		return errors.New("it was altered by somebody who does not have the secret: use another backup, and find out who could write this one")
	}
	if r.schema, err = schemaAt(ctx, f.Schema); err != nil {
		return err
	}
	r.done.Header, r.done.Sum = f.Header, f.Sum
	r.done.Counts, err = checkShape(f, r.schema, r.progress(0))
	return err
}

func (r *restorer) whereSecret() string {
	if file, ok := SecretFile(r.dsn); ok {
		return "put that one into " + file + ", or name it in the configuration"
	}
	return "configure that one; without it, nothing in the backup can be read"
}

func (r *restorer) progress(most int64) func(rows int64) {
	if r.opts.Progress == nil {
		return nil
	}
	return func(rows int64) { r.opts.Progress(rows, most) }
}

// restore opens the store and replaces what is in it.
func (r *restorer) restore(ctx context.Context, name string) error {
	e, err := connect(ctx, r.dsn, openOrCreate)
	if err != nil {
		return err
	}
	e.now = r.opts.Now
	s := &Store{engine: e, sealer: r.sealer}
	defer s.close()
	if err := s.prepareRestore(ctx); err != nil {
		return err
	}
	from := fileSource(r.file)
	if r.file.Schema < newestSchema {
		older, done, err := migrated(ctx, r.file, r.schema, r.scratch())
		if err != nil {
			return fmt.Errorf("bringing the backup up to date: %w", err)
		}
		defer done()
		from = older
	}
	newest, err := schemaAt(ctx, newestSchema)
	if err != nil {
		return err
	}
	var most int64
	for _, n := range r.done.Counts {
		most += n
	}
	counted := func(to backup.Sink) error { return from(counting(to, r.progress(most))) }
	return s.write(ctx, func(tx querier) error { return r.replace(ctx, s, tx, newest, counted, name) })
}

// explainRestore says what to do about a store that cannot be written. Nothing
// is lost by moving a damaged one away: the epoch is one that never was, whatever
// was in there.
func explainRestore(err error) error {
	switch code := sqliteCode(err); {
	case code == sqlitelib.SQLITE_CORRUPT || code == sqlitelib.SQLITE_NOTADB:
		e, _ := errors.AsType[*sqlite.Error](err)
		return fmt.Errorf("what is there is damaged, or no store (%w): move it away with its -wal and -shm files, and restore again", e)
	case sqliteBusy(err) || postgresCode(err) == "55P03": // lock_not_available
		return fmt.Errorf("%w: another program holds it, stop that one", err)
	}
	return err
}

// scratch is where there is room for as much as the store will need.
func (r *restorer) scratch() string {
	if path, ok := sqlitePath(r.dsn); ok {
		return filepath.Dir(path)
	}
	return os.TempDir()
}

// prepareRestore makes the tables of an empty store, and refuses those of
// another version, since to migrate them would already change the store.
func (s *Store) prepareRestore(ctx context.Context) error {
	version, err := s.schemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case version > newestSchema:
		return state{version: version}.check(s.sealer)
	case version > 0 && version < newestSchema:
		return errors.New("its tables are older than this program: run 'caddy sallyport migrate' first, or restore into an empty store")
	}
	return s.migrate(ctx, version)
}

// replace is all of it, in one transaction.
func (r *restorer) replace(ctx context.Context, s *Store, tx querier, sc *schema, from source, name string) error {
	if _, err := tx.exec(ctx, s.great); err != nil {
		return err
	}
	if err := s.notInUse(ctx, tx); err != nil {
		return err
	}
	old, err := findReplaced(ctx, tx)
	if err != nil {
		return err
	}
	if old.holds && !r.opts.Replace {
		return errors.New("it is not empty: say --replace to lose what is in it, and make a backup of that first")
	}
	if err := refill(ctx, tx, s.engine, sc, from); err != nil {
		return err
	}
	if err := s.holdsTogether(ctx, tx, r.file.Fingerprint); err != nil {
		return err
	}
	return r.renew(ctx, s, tx, old, name)
}

// notInUse refuses a store that gateways run on. Times of nodes are by the
// store's clock.
func (s *Store) notInUse(ctx context.Context, tx querier) error {
	now := s.now()
	if s.clock != "" {
		if err := tx.row(ctx, `SELECT `+s.clock).Scan(timeColumn{&now}); err != nil {
			return err
		}
	}
	names, err := collect(ctx, tx, text, `SELECT name FROM nodes WHERE seen > $1 ORDER BY name`, micro(now.Add(-gate.NodeSilent)))
	if err != nil || len(names) == 0 {
		return err
	}
	return fmt.Errorf("gateways run on it (%s): stop them first; one that was killed counts for %s", strings.Join(names, ", "), gate.NodeSilent)
}

// replaced is what was in a store before.
type replaced struct {
	holds bool // something that somebody might miss
	epoch int64
	pos   int64 // end of its change log
	hash  []byte
}

func findReplaced(ctx context.Context, tx querier) (old replaced, err error) {
	err = tx.row(ctx, `
		SELECT i.epoch, c.pos, c.hash, EXISTS (SELECT 1 FROM tenants) OR EXISTS (SELECT 1 FROM attempts) OR EXISTS (SELECT 1 FROM change_log WHERE tenant <> '')
		FROM installation i, change_counter c WHERE i.id = 1 AND c.stream = $1`, stream).Scan(&old.epoch, &old.pos, &old.hash, &old.holds)
	return old, err
}

// holdsTogether checks what the file's digest cannot: that it was a good store
// that was saved.
func (s *Store) holdsTogether(ctx context.Context, tx querier, fingerprint string) error {
	var found string
	if err := tx.row(ctx, `SELECT fingerprint FROM installation WHERE id = 1`).Scan(&found); err != nil {
		return fmt.Errorf("the backup says nothing of the installation: %w", err)
	}
	if found != fingerprint {
		return backup.ErrDamaged
	}
	if _, err := verifyChanges(ctx, tx); err != nil {
		return fmt.Errorf("the change log in the backup does not verify, so nothing was restored: use an older backup: %w", err)
	}
	if _, err := s.findGlobal(ctx, tx); err != nil {
		return fmt.Errorf("the keys in the backup cannot be read: %w", err)
	}
	return nil
}
