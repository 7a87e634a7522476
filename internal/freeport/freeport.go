// Package freeport finds ports of this machine for servers of tests and
// measurements, which have to be written into a configuration before anybody
// listens on them.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// The ports lie below those that Linux gives to clients (net.ipv4.ip_local_port_range),
// so that no connection takes one before its server listens, or while that is
// being started again.
const (
	first = 20000
	count = 12000
)

// next walks over the ports, so that no port comes twice in one process.
var next atomic.Uint32

func init() { next.Store(rand.Uint32N(count)) } //nolint:gosec // G404: nobody has to guess it

// Find returns a port that nobody listens on, at no address.
func Find() (int, error) {
	for range count {
		port := first + int(next.Add(1)%count)
		if l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port}); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("there is no free port")
}
