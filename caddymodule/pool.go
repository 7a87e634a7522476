package caddymodule

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/sallyport-gate/sallyport/internal/deliver"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// installations are the stores in use, with all that is kept in memory for
// them. A reload joins the one that is there: it neither reads the policy again
// nor forgets what was counted.
var installations = caddy.NewUsagePool()

// How long a start may take, and how long requests wait for it.
const (
	openWithin = time.Minute
	waitAtMost = 10 * time.Second
)

// installation is one store and its gate. It is open from the first Start of a
// configuration that uses it until the last such configuration is gone.
type installation struct {
	dsn, node string

	log  atomic.Pointer[loggers] // of the newest configuration
	gate atomic.Pointer[gate.Gate]
	live chan struct{}   // closed when gate is set
	over context.Context // ends with the installation
	end  context.CancelFunc

	mu     sync.Mutex // held while opening and closing
	secret []byte     // nil: none yet, SQLite's is made when it is opened
	store  *store.Store
	shown  []*App // the configurations that are running, the newest last
}

type installationKey struct{ dsn, node string }

// newInstallation checks the store as far as that goes without writing.
func newInstallation(ctx context.Context, dsn, node string, secret []byte) (*installation, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	if err := store.Check(ctx, dsn, secret); err != nil {
		return nil, err
	}
	n := &installation{dsn: dsn, node: node, secret: secret, live: make(chan struct{})}
	n.over, n.end = context.WithCancel(context.Background())
	return n, nil
}

// join returns the installation for a store and node.
func join(ctx context.Context, dsn, secret, node string) (*installation, error) {
	if err := store.CheckDSN(dsn); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	fitting, err := secretOf(dsn, secret)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	key := installationKey{dsn, node}
	value, _, err := installations.LoadOrNew(key, func() (caddy.Destructor, error) {
		return newInstallation(ctx, dsn, node, fitting)
	})
	if err != nil {
		return nil, err
	}
	n := value.(*installation)
	if !n.openedWith(fitting) {
		return nil, errors.Join(errors.New("secret: it is not the one that the store is open with: the next start could read nothing in it"), n.leave())
	}
	return n, nil
}

// secretOf returns the secret that is configured, or the one beside a SQLite
// store; nil: there is none yet.
func secretOf(dsn, configured string) ([]byte, error) {
	file, ok := store.SecretFile(dsn)
	switch {
	case configured != "":
		return []byte(configured), nil
	case !ok:
		return nil, errors.New("a store on a server needs one of 32 bytes or more: make it with 'openssl rand -base64 48 >FILE', and write secret {file.FILE}")
	}
	secret, err := store.LoadSecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return secret, err
}

func (n *installation) openedWith(secret []byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return subtle.ConstantTimeCompare(secret, n.secret) == 1
}

// leave is the opposite of join.
func (n *installation) leave() error {
	_, err := installations.Delete(installationKey{n.dsn, n.node})
	return err
}

// open opens the store and starts the gate, once.
func (n *installation) open(log *zap.Logger, retention gate.RetentionBounds) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log.Store(newLoggers(log))
	if g := n.gate.Load(); g != nil {
		g.SetRetention(retention)
		return nil
	}
	// Not the configuration's context: the gate outlives it.
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	s, err := n.openStore(ctx)
	if err != nil {
		return err
	}
	g, err := n.startGate(ctx, s, retention)
	if err != nil {
		return errors.Join(fmt.Errorf("starting the gate on %s: %w", store.Redact(n.dsn), err), s.Close())
	}
	n.store = s
	n.gate.Store(g)
	close(n.live)
	return nil
}

func (n *installation) openStore(ctx context.Context) (*store.Store, error) {
	if file, ok := store.SecretFile(n.dsn); ok && n.secret == nil {
		var err error
		if n.secret, err = store.LoadOrCreateSecret(file); err != nil {
			return nil, err
		}
	}
	return store.Open(ctx, n.dsn, store.Options{Secret: n.secret, Migrate: true})
}

func (n *installation) startGate(ctx context.Context, s *store.Store, retention gate.RetentionBounds) (*gate.Gate, error) {
	g, err := gate.New(ctx, gate.Options{
		Store: s, Node: n.node, Retention: retention, Spool: spoolOf(n.dsn),
		Log: gate.Logger{Attempt: n.logAttempt, Trouble: n.logTrouble},
	})
	if err != nil {
		return nil, err
	}
	return g, g.Start(ctx)
}

// spoolOf is the folder for what the store cannot take at the moment: beside a
// SQLite store, else in Caddy's data folder. Every store has its own, or what
// was kept for one would be put into another.
func spoolOf(dsn string) string {
	if file, ok := store.SecretFile(dsn); ok {
		return filepath.Join(filepath.Dir(file), "spool")
	}
	sum := sha256.Sum256([]byte(store.Redact(dsn)))
	return filepath.Join(caddy.AppDataDir(), "sallyport", "spool-"+hex.EncodeToString(sum[:6]))
}

// show makes the places and destinations of a configuration that has started
// those of the gate. A configuration whose start fails afterwards is hidden
// again, and those of the one that goes on are back.
func (n *installation) show(a *App) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shown = append(n.shown, a)
	n.showNewest()
}

// hide takes away what show brought; of what it did not bring, nothing.
func (n *installation) hide(a *App) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.shown, a); i >= 0 {
		n.shown = slices.Delete(n.shown, i, i+1)
		n.showNewest()
	}
}

func (n *installation) showNewest() {
	g := n.gate.Load()
	if g == nil || len(n.shown) == 0 { // nobody is left: the gate ends
		return
	}
	newest := n.shown[len(n.shown)-1]
	if newest.places == nil {
		g.SetPlaces(nil)
	} else {
		g.SetPlaces(newest.places)
	}
	g.SetMessenger(&messenger{newest.mailer, deliver.NewPoster(newest.AlertWebhooks == webhooksAnywhere), g})
	g.SetDestinations(newest.destinations)
}

// wait returns the gate, which requests may need before it is there: Caddy
// starts apps in any order, so servers may listen first. Nil: there is none, and
// nobody may pass.
func (n *installation) wait(ctx context.Context) *gate.Gate {
	if g := n.gate.Load(); g != nil {
		return g
	}
	timer := time.NewTimer(waitAtMost)
	defer timer.Stop()
	select {
	case <-n.live:
	case <-n.over.Done():
	case <-timer.C:
	case <-ctx.Done():
	}
	return n.gate.Load()
}

// Destruct ends the gate, stores what waits and closes the store. Requests that
// are still open have nobody to watch them any more, and end as well.
func (n *installation) Destruct() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	g := n.gate.Swap(nil) // from here on nobody passes
	n.end()
	if g == nil {
		return nil
	}
	g.Stop()
	return n.store.Close()
}

var _ caddy.Destructor = (*installation)(nil)
