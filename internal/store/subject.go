package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// errDry undoes what only had to be counted.
var errDry = errors.New("nothing is to change")

// writeUnless is write, whose changes do not stay with dry.
func (s *Store) writeUnless(ctx context.Context, dry bool, do func(tx querier) error) error {
	err := s.write(ctx, func(tx querier) error {
		if err := do(tx); err != nil || !dry {
			return err
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}

// oneOf holds for rows in which a column has one of some values.
func (w *where) oneOf(column string, values []string) string {
	if len(values) == 0 {
		return `FALSE`
	}
	text := column + ` IN (`
	for i, value := range values {
		if i > 0 {
			text += `, `
		}
		text += w.arg(value)
	}
	return text + `)`
}

// reach selects the tenants in which a person may be named.
func (w *where) reach(s *gate.Subject, column string) {
	if !s.Operator {
		w.and(column + ` = ` + w.arg(s.Tenant))
	}
}

// SubjectAsks returns the ids of the access requests that a person made: known
// as an admin, or by the login that was typed.
func (s *Store) SubjectAsks(ctx context.Context, subject *gate.Subject) ([]string, error) {
	type ask struct{ id, login string }
	var w where
	w.and(`tenant = ` + w.arg(subject.Tenant))
	w.and(`(login <> '' OR ` + w.oneOf(`admin`, subject.IDs) + `)`)
	all, err := collect(ctx, s.read(), func(row scanner) (a ask, err error) {
		var admin string
		err = row.Scan(&a.id, &a.login, &admin)
		if slices.Contains(subject.IDs, admin) {
			a.login = "" // whatever was typed
		}
		return a, err
	}, `SELECT id, login, admin FROM access_requests`+w.String()+` ORDER BY made, id`, w.args...)
	var ids []string
	for _, a := range all {
		if a.login == "" || slices.ContainsFunc(subject.Logins, func(l string) bool { return gate.CanonicalLogin(l) == gate.CanonicalLogin(a.login) }) {
			ids = append(ids, a.id)
		}
	}
	return ids, err
}

// SubjectSessions returns the sessions of a person that are still kept, the
// newest first, whether they have ended or not.
func (s *Store) SubjectSessions(ctx context.Context, subject *gate.Subject) ([]gate.Session, error) {
	var w where
	w.and(w.oneOf(`s.admin`, subject.IDs))
	return collect(ctx, s.read(), scanSession,
		`SELECT `+sessionColumns+` FROM sessions s JOIN admins a ON a.id = s.admin`+w.String()+` ORDER BY s.started DESC, s.id DESC`, w.args...)
}

// SubjectChanges returns up to limit changes after a position, in order, that
// may concern a person: those of its tenant and what it did elsewhere, or for
// somebody of the operator's all.
func (s *Store) SubjectChanges(ctx context.Context, subject *gate.Subject, after int64, limit int) ([]gate.Change, error) {
	var w where
	w.and(`stream = ` + w.arg(stream) + ` AND pos > ` + w.arg(after))
	if !subject.Operator {
		w.and(`(tenant = ` + w.arg(subject.Tenant) + ` OR ` + w.oneOf(`actor_id`, subject.IDs) + `)`)
	}
	return collect(ctx, s.read(), func(row scanner) (gate.Change, error) { return scanChange(row) },
		`SELECT `+changeColumns+` FROM change_log`+w.String()+` ORDER BY pos LIMIT `+w.arg(orAll(limit)), w.args...)
}

// erased counts what was erased, by tenant.
type erased map[string]*gate.SubjectErasure

func (e erased) of(tenant string) *gate.SubjectErasure {
	if e[tenant] == nil {
		e[tenant] = &gate.SubjectErasure{}
	}
	return e[tenant]
}

// record adds to the change log what was erased, of each tenant in its own.
func (e erased) record(ctx context.Context, tx querier, rec gate.Record, s *gate.Subject) error {
	subject := "" // nobody's login
	if len(s.IDs) > 0 {
		subject = s.IDs[0]
	}
	for _, tenant := range slices.Sorted(maps.Keys(e)) {
		rec.Detail = e[tenant]
		if err := addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeSubject, Tenant: tenant, Subject: subject}); err != nil {
			return err
		}
	}
	return nil
}

// changes erases texts in changes as they were read; gate.ErrChanged where one
// is another by now.
func (e erased) changes(ctx context.Context, tx querier, s *gate.Subject, changes []gate.Change) error {
	for i := range changes {
		c := changes[i]
		was := jsonOf(c.Leaves)
		n, err := s.Erase(&c)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		err = unchanged(tx.exec(ctx, `
			UPDATE change_log SET actor = $3, address = $4, detail = $5, key = NULL, leaves = $6
			WHERE stream = $1 AND pos = $2 AND leaves = $7`,
			stream, c.Pos, c.Actor, addrBytes(c.Address), string(c.Detail), jsonOf(c.Leaves), was))
		if err != nil {
			return fmt.Errorf("change %d: %w", c.Pos, err)
		}
		e.of(c.Tenant).Add(gate.SubjectErasure{Changes: 1, Texts: int64(n)})
	}
	return nil
}

// EraseChanges erases texts in changes that were read before, together with the
// record of it; gate.ErrChanged where one is another by now.
func (s *Store) EraseChanges(ctx context.Context, rec gate.Record, subject *gate.Subject, changes []gate.Change) error {
	return s.write(ctx, func(tx querier) error {
		e := erased{}
		if err := e.changes(ctx, tx, subject, changes); err != nil {
			return err
		}
		return e.record(ctx, tx, rec, subject)
	})
}

// EraseAttempts makes up to limit attempts of a person nobody's, after one in
// the order of their first times, and returns the last of them. Where it was
// proved that it was them, it also forgets from where and with what; who only
// tried their login may have been anybody.
func (s *Store) EraseAttempts(ctx context.Context, subject *gate.Subject, after gate.Cursor, limit int, dry bool) (n int64, last gate.Cursor, err error) {
	type key struct {
		gate.Attempt
		proved bool
	}
	var w where
	w.and(`tenant = ` + w.arg(subject.Tenant))
	w.and(`(` + w.oneOf(`admin`, subject.IDs) + ` OR ` + w.oneOf(`login_hash`, subject.Hashes) + `)`)
	w.and(`(first_time, reference) > (` + w.arg(micro(after.Time)) + `, ` + w.arg(after.ID) + `)`)
	// Looking for them takes the longest, and holds up nobody.
	found, err := collect(ctx, s.read(), func(row scanner) (k key, err error) {
		err = row.Scan(&k.Reference, timeColumn{&k.FirstTime}, &k.Admin, &k.Path, &k.proved)
		return k, err
	}, `
		SELECT reference, first_time, admin, path, session <> '' OR stage = 'sign_in' AND outcome IN ('allowed', 'would_block')
		FROM attempts`+w.String()+` ORDER BY first_time, reference LIMIT `+w.arg(orAll(limit)), w.args...)
	if err != nil || len(found) == 0 {
		return 0, after, err
	}
	end := &found[len(found)-1]
	last = gate.Cursor{Time: end.FirstTime, ID: end.Reference}
	if dry {
		return int64(len(found)), last, nil
	}
	err = s.write(ctx, func(tx querier) error {
		hours := make([]hourOf, len(found))
		for i := range found {
			k := &found[i]
			hours[i] = hourOf{subject.Tenant, gate.HourOf(k.FirstTime)}
			if subject.Mentioned(subject.Tenant, k.Path) {
				k.Path = subject.Without(subject.Tenant, k.Path)
			}
			_, err := tx.exec(ctx, `UPDATE attempts SET admin = '', login_hash = '', session = '', path = $3 WHERE reference = $1 AND first_time = $2`,
				k.Reference, micro(k.FirstTime), k.Path)
			if err == nil && k.proved && k.Admin != "" {
				_, err = tx.exec(ctx, `
					UPDATE attempts SET address = NULL, bits = 0, peer = NULL, hops = '[]', user_agent = ''
					WHERE reference = $1 AND first_time = $2`, k.Reference, micro(k.FirstTime))
			}
			if err != nil {
				return err
			}
		}
		return markHours(ctx, tx, hours)
	})
	return int64(len(found)), last, err
}
