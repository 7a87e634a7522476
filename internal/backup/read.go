package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"
)

var (
	// ErrNoBackup means that a file is something else.
	ErrNoBackup = errors.New("it is no backup of Sallyport")
	// ErrNewer means that a newer program made the file.
	ErrNewer = errors.New("a newer Sallyport made it")
	// ErrCut means that the end of the file is missing.
	ErrCut = errors.New("it is cut off: its end is missing")
	// ErrDamaged means that the content is not what was written.
	ErrDamaged = errors.New("it is damaged or was altered: it is not what was written")
)

// File is a backup that is whole: as it was written, to the last bit.
type File struct {
	Header
	Sum []byte // SHA-256 of all but the last line
	MAC []byte // keyed hash of that

	in   io.ReaderAt
	from int64 // where the compressed part begins
	to   int64 // where the last line begins
}

// Open reads a file once and checks that it is whole. The errors are ErrNoBackup,
// ErrNewer, ErrCut and ErrDamaged, and those of reading.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{in: r, to: size - int64(footerSize)}
	if err := f.readHeader(size); err != nil {
		return nil, err
	}
	if err := f.readFooter(); err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, f.to)); err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(sum.Sum(nil), f.Sum) == 0 {
		return nil, ErrDamaged
	}
	return f, nil
}

func (f *File) readHeader(size int64) error {
	head := make([]byte, min(size, maxHeader))
	if _, err := f.in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	line, _, found := bytes.Cut(head, []byte("\n"))
	if !found || json.Unmarshal(line, &f.Header) != nil || f.Format < 1 {
		return ErrNoBackup
	}
	if f.Format > Format {
		return fmt.Errorf("%w (format %d, and this program reads up to %d): restore it with that one", ErrNewer, f.Format, Format)
	}
	f.from = int64(len(line) + 1)
	return nil
}

func (f *File) readFooter() error {
	if f.to < f.from {
		return ErrCut
	}
	line := make([]byte, footerSize)
	if _, err := f.in.ReadAt(line, f.to); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var end footer
	if line[0] != '\n' || line[footerSize-1] != '\n' || json.Unmarshal(line, &end) != nil ||
		len(end.Sum) != sha256.Size || len(end.MAC) != sha256.Size {
		return ErrCut
	}
	f.Sum, f.MAC = end.Sum, end.MAC
	return nil
}

// Read hands over the content, and returns how many rows each table has. What
// was read is only certain to be whole when it returns no error: that the file is
// still as it was opened shows at its end.
func (f *File) Read(to Sink) (counts map[string]int64, err error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f.in, 0, f.from)); err != nil {
		return nil, err
	}
	in := io.TeeReader(io.NewSectionReader(f.in, f.from, f.to-f.from), sum)
	zip, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	r := &reader{in: bufio.NewReaderSize(zip, 1<<16), to: to, counts: map[string]int64{}}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.counts, f.unchanged(in, sum)
}

// unchanged reads what the decoder has left and compares the whole.
func (f *File) unchanged(in io.Reader, sum hash.Hash) error {
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), f.Sum) {
		return ErrDamaged
	}
	return nil
}

// reader reads the compressed part.
type reader struct {
	in     *bufio.Reader
	to     Sink
	table  Table
	values []any
	counts map[string]int64
	buf    []byte
}

func (r *reader) read() error {
	for {
		content, err := r.record()
		if err != nil {
			return fmt.Errorf("%w (%w)", ErrDamaged, err)
		}
		switch kind, content := content[0], content[1:]; kind {
		case tableRecord:
			err = r.begin(content)
		case rowRecord:
			err = r.row(content)
		case endRecord:
			return r.end(content)
		default:
			err = fmt.Errorf("%w (a record of the unknown kind %d)", ErrDamaged, kind)
		}
		if err != nil {
			return err
		}
	}
}

// record reads the next record, which has a kind at least. What a file claims to
// have is only allocated as it comes.
func (r *reader) record() ([]byte, error) {
	size, err := binary.ReadUvarint(r.in)
	if err != nil {
		return nil, err
	}
	if size < 1 || size > maxRecord {
		return nil, fmt.Errorf("a record has %d bytes", size)
	}
	r.buf = r.buf[:0]
	for n := int(size); n > 0; {
		part := min(n, 1<<20)
		at := len(r.buf)
		r.buf = slices.Grow(r.buf, part)[:at+part]
		if _, err := io.ReadFull(r.in, r.buf[at:]); err != nil {
			return nil, err
		}
		n -= part
	}
	return r.buf, nil
}

func (r *reader) begin(content []byte) error {
	t, err := parseTable(content)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	if _, twice := r.counts[t.Name]; twice {
		return fmt.Errorf("%w (it has the table %q twice)", ErrDamaged, t.Name)
	}
	r.table, r.values, r.counts[t.Name] = t, make([]any, len(t.Columns)), 0
	return r.to.Table(t)
}

func (r *reader) row(content []byte) (err error) {
	if r.table.Name == "" {
		return fmt.Errorf("%w (a row before the first table)", ErrDamaged)
	}
	for i, c := range r.table.Columns {
		if r.values[i], content, err = takeValue(content, c.Type); err != nil {
			return fmt.Errorf("%w (%s.%s: %w)", ErrDamaged, r.table.Name, c.Name, err)
		}
	}
	if len(content) > 0 {
		return fmt.Errorf("%w (%s: %w)", ErrDamaged, r.table.Name, errRow)
	}
	r.counts[r.table.Name]++
	return r.to.Row(r.values)
}

// end compares the counts, and finds what follows the end.
func (r *reader) end(content []byte) error {
	var counts map[string]int64
	if err := json.Unmarshal(content, &counts); err != nil || !maps.Equal(counts, r.counts) {
		return fmt.Errorf("%w (its tables have other numbers of rows than it says)", ErrDamaged)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w (something follows its end)", ErrDamaged)
	}
	return nil
}
