package web

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// wantsHTML reports whether the visitor is shown a page and not a problem: it
// asks for HTML by name and likes it at least as much as JSON (RFC 9110,
// 12.5.1). Programs that send */* or nothing get JSON.
func wantsHTML(r *http.Request) bool {
	accept := r.Header["Accept"]
	if !slices.ContainsFunc(accept, namesText) {
		return false
	}
	html, json := wish{media: "text/html", all: "text/*"}, wish{media: "application/json", all: "application/*"}
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(element)
			if err != nil { // what cannot be read is passed over
				continue
			}
			if weight, ok := weightOf(params); ok {
				html.read(media, weight)
				json.read(media, weight)
			}
		}
	}
	return html.match > anyMedia && html.q > 0 && html.q >= json.q
}

// namesText reports whether a line can have a media type of text/ in it: the
// ranges of programs, which do not, need not be read.
func namesText(line string) bool {
	for {
		i := strings.IndexByte(line, '/')
		switch {
		case i < 0:
			return false
		case i >= 4 && strings.EqualFold(line[i-4:i], "text"):
			return true
		}
		line = line[i+1:]
	}
}

// How closely a range of Accept names a media type.
const (
	anyMedia = iota + 1
	anySubtype
	exactly
)

// wish is how much a media type is wanted, from 0 to 1, by the most specific
// range that has it.
type wish struct {
	media, all string // the type, and the range of all its subtypes
	match      int    // 0: no range has it
	q          float64
}

func (w *wish) read(media string, q float64) {
	match := 0
	switch media {
	case w.media:
		match = exactly
	case w.all:
		match = anySubtype
	case "*/*":
		match = anyMedia
	}
	if match > w.match || match == w.match && match > 0 && q > w.q {
		w.match, w.q = match, q
	}
}

// weightOf reads the parameter q; without one it is 1.
func weightOf(params map[string]string) (q float64, ok bool) {
	text, given := params["q"]
	if !given {
		return 1, true
	}
	q, err := strconv.ParseFloat(text, 64)
	return q, err == nil && q >= 0 && q <= 1
}
