package export

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonLines writes records with the names of the API.
type jsonLines struct{}

func (jsonLines) begin(b []byte) []byte { return b }

func (jsonLines) add(b []byte, it *item) ([]byte, error) {
	text, err := json.Marshal(NewRecord(it.Attempt, it.tenant, it.place)) //nolint:gosec // G117: the field says that a password was right, and not which
	if err != nil {
		return b, err
	}
	return append(appendHarmless(b, text), '\n'), nil
}

// appendHarmless appends JSON, with the characters that steer terminals or turn
// text around, which JSON would let pass, as escapes: the values are the same.
func appendHarmless(b, text []byte) []byte {
	for i := 0; i < len(text); {
		if text[i] < 0x7f {
			b = append(b, text[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		b = appendRune(b, r)
		i += n
	}
	return b
}

// appendRune appends a character of a text in JSON that needs no escape for
// JSON's sake.
func appendRune(b []byte, r rune) []byte {
	if strconv.IsPrint(r) && r != utf8.RuneError {
		return utf8.AppendRune(b, r)
	}
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendEscape(appendEscape(b, high), low)
	}
	return appendEscape(b, r)
}

func appendEscape(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// object builds one line of JSON. Fields and objects with nothing in them are
// left out. Events have some fifty fields in a dozen objects: made of maps, they
// took most of the time of an export.
type object struct {
	b     []byte
	comma bool // before the next field
}

// line appends an object on a line of its own.
func line(b []byte, fields func(*object)) []byte {
	o := &object{b: append(b, '{')}
	fields(o)
	return append(o.b, "}\n"...)
}

func (o *object) key(name string) {
	if o.comma {
		o.b = append(o.b, ',')
	}
	o.comma = true
	o.b = append(append(append(o.b, '"'), name...), `":`...)
}

// object adds one.
func (o *object) object(name string, fields func()) {
	start, comma := len(o.b), o.comma
	o.key(name)
	o.b = append(o.b, '{')
	o.comma = false
	if fields(); !o.comma { // nothing came
		o.b, o.comma = o.b[:start], comma
		return
	}
	o.b = append(o.b, '}')
}

// text adds one, unless it is empty.
func (o *object) text(name, value string) {
	if value != "" {
		o.key(name)
		o.b = appendText(o.b, value)
	}
}

// texts adds a list of those that are not empty, unless that has none.
func (o *object) texts(name string, values ...string) {
	first := true
	for _, value := range values {
		if value == "" {
			continue
		}
		if first {
			o.key(name)
			o.b = append(o.b, '[')
		} else {
			o.b = append(o.b, ',')
		}
		first = false
		o.b = appendText(o.b, value)
	}
	if !first {
		o.b = append(o.b, ']')
	}
}

// number adds one, also 0.
func (o *object) number(name string, value int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, value, 10)
}

// positive adds a number, unless it is 0, which stands for none.
func (o *object) positive(name string, value int64) {
	if value != 0 {
		o.number(name, value)
	}
}

func (o *object) boolean(name string, value bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, value)
}

// time adds a moment as RFC 3339 has it, unless it is none.
func (o *object) time(name string, value time.Time) { o.text(name, stamp(value)) }

// appendText appends a string of JSON.
func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"', r == '\\':
			b = append(b, '\\', byte(r))
		case ' ' <= r && r <= '~':
			b = append(b, byte(r))
		default:
			b = appendRune(b, r)
		}
	}
	return append(b, '"')
}
