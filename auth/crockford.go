package auth

import (
	"crypto/rand"
	"strings"
)

// crockford are the signs of base 32 as Douglas Crockford wrote it down for
// people: no I, L, O and U, which look like others.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// randomSigns returns n random signs, 5 bits each.
func randomSigns(n int) []byte {
	signs := make([]byte, n)
	rand.Read(signs) // never fails, since Go 1.24
	for i, b := range signs {
		signs[i] = crockford[b%32] // 256 is a multiple of 32: no sign is likelier
	}
	return signs
}

// readSigns reads what somebody typed: case, spaces and dashes of all sorts do
// not count, I and L are 1, O is 0, and full-width signs, which Chinese and
// Japanese keyboards send, are the plain ones. ok is false when any other sign
// is in it. At most limit signs are read.
func readSigns(text string, limit int) (signs string, ok bool) {
	var b strings.Builder
	for _, r := range text {
		r = narrow(r)
		switch {
		case isGap(r):
			continue
		case 'a' <= r && r <= 'z':
			r -= 'a' - 'A'
		}
		switch r {
		case 'I', 'L':
			r = '1'
		case 'O':
			r = '0'
		}
		if !strings.ContainsRune(crockford, r) || b.Len() == limit {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// narrow turns full-width signs into plain ones.
func narrow(r rune) rune {
	switch {
	case '！' <= r && r <= '～':
		return r - '！' + '!'
	case r == '\u3000':
		return ' '
	}
	return r
}

// isGap tells whether a sign only groups others: a space or a dash, also those
// that word processors make of them.
func isGap(r rune) bool {
	return strings.ContainsRune(" \t\r\n\u00a0\u2002\u2003\u2007\u2009\u202f-\u2010\u2011\u2012\u2013\u2014\u2212", r)
}
