package store

import (
	"context"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// UsedAddresses returns the addresses that a tenant's admins signed in from
// since, let in by the list, a dry run or no list at all, and the last ones of
// the sessions that run now.
func (s *Store) UsedAddresses(ctx context.Context, tenant string, since, now time.Time) ([]gate.Used, error) {
	return collect(ctx, s.read(), func(row scanner) (u gate.Used, err error) {
		err = row.Scan(&u.Admin, addrColumn{&u.Address})
		return u, err
	}, `
		SELECT admin, address FROM attempts
		WHERE tenant = $1 AND stage = 'sign_in' AND outcome IN ('allowed', 'would_block') AND first_time >= $2
			AND reason IN ('network', 'dry_run', 'gate_off') AND address IS NOT NULL
		UNION
		SELECT admin, last_address FROM sessions WHERE tenant = $1 AND ended = 0 AND expires > $3 AND last_address IS NOT NULL`,
		tenant, micro(since), micro(now))
}
