package store

import (
	"context"
	"fmt"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Purposes of what is encrypted for an admin. Together with the admin's id they
// bind a value to its place: nobody with access to the tables can give an admin
// the password of another.
const (
	sealPassword = "admin password"
	sealTOTP     = "admin totp"
	sealPending  = "admin pending totp"
)

// AddAdmin stores a new admin. It returns gate.ErrExists when the tenant has
// such a login, however it is spelled, and gate.ErrNotFound without the tenant.
func (s *Store) AddAdmin(ctx context.Context, rec gate.Record, a gate.Admin) error {
	return s.write(ctx, func(tx querier) error {
		// Locks the tenant, so that it does not go away meanwhile.
		if err := touched(tx.exec(ctx, `UPDATE tenants SET name = name WHERE id = $1`, a.Tenant)); err != nil {
			return err
		}
		n, err := tx.exec(ctx, `
			INSERT INTO admins (id, tenant, login, login_key, name, role, disabled, epoch, revision, password, must_change,
				exempt, totp, totp_step, pending, created, last_sign_in, invitation, invited_until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10, $11, $12, $13, $14, $15, 0, $16, $17) ON CONFLICT DO NOTHING`,
			a.ID, a.Tenant, a.Login, gate.CanonicalLogin(a.Login), a.Name, string(a.Role), a.Disabled, a.Epoch,
			s.seal(sealPassword, a.ID, a.Password), a.MustChange, a.Exempt,
			s.seal(sealTOTP, a.ID, a.TOTP), a.TOTPStep, s.seal(sealPending, a.ID, a.Pending), micro(a.Created),
			orNull(a.Invitation), micro(a.InvitedUntil))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("admin %s: %w", a.Login, gate.ErrExists)
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAdmin, Tenant: a.Tenant, Subject: a.ID})
	})
}

// SetAdmin stores name, role, disabled, exempt, password, must-change, invitation
// and second factor where the revision is still a.Revision, which it then raises by one;
// gate.ErrChanged otherwise, and by rec.Guarded. With raise, the admin's sessions end. A nil
// recovery leaves the recovery codes as they are.
func (s *Store) SetAdmin(ctx context.Context, rec gate.Record, a gate.Admin, raise bool, recovery [][]byte) (epoch int64, err error) {
	err = s.write(ctx, func(tx querier) error {
		if rec.Guarded != 0 {
			if err := lockTenant(ctx, tx, rec, a.Tenant); err != nil {
				return err
			}
		}
		if epoch, err = s.updateAdmin(ctx, tx, a, raise); err != nil {
			return err
		}
		if recovery != nil {
			if err := setRecovery(ctx, tx, a.ID, recovery); err != nil {
				return err
			}
		}
		if raise {
			if err := endAll(ctx, tx, rec, a.ID); err != nil {
				return err
			}
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAdmin, Tenant: a.Tenant, Subject: a.ID})
	})
	if err != nil {
		return 0, err
	}
	return epoch, nil
}

// updateAdmin is the row's part of SetAdmin. A code that was used stays used:
// the step only moves back with another second factor.
func (s *Store) updateAdmin(ctx context.Context, tx querier, a gate.Admin, raise bool) (epoch int64, err error) {
	n, err := tx.exec(ctx, `UPDATE admins SET revision = revision + 1 WHERE id = $1 AND tenant = $2 AND revision = $3`, a.ID, a.Tenant, a.Revision)
	if err != nil {
		return 0, err
	}
	now, err := s.findAdmin(ctx, tx, `a.id = $1 AND a.tenant = $2`, a.ID, a.Tenant)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, gate.ErrChanged
	}
	if a.TOTP == now.TOTP {
		a.TOTPStep = max(a.TOTPStep, now.TOTPStep)
	}
	epoch = now.Epoch
	if raise {
		epoch++
	}
	_, err = tx.exec(ctx, `
		UPDATE admins SET name = $2, role = $3, disabled = $4, epoch = $5, password = $6, must_change = $7,
			exempt = $8, totp = $9, totp_step = $10, pending = $11, invitation = $12, invited_until = $13
		WHERE id = $1`,
		a.ID, a.Name, string(a.Role), a.Disabled, epoch, s.seal(sealPassword, a.ID, a.Password), a.MustChange,
		a.Exempt, s.seal(sealTOTP, a.ID, a.TOTP), a.TOTPStep, s.seal(sealPending, a.ID, a.Pending),
		orNull(a.Invitation), micro(a.InvitedUntil))
	return epoch, err
}

func setRecovery(ctx context.Context, tx querier, admin string, hashes [][]byte) error {
	if _, err := tx.exec(ctx, `DELETE FROM recovery_codes WHERE admin = $1`, admin); err != nil {
		return err
	}
	insert := bulk{head: `INSERT INTO recovery_codes (admin, hash) VALUES`}
	return execAll(ctx, tx, insert, hashes, func(hash *[]byte) []any { return []any{admin, *hash} })
}

// RemoveAdmin removes an admin with its sessions and recovery codes. Its
// attempts keep its id. It returns gate.ErrNotFound, and gate.ErrChanged by
// rec.Guarded.
func (s *Store) RemoveAdmin(ctx context.Context, rec gate.Record, id string) error {
	return s.write(ctx, func(tx querier) error {
		var tenant string
		if err := tx.row(ctx, `SELECT tenant FROM admins WHERE id = $1`, id).Scan(&tenant); err != nil {
			return found(err)
		}
		if rec.Guarded != 0 {
			if err := lockTenant(ctx, tx, rec, tenant); err != nil {
				return err
			}
		}
		// The rest goes with it, by the foreign keys.
		if err := touched(tx.exec(ctx, `DELETE FROM admins WHERE id = $1`, id)); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeAdmin, Tenant: tenant, Subject: id})
	})
}

// Admin returns gate.ErrNotFound where there is none.
func (s *Store) Admin(ctx context.Context, id string) (*gate.Admin, error) {
	return s.findAdmin(ctx, s.read(), `a.id = $1`, id)
}

// AdminByLogin returns the admin with a login as gate.CanonicalLogin writes it,
// or gate.ErrNotFound.
func (s *Store) AdminByLogin(ctx context.Context, tenant, canonicalLogin string) (*gate.Admin, error) {
	return s.findAdmin(ctx, s.read(), `a.tenant = $1 AND a.login_key = $2`, tenant, canonicalLogin)
}

// AdminByInvitation returns the admin with the hash of an invitation, which may be
// past, or gate.ErrNotFound.
func (s *Store) AdminByInvitation(ctx context.Context, hash []byte) (*gate.Admin, error) {
	return s.findAdmin(ctx, s.read(), `a.invitation = $1`, hash)
}

// orNull keeps an empty value from being one.
func orNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Admins lists a tenant's admins, or all when tenant is empty, in the order they
// were added in.
func (s *Store) Admins(ctx context.Context, tenant string) ([]gate.Admin, error) {
	condition, args := only(tenant, "a.tenant")
	return collect(ctx, s.read(), s.scanAdmin,
		`SELECT `+adminColumns+` FROM admins a WHERE TRUE`+condition+` ORDER BY a.created, a.id`, args...)
}

func (s *Store) findAdmin(ctx context.Context, q querier, condition string, args ...any) (*gate.Admin, error) {
	a, err := s.scanAdmin(q.row(ctx, `SELECT `+adminColumns+` FROM admins a WHERE `+condition, args...))
	if err != nil {
		return nil, found(err)
	}
	return &a, nil
}

const adminColumns = `a.id, a.tenant, a.login, a.name, a.role, a.disabled, a.epoch, a.revision, a.password, a.must_change,
	a.exempt, a.totp, a.totp_step, a.pending, a.created, a.last_sign_in, a.invitation, a.invited_until`

func (s *Store) scanAdmin(row scanner) (a gate.Admin, err error) {
	var password, totp, pending []byte
	err = row.Scan(&a.ID, &a.Tenant, &a.Login, &a.Name, &a.Role, &a.Disabled, &a.Epoch, &a.Revision, &password, &a.MustChange,
		&a.Exempt, &totp, &a.TOTPStep, &pending, timeColumn{&a.Created}, timeColumn{&a.LastSignIn},
		&a.Invitation, timeColumn{&a.InvitedUntil})
	if err != nil {
		return a, err
	}
	for _, sealed := range []struct {
		to      *string
		purpose string
		value   []byte
	}{{&a.Password, sealPassword, password}, {&a.TOTP, sealTOTP, totp}, {&a.Pending, sealPending, pending}} {
		if *sealed.to, err = s.unseal(sealed.purpose, a.ID, sealed.value); err != nil {
			return gate.Admin{}, err
		}
	}
	return a, nil
}

// seal encrypts a text for its place; an empty one is NULL.
func (s *Store) seal(purpose, id, text string) []byte {
	if text == "" {
		return nil
	}
	return s.sealer.Seal(purpose, id, []byte(text))
}

func (s *Store) unseal(purpose, id string, sealed []byte) (string, error) {
	if sealed == nil {
		return "", nil
	}
	text, err := s.sealer.Open(purpose, id, sealed)
	return string(text), err
}

// SetPending stores the secret of an enrolment under way, unless there is one,
// and returns the one in force.
func (s *Store) SetPending(ctx context.Context, admin, secret string) (inForce string, err error) {
	err = s.write(ctx, func(tx querier) error {
		_, err := tx.exec(ctx, `UPDATE admins SET pending = $2 WHERE id = $1 AND pending IS NULL`, admin, s.seal(sealPending, admin, secret))
		if err != nil {
			return err
		}
		a, err := s.findAdmin(ctx, tx, `a.id = $1`, admin)
		if err != nil {
			return err
		}
		inForce = a.Pending
		return nil
	})
	return inForce, err
}

// UseTOTP moves the last used step forward; gate.ErrCodeUsed when it is not
// before the given one any more.
func (s *Store) UseTOTP(ctx context.Context, admin string, step int64) error {
	return s.use(ctx, `UPDATE admins SET totp_step = $2 WHERE id = $1 AND totp_step < $2`, admin, step)
}

// UseRecovery deletes the recovery code; gate.ErrCodeUsed when there is none.
func (s *Store) UseRecovery(ctx context.Context, admin string, hash []byte) error {
	return s.use(ctx, `DELETE FROM recovery_codes WHERE admin = $1 AND hash = $2`, admin, hash)
}

func (s *Store) use(ctx context.Context, query string, args ...any) error {
	return s.write(ctx, func(tx querier) error {
		n, err := tx.exec(ctx, query, args...)
		if err == nil && n == 0 {
			err = gate.ErrCodeUsed
		}
		return err
	})
}

// adminView is what decisions need of an admin, and whose it is.
type adminView struct {
	tenant string
	gate.AdminView
}

// findAdminViews reads the admins of one tenant, or of all when id is empty.
func findAdminViews(ctx context.Context, tx querier, id string) ([]adminView, error) {
	condition, args := only(id, "tenant")
	return collect(ctx, tx, func(row scanner) (a adminView, err error) {
		err = row.Scan(&a.tenant, &a.ID, &a.Login, &a.Name, &a.Role, &a.Disabled, &a.NoPassword, &a.Epoch)
		return a, err
	}, `SELECT tenant, id, login, name, role, disabled, password IS NULL, epoch FROM admins WHERE TRUE`+condition+` ORDER BY tenant, created, id`, args...)
}
