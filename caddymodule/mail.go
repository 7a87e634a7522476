package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/sallyport-gate/sallyport/internal/deliver"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/web"
)

// Mail is the server that e-mails go out through.
type Mail struct {
	// Server is smtp://[user@]host[:port], which must offer STARTTLS, or
	// smtps://[user@]host[:port]. Placeholders are replaced.
	Server string `json:"server,omitempty"`

	// Password of the user, best given as a placeholder.
	Password string `json:"password,omitempty"`

	// From is the address that e-mails come from: sallyport@example.com, or
	// "Sallyport <sallyport@example.com>".
	From string `json:"from,omitempty"`

	// CA is a file with the certificates (PEM) to trust in place of the
	// system's.
	CA string `json:"ca,omitempty"`

	// StartTLS is "required" (the default), or "off" for a server on this
	// machine, which gets no password then.
	StartTLS string `json:"starttls,omitempty"`
}

// Values of Mail.StartTLS and App.AlertWebhooks.
const (
	startTLSRequired = "required"
	startTLSOff      = "off"

	webhooksPublic   = "public"
	webhooksAnywhere = "anywhere"
)

var mailWords = words[Mail]{
	"server": func(d *caddyfile.Dispenser, m *Mail) (err error) {
		m.Server, err = one(d, "smtp://user@mail.example.com:587")
		return
	},
	"password": func(d *caddyfile.Dispenser, m *Mail) (err error) {
		m.Password, err = one(d, "a placeholder such as {env.SALLYPORT_MAIL_PASSWORD}")
		return
	},
	"from": func(d *caddyfile.Dispenser, m *Mail) (err error) {
		if m.From, err = one(d, "an address such as sallyport@example.com"); err != nil {
			return err
		}
		if _, err := netmail.ParseAddress(m.From); err != nil {
			return d.Errf("from: %q is no e-mail address: write one such as sallyport@example.com", m.From)
		}
		return nil
	},
	"ca": func(d *caddyfile.Dispenser, m *Mail) (err error) {
		m.CA, err = one(d, "a file with certificates")
		return
	},
	"starttls": func(d *caddyfile.Dispenser, m *Mail) error {
		return choice(d, &m.StartTLS, startTLSRequired, startTLSOff)
	},
}

// parseMail reads the block mail.
func parseMail(d *caddyfile.Dispenser, a *App) error {
	m := new(Mail)
	if err := block(d, mailWords, m); err != nil {
		return err
	}
	if m.Server == "" || m.From == "" {
		return d.Err("mail needs a server and from: write server smtp://user@mail.example.com:587 and from sallyport@example.com")
	}
	a.Mail = m
	return nil
}

// mailer makes what sends e-mails, without connecting; nil: nothing does.
func (m *Mail) mailer() (*deliver.Mailer, error) {
	if m == nil {
		return nil, nil
	}
	o := *m
	for name, text := range map[string]*string{"server": &o.Server, "password": &o.Password, "from": &o.From, "ca": &o.CA} {
		var err error
		if *text, err = fillIn(name, *text); err != nil {
			return nil, err
		}
	}
	server, err := deliver.ParseServer(o.Server)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("from: %q is no e-mail address", o.From)
	}
	setDefault(&o.StartTLS, startTLSRequired)
	if err := oneOf("starttls", o.StartTLS, startTLSRequired, startTLSOff); err != nil {
		return nil, err
	}
	plain := o.StartTLS == startTLSOff
	switch {
	case plain && (server.User != nil || o.Password != ""):
		return nil, errors.New("starttls off would show the password to everybody on the way: leave one of them away")
	case plain && server.Scheme == "smtps":
		return nil, errors.New("smtps:// is encrypted from the start: leave starttls away")
	case (server.User == nil) != (o.Password == ""):
		return nil, errors.New("a user and a password belong together: write server smtp://user@… and password")
	}
	tlsConfig, err := trustOf(o.CA)
	if err != nil {
		return nil, err
	}
	return deliver.NewMailer(deliver.MailOptions{Server: server, Password: o.Password, From: from, TLS: tlsConfig, Plain: plain}), nil
}

// messenger takes a tenant's messages out. It implements [gate.Messenger].
type messenger struct {
	mailer *deliver.Mailer // nil: there is no mail server
	poster *deliver.Poster
	gate   *gate.Gate
}

var _ gate.Messenger = (*messenger)(nil)

// CanMail implements gate.Messenger.
func (m *messenger) CanMail() bool { return m.mailer != nil }

// Mail implements gate.Messenger.
func (m *messenger) Mail(ctx context.Context, to, language string, a *gate.AlertMessage, t *gate.Tenant) error {
	if m.mailer == nil {
		return errors.New("this installation has no mail server")
	}
	place := func(i *gate.AlertItem) gate.Place { return m.gate.PlaceOf(i.Address, i.Bits) }
	subject, text := web.AlertText(language, a, t, place)
	return m.mailer.Send(ctx, &deliver.Letter{ID: a.ID, To: to, Subject: subject, Text: text})
}

// Post implements gate.Messenger.
func (m *messenger) Post(ctx context.Context, url string, secret []byte, a *gate.AlertMessage, t *gate.Tenant) error {
	body, err := json.Marshal(web.NewAlertJSON(a, t))
	if err != nil {
		return err
	}
	return m.poster.Post(ctx, url, secret, a.ID, body)
}
