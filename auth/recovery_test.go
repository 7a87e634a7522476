package auth

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestNewRecoveryCodes(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$`)
	seen := make(map[string]bool)
	codes := NewRecoveryCodes(1000)
	for _, code := range codes {
		if !form.MatchString(code) || seen[code] {
			t.Errorf("got %q", code)
		}
		seen[code] = true
		if got, ok := NormalizeRecoveryCode(code); !ok || got != code {
			t.Errorf("%q normalized is %q, %v", code, got, ok)
		}
		if LooksLikeTOTP(code) {
			t.Errorf("%q looks like a one-time code", code)
		}
	}
	// All 32 signs occur: 16,000 draws miss one with a chance of 1e-219.
	if got := len(strings.Join(codes, "")); got != 1000*19 {
		t.Errorf("got %d signs", got)
	}
	for _, sign := range crockford {
		if !strings.ContainsRune(strings.Join(codes, ""), sign) {
			t.Errorf("%c never occurs", sign)
		}
	}
}

func TestNormalizeRecoveryCode(t *testing.T) {
	const want = "W1NX-QYCJ-CWPP-21Q0"
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"as shown", "W1NX-QYCJ-CWPP-21Q0", true},
		{"small", "w1nx-qycj-cwpp-21q0", true},
		{"without dashes", "W1NXQYCJCWPP21Q0", true},
		{"spaces", " W1NX QYCJ  CWPP\t21Q0\r\n", true},
		{"other dashes", "W1NX–QYCJ—CWPP−21Q0", true},
		{"I, l and o", "WINX-QYCJ-CWPP-2lQo", true},
		{"full-width", "Ｗ１ＮＸ－ＱＹＣＪ　CWPP-21Q0", true},
		{"U", "W1NU-QYCJ-CWPP-21Q0", false},
		{"short", "W1NX-QYCJ-CWPP-21Q", false},
		{"long", "W1NX-QYCJ-CWPP-21Q00", false},
		{"empty", "", false},
		{"dashes", "----------------", false},
		{"other sign", "W1NX-QYCJ-CWPP-21Q*", false},
		{"not UTF-8", "W1NX-QYCJ-CWPP-21Q\xff", false},
		{"endless", strings.Repeat("A", 1<<20), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := NormalizeRecoveryCode(tt.text)
			if ok != tt.ok || ok && got != want || !ok && got != "" {
				t.Errorf("got %q, %v, want %v", got, ok, tt.ok)
			}
		})
	}
}

func TestHashRecoveryCode(t *testing.T) {
	a, b := HashRecoveryCode("W1NX-QYCJ-CWPP-21Q0"), HashRecoveryCode("W1NX-QYCJ-CWPP-21Q1")
	if len(a) != 32 || bytes.Equal(a, b) || !bytes.Equal(a, HashRecoveryCode("W1NX-QYCJ-CWPP-21Q0")) {
		t.Errorf("got %x and %x", a, b)
	}
}

// FuzzRecovery: what is accepted is in the one canonical form, and reading it
// again changes nothing.
func FuzzRecovery(f *testing.F) {
	for _, seed := range []string{"W1NX-QYCJ-CWPP-21Q0", "winx qycj cwpp 2lqo", "Ｗ１ＮＸ", "\xff-\x00", "-"} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$`)
	f.Fuzz(func(t *testing.T, text string) {
		code, ok := NormalizeRecoveryCode(text)
		if !ok {
			return
		}
		if again, ok := NormalizeRecoveryCode(code); !form.MatchString(code) || !ok || again != code {
			t.Errorf("%q: got %q, then %q", text, code, again)
		}
		if lower, ok := NormalizeRecoveryCode(strings.ToLower(code)); !ok || lower != code {
			t.Errorf("%q in small letters: got %q", code, lower)
		}
	})
}
