package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// kept is a sink that keeps everything.
type kept struct {
	tables []Table
	rows   map[string][][]any
}

func (k *kept) Table(t Table) error {
	k.tables = append(k.tables, t)
	return nil
}

func (k *kept) Row(values []any) error {
	if k.rows == nil {
		k.rows = map[string][][]any{}
	}
	name := k.tables[len(k.tables)-1].Name
	k.rows[name] = append(k.rows[name], append([]any{}, values...))
	return nil
}

var sample = []Table{
	{Name: "people", Columns: []Column{{"id", Int}, {"name", Text}, {"key", Bytes}, {"on", Bool}}},
	{Name: "empty", Columns: []Column{{"id", Text}}},
	{Name: "bare"},
}

var sampleRows = [][]any{
	{int64(0), "", []byte{}, false},
	{int64(math.MinInt64), "li.na \x00\xff 李娜", []byte{0, 255}, true},
	{int64(math.MaxInt64), strings.Repeat("long ", 100_000), bytes.Repeat([]byte{7}, 3<<20), nil},
	{nil, nil, nil, nil},
}

func mac(sum []byte) []byte {
	keyed := sha256.Sum256(append([]byte("key"), sum...))
	return keyed[:]
}

var header = Header{Made: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Program: "v1.2.3", Engine: "SQLite 3.54.1", Schema: 7, Fingerprint: "f00d", Without: []string{"attempts"}}

func write(t testing.TB, rows [][]any) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, header)
	must(t, err)
	for i, table := range sample {
		must(t, w.Table(table))
		for _, row := range rows {
			if i == 0 {
				must(t, w.Row(row))
			}
		}
	}
	must(t, w.Row(nil))
	_, err = w.Close(mac)
	must(t, err)
	return out.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(file []byte) (*File, error) { return Open(bytes.NewReader(file), int64(len(file))) }

func TestReadsWhatWasWritten(t *testing.T) {
	f, err := open(write(t, sampleRows))
	must(t, err)
	want := header
	want.Format = Format
	if !reflect.DeepEqual(f.Header, want) || !bytes.Equal(f.MAC, mac(f.Sum)) {
		t.Errorf("header: got %+v, want %+v", f.Header, want)
	}
	for range 2 { // as often as one likes
		var k kept
		counts, err := f.Read(&k)
		must(t, err)
		if !reflect.DeepEqual(k.tables[:2], sample[:2]) || !reflect.DeepEqual(k.rows["people"], sampleRows) {
			t.Error("what was read is not what was written")
		}
		if want := map[string]int64{"people": 4, "empty": 0, "bare": 1}; !reflect.DeepEqual(counts, want) {
			t.Errorf("counts: got %v, want %v", counts, want)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := NewWriter(io.Discard, header)
	must(t, err)
	must(t, w.Table(sample[0]))
	for name, row := range map[string][]any{
		"too few":      {int64(1)},
		"another type": {"text", "", nil, nil},
		"unknown type": {1.5, "", nil, nil},
		"too large":    {int64(1), strings.Repeat("x", maxRecord), nil, nil},
	} {
		if err := w.Row(row); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// TestAltered alters every part of a file: each is found, and by name.
func TestAltered(t *testing.T) {
	file := write(t, sampleRows[:2])
	for i := range file {
		altered := bytes.Clone(file)
		altered[i] ^= 0x20
		if _, err := open(altered); err == nil {
			// JSON knows no difference between hex digits in one case and the other.
			if again, _ := open(file); !strings.EqualFold(string(altered), string(file)) || again == nil {
				t.Fatalf("byte %d was altered, and nobody noticed", i)
			}
		}
	}
	for _, tt := range []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, ErrNoBackup},
		{"something else", []byte("SQLite format 3\x00"), ErrNoBackup},
		{"another JSON", []byte("{\"a\":1}\n"), ErrNoBackup},
		{"newer", bytes.Replace(file, []byte(`backup":1`), []byte(`backup":2`), 1), ErrNewer},
		{"only the header", file[:bytes.IndexByte(file, '\n')+1], ErrCut},
		{"half", file[:len(file)/2], ErrCut},
		{"one byte short", file[:len(file)-1], ErrCut},
		{"one byte more", append(bytes.Clone(file), '\n'), ErrCut},
		{"one byte less in the middle", append(bytes.Clone(file[:200]), file[201:]...), ErrDamaged},
		{"header", bytes.Replace(file, []byte("v1.2.3"), []byte("v1.2.4"), 1), ErrDamaged},
	} {
		if _, err := open(tt.file); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

// forge makes a file whose digest is right and whose content is made by do.
func forge(t testing.TB, do func(w *Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, header)
	must(t, err)
	must(t, w.Table(sample[0]))
	do(w)
	_, err = w.Close(mac)
	must(t, err)
	return out.Bytes()
}

// TestForged: content that no writer makes is refused, also with the right digest.
func TestForged(t *testing.T) {
	for name, do := range map[string]func(w *Writer){
		"a table twice":         func(w *Writer) { must(t, w.Table(sample[0])) },
		"an unknown type":       func(w *Writer) { must(t, w.Table(Table{"x", []Column{{"y", "float"}}})) },
		"an unknown record":     func(w *Writer) { must(t, w.record([]byte("X"))) },
		"no kind":               func(w *Writer) { must(t, w.record(nil)) },
		"a row with no values":  func(w *Writer) { must(t, w.record([]byte("R"))) },
		"a row with more":       func(w *Writer) { must(t, w.record([]byte("R\x00\x00\x00\x00\x00"))) },
		"a text beyond the row": func(w *Writer) { must(t, w.record([]byte("R\x00\x7f"))) },
		"a number cut off":      func(w *Writer) { must(t, w.record([]byte("R\x01\xff"))) },
		"a truth of 3":          func(w *Writer) { must(t, w.record([]byte("R\x00\x00\x00\x03"))) },
		"a table that is none":  func(w *Writer) { must(t, w.record([]byte("T{"))) },
		"wrong counts":          func(w *Writer) { w.counts["people"] = 3 },
		"an end before the end": func(w *Writer) { must(t, w.json(endRecord, w.counts)) },
		"a huge record":         func(w *Writer) { _, err := w.zip.Write([]byte("\xff\xff\xff\xff\xff\xff\x01")); must(t, err) },
	} {
		f, err := open(forge(t, do))
		must(t, err)
		if _, err := f.Read(&kept{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want %v", name, err, ErrDamaged)
		}
	}
}

// TestAlteredMeanwhile: a file that is altered after it was opened is found at
// its end.
func TestAlteredMeanwhile(t *testing.T) {
	file := write(t, sampleRows)
	f, err := open(file)
	must(t, err)
	copy(file, bytes.Replace(file, []byte("v1.2.3"), []byte("v1.2.4"), 1))
	if _, err := f.Read(&kept{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want %v", err, ErrDamaged)
	}
}

func TestErrorsOfSinks(t *testing.T) {
	f, err := open(write(t, sampleRows))
	must(t, err)
	full := errors.New("disk full")
	if _, err := f.Read(failing{full}); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

type failing struct{ error }

func (f failing) Table(Table) error { return nil }
func (f failing) Row([]any) error   { return f.error }

// TestMemory: what is held does not grow with the number of rows.
func TestMemory(t *testing.T) {
	var peak uint64
	watch := func(i int) {
		if i%20_000 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	measure := func(rows int) uint64 {
		peak = 0
		w, err := NewWriter(io.Discard, header)
		must(t, err)
		must(t, w.Table(sample[0]))
		random := rand.New(rand.NewPCG(1, 2))
		for i := range rows {
			watch(i)
			must(t, w.Row([]any{int64(i), fmt.Sprint(random.Uint64()), []byte("key"), true}))
		}
		return peak
	}
	small := measure(20_001)
	if large := measure(200_001); large > small+8<<20 {
		t.Errorf("with ten times as many rows: got %d bytes, want about %d", large, small)
	}
}

// FuzzRead: whatever a file has, reading it ends with an error or with what can be
// written again.
func FuzzRead(f *testing.F) {
	f.Add([]byte("T{\"table\":\"a\",\"columns\":[{\"name\":\"x\",\"type\":\"text\"}]}"), []byte("R\x03ab"), false)
	f.Add([]byte("T{\"table\":\"a\",\"columns\":[{\"name\":\"x\",\"type\":\"bool\"}]}"), []byte("R\x02"), false)
	f.Add([]byte("T{\"table\":\"a\",\"columns\":[{\"name\":\"x\",\"type\":\"int\"}]}"), []byte("R\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false)
	f.Add([]byte("T{\"table\":\"a\",\"columns\":[{\"name\":\"x\",\"type\":\"bytes\"}]}"), []byte("R\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), false)
	f.Add([]byte("E{}"), []byte("E{\"people\":0}"), false)
	f.Add(write(f, sampleRows[:2]), []byte(nil), true)
	f.Fuzz(func(t *testing.T, a, b []byte, whole bool) {
		file := a
		if !whole && len(a) > 0 && len(b) > 0 {
			file = forge(t, func(w *Writer) { must(t, errors.Join(w.record(a), w.record(b))) })
		}
		in, err := open(file)
		if err != nil {
			return
		}
		var k kept
		counts, err := in.Read(&k)
		if err != nil {
			return
		}
		for _, table := range k.tables {
			if counts[table.Name] != int64(len(k.rows[table.Name])) {
				t.Errorf("%s: got %d rows, want %d", table.Name, len(k.rows[table.Name]), counts[table.Name])
			}
		}
		if _, err := json.Marshal(k.tables); err != nil {
			t.Error(err)
		}
	})
}
