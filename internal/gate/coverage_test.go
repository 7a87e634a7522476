package gate_test

import (
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestRoster(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner) // from 203.0.113.7
	w.add("acme", gate.Draft{Range: "198.51.100.7", Label: "Hotel", Enabled: true, Expires: w.clock.Now().Add(3 * time.Hour)})
	w.person("wu.min", gate.RoleReviewer)
	w.invite("zhao.yu", gate.RoleOwner)
	find := func(login string) gate.Person {
		t.Helper()
		people, err := w.Roster(t.Context(), w.actor(gate.RoleOwner), w.acme.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range people {
			if p.Login == login {
				return p
			}
		}
		t.Fatalf("%s is not there", login)
		return gate.Person{}
	}
	if p := find("li.na"); p.Coverage != gate.Covered || p.Network.Label != "HQ" {
		t.Errorf("got %s by %v", p.Coverage, p.Network)
	}
	if p := find("zhao.yu"); p.Coverage != gate.CoverUnknown || p.Network != nil {
		t.Errorf("who never came: got %s", p.Coverage)
	}
	w.clock.advance(31 * 24 * time.Hour)
	if p := find("wu.min"); p.Coverage != gate.CoverUnknown {
		t.Errorf("who has not come for long: got %s", p.Coverage)
	}
	ends := w.clock.Now().Add(3 * time.Hour)
	w.add("acme", gate.Draft{Range: "198.51.100.8", Label: "Hotel", Enabled: true, Expires: ends})
	w.signIn("198.51.100.8", "wu.min")
	if p := find("wu.min"); p.Coverage != gate.CoveredUntil || !p.Until.Equal(ends) {
		t.Errorf("ending: got %s until %s", p.Coverage, p.Until)
	}
	w.clock.advance(4 * time.Hour)
	if p := find("wu.min"); p.Coverage != gate.Uncovered || p.Network != nil {
		t.Errorf("ended: got %s", p.Coverage)
	}
	w.signIn(inside, "wu.min")
	if p := find("wu.min"); p.Coverage != gate.Covered {
		t.Errorf("from elsewhere, too: got %s", p.Coverage)
	}
}
