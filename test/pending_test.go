package test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// confirmWithin is the shortest time there is to confirm a change.
const confirmWithin = 5 * time.Second

// TestChangesUndoThemselves makes changes that nobody confirms: one with nodes
// running, one whose time ends while none does, and one whose time ends while
// the database is away. Each is undone, once.
func TestChangesUndoThemselves(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			dsn := engine.store(t)
			var p *proxy
			if engine.name == "postgres" {
				p, dsn = newProxy(t, dsn)
			}
			u := &undone{t: t, version: 3}
			for i := range 2 {
				u.nodes = append(u.nodes, startGateway(t, setup{store: dsn, console: startConsole(t).address(), node: fmt.Sprint("node-", i)}))
				if engine.name == "sqlite" {
					break // a file belongs to one node
				}
			}
			u.nodes[0].do("tenant", "add", "acme", "--host", "acme.gate.test")
			u.nodes[0].do("network", "add", "acme", "192.0.2.0/24", "--label", "Head office")
			u.nodes[0].do("tenant", "set", "acme", "--mode", "enforced")

			due := u.change()
			u.lets(due)
			u.cameBack(due.Add(atOnce))

			due = u.change()
			for _, g := range u.nodes {
				g.kill()
			}
			time.Sleep(time.Until(due))
			for _, g := range u.nodes {
				g.restart()
			}
			u.cameBack(time.Now().Add(atOnce))

			if p == nil {
				return
			}
			due = u.change()
			p.cut()
			time.Sleep(time.Until(due.Add(atOnce)))
			u.lets(time.Now().Add(atOnce))
			p.restore()
			u.cameBack(time.Now().Add(restoredWithin))
		})
	}
}

// undone is a tenant whose list is changed and comes back.
type undone struct {
	t       *testing.T
	nodes   []*gateway
	version int64 // of the list
}

// change admits a network for as long as nobody confirms it, and waits until
// every node does.
func (u *undone) change() (due time.Time) {
	u.t.Helper()
	u.version++
	var done struct {
		Version int64
		Pending struct{ Until time.Time }
	}
	u.nodes[0].read(&done, "network", "add", "acme", "198.51.100.0/24", "--label", "Branch", "--confirm-within", confirmWithin.String())
	if done.Version != u.version {
		u.t.Fatalf("the change has version %d, want %d", done.Version, u.version)
	}
	for _, g := range u.nodes {
		eventually(u.t, atOnce, func() error { return u.visitor(g).refused(http.StatusUnauthorized, "no_session") })
	}
	return done.Pending.Until
}

func (u *undone) visitor(g *gateway) answer {
	return g.visit("acme.gate.test", "198.51.100.7").get("/")
}

// lets asks every node whether the change is in force, if it is still early
// enough to.
func (u *undone) lets(until time.Time) {
	u.t.Helper()
	for _, g := range u.nodes {
		if err := u.visitor(g).refused(http.StatusUnauthorized, "no_session"); err != nil && time.Now().Before(until) {
			u.t.Error(err)
		}
	}
}

// cameBack waits until every node has the list from before, and looks whether it
// came back once.
func (u *undone) cameBack(by time.Time) {
	u.t.Helper()
	for _, g := range u.nodes {
		eventually(u.t, time.Until(by), func() error { return u.visitor(g).refused(http.StatusForbidden, "outside_networks") })
	}
	var history struct {
		Items []struct {
			Version, Undoes int64
			By              string
		}
	}
	u.nodes[0].read(&history, "network", "history", "acme", "--limit", "1")
	if got := history.Items[0]; got.Version != u.version+1 || got.Undoes != u.version || got.By != "system" {
		u.t.Errorf("got %+v, want version %d, which undoes %d", got, u.version+1, u.version)
	}
	u.version++
}
