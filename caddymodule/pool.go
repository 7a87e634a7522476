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
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

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
	secret    []byte // nil: beside the SQLite store

	log  atomic.Pointer[loggers] // of the newest configuration
	gate atomic.Pointer[gate.Gate]
	live chan struct{} // closed when gate is set for the first time, or never will be

	mu    sync.Mutex // held while opening and closing
	store *store.Store
	over  bool
}

type installationKey struct{ dsn, node string }

// join returns the installation for a store and node. A fresh one is checked as
// far as that goes without writing.
func join(ctx context.Context, dsn string, secret []byte, node string) (*installation, error) {
	if len(secret) == 0 {
		secret = nil
	}
	key := installationKey{dsn, node}
	value, loaded, err := installations.LoadOrNew(key, func() (caddy.Destructor, error) {
		n := &installation{dsn: dsn, node: node, secret: secret, live: make(chan struct{})}
		return n, n.check(ctx)
	})
	if err != nil {
		return nil, err
	}
	n := value.(*installation)
	if loaded && secret != nil && n.secret != nil && subtle.ConstantTimeCompare(secret, n.secret) == 0 {
		_, err := installations.Delete(key)
		return nil, errors.Join(errors.New("secret: it is not the one that the running configuration opened this store with: nothing in the store can be read without that one"), err)
	}
	return n, nil
}

// leave is the opposite of join.
func (n *installation) leave() error {
	_, err := installations.Delete(installationKey{n.dsn, n.node})
	return err
}

// check finds out what would keep the store from opening.
func (n *installation) check(ctx context.Context) error {
	secret := n.secret
	if file, ok := store.SecretFile(n.dsn); ok && secret == nil {
		var err error
		if secret, err = store.LoadSecret(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("secret: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	return store.Check(ctx, n.dsn, secret)
}

// open opens the store and starts the gate, once.
func (n *installation) open(log *zap.Logger, retention time.Duration) error {
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
	secret := n.secret
	if file, ok := store.SecretFile(n.dsn); ok && secret == nil {
		var err error
		if secret, err = store.LoadOrCreateSecret(file); err != nil {
			return nil, err
		}
	}
	return store.Open(ctx, n.dsn, store.Options{Secret: secret, Migrate: true})
}

func (n *installation) startGate(ctx context.Context, s *store.Store, retention time.Duration) (*gate.Gate, error) {
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
	case <-timer.C:
	case <-ctx.Done():
	}
	return n.gate.Load()
}

// Destruct ends the gate, stores what waits and closes the store.
func (n *installation) Destruct() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	g := n.gate.Swap(nil) // from here on nobody passes
	if g == nil {
		if !n.over {
			close(n.live)
		}
		n.over = true
		return nil
	}
	g.Stop()
	return n.store.Close()
}

var _ caddy.Destructor = (*installation)(nil)
