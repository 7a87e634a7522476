package gate

import "context"

// UndoOverdue undoes what is due now, without waiting for the clock.
func (g *Gate) UndoOverdue(ctx context.Context) error { return g.undoOverdue(ctx) }

// KeepHouse does at once what a running gate does every minute.
func (g *Gate) KeepHouse(ctx context.Context) error { return g.house(ctx) }
