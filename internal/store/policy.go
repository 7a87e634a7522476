package store

import (
	"context"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// LoadPolicy reads everything that decisions depend on, and the position up to
// which that is so, in one state of the store.
func (s *Store) LoadPolicy(ctx context.Context) (*gate.Policy, error) {
	p := &gate.Policy{}
	err := s.view(ctx, func(tx querier) (err error) {
		if p.Tenants, err = s.findPolicies(ctx, tx, ""); err != nil {
			return err
		}
		if p.Global, err = s.findGlobal(ctx, tx); err != nil {
			return err
		}
		p.Position, err = findPosition(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// LoadTenant returns gate.ErrNotFound for a tenant that was removed.
func (s *Store) LoadTenant(ctx context.Context, id string) (p *gate.TenantPolicy, err error) {
	err = s.view(ctx, func(tx querier) error {
		list, err := s.findPolicies(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return gate.ErrNotFound
		}
		p = &list[0]
		return nil
	})
	return p, err
}

// LoadGlobal reads the part of the policy that belongs to no tenant.
func (s *Store) LoadGlobal(ctx context.Context) (g gate.Global, err error) {
	err = s.view(ctx, func(tx querier) error {
		g, err = s.findGlobal(ctx, tx)
		return err
	})
	return g, err
}

// findPolicies reads the policy of one tenant, or of all when id is empty, with
// one statement for each sort of row however many tenants there are.
func (s *Store) findPolicies(ctx context.Context, tx querier, id string) ([]gate.TenantPolicy, error) {
	tenants, err := findTenants(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	list := make([]gate.TenantPolicy, len(tenants))
	index := make(map[string]*gate.TenantPolicy, len(tenants))
	for i, t := range tenants {
		list[i].Tenant = t
		index[t.ID] = &list[i]
	}
	networks, err := findNetworksInForce(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for i := range networks {
		if p := index[networks[i].tenant]; p != nil {
			p.Networks = append(p.Networks, networks[i].Network)
		}
	}
	admins, err := findAdminViews(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for _, a := range admins {
		if p := index[a.tenant]; p != nil {
			p.Admins = append(p.Admins, a.AdminView)
		}
	}
	tokens, err := findTokens(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		if p := index[t.Tenant]; p != nil {
			p.Tokens = append(p.Tokens, t)
		}
	}
	ended, err := findEnded(ctx, tx, id, s.now())
	if err != nil {
		return nil, err
	}
	for _, e := range ended {
		if p := index[e.tenant]; p != nil {
			p.Ended = append(p.Ended, e.EndedSession)
		}
	}
	pending, err := findPending(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for i := range pending {
		if p := index[pending[i].tenant]; p != nil {
			p.Pending = &pending[i].Pending
		}
	}
	running, err := findEmergencies(ctx, tx, id, s.now())
	if err != nil {
		return nil, err
	}
	for _, e := range running {
		if p := index[e.Tenant]; p != nil {
			p.Running = append(p.Running, e)
		}
	}
	return list, nil
}

// findPosition returns the last change there is.
func findPosition(ctx context.Context, tx querier) (p gate.Position, err error) {
	err = tx.row(ctx, `
		SELECT c.pos, COALESCE(l.id, '')
		FROM change_counter c LEFT JOIN change_log l ON l.stream = c.stream AND l.pos = c.pos
		WHERE c.stream = $1`, stream).Scan(&p.Pos, &p.ID)
	return p, err
}
