package caddymodule

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// demoReadyWithin bounds how long the demo waits for its own certificates.
const demoReadyWithin = time.Minute

func demoCommand() *cobra.Command {
	cmd := leaf("demo", "Run the whole product with sample tenants, until Ctrl-C", runDemo)
	cmd.Long = `Runs the gate in front of a small built-in console, with two tenants: acme, which
admits this computer, and globex, which admits 198.51.100.0/24 only, so that its
block page is what you see first; and with the tenant operator, whose people run
the gateway and see the others. It prints passwords and a list of things to try.

It needs nothing, and leaves nothing behind: the store, certificates and
everything else are in a temporary folder that goes away at the end. It
installs no root certificate, so browsers warn, and has no admin endpoint. With
--store the store stays, and the next demo goes on with it as it is, passwords
included.

So that other addresses can be tried with curl, it believes the header
X-Forwarded-For of 127.0.0.1, and of nobody else. A second factor may be
enrolled and is not required.`
	cmd.Example = `  caddy sallyport demo
  caddy sallyport demo --listen 127.0.0.1:9443 --store /tmp/demo.db --no-history`
	f := cmd.Flags()
	f.String("listen", "127.0.0.1:8443", "address and port of all sites; port 0: a free one")
	f.String("store", "", "keep everything in this store: a path, sqlite:/path, or postgres://user@host/db")
	f.String("secret-file", "", "file with the secret of --store (default for SQLite: its path with .secret added)")
	f.Bool("no-history", false, "do not make up 30 days of history")
	f.Bool("plain-http-for-tests", false, "serve HTTP without TLS; cookies still ask for TLS, which browsers hold to and test programs need not")
	return cmd
}

// demo is a demo under way.
type demo struct {
	listen  string // host:port
	host    string
	port    string
	plain   bool
	dir     string // everything but a store that was named
	at      location
	console string // host:port of the built-in console
	people  []demoPerson
	fresh   bool // the store was filled just now

	secretFile string
}

func runDemo(c *call) (err error) {
	d, err := newDemo(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.ctx(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if d.dir, err = os.MkdirTemp("", "sallyport-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	// Caddy notes an id of its own in its data folder, whatever its storage is.
	if err := os.Setenv("XDG_DATA_HOME", d.dir); err != nil {
		return err
	}
	if d.at.dsn == "" {
		d.at.dsn = "sqlite:" + filepath.Join(d.dir, "sallyport.db")
	}
	if err := d.fill(ctx, !c.on("no-history")); err != nil {
		return interrupted(ctx, err)
	}
	console, err := startDemoConsole(d)
	if err != nil {
		return err
	}
	defer console.Close()
	if err := d.startCaddy(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, caddy.Stop()) }()
	if err := d.waitUntilReady(ctx); err != nil {
		return interrupted(ctx, err)
	}
	d.printTour(c.cmd.OutOrStdout())
	<-ctx.Done()
	stop() // a second Ctrl-C does not wait for anything
	fmt.Fprintln(c.cmd.OutOrStdout(), "\nThe demo has ended.")
	return nil
}

// interrupted drops the error of something that Ctrl-C ended.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// newDemo reads the flags, and makes sure that the port is free: Caddy shares
// ports, so it would not complain itself.
func newDemo(c *call) (*demo, error) {
	d := &demo{listen: c.text("listen"), plain: c.on("plain-http-for-tests")}
	host, port, err := net.SplitHostPort(d.listen)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return nil, usage("--listen %q is no address and port: write 127.0.0.1:8443", d.listen)
	}
	if d.at.dsn, err = demoStore(c.text("store")); err != nil {
		return nil, err
	}
	if file := c.text("secret-file"); file != "" {
		if d.at.dsn == "" {
			return nil, usage("--secret-file belongs to --store")
		}
		if d.at.secret, err = store.LoadSecret(file); err != nil {
			return nil, err
		}
		if d.secretFile, err = filepath.Abs(file); err != nil {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", d.listen)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another with --listen, for example --listen 127.0.0.1:0", err)
	}
	defer l.Close()
	d.host, d.port = host, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	d.listen = net.JoinHostPort(d.host, d.port)
	return d, nil
}

// demoStore names a store so that commands in other folders find it, too.
func demoStore(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	path, ok := strings.CutPrefix(dsnOf(text), "sqlite:")
	if !ok {
		return text, nil
	}
	path, err := filepath.Abs(path)
	return "sqlite:" + path, err
}

// site is the origin of a tenant's site.
func (d *demo) site(tenant string) string {
	scheme := "https"
	if d.plain {
		scheme = "http"
	}
	return scheme + "://" + tenant + ".localhost:" + d.port
}

// config is a configuration as anybody would write it, but for what keeps the
// demo to itself. Streams that are open do not hold up its end.
func (d *demo) config() string {
	secret, bind := "", ""
	if d.secretFile != "" {
		secret = `secret "{file.` + quoteInside(d.secretFile) + `}"`
	}
	if d.host != "" {
		bind = "bind " + d.host
	}
	return strings.NewReplacer(
		"DIR", quoteInside(d.dir), "STORE", quoteInside(d.at.dsn), "SECRET", secret, "BIND", bind, "CONSOLE", d.console,
		"ACME", d.site("acme"), "GLOBEX", d.site("globex"), "OPERATOR", d.site(gate.OperatorTenant),
	).Replace(`{
	admin off
	persist_config off
	skip_install_trust
	local_certs
	auto_https disable_redirects
	grace_period 1s
	storage file_system "DIR/caddy"
	storage_clean_interval off
	log default {
		output stderr
		format console
		level WARN
		exclude admin sallyport.blocked http.handlers.reverse_proxy
	}
	log blocked {
		output stderr
		format filter {
			wrap console
			fields {
				time delete
				peer delete
				list_version delete
				node delete
			}
		}
		include sallyport.blocked
	}
	sallyport {
		store "STORE"
		SECRET
		trusted_proxies static 127.0.0.1
		without_header peer
		sign_in {
			second_factor optional
		}
		node demo
	}
}

ACME, GLOBEX, OPERATOR {
	BIND
	sallyport
	reverse_proxy CONSOLE
}
`)
}

// issuer is what a tenant's assertions are from: the gate takes its sites to be
// behind TLS, if not its own.
func (d *demo) issuer(tenant string) string { return "https://" + tenant + ".localhost:" + d.port }

// quoteInside makes text safe between the double quotes of a Caddyfile.
func quoteInside(text string) string { return strings.ReplaceAll(text, `"`, `\"`) }

func (d *demo) startCaddy() error {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(d.config()), map[string]any{"filename": "demo"})
	if err != nil {
		return err
	}
	return caddy.Load(adapted, true)
}

// client asks the demo's own sites, trusting its own root only.
func (d *demo) client() *http.Client {
	roots := x509.NewCertPool()
	if root, err := os.ReadFile(d.rootFile()); err == nil {
		roots.AppendCertsFromPEM(root)
	}
	host := d.host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	address := net.JoinHostPort(host, d.port)
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
}

func (d *demo) rootFile() string {
	return filepath.Join(d.dir, "caddy", "pki", "authorities", "local", "root.crt")
}

// waitUntilReady waits for certificates, which are made after the start, and
// for the gate's keys.
func (d *demo) waitUntilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoReadyWithin)
	defer cancel()
	for _, tenant := range []string{"acme", "globex"} {
		for {
			_, err := d.jwks(ctx, tenant)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the demo does not answer on %s: %w", d.listen, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// program is how this program was started, for commands to copy.
func program() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/caddy"
	}
	return "caddy"
}
