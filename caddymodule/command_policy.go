package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// settingsView is what a tenant chose, in JSON, with the names of the API.
type settingsView struct {
	Version      int64   `json:"version"`
	Retention    *string `json:"retention"`               // null: as long as the operator allows
	ShortenAfter *string `json:"shorten_addresses_after"` // null: never
	CheckOutside bool    `json:"check_passwords_from_outside"`
	Requests     bool    `json:"access_requests"`
}

func viewSettings(s *gate.Settings) settingsView {
	return settingsView{s.Version, present(daysText(s.Retention)), present(daysText(s.ShortenAfter)), s.CheckOutside, !s.NoRequests}
}

func (v settingsView) print(w io.Writer) {
	row(w, "retention", or(v.Retention, "as long as the operator allows"))
	row(w, "shorten addresses after", or(v.ShortenAfter, "never"))
	row(w, "check passwords from outside", onOffText(v.CheckOutside))
	row(w, "access requests", onOffText(v.Requests))
}

func or(text *string, none string) string {
	if text == nil {
		return none
	}
	return *text
}

func onOffText(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// daysText writes a span in days, as far as it has whole ones; empty: none.
func daysText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return ""
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// settingsFlags are the options of tenant set that are no part of the list.
var settingsFlags = []string{"retention", "shorten-after", "check-passwords", "access-requests"}

func (c *call) givenSettings() bool { return slices.ContainsFunc(settingsFlags, c.given) }

// settings reads what is to be changed of what a tenant chose.
func (c *call) settings() (func(*gate.Settings), error) {
	retention, err1 := c.spanOr("retention", "default")
	shorten, err2 := c.spanOr("shorten-after", "never")
	check, err3 := c.onOff("check-passwords")
	requests, err4 := c.onOff("access-requests")
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	return func(s *gate.Settings) {
		setIf(&s.Retention, ifGiven(c, "retention", retention))
		setIf(&s.ShortenAfter, ifGiven(c, "shorten-after", shorten))
		setIf(&s.CheckOutside, ifGiven(c, "check-passwords", check))
		setIf(&s.NoRequests, ifGiven(c, "access-requests", !requests))
	}, nil
}

func setIf[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// spanOr reads a flag with a span of time, or the word for none.
func (c *call) spanOr(flag, none string) (time.Duration, error) {
	text := c.text(flag)
	if !c.given(flag) || text == none {
		return 0, nil
	}
	d, err := caddy.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usage("--%s %q is no span of time: write 183d, or %s", flag, text, none)
	}
	return d, nil
}

func (c *call) onOff(flag string) (bool, error) {
	switch text := c.text(flag); {
	case !c.given(flag) || text == "off":
		return false, nil
	case text != "on":
		return false, usage("--%s is %q: write on or off", flag, text)
	}
	return true, nil
}

// choose changes what a tenant chose, where that was asked for, and returns the
// tenant as it is then.
func (c *call) choose(t *gate.Tenant, change func(*gate.Settings)) (*gate.Tenant, error) {
	if !c.givenSettings() {
		return t, nil
	}
	if c.at.retention != nil {
		c.SetRetention(*c.at.retention)
	} else { // the operator's bounds are not known here; a gateway keeps to its own
		c.SetRetention(gate.RetentionBounds{Floor: gate.MinRetention, Most: gate.MaxRetention})
	}
	s := t.Settings
	change(&s)
	_, err := c.SetSettings(c.ctx(), c.by, t.ID, s)
	if errors.Is(err, gate.ErrChanged) {
		return nil, errors.New("somebody else changed the tenant at the same moment: look at it and try again")
	}
	if err := stored(err); err != nil {
		return nil, err
	}
	return c.tenant(t.Slug)
}
