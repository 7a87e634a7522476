package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrBadReference means that a text is no reference; its text says why.
var ErrBadReference = errors.New("not a reference")

// referencePrefix tells people what the signs behind it are.
const referencePrefix = "SP"

// NewReference makes the code by which a person and a reviewer speak of one
// attempt, SP-XXXX-XXXX: 7 random signs, that is 35 bits, and a check sign. It
// is no secret. Among 220,000 the chance is one in two that two are the same,
// so who stores it makes another when it is there already.
func NewReference() string {
	signs := randomSigns(7)
	return formatReference(string(append(signs, crockford[timesX(checksum(string(signs)))])))
}

// ParseReference reads a reference that somebody typed or was told, and returns
// it as [NewReference] wrote it. Case, spaces, dashes, a missing SP and I, L
// and O for 1 and 0 are forgiven. Every single wrong sign and every swap of two
// signs is noticed.
func ParseReference(text string) (canonical string, err error) {
	signs, ok := readSigns(text, len(referencePrefix)+8)
	if len(signs) == len(referencePrefix)+8 {
		signs, ok = strings.CutPrefix(signs, referencePrefix)
	}
	if !ok || len(signs) != 8 {
		return "", fmt.Errorf("%w: one looks like SP-7K3M-9QXF", ErrBadReference)
	}
	if checksum(signs) != 0 {
		return "", fmt.Errorf("%w: the last sign does not fit the others, so one is mistyped", ErrBadReference)
	}
	return formatReference(signs), nil
}

// NearReferences returns the references that somebody may have meant who
// mistyped one: with one sign wrong, missing or too many, or with two signs in
// each other's place. There are at most 36; of a whole reference there are none.
func NearReferences(text string) []string {
	if _, err := ParseReference(text); err == nil {
		return nil
	}
	text = strings.NewReplacer("U", "V", "u", "v").Replace(text) // no reference has a U
	signs, _ := readSigns(text, len(referencePrefix)+9)
	if rest, ok := strings.CutPrefix(signs, referencePrefix); ok && len(rest) > 6 {
		signs = rest
	}
	var near []string
	add := func(signs string) {
		if reference := formatReference(signs); checksum(signs) == 0 && !slices.Contains(near, reference) {
			near = append(near, reference)
		}
	}
	switch {
	case len(signs) == 7:
		for i := range 8 {
			for _, sign := range crockford {
				add(signs[:i] + string(sign) + signs[i:])
			}
		}
	case len(signs) == 8:
		for i := range signs {
			for _, sign := range crockford {
				add(signs[:i] + string(sign) + signs[i+1:])
			}
			for j := range i {
				add(signs[:j] + signs[i:i+1] + signs[j+1:i] + signs[j:j+1] + signs[i+1:])
			}
		}
	case len(signs) == 9:
		for i := range signs {
			add(signs[:i] + signs[i+1:])
		}
	case len(signs) == len(referencePrefix)+8: // it is the prefix that is wrong
		add(signs[len(referencePrefix):])
	}
	return near
}

func formatReference(signs string) string {
	return referencePrefix + "-" + signs[:4] + "-" + signs[4:]
}

// checksum reads the signs as the coefficients of a polynomial over GF(32) and
// returns its value at x, which is 0 for a whole reference. Each sign counts
// with another power of x, and x has order 31: so a wrong sign changes the sum,
// and so do two signs in each other's place.
func checksum(signs string) byte {
	var sum byte
	for _, c := range []byte(signs) {
		sum = timesX(sum) ^ byte(strings.IndexByte(crockford, c))
	}
	return sum
}

// timesX multiplies by x in GF(32) = GF(2)[x] / (x⁵ + x² + 1).
func timesX(v byte) byte {
	v <<= 1
	if v >= 32 {
		v ^= 0b100101
	}
	return v
}
