package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func testAssertionKeys(t testing.TB) *AssertionKeys {
	t.Helper()
	keys, err := NewAssertionKeys("second", []AssertionKey{
		{ID: "first", Seed: bytes.Repeat([]byte{1}, 32)},
		{ID: "second", Seed: bytes.Repeat([]byte{2}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func testAssertion() Assertion {
	return Assertion{
		Issuer: "https://acme.example", Audience: "acme", Subject: "ADMIN", Login: "li.na@acme.example", Role: "owner", Session: "SESSION",
		Address: netip.MustParseAddr("203.0.113.7"),
		Issued:  now.Truncate(time.Second), Expires: now.Add(MaxAssertion).Truncate(time.Second),
	}
}

func TestAssertion(t *testing.T) {
	keys := testAssertionKeys(t)
	want := testAssertion()
	for _, login := range []string{want.Login, "李娜", `"<&>'`} {
		want.Login = login
		token, err := keys.Sign(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := VerifyAssertion(token, keys.JWKS(), "acme", "https://acme.example", now)
		if err != nil || got != want {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
}

func TestVerifyAssertionRefuses(t *testing.T) {
	keys := testAssertionKeys(t)
	a := testAssertion()
	token, err := keys.Sign(a)
	if err != nil {
		t.Fatal(err)
	}
	others, err := NewAssertionKeys("second", []AssertionKey{{ID: "second", Seed: bytes.Repeat([]byte{3}, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	jwks := string(keys.JWKS())
	for _, tt := range []struct {
		name, jwks, audience, issuer string
		now                          time.Time
		want                         error
	}{
		{"control", jwks, "acme", "https://acme.example", now, nil},
		{"other tenant", jwks, "globex", "https://acme.example", now, ErrTokenInvalid},
		{"other site", jwks, "acme", "https://globex.example", now, ErrTokenInvalid},
		{"at its end", jwks, "acme", "https://acme.example", a.Expires, ErrTokenExpired},
		{"from the future", jwks, "acme", "https://acme.example", a.Issued.Add(-2 * time.Minute), ErrTokenInvalid},
		{"other key of that ID", string(others.JWKS()), "acme", "https://acme.example", now, ErrTokenInvalid},
		{"no keys", `{"keys":[]}`, "acme", "https://acme.example", now, ErrTokenInvalid},
		{"key for encryption", strings.ReplaceAll(jwks, `"sig"`, `"enc"`), "acme", "https://acme.example", now, ErrTokenInvalid},
		{"key for another algorithm", strings.ReplaceAll(jwks, `"EdDSA"`, `"ES256"`), "acme", "https://acme.example", now, ErrTokenInvalid},
		{"key of another curve", strings.ReplaceAll(jwks, `"Ed25519"`, `"X25519"`), "acme", "https://acme.example", now, ErrTokenInvalid},
		{"symmetric key", strings.ReplaceAll(jwks, `"OKP"`, `"oct"`), "acme", "https://acme.example", now, ErrTokenInvalid},
		{"short key", strings.ReplaceAll(jwks, `"x":"`, `"x":"AA","y":"`), "acme", "https://acme.example", now, ErrTokenInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := VerifyAssertion(token, []byte(tt.jwks), tt.audience, tt.issuer, tt.now); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := VerifyAssertion(token, []byte("<html>"), "acme", "https://acme.example", now); err == nil {
		t.Error("a key set that is not JSON: got no error")
	}
}

// TestAssertionConfusion: the public key, which everybody knows, is no secret
// to sign with, and "none" is no signature.
func TestAssertionConfusion(t *testing.T) {
	keys := testAssertionKeys(t)
	public := keys.key[32:]
	a := testAssertion()
	for _, tt := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
	}{
		{"HS256 with the public key", jwt.SigningMethodHS256, []byte(public)},
		{"HS256 with the key set", jwt.SigningMethodHS256, keys.JWKS()},
		{"none", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := jwt.NewWithClaims(tt.method, a.encode())
			token.Header["typ"], token.Header["kid"] = assertionKind.typ, "second"
			text, err := token.SignedString(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyAssertion(text, keys.JWKS(), "acme", "https://acme.example", now); !errors.Is(err, ErrTokenInvalid) {
				t.Errorf("got %v, want ErrTokenInvalid", err)
			}
		})
	}
}

func TestAssertionSignRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Assertion)
		want   string
	}{
		{"lives too long", func(a *Assertion) { a.Expires = a.Issued.Add(MaxAssertion + time.Second) }, "longer than 5m0s"},
		{"ends before it begins", func(a *Assertion) { a.Expires = a.Issued.Add(-time.Second) }, "out of order"},
		{"no issuer", func(a *Assertion) { a.Issuer = "" }, `issuer, audience, login or role is ""`},
		{"no audience", func(a *Assertion) { a.Audience = "" }, `issuer, audience, login or role is ""`},
		{"login not UTF-8", func(a *Assertion) { a.Login = "\xff" }, `issuer, audience, login or role is "\xff"`},
		{"no session", func(a *Assertion) { a.Session = "" }, "its session has 0 bytes"},
		{"no subject", func(a *Assertion) { a.Subject = "" }, "its subject has 0 bytes"},
		{"no address", func(a *Assertion) { a.Address = netip.Addr{} }, "not a plain IPv4 or IPv6 address"},
		{"too big for a header", func(a *Assertion) { a.Login = strings.Repeat("l", MaxAssertionToken) }, "over the limit of 4096"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := testAssertion()
			tt.change(&a)
			if _, err := testAssertionKeys(t).Sign(a); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestNewAssertionKeys(t *testing.T) {
	key := func(id string, size int) AssertionKey { return AssertionKey{ID: id, Seed: make([]byte, size)} }
	for _, tt := range []struct {
		name    string
		signing string
		keys    []AssertionKey
		want    string
	}{
		{"one", "a", []AssertionKey{key("a", 32)}, ""},
		{"none", "a", nil, `assertion key "a", which is to sign, is not among the 0 keys`},
		{"twice", "a", []AssertionKey{key("a", 32), key("a", 32)}, `assertion key "a" is there twice`},
		{"whole private key", "a", []AssertionKey{key("a", 64)}, `assertion key "a" has 64 bytes, not 32`},
		{"bad ID", "a b", []AssertionKey{key("a b", 32)}, `reading an assertion key: its ID "a b" has signs other than letters, digits, '-', '_' and '.'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewAssertionKeys(tt.signing, tt.keys)
			if got := text(err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestJWKS: every key is published with what RFC 7517 and RFC 8037 ask for, and
// nothing secret with it.
func TestJWKS(t *testing.T) {
	key := NewAssertionKey(now)
	keys, err := NewAssertionKeys(key.ID, []AssertionKey{key})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Keys []map[string]string }
	if err := json.Unmarshal(keys.JWKS(), &got); err != nil || len(got.Keys) != 1 {
		t.Fatalf("%s: %v", keys.JWKS(), err)
	}
	for member, want := range map[string]string{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.ID, "x": b64(string(keys.key[32:]))} {
		if got.Keys[0][member] != want {
			t.Errorf("%s: got %q, want %q", member, got.Keys[0][member], want)
		}
	}
	if len(got.Keys[0]) != 6 {
		t.Errorf("got further members: %s", keys.JWKS())
	}
}
