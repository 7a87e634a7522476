package auth

import (
	"errors"
	"strings"
	"testing"
)

// FuzzVerifySession gives texts as they are, and, where sign is true, texts of
// "header.claims" that are signed with the real key, so that what comes after
// the signature is fuzzed as well. Nothing may panic, and what is accepted must
// be what SignSession makes of its claims, to the letter.
func FuzzVerifySession(f *testing.F) {
	keys := testKeys(f)
	token, err := keys.SignSession(testClaims())
	if err != nil {
		f.Fatal(err)
	}
	header, claims := genuine(f)
	f.Add(token, false)
	f.Add("..", false)
	f.Add(header+"\n"+claims, true)
	f.Add(header+"\n"+strings.Replace(claims, "{", `{"nbf":1e300,`, 1), true)
	f.Add(header+"\n"+strings.Replace(claims, `"exp":17`, `"exp":1e18,"EXP":17`, 1), true)
	f.Add(`{"alg":"none"}`+"\n"+`null`, true)
	f.Fuzz(func(t *testing.T, text string, sign bool) {
		if sign {
			header, claims, _ := strings.Cut(text, "\n")
			text = forge(header, claims)
		}
		for name, verify := range map[string]func() (Claims, error){
			"keys":  func() (Claims, error) { return keys.VerifySession(text, now) },
			"cache": func() (Claims, error) { return NewCache(1).Verify(keys, text, now) },
		} {
			c, err := verify()
			if err != nil {
				if !errors.Is(err, ErrTokenInvalid) && !errors.Is(err, ErrTokenExpired) || c != (Claims{}) {
					t.Errorf("%s: got %v, %v", name, c, err)
				}
				continue
			}
			if again, err := keys.SignSession(c); err != nil || again != text {
				t.Errorf("%s accepted %q\nand signs %q, %v", name, text, again, err)
			}
		}
		if s, err := keys.VerifyStep(text, now); err == nil {
			if again, err := keys.SignStep(s); err != nil || again != text {
				t.Errorf("accepted step %q\nand signs %q, %v", text, again, err)
			}
		}
	})
}
