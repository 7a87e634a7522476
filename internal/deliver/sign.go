package deliver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Secret signs what a webhook gets, so that it can tell it from what others
// send: https://github.com/standard-webhooks/standard-webhooks.
type Secret []byte

// secretPrefix begins a secret as it is written.
const secretPrefix = "whsec_"

// NewSecret reads a secret: whsec_ and 24 to 64 bytes in base64.
func NewSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a secret is whsec_ and 24 to 64 bytes in base64: make one with 'echo whsec_$(openssl rand -base64 32)'")
	}
	return key, nil
}

// String writes the secret as NewSecret reads it.
func (s Secret) String() string { return secretPrefix + base64.StdEncoding.EncodeToString(s) }

// sign adds the headers of a message: its id, which stays the same when it is
// sent again, the time, and the signature of both and the body.
func (s Secret) sign(h http.Header, id string, now time.Time, body []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
