package gate

import (
	"context"
)

// Review is what an edit would do, and what the guards say about it. Nothing
// was changed.
type Review struct {
	Base       int64 // the version it was made from
	ModeBefore Mode
	ModeAfter  Mode
	Before     []Network
	After      []Network // as they would be stored, in order
	Changes    []NetworkChange
	Replay     *Replay
	Checks     []GuardCheck // by which PutNetworks would decide; none: nobody can be locked out
	Ending     []Session    // that run, and would end the moment the edit is applied
	Warnings   []Warning
}

// Review replays an edit against the last days and asks the guards about it.
// Its errors are those of PutNetworks, but for what the guards refuse: that is
// among the checks.
func (d *Door) Review(ctx context.Context, by Actor, e Edit) (*Review, error) {
	p, err := d.prepare(ctx, by, &e)
	if err != nil {
		return nil, err
	}
	c, err := d.collect(ctx, e.Tenant, replayDays, false, evidencePatient)
	if err != nil {
		return nil, err
	}
	before := d.judge(p.before.Tenant.Mode, p.before.Networks, p.now)
	after := d.judge(e.Mode, p.networks, p.now)
	r := &Review{
		Base: e.Base, ModeBefore: p.before.Tenant.Mode, ModeAfter: e.Mode, Before: p.before.Networks, After: p.networks,
		Changes: Compare(p.before.Networks, p.networks), Replay: replay(c, p.before.Admins, before, after),
		Checks: p.checks, Warnings: p.warnings,
	}
	r.Ending, err = d.ending(ctx, by, p, before, after)
	return r, err
}

// ending returns the running sessions that the list in force lets in from where
// they are and the new one does not.
func (d *Door) ending(ctx context.Context, by Actor, p *prepared, before, after judge) (out []Session, err error) {
	running, err := d.store.Sessions(ctx, SessionFilter{Tenant: p.before.Tenant.ID, Now: p.now})
	if err != nil {
		return nil, err
	}
	who := active(p.before.Admins)
	t := d.snap.byID(p.before.Tenant.ID)
	for _, s := range running {
		admin := who[s.Admin]
		if s.ID == by.Session { // the store knows where it was a moment ago
			s.LastAddress = by.Address
		}
		if admin == nil || t != nil && t.emergency(s.LastAddress, p.now) {
			continue
		}
		if d.Rules.Bind == BindOff {
			admin = nil
		}
		if before.admits(s.LastAddress, admin) && !after.admits(s.LastAddress, admin) {
			out = append(out, s)
		}
	}
	return out, nil
}
