package auth

import (
	"encoding/base32"
	"errors"
	"net/url"
	"testing"
	"time"
)

// rfcSecret is the one of RFC 6238 appendix B.
var rfcSecret = base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))

// TestTOTPVectors are those of RFC 6238 appendix B for SHA-1, whose codes have
// eight digits: the last six are ours.
func TestTOTPVectors(t *testing.T) {
	for _, tt := range []struct {
		seconds int64
		code    string
	}{
		{59, "94287082"},
		{1111111109, "07081804"},
		{1111111111, "14050471"},
		{1234567890, "89005924"},
		{2000000000, "69279037"},
		{20000000000, "65353130"},
	} {
		step, err := VerifyTOTP(rfcSecret, tt.code[2:], time.Unix(tt.seconds, 0), 0)
		if want := tt.seconds / 30; err != nil || step != want {
			t.Errorf("%d: got step %d, %v, want %d", tt.seconds, step, err, want)
		}
	}
}

func TestVerifyTOTP(t *testing.T) {
	const step = 1234567890 / 30 // whose code is 005924
	at := func(steps int) time.Time { return time.Unix((step+int64(steps))*30+7, 0) }
	for _, tt := range []struct {
		name     string
		code     string
		now      time.Time
		lastStep int64
		want     error
	}{
		{"in its step", "005924", at(0), 0, nil},
		{"clock one step fast", "005924", at(-1), 0, nil},
		{"clock one step slow", "005924", at(1), 0, nil},
		{"two steps early", "005924", at(-2), 0, ErrBadCode},
		{"two steps late", "005924", at(2), 0, ErrBadCode},
		{"first moment of the step", "005924", time.Unix(step*30, 0), 0, nil},
		{"last moment of the step after", "005924", time.Unix((step+2)*30, -1), 0, nil},
		{"after an older code", "005924", at(0), step - 1, nil},
		{"twice", "005924", at(0), step, ErrCodeReused},
		{"twice, a step later", "005924", at(1), step, ErrCodeReused},
		{"after a newer code", "005924", at(0), step + 1, ErrCodeReused},
		{"wrong", "005925", at(0), 0, ErrBadCode},
		{"wrong, and one was used", "005925", at(0), step, ErrBadCode},
		{"spaces", " 005 924 ", at(0), 0, nil},
		{"full-width digits", "００５９２４", at(0), 0, nil},
		{"without its zeros", "5924", at(0), 0, ErrBadCode},
		{"seven digits", "0059240", at(0), 0, ErrBadCode},
		{"eight digits", "89005924", at(0), 0, ErrBadCode},
		{"empty", "", at(0), 0, ErrBadCode},
		{"Arabic digits", "٠٠٥٩٢٤", at(0), 0, ErrBadCode},
		{"signed", "+05924", at(0), 0, ErrBadCode},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := VerifyTOTP(rfcSecret, tt.code, tt.now, tt.lastStep)
			if !errors.Is(err, tt.want) || err != nil && tt.want == nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil && got != step || err != nil && got != 0 {
				t.Errorf("got step %d, %v", got, err)
			}
		})
	}
}

// TestVerifyTOTPOfBadSecret: a missing or damaged secret has no right code.
func TestVerifyTOTPOfBadSecret(t *testing.T) {
	for _, secret := range []string{"", "GEZDGNBV", rfcSecret[1:], rfcSecret + "AAAAAAAA", "not base32 at all, is it?!", "11111111111111111111111111111111"} {
		for _, code := range []string{"005924", "328482", "000000"} { // 328482 is the code of an empty secret at 1234567890
			if _, err := VerifyTOTP(secret, code, time.Unix(1234567890, 0), 0); err == nil || errors.Is(err, ErrBadCode) {
				t.Errorf("secret %q, code %s: got %v, want an error of its own", secret, code, err)
			}
		}
	}
}

func TestNewTOTPSecret(t *testing.T) {
	a, b := NewTOTPSecret(), NewTOTPSecret()
	raw, err := base32.StdEncoding.DecodeString(a)
	if err != nil || len(raw) != 20 || a == b {
		t.Errorf("got %q and %q: %d bytes, %v", a, b, len(raw), err)
	}
	if _, err := VerifyTOTP(a, "000000", now, 0); err != nil && !errors.Is(err, ErrBadCode) {
		t.Error(err)
	}
}

func TestTOTPURI(t *testing.T) {
	for _, tt := range []struct{ issuer, account, want string }{
		{"Acme", "li.na", "otpauth://totp/Acme:li.na?secret=ABC&issuer=Acme&algorithm=SHA1&digits=6&period=30"},
		{"Acme & Co: Ltd/+", "a@b.c", "otpauth://totp/Acme%20%26%20Co%20%20Ltd%2F%2B:a%40b.c?secret=ABC&issuer=Acme%20%26%20Co%20%20Ltd%2F%2B&algorithm=SHA1&digits=6&period=30"},
		{"艾克米", "李娜", "otpauth://totp/%E8%89%BE%E5%85%8B%E7%B1%B3:%E6%9D%8E%E5%A8%9C?secret=ABC&issuer=%E8%89%BE%E5%85%8B%E7%B1%B3&algorithm=SHA1&digits=6&period=30"},
	} {
		got := TOTPURI(tt.issuer, tt.account, "ABC")
		if got != tt.want {
			t.Errorf("got %s\nwant %s", got, tt.want)
		}
		if u, err := url.Parse(got); err != nil || u.Host != "totp" || u.Query().Get("secret") != "ABC" {
			t.Errorf("%s: %v", got, err)
		}
	}
}

func TestLooksLikeTOTP(t *testing.T) {
	for code, want := range map[string]bool{
		"123456": true, "123 456": true, "１２３４５６": true,
		"": false, "12345": false, "1234567": false, "12345A": false, "W1NX-QYCJ-CWPP-21Q0": false,
	} {
		if got := LooksLikeTOTP(code); got != want {
			t.Errorf("%q: got %v, want %v", code, got, want)
		}
	}
}
