package browser

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// totp returns the one-time code of a time step (RFC 6238, SHA-1, six digits), as
// an app on a phone makes it.
func totp(t *testing.T, secret string, step int64) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatalf("secret %q: %v", secret, err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// nowStep is the time step of this moment.
func nowStep() int64 { return time.Now().Unix() / 30 }

// TestTOTP compares with the values of RFC 6238, appendix B.
func TestTOTP(t *testing.T) {
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for seconds, want := range map[int64]string{59: "287082", 1111111109: "081804", 20000000000: "353130"} {
		if got := totp(t, secret, seconds/30); got != want {
			t.Errorf("at %d: got %s, want %s", seconds, got, want)
		}
	}
}
