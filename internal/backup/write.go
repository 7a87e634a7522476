package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Writer writes a backup. It is a [Sink].
type Writer struct {
	out    *bufio.Writer
	sum    hash.Hash
	zip    *zstd.Encoder
	table  Table
	counts map[string]int64
	buf    []byte
}

var _ Sink = (*Writer)(nil)

// NewWriter begins a backup. Its format is set here.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	b := &Writer{out: bufio.NewWriterSize(w, 1<<18), sum: sha256.New(), counts: map[string]int64{}}
	both := io.MultiWriter(b.out, b.sum)
	h.Format = Format
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if _, err := both.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	// One core is enough to keep up with a database, and gateways need the others.
	b.zip, err = zstd.NewWriter(both, zstd.WithEncoderConcurrency(1))
	return b, err
}

// Table begins a table.
func (b *Writer) Table(t Table) error {
	b.table, b.counts[t.Name] = t, 0
	return b.json(tableRecord, t)
}

// Row adds a row to the table that was begun last.
func (b *Writer) Row(values []any) (err error) {
	if len(values) != len(b.table.Columns) {
		return fmt.Errorf("the table %s has %d columns, and a row of it %d", b.table.Name, len(b.table.Columns), len(values))
	}
	b.buf = append(b.buf[:0], rowRecord)
	for i, c := range b.table.Columns {
		if b.buf, err = appendValue(b.buf, c.Type, values[i]); err != nil {
			return fmt.Errorf("%s.%s: %w", b.table.Name, c.Name, err)
		}
	}
	b.counts[b.table.Name]++
	return b.record(b.buf)
}

// Counts is how many rows each table has.
func (b *Writer) Counts() map[string]int64 { return b.counts }

// Close ends the backup, with the keyed hash that mac makes of its SHA-256, and
// returns that.
func (b *Writer) Close(mac func(sum []byte) []byte) (sum []byte, err error) {
	if err := b.json(endRecord, b.counts); err != nil {
		return nil, err
	}
	if err := b.zip.Close(); err != nil {
		return nil, err
	}
	sum = b.sum.Sum(nil)
	line, err := json.Marshal(footer{Sum: sum, MAC: mac(sum)})
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(b.out, "\n%s\n", line); err != nil {
		return nil, err
	}
	return sum, b.out.Flush()
}

func (b *Writer) json(kind byte, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.record(append([]byte{kind}, text...))
}

func (b *Writer) record(content []byte) error {
	if len(content) > maxRecord {
		return fmt.Errorf("a row of %s has %d bytes, and at most %d fit", b.table.Name, len(content), maxRecord)
	}
	var size [binary.MaxVarintLen64]byte
	if _, err := b.zip.Write(binary.AppendUvarint(size[:0], uint64(len(content)))); err != nil {
		return err
	}
	_, err := b.zip.Write(content)
	return err
}
