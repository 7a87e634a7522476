package web

import (
	"time"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// NodeJSON is what a node last said of itself.
type NodeJSON struct {
	Node     string      `json:"node"`
	Version  string      `json:"version"`
	State    string      `json:"state"` // in_step, behind, silent or gone
	Started  timestamp   `json:"started"`
	Seen     timestamp   `json:"seen"`
	Position int64       `json:"position"`        // in the change log
	Lag      int64       `json:"lag"`             // changes that it has not taken in
	Offset   float64     `json:"clock_offset_ms"` // its clock is ahead of the store's by this
	Health   gate.Health `json:"health"`
}

// NewNodesJSON shows nodes, where newest is the newest change there is.
func NewNodesJSON(nodes []gate.Node, newest int64, now time.Time) []NodeJSON {
	out := make([]NodeJSON, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		out[i] = NodeJSON{
			n.Name, n.Version, n.State(newest, now), timestamp(n.Started), timestamp(n.Seen), n.Position, max(0, newest-n.Position),
			float64(n.Offset) / float64(time.Millisecond), n.Health,
		}
	}
	return out
}

// DeliveryJSON is how far a destination has come.
type DeliveryJSON struct {
	Name        string    `json:"name"`
	Type        string    `json:"type"`
	Address     string    `json:"address"`
	Tenant      *string   `json:"tenant"`
	Node        *string   `json:"node"` // that delivers at the moment
	Delivered   int64     `json:"delivered"`
	Waiting     int64     `json:"waiting"`
	Lag         float64   `json:"lag_seconds"`
	Dropped     int64     `json:"dropped"`
	LastSuccess timestamp `json:"last_success"`
	LastError   *string   `json:"last_error"`
	FailingFrom timestamp `json:"failing_since"`
	Seen        timestamp `json:"seen"` // when a node last worked on it
}

// NewDeliveriesJSON shows destinations. slug names a tenant by its id.
func NewDeliveriesJSON(list []gate.Delivery, slug func(id string) string, now time.Time) []DeliveryJSON {
	out := make([]DeliveryJSON, len(list))
	for i := range list {
		d := &list[i]
		out[i] = DeliveryJSON{
			Name: d.Name, Type: d.Kind, Address: d.Address, Tenant: present(slug(d.Tenant)), Node: present(d.Node),
			Delivered: d.Delivered, Waiting: d.Waiting, Lag: d.Lag(now).Seconds(), Dropped: d.Dropped,
			LastSuccess: timestamp(d.LastSuccess), LastError: present(d.LastError), FailingFrom: timestamp(d.Failing), Seen: timestamp(d.Seen),
		}
	}
	return out
}

// PlacesJSON is the state of a file that tells places.
type PlacesJSON struct {
	File    string    `json:"file"`
	Type    string    `json:"type"`
	Built   timestamp `json:"built"`
	Loaded  timestamp `json:"loaded"`
	Trouble *string   `json:"trouble"` // why the file as it is now is not in use
}

// NewPlacesJSON shows files.
func NewPlacesJSON(files []gate.PlacesFile) []PlacesJSON {
	out := make([]PlacesJSON, len(files))
	for i, f := range files {
		out[i] = PlacesJSON{f.Path, f.Type, timestamp(f.Built), timestamp(f.Loaded), present(f.Trouble)}
	}
	return out
}

// healthJSON is how everything is doing: what the page about it shows. What the
// store did not say in time is null.
type healthJSON struct {
	Position int64          `json:"position"` // of the newest change
	Nodes    []NodeJSON     `json:"nodes"`
	Store    storeJSON      `json:"store"`
	Chain    chainJSON      `json:"change_log"`
	Places   []PlacesJSON   `json:"places"`
	Deliver  []DeliveryJSON `json:"deliver"`
}

// storeJSON is the store as this node sees it.
type storeJSON struct {
	Away      bool      `json:"away"`
	Kind      *string   `json:"kind"`
	Version   *string   `json:"version"`
	Bytes     *int64    `json:"bytes"`
	LastError *string   `json:"last_error"` // of a task in the background
	ErrorAt   timestamp `json:"last_error_at"`
}

// chainJSON is what came of the last check of the change log.
type chainJSON struct {
	Verified timestamp `json:"verified"`
	Changes  int64     `json:"changes"`
	Broken   *string   `json:"broken"` // which change does not hold
	Running  bool      `json:"running"`
}

func getHealth(c *call) (any, error) {
	if !c.h.door.Operates(c.actor) {
		if c.tenant == c.h.door.OperatorID() {
			return nil, gate.ErrForbidden
		}
		return nil, notFound.problem(noSuchCall)
	}
	check, err := c.h.door.Verified(c.actor, c.tenant, false)
	if err != nil {
		return nil, err
	}
	p := c.h.probe(c.Context())
	out := healthJSON{
		Position: c.h.door.Position(), Store: storeJSON{Away: c.h.door.StoreDown()}, Places: NewPlacesJSON(c.h.door.PlacesFiles()),
		Chain: chainJSON{timestamp(check.At), check.Held, present(check.Trouble), check.Running},
	}
	if p.knowNodes {
		out.Nodes = NewNodesJSON(p.nodes, out.Position, p.now)
	}
	if p.knowStore {
		out.Store.Kind, out.Store.Version, out.Store.Bytes = &p.info.Kind, &p.info.Version, &p.info.Bytes
	}
	if t := c.h.door.LastTrouble(); t != nil {
		out.Store.LastError, out.Store.ErrorAt = present(export.Plain(t.Task+": "+t.Error)), timestamp(t.At)
	}
	if p.knowDeliveries {
		out.Deliver = NewDeliveriesJSON(p.deliveries, c.h.slug, p.now)
	}
	return out, nil
}
