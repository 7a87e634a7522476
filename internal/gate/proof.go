package gate

import (
	"context"
	"errors"
	"time"
)

// ErrStepUp means that an operation is sensitive, and the last proof of who asks
// for it is too old: it goes on after [Door.Prove].
var ErrStepUp = errors.New("prove again who you are")

// proved is may for what is sensitive. It asks nothing more of tokens and
// commands: their scope, or access to the store, is all the proof they have.
func (a Actor) proved(tenant string, roles ...Role) error {
	if err := a.may(tenant, roles...); err != nil {
		return err
	}
	return a.lately()
}

// lately reports whether the actor proved lately who it is: nil or ErrStepUp.
func (a Actor) lately() error {
	if a.Stale {
		return ErrStepUp
	}
	return nil
}

// stale reports whether the last proof in the session of a request is too old for
// what is sensitive.
func (d *Door) stale(dec *Decision) bool {
	return dec.Admin != nil && d.Rules.StepUp > 0 && dec.Now.Sub(dec.Claims.Proved) >= d.Rules.StepUp
}

// Proof is what an admin who is signed in shows again: a one-time or recovery
// code or, without a second factor, the password.
type Proof struct{ Code, Password string }

// ProvesByCode reports whether the admin of a request proves who it is by a code,
// not by the password.
func (d *Door) ProvesByCode(ctx context.Context, q *Request, dec *Decision) (bool, error) {
	t, err := d.prover(ctx, q, dec)
	if err != nil {
		return false, err
	}
	return t.second(), nil
}

// prover is the admin who is signed in.
func (d *Door) prover(ctx context.Context, q *Request, dec *Decision) (*try, error) {
	if !dec.Passed() || dec.Admin == nil {
		return nil, &Refusal{Reason: NoSession}
	}
	t, _, err := d.resume(ctx, q, dec, "")
	if err != nil {
		return nil, err
	}
	t.dec.Stage = StageSession
	return t, nil
}

// Prove takes the proof of an admin who is signed in, and returns the session's
// new token, which says when that was; dec says so too. Tries are counted with
// those of signing in and recorded like them, at the stage of the session. The
// errors to expect are *Refusal and, where it is not the proof that is asked for,
// *InvalidError.
func (d *Door) Prove(ctx context.Context, q *Request, dec *Decision, p Proof) (token string, err error) {
	t, err := d.prover(ctx, q, dec)
	if err != nil {
		return "", err
	}
	switch second := t.second(); {
	case second && p.Code == "":
		return "", Invalid("code", "required", "send a code of your second factor")
	case !second && p.Password == "":
		return "", Invalid("password", "required", "send your password: you have no second factor")
	}
	if err := t.reserve(ctx); err != nil {
		return "", err
	}
	if err := t.proof(ctx, p); err != nil {
		return "", err
	}
	if err := d.store.Release(ctx, t.keys); err != nil {
		return "", err
	}
	outcome := Allowed
	if t.dec.Pass == ByDryRun {
		outcome = WouldBlock
	}
	if err := d.recorder.put(ctx, t.attempt(outcome, t.dec.Pass)); err != nil {
		return "", err
	}
	now := t.dec.Now.Truncate(time.Second) // as the token says it
	dec.Claims.Proved, dec.Claims.Issued = now, now
	return d.snap.global.Load().keys.SignSession(dec.Claims)
}

// proof checks what was shown.
func (t *try) proof(ctx context.Context, p Proof) error {
	if t.second() {
		return t.code(ctx, p.Code)
	}
	ok, err := t.verify(ctx, p.Password, t.admin.Password)
	if err == nil && !ok {
		err = t.refuse(ctx, BadCredentials, BadCredentials)
	}
	return err
}

// second reports whether the admin signs in with a second factor.
func (t *try) second() bool {
	return t.admin.TOTP != "" && t.door.Rules.SecondFactor != SecondFactorOff
}
