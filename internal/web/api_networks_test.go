package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// shownList is GET /networks as a client sees it.
type shownList struct {
	Version int64
	Mode    string
	Entries []row
	Pending any
}

// ranges are those of the owner's list.
func (s *apiSite) ranges() (version int64, ranges []string) {
	s.Helper()
	var l shownList
	s.get("owner", "networks", &l)
	for _, e := range l.Entries {
		ranges = append(ranges, e["range"].(string))
	}
	return l.Version, ranges
}

func TestAPINetworks(t *testing.T) {
	s := newAPISite(t)
	var got map[string]json.RawMessage
	s.get("reviewer", "networks", &got)
	if string(got["version"]) != "2" || string(got["mode"]) != `"enforced"` || string(got["pending"]) != "null" || len(got) != 4 {
		t.Errorf("got %s", got)
	}
	var entries []row
	if err := json.Unmarshal(got["entries"], &entries); err != nil || len(entries) != 1 {
		t.Fatalf("got %s, %v", got["entries"], err)
	}
	id, _ := entries[0]["id"].(string)
	want := row{
		"id": id, "range": "203.0.113.0/24", "first": "203.0.113.0", "last": "203.0.113.255", "addresses": "256",
		"label": "HQ", "note": "", "owner": "", "enabled": true, "not_before": nil, "expires": nil, "roles": []any{}, "admins": []any{},
		"created": "2026-11-24T12:00:00Z", "created_by": "test", "last_used": "2026-11-24T12:00:00Z", "uses_30d": 3.0,
	}
	if id == "" || !reflect.DeepEqual(entries[0], want) {
		t.Errorf("got %v, want %v", entries[0], want)
	}
}

// TestAPIPutNetworks edits the way scripts do: read, change, send back.
func TestAPIPutNetworks(t *testing.T) {
	s := newAPISite(t)
	var l shownList
	s.get("owner", "networks", &l)
	l.Entries[0]["label"] = "Shanghai"
	l.Entries = append(l.Entries, row{
		"range": "2001:db8::7/48", "label": "Lab", "note": "line\nline", "owner": "li.na", "enabled": false,
		"not_before": "2026-12-01T08:00:00+08:00", "expires": "2027-01-01T00:00:00Z", "roles": []string{"owner"}, "admins": []string{"MEMBER"},
	})
	body := must(json.Marshal(row{"base_version": l.Version, "mode": "enforced", "entries": l.Entries, "reason": "new lab", "accept": []string{"wide"}}))
	var done struct {
		Version  int64
		Pending  any
		Warnings []fieldProblem
	}
	s.ok(s.do("owner", "PUT", "networks", string(body)), 200, &done)
	if done.Version != l.Version+1 || done.Pending != nil || len(done.Warnings) != 1 || done.Warnings[0].Field != "entries[1].range" || done.Warnings[0].Code != "stored_as" {
		t.Errorf("got %+v", done)
	}
	var after shownList
	s.get("owner", "networks", &after)
	if e := after.Entries[0]; e["label"] != "Shanghai" || e["id"] != l.Entries[0]["id"] || e["created"] != l.Entries[0]["created"] {
		t.Errorf("changed entry: got %v", e)
	}
	e := after.Entries[1]
	if e["range"] != "2001:db8::/48" || e["addresses"] != "1208925819614629174706176" || e["enabled"] != false ||
		e["not_before"] != "2026-12-01T00:00:00Z" || e["note"] != "line\nline" || len(e["admins"].([]any)) != 1 || e["created_by"] != "owner" {
		t.Errorf("new entry: got %v", e)
	}

	var conflict struct{ Theirs shownList }
	a := s.do("owner", "PUT", "networks", string(body))
	s.refused(a, 409, "version_conflict")
	if err := json.Unmarshal([]byte(a.body), &conflict); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(conflict.Theirs, after) {
		t.Errorf("theirs: got %+v, want %+v", conflict.Theirs, after)
	}
}

func TestAPIPutNetworksRefused(t *testing.T) {
	s := newAPISite(t)
	put := func(rest string) string { return `{"base_version":2,"mode":"enforced",` + rest + `}` }
	entry := func(rest string) string {
		return put(`"entries":[{"range":"203.0.113.0/24","label":"HQ"},{"label":"x",` + rest + `}]`)
	}
	tests := []struct {
		name, body string
		status     int
		code       string
		fields     []string
	}{
		{"nothing", `{}`, 422, "invalid", []string{"base_version required", "mode required", "entries required"}},
		{"no entries", `{"base_version":2,"mode":"off"}`, 422, "invalid", []string{"entries required"}},
		{"entries null", put(`"entries":null`), 422, "invalid", []string{"entries required"}},
		{"no time to confirm", put(`"entries":[],"confirm_within":"soon"`), 422, "invalid", []string{"confirm_within invalid"}},
		{"negative time to confirm", put(`"entries":[],"confirm_within":-5`), 422, "invalid", []string{"confirm_within invalid"}},
		{"short time to confirm", put(`"entries":[],"confirm_within":"4s"`), 422, "invalid", []string{"confirm_within out_of_range"}},
		{"long time to confirm", put(`"entries":[],"confirm_within":86401`), 422, "invalid", []string{"confirm_within out_of_range"}},
		{"time to confirm is a list", put(`"entries":[],"confirm_within":["5m"]`), 400, "malformed", []string{"confirm_within wrong_type"}},
		{"unknown consent", put(`"entries":[],"accept":["wide","all"]`), 422, "invalid", []string{"accept[1] unknown"}},
		{"unknown mode", `{"base_version":2,"mode":"on","entries":[]}`, 422, "invalid", []string{"mode unknown"}},
		{"mode is a number", `{"base_version":2,"mode":1,"entries":[]}`, 400, "malformed", []string{"mode wrong_type"}},
		{"long reason", put(`"entries":[],"reason":"` + strings.Repeat("a", 2001) + `"`), 422, "invalid", []string{"reason too_long"}},
		{"no range", entry(`"note":""`), 422, "invalid", []string{"entries[1].range empty"}},
		{"bad range", entry(`"range":"10.0.0.300"`), 422, "invalid", []string{"entries[1].range octet_too_large"}},
		{"everything", entry(`"range":"0.0.0.0/0"`), 422, "invalid", []string{"entries[1].range everything"}},
		{"wide", entry(`"range":"8.0.0.0/8"`), 422, "invalid", []string{"entries[1].range wide"}},
		{"duplicate", entry(`"range":"203.0.113.7/24"`), 422, "invalid", []string{"entries[1].range duplicate"}},
		{"label in an unknown spelling", entry(`"range":"10.0.0.1","Label":"y"`), 400, "malformed", []string{"entries[1].Label unknown_field"}},
		{"no time", entry(`"range":"10.0.0.1","expires":"tomorrow"`), 422, "invalid", []string{"entries[1].expires invalid"}},
		{"the zero time is no bound", entry(`"range":"10.0.0.1","not_before":"0001-01-01T00:00:00Z"`), 422, "invalid", []string{"entries[1].not_before invalid"}},
		{"ends before it begins", entry(`"range":"10.0.0.1","not_before":"2027-01-02T00:00:00Z","expires":"2027-01-01T00:00:00Z"`), 422, "invalid", []string{"entries[1].expires before_begin"}},
		{"unknown role", entry(`"range":"10.0.0.1","roles":["root"]`), 422, "invalid", []string{"entries[1].roles unknown"}},
		{"unknown admin", entry(`"range":"10.0.0.1","admins":["nobody"]`), 422, "invalid", []string{"entries[1].admins unknown"}},
		{"admin of another tenant", entry(`"range":"10.0.0.1","admins":["stranger"]`), 422, "invalid", []string{"entries[1].admins unknown"}},
		{"unknown id", entry(`"range":"10.0.0.1","id":"x"`), 422, "invalid", []string{"entries[1].id unknown"}},
		{"two wrong", put(`"entries":[{"range":"x","label":"a"},{"range":"10.0.0.1"}]`), 422, "invalid", []string{"entries[0].range not_an_address", "entries[1].label required"}},
		{"too many", put(`"entries":[` + strings.Repeat("{},", 5000) + `{}]`), 422, "invalid", []string{"entries too_many"}},
		{"you", put(`"entries":[{"range":"10.0.0.0/24","label":"x"}]`), 409, "would_lock_you_out", nil},
		{"everyone", put(`"entries":[]`), 409, "would_lock_everyone_out", nil},
		{"everyone, switched off", put(`"entries":[{"range":"203.0.113.0/24","label":"HQ","enabled":false}]`), 409, "would_lock_everyone_out", nil},
		{"everyone, later", put(`"entries":[{"range":"203.0.113.0/24","label":"HQ","expires":"2026-12-24T12:00:00Z"}]`), 409, "would_lock_everyone_out", nil},
		{"the others", put(`"entries":[{"range":"203.0.113.0/24","label":"HQ","admins":["owner"]}]`), 409, "would_cut_off_admins", nil},
		{"own address, and nobody has to confirm", put(`"entries":[{"range":"10.0.0.0/24","label":"x"}],"accept":["own_address","few_admins"]`), 409, "would_lock_you_out", nil},
		{"older version", `{"base_version":1,"mode":"enforced","entries":[]}`, 409, "version_conflict", nil},
		{"version of the future", `{"base_version":3,"mode":"enforced","entries":[]}`, 409, "version_conflict", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.T = t
			s.refused(s.do("owner", "PUT", "networks", tt.body), tt.status, tt.code, tt.fields...)
		})
	}
	s.T = t
	if version, ranges := s.ranges(); version != 2 || !reflect.DeepEqual(ranges, []string{"203.0.113.0/24"}) {
		t.Errorf("after all refusals: got version %d, %q", version, ranges)
	}
}

func TestAPIEntries(t *testing.T) {
	s := newAPISite(t)
	var done struct {
		Version  int64
		Entry    row
		Warnings []fieldProblem
	}
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"10.0.0.7/24","label":"Lab"}`), 201, &done)
	if done.Version != 3 || done.Entry["range"] != "10.0.0.0/24" || done.Entry["enabled"] != true || done.Entry["id"] == "" {
		t.Errorf("got %+v", done)
	}
	if got, want := fmt.Sprint(done.Warnings), "[{range stored_as 10.0.0.7/24 is stored as 10.0.0.0/24} {range private "; !strings.HasPrefix(got, want) || len(done.Warnings) != 2 {
		t.Errorf("warnings: got %s, want %s…", got, want)
	}
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"8.0.0.0/8","label":"Wide","accept":["wide"]}`), 201, &done)
	if len(done.Warnings) != 0 {
		t.Errorf("warnings about entries that were there: %+v", done.Warnings)
	}
	wide := done.Entry["id"].(string)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"2001:db8::/48","label":"v6"}`), 201, &done)

	for _, tt := range []struct {
		name, body string
		fields     []string
	}{
		{"empty", `{}`, []string{"range empty", "label required"}},
		{"duplicate", `{"range":"10.0.0.9/24","label":"x"}`, []string{"range duplicate"}},
		{"wide", `{"range":"9.0.0.0/8","label":"x"}`, []string{"range wide"}},
		{"an id", `{"range":"10.0.0.1","label":"x","id":"` + wide + `"}`, []string{"id not_allowed"}},
		{"no time", `{"range":"10.0.0.1","label":"x","expires":"8h"}`, []string{"expires invalid"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.T = t
			s.refused(s.do("owner", "POST", "networks/entries", tt.body), 422, "invalid", tt.fields...)
		})
	}
	s.T = t

	for _, name := range []string{wide, "10.0.0.0%2F24", url.PathEscape("2001:db8:0::/48")} {
		s.ok(s.do("owner", "DELETE", "networks/entries/"+name, ""), 200, &done)
		s.refused(s.do("owner", "DELETE", "networks/entries/"+name, ""), 404, "not_found")
	}
	s.refused(s.do("owner", "DELETE", "networks/entries/203.0.113.0/24", ""), 409, "would_lock_everyone_out")
	if version, ranges := s.ranges(); version != 8 || !reflect.DeepEqual(ranges, []string{"203.0.113.0/24"}) {
		t.Errorf("got version %d, %q", version, ranges)
	}
}

func TestAPICheck(t *testing.T) {
	s := newAPISite(t)
	later := apiStart.Add(30 * time.Minute)
	s.clock.Store(&later)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"192.0.2.0/24","label":"Lab","expires":"2026-11-25T12:00:00Z"}`), 201, &row{})
	tests := []struct {
		query   string
		allowed bool
		reason  string
		entry   string
		nearest string
		off     int
		version float64
	}{
		{"address=203.0.113.7", true, "network", "HQ", "", 0, 3},
		{"address=::ffff:203.0.113.7", true, "network", "HQ", "", 0, 3},
		{"address=192.0.2.9", true, "network", "Lab", "", 0, 3},
		{"address=203.0.112.7", false, "outside_networks", "", "HQ", 0, 3},
		{"address=2001:db8::1", false, "outside_networks", "", "", 0, 3},
		{"address=192.0.2.9&at=2026-11-25T12:00:00Z", false, "outside_networks", "", "HQ", 1, 3},
		{"address=192.0.2.9&at=2026-11-24T12:29:59Z", false, "outside_networks", "", "HQ", 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			s.T = t
			var got struct {
				Allowed bool
				Reason  string
				Entry   row
				Nearest struct {
					Entry  row
					Prefix string
					Bit    int
				}
				Off     []row
				Version float64
				Mode    string
			}
			s.get("reviewer", "networks/check?"+tt.query, &got)
			entry, _ := got.Entry["label"].(string)
			near, _ := got.Nearest.Entry["label"].(string)
			if got.Allowed != tt.allowed || got.Reason != tt.reason || entry != tt.entry || near != tt.nearest ||
				len(got.Off) != tt.off || got.Version != tt.version || got.Mode != "enforced" {
				t.Errorf("got %+v", got)
			}
		})
	}
	s.T = t
	s.refused(s.do("owner", "GET", "networks/check", ""), 400, "malformed", "address required")
	s.refused(s.do("owner", "GET", "networks/check?address=010.0.0.1&at=now", ""), 400, "malformed", "address invalid", "at invalid")
	s.refused(s.do("owner", "GET", "networks/check?address=10.0.0.0/8", ""), 400, "malformed", "address invalid")
	s.refused(s.do("owner", "GET", "networks/check?address=10.0.0.1&at=2026-01-01T00:00:00Z", ""), 404, "not_found")
}

func TestAPIVersions(t *testing.T) {
	s := newAPISite(t)
	for i := range 4 {
		s.ok(s.do("owner", "POST", "networks/entries", fmt.Sprintf(`{"range":"10.0.0.%d","label":"x"}`, i)), 201, &row{})
	}
	var got []float64
	s.walk("reviewer", "networks/versions?limit=2", func(r row) {
		got = append(got, r["version"].(float64))
		if _, has := r["entries"]; has {
			t.Error("a version in a list has entries")
		}
	})
	if want := []float64{6, 5, 4, 3, 2, 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("versions: got %v, want %v", got, want)
	}
	var v struct {
		row
		Version, Added int
		By, Mode, Time string
		Entries        []row
	}
	s.get("reviewer", "networks/versions/4", &v)
	if v.Version != 4 || v.Added != 1 || v.By != "owner" || v.Mode != "enforced" || len(v.Entries) != 3 || v.Time != "2026-11-24T12:00:00Z" {
		t.Errorf("version 4: got %+v", v)
	}
	s.get("reviewer", "networks/versions/1", &v)
	if v.Entries == nil || len(v.Entries) != 0 {
		t.Errorf("version 1: got %v, want an empty list", v.Entries)
	}
	for _, n := range []string{"0", "-1", "7", "x", "1/2", "99999999999999999999"} {
		s.refused(s.do("owner", "GET", "networks/versions/"+n, ""), 404, "not_found")
	}
}

// walk calls f for every item of a list, page by page.
func (s *apiSite) walk(as, path string, f func(row)) (pages int) {
	s.Helper()
	for next := ""; ; {
		var l list[row]
		s.get(as, path+next, &l)
		pages++
		for _, item := range l.Items {
			f(item)
		}
		if l.Next == "" {
			return pages
		}
		if len(l.Items) == 0 || pages > 1000 {
			s.Fatalf("page %d has %d items and a cursor", pages, len(l.Items))
		}
		next = "&cursor=" + l.Next
	}
}

func TestAPICompareVersions(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"10.0.0.0/24","label":"Lab"}`), 201, &row{})
	var l shownList
	s.get("owner", "networks", &l)
	l.Entries[0]["label"] = "Shanghai"
	put := must(json.Marshal(row{"base_version": 3, "mode": "enforced", "entries": l.Entries[:1]}))
	s.ok(s.do("owner", "PUT", "networks", string(put)), 200, &row{})
	for _, tt := range []struct {
		query   string
		against int
		want    []string
	}{
		{"4", 3, []string{"changed HQ Shanghai [label]", "removed Lab  []"}},
		{"3", 2, []string{"added  Lab []"}},
		{"1", 0, []string{}},
		{"2", 1, []string{"added  HQ []"}},
		{"4?against=1", 1, []string{"added  Shanghai []"}},
		{"2?against=4", 4, []string{"changed Shanghai HQ [label]"}},
		{"4?against=4", 4, []string{}},
	} {
		var v struct {
			row
			Against int
			Changes []struct {
				Change        string
				Before, After *struct{ Label string }
				Fields        []string
			}
		}
		s.get("reviewer", "networks/versions/"+tt.query, &v)
		got := []string{}
		for _, c := range v.Changes {
			var before, after string
			if c.Before != nil {
				before = c.Before.Label
			}
			if c.After != nil {
				after = c.After.Label
			}
			got = append(got, fmt.Sprint(c.Change, " ", before, " ", after, " ", c.Fields))
		}
		if !reflect.DeepEqual(got, tt.want) || v.Against != tt.against {
			t.Errorf("%s: got %q against %d, want %q against %d", tt.query, got, v.Against, tt.want, tt.against)
		}
	}
	s.refused(s.do("owner", "GET", "networks/versions/2?against=0", ""), 400, "malformed", "against invalid")
	s.refused(s.do("owner", "GET", "networks/versions/2?against=9", ""), 404, "not_found")
}

func TestAPIRestore(t *testing.T) {
	s := newAPISite(t)
	s.ok(s.do("owner", "POST", "networks/entries", `{"range":"10.0.0.0/24","label":"Lab","note":"racks"}`), 201, &row{})
	var l shownList
	s.get("owner", "networks", &l)
	s.ok(s.do("owner", "DELETE", "networks/entries/10.0.0.0/24", ""), 200, &row{})
	var restored row
	s.ok(s.do("owner", "POST", "networks/versions/3/restore", ""), 200, &restored)
	lab := row{
		"range": "10.0.0.0/24", "label": "Lab", "note": "racks", "owner": "", "enabled": true,
		"not_before": nil, "expires": nil, "roles": []any{}, "admins": []any{},
	}
	entries, _ := restored["entries"].([]any)
	if len(entries) != 2 || !reflect.DeepEqual(entries[1], any(map[string]any(lab))) || restored["base_version"] != 4.0 || restored["changes"] != 1.0 {
		t.Fatalf("got %v, want %v", restored, lab)
	}
	if _, ranges := s.ranges(); len(ranges) != 1 {
		t.Errorf("restoring as a draft changed the list to %v", ranges)
	}
	drafts := must(s.WorkingDrafts(s.ctx, apiCommand, s.acme.ID))
	if len(drafts) != 1 || drafts[0].Login != "owner" || drafts[0].Restores != 3 {
		t.Errorf("got drafts %+v", drafts)
	}
	// The answer is what PUT takes.
	delete(restored, "changes")
	s.ok(s.do("owner", "PUT", "networks", string(must(json.Marshal(restored)))), 200, &row{})
	if _, ranges := s.ranges(); len(ranges) != 2 {
		t.Errorf("got %v", ranges)
	}
	for _, n := range []string{"0", "9", "x", "3/restore"} {
		s.refused(s.do("owner", "POST", "networks/versions/"+n+"/restore", ""), 404, "not_found")
	}
}
