package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// answerWithin bounds every answer of a gateway: nobody is left waiting, also
// while its store is away. The gate itself gives up after 20 seconds.
const answerWithin = 30 * time.Second

// network leads every name to one gateway, and trusts its own authority.
type network struct {
	transport *http.Transport
	port      int
}

// reach connects to the gateway; it fails until that serves.
func (g *gateway) reach() (*network, error) {
	root, err := os.ReadFile(g.root)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, errors.New("the authority's certificate cannot be read")
	}
	address := fmt.Sprintf("127.0.0.1:%d", g.port)
	n := &network{port: g.port, transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: 64,
	}}
	v := &visitor{net: n, host: g.ready, address: "192.0.2.1", client: &http.Client{Transport: n.transport, Timeout: 2 * time.Second}}
	a, err := v.send(context.Background(), http.MethodGet, "/_sallyport/jwks.json", nil)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("jwks.json: %d %s", a.status, a.body)
	}
	return n, err
}

// get asks a URL that is no site's.
func get(ctx context.Context, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}

// visitor is a client with cookies that comes, through the trusted proxy, from
// an address.
type visitor struct {
	t       *testing.T
	net     *network
	host    string
	address string
	token   string // session cookie that is sent whatever the gate says about it; empty: those of the client
	client  *http.Client
}

// visit makes a visitor of a host, without cookies.
func (g *gateway) visit(host, address string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return (&visitor{t: g.t, host: host, address: address, client: &http.Client{
		Jar: jar, Timeout: answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}).at(g)
}

// at is the same visitor, with the same cookies, at another node: cookies do not
// know ports.
func (v *visitor) at(g *gateway) *visitor {
	moved, client := *v, *v.client
	client.Transport = g.net.transport
	moved.t, moved.net, moved.client = g.t, g.net, &client
	return &moved
}

// answer is what a visitor got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is the answer to what was refused.
type problem struct {
	Type, Title, Detail, Reason, Reference string
	Status                                 int
}

// problem reads an answer that must be one (RFC 9457).
func (a answer) problem() (problem, error) {
	var p problem
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		return p, fmt.Errorf("status %d, Content-Type %q: %.200s", a.status, got, a.body)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		return p, fmt.Errorf("%w: %s", err, a.body)
	}
	if p.Status != a.status {
		return p, fmt.Errorf("status %d, and %d in the body", a.status, p.Status)
	}
	return p, nil
}

// refused checks that an answer is a problem with a status and reason.
func (a answer) refused(status int, reason string) error {
	p, err := a.problem()
	if err != nil {
		return err
	}
	if a.status != status || p.Reason != reason {
		return fmt.Errorf("got %d %q (%s), want %d %q", a.status, p.Reason, p.Detail, status, reason)
	}
	return nil
}

// request makes a request of the visitor.
func (v *visitor) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("https://%s:%d%s", v.host, v.net.port, path), content)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Forwarded-For", v.address)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if v.token != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-sallyport", Value: v.token})
	}
	return r, nil
}

// send sends a request and reads the whole answer.
func (v *visitor) send(ctx context.Context, method, path string, body any) (answer, error) {
	r, err := v.request(ctx, method, path, body)
	if err != nil {
		return answer{}, err
	}
	res, err := v.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, text}, err
}

// get asks for a path; what goes wrong on the way ends the test.
func (v *visitor) get(path string) answer {
	v.t.Helper()
	return v.call(http.MethodGet, path, nil)
}

func (v *visitor) call(method, path string, body any) answer {
	v.t.Helper()
	a, err := v.send(v.t.Context(), method, path, body)
	if err != nil {
		v.t.Fatalf("%s %s from %s: %v", method, path, v.address, err)
	}
	return a
}

// api calls the API, which has to answer with a status, and reads the answer.
func (v *visitor) api(method, path string, body any, status int, into any) {
	v.t.Helper()
	a := v.call(method, "/_sallyport/api/v1"+path, body)
	if a.status != status {
		v.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		v.t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
	}
}

// account is a person who signs in.
type account struct {
	login    string
	first    string // first password, given by somebody else
	password string // the one that replaces it
}

// addAccount adds a person by command, with a first password.
func (g *gateway) addAccount(tenant, login, role string) account {
	g.t.Helper()
	a := account{login, "first-" + login + "-4711-tulip", "second-" + login + "-0815-crocus"}
	g.doWith(a.first+"\n", "admin", "add", tenant, login, "--role", role, "--password-stdin")
	return a
}

// signIn signs in for the first time: it sets up the second factor where that is
// asked for, and replaces the password.
func (v *visitor) signIn(a account) {
	v.t.Helper()
	next, err := v.step("login", map[string]string{"login": a.login, "password": a.first})
	for err == nil && next != "done" {
		switch next {
		case "enrol":
			next, err = v.enrol()
		case "new_password":
			next, err = v.step("password", map[string]string{"current": a.first, "password": a.password})
		default:
			v.t.Fatalf("signing in %s: the next step is %q", a.login, next)
		}
	}
	if err != nil {
		v.t.Fatalf("signing in %s: %v", a.login, err)
	}
}

func (v *visitor) enrol() (next string, err error) {
	var e struct{ Secret string }
	if err := json.Unmarshal(v.get("/_sallyport/enrol").body, &e); err != nil {
		return "", err
	}
	code, err := totp.GenerateCode(e.Secret, time.Now())
	if err != nil {
		return "", err
	}
	return v.step("enrol", map[string]string{"code": code})
}

// step takes one step of a sign-in and returns what is next.
func (v *visitor) step(path string, body any) (next string, err error) {
	a, err := v.send(v.t.Context(), http.MethodPost, "/_sallyport/"+path, body)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", fmt.Errorf("%s: status %d: %s", path, a.status, a.body)
	}
	var p struct{ Next string }
	return p.Next, json.Unmarshal(a.body, &p)
}

// hold takes the session cookie that the visitor has out of its client: from now
// on that one is sent, also when the gate has told the client to forget it. It
// returns the session's id.
func (v *visitor) hold() (id string, err error) {
	r, err := v.request(context.Background(), http.MethodGet, "/", nil)
	if err != nil {
		return "", err
	}
	for _, c := range v.client.Jar.Cookies(r.URL) {
		if c.Name == "__Host-sallyport" {
			v.token, v.client.Jar = c.Value, nil
			return sessionOf(c.Value)
		}
	}
	return "", errors.New("there is no session cookie")
}

// sessionOf reads the id of a session in its token.
func sessionOf(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("the session cookie has %d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct{ Jti string }
	if err := json.Unmarshal(raw, &claims); err != nil {
		return "", err
	}
	if claims.Jti == "" {
		return "", errors.New("the session cookie has no id")
	}
	return claims.Jti, nil
}
