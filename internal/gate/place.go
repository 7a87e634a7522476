package gate

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Place is where addresses seem to be. It is an estimate by somebody else: it
// is shown to people and never decides anything. What is not known is empty.
type Place struct {
	Country string // of ISO 3166-1, two letters: a country or a region
	ASN     uint32 // number of the network (autonomous system) they belong to
	Network string // name of who runs it
}

// String is the place on one line, empty where nothing is known.
func (p Place) String() string {
	var parts []string
	if p.Country != "" {
		parts = append(parts, p.Country)
	}
	if p.ASN != 0 {
		parts = append(parts, fmt.Sprintf("AS%d", p.ASN))
	}
	if p.Network != "" {
		parts = append(parts, p.Network)
	}
	return strings.Join(parts, " ")
}

// Places knows the places of addresses.
type Places interface {
	// Place returns what holds for all addresses of a prefix.
	Place(netip.Prefix) Place
	// Files tells the state of the files that it knows them from.
	Files() []PlacesFile
}

// PlacesFile is the state of a file with places.
type PlacesFile struct {
	Path    string
	Type    string    // as the file names itself, e.g. GeoLite2-Country
	Built   time.Time // by whoever made it
	Loaded  time.Time // the content in use
	Trouble string    // why the file as it is now is not in use; empty: it is
}

// SetPlaces changes where places are looked up; nil: nowhere. It takes effect
// at once, and may be called at any time.
func (g *Gate) SetPlaces(p Places) {
	if p == nil {
		g.places.Store(nil)
		return
	}
	g.places.Store(&p)
}

// PlaceOf returns the place of an address, or of the network that its first
// bits stand for, as an [Attempt] has them.
func (g *Gate) PlaceOf(a netip.Addr, bits int) Place {
	p := g.places.Load()
	if p == nil || !a.IsValid() {
		return Place{}
	}
	prefix, err := a.Prefix(min(bits, a.BitLen()))
	if err != nil {
		return Place{}
	}
	return (*p).Place(prefix)
}

// PlacesFiles tells the state of the files that places are known from.
func (g *Gate) PlacesFiles() []PlacesFile {
	p := g.places.Load()
	if p == nil {
		return nil
	}
	return (*p).Files()
}
