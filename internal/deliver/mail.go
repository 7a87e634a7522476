package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
)

// Mailer sends e-mails through one server (SMTP, RFC 5321).
type Mailer struct{ o MailOptions }

// MailOptions describe a mail server.
type MailOptions struct {
	// Server is smtp://[user@]host[:port], which must offer STARTTLS, or
	// smtps:// for TLS from the start.
	Server   *url.URL
	Password string // of the user
	From     *netmail.Address
	TLS      *tls.Config // nil: the system's roots
	// Plain allows a server without STARTTLS, for one on this machine. It gets
	// no password then.
	Plain bool
}

// ParseServer reads the address of a mail server.
func ParseServer(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no mail server: write one such as smtp://user@mail.example.com:587", text)
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("a password does not stand in the address: write it as password {env.SALLYPORT_MAIL_PASSWORD}")
	}
	return u, nil
}

// NewMailer makes one. It connects when there is something to send.
func NewMailer(o MailOptions) *Mailer { return &Mailer{o} }

// Letter is an e-mail of plain text.
type Letter struct {
	ID            string // the same when it is sent again
	To            string
	Subject, Text string
}

// Send returns nil when the server has taken the letter.
func (m *Mailer) Send(ctx context.Context, l *Letter) error {
	msg, err := m.message(l)
	if err != nil {
		return err
	}
	c, err := m.client(ctx)
	if err != nil {
		return err
	}
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		if ctx.Err() != nil {
			return errors.New("the mail server did not answer in time")
		}
		return fmt.Errorf("sending through %s: %w", m.o.Server.Host, err)
	}
	return nil
}

func (m *Mailer) message(l *Letter) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.o.From)
	if err := msg.To(l.To); err != nil {
		return nil, err
	}
	// A header ends with its line; the library encodes what is not ASCII.
	msg.Subject(strings.Join(strings.FieldsFunc(l.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }), " "))
	_, domain, _ := strings.Cut(m.o.From.Address, "@")
	msg.SetMessageIDWithValue(l.ID + "@" + domain)
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answers from machines
	msg.SetBodyString(mail.TypeTextPlain, l.Text)
	return msg, nil
}

// client makes one that gives up when the context ends.
func (m *Mailer) client(ctx context.Context) (*mail.Client, error) {
	u, config := m.o.Server, client(m.o.TLS, m.o.Server.Hostname())
	options := []mail.Option{mail.WithTimeout(connectWithin), mail.WithTLSConfig(config)}
	options = append(options, mail.WithDialContextFunc(func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer().DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() }) // the library only knows its own time-out
		if u.Scheme == "smtps" {
			return tls.Client(conn, config), nil
		}
		return conn, nil
	}))
	switch {
	case u.Scheme == "smtps":
		options = append(options, mail.WithSSL(), mail.WithPort(465))
	case m.o.Plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithPort(25))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithPort(587))
	}
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithPort(port))
	}
	if u.User != nil {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(m.o.Password))
	}
	return mail.NewClient(u.Hostname(), options...)
}
