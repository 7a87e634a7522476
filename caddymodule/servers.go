package caddymodule

import (
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// keepStreams lets a reload leave open what reverse proxies behind the gate have
// upgraded: unless told otherwise they close every WebSocket when their
// configuration is replaced. The gate, which outlives it, goes on watching them,
// and ends them when they are no longer allowed; after the longest life of a
// session none is.
//
// It changes handlers that may be serving already, and so only those that no
// request reaches but through a [Handler], which calls it first.
func keepStreams(routes caddyhttp.RouteList, behind bool, delay caddy.Duration) {
	for _, route := range routes {
		inside := behind
		for _, handler := range route.Handlers {
			switch handler := handler.(type) {
			case *Handler:
				inside = true
			case *caddyhttp.Subroute:
				keepStreams(handler.Routes, inside, delay)
			case *reverseproxy.Handler:
				if inside {
					setDefault(&handler.StreamCloseDelay, delay)
				}
			}
		}
		// What follows a route that every request takes is behind it.
		behind = behind || inside && len(route.MatcherSets) == 0
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
