package gate_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// tokenOf makes a token of acme and returns its secret.
func (w *world) tokenOf(n gate.NewToken) string {
	w.Helper()
	if n.Scopes == nil {
		n.Scopes = []gate.Scope{gate.ScopeNetworksRead}
	}
	_, secret, err := w.AddToken(w.Context(), command, w.acme.ID, n)
	if err != nil {
		w.Fatal(err)
	}
	return secret
}

// bearing is a call from an address with a token.
func (w *world) bearing(address, token string) *gate.Request {
	q := w.from(address)
	q.Bearer = token
	return q
}

func TestBearer(t *testing.T) {
	w := newWorld(t)
	w.tenant("globex", gate.ModeOff, "globex.example")
	w.add("acme", gate.Draft{Range: "198.51.100.128/25", Label: "Owners", Enabled: true, Roles: []gate.Role{gate.RoleOwner}})
	listed := w.tokenOf(gate.NewToken{Name: "listed"})
	own := w.tokenOf(gate.NewToken{Name: "own", Networks: []string{"198.51.100.7", "2001:db8::/64"}})
	ends := w.tokenOf(gate.NewToken{Name: "ends", Expires: w.clock.Now().Add(time.Hour), Networks: []string{"198.51.100.8"}})
	member := w.person("mo", gate.RoleMember)
	session := w.signIn(inside, member.Login)
	globex, err := w.Tenant(w.Context(), "globex")
	if err != nil {
		t.Fatal(err)
	}
	_, theirs, err := w.AddToken(w.Context(), command, globex.ID, gate.NewToken{Name: "theirs", Scopes: gate.Scopes, Networks: []string{outside}})
	if err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		address, token string
		change         func(q *gate.Request)
		outcome        gate.Outcome
		reason         gate.Reason
	}{
		"from the list":                        {inside, listed, nil, gate.Allowed, gate.ByNetwork},
		"from outside":                         {outside, listed, nil, gate.Blocked, gate.OutsideNetworks},
		"from an operator's network":           {operators, listed, nil, gate.Allowed, gate.ByOperatorNetwork},
		"from an entry for some people":        {"198.51.100.200", listed, nil, gate.Blocked, gate.OutsideNetworks},
		"from its own":                         {outside, own, nil, gate.Allowed, gate.ByNetwork},
		"from its own, IPv6":                   {"2001:db8::9", own, nil, gate.Allowed, gate.ByNetwork},
		"from the list, not its own":           {inside, own, nil, gate.Blocked, gate.OutsideNetworks},
		"from an operator's, not its own":      {operators, own, nil, gate.Blocked, gate.OutsideNetworks},
		"unknown":                              {inside, "spt_unknown", nil, gate.Refused, gate.BadCredentials},
		"unknown, from outside":                {outside, "spt_unknown", nil, gate.Blocked, gate.OutsideNetworks},
		"a session for a token":                {inside, session, nil, gate.Refused, gate.BadCredentials},
		"a token for a session":                {inside, "", func(q *gate.Request) { q.Token = listed }, gate.Refused, gate.SessionInvalid},
		"of another tenant":                    {inside, theirs, nil, gate.Refused, gate.WrongTenant},
		"of another tenant, from its own":      {outside, theirs, nil, gate.Blocked, gate.OutsideNetworks},
		"with two credentials":                 {inside, listed, func(q *gate.Request) { q.Token, q.Doubled = session, true }, gate.Refused, gate.SessionInvalid},
		"with two credentials, from its own":   {outside, own, func(q *gate.Request) { q.Doubled = true }, gate.Blocked, gate.OutsideNetworks},
		"where the address is unknown":         {inside, own, func(q *gate.Request) { q.Address.Addr = netip.Addr{} }, gate.Blocked, gate.AddressUnknown},
		"at another tenant's site":             {outside, own, func(q *gate.Request) { q.Host = "globex.example" }, gate.Refused, gate.WrongTenant},
		"at no site":                           {inside, listed, func(q *gate.Request) { q.Host = "nobody.example" }, gate.Blocked, gate.UnknownSite},
		"over a connection for another tenant": {inside, listed, func(q *gate.Request) { q.ServerName = "globex.example" }, gate.Blocked, gate.UnknownSite},
		"before it expires":                    {"198.51.100.8", ends, nil, gate.Allowed, gate.ByNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{TB: t, Gate: w.Gate, clock: w.clock, door: w.door, acme: w.acme}
			q := w.bearing(c.address, c.token)
			if c.change != nil {
				c.change(q)
			}
			dec := w.decided(q, c.outcome, c.reason)
			if dec.Admin != nil {
				t.Error("a token is nobody's session")
			}
			if dec.Passed() && (dec.Token == nil || dec.Stage != gate.StageSession || dec.Tenant.Slug != "acme") {
				t.Errorf("got %+v", dec)
			}
		})
	}

	w.clock.advance(time.Hour) // to the second
	w.decided(w.bearing("198.51.100.8", ends), gate.Blocked, gate.OutsideNetworks)
	w.decided(w.bearing(inside, ends), gate.Refused, gate.SessionExpired)
	if err := w.RemoveToken(w.Context(), command, w.acme.ID, "own"); err != nil {
		t.Fatal(err)
	}
	w.decided(w.bearing(outside, own), gate.Blocked, gate.OutsideNetworks)
	w.decided(w.bearing(inside, own), gate.Refused, gate.BadCredentials)
}

// Mode, operator networks and emergencies count as for people, but never for a
// token with networks of its own.
func TestBearerModes(t *testing.T) {
	w := newWorld(t)
	listed, own := w.tokenOf(gate.NewToken{Name: "listed"}), w.tokenOf(gate.NewToken{Name: "own", Networks: []string{operators}})
	for mode, want := range map[gate.Mode]struct {
		outcome gate.Outcome
		reason  gate.Reason
	}{
		gate.ModeEnforced: {gate.Blocked, gate.OutsideNetworks},
		gate.ModeDryRun:   {gate.WouldBlock, gate.ByDryRun},
		gate.ModeOff:      {gate.Allowed, gate.ByGateOff},
	} {
		if _, err := w.SetTenant(t.Context(), command, "acme", gate.TenantPatch{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
		w.decided(w.bearing(outside, listed), want.outcome, want.reason)
		w.decided(w.bearing(outside, own), gate.Blocked, gate.OutsideNetworks)
		w.decided(w.bearing(operators, own), gate.Allowed, gate.ByNetwork)
	}
}

// On a site that all tenants share the token says whose call it is; on one
// without sign-in it means nothing.
func TestBearerSites(t *testing.T) {
	w := newWorld(t)
	listed, own := w.tokenOf(gate.NewToken{Name: "listed"}), w.tokenOf(gate.NewToken{Name: "own", Networks: []string{outside}})
	shared := w.doorOf(w.Gate)
	shared.Site.ByLogin = true
	w.door = shared
	for name, c := range map[string]struct {
		address, token string
		outcome        gate.Outcome
		reason         gate.Reason
		tenant         bool
	}{
		"from the list":         {inside, listed, gate.Allowed, gate.ByNetwork, true},
		"from outside":          {outside, listed, gate.Blocked, gate.OutsideNetworks, true},
		"from its own":          {outside, own, gate.Allowed, gate.ByNetwork, true},
		"unknown":               {outside, "spt_unknown", gate.Refused, gate.BadCredentials, false},
		"unknown, from inside":  {inside, "spt_unknown", gate.Refused, gate.BadCredentials, false},
		"with two credentials":  {inside, listed, gate.Refused, gate.SessionInvalid, false},
		"its address not known": {inside, listed, gate.Blocked, gate.AddressUnknown, false},
	} {
		q := w.bearing(c.address, c.token)
		q.Doubled = c.reason == gate.SessionInvalid
		if c.reason == gate.AddressUnknown {
			q.Address.Addr = netip.Addr{}
		}
		if dec := w.decided(q, c.outcome, c.reason); (dec.Tenant != nil) != c.tenant {
			t.Errorf("%s: got tenant %v", name, dec.Tenant)
		}
	}
	closed := w.doorOf(w.Gate)
	closed.Site.Login = false
	w.door = closed
	w.decided(w.bearing(outside, own), gate.Blocked, gate.OutsideNetworks)
	if dec := w.decided(w.bearing(inside, own), gate.Allowed, gate.ByNetwork); dec.Token != nil {
		t.Error("a token counts on a site without sign-in")
	}
}

// call decides a call and counts it.
func (w *world) call(address, token string) *gate.Refusal {
	q := w.bearing(address, token)
	dec := w.door.Decide(q)
	return w.door.Call(q, &dec)
}

func TestCallsAreRecorded(t *testing.T) {
	w := newWorld(t)
	token := w.tokenOf(gate.NewToken{Name: "robot", Expires: w.clock.Now().Add(time.Hour)})
	for range 30 {
		w.clock.advance(time.Second)
		if r := w.call(inside, token); r != nil {
			t.Fatalf("got %v", r)
		}
	}
	w.clock.advance(time.Second)
	_ = w.call("203.0.113.8", token) // from elsewhere, and another one: both are refused
	_ = w.call(inside, "spt_wrong")
	seen := w.clock.Now()
	w.clock.advance(time.Hour)
	if r := w.call(inside, token); r == nil || r.Reason != gate.SessionExpired || r.Reference == "" {
		t.Errorf("expired: got %v", r)
	}
	owner := w.actor(gate.RoleOwner)
	eventually(t, "the calls are stored", func() bool {
		list, err := w.Attempts(t.Context(), owner, gate.AttemptFilter{Tenant: w.acme.ID})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range list {
			got = append(got, strings.Join([]string{string(a.Stage), string(a.Outcome), string(a.Reason), a.Login, a.Address.String()}, " ")+strings.Repeat("+", int(a.Count)/30))
		}
		slices.Sort(got)
		return slices.Equal(got, []string{
			"session allowed network token robot 203.0.113.7+",
			"session allowed network token robot 203.0.113.8",
			"session refused bad_credentials  203.0.113.7",
			"session refused session_expired token robot 203.0.113.7",
		})
	})
	// They are found by what they are called.
	f := gate.AttemptFilter{Tenant: w.acme.ID, Where: []gate.Condition{{Field: gate.FieldLogin, Value: "token robot"}}}
	if list, err := w.Attempts(t.Context(), owner, f); err != nil || len(list) != 3 {
		t.Errorf("by name: got %d, %v, want 3", len(list), err)
	}
	eventually(t, "the last use is stored", func() bool {
		tokens, err := w.Tokens(t.Context(), owner, w.acme.ID)
		return err == nil && tokens[0].LastUsed.Equal(seen) && tokens[0].LastAddress == netip.MustParseAddr("203.0.113.8")
	})
}

func TestCallsAreThrottled(t *testing.T) {
	w := newWorld(t)
	token, other := w.tokenOf(gate.NewToken{Name: "loud"}), w.tokenOf(gate.NewToken{Name: "quiet"})
	until := func(address, token string, first gate.Reason) (calls int) {
		t.Helper()
		for calls = range 1000 {
			r := w.call(address, token)
			if r != nil && r.Reason == gate.Throttled {
				if r.RetryAfter < 1 || r.Reference == "" {
					t.Errorf("got %+v", r)
				}
				return calls
			}
			if r != nil && r.Reason != first {
				t.Fatalf("got %v", r)
			}
		}
		return calls
	}
	if n := until(inside, token, ""); n != 100 {
		t.Errorf("%d calls passed, want 100", n)
	}
	if r := w.call(inside, other); r != nil {
		t.Errorf("another token: got %v", r)
	}
	// Reading the tenant anew gives nobody a fresh start.
	w.add("acme", gate.Draft{Range: "192.0.2.99", Label: "x", Enabled: true})
	if r := w.call(inside, token); r == nil || r.Reason != gate.Throttled {
		t.Errorf("after a change: got %v, want %s", r, gate.Throttled)
	}
	w.clock.advance(time.Second)
	if r := w.call(inside, token); r != nil {
		t.Errorf("after a second: got %v", r)
	}
	// Wrong tokens count by address, and keep no right one from passing.
	if n := until("203.0.113.9", "spt_wrong", gate.BadCredentials); n != 10 {
		t.Errorf("%d wrong tokens were looked at, want 10", n)
	}
	if r := w.call("203.0.113.9", other); r != nil {
		t.Errorf("a right token: got %v", r)
	}
	w.clock.advance(time.Minute)
	if r := w.call("203.0.113.9", "spt_wrong"); r == nil || r.Reason != gate.BadCredentials {
		t.Errorf("a minute later: got %v, want %s", r, gate.BadCredentials)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		token gate.NewToken
		want  string
	}{
		"no name":           {gate.NewToken{Scopes: gate.Scopes, Name: " "}, "name invalid"},
		"no scopes":         {gate.NewToken{Name: "x"}, "scopes required"},
		"an unknown scope":  {gate.NewToken{Name: "x", Scopes: []gate.Scope{"networks:read", "tokens:write"}}, "scopes[1] unknown"},
		"a scope twice":     {gate.NewToken{Name: "x", Scopes: []gate.Scope{"networks:read", "networks:read"}}, "scopes[1] doubled"},
		"already over":      {gate.NewToken{Name: "x", Scopes: gate.Scopes, Expires: w.clock.Now()}, "expires past"},
		"a bad network":     {gate.NewToken{Name: "x", Scopes: gate.Scopes, Networks: []string{"192.0.2.1", "300.0.0.1"}}, "networks[1] invalid"},
		"everybody":         {gate.NewToken{Name: "x", Scopes: gate.Scopes, Networks: []string{"0.0.0.0/0"}}, "networks[0] invalid"},
		"too many networks": {gate.NewToken{Name: "x", Scopes: gate.Scopes, Networks: make([]string, 101)}, "networks too_many"},
	} {
		_, secret, err := w.AddToken(t.Context(), command, w.acme.ID, c.token)
		bad, ok := errors.AsType[*gate.InvalidError](err)
		if !ok || secret != "" || bad.Errors[0].Field+" "+bad.Errors[0].Code != c.want {
			t.Errorf("%s: got %q, %v; want %s", name, secret, err, c.want)
		}
	}
	// Owners only, and above all no token.
	robot := w.actor(gate.RoleOwner)
	robot.Kind = gate.ActorToken
	stranger := w.actor(gate.RoleOwner)
	stranger.Tenant = "GLOBEX"
	for name, c := range map[string]struct {
		by   gate.Actor
		want error
	}{
		"owner": {w.actor(gate.RoleOwner), nil}, "command": {command, nil},
		"reviewer": {w.actor(gate.RoleReviewer), gate.ErrForbidden}, "member": {w.actor(gate.RoleMember), gate.ErrForbidden},
		"token": {robot, gate.ErrForbidden}, "stranger": {stranger, gate.ErrNotFound},
	} {
		_, _, err := w.AddToken(t.Context(), c.by, w.acme.ID, gate.NewToken{Name: name, Scopes: gate.Scopes})
		_, listErr := w.Tokens(t.Context(), c.by, w.acme.ID)
		removeErr := w.RemoveToken(t.Context(), c.by, w.acme.ID, name)
		if !errors.Is(err, c.want) || !errors.Is(listErr, c.want) || !errors.Is(removeErr, c.want) {
			t.Errorf("%s: got %v, %v, %v; want %v", name, err, listErr, removeErr, c.want)
		}
	}
	// The change log says what a token may, never what it is.
	secret := w.tokenOf(gate.NewToken{Name: "logged", Networks: []string{"192.0.2.1"}})
	changes, err := w.Changes(t.Context(), command, gate.ChangeFilter{Tenant: w.acme.ID, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"after":{"name":"logged","scopes":["networks:read"],"networks":["192.0.2.1"]}}`
	if got := string(changes[0].Detail); got != want || changes[0].Action != "token.add" || strings.Contains(got, secret) {
		t.Errorf("got %s %s, want %s", changes[0].Action, got, want)
	}
}

// A token that is made or removed counts on every node within a second.
func TestTokensOnEveryNode(t *testing.T) {
	w := newWorld(t)
	second := w.doorOf(w.node("n2"))
	token := w.tokenOf(gate.NewToken{Name: "robot"})
	decides := func(outcome gate.Outcome) func() bool {
		return func() bool { dec := second.Decide(w.bearing(inside, token)); return dec.Outcome == outcome }
	}
	eventually(t, "the token counts", decides(gate.Allowed))
	if err := w.RemoveToken(t.Context(), command, w.acme.ID, "robot"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token counts no more", decides(gate.Refused))
	token = w.tokenOf(gate.NewToken{Name: "robot"})
	eventually(t, "the new one counts", decides(gate.Allowed))
	if err := w.RemoveTenant(t.Context(), command, "acme"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the tenant is gone", decides(gate.Blocked))
	shared := w.doorOf(w.Gate)
	shared.Site.ByLogin = true
	if dec := shared.Decide(w.bearing(inside, token)); dec.Passed() {
		t.Error("a token of a tenant that is gone passes")
	}
}

// Of the guards, those that speak of the editor hold for a token, too: it
// confirms from where the list itself lets it in, and does not shut itself out.
func TestTokensAreGuarded(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	list, err := w.Networks(t.Context(), command, w.acme.ID)
	if err != nil {
		t.Fatal(err)
	}
	edit := gate.Edit{Tenant: w.acme.ID, Base: list.Version, Mode: gate.ModeEnforced, Entries: []gate.Draft{
		{ID: list.Entries[0].ID, Range: "203.0.113.0/24", Label: "HQ", Enabled: true},
		{Range: "198.51.100.0/25", Label: "Owners", Enabled: true, Roles: []gate.Role{gate.RoleOwner}},
	}}
	edit.ConfirmWithin = time.Minute
	robot := gate.Actor{Kind: gate.ActorToken, Tenant: w.acme.ID, Admin: "T", Login: "token robot", Role: gate.RoleOwner, Address: netip.MustParseAddr(outside)}
	if _, err := w.PutNetworks(t.Context(), robot, edit); !errors.Is(err, gate.ErrLocksYouOut) {
		t.Errorf("a list without itself: got %v, want %v", err, gate.ErrLocksYouOut)
	}
	robot.OwnNetworks = true
	done, err := w.PutNetworks(t.Context(), robot, edit)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Confirm(t.Context(), robot, w.acme.ID, done.Version); !errors.Is(err, gate.ErrNotAdmitted) {
		t.Errorf("confirming from its own network: got %v, want %v", err, gate.ErrNotAdmitted)
	}
	robot.Address = netip.MustParseAddr(inside)
	if err := w.Confirm(t.Context(), robot, w.acme.ID, done.Version); err != nil {
		t.Errorf("confirming from the list: got %v", err)
	}
}
