package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxStep is the longest that a sign-in can be made to take.
const MaxStep = time.Hour

// MaxReturnTo is the most bytes of a path that a sign-in leads back to.
const MaxReturnTo = 512

// maxStepToken leaves room for a whole ReturnTo, encoded twice.
const maxStepToken = 2 << 10

var stepKind = newKind("sallyport-step+jwt", jwt.SigningMethodHS256, maxStepToken, MaxStep)

// nexts are the steps that a sign-in can be waiting for.
var nexts = []string{"code", "enrol", "new_password"}

// Step is what the token of an unfinished sign-in says: what was proven so far,
// and what comes next.
type Step struct {
	ID, Tenant, Admin  string // identifiers, as in Claims
	Epochs             Epochs
	Address            netip.Addr // the sign-in began from, as in Claims
	PasswordOK, CodeOK bool       // what was proven
	Next               string     // code, enrol or new_password
	// ReturnTo is a path on the same site. A longer one than MaxReturnTo is not
	// worth failing a sign-in for: it becomes "/".
	ReturnTo        string
	Issued, Expires time.Time // whole seconds, at most MaxStep apart
}

// stepClaims is Step as written; see sessionClaims. ReturnTo is bytes, that is
// base64, so that its length is bounded whatever signs JSON would escape.
type stepClaims struct {
	jwt.Claims `json:"-"`
	ID         string     `json:"jti"`
	Tenant     string     `json:"aud"`
	Admin      string     `json:"sub"`
	Epochs     [3]int64   `json:"epo"`
	Address    netip.Addr `json:"adr"`
	PasswordOK bool       `json:"pwd"`
	CodeOK     bool       `json:"otp"`
	Next       string     `json:"nxt"`
	ReturnTo   []byte     `json:"ret"`
	Issued     int64      `json:"iat"`
	Expires    int64      `json:"exp"`
}

func (s *Step) encode() *stepClaims {
	w := &stepClaims{
		ID: s.ID, Tenant: s.Tenant, Admin: s.Admin, Address: s.Address,
		Epochs:     [3]int64{s.Epochs.All, s.Epochs.Tenant, s.Epochs.Admin},
		PasswordOK: s.PasswordOK, CodeOK: s.CodeOK, Next: s.Next, ReturnTo: []byte(s.ReturnTo),
		Issued: s.Issued.Unix(), Expires: s.Expires.Unix(),
	}
	if len(s.ReturnTo) > MaxReturnTo {
		w.ReturnTo = []byte("/")
	}
	return w
}

func (w *stepClaims) decode() Step {
	return Step{
		ID: w.ID, Tenant: w.Tenant, Admin: w.Admin, Address: w.Address,
		Epochs:     Epochs{w.Epochs[0], w.Epochs[1], w.Epochs[2]},
		PasswordOK: w.PasswordOK, CodeOK: w.CodeOK, Next: w.Next, ReturnTo: string(w.ReturnTo),
		Issued: unix(w.Issued), Expires: unix(w.Expires),
	}
}

func (w *stepClaims) check() error {
	var next error
	if !slices.Contains(nexts, w.Next) {
		next = fmt.Errorf("its next step is %q, not one of %q", w.Next, nexts)
	}
	return errors.Join(
		checkID("ID", w.ID), checkID("tenant", w.Tenant), checkID("admin", w.Admin), next,
		Epochs{w.Epochs[0], w.Epochs[1], w.Epochs[2]}.check(),
		checkAddress(w.Address),
		stepKind.check(w.Issued, w.Issued, w.Expires))
}

// SignStep makes the token of an unfinished sign-in. Its type keeps it from
// being taken for a session's, though the same keys sign both.
func (k *Keys) SignStep(s Step) (string, error) {
	if k == nil {
		return "", ErrNoKeys
	}
	w := s.encode()
	if err := w.check(); err != nil {
		return "", fmt.Errorf("signing a step token: %w", err)
	}
	return stepKind.sign(k.signing, k.secrets[k.signing], w)
}

// VerifyStep reads the token of an unfinished sign-in, as strictly as
// [Keys.VerifySession] and with the same errors.
func (k *Keys) VerifyStep(token string, now time.Time) (Step, error) {
	var w stepClaims
	if err := stepKind.parse(token, &w, k.secret); err != nil {
		return Step{}, err
	}
	if err := w.check(); err != nil {
		return Step{}, fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	}
	s := w.decode()
	if err := current(s.Issued, s.Expires, now); err != nil {
		return Step{}, err
	}
	return s, nil
}
