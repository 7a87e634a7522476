package auth

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of passwords: those of NIST SP 800-63B-4 section 3.1.1.2.
const (
	MinPassword           = 15   // characters, where the password is all there is
	MinPasswordWithFactor = 8    // characters, where a second factor is asked too
	MaxPassword           = 1024 // bytes
)

// Codes of a [WeakPasswordError].
const (
	PasswordTooShort = "too_short" // fewer than Min characters
	PasswordTooLong  = "too_long"  // more than MaxPassword bytes
	PasswordCommon   = "common"    // on the list of those that are tried first
	PasswordTrivial  = "trivial"   // a repetition or a sequence
	PasswordOwn      = "own"       // little more than a name everybody knows
)

// WeakPasswordError says why a password may not be chosen.
type WeakPasswordError struct {
	Code string // one of the constants; callers may have codes of their own
	Min  int    // least characters, for PasswordTooShort
}

func (e *WeakPasswordError) Error() string {
	if e.Code == PasswordTooShort {
		return fmt.Sprintf("password is weak: %s, it needs %d characters", e.Code, e.Min)
	}
	return "password is weak: " + e.Code
}

// CheckPassword refuses passwords that are tried first: short ones, well-known
// ones, repetitions and sequences, and those that are little more than one of
// own (login, name, tenant, product). It asks for no mixture of signs, which
// makes passwords no better (NIST SP 800-63B-4). The error is a
// [*WeakPasswordError].
func CheckPassword(password string, secondFactor bool, own ...string) error {
	least := MinPassword
	if secondFactor {
		least = MinPasswordWithFactor
	}
	switch n := utf8.RuneCountInString(password); {
	case n < least:
		return &WeakPasswordError{Code: PasswordTooShort, Min: least}
	case len(password) > MaxPassword:
		return &WeakPasswordError{Code: PasswordTooLong}
	}
	folded := strings.ToLower(password)
	switch {
	case isCommon(folded):
		return &WeakPasswordError{Code: PasswordCommon}
	case isTrivial(folded):
		return &WeakPasswordError{Code: PasswordTrivial}
	case isOwn(folded, own):
		return &WeakPasswordError{Code: PasswordOwn}
	}
	return nil
}

//go:embed common.txt
var commonText string

// common are the words of common.txt.
var common = func() map[string]bool {
	words := make(map[string]bool)
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			words[line] = true
		}
	}
	return words
}()

// leet undoes the replacements that everybody knows.
var leet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// isCommon looks a password up as it is; then, where the digits and signs that
// were added to its ends are not enough by themselves, without them, without
// those between its letters, with letters for the signs that stand for them,
// and, where it repeats a word, that word.
func isCommon(password string) bool {
	word := string(period([]rune(password)))
	if common[password] || common[word] {
		return true
	}
	core := strings.TrimFunc(password, notLetter)
	added := strings.Replace(password, core, "", 1)
	if utf8.RuneCountInString(added) >= MinPasswordWithFactor && !isTrivial(added) {
		return false
	}
	return slices.ContainsFunc([]string{password, word}, func(w string) bool {
		front := strings.TrimRightFunc(w, notLetter)
		core := strings.TrimLeftFunc(front, notLetter)
		return isWords(w) || isWords(leet.Replace(core)) || isWords(leet.Replace(front))
	})
}

// isWords tells whether the letters of a text are one common word, or two.
func isWords(text string) bool {
	letters := without(text, notLetter)
	for i := range letters {
		if common[letters[:i]] && common[letters[i:]] {
			return true
		}
	}
	return common[letters]
}

// without returns the text without the signs for which drop is true.
func without(text string, drop func(rune) bool) string {
	return strings.Join(strings.FieldsFunc(text, drop), "")
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// period returns the shortest beginning of which the whole is a repetition, the
// last one perhaps cut short.
func period(signs []rune) []rune {
	for n := 1; n <= len(signs)/2; n++ {
		if slices.Equal(signs[n:], signs[:len(signs)-n]) {
			return signs[:n]
		}
	}
	return signs
}

// walks are orders that fingers and children know.
var walks = []string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890",
	"qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "azertyuiop",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "1q2w3e4r5t6y7u8i9o0p", "!@#$%^&*()_+",
}

// unforeseen is how many signs of a password must not follow from the one
// before, and how long the part must be that it repeats.
const (
	unforeseen = 5
	leastUnit  = 5
)

// isTrivial tells whether a password repeats something short, or is made of
// runs along one of the walks.
func isTrivial(password string) bool {
	signs := []rune(password)
	if len(period(signs)) < leastUnit {
		return true
	}
	surprises := 1
	for i, r := range signs[1:] {
		if !follows(signs[i], r) {
			surprises++
		}
	}
	return surprises < unforeseen
}

// follows tells whether two signs are the same or neighbours on a walk.
func follows(a, b rune) bool {
	if a == b {
		return true
	}
	return slices.ContainsFunc(walks, func(walk string) bool {
		return strings.Contains(walk, string([]rune{a, b})) || strings.Contains(walk, string([]rune{b, a}))
	})
}

// leastOwn is how short a name may be to count: "li" is in many words.
const leastOwn = 4

// isOwn tells whether fewer than 8 characters are left of a password when the
// names and their parts are taken out, the longest first.
func isOwn(password string, own []string) bool {
	var names []string
	for _, name := range own {
		name = strings.ToLower(name)
		names = append(names, name)
		names = append(names, strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	rest := password
	for _, name := range names {
		if utf8.RuneCountInString(name) >= leastOwn || name == password {
			rest = strings.ReplaceAll(rest, name, "")
		}
	}
	return rest != password && utf8.RuneCountInString(rest) < MinPasswordWithFactor
}
