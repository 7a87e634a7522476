package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// sealAlertSecret is what secrets of tenants' webhooks are sealed for.
const sealAlertSecret = "alert webhook"

// alertItems is how many of what was gathered a message names.
const alertItems = 5

// AlertRules returns gate.ErrNotFound for a tenant that never set any.
func (s *Store) AlertRules(ctx context.Context, tenant string) (*gate.AlertRules, error) {
	_, r, err := s.scanAlertRules(s.read().row(ctx, `SELECT tenant, revision, rules, secret FROM alert_rules WHERE tenant = $1`, tenant))
	if err != nil {
		return nil, found(err)
	}
	return &r, nil
}

// AllAlertRules returns those that were set, by tenant ID.
func (s *Store) AllAlertRules(ctx context.Context) (map[string]gate.AlertRules, error) {
	all := map[string]gate.AlertRules{}
	_, err := collect(ctx, s.read(), func(row scanner) (none struct{}, err error) {
		tenant, r, err := s.scanAlertRules(row)
		all[tenant] = r
		return none, err
	}, `SELECT tenant, revision, rules, secret FROM alert_rules`)
	return all, err
}

func (s *Store) scanAlertRules(row scanner) (tenant string, r gate.AlertRules, err error) {
	var text string
	var revision int64
	var sealed []byte
	if err := row.Scan(&tenant, &revision, &text, &sealed); err != nil {
		return tenant, r, err
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return tenant, r, fmt.Errorf("alert rules of tenant %s: %w", tenant, err)
	}
	r.Revision = revision
	if sealed != nil {
		if r.Secret, err = s.sealer.Open(sealAlertSecret, tenant, sealed); err != nil {
			return tenant, r, fmt.Errorf("alert secret of tenant %s: %w", tenant, err)
		}
	}
	return tenant, r, nil
}

// SetAlertRules stores rules where the revision is still the one that was read;
// gate.ErrChanged otherwise, gate.ErrNotFound without the tenant.
func (s *Store) SetAlertRules(ctx context.Context, rec gate.Record, tenant string, r gate.AlertRules) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var sealed []byte
	if r.Secret != nil {
		sealed = s.sealer.Seal(sealAlertSecret, tenant, r.Secret)
	}
	return s.write(ctx, func(tx querier) error {
		// Locks the tenant, so that two do not both set the first.
		if err := touched(tx.exec(ctx, `UPDATE tenants SET name = name WHERE id = $1`, tenant)); err != nil {
			return err
		}
		n, err := tx.exec(ctx, `
			INSERT INTO alert_rules (tenant, revision, rules, secret, sent, trouble, failed, dropped) VALUES ($1, 1, $3, $4, 0, '', 0, 0)
			ON CONFLICT (tenant) DO UPDATE SET revision = alert_rules.revision + 1, rules = excluded.rules, secret = excluded.secret
			WHERE alert_rules.revision = $2`, tenant, r.Revision, string(text), sealed)
		if err != nil {
			return err
		}
		if n == 0 {
			return gate.ErrChanged
		}
		if err := watchFromNow(ctx, tx); err != nil {
			return err
		}
		if r.On() { // attempts are watched from now, whenever a node begins to
			if err := openDelivery(ctx, tx, gate.AlertsDelivery, rec.At); err != nil {
				return err
			}
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAlerts, Tenant: tenant, Subject: tenant})
	})
}

// NoteTest adds to the change log that somebody tried the channels.
func (s *Store) NoteTest(ctx context.Context, rec gate.Record, tenant string) error {
	return s.write(ctx, func(tx querier) error {
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAlerts, Tenant: tenant, Subject: tenant})
	})
}

// AlertState returns how it went with a tenant's messages.
func (s *Store) AlertState(ctx context.Context, tenant string) (st gate.AlertState, err error) {
	err = s.read().row(ctx, `
		SELECT sent, trouble, failed, dropped, (SELECT COUNT(*) FROM alert_letters l WHERE l.tenant = r.tenant)
		FROM alert_rules r WHERE tenant = $1`, tenant).
		Scan(timeColumn{&st.LastSent}, &st.LastError, timeColumn{&st.ErrorAt}, &st.Dropped, &st.Waiting)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return st, err
}

// fold is what is gathered of one kind since a message went out.
type fold struct {
	tenant       string
	kind         gate.AlertKind
	opened, ends time.Time
	quiet        time.Duration
	least, count int64
	items        []gate.AlertItem
}

const foldColumns = `tenant, kind, opened, ends, quiet, least, count, items`

func scanFold(row scanner) (f fold, err error) {
	err = row.Scan(&f.tenant, &f.kind, timeColumn{&f.opened}, timeColumn{&f.ends}, spanColumn{&f.quiet}, &f.least, &f.count, jsonColumn[gate.AlertItem]{&f.items})
	return f, err
}

// NoteAlerts counts what has happened, once, however often it is told: the first
// of a kind becomes a message, what follows is gathered.
func (s *Store) NoteAlerts(ctx context.Context, b gate.AlertBatch) error {
	return s.write(ctx, func(tx querier) error {
		pos, changes, err := lockAlerts(ctx, tx)
		if err != nil {
			return err
		}
		if b.Changes {
			pos = changes
		}
		for i := range b.Events {
			if e := &b.Events[i]; e.Pos > pos {
				if err := noteAlert(ctx, tx, e); err != nil {
					return err
				}
			}
		}
		column := `pos`
		if b.Changes {
			column = `changes`
		}
		_, err = tx.exec(ctx, `UPDATE alert_position SET `+column+` = CASE WHEN `+column+` < $1 THEN $1 ELSE `+column+` END WHERE id = 1`, b.UpTo)
		return err
	})
}

// lockAlerts makes everybody else who changes alerts wait.
func lockAlerts(ctx context.Context, tx querier) (pos, changes int64, err error) {
	err = tx.row(ctx, `UPDATE alert_position SET pos = pos WHERE id = 1 RETURNING pos, changes`).Scan(&pos, &changes)
	return pos, changes, err
}

func noteAlert(ctx context.Context, tx querier, e *gate.AlertEvent) error {
	f, err := scanFold(tx.row(ctx, `SELECT `+foldColumns+` FROM alert_folds WHERE tenant = $1 AND kind = $2`, e.Tenant, string(e.Kind)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return openFold(ctx, tx, e)
	case err != nil:
		return err
	}
	f.count += e.Count
	if len(f.items) < alertItems {
		f.items = append(f.items, e.Item)
	}
	_, err = tx.exec(ctx, `UPDATE alert_folds SET count = $3, items = $4 WHERE tenant = $1 AND kind = $2`, e.Tenant, string(e.Kind), f.count, jsonOf(f.items))
	return err
}

// openFold sends a message of the first of a kind, if it is worth one.
func openFold(ctx context.Context, tx querier, e *gate.AlertEvent) error {
	count, since := e.Count, e.At
	if e.Least > 0 {
		since = e.At.Add(-e.Within)
		err := tx.row(ctx, `
			SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM attempts
			WHERE tenant = $1 AND outcome IN ('blocked', 'refused') AND last_time > $2 AND pos > 0 AND pos <= $3`,
			e.Tenant, micro(since), e.Pos).Scan(&count) // those behind it are told of next, and counted then
		if err != nil || count < e.Least {
			return err
		}
	}
	n, err := tx.exec(ctx, `
		INSERT INTO alert_folds (`+foldColumns+`)
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT), 0, '[]'
		FROM tenants WHERE id = $1`, e.Tenant, string(e.Kind), micro(e.At), micro(e.At.Add(e.Quiet)), e.Quiet.Microseconds(), e.Least)
	if err != nil || n == 0 { // the tenant is gone
		return err
	}
	return addLetters(ctx, tx, gate.AlertMessage{
		Tenant: e.Tenant, Kind: e.Kind, First: true, Count: count, Since: since, Until: e.At, Items: []gate.AlertItem{e.Item},
	}, e.At)
}

// addLetters addresses a message to everybody who gets it now.
func addLetters(ctx context.Context, tx querier, m gate.AlertMessage, now time.Time) error {
	var text string
	err := tx.row(ctx, `SELECT rules FROM alert_rules WHERE tenant = $1`, m.Tenant).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var r gate.AlertRules
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	m.ID = gate.NewID()
	message, err := json.Marshal(m)
	if err != nil {
		return err
	}
	to := r.Emails
	if r.Webhook != "" {
		to = append(to, "")
	}
	for _, email := range to {
		_, err := tx.exec(ctx, `INSERT INTO alert_letters (id, tenant, email, made, tries, next, message) VALUES ($1, $2, $3, $4, 0, $4, $5)`,
			gate.NewID(), m.Tenant, email, micro(now), string(message))
		if err != nil {
			return err
		}
	}
	return nil
}

// CloseAlerts makes messages of what was gathered until now. Where enough came,
// it goes on being gathered.
func (s *Store) CloseAlerts(ctx context.Context, now time.Time) error {
	const due = `SELECT ` + foldColumns + ` FROM alert_folds WHERE ends <= $1 ORDER BY tenant, kind`
	ready, err := collect(ctx, s.read(), scanFold, due, micro(now))
	if err != nil || len(ready) == 0 {
		return err
	}
	return s.write(ctx, func(tx querier) error {
		if _, _, err := lockAlerts(ctx, tx); err != nil {
			return err
		}
		folds, err := collect(ctx, tx, scanFold, due, micro(now))
		if err != nil {
			return err
		}
		for i := range folds {
			if err := closeFold(ctx, tx, &folds[i], now); err != nil {
				return err
			}
		}
		return nil
	})
}

func closeFold(ctx context.Context, tx querier, f *fold, now time.Time) error {
	if f.count > 0 {
		err := addLetters(ctx, tx, gate.AlertMessage{
			Tenant: f.tenant, Kind: f.kind, Count: f.count, Since: f.opened, Until: now, Items: f.items,
		}, now)
		if err != nil {
			return err
		}
	}
	if f.count > 0 && f.count >= f.least {
		_, err := tx.exec(ctx, `UPDATE alert_folds SET opened = $3, ends = $4, count = 0, items = '[]' WHERE tenant = $1 AND kind = $2`,
			f.tenant, string(f.kind), micro(now), micro(now.Add(f.quiet)))
		return err
	}
	_, err := tx.exec(ctx, `DELETE FROM alert_folds WHERE tenant = $1 AND kind = $2`, f.tenant, string(f.kind))
	return err
}

// AlertChanges returns the changes after the last that NoteAlerts was told of;
// before it was told of any, those from now on.
func (s *Store) AlertChanges(ctx context.Context, limit int) ([]gate.Change, error) {
	var changes int64
	if err := s.read().row(ctx, `SELECT changes FROM alert_position WHERE id = 1`).Scan(&changes); err != nil {
		return nil, err
	}
	if changes < 0 {
		err := s.write(ctx, func(tx querier) error { return watchFromNow(ctx, tx) })
		return nil, err
	}
	return s.ChangesFrom(ctx, changes+1, limit)
}

// watchFromNow has the alerts begin with the next change, unless they have begun.
func watchFromNow(ctx context.Context, tx querier) error {
	_, err := tx.exec(ctx, `UPDATE alert_position SET changes = (SELECT pos FROM change_counter WHERE stream = $1) WHERE id = 1 AND changes < 0`, stream)
	return err
}

// SignedInFrom reports whether an admin signed in from an address's network
// within a time; until is not part of it.
func (s *Store) SignedInFrom(ctx context.Context, a *gate.Attempt, since, until time.Time) (known bool, err error) {
	net := gate.NetworkOf(a.Address)
	if !net.IsValid() {
		return false, nil
	}
	var w where
	w.and(`a.tenant = ` + w.arg(a.Tenant) + ` AND ` + isSignIn + ` AND a.admin = ` + w.arg(a.Admin))
	w.and(`a.first_time >= ` + w.arg(micro(since)) + ` AND a.first_time < ` + w.arg(micro(until)))
	from, err := w.within(net)
	if err != nil {
		return false, err
	}
	w.and(from)
	err = s.read().row(ctx, `SELECT EXISTS (SELECT 1 FROM attempts a`+w.String()+`)`, w.args...).Scan(&known)
	return known, err
}

// DueAlerts returns messages that should go now, the oldest first.
func (s *Store) DueAlerts(ctx context.Context, now time.Time, limit int) ([]gate.AlertLetter, error) {
	return collect(ctx, s.read(), func(row scanner) (l gate.AlertLetter, err error) {
		var text string
		if err := row.Scan(&l.ID, &l.Tenant, &l.Email, timeColumn{&l.Made}, &l.Tries, &text); err != nil {
			return l, err
		}
		return l, json.Unmarshal([]byte(text), &l.Message)
	}, `SELECT id, tenant, email, made, tries, message FROM alert_letters WHERE next <= $1 ORDER BY next, id LIMIT $2`, micro(now), orAll(limit))
}

// NoteSent removes a message that has arrived; at a zero time, one that nobody
// wants any more.
func (s *Store) NoteSent(ctx context.Context, l *gate.AlertLetter, now time.Time) error {
	return s.write(ctx, func(tx querier) error {
		if _, err := tx.exec(ctx, `DELETE FROM alert_letters WHERE id = $1`, l.ID); err != nil || now.IsZero() {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE alert_rules SET sent = $2, trouble = '', failed = 0 WHERE tenant = $1`, l.Tenant, micro(now))
		return err
	})
}

// NoteUnsent says why a message has not arrived, and when to try again; zero:
// never, it is dropped.
func (s *Store) NoteUnsent(ctx context.Context, l *gate.AlertLetter, why string, now, next time.Time) error {
	return s.write(ctx, func(tx querier) error {
		query, dropped := `UPDATE alert_letters SET tries = tries + 1, next = $2 WHERE id = $1`, 0
		args := []any{l.ID, micro(next)}
		if next.IsZero() {
			query, dropped, args = `DELETE FROM alert_letters WHERE id = $1`, 1, args[:1]
		}
		if _, err := tx.exec(ctx, query, args...); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE alert_rules SET trouble = $2, failed = $3, dropped = dropped + $4 WHERE tenant = $1`, l.Tenant, why, micro(now), dropped)
		return err
	})
}
