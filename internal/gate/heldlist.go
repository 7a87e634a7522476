package gate

import (
	"context"
	"slices"
	"sync"
)

// heldMost is how many lists are held at once; what is beyond is read again.
const heldMost = 32

// heldLists are the lists in force that were looked at lately. A version of a
// list never changes, so one stands until the snapshot has another.
type heldLists struct {
	mu    sync.Mutex
	lists map[string]*ListVersion // by tenant
}

func (h *heldLists) get(t *tenantState) *ListVersion {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t == nil || h.lists[t.ID] == nil || h.lists[t.ID].Version != t.Version {
		return nil
	}
	return h.lists[t.ID]
}

func (h *heldLists) put(tenant string, l *ListVersion) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lists == nil || len(h.lists) >= heldMost {
		h.lists = map[string]*ListVersion{}
	}
	h.lists[tenant] = l
}

// clear forgets all: after a restored backup, a version may be another one.
func (h *heldLists) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists = nil
}

// ListInForce returns the list that this node decides by, with its entries. It
// is for showing: an edit has to be based on what the store has.
func (g *Gate) ListInForce(ctx context.Context, by Actor, tenant string) (*ListVersion, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	l := g.held.get(g.snap.byID(tenant))
	if l == nil {
		var err error
		if l, err = g.store.List(ctx, tenant, 0); err != nil {
			return nil, err
		}
		g.held.put(tenant, l)
	}
	shown := *l // whoever shows it may sort it
	shown.Networks = slices.Clone(l.Networks)
	return &shown, nil
}
