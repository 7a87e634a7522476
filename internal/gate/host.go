package gate

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CanonicalHost returns a host name as it is stored and compared: without port
// and trailing dot, in lower case, international names in their ASCII form
// (UTS #46, as browsers do it). Text that is no host name is an error. A name
// that is canonical already costs no allocation: this is on the request path.
func CanonicalHost(text string) (string, error) {
	host, err := hostOnly(text)
	if err != nil {
		return "", err
	}
	if plainHost(host) {
		return host, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || !plainHost(ascii) {
		return "", fmt.Errorf("%q is not a host name", shorten(text, 80))
	}
	return ascii, nil
}

// hostOnly drops port and trailing dot. IPv6 literals stay in brackets.
func hostOnly(text string) (string, error) {
	if i := strings.LastIndexByte(text, ':'); i >= 0 && strings.LastIndexByte(text, ']') < i {
		if text[i:] != ":" && !validPort(text[i:]) {
			return "", fmt.Errorf("%q has no valid port", shorten(text, 80))
		}
		text = text[:i]
	}
	if strings.HasPrefix(text, "[") {
		return "", errors.New("an IPv6 address is not a host name that a tenant can have")
	}
	text = strings.TrimSuffix(text, ".")
	if text == "" || len(text) > 253 {
		return "", errors.New("a host name has 1 to 253 characters")
	}
	return text, nil
}

// plainHost reports whether the text is a host name in canonical form: labels
// of 1 to 63 signs of a-z, 0-9, - and _, parted by single dots.
func plainHost(host string) bool {
	label := 0
	for i := 0; i <= len(host); i++ {
		if i == len(host) || host[i] == '.' {
			if label == 0 || label > 63 {
				return false
			}
			label = 0
			continue
		}
		c := host[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
		label++
	}
	// Punycode has to be checked by the library: not every xn-- label is one.
	return !strings.HasPrefix(host, "xn--") && !strings.Contains(host, ".xn--") || validPunycode(host)
}

func validPunycode(host string) bool {
	back, err := idna.Lookup.ToASCII(host)
	return err == nil && back == host
}

// CanonicalLogin returns a login as it is compared: all spellings of it
// together (NFKC, case folded, without spaces around), so that "Li.Na " and
// "li.na" are one account and share one throttle.
func CanonicalLogin(login string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(login))))
}

// ValidLogin checks a login before it is created.
func ValidLogin(login string) error {
	switch n := len([]rune(login)); {
	case n == 0:
		return errors.New("the login is empty")
	case n > 120:
		return errors.New("the login is longer than 120 characters")
	case strings.TrimSpace(login) != login:
		return errors.New("the login begins or ends with a space")
	case hasControl(login):
		return errors.New("the login has a control or invisible character")
	}
	return nil
}

// ValidSlug checks a tenant's short name.
func ValidSlug(slug string) error {
	if len(slug) == 0 || len(slug) > 63 || strings.Trim(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
		slug[0] == '-' || slug[len(slug)-1] == '-' {
		return fmt.Errorf("%q is not a short name: 1 to 63 of a-z, 0-9 and -, not at the ends", shorten(slug, 80))
	}
	return nil
}

// hasControl reports control characters and the invisible ones that turn the
// direction of text or hide in it: they make one name look like another.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
	})
}

// shorten cuts text to at most n bytes, between characters.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
