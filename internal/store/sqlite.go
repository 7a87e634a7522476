package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// oldestSQLite is the first version without the bug that could corrupt a
// database when a write-ahead log was reset at the wrong moment
// (https://www.sqlite.org/wal.html#walresetbug).
const oldestSQLite = "3.51.3"

const sqliteHasTable = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1`

// sqliteReaders is the number of connections that read beside the one writer.
const sqliteReaders = 4

// openSQLite opens a file.
func openSQLite(ctx context.Context, path string, how mode) (*engine, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
	switch {
	case missing && how == openToRead:
		return nil, nil
	case missing && how == openExisting:
		return nil, ErrNeedsMigration
	case err == nil && info.IsDir():
		return nil, errors.New("it is a folder: name a file in it, such as sallyport.db")
	case err != nil && !missing:
		return nil, fmt.Errorf("%w: name a file that this user may write", err)
	case how == openToRead:
		return openSQLiteToRead(ctx, path)
	}
	if err := createSQLite(path); err != nil {
		return nil, fmt.Errorf("%w: name a file that this user may write", err)
	}
	// One connection writes, and transactions begin as writers, so that none
	// reads first and then fails to become one. What is deleted is overwritten:
	// retention and erasures mean what they say.
	e, err := newSQLite(path, url.Values{"mode": {"rw"}, "_txlock": {"immediate"}, "_pragma": {"secure_delete(1)"}}, url.Values{"mode": {"rw"}, "_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	if err := e.prepareSQLite(ctx); err != nil {
		e.close()
		return nil, explainSQLite(err)
	}
	return e, nil
}

// openSQLiteToRead opens a file without changing anything.
func openSQLiteToRead(ctx context.Context, path string) (*engine, error) {
	how := url.Values{"mode": {"ro"}, "_query_only": {"1"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		// Nobody has it open. SQLite would make a -wal and a -shm file even to
		// read, unless it is told that nobody will.
		how.Set("immutable", "1")
	}
	e, err := newSQLite(path, how, how)
	if err != nil {
		return nil, err
	}
	var n int64
	if err := e.read().row(ctx, `SELECT COUNT(*) FROM sqlite_master`).Scan(&n); err != nil {
		e.close()
		return nil, explainSQLite(err)
	}
	return e, nil
}

func absolute(path string) (string, error) {
	switch {
	case path == "" || strings.HasPrefix(path, ":"):
		return "", errors.New("a store in memory would forget everybody at the next start: name a file, as in sqlite:/var/lib/sallyport/sallyport.db")
	case strings.Contains(path, "?"):
		return "", errors.New("options after ? are not known here: name only the file")
	}
	return filepath.Abs(path)
}

// createSQLite makes the file and its folder for this user only; SQLite gives
// its other files the same mode. A file that exists is not opened: with locks
// that belong to the process, closing it would release those of a store that
// has it open.
func createSQLite(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func newSQLite(path string, writer, reader url.Values) (*engine, error) {
	// Locks of open files and not of the process, so that nobody in this
	// process who reads the file, a backup for one, releases them. Where there
	// are none, or another plugin has opened a file before, the others do.
	_, _ = sqlite.OFDLocking(true)
	e := &engine{
		snapshot: &sql.TxOptions{ReadOnly: true}, // begins deferred, and reads one state in WAL mode
		lostRace: sqliteBusy,
		hasTable: sqliteHasTable,
		describe: `SELECT 'SQLite', sqlite_version(), c.page_count * s.page_size FROM pragma_page_count() c, pragma_page_size() s`,
		now:      time.Now,
		scrub:    scrubSQLite,
		rows:     1, // to parse many parameters takes longer than to run a statement often
		great:    `PRAGMA cache_size = -65536`,
		clear:    clearSQLite,
		refill:   refillSQLite,
	}
	var err error
	if e.writer, err = sql.Open("sqlite", sqliteURI(path, writer)); err != nil {
		return nil, err
	}
	if e.reader, err = sql.Open("sqlite", sqliteURI(path, reader)); err != nil {
		e.writer.Close()
		return nil, err
	}
	e.writer.SetMaxOpenConns(1)
	e.reader.SetMaxOpenConns(sqliteReaders)
	e.reader.SetMaxIdleConns(sqliteReaders)
	return e, nil
}

// sqliteURI names a file and how each connection to it is set up.
func sqliteURI(path string, how url.Values) string {
	q := url.Values{
		"_busy_timeout": {"5000"},
		"_foreign_keys": {"1"},
		// A revocation that a power cut undoes would open the door again.
		"_synchronous": {"FULL"},
		"_dqs":         {"0"},
		"_defensive":   {"1"},
		"_error_rc":    {"1"},
	}
	for key, values := range how {
		q[key] = values
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// prepareSQLite checks the library and turns the write-ahead log on, which the
// file remembers.
func (e *engine) prepareSQLite(ctx context.Context) error {
	var version string
	if err := e.writer.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return err
	}
	if olderVersion(version, oldestSQLite) {
		return fmt.Errorf("this program was built with SQLite %s, which can lose data: build it with %s or newer", version, oldestSQLite)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var mode string
		err := e.writer.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode)
		switch {
		// Another process may be doing the same, and this wait SQLite leaves
		// to us.
		case err != nil && sqliteBusy(err) && time.Since(began) < retryFor:
			continue
		case err != nil:
			return err
		case mode != "wal":
			return fmt.Errorf("its file system cannot keep a write-ahead log (journal mode is %s): use a local disk", mode)
		}
		return nil
	}
}

// scrubbedAtOnce is the size of a file that is rewritten in about a second.
const scrubbedAtOnce = 128 << 20

// scrubSQLite rewrites the file, in whose pages copies of rows may be left that
// moved before they were erased, and empties the write-ahead log. It returns
// false where the file is too large for others to wait, unless whole says so.
func scrubSQLite(ctx context.Context, db *sql.DB, whole bool) (scrubbed bool, err error) {
	var size int64
	if err := db.QueryRowContext(ctx, `SELECT c.page_count * s.page_size FROM pragma_page_count() c, pragma_page_size() s`).Scan(&size); err != nil {
		return false, err
	}
	if whole || size <= scrubbedAtOnce {
		if _, err := db.ExecContext(ctx, `VACUUM`); err != nil {
			return false, fmt.Errorf("rewriting the file: %w", err)
		}
		scrubbed = true
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var busy, pages, moved int64
		err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
		switch {
		case err != nil && !sqliteBusy(err):
			return false, fmt.Errorf("emptying the write-ahead log: %w", err)
		case err == nil && busy == 0:
			return scrubbed, nil
		case time.Since(began) > retryFor: // somebody reads for long: it is emptied when they have ended
			return false, nil
		}
	}
}

// olderVersion compares versions of numbers and dots.
func olderVersion(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

// clearSQLite also takes the indexes away: to make each at the end costs half of
// keeping them in order row by row.
func clearSQLite(ctx context.Context, tx querier, sc *schema) error {
	for _, index := range sc.indexes {
		if _, err := tx.exec(ctx, `DROP INDEX `+quote(index.name)); err != nil {
			return err
		}
	}
	for _, t := range slices.Backward(sc.tables) {
		if _, err := tx.exec(ctx, `DELETE FROM `+quote(t.Name)); err != nil {
			return err
		}
	}
	return nil
}

func refillSQLite(ctx context.Context, tx querier, sc *schema) error {
	for _, index := range sc.indexes {
		if _, err := tx.exec(ctx, index.text); err != nil {
			return err
		}
	}
	return nil
}

func sqliteBusy(err error) bool {
	code := sqliteCode(err)
	return code == sqlitelib.SQLITE_BUSY || code == sqlitelib.SQLITE_LOCKED
}

// sqliteCode is the primary result code of an error; 0: it is not SQLite's.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

func explainSQLite(err error) error {
	switch sqliteCode(err) {
	case sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%w: the file is something else, name another", err)
	case sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_PERM:
		return fmt.Errorf("%w: this user must own the file and its folder", err)
	case sqlitelib.SQLITE_CORRUPT:
		return fmt.Errorf("%w: restore the newest backup", err)
	case sqlitelib.SQLITE_BUSY:
		return fmt.Errorf("%w: another program holds it, stop that one", err)
	}
	return err
}
