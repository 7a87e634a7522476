package gate

import (
	"slices"
	"strings"
	"unicode"
)

// ErasedText stands in a text where words were erased.
const ErasedText = "[erased]"

// subjectWords are the words that name a person in one tenant.
type subjectWords struct {
	logins []string // also as actors' names are written
	all    [][]rune // in small letters
}

func newSubjectWords(logins, names []string) subjectWords {
	w := subjectWords{logins: logins}
	for _, text := range slices.Concat(logins, names) {
		w.all = append(w.all, small(text))
	}
	return w
}

// small turns every letter into a small one, one for one.
func small(text string) []rune {
	runes := []rune(text)
	for i, r := range runes {
		runes[i] = unicode.ToLower(r)
	}
	return runes
}

// is reports whether a text is a login of the person, however it is spelled.
func (w subjectWords) is(text string) bool {
	return text != "" && slices.ContainsFunc(w.logins, func(login string) bool { return CanonicalLogin(login) == CanonicalLogin(text) })
}

// mentioned reports whether a text has one of the words.
func (w subjectWords) mentioned(text string) bool {
	if text == "" {
		return false
	}
	start, _ := w.find(small(text), 0)
	return start >= 0 || w.is(text)
}

// without is a text with ErasedText in place of the words.
func (w subjectWords) without(text string) string {
	if w.is(text) {
		return ErasedText
	}
	runes, folded := []rune(text), small(text)
	var out strings.Builder
	for at := 0; ; {
		start, end := w.find(folded, at)
		if start < 0 {
			out.WriteString(string(runes[at:]))
			return out.String()
		}
		out.WriteString(string(runes[at:start]))
		out.WriteString(ErasedText)
		at = end
	}
}

// find returns where the first word is, from a place on; -1: nowhere.
func (w subjectWords) find(text []rune, from int) (start, end int) {
	for start = from; start < len(text); start++ {
		for _, word := range w.all {
			end = start + len(word)
			if len(word) > 0 && end <= len(text) && slices.Equal(text[start:end], word) && !joined(text, start, -1) && !joined(text, end-1, 1) {
				return start, end
			}
		}
	}
	return -1, -1
}

// joined reports whether the sign at a place goes on in a direction as one word:
// in "li.na" after "li", but not in "li." or "li@example.com". Chinese and its
// like are written without spaces: there every place may be an end.
func joined(text []rune, at, step int) bool {
	if !inWord(text, at) {
		return false
	}
	next := at + step
	if next >= 0 && next < len(text) && strings.ContainsRune("._-", text[next]) {
		next += step
	}
	return inWord(text, next)
}

func inWord(text []rune, at int) bool {
	return at >= 0 && at < len(text) && (unicode.IsLetter(text[at]) || unicode.IsDigit(text[at])) &&
		!unicode.In(text[at], unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer)
}
