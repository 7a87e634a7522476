package store

import (
	"context"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TenantFigures reads what a tenant's records say. Each part is answered from an
// index of that tenant: records of others cost nothing.
func (s *Store) TenantFigures(ctx context.Context, tenant string, attempts, requests time.Time) (f gate.TenantFigures, err error) {
	err = s.read().row(ctx, `
		SELECT
			(SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM attempts
				WHERE tenant = $1 AND first_time >= $2 AND stage = 'gate' AND outcome = 'blocked'),
			(SELECT COUNT(*) FROM access_requests WHERE tenant = $1 AND made >= $3 AND state = 'waiting'),
			(SELECT COALESCE(MAX(last_sign_in), 0) FROM admins WHERE tenant = $1),
			(SELECT COALESCE(MIN(made), 0) FROM list_versions WHERE tenant = $1 AND version > COALESCE(
				(SELECT MAX(version) FROM list_versions WHERE tenant = $1 AND mode <> 'dry_run'), 0))`,
		tenant, micro(attempts), micro(requests)).
		Scan(&f.Blocked, &f.Requests, timeColumn{&f.LastSignIn}, timeColumn{&f.DryRunSince})
	return f, err
}

// DescribeStore says which engine this is, and how much room it takes.
func (s *Store) DescribeStore(ctx context.Context) (i gate.StoreInfo, err error) {
	err = s.read().row(ctx, s.describe).Scan(&i.Kind, &i.Version, &i.Bytes)
	return i, err
}
