package web

import (
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestPages shows every page in every language, chosen by name and by the
// browser, and follows the choice through the links.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *gate.Door) { d.Rules.Throttle.Attempts = 100 })
	owner, _, _ := s.enrolled("li.na")
	s.addAdmin("wu.min")
	begun := func() *visitor {
		v := s.visitor()
		v.form(loginPath, "login", "wu.min", "password", firstPassword).leads(t, enrolPath)
		return v
	}
	anybody, enrolling, outside, hidden, stranger := s.visitor(), begun(), s.visitor(), s.visitor(), s.visitor()
	outside.address, hidden.address, stranger.host = "198.51.100.7", "unknown", "nobody.example"
	get := func(v *visitor, path string) func(string) response {
		return func(query string) response {
			if strings.Contains(path, "?") {
				query = strings.Replace(query, "?", "&", 1)
			}
			return v.get(path + query)
		}
	}
	post := func(v *visitor, path string, pairs ...string) func(string) response {
		return func(query string) response { return v.form(path+query, pairs...) }
	}
	for name, c := range map[string]struct {
		v      *visitor
		show   func(query string) response
		status int
		key    string // of the heading
	}{
		"login":           {anybody, get(anybody, loginPath), 200, "login.title"},
		"notice":          {anybody, get(anybody, loginPath+"?reason=session_idle"), 200, "login.title"},
		"wrong":           {anybody, post(anybody, loginPath, "login", "x", "password", "y"), 401, "login.title"},
		"enrol":           {enrolling, get(enrolling, enrolPath), 200, "enrol.title"},
		"enrol, wrong":    {enrolling, post(enrolling, enrolPath, "code", "1"), 401, "enrol.title"},
		"code":            {enrolling, get(enrolling, verifyPath), 200, "totp.title"},
		"recovery":        {enrolling, get(enrolling, verifyPath+"?use=recovery"), 200, "recovery.title"},
		"password":        {enrolling, get(enrolling, passwordPath), 200, "password.title"},
		"own password":    {owner, get(owner, passwordPath), 200, "password.title"},
		"weak":            {owner, post(owner, passwordPath, "current", newPassword, "password", "password"), 422, "password.title"},
		"signed out":      {anybody, get(anybody, goodbyePath), 200, "goodbye.title"},
		"home":            {owner, get(owner, homePath), 200, "home.title"},
		"nothing":         {owner, get(owner, Prefix+"x"), 404, "error.not_found.title"},
		"second factor":   {owner, get(owner, enrolPath), 409, "error.second_factor_exists.title"},
		"unreadable":      {anybody, post(anybody, loginPath, "x", "y"), 400, "error.malformed.title"},
		"blocked":         {outside, get(outside, "/x"), 403, "blocked.title"},
		"unknown address": {hidden, get(hidden, "/x"), 403, "blocked.unknown.title"},
		"unknown site":    {stranger, get(stranger, "/x"), 404, "error.unknown_site.title"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, l := range languages {
				heading := l.T(c.key, "Tenant", "Acme")
				c.v.language = l.Lang
				r := c.show("")
				if got := attr(first(r.shows(t, c.status, heading), "html"), "lang"); got != l.Lang {
					t.Errorf("lang is %q, want %q", got, l.Lang)
				}
				c.v.language = "en"
				page := c.show("?lang="+l.Lang).shows(t, c.status, heading)
				current := find1(page, func(n *html.Node) bool { return has(n, "aria-current") })
				if got := textOf(current); got != l.Name {
					t.Errorf("the switch stands on %q, want %q", got, l.Name)
				}
				for n := range page.Descendants() {
					link := attr(n, "href") + attr(n, "action")
					if strings.HasPrefix(link, Prefix) && n.Data != "link" && !strings.Contains(link, "lang="+l.Lang) {
						t.Errorf("%s loses the language", link)
					}
				}
			}
		})
	}
}

// TestErrorPages shows every problem that can reach people, with words of its
// own, and none of what programs are told.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h, seen := New(s.door), map[string]string{}
	for code, words := range errorPages {
		p := problem{Type: "urn:sallyport:problem:" + code, Status: http.StatusTeapot, Title: "internal", Detail: "internal", Reference: "SP-0000-0000"}
		for _, l := range languages {
			r := httptest.NewRequest("GET", "/?lang="+l.Lang, nil)
			w := httptest.NewRecorder()
			vary(w)
			h.errorPage(w, r, Visit{&gate.Request{}, &gate.Decision{}}, p)
			answer := response{w.Result(), w.Body.String()}
			answer.shows(t, p.Status, l.T(words.title))
			if strings.Contains(answer.body, "internal") || !strings.Contains(answer.body, l.T(words.lead)[:9]) || !strings.Contains(answer.body, "SP-0000-0000") {
				t.Errorf("%s: %s", code, answer.body)
			}
		}
		seen[words.title] = code
	}
	for status, want := range map[int]string{401: "error.session.title", 403: "error.malformed.title", 418: "error.malformed.title", 500: "error.internal.title", 502: "error.internal.title"} {
		if got := wordsFor(problem{Status: status}).title; got != want {
			t.Errorf("an unknown problem with status %d: %s, want %s", status, got, want)
		}
	}
	if len(seen) < 12 {
		t.Errorf("only %d different pages", len(seen))
	}
}

// TestStatic loads every file and compares it with what pages say of it.
func TestStatic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor()
	v.address = "198.51.100.7"
	for name, a := range assets {
		r := v.get(a.URL)
		sum := sha512.Sum384([]byte(r.body))
		if r.StatusCode != 200 || "sha384-"+base64.StdEncoding.EncodeToString(sum[:]) != a.Integrity || r.Header.Get("Content-Type") != a.media {
			t.Errorf("%s: status %d, type %q", name, r.StatusCode, r.Header.Get("Content-Type"))
		}
		if got := r.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("X-Sallyport-Reference") != "" {
			t.Errorf("%s: headers %v", name, r.Header)
		}
		if head := v.send("HEAD", a.URL, "", ""); head.body != "" || head.ContentLength != int64(len(r.body)) {
			t.Errorf("%s: HEAD has %d bytes and says %d", name, len(head.body), head.ContentLength)
		}
	}
	for _, path := range []string{staticPrefix, staticPrefix + "app.css", staticPrefix + "0000000000000000/app.css", assets["app.css"].URL + "/", staticPrefix + "x/web.go"} {
		if got := v.get(path).StatusCode; got != 404 {
			t.Errorf("%s: status %d, want 404", path, got)
		}
	}
}

// TestBudgets bounds what a page costs before it is compressed, in the language
// and with the words that make it longest.
func TestBudgets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor()
	login := v.form(loginPath, "login", strings.Repeat("x", 200), "password", "y", "return_to", "/"+strings.Repeat("r", 500))
	page := login.shows(t, 401, "Sign in to Acme")
	bytes, requests := len(login.body), 1
	for n := range page.Descendants() {
		if n.Data == "script" || n.Data == "img" || n.Data == "link" {
			bytes += len(v.get(attr(n, "href") + attr(n, "src")).body)
			if attr(n, "rel") != "icon" { // fetched by the browser for itself, once for all pages
				requests++
			}
		}
	}
	if bytes > 30<<10 || requests > 3 {
		t.Errorf("the sign-in page is %d bytes in %d requests, want 30 KiB in 3", bytes, requests)
	}
	v.address = "198.51.100.7"
	for _, query := range []string{"", "?" + strings.Repeat("a=<>&", 2000)} {
		if got := len(v.get("/x" + query).body); got > 12<<10 {
			t.Errorf("the blocked page has %d bytes, want 12 KiB", got)
		}
	}
	if got := len(assets["app.css"].content); got > 24<<10 {
		t.Errorf("app.css has %d bytes, want 24 KiB", got)
	}
}

// TestContrast computes the contrast of the stylesheet's tokens (WCAG 2.2,
// 1.4.3 and 1.4.11), in light and in dark.
func TestContrast(t *testing.T) {
	tokens := map[string][2]string{}
	pair := regexp.MustCompile(`--([a-z-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)`)
	for _, m := range pair.FindAllStringSubmatch(string(assets["app.css"].content), -1) {
		tokens[m[1]] = [2]string{m[2], m[3]}
	}
	for _, c := range []struct {
		front, back string
		least       float64
	}{
		{"fg", "bg", 7}, {"fg", "card", 7}, {"muted", "bg", 4.5}, {"muted", "card", 4.5}, {"control", "card", 3}, {"control", "bg", 3},
		{"accent", "card", 4.5}, {"accent", "bg", 4.5}, {"accent", "tint", 4.5}, {"accent-deep", "card", 4.5}, {"on-accent", "accent", 4.5}, {"on-accent", "accent-deep", 4.5},
		{"allowed", "allowed-tint", 4.5}, {"blocked", "blocked-tint", 4.5}, {"dry", "dry-tint", 4.5}, {"dry", "card", 4.5},
		{"fg", "tint", 4.5}, {"fg", "blocked-tint", 4.5}, {"fg", "line", 4.5}, {"blocked", "card", 3}, {"muted", "line", 4.5}, {"muted", "arch", 4.5},
	} {
		for scheme, name := range []string{"light", "dark"} {
			front, back := tokens[c.front][scheme], tokens[c.back][scheme]
			if got := contrast(t, front, back); got < c.least {
				t.Errorf("%s: %s on %s is %.2f, want %.1f", name, c.front, c.back, got, c.least)
			}
		}
	}
}
