package store

import (
	"context"
	"fmt"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// AddTenant stores a tenant with the first, empty version of its list. It
// returns gate.ErrExists when the slug or a host is taken.
func (s *Store) AddTenant(ctx context.Context, rec gate.Record, t gate.Tenant) error {
	t.Version, t.Revision = 1, 1
	return s.write(ctx, func(tx querier) error {
		n, err := tx.exec(ctx, `
			INSERT INTO tenants (id, slug, name, mode, version, revision, epoch, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			t.ID, t.Slug, t.Name, string(t.Mode), t.Version, t.Revision, t.Epoch, micro(t.Created))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("tenant %s: %w", t.Slug, gate.ErrExists)
		}
		if err := addHosts(ctx, tx, t.ID, t.Hosts); err != nil {
			return err
		}
		first := gate.ListVersion{Version: t.Version, Mode: t.Mode, At: rec.At, By: rec.Actor.Name()}
		if err := addListVersion(ctx, tx, t.ID, first); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeTenant, Tenant: t.ID, Subject: t.ID, Version: t.Version})
	})
}

// SetTenant stores name and hosts. It returns gate.ErrNotFound, or
// gate.ErrExists when a host is taken.
func (s *Store) SetTenant(ctx context.Context, rec gate.Record, t gate.Tenant) error {
	return s.write(ctx, func(tx querier) error {
		var version int64
		err := tx.row(ctx, `UPDATE tenants SET name = $2 WHERE id = $1 RETURNING version`, t.ID, t.Name).Scan(&version)
		if err != nil {
			return found(err)
		}
		if _, err := tx.exec(ctx, `DELETE FROM hosts WHERE tenant = $1`, t.ID); err != nil {
			return err
		}
		if err := addHosts(ctx, tx, t.ID, t.Hosts); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeTenant, Tenant: t.ID, Subject: t.ID, Version: version})
	})
}

// addHosts gives the tenant its hosts, in their order.
func addHosts(ctx context.Context, tx querier, tenant string, hosts []string) error {
	for i, host := range hosts {
		n, err := tx.exec(ctx, `INSERT INTO hosts (host, tenant, ordinal) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, host, tenant, i)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("host %s: %w", host, gate.ErrExists)
		}
	}
	return nil
}

// RemoveTenant removes a tenant with its hosts, list and its history, people
// and sessions. Its part of the change log stays for good, and its attempts
// until retention deletes them: both are evidence, and only the operator can
// still see them.
func (s *Store) RemoveTenant(ctx context.Context, rec gate.Record, id string) error {
	return s.write(ctx, func(tx querier) error {
		// The rest goes with it, by the foreign keys.
		if err := touched(tx.exec(ctx, `DELETE FROM tenants WHERE id = $1`, id)); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeTenant, Tenant: id, Subject: id})
	})
}

// Tenants lists all tenants in the order of their slugs.
func (s *Store) Tenants(ctx context.Context) (list []gate.Tenant, err error) {
	err = s.view(ctx, func(tx querier) error {
		list, err = findTenants(ctx, tx, "")
		return err
	})
	return list, err
}

// only adds the condition of one tenant to a statement with these arguments, or
// none when id is empty.
func only(id, column string, args ...any) (condition string, all []any) {
	if id == "" {
		return "", args
	}
	return fmt.Sprintf(" AND %s = $%d", column, len(args)+1), append(args, id)
}

const tenantColumns = `id, slug, name, mode, version, revision, epoch, created`

func scanTenant(row scanner) (t gate.Tenant, err error) {
	err = row.Scan(&t.ID, &t.Slug, &t.Name, &t.Mode, &t.Version, &t.Revision, &t.Epoch, timeColumn{&t.Created})
	return t, err
}

// findTenants reads one tenant, or all when id is empty.
func findTenants(ctx context.Context, tx querier, id string) ([]gate.Tenant, error) {
	condition, args := only(id, "id")
	list, err := collect(ctx, tx, scanTenant, `SELECT `+tenantColumns+` FROM tenants WHERE TRUE`+condition+` ORDER BY slug`, args...)
	if err != nil {
		return nil, err
	}
	index := make(map[string]*gate.Tenant, len(list))
	for i := range list {
		index[list[i].ID] = &list[i]
	}
	if err := findSettings(ctx, tx, id, index); err != nil {
		return nil, err
	}
	condition, args = only(id, "tenant")
	hosts, err := collect(ctx, tx, func(row scanner) (h [2]string, err error) {
		err = row.Scan(&h[0], &h[1])
		return h, err
	}, `SELECT tenant, host FROM hosts WHERE TRUE`+condition+` ORDER BY tenant, ordinal`, args...)
	for _, h := range hosts {
		if t := index[h[0]]; t != nil {
			t.Hosts = append(t.Hosts, h[1])
		}
	}
	return list, err
}
