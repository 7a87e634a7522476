package auth

import (
	"bytes"
	"regexp"
	"testing"
)

func TestNewAPIToken(t *testing.T) {
	token, hash := NewAPIToken()
	other, otherHash := NewAPIToken()
	if !regexp.MustCompile(`^spt_[0-9A-Za-z_-]{43}$`).MatchString(token) || token == other {
		t.Errorf("got %q and %q", token, other)
	}
	if len(hash) != 32 || !bytes.Equal(hash, HashAPIToken(token)) || bytes.Equal(hash, otherHash) {
		t.Errorf("got hashes %x and %x", hash, otherHash)
	}
}
