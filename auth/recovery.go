package auth

import (
	"crypto/sha256"
)

// recoverySigns makes 80 bits, in groups of four that are easily typed.
const recoverySigns = 16

// NewRecoveryCodes makes n codes that stand in for a lost second factor, each
// once: four groups of four signs of Crockford's base 32, 80 random bits.
func NewRecoveryCodes(n int) []string {
	codes := make([]string, n)
	for i := range codes {
		codes[i] = formatRecovery(string(randomSigns(recoverySigns)))
	}
	return codes
}

// NormalizeRecoveryCode reads a code that somebody typed, and returns it as
// [NewRecoveryCodes] wrote it. Case, spaces, dashes and I, L and O for 1 and 0
// are forgiven. ok is false when it cannot be one.
func NormalizeRecoveryCode(text string) (code string, ok bool) {
	signs, ok := readSigns(text, recoverySigns)
	if !ok || len(signs) != recoverySigns {
		return "", false
	}
	return formatRecovery(signs), true
}

func formatRecovery(signs string) string {
	return signs[:4] + "-" + signs[4:8] + "-" + signs[8:12] + "-" + signs[12:]
}

// HashRecoveryCode returns what is kept of a normalized code. A code has its
// full 80 random bits, unlike a password, so trying them all is out of reach
// and one SHA-256 keeps it as well as a slow salted hash would.
func HashRecoveryCode(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}
