package store

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// findSettings reads what tenants chose, one or all, into those of an index.
func findSettings(ctx context.Context, tx querier, id string, tenants map[string]*gate.Tenant) error {
	type chosen struct {
		tenant string
		gate.Settings
	}
	condition, args := only(id, "tenant")
	all, err := collect(ctx, tx, func(row scanner) (c chosen, err error) {
		err = row.Scan(&c.tenant, &c.Version, spanColumn{&c.Retention}, spanColumn{&c.ShortenAfter}, &c.CheckOutside, &c.NoRequests)
		return c, err
	}, `SELECT tenant, version, retention_us, shorten_us, check_outside, no_requests FROM tenant_settings WHERE TRUE`+condition, args...)
	for _, c := range all {
		if t := tenants[c.tenant]; t != nil {
			t.Settings = c.Settings
		}
	}
	return err
}

// SetSettings stores what a tenant chose, where that has the version of s, and
// raises it; gate.ErrChanged otherwise.
func (s *Store) SetSettings(ctx context.Context, rec gate.Record, tenant string, set gate.Settings) error {
	return s.write(ctx, func(tx querier) error {
		// Two changes at once meet at the row of the tenant.
		if err := touched(tx.exec(ctx, `UPDATE tenants SET epoch = epoch WHERE id = $1`, tenant)); err != nil {
			return err
		}
		var version int64
		err := tx.row(ctx, `SELECT version FROM tenant_settings WHERE tenant = $1`, tenant).Scan(&version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if version != set.Version {
			return gate.ErrChanged
		}
		_, err = tx.exec(ctx, `
			INSERT INTO tenant_settings (tenant, version, retention_us, shorten_us, check_outside, no_requests)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant) DO UPDATE SET version = excluded.version, retention_us = excluded.retention_us,
				shorten_us = excluded.shorten_us, check_outside = excluded.check_outside, no_requests = excluded.no_requests`,
			tenant, version+1, set.Retention.Microseconds(), set.ShortenAfter.Microseconds(), set.CheckOutside, set.NoRequests)
		if err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeTenant, Tenant: tenant, Subject: tenant, Version: set.Version + 1})
	})
}

// CountAged counts a tenant's records whose last time is before: all of them, or
// only those that have a whole address.
func (s *Store) CountAged(ctx context.Context, tenant string, before time.Time, whole bool) (n int64, err error) {
	condition := ``
	if whole {
		condition = ` AND ` + wholeAddress
	}
	err = s.read().row(ctx, `SELECT COUNT(*) FROM attempts WHERE tenant = $1 AND last_time < $2`+condition, tenant, micro(before)).Scan(&n)
	return n, err
}

// wholeAddress holds for records that stand for one address.
const wholeAddress = `address IS NOT NULL AND bits = 8 * LENGTH(address)`

// Lease gives a chore to a holder until a moment, unless another one has it
// still.
func (s *Store) Lease(ctx context.Context, chore, holder string, now, until time.Time) (mine bool, err error) {
	err = s.write(ctx, func(tx querier) error {
		n, err := tx.exec(ctx, `
			INSERT INTO chores (name, holder, ends) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends
			WHERE chores.holder = excluded.holder OR chores.ends <= $4`, chore, holder, micro(until), micro(now))
		mine = n > 0
		return err
	})
	return mine, err
}

// ShortenAddresses cuts the addresses of a tenant's records whose last time lies
// between two moments to the network that they belong to, at most limit of
// them, and forgets what else tells the address: the hops, and the peer where
// nobody stood between. Requests and emergency access that were over before, and
// sessions that ended, are no longer than that either.
// It returns how many records it cut, and the last time of the last of them.
func (s *Store) ShortenAddresses(ctx context.Context, tenant string, from, before time.Time, limit int) (n int64, last time.Time, err error) {
	type key struct {
		reference   string
		first, last time.Time
		address     netip.Addr
	}
	// Looking for them takes the longest, and holds up nobody.
	keys, err := collect(ctx, s.read(), func(row scanner) (k key, err error) {
		err = row.Scan(&k.reference, timeColumn{&k.first}, timeColumn{&k.last}, addrColumn{&k.address})
		return k, err
	}, `
		SELECT reference, first_time, last_time, address FROM attempts
		WHERE tenant = $1 AND last_time >= $2 AND last_time < $3 AND `+wholeAddress+`
		ORDER BY last_time LIMIT $4`, tenant, micro(from), micro(before), limit)
	if err != nil {
		return 0, time.Time{}, err
	}
	err = s.write(ctx, func(tx querier) error {
		hours := make([]hourOf, len(keys))
		for i, k := range keys {
			net, hour := gate.NetworkOf(k.address), gate.HourOf(k.first)
			_, err := tx.exec(ctx, `
				UPDATE attempts SET address = $3, bits = $4, hops = '[]', peer = CASE WHEN peer = address THEN NULL ELSE peer END
				WHERE reference = $1 AND first_time = $2 AND `+wholeAddress, k.reference, micro(k.first), addrBytes(net.Addr()), net.Bits())
			if err != nil {
				return err
			}
			hours[i] = hourOf{tenant, hour}
		}
		if err := markHours(ctx, tx, hours); err != nil {
			return err
		}
		return forgetAddresses(ctx, tx, tenant, before, limit)
	})
	if err != nil || len(keys) == 0 {
		return 0, time.Time{}, err
	}
	return int64(len(keys)), keys[len(keys)-1].last, nil
}

// forgetAddresses shortens those of what was over before: requests keep their
// network, sessions nothing, and emergency access, of which the change log tells,
// goes.
func forgetAddresses(ctx context.Context, tx querier, tenant string, before time.Time, limit int) error {
	for _, query := range []string{
		`UPDATE sessions SET address = NULL, last_address = NULL
			WHERE tenant = $1 AND (expires < $2 OR ended > 0 AND ended < $2) AND (address IS NOT NULL OR last_address IS NOT NULL)`,
		`DELETE FROM emergencies WHERE tenant = $1 AND (ends < $2 OR ended > 0 AND ended < $2)`,
	} {
		if _, err := tx.exec(ctx, query, tenant, micro(before)); err != nil {
			return err
		}
	}
	return shortenAsks(ctx, tx, tenant, before, limit)
}
