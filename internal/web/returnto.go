package web

import (
	"net/url"
	"path"
	"strings"

	"github.com/sallyport-gate/sallyport/auth"
)

// safePath returns the path, with query, that a sign-in leads back to: text
// itself where no browser could read it as anything but a path on the same
// host, "/" otherwise. What is refused are the ways to write another host that
// a browser sees and a glance does not: "//host", "/\host", and tabs or line
// ends in between, which browsers drop (WHATWG URL, 4.4); dot segments, which
// browsers resolve before they send a path, so that none of theirs has any;
// and the pages of a sign-in, which would lead in a circle.
func safePath(text string) string {
	own, ok := pathHere(text)
	if _, _, isSignIn := signInPage(own); !ok || isSignIn || strings.HasPrefix(own, staticPrefix) || strings.HasPrefix(own, apiPrefix) {
		return "/"
	}
	return text
}

// ownPath is safePath for what a proof leads back to: a path of the gate's own,
// or else its first page.
func ownPath(text string) string {
	if own, ok := pathHere(text); !ok || !strings.HasPrefix(own, Prefix) {
		return Prefix
	}
	return text
}

// pathHere reports whether text is nothing but a path on the same host, perhaps
// with a query, and returns the path, cleaned.
func pathHere(text string) (cleaned string, ok bool) {
	if len(text) > auth.MaxReturnTo || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") {
		return "", false
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return "", false
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return "", false
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return "", false
		}
	}
	return path.Clean(u.Path), true
}
