package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// radios are the values of a group of radio buttons, and the one that is chosen.
func radios(page *html.Node, name string) (values []string, chosen string) {
	for n := range page.Descendants() {
		if n.Data == "input" && attr(n, "name") == name && attr(n, "type") == "radio" {
			values = append(values, attr(n, "value"))
			if has(n, "checked") {
				chosen = attr(n, "value")
			}
		}
	}
	return values, chosen
}

// TestAllowPage lets in the address of an attempt with the least that does it,
// and takes that back.
func TestAllowPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	owner := s.person("li.na", gate.RoleOwner)
	reference := s.refused("198.51.100.9")
	s.later(time.Minute)
	s.refused("198.51.100.12")
	page := attemptURL(reference)
	end := english.minute(time.Unix(s.clock.Load(), 0).Add(8 * time.Hour))
	form := owner.get(page+"/allow").shows(t, 200, english.T("allow.title", "IP", "198.51.100.9"))
	saysAll(t, form, english.T("allow.body"),
		"In the last 30 days, 1 blocked attempt from 1 address would have passed.", "In the last 30 days, 2 blocked attempts from 2 addresses would have passed.",
		english.T("allow.for", "Time", "8 hours", "Until", end))
	if values, chosen := radios(form, "range"); strings.Join(values, " ") != "198.51.100.9/32 198.51.100.8/29 other" || chosen != values[0] {
		t.Errorf("ranges: %q, chosen %q", values, chosen)
	}
	if values, chosen := radios(form, "for"); strings.Join(values, " ") != "8h 1d 7d 30d" || chosen != "8h" {
		t.Errorf("times: %q, chosen %q", values, chosen)
	}
	label := attr(byID(form, "label"), "value")
	if label != "198.51.100.9 – "+reference {
		t.Errorf("label: %q", label)
	}

	waiting := s.visitorFrom("198.51.100.9")
	asked := waiting.form(askPath, "reference", reference, "login", "li.na", "why", "away", "for", "1d").Header.Get("Location")
	owner.form(page+"/allow", "range", "198.51.100.9/32", "other", "", "for", "8h", "label", label).leads(t, page)
	shown := owner.get(page).shows(t, 200, english.T("attempt.title", "Ref", reference))
	saysAll(t, shown, english.T("allow.done", "IP", "198.51.100.9", "Time", end), english.T("allow.undo"), english.T("explain.now"))
	if strings.Contains(owner.get(page).body, page+"/allow") {
		t.Error("what is allowed can be allowed again")
	}
	waiting.get(asked).shows(t, 200, english.T("request.approved.title"))
	waiting.get(loginPath).shows(t, 200, english.T("login.title", "Tenant", "Acme"))

	owner.form(page+"/undo").leads(t, page+"?done=allow_undone")
	saysAll(t, owner.get(page+"?done=allow_undone").shows(t, 200, english.T("attempt.title", "Ref", reference)), english.T("done.allow_undone"))
	waiting.blocked(t)
	owner.form(page+"/undo").shows(t, 404, english.T("error.not_found.title"))

	owner.form(page+"/allow", "range", "other", "other", "198.51.100.0/28", "for", "7d", "label", "Hotel").leads(t, page)
	list := must(s.Networks(s.Context(), command, s.tenant.ID))
	got := list.Entries[len(list.Entries)-1]
	if want := time.Unix(s.clock.Load(), 0).Add(7 * 24 * time.Hour); got.Range.String() != "198.51.100.0/28" || got.Label != "Hotel" || !got.Expires.Equal(want) {
		t.Errorf("allowed %+v, want until %s", got.Network, want)
	}
	s.later(gate.AllowUndo)
	if strings.Contains(owner.get(page).body, "/undo") {
		t.Error("it can still be taken back after its time")
	}
}

// TestAllowWrong: what is wrong is said beside its field, and values stay.
func TestAllowWrong(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	owner := s.person("li.na", gate.RoleOwner)
	page := attemptURL(s.refused("198.51.100.9")) + "/allow"
	version := must(s.Networks(s.Context(), command, s.tenant.ID)).Version
	for name, c := range map[string]struct {
		other, forHow, label, wide string
		field, want                string
	}{
		"no range":    {"", "8h", "x", "", "other", english.T("fault.empty")},
		"no address":  {"198.51.100.300", "8h", "x", "", "other", english.T("fault.octet_too_large", "Part", "300")},
		"elsewhere":   {"192.0.2.0/24", "8h", "x", "", "other", english.T("allow.elsewhere", "IP", "198.51.100.9")},
		"wide":        {"198.0.0.0/8", "8h", "x", "", "wide", english.T("fault.wide")},
		"wide, other": {"198.0.0.0/8", "8h", "x", "16,777,217", "wide", english.T("fault.wide")},
		"everything":  {"0.0.0.0/0", "8h", "x", "", "other", english.T("net.any", "Net", "0.0.0.0/0")},
		"no time":     {"198.51.100.9", "", "x", "", "for", english.T("request.for.wrong")},
		"for good":    {"198.51.100.9", "always", "x", "", "for", english.T("request.for.wrong")},
		"for years":   {"198.51.100.9", "999d", "x", "", "for", english.T("request.for.wrong")},
		"long label":  {"198.51.100.9", "8h", strings.Repeat("x", 121), "", "label", english.T("fault.too_long")},
		"bad label":   {"198.51.100.9", "8h", "a\u202eb", "", "label", english.T("fault.control_character")},
	} {
		t.Run(name, func(t *testing.T) {
			pairs := []string{"range", "other", "other", c.other, "for", c.forHow, "label", c.label}
			if c.wide != "" {
				pairs = append(pairs, "wide", c.wide)
			}
			shown := owner.form(page, pairs...).shows(t, 422, english.T("allow.title", "IP", "198.51.100.9"))
			if got := textOf(byID(shown, c.field+"-wrong")); got != c.want {
				t.Errorf("beside %s: got %q, want %q", c.field, got, c.want)
			}
			if attr(byID(shown, "other"), "value") != c.other || attr(byID(shown, "label"), "value") != c.label {
				t.Error("what was typed is gone")
			}
		})
	}
	if now := must(s.Networks(s.Context(), command, s.tenant.ID)).Version; now != version {
		t.Errorf("the list has version %d, had %d", now, version)
	}
	owner.form(page, "range", "other", "other", "198.0.0.0/8", "for", "8h", "label", "Continent", "wide", "16777216").leads(t, strings.TrimSuffix(page, "/allow"))
	owner.form(strings.Replace(page, "SP-", "XX-", 1), "range", "other").shows(t, 404, english.T("error.not_found.title"))
}

// TestAllowGuards: the guards of the list hold, say what they refuse, and keep
// what was filled in.
func TestAllowGuards(t *testing.T) {
	t.Parallel()
	s := newSite(t, longSessions)
	owner := s.person("li.na", gate.RoleOwner)
	reference := s.refused("198.51.100.9")
	page := attemptURL(reference)
	// The office ends in an hour, and nobody comes from anywhere else.
	list := must(s.Networks(s.Context(), command, s.tenant.ID))
	office := gate.DraftsOf([]gate.Network{list.Entries[0].Network})
	office[0].Expires = time.Unix(s.clock.Load(), 0).Add(time.Hour)
	must(s.PutNetworks(s.Context(), command, gate.Edit{
		Tenant: s.tenant.ID, Base: list.Version, Mode: list.Mode, Entries: office,
		EditOptions: gate.EditOptions{Accept: []string{gate.AcceptEnds, gate.AcceptFewAdmins}},
	}))
	send := func(accept ...string) response {
		pairs := []string{"range", "198.51.100.9/32", "other", "", "for", "1d", "label", "Guarded"}
		for _, word := range accept {
			pairs = append(pairs, "accept", word)
		}
		return owner.form(page+"/allow", pairs...)
	}
	refused := send()
	var accept string
	for refused.StatusCode == http.StatusConflict && accept == "" {
		shown := refused.shows(t, 409, english.T("allow.title", "IP", "198.51.100.9"))
		box := find1(shown, func(n *html.Node) bool { return attr(n, "name") == "accept" })
		if box == nil {
			t.Fatal("nothing to tick")
		}
		accept = attr(box, "value")
		if _, chosen := radios(shown, "for"); chosen != "1d" || attr(byID(shown, "label"), "value") != "Guarded" {
			t.Error("what was filled in is gone")
		}
	}
	if accept == "" {
		t.Fatalf("not refused: %s", refused.Status)
	}
	send(accept).leads(t, page)

	// A change that waits to be confirmed comes first.
	must(s.AddNetwork(s.Context(), command, s.tenant.ID, gate.Draft{Range: "192.0.2.1", Label: "Waits", Enabled: true},
		gate.EditOptions{ConfirmWithin: time.Hour, Accept: []string{gate.AcceptEnds, gate.AcceptFewAdmins}}))
	saysAll(t, send(accept).shows(t, 409, english.T("allow.title", "IP", "198.51.100.9")), english.T("apply.pending"))
	saysAll(t, owner.form(page+"/undo").shows(t, 409, english.T("attempt.title", "Ref", reference)), english.T("apply.pending"))
}
