package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// apiTokenPrefix lets people and secret scanners recognise a token.
const apiTokenPrefix = "spt_"

// NewAPIToken makes a token for scripts: "spt_" and 256 random bits. It is
// shown once; only its hash is kept.
func NewAPIToken() (token string, hash []byte) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails, since Go 1.24
	token = apiTokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, HashAPIToken(token)
}

// HashAPIToken returns what is kept of a token and looked up. SHA-256 without
// salt or stretching is right here: nobody can try 2^256 tokens.
func HashAPIToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
