package gate

import (
	"sync/atomic"
	"time"
)

// gauges are what the surroundings of the gate have to say about this node.
type gauges struct {
	streams    atomic.Int64
	violations atomic.Int64
	violation  atomic.Pointer[string]
	elsewhere  atomic.Bool
	trouble    atomic.Pointer[Trouble]

	certificateOf atomic.Pointer[func(host string) Validity]
	certificates  atomic.Pointer[Certificates]
	missingWords  atomic.Pointer[func() int64]
}

// Trouble is a background task that failed.
type Trouble struct {
	At          time.Time
	Task, Error string // in English
}

// LastTrouble is the last background task of this node that failed; nil: none has.
func (g *Gate) LastTrouble() *Trouble { return g.gauges.trouble.Load() }

// Position is how far this node has come in the change log.
func (g *Gate) Position() int64 { return g.follower.pos.Load() }

// Streaming counts a live tail until done is called.
func (g *Gate) Streaming() (done func()) {
	g.gauges.streams.Add(1)
	return func() { g.gauges.streams.Add(-1) }
}

// Violated counts a violation of the pages' content security policy, in words.
func (g *Gate) Violated(what string) {
	g.gauges.violations.Add(1)
	what = shorten(what, 200)
	g.gauges.violation.Store(&what)
}

// SetTrustElsewhere notes that only Caddy was told which proxies to trust, which
// decides nothing here.
func (g *Gate) SetTrustElsewhere(yes bool) { g.gauges.elsewhere.Store(yes) }
