package browser

import (
	"crypto/sha256"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopBrowser()
	removeBuilt()
	os.Exit(code)
}

// policy is as strict as what the gateway sends.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// serve starts a site whose pages have exactly the faults their path names.
func serve(t *testing.T) (origin string) {
	t.Helper()
	pages := map[string]string{
		"/good":      "",
		"/policy":    `<p style="color: red">inline style</p>`,
		"/alt":       `<img src="/icon.png" width="9" height="9">`,
		"/exception": `<script src="/throw.js"></script>`,
		"/console":   `<script src="/complain.js"></script>`,
		"/missing":   `<script src="/nowhere.js"></script>`,
		"/form": `<form method="post" action="/told"><label for="n">Name</label>
			<input id="n" name="name" value="old"><button id="send">Send</button></form>`,
	}
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Test</title>
			<link rel="icon" href="/icon.png"><main><h1>Test</h1>%s</main></html>`, body)
	}
	for path, body := range pages {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { write(w, 200, body) })
	}
	mux.HandleFunc("GET /refused", func(w http.ResponseWriter, r *http.Request) { write(w, 403, "") })
	mux.HandleFunc("POST /told", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: r.FormValue("name"), Secure: true})
		http.Redirect(w, r, "/headers", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /headers", func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		for _, name := range []string{"Accept-Language", "X-Forwarded-For", "Cookie"} {
			fmt.Fprintf(&b, "<p>%s: %s</p>", name, html.EscapeString(r.Header.Get(name)))
		}
		write(w, 200, b.String())
	})
	script := func(path, source string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, source)
		})
	}
	script("/throw.js", `throw new Error("thrown on purpose")`)
	script("/complain.js", `console.error("said on purpose", 7)`)
	mux.HandleFunc("GET /icon.png", func(w http.ResponseWriter, r *http.Request) {})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return "https://acme.localhost:" + u.Port()
}

// TestProblems proves that the collector sees each kind of fault, and nothing
// on a page without one.
func TestProblems(t *testing.T) {
	origin := serve(t)
	for _, test := range []struct {
		name, path, want string // want "": no problem at all
		noScript         bool
		status           int
	}{
		{name: "good page", path: "/good", status: 200},
		{name: "good page without scripts", path: "/good", noScript: true, status: 200},
		{name: "refused page is no problem by itself", path: "/refused", status: 403},
		{name: "policy violation", path: "/policy", want: "policy: style-src-attr blocked inline", status: 200},
		{name: "policy violation without scripts", path: "/policy", noScript: true, want: "Content Security Policy", status: 200},
		{name: "uncaught exception", path: "/exception", want: "exception: Error: thrown on purpose", status: 200},
		{name: "console error", path: "/console", want: `console.error: "said on purpose" 7`, status: 200},
		{name: "missing script", path: "/missing", want: "404", status: 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			tab := Open(t, Options{NoScript: test.noScript})
			if got := tab.Goto(origin + test.path); got != test.status {
				t.Errorf("status: got %d, want %d", got, test.status)
			}
			got := strings.Join(tab.Problems(), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("problems: got %q, want %q", got, test.want)
			}
		})
	}
}

// TestProblemsOutliveNavigation: a fault on an earlier page still counts.
func TestProblemsOutliveNavigation(t *testing.T) {
	origin := serve(t)
	tab := Open(t, Options{})
	tab.Goto(origin + "/policy")
	tab.Goto(origin + "/good")
	if got := tab.Problems(); len(got) == 0 {
		t.Error("got no problem, want the violation of the page before")
	}
}

// TestAxe proves that a known fault is found, that a page without one passes, and
// that the check disturbs neither a strict policy nor a page without scripts.
func TestAxe(t *testing.T) {
	origin := serve(t)
	for _, test := range []struct {
		name, path, want string
		noScript         bool
	}{
		{name: "good page", path: "/good"},
		{name: "good page without scripts", path: "/good", noScript: true},
		{name: "image without text", path: "/alt", want: "image-alt"},
		{name: "image without text, without scripts", path: "/alt", noScript: true, want: "image-alt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tab := Open(t, Options{NoScript: test.noScript})
			tab.Goto(origin + test.path)
			before := len(tab.Problems())
			var got string
			for _, v := range tab.Axe() {
				got += v.Rule
				if len(v.Nodes) == 0 {
					t.Errorf("%s names no element", v.Rule)
				}
			}
			if got != test.want {
				t.Errorf("rules broken: got %q, want %q", got, test.want)
			}
			if problems := tab.Problems(); len(problems) != before {
				t.Errorf("the check itself caused %q", problems[before:])
			}
		})
	}
}

// TestOptions: what a visitor is set up to be arrives at the site and the page.
func TestOptions(t *testing.T) {
	origin := serve(t)
	tab := Open(t, Options{Lang: "zh-CN", Dark: true, Width: 390, Height: 844,
		Headers: map[string]string{"X-Forwarded-For": "198.51.100.7"}})
	tab.Goto(origin + "/headers")
	text := tab.Text("main")
	for _, want := range []string{"Accept-Language: zh-CN", "X-Forwarded-For: 198.51.100.7"} {
		if !strings.Contains(text, want) {
			t.Errorf("page says %q, want %q in it", text, want)
		}
	}
	got := tab.Eval(`[navigator.language, innerWidth, innerHeight, devicePixelRatio,
		matchMedia('(prefers-color-scheme: dark)').matches]`)
	if want := `["zh-CN",390,844,1,true]`; got != want {
		t.Errorf("window: got %s, want %s", got, want)
	}
	tab.Screenshot("harness")
	if info, err := os.Stat(filepath.Join("shots", "harness.png")); err != nil || info.Size() == 0 {
		t.Errorf("screenshot: %v, %v", info, err)
	}
	tab.Clean()
}

// TestForm fills and sends a form, with and without scripts, and shows that a
// second visitor has none of the first one's cookies.
func TestForm(t *testing.T) {
	origin := serve(t)
	for _, noScript := range []bool{false, true} {
		tab := Open(t, Options{NoScript: noScript})
		tab.Goto(origin + "/form")
		tab.Fill("#n", "li.na")
		if got := tab.Submit("#send"); got != 200 {
			t.Errorf("status after sending: got %d, want 200", got)
		}
		if got, want := tab.URL(), origin+"/headers"; got != want {
			t.Errorf("address: got %s, want %s", got, want)
		}
		if got := tab.HTML(); !strings.Contains(got, "Cookie: seen=li.na") {
			t.Errorf("got %s, want the cookie in it", got)
		}
		tab.Clean()
		other := Open(t, Options{})
		other.Goto(origin + "/headers")
		if got := other.Text("main"); strings.Contains(got, "seen=") {
			t.Errorf("another visitor: got %q, want no cookie", got)
		}
	}
}

// TestVendored compares the vendored scripts with what VENDOR.md says they are.
func TestVendored(t *testing.T) {
	list, err := os.ReadFile("vendor-js/VENDOR.md")
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+\.js) \|.*\| ([0-9a-f]{64}) \|`).FindAllStringSubmatch(string(list), -1) {
		want[row[1]] = row[2]
	}
	files, err := filepath.Glob("vendor-js/*.js")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(want) {
		t.Errorf("VENDOR.md lists %d scripts, the folder has %d", len(want), len(files))
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != want[filepath.Base(file)] {
			t.Errorf("%s: got SHA-256 %s, want %s", file, got, want[filepath.Base(file)])
		}
	}
}
