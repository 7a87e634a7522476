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
	if len(text) > auth.MaxReturnTo || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") {
		return "/"
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return "/"
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return "/"
		}
	}
	own := path.Clean(u.Path)
	if _, _, isSignIn := signInPage(own); isSignIn || strings.HasPrefix(own, staticPrefix) || strings.HasPrefix(own, apiPrefix) {
		return "/"
	}
	return text
}
