package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// tenantOrders are how tenants are ordered, and what comes behind the tenant
// whose slug is a parameter.
var tenantOrders = map[gate.TenantSort]struct{ by, behind string }{
	gate.SortSlug:    {"slug", "slug > $%[1]d"},
	gate.SortName:    {"name, slug", "(name, slug) > (SELECT name, slug FROM tenants WHERE slug = $%[1]d)"},
	gate.SortCreated: {"created DESC, slug DESC", "(created, slug) < (SELECT created, slug FROM tenants WHERE slug = $%[1]d)"},
}

// TenantPage lists the tenants that a filter selects.
func (s *Store) TenantPage(ctx context.Context, f gate.TenantFilter) (list []gate.Tenant, err error) {
	order, ok := tenantOrders[f.Sort]
	if !ok {
		order = tenantOrders[gate.SortSlug]
	}
	where, args := []string{"TRUE"}, []any{}
	add := func(condition string, values ...any) {
		n := len(args)
		args = append(args, values...)
		where = append(where, fmt.Sprintf(condition, n+1, n+2))
	}
	if f.Search != "" {
		text := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.TrimSpace(f.Search))
		add(`(slug LIKE $%[1]d ESCAPE '\' OR LOWER(name) LIKE $%[1]d ESCAPE '\' OR name LIKE $%[2]d ESCAPE '\'
			OR EXISTS (SELECT 1 FROM hosts h WHERE h.tenant = tenants.id AND h.host LIKE $%[1]d ESCAPE '\'))`, "%"+strings.ToLower(text)+"%", "%"+text+"%")
	}
	if f.Mode != "" {
		add("mode = $%[1]d", string(f.Mode))
	}
	if f.After != "" {
		add(order.behind, f.After)
	}
	args = append(args, orAll(f.Limit))
	err = s.view(ctx, func(tx querier) error {
		list, err = collect(ctx, tx, scanTenant, fmt.Sprintf(`SELECT %s FROM tenants WHERE %s ORDER BY %s LIMIT $%d`,
			tenantColumns, strings.Join(where, " AND "), order.by, len(args)), args...)
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].Hosts, err = findHosts(ctx, tx, list[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func findHosts(ctx context.Context, tx querier, tenant string) ([]string, error) {
	return collect(ctx, tx, func(row scanner) (host string, err error) {
		err = row.Scan(&host)
		return host, err
	}, `SELECT host FROM hosts WHERE tenant = $1 ORDER BY ordinal`, tenant)
}

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
