package web

import (
	"crypto/rand"
	"html/template"
	"strings"
)

// stencil is a page that was made once, with gaps for what differs from one view
// of it to the next: filling them costs a fiftieth of making the page. After the
// first, each part begins with the gap that comes before it, 'a' for gap 0.
type stencil []string

// gapMark stands in a page before the letter of a gap. Nobody can know it, so
// nothing that somebody has typed into a page is taken for a gap; and its signs
// are escaped nowhere in HTML.
var gapMark = rand.Text()

// gap is what stands in the data of a page for what comes later.
func gap(i int) string { return gapMark + string(rune('a'+i)) }

// newStencil makes a stencil from a page and its data.
func newStencil(name string, data any) (stencil, error) {
	page, err := execute(name, data)
	if err != nil {
		return nil, err
	}
	return strings.Split(string(page), gapMark), nil
}

// fill makes the page. The values must be escaped: they stand in text and in
// quoted attributes, where the same is done to both.
func (s stencil) fill(values []template.HTML) []byte {
	size := 0
	for i, part := range s {
		size += len(part)
		if i > 0 {
			size += len(values[part[0]-'a'])
		}
	}
	page := append(make([]byte, 0, size), s[0]...)
	for _, part := range s[1:] {
		page = append(page, values[part[0]-'a']...)
		page = append(page, part[1:]...)
	}
	return page
}

// escaped makes HTML of text.
func escaped(text string) template.HTML {
	return template.HTML(template.HTMLEscapeString(text)) //nolint:gosec // G203: it is escaped
}
