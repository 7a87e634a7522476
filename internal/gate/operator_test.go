package gate_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// operator adds the tenant that runs the gateway, and returns somebody of it.
func (w *world) operator(role gate.Role) gate.Actor {
	w.Helper()
	id := w.OperatorID()
	if id == "" {
		id = w.tenant(gate.OperatorTenant, gate.ModeOff).ID
	}
	return gate.Actor{Kind: gate.ActorAdmin, Tenant: id, Admin: "OPERATOR", Login: "zhang.wei", Role: role, Address: netip.MustParseAddr(operators)}
}

func invalidFields(err error) (fields []string) {
	if bad, ok := errors.AsType[*gate.InvalidError](err); ok {
		for _, f := range bad.Errors {
			fields = append(fields, f.Field+" "+f.Code)
		}
	}
	return fields
}

func TestOperatorsOpenTenants(t *testing.T) {
	w := newWorld(t)
	boss := w.operator(gate.RoleOwner)
	_, _, _, err := w.OpenTenant(t.Context(), boss, gate.Tenant{Slug: "acme", Name: "\u202e", Hosts: []string{"acme.example", "a b"}}, " ")
	if got, want := invalidFields(err), []string{"name invalid", "hosts invalid", "slug taken", "hosts taken", "login invalid"}; !slices.Equal(got, want) {
		t.Errorf("everything wrong: got %v, want %v", got, want)
	}
	added, first, secret, err := w.OpenTenant(t.Context(), boss, gate.Tenant{Slug: "birch", Name: "Birch", Hosts: []string{"Birch.Example"}}, "li.na")
	if err != nil || added.Mode != gate.ModeOff || !slices.Equal(added.Hosts, []string{"birch.example"}) || first.Role != gate.RoleOwner || !strings.HasPrefix(secret, "spi_") {
		t.Fatalf("got %+v, %+v, %v", added, first, err)
	}
	changes, err := w.Changes(t.Context(), command, gate.ChangeFilter{Tenant: added.ID})
	if err != nil || len(changes) != 2 || changes[0].Action != "admin.invite" || changes[1].Action != "tenant.add" || changes[1].Actor != "zhang.wei@operator" || changes[1].ActorID != "OPERATOR" {
		t.Errorf("the change log says %+v, %v", changes, err)
	}
	again, other, err := w.InviteOwner(t.Context(), boss, "birch", "LI.NA")
	if err != nil || again.ID != first.ID || other == secret {
		t.Errorf("invited once more: %+v, %v", again, err)
	}
	if _, _, err := w.InviteOwner(t.Context(), boss, "birch", "wu.min"); err != nil {
		t.Errorf("another owner where none has come: %v", err)
	}
	w.person("boss", gate.RoleOwner)
	if _, _, err := w.InviteOwner(t.Context(), boss, "acme", "mallory"); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("an owner into a tenant that has one: got %v", err)
	}
	name := "Birch & Co"
	if _, err := w.SetTenant(t.Context(), boss, "birch", gate.TenantPatch{Name: &name, Hosts: []string{"acme.example"}}); !slices.Equal(invalidFields(err), []string{"hosts taken"}) {
		t.Errorf("another's host: got %v", err)
	}
	if set, err := w.SetTenant(t.Context(), boss, "birch", gate.TenantPatch{Name: &name, Hosts: []string{"b.example"}}); err != nil || set.Name != name {
		t.Errorf("set: %+v, %v", set, err)
	}
	mode := gate.ModeOff
	if _, err := w.SetTenant(t.Context(), boss, "acme", gate.TenantPatch{Mode: &mode}); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("an operator switches a gate off: got %v", err)
	}
}

// TestWhoOperates asks every operation of those who run the gateway as everybody.
func TestWhoOperates(t *testing.T) {
	w := newWorld(t)
	reviewer, member := w.operator(gate.RoleReviewer), w.operator(gate.RoleMember)
	token := w.operator(gate.RoleOwner)
	token.Kind = gate.ActorToken
	for who, tt := range map[string]struct {
		by          gate.Actor
		read, write error
	}{
		"reviewer of operator": {reviewer, nil, gate.ErrForbidden},
		"member of operator":   {member, gate.ErrForbidden, gate.ErrForbidden},
		"token of operator":    {token, gate.ErrNotFound, gate.ErrNotFound},
		"owner of another":     {w.actor(gate.RoleOwner), gate.ErrNotFound, gate.ErrNotFound},
		"nobody":               {gate.Actor{}, gate.ErrNotFound, gate.ErrNotFound},
		"the system":           {gate.Actor{Kind: gate.ActorSystem}, gate.ErrNotFound, gate.ErrNotFound},
	} {
		name := "x"
		_, _, _, opened := w.OpenTenant(t.Context(), tt.by, gate.Tenant{Slug: "new"}, "li.na")
		_, _, visited := w.Visit(t.Context(), tt.by, "acme", "networks")
		for what, c := range map[string]struct{ got, want error }{
			"rows":      {result(w.TenantRows(t.Context(), tt.by, gate.TenantFilter{})), tt.read},
			"row":       {result(w.TenantRow(t.Context(), tt.by, "acme")), tt.read},
			"visit":     {visited, tt.read},
			"open":      {opened, tt.write},
			"add":       {result(w.AddTenant(t.Context(), tt.by, gate.Tenant{Slug: "new"})), tt.write},
			"set":       {result(w.SetTenant(t.Context(), tt.by, "acme", gate.TenantPatch{Name: &name})), tt.write},
			"emergency": {result(w.OpenEmergency(t.Context(), tt.by, w.acme.ID, netip.MustParseAddr(outside), time.Minute, "x")), tt.write},
		} {
			if !errors.Is(c.got, c.want) || (c.want == nil) != (c.got == nil) {
				t.Errorf("%s, %s: got %v, want %v", who, what, c.got, c.want)
			}
		}
	}
}

// TestVisits: a look is on record once in ten minutes for each page, and the one
// who looks reads what a reviewer does and changes nothing, whatever they call.
func TestVisits(t *testing.T) {
	w := newWorld(t)
	by := w.operator(gate.RoleReviewer)
	look := func(page string) gate.Actor {
		t.Helper()
		_, actor, err := w.Visit(t.Context(), by, "acme", page)
		if err != nil {
			t.Fatal(err)
		}
		return actor
	}
	visitor := look("networks")
	look("networks")
	look("people")
	w.clock.advance(10 * time.Minute)
	look("networks")
	changes, err := w.Changes(t.Context(), w.actor(gate.RoleOwner), gate.ChangeFilter{Tenant: w.acme.ID, Kind: gate.ChangeAccess})
	if err != nil || len(changes) != 3 || changes[0].Action != "operator.visit" || changes[0].Actor != "zhang.wei@operator" || string(changes[1].Detail) != `{"page":"people"}` {
		t.Fatalf("the owners see %+v, %v", changes, err)
	}
	if _, err := w.Networks(t.Context(), visitor, w.acme.ID); err != nil {
		t.Errorf("networks: %v", err)
	}
	if _, err := w.Roster(t.Context(), visitor, w.acme.ID); err != nil {
		t.Errorf("people: %v", err)
	}
	if _, err := w.Networks(t.Context(), visitor, by.Tenant); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("another tenant's networks: got %v", err)
	}
	boss := w.person("boss", gate.RoleOwner)
	s, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sessions := func() []gate.Session {
		list, err := s.Sessions(t.Context(), gate.SessionFilter{Tenant: w.acme.ID, Now: w.clock.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	visitor.Role = gate.RoleOwner // were a check of roles ever too kind, the store is not
	before := len(sessions())
	for what, err := range map[string]error{
		"add":     result(w.AddNetwork(t.Context(), visitor, w.acme.ID, gate.Draft{Range: "192.0.2.0/24", Label: "x", Enabled: true}, gate.EditOptions{Accept: gate.AcceptWords})),
		"invite":  second(w.Invite(t.Context(), visitor, w.acme.ID, gate.NewAdmin{Login: "x", Role: gate.RoleOwner})),
		"disable": second(w.SetAdmin(t.Context(), visitor, w.acme.ID, boss.ID, gate.AdminPatch{SignOut: true})),
		"end":     w.EndSession(t.Context(), visitor, sessions()[0].ID, ""),
		"token":   second(w.AddToken(t.Context(), visitor, w.acme.ID, gate.NewToken{Name: "x", Scopes: gate.Scopes})),
	} {
		if !errors.Is(err, gate.ErrForbidden) {
			t.Errorf("%s: got %v, want %v", what, err, gate.ErrForbidden)
		}
	}
	if after := len(sessions()); after != before || before == 0 {
		t.Errorf("%d sessions run of %d", after, before)
	}
}

// second is the error of an operation that returns two values.
func second[A, B any](_ A, _ B, err error) error { return err }

func TestTenantRows(t *testing.T) {
	w := newWorld(t)
	by := w.operator(gate.RoleReviewer)
	rows, err := w.TenantRows(t.Context(), by, gate.TenantFilter{Sort: gate.SortSlug})
	if err != nil || len(rows) != 2 || w.CountTenants() != 2 {
		t.Fatalf("got %+v, %v", rows, err)
	}
	acme, own := rows[0], rows[1]
	if got, want := acme.Warnings(), []gate.TenantWarning{gate.WarnNoOwner, gate.WarnNobody}; !slices.Equal(got, want) || acme.Entries != 1 || !acme.Known {
		t.Errorf("acme: got %v and %+v", got, acme)
	}
	if got, want := own.Warnings(), []gate.TenantWarning{gate.WarnNoOwner, gate.WarnOff, gate.WarnNobody, gate.WarnNoHost}; !slices.Equal(got, want) {
		t.Errorf("operator: got %v, want %v", got, want)
	}
	w.person("boss", gate.RoleOwner)
	if _, err := w.OpenEmergency(t.Context(), w.operator(gate.RoleOwner), w.acme.ID, netip.MustParseAddr(outside), time.Minute, "T-1"); err != nil {
		t.Fatal(err)
	}
	row, err := w.TenantRow(t.Context(), by, "acme")
	if err != nil || !slices.Equal(row.Warnings(), []gate.TenantWarning{gate.WarnEmergency, gate.WarnOneAdmin}) || row.LastSignIn.IsZero() {
		t.Errorf("got %+v, %v", row, err)
	}
	if by := w.Emergencies(w.acme.ID)[0].By; by != "zhang.wei@operator" {
		t.Errorf("opened by %q", by)
	}
}

// TestOwnersAreTold: emergency access and the first of an operator's looks are
// told at once, in a message each; commands and looks of the tenant's own people
// count for what they are.
func TestOwnersAreTold(t *testing.T) {
	w := newWorld(t)
	boss, owner := w.operator(gate.RoleOwner), w.actor(gate.RoleOwner)
	r := gate.DefaultAlertRules()
	r.Webhook = "https://hooks.example/x"
	if _, _, err := w.SetAlertRules(t.Context(), owner, w.acme.ID, r, false); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	for _, page := range []string{"networks", "people", "people"} {
		if _, _, err := w.Visit(t.Context(), boss, "acme", page); err != nil {
			t.Fatal(err)
		}
	}
	e, err := w.OpenEmergency(t.Context(), boss, w.acme.ID, netip.MustParseAddr(outside), time.Hour, "T-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.EndEmergency(t.Context(), boss, w.acme.ID, e.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Attempts(t.Context(), owner, gate.AttemptFilter{Tenant: w.acme.ID}); err != nil {
		t.Fatal(err)
	}
	told := func() (out []string) {
		t.Helper()
		due, err := w.DueAlerts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range due {
			m := &due[i].Message
			out = append(out, fmt.Sprintf("%s %t %d by %s %s", m.Kind, m.First, m.Count, m.Items[0].Who, m.Items[0].Address))
		}
		slices.Sort(out)
		return out
	}
	want := []string{"emergency true 1 by zhang.wei@operator " + outside, "operator_visit true 1 by zhang.wei@operator " + operators}
	if got := told(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if r, _, err := w.AlertRules(t.Context(), owner, w.acme.ID); err != nil || !r.Operator {
		t.Errorf("rules that say nothing of it: %+v, %v", r, err)
	}
	quiet := w.tenant("birch", gate.ModeOff)
	r.Operator, r.ListChanged = false, true
	w.clock.advance(time.Minute)
	birch := gate.Actor{Kind: gate.ActorAdmin, Tenant: quiet.ID, Admin: "OWNER", Login: "o", Role: gate.RoleOwner}
	if _, _, err := w.SetAlertRules(t.Context(), birch, quiet.ID, r, false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.OpenEmergency(t.Context(), command, quiet.ID, netip.MustParseAddr(outside), time.Hour, "T-2"); err != nil {
		t.Fatal(err)
	}
	if got := told(); !slices.Equal(got, want) {
		t.Errorf("of owners who want to know nothing of it: told %q, want %q", got, want)
	}
}
