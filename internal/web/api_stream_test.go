package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// event is one server-sent event.
type event struct{ name, id, data string }

// events opens a stream and returns what it sends.
func (s *apiSite) events(as, query string, headers ...string) <-chan event {
	s.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	s.Cleanup(cancel)
	r := must(http.NewRequestWithContext(ctx, "GET", s.server.URL+"/_sallyport/api/v1/attempts/stream"+query, nil))
	r.Host = "acme.example"
	r.Header.Set("X-Forwarded-For", apiInside)
	r.AddCookie(&http.Cookie{Name: auth.SessionCookie, Value: s.tokens[as]})
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := must(http.DefaultClient.Do(r))
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || got != "text/event-stream" {
		s.Fatalf("stream: got %s of type %q", answer.Status, got)
	}
	out := make(chan event, 100)
	go func() {
		defer close(out)
		defer answer.Body.Close()
		var e event
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				if e != (event{}) {
					out <- e
				}
				e = event{}
			}
		}
	}()
	return out
}

// next waits for an event.
func next(t *testing.T, events <-chan event) (e event, ok bool) {
	t.Helper()
	select {
	case e, ok = <-events:
		return e, ok
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
		return e, false
	}
}

// refuse makes an attempt of a visitor from outside.
func (s *apiSite) refuse(address string) (reference string) {
	s.Helper()
	later := s.clock.Load().Add(time.Second)
	s.clock.Store(&later)
	return s.do("", "GET", "me", "", "X-Forwarded-For", address).Header.Get("X-Sallyport-Reference")
}

func TestStream(t *testing.T) {
	s := newAPISite(t)
	all := s.events("reviewer", "")
	filtered := s.events("owner", "?address=192.0.2.0/24")
	first, second := s.refuse("198.51.100.9"), s.refuse("192.0.2.9")
	var shown row
	e, _ := next(t, all)
	if err := json.Unmarshal([]byte(e.data), &shown); err != nil || e.name != "attempt" || shown["reference"] != first || shown["address"] != "198.51.100.9" {
		t.Fatalf("first event: %+v, %v", e, err)
	}
	resume := e.id
	for name, events := range map[string]<-chan event{"all": all, "filtered": filtered} {
		if e, _ := next(t, events); e.name != "attempt" || !strings.Contains(e.data, second) {
			t.Errorf("%s: %+v, want %s", name, e, second)
		}
	}
	resumed := s.events("reviewer", "", "Last-Event-ID", resume)
	for name, events := range map[string]<-chan event{"by header": resumed, "by query": s.events("owner", "?last_event_id="+resume)} {
		if e, _ := next(t, events); !strings.Contains(e.data, second) {
			t.Errorf("resumed after the first, %s: %+v, want %s", name, e, second)
		}
	}

	sessions := must(s.Sessions(s.ctx, apiCommand, gate.SessionFilter{Tenant: s.acme.ID}))
	for _, session := range sessions {
		if session.Login == "reviewer" {
			if err := s.EndSession(s.ctx, apiCommand, session.ID, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, events := range map[string]<-chan event{"all": all, "resumed": resumed} {
		if e, _ := next(t, events); e.name != "denied" || e.data != `{"reason":"session_revoked"}` {
			t.Errorf("%s: when the session ended: %+v", name, e)
		}
		if e, open := next(t, events); open {
			t.Errorf("%s: after the end: %+v", name, e)
		}
	}
}

func TestStreamRefusals(t *testing.T) {
	s := newAPISite(t)
	s.refused(s.do("member", "GET", "attempts/stream", ""), 403, "forbidden")
	s.refused(s.do("", "GET", "attempts/stream", ""), 401, "no_session")
	s.refused(s.do("owner", "GET", "attempts/stream?reason=x", ""), 400, "malformed", "reason unknown")
	s.refused(s.do("owner", "GET", "attempts/stream?since=2026-11-24T12:00:00Z", ""), 400, "malformed", "since unknown_parameter")
	for _, id := range []string{"x", "-1", "0", strconv.FormatInt(1<<60, 10)} {
		s.refused(s.do("owner", "GET", "attempts/stream", "", "Last-Event-ID", id), 400, "malformed", "Last-Event-ID invalid")
		s.refused(s.do("owner", "GET", "attempts/stream?last_event_id="+id, ""), 400, "malformed", "last_event_id invalid")
	}
	if a := s.do("owner", "HEAD", "attempts/stream", ""); a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %s", a.Status)
	}
}

// A flood is shown in part, and the rest is a number.
func TestStreamFlood(t *testing.T) {
	s := newAPISite(t)
	events := s.events("owner", "")
	for i := range 500 {
		q := &gate.Request{Host: "acme.example", Address: s.door.Source.Find("127.0.0.1:1", []string{"198.51." + strconv.Itoa(i/250) + "." + strconv.Itoa(i%250+1)})}
		dec := s.door.Decide(q)
		dec.Now = dec.Now.Add(time.Duration(i+1) * time.Millisecond)
		s.door.Record(q, &dec)
	}
	shown, skipped := 0, 0
	for shown+skipped < 500 {
		switch e, _ := next(t, events); e.name {
		case "attempt":
			shown++
		case "gap":
			var gap struct{ Skipped int }
			if err := json.Unmarshal([]byte(e.data), &gap); err != nil {
				t.Fatal(err)
			}
			skipped += gap.Skipped
		}
	}
	if shown < 200 || shown+skipped != 500 {
		t.Errorf("%d shown and %d passed over, want 500 together", shown, skipped)
	}
}

// A client that is gone leaves nothing open.
func TestStreamToNobody(t *testing.T) {
	s := newAPISite(t)
	w := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/_sallyport/api/v1/attempts/stream", nil)
	r.Host = "acme.example"
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Forwarded-For", apiInside)
	r.AddCookie(&http.Cookie{Name: auth.SessionCookie, Value: s.tokens["owner"]})
	s.serve(w, r)
	if n := s.OpenRequests(); n != 0 {
		t.Errorf("%d requests are still open", n)
	}
}
