package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCheckPassword(t *testing.T) {
	own := []string{"li.na@acme.example", "Li Na", "Acme Corporation", "acme"}
	for _, tt := range []struct {
		password string
		factor   bool
		want     string // code, empty when it may be chosen
	}{
		// length
		{"", false, PasswordTooShort},
		{"k3#vQ9!xLp2&zT", false, PasswordTooShort},  // 14
		{"k3#vQ9!xLp2&zTw", false, ""},               // 15
		{"k3#vQ9!", true, PasswordTooShort},          // 7
		{"k3#vQ9!x", true, ""},                       // 8
		{"好雨知時節當春乃發生隨風潛", false, PasswordTooShort},   // 13 characters, 39 bytes
		{"好雨知時節當春乃發生隨風潛入夜", false, ""},               // 15
		{strings.Repeat("vQ9!xLp2", 128), false, ""}, // 1024 bytes
		{strings.Repeat("vQ9!xLp2", 128) + "x", false, PasswordTooLong},
		// what people may well choose
		{"correct donkey crates staple", false, ""},
		{"my cat hates mondays in winter", false, ""},
		{"the password of my youth was blue", false, ""},
		{"test-8274-9182-7712-3315", false, ""},
		{"tomorrow never knows", false, ""},
		{"82749182password7712", false, ""},
		{"zürich im märz, kalt", false, ""},
		{"Acme pays me well enough", false, ""},
		{"        k3#vQ9!x", true, ""},
		// well known
		{"password", true, PasswordCommon},
		{"PASSWORD", true, PasswordCommon},
		{"P@ssw0rd", true, PasswordCommon},
		{"P@$$w0rd2026!", true, PasswordCommon},
		{"1password1", true, PasswordCommon},
		{"!!pass-word!!", true, PasswordCommon},
		{"password12345678", false, PasswordCommon},
		{"passwordpassword", false, PasswordCommon},
		{"Password1Password1", false, PasswordCommon},
		{"Admin_Password_2026", false, PasswordCommon},
		{"administrator123", false, PasswordCommon},
		{"4dm1n1str4t0r!!!", false, PasswordCommon},
		{"1loveyou1loveyou", false, PasswordCommon},
		{"correcthorsebatterystaple", false, PasswordCommon},
		{"CorrectHorseBatteryStaple!", false, PasswordCommon},
		{"Summer2026", true, PasswordCommon},
		{"Welcome1", true, PasswordCommon},
		{"woaini1314520", true, PasswordCommon},
		{"sallyport-2026!", false, PasswordCommon},
		{"1234567890", true, PasswordCommon},
		{"12345678987654321", false, PasswordCommon},
		{"147258369147258369", false, PasswordCommon},
		// repetitions and sequences
		{"aaaaaaaaaaaaaaa", false, PasswordTrivial},
		{"xyxyxyxyxyxyxyx", false, PasswordTrivial},
		{"qx7!qx7!qx7!qx7!", false, PasswordTrivial},
		{"ööööööööööööööö", false, PasswordTrivial},
		{"🐢🐢🐢🐢🐢🐢🐢🐢", true, PasswordTrivial},
		{"abcdefghijklmnop", false, PasswordTrivial},
		{"ZYXWVUTSRQPONML", false, PasswordTrivial},
		{"aaaabbbbccccdddd", false, PasswordTrivial},
		{"1234567890123456", false, PasswordTrivial},
		{"qwertyuiop[]1234", false, PasswordCommon},
		{"1qaz2wsx3edc4rfv", false, PasswordCommon},
		{"!@#$%^&*()!@#$%^", false, PasswordTrivial},
		{"ghjkl;'ghjkl", true, PasswordTrivial},
		{"abcd1234!@#$", true, PasswordCommon},
		{"19901231", true, PasswordTrivial},
		// little more than a name
		{"li.na@acme.example", false, PasswordOwn},
		{"LI.NA@ACME.EXAMPLE1", false, PasswordOwn},
		{"acme2026", true, PasswordOwn},
		{"AcmeCorporation", false, PasswordOwn},
		{"acmeacmeacmeacme!", false, PasswordOwn},
		{"Corporation-123", false, PasswordOwn},
	} {
		t.Run(fmt.Sprintf("%.40s", tt.password), func(t *testing.T) {
			err := CheckPassword(tt.password, tt.factor, own...)
			var weak *WeakPasswordError
			if err != nil && !errors.As(err, &weak) {
				t.Fatalf("got %T", err)
			}
			got := ""
			if weak != nil {
				got = weak.Code
			}
			if got != tt.want {
				t.Errorf("%q: got %q, want %q", tt.password, got, tt.want)
			}
		})
	}
}

func TestWeakPasswordErrorSaysTheLeast(t *testing.T) {
	for factor, want := range map[bool]string{
		false: "password is weak: too_short, it needs 15 characters",
		true:  "password is weak: too_short, it needs 8 characters",
	} {
		if got := text(CheckPassword("short", factor)); got != want {
			t.Errorf("second factor %v: got %q, want %q", factor, got, want)
		}
	}
}

// TestOwnIgnoresEmptyNames: an admin without a name must not make every
// password weak.
func TestOwnIgnoresEmptyNames(t *testing.T) {
	if err := CheckPassword("k3#vQ9!x", true, "", " ", "k", "#"); err != nil {
		t.Error(err)
	}
}

// TestCommonList: each line is written as it is looked up, or it would never be
// found.
func TestCommonList(t *testing.T) {
	if len(common) < 500 {
		t.Fatalf("the list has %d lines", len(common))
	}
	for word := range common {
		if word != strings.ToLower(word) {
			t.Errorf("%q has capitals", word)
		}
		if letters := without(word, notLetter); letters != "" && letters != word {
			t.Errorf("%q has letters and other signs", word)
		}
		if !isCommon(word) {
			t.Errorf("%q is not found", word)
		}
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("P@ssw0rd", true, "acme")
	f.Add("\xff\xfe[[[[", false, "")
	f.Fuzz(func(t *testing.T, password string, factor bool, own string) {
		err := CheckPassword(password, factor, own)
		if err == nil && len(password) < MinPasswordWithFactor {
			t.Errorf("%q passed", password)
		}
	})
}
