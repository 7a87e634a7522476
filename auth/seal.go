package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// MinSecret is the fewest bytes of an operator's secret.
const MinSecret = 32

// sealed1 begins every sealed text and names how it was sealed.
const sealed1 = 1

// ErrWrongSecret means that a sealed text was not sealed with this secret, for
// this purpose and place, or was changed since: the four look alike.
var ErrWrongSecret = errors.New("the secret does not fit what is stored")

// Sealer encrypts what is secret at rest, under keys that follow from the
// operator's secret: AES-256-GCM, a key for each purpose by HKDF-SHA256 (RFC
// 5869). Nonces are random, which is safe for 2^32 texts a purpose; a store has
// a few thousand. It is immutable and may be used by many goroutines at once.
type Sealer struct {
	root []byte // HKDF's pseudo-random key
}

// NewSealer takes the operator's secret, MinSecret bytes or more, from a random
// source: it is not stretched, so a password would be too weak.
func NewSealer(secret []byte) (*Sealer, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret has %d bytes; it needs %d or more, made at random (openssl rand -base64 48)", len(secret), MinSecret)
	}
	root, err := hkdf.Extract(sha256.New, secret, []byte("sallyport"))
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	return &Sealer{root}, nil
}

// Seal encrypts plain. The sealed text opens only for the same purpose, say
// "totp", and id, that of the row it stands in: moved to another row it is
// refused.
func (s *Sealer) Seal(purpose, id string, plain []byte) []byte {
	return s.aead(purpose).Seal([]byte{sealed1}, nil, plain, []byte(id)) //nolint:gosec // the first argument is where to append: aead makes its nonces itself
}

// Open decrypts what Seal made; otherwise it is [ErrWrongSecret].
func (s *Sealer) Open(purpose, id string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealed1 {
		return nil, fmt.Errorf("opening %s of %q: not sealed in a way this program knows: %w", purpose, id, ErrWrongSecret)
	}
	plain, err := s.aead(purpose).Open(nil, nil, sealed[1:], []byte(id))
	if err != nil {
		return nil, fmt.Errorf("opening %s of %q: %w", purpose, id, ErrWrongSecret)
	}
	return plain, nil
}

// Fingerprint tells secrets apart without telling what they are, so that a
// start with another secret than the store's can say so.
func (s *Sealer) Fingerprint() string { return hex.EncodeToString(s.key("fingerprint")[:8]) }

// MAC returns a keyed hash (HMAC-SHA256) of text: equal for equal text of one
// purpose, and no way back for who has the store but not the secret.
func (s *Sealer) MAC(purpose, text string) []byte {
	h := hmac.New(sha256.New, s.key("mac "+purpose))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// key derives the 32-byte key of a purpose.
func (s *Sealer) key(purpose string) []byte {
	key, err := hkdf.Expand(sha256.New, s.root, purpose, 32)
	if err != nil {
		panic(err) // only for keys of over 255 hashes, or a hash that FIPS mode forbids
	}
	return key
}

func (s *Sealer) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(s.key("seal " + purpose))
	if err != nil {
		panic(err) // only for a wrong key size
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a block that is not AES
	}
	return aead
}
