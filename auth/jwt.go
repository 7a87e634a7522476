package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ErrTokenInvalid means that a token was not made by the keys it was checked
// with, is not of the type asked for, or says something no token of ours says.
// What exactly is in its text, for logs; visitors are never told.
var ErrTokenInvalid = errors.New("token is invalid")

// ErrTokenExpired means that a token is genuine, and its time is over.
var ErrTokenExpired = errors.New("token has expired")

// ClockDrift is how far the clocks of two machines may differ: a token issued
// later than that after now is refused.
const ClockDrift = time.Minute

// maxID bounds the identifiers that tokens carry, so that these stay small.
const maxID = 64

// lastSecond is the last one that RFC 3339 can write.
var lastSecond = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

// kind is one type of token. The type in its header (RFC 8725 section 3.11)
// keeps one from passing as another where both are signed with the same keys.
type kind struct {
	typ    string
	size   int           // most bytes of a token, checked before anything is parsed
	life   time.Duration // longest life
	method jwt.SigningMethod
	parser *jwt.Parser
}

func newKind(typ string, method jwt.SigningMethod, size int, life time.Duration) kind {
	return kind{typ, size, life, method, jwt.NewParser(
		jwt.WithValidMethods([]string{method.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(), // it compares times as floats; ours are checked in check and current
	)}
}

func (k *kind) token(kid string, claims jwt.Claims) *jwt.Token {
	t := jwt.NewWithClaims(k.method, claims)
	t.Header["typ"], t.Header["kid"] = k.typ, kid
	return t
}

func (k *kind) sign(kid string, key any, claims jwt.Claims) (string, error) {
	text, err := k.token(kid, claims).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	if len(text) > k.size {
		return "", fmt.Errorf("signing a token: it would have %d bytes, over the limit of %d", len(text), k.size)
	}
	return text, nil
}

// parse verifies text and reads its claims. keys returns nil for a key that is
// unknown. After the signature, the whole text is compared with what sign makes
// of the same claims: that leaves no room for further or doubled claims and
// headers, other cases, other numbers, white space or unused bits.
func (k *kind) parse(text string, claims jwt.Claims, keys func(kid string) any) error {
	if len(text) > k.size {
		return fmt.Errorf("%w: it has %d bytes, over the limit of %d", ErrTokenInvalid, len(text), k.size)
	}
	var kid string
	t, err := k.parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != k.typ {
			return nil, fmt.Errorf("its type is %q, not %q", t.Header["typ"], k.typ)
		}
		kid, _ = t.Header["kid"].(string)
		if key := keys(kid); key != nil {
			return key, nil
		}
		return nil, fmt.Errorf("its key %q is unknown", kid)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	}
	ours, err := k.token(kid, claims).SigningString()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	}
	if text != ours+"."+t.EncodeSegment(t.Signature) {
		return fmt.Errorf("%w: it is not written as this package writes it", ErrTokenInvalid)
	}
	return nil
}

// check refuses times that no token has, and lives that are too long. Both are
// Unix seconds.
func (k *kind) check(from, issued, expires int64) error {
	switch {
	case from <= 0 || expires > lastSecond:
		return errors.New("its times are not of this world")
	case issued < from || expires < issued:
		return errors.New("its times are out of order")
	case expires-from > int64(k.life/time.Second):
		return fmt.Errorf("it would live for longer than %v", k.life)
	}
	return nil
}

// current is the one place where a token's time is compared with now.
func current(issued, expires, now time.Time) error {
	if !now.Before(expires) {
		return ErrTokenExpired
	}
	if issued.After(now.Add(ClockDrift)) {
		return fmt.Errorf("%w: it was issued in the future", ErrTokenInvalid)
	}
	return nil
}

// checkID refuses what is not 1 to 64 letters, digits, '-', '_' or '.'.
func checkID(what, id string) error {
	if len(id) == 0 || len(id) > maxID {
		return fmt.Errorf("its %s has %d bytes, not 1 to %d", what, len(id), maxID)
	}
	for _, c := range []byte(id) {
		if !isLetterOrDigit(c) && c != '-' && c != '_' && c != '.' {
			return fmt.Errorf("its %s %q has signs other than letters, digits, '-', '_' and '.'", what, id)
		}
	}
	return nil
}

func isLetterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// checkAddress refuses addresses that could be written in another way.
func checkAddress(a netip.Addr) error {
	if !a.IsValid() || a.Zone() != "" || a.Is4In6() {
		return fmt.Errorf("its address %v is not a plain IPv4 or IPv6 address", a)
	}
	return nil
}

// unix returns the time of Unix seconds.
func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
