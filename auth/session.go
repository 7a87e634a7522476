package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxSession is the longest that a session can be made to live.
const MaxSession = 30 * 24 * time.Hour

// MaxSessionToken is the most bytes a session's token has.
const MaxSessionToken = 1 << 10

var sessionKind = newKind("sallyport-session+jwt", jwt.SigningMethodHS256, MaxSessionToken, MaxSession)

// Epochs are the counts that end sessions: raising one ends every session that
// was signed in before, of everybody, of a tenant, or of an admin. Counts, not
// times, since clocks differ.
type Epochs struct{ All, Tenant, Admin int64 }

// check refuses counts that no store has given.
func (e Epochs) check() error {
	if e.All < 0 || e.Tenant < 0 || e.Admin < 0 {
		return errors.New("an epoch is below zero")
	}
	return nil
}

// Claims is what the token of a session says: who signed in, when and from
// where. What they may do now is not in it. Identifiers are 1 to 64 letters,
// digits, '-', '_' or '.'; times count in whole seconds.
type Claims struct {
	Session, Tenant, Admin string // identifiers
	Epochs                 Epochs
	Address                netip.Addr // of the sign-in, without zone, not IPv4-mapped
	SignedIn               time.Time
	Proved                 time.Time // when it was last proved who it is: at sign-in, or again since
	Issued                 time.Time // of this token: they are made anew while a session is used
	Expires                time.Time // absolute end, at most MaxSession after SignedIn
}

// sessionClaims is Claims as written. The embedded interface is nil and makes
// it a jwt.Claims, whose methods nobody calls (jwt.WithoutClaimsValidation).
type sessionClaims struct {
	jwt.Claims `json:"-"`
	Session    string     `json:"jti"`
	Tenant     string     `json:"aud"`
	Admin      string     `json:"sub"`
	Epochs     [3]int64   `json:"epo"`
	Address    netip.Addr `json:"adr"`
	SignedIn   int64      `json:"sgn"`
	Proved     int64      `json:"prv"`
	Issued     int64      `json:"iat"`
	Expires    int64      `json:"exp"`
}

func (c *Claims) encode() *sessionClaims {
	return &sessionClaims{
		Session: c.Session, Tenant: c.Tenant, Admin: c.Admin, Address: c.Address,
		Epochs:   [3]int64{c.Epochs.All, c.Epochs.Tenant, c.Epochs.Admin},
		SignedIn: c.SignedIn.Unix(), Proved: c.Proved.Unix(), Issued: c.Issued.Unix(), Expires: c.Expires.Unix(),
	}
}

func (w *sessionClaims) decode() Claims {
	return Claims{
		Session: w.Session, Tenant: w.Tenant, Admin: w.Admin, Address: w.Address,
		Epochs:   Epochs{w.Epochs[0], w.Epochs[1], w.Epochs[2]},
		SignedIn: unix(w.SignedIn), Proved: unix(w.Proved), Issued: unix(w.Issued), Expires: unix(w.Expires),
	}
}

// check holds before a token is signed and after it is verified.
func (w *sessionClaims) check() error {
	return errors.Join(
		checkID("session", w.Session), checkID("tenant", w.Tenant), checkID("admin", w.Admin),
		Epochs{w.Epochs[0], w.Epochs[1], w.Epochs[2]}.check(),
		checkAddress(w.Address),
		sessionKind.check(w.SignedIn, w.Issued, w.Expires),
		w.checkProved())
}

// checkProved refuses a proof before the sign-in, which is the first, and one
// after the token was made.
func (w *sessionClaims) checkProved() error {
	if w.Proved < w.SignedIn || w.Proved > w.Issued {
		return errors.New("its proof was at no time of the session")
	}
	return nil
}

// SignSession makes the token of a session, at most MaxSessionToken bytes. It
// refuses claims that [Keys.VerifySession] would refuse.
func (k *Keys) SignSession(c Claims) (string, error) {
	if k == nil {
		return "", ErrNoKeys
	}
	w := c.encode()
	if err := w.check(); err != nil {
		return "", fmt.Errorf("signing a session token: %w", err)
	}
	return sessionKind.sign(k.signing, k.secrets[k.signing], w)
}

// VerifySession reads the token of a session. It accepts exactly the texts that
// [Keys.SignSession] makes with a key of the set: algorithm HS256 and type
// "sallyport-session+jwt" (RFC 8725), no other header or claim. The error is
// [ErrTokenInvalid] or, of a genuine token, [ErrTokenExpired].
//
// Whether the session was ended, is idle, or is one of this site's tenant is
// for the caller to decide.
func (k *Keys) VerifySession(token string, now time.Time) (Claims, error) {
	c, err := k.readSession(token)
	if err != nil {
		return Claims{}, err
	}
	if err := current(c.Issued, c.Expires, now); err != nil {
		return Claims{}, err
	}
	return c, nil
}

// readSession is VerifySession without a look at the clock.
func (k *Keys) readSession(token string) (Claims, error) {
	var w sessionClaims
	if err := sessionKind.parse(token, &w, k.secret); err != nil {
		return Claims{}, err
	}
	if err := w.check(); err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	}
	return w.decode(), nil
}
