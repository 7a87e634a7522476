package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Pace of the live tail.
const (
	tailEvery   = time.Second
	tailBeat    = 15 * time.Second // of silence, then a comment shows that the stream lives
	tailPatient = 10 * time.Second // for a client that does not read
	tailRetry   = 3000             // ms until a client that was cut off comes again
	tailAway    = 30 * time.Second // for a store that does not answer
)

// tailParams are the filters of a list but for places, which no record has; what
// a tail shows is always now.
var tailParams = slices.DeleteFunc(slices.Clone(attemptParams), func(name string) bool {
	return slices.Contains([]string{"since", "until", "group_by", "limit", "cursor", "country", "not.country", "asn", "not.asn"}, name)
})

// lastEventParam says where a stream goes on for who cannot send a header:
// browsers do that only when they come again by themselves.
const lastEventParam = "last_event_id"

var streamParams = append([]string{lastEventParam}, tailParams...)

// streamAttempts sends attempts as server-sent events (WHATWG HTML, 9.2):
//
//	attempt  a record that was made or has grown, as in the list
//	gap      {"skipped": n}: so many records were passed over
//	denied   {"reason": …}: the session or the network is not allowed any more
//	away     the store does not answer
//
// The id of an event is the time to go on from, which a client that was cut off
// sends as Last-Event-ID, or in the query, to whichever node.
func streamAttempts(c *call) error {
	from, err := lastEvent(c.Request, &c.query)
	if err != nil {
		return err
	}
	f := c.query.filter(c.tenant)
	if err := c.query.err(); err != nil {
		return err
	}
	tail, err := c.h.door.Tail(c.Context(), c.actor, f, from)
	if err != nil {
		return err
	}
	header := c.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform") // and nobody may pack it, which would hold it back
	header.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	ctx, cancel := context.WithCancelCause(c.Context())
	defer cancel(nil)
	open := c.h.door.Open(c.visit.Request, func(e *gate.Ended) { cancel(e) })
	defer open.Close()
	defer c.h.door.Streaming()()
	s := &stream{c: c, control: http.NewResponseController(c.w)}
	fmt.Fprintf(&s.waiting, "retry: %d\n\n", tailRetry)
	s.run(ctx, tail)
	return nil
}

// lastEvent reads where a client that was cut off goes on.
func lastEvent(r *http.Request, q *query) (time.Time, error) {
	name, text := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		name, text = lastEventParam, q.values[lastEventParam]
	}
	if text == "" {
		return time.Time{}, nil
	}
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil || us <= 0 || us > 1<<53 {
		return time.Time{}, malformed.problem("", fieldProblem{name, "invalid", "this is no id of an event of this stream"})
	}
	return time.UnixMicro(us).UTC(), nil
}

// stream writes events.
type stream struct {
	c       *call
	control *http.ResponseController
	waiting bytes.Buffer // what is not sent yet
}

// run sends what the tail finds, until the client is gone or may not read on.
func (s *stream) run(ctx context.Context, tail *gate.Tail) {
	ticks := time.NewTicker(tailEvery)
	defer ticks.Stop()
	quiet, away := time.Now(), time.Time{}
	for {
		switch err := s.look(ctx, tail); {
		case err == nil:
			away = time.Time{}
		case ctx.Err() != nil:
		case away.IsZero():
			away = time.Now()
		case time.Since(away) > tailAway:
			s.event("away", tail.At(), struct{}{})
			_ = s.send()
			return
		}
		if time.Since(quiet) >= tailBeat && s.waiting.Len() == 0 {
			s.waiting.WriteString(":\n\n")
		}
		if s.waiting.Len() > 0 {
			quiet = time.Now()
			if s.send() != nil {
				return
			}
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			if ended, ok := errors.AsType[*gate.Ended](context.Cause(ctx)); ok {
				s.event("denied", tail.At(), map[string]any{"reason": ended.Reason})
				_ = s.send() // whoever is gone needs no telling
			}
			return
		}
	}
}

// look asks the tail for what is new.
func (s *stream) look(ctx context.Context, tail *gate.Tail) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	grown, skipped, err := tail.Next(ctx)
	if err != nil {
		return err
	}
	if skipped > 0 {
		s.event("gap", tail.At(), map[string]int64{"skipped": skipped})
	}
	for i := range grown {
		s.event("attempt", grown[i].LastTime, s.c.h.showAttempt(&grown[i]))
	}
	return nil
}

// event adds one. JSON has no line ends, so the data is one line.
func (s *stream) event(name string, at time.Time, data any) {
	text, err := json.Marshal(data)
	if err != nil { // cannot happen, see writeJSON
		return
	}
	fmt.Fprintf(&s.waiting, "event: %s\nid: %d\ndata: %s\n\n", name, at.UnixMicro(), text)
}

// send sends what waits. A client that does not read is given up. Not all
// writers have a deadline; over HTTP/2 one that passes ends the stream even
// where nothing is being written, so it is taken back.
func (s *stream) send() error {
	_ = s.control.SetWriteDeadline(time.Now().Add(tailPatient))
	defer func() { _ = s.control.SetWriteDeadline(time.Time{}) }()
	if _, err := s.c.w.Write(s.waiting.Bytes()); err != nil {
		return err
	}
	s.waiting.Reset()
	return s.control.Flush()
}
