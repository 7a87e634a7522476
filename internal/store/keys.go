package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Purposes of the encrypted keys.
const (
	sealSessionKey   = "session key"
	sealAssertionKey = "assertion key"
)

// AddKeys stores a fresh pair of keys unless the newest session key is another
// than the caller knew (empty: none): gate.ErrExists, another node was faster.
func (s *Store) AddKeys(ctx context.Context, rec gate.Record, known string, session auth.Key, assertion auth.AssertionKey) error {
	return s.write(ctx, func(tx querier) error {
		// Locks the row, so that of several nodes one is first.
		if _, err := tx.exec(ctx, `UPDATE installation SET epoch = epoch WHERE id = 1`); err != nil {
			return err
		}
		var newest string
		var number int64
		err := tx.row(ctx, `SELECT session, number FROM key_pairs ORDER BY number DESC LIMIT 1`).Scan(&newest, &number)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if newest != known {
			return fmt.Errorf("a fresh pair of keys: %w", gate.ErrExists)
		}
		_, err = tx.exec(ctx, `
			INSERT INTO key_pairs (number, created, session, assertion, session_key, assertion_key)
			VALUES ($1, $2, $3, $4, $5, $6)`,
			number+1, micro(session.Created), session.ID, assertion.ID,
			s.sealer.Seal(sealSessionKey, session.ID, session.Secret),
			s.sealer.Seal(sealAssertionKey, assertion.ID, assertion.Seed))
		if err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeGlobal, Subject: session.ID})
	})
}

// RemoveKeys deletes pairs of keys made before the time, never the newest. It
// adds to the change log only when it deletes something.
func (s *Store) RemoveKeys(ctx context.Context, rec gate.Record, before time.Time) error {
	return s.write(ctx, func(tx querier) error {
		n, err := tx.exec(ctx, `DELETE FROM key_pairs WHERE created < $1 AND number < (SELECT MAX(number) FROM key_pairs)`, micro(before))
		if err != nil || n == 0 {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeGlobal})
	})
}

// RaiseEpoch ends every session of everybody.
func (s *Store) RaiseEpoch(ctx context.Context, rec gate.Record) error {
	return s.write(ctx, func(tx querier) error {
		if _, err := tx.exec(ctx, `UPDATE installation SET epoch = epoch + 1 WHERE id = 1`); err != nil {
			return err
		}
		if err := endAll(ctx, tx, rec, ""); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeGlobal})
	})
}

// findGlobal reads the keys, newest first, and the epoch of everybody. A key
// that cannot be opened is an error and not left out: sessions would end for no
// reason that anybody could see.
func (s *Store) findGlobal(ctx context.Context, tx querier) (g gate.Global, err error) {
	if err := tx.row(ctx, `SELECT epoch FROM installation WHERE id = 1`).Scan(&g.Epoch); err != nil {
		return g, err
	}
	type pair struct {
		session   auth.Key
		assertion auth.AssertionKey
	}
	pairs, err := collect(ctx, tx, func(row scanner) (p pair, err error) {
		var created time.Time
		var session, assertion []byte
		err = row.Scan(timeColumn{&created}, &p.session.ID, &p.assertion.ID, &session, &assertion)
		if err != nil {
			return p, err
		}
		p.session.Created, p.assertion.Created = created, created
		if p.session.Secret, err = s.sealer.Open(sealSessionKey, p.session.ID, session); err != nil {
			return p, err
		}
		p.assertion.Seed, err = s.sealer.Open(sealAssertionKey, p.assertion.ID, assertion)
		return p, err
	}, `SELECT created, session, assertion, session_key, assertion_key FROM key_pairs ORDER BY number DESC`)
	for _, p := range pairs {
		g.Session = append(g.Session, p.session)
		g.Assertions = append(g.Assertions, p.assertion)
	}
	return g, err
}
