package gate_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// networkOf is an entry with an id and a range; its label is the id.
func networkOf(id, span string) gate.Network {
	return gate.Network{ID: id, Range: cidr.MustParse(span), Label: id, Enabled: true}
}

// told is a list of changes in short.
func told(changes []gate.NetworkChange) []string {
	var out []string
	for _, c := range changes {
		switch c.Kind {
		case gate.Added:
			out = append(out, "+"+c.After.ID)
		case gate.Removed:
			out = append(out, "-"+c.Before.ID)
		case gate.Changed:
			out = append(out, fmt.Sprintf("%s>%s:%s", c.Before.ID, c.After.ID, strings.Join(c.Fields, ",")))
		}
	}
	return out
}

func TestCompare(t *testing.T) {
	a, b, c := networkOf("A", "192.0.2.0/24"), networkOf("B", "203.0.113.0/24"), networkOf("C", "2001:db8::/48")
	with := func(n gate.Network, change func(*gate.Network)) gate.Network { change(&n); return n }
	list := func(all ...gate.Network) []gate.Network { return all }
	swapped := func(n gate.Network, r cidr.Range) gate.Network {
		return with(n, func(n *gate.Network) { n.Range = r })
	}
	tests := []struct {
		name          string
		before, after []gate.Network
		want          []string
	}{
		{"nothing", nil, nil, nil},
		{"the same", list(a, b), list(a, b), nil},
		{"another order", list(a, b), list(b, a), nil},
		{"added and removed", list(a, b), list(c, b), []string{"+C", "-A"}},
		{"emptied", list(a, b), nil, []string{"-A", "-B"}},
		{"label", list(a), list(with(a, func(n *gate.Network) { n.Label = "x" })), []string{"A>A:label"}},
		{"range", list(a), list(swapped(a, c.Range)), []string{"A>A:range"}},
		{"every field", list(a), list(with(a, func(n *gate.Network) {
			*n = gate.Network{
				ID: "A", Range: b.Range, Label: "x", Note: "x", Owner: "x", NotBefore: time.Unix(1, 0), Expires: time.Unix(2, 0),
				Roles: []gate.Role{gate.RoleOwner}, Admins: []string{"x"},
			}
		})), []string{"A>A:range,label,note,owner,enabled,not_before,expires,roles,admins"}},
		{"who made it", list(a), list(with(a, func(n *gate.Network) { n.Created, n.CreatedBy = time.Unix(1, 0), "x" })), nil},
		{"order and doubles of admins", list(with(a, func(n *gate.Network) { n.Admins = []string{"x", "y"} })),
			list(with(a, func(n *gate.Network) { n.Admins = []string{"y", "x", "y"} })), nil},
		{"one moment in two zones", list(with(a, func(n *gate.Network) { n.Expires = time.Unix(9, 0).UTC() })),
			list(with(a, func(n *gate.Network) { n.Expires = time.Unix(9, 0).In(time.FixedZone("", 3600)) })), nil},
		{"removed and added again", list(a), list(swapped(networkOf("D", "192.0.2.0/24"), a.Range)), []string{"A>D:label"}},
		{"ranges change places", list(a, b), list(swapped(a, b.Range), swapped(b, a.Range)), []string{"A>A:range", "B>B:range"}},
		{"a new one takes the place of one that moves", list(a), list(networkOf("D", "192.0.2.0/24"), swapped(a, b.Range)),
			[]string{"+D", "A>A:range"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := told(gate.Compare(tt.before, tt.after)); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Whatever a list has besides, its entries are compared in every field that
// people write.
func TestCompareSeesEveryField(t *testing.T) {
	unseen := []string{"ID", "Created", "CreatedBy"}
	typ := reflect.TypeFor[gate.Network]()
	if got, want := typ.NumField(), 9+len(unseen); got != want {
		t.Errorf("a network has %d fields and Compare knows %d: does it see the new one?", got, want)
	}
	for _, name := range unseen {
		if _, ok := typ.FieldByName(name); !ok {
			t.Errorf("no field %s", name)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	w := newWorld(t)
	w.add("acme", gate.Draft{Range: "192.0.2.0/24", Label: "Office", Enabled: true})
	w.add("acme", gate.Draft{Range: "2001:db8::/48", Label: "IPv6", Enabled: true})
	got, err := w.CompareVersions(t.Context(), command, w.acme.ID, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Changes) != 2 || got.From.Version != 2 || got.To.Version != 4 {
		t.Errorf("got %d changes from %d to %d", len(got.Changes), got.From.Version, got.To.Version)
	}
	back, err := w.CompareVersions(t.Context(), command, w.acme.ID, 4, 2)
	if err != nil || len(back.Changes) != 2 || back.Changes[0].Kind != gate.Removed {
		t.Errorf("backwards: %v, %v", back, err)
	}
	for name, by := range map[string]gate.Actor{"member": w.owner(inside, gate.RoleMember), "nobody": {}} {
		if _, err := w.CompareVersions(t.Context(), by, w.acme.ID, 1, 2); err == nil {
			t.Errorf("%s compares versions", name)
		}
	}
}
