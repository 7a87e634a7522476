package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

// print prints a result: the value as JSON where that is asked for, else what
// human writes, whose tabs become columns.
func (c *call) print(value any, human func(w io.Writer)) error {
	out := c.cmd.OutOrStdout()
	if c.on("json") {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	human(w)
	return w.Flush()
}

// row writes one line of a table. Every cell is made safe for a terminal.
func row(w io.Writer, cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = printable(fmt.Sprint(cell))
		if texts[i] == "" {
			texts[i] = "-"
		}
	}
	fmt.Fprintln(w, strings.TrimRight(strings.Join(texts, "\t"), " "))
}

// line writes a sentence, safe for a terminal.
func line(w io.Writer, format string, args ...any) {
	fmt.Fprintln(w, printable(fmt.Sprintf(format, args...)))
}

// printable makes text that anybody may have written safe for a terminal.
func printable(text string) string { return export.Plain(text) }

// stamp is a time as it is shown; empty: never.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// stampOrNull is a time in JSON.
func stampOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339Nano)
	return &text
}

// present is a text in JSON: null for what is not known.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// moment reads a flag with a time, or a duration that counts from now in the
// direction of sign (0: no durations). Zero: it was not given.
func (c *call) moment(flag string, sign time.Duration) (time.Time, error) {
	text := c.text(flag)
	if !c.given(flag) {
		return time.Time{}, nil
	}
	if t, ok := sheet.ParseTime(text); ok {
		return t, nil
	}
	if d, err := caddy.ParseDuration(text); err == nil && d > 0 && sign != 0 {
		return time.Now().Add(sign * d).UTC(), nil
	}
	if sign == 0 {
		return time.Time{}, usage("--%s %q is not a time: write 2006-01-02T15:04:05Z", flag, text)
	}
	return time.Time{}, usage("--%s %q is neither a duration nor a time: write 8h, 7d or 2006-01-02T15:04:05Z", flag, text)
}

// orEmpty makes an empty list of JSON out of none.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// items is a list in JSON, as the API answers it.
type items[T any] struct {
	Items []T `json:"items"`
}

// removed is the answer of what takes something away.
type removed struct {
	Removed string `json:"removed"`
}
