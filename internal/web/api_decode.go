package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// readJSON reads the body into a pointer to a struct, strictly: one JSON
// object of at most limit bytes, with the struct's fields by their exact
// names, each at most once, and nothing behind it. encoding/json alone takes
// doubled names, and names in another case, for the last of them, so that two
// readers of one body could understand two things. Errors are problems that
// name the field. null means the same as leaving a field away.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return notJSON.problem("send it with Content-Type: application/json")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge.problem(fmt.Sprintf("it may have at most %d bytes", limit))
	}
	if err != nil {
		return malformed.problem("the body ended early")
	}
	return decodeJSON(data, into)
}

// decodeJSON is readJSON for a body that was read.
func decodeJSON(data []byte, into any) error {
	if !utf8.Valid(data) {
		return malformed.problem("the body is not UTF-8")
	}
	d := decoder{json.NewDecoder(bytes.NewReader(data)), map[reflect.Type]map[string][]int{}}
	if err := d.value("", reflect.ValueOf(into).Elem()); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed.problem(fmt.Sprintf("there is something behind the JSON object, at byte %d", d.InputOffset()))
	}
	return nil
}

// decoder walks a JSON text along the Go value that it is decoded into, so that
// it always knows where it is, and never deeper than that value's type.
type decoder struct {
	*json.Decoder
	fields map[reflect.Type]map[string][]int // of the structs met so far, for FieldByIndex
}

func (d decoder) value(path string, v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Struct:
		return d.object(path, v)
	case v.Kind() == reflect.Slice:
		return d.array(path, v)
	}
	err := d.Decode(v.Addr().Interface())
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrongType(path, v)
	}
	return d.syntax(err)
}

func (d decoder) object(path string, v reflect.Value) error {
	open, err := d.Token()
	if err != nil {
		return d.syntax(err)
	}
	if open != json.Delim('{') {
		return wrongType(path, v)
	}
	fields := d.fieldsOf(v.Type())
	seen := make(map[string]bool, len(fields))
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return d.syntax(err)
		}
		name := token.(string) // the decoder takes nothing else for a name
		at := shorten(name)
		if path != "" {
			at = path + "." + at
		}
		index, known := fields[name]
		switch {
		case !known:
			return malformed.problem("", fieldProblem{at, "unknown_field", "there is no such field"})
		case seen[name]:
			return malformed.problem("", fieldProblem{at, "doubled", "the field stands here twice"})
		}
		seen[name] = true
		if err := d.value(at, v.FieldByIndex(index)); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return d.syntax(err)
}

func (d decoder) fieldsOf(t reflect.Type) map[string][]int {
	fields, ok := d.fields[t]
	if !ok {
		fields = map[string][]int{}
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous {
				fields[f.Tag.Get("json")] = f.Index
			}
		}
		d.fields[t] = fields
	}
	return fields
}

// array reads at most as many items as the longest list has: a body of ten
// million empty objects would take a hundred times its size in memory.
func (d decoder) array(path string, v reflect.Value) error {
	open, err := d.Token()
	if err != nil || open == nil {
		return d.syntax(err)
	}
	if open != json.Delim('[') {
		return wrongType(path, v)
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // [] is a list and null is none
	for i := 0; d.More(); i++ {
		if i == gate.MaxEntries {
			return invalid.problem("", fieldProblem{path, "too_many", fmt.Sprintf("at most %d items", gate.MaxEntries)})
		}
		v.Grow(1)
		v.SetLen(i + 1)
		if err := d.value(fmt.Sprintf("%s[%d]", path, i), v.Index(i)); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return d.syntax(err)
}

// syntax turns an error of the decoder into a problem that says where.
func (d decoder) syntax(err error) error {
	if err == nil {
		return nil
	}
	at := d.InputOffset()
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	}
	return malformed.problem(fmt.Sprintf("the body is not valid JSON, at byte %d", at))
}

// wrongType names the field, or the whole body, and what it has to be.
func wrongType(path string, v reflect.Value) error {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.Struct: "an object", reflect.Slice: "a list", reflect.String: "text in quotes",
		reflect.Bool: "true or false", reflect.Int64: "a whole number",
	}[t.Kind()]
	if path == "" {
		return malformed.problem("the body has to be a JSON object")
	}
	return malformed.problem("", fieldProblem{path, "wrong_type", "this has to be " + want})
}

// given notes that a field is there and not null, and leaves its value unread.
type given bool

// UnmarshalJSON implements json.Unmarshaler.
func (g *given) UnmarshalJSON(value []byte) error {
	*g = string(value) != "null"
	return nil
}

// shorten keeps what somebody sent from filling the answer.
func shorten(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
