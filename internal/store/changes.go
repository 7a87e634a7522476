package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// stream is the one change log there is. It is in the key so that there can be
// more later, each with its own counter.
const stream = gate.ChangeStream

// verifyBatch is how many rows of the change log are read at once.
const verifyBatch = 1000

// addChange ends a transaction with the next position of the change log; what
// comes with it says kind, tenant, subject and version. Nothing may be locked
// after it: all writers meet at the counter, and one that held it while it
// waited for something else could wait for ever.
func addChange(ctx context.Context, tx querier, rec gate.Record, c gate.Change) error {
	if rec.Actor.Visiting && c.Kind != gate.ChangeAccess {
		return gate.ErrForbidden
	}
	c.ID, c.Action, c.At = gate.NewID(), rec.Action, timeOf(micro(rec.At))
	c.Actor, c.ActorID, c.Address = cleanText(rec.Actor.Name()), rec.Actor.Admin, rec.Actor.Address.Unmap()
	if rec.Detail != nil {
		var err error
		if c.Detail, err = json.Marshal(rec.Detail); err != nil {
			return fmt.Errorf("describing the change: %w", err)
		}
	}
	var before []byte
	err := tx.row(ctx, `UPDATE change_counter SET pos = pos + 1 WHERE stream = $1 RETURNING pos, hash`, stream).Scan(&c.Pos, &before)
	if err != nil {
		return err
	}
	c.Key = gate.NewChangeKey()
	if c.Hash, err = gate.HashChange(before, &c); err != nil {
		return err
	}
	_, err = tx.exec(ctx, `
		INSERT INTO change_log (stream, pos, id, kind, action, tenant, subject, version, made, actor, actor_id, address, detail, key, leaves, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '[]', $15)`,
		stream, c.Pos, c.ID, string(c.Kind), c.Action, c.Tenant, c.Subject, c.Version, micro(c.At),
		c.Actor, c.ActorID, addrBytes(c.Address), string(c.Detail), c.Key, c.Hash)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE change_counter SET hash = $2 WHERE stream = $1`, stream, c.Hash)
	return err
}

const changeColumns = `pos, id, kind, action, tenant, subject, version, made, actor, actor_id, address, detail, key, leaves, hash`

func scanChange(row scanner, more ...any) (c gate.Change, err error) {
	var address []byte
	err = row.Scan(append([]any{&c.Pos, &c.ID, &c.Kind, &c.Action, &c.Tenant, &c.Subject, &c.Version, timeColumn{&c.At},
		&c.Actor, &c.ActorID, &address, &c.Detail, &c.Key, jsonColumn[gate.Leaf]{&c.Leaves}, &c.Hash}, more...)...)
	if err != nil {
		return c, fmt.Errorf("change %d: %w", c.Pos, err)
	}
	if len(c.Detail) == 0 {
		c.Detail = nil
	}
	var ok bool
	if c.Address, ok = netip.AddrFromSlice(address); !ok && address != nil {
		return c, fmt.Errorf("change %d: its address has %d bytes", c.Pos, len(address))
	}
	return c, nil
}

// ChangesFrom returns up to limit changes from the position on, that one
// included, in order.
func (s *Store) ChangesFrom(ctx context.Context, pos int64, limit int) ([]gate.Change, error) {
	return changesFrom(ctx, s.read(), pos, limit, func(row scanner) (gate.Change, error) { return scanChange(row) })
}

func changesFrom[T any](ctx context.Context, q querier, pos int64, limit int, scan func(scanner) (T, error)) ([]T, error) {
	return collect(ctx, q, scan,
		`SELECT `+changeColumns+` FROM change_log WHERE stream = $1 AND pos >= $2 ORDER BY pos LIMIT $3`,
		stream, pos, orAll(limit))
}

// Changes lists the changes that a filter selects, newest first, each with the
// hash of the row before it, so that it can be checked by itself.
func (s *Store) Changes(ctx context.Context, f gate.ChangeFilter) ([]gate.Change, error) {
	var w where
	w.and(`c.stream = ` + w.arg(stream))
	if f.Before > 0 {
		w.and(`c.pos < ` + w.arg(f.Before))
	}
	if f.Tenant != "" {
		w.and(`c.tenant = ` + w.arg(f.Tenant))
	}
	if f.Kind != "" {
		w.and(`c.kind = ` + w.arg(string(f.Kind)))
	}
	if f.Actor != "" {
		actor := w.arg(f.Actor)
		w.and(`(c.actor = ` + actor + ` OR c.actor_id = ` + actor + `)`)
	}
	columns := `c.` + strings.ReplaceAll(changeColumns, `, `, `, c.`)
	return collect(ctx, s.read(), func(row scanner) (c gate.Change, err error) {
		var before []byte
		c, err = scanChange(row, &before)
		c.Before = before
		return c, err
	}, `
		SELECT `+columns+`, b.hash FROM change_log c LEFT JOIN change_log b ON b.stream = c.stream AND b.pos = c.pos - 1`+w.String()+`
		ORDER BY c.pos DESC LIMIT `+w.arg(orAll(f.Limit)), w.args...)
}

// VerifyChanges reads the whole chain and says what of it holds. The error
// names the first row that does not: one that was altered, moved or taken out,
// or that the end is missing, or that a text was erased which no change accounts
// for.
//
// The chain has no key: it finds what was altered in the database, unless all
// that follows and the counter were written anew to fit. Against somebody who
// does that, keep the last hash elsewhere.
func (s *Store) VerifyChanges(ctx context.Context) (held gate.Chain, err error) {
	err = s.view(ctx, func(tx querier) error {
		held, err = verifyChanges(ctx, tx)
		return err
	})
	return held, err
}

// brokenError says what of the change log does not hold. It is a
// gate.ErrChainBroken.
type brokenError struct{ error }

func (brokenError) Is(target error) bool { return target == gate.ErrChainBroken }
func (e brokenError) Unwrap() error      { return e.error }

func broken(format string, args ...any) error { return brokenError{fmt.Errorf(format, args...)} }

func verifyChanges(ctx context.Context, tx querier) (held gate.Chain, err error) {
	var early int64
	err = tx.row(ctx, `SELECT COUNT(*) FROM change_log WHERE stream <> $1 OR pos < 1`, stream).Scan(&early)
	if err != nil {
		return held, fmt.Errorf("reading the change log: %w", err)
	}
	if early > 0 {
		return held, broken("there are changes before the first or of another log: %d", early)
	}
	v := verifying{recorded: map[string]int64{}}
	if err := v.rows(ctx, tx); err != nil {
		return v.Chain, err
	}
	if err := v.accounts(); err != nil {
		return v.Chain, err
	}
	return v.Chain, v.end(ctx, tx)
}

// readChange is a row that perhaps cannot be read as a change, which must not
// keep those before it from being counted.
type readChange struct {
	gate.Change
	err error
}

// verifying is how far a verification is.
type verifying struct {
	gate.Chain
	last     []byte           // hash
	recorded map[string]int64 // by tenant: texts whose erasure is on record, less those that were erased
}

func (v *verifying) rows(ctx context.Context, tx querier) error {
	for {
		page, err := changesFrom(ctx, tx, v.Held+1, verifyBatch, func(row scanner) (readChange, error) {
			c, err := scanChange(row)
			return readChange{c, err}, nil
		})
		if err != nil {
			return fmt.Errorf("reading the change log after position %d: %w", v.Held, err)
		}
		for i := range page {
			if page[i].err != nil {
				return broken("%w", page[i].err)
			}
			if err := v.row(&page[i].Change); err != nil {
				return err
			}
		}
		if len(page) < verifyBatch {
			return nil
		}
	}
}

func (v *verifying) row(c *gate.Change) error {
	hash, err := gate.HashChange(v.last, c)
	switch {
	case c.Pos != v.Held+1:
		return broken("change %d is missing: the next is %d", v.Held+1, c.Pos)
	case err != nil:
		return broken("change %d (%s) was altered: %w", c.Pos, c.ID, err)
	case !bytes.Equal(c.Hash, hash):
		return broken("change %d (%s) was altered: its hash does not fit", c.Pos, c.ID)
	}
	erased := int64(len(c.Erased()))
	v.Held, v.Erased, v.last = c.Pos, v.Erased+erased, c.Hash
	v.recorded[c.Tenant] += gate.TextsErasedBy(c) - erased
	return nil
}

// accounts reports texts that were erased behind the program's back.
func (v *verifying) accounts() error {
	for tenant, n := range v.recorded {
		if n != 0 {
			return broken("the texts that were erased in the changes of tenant %q are not those whose erasure is on record: the record says %+d", tenant, n)
		}
	}
	return nil
}

func (v *verifying) end(ctx context.Context, tx querier) error {
	var pos int64
	var hash []byte
	err := tx.row(ctx, `SELECT pos, hash FROM change_counter WHERE stream = $1`, stream).Scan(&pos, &hash)
	switch {
	case err != nil:
		return fmt.Errorf("reading the change counter: %w", err)
	case pos != v.Held:
		return broken("the change log ends at %d and %d changes were made: its end was cut off or added to", v.Held, pos)
	case !bytes.Equal(hash, v.last):
		return broken("the last change, %d, is another than the one that was made", v.Held)
	}
	return nil
}
