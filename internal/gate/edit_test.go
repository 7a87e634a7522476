package gate_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// owner is an actor in the tenant at an address.
func (w *world) owner(address string, role gate.Role) gate.Actor {
	return gate.Actor{Kind: gate.ActorAdmin, Tenant: w.acme.ID, Admin: "somebody", Login: "li.na", Role: role, Address: netip.MustParseAddr(address)}
}

// list returns the tenant's list as an edit of it.
func (w *world) list() gate.Edit {
	w.Helper()
	list, err := w.Networks(w.Context(), command, w.acme.ID)
	if err != nil {
		w.Fatal(err)
	}
	networks := make([]gate.Network, len(list.Entries))
	for i := range list.Entries {
		networks[i] = list.Entries[i].Network
	}
	return gate.Edit{Tenant: w.acme.ID, Base: list.Version, Mode: list.Mode, Entries: gate.DraftsOf(networks)}
}

func TestPutNetworksRefuses(t *testing.T) {
	w := newWorld(t)
	before := w.list()
	entry := func(change func(*gate.Draft)) func(*gate.Edit) {
		return func(e *gate.Edit) {
			d := gate.Draft{Range: "192.0.2.0/24", Label: "new", Enabled: true}
			change(&d)
			e.Entries = append(e.Entries, d)
		}
	}
	tests := []struct {
		name, field, code string
		edit              func(*gate.Edit)
	}{
		{"mode", "mode", "unknown", func(e *gate.Edit) { e.Mode = "on" }},
		{"no address", "entries[1].range", "not_an_address", entry(func(d *gate.Draft) { d.Range = "office" })},
		{"octet", "entries[1].range", "octet_too_large", entry(func(d *gate.Draft) { d.Range = "203.0.113.300" })},
		{"everything", "entries[1].range", "everything", entry(func(d *gate.Draft) { d.Range = "0.0.0.0/0" })},
		{"wide", "entries[1].range", "wide", entry(func(d *gate.Draft) { d.Range = "10.0.0.0/8" })},
		{"wide IPv6", "entries[1].range", "wide", entry(func(d *gate.Draft) { d.Range = "2001:db8::/31" })},
		{"twice", "entries[1].range", "duplicate", entry(func(d *gate.Draft) { d.Range = "203.0.113.9/24" })},
		{"no label", "entries[1].label", "required", entry(func(d *gate.Draft) { d.Label = " " })},
		{"long label", "entries[1].label", "too_long", entry(func(d *gate.Draft) { d.Label = strings.Repeat("办", 121) })},
		{"label with control", "entries[1].label", "control_character", entry(func(d *gate.Draft) { d.Label = "a\u202eb" })},
		{"note with what PostgreSQL does not keep", "entries[1].note", "control_character", entry(func(d *gate.Draft) { d.Note = "a\x00b" })},
		{"long note", "entries[1].note", "too_long", entry(func(d *gate.Draft) { d.Note = strings.Repeat("n", 2001) })},
		{"ends before it begins", "entries[1].expires", "before_begin", entry(func(d *gate.Draft) {
			d.NotBefore, d.Expires = w.clock.Now().Add(2*time.Hour), w.clock.Now().Add(time.Hour)
		})},
		{"unknown role", "entries[1].roles", "unknown", entry(func(d *gate.Draft) { d.Roles = []gate.Role{"boss"} })},
		{"unknown admin", "entries[1].admins", "unknown", entry(func(d *gate.Draft) { d.Admins = []string{"nobody"} })},
		{"unknown id", "entries[1].id", "unknown", entry(func(d *gate.Draft) { d.ID = "X" })},
		{"all of IPv4 in two halves", "entries", "everything", func(e *gate.Edit) {
			e.Accept = []string{gate.AcceptWide}
			e.Entries = []gate.Draft{{Range: "0.0.0.0/1", Label: "a", Enabled: true}, {Range: "128.0.0.0/1", Label: "b", Enabled: true}}
		}},
		{"too many", "entries", "too_many", func(e *gate.Edit) { e.Entries = slices.Repeat(e.Entries, 5001) }},
		{"too many prefixes", "entries", "too_many", func(e *gate.Edit) {
			for i := range 200 {
				r := fmt.Sprintf("2001:db8:%x::1-2001:db8:%x:ffff:ffff:ffff:ffff:fffe", i, i)
				e.Entries = append(e.Entries, gate.Draft{Range: r, Label: "r", Enabled: true})
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := w.list()
			tt.edit(&e)
			_, err := w.PutNetworks(t.Context(), command, e)
			var invalid *gate.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v, want an error of a field", err)
			}
			if f := invalid.Errors[0]; f.Field != tt.field || f.Code != tt.code || f.Message == "" {
				t.Errorf("got %+v, want %s of %s", f, tt.code, tt.field)
			}
		})
	}
	if after := w.list(); after.Base != before.Base || len(after.Entries) != len(before.Entries) {
		t.Errorf("a refused edit changed the list to version %d", after.Base)
	}
}

func TestPutNetworksGuards(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.AddAdmin(t.Context(), command, w.acme.ID, gate.NewAdmin{Login: "wu.min", Role: gate.RoleOwner}); err != nil {
		t.Fatal(err)
	}
	elsewhere := []gate.Draft{{Range: "192.0.2.64/26", Label: "elsewhere", Enabled: true}}
	tests := []struct {
		name string
		by   gate.Actor
		edit func(*gate.Edit)
		want error
	}{
		{"own address goes", w.owner(inside, gate.RoleOwner), func(e *gate.Edit) { e.Entries = elsewhere }, gate.ErrLocksYouOut},
		{"own entry counts for others only", w.owner(inside, gate.RoleOwner), func(e *gate.Edit) { e.Entries[0].Admins = []string{"wu.min"} }, gate.ErrLocksYouOut},
		{"no entry counts for an owner", command, func(e *gate.Edit) { e.Entries[0].Roles = []gate.Role{gate.RoleMember} }, gate.ErrLocksEveryoneOut},
		{"switched off", w.owner(inside, gate.RoleOwner), func(e *gate.Edit) { e.Entries[0].Enabled = false }, gate.ErrLocksEveryoneOut},
		{"emptied", w.owner(inside, gate.RoleOwner), func(e *gate.Edit) { e.Entries = nil }, gate.ErrLocksEveryoneOut},
		{"ended", command, func(e *gate.Edit) { e.Entries[0].Expires = w.clock.Now().Add(-time.Hour) }, gate.ErrLocksEveryoneOut},
		{"emptied by command", command, func(e *gate.Edit) { e.Entries = nil }, gate.ErrLocksEveryoneOut},
		{"reviewer", w.owner(inside, gate.RoleReviewer), func(*gate.Edit) {}, gate.ErrForbidden},
		{"member", w.owner(inside, gate.RoleMember), func(*gate.Edit) {}, gate.ErrForbidden},
		{"nobody", gate.Actor{}, func(*gate.Edit) {}, gate.ErrNotFound},
		{"another tenant's", func() gate.Actor { a := w.owner(inside, gate.RoleOwner); a.Tenant = "x"; return a }(), func(*gate.Edit) {}, gate.ErrNotFound},
		{"emptied and off", w.owner(inside, gate.RoleOwner), func(e *gate.Edit) { e.Entries, e.Mode = nil, gate.ModeOff }, nil},
		{"turned on empty", command, func(e *gate.Edit) { e.Mode = gate.ModeEnforced }, gate.ErrLocksEveryoneOut},
		{"elsewhere, by command", command, func(e *gate.Edit) { e.Entries, e.Mode = elsewhere, gate.ModeEnforced }, nil},
		{"elsewhere, from the operator's network", func() gate.Actor { a := w.owner(operators, gate.RoleOwner); a.Operator = true; return a }(), func(*gate.Edit) {}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := w.list()
			tt.edit(&e)
			done, err := w.PutNetworks(t.Context(), tt.by, e)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if after := w.list(); err == nil && after.Base != done.Version || err != nil && after.Base != e.Base {
				t.Errorf("after %v the list is version %d, it was %d", err, after.Base, e.Base)
			}
		})
	}
}

func TestPutNetworksKeepsWhatStays(t *testing.T) {
	w := newWorld(t)
	e := w.list()
	e.Entries = append(e.Entries,
		gate.Draft{Range: "192.0.2.77/26", Label: " Branch ", Enabled: true},
		gate.Draft{Range: "198.51.100.10-198.51.100.40", Label: "Range", Enabled: true},
		gate.Draft{Range: "10.1.2.3", Label: "VPN", Enabled: true})
	done, err := w.PutNetworks(t.Context(), command, e)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, warning := range done.Warnings {
		codes = append(codes, warning.Field+" "+warning.Code)
	}
	if want := []string{"entries[1].range stored_as", "entries[3].range private"}; !slices.Equal(codes, want) {
		t.Errorf("warnings: got %q, want %q", codes, want)
	}
	if done.Entries[0].ID != e.Entries[0].ID {
		t.Error("an entry that stayed got another id")
	}
	if got := done.Entries[1]; got.Range.String() != "192.0.2.64/26" || got.Label != "Branch" {
		t.Errorf("stored %s %q", got.Range, got.Label)
	}
	after := w.list()
	if got := after.Entries[2].Range; got != "198.51.100.10-198.51.100.40" {
		t.Errorf("a range is shown as %s", got)
	}
	if old, err := w.Version(t.Context(), command, w.acme.ID, e.Base); err != nil || len(old.Networks) != 1 {
		t.Errorf("the version before: %v, %v; want its one entry", old, err)
	}
	c, err := w.Check(t.Context(), command, w.acme.ID, netip.MustParseAddr("198.51.100.41"), time.Time{})
	if err != nil || c.Allowed || c.Nearest == nil || c.Nearest.Network.Label != "Range" {
		t.Errorf("one address beside a range: %+v, %v", c, err)
	}
}

func TestRemovedAdminInAnEntry(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.person("wu.min", gate.RoleMember)
	w.add("acme", gate.Draft{Range: "198.51.100.16/28", Label: "hotel", Enabled: true, Admins: []string{"wu.min"}})
	if err := w.RemoveAdmin(t.Context(), command, w.acme.ID, "wu.min"); err != nil {
		t.Fatal(err)
	}
	w.add("acme", gate.Draft{Range: "192.0.2.0/26", Label: "branch", Enabled: true})
	if _, err := w.login(w.from("198.51.100.17"), "li.na", password("li.na")); refusal(err) != "bad_credentials" {
		t.Errorf("the entry of somebody who is gone admits another: %v", err)
	}
}

func TestEntry(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.add("acme", gate.Draft{Range: "203.0.113.0/28", Label: "narrower", Enabled: true})
	w.add("acme", gate.Draft{Range: inside, Label: "narrowest, of members", Enabled: true, Roles: []gate.Role{gate.RoleMember}})
	label := func(q *gate.Request) string {
		dec := w.door.Decide(q)
		if n := w.door.Entry(q, &dec); n != nil {
			return n.Label
		}
		return ""
	}
	if got := label(w.from(inside)); got != "narrowest, of members" {
		t.Errorf("before sign-in: got %q", got)
	}
	if got := label(w.with(w.from(inside), w.signIn(inside, "li.na"))); got != "narrower" {
		t.Errorf("as owner: got %q", got)
	}
	if got := label(w.from(outside)); got != "" {
		t.Errorf("outside: got %q", got)
	}
}

func TestInList(t *testing.T) {
	w := newWorld(t)
	off := gate.ModeOff
	for _, mode := range []gate.Mode{gate.ModeEnforced, gate.ModeOff} {
		for address, want := range map[string]bool{inside: true, outside: false, operators: false} {
			if got := w.InList("acme", netip.MustParseAddr(address)); got != want {
				t.Errorf("%s, %s: got %v, want %v", mode, address, got, want)
			}
		}
		if _, err := w.SetTenant(t.Context(), command, "acme", gate.TenantPatch{Mode: &off}); err != nil {
			t.Fatal(err)
		}
	}
	if w.InList("nobody", netip.MustParseAddr(inside)) || w.InList("acme", netip.Addr{}) {
		t.Error("an unknown tenant or address is in a list")
	}
}

func TestConcurrentEdits(t *testing.T) {
	w := newWorld(t)
	base := w.list()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won, lost := 0, 0
	for i := range 8 {
		wg.Go(func() {
			e := base
			e.Entries = append(slices.Clone(base.Entries), gate.Draft{Range: fmt.Sprintf("192.0.2.%d", i), Label: "x", Enabled: true})
			_, err := w.PutNetworks(t.Context(), command, e)
			mu.Lock()
			defer mu.Unlock()
			var conflict *gate.VersionConflict
			switch {
			case err == nil:
				won++
			case errors.As(err, &conflict):
				lost++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 || lost != 7 {
		t.Errorf("of eight edits of one version %d won and %d lost, want 1 and 7", won, lost)
	}
	for i := range 8 { // adding one entry means the same whatever else was changed
		wg.Go(func() {
			d := gate.Draft{Range: fmt.Sprintf("198.51.100.%d", i), Label: "y", Enabled: true}
			if _, err := w.AddNetwork(t.Context(), command, w.acme.ID, d, gate.EditOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(w.list().Entries); n != 10 {
		t.Errorf("entries: got %d, want 10", n)
	}
}

func TestLastOwnerStays(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.person("wu.min", gate.RoleReviewer)
	yes, member, owner := true, gate.RoleMember, gate.RoleOwner
	set := func(login string, p gate.AdminPatch) error {
		_, _, err := w.SetAdmin(t.Context(), command, w.acme.ID, login, p)
		return err
	}
	if err := set("li.na", gate.AdminPatch{Disabled: &yes}); !errors.Is(err, gate.ErrLastOwner) {
		t.Errorf("disabling: %v", err)
	}
	if err := set("LI.NA", gate.AdminPatch{Role: &member}); !errors.Is(err, gate.ErrLastOwner) {
		t.Errorf("another role: %v", err)
	}
	if err := w.RemoveAdmin(t.Context(), command, w.acme.ID, "li.na"); !errors.Is(err, gate.ErrLastOwner) {
		t.Errorf("removing: %v", err)
	}
	if err := set("wu.min", gate.AdminPatch{Role: &owner}); err != nil {
		t.Fatal(err)
	}
	if err := w.RemoveAdmin(t.Context(), command, w.acme.ID, "li.na"); err != nil {
		t.Errorf("removing one of two: %v", err)
	}
	if err := set("nobody", gate.AdminPatch{SignOut: true}); !errors.Is(err, gate.ErrNotFound) {
		t.Errorf("somebody who is not there: %v", err)
	}
}
