package web

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
)

// described is the description as a client reads it, but for one thing: here no
// answer may have a field that is not described.
var described = sync.OnceValues(func() (*openapi3.T, error) {
	for _, media := range []string{"application/x-ndjson", "text/event-stream"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.PlainBodyDecoder)
	}
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		return nil, err
	}
	for _, schema := range doc.Components.Schemas {
		closeSchema(schema.Value)
	}
	return doc, doc.Validate(openapi3.NewLoader().Context)
})

// closeSchema allows no properties that are not named.
func closeSchema(s *openapi3.Schema) {
	if len(s.Properties) > 0 {
		no := false
		s.AdditionalProperties = openapi3.BoolSchema{Has: &no}
	}
	for _, p := range s.Properties {
		if p.Ref == "" {
			closeSchema(p.Value)
		}
	}
	if s.Items != nil && s.Items.Ref == "" {
		closeSchema(s.Items.Value)
	}
}

var pathParameter = regexp.MustCompile(`\{[^}]+\}`)

// operations are the calls of the description by method and path of the route.
func operations(t *testing.T) map[string]*routers.Route {
	t.Helper()
	doc, err := described()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*routers.Route{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			key := method + " " + pathParameter.ReplaceAllString(strings.TrimPrefix(path, "/"), "*")
			out[key] = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation}
		}
	}
	return out
}

// TestDescription compares the description with the routes: calls, parameters,
// bodies, and how success is answered.
func TestDescription(t *testing.T) {
	told := operations(t)
	for _, r := range routes {
		for method, e := range r.methods {
			name := method + " " + r.path
			o := told[name]
			if o == nil {
				t.Errorf("%s is not described", name)
				continue
			}
			delete(told, name)
			var params []string
			for _, p := range o.Operation.Parameters {
				if p.Value.In == "query" {
					params = append(params, p.Value.Name)
				}
			}
			slices.Sort(params)
			if want := slices.Sorted(slices.Values(e.params)); !slices.Equal(params, want) {
				t.Errorf("%s: described are the parameters %q, and there are %q", name, params, want)
			}
			if (o.Operation.RequestBody != nil) != (e.body > 0) {
				t.Errorf("%s: whether it takes a body is described wrongly", name)
			}
			if e.status != 0 && o.Operation.Responses.Status(e.status) == nil {
				t.Errorf("%s answers %d, which is not described", name, e.status)
			}
			if got, want := tokenScope(o.Operation), tokenScopes[name]; got != want {
				t.Errorf("%s: described for tokens with %q, and it takes %q", name, got, want)
			}
			if o.Operation.OperationID == "" || o.Operation.Summary == "" || len(o.Operation.Tags) != 1 {
				t.Errorf("%s has no id, summary or tag", name)
			}
		}
	}
	for name := range told {
		t.Errorf("%s is described, and is not there", name)
	}
}

// tokenScope is what a token needs for a call, by the description; empty: none
// may make it.
func tokenScope(o *openapi3.Operation) gate.Scope {
	if o.Security == nil {
		return ""
	}
	for _, requirement := range *o.Security {
		if scopes, ok := requirement["token"]; ok && len(scopes) == 0 {
			return anyToken
		} else if ok {
			return gate.Scope(scopes[0])
		}
	}
	return ""
}

// TestDescriptionWords compares the closed lists of the description with those of
// the program.
func TestDescriptionWords(t *testing.T) {
	doc, err := described()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"Reason": words(gate.Reasons), "Outcome": words(gate.Outcomes), "Stage": words(gate.Stages),
		"Role": words(gate.Roles), "Mode": words(gate.Modes), "Fate": words(gate.Fates),
		"Scope": words(gate.Scopes), "ChangeKind": words(gate.ChangeKinds),
	} {
		schema := doc.Components.Schemas[name]
		if schema == nil {
			t.Errorf("no schema %s", name)
			continue
		}
		if got := enumOf(schema.Value); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	imports := operations(t)["POST networks/import"]
	for name, want := range map[string][]string{"encoding": sheet.Charsets, "separator": slices.Collect(maps.Keys(sheet.Commas))} {
		got := enumOf(imports.Operation.Parameters.GetByInAndName("query", name).Schema.Value)
		if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	accept := doc.Components.Schemas["ListEdit"].Value.Properties["accept"].Value.Items.Value
	if got := enumOf(accept); !slices.Equal(got, slices.Sorted(slices.Values(gate.AcceptWords))) {
		t.Errorf("accept: got %q, want %q", got, gate.AcceptWords)
	}
}

func words[T ~string](all []T) []string {
	var out []string
	for _, word := range all {
		out = append(out, string(word))
	}
	return out
}

func enumOf(s *openapi3.Schema) []string {
	var out []string
	for _, word := range s.Enum {
		out = append(out, word.(string))
	}
	slices.Sort(out)
	return out
}

func TestAPIDescription(t *testing.T) {
	s := newAPISite(t)
	for _, role := range []string{"owner", "reviewer", "member"} {
		var doc struct{ OpenAPI string }
		if s.get(role, "openapi.json", &doc); !strings.HasPrefix(doc.OpenAPI, "3.1.") {
			t.Errorf("%s: got version %q", role, doc.OpenAPI)
		}
	}
}

// asDescribed compares an exchange of any test with the description: the answer,
// and what was asked where it was understood.
func (s *apiSite) asDescribed(r *http.Request, a answer) {
	s.Helper()
	var route *routers.Route
	var arg string
	for _, known := range routes {
		if part, ok := fits(known.path, strings.TrimPrefix(r.URL.Path, apiPrefix)); ok {
			route, arg = operations(s.T)[r.Method+" "+known.path], part
			break
		}
	}
	if route == nil || a.StatusCode == http.StatusMethodNotAllowed || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return
	}
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true,
		RejectWhenRequestBodyNotSpecified: true,
	}
	sent := r.Clone(s.ctx)
	if sent.Body = http.NoBody; r.GetBody != nil {
		sent.Body = must(r.GetBody()) // what was sent is read already
	}
	asked := &openapi3filter.RequestValidationInput{Request: sent, Route: route, Options: options, PathParams: map[string]string{}}
	for _, p := range route.Operation.Parameters {
		if p.Value.In == "path" {
			asked.PathParams[p.Value.Name] = arg
		}
	}
	if a.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(s.ctx, asked); err != nil {
			s.Errorf("%s %s was understood, and is not as described: %s", r.Method, r.URL, brief(err))
		}
	}
	answered := &openapi3filter.ResponseValidationInput{RequestValidationInput: asked, Status: a.StatusCode, Header: a.Header, Options: options}
	if err := openapi3filter.ValidateResponse(s.ctx, answered.SetBodyBytes([]byte(a.body))); err != nil {
		s.Errorf("the answer %d to %s %s is not as described: %s", a.StatusCode, r.Method, r.URL, brief(err))
	}
}

// brief is an error without the schema and the value that it is about.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\nSchema:")
	return text
}
