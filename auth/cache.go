package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// ways is in how many slots a token may stand: enough that tokens in use
// seldom push each other out.
const ways = 4

// Cache remembers the session tokens that were verified, since verifying takes
// some thirty times as long as looking one up here. It is bounded, takes no
// lock, does not allocate on a hit, and may be used by many goroutines at once.
//
// It is keyed by the SHA-256 of the whole token and the version of the keys, so
// a token of which a single bit differs, or whose key was removed, is verified
// anew. Only genuine tokens get in: nobody can fill it from outside. It never
// remembers that a token is valid, only what it says: time is compared on every
// use.
type Cache struct {
	slots []atomic.Pointer[verified] // groups of ways; a power of two of them
}

// verified is a token that was genuine.
type verified struct {
	sum     [sha256.Size]byte
	version uint64
	claims  Claims
}

// NewCache makes a cache of at least the given number of slots, some 350 bytes
// each when used.
func NewCache(slots int) *Cache {
	n := ways
	for n < slots {
		n *= 2
	}
	return &Cache{slots: make([]atomic.Pointer[verified], n)}
}

// Verify is [Keys.VerifySession], remembered.
func (c *Cache) Verify(k *Keys, token string, now time.Time) (Claims, error) {
	if k == nil || len(token) > MaxSessionToken {
		return k.VerifySession(token, now) // which says what is wrong
	}
	var text [MaxSessionToken]byte
	sum := sha256.Sum256(text[:copy(text[:], token)])
	group := c.group(&sum)
	for i := range group {
		v := group[i].Load()
		if v != nil && v.sum == sum && v.version == k.Version() {
			if err := current(v.claims.Issued, v.claims.Expires, now); err != nil {
				return Claims{}, err
			}
			return v.claims, nil
		}
	}
	claims, err := k.VerifySession(token, now)
	if err == nil {
		put(group, &verified{sum, k.Version(), claims}, now)
	}
	return claims, err
}

// group returns the slots that a token may stand in.
func (c *Cache) group(sum *[sha256.Size]byte) []atomic.Pointer[verified] {
	i := int(binary.LittleEndian.Uint64(sum[:8])&uint64(len(c.slots)-1)) &^ (ways - 1)
	return c.slots[i : i+ways]
}

// put takes a slot that is of no more use, or else any.
func put(group []atomic.Pointer[verified], v *verified, now time.Time) {
	for i := range group {
		old := group[i].Load()
		if old == nil || old.version != v.version || !now.Before(old.claims.Expires) {
			group[i].Store(v)
			return
		}
	}
	group[int(v.sum[8])%ways].Store(v)
}
