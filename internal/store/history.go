package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// hourOf is the hour that a record belongs to for good: that of its first time.
type hourOf struct {
	tenant string
	hour   int64
}

func hoursOf(batch []gate.Attempt) []hourOf {
	hours := make([]hourOf, len(batch))
	for i := range batch {
		hours[i] = hourOf{batch[i].Tenant, gate.HourOf(batch[i].FirstTime)}
	}
	return hours
}

// markHours notes that records of some hours have changed, in the transaction
// that changes them and after it has, and forgets how they were packed. Everybody
// locks hours in the same order.
func markHours(ctx context.Context, tx querier, hours []hourOf) error {
	slices.SortFunc(hours, func(a, b hourOf) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.hour, b.hour)) })
	mark := gate.NewID()
	upsert := bulk{
		head: `INSERT INTO attempt_hours (tenant, hour, mark, changed) VALUES`,
		tail: `ON CONFLICT (tenant, hour) DO UPDATE SET mark = excluded.mark, changed = excluded.changed, pack = NULL`,
	}
	return execAll(ctx, tx, upsert, slices.Compact(hours), func(h *hourOf) []any { return []any{h.tenant, h.hour, mark, micro(tx.now())} })
}

// dropHours forgets the hours of a tenant, or of all, before one that have no
// records any more.
func dropHours(ctx context.Context, tx querier, tenant string, before int64) error {
	condition, args := only(tenant, "tenant", before, time.Hour.Microseconds())
	_, err := tx.exec(ctx, `
		DELETE FROM attempt_hours WHERE hour < $1 AND NOT EXISTS (
			SELECT 1 FROM attempts a
			WHERE a.tenant = attempt_hours.tenant AND a.first_time >= attempt_hours.hour * $2 AND a.first_time < (attempt_hours.hour + 1) * $2)`+condition,
		args...)
	return err
}

// AttemptHours returns the hours of a tenant, from one to before another, that
// have records, each with a mark that is another after every change of them.
func (s *Store) AttemptHours(ctx context.Context, tenant string, first, end int64) (map[int64]string, error) {
	type hour struct {
		hour int64
		mark string
	}
	rows, err := collect(ctx, s.read(), func(row scanner) (h hour, err error) {
		err = row.Scan(&h.hour, &h.mark)
		return h, err
	}, `SELECT hour, mark FROM attempt_hours WHERE tenant = $1 AND hour >= $2 AND hour < $3`, tenant, first, end)
	marks := make(map[int64]string, len(rows))
	for _, h := range rows {
		marks[h.hour] = h.mark
	}
	return marks, err
}

// AttemptTraces gives what the history keeps of the records of a tenant whose
// first time is not before since and before until, in the order of that time.
func (s *Store) AttemptTraces(ctx context.Context, tenant string, since, until time.Time, add func(gate.Trace)) error {
	rows, err := s.reader.QueryContext(ctx, tracesQuery, tenant, micro(since), micro(until))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t gate.Trace
		err := rows.Scan(&t.Reference, timeColumn{&t.First}, timeColumn{&t.Last}, &t.Stage, &t.Outcome, &t.Reason, &t.Admin, &t.LoginHash, &t.Password, addrColumn{&t.Address}, &t.Bits, &t.Count)
		if err != nil {
			return err
		}
		add(t)
	}
	return rows.Err()
}

// AttemptsOf returns the records of a tenant with some keys, newest first. They
// are sorted here: told to, SQLite would rather read all records in their order.
func (s *Store) AttemptsOf(ctx context.Context, tenant string, keys []gate.AttemptKey) ([]gate.Attempt, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	query, args := attemptsOfQuery(tenant, keys)
	found, err := collect(ctx, s.read(), scanAttempt, query, args...)
	slices.SortFunc(found, func(a, b gate.Attempt) int {
		return cmp.Or(b.FirstTime.Compare(a.FirstTime), cmp.Compare(b.Reference, a.Reference))
	})
	return found, err
}

func attemptsOfQuery(tenant string, keys []gate.AttemptKey) (query string, args []any) {
	var w where
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = `(` + w.arg(k.Reference) + `, CAST(` + w.arg(micro(k.First)) + ` AS BIGINT))`
	}
	w.and(`(a.reference, a.first_time) IN (VALUES ` + strings.Join(values, `, `) + `)`)
	w.and(`a.tenant || '' = ` + w.arg(tenant)) // not by an index of the tenant, which has a million of them
	return `SELECT ` + attemptColumns + attemptTables + w.String(), w.args
}

// HourPacks gives those hours of a tenant, from one to before another, that are
// packed. What add is given is overwritten by the next.
func (s *Store) HourPacks(ctx context.Context, tenant string, first, end int64, add func(hour int64, mark string, pack []byte)) error {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT hour, mark, pack FROM attempt_hours WHERE tenant = $1 AND hour >= $2 AND hour < $3 AND pack IS NOT NULL`, tenant, first, end)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var hour int64
		var mark string
		var pack sql.RawBytes
		if err := rows.Scan(&hour, &mark, &pack); err != nil {
			return err
		}
		add(hour, mark, pack)
	}
	return rows.Err()
}

// UnpackedHours lists hours of all tenants before one that are not packed and
// have not changed since a moment, those that changed last first.
func (s *Store) UnpackedHours(ctx context.Context, before int64, since time.Time, limit int) ([]gate.TenantHour, error) {
	return collect(ctx, s.read(), func(row scanner) (h gate.TenantHour, err error) {
		err = row.Scan(&h.Tenant, &h.Hour, &h.Mark)
		return h, err
	}, `
		SELECT tenant, hour, mark FROM attempt_hours WHERE pack IS NULL AND changed < $1 AND hour < $2
		ORDER BY changed DESC LIMIT $3`, micro(since), before, limit)
}

// PackHours stores packs of hours that still have their marks, and returns how
// many. A pack that is nil is taken away. Whoever changes records renews the mark
// in the same transaction, so what a pack was made of is what the mark stands for.
func (s *Store) PackHours(ctx context.Context, packs []gate.HourPack) (stored int, err error) {
	packs = slices.SortedFunc(slices.Values(packs), func(a, b gate.HourPack) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Hour, b.Hour)) // as markHours locks them
	})
	err = s.write(ctx, func(tx querier) error {
		stored = 0
		for _, p := range packs {
			n, err := tx.exec(ctx, `UPDATE attempt_hours SET pack = $4 WHERE tenant = $1 AND hour = $2 AND mark = $3`, p.Tenant, p.Hour, p.Mark, p.Pack)
			if err != nil {
				return err
			}
			stored += int(n)
		}
		return nil
	})
	return stored, err
}

// tracesQuery is answered from the index attempts_tenant alone.
const tracesQuery = `
	SELECT reference, first_time, last_time, stage, outcome, reason, admin, login_hash, password, address, bits, count FROM attempts
	WHERE tenant = $1 AND first_time >= $2 AND first_time < $3 ORDER BY first_time, reference`
