package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// apiTokenPrefix lets people and secret scanners recognise a token.
const apiTokenPrefix = "spt_"

// ErrTwoCredentials means that a request brings more than one thing to be known
// by: whose request it is cannot be known, so none counts.
var ErrTwoCredentials = errors.New("the request has two credentials")

// NewAPIToken makes a token for scripts: "spt_" and 256 random bits. It is
// shown once; only its hash is kept.
func NewAPIToken() (token string, hash []byte) { return newSecret(apiTokenPrefix) }

// NewInvitation makes the secret of a link with which an invited person sets a
// password. It is shown once; only its hash is kept.
func NewInvitation() (token string, hash []byte) { return newSecret("spi_") }

func newSecret(prefix string) (token string, hash []byte) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails, since Go 1.24
	token = prefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, HashAPIToken(token)
}

// HashAPIToken returns what is kept of a token, or of an invitation, and looked
// up. SHA-256 without salt or stretching is right here: nobody can try 2^256
// tokens.
func HashAPIToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// FindAPIToken returns the token of an Authorization header (RFC 6750, 2.1). A
// header that is something else, as the console behind may use it, is none of
// ours. A request with a token of ours and any other credential, in that header
// or as a session cookie, is [ErrTwoCredentials].
func FindAPIToken(h http.Header) (token string, found bool, err error) {
	lines := h["Authorization"]
	for _, line := range lines {
		scheme, rest, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		if rest = strings.Trim(rest, " \t"); strings.HasPrefix(rest, apiTokenPrefix) {
			token, found = rest, true
		}
	}
	if !found {
		return "", false, nil
	}
	_, cookie, doubled := FindCookie(h, SessionCookie)
	if len(lines) > 1 || cookie || doubled != nil {
		return token, true, ErrTwoCredentials
	}
	return token, true, nil
}
