package gate

import (
	"context"
	"fmt"
	"time"
)

// UndoOverdue undoes what is due now, without waiting for the clock.
func (g *Gate) UndoOverdue(ctx context.Context) error { return g.undoOverdue(ctx) }

// KeepHouse does at once what a running gate does every minute.
func (g *Gate) KeepHouse(ctx context.Context) error { return g.house(ctx) }

// BoundHistory changes how many traces are kept in memory.
func (g *Gate) BoundHistory(traces int) { g.history.limit = traces }

// HeldTraces is how many traces of a tenant are in memory.
func (g *Gate) HeldTraces(tenant string) int {
	t := g.history.of(tenant, g.now())
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows
}

// ForgetHistory forgets what nobody has reviewed at a time for too long.
func (g *Gate) ForgetHistory(now time.Time) { g.history.forget(now) }

// DueAlerts looks for changes that owners want to know of, and returns the
// messages that should go.
func (g *Gate) DueAlerts(ctx context.Context) ([]AlertLetter, error) {
	if err := (alerting{g}).watchChanges(ctx); err != nil {
		return nil, err
	}
	return g.store.DueAlerts(ctx, g.now(), 100)
}

// PackHead is the length of what goes before the body of a pack.
const PackHead = packHead

// Sealed is a body as a pack, with the sum that it has to have.
func Sealed(h TenantHour, body []byte) []byte {
	return sealed(h, append(make([]byte, packHead), body...))
}

// Pack packs records.
func Pack(h TenantHour, traces []Trace) []byte {
	var table traceTable
	var rows []traceRow
	for i := range traces {
		rows = append(rows, table.row(&traces[i]))
	}
	return table.pack(h, rows)
}

// Unpack returns what a pack has.
func Unpack(h TenantHour, pack []byte) ([]Trace, error) {
	var table traceTable
	table.addrs.id(traceAddr{}) // numbers of the table are not those of the pack
	rows, err := table.unpack(h, pack)
	var traces []Trace
	for _, r := range rows {
		kind, who, addr := table.kinds.all[r.kind], table.whos.all[r.who], table.addrs.all[r.addr]
		traces = append(traces, Trace{
			Reference: referenceText(r.reference), First: time.UnixMicro(r.first).UTC(), Last: time.UnixMicro(r.last()).UTC(),
			Stage: kind.stage, Outcome: kind.outcome, Reason: kind.reason, Password: kind.password,
			Admin: who.admin, LoginHash: who.hash, Address: addr.addr, Bits: addr.bits, Count: r.count,
		})
	}
	return traces, err
}

// HoldTenants puts tenants into memory that no store has.
func (g *Gate) HoldTenants(n int) {
	for i := range n {
		id, slug := fmt.Sprint("T", i), fmt.Sprint("tenant-", i)
		g.snap.tenants.set(id, &tenantState{
			Tenant:   Tenant{ID: id, Slug: slug, Name: fmt.Sprint("Company ", i*7919%100_003), Mode: Modes[i%len(Modes)], Hosts: []string{slug + ".example"}},
			networks: make([]Network, 20),
		})
	}
}
