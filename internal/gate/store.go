package gate

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Errors of a Store that callers branch on. Any other error means that the
// store did not answer: nothing is known to have happened.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrChanged means that what was read was changed before it was written.
	ErrChanged = errors.New("changed in the meantime")
	// ErrCodeUsed means that a one-time code, recovery code or step was used
	// by somebody else between reading and writing.
	ErrCodeUsed = errors.New("code was used already")
)

// VersionConflict is the error of an edit that was based on an older version.
type VersionConflict struct {
	Base, Current int64
}

func (e *VersionConflict) Error() string {
	return "the list was changed by somebody else in the meantime"
}

// Policy is everything a node decides from, as it is loaded at start.
type Policy struct {
	Tenants []TenantPolicy
	Global  Global
	Position
}

// Global is the part of the policy that belongs to no tenant.
type Global struct {
	Epoch      int64      // of everybody
	Session    []auth.Key // newest first
	Assertions []auth.AssertionKey
}

// TenantPolicy is one tenant's part of the policy.
type TenantPolicy struct {
	Tenant   Tenant
	Networks []Network
	Admins   []AdminView
	Ended    []EndedSession
	Pending  *Pending    // the change that waits to be confirmed; nil: none
	Running  []Emergency // that have not ended
	Tokens   []APIToken
}

// AdminView is what a decision needs to know of an admin.
type AdminView struct {
	ID, Login, Name string
	Role            Role
	Disabled        bool
	NoPassword      bool // cannot sign in: was invited and has not come yet
	Epoch           int64
}

// EndedSession is a session that was ended before its token runs out.
type EndedSession struct {
	ID      string
	Expires time.Time // of the token; after that it can be forgotten
}

// Position is a place in the change log. Followers read inclusively from it,
// and a row that is missing or has another id there tells them that the store
// has lost or replaced changes.
type Position struct {
	Pos int64
	ID  string
}

// ChangeKind says what a change is about.
type ChangeKind string

// Kinds of changes. Followers reload the tenant for every kind but
// ChangeSession (one more ended session), ChangeGlobal, ChangeAsk (the requests
// that wait), and ChangeAccess and ChangeAlerts, from which no decision follows.
const (
	ChangeTenant    ChangeKind = "tenant"
	ChangeList      ChangeKind = "list"
	ChangeAdmin     ChangeKind = "admin"
	ChangeSession   ChangeKind = "session"
	ChangeSessions  ChangeKind = "sessions" // several at once
	ChangeEmergency ChangeKind = "emergency"
	ChangeToken     ChangeKind = "token"
	ChangeGlobal    ChangeKind = "global"  // keys, epoch of everybody
	ChangeAccess    ChangeKind = "access"  // records were read: nothing is different
	ChangeAsk       ChangeKind = "request" // of a visitor who was kept out
	ChangeAlerts    ChangeKind = "alerts"  // what a tenant is alerted about, and how
	ChangeSubject   ChangeKind = "subject" // what was recorded of a person was erased
)

// ChangeKinds is the closed list of kinds that a tenant's changes have.
var ChangeKinds = []ChangeKind{
	ChangeList, ChangeAdmin, ChangeSession, ChangeSessions, ChangeToken, ChangeTenant, ChangeEmergency, ChangeAsk, ChangeAlerts, ChangeAccess, ChangeSubject,
}

// Change is one row of the change log, which is a chain: Hash covers the row
// and the hash before it.
type Change struct {
	Position
	Kind    ChangeKind
	Action  string // e.g. "network.put", "admin.disable"
	Tenant  string // tenant ID
	Subject string // id of what changed
	Version int64  // list version; for ChangeSession the token's end in unix µs
	At      time.Time
	Actor   string
	ActorID string
	Address netip.Addr
	Detail  []byte // JSON: before and after, never a secret
	Key     []byte // makes the salts of its texts; nil once one was erased
	Leaves  []Leaf // of its texts, instead of the key
	Before  []byte // hash of the row before it, as far as it was read
	Hash    []byte
}

// Record is what an operation adds to the change log.
type Record struct {
	Actor  Actor
	Action string
	Detail any // marshalled as JSON
	At     time.Time
	// Guarded is the revision of the tenant that the guards were asked with;
	// when it has another by now, the operation does not happen: ErrChanged.
	// 0: no guard was asked.
	Guarded int64
}

// difference is the detail of a change of one thing, as it was and as it is.
type difference struct {
	Before any `json:"before,omitempty"`
	After  any `json:"after,omitempty"`
}

// Store keeps everything. Each method is one transaction: it happens wholly,
// durably, or not at all. Every change to policy, people or sessions ends with
// the next position of the change log.
type Store interface {
	PolicyStore
	TenantStore
	SettingsStore
	ShortenStore
	DraftStore
	PendingStore
	EmergencyStore
	GuardStore
	AdminStore
	SessionStore
	TokenStore
	AttemptStore
	EvidenceStore
	HistoryStore
	AskStore
	NodeStore
	DeliveryStore
	OperatorStore
	AlertStore
	SubjectStore
	Close() error
}

// PolicyStore is what a node follows.
type PolicyStore interface {
	LoadPolicy(ctx context.Context) (*Policy, error)
	// LoadTenant returns ErrNotFound for a tenant that was removed.
	LoadTenant(ctx context.Context, id string) (*TenantPolicy, error)
	LoadGlobal(ctx context.Context) (Global, error)
	// ChangesFrom returns up to limit changes from the position on, that one
	// included, in order.
	ChangesFrom(ctx context.Context, pos int64, limit int) ([]Change, error)
	// Changes lists the changes that a filter selects, newest first.
	Changes(ctx context.Context, f ChangeFilter) ([]Change, error)
	// VerifyChanges reads the whole chain and says what of it holds; an error
	// names the first row that does not.
	VerifyChanges(ctx context.Context) (Chain, error)
	// AddKeys stores a fresh pair of keys unless the newest pair is another
	// than the caller knew (ErrExists: another node was faster).
	AddKeys(ctx context.Context, rec Record, known string, session auth.Key, assertion auth.AssertionKey) error
	// RemoveKeys deletes keys made before the time, never the newest pair. It
	// adds to the change log only when it deletes something.
	RemoveKeys(ctx context.Context, rec Record, before time.Time) error
	// RaiseEpoch ends every session of everybody.
	RaiseEpoch(ctx context.Context, rec Record) error
	// MAC is the store's keyed hash, for what must be compared but not read.
	MAC(purpose, text string) []byte
}

// TenantStore keeps tenants and their lists.
type TenantStore interface {
	// AddTenant returns ErrExists when the slug or a host is taken.
	AddTenant(ctx context.Context, rec Record, t Tenant) error
	// SetTenant stores name and hosts; the mode belongs to the list.
	SetTenant(ctx context.Context, rec Record, t Tenant) error
	RemoveTenant(ctx context.Context, rec Record, id string) error
	Tenants(ctx context.Context) ([]Tenant, error)
	// PutNetworks replaces mode and list where the version is still base, and
	// returns the new version. *VersionConflict otherwise, ErrChangePending
	// where a change waits to be confirmed, ErrChanged by rec.Guarded. It
	// removes the draft that is applied, or does nothing where that was
	// changed: ErrDraftChanged.
	PutNetworks(ctx context.Context, rec Record, put ListPut) (int64, error)
	// List returns the list as it was at a version (0: the newest).
	List(ctx context.Context, tenant string, version int64) (*ListVersion, error)
	// ListAt returns the list in force at a moment, ErrNotFound before the first.
	ListAt(ctx context.Context, tenant string, at time.Time) (*ListVersion, error)
	// NetworkSpans returns every entry a list ever had, in each form it had,
	// with when it was in the list.
	NetworkSpans(ctx context.Context, tenant string) ([]NetworkSpan, error)
	// ListVersions lists versions without their entries, newest first.
	ListVersions(ctx context.Context, tenant string, before int64, limit int) ([]ListVersion, error)
}

// ListPut is an edit of a tenant's list.
type ListPut struct {
	Tenant   string
	Base     int64
	Mode     Mode
	Networks []Network
	Reason   string
	Draft    *WorkingDraft // that is applied; nil: none
	Accepted []string      // overrides that were needed
	Restores int64         // the version whose entries these are; 0: none
	// ConfirmUntil is when the change is undone unless it is confirmed; zero:
	// never.
	ConfirmUntil time.Time
}

// ListVersion is one version of a tenant's list.
type ListVersion struct {
	Version  int64
	Mode     Mode
	At       time.Time
	By       string
	Reason   string
	Accepted []string // what the editor overrode, see AcceptWords
	Undoes   int64    // the version that this one undoes; 0: none
	Restores int64    // the version whose entries these are; 0: none
	Added    int
	Removed  int
	Changed  int
	Networks []Network
}

// NetworkSpan is an entry as it stood in a list for a while.
type NetworkSpan struct {
	Network
	Version  int64 // the first with it
	From, To time.Time
	Until    int64 // the first version without it; 0: it is still in the list, and To is zero
}

// AdminStore keeps people.
type AdminStore interface {
	// AddAdmin returns ErrExists when the tenant has such a login.
	AddAdmin(ctx context.Context, rec Record, a Admin) error
	// Admin and AdminByLogin return ErrNotFound.
	Admin(ctx context.Context, id string) (*Admin, error)
	AdminByLogin(ctx context.Context, tenant, canonicalLogin string) (*Admin, error)
	// AdminByInvitation returns ErrNotFound; the invitation may be past.
	AdminByInvitation(ctx context.Context, hash []byte) (*Admin, error)
	Admins(ctx context.Context, tenant string) ([]Admin, error)
	// SetAdmin stores name, role, disabled, exempt, password, must-change,
	// invitation and second factor where the revision is still the one that was read
	// (ErrChanged otherwise: a disabled admin must not come back to life
	// because its password was changed at the same moment), and raises the
	// admin's epoch when told to: its sessions are ended. A nil recovery
	// leaves the recovery codes as they are. It heeds rec.Guarded, and so does
	// RemoveAdmin.
	SetAdmin(ctx context.Context, rec Record, a Admin, raise bool, recovery [][]byte) (epoch int64, err error)
	RemoveAdmin(ctx context.Context, rec Record, id string) error
	// SetPending stores the secret of an enrolment under way, unless there is
	// one, and returns the one in force.
	SetPending(ctx context.Context, admin, secret string) (string, error)
	// UseTOTP moves the last used step forward; ErrCodeUsed when it is not
	// before the given one any more.
	UseTOTP(ctx context.Context, admin string, step int64) error
	// UseRecovery deletes the recovery code; ErrCodeUsed when there is none.
	UseRecovery(ctx context.Context, admin string, hash []byte) error

	// Reserve counts one try against every key at once, before the try is
	// made, so that parallel tries cannot slip past. It counts none and
	// returns the time until which the caller is locked out when any key is
	// used up.
	Reserve(ctx context.Context, keys [][]byte, limit Throttle, now time.Time) (lockedUntil time.Time, err error)
	// Release takes one try back from the keys, for one that did not fail. A
	// key that this brings below its limit is not locked any more.
	Release(ctx context.Context, keys [][]byte) error
	// Forget clears a key after a complete sign-in.
	Forget(ctx context.Context, key []byte) error
}

// Throttle bounds failed tries.
type Throttle struct {
	Attempts int
	Within   time.Duration
	Lock     time.Duration
}

// SessionStore keeps sessions.
type SessionStore interface {
	// SignIn stores a session, its attempt and the admin's time of last
	// sign-in together.
	SignIn(ctx context.Context, s Session, a Attempt) error
	Session(ctx context.Context, id string) (*Session, error)
	// Sessions lists a tenant's sessions that have not ended at the time
	// (admin empty: everybody's), newest first.
	Sessions(ctx context.Context, f SessionFilter) ([]Session, error)
	// EndSession ends one; ErrNotFound when there is none that is running.
	EndSession(ctx context.Context, rec Record, id string) error
	// EndSessions ends those that a filter selects, but one (empty: none), and
	// returns how many. Where there are none, it changes nothing.
	EndSessions(ctx context.Context, rec Record, f SessionFilter, but string) (int64, error)
	// Touch stores when and from where sessions were last seen.
	Touch(ctx context.Context, seen []Session) error
}

// SessionFilter selects running sessions.
type SessionFilter struct {
	Tenant string // empty: all, for commands
	Admin  string
	Now    time.Time
	Limit  int
	Before Cursor // by Started, then ID
}

// AttemptStore keeps attempts and their ledger.
type AttemptStore interface {
	// PutAttempts stores records, or moves the count and last time of those
	// it has forward: storing one twice changes nothing. seen is the boot's
	// number of attempts so far.
	PutAttempts(ctx context.Context, boot Ledger, batch []Attempt) error
	Attempts(ctx context.Context, f AttemptFilter) ([]Attempt, error)
	// GrownAttempts lists records by their last time, the latest first.
	GrownAttempts(ctx context.Context, f AttemptFilter) ([]Attempt, error)
	// CountAttempts counts records.
	CountAttempts(ctx context.Context, f AttemptFilter) (int64, error)
	// SumAttempts counts attempts by stage and outcome.
	SumAttempts(ctx context.Context, f AttemptFilter) ([]AttemptSum, error)
	// Attempt returns ErrNotFound; tenant empty: of any tenant.
	Attempt(ctx context.Context, tenant, reference string) (*Attempt, error)
	// NoteAccess adds to the change log that somebody read records of a tenant
	// (empty: of all); subject is the id of the reading.
	NoteAccess(ctx context.Context, rec Record, tenant, subject string) error
	// SignIns returns how often each address signed in since.
	SignIns(ctx context.Context, tenant string, since time.Time) ([]Use, error)
	// DeleteAttempts deletes records of a tenant (empty: of all) whose last time
	// is before, at most limit, and sessions long ended; the ledger keeps their
	// counts.
	DeleteAttempts(ctx context.Context, tenant string, before time.Time, limit int) (int64, error)
	// OpenLedger begins the account of a start of a node.
	OpenLedger(ctx context.Context, l Ledger) error
	// CloseLedger closes an account: what was seen and is neither stored nor
	// deleted is lost.
	CloseLedger(ctx context.Context, boot string, seen int64) (Ledger, error)
	Ledgers(ctx context.Context) ([]Ledger, error)
}
