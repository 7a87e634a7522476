package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// liveRefs are the references of the rows of a live page.
func liveRefs(page *html.Node) (references []string) {
	for n := range byID(page, "live-rows").Descendants() {
		if n.Data == "li" {
			references = append(references, attr(n, "data-reference"))
		}
	}
	return references
}

// TestLivePage looks at the page as it comes, which is all of it without scripts.
func TestLivePage(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	reviewer, member := s.person("wu.min", gate.RoleReviewer), s.person("chen.jie", gate.RoleMember)
	page := Prefix + livePath
	member.get(page).shows(t, 403, english.T("error.forbidden.title"))
	saysAll(t, reviewer.get(page+"?address=192.0.2.0/24").shows(t, 200, english.T("live.title")), english.T("live.none"))

	var references []string
	for _, address := range []string{"198.51.100.9", "192.0.2.9", "2001:db8::9"} {
		references = append([]string{s.refused(address)}, references...)
		s.later(time.Minute)
	}
	for _, l := range languages {
		shown := reviewer.get(page+"?outcome=blocked&lang="+l.Lang).shows(t, 200, l.T("live.title"))
		if got := liveRefs(shown); strings.Join(got, " ") != strings.Join(references, " ") {
			t.Errorf("%s: rows %q, want %q", l.Lang, got, references)
		}
		saysAll(t, shown, "14:07:09", l.T("dec.block"), "2001:db8::9", l.T("why.outside_networks"), l.T("live.still"))
		region := find1(shown, func(n *html.Node) bool { return has(n, "data-stream") })
		var words map[string]any
		if err := json.Unmarshal([]byte(attr(region, "data-words")), &words); err != nil {
			t.Fatal(err)
		}
		if got := words["reasons"].(map[string]any)["bad_code"]; got != l.T("why.bad_code") {
			t.Errorf("%s: the script says %v", l.Lang, got)
		}
		for word, text := range words {
			if strings.Contains(jsonText(text), "live.") || strings.Contains(jsonText(text), "no value") {
				t.Errorf("%s: the script's %s is %v", l.Lang, word, text)
			}
		}
		stream := must(url.Parse(attr(region, "data-stream")))
		if stream.Path != apiPrefix+"attempts/stream" || stream.Query().Get("outcome") != "blocked" || stream.Query().Get(lastEventParam) == "" {
			t.Errorf("%s: events come from %s", l.Lang, stream)
		}
		reviewer.accept = "application/json"
		if a := reviewer.send("HEAD", stream.String(), "", ""); a.StatusCode != 200 {
			t.Errorf("%s: %s is answered %s", l.Lang, stream, a.Status)
		}
		reviewer.accept = browserAccept
	}
	// What is of the review page's query and no filter does not count here.
	filtered := reviewer.get(page+"?address=192.0.2.0/24&since=2020-01-01T00:00:00Z&group_by=address&login=").shows(t, 200, english.T("live.title"))
	if got := liveRefs(filtered); len(got) != 1 || got[0] != references[1] {
		t.Errorf("filtered: %q", got)
	}
	saysAll(t, filtered, english.T("live.filters"), "address: 192.0.2.0/24")

	wrong := reviewer.get(page+"?reason=weather&address=198.51.100.300&outcom=blocked").shows(t, 400, english.T("live.title"))
	saysAll(t, first(wrong, "body"), english.T("live.filter.help"))
	for _, name := range []string{"outcom"} {
		if got := textOf(byID(wrong, "problems")); !strings.Contains(got, english.T("live.filter.wrong", "Name", name)) {
			t.Errorf("nothing says that %s is wrong: %q", name, got)
		}
	}
	wrong = reviewer.get(page+"?reason=weather&address=198.51.100.300").shows(t, 400, english.T("live.title"))
	for _, name := range []string{"reason", "address"} {
		if got := textOf(byID(wrong, "problems")); !strings.Contains(got, english.T("live.filter.wrong", "Name", name)) {
			t.Errorf("nothing says that %s is wrong: %q", name, got)
		}
	}

	plain, again := reviewer.get(page), reviewer.get(page+"?refresh=10&outcome=blocked")
	if got := plain.Header.Get("Refresh"); got != "" {
		t.Errorf("a page that nobody asked to loads itself anew: %q", got)
	}
	if got := again.Header.Get("Refresh"); got != "10" || !strings.Contains(again.body, english.T("live.refresh.stop")) {
		t.Errorf("a page that was asked to: Refresh is %q", got)
	}
	s.assets(t, plain)
}

// assets checks that what a page is made of is there.
func (s *site) assets(t *testing.T, page response) {
	t.Helper()
	parsed := must(html.Parse(strings.NewReader(page.body)))
	for n := range parsed.Descendants() {
		if src := attr(n, "src"); n.Data == "script" {
			if a := s.visitor().get(src); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", src, a.Status)
			}
		}
	}
}
