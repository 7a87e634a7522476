package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// wycheproofHS256 reads the vectors; see testdata/README.md.
func wycheproofHS256(t *testing.T) (groups []struct {
	Private struct{ K string }
	Tests   []struct {
		ID      int `json:"tcId"`
		Comment string
		JWS     string
		Result  string
	}
}) {
	t.Helper()
	file, err := os.ReadFile("testdata/wycheproof-hs256.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		NumberOfTests int
		TestGroups    json.RawMessage
	}
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(vectors.TestGroups, &groups); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range groups {
		count += len(g.Tests)
	}
	if count != vectors.NumberOfTests || count != 40 {
		t.Fatalf("got %d vectors, want %d", count, vectors.NumberOfTests)
	}
	return groups
}

// oddVectors are those whose result we do not share.
var oddVectors = map[int]string{
	367: "called invalid for its padding, which it lost: it is vector 357 to the letter",
	370: "called invalid for its padding, which it lost: it is vector 357 to the letter",
	372: "called valid with a '?' in the header, which is not base64",
	373: "called valid with a '?' in the payload, which is not base64",
}

// TestWycheproofHS256 runs the vectors at the level of signatures, as our
// parser splits, decodes and verifies: their payloads are no claims, so that
// whole tokens would be refused for the wrong reason.
func TestWycheproofHS256(t *testing.T) {
	var whole string // vector 357
	for _, g := range wycheproofHS256(t) {
		key, err := base64.RawURLEncoding.DecodeString(g.Private.K)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range g.Tests {
			got, want := verifyJWS(v.JWS, key), v.Result == "valid"
			switch reason, odd := oddVectors[v.ID]; {
			case odd && got == want:
				t.Errorf("%d %s: odd no more: %s", v.ID, v.Comment, reason)
			case !odd && got != want:
				t.Errorf("%d %s: got %v, want %v", v.ID, v.Comment, got, want)
			}
			switch v.ID {
			case 357:
				whole = v.JWS
			case 367, 370:
				if v.JWS != whole {
					t.Errorf("%d is not 357", v.ID)
				}
			}
		}
	}
}

func verifyJWS(text string, key []byte) bool {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return false
	}
	var decoded [3][]byte
	for i, p := range parts {
		var err error
		if decoded[i], err = sessionKind.parser.DecodeSegment(p); err != nil {
			return false
		}
	}
	var header struct{ Alg string }
	if json.Unmarshal(decoded[0], &header) != nil || header.Alg != sessionKind.method.Alg() {
		return false
	}
	return sessionKind.method.Verify(parts[0]+"."+parts[1], decoded[2], key) == nil
}

// TestEdDSAVector is the example of RFC 8037 appendix A.4, and changes of it.
func TestEdDSAVector(t *testing.T) {
	seed, err := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if err != nil {
		t.Fatal(err)
	}
	const signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
	const signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	private := ed25519.NewKeyFromSeed(seed)
	got, err := jwt.SigningMethodEdDSA.Sign(signed, private)
	if err != nil || base64.RawURLEncoding.EncodeToString(got) != signature {
		t.Errorf("signed: got %s, %v", base64.RawURLEncoding.EncodeToString(got), err)
	}
	public := private.Public()
	if err := jwt.SigningMethodEdDSA.Verify(signed, got, public); err != nil {
		t.Error(err)
	}
	for i := range got {
		changed := append([]byte(nil), got...)
		changed[i] ^= 1
		if jwt.SigningMethodEdDSA.Verify(signed, changed, public) == nil {
			t.Errorf("verified with byte %d changed", i)
		}
	}
	// S + L is the same number modulo the order of the group: RFC 8032 section
	// 5.1.7 refuses it, or one signature could be written in two ways.
	order := []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	carry := 0
	for i, b := range order {
		sum := int(got[32+i]) + int(b) + carry
		got[32+i], carry = byte(sum), sum>>8
	}
	if jwt.SigningMethodEdDSA.Verify(signed, got, public) == nil {
		t.Error("verified with S + L")
	}
}
