package web

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Bounds of what is asked for.
const (
	defaultLimit = 100
	maxLimit     = 500
	maxValues    = 100 // of all filters of one request together
	maxLogin     = 1000
)

// pageParams are the parameters of every list.
var pageParams = []string{"limit", "cursor"}

// filterFields are the fields of an attempt that can be filtered by, each also
// as "not." and its name.
var filterFields = []gate.Field{
	gate.FieldOutcome, gate.FieldReason, gate.FieldStage, gate.FieldAddress, gate.FieldLogin, gate.FieldReference,
	gate.FieldCountry, gate.FieldASN,
	gate.FieldPassword,
}

var attemptParams = func() []string {
	params := append([]string{"since", "until", "group_by"}, pageParams...)
	for _, f := range filterFields {
		params = append(params, string(f), "not."+string(f))
	}
	return params
}()

// query is what stands behind the ? of a URL: each parameter once, and all of
// them known. Its methods note what is wrong with values; err has the notes.
type query struct {
	values map[string]string
	bad    []fieldProblem
}

// parseQuery reads a query string and refuses unknown and doubled parameters:
// a filter that is misspelled or overwritten would show something else than
// was asked for.
func parseQuery(raw string, known []string) (query, error) {
	parsed, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, malformed.problem("the query string cannot be read: it has a bad escape or a semicolon")
	}
	q := query{values: make(map[string]string, len(parsed))}
	for _, name := range slices.Sorted(maps.Keys(parsed)) {
		switch {
		case !slices.Contains(known, name):
			q.note(shorten(name), "unknown_parameter", "there is no such parameter here")
		case len(parsed[name]) > 1:
			q.note(name, "doubled", "the parameter stands here twice")
		case parsed[name][0] == "":
			q.note(name, "empty", "leave the parameter away or give it a value")
		}
		q.values[name] = parsed[name][0]
	}
	return q, q.err()
}

func (q *query) note(field, code, format string, args ...any) {
	q.bad = append(q.bad, fieldProblem{field, code, fmt.Sprintf(format, args...)})
}

// err is what is wrong with the query; nil: nothing so far.
func (q *query) err() error {
	if len(q.bad) == 0 {
		return nil
	}
	return malformed.problem("", q.bad...)
}

// limit is how many items a page has.
func (q *query) limit() int {
	text, ok := q.values["limit"]
	if !ok {
		return defaultLimit
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < 1 || n > maxLimit {
		q.note("limit", "invalid", "write a number from 1 to %d", maxLimit)
	}
	return int(n)
}

// time reads a moment; zero: there is none.
func (q *query) time(name string) time.Time {
	text, ok := q.values[name]
	if !ok {
		return time.Time{}
	}
	t, err := parseTime(text)
	if err != nil {
		q.note(name, "invalid", "%s", err)
	}
	return t
}

// parseTime reads a moment as RFC 3339 writes it. The years are those that the
// store can keep; above all the zero time, which means "none", is refused.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1971 || t.Year() > 9998 {
		return time.Time{}, fmt.Errorf("write a time like 2026-01-31T08:00:00Z")
	}
	return t.UTC(), nil
}

// cursor is the position of the last item of a page, in a list that is sorted
// newest first. To clients it is opaque.
type cursor struct {
	list string // which list, so that one cursor cannot be taken for another
	at   int64  // unix µs, or a version or position
	id   string
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %s", c.list, c.at, c.id))
}

// cursor reads the cursor of a list; zero: from the newest on.
func (q *query) cursor(list string) (c cursor) {
	text, ok := q.values["cursor"]
	if !ok {
		return c
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	name, rest, _ := strings.Cut(string(decoded), " ")
	at, id, found := strings.Cut(rest, " ")
	c = cursor{list: name, id: id}
	if c.at, _ = strconv.ParseInt(at, 10, 64); err != nil || !found || name != list || c.at <= 0 || c.String() != text {
		q.note("cursor", "invalid", "this is no next_cursor of this list")
		return cursor{}
	}
	return c
}

// moment is the cursor of a list that is sorted by time.
func (c cursor) moment() gate.Cursor {
	if c.at == 0 {
		return gate.Cursor{}
	}
	return gate.Cursor{Time: time.UnixMicro(c.at).UTC(), ID: c.id}
}

// filter reads what selects attempts. Several values of one filter are parted
// by commas, except logins, which may have commas in them.
func (q *query) filter(tenant string) gate.AttemptFilter {
	f := gate.AttemptFilter{Tenant: tenant, Since: q.time("since"), Until: q.time("until")}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		q.note("until", "before_since", "it is not after since")
	}
	for _, field := range filterFields {
		for _, name := range []string{string(field), "not." + string(field)} {
			text, ok := q.values[name]
			if !ok {
				continue
			}
			values := []string{text}
			if field != gate.FieldLogin {
				values = strings.Split(text, ",")
			}
			if len(f.Where)+len(values) > maxValues {
				q.note(name, "too_many", "at most %d values in all filters", maxValues)
				return f
			}
			for _, value := range values {
				f.Where = append(f.Where, q.condition(field, name, value))
			}
		}
	}
	return f
}

// condition reads one value of one filter.
func (q *query) condition(field gate.Field, name, value string) gate.Condition {
	c := gate.Condition{Field: field, Value: value, Not: name != string(field)}
	switch field {
	case gate.FieldOutcome:
		oneOf(q, name, value, gate.Outcomes)
	case gate.FieldReason:
		oneOf(q, name, value, gate.Reasons)
	case gate.FieldStage:
		oneOf(q, name, value, gate.Stages)
	case gate.FieldPassword:
		oneOf(q, name, value, []gate.PasswordCheck{gate.PasswordRight})
	case gate.FieldLogin:
		if len(value) > maxLogin {
			q.note(name, "too_long", "no login has more than %d bytes", maxLogin)
		}
	case gate.FieldReference:
		canonical, err := auth.ParseReference(value)
		if err != nil {
			q.note(name, "invalid", "%s", err)
		}
		c.Value = canonical
	case gate.FieldAddress:
		c.Value, c.Range = "", q.prefix(name, value)
	case gate.FieldCountry:
		if c.Value = strings.ToUpper(value); !twoLetters.MatchString(c.Value) {
			q.note(name, "invalid", "write a code of two letters, like SG")
		}
	case gate.FieldASN:
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(value), "AS"), 10, 32)
		if err != nil || n == 0 {
			q.note(name, "invalid", "write the number of a network, like AS64500")
		}
		c.Value = strconv.FormatUint(n, 10)
	}
	return c
}

// twoLetters is how countries and regions are named.
var twoLetters = regexp.MustCompile(`^[A-Z]{2}$`)

// prefix reads an address or a CIDR.
func (q *query) prefix(name, value string) netip.Prefix {
	r, _, err := cidr.Parse(value)
	if err != nil {
		q.note(name, "invalid", "%s", err)
		return netip.Prefix{}
	}
	prefixes := r.Prefixes()
	if len(prefixes) != 1 {
		q.note(name, "invalid", "%s is no CIDR: its addresses are %d of them", r, len(prefixes))
	}
	return prefixes[0]
}

// oneOf notes a value that is not in a closed list.
func oneOf[T ~string](q *query, name, value string, all []T) {
	if !slices.Contains(all, T(value)) {
		q.note(name, "unknown", "write one of %s", joined(all))
	}
}

func joined[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}
