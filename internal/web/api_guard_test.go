package web

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// move puts the clock on.
func (s *apiSite) move(d time.Duration) {
	now := s.clock.Load().Add(d)
	s.clock.Store(&now)
}

// TestAPIGuards: a refusal says what would go wrong, and the word that lets it
// through; the word is kept with the version.
func TestAPIGuards(t *testing.T) {
	s := newAPISite(t)
	put := func(version int, rest string) answer {
		t.Helper()
		return s.do("owner", "PUT", "networks", fmt.Sprintf(`{"base_version":%d,"mode":"enforced",%s}`, version, rest))
	}
	guard := func(a answer, code string, want row) {
		t.Helper()
		if p := s.refused(a, 409, code); !reflect.DeepEqual(p.Guard, any(map[string]any(want))) {
			t.Errorf("%s: got %v, want %v", code, p.Guard, want)
		}
	}
	ends := `"entries":[{"range":"203.0.113.0/24","label":"HQ","expires":"2026-12-24T12:00:00Z"}]`
	guard(put(2, ends), "would_lock_everyone_out", row{"accept": "ends", "at": "2026-12-24T12:00:00Z"})
	owner := `"entries":[{"range":"203.0.113.0/24","label":"HQ","roles":["owner","reviewer"]},{"range":"203.0.113.7","label":"desk","expires":"2026-11-25T00:00:00Z"}]`
	var done struct{ Version int }
	s.ok(put(2, owner), 200, &done) // two of three keep theirs
	two := `"entries":[{"range":"203.0.113.0/24","label":"HQ","roles":["owner"]},{"range":"203.0.113.7","label":"desk","expires":"2026-11-25T00:00:00Z"}]`
	guard(put(3, two), "would_cut_off_admins", row{
		"accept": "few_admins", "at": "2026-11-25T00:00:00Z", "kept": 1.0, "known": 3.0, "needed": 2.0, "losing": []any{"reviewer"},
	})
	s.ok(put(3, ends+`,"accept":["ends","few_admins"]`), 200, &done)
	var v struct{ Accepted []string }
	s.get("owner", "networks/versions/4", &v)
	if want := []string{gate.AcceptEnds}; !reflect.DeepEqual(v.Accepted, want) {
		t.Errorf("accepted: got %q, want what was needed: %q", v.Accepted, want)
	}
}

// TestAPIConfirm: a change waits, is shown, keeps others out, and is confirmed
// only from where it lets its owner in.
func TestAPIConfirm(t *testing.T) {
	s := newAPISite(t)
	body := `{"base_version":2,"mode":"enforced","entries":[{"range":"198.51.100.0/24","label":"Branch"}],"reason":"move","confirm_within":"5m","accept":["own_address","few_admins"]}`
	var done struct {
		Version int64
		Pending row
	}
	s.ok(s.do("owner", "PUT", "networks", body), 200, &done)
	want := row{"version": 3.0, "base": 2.0, "until": "2026-11-24T12:05:00Z", "by": "owner", "reason": "move"}
	if done.Version != 3 || !reflect.DeepEqual(done.Pending, want) {
		t.Errorf("got %+v, want %v", done, want)
	}
	outside := []string{"X-Forwarded-For", apiOutside} // where the new list lets people in
	var shown struct{ Pending row }
	s.ok(s.do("owner", "GET", "networks", "", outside...), 200, &shown)
	if !reflect.DeepEqual(shown.Pending, want) {
		t.Errorf("shown: got %v, want %v", shown.Pending, want)
	}
	p := s.refused(s.do("owner", "POST", "networks/entries", `{"range":"192.0.2.1","label":"x"}`, outside...), 409, "change_pending")
	if !reflect.DeepEqual(p.Pending, any(map[string]any(want))) {
		t.Errorf("another edit: got %v, want %v", p.Pending, want)
	}
	s.refused(s.do("owner", "DELETE", "networks/entries/198.51.100.0/24?accept=ends,few_admins", "", outside...), 409, "change_pending")
	s.refused(s.do("owner", "POST", "networks/confirm", `{}`, outside...), 422, "invalid", "version required")
	s.refused(s.do("owner", "POST", "networks/confirm", `{"version":2}`, outside...), 409, "nothing_pending")
	s.refused(s.do("reviewer", "POST", "networks/confirm", `{"version":3}`, outside...), 403, "forbidden")
	s.refused(s.do("reviewer", "POST", "networks/undo", `{"version":3}`, outside...), 403, "forbidden")
	s.ok(s.do("owner", "POST", "networks/confirm", `{"version":3}`, outside...), 200, &done)
	s.refused(s.do("owner", "POST", "networks/undo", `{"version":3}`, outside...), 409, "nothing_pending")
	s.move(10 * time.Minute)
	if version, ranges := shownVersion(s, outside...); version != 3 || !reflect.DeepEqual(ranges, []string{"198.51.100.0/24"}) {
		t.Errorf("after it was confirmed: got version %d, %q", version, ranges)
	}
}

// shownVersion is the list as an owner sees it from somewhere.
func shownVersion(s *apiSite, headers ...string) (version int64, ranges []string) {
	s.Helper()
	var l shownList
	s.ok(s.do("owner", "GET", "networks", "", headers...), 200, &l)
	for _, e := range l.Entries {
		ranges = append(ranges, e["range"].(string))
	}
	return l.Version, ranges
}

// TestAPINotAdmitted: where the mode is enforced, the operator's networks and
// the like are no proof that the new list works.
func TestAPINotAdmitted(t *testing.T) {
	s := newAPISite(t)
	if _, err := s.OpenEmergency(t.Context(), apiCommand, s.acme.ID, netip.MustParseAddr(apiOutside), time.Hour, "test"); err != nil {
		t.Fatal(err)
	}
	outside := []string{"X-Forwarded-For", apiOutside}
	var done struct{ Version int64 }
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"192.0.2.0/24","label":"x","confirm_within":60,"reason":"y"}`, outside...), 201, &done)
	s.refused(s.do("owner", "POST", "networks/confirm", `{"version":3}`, outside...), 409, "not_admitted")
	s.ok(s.do("owner", "POST", "networks/undo", `{"version":3}`, outside...), 200, &done)
	if version, ranges := s.ranges(); version != 4 || !reflect.DeepEqual(ranges, []string{"203.0.113.0/24"}) || done.Version != 4 {
		t.Errorf("undone: got version %d, %q", version, ranges)
	}
	var v row
	s.get("owner", "networks/versions/4", &v)
	if v["undoes"] != 3.0 || v["by"] != "owner" {
		t.Errorf("the version says %v", v)
	}
	s.refused(s.do("owner", "DELETE", "networks/entries/203.0.113.0/24?accept=few_admins", "", outside...), 409, "would_lock_everyone_out")
	s.refused(s.do("owner", "DELETE", "networks/entries/203.0.113.0/24?accept=all", "", outside...), 400, "malformed", "accept[0] unknown")
	s.refused(s.do("owner", "DELETE", "networks/entries/203.0.113.0/24?confirm_within=x", "", outside...), 400, "malformed", "confirm_within invalid")
}
