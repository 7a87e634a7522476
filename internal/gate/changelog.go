package gate

import (
	"context"
	"errors"
	"sync"
	"time"
)

// verifyAgain is how old a verification of the change log may be before it is
// shown: an older one is made anew meanwhile.
const verifyAgain = 10 * time.Minute

// verifyWithin bounds a verification in the background.
const verifyWithin = 10 * time.Minute

// ChangeFilter selects changes of a tenant.
type ChangeFilter struct {
	Tenant string // tenant ID; empty: everybody's, for commands
	Kind   ChangeKind
	Actor  string // as it is shown, or its id
	Before int64  // position to go on from; 0: from the newest
	Limit  int    // 0: all
}

// Changes lists a tenant's changes, newest first.
func (g *Gate) Changes(ctx context.Context, by Actor, f ChangeFilter) ([]Change, error) {
	if err := by.may(f.Tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	return g.store.Changes(ctx, f)
}

// Chain is what holds of the change log.
type Chain struct {
	Held   int64 // changes
	Erased int64 // texts in them that were erased, on record
}

// Verification is what came of checking the change log of the installation.
type Verification struct {
	At time.Time // when it ended; zero: never yet
	Chain
	Trouble string // which change does not hold, in English; empty: all do
	Running bool
}

// verification keeps the last one of this node.
type verification struct {
	mu   sync.Mutex
	last Verification
	stop context.CancelFunc // of the one that runs
	over bool               // the gate has stopped: no more of them
	done sync.WaitGroup
}

// Verified returns the last verification of the change log. Where that is older
// than ten minutes, or now says so, another one begins in the background.
func (g *Gate) Verified(by Actor, tenant string, now bool) (Verification, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return Verification{}, err
	}
	v := &g.verified
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.over && !v.last.Running && (now || g.now().Sub(v.last.At) >= verifyAgain) {
		ctx, cancel := context.WithTimeout(context.Background(), verifyWithin)
		v.last.Running, v.stop = true, cancel
		v.done.Go(func() {
			defer cancel()
			g.verify(ctx)
		})
	}
	return v.last, nil
}

// end stops a verification that runs, and waits for it.
func (v *verification) end() {
	v.mu.Lock()
	v.over = true
	if v.stop != nil {
		v.stop()
	}
	v.mu.Unlock()
	v.done.Wait()
}

// verify checks the change log and notes what came of it. A store that does not
// answer proves nothing: the last result stands.
func (g *Gate) verify(ctx context.Context) {
	chain, err := g.store.VerifyChanges(ctx)
	g.verified.mu.Lock()
	defer g.verified.mu.Unlock()
	last := &g.verified.last
	last.Running = false
	switch {
	case err == nil:
		*last = Verification{At: g.now(), Chain: chain}
	case errors.Is(err, ErrChainBroken):
		*last = Verification{At: g.now(), Chain: chain, Trouble: err.Error()}
	}
}

// VerifyChanges checks the chain of the change log. An error that wraps
// ErrChainBroken names the first change that does not hold.
func (g *Gate) VerifyChanges(ctx context.Context) (Chain, error) {
	return g.store.VerifyChanges(ctx)
}

// ErrChainBroken means that the change log is not what was written.
var ErrChainBroken = errors.New("the change log was altered")
