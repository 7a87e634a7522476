package gate

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Next is what a sign-in needs next.
type Next string

// Steps of a sign-in, in order.
const (
	NextCode        Next = "code"         // a one-time or recovery code
	NextEnrol       Next = "enrol"        // a second factor is required and there is none
	NextNewPassword Next = "new_password" // the first password was given by somebody else
	NextDone        Next = "done"
)

// stepLife is how long an unfinished sign-in may take.
const stepLife = 10 * time.Minute

// busyRetry is the Retry-After of a refusal because all hashers are busy.
const busyRetry = 2

// LoginForm is what a visitor typed to sign in.
type LoginForm struct {
	Login, Password string
	Organization    string // slug of the tenant, for sites that all tenants share
	ReturnTo        string // a path on the same host
}

// Progress is what came of a step of signing in.
type Progress struct {
	Next     Next
	ReturnTo string
	// Step is the token for the next step; empty when it is done.
	Step string
	// Session is the token of the session when it is done, or when a signed-in
	// admin changed what its sessions depend on.
	Session string
	// Recovery are fresh recovery codes, shown this once.
	Recovery []string
}

// Login checks login and password. Every way to be wrong gives one *Refusal
// with BadCredentials and takes one time; the record has the real reason. Any
// other error means that the store did not answer.
func (d *Door) Login(ctx context.Context, q *Request, dec *Decision, f LoginForm) (*Progress, error) {
	t, outside := d.organization(q, dec, f)
	if !dec.Inside() {
		return nil, &Refusal{Reason: dec.Reason}
	}
	try := &try{door: d, q: q, dec: *dec, tenant: t}
	try.dec.Stage = StageSignIn
	if outside != "" {
		return nil, try.outside(ctx, f, outside)
	}
	try.keys = [][]byte{d.accountKey(t.ID, f.Login), d.addressKey(q.Address.Addr)}
	if err := try.reserve(ctx); err != nil {
		return nil, err
	}
	if err := try.password(ctx, f); err != nil {
		return nil, err
	}
	step := auth.Step{ID: NewID(), Tenant: t.ID, Admin: try.admin.ID, Address: q.Address.Addr, PasswordOK: true, ReturnTo: f.ReturnTo}
	return try.proceed(ctx, step, nil)
}

// organization finds the tenant of a sign-in, and why nobody may sign in to it
// from here, which the visitor is not told. dec gets the tenant and its pass.
func (d *Door) organization(q *Request, dec *Decision, f LoginForm) (t *tenantState, outside Reason) {
	if !d.Site.ByLogin {
		return d.snap.byID(dec.Tenant.ID), ""
	}
	if t = d.snap.bySlug(f.Organization); t == nil {
		return nil, UnknownSite
	}
	dec.Tenant = &t.Tenant
	pass, refusal := d.network(t, q.Address.Addr, dec.Now)
	if refusal != "" {
		return t, refusal
	}
	dec.Pass = pass
	return t, ""
}

// try is one step of a sign-in under way.
type try struct {
	door   *Door
	q      *Request
	dec    Decision
	tenant *tenantState
	admin  *Admin
	was    adminDetail // admin as it was read
	typed  string      // login that is no admin's
	right  bool        // the password, of a try from outside
	keys   [][]byte
}

// outside refuses a sign-in from where the tenant admits nobody. No account
// counts it, and the password is only looked at where the tenant chose that, but
// it takes the same steps.
func (t *try) outside(ctx context.Context, f LoginForm, reason Reason) error {
	t.keys = [][]byte{t.door.addressKey(t.q.Address.Addr)}
	t.typed = f.Login
	if err := t.reserve(ctx); err != nil {
		return err
	}
	if t.tenant != nil && t.tenant.Settings.CheckOutside && reason == OutsideNetworks {
		if err := t.look(ctx, f, t.verify); err != nil {
			return err
		}
		return t.record(ctx, Blocked, reason, BadCredentials)
	}
	if _, err := t.verify(ctx, f.Password, ""); err != nil {
		return err
	}
	return t.refuse(ctx, reason, BadCredentials)
}

// reserve counts the try before it is made.
func (t *try) reserve(ctx context.Context) error {
	until, err := t.door.store.Reserve(ctx, t.keys, t.door.Rules.Throttle, t.dec.Now)
	if err != nil {
		return err
	}
	if until.IsZero() {
		return nil
	}
	return t.throttled(int64(until.Sub(t.dec.Now)/time.Second) + 1)
}

// throttled refuses without a durable record of its own: repeats are folded,
// or a flood of tries would write to the disk as often as it likes.
func (t *try) throttled(retry int64) error {
	t.dec.Outcome, t.dec.Reason = Refused, Throttled
	return &Refusal{Reason: Throttled, RetryAfter: retry, Reference: t.door.Record(t.q, &t.dec)}
}

// verify checks a password in the bounded pool of hashers.
func (t *try) verify(ctx context.Context, password, encoded string) (bool, error) {
	ok, err := t.door.hasher.Verify(ctx, password, encoded)
	if errors.Is(err, auth.ErrBusy) {
		if err := t.door.store.Release(ctx, t.keys); err != nil {
			return false, err
		}
		return false, t.throttled(busyRetry)
	}
	return ok, err
}

// password finds the admin and checks the password.
func (t *try) password(ctx context.Context, f LoginForm) error {
	admin, err := t.door.store.AdminByLogin(ctx, t.tenant.ID, CanonicalLogin(f.Login))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	encoded := ""
	if admin != nil {
		encoded = admin.Password
	}
	ok, err := t.verify(ctx, f.Password, encoded)
	if err != nil {
		return err
	}
	t.admin, t.typed = admin, f.Login
	switch {
	case admin == nil:
		return t.refuse(ctx, AccountUnknown, BadCredentials)
	case !ok:
		return t.refuse(ctx, BadCredentials, BadCredentials)
	case admin.Disabled:
		return t.refuse(ctx, AccountDisabled, BadCredentials)
	case !t.admits():
		return t.refuse(ctx, OutsideNetworks, BadCredentials)
	}
	return t.door.store.Release(ctx, t.keys)
}

// admits asks the entries that count for this admin, now that it is known.
func (t *try) admits() bool {
	a := t.q.Address.Addr
	return t.dec.Pass != ByNetwork || t.tenant.at(t.dec.Now).admitAdmin(a, t.admin.Role, t.admin.ID) ||
		t.door.beside(t.tenant, a, t.dec.Now) != ""
}

// refuse records a failed try, durably, and answers with the reason that may
// be told.
func (t *try) refuse(ctx context.Context, reason, told Reason) error {
	return t.record(ctx, Refused, reason, told)
}

func (t *try) record(ctx context.Context, outcome Outcome, reason, told Reason) error {
	a := t.attempt(outcome, reason)
	if err := t.door.recorder.put(ctx, a); err != nil {
		return err
	}
	return &Refusal{Reason: told, Reference: a.Reference}
}

// attempt describes the try for its record. What was typed and is no admin's
// login is kept as a keyed hash only: people type passwords into that field.
func (t *try) attempt(outcome Outcome, reason Reason) Attempt {
	dec := t.dec
	dec.Outcome, dec.Reason = outcome, reason
	a := t.door.attempt(t.q, &dec)
	switch {
	case t.admin != nil:
		a.Admin, a.Login = t.admin.ID, t.admin.Login
	case t.typed != "":
		a.LoginHash = t.door.LoginHash(t.typed)
	}
	if t.right {
		a.Password = PasswordRight
	}
	return a
}

// proceed says what a sign-in needs next, or completes it. step says what is
// behind.
func (t *try) proceed(ctx context.Context, step auth.Step, recovery []string) (*Progress, error) {
	next := t.next(step)
	if next == NextDone {
		return t.complete(ctx, step.ReturnTo, recovery)
	}
	global := t.door.snap.global.Load()
	step.Next = string(next)
	step.Epochs = auth.Epochs{All: global.epoch, Tenant: t.tenant.Epoch, Admin: t.admin.Epoch}
	step.Issued, step.Expires = t.dec.Now, t.dec.Now.Add(stepLife)
	token, err := global.keys.SignStep(step)
	if err != nil {
		return nil, err
	}
	return &Progress{Next: next, ReturnTo: step.ReturnTo, Step: token, Recovery: recovery}, nil
}

func (t *try) next(step auth.Step) Next {
	rule := t.door.Rules.SecondFactor
	switch {
	case t.second() && !step.CodeOK:
		return NextCode
	case rule == SecondFactorRequired && t.admin.TOTP == "" && !t.admin.Exempt:
		return NextEnrol
	case t.admin.MustChange:
		return NextNewPassword
	}
	return NextDone
}

// complete begins the session. It is stored together with the record of the
// sign-in before the visitor gets the token.
func (t *try) complete(ctx context.Context, returnTo string, recovery []string) (*Progress, error) {
	now := t.dec.Now
	s := Session{
		ID: NewID(), Tenant: t.tenant.ID, Admin: t.admin.ID, Started: now, LastSeen: now,
		Expires: now.Add(t.door.Rules.Lifetime), Address: t.q.Address.Addr, LastAddress: t.q.Address.Addr,
		UserAgent: shorten(t.q.UserAgent, 512),
	}
	outcome := Allowed
	if t.dec.Pass == ByDryRun {
		outcome = WouldBlock
	}
	a := t.attempt(outcome, t.dec.Pass)
	a.Session = s.ID
	token, err := t.token(s, now)
	if err != nil {
		return nil, err
	}
	if err := t.door.store.Forget(ctx, t.door.accountKey(t.tenant.ID, t.admin.Login)); err != nil {
		return nil, err
	}
	if err := t.door.recorder.with(a, func() error { return t.door.store.SignIn(ctx, s, a) }); err != nil {
		return nil, err
	}
	return &Progress{Next: NextDone, ReturnTo: returnTo, Session: token, Recovery: recovery}, nil
}

// token signs the session's cookie. proved is when it was last proved who it is.
func (t *try) token(s Session, proved time.Time) (string, error) {
	global := t.door.snap.global.Load()
	return global.keys.SignSession(auth.Claims{
		Session: s.ID, Tenant: s.Tenant, Admin: s.Admin,
		Epochs:  auth.Epochs{All: global.epoch, Tenant: t.tenant.Epoch, Admin: t.admin.Epoch},
		Address: s.Address, SignedIn: s.Started, Proved: proved, Issued: t.dec.Now, Expires: s.Expires,
	})
}

// LoginHash is what is kept of a login that is no admin's.
func (g *Gate) LoginHash(typed string) string {
	return hexOf(g.store.MAC("login", CanonicalLogin(typed)))
}

// accountKey and addressKey are what failed tries are counted by. Of IPv6 it
// is the /64, which one visitor has all of.
func (g *Gate) accountKey(tenant, login string) []byte {
	return g.store.MAC("throttle account", tenant+"\x00"+CanonicalLogin(login))
}

func (g *Gate) addressKey(a netip.Addr) []byte {
	if a.Is6() {
		return g.store.MAC("throttle address", NetworkOf(a).String())
	}
	return g.store.MAC("throttle address", a.String())
}
