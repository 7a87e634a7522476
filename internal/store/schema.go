package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/backup"
)

// schema is what the migrations make, up to a version: the tables in an order in
// which each comes after those it refers to, and the indexes that are not part
// of a table.
type schema struct {
	version int64
	tables  []backup.Table
	indexes []index
}

type index struct{ name, text string }

// schemaAt runs the migrations on an empty database in memory and looks. So
// what is backed up is what there is, in whichever engine, and nobody has to
// remember a new table.
func schemaAt(ctx context.Context, version int64) (*schema, error) {
	db, err := sql.Open("sqlite", "file::memory:?_defensive=1")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	e := &engine{writer: db, reader: db, hasTable: sqliteHasTable, now: time.Now, rows: 1}
	if err := e.migrateTo(ctx, version); err != nil {
		return nil, fmt.Errorf("making the tables of version %d: %w", version, err)
	}
	return readSchema(ctx, e.read(), version)
}

// readSchema reads the tables of a SQLite database.
func readSchema(ctx context.Context, q querier, version int64) (*schema, error) {
	names, err := collect(ctx, q, text, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> $1 ORDER BY name`, versionTable)
	if err != nil {
		return nil, err
	}
	sc := &schema{version: version}
	sc.indexes, err = collect(ctx, q, func(row scanner) (i index, err error) {
		err = row.Scan(&i.name, &i.text)
		return i, err
	}, `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`)
	if err != nil {
		return nil, err
	}
	parents := map[string][]string{}
	for _, name := range names {
		if parents[name], err = collect(ctx, q, text, `SELECT "table" FROM pragma_foreign_key_list($1) WHERE "table" <> $1`, name); err != nil {
			return nil, err
		}
	}
	for len(names) > 0 {
		i := slices.IndexFunc(names, func(name string) bool {
			return !slices.ContainsFunc(parents[name], func(parent string) bool { return slices.Contains(names, parent) })
		})
		if i < 0 {
			return nil, fmt.Errorf("the tables %v refer to each other in a circle", names)
		}
		t, err := readTable(ctx, q, names[i])
		if err != nil {
			return nil, err
		}
		sc.tables, names = append(sc.tables, t), slices.Delete(names, i, i+1)
	}
	return sc, nil
}

func text(row scanner) (s string, err error) {
	err = row.Scan(&s)
	return s, err
}

// columnTypes are the types that migrations may give a column.
var columnTypes = map[string]backup.Type{"BIGINT": backup.Int, "TEXT": backup.Text, "BYTEA": backup.Bytes, "BOOLEAN": backup.Bool}

func readTable(ctx context.Context, q querier, name string) (t backup.Table, err error) {
	t.Name = name
	t.Columns, err = collect(ctx, q, func(row scanner) (c backup.Column, err error) {
		var declared string
		if err := row.Scan(&c.Name, &declared); err != nil {
			return c, err
		}
		var known bool
		if c.Type, known = columnTypes[declared]; !known {
			return c, fmt.Errorf("%s.%s has the type %s, which no backup has", name, c.Name, declared)
		}
		return c, nil
	}, `SELECT name, type FROM pragma_table_info($1) ORDER BY cid`, name)
	return t, err
}

// names lists the tables for a statement.
func (sc *schema) names() string {
	quoted := make([]string, len(sc.tables))
	for i := range sc.tables {
		quoted[i] = quote(sc.tables[i].Name)
	}
	return strings.Join(quoted, ", ")
}

// quote writes a name so that it is none of SQL's words.
func quote(name string) string { return `"` + name + `"` }

func columnNames(t *backup.Table) string {
	quoted := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		quoted[i] = quote(c.Name)
	}
	return strings.Join(quoted, ", ")
}
