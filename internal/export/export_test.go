package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// update writes what comes out over what is expected: look at the difference.
var update = os.Getenv("SALLYPORT_UPDATE") != ""

func TestMain(m *testing.M) {
	version = "1.2.3"
	os.Exit(m.Run())
}

// nasty is what visitors write to harm who looks at it.
const nasty = "=cmd|' /C calc'!A0\x1b[31m\u202egnp.exe\r\nfake: line\x00, \"q\" a=b|c \\ \u2028 \x9b \U000e0041 中文 é"

// samples are attempts of every kind.
func samples() []item {
	at := time.Date(2026, 11, 24, 12, 0, 0, 312_000_000, time.UTC)
	base := gate.Attempt{
		Reference: "SP-7K3M-9QXD", Tenant: "T1", Host: "acme.example", Address: netip.MustParseAddr("198.51.100.7"), Bits: 32,
		Peer: netip.MustParseAddr("10.0.0.2"), Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks,
		Method: "GET", Path: "/reports", UserAgent: "Mozilla/5.0", ListVersion: 42, Count: 12, FirstTime: at, LastTime: at.Add(9 * time.Second), Node: "sh-1",
	}
	signIn := base
	signIn.Address, signIn.Bits = netip.MustParseAddr("2001:db8::7"), 128
	signIn.Stage, signIn.Outcome, signIn.Reason, signIn.Admin, signIn.Login = gate.StageSignIn, gate.Allowed, gate.ByNetwork, "A1", "li.na"
	signIn.Session, signIn.Method, signIn.Path, signIn.Count = "S1", "POST", "/_sallyport/login", 1
	unknown := signIn
	unknown.Outcome, unknown.Reason, unknown.Admin, unknown.Login, unknown.Session, unknown.LoginHash = gate.Refused, gate.AccountUnknown, "", "", "", "5f3a"
	flood := base
	flood.Address, flood.Bits, flood.Count, flood.Peer = netip.MustParseAddr("198.51.100.0"), 24, 14217, netip.Addr{}
	nowhere := gate.Attempt{
		Reference: "SP-7K3M-9QXE", Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.AddressUnknown, Count: 1, FirstTime: at, LastTime: at, Node: "sh-1",
	}
	dry := base
	dry.Outcome = gate.WouldBlock
	session := base
	session.Stage, session.Outcome, session.Reason, session.Admin, session.Login, session.Session = gate.StageSession, gate.Refused, gate.SessionIdle, "A1", "li.na", "S1"
	hostile := base
	hostile.Host, hostile.Path, hostile.UserAgent, hostile.Method = nasty, "/"+nasty, nasty, "=1+1"
	place := gate.Place{Country: "SG", ASN: 64500, Network: "=Example | Telecom"}
	return []item{
		{&base, "acme", place}, {&signIn, "acme", gate.Place{Country: "TW"}}, {&unknown, "acme", gate.Place{ASN: 64501}}, {&flood, "acme", gate.Place{}},
		{&nowhere, "", gate.Place{}}, {&dry, "acme", gate.Place{}}, {&session, "acme", gate.Place{}}, {&hostile, "acme", gate.Place{}},
	}
}

func encode(t testing.TB, o Options, items []item) []byte {
	t.Helper()
	enc := o.encoder()
	b := enc.begin(nil)
	for i := range items {
		var err error
		if b, err = enc.add(b, &items[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestGolden holds every format to the byte.
func TestGolden(t *testing.T) {
	for _, format := range Formats {
		t.Run(string(format), func(t *testing.T) {
			got := encode(t, Options{Format: format}, samples())
			file := "testdata/attempts." + string(format)
			if update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("it is not what %s says; got\n%s", file, got)
			}
		})
	}
}

// TestHarmless: whatever visitors write, no format has anything that steers a
// terminal, hides text or turns it around, and no line that somebody made up.
func TestHarmless(t *testing.T) {
	for _, format := range Formats {
		got := string(encode(t, Options{Format: format}, samples()))
		want := len(samples())
		if format == CSV {
			want++ // the header
			got = strings.ReplaceAll(strings.TrimPrefix(got, byteOrderMark), "\r\n", "\n")
		}
		checkHarmless(t, string(format), got, want)
	}
}

func checkHarmless(t *testing.T, what, text string, lines int) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !strconv.IsPrint(r) || r == utf8.RuneError && what != "jsonl" {
			t.Errorf("%s: there is a %U", what, r)
		}
	}
	if got := strings.Count(text, "\n"); got != lines {
		t.Errorf("%s: got %d lines, want %d", what, got, lines)
	}
}

func TestCSVHeader(t *testing.T) {
	o := Options{Format: CSV, Language: language.SimplifiedChinese, Header: func(name string) string { return "列 " + name }}
	rows := readCSV(t, encode(t, o, samples()))
	if got, want := rows[0][0], "列 reference"; got != want {
		t.Errorf("header: got %q, want %q", got, want)
	}
	country := indexOf(t, "country")
	if got, want := rows[1][country]+" "+rows[2][country], "新加坡 中国台湾"; got != want {
		t.Errorf("countries: got %q, want %q", got, want)
	}
}

func indexOf(t *testing.T, name string) int {
	t.Helper()
	for i := range columns {
		if columns[i].name == name {
			return i
		}
	}
	t.Fatalf("there is no column %s", name)
	return 0
}

func readCSV(t *testing.T, text []byte) [][]string {
	t.Helper()
	text, ok := bytes.CutPrefix(text, []byte(byteOrderMark))
	if !ok {
		t.Error("the byte order mark is missing")
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// cefField finds the fields of an extension: a key begins the text or follows a
// space, and its equals sign is the first that is not escaped.
var cefField = regexp.MustCompile(`(?:^| )(\w+)=`)

// readCEF reads a line the way collectors do.
func readCEF(t *testing.T, line string) (header []string, fields map[string]string) {
	t.Helper()
	var part strings.Builder
	i := 0
	for ; i < len(line) && len(header) < 7; i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line):
			i++
			part.WriteByte(line[i])
		case line[i] == '|':
			header = append(header, part.String())
			part.Reset()
		default:
			part.WriteByte(line[i])
		}
	}
	rest := line[i:]
	fields = map[string]string{}
	at := cefField.FindAllStringSubmatchIndex(rest, -1)
	for n, m := range at {
		end := len(rest)
		if n+1 < len(at) {
			end = at[n+1][0]
		}
		fields[rest[m[2]:m[3]]] = strings.NewReplacer(`\\`, `\`, `\=`, `=`).Replace(rest[m[1]:end])
	}
	return header, fields
}

// FuzzText: what goes in comes out, in every format.
func FuzzText(f *testing.F) {
	for _, text := range []string{nasty, "", "-1", "＠x", "a\\=b", "\\", "|", " x=1", "\xff\xfe", "\U0010ffff", "'", "cs1=x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\ufffd"), "\ufffd") // as the store holds it
		it := samples()[0]
		it.UserAgent, it.Path = text, "/p"
		it.Host = ""

		var record struct {
			UserAgent string `json:"user_agent"`
		}
		line := encode(t, Options{Format: JSONLines}, []item{it})
		checkHarmless(t, "jsonl", string(line), 1)
		if err := json.Unmarshal(line, &record); err != nil || record.UserAgent != text {
			t.Errorf("JSON lines: got %q, want %q (%v)", record.UserAgent, text, err)
		}

		rows := readCSV(t, encode(t, Options{Format: CSV}, []item{it}))
		cell := rows[1][indexOf(t, "user_agent")]
		if want := Plain(text); cell != want && cell != "'"+want || strings.ContainsAny(first(cell), "=+-@＝＋－＠") {
			t.Errorf("CSV: got %q, want %q", cell, want)
		}

		line, _ = bytes.CutSuffix(encode(t, Options{Format: CEF}, []item{it}), []byte("\n"))
		header, fields := readCEF(t, string(line))
		if want := []string{"CEF:0", "Sallyport", "Sallyport", "1.2.3", "outside_networks", "gate blocked", "3"}; !reflect.DeepEqual(header, want) {
			t.Errorf("CEF: got %q, want %q", header, want)
		}
		if got, want := fields["requestClientApplication"], Plain(text); got != want {
			t.Errorf("CEF: got %q, want %q", got, want)
		}
	})
}

func first(text string) string {
	_, n := utf8.DecodeRuneInString(text)
	return text[:n]
}

func TestFileName(t *testing.T) {
	at := time.Date(2026, 11, 24, 20, 0, 0, 0, time.FixedZone("", 8*3600))
	for format, want := range map[Format]string{
		CSV: "attempts-acme-20261124T120000Z.csv", JSONLines: "attempts-acme-20261124T120000Z.jsonl", ECS: "attempts-acme-20261124T120000Z.ecs.jsonl",
		OCSF: "attempts-acme-20261124T120000Z.ocsf.jsonl", CEF: "attempts-acme-20261124T120000Z.cef",
	} {
		if got := format.FileName("acme", at); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, want := CSV.FileName("", at), "attempts-all-20261124T120000Z.csv"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, format := range Formats {
		b.Run(string(format), func(b *testing.B) {
			o := Options{Format: format}
			enc, items := o.encoder(), samples()
			var buf []byte
			n := 0
			for b.Loop() {
				buf = buf[:0]
				for i := range items {
					buf, _ = enc.add(buf, &items[i])
					n++
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
