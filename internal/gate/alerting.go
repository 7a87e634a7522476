package gate

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"
)

// AlertsDelivery is the account under which the alerts follow the attempts.
var AlertsDelivery = Delivery{Name: "alerts", Kind: "alerts"}

// Pace of sending messages.
const (
	alertsAtOnce   = 20
	sendWithin     = 20 * time.Second
	firstAlertWait = 30 * time.Second // after a failure, then twice as long each time
	lastAlertWait  = time.Hour
	alertLives     = 24 * time.Hour // after that nobody wants to know
)

// AlertEvent is something that a tenant wants to know.
type AlertEvent struct {
	Tenant string
	Kind   AlertKind
	Pos    int64 // of the attempt, or of the change
	Count  int64 // how many it stands for
	At     time.Time
	Item   AlertItem
	Quiet  time.Duration // in which what follows is gathered
	// It is worth a message only where, in the time before, there were Least
	// of them.
	Least  int64
	Within time.Duration
}

// AlertItem is one event as a message names it. Nothing in it was made up by
// somebody who was kept out.
type AlertItem struct {
	At        time.Time  `json:"at"`
	Who       string     `json:"who,omitempty"` // login
	Address   netip.Addr `json:"address,omitzero"`
	Bits      int        `json:"bits,omitempty"`
	Reference string     `json:"reference,omitempty"`
	Reason    Reason     `json:"reason,omitempty"`
	Version   int64      `json:"version,omitempty"` // of the list
}

// AlertBatch is what was found, and up to where was looked.
type AlertBatch struct {
	Events []AlertEvent
	UpTo   int64 // position of attempts, or of changes
	// Changes: the positions are those of changes.
	Changes bool
}

// AlertMessage is what is sent. It is the first of its kind for a while, or
// says how many followed.
type AlertMessage struct {
	ID     string      `json:"id"`
	Tenant string      `json:"tenant"` // id
	Kind   AlertKind   `json:"kind"`
	First  bool        `json:"first"`
	Count  int64       `json:"count"`
	Since  time.Time   `json:"since"`
	Until  time.Time   `json:"until"`
	Items  []AlertItem `json:"items"` // some of them
}

// AlertLetter is a message on its way to somebody.
type AlertLetter struct {
	ID      string
	Tenant  string
	Email   string // empty: the webhook
	Made    time.Time
	Tries   int
	Message AlertMessage
}

// Messenger takes messages out.
type Messenger interface {
	// CanMail reports whether there is a mail server.
	CanMail() bool
	Mail(ctx context.Context, to, language string, m *AlertMessage, t *Tenant) error
	Post(ctx context.Context, url string, secret []byte, m *AlertMessage, t *Tenant) error
}

// SetMessenger says how messages leave; nil: not at all.
func (g *Gate) SetMessenger(m Messenger) {
	if m == nil {
		g.messenger.Store(nil)
		return
	}
	g.messenger.Store(&m)
}

// CanMail reports whether e-mails can be sent.
func (g *Gate) CanMail() bool {
	m := g.messenger.Load()
	return m != nil && (*m).CanMail()
}

// errNoMessenger is why nothing is sent.
var errNoMessenger = errors.New("this program sends no messages")

// send hands one message over.
func (g *Gate) send(ctx context.Context, l *AlertLetter, r *AlertRules) error {
	m := g.messenger.Load()
	t := g.TenantByID(l.Tenant)
	if m == nil || t == nil {
		return errNoMessenger
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	if l.Email != "" {
		return (*m).Mail(ctx, l.Email, r.Language, &l.Message, t)
	}
	return (*m).Post(ctx, r.Webhook, r.Secret, &l.Message, t)
}

// alerting looks at attempts as a destination does: in order, none left out,
// by one node at a time.
type alerting struct{ gate *Gate }

var _ holder = alerting{}

// Deliver implements Sink.
func (a alerting) Deliver(ctx context.Context, out *Outgoing) error {
	rules, err := a.gate.store.AllAlertRules(ctx)
	if err != nil {
		return err
	}
	b := AlertBatch{}
	for i := range out.Attempts {
		at := &out.Attempts[i]
		b.UpTo = max(b.UpTo, at.Pos)
		r, found := rules[at.Tenant]
		if !found || !r.On() || at.LastTime.Before(r.Set) {
			continue
		}
		e, err := a.gate.alertOf(ctx, at, &r)
		if err != nil {
			return err
		}
		b.Events = append(b.Events, e...)
	}
	return a.gate.store.NoteAlerts(ctx, b)
}

// Close implements Sink.
func (alerting) Close() error { return nil }

// alertOf returns what is to be told of an attempt.
func (g *Gate) alertOf(ctx context.Context, a *Attempt, r *AlertRules) ([]AlertEvent, error) {
	e := AlertEvent{
		Tenant: a.Tenant, Pos: a.Pos, Count: a.Count, At: a.LastTime, Quiet: time.Duration(r.Quiet) * time.Minute,
		Item: AlertItem{At: a.LastTime, Who: a.Login, Address: a.Address, Bits: a.Bits, Reference: a.Reference, Reason: a.Reason},
	}
	var events []AlertEvent
	if r.Elsewhere && a.Password == PasswordRight {
		e.Kind = AlertElsewhere
		events = append(events, e)
	}
	switch passed := a.Outcome == Allowed || a.Outcome == WouldBlock; {
	case r.Refusals && !passed:
		e.Kind, e.Least, e.Within = AlertRefusals, int64(r.Count), time.Duration(r.Minutes)*time.Minute
		events = append(events, e)
	case r.NewAddress && passed && a.Stage == StageSignIn && a.Admin != "":
		known, err := g.store.SignedInFrom(ctx, a, a.FirstTime.AddDate(0, 0, -r.Days), a.FirstTime)
		if err != nil || known {
			return events, err
		}
		e.Kind = AlertNewAddress
		events = append(events, e)
	}
	return events, nil
}

// hold implements holder: it watches the change log, gathers, and sends.
func (a alerting) hold(ctx context.Context) {
	every(ctx, func() time.Duration { return a.gate.pace.poll }, func(ctx context.Context) {
		err := errors.Join(a.watchChanges(ctx), a.gate.store.CloseAlerts(ctx, a.gate.now()))
		a.gate.trouble("alerts", &a.gate.alertsDown, errors.Join(err, a.sendDue(ctx)))
	})
}

// watchChanges looks for lists that have changed, and for what those did who run
// the gateway.
func (a alerting) watchChanges(ctx context.Context) error {
	changes, err := a.gate.store.AlertChanges(ctx, followBatch)
	if err != nil || len(changes) == 0 {
		return err
	}
	rules, err := a.gate.store.AllAlertRules(ctx)
	if err != nil {
		return err
	}
	b := AlertBatch{Changes: true}
	for i := range changes {
		c := &changes[i]
		b.UpTo = c.Pos
		r, found := rules[c.Tenant]
		if !found || !r.On() || c.At.Before(r.Set) {
			continue
		}
		if kind, item := alertOfChange(c, &r); kind != "" {
			b.Events = append(b.Events, AlertEvent{
				Tenant: c.Tenant, Kind: kind, Pos: c.Pos, Count: 1, At: c.At, Quiet: time.Duration(r.Quiet) * time.Minute, Item: item,
			})
		}
	}
	return a.gate.store.NoteAlerts(ctx, b)
}

// alertOfChange returns what is to be told of a change; empty: nothing.
func alertOfChange(c *Change, r *AlertRules) (AlertKind, AlertItem) {
	item := AlertItem{At: c.At, Who: c.Actor, Address: c.Address, Version: c.Version}
	var kind AlertKind
	switch {
	case r.ListChanged && c.Kind == ChangeList:
		kind = AlertListChanged
	case r.Operator && c.Action == emergencyOpened:
		kind = AlertEmergency
		var opened emergencyDetail
		if json.Unmarshal(c.Detail, &opened) == nil { // who gets in says more than from where that was said
			item.Address, _ = netip.ParseAddr(opened.Address)
		}
	case r.Operator && c.Action == visited:
		kind = AlertVisit
	}
	item.Bits = item.Address.BitLen()
	return kind, item
}

// sendDue sends messages whose time has come.
func (a alerting) sendDue(ctx context.Context) error {
	letters, err := a.gate.store.DueAlerts(ctx, a.gate.now(), alertsAtOnce)
	if err != nil || len(letters) == 0 {
		return err
	}
	rules, err := a.gate.store.AllAlertRules(ctx)
	if err != nil {
		return err
	}
	for i := range letters {
		if ctx.Err() != nil {
			return nil
		}
		if err := a.sendOne(ctx, &letters[i], rules); err != nil {
			return err
		}
	}
	return nil
}

func (a alerting) sendOne(ctx context.Context, l *AlertLetter, rules map[string]AlertRules) error {
	r, found := rules[l.Tenant]
	if !found || l.Email == "" && r.Webhook == "" {
		return a.gate.store.NoteSent(ctx, l, time.Time{}) // nobody wants it any more
	}
	err := a.gate.send(ctx, l, &r)
	if ctx.Err() != nil {
		return nil
	}
	now := a.gate.now()
	if err == nil {
		return a.gate.store.NoteSent(ctx, l, now)
	}
	next := now.Add(min(firstAlertWait<<min(l.Tries, 10), lastAlertWait))
	if later, ok := errors.AsType[*RetryLater](err); ok {
		next = now.Add(min(max(next.Sub(now), later.After), latestRetry))
	}
	if next.Sub(l.Made) > alertLives {
		next = time.Time{}
	}
	return a.gate.store.NoteUnsent(ctx, l, err.Error(), now, next)
}

// wantAlerts starts and ends the courier of the alerts, as there are rules or
// not.
func (g *Gate) wantAlerts(ctx context.Context) {
	rules, err := g.store.AllAlertRules(ctx)
	if err != nil {
		return // what runs goes on
	}
	wanted := false
	for _, r := range rules {
		wanted = wanted || r.On()
	}
	c := &g.couriers
	c.mu.Lock()
	defer c.mu.Unlock()
	switch old := c.alerts; {
	case c.run == nil:
	case wanted && old == nil:
		c.alerts = g.newCourier(c.run, Destination{Name: AlertsDelivery.Name, Kind: AlertsDelivery.Kind, Open: func() Sink { return alerting{g} }})
	case !wanted && old != nil:
		old.end()
		c.alerts = nil
	}
}
