package cidr

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Set answers whether an address is in a list. It is immutable, so any number of
// goroutines may ask it at once, and asking neither locks nor allocates. The zero
// Set and a nil *Set contain nothing.
type Set struct {
	// Lite is bart's tree without values. bart.Fast would save some nanoseconds a
	// question and take up to twice the memory; there is a set for every tenant.
	tree bart.Lite
}

// NewSet returns the set of all addresses of the ranges. Ranges may overlap; what
// is no range is left out.
func NewSet(ranges []Range) *Set {
	s := new(Set)
	for _, span := range merge(ranges) {
		for _, p := range span.Prefixes() {
			s.tree.Insert(p)
		}
	}
	return s
}

// Contains reports whether a is in the set. A mapped address counts as IPv4; an
// invalid address and one with a zone are in no set.
func (s *Set) Contains(a netip.Addr) bool {
	// The tree would look up the zone's address as if it had none.
	if s == nil || !a.IsValid() || a.Zone() != "" {
		return false
	}
	return s.tree.Contains(a.Unmap())
}

// Len returns the number of prefixes in the set: the fewest that hold its
// addresses, so at most the sum over the ranges.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.tree.Size()
}
