package web

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// exportParams are the filters of a list without its pages, and how the file is
// written.
var exportParams = append([]string{"format", "header", "lang", "since", "until"}, tailParams...)

// headerMachine as header= names the columns of CSV as the API names the fields.
const headerMachine = "machine"

// columnWords name the columns of CSV for people.
var columnWords = map[string]string{
	"reference": "col.reference", "time": "col.time", "last_time": "col.last_time", "count": "col.count", "tenant": "col.tenant",
	"outcome": "col.outcome", "reason": "col.reason", "stage": "col.stage", "address": "col.address", "country": "col.country",
	"asn": "col.asn", "network": "col.network", "peer": "col.peer", "admin": "col.admin", "admin_id": "col.admin_id",
	"login_hash": "col.login_hash", "password": "col.password", "session": "col.session", "host": "col.host", "method": "col.method", "path": "col.path",
	"user_agent": "col.user_agent", "list_version": "col.list_version", "node": "col.node",
}

// streamExport answers with a file of all attempts that a filter selects. The
// number of records and the digest come as trailers (RFC 9110, 6.5; RFC 9530),
// and stand in the change log: a connection that is cut shows as such, and a
// file can be checked later. It ends with the session and the network.
func streamExport(c *call) error {
	o, f, err := c.exportOptions()
	if err != nil {
		return err
	}
	file := o.Format.FileName(c.h.slug(c.tenant), time.Now())
	if c.Method == http.MethodHead {
		if err := c.h.door.MayReadAttempts(c.actor, c.tenant); err != nil {
			return err
		}
		exportHeader(c.w.Header(), o.Format, file)
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	ctx, cancel := context.WithCancelCause(c.Context())
	defer cancel(nil)
	out := &download{w: c.w, control: http.NewResponseController(c.w), begin: func() { exportHeader(c.w.Header(), o.Format, file) }}
	defer out.end()
	open := c.h.door.Open(c.visit.Request, func(e *gate.Ended) {
		cancel(e)
		out.stop()
	})
	defer open.Close()
	e, err := c.h.door.Export(ctx, c.actor, f, string(o.Format))
	if err != nil {
		return err
	}
	sum, err := export.Write(ctx, out, e, o)
	if err != nil {
		return out.failed(ctx, err)
	}
	c.w.Header().Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	c.w.Header().Set("X-Sallyport-Rows", strconv.FormatInt(e.Rows(), 10))
	return nil
}

func exportHeader(header http.Header, format export.Format, file string) {
	header.Set("Content-Type", format.ContentType())
	header.Set("Content-Disposition", `attachment; filename="`+file+`"`)
	header.Set("Cache-Control", "no-store, no-transform") // packed, it would have another digest
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Trailer", "Content-Digest, X-Sallyport-Rows")
}

// exportOptions reads the query.
func (c *call) exportOptions() (o export.Options, f gate.AttemptFilter, err error) {
	q := &c.query
	f = q.filter(c.tenant)
	if format, ok := q.values["format"]; !ok {
		q.note("format", "required", "write one of %s", joined(export.Formats))
	} else {
		oneOf(q, "format", format, export.Formats)
		o.Format = export.Format(format)
	}
	header, lang := q.values["header"], q.values["lang"]
	if header != "" && header != headerMachine {
		q.note("header", "unknown", "write %s, or leave it away for a header in your language", headerMachine)
	}
	if header != "" && o.Format != export.CSV {
		q.note("header", "not_allowed", "only csv has a header")
	}
	l, chosen := localeOf(c.Request)
	if lang != "" && lang != string(chosen) {
		q.note("lang", "unknown", "write en or zh-CN")
	}
	if header == "" {
		o.Language = language.MustParse(l.Lang)
		o.Header = func(column string) string { return l.T(columnWords[column]) }
	}
	o.Slug = c.h.slug
	o.Place = func(a *gate.Attempt) gate.Place { return c.h.door.PlaceOf(a.Address, a.Bits) }
	return o, f, q.err()
}

// Pace of a download.
const (
	pieceSize    = 64 << 10
	piecePatient = 30 * time.Second // for a client that does not read
)

// download is an answer that is long. A client that does not read is given up,
// and nothing more is sent once it is over.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begin   func() // sets the header, before the first byte

	mu    sync.Mutex // held while a deadline is set: not after the handler has returned
	began bool
	over  bool
}

var errOver = errors.New("the download is over")

// Write implements [io.Writer].
func (d *download) Write(p []byte) (n int, err error) {
	for first := true; first || n < len(p); first = false {
		if !d.next() {
			return n, errOver
		}
		written, err := d.w.Write(p[n:min(n+pieceSize, len(p))])
		if n += written; err != nil {
			return n, err
		}
	}
	return n, nil
}

// next prepares the writing of one piece; false: there is to be none. Not all
// writers have a deadline.
func (d *download) next() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return false
	}
	if !d.began {
		d.begin()
		d.began = true
	}
	_ = d.control.SetWriteDeadline(time.Now().Add(piecePatient))
	return true
}

// stop makes writing fail at once, unless nothing was written yet: then there
// is still a refusal to be written.
func (d *download) stop() { d.close(time.Unix(1, 0)) }

// end is called before the handler returns. The deadline belongs to the
// connection, which may have other requests to come.
func (d *download) end() { d.close(time.Time{}) }

func (d *download) close(deadline time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.began && !d.over {
		_ = d.control.SetWriteDeadline(deadline)
	}
	d.over = true
}

// failed answers a download that cannot go on: with what is wrong where nothing
// was sent yet, and otherwise by breaking it off, so that it does not look
// whole.
func (d *download) failed(ctx context.Context, err error) error {
	if d.began {
		panic(http.ErrAbortHandler)
	}
	if ended, ok := errors.AsType[*gate.Ended](context.Cause(ctx)); ok {
		return refusalProblem(ended.Reason)
	}
	return err
}
