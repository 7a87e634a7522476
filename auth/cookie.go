package auth

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the gate's cookies. Browsers take a cookie whose name begins with
// __Host- only over https, for the whole site and without a Domain (RFC 6265bis
// section 4.1.3.2), so no sibling site can plant one.
const (
	SessionCookie = "__Host-sallyport"
	StepCookie    = "__Host-sallyport-step"
	AskCookie     = "__Host-sallyport-request"
)

// askCookieLives is how long a browser keeps the secret of its access request:
// longer than any of them waits.
const askCookieLives = 48 * time.Hour

// ErrDuplicateCookie means that a request has two cookies of one name: whose
// they are cannot be known, so neither counts.
var ErrDuplicateCookie = errors.New("the request has two cookies of one name")

// NewSessionCookie returns the cookie of a session. Browsers forget it when they
// are closed; when it ends by itself is in the token.
func NewSessionCookie(token string) *http.Cookie { return newCookie(SessionCookie, token) }

// NewStepCookie returns the cookie of an unfinished sign-in.
func NewStepCookie(token string) *http.Cookie { return newCookie(StepCookie, token) }

// NewAskCookie returns the cookie by which a browser reads the answer to its
// access request.
func NewAskCookie(secret string) *http.Cookie {
	c := newCookie(AskCookie, secret) //nolint:gosec // newCookie sets what it misses
	c.MaxAge = int(askCookieLives / time.Second)
	return c
}

// ClearCookie returns the cookie that removes one.
func ClearCookie(name string) *http.Cookie {
	c := newCookie(name, "") //nolint:gosec // newCookie sets what it misses
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
// names goes too. h gets a new slice of lines: others that share the old one
// see no change.
func StripCookies(h http.Header, names ...string) {
	old := h["Cookie"]
	if len(old) == 0 {
		return
	}
	var lines []string
	for _, line := range old {
		if line = strip(line, names); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = lines
}

// strip cuts a line at every ';' and ',', also where somebody may see it as
// quoted: so a name is looked for wherever any reader could see one begin.
func strip(line string, names []string) string {
	var few [256]byte // what is left without the gate's tokens is short
	kept := few[:0]
	for start := 0; start < len(line); {
		end := start + 1 + separator(line[start+1:])
		pair := strings.TrimLeft(line[start:end], ";,= \t")
		name, _, _ := strings.Cut(pair, "=")
		if !slices.ContainsFunc(names, func(want string) bool { return mayRead(name, want) }) {
			kept = append(kept, line[start:end]...)
		}
		start = end
	}
	if len(kept) == len(line) {
		return line
	}
	return strings.TrimLeft(string(kept), ";, \t")
}

// separator returns where the next ';' or ',' is, the end if there is none. It
// is faster than strings.IndexAny on the long values that tokens are.
func separator(line string) int {
	end := strings.IndexByte(line, ';')
	if end < 0 {
		end = len(line)
	}
	if i := strings.IndexByte(line[:end], ','); i >= 0 {
		return i
	}
	return end
}

// mayRead tells whether the most lenient of servers would read name as want:
// with percent signs decoded, '.' and inner spaces as '_' and what follows a
// '[' as an index (PHP), without regard to case (ASP.NET), up to a NUL, and
// without the signs that cannot stand in a name, which some trim: quotes, '$'
// (RFC 2965), control signs and all that Unicode or Latin-1 call a space.
func mayRead(name, want string) bool {
	n := 0 // signs of want that were read
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			if v, err := strconv.ParseUint(name[i+1:i+3], 16, 8); err == nil {
				c = byte(v)
				i += 2
			}
		}
		ends := n == 0 || n == len(want)
		switch {
		case c == 0, c == '[' && n == len(want):
			return n == len(want)
		case (c == ' ' || c == '+') && ends:
			continue
		case c == ' ', c == '+', c == '.', c == '[':
			c = '_'
		case !isLetterOrDigit(c) && c != '-' && c != '_':
			continue
		}
		if n == len(want) || lower(c) != lower(want[n]) {
			return false
		}
		n++
	}
	return n == len(want)
}

// lower returns the small letter of an ASCII one.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
