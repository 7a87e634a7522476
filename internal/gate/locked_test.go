package gate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// TestNobodyIsLockedOut makes random edits, confirms and undoes them, lets
// entries begin and end, and disables, demotes and removes people, by command
// and by owners from anywhere. Whatever is accepted of that, and at whatever
// moment one looks: an enforced tenant has an enabled owner whom some entry in
// force lets in, unless somebody said that the list may end, which is recorded
// with the version.
func TestNobodyIsLockedOut(t *testing.T) {
	const steps = 400
	did := map[string]int{}
	for _, seed := range []uint64{1, 2, rand.Uint64()} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t)
			p := &property{world: w, t: t, rand: rand.New(rand.NewPCG(seed, 0)), did: did}
			for i := range 4 {
				p.people = append(p.people, w.member(fmt.Sprint("admin-", i), gate.RoleOwner).ID)
			}
			for p.step = 0; p.step < steps && !t.Failed(); p.step++ {
				p.act()
				p.look()
			}
			p.retold()
		})
	}
	t.Logf("%v", did)
	for _, what := range []string{
		"put", "put refused", "confirm", "confirm refused", "undo", "undone by itself", "admin", "admin refused", "let in", "locked out, as accepted",
	} {
		if did[what] == 0 {
			t.Errorf("nothing was %s: the test looks at nothing", what)
		}
	}
}

// property is a world that random things happen to.
type property struct {
	*world
	t      *testing.T
	rand   *rand.Rand
	people []string
	step   int
	did    map[string]int
}

// chance is true once in n times.
func (p *property) chance(n int) bool { return p.rand.IntN(n) == 0 }

// retold tells every version of the list again from the change log alone, and
// compares it with the one that the store has.
func (p *property) retold() {
	p.t.Helper()
	changes, err := p.Changes(p.t.Context(), command, gate.ChangeFilter{Tenant: p.acme.ID, Kind: gate.ChangeList})
	if err != nil {
		p.t.Fatal(err)
	}
	type entry struct {
		ID, Range, Label string
		Enabled          bool
	}
	told, mode := map[string]entry{}, gate.Mode("")
	for _, c := range slices.Backward(changes) {
		var detail struct {
			Before, After struct{ Mode gate.Mode }
			Entries       []struct{ Before, After *entry }
		}
		if err := json.Unmarshal(c.Detail, &detail); err != nil {
			p.t.Fatal(err)
		}
		for _, e := range detail.Entries {
			if e.Before != nil {
				if told[e.Before.ID] != *e.Before {
					p.t.Errorf("change %d took %v away, which was %v", c.Pos, *e.Before, told[e.Before.ID])
				}
				delete(told, e.Before.ID)
			}
			if e.After != nil {
				told[e.After.ID] = *e.After
			}
		}
		if c.Action == "network.confirm" {
			continue
		}
		mode = detail.After.Mode
		list, err := p.Version(p.t.Context(), command, p.acme.ID, c.Version)
		if err != nil {
			p.t.Fatal(err)
		}
		stored := map[string]entry{}
		for _, n := range list.Networks {
			stored[n.ID] = entry{n.ID, n.Range.String(), n.Label, n.Enabled}
		}
		if !maps.Equal(told, stored) || mode != list.Mode {
			p.t.Errorf("version %d, %s: the change log says %v, %s, the store has %v", c.Version, list.Mode, told, mode, stored)
		}
	}
	if mode == "" {
		p.t.Error("the change log has no change of the list")
	}
}

// note counts what came of an operation, whose errors must be those of rules.
func (p *property) note(what string, err error) {
	var conflict *gate.VersionConflict
	var ends *gate.EndsError
	var cover *gate.CoverError
	switch {
	case err == nil:
		p.did[what]++
	case errors.Is(err, gate.ErrLocksYouOut), errors.Is(err, gate.ErrLocksEveryoneOut), errors.As(err, &ends), errors.As(err, &cover),
		errors.Is(err, gate.ErrLastOwner), errors.Is(err, gate.ErrChangePending), errors.Is(err, gate.ErrNothingPending),
		errors.Is(err, gate.ErrNotAdmitted), errors.Is(err, gate.ErrNotFound), errors.Is(err, gate.ErrForbidden), errors.As(err, &conflict):
		p.did[what+" refused"]++
	default:
		p.t.Fatalf("step %d, %s: %v", p.step, what, err)
	}
}

// addresses are where people come from: some have networks in the pool.
var addresses = []string{"203.0.113.7", "198.51.100.7", "192.0.2.70", "233.252.0.7"}

// act does one random thing.
func (p *property) act() {
	by := command
	if p.chance(2) {
		by = p.someOwner()
	}
	version := int64(0)
	if waiting := p.Pending(p.acme.ID); waiting != nil {
		version = waiting.Version
	}
	switch n := p.rand.IntN(20); {
	case n < 8:
		p.put(by)
	case n < 10:
		p.note("confirm", p.Confirm(p.t.Context(), by, p.acme.ID, version))
	case n < 12:
		p.note("undo", result(p.Undo(p.t.Context(), by, p.acme.ID, version)))
	case n < 16:
		p.admin(by)
	default:
		p.wait()
	}
}

// someOwner is somebody who is, or was, an owner, somewhere.
func (p *property) someOwner() gate.Actor {
	return gate.Actor{
		Kind: gate.ActorAdmin, Tenant: p.acme.ID, Admin: p.people[p.rand.IntN(len(p.people))], Login: "owner", Role: gate.RoleOwner,
		Address: netip.MustParseAddr(addresses[p.rand.IntN(len(addresses))]), Operator: p.chance(10),
	}
}

// put edits the list in a random way.
func (p *property) put(by gate.Actor) {
	e := p.list()
	for i := range e.Entries {
		if p.chance(3) {
			e.Entries[i].Enabled = !e.Entries[i].Enabled
		}
	}
	e.Entries = slices.DeleteFunc(e.Entries, func(gate.Draft) bool { return p.chance(3) })
	for _, span := range []string{"203.0.113.0/24", "198.51.100.0/24", "192.0.2.64/26"} {
		taken := slices.ContainsFunc(e.Entries, func(d gate.Draft) bool { return d.Range == span })
		if !taken && !p.chance(3) {
			e.Entries = append(e.Entries, p.entry(span))
		}
	}
	e.Mode = gate.Modes[max(0, p.rand.IntN(12)-9)]
	if !p.chance(6) {
		e.Mode = gate.ModeEnforced
	}
	for _, word := range gate.AcceptWords {
		if word != gate.AcceptEnds && p.chance(2) || p.chance(4) {
			e.Accept = append(e.Accept, word)
		}
	}
	if p.chance(3) {
		e.ConfirmWithin = time.Duration(1+p.rand.IntN(120)) * time.Minute
	}
	p.note("put", result(p.PutNetworks(p.t.Context(), by, e)))
}

// entry makes an entry that counts at some times for some people.
func (p *property) entry(span string) gate.Draft {
	d := gate.Draft{Range: span, Label: "x", Enabled: !p.chance(5)}
	hours := func(n int) time.Time { return p.clock.Now().Add(time.Duration(1+p.rand.IntN(n*60)) * time.Minute) }
	if p.chance(5) {
		d.NotBefore = hours(3)
	}
	if p.chance(3) {
		d.Expires = hours(6)
		if !d.NotBefore.Before(d.Expires) {
			d.NotBefore = time.Time{}
		}
	}
	switch {
	case p.chance(4):
		d.Roles = []gate.Role{gate.Roles[p.rand.IntN(len(gate.Roles))]}
	case p.chance(2):
		d.Admins = []string{p.people[p.rand.IntN(len(p.people))]}
	}
	return d
}

// admin changes somebody.
func (p *property) admin(by gate.Actor) {
	i := p.rand.IntN(len(p.people))
	if p.chance(8) {
		err := p.RemoveAdmin(p.t.Context(), by, p.acme.ID, p.people[i])
		if p.note("admin", err); err == nil {
			p.people[i] = p.member(fmt.Sprint("admin-", p.step, "-", i), gate.Roles[p.rand.IntN(len(gate.Roles))]).ID
		}
		return
	}
	patch := gate.AdminPatch{}
	if p.chance(2) {
		disabled := p.chance(2)
		patch.Disabled = &disabled
	} else {
		patch.Role = &gate.Roles[p.rand.IntN(len(gate.Roles))]
	}
	_, _, err := p.SetAdmin(p.t.Context(), by, p.acme.ID, p.people[i], patch)
	p.note("admin", err)
}

// wait lets up to three hours pass, and looks at every moment at which an entry
// begins or ends, or a change is due.
func (p *property) wait() {
	until := p.clock.Now().Add(time.Duration(1+p.rand.IntN(180)) * time.Minute)
	for {
		next := until
		for _, at := range p.moments() {
			if at.After(p.clock.Now()) && at.Before(next) {
				next = at
			}
		}
		p.clock.advance(next.Sub(p.clock.Now()))
		p.look() // as it is before what is due is undone, if nobody was faster
		waiting := p.Pending(p.acme.ID)
		if err := p.UndoOverdue(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
		if waiting != nil && !p.clock.Now().Before(waiting.Until) {
			p.did["undone by itself"]++
		}
		p.look()
		if next.Equal(until) {
			return
		}
	}
}

func (p *property) moments() (all []time.Time) {
	for _, d := range p.list().Entries {
		all = append(all, d.NotBefore, d.Expires)
	}
	if waiting := p.Pending(p.acme.ID); waiting != nil {
		all = append(all, waiting.Until)
	}
	return all
}

// look asks, the slow and obvious way, whether some owner is let in.
func (p *property) look() {
	v, err := p.Version(p.t.Context(), command, p.acme.ID, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	admins, err := p.Admins(p.t.Context(), command, p.acme.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	owners, admitted := 0, 0
	for _, a := range admins {
		if a.Role != gate.RoleOwner || a.Disabled {
			continue
		}
		owners++
		for _, n := range v.Networks {
			if n.Admits(p.clock.Now()) && n.For(a.Role, a.ID) {
				admitted++
			}
		}
	}
	switch {
	case owners == 0:
		p.t.Errorf("step %d: there is no owner", p.step)
	case v.Mode != gate.ModeEnforced, admitted > 0:
		p.did["let in"]++
	case p.accepted(v):
		p.did["locked out, as accepted"]++
	default:
		p.t.Errorf("step %d, %s: version %d (%s) lets none of %d owners in: %+v", p.step, p.clock.Now(), v.Version, v.Accepted, owners, v.Networks)
	}
}

// accepted reports whether it is recorded that somebody meant the list to end:
// with the version, or, where it brings an earlier one back, with that.
func (p *property) accepted(v *gate.ListVersion) bool {
	for v.Undoes != 0 {
		waited, err := p.Version(p.t.Context(), command, p.acme.ID, v.Undoes-1) // what it was made from
		if err != nil {
			p.t.Fatal(err)
		}
		v = waited
	}
	return slices.Contains(v.Accepted, gate.AcceptEnds)
}
