package web

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// waits changes acme's list by a command, to be confirmed within five minutes.
func (s *apiSite) waits(mode gate.Mode, entries ...gate.Draft) string {
	s.Helper()
	v := must(s.Version(s.ctx, apiCommand, s.acme.ID, 0))
	e := gate.Edit{Tenant: s.acme.ID, Base: v.Version, Mode: mode, Entries: entries}
	e.ConfirmWithin = 5 * time.Minute
	return strconv.FormatInt(must(s.PutNetworks(s.ctx, apiCommand, e)).Version, 10)
}

// bannerOf is the first banner of a page.
func bannerOf(page *html.Node) *html.Node {
	return find1(page, func(n *html.Node) bool { return strings.HasPrefix(attr(n, "class"), "banner") })
}

// TestPendingBanner shows a change that waits on every page, and keeps it or
// undoes it.
func TestPendingBanner(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	owner := s.console("owner")
	hq := gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true}
	version := s.waits(gate.ModeEnforced, hq, gate.Draft{Range: "192.0.2.0/24", Label: "Branch", Enabled: true})
	for _, path := range []string{homePath, Prefix + "networks", Prefix + "nothing"} {
		page := must(html.Parse(strings.NewReader(owner.get(path).body)))
		if got, want := textOf(bannerOf(page)), "Applied as version 3. It will be undone in 5:00 unless you confirm. Active on 1 of 1 nodes Keep these changes Undo now"; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	page := s.console("reviewer").get(Prefix+"networks").shows(t, 200, "Allowed networks")
	if b := bannerOf(page); len(all(b, "button")) > 0 || !strings.Contains(textOf(b), "undone in 5:00") {
		t.Errorf("a reviewer sees %q", textOf(b))
	}
	if b := bannerOf(s.console("member").get(homePath).shows(t, 200, "You are signed in to ACME")); b != nil {
		t.Errorf("a member sees %q", textOf(b))
	}
	owner.form(Prefix+"networks/confirm", "version", "2").shows(t, 409, "Nothing waits to be confirmed")
	owner.form(Prefix+"networks/confirm", "version", "x").shows(t, 400, "This can't be read")
	s.console("reviewer").form(Prefix+"networks/confirm", "version", version).shows(t, 403, "You can't do this")
	owner.form(Prefix+"networks/confirm", "version", version).leads(t, Prefix+"networks?done=confirmed")
	if s.Pending(s.acme.ID) != nil {
		t.Error("it waits after it was confirmed")
	}
	version = s.waits(gate.ModeEnforced, hq)
	owner.form(Prefix+"networks/undo", "version", version).leads(t, Prefix+"networks?done=undone")
	if got := labels(owner.get(Prefix+"networks").shows(t, 200, "Allowed networks")); len(got) != 2 {
		t.Errorf("after undoing there are %q", got)
	}
	owner.form(Prefix+"networks/undo", "version", version).shows(t, 409, "Nothing waits to be confirmed")
}

// TestPendingUndone lets the time of a change run out.
// TestInForce names the node that everybody waits for.
func TestInForce(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	v := s.console("owner")
	shown := func() string {
		return textOf(find1(v.get(Prefix+"networks").shows(t, 200, "Allowed networks"), func(n *html.Node) bool { return attr(n, "class") == "fine" }))
	}
	if got := shown(); !strings.Contains(got, "Active on 1 of 1 nodes") {
		t.Errorf("got %q", got)
	}
	must(s.store.PutNode(t.Context(), gate.Node{Name: "sh-2", Boot: "X", Seen: apiStart, Position: 1}))
	later := apiStart.Add(12 * time.Second)
	must(s.AddNetwork(t.Context(), apiCommand, s.acme.ID, gate.Draft{Range: "192.0.2.0/24", Label: "Branch", Enabled: true}, gate.EditOptions{}))
	s.clock.Store(&later)
	want := "Active on 1 of 2 nodes — node sh-2 has not confirmed for 12 s"
	for range 100 {
		if strings.Contains(shown(), want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("got %q, want %q", shown(), want)
}

func TestPendingUndone(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	s.waits(gate.ModeDryRun, gate.Draft{Range: "203.0.113.0/24", Label: "HQ", Enabled: true})
	later := apiStart.Add(6 * time.Minute)
	s.clock.Store(&later)
	for end := time.Now().Add(10 * time.Second); s.Pending(s.acme.ID) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing undoes it")
		}
	}
	page := s.console("reviewer").get(Prefix+"networks").shows(t, 200, "Allowed networks")
	if got := textOf(bannerOf(page)); !strings.HasPrefix(got, "Version 3 was undone automatically because nobody confirmed it. Version ") {
		t.Errorf("the page says %q", got)
	}
}

// TestEmergencyBanner tells of emergency access.
func TestEmergencyBanner(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	e := must(s.OpenEmergency(s.ctx, apiCommand, s.acme.ID, netip.MustParseAddr(apiOutside), 15*time.Minute, "TICKET-1"))
	v := s.console("owner")
	want := "Emergency access: 198.51.100.7 gets in until 24 Nov 2026, 12:15 UTC, whatever the list says. Opened by test: TICKET-1"
	if got := textOf(bannerOf(v.get(homePath).shows(t, 200, "You are signed in to ACME"))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	v.address = apiOutside
	page := v.get(homePath).shows(t, 200, "You are signed in to ACME")
	if got := textOf(first(page, "header")); !strings.Contains(got, "198.51.100.7 Emergency access") {
		t.Errorf("from there the bar says %q", got)
	}
	if err := s.EndEmergency(s.ctx, apiCommand, s.acme.ID, e.ID); err != nil {
		t.Fatal(err)
	}
	v.address = apiInside
	if b := bannerOf(v.get(homePath).shows(t, 200, "You are signed in to ACME")); b != nil {
		t.Errorf("after its end: %q", textOf(b))
	}
}

// TestConsoleStoreAway sends a form while the store is away: what was sent is
// kept in a form that sends it again.
func TestConsoleStoreAway(t *testing.T) {
	t.Parallel()
	s := newAPISite(t)
	v := s.console("owner")
	s.store.Close()
	page := v.form(Prefix+"networks/add", "range", "192.0.2.1", "label", "Branch <1>", "ends", "never", "for", "all").
		shows(t, 503, "This can't be done right now")
	form := find1(page, func(n *html.Node) bool {
		return n.Data == "form" && find1(n, func(d *html.Node) bool { return attr(d, "name") == "label" }) != nil
	})
	if form == nil {
		t.Fatal("what was sent is lost")
	}
	if got, want := sentBy(form).Encode(), "ends=never&for=all&label=Branch+%3C1%3E&range=192.0.2.1"; got != want {
		t.Errorf("it would send %s, want %s", got, want)
	}
	v.get(Prefix+"networks").shows(t, 503, "This can't be done right now")
	home := v.get(homePath).shows(t, 200, "You are signed in to ACME")
	if got := textOf(first(home, "header")); !strings.Contains(got, "203.0.113.7 HQ") {
		t.Errorf("the bar says %q", got)
	}
}
