// Package export writes attempts in the formats that other programs read: CSV
// for spreadsheets, JSON lines with the names of the API, and the Elastic
// Common Schema, the Open Cybersecurity Schema Framework and the Common Event
// Format for security information systems. What visitors made up comes out as
// text in all of them.
package export

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"time"

	"golang.org/x/text/language"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Format is how attempts are written.
type Format string

// Formats. All of them are UTF-8 text; all but CSV have one record a line.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
	ECS       Format = "ecs"  // JSON lines
	OCSF      Format = "ocsf" // JSON lines
	CEF       Format = "cef"
)

// Formats is the closed list of formats.
var Formats = []Format{CSV, JSONLines, ECS, OCSF, CEF}

// ContentType is the media type of a format.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case CEF:
		return "text/plain; charset=utf-8"
	}
	return "application/x-ndjson"
}

// FileName names a file of attempts of a tenant; empty: of all.
func (f Format) FileName(tenant string, at time.Time) string {
	if tenant == "" {
		tenant = "all"
	}
	ending := map[Format]string{CSV: "csv", JSONLines: "jsonl", ECS: "ecs.jsonl", OCSF: "ocsf.jsonl", CEF: "cef"}[f]
	return "attempts-" + tenant + "-" + at.UTC().Format("20060102T150405Z") + "." + ending
}

// Options say how attempts are written.
type Options struct {
	Format Format
	// Header names the columns of CSV; nil: as the API names the fields.
	Header func(column string) string
	// Language is the one in which CSV names countries; und: by their codes.
	Language language.Tag
	// Slug names a tenant by its id.
	Slug func(id string) string
	// Place tells where an attempt came from.
	Place func(*gate.Attempt) gate.Place
	// Progress is called after each page with the number of records so far.
	Progress func(rows int64)
}

// item is an attempt with what is not stored with it.
type item struct {
	*gate.Attempt
	tenant string // short name
	place  gate.Place
}

// encoder writes one format.
type encoder interface {
	// begin appends what stands before the first record.
	begin(b []byte) []byte
	// add appends a record.
	add(b []byte, it *item) ([]byte, error)
}

func (o *Options) encoder() encoder {
	switch o.Format {
	case CSV:
		return newCSV(o)
	case ECS:
		return ecs{}
	case OCSF:
		return ocsf{}
	case CEF:
		return cef{}
	}
	return jsonLines{}
}

// Write writes everything that an export has, and its end to the change log.
// Nothing is written before the first records were read. It returns the
// SHA-256 of what was written.
func Write(ctx context.Context, w io.Writer, e *gate.Export, o Options) (sum []byte, err error) {
	hash := sha256.New()
	err = write(ctx, io.MultiWriter(w, hash), e, &o)
	sum = hash.Sum(nil)
	if ended := e.End(context.WithoutCancel(ctx), sum, err == nil); err == nil {
		err = ended
	}
	return sum, err
}

func write(ctx context.Context, w io.Writer, e *gate.Export, o *Options) error {
	enc := o.encoder()
	var buf []byte
	for first := true; ; first = false {
		page, err := e.Next(ctx)
		if err != nil {
			return err
		}
		if buf = buf[:0]; first {
			buf = enc.begin(buf)
		}
		for i := range page {
			a := &page[i]
			if buf, err = enc.add(buf, &item{a, o.Slug(a.Tenant), o.Place(a)}); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil { // no longer allowed: not one page more
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		if o.Progress != nil {
			o.Progress(e.Rows())
		}
	}
}

// Line appends one attempt as a file of the format has it, without the end of
// the line. CSV has no such line.
func (o *Options) Line(b []byte, a *gate.Attempt) ([]byte, error) {
	b, err := o.encoder().add(b, &item{a, o.Slug(a.Tenant), o.Place(a)})
	return bytes.TrimSuffix(b, []byte("\n")), err
}

// EventID tells an attempt from every other, whatever references meet.
func EventID(a *gate.Attempt) string {
	return a.Reference + "-" + a.FirstTime.UTC().Format("20060102150405.000000")
}

// passed reports whether the visitor got on.
func passed(it *item) bool { return it.Outcome == gate.Allowed || it.Outcome == gate.WouldBlock }

// success is passed in the words of ECS and CEF.
func success(it *item) string {
	if passed(it) {
		return "success"
	}
	return "failure"
}

// oneAddress is the address of a record that stands for one; empty: it is
// unknown, or there are many.
func oneAddress(it *item) string {
	if !it.Address.IsValid() || it.Bits < it.Address.BitLen() {
		return ""
	}
	return it.Address.String()
}

// proxy is the peer where it is not the visitor itself.
func proxy(it *item) string {
	if it.Peer == it.Address {
		return ""
	}
	return Address(it.Peer, it.Peer.BitLen())
}

// Summary says in a line what happened.
func Summary(a *gate.Attempt) string {
	from := cmp.Or(Address(a.Address, a.Bits), "an unknown address")
	return string(a.Outcome) + " (" + string(a.Reason) + ") from " + from + " at " + Plain(cmp.Or(a.Host, "an unknown host"))
}

// product is how this program names itself to others.
const product = "Sallyport"

var version = gate.Version
