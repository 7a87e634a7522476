package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// MaxAssertion is the longest that an assertion can be made to live.
const MaxAssertion = 5 * time.Minute

// MaxAssertionToken is the most bytes an assertion has: it travels in a header.
const MaxAssertionToken = 4 << 10

var assertionKind = newKind("sallyport+jwt", jwt.SigningMethodEdDSA, MaxAssertionToken, MaxAssertion)

// Assertion tells the console behind who comes. It can be verified without any
// secret, so a console need not trust its network to know that a request came
// through the gate.
type Assertion struct {
	Issuer   string     // origin of the site, e.g. "https://acme.example"
	Audience string     // slug of the tenant
	Subject  string     // identifier of the admin
	Login    string     // what the admin signs in with
	Role     string     // owner, reviewer or member
	Session  string     // identifier of the session, not its token
	Address  netip.Addr // the request comes from, without zone, not IPv4-mapped

	Issued, Expires time.Time // whole seconds, at most MaxAssertion apart
}

// assertionClaims is Assertion as written; see sessionClaims.
type assertionClaims struct {
	jwt.Claims `json:"-"`
	Issuer     string     `json:"iss"`
	Audience   string     `json:"aud"`
	Subject    string     `json:"sub"`
	Login      string     `json:"login"`
	Role       string     `json:"role"`
	Session    string     `json:"sid"`
	Address    netip.Addr `json:"address"`
	Issued     int64      `json:"iat"`
	Expires    int64      `json:"exp"`
}

func (a *Assertion) encode() *assertionClaims {
	return &assertionClaims{
		Issuer: a.Issuer, Audience: a.Audience, Subject: a.Subject, Login: a.Login, Role: a.Role,
		Session: a.Session, Address: a.Address, Issued: a.Issued.Unix(), Expires: a.Expires.Unix(),
	}
}

func (w *assertionClaims) decode() Assertion {
	return Assertion{
		Issuer: w.Issuer, Audience: w.Audience, Subject: w.Subject, Login: w.Login, Role: w.Role,
		Session: w.Session, Address: w.Address, Issued: unix(w.Issued), Expires: unix(w.Expires),
	}
}

func (w *assertionClaims) check() error {
	var text error
	for _, s := range []string{w.Issuer, w.Audience, w.Login, w.Role} {
		if s == "" || !utf8.ValidString(s) {
			text = fmt.Errorf("issuer, audience, login or role is %q", s)
		}
	}
	return errors.Join(text,
		checkID("subject", w.Subject), checkID("session", w.Session),
		checkAddress(w.Address),
		assertionKind.check(w.Issued, w.Issued, w.Expires))
}

// AssertionKey signs assertions (Ed25519, RFC 8037).
type AssertionKey struct {
	ID      string // "kid" in the header of each assertion and in the published set
	Seed    []byte // 32 secret random bytes, from which the key pair follows
	Created time.Time
}

// NewAssertionKey makes a key at random.
func NewAssertionKey(now time.Time) AssertionKey {
	k := AssertionKey{ID: newKeyID(), Seed: make([]byte, ed25519.SeedSize), Created: now}
	rand.Read(k.Seed) // never fails, since Go 1.24
	return k
}

// AssertionKeys is a set of keys: one signs, all are published, so that those
// who fetch the set now and then know a key before it signs. It is immutable
// and may be used by many goroutines at once.
type AssertionKeys struct {
	id   string
	key  ed25519.PrivateKey
	jwks []byte
}

// jwk is a public key as RFC 7517 and RFC 8037 write it.
type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

// NewAssertionKeys makes a set of keys, of which signing names the one that
// signs.
func NewAssertionKeys(signing string, keys []AssertionKey) (*AssertionKeys, error) {
	k := &AssertionKeys{id: signing}
	var set jwkSet
	known := make(map[string]bool, len(keys))
	for _, key := range keys {
		if err := checkID("ID", key.ID); err != nil {
			return nil, fmt.Errorf("reading an assertion key: %w", err)
		}
		if len(key.Seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("assertion key %q has %d bytes, not %d", key.ID, len(key.Seed), ed25519.SeedSize)
		}
		if known[key.ID] {
			return nil, fmt.Errorf("assertion key %q is there twice", key.ID)
		}
		known[key.ID] = true
		private := ed25519.NewKeyFromSeed(key.Seed)
		if key.ID == signing {
			k.key = private
		}
		x := base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
		set.Keys = append(set.Keys, jwk{"OKP", "Ed25519", x, key.ID, "sig", "EdDSA"})
	}
	if k.key == nil {
		return nil, fmt.Errorf("assertion key %q, which is to sign, is not among the %d keys", signing, len(keys))
	}
	var err error
	k.jwks, err = json.Marshal(set)
	return k, err
}

// Sign makes an assertion. It refuses claims that [VerifyAssertion] would
// refuse, a life over MaxAssertion among them.
func (k *AssertionKeys) Sign(a Assertion) (string, error) {
	if k == nil {
		return "", ErrNoKeys
	}
	w := a.encode()
	if err := w.check(); err != nil {
		return "", fmt.Errorf("signing an assertion: %w", err)
	}
	return assertionKind.sign(k.id, k.key, w)
}

// JWKS returns the public keys as a JWK Set (RFC 7517). The caller must not
// change it.
func (k *AssertionKeys) JWKS() []byte { return k.jwks }

// VerifyAssertion is how a console behind the gate verifies the header
// X-Sallyport-Assertion: jwks is what /_sallyport/jwks.json answers, audience
// the tenant's slug, issuer the site's origin. With another library the same
// is: algorithm EdDSA and nothing else, type "sallyport+jwt", the key found by
// its kid, iss and aud as expected, iat and exp checked.
//
// Errors are [ErrTokenInvalid] or, of a genuine assertion, [ErrTokenExpired].
func VerifyAssertion(token string, jwks []byte, audience, issuer string, now time.Time) (Assertion, error) {
	var set jwkSet
	if err := json.Unmarshal(jwks, &set); err != nil {
		return Assertion{}, fmt.Errorf("reading the key set: %w", err)
	}
	var w assertionClaims
	if err := assertionKind.parse(token, &w, set.find); err != nil {
		return Assertion{}, err
	}
	err := w.check()
	switch {
	case err != nil:
		return Assertion{}, fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	case w.Audience != audience:
		return Assertion{}, fmt.Errorf("%w: it is for %q, not for %q", ErrTokenInvalid, w.Audience, audience)
	case w.Issuer != issuer:
		return Assertion{}, fmt.Errorf("%w: it is from %q, not from %q", ErrTokenInvalid, w.Issuer, issuer)
	}
	a := w.decode()
	if err := current(a.Issued, a.Expires, now); err != nil {
		return Assertion{}, err
	}
	return a, nil
}

// find returns the key of an ID, nil when it is unknown or not for EdDSA.
func (s *jwkSet) find(id string) any {
	for _, k := range s.Keys {
		if k.ID != id || k.Type != "OKP" || k.Curve != "Ed25519" || k.Use != "sig" || k.Algorithm != "EdDSA" {
			continue
		}
		x, err := base64.RawURLEncoding.Strict().DecodeString(k.X)
		if err == nil && len(x) == ed25519.PublicKeySize {
			return ed25519.PublicKey(x)
		}
	}
	return nil
}
