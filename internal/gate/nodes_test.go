package gate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// within waits for what nodes tell each other, which may take seconds.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 200 {
		if holds() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("not within 5 seconds: %s", what)
}

func namesOf(nodes []gate.Node) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

// TestNodesTellEachOther: a change is in force everywhere once every node has
// said so; one that is cut off is named until it is gone for long, and one that
// stops is not waited for.
func TestNodesTellEachOther(t *testing.T) {
	w := newWorld(t)
	n2 := w.node("n2")
	in := func(active, nodes int, behind ...string) func() bool {
		return func() bool {
			got := w.InForce(w.acme.ID)
			return got.Active == active && got.Nodes == nodes && slices.Equal(namesOf(got.Behind), behind)
		}
	}
	within(t, "both are known", in(2, 2))
	w.add("acme", gate.Draft{Range: "198.51.100.0/24", Label: "new", Enabled: true})
	within(t, "both have the new list", in(2, 2))

	s, err := store.Open(t.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cutOff := gate.Node{Name: "n3", Boot: "X", Version: "v0.9.0", Seen: w.clock.Now(), Position: 1}
	if _, err := s.PutNode(t.Context(), cutOff); err != nil {
		t.Fatal(err)
	}
	w.add("acme", gate.Draft{Range: "198.18.0.0/24", Label: "newer", Enabled: true})
	within(t, "the third is named", in(2, 3, "n3"))

	w.clock.advance(gate.NodeGone - time.Second)
	if got := w.InForce(w.acme.ID); got.Nodes < 3 {
		t.Errorf("a node that is silent still counts: got %+v", got)
	}
	w.clock.advance(time.Second)
	w.add("acme", gate.Draft{Range: "198.18.1.0/24", Label: "newest", Enabled: true}) // the others speak again
	within(t, "a node that is gone does not count", in(2, 2))

	nodes, err := w.Nodes(t.Context())
	if err != nil || !slices.Equal(namesOf(nodes), []string{"n1", "n2", "n3"}) {
		t.Fatalf("got %v, %v", namesOf(nodes), err)
	}
	now := w.clock.Now()
	if n := nodes[0]; n.Silent(now) || n.Version != gate.Version || n.Position == 0 || n.Offset != 0 {
		t.Errorf("this node: %+v", n)
	}
	if n := nodes[2]; !n.Gone(now) || n.Version != "v0.9.0" {
		t.Errorf("the one that is gone: %+v", n)
	}
	n2.Stop()
	nodes, err = w.Nodes(t.Context())
	if err != nil || !slices.Equal(namesOf(nodes), []string{"n1", "n3"}) {
		t.Errorf("after one has stopped: got %v, %v", namesOf(nodes), err)
	}
}
