package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

var importParams = append([]string{"mode", "base_version", "label", "separator", "encoding", "apply"}, optionParams...)

// Ways in which entries are imported.
const (
	importAdd     = "add"
	importReplace = "replace"
)

// importJSON says what became of each row, or would.
type importJSON struct {
	Applied   bool              `json:"applied"`
	Version   int64             `json:"version"` // of the list; where it was applied, the new one
	Encoding  string            `json:"encoding"`
	Separator string            `json:"separator"` // empty: one range a line
	Columns   []string          `json:"columns"`
	Counts    map[gate.Fate]int `json:"counts"` // all fates, also of which there are none
	Rows      []importedRowJSON `json:"rows"`
	Errors    []fieldProblem    `json:"errors"` // what no row is wrong with by itself
	Pending   *pendingJSON      `json:"pending"`
}

type importedRowJSON struct {
	Line     int            `json:"line"`
	Range    string         `json:"range"`
	Label    string         `json:"label"`
	Fate     gate.Fate      `json:"fate"`
	Errors   []fieldProblem `json:"errors"`
	Warnings []fieldProblem `json:"warnings"`
}

// readText reads a body that is text, and returns it with the encoding that its
// type names, if any.
func (c *call) readText() ([]byte, string, error) {
	media, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || media != "text/csv" && media != "text/plain" {
		return nil, "", notText.problem("send it with Content-Type: text/csv or text/plain")
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, c.limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, "", tooLarge.problem(fmt.Sprintf("it may have at most %d bytes", c.limit))
	}
	if err != nil {
		return nil, "", malformed.problem("the body ended early")
	}
	return data, strings.ToLower(params["charset"]), nil
}

// importQuery is what the query of an import says.
type importQuery struct {
	gate.Import
	sheet sheet.Options
	apply bool
}

func (c *call) importQuery() importQuery {
	q := &c.query
	in := importQuery{
		Import: gate.Import{
			Tenant: c.tenant, Base: q.number("base_version"), Replace: q.word("mode", importAdd, importReplace) == importReplace,
		},
		sheet: sheet.Options{Label: q.values["label"], Charset: q.values["encoding"], Comma: sheet.Commas[q.values["separator"]]},
		apply: q.word("apply", "false", "true") == "true",
	}
	if text, ok := q.values["separator"]; ok && in.sheet.Comma == 0 {
		q.note("separator", "unknown", "%q is none: write comma, semicolon or tab", shorten(text))
	}
	if text, ok := q.values["encoding"]; ok && !slices.Contains(sheet.Charsets, text) {
		q.note("encoding", "unknown", "write one of %s", strings.Join(sheet.Charsets, ", "))
	}
	if in.apply && in.Replace && in.Base == 0 {
		q.note("base_version", "required", "say which version is replaced, as you read it")
	}
	written := q.options()
	in.EditOptions = written.options(c, &q.bad)
	return in
}

// number reads a number from 1 on; 0: there is none.
func (q *query) number(name string) int64 {
	text, ok := q.values[name]
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		q.note(name, "invalid", "write a number from 1 on")
	}
	return n
}

// word reads one of a few words, the first of which it is without.
func (q *query) word(name string, words ...string) string {
	text, ok := q.values[name]
	if !ok {
		return words[0]
	}
	oneOf(q, name, text, words)
	return text
}

func postImport(c *call) (any, error) {
	in := c.importQuery()
	if err := c.query.err(); err != nil {
		return nil, err
	}
	data, charset, err := c.readText()
	if err != nil {
		return nil, err
	}
	if in.sheet.Charset == "" && slices.Contains(sheet.Charsets, charset) && charset != sheet.UTF8 {
		in.sheet.Charset = charset // clients say UTF-8 without looking
	}
	table, rows, err := sheet.Read(data, in.sheet)
	if wrong, ok := errors.AsType[*sheet.Error](err); ok {
		return nil, invalid.problem("nothing was changed", fieldProblem{"file", wrong.Code, wrong.Error()})
	}
	in.Tenant = c.tenant
	for i := range rows {
		in.Entries = append(in.Entries, rows[i].Draft)
	}
	tried, err := c.h.door.TryImport(c.Context(), c.actor, in.Import)
	if err != nil {
		return nil, c.conflicting(err)
	}
	out := showImport(table, rows, tried)
	if !in.apply {
		return out, nil
	}
	if bad := out.refused(); len(bad) > 0 {
		return nil, invalid.problem("nothing was changed", bad...)
	}
	done, err := c.h.door.ImportNetworks(c.Context(), c.actor, in.Import)
	if err != nil {
		return nil, c.conflicting(err)
	}
	out.Applied, out.Version, out.Pending = true, done.Version, showPending(done.Pending)
	return out, nil
}

func showImport(t *sheet.Table, rows []sheet.Row, tried *gate.Tried) *importJSON {
	out := &importJSON{
		Version: tried.Version, Encoding: t.Charset, Columns: t.Columns,
		Counts: make(map[gate.Fate]int, len(gate.Fates)), Rows: make([]importedRowJSON, len(rows)), Errors: fieldProblems(tried.Errors),
	}
	for name, comma := range sheet.Commas {
		if comma == t.Comma {
			out.Separator = name
		}
	}
	for _, fate := range gate.Fates {
		out.Counts[fate] = 0
	}
	for i := range rows {
		entry := mergeRow(&rows[i], tried.Entries[i])
		out.Rows[i] = importedRowJSON{
			rows[i].Line, rows[i].Draft.Range, rows[i].Draft.Label, entry.Fate, fieldProblems(entry.Errors), showWarnings(entry.Warnings),
		}
		out.Counts[entry.Fate]++
	}
	return out
}

// mergeRow adds to what gate says of an entry what could not even be read.
func mergeRow(r *sheet.Row, e gate.TriedEntry) gate.TriedEntry {
	if len(r.Bad) == 0 {
		return e
	}
	e.Fate, e.Errors = gate.FateInvalid, slices.Concat(r.Bad, e.Errors)
	return e
}

// refused names what keeps an import from being applied, by lines.
func (i *importJSON) refused() (bad []fieldProblem) {
	for _, r := range i.Rows {
		for _, e := range r.Errors {
			e.Field = strings.TrimSuffix(fmt.Sprintf("lines[%d].%s", r.Line, e.Field), ".")
			bad = append(bad, e)
		}
	}
	return append(bad, i.Errors...)
}

func fieldProblems(errs []gate.FieldError) []fieldProblem {
	out := make([]fieldProblem, len(errs))
	for i, e := range errs {
		out[i] = fieldProblem(e)
	}
	return out
}

// exportFormats are the ways in which a list is written.
var exportFormats = []string{"csv", "text", "json", "caddyfile"}

// exportedJSON is a list as PUT /networks takes it.
type exportedJSON struct {
	BaseVersion int64         `json:"base_version"`
	Mode        gate.Mode     `json:"mode"`
	Entries     []networkJSON `json:"entries"`
}

func getExport(c *call) (any, error) {
	format := c.query.word("format", exportFormats...)
	if err := c.query.err(); err != nil {
		return nil, err
	}
	return c.h.export(c.Request, c.visit, format, nil)
}

// export writes the newest list. Reviewers are not told who the admins are, so
// that entries for some of them name these by their ids, which reads back.
func (h *Handler) export(r *http.Request, v Visit, format string, header sheet.Header) (any, error) {
	by, tenant := h.door.Actor(v.Request, v.Decision), v.Decision.Tenant
	list, err := h.door.Version(r.Context(), by, tenant.ID, 0)
	if err != nil {
		return nil, err
	}
	out := &file{name: fmt.Sprintf("%s-networks-%d", tenant.Slug, list.Version)}
	var body bytes.Buffer
	switch format {
	case "json":
		return exportedJSON{list.Version, list.Mode, showNetworks(list.Networks)}, nil
	case "text":
		out.name, out.media = out.name+".txt", "text/plain; charset=utf-8"
		err = sheet.WriteText(&body, list.Networks)
	case "caddyfile":
		out.name, out.media = out.name+".caddyfile", "text/plain; charset=utf-8"
		err = sheet.WriteCaddyfile(&body, tenant.Slug, list.Networks, v.Decision.Now)
	default:
		logins, loginsErr := h.logins(r, by, tenant.ID)
		if loginsErr != nil {
			return nil, loginsErr
		}
		out.name, out.media = out.name+".csv", "text/csv; charset=utf-8; header=present"
		err = sheet.Write(&body, list.Networks, logins, header)
	}
	out.data = body.Bytes()
	return out, err
}

// logins names a tenant's admins by their ids, for who may know them.
func (h *Handler) logins(r *http.Request, by gate.Actor, tenant string) (map[string]string, error) {
	admins, err := h.door.Admins(r.Context(), by, tenant)
	if errors.Is(err, gate.ErrForbidden) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(admins))
	for i := range admins {
		names[admins[i].ID] = admins[i].Login
	}
	return names, nil
}

// file is an answer that is saved and not shown.
type file struct {
	name, media string
	data        []byte
}

func (f *file) write(w http.ResponseWriter, r *http.Request) {
	SetHeaders(w.Header(),
		"Content-Type", f.media, "Content-Disposition", `attachment; filename="`+f.name+`"`,
		"Cache-Control", "no-store", "X-Content-Type-Options", "nosniff")
	write(w, r, http.StatusOK, f.data)
}
