package gate

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// InvitationLife is how long an invitation can be used.
const InvitationLife = 24 * time.Hour

// Invite adds an admin who sets the first password by a link, and returns the
// secret of the link, which nobody can read again. It can be used once, for a
// day: nobody but the person ever knows the password.
func (g *Gate) Invite(ctx context.Context, by Actor, tenant string, n NewAdmin) (*Admin, string, error) {
	if err := by.proved(tenant, RoleOwner); err != nil {
		return nil, "", err
	}
	if err := checkAdmin(n); err != nil {
		return nil, "", err
	}
	return g.invite(ctx, by, tenant, n)
}

// invite is Invite for who may, and what is right.
func (g *Gate) invite(ctx context.Context, by Actor, tenant string, n NewAdmin) (*Admin, string, error) {
	a := Admin{
		ID: NewID(), Tenant: tenant, Login: n.Login, Name: strings.TrimSpace(n.Name), Role: n.Role,
		Exempt: n.Exempt, Created: micros(g.now()),
	}
	secret := a.invite(g.now())
	rec := Record{Actor: by, Action: "admin.invite", At: g.now(), Detail: difference{After: a.detail()}}
	if err := g.store.AddAdmin(ctx, rec, a); err != nil {
		return nil, "", err
	}
	return &a, secret, g.applied(ctx)
}

// invite takes the password away and lets the admin set another by a link.
func (a *Admin) invite(now time.Time) (secret string) {
	a.Password, a.MustChange = "", false
	secret, a.Invitation = auth.NewInvitation()
	a.InvitedUntil = micros(now.Add(InvitationLife))
	return secret
}

// Invited reports whether a link to set a password can be used.
func (a *Admin) Invited(now time.Time) bool { return a.Invitation != nil && now.Before(a.InvitedUntil) }

// uninvite makes the link count no more.
func (a *Admin) uninvite() { a.Invitation, a.InvitedUntil = nil, time.Time{} }

// Invitation returns who an invitation is for. Every way in which it does not
// count is one *Refusal with BadCredentials.
func (d *Door) Invitation(ctx context.Context, q *Request, dec *Decision, secret string) (*Admin, error) {
	t, err := d.invited(ctx, q, dec, secret)
	if err != nil {
		return nil, err
	}
	return t.admin, nil
}

// Accept sets the password of an invited admin, which uses the invitation up,
// and goes on like a sign-in whose password was right. *auth.WeakPasswordError
// says what is wrong with the password.
func (d *Door) Accept(ctx context.Context, q *Request, dec *Decision, secret, password string) (*Progress, error) {
	t, err := d.invited(ctx, q, dec, secret)
	if err != nil {
		return nil, err
	}
	if err := t.checkFirst(password); err != nil {
		return nil, err
	}
	encoded, err := d.hasher.Hash(ctx, password)
	if errors.Is(err, auth.ErrBusy) {
		return nil, t.throttled(busyRetry)
	}
	if err != nil {
		return nil, err
	}
	t.admin.Password, t.admin.MustChange = encoded, false
	t.admin.uninvite()
	err = t.change(ctx, "admin.accept", nil)
	if errors.Is(err, ErrChanged) { // somebody was faster with the same link, or an owner changed the admin
		return nil, t.refuse(ctx, BadCredentials, BadCredentials)
	}
	if err != nil {
		return nil, err
	}
	step := auth.Step{ID: NewID(), Tenant: t.tenant.ID, Admin: t.admin.ID, Address: q.Address.Addr, PasswordOK: true, ReturnTo: "/"}
	return t.proceed(ctx, step, nil)
}

// invited finds the admin of an invitation. Wrong ones count as failed tries of
// the address.
func (d *Door) invited(ctx context.Context, q *Request, dec *Decision, secret string) (*try, error) {
	if !dec.Inside() {
		return nil, &Refusal{Reason: dec.Reason}
	}
	t := &try{door: d, q: q, dec: *dec, keys: [][]byte{d.addressKey(q.Address.Addr)}}
	t.dec.Stage, t.dec.Admin = StageSignIn, nil
	if err := t.reserve(ctx); err != nil {
		return nil, err
	}
	admin, err := d.store.AdminByInvitation(ctx, auth.HashAPIToken(secret))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if reason := t.uninvited(admin); reason != "" {
		return nil, t.refuse(ctx, reason, BadCredentials)
	}
	return t, d.store.Release(ctx, t.keys)
}

// uninvited says why an invitation does not count; empty: it does.
func (t *try) uninvited(admin *Admin) Reason {
	if admin == nil {
		return BadCredentials
	}
	t.tenant = t.door.snap.byID(admin.Tenant)
	switch {
	case t.tenant == nil:
		return BadCredentials
	case t.dec.Tenant != nil && t.dec.Tenant.ID != t.tenant.ID:
		return WrongTenant
	}
	t.admin, t.was, t.dec.Tenant = admin, admin.detail(), &t.tenant.Tenant
	switch reason := t.place(); {
	case reason != "":
		return reason
	case !admin.Invited(t.dec.Now):
		return SessionExpired
	case admin.Disabled:
		return AccountDisabled
	case !t.admits():
		return OutsideNetworks
	}
	return ""
}

// checkFirst checks the password of somebody who has none. Where a second factor
// is required, it comes right after.
func (t *try) checkFirst(password string) error {
	rule := t.door.Rules.SecondFactor
	second := rule != SecondFactorOff && t.admin.TOTP != "" || rule == SecondFactorRequired && !t.admin.Exempt
	return auth.CheckPassword(password, second, t.admin.Login, t.admin.Name, t.tenant.Name, t.tenant.Slug)
}

// adminDetail is an admin in the change log.
type adminDetail struct {
	Login        string `json:"login"`
	Name         string `json:"name"`
	Role         Role   `json:"role"`
	Disabled     bool   `json:"disabled"`
	Password     string `json:"password"` // own, first (somebody else's), or none
	Invited      bool   `json:"invited"`
	SecondFactor bool   `json:"second_factor"`
	Exempt       bool   `json:"second_factor_exempt"`
}

func (a *Admin) detail() adminDetail {
	d := adminDetail{
		Login: a.Login, Name: a.Name, Role: a.Role, Disabled: a.Disabled, Password: "own",
		Invited: a.Invitation != nil, SecondFactor: a.TOTP != "", Exempt: a.Exempt,
	}
	switch {
	case a.Password == "":
		d.Password = "none"
	case a.MustChange:
		d.Password = "first"
	}
	return d
}
