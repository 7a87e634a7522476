package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// newestSchema is the version of the tables that this program reads and writes:
// the number of the last file in migrations.
//
// Only a test changes it, with the migrations, to have an older and a newer one.
var newestSchema int64 = 1

//go:embed migrations/*.sql
var embedded embed.FS

var migrations fs.FS = embedded

// versionTable says which migrations were applied.
const versionTable = "schema_version"

// schemaVersion returns the version of the tables, 0 if there are none.
func (e *engine) schemaVersion(ctx context.Context) (version int64, err error) {
	var tables int64
	if err := e.read().row(ctx, e.hasTable, versionTable).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = e.read().row(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&version)
	return version, err
}

// migrate brings the tables up to date. Nodes may start at the same time
// without a lock between them, which goose would take as an advisory lock: each
// migration is one transaction with its row in the version table, whose key
// lets one of them through. The others fail as a whole, and find the work done
// when they look again.
func (e *engine) migrate(ctx context.Context, version int64) error {
	for began := time.Now(); version < newestSchema; {
		err := e.migrateTo(ctx, newestSchema)
		if err == nil {
			return nil
		}
		if time.Since(began) > retryFor || ctx.Err() != nil {
			return fmt.Errorf("making its tables: %w: the database must be empty or Sallyport's own, and its user must own it", err)
		}
		time.Sleep(50*time.Millisecond + rand.N(100*time.Millisecond)) //nolint:gosec // only spreads the tries
		if version, err = e.schemaVersion(ctx); err != nil {
			return err
		}
	}
	return nil
}

// migrateTo applies what is missing up to a version of the tables.
func (e *engine) migrateTo(ctx context.Context, version int64) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectCustom, e.writer, files,
		goose.WithStore(versions{e}), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	_, err = provider.UpTo(ctx, version)
	return err
}

// versions is goose's record of applied migrations, in a table that needs no
// sequence.
type versions struct{ *engine }

var _ database.Store = versions{}

func (versions) Tablename() string { return versionTable }

func (v versions) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	var n int64
	err := db.QueryRowContext(ctx, v.hasTable, versionTable).Scan(&n)
	return n > 0, err
}

func (versions) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	_, err := db.ExecContext(ctx, `CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)`)
	return err
}

func (versions) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	_, err := db.ExecContext(ctx, `INSERT INTO schema_version (version, applied) VALUES ($1, $2)`, req.Version, time.Now().UnixMicro())
	return err
}

func (versions) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	return errors.New("migrations only go forward")
}

func (versions) GetMigration(ctx context.Context, db database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	m := database.GetMigrationResult{IsApplied: true}
	err := db.QueryRowContext(ctx, `SELECT applied FROM schema_version WHERE version = $1`, version).Scan(timeColumn{&m.Timestamp})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, database.ErrVersionNotFound
	}
	return &m, err
}

func (versions) GetLatestVersion(ctx context.Context, db database.DBTxConn) (int64, error) {
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, `SELECT MAX(version) FROM schema_version`).Scan(&version)
	if err == nil && !version.Valid {
		err = database.ErrVersionNotFound
	}
	return version.Int64, err
}

func (versions) ListMigrations(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	rows, err := db.QueryContext(ctx, `SELECT version FROM schema_version ORDER BY version DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*database.ListMigrationsResult
	for rows.Next() {
		m := &database.ListMigrationsResult{IsApplied: true}
		if err := rows.Scan(&m.Version); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}
