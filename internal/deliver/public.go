package deliver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// errPrivate is why a webhook of a tenant is not called.
var errPrivate = errors.New("it is an address inside of this network, which the operator does not allow")

// Poster calls webhooks that tenants name. It looks at the address that is
// dialled, not at the name: names can be made to lead anywhere.
type Poster struct {
	client *http.Client
	now    func() time.Time
}

// NewPoster makes one; anywhere also allows addresses that are not public.
func NewPoster(anywhere bool) *Poster {
	d := dialer()
	if !anywhere {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !Public(at.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return newPoster(d)
}

func newPoster(d *net.Dialer) *Poster {
	// No proxy of the environment: it would dial for us.
	return &Poster{now: time.Now, client: newClient(&http.Transport{
		DialContext: d.DialContext, TLSHandshakeTimeout: connectWithin, DisableKeepAlives: true, ForceAttemptHTTP2: true,
	})}
}

// Post sends signed JSON, and returns nil when the other side has taken it.
func (p *Poster) Post(ctx context.Context, text string, secret Secret, id string, body []byte) error {
	u, err := CheckURL(text)
	if err != nil {
		return err
	}
	return post(ctx, p.client, u, secret, message{id, p.now(), body})
}

// reserved are networks that are not public beyond what netip knows, of the
// IANA's registries of special-purpose addresses; those in which an IPv4
// address is hidden are among them.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// Public reports whether an address belongs to the internet.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}
