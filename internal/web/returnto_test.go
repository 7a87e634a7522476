package web

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestSafePath(t *testing.T) {
	for text, want := range map[string]string{
		"/":                                    "/",
		"/reports":                             "/reports",
		"/reports?day=1&next=//x":              "/reports?day=1&next=//x",
		"/a//b":                                "/a//b",
		"/a%2Fb%20c":                           "/a%2Fb%20c",
		"/%2f%2fevil.example":                  "/", // //evil.example to whoever decodes first
		"/reports#top":                         "/reports#top",
		"/_sallyport/":                         "/_sallyport/",
		"/_sallyport/review?lang=en":           "/_sallyport/review?lang=en",
		"":                                     "/",
		"reports":                              "/",
		"//":                                   "/",
		"//evil.example":                       "/",
		"///evil.example":                      "/",
		"/\\evil.example":                      "/",
		"\\\\evil.example":                     "/",
		"/\t/evil.example":                     "/",
		"/\n/evil.example":                     "/",
		"\t//evil.example":                     "/",
		"\x20//evil.example":                   "/",
		"/.//evil.example":                     "/",
		"/..//evil.example":                    "/",
		"/%2e//evil.example":                   "/",
		"/x/%2e%2e//evil.example":              "/",
		"/a/..//evil.example":                  "/",
		"https://evil.example/":                "/",
		"https:/evil.example":                  "/",
		"javascript:alert(1)":                  "/",
		"/\x00":                                "/",
		"/\x7f":                                "/",
		"/é":                                   "/", // browsers send it encoded
		"/%zz":                                 "/",
		"/_sallyport/login":                    "/",
		"/_sallyport/login?return_to=/":        "/",
		"/_sallyport/%6cogin":                  "/",
		"/x/../_sallyport/logout":              "/",
		"/_sallyport/verify":                   "/",
		"/_sallyport/goodbye":                  "/",
		"/_sallyport/static/x/app.css":         "/",
		"/_sallyport/api/v1/me":                "/",
		"/" + strings.Repeat("a", 511):         "/" + strings.Repeat("a", 511),
		"/" + strings.Repeat("a", 512):         "/",
		"/_sallyport/login/but/not/quite/this": "/_sallyport/login/but/not/quite/this",
	} {
		if got := safePath(text); got != want {
			t.Errorf("safePath(%q) is %q, want %q", text, got, want)
		}
	}
}

// FuzzSafePath resolves what safePath returns like a browser that stands on
// the sign-in page.
func FuzzSafePath(f *testing.F) {
	for _, seed := range []string{"/", "/a?b#c", "//x", "/\\x", "/%2e%2e//x", "/\t/x", "https:x", "/_sallyport/login", "/;@x", "/?//x"} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://acme.example/_sallyport/login?return_to=x")
	f.Fuzz(func(t *testing.T, text string) {
		got := safePath(text)
		if got != text && got != "/" {
			t.Fatalf("safePath(%q) is %q: neither the text nor /", text, got)
		}
		if got != safePath(got) {
			t.Fatalf("safePath(%q) is not final", text)
		}
		// What the URL Standard has browsers do before anything else.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(strings.TrimFunc(got, func(r rune) bool { return r <= ' ' }))
		ref, err := url.Parse(seen)
		if err != nil {
			t.Fatal(err)
		}
		to := base.ResolveReference(ref)
		if to.Scheme != "https" || to.Host != "acme.example" || to.User != nil {
			t.Fatalf("safePath(%q) leads to %s", text, to)
		}
		if strings.HasPrefix(to.Path, "//") || strings.HasPrefix(to.EscapedPath(), "//") {
			t.Fatalf("safePath(%q) leads to the path %s", text, to.Path)
		}
		if _, _, isSignIn := signInPage(path.Clean(to.Path)); isSignIn {
			t.Fatalf("safePath(%q) leads in a circle", text)
		}
	})
}
