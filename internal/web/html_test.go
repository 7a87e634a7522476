package web

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// checkPage parses a page and checks what holds for every one: headers, one
// heading, a title, a language, labels and targets that are there, and nothing
// that the content security policy would stop.
func checkPage(t testing.TB, r response) *html.Node {
	t.Helper()
	page := must(html.Parse(strings.NewReader(r.body)))
	nonce := attr(find1(page, func(n *html.Node) bool { return n.Data == "script" && has(n, "nonce") }), "nonce")
	for pair := range slices.Chunk(securityHeaders, 2) {
		name, want := pair[0], pair[1]
		if name == "Content-Security-Policy" && nonce != "" {
			want = consolePolicy(nonce)
		}
		if got := r.Header.Get(name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if got, want := r.Header.Get("Content-Type"), "text/html; charset=utf-8"; got != want {
		t.Errorf("Content-Type is %q, want %q", got, want)
	}
	if got := r.Header.Get("Vary"); got != "Accept, Accept-Language, Cookie" {
		t.Errorf("Vary is %q", got)
	}
	if got := attr(first(page, "html"), "lang"); got == "" || got != r.Header.Get("Content-Language") {
		t.Errorf("lang is %q, Content-Language %q", got, r.Header.Get("Content-Language"))
	}
	for _, name := range []string{"title", "h1", "main", "header", "footer"} {
		if found := all(page, name); len(found) != 1 || textOf(found[0]) == "" && name != "header" {
			t.Errorf("%d elements %s with text, want one", len(found), name)
		}
	}
	if strings.Contains(r.body, "{{") || strings.Contains(r.body, "ZgotmplZ") || strings.Contains(r.body, "no value") {
		t.Errorf("a template shines through:\n%s", r.body)
	}
	checkPolicy(t, page)
	checkForms(t, page)
	checkTrouble(t, page)
	return page
}

// checkPolicy looks for what the content security policy stops, and for
// scripts and styles without a digest.
func checkPolicy(t testing.TB, page *html.Node) {
	t.Helper()
	for n := range page.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") ||
				(a.Key == "href" || a.Key == "src" || a.Key == "action") && strings.Contains(strings.SplitN(a.Val, "/", 2)[0], ":") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		switch {
		case n.Data == "style", n.Data == "iframe", n.Data == "base", n.Data == "object":
			t.Errorf("there is a <%s>", n.Data)
		case n.Data == "script" && (n.FirstChild != nil || attr(n, "type") != "module" && !has(n, "defer") || !strings.HasPrefix(attr(n, "src"), staticPrefix)),
			n.Data == "script" && attr(n, "integrity") == "",
			n.Data == "link" && attr(n, "rel") == "stylesheet" && attr(n, "integrity") == "":
			t.Errorf("<%s %v>", n.Data, n.Attr)
		}
	}
}

// checkForms checks that every field has a label, every button a word, and
// every reference to an id leads somewhere.
func checkForms(t testing.TB, page *html.Node) {
	t.Helper()
	ids, labels := map[string]int{}, map[string]bool{}
	for n := range page.Descendants() {
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
		if n.Data == "label" {
			labels[attr(n, "for")] = textOf(n) != ""
		}
	}
	for n := range page.Descendants() {
		switch {
		case n.Type != html.ElementNode:
			continue
		case n.Data == "input" && attr(n, "type") != "hidden" && !has(n, "hidden") && !labels[attr(n, "id")]:
			t.Errorf("the field %q has no label", attr(n, "name"))
		case (n.Data == "button" || n.Data == "a") && textOf(n) == "":
			t.Errorf("<%s %v> has no word", n.Data, n.Attr)
		case n.Data == "form" && attr(n, "method") != "post" && attr(n, "method") != "get" && attr(n, "method") != "dialog":
			t.Errorf("a form is sent by %q", attr(n, "method"))
		}
		refs := strings.Fields(attr(n, "for") + " " + attr(n, "aria-describedby") + " " + attr(n, "aria-controls"))
		if link := attr(n, "href"); strings.HasPrefix(link, "#") {
			refs = append(refs, link[1:])
		}
		for _, id := range refs {
			if ids[id] != 1 {
				t.Errorf("<%s> refers to %q, which is there %d times", n.Data, id, ids[id])
			}
		}
	}
}

// checkTrouble checks how a page says that something is wrong, and that at most
// one thing on it takes the focus.
func checkTrouble(t testing.TB, page *html.Node) {
	t.Helper()
	title := textOf(first(page, "title"))
	wrong := strings.HasPrefix(title, "Error: ") || strings.HasPrefix(title, "错误：")
	focus := find1(page, func(n *html.Node) bool { return has(n, "autofocus") })
	alert := find1(page, func(n *html.Node) bool { return attr(n, "role") == "alert" })
	if wrong != (alert != nil) {
		t.Errorf("the title is %q, and there is a summary: %v", title, alert != nil)
	}
	if wrong && (focus != alert || len(all(alert, "a")) == 0) {
		t.Error("the summary does not take the focus or leads to no field")
	}
	if n := count(page, func(n *html.Node) bool { return has(n, "autofocus") }); n > 1 {
		t.Errorf("%d elements take the focus", n)
	}
	for n := range page.Descendants() {
		if attr(n, "type") == "password" && attr(n, "value") != "" {
			t.Error("a password is kept in the page")
		}
	}
}

func all(n *html.Node, name string) (found []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name && d.Namespace == "" {
			found = append(found, d)
		}
	}
	return found
}

func first(n *html.Node, name string) *html.Node {
	if found := all(n, name); len(found) > 0 {
		return found[0]
	}
	return &html.Node{}
}

func find1(n *html.Node, is func(*html.Node) bool) *html.Node {
	for d := range n.Descendants() {
		if is(d) {
			return d
		}
	}
	return nil
}

func byID(n *html.Node, id string) *html.Node {
	return find1(n, func(d *html.Node) bool { return attr(d, "id") == id })
}

func count(n *html.Node, is func(*html.Node) bool) (found int) {
	for d := range n.Descendants() {
		if is(d) {
			found++
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	if n != nil {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// textOf is the text of a node as it is read, without doubled spaces.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
