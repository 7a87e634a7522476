package store

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

const askColumns = `r.id, r.tenant, r.reference, r.address, r.bits, r.login, r.admin, COALESCE(a.name, ''), r.why, r.for_us, r.user_agent, r.made, r.browser,
	r.proposed_by, r.proposed_for_us, r.proposed, r.note, r.state, r.decided, r.decided_by, r.entry, r.until`

const askTables = ` FROM access_requests r LEFT JOIN admins a ON a.id = r.admin`

func scanAsk(row scanner) (r gate.AccessRequest, err error) {
	err = row.Scan(&r.ID, &r.Tenant, &r.Reference, addrColumn{&r.Address}, &r.Bits, &r.Login, &r.Admin, &r.Name, &r.Why, spanColumn{&r.For}, &r.UserAgent,
		timeColumn{&r.Made}, &r.Browser, &r.ProposedBy, spanColumn{&r.ProposedFor}, timeColumn{&r.Proposed}, &r.Note,
		&r.State, timeColumn{&r.Decided}, &r.DecidedBy, &r.Entry, timeColumn{&r.Until})
	return r, err
}

// AddAsk stores a request unless its browser has one that waits, which is
// returned with gate.ErrAskAgain, or most wait in the tenant already
// (gate.ErrChanged). Two at the same moment count each other: they meet at the
// tenant's row.
func (s *Store) AddAsk(ctx context.Context, rec gate.Record, r gate.AccessRequest, most int) (waiting *gate.AccessRequest, err error) {
	err = s.write(ctx, func(tx querier) error {
		waiting = nil
		err := touched(tx.exec(ctx, `UPDATE tenants SET epoch = epoch WHERE id = $1`, r.Tenant))
		if err != nil {
			return err
		}
		since := micro(r.Made.Add(-gate.AskLives))
		old, err := scanAsk(tx.row(ctx, `SELECT `+askColumns+askTables+`
			WHERE r.tenant = $1 AND r.state = 'waiting' AND r.made > $2 AND r.browser = $3`, r.Tenant, since, r.Browser))
		if err == nil {
			waiting = &old
			return gate.ErrAskAgain
		}
		if err = found(err); !errors.Is(err, gate.ErrNotFound) {
			return err
		}
		var count int
		err = tx.row(ctx, `SELECT COUNT(*) FROM access_requests WHERE tenant = $1 AND state = 'waiting' AND made > $2`, r.Tenant, since).Scan(&count)
		if err != nil {
			return err
		}
		if count >= most {
			return gate.ErrChanged
		}
		_, err = tx.exec(ctx, `
			INSERT INTO access_requests (id, tenant, reference, address, bits, login, admin, why, for_us, user_agent, made, browser,
				proposed_by, proposed_for_us, proposed, note, state, decided, decided_by, entry, until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', 0, 0, '', $13, 0, '', '', 0)`,
			r.ID, r.Tenant, r.Reference, addrBytes(r.Address), r.Address.BitLen(), r.Login, r.Admin, r.Why, r.For.Microseconds(), r.UserAgent, micro(r.Made), r.Browser,
			string(r.State))
		if err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAsk, Tenant: r.Tenant, Subject: r.ID})
	})
	return waiting, err
}

// Ask returns a request, or gate.ErrNotFound.
func (s *Store) Ask(ctx context.Context, id string) (*gate.AccessRequest, error) {
	r, err := scanAsk(s.read().row(ctx, `SELECT `+askColumns+askTables+` WHERE r.id = $1`, id))
	if err != nil {
		return nil, found(err)
	}
	return &r, nil
}

// Asks lists a tenant's requests, newest first.
func (s *Store) Asks(ctx context.Context, f gate.AskFilter) ([]gate.AccessRequest, error) {
	var w where
	w.and(`r.tenant = ` + w.arg(f.Tenant))
	expired := micro(f.Now.Add(-gate.AskLives))
	switch f.State {
	case "":
		if f.Past {
			w.and(`NOT (r.state = 'waiting' AND r.made > ` + w.arg(expired) + `)`)
		}
	case gate.AskWaiting:
		w.and(`r.state = 'waiting' AND r.made > ` + w.arg(expired))
	case gate.AskExpired:
		w.and(`r.state = 'waiting' AND r.made <= ` + w.arg(expired))
	default:
		w.and(`r.state = ` + w.arg(string(f.State)))
	}
	w.before(`r.made, r.id`, f.Before)
	return collect(ctx, s.read(), scanAsk,
		`SELECT `+askColumns+askTables+w.String()+` ORDER BY r.made DESC, r.id DESC LIMIT `+w.arg(orAll(f.Limit)), w.args...)
}

// SetAsk stores a proposal or an answer where the request still waits;
// gate.ErrChanged otherwise.
func (s *Store) SetAsk(ctx context.Context, rec gate.Record, r gate.AccessRequest) error {
	return s.write(ctx, func(tx querier) error {
		err := touched(tx.exec(ctx, `
			UPDATE access_requests SET proposed_by = $2, proposed_for_us = $3, proposed = $4, note = $5, state = $6, decided = $7,
				decided_by = $8, entry = $9, until = $10
			WHERE id = $1 AND state = 'waiting' AND made > $11`,
			r.ID, r.ProposedBy, r.ProposedFor.Microseconds(), micro(r.Proposed), r.Note, string(r.State), micro(r.Decided),
			r.DecidedBy, r.Entry, micro(r.Until), micro(rec.At.Add(-gate.AskLives))))
		if errors.Is(err, gate.ErrNotFound) {
			return gate.ErrChanged
		}
		if err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAsk, Tenant: r.Tenant, Subject: r.ID})
	})
}

// ForgetTyped blanks what was typed in requests made before by those whose login is
// no admin's.
func (s *Store) ForgetTyped(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx querier) error {
		_, err := tx.exec(ctx, `UPDATE access_requests SET login = '' WHERE admin = '' AND login <> '' AND made < $1`, micro(before))
		return err
	})
}

// shortenAsks cuts the addresses of a tenant's requests that were over before.
func shortenAsks(ctx context.Context, tx querier, tenant string, before time.Time, limit int) error {
	asks, err := collect(ctx, tx, func(row scanner) (r gate.AccessRequest, err error) {
		return r, row.Scan(&r.ID, addrColumn{&r.Address})
	}, `
		SELECT id, address FROM access_requests
		WHERE tenant = $1 AND made < $2 AND decided < $3 AND until < $3 AND `+wholeAddress+`
		LIMIT $4`, tenant, micro(before.Add(-gate.AskLives)), micro(before), limit)
	if err != nil {
		return err
	}
	for i := range asks {
		net := gate.NetworkOf(asks[i].Address)
		if _, err := tx.exec(ctx, `UPDATE access_requests SET address = $2, bits = $3 WHERE id = $1`, asks[i].ID, addrBytes(net.Addr()), net.Bits()); err != nil {
			return err
		}
	}
	return nil
}
