package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// OpenLedger begins the account of a start of a node. Opening it twice changes
// nothing.
func (s *Store) OpenLedger(ctx context.Context, l gate.Ledger) error {
	return s.write(ctx, func(tx querier) error { return putSeen(ctx, tx, l) })
}

// putSeen moves an account's number of seen attempts forward, and begins the
// account of a start that could not do so itself. What an account that is
// closed still gets, from a spool that was found later, is not lost any more.
func putSeen(ctx context.Context, tx querier, l gate.Ledger) error {
	var finished bool
	err := tx.row(ctx, `
		INSERT INTO ledger (boot, node, started, seen, deleted, lost, finished) VALUES ($1, $2, $3, $4, 0, 0, FALSE)
		ON CONFLICT (boot) DO UPDATE SET seen = CASE WHEN ledger.seen < excluded.seen THEN excluded.seen ELSE ledger.seen END
		RETURNING finished`, l.Boot, l.Node, micro(l.Started), l.Seen).Scan(&finished)
	if err != nil || !finished {
		return err
	}
	return closeLedger(ctx, tx, l.Boot)
}

// CloseLedger closes an account: what was seen and is neither stored nor
// deleted is lost. Closing it twice changes nothing. It returns gate.ErrNotFound
// for a start that has no account.
func (s *Store) CloseLedger(ctx context.Context, boot string, seen int64) (l gate.Ledger, err error) {
	err = s.write(ctx, func(tx querier) error {
		err := touched(tx.exec(ctx, `UPDATE ledger SET seen = CASE WHEN seen < $2 THEN $2 ELSE seen END WHERE boot = $1`, boot, seen))
		if err != nil {
			return err
		}
		if err := closeLedger(ctx, tx, boot); err != nil {
			return err
		}
		l, err = scanLedger(tx.row(ctx, `SELECT `+ledgerColumns+` FROM ledger l WHERE boot = $1`, boot))
		return err
	})
	return l, err
}

func closeLedger(ctx context.Context, tx querier, boot string) error {
	_, err := tx.exec(ctx, `
		UPDATE ledger SET finished = TRUE, lost = (
			SELECT CASE WHEN l.seen > l.stored + l.deleted THEN l.seen - l.stored - l.deleted ELSE 0 END
			FROM (SELECT seen, deleted, `+ledgerStored+` AS stored FROM ledger l WHERE boot = $1) l)
		WHERE boot = $1`, boot)
	return err
}

// ledgerStored counts what the store has of a start.
const ledgerStored = `(SELECT CAST(COALESCE(SUM(a.count), 0) AS BIGINT) FROM attempts a WHERE a.boot = l.boot)`

const ledgerColumns = `node, boot, started, seen, ` + ledgerStored + `, deleted, lost, finished`

func scanLedger(row scanner) (l gate.Ledger, err error) {
	err = row.Scan(&l.Node, &l.Boot, timeColumn{&l.Started}, &l.Seen, &l.Stored, &l.Deleted, &l.Lost, &l.Finished)
	return l, err
}

// Ledgers lists all accounts, the newest first. What waits is known to the
// running nodes only.
func (s *Store) Ledgers(ctx context.Context) ([]gate.Ledger, error) {
	return collect(ctx, s.read(), scanLedger, `SELECT `+ledgerColumns+` FROM ledger l ORDER BY started DESC, boot`)
}

// DeleteAttempts deletes records of a tenant, or of all where it is empty, whose
// last time is before, the oldest first and at most limit of them, and returns
// how many; the ledger keeps their counts. It also deletes as many access requests
// made before and sessions whose end is before, and of all tenants what the
// throttle does not need any more.
func (s *Store) DeleteAttempts(ctx context.Context, tenant string, before time.Time, limit int) (deleted int64, err error) {
	err = s.write(ctx, func(tx querier) error {
		if deleted, err = deleteAttempts(ctx, tx, tenant, micro(before), orAll(limit)); err != nil {
			return err
		}
		condition, args := only(tenant, "tenant", micro(before), orAll(limit))
		_, err := tx.exec(ctx, `
			DELETE FROM access_requests WHERE id IN (SELECT id FROM access_requests WHERE made < $1`+condition+` ORDER BY made LIMIT $2)`, args...)
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, `
			DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires < $1`+condition+` ORDER BY expires LIMIT $2)`, args...)
		if err != nil || tenant != "" {
			return err
		}
		_, err = tx.exec(ctx, `
			DELETE FROM throttle WHERE ends < $1 AND key IN (SELECT key FROM throttle WHERE ends < $1 ORDER BY ends LIMIT $2)`, micro(s.now()), orAll(limit))
		return err
	})
	return deleted, err
}

// deleteAttempts deletes records, and moves their counts to the accounts of the
// starts that saw them.
func deleteAttempts(ctx context.Context, tx querier, tenant string, before, limit int64) (int64, error) {
	type gone struct {
		hour  hourOf
		boot  string
		count int64
		leaver
	}
	// No record ends before it begins, so the condition on its first time
	// changes nothing but lets the index be used. What the inner statement has
	// found may have grown before it is locked, so the outer one looks again.
	condition, args := only(tenant, "tenant", before, limit)
	list, err := collect(ctx, tx, func(row scanner) (g gone, err error) {
		var first time.Time
		err = row.Scan(&g.hour.tenant, timeColumn{&first}, &g.boot, &g.count, &g.ends, &g.pos)
		g.hour.hour, g.tenant = gate.HourOf(first), g.hour.tenant
		return g, err
	}, `
		DELETE FROM attempts WHERE last_time < $1 AND (reference, first_time) IN (
			SELECT reference, first_time FROM attempts WHERE first_time < $1 AND last_time < $1`+condition+`
			ORDER BY first_time, reference LIMIT $2)
		RETURNING tenant, first_time, boot, count, ends, pos`, args...)
	if err != nil {
		return 0, err
	}
	counts, hours, leavers := map[string]int64{}, make([]hourOf, len(list)), make([]leaver, len(list))
	for i, g := range list {
		counts[g.boot] += g.count
		hours[i], leavers[i] = g.hour, g.leaver
	}
	if err := noteDropped(ctx, tx, leavers); err != nil {
		return 0, err
	}
	if err := markHours(ctx, tx, hours); err != nil {
		return 0, err
	}
	if err := dropHours(ctx, tx, tenant, gate.HourOf(timeOf(before))); err != nil {
		return 0, err
	}
	for _, boot := range slices.Sorted(maps.Keys(counts)) {
		if _, err := tx.exec(ctx, `UPDATE ledger SET deleted = deleted + $2 WHERE boot = $1`, boot, counts[boot]); err != nil {
			return 0, err
		}
	}
	return int64(len(list)), nil
}
