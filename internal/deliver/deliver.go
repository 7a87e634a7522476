// Package deliver takes attempts and alerts out of the system: to a syslog
// server, to a webhook, and by e-mail. It knows how to hand over one batch or
// one message; the gate decides when, how often and in which order.
package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// connectWithin bounds how long it takes to reach the other side.
const connectWithin = 10 * time.Second

// Shown is an address as people may see it: users, passwords and queries are
// often secret.
func Shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// plainError is why a request failed, without the address in it, which may be
// secret and is said elsewhere.
func plainError(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, errPrivate) {
		return errPrivate // without the address that the name leads to
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it did not answer in time")
	}
	return err
}

// options are those that attempts are written with.
func options(format export.Format, out *gate.Outgoing) *export.Options {
	return &export.Options{Format: format, Slug: out.Slug, Place: out.Place}
}

func dialer() *net.Dialer { return &net.Dialer{Timeout: connectWithin} }

// client completes how TLS is spoken with a host.
func client(config *tls.Config, host string) *tls.Config {
	if config == nil {
		config = &tls.Config{}
	} else {
		config = config.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if config.ServerName == "" {
		config.ServerName = host
	}
	return config
}
