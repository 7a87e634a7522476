package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Names of the gate's cookies. Browsers take a cookie whose name begins with
// __Host- only over https, for the whole site and without a Domain (RFC 6265bis
// section 4.1.3.2), so no sibling site can plant one.
const (
	SessionCookie = "__Host-sallyport"
	StepCookie    = "__Host-sallyport-step"
)

// ErrDuplicateCookie means that a request has two cookies of one name: whose
// they are cannot be known, so neither counts.
var ErrDuplicateCookie = errors.New("the request has two cookies of one name")

// NewSessionCookie returns the cookie of a session. With a zero expires it ends
// when the browser is closed.
func NewSessionCookie(token string, expires time.Time) *http.Cookie {
	c := newCookie(SessionCookie, token)
	c.Expires = expires
	return c
}

// NewStepCookie returns the cookie of an unfinished sign-in.
func NewStepCookie(token string) *http.Cookie { return newCookie(StepCookie, token) }

// ClearCookie returns the cookie that removes one.
func ClearCookie(name string) *http.Cookie {
	c := newCookie(name, "")
	c.MaxAge = -1
	return c
}

// newCookie keeps cookies from scripts, from plain http and from what other
// sites embed or post. Lax, not Strict: a link in a mail must open the console.
func newCookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// FindCookie returns the value of a cookie, from all Cookie lines of a request.
// The name counts to the letter. Two of the name are [ErrDuplicateCookie],
// whatever their values.
func FindCookie(h http.Header, name string) (value string, found bool, err error) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			n, v, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if !ok || n != name {
				continue
			}
			if found {
				return "", true, ErrDuplicateCookie
			}
			value, found = v, true
		}
	}
	return value, found, nil
}

// StripCookies removes the named cookies from all Cookie lines of a request and
// leaves the rest as it was. Servers read cookies in many ways (RFC 6265bis
// section 5.8.3 is one of them), so what any of them may take for one of the
// names goes too: see [fold]. h keeps its own slice of lines; others that share
// the old one see no change.
func StripCookies(h http.Header, names ...string) {
	old := h["Cookie"]
	lines := make([]string, 0, len(old))
	for _, line := range old {
		if line = strip(line, names); line != "" {
			lines = append(lines, line)
		}
	}
	delete(h, "Cookie")
	if len(lines) > 0 {
		h["Cookie"] = lines
	}
}

// strip cuts a line at every ';' and ',', whether or not somebody would see it
// as quoted: so a name is looked for wherever any reader could see one begin.
func strip(line string, names []string) string {
	var kept strings.Builder
	removed := false
	for start := 0; start < len(line); {
		end := len(line)
		if i := strings.IndexAny(line[start+1:], ";,"); i >= 0 {
			end = start + 1 + i
		}
		if part := line[start:end]; names0(part, names) {
			removed = true
		} else {
			kept.WriteString(part)
		}
		start = end
	}
	if !removed {
		return line
	}
	return strings.TrimLeft(kept.String(), ";, \t")
}

// names0 tells whether a pair, with the separator before it, may be read as one
// of the named cookies.
func names0(pair string, names []string) bool {
	pair = strings.TrimLeft(pair, ";,= \t")
	name, _, _ := strings.Cut(pair, "=")
	name = fold(name)
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// fold reads a name as the most lenient of servers would: percent signs
// decoded and '.', '[' and inner spaces turned into '_' (PHP), the case of
// letters ignored (ASP.NET; by the caller), and every sign dropped that cannot
// stand in a name: quotes, '$' (RFC 2965), control signs, and what Unicode or
// Latin-1 call a space.
func fold(name string) string {
	if decoded, err := url.PathUnescape(name); err == nil {
		name = decoded
	}
	name = strings.Trim(name, " \t")
	folded := make([]byte, 0, len(name))
	for _, c := range []byte(name) {
		switch {
		case c == '.' || c == '[' || c == ' ' || c == '+':
			folded = append(folded, '_')
		case isLetterOrDigit(c) || c == '-' || c == '_':
			folded = append(folded, c)
		}
	}
	return string(folded)
}
