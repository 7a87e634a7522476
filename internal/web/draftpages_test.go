package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// page reads a page of the console as somebody.
func (s *apiSite) page(as, path string) response {
	s.Helper()
	return s.browser(as, http.MethodGet, path, nil)
}

// post sends a form of the console; pairs are names and values.
func (s *apiSite) post(as, path string, pairs ...string) response {
	s.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return s.browser(as, http.MethodPost, path, form)
}

func (s *apiSite) browser(as, method, path string, form url.Values) response {
	s.Helper()
	headers := []string{"Accept", browserAccept, "Sec-Fetch-Site", "same-origin"}
	if form != nil {
		headers = append(headers, "Content-Type", formMedia)
	}
	a := s.send(as, method, Prefix+path, form.Encode(), headers...)
	return response(a)
}

// actor is somebody of acme, inside.
func (s *apiSite) actor(login string) gate.Actor {
	s.Helper()
	for _, a := range must(s.Admins(s.ctx, apiCommand, s.acme.ID)) {
		if a.Login == login {
			return gate.Actor{
				Kind: gate.ActorAdmin, Tenant: s.acme.ID, Admin: a.ID, Login: a.Login, Role: a.Role, Address: netip.MustParseAddr(apiInside),
			}
		}
	}
	s.Fatalf("nobody is called %s", login)
	return gate.Actor{}
}

// edit edits somebody's draft.
func (s *apiSite) edit(login string, op gate.DraftOp) *gate.WorkingDraft {
	s.Helper()
	d, _, err := s.EditDraft(s.ctx, s.actor(login), s.acme.ID, op)
	if err != nil {
		s.Fatal(err)
	}
	return d
}

func newEntry(span, label string) gate.DraftOp {
	return gate.DraftOp{Step: gate.DraftSet, Entry: gate.Draft{Range: span, Label: label, Enabled: true}}
}

// texts are the texts of all elements with a class.
func texts(page *html.Node, class string) (out []string) {
	for n := range page.Descendants() {
		if n.Type == html.ElementNode && strings.Contains(" "+attr(n, "class")+" ", " "+class+" ") {
			out = append(out, strings.Join(strings.Fields(textOf(n)), " "))
		}
	}
	return out
}

// says checks that a page says something.
func says(t *testing.T, page *html.Node, words ...string) {
	t.Helper()
	text := strings.Join(strings.Fields(textOf(first(page, "main"))), " ")
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("the page does not say %q:\n%s", word, text)
		}
	}
}

func TestHistoryPage(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"10.0.0.0/24","label":"Lab"}`), 201, &row{})
	for i := range versionsPerPage {
		s.ok(s.do("owner", "POST", "networks/entries", fmt.Sprintf(`{"range":"10.0.1.%d","label":"x"}`, i)), 201, &row{})
	}
	s.ok(s.do("owner", "DELETE", "networks/entries/10.0.0.0/24", ""), 200, &row{})
	page := s.page("reviewer", "networks/history").shows(t, 200, "History")
	rows := all(first(page, "tbody"), "tr")
	if len(rows) != versionsPerPage {
		t.Fatalf("got %d rows, want %d", len(rows), versionsPerPage)
	}
	if got := strings.Join(strings.Fields(textOf(rows[0])), " "); !strings.HasPrefix(got, "54 In force 24 Nov 2026, 12:00:00 UTC owner") || !strings.HasSuffix(got, "Enforced −1") {
		t.Errorf("the newest row is %q", got)
	}
	older := find1(page, func(n *html.Node) bool { return n.Data == "a" && textOf(n) == "Older versions" })
	link, _ := strings.CutPrefix(attr(older, "href"), Prefix)
	page = s.page("reviewer", link).shows(t, 200, "History")
	if rows := all(first(page, "tbody"), "tr"); len(rows) != 4 || !strings.HasPrefix(textOf(rows[0]), "4") {
		t.Errorf("the next page begins with %q", textOf(rows[0]))
	}
	for query, field := range map[string]string{"from=0&to=3": "from", "from=1&to=55": "to", "from=x&to=3": "from", "to=3": "from"} {
		page := s.page("owner", "networks/compare?"+query).shows(t, 422, "History")
		if got := texts(page, "wrong"); len(got) != 1 || !strings.Contains(got[0], "from 1 to 54") {
			t.Errorf("%s: got %q", query, got)
		}
		if n := find1(page, func(n *html.Node) bool { return attr(n, "id") == field }); attr(n, "aria-invalid") != "true" {
			t.Errorf("%s: the field %s is not marked", query, field)
		}
	}
}

func TestComparePage(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.do("owner", "POST", "networks/entries",
		`{"range":"10.0.0.0/24","label":"Lab <b>","note":"racks","expires":"2027-01-01T00:00:00Z","admins":["member"]}`), 201, &row{})
	page := s.page("reviewer", "networks/compare?from=2&to=3").shows(t, 200, "From version 2 to version 3")
	got := texts(page, "change")
	if want := "Added 10.0.0.0/24 Lab <b> Expires1 Jan 2027, 00:00:00 UTC Only for peoplemember Noteracks"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := "--- version 2\t2026-11-24T12:00:00Z\ttest\n+++ version 3\t2026-11-24T12:00:00Z\towner\n" +
		`+10.0.0.0/24 "Lab <b>" expires=2027-01-01T00:00:00Z admins="member" note="racks"` + "\n"
	if text := first(page, "pre").FirstChild.Data; text != want {
		t.Errorf("as text: got %q, want %q", text, want)
	}
	if buttons := texts(page, "restore"); len(buttons) != 0 || strings.Contains(textOf(first(page, "main")), "Restore version") {
		t.Error("a reviewer is offered to restore")
	}
	says(t, s.page("owner", "networks/compare?from=2&to=3").shows(t, 200, "From version 2 to version 3"), "Restore version 2 as a draft")
	says(t, s.page("owner", "networks/compare?from=2&to=2").shows(t, 200, "From version 2 to version 2"), "The entries are the same in both.")
}

func TestRestorePage(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"10.0.0.0/24","label":"Lab"}`), 201, &row{})
	s.post("owner", "networks/restore", "version", "3").leads(t, "/_sallyport/networks/history?done=restored_same")
	s.post("owner", "networks/restore", "version", "2").leads(t, "/_sallyport/networks/draft?done=restored")
	page := s.page("owner", "networks/draft?done=restored").shows(t, 200, "Your draft: 1 change")
	says(t, page, "The version is your draft now.", "It restores version 2.", "Removed 10.0.0.0/24 Lab")

	// Whoever has a draft is asked first.
	s.edit("owner", newEntry("10.0.1.0/24", "kept"))
	s.post("owner", "networks/restore", "version", "1").leads(t, "/_sallyport/networks/restore?version=1")
	says(t, s.page("owner", "networks/restore?version=1").shows(t, 200, "Restore version 1 as a draft"), "Your draft with 2 changes will be gone.")
	if d := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID)); d.Changes != 2 {
		t.Errorf("the draft was replaced without asking: %+v", d)
	}
	s.post("owner", "networks/restore", "version", "1", "replace", "on").leads(t, "/_sallyport/networks/draft?done=restored")
	for _, version := range []string{"0", "9", "x", ""} {
		s.post("owner", "networks/restore", "version", version, "replace", "on").shows(t, 404, "There is nothing here")
	}
	s.page("owner", "networks/restore?version=9").shows(t, 404, "There is nothing here")
}

func TestDraftPages(t *testing.T) {
	s := newAPISite(t)
	s.page("owner", "networks/draft").shows(t, 404, "There is nothing here")
	s.page("owner", "networks/discard").shows(t, 404, "There is nothing here")
	d := s.edit("owner", newEntry("10.0.0.0/24", "Lab"))
	hq, lab := d.Entries[0], d.Entries[1]
	hq.Label = "Shanghai"
	s.edit("owner", gate.DraftOp{Step: gate.DraftSet, Key: hq.Key, Entry: hq.Draft})
	s.edit("owner", gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeDryRun})

	says(t, s.page("owner", "networks/history").shows(t, 200, "History"), "Draft: 3 changes", "Review & apply")
	page := s.page("owner", "networks/draft").shows(t, 200, "Your draft: 3 changes")
	says(t, page, "Made from version 2", "Mode Enforced → Dry run", "Changed 203.0.113.0/24 Shanghai", "HQ → Shanghai", "Added 10.0.0.0/24 Lab")

	owner := s.actor("owner").Admin
	says(t, s.page("reviewer", "networks/history").shows(t, 200, "History"), "owner is editing (3 changes, 24 Nov 2026, 12:00:00 UTC). View")
	page = s.page("reviewer", "networks/draft/"+owner).shows(t, 200, "Draft of owner: 3 changes")
	if len(all(first(page, "main"), "form")) != 0 {
		t.Error("somebody else's draft can be changed")
	}
	s.page("owner", "networks/draft/"+owner).leads(t, "/_sallyport/networks/draft")
	s.page("reviewer", "networks/draft/nobody").shows(t, 404, "There is nothing here")

	s.post("owner", "networks/draft", "key", hq.Key).leads(t, "/_sallyport/networks/draft?done=reverted")
	s.post("owner", "networks/draft", "key", "none").shows(t, 404, "There is nothing here")
	s.post("owner", "networks/draft", "mode", "enforced").leads(t, "/_sallyport/networks/draft?done=reverted")
	s.post("owner", "networks/draft", "key", lab.Key).leads(t, "/_sallyport/networks?done=draft_empty")

	s.edit("owner", newEntry("10.0.0.0/24", "Lab"))
	says(t, s.page("owner", "networks/discard").shows(t, 200, "Discard your draft?"), "Your draft with 1 change will be gone.")
	s.post("owner", "networks/discard").leads(t, "/_sallyport/networks?done=discarded")
	s.post("owner", "networks/discard").shows(t, 404, "There is nothing here")
}

func TestConflictPage(t *testing.T) {
	s := newAPISite(t)
	s.page("owner", "networks/conflict").shows(t, 404, "There is nothing here")
	d := s.edit("owner", newEntry("10.0.0.0/24", "Lab"))
	s.page("owner", "networks/conflict").leads(t, "/_sallyport/networks/draft")
	hq := d.Entries[0]
	mine := hq.Draft
	mine.Label = "Mine"
	s.edit("owner", gate.DraftOp{Step: gate.DraftSet, Key: hq.Key, Entry: mine})
	s.edit("owner", gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeDryRun})
	put := func(body string) { s.ok(s.do("owner", "PUT", "networks", body), 200, &row{}) }
	put(`{"base_version":2,"mode":"enforced","reason":"new name","entries":[{"id":"` + hq.ID + `","range":"203.0.113.0/24","label":"Theirs"}]}`)

	says(t, s.page("owner", "networks/history").shows(t, 200, "History"), "The list has changed since: it is at version 3 now.", "Bring up to date")
	page := s.page("owner", "networks/conflict").shows(t, 200, "You and somebody else changed the list")
	says(t, page, "1 change needs your choice", "new name", "203.0.113.0/24 Mine Changed by both", "10.0.0.0/24 Lab Changed by you", "Mode Changed by you")

	field := choicePrefix + hq.Key
	page = s.post("owner", "networks/conflict", "version", "3").shows(t, 422, "You and somebody else changed the list")
	if link := find1(page, func(n *html.Node) bool { return attr(n, "href") == "#"+field }); link == nil {
		t.Error("the summary does not lead to what is to be chosen")
	}
	put(`{"base_version":3,"mode":"enforced","entries":[{"id":"` + hq.ID + `","range":"203.0.113.0/24","label":"Theirs again"}]}`)
	page = s.post("owner", "networks/conflict", "version", "3", field, "mine").shows(t, 422, "You and somebody else changed the list")
	says(t, page, "The list changed once more. Look at it again.", "Theirs again")
	chosen := find1(page, func(n *html.Node) bool { return attr(n, "name") == field && has(n, "checked") })
	if attr(chosen, "value") != "mine" {
		t.Error("the choice is lost")
	}
	s.post("owner", "networks/conflict", "version", "4", field, "mine").leads(t, "/_sallyport/networks/draft?done=merged")
	page = s.page("owner", "networks/draft").shows(t, 200, "Your draft: 3 changes")
	says(t, page, "Theirs again → Mine", "Made from version 4")

	for _, version := range []string{"", "0", "x"} {
		s.post("owner", "networks/conflict", "version", version).shows(t, 400, "This can't be read")
	}
	s.post("owner", "networks/conflict", "version", strings.Repeat("1", maxChoices)).shows(t, 413, "That is too much")
}

// A store that does not answer loses neither the draft nor what was sent.
func TestDraftWhileStoreIsAway(t *testing.T) {
	s := newAPISite(t)
	d := s.edit("owner", newEntry("10.0.0.0/24", "Lab"))
	key := d.Entries[1].Key
	s.store.Close()
	page := s.post("owner", "networks/draft", "key", key).shows(t, 503, "This can't be done right now")
	kept := find1(page, func(n *html.Node) bool { return n.Data == "input" && attr(n, "name") == "key" })
	if attr(kept, "value") != key {
		t.Error("what was sent is not in the page to be sent again")
	}
	page = s.post("owner", "networks/conflict", "version", "3", choicePrefix+key, "mine").shows(t, 503, "This can't be done right now")
	if kept := find1(page, func(n *html.Node) bool { return attr(n, "name") == choicePrefix+key }); attr(kept, "value") != "mine" {
		t.Error("a choice is not in the page to be sent again")
	}
}

// TestDraftPagesByRole asks for every page as everybody.
func TestDraftPagesByRole(t *testing.T) {
	s := newAPISite(t)
	d := s.edit("owner", newEntry("10.0.0.0/24", "Lab"))
	for _, c := range []struct {
		method, path            string
		owner, reviewer, member int
		stranger                int // an owner of another tenant
	}{
		{"GET", "networks/history", 200, 200, 403, 200},
		{"GET", "networks/compare?from=1&to=1", 200, 200, 403, 200},
		{"GET", "networks/restore?version=1", 200, 403, 403, 200},
		{"POST", "networks/restore", 404, 403, 403, 404},
		{"GET", "networks/draft", 200, 403, 403, 404},
		{"POST", "networks/draft", 404, 403, 403, 404},
		{"GET", "networks/draft/" + d.Admin, 303, 200, 403, 404},
		{"GET", "networks/discard", 200, 403, 403, 404},
		{"GET", "networks/conflict", 303, 403, 403, 404},
		{"POST", "networks/conflict", 400, 403, 403, 400},
	} {
		for who, want := range map[string]int{"owner": c.owner, "reviewer": c.reviewer, "member": c.member, "stranger": c.stranger} {
			var form url.Values
			if c.method == http.MethodPost {
				form = url.Values{}
			}
			if got := s.browser(who, c.method, c.path, form); got.StatusCode != want {
				t.Errorf("%s %s as %s: got %d, want %d", c.method, c.path, who, got.StatusCode, want)
			}
		}
	}
}
