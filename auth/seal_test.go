package auth

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func testSealer(t testing.TB, sign byte) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{sign}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal(t *testing.T) {
	s := testSealer(t, 1)
	for _, plain := range []string{"", "x", rfcSecret, strings.Repeat("long", 1000)} {
		sealed := s.Seal("totp", "ADMIN", []byte(plain))
		if len(plain) > 8 && bytes.Contains(sealed, []byte(plain)) { // a letter is among any 29 bytes now and then
			t.Error("the plain text is in the sealed one")
		}
		if bytes.Equal(sealed, s.Seal("totp", "ADMIN", []byte(plain))) {
			t.Error("sealed twice it is the same: the nonce is not random")
		}
		got, err := s.Open("totp", "ADMIN", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("got %q, %v, want %q", got, err, plain)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s := testSealer(t, 1)
	sealed := s.Seal("totp", "ADMIN", []byte("plain"))
	for _, tt := range []struct {
		name        string
		sealer      *Sealer
		purpose, id string
		sealed      []byte
	}{
		{"other secret", testSealer(t, 2), "totp", "ADMIN", sealed},
		{"other purpose", s, "session key", "ADMIN", sealed},
		{"other row", s, "totp", "OTHER", sealed},
		{"purpose and row run together", s, "totpA", "DMIN", sealed},
		{"empty", s, "totp", "ADMIN", nil},
		{"one byte", s, "totp", "ADMIN", sealed[:1]},
		{"nonce alone", s, "totp", "ADMIN", sealed[:13]},
		{"cut short", s, "totp", "ADMIN", sealed[:len(sealed)-1]},
		{"made longer", s, "totp", "ADMIN", append(bytes.Clone(sealed), 0)},
		{"plain", s, "totp", "ADMIN", []byte("plain")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := tt.sealer.Open(tt.purpose, tt.id, tt.sealed); !errors.Is(err, ErrWrongSecret) || got != nil {
				t.Errorf("got %q, %v, want ErrWrongSecret", got, err)
			}
		})
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open("totp", "ADMIN", changed); !errors.Is(err, ErrWrongSecret) {
			t.Errorf("byte %d changed: got %v, want ErrWrongSecret", i, err)
		}
	}
}

func TestNewSealerRefusesShortSecrets(t *testing.T) {
	_, err := NewSealer(make([]byte, 31))
	if want := "the secret has 31 bytes; it needs 32 or more, made at random (openssl rand -base64 48)"; text(err) != want {
		t.Errorf("got %q, want %q", text(err), want)
	}
}

// TestDerivedValuesNeverChange: a store sealed by one release must open with
// the next. The first two were worked out apart from this package, from RFC
// 2104 and RFC 5869.
func TestDerivedValuesNeverChange(t *testing.T) {
	s := testSealer(t, 1)
	if got, want := s.Fingerprint(), "421d939a9ac1a29c"; got != want {
		t.Errorf("fingerprint: got %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(s.MAC("login", "li.na")), "1ded326363fad30b093cff886defba16f4c060f6a09243318914e8d087e8f552"; got != want {
		t.Errorf("MAC: got %s, want %s", got, want)
	}
	sealed, err := hex.DecodeString("013d4a0b9f85ae4c9441ffc5fed387e2d70b23110502fd19d2e0ee9a40c5556a8a9e")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open("totp", "ADMIN", sealed); err != nil || string(got) != "plain" {
		t.Errorf("sealed: got %q, %v", got, err)
	}
}

func TestFingerprintAndMACDiffer(t *testing.T) {
	a, b := testSealer(t, 1), testSealer(t, 2)
	seen := make(map[string]string)
	for name, value := range map[string]string{
		"fingerprint":   a.Fingerprint(),
		"other secret":  b.Fingerprint(),
		"MAC":           string(a.MAC("login", "li.na")),
		"MAC of b":      string(b.MAC("login", "li.na")),
		"other text":    string(a.MAC("login", "li.nb")),
		"other purpose": string(a.MAC("throttle", "li.na")),
		"moved":         string(a.MAC("logi", "nli.na")),
	} {
		if other, twice := seen[value]; twice {
			t.Errorf("%s and %s are equal", name, other)
		}
		seen[value] = name
	}
}
