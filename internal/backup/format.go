// Package backup is the file that a store is saved in. It knows tables, columns
// and rows, and nothing of databases: what one engine has written, another reads.
//
// The file begins with a line of JSON, the [Header]. What follows is compressed
// (zstd): for each table its name and columns and then its rows, and at the end
// how many rows each table has. The last line of the file is JSON again: the
// SHA-256 of everything before it, and a keyed hash of that, which only who has
// the store's secret can make. So a file that was cut off, damaged, or altered on
// purpose is found.
package backup

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Format is the version of the file that this package reads and writes.
const Format = 1

// Bounds of what is read.
const (
	maxHeader = 4 << 10
	maxRecord = 64 << 20
)

// Header says what a backup is of.
type Header struct {
	Format      int       `json:"sallyport_backup"`
	Made        time.Time `json:"made"`
	Program     string    `json:"program"`            // version of the program that made it
	Engine      string    `json:"engine"`             // what the store was in
	Schema      int64     `json:"schema"`             // version of its tables
	Fingerprint string    `json:"secret_fingerprint"` // of the secret, which is not in the file
	Without     []string  `json:"without,omitempty"`  // tables that were left out because it was asked for
}

// Type is what a column has beside NULL.
type Type string

// The types of columns, and what their values are in Go.
const (
	Int   Type = "int"   // int64
	Text  Type = "text"  // string
	Bytes Type = "bytes" // []byte
	Bool  Type = "bool"  // bool
)

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Table is a table without its rows.
type Table struct {
	Name    string   `json:"table"`
	Columns []Column `json:"columns"`
}

// Sink takes tables, each followed by its rows. A row has a value for each
// column: what [Type] says, or nil for NULL. It may keep the values, not the
// slice.
type Sink interface {
	Table(t Table) error
	Row(values []any) error
}

// footer is the last line of the file. It always has the same length.
type footer struct {
	Sum hexBytes `json:"sha256"`
	MAC hexBytes `json:"mac"`
}

// footerSize is the length of the last line, with the line breaks around it.
const footerSize = len("\n") + len(`{"sha256":"","mac":""}`) + 4*32 + len("\n")

type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode(nil, text)
	return err
}

// Kinds of the records in the compressed part.
const (
	tableRecord = 'T' // JSON of a Table
	rowRecord   = 'R'
	endRecord   = 'E' // JSON of the counts
)

// appendValue writes a value: 0 for NULL, else 1 and a number, 1 or 2 for a
// truth, or one more than the length and a text or bytes.
func appendValue(to []byte, t Type, value any) ([]byte, error) {
	if value == nil {
		return append(to, 0), nil
	}
	switch v := value.(type) {
	case int64:
		if t == Int {
			return binary.AppendVarint(append(to, 1), v), nil
		}
	case bool:
		switch {
		case t == Bool && v:
			return append(to, 2), nil
		case t == Bool:
			return append(to, 1), nil
		}
	case string:
		if t == Text {
			return append(binary.AppendUvarint(to, uint64(len(v))+1), v...), nil
		}
	case []byte:
		if t == Bytes {
			return append(binary.AppendUvarint(to, uint64(len(v))+1), v...), nil
		}
	}
	return nil, fmt.Errorf("a column of %s has a value of %T", t, value)
}

var errRow = errors.New("a row cannot be read")

// takeValue reads a value and returns what follows it.
func takeValue(from []byte, t Type) (value any, rest []byte, err error) {
	n, size := binary.Uvarint(from)
	if size <= 0 {
		return nil, nil, errRow
	}
	rest = from[size:]
	switch {
	case n == 0:
		return nil, rest, nil
	case t == Int && n == 1:
		v, size := binary.Varint(rest)
		if size <= 0 {
			return nil, nil, errRow
		}
		return v, rest[size:], nil
	case t == Bool && n <= 2:
		return n == 2, rest, nil
	case (t == Text || t == Bytes) && n-1 <= uint64(len(rest)):
		text := rest[:n-1]
		if rest = rest[n-1:]; t == Text {
			return string(text), rest, nil
		}
		return append([]byte{}, text...), rest, nil
	}
	return nil, nil, errRow
}

func parseTable(text []byte) (t Table, err error) {
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("a table cannot be read: %w", err)
	}
	for _, c := range t.Columns {
		switch c.Type {
		case Int, Text, Bytes, Bool:
		default:
			return t, fmt.Errorf("the table %q has a column of the unknown type %q", t.Name, c.Type)
		}
	}
	return t, nil
}
