package gate

import (
	"context"
	"sync"
	"time"
)

// Pace of cutting addresses.
const (
	shortenBatch = 1000 // records in one transaction, so that writers never wait for long
	shortenMost  = 20   // batches of one tenant in one round; the rest comes a minute later
	choreLease   = 5 * time.Minute
	shortenAgain = 24 * time.Hour // everything is looked at again, for records that came late
)

// ShortenStore cuts addresses, and lets one node at a time do it.
type ShortenStore interface {
	// Lease gives a chore to the holder until a moment, unless another holder
	// has it still at the time now.
	Lease(ctx context.Context, chore, holder string, now, until time.Time) (bool, error)
	// ShortenAddresses cuts the addresses of a tenant's records whose last time
	// lies between two moments to the network that they belong to, and
	// forgets how they were found; it also cuts those of the tenant's access
	// requests that were over before, and forgets those of sessions that ended
	// and emergency access that was over. It returns how many records it cut, at
	// most limit, and the last time of the last of them.
	ShortenAddresses(ctx context.Context, tenant string, from, before time.Time, limit int) (n int64, last time.Time, err error)
}

// shortening is how far this node has got.
type shortening struct {
	mu    sync.Mutex
	began time.Time            // when everything was looked at
	done  map[string]time.Time // by tenant: what ended before has been cut
}

// shorten cuts the addresses of records, and of what else has one, that have reached the age their tenant
// chose, a bounded number of them, if no other node is at it.
func (g *Gate) shorten(ctx context.Context, now time.Time) error {
	ages := map[string]time.Duration{}
	g.snap.tenants.all(func(id string, t *tenantState) {
		if d := t.Settings.ShortenAfter; d > 0 {
			ages[id] = d
		}
	})
	if len(ages) == 0 {
		return nil
	}
	s := &g.shortened
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, err := g.store.Lease(ctx, "shorten", g.recorder.boot.Boot, now, now.Add(choreLease))
	if err != nil || !mine {
		s.done = nil // whoever has it begins from the beginning, too
		return err
	}
	if s.done == nil || now.Sub(s.began) >= shortenAgain {
		s.began, s.done = now, map[string]time.Time{}
	}
	for tenant, age := range ages {
		if err := s.tenant(ctx, g.store, tenant, now.Add(-age)); err != nil {
			return err
		}
	}
	return nil
}

// tenant goes on with one; the caller holds mu.
func (s *shortening) tenant(ctx context.Context, store ShortenStore, tenant string, before time.Time) error {
	for range shortenMost {
		n, last, err := store.ShortenAddresses(ctx, tenant, s.done[tenant], before, shortenBatch)
		if err != nil {
			return err
		}
		if n < shortenBatch {
			s.done[tenant] = before
			return nil
		}
		s.done[tenant] = last
	}
	return nil
}
