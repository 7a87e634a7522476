package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// SignIn stores a session, its attempt and the admin's time of last sign-in
// together. It returns gate.ErrNotFound when the admin is gone.
func (s *Store) SignIn(ctx context.Context, n gate.Session, a gate.Attempt) error {
	return s.write(ctx, func(tx querier) error {
		err := touched(tx.exec(ctx, `
			UPDATE admins SET last_sign_in = CASE WHEN last_sign_in < $3 THEN $3 ELSE last_sign_in END WHERE id = $1 AND tenant = $2`,
			n.Admin, n.Tenant, micro(n.Started)))
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, `
			INSERT INTO sessions (id, tenant, admin, started, last_seen, expires, address, last_address, user_agent, moves, ended, ended_by, revoked)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, '', FALSE)`,
			n.ID, n.Tenant, n.Admin, micro(n.Started), micro(n.LastSeen), micro(n.Expires),
			addrBytes(n.Address), addrBytes(n.LastAddress), n.UserAgent)
		if err != nil {
			return err
		}
		return putAttempts(ctx, tx, []gate.Attempt{a})
	})
}

const sessionColumns = `s.id, s.tenant, s.admin, a.login, s.started, s.last_seen, s.expires, s.address, s.last_address,
	s.user_agent, s.moves, s.ended, s.ended_by`

func scanSession(row scanner) (n gate.Session, err error) {
	err = row.Scan(&n.ID, &n.Tenant, &n.Admin, &n.Login, timeColumn{&n.Started}, timeColumn{&n.LastSeen}, timeColumn{&n.Expires},
		addrColumn{&n.Address}, addrColumn{&n.LastAddress}, &n.UserAgent, &n.Moves, timeColumn{&n.Ended}, &n.EndedBy)
	return n, err
}

// Session returns a session, also one that has ended, or gate.ErrNotFound.
func (s *Store) Session(ctx context.Context, id string) (*gate.Session, error) {
	n, err := scanSession(s.read().row(ctx,
		`SELECT `+sessionColumns+` FROM sessions s JOIN admins a ON a.id = s.admin WHERE s.id = $1`, id))
	if err != nil {
		return nil, found(err)
	}
	return &n, nil
}

// Sessions lists the sessions that have not ended at f.Now, newest first.
func (s *Store) Sessions(ctx context.Context, f gate.SessionFilter) ([]gate.Session, error) {
	var w where
	w.and(`s.ended = 0 AND s.expires > ` + w.arg(micro(f.Now)))
	if f.Tenant != "" {
		w.and(`s.tenant = ` + w.arg(f.Tenant))
	}
	if f.Admin != "" {
		w.and(`s.admin = ` + w.arg(f.Admin))
	}
	w.before(`s.started, s.id`, f.Before)
	return collect(ctx, s.read(), scanSession,
		`SELECT `+sessionColumns+` FROM sessions s JOIN admins a ON a.id = s.admin`+w.String()+
			` ORDER BY s.started DESC, s.id DESC LIMIT `+w.arg(orAll(f.Limit)), w.args...)
}

// EndSession ends one session; gate.ErrNotFound when there is none that is
// running. Its change has the end of its token in unix µs as the version, so
// that followers need not read the row.
func (s *Store) EndSession(ctx context.Context, rec gate.Record, id string) error {
	return s.write(ctx, func(tx querier) error {
		c := gate.Change{Kind: gate.ChangeSession, Subject: id}
		err := tx.row(ctx, `
			UPDATE sessions SET ended = $2, ended_by = $3, revoked = TRUE
			WHERE id = $1 AND ended = 0 AND expires > $2 RETURNING tenant, expires`,
			id, micro(rec.At), rec.Actor.Name()).Scan(&c.Tenant, &c.Version)
		if err != nil {
			return found(err)
		}
		return addChange(ctx, tx, rec, c)
	})
}

// EndSessions ends the running sessions that f.Tenant and f.Admin select at
// f.Now, but one, and returns how many.
func (s *Store) EndSessions(ctx context.Context, rec gate.Record, f gate.SessionFilter, but string) (n int64, err error) {
	err = s.write(ctx, func(tx querier) error {
		condition, args := only(f.Admin, "admin", micro(f.Now), rec.Actor.Name(), f.Tenant, but)
		n, err = tx.exec(ctx, `
			UPDATE sessions SET ended = $1, ended_by = $2, revoked = TRUE
			WHERE tenant = $3 AND id <> $4 AND ended = 0 AND expires > $1`+condition, args...)
		if err != nil || n == 0 {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeSessions, Tenant: f.Tenant, Subject: f.Tenant, Version: n})
	})
	return n, err
}

// endAll marks the running sessions that an epoch ends: an admin's, or
// everybody's when admin is empty.
func endAll(ctx context.Context, tx querier, rec gate.Record, admin string) error {
	condition, args := only(admin, "admin", micro(rec.At), rec.Actor.Name())
	_, err := tx.exec(ctx, `UPDATE sessions SET ended = $1, ended_by = $2 WHERE ended = 0 AND expires > $1`+condition, args...)
	return err
}

// Touch stores when and from where sessions were last seen. What several nodes
// saw may come in any order: the latest counts.
func (s *Store) Touch(ctx context.Context, seen []gate.Session) error {
	// Everybody locks in the order of the ids.
	seen = slices.SortedFunc(slices.Values(seen), func(a, b gate.Session) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), a.LastSeen.Compare(b.LastSeen))
	})
	return s.write(ctx, func(tx querier) error {
		for i := range seen {
			_, err := tx.exec(ctx, `
				UPDATE sessions SET last_seen = $2, last_address = $3, moves = moves + CASE WHEN last_address = $3 THEN 0 ELSE 1 END
				WHERE id = $1 AND last_seen < $2`,
				seen[i].ID, micro(seen[i].LastSeen), addrBytes(seen[i].LastAddress))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// endedSession is a session that was ended, and whose it is.
type endedSession struct {
	tenant string
	gate.EndedSession
}

// findEnded reads the sessions that were ended one by one and whose tokens have
// not run out, of one tenant, or of all when id is empty.
func findEnded(ctx context.Context, tx querier, id string, now time.Time) ([]endedSession, error) {
	condition, args := only(id, "tenant", micro(now))
	return collect(ctx, tx, func(row scanner) (e endedSession, err error) {
		err = row.Scan(&e.tenant, &e.ID, timeColumn{&e.Expires})
		return e, err
	}, `SELECT tenant, id, expires FROM sessions WHERE revoked AND expires > $1`+condition, args...)
}
