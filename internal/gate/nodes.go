package gate

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Pace of what nodes say of themselves in the store.
const (
	beatEvery = 10 * time.Second // when nothing happens
	beatLeast = time.Second      // between two: after a change
	lookEvery = 2 * time.Second  // at the others; sooner while one is behind
)

// How long a node that says nothing is reckoned with.
const (
	// NodeSilent is after how long a node is shown as silent.
	NodeSilent = 30 * time.Second
	// NodeGone is after how long a node does not count any more among those
	// that a change has to reach. Until then it may well be one that is cut off
	// from the store and decides by what it knew. A node that is stopped as it
	// should be takes itself off.
	NodeGone = 15 * time.Minute
	// nodeForgotten is after how long nothing is left of it.
	nodeForgotten = 7 * 24 * time.Hour
)

// Node is what a running program says of itself. Its times are by the store's
// clock as it sees it, so those of two nodes can be compared.
type Node struct {
	Name     string
	Boot     string // names this start
	Version  string // of the program
	Started  time.Time
	Seen     time.Time     // when it said this
	Position int64         // in the change log: up to there its policy goes
	Reached  time.Time     // when it got there
	Offset   time.Duration // its clock is ahead of the store's by this much
	Health   Health
}

// Health is what a node has to say of its own state.
type Health struct {
	Decisions Timing `json:"decisions"`
	Seen      int64  `json:"attempts_seen"`    // since it started
	Waiting   int64  `json:"attempts_waiting"` // of these, what is not stored yet
	Open      int    `json:"open_requests"`
	Streams   int64  `json:"streams"` // live tails
	// What is wrong with the addresses of visitors, and whether Caddy's own
	// trusted_proxies are set while the gate's are not.
	Addresses      []AddressTrouble `json:"addresses,omitempty"`
	TrustElsewhere bool             `json:"trust_elsewhere,omitempty"`
	// Violations of the pages' content security policy that browsers reported
	// since the start, and the last of them.
	Violations    int64  `json:"violations"`
	LastViolation string `json:"last_violation,omitempty"`
	// Certificates of the hosts of tenants; nil: there are none, or that was not
	// looked at yet.
	Certificates *Certificates `json:"certificates,omitempty"`
	MissingWords int64         `json:"missing_words"` // sentences that its pages said in another language, since the start
}

// States of nodes.
const (
	NodeInStep   = "in_step"
	NodeBehind   = "behind" // there are changes that it has not taken in
	NodeIsSilent = "silent"
	NodeIsGone   = "gone"
)

// State is that of a node, where newest is the newest change there is.
func (n *Node) State(newest int64, now time.Time) string {
	switch {
	case n.Gone(now):
		return NodeIsGone
	case n.Silent(now):
		return NodeIsSilent
	case n.Position < newest:
		return NodeBehind
	}
	return NodeInStep
}

// Silent reports whether a node has not been heard of for a while.
func (n *Node) Silent(now time.Time) bool { return now.Sub(n.Seen) >= NodeSilent }

// Gone reports whether a node does not count any more.
func (n *Node) Gone(now time.Time) bool { return now.Sub(n.Seen) >= NodeGone }

// NodeStore keeps what nodes say of themselves, one row for each.
type NodeStore interface {
	// PutNode stores what a node says, and returns the store's time.
	PutNode(ctx context.Context, n Node) (time.Time, error)
	// Nodes lists those that were seen since, by their names.
	Nodes(ctx context.Context, since time.Time) ([]Node, error)
	// RemoveNode removes a node, unless it was started again.
	RemoveNode(ctx context.Context, name, boot string) error
	// ForgetNodes removes those that were not seen since.
	ForgetNodes(ctx context.Context, since time.Time) error
}

// pulse is this node's part in it. Only the follower's goroutine writes it. The
// pace goes by the machine's time and not by Gate.now.
type pulse struct {
	spoke   time.Time // when this node last said something
	looked  time.Time // when it last read what the others say
	told    int64     // the position that it named
	at      int64     // the position it is at
	reached time.Time // since when
	offset  atomic.Int64
	own     atomic.Pointer[Node]
	others  atomic.Pointer[[]Node]
	down    atomic.Bool
}

// storeTime is the time by the store's clock, as far as it is known here.
func (g *Gate) storeTime() time.Time {
	return micros(g.now().Add(-time.Duration(g.pulse.offset.Load())))
}

// beat says how this node is doing: after a change, but at most once a second, and
// at least every ten. It reads how the others are.
func (g *Gate) beat(ctx context.Context) error {
	p, pos := &g.pulse, g.follower.pos.Load()
	if pos != p.at {
		p.at, p.reached = pos, g.storeTime()
	}
	due := beatEvery
	if pos != p.told {
		due = beatLeast
	}
	if time.Since(p.spoke) >= due {
		if err := g.speak(ctx); err != nil {
			return err
		}
	}
	if since := time.Since(p.looked); since >= lookEvery || since >= beatLeast && g.anybodyBehind() {
		return g.listen(ctx)
	}
	return nil
}

// speak stores what this node has to say, and learns what time it is there: half
// of the way of question and answer is how wrong that may be.
func (g *Gate) speak(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	p := &g.pulse
	n := Node{
		Name: g.node, Boot: g.recorder.boot.Boot, Version: Version, Started: micros(g.recorder.boot.Started),
		Seen: g.storeTime(), Position: p.at, Reached: p.reached, Offset: time.Duration(p.offset.Load()), Health: g.health(),
	}
	asked := g.now()
	there, err := g.store.PutNode(ctx, n)
	if err != nil {
		return err
	}
	way := g.now().Sub(asked) / 2
	offset := asked.Add(way).Sub(there)
	if offset.Abs() <= way+time.Millisecond {
		offset = 0
	}
	p.offset.Store(int64(offset.Truncate(time.Microsecond)))
	p.told, p.spoke = n.Position, time.Now()
	p.own.Store(&n)
	return nil
}

// health is what this node has to say of its state.
func (g *Gate) health() Health {
	g.peers.turn(g.now())
	h := g.HealthNow()
	h.Decisions = g.took.figures(g.now())
	return h
}

// HealthNow is the state of this node but for how long decisions take.
func (g *Gate) HealthNow() Health {
	h := Health{Open: g.OpenRequests()}
	h.Seen, h.Waiting = g.recorder.counts()
	h.Addresses, h.TrustElsewhere = g.peers.findings(), g.gauges.elsewhere.Load()
	h.Streams, h.Violations = g.gauges.streams.Load(), g.gauges.violations.Load()
	if last := g.gauges.violation.Load(); last != nil {
		h.LastViolation = *last
	}
	h.Certificates = g.gauges.certificates.Load()
	if count := g.gauges.missingWords.Load(); count != nil {
		h.MissingWords = (*count)()
	}
	return h
}

// Own is what this node says of itself now; its decision times are those of its
// last word.
func (g *Gate) Own() Node {
	n := Node{Name: g.node, Version: Version, Seen: g.storeTime(), Position: g.follower.pos.Load(), Health: g.HealthNow()}
	if said := g.pulse.own.Load(); said != nil {
		n.Health.Decisions = said.Health.Decisions
	}
	return n
}

// listen reads what the others say.
func (g *Gate) listen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	found, err := g.store.Nodes(ctx, g.storeTime().Add(-NodeGone))
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(found, func(n Node) bool { return n.Name == g.node })
	g.pulse.others.Store(&others)
	g.pulse.looked = time.Now()
	return nil
}

// anybodyBehind reports whether a node that counts is known not to be where this
// one is.
func (g *Gate) anybodyBehind() bool {
	others := g.pulse.others.Load()
	return others != nil && slices.ContainsFunc(*others, func(n Node) bool { return n.Position < g.pulse.at })
}

// leave takes this node off, so that nobody waits for it.
func (g *Gate) leave() {
	if g.pulse.own.Load() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), beatLeast)
	defer cancel()
	_ = g.store.RemoveNode(ctx, g.node, g.recorder.boot.Boot) // a store that is away finds it gone later
}

// NodesNow is Nodes, with the moment to compare their times with.
func (g *Gate) NodesNow(ctx context.Context) ([]Node, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	list, err := g.Nodes(ctx)
	return list, g.storeTime(), err
}

// Nodes lists the nodes that were heard of in the last seven days, by their
// names. This node is as it is now.
func (g *Gate) Nodes(ctx context.Context) ([]Node, error) {
	list, err := g.store.Nodes(ctx, g.storeTime().Add(-nodeForgotten))
	if own := g.pulse.own.Load(); own != nil {
		for i := range list {
			if list[i].Name == own.Name {
				list[i].Position, list[i].Seen = g.follower.pos.Load(), g.storeTime()
			}
		}
	}
	return list, err
}

// InForce says where the rules of a tenant are in force as they stand.
type InForce struct {
	Active, Nodes int           // how many nodes decide by them, of how many
	Behind        []Node        // those that have not said so
	Since         time.Duration // since this node took the newest change in
}

// InForce says on how many of the nodes that count a tenant's rules, its list
// among them, are in force as this node has them. It reads memory only.
func (g *Gate) InForce(tenant string) InForce {
	out := InForce{Active: 1, Nodes: 1}
	t, others := g.snap.byID(tenant), g.pulse.others.Load()
	if t == nil || others == nil {
		return out
	}
	out.Since = max(0, g.now().Sub(t.taken.at))
	now := g.storeTime()
	for _, n := range *others {
		if n.Gone(now) {
			continue
		}
		out.Nodes++
		if n.Position >= t.taken.pos {
			out.Active++
		} else {
			out.Behind = append(out.Behind, n)
		}
	}
	return out
}
