package store

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// PutNode stores what a node says of itself, and returns the store's time.
func (s *Store) PutNode(ctx context.Context, n gate.Node) (now time.Time, err error) {
	health, err := json.Marshal(n.Health)
	if err != nil {
		return now, err
	}
	err = s.write(ctx, func(tx querier) error {
		return tx.row(ctx, `
			INSERT INTO nodes (name, boot, version, started, seen, pos, reached, clock_offset, health) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (name) DO UPDATE SET boot = excluded.boot, version = excluded.version, started = excluded.started, seen = excluded.seen,
				pos = excluded.pos, reached = excluded.reached, clock_offset = excluded.clock_offset, health = excluded.health
			RETURNING `+cmp.Or(s.clock, "0"),
			n.Name, n.Boot, n.Version, micro(n.Started), micro(n.Seen), n.Position, micro(n.Reached), n.Offset.Microseconds(), string(health)).
			Scan(timeColumn{&now})
	})
	if now.IsZero() {
		now = s.now()
	}
	return now, err
}

// Nodes lists the nodes that were seen since, by their names.
func (s *Store) Nodes(ctx context.Context, since time.Time) ([]gate.Node, error) {
	return collect(ctx, s.read(), func(row scanner) (n gate.Node, err error) {
		var health string
		err = row.Scan(&n.Name, &n.Boot, &n.Version, timeColumn{&n.Started}, timeColumn{&n.Seen}, &n.Position, timeColumn{&n.Reached}, spanColumn{&n.Offset}, &health)
		_ = json.Unmarshal([]byte(health), &n.Health) // a node of another version may put it in other words
		return n, err
	}, `SELECT name, boot, version, started, seen, pos, reached, clock_offset, health FROM nodes WHERE seen >= $1 ORDER BY name`, micro(since))
}

// RemoveNode removes a node, unless it was started again.
func (s *Store) RemoveNode(ctx context.Context, name, boot string) error {
	return s.write(ctx, func(tx querier) error {
		_, err := tx.exec(ctx, `DELETE FROM nodes WHERE name = $1 AND boot = $2`, name, boot)
		return err
	})
}

// ForgetNodes removes the nodes that were not seen since.
func (s *Store) ForgetNodes(ctx context.Context, since time.Time) error {
	return s.write(ctx, func(tx querier) error {
		_, err := tx.exec(ctx, `DELETE FROM nodes WHERE seen < $1`, micro(since))
		return err
	})
}
