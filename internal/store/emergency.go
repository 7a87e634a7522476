package store

import (
	"context"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// AddEmergency stores emergency access; gate.ErrNotFound without the tenant.
func (s *Store) AddEmergency(ctx context.Context, rec gate.Record, e gate.Emergency) error {
	return s.write(ctx, func(tx querier) error {
		// Locks the tenant, so that it does not go away meanwhile.
		if err := touched(tx.exec(ctx, `UPDATE tenants SET name = name WHERE id = $1`, e.Tenant)); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `
			INSERT INTO emergencies (id, tenant, address, ends, reason, made, made_by, ended) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
			e.ID, e.Tenant, addrBytes(e.Address), micro(e.Until), e.Reason, micro(e.Made), e.By)
		if err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeEmergency, Tenant: e.Tenant, Subject: e.ID})
	})
}

// EndEmergency ends emergency access before its time; gate.ErrNotFound when
// there is none that runs.
func (s *Store) EndEmergency(ctx context.Context, rec gate.Record, tenant, id string) error {
	return s.write(ctx, func(tx querier) error {
		err := touched(tx.exec(ctx, `UPDATE emergencies SET ended = $3 WHERE id = $1 AND tenant = $2 AND ended = 0 AND ends > $3`,
			id, tenant, micro(rec.At)))
		if err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeEmergency, Tenant: tenant, Subject: id})
	})
}

// findEmergencies reads the emergency access that runs, of one tenant, or of
// all when id is empty.
func findEmergencies(ctx context.Context, tx querier, id string, now time.Time) ([]gate.Emergency, error) {
	condition, args := only(id, "tenant", micro(now))
	return collect(ctx, tx, func(row scanner) (e gate.Emergency, err error) {
		err = row.Scan(&e.ID, &e.Tenant, addrColumn{&e.Address}, timeColumn{&e.Until}, &e.Reason, timeColumn{&e.Made}, &e.By)
		return e, err
	}, `SELECT id, tenant, address, ends, reason, made, made_by FROM emergencies WHERE ended = 0 AND ends > $1`+condition+` ORDER BY made, id`, args...)
}
