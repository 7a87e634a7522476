package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// call is one run of a command.
type call struct {
	cmd  *cobra.Command
	args []string

	// Set while with runs something on the store. The gate is never started:
	// it neither serves nor follows, and is gone with the command.
	*gate.Gate
	store *store.Store
	at    location
	by    gate.Actor
}

func (c *call) ctx() context.Context      { return c.cmd.Context() }
func (c *call) text(flag string) string   { s, _ := c.cmd.Flags().GetString(flag); return s }
func (c *call) on(flag string) bool       { b, _ := c.cmd.Flags().GetBool(flag); return b }
func (c *call) given(flag string) bool    { return c.cmd.Flags().Changed(flag) }
func (c *call) list(flag string) []string { l, _ := c.cmd.Flags().GetStringArray(flag); return l }

// arg returns an argument, empty if it was not given.
func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// onStore adds the flags of a command that works on a store.
func onStore(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags()
	f.StringP("config", "c", "", "configuration to find the store in: a Caddyfile or JSON")
	f.StringP("adapter", "a", "", "config adapter by name, for a configuration that is neither")
	f.String("store", "", "the store: sqlite:/path/to/file.db (or just the path), or postgres://user@host/db")
	f.String("secret-file", "", "file with the secret of --store (default for SQLite: the store's path with .secret added)")
	f.Bool("json", false, "print JSON")
	return cmd
}

// location is where the store is.
type location struct {
	dsn    string
	secret []byte   // nil: in the file beside a SQLite store
	places []string // files that tell places
	// retention is what the configuration allows; nil: it is not known.
	retention *gate.RetentionBounds
	trusted   []netip.Prefix // proxies that the configuration trusts, as far as it lists them
}

// find looks up where the store is. It reads the configuration and neither
// loads nor starts it.
func (c *call) find() (location, error) {
	dsn, secretFile, config := c.text("store"), c.text("secret-file"), c.text("config")
	switch {
	case dsn != "" && config != "":
		return location{}, usage("--store and --config both name the store: give one of them")
	case dsn == "" && secretFile != "":
		return location{}, usage("--secret-file belongs to --store: a configuration names its own secret")
	case config == "" && c.text("adapter") != "":
		return location{}, usage("--adapter belongs to --config")
	case dsn == "" && config == "":
		if _, err := os.Stat("Caddyfile"); err != nil {
			return location{dsn: defaultDSN()}, nil
		}
		config = "Caddyfile"
	case secretFile != "":
		secret, err := store.LoadSecret(secretFile)
		return location{dsn: dsnOf(dsn), secret: secret}, err
	case dsn != "":
		return location{dsn: dsnOf(dsn)}, nil
	}
	p, err := placeIn(config, c.text("adapter"))
	if err != nil {
		return p, fmt.Errorf("reading the configuration %s: %w", config, err)
	}
	return p, nil
}

// dsnOf lets a SQLite store be named by its path alone.
func dsnOf(text string) string {
	if strings.HasPrefix(text, "sqlite:") || strings.Contains(text, "://") {
		return text
	}
	return "sqlite:" + text
}

// placeIn reads where the store is from a configuration.
func placeIn(file, adapter string) (location, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return location{}, err
	}
	if adapter == "" && isCaddyfile(file) {
		adapter = "caddyfile"
	}
	if adapter != "" {
		a := caddyconfig.GetAdapter(adapter)
		if a == nil {
			return location{}, fmt.Errorf("there is no config adapter %q", adapter)
		}
		if raw, _, err = a.Adapt(raw, map[string]any{"filename": file}); err != nil {
			return location{}, err
		}
	}
	var config struct {
		Apps struct {
			Sallyport struct {
				Store          string         `json:"store"`
				Secret         string         `json:"secret"`
				Places         []string       `json:"places"`
				Retention      caddy.Duration `json:"retention"`
				RetentionFloor caddy.Duration `json:"retention_floor"`
				TrustedProxies struct {
					Ranges []string `json:"ranges"`
				} `json:"trusted_proxies"`
			} `json:"sallyport"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return location{}, fmt.Errorf("%w: it is not JSON, so name its --adapter", err)
	}
	app := &config.Apps.Sallyport
	p := location{dsn: defaultDSN(), trusted: prefixes(app.TrustedProxies.Ranges)}
	p.retention = &gate.RetentionBounds{Floor: time.Duration(app.RetentionFloor), Most: time.Duration(app.Retention)}
	if app.Store != "" {
		if p.dsn, err = fillIn("store", app.Store); err != nil {
			return p, err
		}
	}
	if p.places, err = replacePlaces(app.Places); err != nil {
		return p, err
	}
	if app.Secret != "" {
		secret, err := fillIn("secret", app.Secret)
		if err != nil {
			return p, err
		}
		p.secret = []byte(secret)
	}
	return p, nil
}

// isCaddyfile goes by the name, as Caddy does.
func isCaddyfile(file string) bool {
	base := strings.ToLower(filepath.Base(file))
	return filepath.Ext(base) != ".json" && (strings.HasPrefix(base, "caddyfile") || strings.HasSuffix(base, ".caddyfile"))
}

// prefixes reads what it can: the ranges only serve to warn.
func prefixes(texts []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		if p, err := netip.ParsePrefix(text); err == nil {
			out = append(out, p)
		} else if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// isTrusted reports whether an address is a trusted proxy's, as far as the
// configuration lists them.
func (c *call) isTrusted(a netip.Addr) bool {
	for _, p := range c.at.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// with opens the store that the command line names for do.
func (c *call) with(do func() error) error {
	p, err := c.find()
	if err != nil {
		return err
	}
	if !p.exists() {
		return fmt.Errorf("there is no store %s: add the first tenant, start the gateway, or name another with --store or --config", p.dsn)
	}
	return c.open(p, false, do)
}

// withNew is with for commands that may come first: a SQLite store that is not
// there is made. Tables of an older program are left to migrate.
func (c *call) withNew(do func() error) error {
	p, err := c.find()
	if err != nil {
		return err
	}
	return c.open(p, !p.exists(), do)
}

// exists reports whether there is a store already. Of a database server only
// asking it can tell.
func (p location) exists() bool {
	path, ok := strings.CutPrefix(p.dsn, "sqlite:")
	if !ok {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0 || err != nil && !errors.Is(err, fs.ErrNotExist)
}

func (c *call) open(p location, migrate bool, do func() error) (err error) {
	if p.secret == nil {
		if p.secret, err = p.ownSecret(migrate); err != nil {
			return err
		}
	}
	s, err := store.Open(c.ctx(), p.dsn, store.Options{Secret: p.secret, Migrate: migrate})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	g, err := gate.New(c.ctx(), gate.Options{Store: s, Node: "command"})
	if err != nil {
		return err
	}
	c.at, c.store, c.Gate = p, s, g
	c.by = gate.Actor{Kind: gate.ActorCommand, Login: osUser()}
	return do()
}

// ownSecret reads the secret beside a SQLite store, or makes one.
func (p location) ownSecret(create bool) ([]byte, error) {
	file, ok := store.SecretFile(p.dsn)
	if !ok {
		return nil, nil // the store says what it needs
	}
	if create {
		return store.LoadOrCreateSecret(file)
	}
	secret, err := store.LoadSecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return secret, err
}

// osUser names who runs the command, for the change log.
func osUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// tenant finds the tenant that an argument or flag names.
func (c *call) tenant(slug string) (*gate.Tenant, error) {
	t, err := c.Tenant(c.ctx(), slug)
	if err != nil {
		return nil, missing(err, "tenant", slug, "tenant list")
	}
	return t, nil
}
