package caddymodule

import (
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// serveCase is one kind of request that many come of, and what the gate may
// allocate for it, beside what any handler costs.
type serveCase struct {
	name   string
	from   string
	signed bool
	accept string
	most   float64
}

var serveCases = []serveCase{
	{"signed in", insideIP, true, "", 17},
	{"refused, JSON", outsideIP, false, "application/json", 8},
	{"refused, page", outsideIP, false, "text/html", 56},
}

// direct calls the handler of a running site without a connection.
type direct struct {
	*Handler
	server *caddyhttp.Server
	token  string
	passed int
}

func newDirect(t testing.TB) *direct {
	w := newWorld(t)
	w.load()
	d := &direct{token: w.signIn("li.na", gate.RoleOwner)}
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, d.server = range app.(*caddyhttp.App).Servers {
		d.Handler = handlerIn(d.server.Routes)
	}
	if d.Handler == nil {
		t.Fatal("there is no handler")
	}
	return d
}

func handlerIn(routes caddyhttp.RouteList) *Handler {
	for _, route := range routes {
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *Handler:
				return h
			case *caddyhttp.Subroute:
				if found := handlerIn(h.Routes); found != nil {
					return found
				}
			}
		}
	}
	return nil
}

// sink throws an answer away.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// serve makes a request as Caddy does, and answers it by the gate or, bare, by
// the console alone.
func (d *direct) serve(t testing.TB, c *serveCase, bare bool) {
	r := httptest.NewRequest("GET", "http://acme.example/reports?month=11", nil)
	r.RemoteAddr = c.from + ":4711"
	r.Header["User-Agent"] = []string{"bench"}
	if c.signed {
		r.Header["Cookie"] = []string{"theme=dark; " + auth.SessionCookie + "=" + d.token}
	}
	if c.accept != "" {
		r.Header["Accept"] = []string{c.accept}
	}
	out := &sink{http.Header{}}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), out, d.server)
	console := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		d.passed++
		_, err := w.Write([]byte("console"))
		return err
	})
	var handler caddyhttp.MiddlewareHandler = d
	if bare {
		handler = passOn{}
	}
	if err := handler.ServeHTTP(out, r, console); err != nil {
		t.Fatal(err)
	}
}

type passOn struct{}

func (passOn) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

// TestServeAllocations keeps the gate as cheap as it is: what is allocated has to
// be cleared and collected, and that is most of what the gate costs.
func TestServeAllocations(t *testing.T) {
	d := newDirect(t)
	for _, c := range serveCases {
		t.Run(c.name, func(t *testing.T) {
			d.passed = 0
			d.serve(t, &c, false)
			if (d.passed == 1) != c.signed {
				t.Fatalf("passed %d times", d.passed)
			}
			count := func(bare bool) float64 {
				least := math.Inf(1) // the gate's own tasks allocate beside it, now and then
				for range 5 {
					least = min(least, testing.AllocsPerRun(200, func() { d.serve(t, &c, bare) }))
				}
				return least
			}
			if got := count(false) - count(true); got > c.most {
				t.Errorf("the gate allocates %v times, want at most %v", got, c.most)
			}
		})
	}
}

// BenchmarkServe is the gate in front of a console that does nothing, without a
// connection; "console" is the request and the console alone.
func BenchmarkServe(b *testing.B) {
	d := newDirect(b)
	b.Run("console", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.serve(b, &serveCases[0], true)
		}
	})
	for _, c := range serveCases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.serve(b, &c, false)
			}
		})
	}
}
