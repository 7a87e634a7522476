package caddymodule

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// ownPages begins the paths of the gate's own pages, on every protected site.
const ownPages = "/_sallyport/"

// asSent makes v.sent the request as the visitor sent it, whatever directives
// before this one have made of it: a site that rewrites everything to /index.html
// has sign-in pages all the same, and records say what was asked for. It is a
// copy; the headers are the same.
func (v *visit) asSent(r *http.Request) {
	v.sent, v.url = *r, *r.URL
	if orig, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		v.url = *orig.URL
		v.sent.Method, v.sent.RequestURI = orig.Method, orig.RequestURI
	}
	v.sent.URL = &v.url
}

// cleanPath returns a path decoded and with its dots and doubled slashes worked
// off, as everything is compared that decides. Encoded slashes count as slashes.
func cleanPath(u *url.URL) string {
	return caddyhttp.CleanPath(u.Path, true)
}

// own returns the request for the gate's own pages if it is one: the cleaned
// path begins with /_sallyport/ to the letter. Anything else, in another case or
// with another kind of slash, is the console's, which needs a session: whatever
// a spelling means to somebody, it leads past nothing.
func own(sent *http.Request) (*http.Request, bool) {
	path := cleanPath(sent.URL)
	if !strings.HasPrefix(path, ownPages) {
		return nil, false
	}
	page := sent.WithContext(sent.Context())
	u := *sent.URL
	u.Path, u.RawPath = path, ""
	page.URL = &u
	return page, true
}

// impossible returns the answer to requests that have no place on any site, or
// that would leave HTTP behind: a tunnel is open to whatever its ends agree on.
func impossible(sent *http.Request) *problem {
	switch {
	case sent.Method == http.MethodConnect, sent.Method == http.MethodTrace:
		return &methodNotAllowed
	case sent.URL.Opaque != "", sent.URL.Path != "" && sent.URL.Path[0] != '/':
		return &noPath
	}
	for _, line := range sent.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(line, ",") {
			if !strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return &notWebsocket
			}
		}
	}
	return nil
}

// ask describes the request to the gate.
func (v *visit) ask(a *App) {
	sent := &v.sent
	v.q = gate.Request{
		Host:      sent.Host,
		Address:   a.source.Find(sent.RemoteAddr, sent.Header[a.header.name]),
		Method:    sent.Method,
		Path:      sent.URL.Path,
		UserAgent: sent.UserAgent(),
	}
	if !v.q.Address.Trusted {
		v.q.Address.Ignored = a.header.ignored(sent.Header)
	}
	if sent.TLS != nil {
		v.q.ServerName = sent.TLS.ServerName
	}
	var err error
	v.q.Token, _, err = auth.FindCookie(sent.Header, auth.SessionCookie)
	v.q.Doubled = err != nil
	v.address = addrText(v.q.Address.Addr)
}

// shareAddress tells the directives behind this one, Caddy's reverse proxy and
// the access log what was found out, so that there is one answer to where the
// visitor comes from.
func (v *visit) shareAddress(ctx context.Context) {
	caddyhttp.SetVar(ctx, caddyhttp.TrustedProxyVarKey, v.q.Address.Trusted)
	if v.address != "" {
		caddyhttp.SetVar(ctx, caddyhttp.ClientIPVarKey, v.address)
	}
}
