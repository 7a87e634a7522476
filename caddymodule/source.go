package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// loadSource sets up how the addresses of visitors are found.
func (a *App) loadSource(ctx caddy.Context) error {
	if err := checkClientIPHeader(a.ClientIPHeader); err != nil {
		return fmt.Errorf("client_ip_header: %w", err)
	}
	a.header = newProxyHeader(a.ClientIPHeader)
	a.source = &gate.Source{Header: a.header.name, WithoutHeaderPeer: a.WithoutHeader == withoutHeaderPeer}
	if a.TrustedProxiesRaw == nil {
		return nil
	}
	module, err := ctx.LoadModule(a, "TrustedProxiesRaw")
	if err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	ranges, ok := module.(caddyhttp.IPRangeSource)
	if !ok {
		return fmt.Errorf("trusted_proxies: %T lists no addresses", module)
	}
	a.source.Trusted, err = trustedBy(ranges)
	return err
}

// trustedBy asks a module of Caddy whether an address is a trusted proxy's. The
// module may look at the request; what it gets is an empty one, since trust that
// depends on what a visitor sends is none.
func trustedBy(source caddyhttp.IPRangeSource) (func(netip.Addr) bool, error) {
	empty := &http.Request{Header: http.Header{}}
	for _, p := range source.GetIPRanges(empty) {
		if p.Bits() == 0 {
			return nil, fmt.Errorf("trusted_proxies: %s would let every visitor choose its own address: name the addresses of your proxies", p)
		}
	}
	return func(a netip.Addr) bool {
		for _, p := range source.GetIPRanges(empty) {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}, nil
}

// neverAddresses are headers that carry no addresses, or that are taken off a
// request before a console sees it.
var neverAddresses = map[string]string{
	"connection": "", "keep-alive": "", "te": "", "trailer": "", "transfer-encoding": "", "upgrade": "",
	"proxy-authenticate": "", "proxy-authorization": "", "proxy-connection": "",
	"host": "", "cookie": "", "authorization": "", "content-length": "", "content-type": "",
	"forwarded": ": its syntax (RFC 7239) is not read here, let the proxy send X-Forwarded-For",
}

// checkClientIPHeader refuses names that proxies cannot write an address to.
func checkClientIPHeader(name string) error {
	folded := string(fold(nil, name))
	why, never := neverAddresses[folded]
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%q is not the name of a header", name)
	case strings.ContainsAny(name, "_."):
		return fmt.Errorf("%q has a sign that Caddy drops headers for: write - instead", name)
	case never, strings.HasPrefix(folded, ownPrefix):
		return fmt.Errorf("%q does not carry the address of a visitor%s", name, why)
	}
	return nil
}

// errTooEarly means that the address of a visitor is not proven yet.
var errTooEarly = errors.New("the request came in TLS early data, which anybody can send again from anywhere (RFC 8470)")

// early reports whether a request may be a copy of somebody else's: it came
// before the end of the handshake, here or at a trusted proxy.
func early(r *http.Request, a gate.Address) bool {
	return r.TLS != nil && !r.TLS.HandshakeComplete || a.Trusted && r.Header.Get("Early-Data") != ""
}
