package auth

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Parameters of one-time codes (RFC 6238). Other hashes, lengths and steps are
// in the standard, and not in every authenticator app.
const (
	totpStep   = 30 // seconds
	totpDigits = 6
	totpDrift  = 1  // steps that a phone's clock may be off, each way
	totpSecret = 20 // bytes, as many as HMAC-SHA1's (RFC 4226 section 4)
)

var (
	// ErrBadCode means that a code is not the one of now, nor of the steps
	// before and after.
	ErrBadCode = errors.New("the code is wrong")
	// ErrCodeReused means that a code is right and was used before, or is older
	// than one that was.
	ErrCodeReused = errors.New("the code was used before")
)

var totpEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTPSecret makes the secret of a second factor: 160 random bits, base32.
func NewTOTPSecret() string {
	var secret [totpSecret]byte
	rand.Read(secret[:]) // never fails, since Go 1.24
	return totpEncoding.EncodeToString(secret[:])
}

// VerifyTOTP checks a one-time code. step is the time step of the code; the
// caller keeps it and gives it as lastStep the next time, so that no code works
// twice (RFC 6238 section 5.2). lastStep is 0 for a secret that was never used.
// Spaces in the code are forgiven. Any error but [ErrBadCode] and
// [ErrCodeReused] means that the secret is damaged.
func VerifyTOTP(secret, code string, now time.Time, lastStep int64) (step int64, err error) {
	// An empty or short secret would have codes that anybody can work out.
	if raw, err := totpEncoding.DecodeString(secret); err != nil || len(raw) != totpSecret {
		return 0, errors.New("the secret of the second factor is damaged: reset the second factor")
	}
	digits, ok := totpCode(code)
	if !ok {
		return 0, ErrBadCode
	}
	at := now.Unix() / totpStep
	for try := at - totpDrift; try <= at+totpDrift; try++ { // all of them, whichever fits: the time tells nothing
		fits, err := hotp.ValidateCustom(digits, uint64(try), secret, hotp.ValidateOpts{Digits: totpDigits, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("checking a code: %w", err)
		}
		if fits {
			step = try
		}
	}
	switch {
	case step == 0:
		return 0, ErrBadCode
	case step <= lastStep:
		return 0, ErrCodeReused
	}
	return step, nil
}

// LastTOTPStep returns the last time step whose code may have been used by now:
// as the last step, it lets none of them work again.
func LastTOTPStep(now time.Time) int64 { return now.Unix()/totpStep + totpDrift }

// LooksLikeTOTP tells a one-time code from a recovery code.
func LooksLikeTOTP(code string) bool {
	_, ok := totpCode(code)
	return ok
}

// totpCode reads six digits; gaps between them and full-width digits, which
// Chinese and Japanese keyboards send, are forgiven.
func totpCode(text string) (digits string, ok bool) {
	var b strings.Builder
	for _, r := range text {
		r = narrow(r)
		switch {
		case isGap(r):
			continue
		case r < '0' || r > '9' || b.Len() == totpDigits:
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), b.Len() == totpDigits
}

// TOTPURI returns the otpauth:// URI that authenticator apps read
// (https://github.com/google/google-authenticator/wiki/Key-Uri-Format). Spaces
// are %20, since some apps show a '+' as it is; colons, which separate issuer
// and account, become spaces.
func TOTPURI(issuer, account, secret string) string {
	issuer, account = strings.ReplaceAll(issuer, ":", " "), strings.ReplaceAll(account, ":", " ")
	return fmt.Sprintf("otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d",
		escape(issuer), escape(account), escape(secret), escape(issuer), totpDigits, totpStep)
}

// escape writes text so that it may stand in a path and in a query.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
