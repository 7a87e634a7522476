package web

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// readQuery reads a query the way getAttempts does.
func readQuery(raw string) (gate.AttemptFilter, int, cursor, error) {
	q, err := parseQuery(raw, attemptParams)
	if err != nil {
		return gate.AttemptFilter{}, 0, cursor{}, err
	}
	f, limit, from := q.filter("acme"), q.limit(), q.cursor("attempts")
	return f, limit, from, q.err()
}

func TestQueryRefused(t *testing.T) {
	tests := []struct{ name, raw, field, code string }{
		{"bad escape", "reason=%zz", "", ""},
		{"semicolon", "limit=5;reason=throttled", "", ""},
		{"unknown", "reasons=throttled", "reasons", "unknown_parameter"},
		{"in another case", "Reason=throttled", "Reason", "unknown_parameter"},
		{"no such negation", "not.since=2026-01-01T00:00:00Z", "not.since", "unknown_parameter"},
		{"doubled", "reason=throttled&reason=throttled", "reason", "doubled"},
		{"empty", "login=", "login", "empty"},
		{"limit of nothing", "limit=0", "limit", "invalid"},
		{"limit too high", "limit=501", "limit", "invalid"},
		{"negative limit", "limit=-1", "limit", "invalid"},
		{"limit in words", "limit=ten", "limit", "invalid"},
		{"endless limit", "limit=99999999999999999999", "limit", "invalid"},
		{"day without time", "since=2026-01-31", "since", "invalid"},
		{"time without zone", "since=2026-01-31T08:00:00", "since", "invalid"},
		{"the zero time", "until=0001-01-01T00:00:00Z", "until", "invalid"},
		{"until before since", "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until", "before_since"},
		{"unknown outcome", "outcome=block", "outcome", "unknown"},
		{"unknown reason", "not.reason=outside", "not.reason", "unknown"},
		{"unknown stage", "stage=door", "stage", "unknown"},
		{"one of two unknown", "reason=throttled,x", "reason", "unknown"},
		{"empty one of two", "reason=throttled,", "reason", "unknown"},
		{"no address", "address=203.0.113.300", "address", "invalid"},
		{"a range that is no CIDR", "address=203.0.113.1-203.0.113.9", "address", "invalid"},
		{"mistyped reference", "reference=SP-0000-0001", "reference", "invalid"},
		{"endless login", "login=" + strings.Repeat("a", maxLogin+1), "login", "too_long"},
		{"too many values", "address=" + strings.Repeat("203.0.113.7,", maxValues) + "203.0.113.7", "address", "too_many"},
		{"garbled cursor", "cursor=abc", "cursor", "invalid"},
		{"cursor of another list", "cursor=" + cursor{"sessions", 1, "x"}.String(), "cursor", "invalid"},
		{"cursor with padding", "cursor=" + cursor{"attempts", 1, "x"}.String() + "%3D", "cursor", "invalid"},
		{"cursor before all time", "cursor=" + cursor{"attempts", -1, "x"}.String(), "cursor", "invalid"},
		{"cursor in another spelling", "cursor=" + cursor{"attempts", 1, "x"}.String()[:4] + "%0A" + cursor{"attempts", 1, "x"}.String()[4:], "cursor", "invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, err := readQuery(tt.raw)
			checkProblem(t, err, 400, tt.field, tt.code)
		})
	}
}

func TestQueryNamesEverythingWrong(t *testing.T) {
	_, _, _, err := readQuery("limit=0&since=x&reason=y&cursor=z")
	p, ok := errors.AsType[problem](err)
	if !ok {
		t.Fatalf("got %v, want a problem", err)
	}
	fields := map[string]bool{}
	for _, e := range p.Errors {
		fields[e.Field] = true
	}
	if len(p.Errors) != 4 || len(fields) != 4 {
		t.Errorf("got %+v, want limit, since, reason and cursor", p.Errors)
	}
}

func TestQueryTaken(t *testing.T) {
	at := cursor{"attempts", 1764000000000000, "SP-ABCD-EFGH"}
	f, limit, from, err := readQuery(url.Values{
		"limit": {"7"}, "cursor": {at.String()}, "since": {"2026-01-31T09:00:00.5+01:00"},
		"reason": {"throttled,bad_code"}, "not.address": {"::ffff:203.0.113.9/120"}, "login": {"li,na"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if limit != 7 || from != at {
		t.Errorf("page: got %d %v, want 7 %v", limit, from, at)
	}
	if want := time.Date(2026, 1, 31, 8, 0, 0, 5e8, time.UTC); f.Since != want {
		t.Errorf("since: got %v, want %v", f.Since, want)
	}
	const want = "[{reason throttled invalid Prefix false} {reason bad_code invalid Prefix false} {address  203.0.113.0/24 true} {login li,na invalid Prefix false}]"
	if got := fmt.Sprint(f.Where); got != want {
		t.Errorf("conditions:\n got %s\nwant %s", got, want)
	}
	if got := from.moment().Time.UnixMicro(); got != at.at {
		t.Errorf("cursor: got %d, want %d", got, at.at)
	}
}

// FuzzQuery holds that whatever stands behind a ? is either read or a problem
// of status 400, and that what is read is within bounds.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "limit=5&cursor=YXR0ZW1wdHMgMSB4", "reason=throttled,bad_code&not.address=10.0.0.0/8", "since=2026-01-01T00:00:00Z&login=%00", "reference=sp7k3m9qxd", "group_by=address&a=b&a=c", "address=::1-::2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		filter, limit, from, err := readQuery(raw)
		if err != nil {
			if p, ok := errors.AsType[problem](err); !ok || p.Status != 400 || p.Detail == "" {
				t.Fatalf("got %#v", err)
			}
			return
		}
		if limit < 1 || limit > maxLimit || len(filter.Where) > maxValues || filter.Tenant != "acme" {
			t.Errorf("got limit %d, %d conditions, tenant %q", limit, len(filter.Where), filter.Tenant)
		}
		for _, c := range filter.Where {
			if (c.Field == gate.FieldAddress) != c.Range.IsValid() {
				t.Errorf("condition %+v", c)
			}
		}
		if from != (cursor{}) && from.at <= 0 {
			t.Errorf("cursor %+v", from)
		}
	})
}
