package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// PutAttempts stores records of one start of a program, and moves those that it
// has forward: storing one twice changes nothing, and an older state of one
// changes nothing. boot.Seen is the number of attempts so far of that start.
func (s *Store) PutAttempts(ctx context.Context, boot gate.Ledger, batch []gate.Attempt) error {
	return s.write(ctx, func(tx querier) error {
		if err := putAttempts(ctx, tx, batch); err != nil {
			return err
		}
		return putSeen(ctx, tx, boot)
	})
}

func putAttempts(ctx context.Context, tx querier, batch []gate.Attempt) error {
	upsert := bulk{
		head: `
			INSERT INTO attempts (reference, tenant, host, address, bits, peer, hops, stage, outcome, reason, admin, login_hash, password,
				session, method, path, user_agent, list_version, count, first_time, last_time, node, boot, ends, pos) VALUES`,
		tail: `
			ON CONFLICT (reference, first_time) DO UPDATE SET
				count = CASE WHEN attempts.count < excluded.count THEN excluded.count ELSE attempts.count END,
				last_time = CASE WHEN attempts.last_time < excluded.last_time THEN excluded.last_time ELSE attempts.last_time END,
				pos = 0
			WHERE attempts.count < excluded.count OR attempts.last_time < excluded.last_time`,
	}
	err := execAll(ctx, tx, upsert, distinct(batch), func(a *gate.Attempt) []any {
		return []any{
			a.Reference, a.Tenant, a.Host, addrBytes(a.Address), a.Bits, addrBytes(a.Peer), jsonOf(a.Hops),
			string(a.Stage), string(a.Outcome), string(a.Reason), a.Admin, a.LoginHash, string(a.Password),
			a.Session, a.Method, a.Path, a.UserAgent, a.ListVersion, a.Count, micro(a.FirstTime), micro(a.LastTime), a.Node, a.Boot,
			max(micro(a.Ends), micro(a.FirstTime)), 0,
		}
	})
	if err != nil {
		return err
	}
	return markHours(ctx, tx, hoursOf(batch))
}

// distinct sorts records by reference, the order in which everybody locks them,
// and keeps the furthest state of each, since one statement can store only one.
func distinct(batch []gate.Attempt) []gate.Attempt {
	batch = slices.SortedFunc(slices.Values(batch), func(a, b gate.Attempt) int {
		return cmp.Or(cmp.Compare(a.Reference, b.Reference), a.FirstTime.Compare(b.FirstTime), cmp.Compare(b.Count, a.Count), b.LastTime.Compare(a.LastTime))
	})
	return slices.CompactFunc(batch, func(a, b gate.Attempt) bool { return a.Reference == b.Reference && a.FirstTime.Equal(b.FirstTime) })
}

const attemptColumns = `a.reference, a.tenant, a.host, a.address, a.bits, a.peer, a.hops, a.stage, a.outcome, a.reason, a.admin,
	` + attemptLogin + `, a.login_hash, a.password, a.session, a.method, a.path, a.user_agent, a.list_version, a.count,
	a.first_time, a.last_time, a.node, a.boot`

const attemptTables = ` FROM attempts a LEFT JOIN admins d ON d.id = a.admin LEFT JOIN api_tokens t ON t.id = a.admin`

// attemptLogin is who made an attempt, as it is shown: see gate.APIToken.
const attemptLogin = `COALESCE(d.login, 'token ' || t.name, '')`

func scanAttempt(row scanner) (a gate.Attempt, err error) {
	err = row.Scan(&a.Reference, &a.Tenant, &a.Host, addrColumn{&a.Address}, &a.Bits, addrColumn{&a.Peer}, jsonColumn[gate.Hop]{&a.Hops},
		&a.Stage, &a.Outcome, &a.Reason, &a.Admin,
		&a.Login, &a.LoginHash, &a.Password, &a.Session, &a.Method, &a.Path, &a.UserAgent, &a.ListVersion, &a.Count,
		timeColumn{&a.FirstTime}, timeColumn{&a.LastTime}, &a.Node, &a.Boot)
	return a, err
}

// Attempts lists records, newest first by their first time, which unlike the
// last one stays: no record is missed or met twice between two pages because it
// grew. A cursor is the first time and the reference of a page's last record.
func (s *Store) Attempts(ctx context.Context, f gate.AttemptFilter) ([]gate.Attempt, error) {
	var w where
	if err := w.attempts(f); err != nil {
		return nil, err
	}
	return collect(ctx, s.read(), scanAttempt,
		`SELECT `+attemptColumns+attemptTables+w.String()+` ORDER BY a.first_time DESC, a.reference DESC LIMIT `+w.arg(orAll(f.Limit)), w.args...)
}

// GrownAttempts lists records by their last time, the latest first.
func (s *Store) GrownAttempts(ctx context.Context, f gate.AttemptFilter) ([]gate.Attempt, error) {
	var w where
	if err := w.attempts(f); err != nil {
		return nil, err
	}
	return collect(ctx, s.read(), scanAttempt,
		`SELECT `+attemptColumns+attemptTables+w.String()+` ORDER BY a.last_time DESC, a.reference DESC LIMIT `+w.arg(orAll(f.Limit)), w.args...)
}

// CountAttempts counts records, not the attempts they stand for.
func (s *Store) CountAttempts(ctx context.Context, f gate.AttemptFilter) (n int64, err error) {
	var w where
	if err := w.attempts(f); err != nil {
		return 0, err
	}
	err = s.read().row(ctx, `SELECT COUNT(*) FROM attempts a`+w.String(), w.args...).Scan(&n)
	return n, err
}

// SumAttempts counts the attempts, not the records, of each stage and outcome.
func (s *Store) SumAttempts(ctx context.Context, f gate.AttemptFilter) ([]gate.AttemptSum, error) {
	var w where
	if err := w.attempts(f); err != nil {
		return nil, err
	}
	return collect(ctx, s.read(), func(row scanner) (n gate.AttemptSum, err error) {
		err = row.Scan(&n.Stage, &n.Outcome, &n.Count, timeColumn{&n.Last})
		return n, err
	}, `
		SELECT a.stage, a.outcome, CAST(SUM(a.count) AS BIGINT), MAX(a.last_time) FROM attempts a`+w.String()+`
		GROUP BY a.stage, a.outcome ORDER BY a.stage, a.outcome`, w.args...)
}

// Attempt returns a record by its reference, of any tenant where tenant is
// empty, or gate.ErrNotFound. Of two that have met, it is the newer one.
func (s *Store) Attempt(ctx context.Context, tenant, reference string) (*gate.Attempt, error) {
	var w where
	w.and(`a.reference = ` + w.arg(reference))
	if tenant != "" {
		w.and(`a.tenant = ` + w.arg(tenant))
	}
	a, err := scanAttempt(s.read().row(ctx, `SELECT `+attemptColumns+attemptTables+w.String()+` ORDER BY a.first_time DESC LIMIT 1`, w.args...))
	if err != nil {
		return nil, found(err)
	}
	return &a, nil
}

// SignIns returns how often each address signed in since, the last first.
func (s *Store) SignIns(ctx context.Context, tenant string, since time.Time) ([]gate.Use, error) {
	return collect(ctx, s.read(), func(row scanner) (u gate.Use, err error) {
		err = row.Scan(addrColumn{&u.Address}, &u.Count, timeColumn{&u.Last})
		return u, err
	}, `
		SELECT address, CAST(SUM(count) AS BIGINT), MAX(last_time) AS last
		FROM attempts
		WHERE tenant = $1 AND `+isSignIn+` AND first_time >= $2 AND address IS NOT NULL
		GROUP BY address ORDER BY last DESC, address`, tenant, micro(since))
}

// NoteAccess adds to the change log that somebody read records of a tenant
// (empty: of all); subject is the id of the reading.
func (s *Store) NoteAccess(ctx context.Context, rec gate.Record, tenant, subject string) error {
	return s.write(ctx, func(tx querier) error {
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAccess, Tenant: tenant, Subject: subject})
	})
}
