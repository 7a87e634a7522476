package auth

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	cache, keys := NewCache(64), testKeys(t)
	want := testClaims()
	token, err := keys.SignSession(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, look := range []string{"first", "second"} {
		if got, err := cache.Verify(keys, token, now); err != nil || got != want {
			t.Errorf("%s look: got %+v, %v\nwant %+v", look, got, err, want)
		}
	}
	if n := stored(cache); n != 1 {
		t.Errorf("%d tokens are stored, want 1", n)
	}
}

// stored counts the tokens in a cache.
func stored(c *Cache) (n int) {
	for i := range c.slots {
		if c.slots[i].Load() != nil {
			n++
		}
	}
	return n
}

// TestCacheTime: what is remembered is what a token says, never that it counts.
func TestCacheTime(t *testing.T) {
	cache, keys := NewCache(64), testKeys(t)
	c := testClaims()
	token, err := keys.SignSession(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		now  time.Time
		want error
	}{
		{"while it counts", now, nil},
		{"at its end", c.Expires, ErrTokenExpired},
		{"after it", c.Expires.Add(time.Hour), ErrTokenExpired},
		{"the clock was put back", c.Expires.Add(-1), nil},
		{"before it was issued", c.Issued.Add(-2 * ClockDrift), ErrTokenInvalid},
	} {
		if _, err := cache.Verify(keys, token, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestCacheIsKeyedByKeys(t *testing.T) {
	cache := NewCache(64)
	older, newer := NewKey(now), NewKey(now)
	both, err1 := NewKeys(1, older.ID, []Key{newer, older})
	one, err2 := NewKeys(2, newer.ID, []Key{newer})
	token, err3 := both.SignSession(testClaims())
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Verify(both, token, now); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Verify(one, token, now); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("after its key was removed: got %v, want ErrTokenInvalid", err)
	}
}

// TestCacheWithoutKeys: no keys at all are not the keys of version 0.
func TestCacheWithoutKeys(t *testing.T) {
	cache, key := NewCache(64), NewKey(now)
	keys, err1 := NewKeys(0, key.ID, []Key{key})
	token, err2 := keys.SignSession(testClaims())
	_, err3 := cache.Verify(keys, token, now)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Verify(nil, token, now); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("got %v, want ErrTokenInvalid", err)
	}
}

// TestCacheIsKeyedByEveryBit: a remembered token opens nothing for one that
// differs, and what is refused is not remembered.
func TestCacheIsKeyedByEveryBit(t *testing.T) {
	cache, keys := NewCache(64), testKeys(t)
	token, err := keys.SignSession(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Verify(keys, token, now); err != nil {
		t.Fatal(err)
	}
	for i := range len(token) * 8 {
		changed := []byte(token)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := cache.Verify(keys, string(changed), now); !errors.Is(err, ErrTokenInvalid) {
			t.Fatalf("bit %d changed: got %v, want ErrTokenInvalid", i, err)
		}
	}
	for _, changed := range []string{token + "\x00", token[:len(token)-1], ""} {
		if _, err := cache.Verify(keys, changed, now); !errors.Is(err, ErrTokenInvalid) {
			t.Fatalf("%q: got %v, want ErrTokenInvalid", changed, err)
		}
	}
	if n := stored(cache); n != 1 {
		t.Errorf("%d tokens are stored, want 1", n)
	}
}

func TestCacheDoesNotAllocate(t *testing.T) {
	cache, keys := NewCache(64), testKeys(t)
	token, err := keys.SignSession(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Verify(keys, token, now); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := cache.Verify(keys, token, now); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("a hit allocates %v times, want 0", n)
	}
}

// TestCacheIsBounded: many tokens, asked by many goroutines, all answered right,
// and never more of them kept than there are slots.
func TestCacheIsBounded(t *testing.T) {
	const slots, tokens, askers = 8, 50, 4
	cache, keys := NewCache(slots), testKeys(t)
	signed := make([]string, tokens)
	for i := range signed {
		c := testClaims()
		c.Session = fmt.Sprint(i)
		var err error
		if signed[i], err = keys.SignSession(c); err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	for range askers {
		wait.Go(func() {
			for i := range 10 * tokens {
				c, err := cache.Verify(keys, signed[i%tokens], now)
				if want := fmt.Sprint(i % tokens); err != nil || c.Session != want {
					t.Errorf("got session %q, %v, want %q", c.Session, err, want)
				}
			}
		})
	}
	wait.Wait()
	if len(cache.slots) != slots || stored(cache) > slots {
		t.Errorf("%d tokens are in %d slots, want %d slots", stored(cache), len(cache.slots), slots)
	}
}

// TestCacheMakesRoom: a token in use goes only when its group is full of others
// in use.
func TestCacheMakesRoom(t *testing.T) {
	cache := NewCache(ways)
	entry := func(sign byte, version uint64, expires time.Time) *verified {
		return &verified{sum: [32]byte{8: sign}, version: version, claims: Claims{Expires: expires}}
	}
	later := now.Add(time.Hour)
	for i := range byte(ways) {
		put(cache.slots, entry(i, 1, later), now)
	}
	if n := stored(cache); n != ways {
		t.Fatalf("%d of %d slots are used", n, ways)
	}
	cache.slots[2].Store(entry(2, 1, now)) // has expired
	put(cache.slots, entry(0, 1, later), now)
	if got := cache.slots[2].Load(); got.claims.Expires != later {
		t.Error("the slot of an expired token was not taken")
	}
	cache.slots[1].Store(entry(1, 7, later)) // of other keys
	put(cache.slots, entry(3, 1, later), now)
	if got := cache.slots[1].Load(); got.version != 1 {
		t.Error("the slot of a token of other keys was not taken")
	}
	put(cache.slots, entry(3, 1, later.Add(1)), now)
	if got := cache.slots[3].Load(); got.claims.Expires != later.Add(1) {
		t.Error("a full group took nothing")
	}
}

func TestNewCacheSizes(t *testing.T) {
	for slots, want := range map[int]int{-1: 4, 0: 4, 1: 4, 4: 4, 5: 8, 1000: 1024, 1 << 14: 1 << 14} {
		if got := len(NewCache(slots).slots); got != want {
			t.Errorf("%d: got %d slots, want %d", slots, got, want)
		}
	}
}
