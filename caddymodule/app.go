// Package caddymodule makes Sallyport a plugin of Caddy: the app sallyport, the
// handler and directive of the same name, the matcher sallyport_network,
// metrics, endpoints of the admin API, and the commands "caddy sallyport …".
// Importing it registers all of them.
//
// It decides nothing. [Handler] is the only switchboard: it finds out who comes
// from where, asks the gate, and sends the request to the gate's own pages, a
// refusal, or the console behind.
package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/deliver"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/geo"
)

func init() { caddy.RegisterModule(new(App)) }

// App is the installation that all protected sites of a configuration share:
// where its store is, how addresses are found, and the rules of sessions and
// sign-ins. What is not set has the default that stands with it. Durations are
// written as Caddy's are: "12h", "365d".
type App struct {
	// Store is where everything is kept: sqlite:/path/to/file.db, or
	// postgres://user@host:5432/database. Placeholders are replaced. Default:
	// sallyport/sallyport.db in Caddy's data folder.
	Store string `json:"store,omitempty"`

	// Secret encrypts what is secret at rest: 32 bytes or more, best given as a
	// placeholder such as {file./etc/sallyport/secret}. Default for SQLite: the
	// file of the store with .secret added, made at the first start. PostgreSQL
	// has no default.
	Secret string `json:"secret,omitempty"`

	// TrustedProxies are the addresses whose ClientIPHeader is believed.
	// Default: nobody's. Caddy's option of this name for servers is not used.
	TrustedProxiesRaw json.RawMessage `json:"trusted_proxies,omitempty" caddy:"namespace=http.ip_sources inline_key=source"`

	// ClientIPHeader is the one header that the trusted proxies write the
	// visitor's address to. Default: X-Forwarded-For.
	ClientIPHeader string `json:"client_ip_header,omitempty"`

	// WithoutHeader says what a trusted proxy means that does not send the
	// header: "refuse" (the default) or "peer", its own address.
	WithoutHeader string `json:"without_header,omitempty"`

	// OperatorNetworks are addresses and ranges that every tenant admits, for
	// support. Every use is recorded. Default: none.
	OperatorNetworks []string `json:"operator_networks,omitempty"`

	// Session are the rules of sessions.
	Session Session `json:"session,omitzero"`

	// SignIn are the rules of signing in.
	SignIn SignIn `json:"sign_in,omitzero"`

	// Retention is how long attempts are kept, from 1 hour to 10 years; a tenant
	// may keep its own for less. Default: 365d.
	Retention caddy.Duration `json:"retention,omitempty"`

	// RetentionFloor is how short a tenant may make its own retention, from 1
	// hour to Retention. Default: 30d, or Retention where that is less.
	RetentionFloor caddy.Duration `json:"retention_floor,omitempty"`

	// Places are files in MaxMind's format (.mmdb) that tell the country or
	// region of an address, and the network that it belongs to, for people to
	// read. Of several, the first that knows counts. Placeholders are replaced;
	// files that are replaced are read again. Default: none.
	Places []string `json:"places,omitempty"`

	// Deliver is where attempts go on to: syslog servers and webhooks.
	// Default: nowhere.
	Deliver []Deliver `json:"deliver,omitempty"`

	// Mail is the server that alerts are sent through. Default: none, and
	// tenants cannot have alerts by e-mail.
	Mail *Mail `json:"mail,omitempty"`

	// AlertWebhooks says which addresses the webhooks of tenants may have:
	// "public" (the default), those of the internet, or "anywhere", also those
	// inside of this network.
	AlertWebhooks string `json:"alert_webhooks,omitempty"`

	// Node is the name of this program in records. Default: the host name.
	Node string `json:"node,omitempty"`

	ctx          caddy.Context
	logger       *zap.Logger
	source       *gate.Source
	header       proxyHeader
	rules        gate.Rules
	places       *geo.Files                 // nil: none
	destinations []gate.Destination         // where attempts go on to
	mailer       *deliver.Mailer            // nil: there is no mail server
	unwatch      func()                     // ends what watches them; nil: nothing does
	install      *installation              // shared with the configurations before and after this one
	joined       bool                       // and to be left
	servers      map[*caddyhttp.Server]bool // that have protected sites
	streams      sync.Once                  // see keepStreams
}

// Session are the rules of sessions.
type Session struct {
	Lifetime caddy.Duration `json:"lifetime,omitempty"` // from sign-in, up to 30d; default: 12h
	Idle     caddy.Duration `json:"idle,omitempty"`     // without a request; default: 30m
	Bind     gate.Bind      `json:"bind,omitempty"`     // network (default), address or off
	// StepUp is how long a proof of who is signed in counts for what is sensitive,
	// such as to apply a list or invite people. 0: to the end of the session.
	// Default: 10m.
	StepUp *caddy.Duration `json:"step_up,omitempty"`
}

// SignIn are the rules of signing in. An account and an address have so many
// failed attempts within a time, and are locked for another when they are used
// up.
type SignIn struct {
	Attempts     int               `json:"attempts,omitempty"`      // default: 5
	Within       caddy.Duration    `json:"within,omitempty"`        // default: 15m
	Lock         caddy.Duration    `json:"lock,omitempty"`          // default: 15m
	SecondFactor gate.SecondFactor `json:"second_factor,omitempty"` // required (default), optional or off
}

// Values of WithoutHeader.
const (
	withoutHeaderRefuse = "refuse"
	withoutHeaderPeer   = "peer"
)

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "sallyport", New: func() caddy.Module { return new(App) }}
}

// Provision sets defaults, reads what the options refer to, and joins the
// installation that the configuration before this one uses, if it is the same.
// It writes nothing, so that "caddy validate" does not either: a fresh store is
// made by Start.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger, a.servers = ctx, ctx.Logger(), map[*caddyhttp.Server]bool{}
	a.setDefaults()
	if err := a.replacePlaceholders(); err != nil {
		return err
	}
	if err := a.loadSource(ctx); err != nil {
		return err
	}
	if err := a.setRules(); err != nil {
		return err
	}
	var err error
	if a.places, err = openPlaces(a.Places); err != nil {
		return err
	}
	if a.destinations, err = newDestinations(a.Deliver); err != nil {
		return err
	}
	if a.mailer, err = a.Mail.mailer(); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	if a.install, err = join(ctx, a.Store, a.Secret, a.Node); err != nil {
		return err
	}
	a.joined = true
	return a.registerMetrics(ctx.GetMetricsRegistry())
}

func (a *App) setDefaults() {
	setDefault(&a.Store, defaultDSN())
	setDefault(&a.ClientIPHeader, "X-Forwarded-For")
	setDefault(&a.WithoutHeader, withoutHeaderRefuse)
	setDefault(&a.Session.Lifetime, caddy.Duration(12*time.Hour))
	setDefault(&a.Session.Idle, min(a.Session.Lifetime, caddy.Duration(30*time.Minute)))
	setDefault(&a.Session.Bind, gate.BindNetwork)
	setDefault(&a.Session.StepUp, new(caddy.Duration(10*time.Minute)))
	setDefault(&a.SignIn.Attempts, 5)
	setDefault(&a.SignIn.Within, caddy.Duration(15*time.Minute))
	setDefault(&a.SignIn.Lock, caddy.Duration(15*time.Minute))
	setDefault(&a.SignIn.SecondFactor, gate.SecondFactorRequired)
	setDefault(&a.AlertWebhooks, webhooksPublic)
	setDefault(&a.Retention, caddy.Duration(gate.DefaultRetention))
	setDefault(&a.RetentionFloor, min(a.Retention, caddy.Duration(gate.DefaultRetentionFloor)))
	if a.Node == "" {
		name, err := os.Hostname()
		if err != nil || name == "" {
			name = "localhost"
		}
		a.Node = name
	}
}

func setDefault[T comparable](option *T, value T) {
	var zero T
	if *option == zero {
		*option = value
	}
}

// defaultDSN is the store of who names none.
func defaultDSN() string {
	return "sqlite:" + filepath.Join(caddy.AppDataDir(), "sallyport", "sallyport.db")
}

func (a *App) replacePlaceholders() error {
	for _, o := range []struct {
		name string
		text *string
	}{{"store", &a.Store}, {"secret", &a.Secret}, {"node", &a.Node}} {
		text, err := fillIn(o.name, *o.text)
		if err != nil {
			return err
		}
		*o.text = text
	}
	var err error
	a.Places, err = replacePlaces(a.Places)
	return err
}

// fillIn returns the text of an option with its placeholders replaced. One that
// stands for nothing is an error, since an empty secret would be none.
func fillIn(option, text string) (string, error) {
	filled, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
	if err == nil {
		return strings.TrimSpace(filled), nil
	}
	advice := "set what it stands for"
	if _, rest, isFile := strings.Cut(text, "{file."); isFile {
		file, _, _ := strings.Cut(rest, "}")
		advice = "put the file there, so that the user whom Caddy runs as may read it"
		if option == "secret" {
			advice += "; for a new store, make it with 'openssl rand -base64 48 >" + file + "'"
		}
	}
	return "", fmt.Errorf("%s: %w: %s", option, err, advice)
}

// setRules turns options into what the gate decides by.
func (a *App) setRules() error {
	operator := make([]cidr.Range, len(a.OperatorNetworks))
	for i, text := range a.OperatorNetworks {
		r, _, err := cidr.Parse(text)
		if err != nil {
			return fmt.Errorf("operator_networks: %w", err)
		}
		operator[i] = r
	}
	a.rules = gate.Rules{
		Lifetime: time.Duration(a.Session.Lifetime),
		Idle:     time.Duration(a.Session.Idle),
		Bind:     a.Session.Bind,
		StepUp:   time.Duration(*a.Session.StepUp),
		Throttle: gate.Throttle{
			Attempts: a.SignIn.Attempts,
			Within:   time.Duration(a.SignIn.Within),
			Lock:     time.Duration(a.SignIn.Lock),
		},
		SecondFactor: a.SignIn.SecondFactor,
		Operator:     cidr.NewSet(operator),
	}
	return nil
}

// Validate checks options against each other and against sane bounds.
func (a *App) Validate() error {
	return errors.Join(
		between("session lifetime", a.Session.Lifetime, time.Minute, gate.MaxLifetime),
		between("session idle", a.Session.Idle, time.Second, time.Duration(a.Session.Lifetime)),
		a.validateStepUp(),
		oneOf("session bind", a.Session.Bind, gate.BindNetwork, gate.BindAddress, gate.BindOff),
		a.validateAttempts(),
		between("sign_in within", a.SignIn.Within, time.Second, 30*24*time.Hour),
		between("sign_in lock", a.SignIn.Lock, time.Second, 30*24*time.Hour),
		oneOf("sign_in second_factor", a.SignIn.SecondFactor, gate.SecondFactorRequired, gate.SecondFactorOptional, gate.SecondFactorOff),
		oneOf("alert_webhooks", a.AlertWebhooks, webhooksPublic, webhooksAnywhere),
		oneOf("without_header", a.WithoutHeader, withoutHeaderRefuse, withoutHeaderPeer),
		between("retention", a.Retention, gate.MinRetention, gate.MaxRetention),
		between("retention_floor", a.RetentionFloor, gate.MinRetention, time.Duration(a.Retention)),
		a.validateNode(),
	)
}

func (a *App) validateStepUp() error {
	if *a.Session.StepUp == 0 {
		return nil
	}
	return between("session step_up", *a.Session.StepUp, time.Second, gate.MaxLifetime)
}

func (a *App) validateAttempts() error {
	if n := a.SignIn.Attempts; n < 1 || n > 1000 {
		return fmt.Errorf("sign_in attempts is %d: write 1 to 1000", n)
	}
	return nil
}

func (a *App) validateNode() error {
	if len(a.Node) > 253 || strings.ContainsFunc(a.Node, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("node is %q: write at most 253 letters, digits and signs, without spaces", a.Node)
	}
	return nil
}

func between(option string, value caddy.Duration, least, most time.Duration) error {
	if d := time.Duration(value); d < least || d > most {
		return fmt.Errorf("%s is %s: write %s to %s", option, d, least, most)
	}
	return nil
}

func oneOf[T ~string](option string, value T, known ...T) error {
	if slices.Contains(known, value) {
		return nil
	}
	words := make([]string, len(known))
	for i, word := range known {
		words[i] = string(word)
	}
	return fmt.Errorf("%s is %q: write one of %s", option, value, strings.Join(words, ", "))
}

// Start opens the store, unless the configuration before this one did. Requests
// that come earlier, since Caddy starts apps in any order, wait for it.
func (a *App) Start() error {
	if err := a.install.open(a.logger, a.retention()); err != nil {
		return err
	}
	a.install.show(a)
	a.watchPlaces()
	elsewhere := false
	for server := range a.servers {
		if a.source.Trusted == nil && trustsProxies(server) {
			elsewhere = true
			a.logger.Warn(trustWarning, zap.String("server", server.Name()))
		}
	}
	g := a.install.gate.Load()
	g.SetTrustElsewhere(elsewhere)
	g.SetCertificates(certificateOf)
	return nil
}

func (a *App) retention() gate.RetentionBounds {
	return gate.RetentionBounds{Floor: time.Duration(a.RetentionFloor), Most: time.Duration(a.Retention)}
}

// keepStreams is called before the first request reaches a console, and before
// the proxies in front of consoles are taken down.
func (a *App) keepStreams() {
	a.streams.Do(func() {
		for server := range a.servers {
			keepStreams(server.Routes, false, a.Session.Lifetime)
		}
	})
}

// Stop leaves the gate running: requests under way still need it. Cleanup lets go
// of it when every app has stopped.
func (a *App) Stop() error {
	a.keepStreams()
	if a.unwatch != nil {
		a.unwatch()
	}
	return nil
}

// Cleanup leaves the installation, which ends when nobody is left in it. It is
// also called after a Provision that failed half-way.
func (a *App) Cleanup() error {
	if !a.joined {
		return nil
	}
	a.joined = false
	a.install.hide(a)
	return a.install.leave()
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
