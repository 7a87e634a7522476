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
	html, named := quality(accept, "text", "html")
	json, _ := quality(accept, "application", "json")
	return named && html > 0 && html >= json
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

// quality returns how much a media type is wanted, from 0 to 1, by the most
// specific range that has it. named: that range is not */*. Ranges that cannot
// be read are passed over.
func quality(accept []string, typ, subtype string) (q float64, named bool) {
	best := 0
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(element)
			if err != nil {
				continue
			}
			match := 0
			switch media {
			case typ + "/" + subtype:
				match = 3
			case typ + "/*":
				match = 2
			case "*/*":
				match = 1
			}
			weight, ok := weightOf(params)
			if !ok || match == 0 || match < best || match == best && weight <= q {
				continue
			}
			best, q = match, weight
		}
	}
	return q, best > 1
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
