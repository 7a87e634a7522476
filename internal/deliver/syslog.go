package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Text is the format of syslog messages for people; everything else is in the
// structured data beside it.
const Text export.Format = "text"

// Facilities of syslog, of RFC 5424 section 6.2.1, that make sense here.
var Facilities = map[string]int{
	"auth": 4, "authpriv": 10, "audit": 13, "local0": 16, "local1": 17, "local2": 18, "local3": 19,
	"local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// Severities of messages, of the same section.
const (
	severityWarning = 4
	severityInfo    = 6
)

// dataID names the structured data. 32473 is the number that RFC 5612 keeps
// for those who have none of their own.
const dataID = "sallyport@32473"

// Syslog hands attempts over to a syslog server, as RFC 5424 has the messages,
// over TCP or TLS, with the length before each (RFC 6587).
//
// Syslog acknowledges nothing. What counts as delivered is what the other
// machine has taken in while the connection stood; where it later turns out
// that the server did not read that, it is sent again. A server that loses
// what it has read is beyond this.
type Syslog struct {
	o    SyslogOptions
	line *line // nil: not connected
	// unread was sent over a connection that the server cut off without
	// reading everything.
	unread []byte
}

// SyslogOptions describe a syslog server.
type SyslogOptions struct {
	Address  string        // host:port
	TLS      *tls.Config   // nil: plain TCP
	Format   export.Format // Text, JSONLines, ECS, OCSF or CEF: what stands in the message
	Facility int
}

// NewSyslog makes a sink. It connects when there is something to send.
func NewSyslog(o SyslogOptions) *Syslog { return &Syslog{o: o} }

var _ gate.Sink = (*Syslog)(nil)

// Deliver implements gate.Sink.
func (s *Syslog) Deliver(ctx context.Context, out *gate.Outgoing) error {
	frames, err := s.frames(out)
	if err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return plainError(err)
	}
	if err := s.line.send(ctx, slices.Concat(s.unread, frames)); err != nil {
		s.drop()
		return plainError(err)
	}
	s.line.sent, s.unread = frames, nil
	return nil
}

// drop ends a connection. Unless the server ended it in order, the last batch
// is not known to have been read.
func (s *Syslog) drop() {
	ended := false
	select {
	case <-s.line.over:
		ended = errors.Is(s.line.why, io.EOF) || errors.Is(s.line.why, io.ErrUnexpectedEOF)
	default:
	}
	if !ended && s.line.sent != nil {
		s.unread = s.line.sent
	}
	s.line.close()
	s.line = nil
}

// Close implements gate.Sink.
func (s *Syslog) Close() error {
	if s.line != nil {
		s.line.close()
	}
	return nil
}

// connect makes a connection, unless there is one that stands.
func (s *Syslog) connect(ctx context.Context) error {
	if s.line != nil {
		select {
		case <-s.line.over:
			s.drop()
		default:
			return nil
		}
	}
	conn, err := dialer().DialContext(ctx, "tcp", s.o.Address)
	if err != nil {
		return err
	}
	tcp := conn
	if s.o.TLS != nil {
		host, _, _ := net.SplitHostPort(s.o.Address)
		secured := tls.Client(conn, client(s.o.TLS, host))
		within, cancel := context.WithTimeout(ctx, connectWithin)
		defer cancel()
		if err := secured.HandshakeContext(within); err != nil {
			conn.Close()
			return fmt.Errorf("setting up TLS: %w", err)
		}
		conn = secured
	}
	s.line = newLine(conn, tcp)
	return nil
}

// line is a connection to a server that never says anything but that it ends.
type line struct {
	conn net.Conn
	tcp  net.Conn // below TLS
	over chan struct{}
	why  error  // set before over is closed
	sent []byte // the last batch
}

func newLine(conn, tcp net.Conn) *line {
	l := &line{conn: conn, tcp: tcp, over: make(chan struct{})}
	go func() {
		defer close(l.over)
		_, l.why = io.Copy(io.Discard, conn)
		if l.why == nil {
			l.why = io.EOF
		}
	}()
	return l
}

func (l *line) close() { _ = l.conn.Close() }

// send returns nil when the other machine has everything.
func (l *line) send(ctx context.Context, text []byte) error {
	end := context.AfterFunc(ctx, func() { _ = l.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer end()
	if _, err := l.conn.Write(text); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("sending: %w", err)
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		timer := time.NewTimer(wait)
		select {
		case <-l.over:
			timer.Stop()
			return fmt.Errorf("the server ended the connection: %w", l.why)
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		if unacknowledged(l.tcp) == 0 {
			return nil
		}
	}
}

// frames writes the messages of a batch, each with its length before it.
func (s *Syslog) frames(out *gate.Outgoing) ([]byte, error) {
	var b, one []byte
	o := options(s.o.Format, out)
	for i := range out.Attempts {
		var err error
		if one, err = s.message(one[:0], &out.Attempts[i], o); err != nil {
			return nil, err
		}
		b = strconv.AppendInt(b, int64(len(one)), 10)
		b = append(append(b, ' '), one...)
	}
	return b, nil
}

// message writes one attempt.
func (s *Syslog) message(b []byte, a *gate.Attempt, o *export.Options) ([]byte, error) {
	severity := severityWarning
	if a.Outcome == gate.Allowed || a.Outcome == gate.WouldBlock {
		severity = severityInfo
	}
	b = fmt.Appendf(b, "<%d>1 %s %s sallyport - %s ", s.o.Facility*8+severity,
		a.FirstTime.UTC().Format("2006-01-02T15:04:05.000000Z"), word(a.Node, 255), word(string(a.Reason), 32))
	b = append(b, "["+dataID...)
	for _, f := range dataOf(a, o) {
		if f.value != "" {
			b = append(b, ` `+f.name+`="`+dataValue.Replace(export.Plain(f.value))+`"`...)
		}
	}
	b = append(b, "] "...)
	if o.Format == Text {
		return append(b, ascii(export.Summary(a))...), nil
	}
	return o.Line(b, a)
}

// dataValue escapes what RFC 5424 section 6.3.3 wants escaped.
var dataValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

type field struct{ name, value string }

// dataOf is what the structured data says, with the names of the API.
func dataOf(a *gate.Attempt, o *export.Options) []field {
	place := o.Place(a)
	return []field{
		{"id", export.EventID(a)},
		{"reference", a.Reference},
		{"tenant", o.Slug(a.Tenant)},
		{"host", a.Host},
		{"address", export.Address(a.Address, a.Bits)},
		{"country", place.Country},
		{"network", place.Network},
		{"peer", export.Address(a.Peer, a.Peer.BitLen())},
		{"stage", string(a.Stage)},
		{"outcome", string(a.Outcome)},
		{"reason", string(a.Reason)},
		{"admin", a.Login},
		{"admin_id", a.Admin},
		{"login_hash", a.LoginHash},
		{"session", a.Session},
		{"method", a.Method},
		{"path", a.Path},
		{"user_agent", a.UserAgent},
		{"list_version", number(a.ListVersion)},
		{"count", number(a.Count)},
		{"first_time", a.FirstTime.UTC().Format(time.RFC3339Nano)},
		{"last_time", a.LastTime.UTC().Format(time.RFC3339Nano)},
		{"node", a.Node},
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// word is text as the header has it: printable ASCII without spaces.
func word(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}

// ascii is text without what would need the mark of UTF-8 before it, which
// many servers take for a part of the message.
func ascii(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}
