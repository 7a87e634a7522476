package caddymodule

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/sallyport-gate/sallyport/internal/deliver"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Deliver is a place outside that attempts go on to, each within seconds of
// being complete, in one order, and none lost while the other side is away.
type Deliver struct {
	// Type is "syslog" or "webhook".
	Type string `json:"type"`

	// Address is tcp://host:port or tls://host:port of a syslog server, or the
	// https:// address of a webhook. Placeholders are replaced.
	Address string `json:"address"`

	// Name is what its position is kept under. Default: the address and the
	// tenant, so that with another address it begins anew.
	Name string `json:"name,omitempty"`

	// Tenant is the short name of the only tenant whose attempts go there.
	// Default: those of all.
	Tenant string `json:"tenant,omitempty"`

	// Format of syslog messages: "text" (the default; everything is in the
	// structured data beside it), "jsonl", "ecs", "ocsf" or "cef". Format of
	// what a webhook gets: "jsonl" (the default), "ecs" or "ocsf".
	Format string `json:"format,omitempty"`

	// Facility of syslog messages. Default: authpriv.
	Facility string `json:"facility,omitempty"`

	// Secret signs what a webhook gets: whsec_ and 24 to 64 bytes in base64,
	// best given as a placeholder such as {env.SALLYPORT_WEBHOOK_SECRET}.
	Secret string `json:"secret,omitempty"`

	// CA is a file with the certificates (PEM) to trust in place of the
	// system's.
	CA string `json:"ca,omitempty"`

	// ClientCertificate are the files of the certificate and the key to show.
	ClientCertificate []string `json:"client_certificate,omitempty"`
}

// What Deliver.Type can be, with the formats of each, the default first.
var deliverFormats = map[string][]export.Format{
	"syslog":  {deliver.Text, export.JSONLines, export.ECS, export.OCSF, export.CEF},
	"webhook": {export.JSONLines, export.ECS, export.OCSF},
}

// deliverWords are the options of a destination, by its type.
var deliverWords = map[string]words[Deliver]{
	"syslog": withTLSWords(words[Deliver]{
		"facility": func(d *caddyfile.Dispenser, o *Deliver) error {
			return choice(d, &o.Facility, slices.Sorted(maps.Keys(deliver.Facilities))...)
		},
	}, "syslog"),
	"webhook": withTLSWords(words[Deliver]{
		"secret": func(d *caddyfile.Dispenser, o *Deliver) (err error) {
			o.Secret, err = one(d, "a placeholder such as {env.SALLYPORT_WEBHOOK_SECRET}")
			return
		},
	}, "webhook"),
}

// withTLSWords adds what all types of destinations have.
func withTLSWords(w words[Deliver], kind string) words[Deliver] {
	w["name"] = func(d *caddyfile.Dispenser, o *Deliver) (err error) {
		o.Name, err = one(d, "a short name")
		return
	}
	w["tenant"] = func(d *caddyfile.Dispenser, o *Deliver) (err error) {
		if o.Tenant, err = one(d, "the short name of a tenant"); err != nil {
			return err
		}
		if err := gate.ValidSlug(o.Tenant); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
	w["format"] = func(d *caddyfile.Dispenser, o *Deliver) error {
		formats := make([]string, len(deliverFormats[kind]))
		for i, f := range deliverFormats[kind] {
			formats[i] = string(f)
		}
		return choice(d, &o.Format, formats...)
	}
	w["ca"] = func(d *caddyfile.Dispenser, o *Deliver) (err error) {
		o.CA, err = one(d, "a file with certificates")
		return
	}
	w["client_certificate"] = func(d *caddyfile.Dispenser, o *Deliver) error {
		o.ClientCertificate = d.RemainingArgs()
		if len(o.ClientCertificate) != 2 {
			return d.Err("client_certificate needs two files: the certificate and its key")
		}
		return nil
	}
	return w
}

// parseDeliver reads: deliver syslog|webhook <address> { … }.
func parseDeliver(d *caddyfile.Dispenser, a *App) error {
	const how = "write: deliver syslog tls://logs.example.com:6514, or: deliver webhook https://hooks.example.com/sallyport"
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.Errf("deliver needs a type and an address: %s", how)
	}
	o := Deliver{Type: args[0], Address: args[1]}
	w, known := deliverWords[o.Type]
	if !known {
		return d.Errf("deliver: %q is no type: %s", o.Type, how)
	}
	if !strings.Contains(o.Address, "{") {
		if _, err := o.parseAddress(); err != nil {
			return d.Errf("deliver: %w", err)
		}
	}
	if err := w.parse(d, &o); err != nil {
		return err
	}
	if o.Type == "webhook" && o.Secret == "" {
		return d.Errf("deliver webhook needs a secret, which tells the other side that it is you: write secret {env.SALLYPORT_WEBHOOK_SECRET}")
	}
	a.Deliver = append(a.Deliver, o)
	return nil
}

func (o *Deliver) parseAddress() (*url.URL, error) {
	if o.Type == "webhook" {
		u, err := deliver.CheckURL(o.Address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Type, err)
		}
		return u, nil
	}
	u, err := url.Parse(o.Address)
	if err != nil || u.Hostname() == "" || u.Scheme != "tcp" && u.Scheme != "tls" || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("syslog: %q is no address of a server: write one such as tls://logs.example.com:6514", o.Address)
	}
	if u.Port() == "" {
		port := map[string]string{"tcp": "514", "tls": "6514"}[u.Scheme] // RFC 6587 and RFC 5425
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// newDestinations checks where attempts go on to, without connecting.
func newDestinations(list []Deliver) ([]gate.Destination, error) {
	var all []gate.Destination
	for i := range list {
		d, err := list[i].destination()
		if err != nil {
			return nil, fmt.Errorf("deliver %s: %w", list[i].Type, err)
		}
		if d.Name == gate.AlertsDelivery.Name {
			return nil, fmt.Errorf("deliver: the name %s is that of Sallyport's own alerts: choose another", d.Name)
		}
		if slices.ContainsFunc(all, func(other gate.Destination) bool { return other.Name == d.Name }) {
			return nil, fmt.Errorf("deliver: there are two destinations %s: give them names", d.Name)
		}
		all = append(all, d)
	}
	return all, nil
}

func (o Deliver) destination() (d gate.Destination, err error) {
	formats, known := deliverFormats[o.Type]
	if !known {
		return d, fmt.Errorf("%q is no type: write one of %s", o.Type, strings.Join(slices.Sorted(maps.Keys(deliverFormats)), ", "))
	}
	for name, text := range map[string]*string{"address": &o.Address, "secret": &o.Secret, "ca": &o.CA} {
		if *text, err = fillIn(name, *text); err != nil {
			return d, err
		}
	}
	u, err := o.parseAddress()
	if err != nil {
		return d, err
	}
	format := cmp.Or(export.Format(o.Format), formats[0])
	if err := oneOf("format", format, formats...); err != nil {
		return d, err
	}
	tlsConfig, err := o.tlsConfig()
	if err != nil {
		return d, err
	}
	d = gate.Destination{Name: o.Name, Kind: o.Type, Address: deliver.Shown(u), Tenant: o.Tenant, Config: fmt.Sprintf("%+v", o)}
	if d.Name == "" {
		d.Name = strings.TrimSpace(d.Address + " " + o.Tenant)
	}
	d.Open, err = o.opener(u, format, tlsConfig)
	return d, err
}

// opener returns what makes the sink.
func (o Deliver) opener(u *url.URL, format export.Format, tlsConfig *tls.Config) (func() gate.Sink, error) {
	if o.Type == "webhook" {
		secret, err := deliver.NewSecret(o.Secret)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		return func() gate.Sink {
			return deliver.NewWebhook(deliver.WebhookOptions{URL: u, Secret: secret, Format: format, TLS: tlsConfig})
		}, nil
	}
	facility, known := deliver.Facilities[cmp.Or(o.Facility, "authpriv")]
	if !known {
		return nil, fmt.Errorf("there is no facility %q: write one of %s", o.Facility, strings.Join(slices.Sorted(maps.Keys(deliver.Facilities)), ", "))
	}
	if u.Scheme != "tls" {
		if o.CA != "" || o.ClientCertificate != nil {
			return nil, errors.New("tcp:// is not encrypted and shows no certificates: write tls://")
		}
		tlsConfig = nil
	}
	return func() gate.Sink {
		return deliver.NewSyslog(deliver.SyslogOptions{Address: u.Host, TLS: tlsConfig, Format: format, Facility: facility})
	}, nil
}

// trustOf is a configuration of TLS that trusts the certificates of a file;
// empty: the system's.
func trustOf(file string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return config, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s has no certificates in PEM", file)
	}
	return config, nil
}

// tlsConfig reads the files that it names.
func (o *Deliver) tlsConfig() (*tls.Config, error) {
	config, err := trustOf(o.CA)
	if err != nil {
		return nil, err
	}
	if files := o.ClientCertificate; files != nil {
		if len(files) != 2 {
			return nil, errors.New("client_certificate needs two files: the certificate and its key")
		}
		if _, err := tls.LoadX509KeyPair(files[0], files[1]); err != nil {
			return nil, fmt.Errorf("client_certificate: %w", err)
		}
		// Read anew each time, since certificates are replaced.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(files[0], files[1])
			return &pair, err
		}
	}
	return config, nil
}

// printDeliveries prints how far destinations have come as a table; nothing
// without any.
func printDeliveries(w io.Writer, list []gate.Delivery) {
	if len(list) == 0 {
		return
	}
	now := time.Now()
	line(w, "")
	row(w, "DELIVERS TO", "DELIVERED", "WAITING", "LAG", "DROPPED", "LAST SUCCESS", "STATE")
	for i := range list {
		d := &list[i]
		row(w, d.Name, d.Delivered, d.Waiting, d.Lag(now).Round(time.Second), d.Dropped, stamp(d.LastSuccess), deliveryState(d, now))
	}
}

// deliveryState says in words how a destination is.
func deliveryState(d *gate.Delivery, now time.Time) string {
	switch {
	case d.LastError != "":
		return fmt.Sprintf("failing since %s: %s", stamp(d.Failing), export.Plain(d.LastError))
	case d.Node == "" || now.Sub(d.Seen) > time.Minute:
		return "no node delivers"
	}
	return "in order"
}
