package web

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestPolicyAPI(t *testing.T) {
	s := newAPISite(t)
	var got row
	s.get("reviewer", "policy", &got)
	if got["version"] != 0.0 || got["retention"] != nil || got["shorten_addresses_after"] != nil || got["check_passwords_from_outside"] != false ||
		got["access_requests"] != true || got["retention_in_force"] != "365d" {
		t.Errorf("a policy that nobody changed: %v", got)
	}
	if b := jsonText(got["bounds"]); b != `{"retention_least":"30d","retention_most":"365d","shorten_addresses_least":"30d"}` {
		t.Errorf("bounds: %s", b)
	}
	put := func(body string) answer { return s.do("owner", "PUT", "policy", body) }
	const rest = `"check_passwords_from_outside":true,"access_requests":false}`
	var set row
	s.ok(put(`{"base_version":0,"retention":"183d","shorten_addresses_after":"90d",`+rest), http.StatusOK, &set)
	if set["version"] != 1.0 || set["retention_in_force"] != "183d" || set["deleted"] != 0.0 || set["shortened"] != 0.0 {
		t.Errorf("changed: %v", set)
	}
	s.get("owner", "policy", &got)
	if got["version"] != 1.0 || got["retention"] != "183d" || got["shorten_addresses_after"] != "90d" || got["check_passwords_from_outside"] != true || got["access_requests"] != false {
		t.Errorf("read back: %v", got)
	}
	s.refused(put(`{"base_version":0,`+rest), http.StatusConflict, "changed")
	s.refused(put(`{}`), http.StatusUnprocessableEntity, "invalid", "base_version required", "check_passwords_from_outside required", "access_requests required")
	s.refused(put(`{"base_version":1,"retention":"2 weeks","shorten_addresses_after":"always",`+rest), http.StatusUnprocessableEntity, "invalid",
		"retention invalid", "shorten_addresses_after invalid")
	s.refused(put(`{"base_version":1,"retention":"29d","shorten_addresses_after":"1d",`+rest), http.StatusUnprocessableEntity, "invalid",
		"retention too_short", "shorten_addresses_after out_of_range")
	s.refused(put(`{"base_version":1,"retention":"366d",`+rest), http.StatusUnprocessableEntity, "invalid", "retention too_long")

	var log list[row]
	s.get("reviewer", "changes", &log)
	if d := jsonText(log.Items[0]["detail"]); log.Items[0]["action"] != "policy.set" || !strings.Contains(d, `"retention":"183d"`) || !strings.Contains(d, `"retention":"default"`) {
		t.Errorf("the change log says %v", log.Items[0])
	}
	// The operator's new bounds hold at once, whatever was chosen before.
	s.SetRetention(gate.RetentionBounds{Most: 100 * 24 * time.Hour, Floor: time.Hour})
	s.get("owner", "policy", &got)
	if got["retention"] != "183d" || got["retention_in_force"] != "100d" {
		t.Errorf("with narrower bounds: %v", got)
	}
}

// TestRequestsOff: who is kept out is not led to ask, and there is no such call.
func TestRequestsOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitorFrom("198.51.100.7")
	link := askPath + "?reference=" + v.blocked(t)
	must(s.SetSettings(t.Context(), command, s.tenant.ID, gate.Settings{NoRequests: true}))
	if page := v.get("/reports"); strings.Contains(page.body, askPath) {
		t.Error("the page still leads to the form")
	}
	v.get(link).shows(t, http.StatusForbidden, english.T("blocked.title"))
	v.form(askPath, "reference", "x", "login", "li.na", "why", "x", "for", "8h").shows(t, http.StatusForbidden, english.T("blocked.title"))

	a := newAPISite(t)
	must(a.SetSettings(t.Context(), apiCommand, a.acme.ID, gate.Settings{NoRequests: true}))
	outside := []string{"X-Forwarded-For", apiOutside}
	a.refused(a.do("", "POST", "requests", `{`, outside...), http.StatusForbidden, "outside_networks")
	a.refused(a.do("", "POST", "requests", `{`), http.StatusUnauthorized, "no_session")
	off, none := a.do("owner", "POST", "requests", `{}`), a.do("owner", "POST", "nothing", `{}`)
	if off.body != none.body || off.StatusCode != none.StatusCode {
		t.Errorf("got %s, want what there is for no call: %s", off.body, none.body)
	}
}

var changing = regexp.MustCompile(`SP-[0-9A-Z]{4}-[0-9A-Z]{4}|S P – [^<]*|[0-9]{4}-[0-9]{2}-[0-9]{2}T[^",<]*|, [0-9]{2}:[0-9]{2}:[0-9]{2}`)

// TestPasswordsFromOutside: what a stranger is told does not say whether the
// password was looked at, nor whether it was right.
func TestPasswordsFromOutside(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addAdmin("li.na")
	answers := map[string]string{}
	send := func(name, media, body string) {
		r := must(http.NewRequestWithContext(t.Context(), "POST", s.server.URL+loginPath, strings.NewReader(body)))
		r.Host = "acme.example"
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.Header.Set("Content-Type", media)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		res.Header.Del("Date")
		res.Header.Del("X-Sallyport-Reference")
		text := changing.ReplaceAllString(string(must(io.ReadAll(res.Body))), "…")
		answer := res.Status + jsonText(res.Header) + text // whose keys are sorted
		if answers[media] == "" {
			answers[media] = answer
		} else if answers[media] != answer {
			t.Errorf("%s: got\n%s\nwant\n%s", name, answer, answers[media])
		}
	}
	try := func(name, login, password string) {
		send(name+", form", formMedia, url.Values{"login": {login}, "password": {password}}.Encode())
		send(name+", JSON", jsonMedia, jsonText(map[string]string{"login": login, "password": password}))
	}
	try("not looked at", "li.na", firstPassword)
	must(s.SetSettings(t.Context(), command, s.tenant.ID, gate.Settings{CheckOutside: true}))
	try("right", "li.na", firstPassword)
	send("what cannot be read", jsonMedia, `{"login":1}`)
	send("what cannot be read", formMedia, "no_such=1")
	try("wrong", "li.na", "wrong")
	try("nobody's", "nobody", "wrong") // and the fifth try and beyond
	found := must(s.Attempts(t.Context(), command, gate.AttemptFilter{
		Tenant: s.tenant.ID, Where: []gate.Condition{{Field: gate.FieldPassword, Value: string(gate.PasswordRight)}},
	}))
	if len(found) != 2 || found[0].Login != "li.na" {
		t.Errorf("recorded as right: %+v", found)
	}
}
