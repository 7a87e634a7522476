package web

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

// consolePrefix is what the names of the console's templates begin with. They
// are the files of templates/console/.
const consolePrefix = "console/"

// pages are the templates by name, each with its layout around it: the console's
// own, templates/console.html, or that of the pages which strangers see.
var pages = func() map[string]*template.Template {
	layout := template.Must(template.New("").Funcs(template.FuncMap{"asset": assetNamed, "pair": pairOf}).
		ParseFS(templateFiles, "templates/layout.html"))
	console := template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/console.html", "templates/changes.html"))
	out := map[string]*template.Template{}
	for _, name := range []string{"ask", "asked", "blocked", "codes", "enrol", "error", "goodbye", "invite", "login", "password", "verify"} {
		out[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	files, err := fs.Glob(templateFiles, "templates/console/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		out[name] = template.Must(template.Must(console.Clone()).ParseFS(templateFiles, file))
	}
	return out
}()

// pair is the data of a template that needs two: the page, and a row of it.
type pair struct{ Page, Row any }

func pairOf(page, row any) pair { return pair{page, row} }

// securityHeaders are on every page, name and value in turn.
var securityHeaders = []string{
	"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"Cross-Origin-Opener-Policy", "same-origin",
	"Cross-Origin-Resource-Policy", "same-origin",
	"Referrer-Policy", "no-referrer",
	"Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
	"X-Content-Type-Options", "nosniff",
	"Cache-Control", "no-store",
}

// SetHeaders sets headers, given as canonical name and value in turn. The values
// share one piece of memory. It is this answer's own, since directives of Caddy
// change values where they stand, and each header ends where the next begins.
func SetHeaders(h http.Header, pairs ...string) {
	values := make([]string, len(pairs)/2)
	for i := range values {
		values[i] = pairs[2*i+1]
		h[pairs[2*i]] = values[i : i+1 : i+1]
	}
}

// view is what every page has around its content; the data of a page embeds it.
type view struct {
	*locale
	choice    choice
	Title     string
	Tenant    string // name, as somebody typed it; empty: not to be named
	Languages []languageLink
	Problems  []trouble
}

// languageLink leads to the same page in a language.
type languageLink struct {
	Tag, Name, URL string
	Current        bool
}

// trouble is what is wrong with one field, which is named by its id.
type trouble struct {
	Field, Text string
	Countdown   *countdown // of a waiting time in Text
}

// view returns the frame of a page. Its title is set by the caller, in the
// language that it has.
func (h *Handler) view(r *http.Request, v Visit) view {
	l, chosen := localeOf(r)
	out := view{locale: l, choice: chosen}
	if t := v.Decision.Tenant; t != nil {
		out.Tenant = t.Name
	}
	for i, link := range languageLinks(r) {
		out.Languages = append(out.Languages, l.languageLink(i, link))
	}
	return out
}

// languageLinks lead to the page of the request in each language.
func languageLinks(r *http.Request) []string {
	query, links := r.URL.Query(), make([]string, len(languages))
	for i, l := range languages {
		query.Set("lang", l.Lang)
		links[i] = samePage(query)
	}
	return links
}

// languageLink is the link to a language on a page in l.
func (l *locale) languageLink(i int, link string) languageLink {
	other := languages[i]
	return languageLink{other.Lang, other.Name, link, other == l}
}

// samePage links to the page it stands on, with another query. A query longer
// than any of ours is the console's on a page shown in place; it is dropped to
// keep that page small.
func samePage(query url.Values) string {
	const most = 1 << 10
	if link := "?" + query.Encode(); len(link) <= most {
		return link
	}
	return "?lang=" + url.QueryEscape(query.Get("lang"))
}

// Invalid reports whether what was typed is wrong; when there were too many
// tries, it may well be right.
func (v *view) Invalid() bool { return len(v.Problems) > 0 && v.Problems[0].Countdown == nil }

// Wrong reports whether something is wrong with the field.
func (v *view) Wrong(field string) bool {
	return v.Invalid() && slices.ContainsFunc(v.Problems, func(t trouble) bool { return t.Field == field })
}

// link returns a path of the gate's own in the language of this page, if that
// was chosen.
func (v *view) link(path string) string { return v.choice.link(path, nil) }

// brokenPage cannot happen with the templates the tests run through; where it
// does, nothing of the page is shown.
var brokenPage = problem{Type: "about:blank", Title: "Internal error", Status: http.StatusInternalServerError}

// execute makes a page in memory: half a page would be a page that lies.
func execute(name string, data any) ([]byte, error) {
	var body bytes.Buffer
	err := pages[name].ExecuteTemplate(&body, "layout", data)
	return body.Bytes(), err
}

// render makes a page and writes it.
func render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	body, err := execute(name, data)
	if err != nil {
		writeProblem(w, brokenPage)
		return
	}
	lang, _ := localeOf(r)
	writePage(w, r, status, lang, body)
}

func writePage(w http.ResponseWriter, r *http.Request, status int, l *locale, body []byte) {
	header := w.Header()
	SetHeaders(header, securityHeaders...)
	SetHeaders(header, "Content-Type", "text/html; charset=utf-8", "Content-Language", l.Lang)
	write(w, r, status, body)
}

// write sends a body, or to HEAD its length only.
func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // G705: it is escaped; and if the visitor is gone, there is nobody to tell
	}
}

// problemHeaders are what the answer to a problem has beside its page.
func problemHeaders(w http.ResponseWriter, p problem) {
	header := w.Header()
	if p.Reference != "" {
		header.Set("X-Sallyport-Reference", p.Reference)
	}
	if p.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	if p.Status == http.StatusUnauthorized { // as in writeProblem
		header.Set("WWW-Authenticate", cmp.Or(p.Challenge, `Sallyport login="`+loginPath+`"`))
	}
}
