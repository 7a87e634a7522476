package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// querier runs statements, in a transaction or by themselves.
type querier struct {
	db interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	// rows is how many rows of values one statement has at most; with 1, it is
	// prepared once for all rows.
	rows int
	now  func() time.Time
}

// exec returns the number of rows that the statement touched.
func (q querier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := q.db.ExecContext(ctx, query, clean(args)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (q querier) row(ctx context.Context, query string, args ...any) *sql.Row {
	return q.db.QueryRowContext(ctx, query, clean(args)...)
}

// clean makes every text one that both engines can hold: visitors send paths
// and names with NUL bytes and broken UTF-8, which PostgreSQL refuses, and no
// visitor may keep a batch of records from being stored.
func clean(args []any) []any {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = cleanText(text)
		}
	}
	return args
}

func cleanText(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// collect returns what scan makes of each row.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.db.QueryContext(ctx, query, clean(args)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// found turns the error of a query without a row into gate.ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return gate.ErrNotFound
	}
	return err
}

// touched is found for statements that change a row.
func touched(n int64, err error) error {
	if err == nil && n == 0 {
		return gate.ErrNotFound
	}
	return err
}

// orAll is a LIMIT where 0 means none.
func orAll(limit int) int64 {
	if limit <= 0 {
		return math.MaxInt64
	}
	return int64(limit)
}

// bulk is a statement about many rows of values, which stand between head and
// tail. The parameters in head are numbered from $1.
type bulk struct {
	head string
	args []any
	tail string
}

// execAll runs a bulk statement for a list, whole or in parts.
func execAll[T any](ctx context.Context, q querier, b bulk, list []T, values func(*T) []any) error {
	if len(list) == 0 {
		return nil
	}
	args := func(part []T) []any {
		all := slices.Clone(b.args)
		for i := range part {
			all = append(all, values(&part[i])...)
		}
		return all
	}
	columns := len(values(&list[0]))
	text := func(rows int) string { return b.head + placeholders(len(b.args), rows, columns) + b.tail }
	if q.rows == 1 {
		stmt, err := q.db.PrepareContext(ctx, text(1))
		if err != nil {
			return err
		}
		defer stmt.Close()
		for i := range list {
			if _, err := stmt.ExecContext(ctx, clean(args(list[i:i+1]))...); err != nil {
				return err
			}
		}
		return nil
	}
	for len(list) > 0 {
		// Powers of two, so that the driver has few different texts to keep.
		n := min(q.rows, 1<<(bits.Len(uint(len(list)))-1))
		if _, err := q.exec(ctx, text(n), args(list[:n])...); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// placeholders writes rows of parameters, numbered from the one after first, as
// in "($2, $3), ($4, $5)".
func placeholders(first, rows, columns int) string {
	var b strings.Builder
	for i := range rows * columns {
		switch {
		case i%columns != 0:
			b.WriteString(", $")
		case i == 0:
			b.WriteString(" ($")
		default:
			b.WriteString("), ($")
		}
		b.WriteString(strconv.Itoa(first + i + 1))
	}
	b.WriteString(") ")
	return b.String()
}

// micro is a time as a column has it. Zero is zero.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// timeColumn scans a time.
type timeColumn struct{ to *time.Time }

func (c timeColumn) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", src)
	}
	*c.to = timeOf(us)
	return nil
}

// spanColumn scans a span of time, kept in µs.
type spanColumn struct{ to *time.Duration }

func (c spanColumn) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a span is stored as %T", src)
	}
	*c.to = time.Duration(us) * time.Microsecond
	return nil
}

// addrBytes is an address as a column has it.
func addrBytes(a netip.Addr) []byte { return a.Unmap().AsSlice() }

// addrColumn scans an address.
type addrColumn struct{ to *netip.Addr }

func (c addrColumn) Scan(src any) error {
	*c.to = netip.Addr{}
	if src == nil {
		return nil
	}
	b, ok := src.([]byte)
	if ok {
		*c.to, ok = netip.AddrFromSlice(b)
	}
	if !ok {
		return fmt.Errorf("an address is stored as %T of another length than 4 or 16", src)
	}
	return nil
}

// jsonOf is a list as a column has it.
func jsonOf[T any](list []T) string {
	if len(list) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(list) // fails for no list of texts and booleans
	return string(text)
}

// jsonColumn scans a list; an empty one is nil.
type jsonColumn[T any] struct{ to *[]T }

func (c jsonColumn[T]) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a list is stored as %T", src)
	}
	*c.to = nil
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), c.to)
}
