package store

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// restoreDetail is what the change log keeps of a restore.
type restoreDetail struct {
	File    string    `json:"file"`
	SHA256  string    `json:"sha256"`
	Made    time.Time `json:"made"`
	Program string    `json:"program"`
	Engine  string    `json:"engine"`
	Without []string  `json:"without,omitempty"`
	Moving  bool      `json:"moving,omitempty"`
	Void    Void      `json:"void"`
	// Replaced is the end of the change log of the store that was there before.
	Replaced *replacedDetail `json:"replaced,omitempty"`
}

type replacedDetail struct {
	Changes int64  `json:"changes"`
	Hash    string `json:"hash"`
}

// renew makes what was loaded a store that can be used: what belongs to programs
// and browsers of before does not count any more, and the restore is on record.
func (r *restorer) renew(ctx context.Context, s *Store, tx querier, old replaced, name string) error {
	rec := gate.Record{Actor: r.opts.Actor, Action: "store.restore", At: r.opts.Now()}
	if err := raiseEpoch(ctx, tx, old.epoch, rec.At); err != nil {
		return err
	}
	if err := endAll(ctx, tx, rec, ""); err != nil {
		return err
	}
	if err := letGo(ctx, tx, rec.At); err != nil {
		return err
	}
	r.done.Void = Void{}
	if !r.opts.Moving {
		var err error
		if r.done.Void, err = voidUsed(ctx, tx, rec); err != nil {
			return err
		}
	}
	var err error
	if r.done.Back, err = findBack(ctx, tx, rec.At); err != nil {
		return err
	}
	d := restoreDetail{
		File: cleanText(name), SHA256: hex.EncodeToString(r.file.Sum), Made: r.file.Made, Program: r.file.Program, Engine: r.file.Engine,
		Without: r.file.Without, Moving: r.opts.Moving, Void: r.done.Void,
	}
	if old.holds {
		d.Replaced = &replacedDetail{old.pos, hex.EncodeToString(old.hash)}
	}
	rec.Detail = d
	return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeGlobal})
}

// raiseEpoch gives the installation an epoch that it never had: above that of
// the backup and of what was replaced, and, since what came after the backup may
// be lost, above any count that could have been reached: the time in µs.
func raiseEpoch(ctx context.Context, tx querier, old int64, now time.Time) error {
	_, err := tx.exec(ctx, `
		UPDATE installation SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch END + 1 WHERE id = 1`, max(old, micro(now)))
	return err
}

// letGo ends what running programs held. An account of a start that ran on gets
// what it still has when the spool of that start is found.
func letGo(ctx context.Context, tx querier, now time.Time) error {
	// Forgotten 30 days after nobody wanted them any more, and since now, not
	// since the backup.
	if _, err := tx.exec(ctx, `UPDATE deliveries SET holder = '', node = '', seen = $1`, micro(now)); err != nil {
		return err
	}
	boots, err := collect(ctx, tx, text, `SELECT boot FROM ledger WHERE NOT finished ORDER BY boot`)
	if err != nil {
		return err
	}
	for _, boot := range boots {
		if err := closeLedger(ctx, tx, boot); err != nil {
			return err
		}
	}
	return nil
}

// voidUsed makes void what can be used once, or ended early: nobody knows any
// more whether it was.
func voidUsed(ctx context.Context, tx querier, rec gate.Record) (v Void, err error) {
	now := micro(rec.At)
	for _, do := range []struct {
		count *int64
		query string
		args  []any
	}{
		{&v.Invitations, `UPDATE admins SET invitation = NULL, invited_until = 0 WHERE invitation IS NOT NULL`, nil},
		{&v.RecoveryCodes, `DELETE FROM recovery_codes`, nil},
		{&v.Emergencies, `UPDATE emergencies SET ended = $1 WHERE ended = 0 AND ends > $1`, []any{now}},
		{nil, `UPDATE admins SET totp_step = $1 WHERE totp IS NOT NULL AND totp_step < $1`, []any{auth.LastTOTPStep(rec.At)}},
	} {
		n, err := tx.exec(ctx, do.query, do.args...)
		if err != nil {
			return v, err
		}
		if do.count != nil {
			*do.count = n
		}
	}
	return v, nil
}

func findBack(ctx context.Context, tx querier, now time.Time) (b Back, err error) {
	err = tx.row(ctx, `
		SELECT (SELECT COUNT(*) FROM tenants), (SELECT COUNT(*) FROM admins WHERE NOT disabled),
			(SELECT COUNT(*) FROM networks WHERE to_version IS NULL AND enabled AND (expires = 0 OR expires > $1)),
			(SELECT COUNT(*) FROM api_tokens WHERE hash IS NOT NULL AND (expires = 0 OR expires > $1)),
			(SELECT COUNT(*) FROM pending_changes)`, micro(now)).Scan(&b.Tenants, &b.Admins, &b.Networks, &b.Tokens, &b.Pending)
	return b, err
}
