package caddymodule

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("sallyport", parseGlobal)
	httpcaddyfile.RegisterDirective("sallyport", parseDirective)
	httpcaddyfile.RegisterDirectiveOrder("sallyport", httpcaddyfile.Before, "basic_auth")
}

// words is a block of options: each word with what reads the rest of its line.
type words[T any] map[string]func(*caddyfile.Dispenser, *T) error

// repeatable are the words that may stand more than once in a block.
var repeatable = []string{"deliver"}

// parse reads the block that begins here, if one does.
func (w words[T]) parse(d *caddyfile.Dispenser, to *T) error {
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		read, known := w[word]
		if !known {
			return d.Errf("there is no option %q here: write one of %s", word, strings.Join(slices.Sorted(maps.Keys(w)), ", "))
		}
		if seen[word] && !slices.Contains(repeatable, word) {
			return d.Errf("%s stands twice: write it once", word)
		}
		seen[word] = true
		if err := read(d, to); err != nil {
			return err
		}
	}
	return nil
}

// global are the options of the global option sallyport.
var global = words[App]{
	"store": func(d *caddyfile.Dispenser, a *App) (err error) {
		a.Store, err = one(d, "sqlite:/path/to/file.db or postgres://user@host:5432/database")
		return
	},
	"secret": func(d *caddyfile.Dispenser, a *App) (err error) {
		a.Secret, err = one(d, "a placeholder such as {file./etc/sallyport/secret}")
		return
	},
	"node": func(d *caddyfile.Dispenser, a *App) (err error) {
		a.Node, err = one(d, "the name of this program in records")
		return
	},

	"trusted_proxies":  parseTrustedProxies,
	"client_ip_header": parseClientIPHeader,
	"without_header": func(d *caddyfile.Dispenser, a *App) error {
		return choice(d, &a.WithoutHeader, withoutHeaderRefuse, withoutHeaderPeer)
	},
	"operator_networks": parseOperatorNetworks,
	"places":            parsePlaces,
	"deliver":           parseDeliver,
	"mail":              parseMail,
	"alert_webhooks": func(d *caddyfile.Dispenser, a *App) error {
		return choice(d, &a.AlertWebhooks, webhooksPublic, webhooksAnywhere)
	},

	"session":         func(d *caddyfile.Dispenser, a *App) error { return block(d, sessionWords, &a.Session) },
	"sign_in":         func(d *caddyfile.Dispenser, a *App) error { return block(d, signInWords, &a.SignIn) },
	"retention":       func(d *caddyfile.Dispenser, a *App) error { return duration(d, &a.Retention) },
	"retention_floor": func(d *caddyfile.Dispenser, a *App) error { return duration(d, &a.RetentionFloor) },
}

var sessionWords = words[Session]{
	"lifetime": func(d *caddyfile.Dispenser, s *Session) error { return duration(d, &s.Lifetime) },
	"idle":     func(d *caddyfile.Dispenser, s *Session) error { return duration(d, &s.Idle) },
	"bind": func(d *caddyfile.Dispenser, s *Session) error {
		return choice(d, &s.Bind, gate.BindNetwork, gate.BindAddress, gate.BindOff)
	},
	"step_up": parseStepUp,
}

var signInWords = words[SignIn]{
	"attempts": parseAttempts,
	"second_factor": func(d *caddyfile.Dispenser, s *SignIn) error {
		return choice(d, &s.SecondFactor, gate.SecondFactorRequired, gate.SecondFactorOptional, gate.SecondFactorOff)
	},
}

// siteWords are the options of the directive sallyport.
var siteWords = words[Handler]{
	"tenant_from": func(d *caddyfile.Dispenser, h *Handler) error {
		return choice(d, &h.TenantFrom, tenantFromHost, tenantFromLogin)
	},
	"login":   func(d *caddyfile.Dispenser, h *Handler) error { return onOff(d, &h.Login) },
	"console": func(d *caddyfile.Dispenser, h *Handler) error { return onOff(d, &h.Console) },
}

// parseGlobal reads
//
//	sallyport {
//		store             <dsn>
//		secret            <placeholder>
//		trusted_proxies   <module> …
//		client_ip_header  <name>
//		without_header    refuse|peer
//		operator_networks <range>…
//		session {
//			lifetime <duration>
//			idle     <duration>
//			bind     network|address|off
//			step_up  <duration>|off
//		}
//		sign_in {
//			attempts      <n> [within <duration>] [lock <duration>]
//			second_factor required|optional|off
//		}
//		retention         <duration>
//		retention_floor   <duration>
//		places            <file>…
//		deliver syslog tcp|tls://<host>[:<port>] {
//			name, tenant, format, facility, ca, client_certificate
//		}
//		deliver webhook <url> {
//			secret, name, tenant, format, ca, client_certificate
//		}
//		mail {
//			server smtp|smtps://[<user>@]<host>[:<port>]
//			password, from, ca, starttls
//		}
//		alert_webhooks    public|anywhere
//		node              <name>
//	}
func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // the name of the option
	if existing != nil {
		return nil, d.Err("the global option sallyport stands twice: write it once")
	}
	app := new(App)
	if err := block(d, global, app); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "sallyport", Value: caddyconfig.JSON(app, nil)}, nil
}

// parseDirective reads
//
//	sallyport [<tenant>] {
//		tenant_from host|login
//		login       on|off
//		console     on|off
//	}
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // the name of the directive
	handler := new(Handler)
	if h.NextArg() {
		// Paths are compared cleaned and passed on as they were sent, so that
		// a matcher would leave ways round the gate.
		if text := h.Val(); strings.HasPrefix(text, "/") || strings.HasPrefix(text, "*") || strings.HasPrefix(text, "@") {
			return nil, h.Errf("sallyport takes no matcher, here %s: it protects the whole site; give what is public a site of its own", text)
		}
		if err := gate.ValidSlug(h.Val()); err != nil { // here, for the line
			return nil, h.WrapErr(err)
		}
		handler.Tenant = h.Val()
	}
	if err := block(h.Dispenser, siteWords, handler); err != nil {
		return nil, err
	}
	if err := handler.Validate(); err != nil {
		return nil, h.WrapErr(err)
	}
	return h.NewRoute(nil, handler), nil
}

// block reads the block of a line without further arguments.
func block[T any](d *caddyfile.Dispenser, w words[T], to *T) error {
	name := d.Val()
	if d.NextArg() {
		return d.Errf("%q is one word too many after %s", d.Val(), name)
	}
	return w.parse(d, to)
}

// one reads the one argument of an option.
func one(d *caddyfile.Dispenser, what string) (string, error) {
	name := d.Val()
	if !d.NextArg() || d.Val() == "" {
		return "", d.Errf("%s needs a value: %s", name, what)
	}
	value := d.Val()
	if d.NextArg() {
		return "", d.Errf("%q is one word too many after %s %s", d.Val(), name, value)
	}
	return value, nil
}

// choice reads one of some words.
func choice[T ~string](d *caddyfile.Dispenser, to *T, known ...T) error {
	name := d.Val()
	words := make([]string, len(known))
	for i, word := range known {
		words[i] = string(word)
	}
	value, err := one(d, strings.Join(words, ", "))
	if err != nil {
		return err
	}
	if err := oneOf(name, T(value), known...); err != nil {
		return d.WrapErr(err)
	}
	*to = T(value)
	return nil
}

func onOff(d *caddyfile.Dispenser, to **bool) error {
	var word string
	if err := choice(d, &word, "on", "off"); err != nil {
		return err
	}
	*to = new(word == "on")
	return nil
}

// duration reads a length of time, which may be in days.
func duration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	name := d.Val()
	text, err := one(d, "a duration such as 30m, 12h or 365d")
	if err != nil {
		return err
	}
	return parseDuration(d, name, text, to)
}

func parseDuration(d *caddyfile.Dispenser, name, text string, to *caddy.Duration) error {
	value, err := caddy.ParseDuration(text)
	if err != nil || value <= 0 {
		return d.Errf("%s: %q is not a duration: write one such as 30m, 12h or 365d", name, text)
	}
	*to = caddy.Duration(value)
	return nil
}

// parseStepUp reads a length of time, or off.
func parseStepUp(d *caddyfile.Dispenser, s *Session) error {
	name := d.Val()
	text, err := one(d, "a duration such as 10m, or off")
	if err != nil {
		return err
	}
	s.StepUp = new(caddy.Duration)
	if text == "off" {
		return nil
	}
	return parseDuration(d, name, text, s.StepUp)
}

// parseAttempts reads: attempts 5 within 15m lock 15m.
func parseAttempts(d *caddyfile.Dispenser, s *SignIn) error {
	const how = "write: attempts 5 within 15m lock 15m"
	if !d.NextArg() {
		return d.Errf("attempts needs a number: %s", how)
	}
	n, err := strconv.Atoi(d.Val())
	if err != nil || n < 1 {
		return d.Errf("attempts: %q is not a number from 1 on: %s", d.Val(), how)
	}
	s.Attempts = n
	times := map[string]*caddy.Duration{"within": &s.Within, "lock": &s.Lock}
	for d.NextArg() {
		name := d.Val()
		to, known := times[name]
		switch {
		case !known:
			return d.Errf("attempts: %q is one word too many: %s", name, how)
		case *to != 0:
			return d.Errf("attempts: %s stands twice: %s", name, how)
		case !d.NextArg():
			return d.Errf("attempts: %s needs a duration: %s", name, how)
		}
		if err := parseDuration(d, "attempts "+name, d.Val(), to); err != nil {
			return err
		}
	}
	return nil
}

func parseClientIPHeader(d *caddyfile.Dispenser, a *App) error {
	name, err := one(d, "the one header that your proxies write, such as X-Forwarded-For")
	if err != nil {
		return err
	}
	if err := checkClientIPHeader(name); err != nil {
		return d.Errf("client_ip_header: %w", err)
	}
	a.ClientIPHeader = name
	return nil
}

// parseTrustedProxies reads any module of Caddy that lists addresses.
func parseTrustedProxies(d *caddyfile.Dispenser, a *App) error {
	if !d.NextArg() {
		return d.Err("trusted_proxies needs a source of addresses: write static and the ranges of your proxies")
	}
	name := d.Val()
	id := "http.ip_sources." + name
	if _, err := caddy.GetModule(id); err != nil {
		return d.Errf("trusted_proxies: %q is no source of addresses: write static and the ranges of your proxies", name)
	}
	module, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return err
	}
	source, ok := module.(caddyhttp.IPRangeSource)
	if !ok {
		return d.Errf("trusted_proxies: %s lists no addresses", id)
	}
	if static, ok := source.(*caddyhttp.StaticIPRange); ok {
		if err := checkStatic(d, static); err != nil {
			return err
		}
	}
	a.TrustedProxiesRaw = caddyconfig.JSONModuleObject(source, "source", name, nil)
	return nil
}

// checkStatic says now what would only come up when the configuration is loaded,
// and without a line.
func checkStatic(d *caddyfile.Dispenser, static *caddyhttp.StaticIPRange) error {
	if len(static.Ranges) == 0 {
		return d.Err("trusted_proxies static needs the ranges of your proxies")
	}
	for _, text := range static.Ranges {
		p, err := caddyhttp.CIDRExpressionToPrefix(text)
		if err != nil {
			return d.Errf("trusted_proxies: %q is neither an address nor a CIDR", text)
		}
		if p.Bits() == 0 {
			return d.Errf("trusted_proxies: %s would let every visitor choose its own address: name the addresses of your proxies", text)
		}
	}
	return nil
}

func parseOperatorNetworks(d *caddyfile.Dispenser, a *App) error {
	for d.NextArg() {
		r, _, err := cidr.Parse(d.Val())
		if err != nil {
			return d.Errf("operator_networks: %w", err)
		}
		a.OperatorNetworks = append(a.OperatorNetworks, r.String())
	}
	if len(a.OperatorNetworks) == 0 {
		return d.Err("operator_networks needs addresses or ranges, such as 203.0.113.0/28")
	}
	return nil
}

func parsePlaces(d *caddyfile.Dispenser, a *App) error {
	for d.NextArg() {
		if d.Val() == "" {
			return d.Err("places: a file has no name")
		}
		if slices.Contains(a.Places, d.Val()) {
			return d.Errf("places: %s stands twice: write it once", d.Val())
		}
		a.Places = append(a.Places, d.Val())
	}
	if len(a.Places) == 0 {
		return d.Err("places needs files in MaxMind's format, such as /var/lib/GeoIP/GeoLite2-Country.mmdb /var/lib/GeoIP/GeoLite2-ASN.mmdb")
	}
	return nil
}
