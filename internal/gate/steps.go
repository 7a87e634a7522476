package gate

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/sallyport-gate/sallyport/auth"
)

// recoveryCodes is how many an admin gets.
const recoveryCodes = 10

// ErrSecondFactorExists means that an admin who has a second factor asked to
// enrol one: it is replaced by resetting it first, which an owner does.
var ErrSecondFactorExists = errors.New("there is a second factor already")

// Enrolment is the secret of a second factor that is not confirmed yet.
type Enrolment struct {
	Secret string // base32
	URI    string // otpauth://
}

// resume goes on with an unfinished sign-in, whose token is given, or else with
// a session whose admin changes what it signs in with.
func (d *Door) resume(ctx context.Context, q *Request, dec *Decision, token string) (*try, auth.Step, error) {
	t := &try{door: d, q: q, dec: *dec}
	t.dec.Stage = StageSignIn
	if !dec.Inside() {
		return nil, auth.Step{}, &Refusal{Reason: dec.Reason}
	}
	step, reason := d.step(dec, token)
	if reason != "" && dec.Passed() && dec.Admin != nil {
		step, reason = auth.Step{Tenant: dec.Tenant.ID, Admin: dec.Admin.ID, PasswordOK: true, CodeOK: true}, ""
	}
	if reason != "" {
		return nil, step, &Refusal{Reason: reason}
	}
	if t.tenant = d.snap.byID(step.Tenant); t.tenant == nil || dec.Tenant != nil && dec.Tenant.ID != step.Tenant {
		return nil, step, &Refusal{Reason: WrongTenant}
	}
	t.dec.Tenant = &t.tenant.Tenant
	if reason := t.place(); reason != "" {
		return nil, step, t.refuse(ctx, reason, reason)
	}
	return t, step, t.person(ctx, step)
}

// step reads the token of an unfinished sign-in.
func (d *Door) step(dec *Decision, token string) (auth.Step, Reason) {
	if token == "" {
		return auth.Step{}, NoSession
	}
	step, err := d.snap.global.Load().keys.VerifyStep(token, dec.Now)
	switch {
	case errors.Is(err, auth.ErrTokenExpired):
		return step, SessionExpired
	case err != nil:
		return step, SessionInvalid
	}
	return step, ""
}

// place checks the network again: on a shared site it was not known whose list
// counts until now.
func (t *try) place() Reason {
	pass, refusal := t.door.network(t.tenant, t.q.Address.Addr, t.dec.Now)
	if refusal == "" {
		t.dec.Pass = pass
	}
	return refusal
}

// person reads the admin of a step, who may have been changed since.
func (t *try) person(ctx context.Context, step auth.Step) error {
	admin, err := t.door.store.Admin(ctx, step.Admin)
	if errors.Is(err, ErrNotFound) {
		return &Refusal{Reason: SessionRevoked}
	}
	if err != nil {
		return err
	}
	t.admin, t.was = admin, admin.detail()
	if admin.Disabled || admin.Tenant != t.tenant.ID || step.ID != "" && (step.Epochs.Admin < admin.Epoch ||
		step.Epochs.Tenant < t.tenant.Epoch || step.Epochs.All != t.door.snap.global.Load().epoch) {
		return &Refusal{Reason: SessionRevoked}
	}
	if !t.admits() {
		return t.refuse(ctx, OutsideNetworks, OutsideNetworks)
	}
	t.keys = [][]byte{t.door.accountKey(t.tenant.ID, admin.Login), t.door.addressKey(t.q.Address.Addr)}
	return nil
}

// Verify checks a one-time code or a recovery code.
func (d *Door) Verify(ctx context.Context, q *Request, dec *Decision, token, code string) (*Progress, error) {
	t, step, err := d.resume(ctx, q, dec, token)
	if err != nil {
		return nil, err
	}
	if t.next(step) != NextCode {
		return t.again(ctx, step)
	}
	if err := t.reserve(ctx); err != nil {
		return nil, err
	}
	if err := t.code(ctx, code); err != nil {
		return nil, err
	}
	if err := d.store.Release(ctx, t.keys); err != nil {
		return nil, err
	}
	step.CodeOK = true
	return t.proceed(ctx, step, nil)
}

// again answers somebody who asks for a step that is not the next one.
func (t *try) again(ctx context.Context, step auth.Step) (*Progress, error) {
	if step.ID == "" {
		return &Progress{Next: NextDone, ReturnTo: "/"}, nil
	}
	return t.proceed(ctx, step, nil)
}

// code checks and uses up a code.
func (t *try) code(ctx context.Context, code string) error {
	if !auth.LooksLikeTOTP(code) {
		return t.recoveryCode(ctx, code)
	}
	step, err := auth.VerifyTOTP(t.admin.TOTP, code, t.dec.Now, t.admin.TOTPStep)
	if err == nil {
		err = t.door.store.UseTOTP(ctx, t.admin.ID, step)
	}
	switch {
	case errors.Is(err, auth.ErrBadCode):
		return t.refuse(ctx, BadCode, BadCode)
	case errors.Is(err, auth.ErrCodeReused), errors.Is(err, ErrCodeUsed):
		return t.refuse(ctx, CodeReused, CodeReused)
	}
	return err
}

func (t *try) recoveryCode(ctx context.Context, code string) error {
	canonical, ok := auth.NormalizeRecoveryCode(code)
	if !ok {
		return t.refuse(ctx, BadCode, BadCode)
	}
	err := t.door.store.UseRecovery(ctx, t.admin.ID, auth.HashRecoveryCode(canonical))
	if errors.Is(err, ErrCodeUsed) {
		return t.refuse(ctx, BadCode, BadCode)
	}
	return err
}

// Enrolment returns the secret to enrol with: the same until it is used.
func (d *Door) Enrolment(ctx context.Context, q *Request, dec *Decision, token string) (*Enrolment, error) {
	t, step, err := d.resume(ctx, q, dec, token)
	if err != nil {
		return nil, err
	}
	if err := t.mayEnrol(step); err != nil {
		return nil, err
	}
	secret, err := d.store.SetPending(ctx, t.admin.ID, auth.NewTOTPSecret())
	if err != nil {
		return nil, err
	}
	return &Enrolment{Secret: secret, URI: auth.TOTPURI(t.tenant.Name, t.admin.Login, secret)}, nil
}

// mayEnrol refuses to enrol over a second factor, which would be a way to get
// round it, and in a session that did not prove lately whose it is: who found it
// open could prove by a factor of their own from then on.
func (t *try) mayEnrol(step auth.Step) error {
	if t.admin.TOTP != "" {
		return ErrSecondFactorExists
	}
	switch {
	case step.ID == "" && t.door.stale(&t.dec):
		return ErrStepUp
	case step.ID != "" && t.next(step) != NextEnrol:
		return &Refusal{Reason: SessionInvalid}
	}
	return nil
}

// Enrol confirms the secret with a first code and makes recovery codes.
func (d *Door) Enrol(ctx context.Context, q *Request, dec *Decision, token, code string) (*Progress, error) {
	t, step, err := d.resume(ctx, q, dec, token)
	if err != nil {
		return nil, err
	}
	if err := t.mayEnrol(step); err != nil {
		return nil, err
	}
	if err := t.reserve(ctx); err != nil {
		return nil, err
	}
	used, err := auth.VerifyTOTP(t.admin.Pending, code, t.dec.Now, 0)
	if t.admin.Pending == "" || err != nil {
		return nil, t.refuse(ctx, BadCode, BadCode)
	}
	if err := d.store.Release(ctx, t.keys); err != nil {
		return nil, err
	}
	codes := auth.NewRecoveryCodes(recoveryCodes)
	hashes := make([][]byte, len(codes))
	for i, c := range codes {
		canonical, _ := auth.NormalizeRecoveryCode(c)
		hashes[i] = auth.HashRecoveryCode(canonical)
	}
	t.admin.TOTP, t.admin.Pending, t.admin.TOTPStep = t.admin.Pending, "", used
	if err := t.change(ctx, "admin.enrol", hashes); err != nil {
		return nil, err
	}
	step.CodeOK = true
	return t.changed(ctx, step, codes)
}

// SetPassword replaces the password; *auth.WeakPasswordError says what is
// wrong with the new one.
func (d *Door) SetPassword(ctx context.Context, q *Request, dec *Decision, token, current, password string) (*Progress, error) {
	t, step, err := d.resume(ctx, q, dec, token)
	if err != nil {
		return nil, err
	}
	if step.ID != "" && t.next(step) != NextNewPassword {
		return t.again(ctx, step)
	}
	if err := t.checkNew(current, password); err != nil {
		return nil, err
	}
	if err := t.reserve(ctx); err != nil {
		return nil, err
	}
	ok, err := t.verify(ctx, current, t.admin.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, t.refuse(ctx, BadCredentials, BadCredentials)
	}
	if err := d.store.Release(ctx, t.keys); err != nil {
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
	if err := t.change(ctx, "admin.password", nil); err != nil {
		return nil, err
	}
	return t.changed(ctx, step, nil)
}

// checkNew checks a new password before the old one costs a hash.
func (t *try) checkNew(current, password string) error {
	if current == password {
		return &auth.WeakPasswordError{Code: "unchanged"}
	}
	return auth.CheckPassword(password, t.second(), t.admin.Login, t.admin.Name, t.tenant.Name, t.tenant.Slug)
}

// change stores the admin, and ends all of its sessions and unfinished
// sign-ins but this one, which gets a token of the new epoch.
func (t *try) change(ctx context.Context, action string, recovery [][]byte) error {
	actor := Actor{Kind: ActorAdmin, Tenant: t.tenant.ID, Admin: t.admin.ID, Login: t.admin.Login, Role: t.admin.Role, Address: t.q.Address.Addr}
	rec := Record{Actor: actor, Action: action, At: t.dec.Now, Detail: difference{Before: t.was, After: t.admin.detail()}}
	epoch, err := t.door.store.SetAdmin(ctx, rec, *t.admin, true, recovery)
	if err != nil {
		return err
	}
	t.admin.Epoch = epoch
	t.admin.Revision++
	return t.door.applied(ctx)
}

// changed goes on after a change: with the sign-in, or with the session, whose
// token was of the old epoch.
func (t *try) changed(ctx context.Context, step auth.Step, recovery []string) (*Progress, error) {
	if step.ID != "" {
		return t.proceed(ctx, step, recovery)
	}
	c := t.dec.Claims
	token, err := t.token(Session{ID: c.Session, Tenant: c.Tenant, Admin: c.Admin, Address: c.Address, Started: c.SignedIn, Expires: c.Expires}, c.Proved)
	if err != nil {
		return nil, err
	}
	return &Progress{Next: NextDone, ReturnTo: "/", Session: token, Recovery: recovery}, nil
}

// Logout ends the session of a request, on every node.
func (d *Door) Logout(ctx context.Context, q *Request, dec *Decision) error {
	if dec.Admin == nil {
		return nil
	}
	actor := d.Actor(q, dec)
	err := d.store.EndSession(ctx, Record{Actor: actor, Action: "session.sign_out", At: dec.Now}, dec.Claims.Session)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return d.applied(ctx)
}

// Actor is the admin of a request that passed.
func (d *Door) Actor(q *Request, dec *Decision) Actor {
	a := Actor{Kind: ActorAdmin, Address: q.Address.Addr, Operator: d.Rules.Operator.Contains(q.Address.Addr)}
	if dec.Tenant != nil {
		t := d.snap.byID(dec.Tenant.ID)
		a.Emergency = t != nil && t.emergency(q.Address.Addr, dec.Now)
	}
	if dec.Admin != nil {
		a.Tenant, a.Admin, a.Login, a.Role = dec.Tenant.ID, dec.Admin.ID, dec.Admin.Login, dec.Admin.Role
		a.Session, a.Stale = dec.Claims.Session, d.stale(dec)
	}
	if t := dec.Token; t != nil {
		// Its scopes were asked before: within them it acts as an owner does.
		a.Kind, a.Tenant, a.Admin, a.Login, a.Role = ActorToken, dec.Tenant.ID, t.ID, t.Shown(), RoleOwner
		a.OwnNetworks = len(t.Networks) > 0
	}
	return a
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
