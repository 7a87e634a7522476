package store

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// AsksMade returns when the requests that wait were made, after a time, by
// tenant: of one tenant, or of all when it is empty.
func (s *Store) AsksMade(ctx context.Context, tenant string, after time.Time) (map[string][]time.Time, error) {
	type ask struct {
		tenant string
		made   time.Time
	}
	condition, args := only(tenant, "tenant", micro(after))
	found, err := collect(ctx, s.read(), func(row scanner) (a ask, err error) {
		err = row.Scan(&a.tenant, timeColumn{&a.made})
		return a, err
	}, `SELECT tenant, made FROM access_requests WHERE state = 'waiting' AND made > $1`+condition+` ORDER BY tenant, made`, args...)
	out := map[string][]time.Time{}
	for _, a := range found {
		out[a.tenant] = append(out[a.tenant], a.made)
	}
	return out, err
}

// AskFacts returns what was done since at the addresses, and by the admins
// wherever they were, summed up by address, admin, stage and outcome. Records
// that were folded into a network are at no address.
func (s *Store) AskFacts(ctx context.Context, tenant string, since time.Time, addresses []netip.Addr, admins []string) ([]gate.AskFact, error) {
	var w where
	if err := w.attempts(gate.AttemptFilter{Tenant: tenant, Since: since}); err != nil {
		return nil, err
	}
	var alternatives []string
	for _, a := range addresses {
		alternatives = append(alternatives, `a.address = `+w.arg(addrBytes(a))+` AND a.bits = `+w.arg(a.BitLen()))
	}
	for _, id := range admins {
		alternatives = append(alternatives, `a.admin = `+w.arg(id))
	}
	w.and(`(` + strings.Join(alternatives, ` OR `) + `)`)
	return collect(ctx, s.read(), func(row scanner) (f gate.AskFact, err error) {
		err = row.Scan(addrColumn{&f.Address}, &f.Admin, &f.Stage, &f.Outcome, &f.Count, timeColumn{&f.Last})
		return f, err
	}, `
		SELECT a.address, a.admin, a.stage, a.outcome, CAST(SUM(a.count) AS BIGINT), MAX(a.last_time) FROM attempts a`+w.String()+`
		GROUP BY a.address, a.admin, a.stage, a.outcome`, w.args...)
}
