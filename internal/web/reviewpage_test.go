package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// applying sends the form of a review of the draft as it is.
func (s *apiSite) applying(login string, pairs ...string) response {
	s.Helper()
	d := must(s.WorkingDraft(s.ctx, s.actor(login), s.acme.ID))
	return s.post(login, reviewPath, append([]string{"revision", strconv.FormatInt(d.Revision, 10)}, pairs...)...)
}

// leadsTo checks that a form led to another page.
func (r response) leadsTo(t *testing.T, path string) {
	t.Helper()
	if got := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || got != Prefix+path {
		t.Fatalf("got %d to %q, want 303 to %q\n%.2000s", r.StatusCode, got, Prefix+path, r.body)
	}
}

func TestReviewPage(t *testing.T) {
	s := newAPISite(t)
	page := s.page("owner", reviewPath).shows(t, 200, "There is nothing to review")
	says(t, page, "You have no draft")

	s.edit("owner", newEntry("198.51.100.0/26", "Shenzhen branch"))
	page = s.page("owner", reviewPath).shows(t, 200, "Review 1 change")
	says(t, page, "Added 198.51.100.0/26 Shenzhen branch", "Replayed against 30 days: 3 sign-ins · 3 people",
		"None of the last 30 days' 3 sign-ins would be blocked.", "Still allowed3", "Newly blocked0",
		"Your current network 203.0.113.7 stays allowed (by HQ)", "3 of 3 admins keep at least one allowed network",
		"An owner can get in at every moment to come", "No session would end now")
	form := first(page, "form")
	for n := range page.Descendants() {
		if attr(n, "id") == "apply" {
			form = n
		}
	}
	if attr(form, "method") != "post" || attr(form, "action") != Prefix+reviewPath {
		t.Error("there is no form to apply it")
	}
	for n := range form.Descendants() {
		switch attr(n, "id") {
		case "reason":
			if !has(n, "required") {
				t.Error("the reason is not required")
			}
		case "confirm":
			if !has(n, "checked") {
				t.Error("undoing by itself is not ticked")
			}
		}
		if n.Data == "option" && has(n, "selected") && attr(n, "value") != "5m0s" {
			t.Errorf("the time to confirm is %s", attr(n, "value"))
		}
	}

	// Without a reason nothing happens, and what was chosen stays.
	page = s.applying("owner", "reason", " ", "confirm", "on", "within", "15m0s", "do", "apply").shows(t, 422, "Review 1 change")
	if got := texts(page, "wrong"); len(got) != 1 || got[0] != "Write why, so that the next person knows." {
		t.Errorf("got %q", got)
	}
	for n := range page.Descendants() {
		if n.Data == "option" && has(n, "selected") && attr(n, "value") != "15m0s" {
			t.Errorf("the time to confirm is back at %s", attr(n, "value"))
		}
	}
	s.applying("owner", "reason", "x", "confirm", "on", "within", "1000h", "do", "apply").shows(t, 422, "Review 1 change")

	s.applying("owner", "reason", "Shenzhen opens", "confirm", "on", "within", "5m0s", "do", "apply").leadsTo(t, "networks?done=applied_pending")
	p := s.Pending(s.acme.ID)
	if p == nil || p.Version != 3 || p.Reason != "Shenzhen opens" || p.Until.Sub(apiStart) != 5*time.Minute {
		t.Fatalf("got %+v", p)
	}
	// Nothing else is applied while it waits.
	s.edit("owner", newEntry("192.0.2.64/26", "Lab"))
	says(t, s.page("owner", reviewPath).shows(t, 200, "Review 1 change"), "Another change waits to be confirmed")
	says(t, s.applying("owner", "reason", "x", "do", "apply").shows(t, 409, "Review 1 change"), "Another change waits to be confirmed")
	must(0, s.Confirm(s.ctx, s.actor("owner"), s.acme.ID, 3))
	s.applying("owner", "reason", "x", "do", "apply").leadsTo(t, "networks?done=applied")
	if version, ranges := s.ranges(); version != 4 || len(ranges) != 3 || s.Pending(s.acme.ID) != nil {
		t.Errorf("version %d, %v", version, ranges)
	}
}

// TestGuardPage locks the editor out: the change is refused, and one click adds
// the address and goes on.
func TestGuardPage(t *testing.T) {
	s := newAPISite(t)
	s.edit("owner", gate.DraftOp{Step: gate.DraftReplace, Entries: []gate.Draft{{Range: "198.51.100.0/24", Label: "Home", Enabled: true}}})
	page := s.page("owner", reviewPath).shows(t, 200, "Review 2 changes")
	says(t, page, "3 sign-ins by 3 people in the last 30 days would be blocked", "you1 sign-in 1 × 203.0.113.7 last: ", "No network in this draft covers your current address 203.0.113.7",
		"0 of 3 admins would keep access. At least 2 must.", "3 sessions would end now, yours among them")

	with := []string{"reason", "Moving out", "confirm", "on", "within", "15m0s", "accept", gate.AcceptFewAdmins, "do", "apply"}
	page = s.applying("owner", with...).shows(t, 409, "This change would lock you out")
	says(t, page, "You are on 203.0.113.7. No network in this draft covers it", "Add 203.0.113.7 for 8 hours and continue")
	if version, _ := s.ranges(); version != 2 {
		t.Fatal("the list was changed")
	}
	sent := map[string][]string{}
	for _, n := range all(page, "input") {
		sent[attr(n, "name")] = append(sent[attr(n, "name")], attr(n, "value"))
	}
	if strings.Join(sent["accept"], " ") != "few_admins own_address" || sent["within"][0] != "15m0s" || sent["confirm"][0] != "on" {
		t.Errorf("to change it for somebody else sends %v", sent)
	}

	s.post("owner", reviewPath, "do", "add_mine", "reason", "Moving out").leadsTo(t, "networks/review?done=added_mine&reason=Moving+out")
	page = s.page("owner", "networks/review?done=added_mine&reason=Moving+out").shows(t, 200, "Review 3 changes")
	says(t, page, "Your address is in the draft for 8 hours.", "203.0.113.7", "stays allowed (by Where owner changed the list from)", "An owner can get in at every moment to come")
	// In 8 hours it is as before, so the other guard still has to be told.
	says(t, page, "From 24 Nov 2026, 20:00:00 UTC on: 0 of 3 admins would keep access.")
	s.applying("owner", "reason", "Moving out", "accept", gate.AcceptFewAdmins, "do", "apply").leadsTo(t, "networks?done=applied")
	if _, ranges := s.ranges(); len(ranges) != 2 || ranges[1] != "203.0.113.7" {
		t.Errorf("got %v", ranges)
	}
}

// TestGuardsOnThePage refuses what the guards do, until it is said on purpose.
func TestGuardsOnThePage(t *testing.T) {
	s := newAPISite(t)
	until := apiStart.Add(48 * time.Hour)
	s.edit("owner", gate.DraftOp{Step: gate.DraftReplace, Entries: []gate.Draft{{Range: apiInside, Label: "Now", Enabled: true, Expires: until}}})
	page := s.page("owner", reviewPath).shows(t, 200, "Review 2 changes")
	says(t, page, "From 26 Nov 2026, 12:00:00 UTC on, no network lets an owner in", "I know that nobody gets in from then on")
	page = s.applying("owner", "reason", "x", "do", "apply").shows(t, 409, "Review 2 changes")
	if got := texts(page, "wrong"); len(got) != 1 || !strings.HasPrefix(got[0], "Tick the box") {
		t.Errorf("got %q", got)
	}
	s.applying("owner", "reason", "x", "accept", gate.AcceptEnds, "do", "apply").leadsTo(t, "networks?done=applied")

	s.edit("owner", gate.DraftOp{Step: gate.DraftReplace})
	page = s.page("owner", reviewPath).shows(t, 200, "Review 1 change")
	says(t, page, "No network in this draft lets an owner in.", "Start dry run instead")
	for _, n := range all(page, "button") {
		if attr(n, "value") == "apply" {
			t.Error("what nothing allows is offered")
		}
	}
	s.applying("owner", "reason", "x", "do", "apply").shows(t, 409, "Review 1 change")
	s.applying("owner", "reason", "On trial first", "do", "dry_run").leadsTo(t, "networks?done=applied")
	l := must(s.Networks(s.ctx, apiCommand, s.acme.ID))
	if l.Mode != gate.ModeDryRun || len(l.Entries) != 0 {
		t.Errorf("got %s with %d entries", l.Mode, len(l.Entries))
	}
}

// TestReviewMeetsOthers changes the draft, then the list, behind a review.
func TestReviewMeetsOthers(t *testing.T) {
	s := newAPISite(t)
	was := s.edit("owner", newEntry("198.51.100.0/26", "Shenzhen branch"))
	s.edit("owner", newEntry("192.0.2.64/26", "Lab"))
	page := s.post("owner", reviewPath, "revision", strconv.FormatInt(was.Revision, 10), "reason", "x", "do", "apply").shows(t, 409, "Review 2 changes")
	says(t, page, "The draft was changed after you looked at it. This is how it is now.")
	page = s.post("owner", reviewPath, "revision", strconv.FormatInt(was.Revision, 10), "reason", "x", "do", "dry_run").shows(t, 409, "Review 2 changes")
	says(t, page, "The draft was changed after you looked at it.")

	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"10.0.0.0/24","label":"Lab"}`), 201, &row{})
	s.page("owner", reviewPath).leadsTo(t, "networks/conflict")
	s.applying("owner", "reason", "x", "do", "apply").leadsTo(t, "networks/conflict")

	for _, as := range []string{"reviewer", "member"} {
		s.page(as, reviewPath).shows(t, 403, "You can't do this")
		s.post(as, reviewPath, "revision", "1", "reason", "x", "do", "apply").shows(t, 403, "You can't do this")
	}
	s.post("owner", reviewPath, "do", "something").shows(t, 400, "This can't be read")
	s.post("owner", reviewPath, "do", "apply", "reason", "x", "revision", "one").shows(t, 400, "This can't be read")
}

// TestFindings mends what could be better about a list.
func TestFindings(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"203.0.113.16/28","label":"Floor 2"}`), 201, &row{})
	const finding = `"Floor 2" (203.0.113.16/28) is already covered by "HQ" (203.0.113.0/24).`
	page := s.page("reviewer", "networks").shows(t, 200, "Allowed networks")
	says(t, page, finding)
	if len(all(first(page, "main"), "button")) > 2 { // to check an address, and to filter
		t.Error("a reviewer is offered to mend it")
	}
	page = s.page("owner", "networks").shows(t, 200, "Allowed networks")
	says(t, page, finding)
	id := ""
	for _, n := range all(page, "input") {
		if attr(n, "name") == "finding" {
			id = attr(n, "value")
		}
	}
	s.post("reviewer", mendPath, "finding", id).shows(t, 403, "You can't do this")
	s.post("owner", mendPath, "finding", id).leadsTo(t, "networks?done=mended")
	if d := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID)); len(d.Entries) != 1 || d.Entries[0].Label != "HQ" {
		t.Errorf("got %+v", d)
	}
	if text := textOf(first(s.page("owner", "networks").shows(t, 200, "Allowed networks"), "main")); strings.Contains(text, finding) {
		t.Error("what is mended in the draft is still found")
	}
	s.post("owner", mendPath, "finding", id).leadsTo(t, "networks?done=mended_before")
	s.post("owner", mendPath, "finding", "nonsense").leadsTo(t, "networks?done=mended_before")
}

// TestSuggestPage begins a list from the sign-ins of a tenant that has none.
func TestSuggestPage(t *testing.T) {
	s := newAPISite(t)
	says(t, s.page("owner", suggestPath).shows(t, 200, "Suggested networks"),
		"From 3 sign-ins in the last 30 days. The list lets 3 of them in already.", "There is nothing to add.")
	must(s.PutNetworks(s.ctx, apiCommand, gate.Edit{Tenant: s.acme.ID, Base: 2, Mode: gate.ModeOff}))
	page := s.page("owner", suggestPath).shows(t, 200, "Suggested networks")
	says(t, page, "203.0.113.7", "3 sign-ins", "member, owner, reviewer", "1 address used")
	page = s.post("owner", suggestPath, "of", "203.0.113.7", "label", "Head office").shows(t, 422, "Suggested networks")
	if got := texts(page, "wrong"); len(got) != 1 || got[0] != "Choose at least one network." {
		t.Errorf("got %q", got)
	}
	page = s.post("owner", suggestPath, "of", "203.0.113.7", "label", " ", "take", "203.0.113.7").shows(t, 422, "Suggested networks")
	if got := texts(page, "wrong"); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	s.post("owner", suggestPath, "of", "203.0.113.7", "label", "Head office", "take", "203.0.113.7").leadsTo(t, "networks?done=suggested")
	if d := must(s.WorkingDraft(s.ctx, s.actor("owner"), s.acme.ID)); len(d.Entries) != 1 || d.Entries[0].Label != "Head office" || d.Entries[0].Range != "203.0.113.7" {
		t.Errorf("got %+v", d)
	}
	s.page("reviewer", suggestPath).shows(t, 403, "You can't do this")
	s.post("owner", suggestPath, "of", "203.0.113.7").shows(t, 400, "This can't be read")
}

// slowEvidence is a store in which records are read when it is told to.
type slowEvidence struct {
	gate.Store
	release <-chan struct{}
}

func (s slowEvidence) Evidence(ctx context.Context, span gate.EvidenceSpan, add func(gate.Evidence)) error {
	select {
	case <-s.release:
		return s.Store.Evidence(ctx, span, add)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestReviewWhileReading looks at a review while records are still being read:
// the page brings itself up to date, and nobody has to wait.
func TestReviewWhileReading(t *testing.T) {
	s := newAPISite(t)
	s.edit("owner", newEntry("198.51.100.0/26", "Shenzhen branch"))
	release := make(chan struct{})
	g := must(gate.New(s.ctx, gate.Options{Store: slowEvidence{s.store, release}, Node: "n2", Now: func() time.Time { return apiStart }}))
	t.Cleanup(g.Stop)
	door := *s.door
	door.Gate = g
	s.door = &door

	a := s.page("owner", reviewPath)
	says(t, a.shows(t, 200, "Review 1 change"), "Reading 30 days: 0 of ", "Don't wait for it", "Your current network 203.0.113.7 stays allowed")
	if got := a.Header.Get("Refresh"); got != "2" {
		t.Errorf("Refresh is %q", got)
	}
	if strings.Contains(a.body, `id="apply"`) {
		t.Error("the page asks for a reason, which is gone when it comes anew")
	}
	a = s.page("owner", reviewPath+"?wait=no")
	if text := textOf(first(a.shows(t, 200, "Review 1 change"), "main")); a.Header.Get("Refresh") != "" || !strings.Contains(a.body, `id="apply"`) || strings.Contains(text, "No sign-ins") {
		t.Errorf("who does not want to wait is kept: %q", text)
	}
	close(release)
	for range 50 {
		if a = s.page("owner", reviewPath); a.Header.Get("Refresh") == "" {
			break
		}
	}
	says(t, a.shows(t, 200, "Review 1 change"), "None of the last 30 days' 3 sign-ins would be blocked.")
}
