package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// settleFor is how long after its end a record waits for its position: the
// last of it is stored within a second, and the clocks of nodes differ.
const settleFor = 2 * time.Second

// OpenDelivery makes the account of a destination, which begins with what is
// complete from now on, or finds it.
func (s *Store) OpenDelivery(ctx context.Context, d gate.Delivery, now time.Time) error {
	return s.write(ctx, func(tx querier) error { return openDelivery(ctx, tx, d, now) })
}

func openDelivery(ctx context.Context, tx querier, d gate.Delivery, now time.Time) error {
	if _, err := tx.exec(ctx, `UPDATE outgoing SET since = $1 WHERE id = 1 AND since = 0`, micro(now)); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `
		INSERT INTO deliveries (name, kind, address, tenant, holder, node, beat, since, pos, delivered, dropped, succeeded, failing, trouble, seen)
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), '', '', 0, CAST($5 AS BIGINT), pos, 0, 0, 0, 0, '', CAST($5 AS BIGINT)
		FROM outgoing WHERE id = 1
		ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, address = excluded.address, tenant = excluded.tenant, seen = excluded.seen`,
		d.Name, d.Kind, d.Address, d.Tenant, micro(now))
	return err
}

// LastBeat returns who delivers, and how far its beat has counted.
func (s *Store) LastBeat(ctx context.Context, name string) (b gate.Beat, err error) {
	err = s.read().row(ctx, `SELECT holder, beat FROM deliveries WHERE name = $1`, name).Scan(&b.Holder, &b.Count)
	return b, found(err)
}

// TakeDelivery makes a holder the one who delivers, where the last beat is still
// the given one; gate.ErrChanged otherwise.
func (s *Store) TakeDelivery(ctx context.Context, name string, last gate.Beat, holder, node string, now time.Time) error {
	return s.held(ctx, `UPDATE deliveries SET holder = $4, node = $5, beat = beat + 1, seen = $6 WHERE name = $1 AND holder = $2 AND beat = $3`,
		name, last.Holder, last.Count, holder, node, micro(now))
}

// BeatDelivery shows that the holder is alive; gate.ErrChanged when somebody
// else has taken over.
func (s *Store) BeatDelivery(ctx context.Context, name, holder string, now time.Time) error {
	return s.held(ctx, `UPDATE deliveries SET beat = beat + 1, seen = $3 WHERE name = $1 AND holder = $2`, name, holder, micro(now))
}

// LeaveDelivery ends the hold.
func (s *Store) LeaveDelivery(ctx context.Context, name, holder string) error {
	return s.held(ctx, `UPDATE deliveries SET holder = '', node = '' WHERE name = $1 AND holder = $2`, name, holder)
}

// NoteDelivered notes that the other side has n records, up to a position. With
// no record, others' were passed over, which says nothing about it.
func (s *Store) NoteDelivered(ctx context.Context, name, holder string, upTo, n int64, now time.Time) error {
	if n == 0 {
		return s.held(ctx, `UPDATE deliveries SET pos = $3 WHERE name = $1 AND holder = $2`, name, holder, upTo)
	}
	return s.held(ctx, `
		UPDATE deliveries SET pos = $3, delivered = delivered + $4, succeeded = $5, failing = 0, trouble = '' WHERE name = $1 AND holder = $2`,
		name, holder, upTo, n, micro(now))
}

// NoteFailed notes why nothing goes on.
func (s *Store) NoteFailed(ctx context.Context, name, holder, why string, now time.Time) error {
	return s.held(ctx, `
		UPDATE deliveries SET trouble = $3, failing = CASE WHEN failing = 0 THEN $4 ELSE failing END WHERE name = $1 AND holder = $2`,
		name, holder, why, micro(now))
}

// held changes an account that must still be as the statement says.
func (s *Store) held(ctx context.Context, query string, args ...any) error {
	return s.write(ctx, func(tx querier) error {
		err := touched(tx.exec(ctx, query, args...))
		if errors.Is(err, gate.ErrNotFound) {
			return gate.ErrChanged
		}
		return err
	})
}

// Outgoing gives positions to what is complete and returns what a destination
// has not had yet, at most limit records, and up to which position that is.
func (s *Store) Outgoing(ctx context.Context, name string, now time.Time, limit int) (list []gate.Attempt, upTo int64, err error) {
	if err := s.settle(ctx, now, limit); err != nil {
		return nil, 0, fmt.Errorf("putting what leaves in order: %w", err)
	}
	err = s.view(ctx, func(tx querier) error {
		list, upTo, err = outgoing(ctx, tx, name, limit)
		return err
	})
	return list, upTo, err
}

func outgoing(ctx context.Context, tx querier, name string, limit int) (list []gate.Attempt, upTo int64, err error) {
	var tenant string
	var pos, since, head int64
	err = tx.row(ctx, `SELECT d.tenant, d.pos, d.since, o.pos FROM deliveries d, outgoing o WHERE d.name = $1 AND o.id = 1`, name).Scan(&tenant, &pos, &since, &head)
	if err != nil {
		return nil, 0, found(err)
	}
	if head == pos {
		return nil, 0, nil
	}
	condition, args := only(tenant, "a.tenant", pos, since, orAll(limit))
	list, err = collect(ctx, tx, func(row scanner) (a gate.Attempt, err error) {
		var pos int64
		a, err = scanAttempt(withLast{row, &pos})
		a.Pos = pos
		return a, err
	}, `SELECT `+attemptColumns+`, a.pos`+attemptTables+` WHERE a.pos > 0 AND a.pos > $1 AND a.ends >= $2`+condition+` ORDER BY a.pos LIMIT $3`, args...)
	if err != nil {
		return nil, 0, err
	}
	if len(list) < limit {
		return list, head, nil // what lies between is not for this destination
	}
	return list, list[len(list)-1].Pos, nil
}

// withLast is a row with one more column at its end.
type withLast struct {
	scanner
	last any
}

func (r withLast) Scan(dest ...any) error { return r.scanner.Scan(append(dest, r.last)...) }

// settle gives the next positions to records that are complete. Those who do it
// meet at the counter, so that positions become visible in their order. A
// record that has grown meanwhile, or grows later, loses its position.
func (s *Store) settle(ctx context.Context, now time.Time, limit int) error {
	before := micro(now.Add(-settleFor))
	var waits bool
	err := s.read().row(ctx, `SELECT EXISTS (SELECT 1 FROM attempts WHERE pos = 0 AND ends >= (SELECT since FROM outgoing WHERE id = 1) AND ends < $1)`, before).Scan(&waits)
	if err != nil || !waits {
		return err
	}
	return s.write(ctx, func(tx querier) error {
		var pos, since int64
		err := tx.row(ctx, `UPDATE outgoing SET pos = pos WHERE id = 1 RETURNING pos, since`).Scan(&pos, &since)
		if err != nil {
			return err
		}
		n, err := tx.exec(ctx, `
			UPDATE attempts SET pos = CAST($1 AS BIGINT) + n.ordinal
			FROM (
				SELECT reference, first_time, ROW_NUMBER() OVER (ORDER BY ends, reference, first_time) AS ordinal
				FROM (
					SELECT reference, first_time, ends FROM attempts
					WHERE pos = 0 AND ends >= $2 AND ends < $3 ORDER BY ends, reference, first_time LIMIT $4
				) e
			) n
			WHERE attempts.reference = n.reference AND attempts.first_time = n.first_time AND attempts.pos = 0`,
			pos, since, before, orAll(limit))
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE outgoing SET pos = pos + $1 WHERE id = 1`, int64(limit))
		return err
	})
}

// Deliveries lists the accounts by name, without that of the alerts while no
// tenant has any.
func (s *Store) Deliveries(ctx context.Context, now time.Time) ([]gate.Delivery, error) {
	return collect(ctx, s.read(), func(row scanner) (d gate.Delivery, err error) {
		err = row.Scan(&d.Name, &d.Kind, &d.Address, &d.Tenant, &d.Node, &d.Delivered, &d.Dropped, timeColumn{&d.LastSuccess},
			timeColumn{&d.Failing}, &d.LastError, timeColumn{&d.Seen}, &d.Waiting, timeColumn{&d.Oldest})
		return d, err
	}, `
		SELECT d.name, d.kind, d.address, d.tenant, d.node, d.delivered, d.dropped, d.succeeded, d.failing, d.trouble, d.seen,
			(SELECT COUNT(*) FROM attempts a WHERE `+notDelivered+`),
			COALESCE((SELECT MIN(a.ends) FROM attempts a WHERE `+notDelivered+`), 0)
		FROM deliveries d WHERE d.kind <> 'alerts' OR d.holder <> '' ORDER BY d.name`, micro(now.Add(-settleFor)))
}

// notDelivered are the attempts that wait for a destination: with a position
// behind its own, or complete without one.
const notDelivered = `(a.pos > 0 AND a.pos > d.pos AND a.ends >= d.since OR a.pos = 0 AND a.ends >= d.since AND a.ends < $1) AND (d.tenant = '' OR d.tenant = a.tenant)`

// ForgetDeliveries deletes accounts that no node has worked on since.
func (s *Store) ForgetDeliveries(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx querier) error {
		_, err := tx.exec(ctx, `DELETE FROM deliveries WHERE seen < $1`, micro(before))
		return err
	})
}

// leaver is what an attempt that is deleted means to destinations.
type leaver struct {
	tenant    string
	ends, pos int64
}

// noteDropped counts, for each destination, what is deleted before it was
// delivered there.
func noteDropped(ctx context.Context, tx querier, deleted []leaver) error {
	type account struct {
		name, tenant string
		since, pos   int64
	}
	accounts, err := collect(ctx, tx, func(row scanner) (a account, err error) {
		err = row.Scan(&a.name, &a.tenant, &a.since, &a.pos)
		return a, err
	}, `SELECT name, tenant, since, pos FROM deliveries ORDER BY name`)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		var n int64
		for _, l := range deleted {
			if l.ends >= a.since && (l.pos == 0 || l.pos > a.pos) && l.tenant == cmp.Or(a.tenant, l.tenant) {
				n++
			}
		}
		if n == 0 {
			continue
		}
		if _, err := tx.exec(ctx, `UPDATE deliveries SET dropped = dropped + $2 WHERE name = $1`, a.name, n); err != nil {
			return err
		}
	}
	return nil
}
