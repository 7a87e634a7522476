package gate

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Pace of following the store.
const (
	followEvery = 250 * time.Millisecond // ± 50 %, so that a fleet does not ask in step
	followBatch = 1000                   // changes read at once
)

// follower keeps the snapshot up to date with the store.
type follower struct {
	mu   sync.Mutex // held while reading the store and writing the snapshot, so that an older reading never overwrites a newer one
	at   Position
	pos  atomic.Int64 // that of at, for those who cannot wait for the lock
	down atomic.Bool
	last atomic.Int64 // unix µs of the last successful look
}

// moveTo notes up to where the snapshot is; the caller holds mu.
func (f *follower) moveTo(at Position) {
	f.at = at
	f.pos.Store(at.Pos)
}

// load reads the whole policy.
func (g *Gate) load(ctx context.Context) error {
	g.follower.mu.Lock()
	defer g.follower.mu.Unlock()
	return g.reload(ctx)
}

// reload is load for those who hold the follower's lock.
func (g *Gate) reload(ctx context.Context) error {
	p, err := g.store.LoadPolicy(ctx)
	if err != nil {
		return err
	}
	global, err := newGlobalState(p.Global, g.now())
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(p.Tenants))
	for i := range p.Tenants {
		g.snap.put(&p.Tenants[i], taken{p.Pos, g.now()})
		known[p.Tenants[i].Tenant.ID] = true
	}
	g.snap.tenants.all(func(id string, _ *tenantState) {
		if !known[id] {
			g.snap.remove(id)
		}
	})
	g.snap.global.Store(global)
	g.held.clear()
	if err := g.loadAsks(ctx, ""); err != nil {
		return err
	}
	g.follower.moveTo(p.Position)
	g.follower.last.Store(g.now().UnixMicro())
	return nil
}

// newGlobalState builds the key sets. The newest key signs once it has had
// time to reach every node; until then the one before it does.
func newGlobalState(p Global, now time.Time) (*globalState, error) {
	state := &globalState{epoch: p.Epoch}
	if len(p.Session) == 0 {
		return state, nil
	}
	signing := signingKey(p.Session, now)
	keys, err := auth.NewKeys(keysVersion(p.Session), p.Session[signing].ID, p.Session)
	if err != nil {
		return nil, err
	}
	assertions, err := auth.NewAssertionKeys(p.Assertions[min(signing, len(p.Assertions)-1)].ID, p.Assertions)
	if err != nil {
		return nil, err
	}
	state.keys, state.assertions, state.newest = keys, assertions, p.Session[0]
	return state, nil
}

// follow takes in what other processes change, until the context ends.
func (g *Gate) follow(ctx context.Context) {
	pace := func() time.Duration { return followEvery/2 + rand.N(followEvery) } //nolint:gosec // only spreads a fleet over time
	every(ctx, pace, func(ctx context.Context) {
		err := g.catchUp(ctx)
		if ctx.Err() == nil {
			g.trouble("following the store", &g.follower.down, err)
		}
		if err != nil {
			return
		}
		if err := g.beat(ctx); ctx.Err() == nil {
			g.trouble("telling the other nodes", &g.pulse.down, err)
		}
	})
}

// catchUp reads the changes since the last look, the last one included: if it
// is not there any more, or another one is, the store has lost or replaced
// changes (a failover, a restored backup), and everything is read anew.
func (g *Gate) catchUp(ctx context.Context) error {
	g.follower.mu.Lock()
	defer g.follower.mu.Unlock()
	for {
		changes, err := g.changes(ctx)
		if err != nil {
			return err
		}
		g.follower.last.Store(g.now().UnixMicro())
		if at := g.follower.at; at.Pos > 0 {
			if len(changes) == 0 || changes[0].Position != at {
				defer g.recheck()
				return g.reload(ctx)
			}
			changes = changes[1:]
		}
		if len(changes) == 0 {
			return nil
		}
		if err := g.apply(ctx, changes); err != nil {
			return err
		}
		g.follower.moveTo(changes[len(changes)-1].Position)
		g.recheck()
	}
}

// changes reads what follows the position of the last look.
func (g *Gate) changes(ctx context.Context) ([]Change, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	return g.store.ChangesFrom(ctx, g.follower.at.Pos, followBatch)
}

// apply takes in changes: each tenant they touch is read once, in its newest
// state.
func (g *Gate) apply(ctx context.Context, changes []Change) error {
	at := taken{changes[len(changes)-1].Pos, g.now()}
	var tenants []string
	var global bool
	asks := map[string]bool{} // by tenant
	for _, c := range changes {
		switch c.Kind {
		case ChangeGlobal:
			global = true
		case ChangeAccess, ChangeAlerts:
		case ChangeAsk:
			asks[c.Tenant] = true
		case ChangeSession:
			g.endInSnapshot(c.Tenant, EndedSession{ID: c.Subject, Expires: time.UnixMicro(c.Version)})
		case ChangeSubject:
			asks[c.Tenant] = true
			fallthrough
		default:
			if !slices.Contains(tenants, c.Tenant) {
				tenants = append(tenants, c.Tenant)
			}
		}
	}
	for _, id := range tenants {
		if err := g.loadTenant(ctx, id, at); err != nil {
			return err
		}
	}
	for id := range asks {
		if err := g.loadAsks(ctx, id); err != nil {
			return err
		}
	}
	if global {
		return g.loadGlobal(ctx)
	}
	return nil
}

func (g *Gate) loadTenant(ctx context.Context, id string, at taken) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	p, err := g.store.LoadTenant(ctx, id)
	if errors.Is(err, ErrNotFound) {
		g.snap.remove(id)
		return nil
	}
	if err != nil {
		return err
	}
	g.snap.put(p, at)
	return nil
}

func (g *Gate) loadGlobal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	p, err := g.store.LoadGlobal(ctx)
	if err != nil {
		return err
	}
	state, err := newGlobalState(p, g.now())
	if err != nil {
		return err
	}
	g.snap.global.Store(state)
	return nil
}

// endInSnapshot puts a session into the ended set of its tenant.
func (g *Gate) endInSnapshot(tenant string, e EndedSession) {
	if t := g.snap.byID(tenant); t != nil {
		g.snap.tenants.set(tenant, t.withEnded(e, g.now()))
	}
}

// applied brings a change of this very process into force before its answer
// is sent. It goes the way of everybody's changes, so there is one.
func (g *Gate) applied(ctx context.Context) error {
	err := g.catchUp(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(ErrNotYetInForce, err)
	}
	return nil
}

// ErrNotYetInForce means that an operation is stored, and that this node could
// not read it back yet: it will be in force when the store answers again.
var ErrNotYetInForce = errors.New("stored, but not yet in force on this node")
