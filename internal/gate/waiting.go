package gate

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// WaitingAsks is how many access requests of a tenant wait for an answer, to
// owners and reviewers. It reads the snapshot, so that every page can say it.
func (g *Gate) WaitingAsks(by Actor, tenant string) (n int) {
	if by.may(tenant, RoleOwner, RoleReviewer) != nil {
		return 0
	}
	made, _ := g.snap.asks.get(tenant)
	for _, at := range made {
		if g.now().Before(at.Add(AskLives)) {
			n++
		}
	}
	return n
}

// loadAsks takes in when the waiting requests of a tenant were made, or of all
// tenants where that is empty.
func (g *Gate) loadAsks(ctx context.Context, tenant string) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	waiting, err := g.store.AsksMade(ctx, tenant, g.now().Add(-AskLives))
	if err != nil {
		return err
	}
	if tenant != "" {
		g.snap.asks.set(tenant, waiting[tenant])
		return nil
	}
	for id, made := range waiting {
		g.snap.asks.set(id, made)
	}
	g.snap.asks.all(func(id string, _ []time.Time) {
		if waiting[id] == nil {
			g.snap.asks.remove(id)
		}
	})
	return nil
}

// AskFact is what somebody did at an address, by what became of it, for the
// evidence of access requests.
type AskFact struct {
	Address netip.Addr
	Admin   string // ID; empty: nobody who is known
	AttemptSum
}

// AskEvidence is what is known of who asks, from the last 30 days.
type AskEvidence struct {
	Address Seen  // what came from the address, whoever it was
	Admin   *Seen // what the admin did, from wherever; nil: the login is nobody's
	Here    int64 // sign-ins of that admin from this address
	Others  int   // other admins who signed in from this address
}

// AskEvidence collects what helps to answer requests of one tenant, in their
// order. It is one question to the store for all of them.
func (g *Gate) AskEvidence(ctx context.Context, by Actor, tenant string, requests []AccessRequest) ([]AskEvidence, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	addresses, admins := map[netip.Addr]bool{}, map[string]bool{}
	for i := range requests {
		addresses[requests[i].Address] = true
		if id := requests[i].Admin; id != "" {
			admins[id] = true
		}
	}
	if len(requests) == 0 {
		return nil, nil
	}
	facts, err := g.store.AskFacts(ctx, tenant, g.now().Add(-usesSince), slices.Collect(maps.Keys(addresses)), slices.Collect(maps.Keys(admins)))
	if err != nil {
		return nil, err
	}
	out := make([]AskEvidence, len(requests))
	for i := range requests {
		out[i] = evidenceFor(&requests[i], facts)
	}
	return out, nil
}

// evidenceFor sums up the facts that are about one request.
func evidenceFor(r *AccessRequest, facts []AskFact) (e AskEvidence) {
	if r.Admin != "" {
		e.Admin = &Seen{}
	}
	others := map[string]bool{}
	for i := range facts {
		f := &facts[i]
		here, same := f.Address == r.Address, r.Admin != "" && f.Admin == r.Admin
		if here {
			e.Address.add(f.AttemptSum)
		}
		if same {
			e.Admin.add(f.AttemptSum)
		}
		switch {
		case !here || !f.signedIn():
		case same:
			e.Here += f.Count
		default:
			others[f.Admin] = true
		}
	}
	e.Others = len(others)
	return e
}
