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
	c.Hash = gate.HashChange(before, &c)
	_, err = tx.exec(ctx, `
		INSERT INTO change_log (stream, pos, id, kind, action, tenant, subject, version, made, actor, actor_id, address, detail, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		stream, c.Pos, c.ID, string(c.Kind), c.Action, c.Tenant, c.Subject, c.Version, micro(c.At),
		c.Actor, c.ActorID, addrBytes(c.Address), string(c.Detail), c.Hash)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE change_counter SET hash = $2 WHERE stream = $1`, stream, c.Hash)
	return err
}

const changeColumns = `pos, id, kind, action, tenant, subject, version, made, actor, actor_id, address, detail, hash`

func scanChange(row scanner, more ...any) (c gate.Change, err error) {
	var address []byte
	err = row.Scan(append([]any{&c.Pos, &c.ID, &c.Kind, &c.Action, &c.Tenant, &c.Subject, &c.Version, timeColumn{&c.At},
		&c.Actor, &c.ActorID, &address, &c.Detail, &c.Hash}, more...)...)
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

// VerifyChanges reads the whole chain and returns the number of rows that hold.
// The error names the first that does not: one that was altered, moved or
// taken out, or that the end is missing.
//
// The chain has no key: it finds what was altered in the database, unless all
// that follows and the counter were written anew to fit. Against somebody who
// does that, keep the last hash elsewhere.
func (s *Store) VerifyChanges(ctx context.Context) (held int64, err error) {
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

func verifyChanges(ctx context.Context, tx querier) (held int64, err error) {
	var early int64
	err = tx.row(ctx, `SELECT COUNT(*) FROM change_log WHERE stream <> $1 OR pos < 1`, stream).Scan(&early)
	if err != nil {
		return 0, fmt.Errorf("reading the change log: %w", err)
	}
	if early > 0 {
		return 0, broken("there are changes before the first or of another log: %d", early)
	}
	held, last, err := verifyRows(ctx, tx)
	if err != nil {
		return held, err
	}
	return held, verifyEnd(ctx, tx, held, last)
}

// readChange is a row that perhaps cannot be read as a change, which must not
// keep those before it from being counted.
type readChange struct {
	gate.Change
	err error
}

func verifyRows(ctx context.Context, tx querier) (held int64, last []byte, err error) {
	for {
		page, err := changesFrom(ctx, tx, held+1, verifyBatch, func(row scanner) (readChange, error) {
			c, err := scanChange(row)
			return readChange{c, err}, nil
		})
		if err != nil {
			return held, last, fmt.Errorf("reading the change log after position %d: %w", held, err)
		}
		for i := range page {
			c := &page[i].Change
			switch {
			case page[i].err != nil:
				return held, last, broken("%w", page[i].err)
			case c.Pos != held+1:
				return held, last, broken("change %d is missing: the next is %d", held+1, c.Pos)
			case !bytes.Equal(c.Hash, gate.HashChange(last, c)):
				return held, last, broken("change %d (%s) was altered: its hash does not fit", c.Pos, c.ID)
			}
			held, last = c.Pos, c.Hash
		}
		if len(page) < verifyBatch {
			return held, last, nil
		}
	}
}

func verifyEnd(ctx context.Context, tx querier, held int64, last []byte) error {
	var pos int64
	var hash []byte
	err := tx.row(ctx, `SELECT pos, hash FROM change_counter WHERE stream = $1`, stream).Scan(&pos, &hash)
	switch {
	case err != nil:
		return fmt.Errorf("reading the change counter: %w", err)
	case pos != held:
		return broken("the change log ends at %d and %d changes were made: its end was cut off or added to", held, pos)
	case !bytes.Equal(hash, last):
		return broken("the last change, %d, is another than the one that was made", held)
	}
	return nil
}
