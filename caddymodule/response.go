package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// nudge is how often the deadlines of an ended request are set again, in case
// whoever serves it has just moved them.
const nudge = 100 * time.Millisecond

// response stands between the console behind and the visitor. It ends with the
// request's context, also under handlers that never look at one, such as Caddy's
// file server, and under visitors that have stopped reading. It keeps the
// console from setting the gate's cookies.
type response struct {
	caddyhttp.ResponseWriterWrapper
	ctx     context.Context
	cookie  *http.Cookie // the session's fresh token; nil: as it is
	console bool         // the console behind writes, not the gate's own pages
	wrote   atomic.Bool  // the header, 1xx apart

	mu   sync.Mutex // held while deadlines are set: not after the handler has returned
	over bool
}

// respond returns the response to the request with that context. The caller must
// call end when it is complete.
func (v *visit) respond(ctx context.Context, w http.ResponseWriter, console bool) *response {
	out := &v.out
	out.ResponseWriter, out.ctx, out.cookie, out.console = w, ctx, v.freshCookie(), console
	return out
}

// controller reaches the connection. Caddy's writers that move deadlines while
// a response is written are passed by: they are not made to be called from
// elsewhere, and would take a deadline for one of a handler.
func controller(ctx context.Context, w http.ResponseWriter) *http.ResponseController {
	reader, writer := caddyhttp.IdleTimeoutsFromContext(ctx)
	switch {
	case writer != nil:
		return writer.Ctrl
	case reader != nil:
		return reader.Ctrl
	}
	return http.NewResponseController(w)
}

// ended reports whether the gate has ended the request.
func ended(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	_, ok := errors.AsType[*gate.Ended](context.Cause(ctx))
	return ok
}

// abort makes reading and writing fail until the handler gives up. It is called
// when the gate has ended the request.
func (w *response) abort() {
	if !ended(w.ctx) { // the visitor had gone before
		return
	}
	for w.expire() {
		time.Sleep(nudge)
	}
}

// expire sets the deadlines of the connection, or of the stream, to the past;
// that of writing only when there is no refusal to be written any more. False:
// the handler has returned.
func (w *response) expire() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false
	}
	raw, past := controller(w.ctx, w.ResponseWriter), time.Unix(1, 0)
	err := raw.SetReadDeadline(past)
	if w.wrote.Load() {
		err = errors.Join(err, raw.SetWriteDeadline(past))
	}
	return err == nil
}

// end is called when the handler has returned.
func (w *response) end() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
}

// WriteHeader writes the header unless the request was ended before: then there
// is still time for a refusal.
func (w *response) WriteHeader(status int) {
	if w.wrote.Load() {
		w.ResponseWriterWrapper.WriteHeader(status) // net/http complains
		return
	}
	w.filterCookies()
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriterWrapper.WriteHeader(status)
		return
	}
	if ended(w.ctx) {
		return
	}
	w.wrote.Store(true)
	w.setCookie()
	w.ResponseWriterWrapper.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom copies piece by piece, so that the end of the request comes between.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

// FlushError implements what [http.ResponseController] looks for.
func (w *response) FlushError() error {
	if err := w.begin(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// begin makes sure that the header is written and the request not ended.
func (w *response) begin() error {
	if ended(w.ctx) {
		return context.Cause(w.ctx)
	}
	if !w.wrote.Load() {
		w.WriteHeader(http.StatusOK)
	}
	return nil
}

// filterCookies drops cookies of the gate that the console behind sets: whoever
// controls a console could sign visitors in as somebody else.
func (w *response) filterCookies() {
	h := w.Header()
	if lines := h["Set-Cookie"]; w.console && len(lines) > 0 {
		h["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
			name, _, _ := strings.Cut(strings.TrimLeft(line, "= \t"), "=")
			name = strings.TrimSpace(name)
			return strings.EqualFold(name, auth.SessionCookie) || strings.EqualFold(name, auth.StepCookie)
		})
	}
}

// setCookie hands out the session's fresh token. A cache that kept the response
// would hand it to others.
func (w *response) setCookie() {
	if w.cookie == nil {
		return
	}
	h := w.Header()
	h["Set-Cookie"] = append([]string{w.cookie.String()}, h["Set-Cookie"]...)
	h.Set("Cache-Control", "no-store")
}

// Interface guards.
var (
	_ http.ResponseWriter = (*response)(nil)
	_ io.ReaderFrom       = (*response)(nil)
)
