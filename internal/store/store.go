// Package store keeps everything that Sallyport knows in SQLite or PostgreSQL.
// It fulfils [gate.Store], and it is the only package that knows SQL.
//
// Both engines run the same statements, written in their common subset, with
// parameters $1, $2 … that both bind by number. What differs stands in
// sqlite.go and postgres.go. Every exported method is one transaction; the
// unexported find, put and add functions run inside one.
//
// A write locks what it changes by changing it, in the order of the keys, and
// takes the next position of the change log at its end, so writers wait for
// each other only there. Nothing relies on sequences, advisory locks or
// notifications, which databases that only speak PostgreSQL's protocol do not
// all have.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// ErrNeedsMigration is returned by [Open] for a store that is empty or was made
// by an older program, where migrating is not allowed.
var ErrNeedsMigration = errors.New("its tables are missing or older than this program: run 'caddy sallyport migrate'")

// retryFor bounds how long a transaction is tried again that lost a race
// against another: a deadlock, a failed serialization, a busy file.
const retryFor = 10 * time.Second

// Options are what a store needs besides its address.
type Options struct {
	// Secret encrypts what is secret at rest, and makes keyed hashes; at least
	// 32 bytes. For SQLite see LoadOrCreateSecret.
	Secret []byte
	// Migrate makes missing tables and brings those of an older program up to
	// date; without it Open returns ErrNeedsMigration.
	Migrate bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Store is a [gate.Store]. It is safe for concurrent use, and several processes
// and machines may have one store open at the same time.
type Store struct {
	*engine
	sealer *auth.Sealer
}

var _ gate.Store = (*Store)(nil)

// engine is what differs between the databases.
type engine struct {
	writer *sql.DB
	reader *sql.DB // the same as the writer, where that may have many connections
	// snapshot makes a transaction whose statements all read the same state.
	snapshot *sql.TxOptions
	// lostRace reports whether a transaction failed because of another one, is
	// rolled back, and may succeed when it is run again.
	lostRace func(error) bool
	// hasTable counts the tables with a name.
	hasTable string
	// clock is the time in µs by the server's clock; empty: the store is on this
	// machine and has none of its own.
	clock string
	// describe is a statement that answers kind, version and size in bytes.
	describe string
	// scrub has what was deleted leave the files; nil: the server's own care.
	scrub func(ctx context.Context, db *sql.DB, whole bool) (bool, error)
	// rows is how many rows one statement has at most, see querier.
	rows int
	// great prepares a transaction that reads or writes everything.
	great string
	// clear empties all tables for rows that come in great numbers, and refill
	// ends that.
	clear, refill func(ctx context.Context, tx querier, sc *schema) error
	now           func() time.Time
}

// Open opens the store at a DSN: "sqlite:" and the path of a file, which is
// made if it is missing, or the URL of a PostgreSQL database. The error of a
// store that cannot be opened names it without its password and says what to
// do; it is ErrNeedsMigration where that is all that is missing.
func Open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	s, err := open(ctx, dsn, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", Redact(dsn), err)
	}
	return s, nil
}

func open(ctx context.Context, dsn string, opts Options) (_ *Store, err error) {
	s := &Store{}
	if s.sealer, err = newSealer(dsn, opts.Secret); err != nil {
		return nil, err
	}
	how := openExisting
	if opts.Migrate {
		how = openOrCreate
	}
	if s.engine, err = connect(ctx, dsn, how); err != nil {
		return nil, err
	}
	if opts.Now != nil {
		s.now = opts.Now
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	state, err := s.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if err := state.check(s.sealer); err != nil {
		return nil, err
	}
	if state.version < newestSchema && !opts.Migrate {
		return nil, ErrNeedsMigration
	}
	if err := s.migrate(ctx, state.version); err != nil {
		return nil, err
	}
	if state.fingerprint == "" {
		err = s.claim(ctx)
	}
	return s, err
}

// Check reports why [Open] would fail, writing nothing, not even a missing
// file: for validating a configuration. A store that is empty or whose tables
// are older is fine; so is a nil secret where SQLite's file and secret would
// both be made at the first start.
func Check(ctx context.Context, dsn string, secret []byte) error {
	if err := check(ctx, dsn, secret); err != nil {
		return fmt.Errorf("checking the store %s: %w", Redact(dsn), err)
	}
	return nil
}

func check(ctx context.Context, dsn string, secret []byte) error {
	e, err := connect(ctx, dsn, openToRead)
	if err != nil || e == nil {
		return err
	}
	defer e.close()
	state, err := e.inspect(ctx)
	if err != nil {
		return err
	}
	if _, isSQLite := sqlitePath(dsn); isSQLite && secret == nil && state.fingerprint == "" {
		return nil
	}
	sealer, err := newSealer(dsn, secret)
	if err != nil {
		return err
	}
	return state.check(sealer)
}

// mode is how a store is opened.
type mode int

const (
	openOrCreate mode = iota
	openExisting      // a file that is missing is ErrNeedsMigration
	openToRead        // writes nothing
)

// connect returns nil without an error where there is nothing to read yet and
// only reading is asked for.
func connect(ctx context.Context, dsn string, how mode) (*engine, error) {
	if path, ok := sqlitePath(dsn); ok {
		return openSQLite(ctx, path, how)
	}
	if isPostgres(dsn) {
		return openPostgres(ctx, dsn, how)
	}
	return nil, CheckDSN(dsn)
}

// CheckDSN reports a DSN that is of no kind of store, which has to be said before
// anything else about it.
func CheckDSN(dsn string) error {
	if _, ok := sqlitePath(dsn); ok || isPostgres(dsn) {
		return nil
	}
	return errors.New("a store is written sqlite:/path/to/file.db or postgres://user@host:5432/database")
}

func newSealer(dsn string, secret []byte) (*auth.Sealer, error) {
	if err := CheckDSN(dsn); err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		if file, ok := SecretFile(dsn); ok {
			return nil, fmt.Errorf("its secret is missing: put %s back, or name the secret in the configuration", file)
		}
		return nil, errors.New("PostgreSQL needs a secret of at least 32 bytes in the configuration: make one with 'openssl rand -base64 32'")
	}
	return auth.NewSealer(secret)
}

// state is what a store says about itself.
type state struct {
	version     int64  // of the tables; 0: there are none
	fingerprint string // of the secret; empty: none was chosen yet
}

func (e *engine) inspect(ctx context.Context) (st state, err error) {
	if st.version, err = e.schemaVersion(ctx); err != nil || st.version == 0 {
		return st, err
	}
	st.fingerprint, err = e.fingerprint(ctx)
	return st, err
}

func (e *engine) fingerprint(ctx context.Context) (text string, err error) {
	err = e.read().row(ctx, `SELECT fingerprint FROM installation WHERE id = 1`).Scan(&text)
	return text, err
}

func (st state) check(sealer *auth.Sealer) error {
	if st.version > newestSchema {
		return fmt.Errorf("its tables have version %d and this program knows up to %d: a newer Sallyport made them, start that one",
			st.version, newestSchema)
	}
	if st.fingerprint != "" && st.fingerprint != sealer.Fingerprint() {
		return errors.New("the secret is not the one this store was made with: configure that one, nothing in the store can be read without it")
	}
	return nil
}

// claim ties a fresh store to the secret. Of two nodes that start at the same
// time with different secrets, one is refused.
func (s *Store) claim(ctx context.Context) error {
	st := state{version: newestSchema}
	err := s.write(ctx, func(tx querier) error {
		_, err := tx.exec(ctx, `UPDATE installation SET fingerprint = $1 WHERE id = 1 AND fingerprint = ''`, s.sealer.Fingerprint())
		if err != nil {
			return err
		}
		return tx.row(ctx, `SELECT fingerprint FROM installation WHERE id = 1`).Scan(&st.fingerprint)
	})
	if err != nil {
		return err
	}
	return st.check(s.sealer)
}

// Close closes all connections. Transactions under way fail.
func (s *Store) Close() error { return s.close() }

func (e *engine) close() error {
	if e.reader == e.writer {
		return e.writer.Close()
	}
	// The writer is last, so that SQLite can fold the write-ahead log into the
	// file.
	return errors.Join(e.reader.Close(), e.writer.Close())
}

// Scrub has what was erased leave the files of SQLite: false where a large one
// has to be rewritten for that, for which everybody waits, and whole does not say
// so. PostgreSQL does it by itself, with VACUUM.
func (s *Store) Scrub(ctx context.Context, whole bool) (bool, error) {
	if s.scrub == nil {
		return true, nil
	}
	return s.scrub(ctx, s.writer, whole)
}

// MAC is the store's keyed hash, for what must be compared but not read.
func (s *Store) MAC(purpose, text string) []byte { return s.sealer.MAC(purpose, text) }

// write runs do in a transaction, again if it lost a race: do must set its
// results anew each time. An error of a commit that was cut off leaves open
// whether it happened, so it is never taken for a lost race.
func (e *engine) write(ctx context.Context, do func(tx querier) error) error {
	for began, pause := time.Now(), time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := e.inTx(ctx, e.writer, nil, do)
		if err == nil || !e.lostRace(err) || time.Since(began) > retryFor {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // only spreads the tries
		}
	}
}

// view runs do in a transaction that reads one state of the store throughout.
func (e *engine) view(ctx context.Context, do func(tx querier) error) error {
	return e.inTx(ctx, e.reader, e.snapshot, do)
}

// read is for a single statement that only reads.
func (e *engine) read() querier { return querier{e.reader, e.rows, e.now} }

func (e *engine) inTx(ctx context.Context, db *sql.DB, opts *sql.TxOptions, do func(tx querier) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := do(querier{tx, e.rows, e.now}); err != nil {
		return err
	}
	return tx.Commit()
}

// Redact returns a DSN as it may be shown and logged: without its password.
func Redact(dsn string) string {
	if !isPostgres(dsn) {
		return dsn
	}
	return redactPostgres(dsn)
}

// sqlitePath returns the file of a SQLite DSN.
func sqlitePath(dsn string) (string, bool) { return strings.CutPrefix(dsn, "sqlite:") }

// isPostgres reports whether a DSN is the URL of a PostgreSQL database.
func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}
