package gate

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-gate/sallyport/auth"
)

// Bounds of access requests.
const (
	MaxWhy = 280 // characters of a reason or a note
	// MaxAllow is the longest that a request may ask for, or an answer allow
	// for, other than for good.
	MaxAllow = 366 * 24 * time.Hour
	// AskLives is how long a request waits for an answer.
	AskLives = 24 * time.Hour
	// maxWaiting bounds the requests that wait in one tenant, so that a flood
	// from many addresses does not bury the few that matter.
	maxWaiting = 200
	// askedSince is how old the refusal may be that a request is about.
	askedSince = 24 * time.Hour
)

// askThrottle bounds the requests of one address (of IPv6: one /64).
var askThrottle = Throttle{Attempts: 3, Within: time.Hour, Lock: time.Hour}

// AskState is where an access request stands.
type AskState string

// States of access requests.
const (
	AskWaiting  AskState = "waiting"
	AskApproved AskState = "approved"
	AskDeclined AskState = "declined"
	AskExpired  AskState = "expired" // nobody answered in time
)

// AskStates is the closed list of states.
var AskStates = []AskState{AskWaiting, AskApproved, AskDeclined, AskExpired}

// Errors of access requests.
var (
	// ErrAskAgain means that the browser has a request waiting already.
	ErrAskAgain = errors.New("a request is waiting already")
	// ErrAskNotNeeded means that the visitor's network is allowed.
	ErrAskNotNeeded = errors.New("this network is allowed: no request is needed")
	// ErrAnswered means that a request does not wait for an answer any more.
	ErrAnswered = errors.New("the request was answered already, or nobody answered in time")
)

// Ask is what a visitor who was kept out asks for.
type Ask struct {
	Reference string // of the refusal, as it was typed
	Login     string
	Why       string
	For       time.Duration // 0: for good
	Browser   string        // the secret of a request that the browser made before; empty: none
}

// AccessRequest is a request of a visitor who was kept out, to be let in from
// an address. It opens nothing: somebody of the tenant decides.
type AccessRequest struct {
	ID        string
	Tenant    string // tenant ID
	Reference string // of the refusal
	Address   netip.Addr
	Bits      int    // of it that are kept: fewer than all once it was shortened; filled when read
	Login     string // as it was typed, for those who decide; the asker never learns whether it is anybody's
	Admin     string // id of the admin whose login it is; empty: nobody's
	Name      string // that admin's name, filled when read
	Why       string
	For       time.Duration // 0: for good
	UserAgent string
	Made      time.Time
	Browser   []byte // keyed hash of the secret that only the asking browser has

	// What a reviewer proposes, for an owner to approve.
	ProposedBy  string
	ProposedFor time.Duration
	Proposed    time.Time // zero: nobody did
	Note        string    // of the proposal or answer; of an answer, the asker reads it

	State     AskState
	Decided   time.Time
	DecidedBy string
	Entry     string    // id of the entry that an approval made
	Until     time.Time // its end; zero: for good
}

// settle makes a request that nobody answered in time one that has expired.
func (r *AccessRequest) settle(now time.Time) {
	if r.State == AskWaiting && !now.Before(r.Made.Add(AskLives)) {
		r.State = AskExpired
	}
}

// AskFilter selects a tenant's access requests.
type AskFilter struct {
	Tenant string
	State  AskState // empty: all…
	Past   bool     // …that do not wait for an answer any more
	Now    time.Time
	Limit  int
	Before Cursor // by Made, then ID
}

// typedKept is how long a request keeps a typed login that is no admin's: people
// type passwords into that field.
const typedKept = 30 * 24 * time.Hour

// AskStore keeps access requests.
type AskStore interface {
	// AddAsk stores a request unless its browser has one that waits, which is
	// returned with ErrAskAgain, or most wait in the tenant already (ErrChanged).
	AddAsk(ctx context.Context, rec Record, r AccessRequest, most int) (*AccessRequest, error)
	// Ask returns ErrNotFound.
	Ask(ctx context.Context, id string) (*AccessRequest, error)
	// Asks lists requests, newest first.
	Asks(ctx context.Context, f AskFilter) ([]AccessRequest, error)
	// AsksMade returns when those that wait were made, after a time, by tenant;
	// tenant empty: of all.
	AsksMade(ctx context.Context, tenant string, after time.Time) (map[string][]time.Time, error)
	// AskFacts returns what was done since at one of the addresses, or by one of
	// the admins.
	AskFacts(ctx context.Context, tenant string, since time.Time, addresses []netip.Addr, admins []string) ([]AskFact, error)
	// ForgetTyped blanks what was typed, in requests made before, by whom no admin's
	// login is.
	ForgetTyped(ctx context.Context, before time.Time) error
	// SetAsk stores a proposal or an answer where the request still waits;
	// ErrChanged otherwise.
	SetAsk(ctx context.Context, rec Record, r AccessRequest) error
}

// Ask makes an access request. It needs no account, answers the same whether
// the login is anybody's or not, and is about one refusal of this very visitor:
// nobody can ask who was not kept out. It returns the secret by which the
// browser reads the answer. The errors to expect are *InvalidError, *Refusal
// (throttled), ErrAskNotNeeded, ErrNotFound where the site names no tenant or that
// wants no requests, and ErrAskAgain with the request that waits.
func (d *Door) Ask(ctx context.Context, q *Request, dec *Decision, a Ask) (*AccessRequest, string, error) {
	switch {
	case dec.Tenant == nil || !q.Address.Addr.IsValid() || dec.Tenant.Settings.NoRequests:
		return nil, "", ErrNotFound
	case dec.Inside():
		return nil, "", ErrAskNotNeeded
	}
	reference, err := a.check()
	if err != nil {
		return nil, "", err
	}
	until, err := d.store.Reserve(ctx, [][]byte{d.askKey(q.Address.Addr)}, askThrottle, dec.Now)
	if err != nil {
		return nil, "", err
	}
	if !until.IsZero() {
		return nil, "", d.askThrottled(q, dec, until.Sub(dec.Now))
	}
	if err := d.refused(ctx, q, dec, reference); err != nil {
		return nil, "", err
	}
	return d.addAsk(ctx, q, dec, a, reference)
}

// check checks what was typed and returns the canonical reference.
func (a *Ask) check() (reference string, err error) {
	bad := &InvalidError{}
	if reference, err = auth.ParseReference(a.Reference); err != nil {
		bad.add("reference", "invalid", "%s", err)
	}
	a.Login, a.Why = strings.TrimSpace(a.Login), strings.TrimSpace(a.Why)
	for _, f := range []struct {
		name, text string
		most       int
	}{{"login", a.Login, MaxLabel}, {"why", a.Why, MaxWhy}} {
		switch {
		case f.text == "":
			bad.add(f.name, "required", "whoever decides needs it")
		case utf8.RuneCountInString(f.text) > f.most:
			bad.add(f.name, "too_long", "at most %d characters", f.most)
		case !utf8.ValidString(f.text) || f.name == "login" && hasControl(f.text):
			bad.add(f.name, "control_character", "there is a control or invisible character in it")
		}
	}
	checkFor(bad, "for", a.For)
	return reference, bad.orNil()
}

// checkFor checks how long something is to be allowed.
func checkFor(bad *InvalidError, field string, d time.Duration) {
	if d != 0 && (d < time.Minute || d > MaxAllow) {
		bad.add(field, "out_of_range", "from 1 minute to 366 days, or for good")
	}
}

// refused makes sure that the reference is of a refusal of this visitor. It may
// have been made a moment ago and not be stored yet.
func (d *Door) refused(ctx context.Context, q *Request, dec *Decision, reference string) error {
	a, err := d.store.Attempt(ctx, dec.Tenant.ID, reference)
	if errors.Is(err, ErrNotFound) {
		if err := d.recorder.flush(ctx); err != nil {
			return err
		}
		a, err = d.store.Attempt(ctx, dec.Tenant.ID, reference)
	}
	switch {
	case errors.Is(err, ErrNotFound), err == nil && !a.isAbout(q.Address.Addr, dec.Now):
		return Invalid("reference", "unknown", "there is no refusal with this reference for your address today: open the page again, and take the one it shows")
	}
	return err
}

// isAbout reports whether an attempt was a refusal of the address lately.
func (a *Attempt) isAbout(addr netip.Addr, now time.Time) bool {
	stands, err := a.Address.Prefix(a.Bits)
	return err == nil && stands.Contains(addr) && a.Outcome == Blocked && now.Sub(a.LastTime) < askedSince
}

func (d *Door) askKey(a netip.Addr) []byte {
	return d.store.MAC("throttle ask", string(d.addressKey(a)))
}

func (d *Door) askThrottled(q *Request, dec *Decision, left time.Duration) error {
	refused := *dec
	refused.Outcome, refused.Reason = Refused, Throttled
	return &Refusal{Reason: Throttled, RetryAfter: int64(left/time.Second) + 1, Reference: d.Record(q, &refused)}
}

func (d *Door) addAsk(ctx context.Context, q *Request, dec *Decision, a Ask, reference string) (*AccessRequest, string, error) {
	r := AccessRequest{
		ID: NewID(), Tenant: dec.Tenant.ID, Reference: reference, Address: q.Address.Addr, Login: a.Login, Why: a.Why, For: a.For,
		UserAgent: shorten(q.UserAgent, 512), Made: micros(dec.Now), State: AskWaiting,
	}
	switch admin, err := d.store.AdminByLogin(ctx, r.Tenant, CanonicalLogin(a.Login)); {
	case err == nil && !admin.Disabled:
		r.Admin = admin.ID
	case err != nil && !errors.Is(err, ErrNotFound):
		return nil, "", err
	}
	secret := a.Browser
	if secret == "" {
		secret = rand.Text()
	}
	r.Browser = d.store.MAC("ask", secret)
	by := Actor{Kind: ActorVisitor, Address: q.Address.Addr}
	waiting, err := d.store.AddAsk(ctx, Record{Actor: by, Action: "request.add", At: dec.Now, Detail: r.detail()}, r, maxWaiting)
	switch {
	case errors.Is(err, ErrAskAgain):
		return waiting, secret, err
	case errors.Is(err, ErrChanged):
		return nil, "", d.askThrottled(q, dec, time.Hour)
	case err != nil:
		return nil, "", err
	}
	return &r, secret, d.applied(ctx)
}

// detail is what the change log keeps of a request.
//
// What was typed and is no admin's login is not in it: the change log is for good,
// and people type passwords into that field.
func (r *AccessRequest) detail() any {
	login := r.Login
	if r.Admin == "" {
		login = ""
	}
	return map[string]any{
		"reference": r.Reference, "address": r.Address, "login": login, "for": r.For.String(), "state": r.State, "note": r.Note, "entry": r.Entry,
	}
}

// AskOf returns a request to the browser that made it, and to nobody else:
// ErrNotFound.
func (d *Door) AskOf(ctx context.Context, dec *Decision, id, browser string) (*AccessRequest, error) {
	if dec.Tenant == nil || browser == "" {
		return nil, ErrNotFound
	}
	r, err := d.store.Ask(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Tenant != dec.Tenant.ID || subtle.ConstantTimeCompare(r.Browser, d.store.MAC("ask", browser)) != 1 {
		return nil, ErrNotFound
	}
	r.settle(dec.Now)
	return r, nil
}

// AccessRequests lists a tenant's requests, newest first, for owners and
// reviewers.
func (g *Gate) AccessRequests(ctx context.Context, by Actor, f AskFilter) ([]AccessRequest, error) {
	if err := by.may(f.Tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	f.Now = g.now()
	all, err := g.store.Asks(ctx, f)
	for i := range all {
		all[i].settle(f.Now)
	}
	return all, err
}

// AccessRequest returns one of a tenant's requests.
func (g *Gate) AccessRequest(ctx context.Context, by Actor, tenant, id string) (*AccessRequest, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	r, err := g.store.Ask(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Tenant != tenant {
		return nil, ErrNotFound
	}
	r.settle(g.now())
	return r, nil
}

// Answer is how a request is answered.
type Answer struct {
	For  time.Duration // 0: for good
	Note string        // the asker reads it
	EditOptions
}

// Approve lets the asker in: with an entry for its one address, its time, and,
// where the login was an admin's, that admin alone. The guards of every edit of
// the list hold. A reviewer only proposes; the request goes on waiting for an
// owner, and the edit is nil.
func (g *Gate) Approve(ctx context.Context, by Actor, tenant, id string, a Answer) (*AccessRequest, *Edited, error) {
	r, err := g.answerable(ctx, by, tenant, id, &a)
	if err != nil {
		return nil, nil, err
	}
	if errors.Is(by.may(tenant, RoleOwner), ErrForbidden) {
		r.ProposedBy, r.ProposedFor, r.Proposed, r.Note = by.Name(), a.For, micros(g.now()), a.Note
		return r, nil, g.setAsk(ctx, by, "request.propose", r)
	}
	d := Draft{
		Range: r.Address.String(), Label: shorten(r.Login, MaxLabel-40) + " – " + r.Reference, Note: r.Why, Owner: by.Name(), Enabled: true,
	}
	if a.For > 0 {
		d.Expires = g.now().Add(a.For)
	}
	if r.Admin != "" {
		d.Admins = []string{r.Admin}
	}
	if a.Reason == "" {
		a.Reason = fmt.Sprintf("access request %s of %s", r.Reference, r.Login)
	}
	done, entry, err := g.allow(ctx, by, tenant, d, a.EditOptions)
	if err != nil && !errors.Is(err, ErrNotYetInForce) {
		return nil, nil, err
	}
	r.State, r.Note, r.Entry, r.Until = AskApproved, a.Note, entry.ID, entry.Expires
	return r, done, errors.Join(err, g.decide(ctx, by, "request.approve", r))
}

// Decline answers a request with no.
func (g *Gate) Decline(ctx context.Context, by Actor, tenant, id, note string) (*AccessRequest, error) {
	a := Answer{Note: note}
	r, err := g.answerable(ctx, by, tenant, id, &a)
	if err != nil {
		return nil, err
	}
	r.State, r.Note = AskDeclined, a.Note
	return r, g.decide(ctx, by, "request.decline", r)
}

// answerable returns a request that waits for the answer, which it checks.
func (g *Gate) answerable(ctx context.Context, by Actor, tenant, id string, a *Answer) (*AccessRequest, error) {
	r, err := g.AccessRequest(ctx, by, tenant, id)
	if err != nil {
		return nil, err
	}
	if r.State != AskWaiting {
		return nil, ErrAnswered
	}
	bad := &InvalidError{}
	checkFor(bad, "for", a.For)
	if a.Note = strings.TrimSpace(a.Note); utf8.RuneCountInString(a.Note) > MaxWhy || !utf8.ValidString(a.Note) {
		bad.add("note", "too_long", "at most %d characters", MaxWhy)
	}
	return r, bad.orNil()
}

func (g *Gate) decide(ctx context.Context, by Actor, action string, r *AccessRequest) error {
	r.Decided, r.DecidedBy = micros(g.now()), by.Name()
	return g.setAsk(ctx, by, action, r)
}

func (g *Gate) setAsk(ctx context.Context, by Actor, action string, r *AccessRequest) error {
	err := g.store.SetAsk(ctx, Record{Actor: by, Action: action, At: g.now(), Detail: r.detail()}, *r)
	if errors.Is(err, ErrChanged) {
		return ErrAnswered
	}
	if err != nil {
		return err
	}
	return g.applied(ctx)
}
