package caddymodule

import (
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// certificateOf is when the certificate counts that Caddy has in memory for a
// host, the one that counts longest; zero: there is none.
func certificateOf(host string) (v gate.Validity) {
	// Caddy's cache goes with the last configuration, which a look in the
	// background may outlive by a moment: then it panics, and nothing is known.
	defer func() {
		if recover() != nil {
			v = gate.Validity{}
		}
	}()
	for _, c := range caddytls.AllMatchingCertificates(host) {
		if c.Leaf != nil && c.Leaf.NotAfter.After(v.Ends) {
			v = gate.Validity{Begins: c.Leaf.NotBefore, Ends: c.Leaf.NotAfter}
		}
	}
	return v
}
