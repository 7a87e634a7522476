package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// answerMost bounds what is read of an answer, which nobody looks at: reading
// it lets the connection be used again.
const answerMost = 64 << 10

// Webhook hands attempts over to a web server, as signed JSON:
//
//	{"type":"attempts","timestamp":"…","data":[{"id":"…","reference":"…", …}, …]}
//
// What is sent again has the same ids. Redirects are not followed: the answer
// of another server is none.
type Webhook struct {
	url    *url.URL
	secret Secret
	format export.Format
	client *http.Client
	now    func() time.Time
}

// WebhookOptions describe a webhook.
type WebhookOptions struct {
	URL    *url.URL // https
	Secret Secret
	Format export.Format // JSONLines, ECS or OCSF
	TLS    *tls.Config   // nil: the system's roots
}

// NewWebhook makes a sink. It connects when there is something to send.
func NewWebhook(o WebhookOptions) *Webhook {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer().DialContext, TLSClientConfig: client(o.TLS, o.URL.Hostname()),
		TLSHandshakeTimeout: connectWithin, MaxIdleConns: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
	return &Webhook{url: o.URL, secret: o.Secret, format: o.Format, client: newClient(transport), now: time.Now}
}

func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var _ gate.Sink = (*Webhook)(nil)

// Deliver implements gate.Sink.
func (w *Webhook) Deliver(ctx context.Context, out *gate.Outgoing) error {
	body, err := w.body(out)
	if err != nil {
		return err
	}
	return post(ctx, w.client, w.url, w.secret, message{out.ID, w.now(), body})
}

// Close implements gate.Sink.
func (w *Webhook) Close() error {
	w.client.CloseIdleConnections()
	return nil
}

// body writes attempts as data.
func (w *Webhook) body(out *gate.Outgoing) ([]byte, error) {
	o := options(w.format, out)
	b := fmt.Appendf(nil, `{"type":"attempts","timestamp":%q,"data":[`, w.now().UTC().Format(time.RFC3339Nano))
	for i := range out.Attempts {
		line, err := o.Line(nil, &out.Attempts[i])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		if w.format == export.JSONLines { // the others have the id inside
			b = fmt.Appendf(b, `{"id":%q,`, export.EventID(&out.Attempts[i]))
			line = line[1:]
		}
		b = append(b, line...)
	}
	return append(b, "]}"...), nil
}

// message is what is posted.
type message struct {
	id   string
	at   time.Time
	body []byte
}

// post sends a message, and returns nil when the other side has taken it.
func post(ctx context.Context, client *http.Client, to *url.URL, secret Secret, m message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(m.body))
	if err != nil {
		return plainError(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Sallyport")
	secret.sign(req.Header, m.id, m.at, m.body)
	res, err := client.Do(req)
	if err != nil {
		return plainError(err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, answerMost)
	return judge(res, m.at)
}

// judge says what an answer means.
func judge(res *http.Response, now time.Time) error {
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return fmt.Errorf("it answers %d and sends elsewhere, which is not followed: write the address where it is", res.StatusCode)
	}
	err := fmt.Errorf("it answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if after := retryAfter(res.Header.Get("Retry-After"), now); after > 0 {
		return &gate.RetryLater{After: after, Err: err}
	}
	return err
}

// retryAfter reads the header, which has seconds or a date; 0: it says nothing.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

// CheckURL reads the address of a webhook.
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, errors.New("it is no address of a web server: write one such as https://hooks.example.com/sallyport")
	}
	if u.Scheme != "https" {
		return nil, fmt.Errorf("%s:// is not encrypted: write https://", u.Scheme)
	}
	if u.User != nil || u.Fragment != "" {
		return nil, errors.New("an address has neither a user nor a #: messages are signed with the secret")
	}
	return u, nil
}
