package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// console is a visitor of the API's site, signed in as somebody: nobody has to
// hash a password for it.
func (s *apiSite) console(as string) *visitor {
	v := &visitor{
		site: &site{T: s.T, Gate: s.Gate, store: s.store, door: s.door, server: s.server, tenant: s.acme},
		host: hostOf(as), address: apiInside, accept: browserAccept, language: "en",
		cookies: map[string]string{},
	}
	v.cookies[auth.SessionCookie] = s.tokens[as]
	return v
}

// list replaces acme's list.
func (s *apiSite) list(mode gate.Mode, entries ...gate.Draft) {
	s.Helper()
	v := must(s.Version(s.ctx, apiCommand, s.acme.ID, 0))
	must(s.PutNetworks(s.ctx, apiCommand, gate.Edit{Tenant: s.acme.ID, Base: v.Version, Mode: mode, Entries: entries}))
}

// sampleList has an entry in every state.
func sampleList() []gate.Draft {
	return []gate.Draft{
		{Range: "203.0.113.0/24", Label: "HQ", Owner: "Li Na", Enabled: true},
		{Range: "198.51.100.23", Label: "Hotel", Enabled: true, Expires: apiStart.Add(3 * time.Hour)},
		{Range: "2001:db8::/48", Label: "Later", Note: "opens soon", Enabled: true, NotBefore: apiStart.Add(50 * time.Hour)},
		{Range: "192.0.2.0/24", Label: "Old", Enabled: false},
		{Range: "192.0.2.9", Label: "Audit", Enabled: true, NotBefore: apiStart.Add(-9 * time.Hour), Expires: apiStart.Add(-time.Hour)},
		{Range: "198.51.100.64/26", Label: "Reviewers", Enabled: true, Roles: []gate.Role{gate.RoleReviewer}, Admins: []string{"member"}},
	}
}

// labels are the labels of the rows that a page shows, in order.
func labels(page *html.Node) []string {
	var out []string
	for n := range page.Descendants() {
		if n.Data == "td" && attr(n, "class") == "c-label" {
			out = append(out, textOf(first(n, "bdi")))
		}
	}
	return out
}

// rowOf is the row of the entry with a label.
func rowOf(page *html.Node, label string) *html.Node {
	return find1(page, func(n *html.Node) bool {
		return n.Data == "tr" && slices.Contains(labels(n), label)
	})
}

func TestNetworksPage(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	s.list(gate.ModeEnforced, sampleList()...)
	v := s.console("owner")
	page := v.get(Prefix+"networks").shows(t, 200, "Allowed networks")
	for label, words := range map[string][]string{
		"HQ":        {"On", "203.0.113.0/24", "You are here", "256 addresses", "Li Na", "Never"},
		"Hotel":     {"On", "in 3 hours", "24 Nov 2026, 15:00 UTC"},
		"Later":     {"Not yet", "opens soon", "Begins in 2 days"},
		"Old":       {"Off"},
		"Audit":     {"Ended", "24 Nov 2026, 11:00 UTC"},
		"Reviewers": {"Only Reviewer, member"},
	} {
		for _, word := range words {
			if got := textOf(rowOf(page, label)); !strings.Contains(got, word) {
				t.Errorf("%s is %q, want %q in it", label, got, word)
			}
		}
	}
	for query, want := range map[string][]string{
		"q=hq":                 {"HQ"},
		"q=OPENS":              {"Later"},
		"q=203.0.113.9":        {"HQ"},
		"q=192.0.2.0/25":       {"Old", "Audit"},
		"state=on":             {"HQ", "Hotel", "Reviewers"},
		"state=off":            {"Old"},
		"state=later":          {"Later"},
		"state=ended":          {"Audit"},
		"expiry=day":           {"Hotel"},
		"expiry=dated":         {"Hotel", "Audit"},
		"expiry=never&q=198.5": {"Reviewers"},
		"sort=label":           {"Audit", "Hotel", "HQ", "Later", "Old", "Reviewers"},
		"sort=-label":          {"Reviewers", "Old", "Later", "HQ", "Hotel", "Audit"},
		"sort=range":           {"Old", "Audit", "Hotel", "Reviewers", "HQ", "Later"},
		"sort=ends":            {"Audit", "Hotel", "HQ", "Later", "Old", "Reviewers"},
		"q=nothing":            nil,
	} {
		if got := labels(v.get(Prefix+"networks?"+query).shows(t, 200, "Allowed networks")); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

// TestNetworksReadOnly looks at the page as who may not change anything.
func TestNetworksReadOnly(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	page := s.console("reviewer").get(Prefix+"networks").shows(t, 200, "Allowed networks")
	if got := textOf(first(page, "main")); !strings.Contains(got, "You can view but not change. Owners: owner") {
		t.Errorf("nothing says who may change it: %q", got)
	}
	if n := find1(page, func(n *html.Node) bool {
		return attr(n, "form") == "ops" || strings.Contains(attr(n, "href"), "networks/add")
	}); n != nil {
		t.Errorf("there is a control: %v", n.Attr)
	}
	s.console("reviewer").form(Prefix+"networks", "mode", "off").shows(t, 403, "You can't do this")
	s.console("reviewer").get(Prefix+"networks/add").shows(t, 403, "You can't do this")
	member := s.console("member").get(Prefix+"networks").shows(t, 403, "You can't do this")
	if nav := textOf(first(member, "nav")); strings.Contains(nav, "Networks") {
		t.Errorf("a member is led to the list: %q", nav)
	}
}

// TestNetworksCheck asks about addresses, now and in the past.
func TestNetworksCheck(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	s.list(gate.ModeEnforced, sampleList()...)
	v := s.console("owner")
	for query, want := range map[string]string{
		"check=203.0.113.4":                         "203.0.113.4 is allowed. Version 3 “HQ” (203.0.113.0/24) contains it.",
		"check=203.0.114.4":                         "203.0.114.4 is blocked. Version 3 No enabled network in version 3 contains it.",
		"check=203.0.114.5":                         "Nearest: “HQ” (203.0.113.0/24), which differs at bit 23.",
		"check=192.0.2.1":                           "“Old” (192.0.2.0/24) contains it, but is switched off.",
		"check=192.0.2.9":                           "“Audit” (192.0.2.9) contains it, but ended 24 Nov 2026, 11:00 UTC.",
		"check=2001:db8::1":                         "“Later” (2001:db8::/48) contains it, but begins 26 Nov 2026, 14:00 UTC.",
		"check=198.51.100.65":                       "That network counts only for some people once they are signed in.",
		"check=198.51.100.23&at=2026-11-24T23:00":   "“Hotel” (198.51.100.23) contains it, but ended 24 Nov 2026, 15:00 UTC.",
		"check=198.51.100.300":                      "“300” is over 255.",
		"check=198.51.100.3&at=yesterday":           "Choose a day and a time.",
		"check=198.51.100.3&at=1999-01-01T00:00":    "There was no list at that time.",
		"check=%3Cb%3E":                             "“<b>” is not an IP address.",
		"check=203.0.113.4&at=2026-11-24T12:00:00Z": "Choose a day and a time.",
	} {
		page := v.get(Prefix+"networks?"+query).shows(t, 200, "Allowed networks")
		if got := textOf(first(page, "main")); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", query, got, want)
		}
	}
}

// TestNetworksDraft does with buttons what can be done, and looks at the draft.
func TestNetworksDraft(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	s.list(gate.ModeEnforced, sampleList()...)
	v := s.console("owner")
	path := Prefix + "networks?sort=label"
	key := func(label string) string {
		return strings.TrimPrefix(attr(rowOf(v.get(path).shows(t, 200, "Allowed networks"), label), "id"), "n-")
	}
	hotel, old := key("Hotel"), key("Old")
	v.form(path, "remove", hotel).leads(t, path+"#n-"+hotel)
	v.form(path, "on", old).leads(t, path+"#n-"+old)
	v.form(path, "mode", "dry_run").leads(t, path)
	page := v.get(path).shows(t, 200, "Allowed networks")
	for label, want := range map[string]string{"Hotel": "Removed", "Old": "Changed"} {
		if got := textOf(rowOf(page, label)); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q in it", label, got, want)
		}
	}
	if got := textOf(find1(page, func(n *html.Node) bool { return attr(n, "aria-pressed") == "true" })); got != "Dry run" {
		t.Errorf("the mode is %q", got)
	}
	if got := textOf(find1(page, func(n *html.Node) bool { return strings.HasPrefix(attr(n, "class"), "chip") })); got != "Enforced" {
		t.Errorf("the pill says %q", got)
	}
	if got := labels(v.get(Prefix+"networks?state=draft").shows(t, 200, "Allowed networks")); !slices.Equal(got, []string{"Old", "Hotel"}) {
		t.Errorf("changed in the draft are %q", got)
	}
	v.form(path, "again", "198.51.100.23").leads(t, path)
	v.form(path, "off", old).leads(t, path+"#n-"+old)
	v.form(path, "mode", "enforced").leads(t, path)
	if _, err := s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("a draft without changes: %v", err)
	}
	for _, wrong := range [][]string{{"remove", "NOBODY"}, {"on", "NOBODY"}, {"again", "10.0.0.0/8"}, {}} {
		v.form(path, wrong...).shows(t, 404, "There is nothing here")
	}
	v.form(path, "mode", "sometimes").shows(t, 422, "This can't be read")
}

// TestNetworkForm adds an entry, wrong in every way first.
func TestNetworkForm(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	v := s.console("owner")
	path := Prefix + "networks/add"
	send := func(pairs ...string) response {
		t.Helper()
		form := url.Values{"label": {"Branch"}, "ends": {"8h"}, "for": {"all"}, "enabled": {"on"}, "owner": {"Wu Min"}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return v.send("POST", path, formMedia, form.Encode(), "Sec-Fetch-Site", "same-origin")
	}
	for name, c := range map[string]struct {
		pairs       []string
		field, want string
	}{
		"no range":     {nil, "range", "Write an address or a range."},
		"octet":        {[]string{"range", "203.0.113.300"}, "range", "“300” is over 255."},
		"everything":   {[]string{"range", "0.0.0.0/0"}, "range", "0.0.0.0/0 would allow everyone. If that is what you want, set the mode to Off instead."},
		"there":        {[]string{"range", "203.0.113.0/24"}, "range", "This network is in the list already."},
		"no label":     {[]string{"range", "192.0.2.1", "label", " "}, "label", "Write what this network is, so that the next person knows."},
		"long label":   {[]string{"range", "192.0.2.1", "label", strings.Repeat("x", 121)}, "label", "This is too long."},
		"invisible":    {[]string{"range", "192.0.2.1", "label", "a\u202eb"}, "label", "There is a control or invisible character in it."},
		"wide":         {[]string{"range", "20.0.0.0/8"}, "wide", "Type the number of addresses to say that you mean so many."},
		"wrong number": {[]string{"range", "20.0.0.0/8", "wide", "16"}, "wide", "Type the number of addresses to say that you mean so many."},
		"no time":      {[]string{"range", "192.0.2.1", "ends", "at"}, "expires", "Choose a day and a time."},
		"no length":    {[]string{"range", "192.0.2.1", "ends", "long"}, "expires", "Choose a day and a time."},
		"no beginning": {[]string{"range", "192.0.2.1", "not_before", "soon"}, "not_before", "Choose a day and a time."},
		"ends before":  {[]string{"range", "192.0.2.1", "ends", "at", "expires", "2026-11-25T10:00", "not_before", "2026-11-26T10:00"}, "expires", "It ends before it begins."},
		"nobody":       {[]string{"range", "192.0.2.1", "for", "some"}, "for", "Choose at least one role or person."},
		"stranger":     {[]string{"range", "192.0.2.1", "for", "some", "admins", "X"}, "admins", "One of these people is gone. Choose again."},
	} {
		t.Run(name, func(t *testing.T) {
			page := send(c.pairs...).shows(t, 422, "Add a network")
			if got := textOf(byID(page, c.field+"-wrong")); got != c.want {
				t.Errorf("%s: got %q, want %q\n%s", c.field, got, c.want, textOf(first(page, "main")))
			}
			if got := attr(byID(page, "owner"), "value"); got != "Wu Min" {
				t.Errorf("the owner is %q now", got)
			}
		})
	}
	if _, err := s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("a draft of what was refused: %v", err)
	}
	answer := send("range", "20.0.0.0/8", "wide", "16777216")
	draft := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID))
	added := draft.Entries[len(draft.Entries)-1]
	answer.leads(t, Prefix+"networks?done=network_added#n-"+added.Key)
	if added.Range != "20.0.0.0/8" || added.Label != "Branch" || !added.Enabled || !added.Expires.Equal(apiStart.Add(8*time.Hour)) {
		t.Errorf("added was %+v", added)
	}
	page := v.get(Prefix+"networks?done=network_added").shows(t, 200, "Allowed networks")
	if got := textOf(first(page, "main")); !strings.Contains(got, "Added to your draft.") || !strings.Contains(textOf(rowOf(page, "Branch")), "New") {
		t.Errorf("the page does not say so: %q", got)
	}
	if got := v.get(Prefix + "networks?done=nothing").body; strings.Contains(got, `class="done"`) {
		t.Error("it says what was not done")
	}
}

// TestNetworkFormOfEntry changes an entry: what the form shows is what it sends.
func TestNetworkFormOfEntry(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	list := sampleList()
	s.list(gate.ModeEnforced, list...)
	v := s.console("owner")
	for i, n := range must(s.Version(s.ctx, apiCommand, s.acme.ID, 0)).Networks {
		path := Prefix + "networks/entries/" + n.ID
		page := v.get(path).shows(t, 200, "Edit a network")
		form := sentBy(first(page, "main"))
		v.send("POST", path, formMedia, form.Encode(), "Sec-Fetch-Site", "same-origin").leads(t, Prefix+"networks?done=network_changed#n-"+n.ID)
		if draft, err := s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("%s was changed by looking at it: %+v, %+v", n.Label, draft.Entries[i], err)
		}
		form.Set("label", n.Label+" again")
		v.send("POST", path, formMedia, form.Encode(), "Sec-Fetch-Site", "same-origin").leads(t, Prefix+"networks?done=network_changed#n-"+n.ID)
		draft := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID))
		if got := draft.Entry(n.ID).Label; got != n.Label+" again" || draft.Changes != 1 {
			t.Errorf("the label is %q, with %d changes", got, draft.Changes)
		}
		if err := s.DiscardDraft(s.ctx, s.actor("owner"), s.acme.ID); err != nil {
			t.Fatal(err)
		}
	}
	v.get(Prefix+"networks/entries/NOBODY").shows(t, 404, "There is nothing here")
	s.console("stranger").get(Prefix+"networks/entries/"+must(s.Version(s.ctx, apiCommand, s.acme.ID, 0)).Networks[0].ID).shows(t, 404, "There is nothing here")
}

// sentBy is what a browser would send of the fields of a page.
func sentBy(n *html.Node) url.Values {
	form := url.Values{}
	for d := range n.Descendants() {
		name, kind := attr(d, "name"), attr(d, "type")
		switch {
		case name == "", d.Data == "button", (kind == "radio" || kind == "checkbox") && !has(d, "checked"):
		case d.Data == "textarea":
			form.Add(name, textOf(d))
		case d.Data == "input":
			form.Add(name, attr(d, "value"))
		}
	}
	return form
}

// TestNetworkPreview asks what ranges mean before they are added.
func TestNetworkPreview(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	s.list(gate.ModeEnforced, sampleList()...)
	v := s.console("owner")
	for typed, want := range map[string]string{
		"203.0.113.5/25":       "We'll store 203.0.113.0/25: 203.0.113.0 to 203.0.113.127, 128 addresses.",
		"203.0.113.5":          "Already covered by “HQ” (203.0.113.0/24).",
		"203.0.113.0/24":       "“HQ” is this very network.",
		"203.0.112.0/23":       "It would make 1 other network unnecessary: “HQ”.",
		"192.0.0.0/16":         "It would make 2 other networks unnecessary, “Old” among them.",
		"10.0.0.0/8":           "10.0.0.0/8 contains 16,777,216 addresses. Anyone on any of them could reach the sign-in page. Type 16,777,216 to continue.",
		"192.168.0.0/24":       "Visitors from the internet never have these addresses",
		"::ffff:192.0.2.77":    "We'll store 192.0.2.77.",
		"2001:db8::/29":        "Type 2^99 to continue",
		"127.0.0.1":            "holds the address of a trusted proxy",
		"203.0.113.1-203.0.11": "“203.0.11” is shortened.",
		"1.2.3.4":              "1.2.3.4 one address 0 sign-ins of the last 30 days came from it.",
	} {
		page := v.get(Prefix+"networks/add?range="+url.QueryEscape(typed)).shows(t, 200, "Add a network")
		if got := textOf(byID(page, "preview")); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", typed, got, want)
		}
	}
}

// TestNetworksBegin makes a list where there is none.
func TestNetworksBegin(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	s.list(gate.ModeOff)
	v := s.console("owner")
	page := v.get(Prefix+"networks").shows(t, 200, "Allowed networks")
	if got := textOf(first(page, "main")); !strings.Contains(got, "Not protected") || !strings.Contains(got, "Add 203.0.113.7 and start dry run") {
		t.Errorf("an empty list shows %q", got)
	}
	v.form(Prefix+"networks", "begin", "1").leads(t, Prefix+"networks")
	draft := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID))
	if draft.Mode != gate.ModeDryRun || len(draft.Entries) != 1 || draft.Entries[0].Range != apiInside {
		t.Errorf("the draft is %+v", draft)
	}
}

// TestNetworksLong pages through the longest list.
func TestNetworksLong(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	entries := []gate.Draft{{Range: "203.0.113.0/24", Label: "HQ", Enabled: true}}
	for i := range gate.MaxEntries - 1 {
		entries = append(entries, gate.Draft{Range: fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), Label: fmt.Sprint("Branch ", i), Enabled: true})
	}
	s.list(gate.ModeEnforced, entries...)
	v := s.console("owner")
	page := v.get(Prefix+"networks?sort=range&page=2").shows(t, 200, "Allowed networks")
	if got := labels(page); len(got) != 200 || got[0] != "Branch 200" {
		t.Errorf("%d rows from %q on", len(got), got[0])
	}
	if got := textOf(first(page, "main")); !strings.Contains(got, "5,000 networks") || !strings.Contains(got, "Page 2 of 25") {
		t.Errorf("the page says %.300q", got)
	}
	if got := weight(v, page, v.get(Prefix+"networks").body); got > 70<<10 {
		t.Errorf("a page of 200 entries costs %d bytes, compressed, want 70 KiB", got)
	}
	if got := labels(v.get(Prefix+"networks?page=99").shows(t, 200, "Allowed networks")); len(got) != 200 {
		t.Errorf("a page past the last has %d rows", len(got))
	}
}

// weight is what a page and the files it is made of cost, compressed.
func weight(v *visitor, page *html.Node, body string) int {
	total := func(content string) int {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, content)
		z.Close()
		return b.Len()
	}
	sum := total(body)
	for n := range page.Descendants() {
		if n.Data == "script" || n.Data == "link" {
			sum += total(v.get(attr(n, "href") + attr(n, "src")).body)
		}
	}
	return sum
}
