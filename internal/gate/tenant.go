package gate

import (
	"crypto/rand"
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
)

// Mode says what a tenant's list does.
type Mode string

// Modes of a list.
const (
	ModeOff      Mode = "off"      // everybody may come to the sign-in page
	ModeDryRun   Mode = "dry_run"  // nobody is blocked; who would be is recorded
	ModeEnforced Mode = "enforced" // only the list's networks get in
)

// Modes is the closed list of modes.
var Modes = []Mode{ModeOff, ModeDryRun, ModeEnforced}

// Role says what an admin may do in its tenant.
type Role string

// Roles of admins.
const (
	RoleOwner    Role = "owner"
	RoleReviewer Role = "reviewer"
	RoleMember   Role = "member"
)

// Roles is the closed list of roles.
var Roles = []Role{RoleOwner, RoleReviewer, RoleMember}

// OperatorTenant is the slug of the tenant whose admins run the gateway.
const OperatorTenant = "operator"

// Bounds of what people write.
const (
	MaxEntries = 5000 // entries in one tenant's list
	// MaxPrefixes bounds the prefixes that a list's entries come to: one IPv6
	// range from address to address can be as many as 253.
	MaxPrefixes = 20000
	MaxLabel    = 120 // characters
	MaxNote     = 2000
	MaxHosts    = 1000
)

// Tenant is a company whose people use the console.
type Tenant struct {
	ID      string   // made by NewID; never changes
	Slug    string   // short name: a-z, 0-9 and -, unique
	Name    string   // as people write it
	Hosts   []string // canonical host names, see CanonicalHost
	Mode    Mode
	Version int64 // of the list; 1 is the first, empty one
	// Revision is raised with each version of the list and whenever a role
	// changes or somebody goes: what the guards have to see together, see
	// Record.Guarded.
	Revision int64
	Epoch    int64 // sessions with an earlier tenant epoch are ended
	Created  time.Time
	Settings Settings
}

// Network is one entry in a tenant's list of allowed IP ranges.
type Network struct {
	ID        string
	Range     cidr.Range
	Label     string
	Note      string
	Owner     string
	Enabled   bool
	NotBefore time.Time // admits nobody earlier; zero: no bound
	Expires   time.Time // admits nobody from then on; zero: no bound
	Roles     []Role    // after sign-in it counts for these roles…
	Admins    []string  // …and these admins (ids) only; both empty: for everybody
	Created   time.Time
	CreatedBy string // login of the admin, or "command"
}

// Admits reports whether the entry is switched on and in force at the time.
func (n *Network) Admits(at time.Time) bool {
	return n.Enabled && !at.Before(n.NotBefore) && (n.Expires.IsZero() || at.Before(n.Expires))
}

// For reports whether the entry counts for an admin who is signed in.
func (n *Network) For(role Role, admin string) bool {
	if len(n.Roles) == 0 && len(n.Admins) == 0 {
		return true
	}
	for _, r := range n.Roles {
		if r == role {
			return true
		}
	}
	for _, a := range n.Admins {
		if a == admin {
			return true
		}
	}
	return false
}

// Admin is a person who signs in. The store keeps Password, TOTP and Pending
// encrypted at rest.
type Admin struct {
	ID           string
	Tenant       string // tenant ID
	Login        string // as it was created; compared by CanonicalLogin
	Name         string
	Role         Role
	Disabled     bool
	Epoch        int64     // sessions with an earlier admin epoch are ended
	Revision     int64     // of the row, see AdminStore.SetAdmin
	Password     string    // PHC string of argon2id; empty: cannot sign in
	MustChange   bool      // the password was given by somebody else
	Exempt       bool      // needs no second factor even where one is required
	TOTP         string    // base32 secret; empty: no second factor
	TOTPStep     int64     // the last time step whose code was used
	Pending      string    // base32 secret shown at enrolment and not confirmed yet
	Invitation   []byte    // hash of the link to set a password with; nil: none
	InvitedUntil time.Time // from then on the link counts for nothing
	Created      time.Time
	LastSignIn   time.Time // zero: never
}

// Session is one signed-in browser, as it is listed. What a session may do is
// decided from its token and the snapshot, not from this row.
type Session struct {
	ID          string
	Tenant      string // tenant ID
	Admin       string // admin ID
	Login       string // filled when read
	Started     time.Time
	LastSeen    time.Time
	Expires     time.Time  // absolute end
	Address     netip.Addr // of the sign-in
	LastAddress netip.Addr
	UserAgent   string
	Moves       int64     // how often LastAddress became another
	Ended       time.Time // zero: not ended by anybody
	EndedBy     string
}

// NewID returns a fresh identifier with 130 bits of chance. Ids are made here
// and not by the database, so that no engine's sequence is relied on.
func NewID() string { return rand.Text() }
