package test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// console is the console behind the gate. It says what it was told about the
// visitor, and has what stays open: /ws, /events, /download, and /slow, which
// never answers.
type console struct {
	server *httptest.Server
	asked  atomic.Int64 // requests that reached it
}

func startConsole(t *testing.T) *console {
	c := &console{}
	mux := http.NewServeMux()
	mux.HandleFunc("/", c.echo)
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/ws", c.websocket)
	mux.HandleFunc("/events", c.events)
	mux.HandleFunc("/download", c.download)
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked.Add(1)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		c.server.CloseClientConnections()
		c.server.Close()
	})
	return c
}

// address is where it listens.
func (c *console) address() string { return strings.TrimPrefix(c.server.URL, "http://") }

// told is what the console was told about a visitor.
type told struct{ Tenant, Admin, Role, Address, Session string }

func (c *console) echo(w http.ResponseWriter, r *http.Request) {
	about := func(name string) string { return r.Header.Get("X-Sallyport-" + name) }
	_ = json.NewEncoder(w).Encode(told{about("Tenant"), about("Admin"), about("Role"), about("Address"), about("Session")})
}

// websocket sends back what it receives.
func (c *console) websocket(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	for {
		kind, text, err := ws.Read(r.Context())
		if err != nil || ws.Write(r.Context(), kind, text) != nil {
			return
		}
	}
}

// events goes on sending events, and download parts of a file.
func (c *console) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	repeat(w, r, []byte("data: tick\n\n"))
}

func (c *console) download(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	repeat(w, r, make([]byte, 16<<10))
}

// repeat writes a piece again and again until the reader is gone.
func repeat(w http.ResponseWriter, r *http.Request, piece []byte) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := w.Write(piece); err != nil {
			return
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
