// Package gate is what Sallyport exists for: it decides who may pass, signs
// admins in, edits the lists of allowed networks and records every attempt. It
// knows neither HTTP nor SQL nor Caddy.
//
// A [Gate] is the state of one process: a [Store], the snapshot of its policy
// that requests are decided from, and what was seen and is not stored yet. A
// [Door] is one protected site of it.
package gate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// storeWithin bounds what is asked of the store all the time and is small: which
// changes there are, to take a batch of attempts. Longer, and it is away.
const storeWithin = 5 * time.Second

// Options set up a Gate.
type Options struct {
	Store     Store
	Node      string          // name of this process in records; required
	Retention RetentionBounds // how long attempts are kept
	Hashers   int             // password hashes at once; 0: half of the processors
	Spool     string          // folder for what cannot be stored at the moment; empty: memory only
	// MaxRecords bounds the attempts in memory that are not stored yet; beyond
	// it, floods are folded more coarsely. 0: 65,536.
	MaxRecords int
	Now        func() time.Time
	Log        Logger
}

// Logger is what the gate tells its surroundings. Each method may be nil.
type Logger struct {
	// Attempt is called once for every new record, from the goroutine of the
	// request.
	Attempt func(Attempt)
	// Trouble is called when a background task fails, and with a nil error
	// when it works again.
	Trouble func(task string, err error)
}

// Gate is the state of one process. All methods may be called from any number
// of goroutines.
type Gate struct {
	store     Store
	node      string
	retention atomic.Pointer[RetentionBounds]
	now       func() time.Time
	log       Logger

	snap       *snapshot
	tokens     *auth.Cache
	hasher     *auth.Hasher
	outsiders  *outsiders
	recorder   *recorder
	follower   follower
	seen       activity
	used       tokenUses
	read       readings
	verified   verification
	strange    strangeCalls
	open       registry
	signers    assertions
	places     atomic.Pointer[Places]
	counts     counters
	took       timing
	pulse      pulse
	peers      peers
	gauges     gauges
	evidence   *evidence
	held       heldLists
	tidied     tidied
	couriers   couriers
	messenger  atomic.Pointer[Messenger]
	alertsDown atomic.Bool
	pace       pace
	history    *history
	shortened  shortening

	stop context.CancelFunc
	done sync.WaitGroup
}

// New loads the policy from the store. Nothing runs until Start.
func New(ctx context.Context, o Options) (*Gate, error) {
	if o.Node == "" {
		return nil, errors.New("the node needs a name")
	}
	g := &Gate{store: o.Store, node: o.Node, now: o.Now, log: o.Log, snap: newSnapshot(), tokens: auth.NewCache(1 << 14), counts: newCounters(), evidence: newEvidence(), pace: usualPace, history: newHistory()}
	g.couriers.running = map[string]*courier{}
	if g.now == nil {
		g.now = time.Now
	}
	g.SetRetention(o.Retention)
	g.hasher, g.outsiders = newHasher(o.Hashers), newOutsiders()
	g.recorder = newRecorder(o, g.now)
	if err := g.load(ctx); err != nil {
		return nil, fmt.Errorf("loading policy: %w", err)
	}
	return g, nil
}

// newHasher bounds password hashing: by default it gets half of the
// processors, so that a flood of sign-ins leaves the other half to requests,
// and a queue of four tries for each.
func newHasher(parallel int) *auth.Hasher {
	if parallel <= 0 {
		parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	return auth.NewHasher(parallel, 4*parallel)
}

// Node is the name of this process in records.
func (g *Gate) Node() string { return g.node }

// Start begins to follow the store, to store attempts and to sweep what is
// over. It makes the first keys if there are none, so it writes.
func (g *Gate) Start(ctx context.Context) error {
	if err := g.rotateKeys(ctx); err != nil {
		return fmt.Errorf("making keys: %w", err)
	}
	if err := g.recorder.begin(ctx); err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.stop = cancel
	for _, task := range []func(context.Context){g.follow, g.recorder.run, g.sweep, g.storeSeen, g.undoDue, g.keepHouse, g.deliver} {
		g.done.Go(func() { task(run) })
	}
	return nil
}

// Stop ends what Start began, and every request under way, since nobody would
// watch it any more; and stores what waits.
func (g *Gate) Stop() {
	g.endAll()
	g.evidence.end()
	g.history.end()
	g.verified.end()
	if g.stop != nil {
		g.stop()
		g.done.Wait()
		g.leave()
	}
}

// trouble reports the state of a background task when it changes.
func (g *Gate) trouble(task string, state *atomic.Bool, err error) {
	if err != nil {
		g.gauges.trouble.Store(&Trouble{At: g.now(), Task: task, Error: err.Error()})
	}
	if state.Swap(err != nil) == (err != nil) || g.log.Trouble == nil {
		return
	}
	g.log.Trouble(task, err)
}

// every runs a task at intervals until the context ends.
func every(ctx context.Context, interval func() time.Duration, task func(context.Context)) {
	for {
		timer := time.NewTimer(interval())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			task(ctx)
		}
	}
}
