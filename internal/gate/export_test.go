package gate

import (
	"context"
	"time"
)

// UndoOverdue undoes what is due now, without waiting for the clock.
func (g *Gate) UndoOverdue(ctx context.Context) error { return g.undoOverdue(ctx) }

// KeepHouse does at once what a running gate does every minute.
func (g *Gate) KeepHouse(ctx context.Context) error { return g.house(ctx) }

// BoundHistory changes how many traces are kept in memory.
func (g *Gate) BoundHistory(traces int) { g.history.limit = traces }

// HeldTraces is how many traces of a tenant are in memory.
func (g *Gate) HeldTraces(tenant string) int {
	t := g.history.of(tenant, g.now())
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows
}

// ForgetHistory forgets what nobody has reviewed at a time for too long.
func (g *Gate) ForgetHistory(now time.Time) { g.history.forget(now) }

// DueAlerts looks for changes that owners want to know of, and returns the
// messages that should go.
func (g *Gate) DueAlerts(ctx context.Context) ([]AlertLetter, error) {
	if err := (alerting{g}).watchChanges(ctx); err != nil {
		return nil, err
	}
	return g.store.DueAlerts(ctx, g.now(), 100)
}
