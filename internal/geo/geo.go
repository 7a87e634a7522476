// Package geo knows in which country or region an address is, and in whose
// network, from files in MaxMind's format that the operator provides
// (GeoLite2 and GeoIP2 Country, City, Enterprise, ASN and ISP, and others with
// the same fields). What it tells is for people to read: nothing is decided by
// it, and without it only the words are missing.
package geo

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// lookEvery is how often files are looked at. A file that has changed is read
// when two looks find it the same, so it is in use within twice that time.
const lookEvery = 2 * time.Second

// Files is a set of files, of which the first that knows something about an
// address counts. It may be used from any number of goroutines.
type Files struct {
	files []*file
}

// file is one of them. The marks belong to the goroutine that watches.
type file struct {
	path    string
	content atomic.Pointer[content] // nil: nothing usable was there yet
	trouble atomic.Pointer[string]  // why the file as it is now is not in use; nil: it is
	seen    mark                    // at the last look
	read    mark                    // of what was last read, usable or not
}

// Open reads the files. Its error says of each that cannot be used what is
// wrong with it and what to do; the others can be used all the same.
func Open(paths []string) (*Files, error) {
	f := &Files{}
	var all []error
	for _, path := range paths {
		c, m, err := read(path)
		one := &file{path: path, seen: m, read: m}
		one.content.Store(c)
		if err != nil {
			one.trouble.Store(new(err.Error()))
			all = append(all, err)
		}
		f.files = append(f.files, one)
	}
	return f, errors.Join(all...)
}

// Place returns what the files know about all addresses of a prefix.
func (f *Files) Place(p netip.Prefix) gate.Place {
	var place gate.Place
	for _, one := range f.files {
		if c := one.content.Load(); c != nil {
			c.add(&place, p)
		}
	}
	return place
}

// Files tells the state of each file.
func (f *Files) Files() []gate.PlacesFile {
	out := make([]gate.PlacesFile, len(f.files))
	for i, one := range f.files {
		out[i].Path = one.path
		if c := one.content.Load(); c != nil {
			out[i].Type, out[i].Built, out[i].Loaded = c.Metadata.DatabaseType, c.Metadata.BuildTime().UTC(), c.loaded
		}
		if trouble := one.trouble.Load(); trouble != nil {
			out[i].Trouble = *trouble
		}
	}
	return out
}

// Watch takes in files that are replaced, until the context ends. One that
// cannot be used, say because it is half-written, changes nothing: what was
// read before stays in use. report is called with each error once, and with nil
// when the file is in order again.
func (f *Files) Watch(ctx context.Context, report func(path string, err error)) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, one := range f.files {
				one.look(report)
			}
		}
	}
}

// look reads the file if it is another than was last read, and was the same at
// the look before: somebody may still be writing it.
func (f *file) look(report func(string, error)) {
	now, err := markOf(f.path)
	settled := now.is(f.seen)
	f.seen = now
	switch {
	case !settled:
		return
	case err != nil:
		f.read = mark{}
	case now.is(f.read): // in use, or known not to be usable
		return
	case !f.uses(now):
		var c *content
		if c, f.read, err = read(f.path); errors.Is(err, errChanging) {
			return
		}
		if err == nil {
			f.content.Store(c)
		}
	default: // what is in use has come back
		f.read = now
	}
	f.note(err, report)
}

func (f *file) uses(m mark) bool {
	c := f.content.Load()
	return c != nil && c.mark.is(m)
}

// note keeps the file's trouble, and reports it when it changes.
func (f *file) note(err error, report func(string, error)) {
	var text *string
	if err != nil {
		text = new(err.Error())
	}
	before := f.trouble.Swap(text)
	if before == nil && text == nil || before != nil && text != nil && *before == *text {
		return
	}
	report(f.path, err)
}

var _ gate.Places = (*Files)(nil)
