package auth

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"
)

// now is when the tests take place.
var now = time.Date(2026, 7, 14, 9, 30, 0, 123456789, time.UTC)

// testKeys returns a set whose second key signs.
func testKeys(t testing.TB) *Keys {
	t.Helper()
	keys, err := NewKeys(1, "second", []Key{
		{ID: "first", Secret: bytes.Repeat([]byte{1}, 32)},
		{ID: "second", Secret: bytes.Repeat([]byte{2}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func testClaims() Claims {
	return Claims{
		Session: "SESSION26SIGNSLONGASFROMRA", Tenant: "TENANT26SIGNSLONGASFROMRAN", Admin: "ADMIN26SIGNSLONGASFROMRAND",
		Epochs:   Epochs{All: 1, Tenant: 22, Admin: 333},
		Address:  netip.MustParseAddr("2001:db8::7"),
		SignedIn: now.Add(-time.Hour).Truncate(time.Second), Proved: now.Add(-time.Minute).Truncate(time.Second), Issued: now.Truncate(time.Second), Expires: now.Add(11 * time.Hour).Truncate(time.Second),
	}
}

func testStep() Step {
	return Step{
		ID: "STEP", Tenant: "TENANT", Admin: "ADMIN", Epochs: Epochs{1, 2, 3}, Address: netip.MustParseAddr("203.0.113.7"),
		PasswordOK: true, Next: "code", ReturnTo: "/reports?a=1&b=<2>",
		Issued: now.Truncate(time.Second), Expires: now.Add(10 * time.Minute).Truncate(time.Second),
	}
}

func TestNewKeys(t *testing.T) {
	key := func(id string, size int) Key { return Key{ID: id, Secret: make([]byte, size)} }
	for _, tt := range []struct {
		name    string
		signing string
		keys    []Key
		want    string
	}{
		{"one", "a", []Key{key("a", 32)}, ""},
		{"none", "a", nil, `session key "a", which is to sign, is not among the 0 keys`},
		{"signing is missing", "b", []Key{key("a", 32)}, `session key "b", which is to sign, is not among the 1 keys`},
		{"twice", "a", []Key{key("a", 32), key("a", 32)}, `session key "a" is there twice`},
		{"short", "a", []Key{key("a", 31)}, `session key "a" has 31 bytes, not 32`},
		{"no ID", "", []Key{key("", 32)}, "reading a session key: its ID has 0 bytes, not 1 to 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewKeys(1, tt.signing, tt.keys)
			if got := text(err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// text is an error's text, empty for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestNewKeysKeepsItsOwnSecrets(t *testing.T) {
	key := NewKey(now)
	keys, err := NewKeys(1, key.ID, []Key{key})
	if err != nil {
		t.Fatal(err)
	}
	token, err := keys.SignSession(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	clear(key.Secret)
	if _, err := keys.VerifySession(token, now); err != nil {
		t.Error("after its caller wiped the secret:", err)
	}
}

func TestNewKeyIsRandom(t *testing.T) {
	a, b := NewKey(now), NewKey(now)
	if a.ID == b.ID || bytes.Equal(a.Secret, b.Secret) || len(a.Secret) != 32 || !a.Created.Equal(now) {
		t.Errorf("got %v and %v", a, b)
	}
}

func TestNilKeysRefuse(t *testing.T) {
	var keys *Keys
	token, err := testKeys(t).SignSession(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.VerifySession(token, now); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("VerifySession: got %v, want ErrTokenInvalid", err)
	}
	if _, err := NewCache(4).Verify(keys, token, now); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("Cache.Verify: got %v, want ErrTokenInvalid", err)
	}
	if _, err := keys.VerifyStep(token, now); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("VerifyStep: got %v, want ErrTokenInvalid", err)
	}
	if _, err := keys.SignSession(testClaims()); !errors.Is(err, ErrNoKeys) {
		t.Errorf("SignSession: got %v, want ErrNoKeys", err)
	}
	if _, err := keys.SignStep(testStep()); !errors.Is(err, ErrNoKeys) {
		t.Errorf("SignStep: got %v, want ErrNoKeys", err)
	}
	if got := keys.Version(); got != 0 {
		t.Errorf("Version: got %d, want 0", got)
	}
}
