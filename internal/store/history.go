package store

import (
	"cmp"
	"context"
	"slices"
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
// that changes them and after it has. Everybody locks hours in the same order.
func markHours(ctx context.Context, tx querier, hours []hourOf) error {
	slices.SortFunc(hours, func(a, b hourOf) int { return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.hour, b.hour)) })
	mark := gate.NewID()
	upsert := bulk{
		head: `INSERT INTO attempt_hours (tenant, hour, mark) VALUES`,
		tail: `ON CONFLICT (tenant, hour) DO UPDATE SET mark = excluded.mark`,
	}
	return execAll(ctx, tx, upsert, slices.Compact(hours), func(h *hourOf) []any { return []any{h.tenant, h.hour, mark} })
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

// tracesQuery is answered from the index attempts_tenant alone.
const tracesQuery = `
	SELECT reference, first_time, last_time, stage, outcome, reason, admin, login_hash, password, address, bits, count FROM attempts
	WHERE tenant = $1 AND first_time >= $2 AND first_time < $3 ORDER BY first_time, reference`
