package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// AddToken stores a token. It returns gate.ErrExists when the tenant has one of
// this name, gate.ErrNotFound without the tenant, and *gate.InvalidError when
// the tenant has as many as it may.
func (s *Store) AddToken(ctx context.Context, rec gate.Record, t gate.APIToken) error {
	return s.write(ctx, func(tx querier) error {
		// Locks the tenant, so that two do not both count one below the bound.
		if err := touched(tx.exec(ctx, `UPDATE tenants SET name = name WHERE id = $1`, t.Tenant)); err != nil {
			return err
		}
		var count int
		err := tx.row(ctx, `SELECT COUNT(*) FROM api_tokens WHERE tenant = $1 AND hash IS NOT NULL`, t.Tenant).Scan(&count)
		if err != nil {
			return err
		}
		if count >= gate.MaxTokens {
			return gate.Invalid("name", "too_many", "there are %d tokens: remove one that is not needed any more", count)
		}
		n, err := tx.exec(ctx, `
			INSERT INTO api_tokens (id, tenant, name, hash, scopes, networks, created, created_by, expires, last_used)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) ON CONFLICT DO NOTHING`,
			t.ID, t.Tenant, t.Name, t.Hash, jsonOf(t.Scopes), jsonOf(rangeTexts(t.Networks)),
			micro(t.Created), t.CreatedBy, micro(t.Expires))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("token %s: %w", t.Name, gate.ErrExists)
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeToken, Tenant: t.Tenant, Subject: t.ID})
	})
}

func rangeTexts(ranges []cidr.Range) []string {
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	return texts
}

// Tokens lists a tenant's tokens, in the order they were made.
func (s *Store) Tokens(ctx context.Context, tenant string) ([]gate.APIToken, error) {
	return findTokens(ctx, s.read(), tenant)
}

// findTokens reads the tokens of one tenant, or of all when id is empty.
func findTokens(ctx context.Context, q querier, id string) ([]gate.APIToken, error) {
	condition, args := only(id, "tenant")
	return collect(ctx, q, scanToken, `
		SELECT id, tenant, name, hash, scopes, networks, created, created_by, expires, last_used, last_address
		FROM api_tokens WHERE hash IS NOT NULL`+condition+` ORDER BY tenant, created, id`, args...)
}

func scanToken(row scanner) (t gate.APIToken, err error) {
	var networks []string
	err = row.Scan(&t.ID, &t.Tenant, &t.Name, &t.Hash, jsonColumn[gate.Scope]{&t.Scopes}, jsonColumn[string]{&networks},
		timeColumn{&t.Created}, &t.CreatedBy, timeColumn{&t.Expires}, timeColumn{&t.LastUsed}, addrColumn{&t.LastAddress})
	if err != nil {
		return t, err
	}
	for _, text := range networks {
		r, _, err := cidr.Parse(text)
		if err != nil {
			// Never without its networks: it would be good from everywhere in the list.
			return t, fmt.Errorf("token %s: %w", t.ID, err)
		}
		t.Networks = append(t.Networks, r)
	}
	return t, nil
}

// RemoveToken makes a token count no more; gate.ErrNotFound where the tenant has
// none. Its row stays, for the records that name it.
func (s *Store) RemoveToken(ctx context.Context, rec gate.Record, tenant, id string) error {
	return s.write(ctx, func(tx querier) error {
		err := touched(tx.exec(ctx, `UPDATE api_tokens SET hash = NULL WHERE id = $1 AND tenant = $2 AND hash IS NOT NULL`, id, tenant))
		if err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeToken, Tenant: tenant, Subject: id})
	})
}

// TouchTokens stores when and from where tokens were last used. What several
// nodes saw may come in any order: the latest counts.
func (s *Store) TouchTokens(ctx context.Context, used []gate.TokenUse) error {
	// Everybody locks in the order of the ids.
	used = slices.SortedFunc(slices.Values(used), func(a, b gate.TokenUse) int { return cmp.Compare(a.ID, b.ID) })
	return s.write(ctx, func(tx querier) error {
		for i := range used {
			_, err := tx.exec(ctx, `UPDATE api_tokens SET last_used = $2, last_address = $3 WHERE id = $1 AND last_used < $2`,
				used[i].ID, micro(used[i].At), addrBytes(used[i].Address))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
