package gate

import (
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
)

// Bind says what a session is held to after sign-in.
type Bind string

// Ways to bind a session. The list itself is asked on every request whatever
// this says.
const (
	BindNetwork Bind = "network" // the entries that count for this very admin
	BindAddress Bind = "address" // these, and the address of the sign-in
	BindOff     Bind = "off"     // any entry of the list
)

// SecondFactor says who needs one.
type SecondFactor string

// Policies for the second factor.
const (
	SecondFactorRequired SecondFactor = "required"
	SecondFactorOptional SecondFactor = "optional" // who has enrolled one
	SecondFactorOff      SecondFactor = "off"
)

// Rules are the options of an installation that decisions depend on. They are
// a value: a reload makes new ones and leaves the Gate as it is.
type Rules struct {
	Lifetime     time.Duration // of a session, from sign-in
	Idle         time.Duration // without a request, until it ends
	Bind         Bind
	Throttle     Throttle
	SecondFactor SecondFactor
	StepUp       time.Duration // how long a proof of who it is counts for what is sensitive; 0: as long as the session
	Operator     *cidr.Set     // networks that are always admitted
}

// Site is one protected site.
type Site struct {
	Tenant  string // slug of its one tenant; empty: found from the host
	ByLogin bool   // one site for all tenants: the tenant is known from the session
	Login   bool   // false: only the network door
	Console bool   // false: the gate's own settings and review pages are not served
}

// Door is one protected site with its rules: what requests are decided by.
type Door struct {
	*Gate
	Rules  Rules
	Source *Source // how client addresses are found
	Site   Site
}

// Request is what decides about a request, free of HTTP types.
type Request struct {
	Host       string // as it was asked for, perhaps with a port
	ServerName string // of TLS; empty: none was sent
	Address    Address
	Token      string // the session cookie; empty: none
	Bearer     string // the token of a call to the API; empty: none
	Doubled    bool   // there were two session cookies, or a token and something else

	// What is recorded beside it.
	Method, Path, UserAgent string
}

// Decision is what becomes of a request.
type Decision struct {
	Outcome Outcome
	Reason  Reason
	Stage   Stage
	Now     time.Time
	Tenant  *Tenant // nil: unknown
	// Misdirected: the TLS server name belongs to another tenant than the
	// host (RFC 9110 section 15.5.20).
	Misdirected bool
	// Pass is the reason for which the first door let the visitor through:
	// network, operator_network, emergency, dry_run, gate_off; empty: it did not.
	Pass Reason
	// Admin and Claims are set where a session passed.
	Admin  *AdminView
	Claims auth.Claims
	// Token is the token that a call to the API brought and that is the
	// tenant's, whether or not it passed. There is no Admin then.
	Token *APIToken
}

// Passed reports whether the request goes on to the console behind.
func (d *Decision) Passed() bool { return d.Outcome == Allowed || d.Outcome == WouldBlock }

// Inside reports whether the first door let the visitor through, so that the
// sign-in page may be shown.
func (d *Decision) Inside() bool { return d.Pass != "" }

func (d *Decision) block(reason Reason) Decision {
	d.Outcome, d.Reason = Blocked, reason
	return *d
}

func (d *Decision) refuse(reason Reason) Decision {
	d.Outcome, d.Reason, d.Stage = Refused, reason, StageSession
	return *d
}

// Decide says what becomes of a request: site, address, network, session, in
// this order, so that a stranger never costs a signature check. It takes no
// lock, does no I/O and lets nobody through whom it does not know.
func (d *Door) Decide(q *Request) Decision {
	dec := Decision{Outcome: Blocked, Stage: StageGate, Now: d.now()}
	if !d.snap.ready() {
		return dec.block(PolicyUnavailable)
	}
	if d.Site.ByLogin {
		return d.decideByLogin(q, dec)
	}
	t := d.site(q, &dec)
	if t == nil {
		return dec.block(UnknownSite)
	}
	dec.Tenant = &t.Tenant
	if q.Bearer != "" && d.Site.Login {
		return d.bearer(q, t, dec)
	}
	if dec.Pass, dec.Reason = d.network(t, q.Address.Addr, dec.Now); dec.Pass == "" {
		return dec
	}
	if !d.Site.Login {
		return dec.pass()
	}
	claims, reason := d.token(q, dec.Now)
	return d.session(t, q, dec, claims, reason)
}

// decideByLogin is Decide for a site that all tenants share: only the session
// says whose list counts. Without one the visitor may see the sign-in page,
// which names nobody.
func (d *Door) decideByLogin(q *Request, dec Decision) Decision {
	if !q.Address.Addr.IsValid() {
		return dec.block(AddressUnknown)
	}
	if q.Bearer != "" {
		return d.bearer(q, nil, dec)
	}
	claims, reason := d.token(q, dec.Now)
	t := d.snap.byID(claims.Tenant)
	if reason == "" && t == nil {
		reason = SessionRevoked
	}
	if reason != "" {
		dec.Pass = ByGateOff
		return dec.refuse(reason)
	}
	dec.Tenant = &t.Tenant
	if dec.Pass, dec.Reason = d.network(t, q.Address.Addr, dec.Now); dec.Pass == "" {
		return dec
	}
	return d.session(t, q, dec, claims, reason)
}

// site finds the tenant of a request.
func (d *Door) site(q *Request, dec *Decision) *tenantState {
	if d.Site.Tenant != "" {
		return d.snap.bySlug(d.Site.Tenant)
	}
	t := d.snap.byHost(q.Host)
	if t == nil || q.ServerName == "" || q.ServerName == q.Host {
		return t
	}
	if named := d.snap.byHost(q.ServerName); named != nil && named.ID != t.ID {
		dec.Misdirected = true
		return nil
	}
	return t
}

// network asks the first door: why it lets the address through, or why not.
func (d *Door) network(t *tenantState, a netip.Addr, now time.Time) (pass, refusal Reason) {
	switch {
	case !a.IsValid():
		return "", AddressUnknown
	case t.Mode == ModeOff:
		return ByGateOff, ""
	case t.at(now).admit(a):
		return ByNetwork, ""
	}
	if pass = d.beside(t, a, now); pass == "" {
		refusal = OutsideNetworks
	}
	return pass, refusal
}

// beside is why an address that the list does not admit, or not for this
// admin, passes all the same; empty: it does not.
func (d *Door) beside(t *tenantState, a netip.Addr, now time.Time) Reason {
	switch {
	case d.Rules.Operator.Contains(a):
		return ByOperatorNetwork
	case t.emergency(a, now):
		return ByEmergency
	case t.Mode == ModeDryRun:
		return ByDryRun
	}
	return ""
}

// token reads the session cookie.
func (d *Door) token(q *Request, now time.Time) (auth.Claims, Reason) {
	switch {
	case q.Doubled:
		return auth.Claims{}, SessionInvalid
	case q.Token == "":
		return auth.Claims{}, NoSession
	}
	claims, err := d.tokens.Verify(d.snap.global.Load().keys, q.Token, now)
	switch {
	case errors.Is(err, auth.ErrTokenExpired):
		return auth.Claims{}, SessionExpired
	case err != nil:
		return auth.Claims{}, SessionInvalid
	}
	return claims, ""
}

// session asks the second door. The token says who, the snapshot says what
// they may do now.
func (d *Door) session(t *tenantState, q *Request, dec Decision, claims auth.Claims, reason Reason) Decision {
	var admin AdminView
	if reason == "" {
		admin, reason = d.claims(t, claims, q.Address.Addr, dec.Now)
	}
	if reason != "" {
		return dec.refuse(reason)
	}
	known := admin // on the heap, which refusals are spared
	dec.Admin, dec.Claims = &known, claims
	if dec.Pass == ByNetwork && d.Rules.Bind != BindOff &&
		!t.at(dec.Now).admitAdmin(q.Address.Addr, admin.Role, admin.ID) {
		return d.notForAdmin(t, q, dec)
	}
	return dec.pass()
}

// InList reports whether an entry of a tenant's list admits the address now,
// whatever the mode of the list. Unknown tenants and addresses are in no list.
func (g *Gate) InList(slug string, a netip.Addr) bool {
	t := g.snap.bySlug(slug)
	return t != nil && t.at(g.now()).admit(a)
}

// Entry returns the narrowest entry of the list in force that admits the
// visitor, and counts for the admin where one is signed in; nil: none does. It
// is for showing, and reads the snapshot: also while the store is away.
func (d *Door) Entry(q *Request, dec *Decision) *Network {
	if dec.Tenant == nil {
		return nil
	}
	t := d.snap.byID(dec.Tenant.ID)
	if t == nil {
		return nil
	}
	return narrowest(t.networks, q.Address.Addr, dec.Now, func(n *Network) bool {
		return dec.Admin == nil || d.Rules.Bind == BindOff || n.For(dec.Admin.Role, dec.Admin.ID)
	})
}

// narrowest returns the narrowest entry that is in force, counts and contains
// the address; nil: none does.
func narrowest(networks []Network, a netip.Addr, now time.Time, counts func(*Network) bool) (found *Network) {
	for i := range networks {
		n := &networks[i]
		if n.Range.Contains(a) && n.Admits(now) && counts(n) && (found == nil || found.Range.Covers(n.Range)) {
			found = n
		}
	}
	return found
}

// notForAdmin is the end of a decision about an address that the list admits,
// but not for this admin.
func (d *Door) notForAdmin(t *tenantState, q *Request, dec Decision) Decision {
	if dec.Pass = d.beside(t, q.Address.Addr, dec.Now); dec.Pass != "" {
		return dec.pass()
	}
	dec.Admin, dec.Claims = nil, auth.Claims{}
	return dec.block(OutsideNetworks)
}

// claims checks a token's content against the snapshot. A token with a later
// epoch than the snapshot's was made by a node that is ahead of this one by a
// moment. The epoch of everybody must be equal: restoring a backup, which
// knows nothing of what was ended since, gives it a value it never had.
func (d *Door) claims(t *tenantState, c auth.Claims, a netip.Addr, now time.Time) (AdminView, Reason) {
	admin, known := t.admins[c.Admin]
	_, ended := t.ended[c.Session]
	switch {
	case c.Tenant != t.ID:
		return admin, WrongTenant
	case !known, admin.Disabled, ended,
		c.Epochs.All != d.snap.global.Load().epoch, c.Epochs.Tenant < t.Epoch, c.Epochs.Admin < admin.Epoch:
		return admin, SessionRevoked
	case !now.Before(c.SignedIn.Add(d.Rules.Lifetime)):
		return admin, SessionExpired
	case now.Sub(d.lastSeen(c)) >= d.Rules.Idle:
		return admin, SessionIdle
	case d.Rules.Bind == BindAddress && c.Address != a:
		return admin, AddressChanged
	}
	return admin, ""
}

// pass is the end of a decision about somebody whom every door let through.
func (d *Decision) pass() Decision {
	d.Outcome, d.Reason = Allowed, d.Pass
	if d.Pass == ByDryRun {
		d.Outcome = WouldBlock
	}
	return *d
}

// EntryLabel is the label of the narrowest entry of a tenant's list in force that
// admits an address, empty: none does. It reads the snapshot.
func (g *Gate) EntryLabel(tenant string, a netip.Addr) string {
	t := g.snap.byID(tenant)
	if t == nil {
		return ""
	}
	if n := narrowest(t.networks, a, g.now(), func(*Network) bool { return true }); n != nil {
		return n.Label
	}
	return ""
}
