package caddymodule

import (
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/web"
)

// ownPrefix begins, folded, the names of the headers that only the gate may
// send to the console behind.
const ownPrefix = "x-sallyport-"

// forwardedPrefix begins the names of most headers by which proxies tell what
// they were asked. None of them is passed on as it came: see [visit.forward].
const forwardedPrefix = "x-forwarded"

// forged are the other headers by which a visitor would say where it comes from
// or what it asked for, and some console would believe it. The gate reads one
// header, from trusted proxies; nobody vouches for these.
var forged = map[string]bool{
	// Where the visitor comes from.
	"forwarded":                true, // RFC 7239
	"x-real-ip":                true, // nginx
	"x-client-ip":              true, // Apache, Azure
	"client-ip":                true,
	"true-client-ip":           true, // Akamai, Cloudflare
	"cf-connecting-ip":         true, // Cloudflare
	"cf-connecting-ipv6":       true,
	"cf-pseudo-ipv4":           true,
	"fastly-client-ip":         true,
	"fly-client-ip":            true,
	"x-azure-clientip":         true,
	"x-azure-socketip":         true,
	"x-cluster-client-ip":      true, // Zeus, Rackspace
	"x-envoy-external-address": true,
	"x-appengine-user-ip":      true,
	"x-original-forwarded-for": true, // ingress-nginx
	"x-originating-ip":         true,
	"x-proxyuser-ip":           true,
	"x-remote-addr":            true,
	"x-remote-ip":              true,
	"wl-proxy-client-ip":       true, // WebLogic
	"proxy-client-ip":          true,

	// What was asked for: some frameworks go by these instead of the path.
	"x-original-url":       true, // IIS, Symfony
	"x-original-uri":       true, // nginx auth_request
	"x-original-host":      true, // Azure
	"x-original-method":    true,
	"x-rewrite-url":        true, // IIS
	"x-ms-original-url":    true,
	"x-waws-unencoded-url": true,
	"x-host":               true,
	"x-http-host-override": true,

	// Over which scheme.
	"x-scheme":        true,
	"x-url-scheme":    true,
	"front-end-https": true, // Microsoft

	// CGI makes HTTP_PROXY of it (https://httpoxy.org).
	"proxy": true,
}

// fold appends a header's name as the most lenient reader sees it: CGI and what
// came after it make HTTP_X_SALLYPORT_ADMIN of X-Sallyport-Admin,
// X_Sallyport_Admin and X.Sallyport.Admin alike.
func fold(dst []byte, name string) []byte {
	for _, c := range []byte(name) {
		switch {
		case c == '_' || c == '.':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// proxyHeader is the one header that trusted proxies write the visitor's address
// to: its canonical name, and that name folded.
type proxyHeader struct{ name, folded string }

func newProxyHeader(name string) proxyHeader {
	return proxyHeader{http.CanonicalHeaderKey(name), string(fold(nil, name))}
}

// otherHeaders are what proxies of other makes write the visitor's address to.
var otherHeaders = [...]string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"}

// ignored returns a header with the visitor's address from somebody whose word does
// not count; nil: there is none.
func (p *proxyHeader) ignored(h http.Header) *string {
	if len(h[p.name]) > 0 {
		return &p.name
	}
	for i := range otherHeaders {
		if len(h[otherHeaders[i]]) > 0 {
			return &otherHeaders[i]
		}
	}
	return nil
}

// isForged reports whether a header is not the visitor's to send.
func (p proxyHeader) isForged(name string) bool {
	var buf [48]byte
	folded := fold(buf[:0], name)
	return hasPrefix(folded, ownPrefix) || hasPrefix(folded, forwardedPrefix) ||
		forged[string(folded)] || string(folded) == p.folded
}

func hasPrefix(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == prefix
}

// strip takes everything off a request that the console behind must not take
// from a visitor, and the cookies of the gate, whose tokens are nobody else's.
func (p proxyHeader) strip(h http.Header) {
	for name := range h {
		if p.isForged(name) {
			delete(h, name)
		}
	}
	p.stripConnection(h["Connection"])
	if _, ours, _ := auth.FindAPIToken(h); ours { // a mistake, which must not cost the token
		delete(h, "Authorization")
	}
	auth.StripCookies(h, auth.SessionCookie, auth.StepCookie, auth.AskCookie)
}

// stripConnection takes names out of Connection that would make the next proxy
// delete what the gate sets (RFC 9110 section 7.6.1).
func (p proxyHeader) stripConnection(lines []string) {
	for i, line := range lines {
		var kept []string
		for token := range strings.SplitSeq(line, ",") {
			if token = strings.TrimSpace(token); !p.isForged(token) {
				kept = append(kept, token)
			}
		}
		lines[i] = strings.Join(kept, ", ")
	}
}

// forward says where the visitor comes from to consoles that read the usual
// headers. The address is the proven one and not the list that it was found in,
// whose left end anybody can write. From trusted proxies only the scheme is
// passed on besides, which they see and the gate does not; the host is always
// the one that was decided by. Caddy's reverse proxy adds the peer, and the
// scheme and the host where they are missing.
func (v *visit) forward(h http.Header, p proxyHeader, scheme string) {
	a := &v.q.Address
	if !a.Trusted {
		return
	}
	if a.Addr != a.Peer {
		address := []string{v.address}
		h[p.name], h["X-Forwarded-For"] = address, address
	}
	if scheme = strings.ToLower(scheme); scheme == "http" || scheme == "https" {
		h["X-Forwarded-Proto"] = []string{scheme}
	}
}

// identify says who comes.
func (v *visit) identify(h http.Header, assertion string) {
	if v.dec.Admin == nil {
		web.SetHeaders(h, "X-Sallyport-Address", v.address, "X-Sallyport-Tenant", v.dec.Tenant.Slug)
		return
	}
	web.SetHeaders(h,
		"X-Sallyport-Address", v.address,
		"X-Sallyport-Tenant", v.dec.Tenant.Slug,
		"X-Sallyport-Admin", v.dec.Admin.Login,
		"X-Sallyport-Admin-Id", v.dec.Admin.ID,
		"X-Sallyport-Role", string(v.dec.Admin.Role),
		"X-Sallyport-Session", v.dec.Claims.Session,
		"X-Sallyport-Assertion", assertion,
	)
}
