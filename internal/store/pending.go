package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// nothingPending returns gate.ErrChangePending while a change of the list
// waits. The tenant has to be locked.
func nothingPending(ctx context.Context, tx querier, tenant string) error {
	var version int64
	err := tx.row(ctx, `SELECT version FROM pending_changes WHERE tenant = $1`, tenant).Scan(&version)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return gate.ErrChangePending
}

func addPending(ctx context.Context, tx querier, rec gate.Record, put gate.ListPut, version int64) error {
	_, err := tx.exec(ctx, `
		INSERT INTO pending_changes (tenant, version, base, ends, admin, login, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		put.Tenant, version, put.Base, micro(put.ConfirmUntil), rec.Actor.Admin, rec.Actor.Name(), put.Reason)
	return err
}

// takePending locks the tenant and takes its waiting change away, which only
// one of many can: the others get gate.ErrNothingPending.
func takePending(ctx context.Context, tx querier, rec gate.Record, tenant string, version int64) (base int64, err error) {
	if err := lockTenant(ctx, tx, rec, tenant); err != nil {
		return 0, err
	}
	err = tx.row(ctx, `DELETE FROM pending_changes WHERE tenant = $1 AND version = $2 RETURNING base`, tenant, version).Scan(&base)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, gate.ErrNothingPending
	}
	return base, err
}

// Confirm lets the waiting change stand; gate.ErrNothingPending when this
// version does not wait.
func (s *Store) Confirm(ctx context.Context, rec gate.Record, tenant string, version int64) error {
	return s.write(ctx, func(tx querier) error {
		if _, err := takePending(ctx, tx, rec, tenant, version); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeList, Tenant: tenant, Subject: tenant, Version: version})
	})
}

// Undo brings back mode and entries from before the waiting change, as a new
// version, and returns it; gate.ErrNothingPending when this version does not
// wait.
func (s *Store) Undo(ctx context.Context, rec gate.Record, tenant string, version int64) (next int64, err error) {
	err = s.write(ctx, func(tx querier) error {
		base, err := takePending(ctx, tx, rec, tenant, version)
		if err != nil {
			return err
		}
		old, err := findList(ctx, tx, tenant, `version = $2`, base)
		if err != nil {
			return err
		}
		put := gate.ListPut{Tenant: tenant, Base: version, Mode: old.Mode, Networks: old.Networks}
		if next, err = putList(ctx, tx, rec, put, gate.ListVersion{Mode: old.Mode, Undoes: version}); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeList, Tenant: tenant, Subject: tenant, Version: next})
	})
	if err != nil {
		return 0, err
	}
	return next, nil
}

// tenantPending is a waiting change, and whose it is.
type tenantPending struct {
	tenant string
	gate.Pending
}

// findPending reads the waiting change of one tenant, or of all when id is
// empty.
func findPending(ctx context.Context, tx querier, id string) ([]tenantPending, error) {
	condition, args := only(id, "tenant")
	return collect(ctx, tx, func(row scanner) (p tenantPending, err error) {
		err = row.Scan(&p.tenant, &p.Version, &p.Base, timeColumn{&p.Until}, &p.ByAdmin, &p.By, &p.Reason)
		return p, err
	}, `SELECT tenant, version, base, ends, admin, login, reason FROM pending_changes WHERE TRUE`+condition, args...)
}
