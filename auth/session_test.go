package auth

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestSession(t *testing.T) {
	keys := testKeys(t)
	want := testClaims()
	token, err := keys.SignSession(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.VerifySession(token, now)
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestSessionTokenStaysSmall(t *testing.T) {
	c := testClaims()
	c.Session, c.Tenant, c.Admin = strings.Repeat("s", maxID), strings.Repeat("t", maxID), strings.Repeat("a", maxID)
	c.Epochs = Epochs{1<<63 - 1, 1<<63 - 1, 1<<63 - 1}
	c.Address = netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")
	id := strings.Repeat("k", maxID)
	keys, err := NewKeys(1, id, []Key{{ID: id, Secret: make([]byte, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := keys.SignSession(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(token) > MaxSessionToken {
		t.Errorf("the longest has %d bytes, want at most %d", len(token), MaxSessionToken)
	}
	if got, err := keys.VerifySession(token, now); err != nil || got != c {
		t.Errorf("got %+v, %v\nwant %+v", got, err, c)
	}
}

func TestSessionTime(t *testing.T) {
	keys := testKeys(t)
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
		{"now", now, nil},
		{"its last moment", c.Expires.Add(-1), nil},
		{"its end", c.Expires, ErrTokenExpired},
		{"long after", c.Expires.Add(1e6 * time.Hour), ErrTokenExpired},
		{"made by a clock that is fast", c.Issued.Add(-ClockDrift), nil},
		{"made in the future", c.Issued.Add(-ClockDrift - 1), ErrTokenInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := keys.VerifySession(token, tt.now); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestSignSessionRefuses: nothing is signed that would not be accepted.
func TestSignSessionRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Claims)
		want   string
	}{
		{"no session", func(c *Claims) { c.Session = "" }, "its session has 0 bytes, not 1 to 64"},
		{"long tenant", func(c *Claims) { c.Tenant = strings.Repeat("t", 65) }, "its tenant has 65 bytes, not 1 to 64"},
		{"quoted admin", func(c *Claims) { c.Admin = `a","x":"` }, "its admin"},
		{"control sign", func(c *Claims) { c.Admin = "a\x00" }, "its admin"},
		{"epoch below zero", func(c *Claims) { c.Epochs.Admin = -1 }, "an epoch is below zero"},
		{"no address", func(c *Claims) { c.Address = netip.Addr{} }, "is not a plain IPv4 or IPv6 address"},
		{"zone", func(c *Claims) { c.Address = netip.MustParseAddr("fe80::1%eth0") }, "is not a plain"},
		{"mapped", func(c *Claims) { c.Address = netip.MustParseAddr("::ffff:203.0.113.7") }, "is not a plain"},
		{"zero times", func(c *Claims) { c.SignedIn, c.Issued, c.Expires = time.Time{}, time.Time{}, time.Time{} }, "not of this world"},
		{"year 10000", func(c *Claims) { c.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "not of this world"},
		{"issued before signed in", func(c *Claims) { c.Issued = c.SignedIn.Add(-time.Second) }, "out of order"},
		{"proved before signed in", func(c *Claims) { c.Proved = c.SignedIn.Add(-time.Second) }, "its proof"},
		{"proved after issued", func(c *Claims) { c.Proved = c.Issued.Add(time.Second) }, "its proof"},
		{"never proved", func(c *Claims) { c.Proved = time.Time{} }, "its proof"},
		{"ends before issued", func(c *Claims) { c.Expires = c.Issued.Add(-time.Second) }, "out of order"},
		{"too long", func(c *Claims) { c.Expires = c.SignedIn.Add(MaxSession + time.Second) }, "longer than 720h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testClaims()
			tt.change(&c)
			if _, err := testKeys(t).SignSession(c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestKeyRotation(t *testing.T) {
	older, newer := NewKey(now), NewKey(now)
	set := func(version uint64, signing string, keys ...Key) *Keys {
		k, err := NewKeys(version, signing, keys)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	before := set(1, older.ID, older)
	during := set(2, newer.ID, newer, older)
	after := set(3, newer.ID, newer)
	token, err := before.SignSession(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := during.VerifySession(token, now); err != nil {
		t.Error("while both keys verify:", err)
	}
	if _, err := after.VerifySession(token, now); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("after the key was removed: got %v, want ErrTokenInvalid", err)
	}
	// The same ID with another secret is another key.
	forged := set(1, older.ID, Key{ID: older.ID, Secret: newer.Secret})
	if _, err := forged.VerifySession(token, now); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("other secret: got %v, want ErrTokenInvalid", err)
	}
}
