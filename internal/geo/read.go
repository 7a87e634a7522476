package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// maxSize bounds a file: the largest that MaxMind sells has some 600 MB.
const maxSize = 2 << 30

// errChanging means that the file was written while it was read.
var errChanging = errors.New("changed while it was read")

// mark tells one state of a path from another. The zero mark is of no file.
type mark struct{ os.FileInfo }

func markOf(path string) (mark, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return mark{}, fmt.Errorf("%w: put the file there, or name another", err)
	case !info.Mode().IsRegular():
		return mark{}, fmt.Errorf("%s is no file: name the .mmdb file itself", path)
	case info.Size() > maxSize:
		return mark{}, fmt.Errorf("%s has %d bytes, and no such file has more than %d: name another", path, info.Size(), maxSize)
	}
	return mark{info}, nil
}

// is reports whether nothing happened to the path between two marks.
func (m mark) is(other mark) bool {
	if m.FileInfo == nil || other.FileInfo == nil {
		return m.FileInfo == nil && other.FileInfo == nil
	}
	return os.SameFile(m.FileInfo, other.FileInfo) && m.Size() == other.Size() && m.ModTime().Equal(other.ModTime())
}

// content is a file as it was read. It lies in memory and is not mapped: a
// mapped file that somebody cuts short takes the whole program with it.
type content struct {
	*maxminddb.Reader
	mark   mark
	loaded time.Time
}

// read reads a file and checks that it can be used. The mark is of what was
// read, usable or not; zero: nothing was.
func read(path string) (*content, mark, error) {
	m, err := markOf(path)
	if err != nil {
		return nil, mark{}, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, mark{}, fmt.Errorf("%w: this user must be able to read it", err)
	}
	if after, err := markOf(path); err != nil || !after.is(m) {
		return nil, mark{}, fmt.Errorf("%s %w: write another file and rename it", path, errChanging)
	}
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, m, fmt.Errorf("%s is no whole file in MaxMind's format: fetch it again (%w)", path, err)
	}
	if err := check(reader); err != nil {
		return nil, m, fmt.Errorf("%s (%s) %w", path, reader.Metadata.DatabaseType, err)
	}
	return &content{reader, m, time.Now().UTC()}, m, nil
}

// check reads everything that a file leads to, a second for three million
// networks, and reports whether it tells places. The library's own Verify asks
// more of a file than it takes to use it.
func check(reader *maxminddb.Reader) error {
	var any gate.Place
	for result := range reader.Networks() {
		var rec record
		if err := result.Decode(&rec); err != nil {
			return fmt.Errorf("is damaged, or has other fields than MaxMind's: fetch it again (%w)", err)
		}
		if any == (gate.Place{}) {
			any = rec.place()
		}
	}
	if any == (gate.Place{}) {
		return errors.New("tells neither countries nor networks: take a Country, City, ASN or ISP file")
	}
	return nil
}

// record is what is read of a network's data.
type record struct {
	Country      country `maxminddb:"country"`
	Registered   country `maxminddb:"registered_country"` // where it was given out: better than nothing
	ASN          uint32  `maxminddb:"autonomous_system_number"`
	Organization string  `maxminddb:"autonomous_system_organization"`
}

type country struct {
	Code string `maxminddb:"iso_code"`
}

func (r *record) place() gate.Place {
	p := gate.Place{Country: r.Country.Code, ASN: r.ASN, Network: r.Organization}
	if p.Country == "" {
		p.Country = r.Registered.Code
	}
	return p
}

// add fills in what is not known of the place yet and holds for the whole
// prefix. A file that cannot be read there knows nothing.
func (c *content) add(place *gate.Place, p netip.Prefix) {
	result := c.Lookup(p.Addr())
	if !result.Found() || result.Prefix().Bits() > p.Bits() {
		return
	}
	var rec record
	if err := result.Decode(&rec); err != nil {
		return
	}
	found := rec.place()
	if place.Country == "" {
		place.Country = found.Country
	}
	if place.ASN == 0 && place.Network == "" {
		place.ASN, place.Network = found.ASN, found.Network
	}
}
