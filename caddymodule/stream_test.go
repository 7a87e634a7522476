package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// atOnce is within what an open request ends that is not allowed any more.
const atOnce = time.Second

// echo is a console that answers WebSockets.
func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, text, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), kind, text); err != nil {
			return
		}
	}
}

func (w *world) websocket(from, session string) *websocket.Conn {
	w.Helper()
	header := http.Header{"Cookie": {auth.SessionCookie + "=" + session}}
	client := w.client(from)
	client.Timeout = 0
	c, _, err := websocket.Dial(w.Context(), "ws://acme.example/socket", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.CloseNow() })
	return c
}

// says sends a text over a WebSocket and waits for its echo.
func says(ctx context.Context, c *websocket.Conn, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return err
	}
	_, got, err := c.Read(ctx)
	if err == nil && string(got) != text {
		err = fmt.Errorf("got %q, want %q", got, text)
	}
	return err
}

// endsAtOnce makes a change in the other process and waits for what reads to end.
func endsAtOnce(t *testing.T, what string, change func(), end func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	select {
	case err := <-ended:
		t.Fatalf("%s ended before anything was changed: %v", what, err)
	case <-time.After(200 * time.Millisecond):
	}
	change()
	began := time.Now()
	select {
	case err := <-ended:
		if err == nil || what != "WebSocket" && errors.Is(err, io.EOF) {
			t.Errorf("%s: half a response looks whole: %v", what, err)
		}
		t.Logf("%s ended after %s: %v", what, time.Since(began).Round(time.Millisecond), err)
	case <-time.After(atOnce):
		t.Errorf("%s is still open after %s", what, atOnce)
	}
}

// TestStreamsEnd: what is open ends within a second of a change that another
// process makes, however it is served and whether or not the visitor reads.
func TestStreamsEnd(t *testing.T) {
	w := newWorld(t)
	files := filepath.Join(w.dir, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(files, "big"), make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	w.load(strings.Replace(w.caddyfile(), "	reverse_proxy", "	handle_path /files/* {\n		root * "+files+"\n		file_server\n	}\n	reverse_proxy", 1))
	session := w.signIn("li.na", gate.RoleOwner)
	w.add("acme", "127.0.0.9") // so that the list is never empty
	w.console.answer(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/socket":
			echo(rw, r)
		case "/events":
			rw.Header().Set("Content-Type", "text/event-stream")
			for i := 0; r.Context().Err() == nil; i++ {
				fmt.Fprintf(rw, "data: %d\n\n", i)
				rw.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		case "/download":
			rw.Header().Set("Content-Length", fmt.Sprint(1<<30))
			for piece := make([]byte, 64<<10); r.Context().Err() == nil; {
				_, _ = rw.Write(piece)
			}
		case "/slow":
			<-r.Context().Done()
		}
	})
	shut := func() { w.remove("acme", insideIP) }
	open := func() {
		w.add("acme", insideIP)
		waitFor(t, "the network is back", 3*time.Second, func() bool {
			res, _ := w.do(request{session: session})
			return res.StatusCode == 200
		})
	}

	t.Run("WebSocket", func(t *testing.T) {
		c := w.websocket(insideIP, session)
		if err := says(t.Context(), c, "hello"); err != nil {
			t.Fatal(err)
		}
		endsAtOnce(t, "WebSocket", shut, func() error { _, _, err := c.Read(t.Context()); return err })
	})
	for _, c := range []struct{ what, path string }{{"event stream", "/events"}, {"download", "/download"}, {"file", "/files/big"}} {
		t.Run(c.what, func(t *testing.T) {
			open()
			body := w.body(t, c.path, session)
			slow := make([]byte, 16<<10)
			endsAtOnce(t, c.what, shut, func() error {
				for {
					if _, err := body.Read(slow); err != nil {
						return err
					}
					time.Sleep(time.Millisecond)
				}
			})
		})
	}
	for _, path := range []string{"/download", "/files/big"} {
		t.Run("stalled"+path, func(t *testing.T) {
			open()
			before := w.openRequests(t)
			w.body(t, path, session) // and nobody reads it
			waitFor(t, "it is under way", 3*time.Second, func() bool { return w.openRequests(t) > before })
			time.Sleep(300 * time.Millisecond) // until every buffer is full
			shut()
			waitFor(t, "it is over", atOnce, func() bool { return w.openRequests(t) <= before })
		})
	}
	t.Run("not answered yet", func(t *testing.T) {
		open()
		status := make(chan int, 1)
		go func() {
			res, _ := w.do(request{path: "/slow", session: session})
			status <- res.StatusCode
		}()
		time.Sleep(200 * time.Millisecond)
		shut()
		select {
		case got := <-status:
			if got != http.StatusForbidden {
				t.Errorf("got %d, want 403", got)
			}
		case <-time.After(atOnce):
			t.Error("there is no answer")
		}
	})
	t.Run("upload", func(t *testing.T) {
		open()
		c, err := w.dial(t.Context(), insideIP)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /slow HTTP/1.1\r\nHost: acme.example\r\nCookie: %s=%s\r\nContent-Length: 1000000\r\n\r\nsome", auth.SessionCookie, session)
		endsAtOnce(t, "upload", shut, func() error {
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil {
				err = fmt.Errorf("status %d", res.StatusCode)
			}
			return err
		})
	})
}

// body opens a response from inside.
func (w *world) body(t *testing.T, path, session string) io.Reader {
	t.Helper()
	c, err := w.dial(t.Context(), insideIP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: acme.example\r\nCookie: %s=%s\r\n\r\n", path, auth.SessionCookie, session)
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 1024), nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("GET %s: %v %v", path, res, err)
	}
	return res.Body
}

// openRequests is how many requests the gate under test has under way.
func (w *world) openRequests(t *testing.T) int {
	t.Helper()
	_, g, err := running()
	if err != nil {
		t.Fatal(err)
	}
	return g.OpenRequests()
}

// TestSessionEnds: a session that another process ends takes its sockets along,
// and nobody else's.
func TestSessionEnds(t *testing.T) {
	w := newWorld(t)
	w.load()
	w.console.answer(echo)
	mine, theirs := w.signIn("li.na", gate.RoleOwner), w.signIn("max", gate.RoleMember)
	a, b := w.websocket(insideIP, mine), w.websocket(insideIP, theirs)
	if err := errors.Join(says(t.Context(), a, "a"), says(t.Context(), b, "b")); err != nil {
		t.Fatal(err)
	}
	sessions, err := w.Sessions(t.Context(), asCommand, gate.SessionFilter{Tenant: w.acme.ID, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	endsAtOnce(t, "WebSocket", func() {
		for _, s := range sessions {
			if s.Login == "li.na" {
				if err := w.EndSession(t.Context(), asCommand, s.ID, ""); err != nil {
					t.Error(err)
				}
			}
		}
	}, func() error { _, _, err := a.Read(t.Context()); return err })
	if err := says(t.Context(), b, "still here"); err != nil {
		t.Errorf("the other session: %v", err)
	}
}
