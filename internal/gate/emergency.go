package gate

import (
	"context"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxEmergency bounds emergency access.
const MaxEmergency = 24 * time.Hour

// emergencyOpened is the action of opening it, in the change log.
const emergencyOpened = "emergency.open"

// Emergency is a way in that was opened by those who run the gateway, for one address, beside the
// list and for a short time: for a company that has locked itself out.
type Emergency struct {
	ID      string
	Tenant  string // tenant ID
	Address netip.Addr
	Until   time.Time
	Reason  string
	Made    time.Time
	By      string // who opened it
}

// EmergencyStore keeps emergency access.
type EmergencyStore interface {
	// AddEmergency returns ErrNotFound when the tenant is gone.
	AddEmergency(ctx context.Context, rec Record, e Emergency) error
	// EndEmergency returns ErrNotFound when there is none that runs.
	EndEmergency(ctx context.Context, rec Record, tenant, id string) error
}

// emergencyDetail is what the change log keeps of emergency access.
type emergencyDetail struct {
	Address string `json:"address"`
	Until   string `json:"until"`
	Reason  string `json:"reason"`
}

func (e *Emergency) detail() emergencyDetail {
	return emergencyDetail{e.Address.String(), e.Until.Format(time.RFC3339Nano), e.Reason}
}

// OpenEmergency lets one address in, whatever the list says, for a time. What
// it admits to is the sign-in page. Commands and owners of the operator's tenant open
// emergency access.
func (g *Gate) OpenEmergency(ctx context.Context, by Actor, tenant string, a netip.Addr, within time.Duration, why string) (*Emergency, error) {
	if err := g.manages(by); err != nil {
		return nil, err
	}
	by = by.abroad()
	why = strings.TrimSpace(why)
	bad := &InvalidError{}
	if !a.IsValid() || a.Zone() != "" {
		bad.add("address", "invalid", "write the one address to let in")
	}
	if within <= 0 || within > MaxEmergency {
		bad.add("for", "out_of_range", "emergency access lasts for at most 24h")
	}
	switch {
	case why == "":
		bad.add("why", "required", "write why, so that the owners of the tenant can see it")
	case utf8.RuneCountInString(why) > MaxNote:
		bad.add("why", "too_long", "the reason has more than %d characters", MaxNote)
	}
	if err := bad.orNil(); err != nil {
		return nil, err
	}
	now := micros(g.now())
	e := Emergency{
		ID: NewID(), Tenant: tenant, Address: a.Unmap(), Until: now.Add(within).Truncate(time.Microsecond),
		Reason: why, Made: now, By: by.Name(),
	}
	if err := g.store.AddEmergency(ctx, Record{Actor: by, Action: emergencyOpened, At: now, Detail: e.detail()}, e); err != nil {
		return nil, err
	}
	return &e, g.applied(ctx)
}

// EndEmergency ends emergency access before its time: by those who may open it, or
// by an owner of the tenant.
func (g *Gate) EndEmergency(ctx context.Context, by Actor, tenant, id string) error {
	if g.operates(by, RoleOwner) == nil {
		by = by.abroad()
	} else if err := by.may(tenant, RoleOwner); err != nil {
		return err
	}
	rec := Record{Actor: by, Action: "emergency.end", At: g.now()}
	for _, e := range g.Emergencies(tenant) {
		if e.ID == id {
			rec.Detail = e.detail()
		}
	}
	if err := g.store.EndEmergency(ctx, rec, tenant, id); err != nil {
		return err
	}
	return g.applied(ctx)
}

// Emergencies returns the emergency access of a tenant that runs now, to show
// it. It reads the snapshot: also while the store is away.
func (g *Gate) Emergencies(tenant string) (running []Emergency) {
	t := g.snap.byID(tenant)
	if t == nil {
		return nil
	}
	now := g.now()
	for _, e := range t.running {
		if now.Before(e.Until) {
			running = append(running, e)
		}
	}
	return running
}

// emergency reports whether an address has emergency access.
func (t *tenantState) emergency(a netip.Addr, now time.Time) bool {
	for i := range t.running {
		if e := &t.running[i]; e.Address == a && now.Before(e.Until) {
			return true
		}
	}
	return false
}
