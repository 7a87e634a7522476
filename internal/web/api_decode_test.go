package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// decoded is a body of every shape there is.
type decoded struct {
	Inner
	Number *int64   `json:"number"`
	Words  []string `json:"words"`
	List   []Inner  `json:"list"`
	Any    any      `json:"any"`
	Given  given    `json:"given"`
}

// Inner is embedded, so that its fields are those of the whole.
type Inner struct {
	Text string `json:"text"`
	Flag *bool  `json:"flag"`
}

func TestDecodeJSON(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		field      string
		code       string
	}{
		{"empty object", `{}`, 0, "", ""},
		{"everything", `{"text":"a","flag":false,"number":-7,"words":["x"],"list":[{"text":"b","flag":true}],"any":{"a":[1]},"given":{"a":[1]}}`, 0, "", ""},
		{"null everywhere", `{"text":null,"flag":null,"number":null,"words":null,"list":null,"any":null,"given":null}`, 0, "", ""},
		{"space around", " \r\n\t{}\n ", 0, "", ""},
		{"nothing", ``, 400, "", ""},
		{"no JSON", `text=a`, 400, "", ""},
		{"a list", `[]`, 400, "", ""},
		{"null", `null`, 400, "", ""},
		{"text", `"{}"`, 400, "", ""},
		{"ends early", `{"text":"a"`, 400, "", ""},
		{"ends early in a list", `{"words":["a"`, 400, "", ""},
		{"comma at the end", `{"text":"a",}`, 400, "", ""},
		{"two objects", `{}{}`, 400, "", ""},
		{"words behind", `{} x`, 400, "", ""},
		{"no UTF-8", "{\"text\":\"\xff\"}", 400, "", ""},
		{"byte order mark", "\ufeff{}", 400, "", ""},
		{"comment", `{/**/}`, 400, "", ""},
		{"unknown field", `{"texts":"a"}`, 400, "texts", "unknown_field"},
		{"name in another case", `{"Text":"a"}`, 400, "Text", "unknown_field"},
		{"empty name", `{"":"a"}`, 400, "", "unknown_field"},
		{"name of a Go field", `{"Inner":{}}`, 400, "Inner", "unknown_field"},
		{"unknown field inside", `{"list":[{},{"x":1}]}`, 400, "list[1].x", "unknown_field"},
		{"doubled", `{"text":"a","text":"a"}`, 400, "text", "doubled"},
		{"doubled by an escape", `{"text":"a","t\u0065xt":"b"}`, 400, "text", "doubled"},
		{"doubled inside", `{"list":[{"flag":true,"flag":true}]}`, 400, "list[0].flag", "doubled"},
		{"number for text", `{"text":1}`, 400, "text", "wrong_type"},
		{"text for a number", `{"number":"1"}`, 400, "number", "wrong_type"},
		{"half a number", `{"number":1.5}`, 400, "number", "wrong_type"},
		{"number too large", `{"number":9223372036854775808}`, 400, "number", "wrong_type"},
		{"number for a flag", `{"list":[{"flag":1}]}`, 400, "list[0].flag", "wrong_type"},
		{"text for a list", `{"words":"a"}`, 400, "words", "wrong_type"},
		{"object for a list", `{"list":{}}`, 400, "list", "wrong_type"},
		{"text in a list of objects", `{"list":[{},"a"]}`, 400, "list[1]", "wrong_type"},
		{"number in a list of words", `{"words":["a",2]}`, 400, "words[1]", "wrong_type"},
		{"too many", `{"words":[` + strings.Repeat(`"",`, gate.MaxEntries) + `""]}`, 422, "words", "too_many"},
		{"deep", `{"any":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 400, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var into decoded
			err := decodeJSON([]byte(tt.body), &into)
			if err == nil {
				if tt.status != 0 {
					t.Errorf("got %+v, want %d", into, tt.status)
				}
				return
			}
			checkProblem(t, err, tt.status, tt.field, tt.code)
		})
	}
}

// checkProblem compares status and the one field of a problem.
func checkProblem(t *testing.T, err error, status int, field, code string) {
	t.Helper()
	p, ok := errors.AsType[problem](err)
	if !ok {
		t.Fatalf("got %v, want a problem", err)
	}
	var got fieldProblem
	if len(p.Errors) > 0 {
		got = p.Errors[0]
	}
	if p.Status != status || got.Field != field || got.Code != code {
		t.Errorf("got %d %q %q, want %d %q %q (%s)", p.Status, got.Field, got.Code, status, field, code, p)
	}
}

func TestDecodeJSONValues(t *testing.T) {
	var got decoded
	if err := decodeJSON([]byte(`{"list":[{"text":"é\ud83d\ude00"},{"flag":false}],"words":[],"number":7,"given":{}}`), &got); err != nil {
		t.Fatal(err)
	}
	no, seven := false, int64(7)
	want := decoded{Number: &seven, Words: []string{}, List: []Inner{{Text: "é😀"}, {Flag: &no}}, Given: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadJSON(t *testing.T) {
	tests := []struct {
		name, contentType, body string
		status                  int
	}{
		{"plain", "application/json", `{}`, 0},
		{"with a charset", `Application/JSON; charset="UTF-8"`, `{}`, 0},
		{"no type", "", `{}`, 415},
		{"form", "application/x-www-form-urlencoded", `{}`, 415},
		{"text, as a form of another site can send it", "text/plain", `{}`, 415},
		{"other charset", "application/json; charset=utf-16", `{}`, 415},
		{"longer name", "application/json-patch+json", `{}`, 415},
		{"just small enough", "application/json", `{}` + strings.Repeat(" ", 98), 0},
		{"too large", "application/json", `{}` + strings.Repeat(" ", 99), 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			var into decoded
			err := readJSON(httptest.NewRecorder(), r, 100, &into)
			if err == nil && tt.status == 0 {
				return
			}
			checkProblem(t, err, tt.status, "", "")
		})
	}
}

// FuzzDecodeJSON holds that what is taken is taken by encoding/json too, with
// the same result, and that everything else is a problem.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"text":"a","flag":null}`, `{"list":[{"text":"x"}],"words":[],"number":1e2}`, `{"any":{"a":1}}`, `{"text":1}`, `[`, `{"a":"b"}`, `{"text":"a","text":"b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want decoded
		if err := decodeJSON(data, &got); err != nil {
			if p, ok := errors.AsType[problem](err); !ok || p.Status < 400 || p.Status > 499 || p.Detail == "" {
				t.Fatalf("got %#v", err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
