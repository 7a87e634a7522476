package export

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/internal/geo"
)

// byteOrderMark tells Excel that a file is UTF-8.
const byteOrderMark = "\ufeff"

// column is one of CSV, with the name that it has in the API.
type column struct {
	name string
	cell func(*csvLines, *item) string
}

// columns are those of CSV, in their order.
var columns = []column{
	{"reference", func(_ *csvLines, it *item) string { return it.Reference }},
	{"time", func(_ *csvLines, it *item) string { return stamp(it.FirstTime) }},
	{"last_time", func(_ *csvLines, it *item) string { return stamp(it.LastTime) }},
	{"count", func(_ *csvLines, it *item) string { return strconv.FormatInt(it.Count, 10) }},
	{"tenant", func(_ *csvLines, it *item) string { return it.tenant }},
	{"outcome", func(_ *csvLines, it *item) string { return string(it.Outcome) }},
	{"reason", func(_ *csvLines, it *item) string { return string(it.Reason) }},
	{"stage", func(_ *csvLines, it *item) string { return string(it.Stage) }},
	{"address", func(_ *csvLines, it *item) string { return Address(it.Address, it.Bits) }},
	{"country", func(c *csvLines, it *item) string { return c.country(it.place.Country) }},
	{"asn", func(_ *csvLines, it *item) string { return number(int64(it.place.ASN)) }},
	{"network", func(_ *csvLines, it *item) string { return it.place.Network }},
	{"peer", func(_ *csvLines, it *item) string { return Address(it.Peer, it.Peer.BitLen()) }},
	{"admin", func(_ *csvLines, it *item) string { return cmp.Or(it.Login, it.Admin) }},
	{"admin_id", func(_ *csvLines, it *item) string { return it.Admin }},
	{"login_hash", func(_ *csvLines, it *item) string { return it.LoginHash }},
	{"password", func(_ *csvLines, it *item) string { return string(it.Password) }},
	{"session", func(_ *csvLines, it *item) string { return it.Session }},
	{"host", func(_ *csvLines, it *item) string { return it.Host }},
	{"method", func(_ *csvLines, it *item) string { return it.Method }},
	{"path", func(_ *csvLines, it *item) string { return it.Path }},
	{"user_agent", func(_ *csvLines, it *item) string { return it.UserAgent }},
	{"list_version", func(_ *csvLines, it *item) string { return number(it.ListVersion) }},
	{"node", func(_ *csvLines, it *item) string { return it.Node }},
}

// number is empty for 0, which stands for none.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// csvLines writes CSV as RFC 4180 has it, for spreadsheets above all.
type csvLines struct {
	header func(string) string
	lang   language.Tag
	names  map[string]string // of countries
}

func newCSV(o *Options) *csvLines {
	c := &csvLines{header: o.Header, lang: o.Language, names: map[string]string{}}
	if c.header == nil {
		c.header = func(name string) string { return name }
	}
	return c
}

// country is its name, or its code where no language was asked for.
func (c *csvLines) country(code string) string {
	if c.lang == language.Und || code == "" {
		return code
	}
	name, ok := c.names[code]
	if !ok {
		name = geo.Name(code, c.lang)
		c.names[code] = name
	}
	return name
}

func (c *csvLines) begin(b []byte) []byte {
	b = append(b, byteOrderMark...)
	for i := range columns {
		b = appendCell(b, i, c.header(columns[i].name))
	}
	return append(b, "\r\n"...)
}

func (c *csvLines) add(b []byte, it *item) ([]byte, error) {
	for i := range columns {
		b = appendCell(b, i, columns[i].cell(c, it))
	}
	return append(b, "\r\n"...), nil
}

func appendCell(b []byte, i int, text string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	text = safe(Plain(text))
	if !strings.ContainsAny(text, `",`) {
		return append(b, text...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(text, `"`, `""`)...)
	return append(b, '"')
}

// safe puts an apostrophe before what a spreadsheet would take for a formula;
// some also read the wide forms of the signs as such.
func safe(text string) string {
	switch r, _ := utf8.DecodeRuneInString(text); r {
	case '=', '+', '-', '@', '＝', '＋', '－', '＠':
		return "'" + text
	}
	return text
}
