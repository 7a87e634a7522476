package web

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// apiPrefix is what every path of the API begins with.
const apiPrefix = "/_sallyport/api/v1/"

// Bounds of bodies: 5,000 entries fit well into the larger one.
const (
	maxListBody = 10 << 20
	maxBody     = 64 << 10
)

// routes are the calls of the API: paths behind apiPrefix, where * stands for
// anything that is not empty, slashes included, since ranges have them.
var routes = []route{
	{"me", methods{"GET": {do: getMe}}},
	{"me/proof", methods{"POST": {do: postProof, body: maxBody, status: http.StatusOK}}},
	{"networks", methods{"GET": {do: getNetworks}, "PUT": {do: putNetworks, body: maxListBody}}},
	{"networks/entries", methods{"POST": {do: postEntry, body: maxBody, status: http.StatusCreated}}},
	{"networks/entries/*", methods{"DELETE": {do: deleteEntry, params: optionParams}}},
	{"networks/confirm", methods{"POST": {do: postConfirm, body: maxBody}}},
	{"networks/undo", methods{"POST": {do: postUndo, body: maxBody}}},
	{"networks/review", methods{"POST": {do: postReview, body: maxListBody, status: http.StatusOK}}},
	{"networks/check", methods{"GET": {do: getCheck, params: []string{"address", "at"}}}},
	{"networks/import", methods{"POST": {do: postImport, params: importParams, body: maxListBody}}},
	{"networks/export", methods{"GET": {do: getExport, params: []string{"format"}}}},
	{"networks/versions", methods{"GET": {do: getVersions, params: pageParams}}},
	{"networks/versions/*/restore", methods{"POST": {do: postRestore}}},
	{"networks/versions/*", methods{"GET": {do: getVersion, params: []string{"against"}}}},
	{"attempts", methods{"GET": {do: getAttempts, params: attemptParams}}},
	{"attempts/summary", methods{"GET": {do: getSummary, params: summaryParams}}},
	{"attempts/stream", methods{"GET": {stream: streamAttempts, params: streamParams}}},
	{"attempts/export", methods{"GET": {stream: streamExport, params: exportParams}}},
	{"attempts/*", methods{"GET": {do: getAttempt}}},
	{"requests", methods{
		"GET":  {do: getRequests, params: append([]string{"state"}, pageParams...)},
		"POST": {do: postRequest, body: maxBody, status: http.StatusCreated, anybody: true},
	}},
	{"requests/*/approve", methods{"POST": {do: approveRequest, body: maxBody}}},
	{"requests/*/decline", methods{"POST": {do: declineRequest, body: maxBody}}},
	{"requests/*", methods{"GET": {do: getRequest, anybody: true}}},
	{"admins", methods{"GET": {do: getAdmins}, "POST": {do: postAdmin, body: maxBody, status: http.StatusCreated}}},
	{"admins/*", methods{"GET": {do: getAdmin}, "PATCH": {do: patchAdmin, body: maxBody}, "DELETE": {do: deleteAdmin}}},
	{"sessions", methods{"GET": {do: getSessions, params: pageParams}, "DELETE": {do: deleteSessions}}},
	{"sessions/*", methods{"DELETE": {do: deleteSession, params: []string{"reason"}}}},
	{"alerts", methods{"GET": {do: getAlerts}, "PUT": {do: putAlerts, body: maxBody}}},
	{"alerts/test", methods{"POST": {do: postAlertTest, status: http.StatusOK}}},
	{"changes", methods{"GET": {do: getChanges, params: changeParams}}},
	{"policy", methods{"GET": {do: getPolicy}, "PUT": {do: putPolicy, body: maxBody}}},
	{"operator/health", methods{"GET": {do: getHealth}}},
	{"tenants", methods{"GET": {do: getTenants, params: tenantParams}}},
	{"openapi.json", methods{"GET": {do: getDescription}}},
	{"tokens", methods{"GET": {do: getTokens}, "POST": {do: postToken, body: maxBody, status: http.StatusCreated}}},
	{"tokens/*", methods{"DELETE": {do: deleteToken}}},
}

type route struct {
	path    string
	methods methods
}

type methods map[string]endpoint

// endpoint is one call. do returns a *file, or what is answered as JSON, nil for
// nothing.
type endpoint struct {
	do     func(*call) (any, error)
	params []string // of the query
	body   int64    // most bytes of the body; 0: it takes none
	status int      // where it worked; 0: 200, or 204 for nothing
	// stream answers by itself, for as long as it takes, where do is nil. Its
	// error is answered like any other, and must come before it writes.
	stream func(*call) error
	// anybody: without a session, and from outside too. actor is empty then.
	anybody bool
}

// call is one request to the API.
type call struct {
	*http.Request
	h      *Handler
	w      http.ResponseWriter
	visit  Visit
	actor  gate.Actor
	tenant string // ID
	arg    string // what * of the path stands for
	query  query
	limit  int64 // of the body
}

// api answers what lies under apiPrefix, for whoever has a session or a token.
// Refusals of the first door and of cross-origin requests were made before.
func (h *Handler) api(w http.ResponseWriter, r *http.Request, v Visit) {
	path := strings.TrimPrefix(r.URL.Path, apiPrefix)
	found, arg := find(path)
	allowed := found.methods
	e, ok := allowed.find(r.Method)
	switch site := h.door.Site; {
	case !site.Login, !site.Console && path != "me" && path != "me/proof":
		writeProblem(w, notFound.problem("this part of the API is switched off for this site"))
		return
	case v.Request.Bearer != "":
		if refusal := h.door.Call(v.Request, v.Decision); refusal != nil {
			writeProblem(w, h.tokenProblem(refusal))
			return
		}
	case !signedIn(v) && !e.anybody:
		writeProblem(w, h.refusal(v))
		return
	}
	switch {
	case allowed == nil:
		writeProblem(w, notFound.problem(noSuchCall))
		return
	case r.Method == http.MethodOptions: // without CORS: no other site has any business here
		w.Header().Set("Allow", allowed.String())
		w.WriteHeader(http.StatusNoContent)
		return
	case !ok:
		w.Header().Set("Allow", allowed.String())
		writeProblem(w, methodNotAllowed.problem("allowed are "+allowed.String()))
		return
	}
	if err := mayCall(v.Decision.Token, r.Method, found.path); err != nil {
		writeProblem(w, h.errorProblem(err))
		return
	}
	c := &call{Request: r, h: h, w: w, visit: v, arg: arg, limit: e.body}
	if signedIn(v) || v.Decision.Token != nil {
		c.actor, c.tenant = h.door.Actor(v.Request, v.Decision), v.Decision.Tenant.ID
	}
	err := c.answer(e)
	switch {
	case err == nil:
	case errors.Is(err, gate.ErrStepUp) && r.Method == http.MethodGet && wantsHTML(r): // a link, to a file
		h.toProof(w, r)
	default:
		writeProblem(w, h.errorProblem(err))
	}
}

// noSuchCall is what is said of a call that there is not.
const noSuchCall = "there is no such call"

// refusal is the answer to a request that does not pass, on record.
func (h *Handler) refusal(v Visit) problem {
	p := decisionProblem(v.Decision)
	p.Reference = h.door.Record(v.Request, v.Decision)
	return p
}

func (c *call) answer(e endpoint) error {
	original := c.Request
	hurried, done := hurry(original)
	defer done()
	c.Request = hurried
	var err error
	if c.query, err = parseQuery(c.URL.RawQuery, e.params); err != nil {
		return err
	}
	if e.body == 0 && hasBody(c.Request) {
		return malformed.problem("this call takes no body")
	}
	if e.stream != nil {
		c.Request = original
		return e.stream(c)
	}
	body, err := e.do(c)
	if err != nil {
		return err
	}
	if f, ok := body.(*file); ok {
		f.write(c.w, c.Request)
		return nil
	}
	writeJSON(c.w, e.status, body)
	return nil
}

// hasBody reports whether there is a body. Its length is often not known
// beforehand: over HTTP/3 not even where there is none.
func hasBody(r *http.Request) bool {
	if r.ContentLength >= 0 {
		return r.ContentLength > 0
	}
	n, _ := io.ReadFull(r.Body, make([]byte, 1))
	return n > 0
}

// read reads the body.
func (c *call) read(into any) error { return readJSON(c.w, c.Request, c.limit, into) }

// find returns the first route that fits, and what * stands for; without
// methods: none does.
func find(path string) (route, string) {
	for _, r := range routes {
		if arg, ok := fits(r.path, path); ok {
			return r, arg
		}
	}
	return route{}, ""
}

// fits reports whether a path is one of a pattern, and what its * stands for.
func fits(pattern, path string) (arg string, ok bool) {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return "", path == pattern
	}
	rest, begins := strings.CutPrefix(path, before)
	arg, ends := strings.CutSuffix(rest, after)
	return arg, begins && ends && arg != ""
}

// find returns the endpoint of a method. HEAD is answered like GET, whose body
// net/http then leaves out.
func (m methods) find(method string) (endpoint, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	e, ok := m[method]
	return e, ok
}

// String is the value of an Allow header.
func (m methods) String() string {
	names := slices.Collect(maps.Keys(m))
	if _, ok := m[http.MethodGet]; ok {
		names = append(names, http.MethodHead)
	}
	names = append(names, http.MethodOptions)
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// list is how lists are answered: without a cursor where they end.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor,omitempty"`
}

// page makes a list of what was read with a limit one higher than was asked
// for, which tells whether there is more behind it.
func page[F, T any](found []F, limit int, show func(*F) T, cursor func(*F) cursor) list[T] {
	l := list[T]{Items: make([]T, 0, min(len(found), limit))}
	if len(found) > limit {
		found = found[:limit]
		l.Next = cursor(&found[limit-1]).String()
	}
	for i := range found {
		l.Items = append(l.Items, show(&found[i]))
	}
	return l
}

// writeJSON answers with a value, or with nothing at all. status 0 is 200, or
// 204 for nothing.
func writeJSON(w http.ResponseWriter, status int, value any) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if value == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, err := json.Marshal(value)
	if err != nil { // cannot happen: values are made of text, numbers and lists
		writeProblem(w, unavailable.problem("the answer cannot be written"))
		return
	}
	header.Set("Content-Type", "application/json")
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the visitor is gone; there is nobody to tell
}
