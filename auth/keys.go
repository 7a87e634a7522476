package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// keySize is that of HS256's hash: more adds nothing, less is weaker (RFC 7518
// section 3.2).
const keySize = 32

// ErrNoKeys means that there is no key to sign with.
var ErrNoKeys = errors.New("there is no key to sign tokens with yet")

// Key signs and verifies session tokens (HS256). Only gateways hold it.
type Key struct {
	ID      string // in the header of each token, not secret
	Secret  []byte // 32 random bytes
	Created time.Time
}

// NewKey makes a key at random.
func NewKey(now time.Time) Key {
	k := Key{ID: newKeyID(), Secret: make([]byte, keySize), Created: now}
	rand.Read(k.Secret) // never fails, since Go 1.24
	return k
}

// newKeyID returns 80 random bits: enough that two keys are never confused.
func newKeyID() string { return rand.Text()[:16] }

// Keys is a set of keys: one signs, all verify, so that keys can be replaced
// without signing anybody out. It is immutable and may be used by many
// goroutines at once. A nil set verifies nothing and signs nothing.
type Keys struct {
	version uint64
	signing string
	secrets map[string]any // by ID: []byte, boxed once for golang-jwt
}

// NewKeys makes a set of keys, of which signing names the one that signs.
// version tells sets apart in a [Cache]: two sets of one version must hold the
// same keys.
func NewKeys(version uint64, signing string, keys []Key) (*Keys, error) {
	k := &Keys{version: version, signing: signing, secrets: make(map[string]any, len(keys))}
	for _, key := range keys {
		if err := checkID("ID", key.ID); err != nil {
			return nil, fmt.Errorf("reading a session key: %w", err)
		}
		if len(key.Secret) != keySize {
			return nil, fmt.Errorf("session key %q has %d bytes, not %d", key.ID, len(key.Secret), keySize)
		}
		if k.secrets[key.ID] != nil {
			return nil, fmt.Errorf("session key %q is there twice", key.ID)
		}
		k.secrets[key.ID] = append([]byte(nil), key.Secret...)
	}
	if k.secrets[signing] == nil {
		return nil, fmt.Errorf("session key %q, which is to sign, is not among the %d keys", signing, len(keys))
	}
	return k, nil
}

// Version returns the version the set was made with; 0 of a nil set.
func (k *Keys) Version() uint64 {
	if k == nil {
		return 0
	}
	return k.version
}

// secret returns a key by its ID, nil when it is unknown.
func (k *Keys) secret(id string) any {
	if k == nil {
		return nil
	}
	return k.secrets[id]
}
