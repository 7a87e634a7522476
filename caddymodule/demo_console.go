package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// demoConsole is a console behind the gate, as small as one can be: it shows
// what it was told about the visitor, and keeps connections open that end when
// the gate says so. It is plain HTTP on a loopback port, as a console behind a
// proxy mostly is, and believes only what the assertion proves.
type demoConsole struct {
	demo *demo
	page *template.Template
}

// startDemoConsole serves the console on a free port of the loopback interface.
func startDemoConsole(d *demo) (io.Closer, error) {
	page, err := template.ParseFS(demoFiles, "demo/console.html")
	if err != nil {
		return nil, err
	}
	c := &demoConsole{d, page}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.show)
	mux.HandleFunc("GET /clock", c.clock)
	mux.HandleFunc("GET /events", c.events)
	mux.HandleFunc("GET /download", c.download)
	for _, file := range []string{"console.css", "console.js"} {
		mux.HandleFunc("GET /"+file, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, demoFiles, "demo/"+file) })
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.console = l.Addr().String()
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(l) //nolint:errcheck // it ends with the demo
	return server, nil
}

// visitor is what the console was told.
type visitor struct {
	Headers   []demoHeader      `json:"headers"`
	Assertion *verifiedIdentity `json:"assertion"`
	Problem   string            `json:"problem,omitempty"` // why there is none
}

type demoHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// verifiedIdentity is what the assertion proves.
type verifiedIdentity struct {
	Issuer   string    `json:"iss"`
	Audience string    `json:"aud"`
	Subject  string    `json:"sub"`
	Login    string    `json:"login"`
	Role     string    `json:"role"`
	Session  string    `json:"sid"`
	Address  string    `json:"address"`
	Issued   time.Time `json:"iat"`
	Expires  time.Time `json:"exp"`
}

func (c *demoConsole) show(w http.ResponseWriter, r *http.Request) {
	v := visitor{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Sallyport-") {
			v.Headers = append(v.Headers, demoHeader{name, strings.Join(values, ", ")})
		}
	}
	slices.SortFunc(v.Headers, func(a, b demoHeader) int { return strings.Compare(a.Name, b.Name) })
	var err error
	if v.Assertion, err = c.verify(r); err != nil {
		v.Problem = err.Error()
	}
	w.Header().Set("Cache-Control", "no-store")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(v) // the visitor has gone
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = c.page.Execute(w, v) // the visitor has gone
}

// verify checks the assertion as every console behind the gate should: with
// the keys of the site it belongs to, for the tenant that it serves.
func (c *demoConsole) verify(r *http.Request) (*verifiedIdentity, error) {
	tenant, _, _ := strings.Cut(r.Host, ".")
	if !slices.Contains([]string{"acme", "globex", gate.OperatorTenant}, tenant) {
		return nil, fmt.Errorf("this console serves acme, globex and operator, not %q", r.Host)
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	keys, err := c.demo.jwks(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	a, err := auth.VerifyAssertion(r.Header.Get("X-Sallyport-Assertion"), keys, tenant, c.demo.issuer(tenant), time.Now())
	if err != nil {
		return nil, err
	}
	return &verifiedIdentity{a.Issuer, a.Audience, a.Subject, a.Login, a.Role, a.Session, a.Address.String(), a.Issued.UTC(), a.Expires.UTC()}, nil
}

// jwks reads the public keys of a tenant's site, as anybody may.
func (d *demo) jwks(ctx context.Context, tenant string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.site(tenant)+"/_sallyport/jwks.json", nil) //nolint:gosec // the demo's own site
	if err != nil {
		return nil, err
	}
	resp, err := d.client().Do(req) //nolint:gosec // the demo's own site
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", req.URL, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

// clock tells the time over a WebSocket, once a second.
func (c *demoConsole) clock(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(r.Context())
	tick(ctx, func(now string) error { return conn.Write(ctx, websocket.MessageText, []byte(now)) })
}

// events tells the time over server-sent events, once a second.
func (c *demoConsole) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick(r.Context(), func(now string) error { return send(w, "data: "+now+"\n\n") })
}

// download is a file that takes five minutes.
func (c *demoConsole) download(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Minute)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="slow.txt"`)
	w.Header().Set("Cache-Control", "no-store")
	tick(ctx, func(now string) error { return send(w, now+" still downloading\n") })
}

// tick calls tell with the time, at once and every second, until it fails or
// the context ends.
func tick(ctx context.Context, tell func(now string) error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for now := time.Now(); ; {
		if tell(now.UTC().Format(time.TimeOnly)+" UTC") != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case now = <-ticker.C:
		}
	}
}

// send writes text to the visitor at once.
func send(w http.ResponseWriter, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
