package gate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Pace of key rotation. A key signs from settle after it was made, for
// rotateEvery, and verifies for as long as a token signed with it can live.
const (
	rotateEvery = 30 * 24 * time.Hour
	keepKeys    = rotateEvery + MaxLifetime + time.Hour
	settle      = 10 * time.Second
)

// MaxLifetime bounds the lifetime of sessions, and so how long keys are kept.
const MaxLifetime = 30 * 24 * time.Hour

// signingKey returns the index of the key to sign with, keys being sorted
// newest first: the newest, but while it is fresh the one before, so that a
// node which has not read it yet still knows every token.
func signingKey(keys []auth.Key, now time.Time) int {
	if len(keys) > 1 && keys[0].Created.After(now.Add(-settle)) {
		return 1
	}
	return 0
}

// keysVersion names a set of keys and the one that signs, for the cache of
// verified tokens.
func keysVersion(keys []auth.Key) uint64 {
	h := sha256.New()
	for _, k := range keys {
		h.Write([]byte(k.ID + "\x00"))
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// rotateKeys makes the first pair of keys, or a new one when the newest is
// old. With several nodes one is first, and the others take its keys.
func (g *Gate) rotateKeys(ctx context.Context) error {
	global := g.snap.global.Load()
	now := g.now()
	if global.keys != nil && now.Sub(global.newest.Created) < rotateEvery {
		return nil
	}
	rec := Record{Actor: Actor{Kind: ActorSystem}, Action: "keys.rotate", At: now}
	err := g.store.AddKeys(ctx, rec, global.newest.ID, auth.NewKey(now), auth.NewAssertionKey(now))
	if err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	return g.applied(ctx)
}

// keepHouse does what has to be done now and then: keys, retention.
func (g *Gate) keepHouse(ctx context.Context) {
	var down atomic.Bool
	g.trouble("keeping house", &down, g.house(ctx))
	every(ctx, func() time.Duration { return time.Minute }, func(ctx context.Context) {
		if err := g.house(ctx); ctx.Err() == nil {
			g.trouble("keeping house", &down, err)
		}
	})
}

// retentionBatch bounds how many records one transaction deletes, so that
// writers never wait for long.
const retentionBatch = 5000

func (g *Gate) house(ctx context.Context) error {
	g.history.forget(time.Now())
	g.lookAtCertificates(time.Now()) // which are made by the machine's time
	if err := g.rotateKeys(ctx); err != nil {
		return err
	}
	now := g.now()
	if err := g.store.RemoveKeys(ctx, Record{Actor: Actor{Kind: ActorSystem}, Action: "keys.remove", At: now}, now.Add(-keepKeys)); err != nil {
		return err
	}
	if err := g.loadFreshKeys(ctx); err != nil {
		return err
	}
	if err := g.store.ForgetNodes(ctx, g.storeTime().Add(-nodeForgotten)); err != nil {
		return err
	}
	if err := g.store.ForgetDeliveries(ctx, now.Add(-forgetDeliveries)); err != nil {
		return err
	}
	if err := g.store.ForgetTyped(ctx, now.Add(-typedKept)); err != nil {
		return err
	}
	if err := g.forget(ctx, now); err != nil {
		return err
	}
	if err := g.shorten(ctx, now); err != nil {
		return err
	}
	return g.PackHours(ctx)
}

// forget deletes what is older than its tenant keeps it.
func (g *Gate) forget(ctx context.Context, now time.Time) error {
	most := g.RetentionBounds().Most
	for tenant, kept := range g.shorterKept() {
		if err := g.deleteAttempts(ctx, tenant, now.Add(-kept)); err != nil {
			return err
		}
	}
	return g.deleteAttempts(ctx, "", now.Add(-most))
}

// shorterKept are the tenants whose attempts are kept for less than most are.
func (g *Gate) shorterKept() map[string]time.Duration {
	shorter, b := map[string]time.Duration{}, g.RetentionBounds()
	g.snap.tenants.all(func(id string, t *tenantState) {
		if kept := t.Settings.retention(b); kept < b.Most {
			shorter[id] = kept
		}
	})
	return shorter
}

func (g *Gate) deleteAttempts(ctx context.Context, tenant string, before time.Time) error {
	for {
		n, err := g.store.DeleteAttempts(ctx, tenant, before, retentionBatch)
		if err != nil || n < retentionBatch {
			return err
		}
	}
}

// loadFreshKeys builds the key sets anew, so that a key which was too fresh to
// sign begins to.
func (g *Gate) loadFreshKeys(ctx context.Context) error {
	g.follower.mu.Lock()
	defer g.follower.mu.Unlock()
	return g.loadGlobal(ctx)
}
