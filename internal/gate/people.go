package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-gate/sallyport/auth"
)

// ErrLastOwner means that a tenant would be left without an owner who can
// sign in.
var ErrLastOwner = errors.New("the last owner stays: make somebody else owner first")

// ErrLastAdmittedOwner is ErrLastOwner of an owner who is the last that the
// list lets in, now or at a moment to come.
var ErrLastAdmittedOwner = fmt.Errorf("the list lets no other owner in: add an entry that counts for one first (%w)", ErrLastOwner)

// NewAdmin is an admin to add.
type NewAdmin struct {
	Login    string
	Name     string
	Role     Role
	Password string // empty: one is made
	Exempt   bool   // needs no second factor
}

// AddAdmin adds an admin and returns it with its first password, which is to
// be changed at the first sign-in: somebody else knows it.
func (g *Gate) AddAdmin(ctx context.Context, by Actor, tenant string, n NewAdmin) (*Admin, string, error) {
	if err := by.proved(tenant, RoleOwner); err != nil {
		return nil, "", err
	}
	if err := checkAdmin(n); err != nil {
		return nil, "", err
	}
	password, encoded, err := g.firstPassword(ctx, n.Password)
	if err != nil {
		return nil, "", err
	}
	a := Admin{
		ID: NewID(), Tenant: tenant, Login: n.Login, Name: strings.TrimSpace(n.Name), Role: n.Role,
		Password: encoded, MustChange: true, Exempt: n.Exempt, Created: micros(g.now()),
	}
	rec := Record{Actor: by, Action: "admin.add", At: g.now(), Detail: difference{After: a.detail()}}
	if err := g.store.AddAdmin(ctx, rec, a); err != nil {
		return nil, "", err
	}
	return &a, password, g.applied(ctx)
}

func checkAdmin(n NewAdmin) error {
	bad := &InvalidError{}
	if err := ValidLogin(n.Login); err != nil {
		bad.add("login", "invalid", "%s", err)
	}
	if !slices.Contains(Roles, n.Role) {
		bad.add("role", "unknown", "%q is no role: write owner, reviewer or member", n.Role)
	}
	if utf8.RuneCountInString(n.Name) > MaxLabel || hasControl(n.Name) {
		bad.add("name", "invalid", "a name has at most %d characters, none of them invisible", MaxLabel)
	}
	return bad.orNil()
}

// firstPassword hashes a given password, or makes one.
func (g *Gate) firstPassword(ctx context.Context, given string) (password, encoded string, err error) {
	if password = given; password == "" {
		password = auth.NewRecoveryCodes(1)[0]
	} else if len(password) < 8 || len(password) > 1024 {
		return "", "", Invalid("password", "length", "a first password has 8 to 1024 characters")
	}
	encoded, err = g.hasher.Hash(ctx, password)
	return password, encoded, err
}

// Admins lists a tenant's people.
func (g *Gate) Admins(ctx context.Context, by Actor, tenant string) ([]Admin, error) {
	if err := by.mayRead(tenant, RoleOwner); err != nil {
		return nil, err
	}
	return g.store.Admins(ctx, tenant)
}

// Admin returns one of a tenant's people, by id.
func (g *Gate) Admin(ctx context.Context, by Actor, tenant, id string) (*Admin, error) {
	if err := by.may(tenant, RoleOwner); err != nil {
		return nil, err
	}
	a, err := g.store.Admin(ctx, id)
	if err == nil && a.Tenant != tenant {
		err = ErrNotFound
	}
	return a, err
}

// viewsOf returns what decisions need to know of admins.
func viewsOf(admins []Admin) []AdminView {
	out := make([]AdminView, len(admins))
	for i, a := range admins {
		out[i] = AdminView{ID: a.ID, Login: a.Login, Name: a.Name, Role: a.Role, Disabled: a.Disabled, NoPassword: a.Password == "", Epoch: a.Epoch}
	}
	return out
}

// AdminPatch changes what it names.
type AdminPatch struct {
	Name     *string
	Role     *Role
	Disabled *bool
	Exempt   *bool
	Password *string // a new first password; empty: one is made
	Invite   bool    // take the password away, and make an invitation to set another
	NoFactor bool    // forget the second factor and the recovery codes
	SignOut  bool    // end all sessions
}

// SetAdmin changes an admin, named by id or login. What could let somebody in
// who should not be, or keeps a session that should not go on, ends all of its
// sessions. It returns the first password, or the secret of the invitation,
// where there is a new one.
func (g *Gate) SetAdmin(ctx context.Context, by Actor, tenant, name string, p AdminPatch) (*Admin, string, error) {
	if err := by.proved(tenant, RoleOwner); err != nil {
		return nil, "", err
	}
	for tries := 0; ; tries++ {
		a, err := g.findAdmin(ctx, tenant, name)
		if err != nil {
			return nil, "", err
		}
		secret, err := g.setAdmin(ctx, by, a, p)
		if errors.Is(err, ErrChanged) && tries < 10 {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		return a, secret, g.applied(ctx)
	}
}

func (g *Gate) setAdmin(ctx context.Context, by Actor, a *Admin, p AdminPatch) (secret string, err error) {
	before := a.detail()
	setIf(&a.Name, p.Name)
	setIf(&a.Role, p.Role)
	setIf(&a.Disabled, p.Disabled)
	setIf(&a.Exempt, p.Exempt)
	if err := checkAdmin(NewAdmin{Login: a.Login, Name: a.Name, Role: a.Role}); err != nil {
		return "", err
	}
	if secret, err = g.newSecret(ctx, a, p); err != nil {
		return "", err
	}
	if a.Disabled {
		a.uninvite()
	}
	rec := Record{Actor: by, Action: p.action(), At: g.now()}
	if p.Role != nil || p.Disabled != nil || p.Invite {
		stays := a.Role == RoleOwner && !a.Disabled && a.Password != ""
		if rec.Guarded, err = g.ownersStay(ctx, a, stays); err != nil {
			return "", err
		}
	}
	var recovery [][]byte
	if p.NoFactor {
		a.TOTP, a.Pending, a.TOTPStep, recovery = "", "", 0, [][]byte{}
	}
	rec.Detail = difference{Before: before, After: a.detail()}
	raise := p.SignOut || p.NoFactor || p.Password != nil || p.Invite || p.Disabled != nil
	_, err = g.store.SetAdmin(ctx, rec, *a, raise, recovery)
	return secret, err
}

// newSecret gives an admin a first password or an invitation.
func (g *Gate) newSecret(ctx context.Context, a *Admin, p AdminPatch) (secret string, err error) {
	switch {
	case p.Password != nil:
		secret, a.Password, err = g.firstPassword(ctx, *p.Password)
		a.MustChange = true
		a.uninvite()
	case p.Invite && a.Disabled:
		err = Invalid("reset", "disabled", "enable the account first: nobody who is disabled can set a password")
	case p.Invite:
		secret = a.invite(g.now())
	}
	return secret, err
}

// action names a change for the change log.
func (p *AdminPatch) action() string {
	switch {
	case p.Password != nil || p.Invite || p.NoFactor:
		return "admin.reset"
	case p.Disabled != nil && *p.Disabled:
		return "admin.disable"
	case p.SignOut:
		return "admin.sign_out"
	default:
		return "admin.set"
	}
}

func setIf[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// ownersStay makes sure that, where an admin does not stay an owner, the tenant
// has another, and that an enforced list, or one that a waiting change may
// bring back, lets owners in for as long as it does now. It returns the
// revision of the tenant for which that is so.
func (g *Gate) ownersStay(ctx context.Context, a *Admin, stays bool) (revision int64, err error) {
	p, err := g.store.LoadTenant(ctx, a.Tenant)
	if err != nil {
		return 0, err
	}
	all, others := owners(p.Admins, ""), owners(p.Admins, a.ID)
	switch {
	case stays, len(all) == len(others):
		return p.Tenant.Revision, nil
	case len(others) == 0:
		return 0, ErrLastOwner
	}
	lists := []ListVersion{{Mode: p.Tenant.Mode, Networks: p.Networks}}
	if p.Pending != nil {
		base, err := g.store.List(ctx, a.Tenant, p.Pending.Base)
		if err != nil {
			return 0, err
		}
		lists = append(lists, *base)
	}
	now := g.now()
	for _, l := range lists {
		was, is := ownerGap(l.Networks, all, now), ownerGap(l.Networks, others, now)
		if l.Mode == ModeEnforced && !is.IsZero() && (was.IsZero() || is.Before(was)) {
			return 0, ErrLastAdmittedOwner
		}
	}
	return p.Tenant.Revision, nil
}

// RemoveAdmin removes an admin, named by id or login, and ends its sessions.
func (g *Gate) RemoveAdmin(ctx context.Context, by Actor, tenant, name string) error {
	if err := by.proved(tenant, RoleOwner); err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		a, err := g.findAdmin(ctx, tenant, name)
		if err != nil {
			return err
		}
		rec := Record{Actor: by, Action: "admin.remove", At: g.now(), Detail: difference{Before: a.detail()}}
		if rec.Guarded, err = g.ownersStay(ctx, a, false); err != nil {
			return err
		}
		err = g.store.RemoveAdmin(ctx, rec, a.ID)
		if errors.Is(err, ErrChanged) && tries < 10 {
			continue
		}
		if err != nil {
			return err
		}
		return g.applied(ctx)
	}
}

// findAdmin finds an admin of the tenant by id or login.
func (g *Gate) findAdmin(ctx context.Context, tenant, name string) (*Admin, error) {
	if a, err := g.store.Admin(ctx, name); err == nil && a.Tenant == tenant {
		return a, nil
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return g.store.AdminByLogin(ctx, tenant, CanonicalLogin(name))
}

// Sessions lists running sessions: a member sees its own, owners and reviewers
// the tenant's.
func (g *Gate) Sessions(ctx context.Context, by Actor, f SessionFilter) ([]Session, error) {
	switch err := by.may(f.Tenant, RoleOwner, RoleReviewer); {
	case errors.Is(err, ErrForbidden):
		f.Admin = by.Admin
	case err != nil:
		return nil, err
	}
	f.Now = g.now()
	return g.store.Sessions(ctx, f)
}

// Session returns a session: one's own, or as owner or reviewer any of the
// tenant's, also one that has ended.
func (g *Gate) Session(ctx context.Context, by Actor, id string) (*Session, error) {
	s, err := g.store.Session(ctx, id)
	if err != nil {
		return nil, err
	}
	switch err := by.may(s.Tenant, RoleOwner, RoleReviewer); {
	case errors.Is(err, ErrForbidden) && s.Admin != by.Admin:
		return nil, ErrNotFound
	case err != nil && !errors.Is(err, ErrForbidden):
		return nil, err
	}
	return s, nil
}

// EndSession ends a [Gate.Session] on every node. The change log keeps the reason, which
// may be empty; whose session it is is not told.
func (g *Gate) EndSession(ctx context.Context, by Actor, id, reason string) error {
	reason = strings.TrimSpace(reason)
	if utf8.RuneCountInString(reason) > MaxWhy || hasControl(reason) {
		return Invalid("reason", "too_long", "at most %d characters, none of them a control character", MaxWhy)
	}
	s, err := g.Session(ctx, by, id)
	if err != nil {
		return err
	}
	rec := Record{Actor: by, Action: "session.end", At: g.now(), Detail: endedDetail{s.detail(), reason}}
	if err := g.store.EndSession(ctx, rec, id); err != nil {
		return err
	}
	return g.applied(ctx)
}

// endedDetail is the end of a session in the change log.
type endedDetail struct {
	Before sessionDetail `json:"before"`
	Reason string        `json:"reason,omitempty"`
}

// EndedByOther reports whether the session whose cookie a request brings was
// ended by somebody else than whose it is. It asks the store, so it is for pages
// that say why one has to sign in again, and for no decision.
func (d *Door) EndedByOther(ctx context.Context, q *Request, dec *Decision) (bool, error) {
	c, reason := d.token(q, dec.Now)
	if reason != "" {
		return false, nil
	}
	s, err := d.store.Session(ctx, c.Session)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && s.Tenant == c.Tenant && s.EndedBy != "" && s.EndedBy != s.Login, err
}

// EndSessions ends all sessions of a tenant but the actor's own, as owner or
// reviewer; as member, the actor's own others. It returns how many.
func (g *Gate) EndSessions(ctx context.Context, by Actor, tenant string) (int64, error) {
	f := SessionFilter{Tenant: tenant, Now: g.now()}
	switch err := by.may(tenant, RoleOwner, RoleReviewer); {
	case errors.Is(err, ErrForbidden):
		f.Admin = by.Admin
	case err != nil:
		return 0, err
	}
	if err := by.lately(); err != nil {
		return 0, err
	}
	n, err := g.store.EndSessions(ctx, Record{Actor: by, Action: "session.end_all", At: f.Now}, f, by.Session)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, g.applied(ctx)
}

// sessionDetail is a session in the change log.
type sessionDetail struct {
	Login   string    `json:"login"`
	Address string    `json:"address"` // the last one
	Started time.Time `json:"started"`
}

func (s *Session) detail() sessionDetail {
	return sessionDetail{s.Login, textOf(s.LastAddress), s.Started}
}
