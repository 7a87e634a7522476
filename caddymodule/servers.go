package caddymodule

import (
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// keepStreams lets a reload leave open what reverse proxies on protected sites
// have upgraded: unless told otherwise they close every WebSocket when their
// configuration is replaced. The gate, which outlives it, goes on watching them,
// and ends them when they are no longer allowed; after the longest life of a
// session nothing is.
func keepStreams(server *caddyhttp.Server, delay caddy.Duration) {
	whole := false
	for _, route := range server.Routes {
		for _, handler := range route.Handlers {
			_, direct := handler.(*Handler)
			whole = whole || direct
		}
	}
	for i := range server.Routes {
		var protected bool
		var proxies []*reverseproxy.Handler
		walk(server.Routes[i:i+1], func(handler caddyhttp.MiddlewareHandler) {
			switch handler := handler.(type) {
			case *Handler:
				protected = true
			case *reverseproxy.Handler:
				proxies = append(proxies, handler)
			}
		})
		if !protected && !whole {
			continue
		}
		for _, proxy := range proxies {
			setDefault(&proxy.StreamCloseDelay, delay)
		}
	}
}

// walk calls visit for every handler of the routes, also of those inside others.
func walk(routes caddyhttp.RouteList, visit func(caddyhttp.MiddlewareHandler)) {
	for _, route := range routes {
		for _, handler := range route.Handlers {
			visit(handler)
			if sub, ok := handler.(*caddyhttp.Subroute); ok {
				walk(sub.Routes, visit)
			}
		}
	}
}

// trustWarning is for who has told only Caddy which proxies to trust.
const trustWarning = "trusted_proxies of servers is not used to decide who may enter, so every visitor through those proxies has the address of a proxy: " +
	"if they are yours, write them again in the global option sallyport: sallyport { trusted_proxies static <ranges> }"

// trustsProxies reports whether a server trusts proxies by Caddy's own option.
// Caddy shows this to nobody, hence the look inside; a test sees to it that it
// still finds something there.
func trustsProxies(server *caddyhttp.Server) bool {
	field := reflect.ValueOf(server).Elem().FieldByName("trustedProxies")
	return field.Kind() == reflect.Interface && !field.IsNil()
}
