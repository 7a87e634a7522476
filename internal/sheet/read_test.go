package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// encoded returns a text in an encoding.
func encoded(t *testing.T, charset, text string) []byte {
	t.Helper()
	data, err := encodings[charset].NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRead(t *testing.T) {
	head := func(label string) []gate.Draft {
		return []gate.Draft{{Range: "203.0.113.0/24", Label: label, Enabled: true}, {Range: "2001:db8::/48", Label: "VPN", Enabled: true}}
	}
	for _, c := range []struct {
		name    string
		data    []byte
		o       Options
		want    []gate.Draft
		charset string
		comma   rune
	}{
		{"the contract's header", []byte("range,label\n203.0.113.0/24,HQ\n2001:db8::/48,VPN\n"), Options{}, head("HQ"), UTF8, ','},
		{"semicolons, another order, Windows line ends", []byte("Label;Range\r\nHQ, north;203.0.113.0/24\r\nVPN;2001:db8::/48\r\n"), Options{}, head("HQ, north"), UTF8, ';'},
		{"tabs", []byte("network\tname\n203.0.113.0/24\tHQ; north, 1st\n2001:db8::/48\tVPN"), Options{}, head("HQ; north, 1st"), UTF8, '\t'},
		{"a byte order mark and quotes", []byte("\ufeff\"Range\",\"Label\"\n203.0.113.0/24,\"HQ\"\n2001:db8::/48, \"VPN\"\n"), Options{}, head("HQ"), UTF8, ','},
		{"Chinese, GB18030", encoded(t, GB18030, "网段,名称\n203.0.113.0/24,上海总部\n2001:db8::/48,VPN\n"), Options{}, head("上海总部"), GB18030, ','},
		{"Chinese, UTF-16 with a mark", append([]byte("\xff\xfe"), encoded(t, UTF16LE, "网段\t名称\n203.0.113.0/24\t上海总部\n2001:db8::/48\tVPN\n")[2:]...), Options{}, head("上海总部"), UTF16LE, '\t'},
		{"UTF-16 without a mark", encoded(t, UTF16BE, "range,label\n203.0.113.0/24,HQ\n2001:db8::/48,VPN\n")[2:], Options{}, head("HQ"), UTF16BE, ','},
		{"accents, Windows", encoded(t, Windows1252, "range;label\n203.0.113.0/24;Büro Köln\n2001:db8::/48;VPN\n"), Options{}, head("Büro Köln"), Windows1252, ';'},
		{"an encoding that was chosen", encoded(t, GB18030, "range,label\n203.0.113.0/24,上海\n2001:db8::/48,VPN\n"), Options{Charset: GB18030}, head("上海"), GB18030, ','},
		{"no header", []byte("203.0.113.0/24;HQ, north\n2001:db8::/48;VPN\n"), Options{}, head("HQ, north"), UTF8, ';'},
		{"a plain list", []byte("# cloud, May\n203.0.113.0/24   # Frankfurt, Main\n\n2001:db8::/48\n"), Options{Label: "VPN"}, head("VPN"), UTF8, 0},
		{"a plain list on one line", []byte("203.0.113.0/24, 2001:db8::/48"), Options{Label: "VPN"}, head("VPN"), UTF8, 0},
		{"columns that were chosen", []byte("Standort,Netz\nHQ,203.0.113.0/24\nVPN,2001:db8::/48\n"), Options{Columns: []string{Label, Range}}, head("HQ"), UTF8, ','},
		{"rows that a spreadsheet filled up", []byte("range,label\n203.0.113.0/24,HQ,,\n,,,\n2001:db8::/48,VPN\n"), Options{}, head("HQ"), UTF8, ','},
		{"a file of problems, mended", []byte("range,label,problem\n203.0.113.0/24,HQ,\"\"\"300\"\" is over 255\"\n2001:db8::/48,VPN,\n"), Options{}, head("HQ"), UTF8, ','},
		{"everything", []byte("range,label,note,owner,enabled,not_before,expires,roles,admins\n" +
			"203.0.113.0/24,HQ,'=x,it,否,2030/1/2 8:05,2031-01-02,reviewer owner,li na;wu\n"), Options{}, []gate.Draft{{
			Range: "203.0.113.0/24", Label: "HQ", Note: "=x", Owner: "it", NotBefore: time.Date(2030, 1, 2, 8, 5, 0, 0, time.UTC),
			Expires: time.Date(2031, 1, 2, 0, 0, 0, 0, time.UTC), Roles: []gate.Role{gate.RoleReviewer, gate.RoleOwner}, Admins: []string{"li na", "wu"},
		}}, UTF8, ','},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, rows, err := Read(c.data, c.o)
			if err != nil {
				t.Fatal(err)
			}
			var got []gate.Draft
			for _, r := range rows {
				if got = append(got, r.Draft); len(r.Bad) > 0 {
					t.Errorf("line %d: %v", r.Line, r.Bad)
				}
			}
			if table.Charset != c.charset || table.Comma != c.comma || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %s, %q, %+v\nwant %s, %q, %+v", table.Charset, table.Comma, got, c.charset, c.comma, c.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	tooMany := "range,label\n"
	for i := range most + 1 {
		tooMany += fmt.Sprintf("198.18.%d.%d,x\n", i/256, i%256)
	}
	for _, c := range []struct {
		name, text string
		o          Options
		want       Error
	}{
		{"nothing", " \n", Options{Label: "x"}, Error{Code: CodeEmpty}},
		{"a header and nothing else", "range,label\n\n", Options{}, Error{Code: CodeEmpty}},
		{"a program", "\x7fELF\x00\x00range,label\n", Options{}, Error{Code: CodeBinary}},
		{"a workbook", "PK\x03\x04range,label\n", Options{}, Error{Code: CodeWorkbook}},
		{"another encoding than was said", "range,label\n192.0.2.1,B\xfcro\n", Options{Charset: UTF8}, Error{Code: CodeCharset, Name: UTF8}},
		{"no encoding", "range,label\n192.0.2.1,\x81\x8d\x8f\x90\n", Options{}, Error{Code: CodeCharset, Name: Windows1252}},
		{"an encoding that is none", "range,label\n192.0.2.1,x\n", Options{Charset: "latin-9"}, Error{Code: CodeUnknownWords, Name: "latin-9"}},
		{"a separator that is none", "range,label\n192.0.2.1,x\n", Options{Comma: '|'}, Error{Code: CodeUnknownWords, Name: "|"}},
		{"a quotation mark", "range,label\n192.0.2.1,a\"b\n", Options{}, Error{Code: CodeQuotes, Line: 2}},
		{"5,001 ranges", tooMany, Options{}, Error{Code: CodeTooMany, N: most + 1}},
		{"51 columns", "range,label" + strings.Repeat(",", 49) + "\n192.0.2.1,a\n", Options{}, Error{Code: CodeTooWide, N: 51}},
		{"an unknown column", "range,label,colour\n192.0.2.1,a,red\n", Options{}, Error{Code: CodeUnknown, Name: "colour"}},
		{"a column twice", "range,label,IP\n192.0.2.1,a,192.0.2.2\n", Options{}, Error{Code: CodeTwice, Name: Range}},
		{"no column of ranges", "label,note\na,b\n", Options{}, Error{Code: CodeNoRange}},
		{"no header, and not in order", "HQ,192.0.2.1,b\nBranch,192.0.2.2,c\n", Options{}, Error{Code: CodeNoHeader}},
		{"a plain list without a label", "192.0.2.1\n192.0.2.2\n", Options{}, Error{Code: CodeNoHeader}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Read([]byte(c.text), c.o)
			got, ok := errors.AsType[*Error](err)
			if !ok || *got != c.want {
				t.Errorf("got %v, want %+v", err, c.want)
			}
		})
	}
}

func TestRows(t *testing.T) {
	_, rows, err := Read([]byte("range,label,enabled,expires\n192.0.2.1,a,maybe,\n\n192.0.2.2,b,,soon\n192.0.2.3\n192.0.2.4,c,yes,,more\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2 enabled not_bool", "4 expires not_time", "5  cells", "6  cells"}
	var got []string
	for _, r := range rows {
		for _, bad := range r.Bad {
			got = append(got, fmt.Sprintf("%d %s %s", r.Line, bad.Field, bad.Code))
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	rows[1].Set(Expires, "2030-01-02")
	if r := rows[1]; len(r.Bad) > 0 || r.Draft.Expires.Year() != 2030 || r.Cells[Expires] != "2030-01-02" {
		t.Errorf("mended: got %+v", r)
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a header in other words", "Standort;Netz;Seit\nHQ;203.0.113.0/24;2020\n", []string{Label, Range, ""}},
		{"columns that are there twice", "range,label,ip,name\n192.0.2.1,a,192.0.2.2,b\n", []string{Range, Label, "", ""}},
		{"no header", "1;HQ;203.0.113.0/24\n2;Branch;198.51.100.0/24\n", []string{Label, "", Range}},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, err := Parse([]byte(c.text), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if table.Guess(); !reflect.DeepEqual(table.Columns, c.want) {
				t.Errorf("got %q, want %q", table.Columns, c.want)
			}
		})
	}
}

// TestLooksChinese holds the guess on what people write in either encoding.
func TestLooksChinese(t *testing.T) {
	for _, text := range []string{"上海总部", "北京分公司（二楼）", "深圳 VPN 出口，备用"} {
		if data, _ := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(text)); !looksChinese(data) {
			t.Errorf("%s in GB18030 is taken for Windows-1252", text)
		}
	}
	for _, text := range []string{"Büro Köln", "Siège à Paris, 2ème étage", "São Paulo", "Łódź"} {
		data, err := encodings[Windows1252].NewEncoder().Bytes([]byte(text))
		if err == nil && looksChinese(data) {
			t.Errorf("%s in Windows-1252 is taken for GB18030", text)
		}
	}
}

// FuzzRead reads anything, and ends with rows or with an error that says what
// is wrong.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"range,label\n192.0.2.1,a\n", "192.0.2.1\n", "网段;名称\n192.0.2.1;上海\n", "\xff\xfer\x00", "\"", "range\n\"a", "a\tb\n192.0.2.1\tb"} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, strict bool) {
		table, err := Parse(data, Options{})
		if err == nil && strict {
			err = table.Check()
		}
		if wrong, ok := errors.AsType[*Error](err); err != nil && (!ok || wrong.Error() == "") {
			t.Fatalf("got %v, want an *Error that says something", err)
		}
		if err != nil {
			return
		}
		table.Guess()
		rows := table.Rows("x")
		if len(rows) != len(table.Records) {
			t.Errorf("got %d rows of %d records", len(rows), len(table.Records))
		}
		var out bytes.Buffer
		problems := make([]Problem, len(rows))
		for i := range rows {
			problems[i] = Problem{&rows[i], "wrong"}
		}
		if err := WriteProblems(&out, problems, nil); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzWrite writes a list and reads the same one, whatever its texts are, and
// no cell begins with what a spreadsheet runs.
func FuzzWrite(f *testing.F) {
	for _, text := range []string{"Head office", "=SUM(A1)", "+1", "-1", "@x", "'tis", "''=x", "'=x", "＝x", "a,b", "\"quoted\"", "two\nlines", "range", "\\x1b", "北京", "192.0.2.1;192.0.2.2\n192.0.2.3", "\ufeffx", "a;b\tc"} {
		f.Add(text, text, true, int64(1_700_000_000_123_456))
	}
	f.Fuzz(func(t *testing.T, label, note string, enabled bool, expires int64) {
		// As the gate stores texts; CSV knows one end of lines only.
		label, note = strings.TrimSpace(strings.ToValidUTF8(label, "")), strings.TrimSpace(strings.ToValidUTF8(note, ""))
		if label == "" || strings.ContainsAny(label+note, "\r\x00") {
			t.Skip()
		}
		expires = max(expires%(1<<53), int64(2*365*24*time.Hour/time.Microsecond))
		n := gate.Network{Range: cidr.MustParse("203.0.113.10-203.0.113.40"), Label: label, Note: note, Enabled: enabled, Expires: time.UnixMicro(expires).UTC(), Roles: []gate.Role{gate.RoleOwner}, Admins: []string{"ID"}}
		for _, header := range []Header{nil, strings.ToUpper} {
			var out bytes.Buffer
			if err := Write(&out, []gate.Network{n}, map[string]string{"ID": "=li; na"}, header); err != nil {
				t.Fatal(err)
			}
			for cell := range strings.FieldsFuncSeq(out.String(), func(r rune) bool { return r == ',' || r == '"' }) {
				if !strings.ContainsAny(label+note, `,"`) && strings.ContainsAny(cell[:1], "=+-@\t") {
					t.Errorf("a spreadsheet runs %q of %q", cell, out.String())
				}
			}
			_, rows, err := Read(out.Bytes(), Options{})
			if err != nil || len(rows) != 1 || len(rows[0].Bad) > 0 {
				t.Fatalf("reading back %q: got %v, %v", out.String(), rows, err)
			}
			got, want := rows[0].Draft, gate.DraftsOf([]gate.Network{n})[0]
			if want.ID, want.Admins = "", []string{"ID"}; !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

func TestWriteOthers(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	networks := []gate.Network{
		{Range: cidr.MustParse("203.0.113.0/24"), Label: "HQ", Enabled: true},
		{Range: cidr.MustParse("192.0.2.1-192.0.2.2"), Label: "Pool", Enabled: true},
		{Range: cidr.MustParse("198.51.100.0/24"), Label: "Ended", Enabled: true, Expires: at},
		{Range: cidr.MustParse("198.51.100.7"), Label: "For owners", Enabled: true, Roles: []gate.Role{gate.RoleOwner}},
	}
	var text, caddyfile, empty bytes.Buffer
	for _, err := range []error{WriteText(&text, networks[:2]), WriteCaddyfile(&caddyfile, "acme", networks, at), WriteCaddyfile(&empty, "acme", networks[2:], at)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, got, want string }{
		{"text", text.String(), "203.0.113.0/24 # HQ\n192.0.2.1-192.0.2.2 # Pool\n"},
		{"Caddyfile", caddyfile.String(), "@acme {\n\t# HQ\n\tclient_ip 203.0.113.0/24\n\t# Pool\n\tclient_ip 192.0.2.1/32\n\tclient_ip 192.0.2.2/32\n}\n"},
		{"Caddyfile of nothing in force", empty.String(), "@acme expression false\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
	if table, rows, err := Read(text.Bytes(), Options{Label: "x"}); err != nil || table.Comma != 0 || len(rows) != 2 {
		t.Errorf("reading the text back: got %v, %v", rows, err)
	}
}

func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("range;label;note;owner;enabled;not_before;expires\n")
	for i := range most {
		fmt.Fprintf(&text, "198.18.%d.%d;Branch %d;a note that says what it is;it@acme.example;yes;;2030-01-02\n", i/256, i%256, i)
	}
	for b.Loop() {
		if _, rows, err := Read(text.Bytes(), Options{}); err != nil || len(rows) != most {
			b.Fatal(err, len(rows))
		}
	}
}
