package gate

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Assertions live for assertionLife and are handed out again until they have
// less than assertionLeft: signing one takes longer than deciding.
const (
	assertionLife = 5 * time.Minute
	assertionLeft = 2 * time.Minute
	assertionsMax = 1 << 16 // cached at most; beyond, the cache starts afresh
)

// assertions caches one assertion a session.
type assertions struct {
	cache sync.Map // assertionKey → *signedAssertion
	size  atomic.Int64
}

// assertionKey is everything an assertion says but its times.
type assertionKey struct {
	session, issuer, audience, admin, login string
	role                                    Role
	address                                 netip.Addr
	keys                                    *auth.AssertionKeys
}

type signedAssertion struct {
	token   string
	expires time.Time
}

// Assertion returns the JWT that tells the console behind who comes. origin is
// the site's own, e.g. "https://acme.example".
func (d *Door) Assertion(origin string, q *Request, dec *Decision) (string, error) {
	if dec.Admin == nil || dec.Tenant == nil {
		return "", errors.New("nobody is signed in")
	}
	key := assertionKey{
		session: dec.Claims.Session, issuer: origin, audience: dec.Tenant.Slug,
		admin: dec.Admin.ID, login: dec.Admin.Login, role: dec.Admin.Role,
		address: q.Address.Addr, keys: d.snap.global.Load().assertions,
	}
	if v, ok := d.signers.cache.Load(key); ok && v.(*signedAssertion).expires.Sub(dec.Now) > assertionLeft {
		return v.(*signedAssertion).token, nil
	}
	expires := dec.Now.Add(assertionLife)
	token, err := key.keys.Sign(auth.Assertion{
		Issuer: origin, Audience: key.audience, Subject: key.admin, Login: key.login, Role: string(key.role),
		Session: key.session, Address: key.address, Issued: dec.Now, Expires: expires,
	})
	if err != nil {
		return "", err
	}
	if d.signers.size.Add(1) > assertionsMax {
		d.signers.cache.Clear()
		d.signers.size.Store(0)
	}
	d.signers.cache.Store(key, &signedAssertion{token, expires})
	return token, nil
}

// JWKS returns the public keys that assertions verify against (RFC 7517).
func (g *Gate) JWKS() ([]byte, error) {
	global := g.snap.global.Load()
	if global == nil || global.assertions == nil {
		return nil, errors.New("there are no keys yet")
	}
	return global.assertions.JWKS(), nil
}
