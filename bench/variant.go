package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/freeport"
)

// Names that the report looks up.
const (
	bareProxy   = "reverse_proxy"
	sayingMuch  = "request_header, 7 as long as Sallyport's"
	respond403  = "respond 403"
	signedIn10  = "sallyport, signed in, 10 entries"
	signedIn1k  = "sallyport, signed in, 1000 entries"
	refusedJSON = "sallyport, refusing, problem"
	refusedPage = "sallyport, refusing, page"
)

// visitor is the address that all requests come from.
const visitor = "127.0.0.1"

// variant is one way to configure the site that is measured.
type variant struct {
	name       string
	directives string // before the proxy; PASSWORD and CONSOLE are filled in
	noProxy    bool   // the directives answer themselves
	tenant     string // of Sallyport; empty: it is not there
	entries    int    // in the tenant's list
	admits     bool   // the visitor is among them
	header     string // lines of the request
	status     int    // of every answer

	port     int
	request  []byte
	received int64 // answers, the ones before measuring included
	rounds   []round
}

// round is what one round measured.
type round struct {
	rate     float64 // requests per second
	requests int64
	cpu      time.Duration // of the program, for all of them
	p50, p99 time.Duration // with one connection
}

// selected returns the variants to measure, the bare proxy first and always.
func selected(only *regexp.Regexp) []*variant {
	all := []*variant{
		{name: bareProxy, status: 200},
		{name: "client_ip, 10 ranges", status: 200, directives: clientIP(10)},
		{name: "client_ip, 1000 ranges", status: 200, directives: clientIP(1000)},
		{
			name: "basic_auth", status: 200, directives: "basic_auth {\n\t\tli.na PASSWORD\n\t}",
			header: "Authorization: Basic " + basicCredentials + "\r\n",
		},
		{name: "forward_auth", status: 200, directives: "forward_auth CONSOLE {\n\t\turi /auth\n\t}"},
		{name: sayingMuch, status: 200, directives: identity()},
		{name: signedIn10, status: 200, directives: "sallyport", tenant: "ten", entries: 10, admits: true},
		{name: signedIn1k, status: 200, directives: "sallyport", tenant: "thousand", entries: 1000, admits: true},
		{name: respond403, status: 403, directives: "respond 403", noProxy: true},
		{name: refusedJSON, status: 403, directives: "sallyport", tenant: "closed", entries: 10, header: "Accept: application/json\r\n"},
		{name: refusedPage, status: 403, directives: "sallyport", tenant: "closed", entries: 10, header: "Accept: text/html\r\n"},
	}
	var out []*variant
	for _, v := range all {
		if v.name == bareProxy || only.MatchString(v.name) {
			out = append(out, v)
		}
	}
	return out
}

// ranges returns n of them, with the visitor's in the middle if it is to be
// admitted: Caddy looks through its list from the beginning, and this is where
// the average visitor is found.
func ranges(n int, admits bool) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("100.%d.%d.0/24", 64+i/256, i%256)
	}
	if admits {
		out[n/2] = visitor
	}
	return out
}

func clientIP(n int) string {
	return "@outside not client_ip " + strings.Join(ranges(n, true), " ") + "\n\trespond @outside 403"
}

// identity sets headers as many and as long as those by which Sallyport tells
// the console who comes, so that it shows what any gate pays that does so.
func identity() string {
	var b strings.Builder
	for i, size := range []int{9, 5, 26, 438, 5, 26, 3} {
		fmt.Fprintf(&b, "request_header X-Identity-Header-%d %s\n\t", i, strings.Repeat("x", size))
	}
	return b.String()
}

// host is what the request asks for.
func (v *variant) host() string {
	if v.tenant == "" {
		return "console.localhost"
	}
	return v.tenant + ".localhost"
}

// origin is where it is sent to.
func (v *variant) origin() string { return fmt.Sprintf("http://%s:%d", visitor, v.port) }

// file is the name as one of a file.
func (v *variant) file() string {
	return strings.Join(strings.FieldsFunc(v.name, func(r rune) bool { return r == ' ' || r == ',' }), "-")
}

// site is the variant's part of the Caddyfile.
func (v *variant) site(console, passwordHash string) string {
	directives := strings.NewReplacer("CONSOLE", console, "PASSWORD", passwordHash).Replace(v.directives)
	if !v.noProxy {
		directives += "\n\treverse_proxy " + console
	}
	return fmt.Sprintf("http://:%d {\n\tbind %s\n\t%s\n}\n", v.port, visitor, directives)
}

// setUp writes the configuration and fills the store.
func setUp(ctx context.Context, p *program, variants []*variant, console string) error {
	admin, err := freeport.Find()
	if err != nil {
		return err
	}
	p.admin = fmt.Sprintf("127.0.0.1:%d", admin)
	hash, err := p.command(ctx, "", "hash-password", "--plaintext", password)
	if err != nil {
		return err
	}
	var config strings.Builder
	fmt.Fprintf(&config, globalOptions, p.admin, p.store())
	for _, v := range variants {
		if v.port, err = freeport.Find(); err != nil {
			return err
		}
		config.WriteString(v.site(console, strings.TrimSpace(hash)))
	}
	if err := os.WriteFile(p.config(), []byte(config.String()), 0o600); err != nil {
		return err
	}
	made := map[string]bool{}
	for _, v := range variants {
		if v.tenant == "" || made[v.tenant] {
			continue
		}
		made[v.tenant] = true
		if err := v.addTenant(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// globalOptions of the Caddyfile. The session idles late, since browsers that
// are sent a fresh cookie take it, and the load does not.
const globalOptions = `{
	admin %s
	auto_https off
	persist_config off
	sallyport {
		store sqlite:%s
		session {
			idle 12h
		}
		sign_in {
			second_factor off
		}
		node bench
	}
}
`

// addTenant makes the tenant, its list and its person, as an operator would.
func (v *variant) addTenant(ctx context.Context, p *program) error {
	list := filepath.Join(p.dir, v.tenant+".txt")
	if err := os.WriteFile(list, []byte(strings.Join(ranges(v.entries, v.admits), "\n")+"\n"), 0o600); err != nil {
		return err
	}
	for _, c := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"tenant", "add", v.tenant, "--host", v.host()}},
		{"", []string{"network", "import", v.tenant, list, "--label", "Branch"}},
		{"", []string{"tenant", "set", v.tenant, "--mode", "enforced"}},
		{firstPassword + "\n", []string{"admin", "add", v.tenant, "li.na", "--role", "owner", "--password-stdin"}},
	} {
		if _, err := p.sallyport(ctx, c.stdin, c.args...); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the request, with a session where there is to be one, and sends
// it until everything behind is warm.
func (v *variant) prepare(ctx context.Context) error {
	cookie := ""
	switch {
	case v.admits:
		token, err := signIn(ctx, v)
		if err != nil {
			return fmt.Errorf("signing in: %w", err)
		}
		cookie = "Cookie: theme=dark; " + token + "\r\n"
	case !v.noProxy && v.tenant == "": // of the console's own, as long as Sallyport's
		cookie = "Cookie: theme=dark; session=" + strings.Repeat("x", 400) + "\r\n"
	}
	v.request = []byte("GET /reports?month=11 HTTP/1.1\r\nHost: " + v.host() + "\r\nUser-Agent: bench\r\n" + v.header + cookie + "\r\n")
	_, err := v.load(ctx, 1, 300*time.Millisecond)
	return err
}

// measure takes one round.
func (v *variant) measure(ctx context.Context, p *program, connections int) error {
	before, err := p.cpu(ctx)
	if err != nil {
		return err
	}
	busy, err := v.load(ctx, connections, roundTime*2/3)
	if err != nil {
		return err
	}
	after, err := p.cpu(ctx)
	if err != nil {
		return err
	}
	calm, err := v.load(ctx, 1, roundTime/3)
	if err != nil {
		return err
	}
	v.rounds = append(v.rounds, round{
		rate: float64(len(busy.latencies)) / busy.took.Seconds(), requests: busy.sent, cpu: after - before,
		p50: calm.quantile(0.50), p99: calm.quantile(0.99),
	})
	return nil
}

// profile writes profiles of the program under load.
func (v *variant) profile(ctx context.Context, p *program, connections int, file string) error {
	const during = 5 * time.Second
	for _, kind := range []struct{ path, name string }{{"profile", "cpu"}, {"allocs", "allocs"}} {
		done := make(chan error, 1)
		go func() {
			done <- p.profile(ctx, kind.path, during, file+"."+kind.name+".pprof")
		}()
		_, err := v.load(ctx, connections, during)
		if err = errors.Join(err, <-done); err != nil {
			return err
		}
	}
	return nil
}
