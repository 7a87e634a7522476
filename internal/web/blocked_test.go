package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// hostile is text that would be markup, a gap, or neither, if it were not escaped.
var hostile = []string{
	`"><script>alert(1)</script>`, `' onload='x`, "\x00\r\n<b>", `&lt;&amp;`, `</main>`, `{{.Reference}}`, `+`, `ａ＜ｂ＞`, "\xff\xfe",
	strings.Repeat("<", 600), `javascript:alert(1)`, gap(gapReference), gap(40), gapMark, strings.ToLower(gapMark) + "a",
}

// TestBlockedPageFilled: a page that is filled in is the page that the template
// would have made of the same values, whatever a visitor or an operator writes.
func TestBlockedPageFilled(t *testing.T) {
	h := New(&gate.Door{Gate: new(gate.Gate)})
	h.door.SetRetention(gate.RetentionBounds{})
	for i, text := range hostile {
		name := strings.ReplaceAll(text, gapMark, "") // which nobody knows who names a tenant
		for _, address := range []netip.Addr{{}, netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")} {
			for _, lang := range languages {
				query := url.Values{"lang": {lang.Lang}, text: {text}}
				r := &http.Request{
					Method: "GET", Host: text, URL: &url.URL{Path: text, RawQuery: query.Encode() + "&" + text},
					Header: http.Header{"User-Agent": {text}, "Referer": {text}, "Accept-Language": {text}},
				}
				v := Visit{&gate.Request{Address: gate.Address{Addr: address}}, &gate.Decision{Now: time.Unix(1e9, 0), Tenant: &gate.Tenant{Name: name}}}
				p := refusalProblem(gate.OutsideNetworks)
				if p.Reference = "SP-7K3M-9QXD"; !address.IsValid() {
					p = refusalProblem(gate.AddressUnknown)
					p.Reference = text // it never is
				}
				w := httptest.NewRecorder()
				h.blockedPage(w, r, v, p)
				if got, want := plainPlus(w.Body.String()), plainPlus(made(t, h, r, v, p)); got != want {
					t.Errorf("text %d, %s, %v:\n got %s\nwant %s", i, lang.Lang, address, got, want)
				}
			}
		}
	}
}

// plainPlus undoes what html/template does for readers that take UTF-7 for HTML.
func plainPlus(page string) string { return strings.ReplaceAll(page, "&#43;", "+") }

// made is the blocked page as the template makes it.
func made(t *testing.T, h *Handler, r *http.Request, v Visit, p problem) string {
	t.Helper()
	d := &blockedData{view: h.view(r, v), AddressUnknown: p.Reason == gate.AddressUnknown, Reference: p.Reference, Spelled: spell(p.Reference)}
	d.Title, d.Time, d.Retention = d.T("blocked.title"), d.moment(v.Decision.Now), d.duration(365*24*time.Hour)
	if d.AddressUnknown {
		d.Title = d.T("blocked.unknown.title")
	}
	addr, address := v.Request.Address.Addr, ""
	if addr.IsValid() {
		address = addr.String()
	}
	d.Address, d.Copy = d.address(addr), strings.TrimSpace(p.Reference+", "+d.Time.Machine+", "+address)
	body, err := execute("blocked", d)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestBlockedPageMemory: nothing that visitors send makes the gate keep a page
// more, and what operators do has its bound.
func TestBlockedPageMemory(t *testing.T) {
	h, p := New(&gate.Door{Gate: new(gate.Gate)}), refusalProblem(gate.OutsideNetworks)
	h.door.SetRetention(gate.RetentionBounds{})
	show := func(tenant, text string) {
		r := httptest.NewRequest("GET", "/"+url.PathEscape(text)+"?"+url.Values{"lang": {text}, text: {text}}.Encode(), nil)
		r.Host = text
		for _, name := range []string{"Accept", "Accept-Language", "Cookie", "User-Agent", "X-" + url.PathEscape(text)} {
			r.Header.Set(name, text)
		}
		v := Visit{&gate.Request{Host: text, Path: text, Address: gate.Address{Addr: netip.MustParseAddr("203.0.113.7")}}, &gate.Decision{Tenant: &gate.Tenant{Name: tenant}}}
		p.Reference = text
		h.blockedPage(httptest.NewRecorder(), r, v, p)
	}
	for i := range 300 {
		show("Acme", fmt.Sprint("en,zh-CN;q=0.", i))
		show("Acme", fmt.Sprint("zh-CN,x-", i))
	}
	if got := len(h.blocked.made); got != len(languages) {
		t.Errorf("one tenant has %d pages, want one in each of %d languages", got, len(languages))
	}
	for i := range blockedMax + 10 {
		show(fmt.Sprint("tenant ", i), "en")
	}
	if got := len(h.blocked.made); got == 0 || got > blockedMax {
		t.Errorf("%d pages are kept, want at most %d", got, blockedMax)
	}
}

// TestBlockedAddressBreaks: an IPv6 address may be broken between its groups only,
// and is whole when it is copied.
func TestBlockedAddressBreaks(t *testing.T) {
	const address = "2001:db8:1111:2222:3333:4444:5555:6666"
	page, err := html.Parse(strings.NewReader(string(english.address(netip.MustParseAddr(address)))))
	if err != nil {
		t.Fatal(err)
	}
	if got := textOf(page); got != address {
		t.Errorf("got %q, want %q", got, address)
	}
	if got := len(all(page, "wbr")); got != 7 {
		t.Errorf("it breaks at %d places, want 7", got)
	}
}
