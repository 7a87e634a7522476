package gate

import (
	"net/netip"
	"time"
)

// Attempt is one recorded refusal or sign-in.
type Attempt struct {
	Reference   string
	Tenant      string     // tenant ID; empty where the site is unknown
	Host        string     // as asked for, canonical where it could be read
	Address     netip.Addr // not valid: unknown, or folded away
	Bits        int        // length of the network the record stands for: 32 or 128 is one address, less is a folded flood, 0 everybody
	Peer        netip.Addr
	Hops        []Hop // how the address was found
	Stage       Stage
	Outcome     Outcome
	Reason      Reason
	Admin       string // admin ID, only where what was typed is an admin
	Login       string // that admin's login, filled when read
	LoginHash   string // keyed hash of anything else that was typed
	Password    PasswordCheck
	Session     string
	Method      string
	Path        string // without the query
	UserAgent   string
	ListVersion int64
	Count       int64 // exact number of attempts this record stands for
	FirstTime   time.Time
	LastTime    time.Time
	Ends        time.Time // from when the record does not grow any more; zero: it never did. Not read back
	Pos         int64     // in the order of leaving; read only of what leaves
	Node        string
	Boot        string // the start of the program that saw it, for the ledger
}

// PasswordCheck says what a look at the password of a sign-in from outside the
// list found, where the tenant chose to look: see [Settings.CheckOutside].
type PasswordCheck string

// PasswordRight means that somebody has the admin's password, in a place that
// the admin may not come from. Anything else, looked at or not, is empty.
const PasswordRight PasswordCheck = "right"

// Hop is one step of the walk that found, or did not find, a client address.
type Hop struct {
	Text    string `json:"text"`    // as it stood there
	Address string `json:"address"` // canonical; empty: not an IP address
	Source  string `json:"source"`  // peer, or the header's name
	Trusted bool   `json:"trusted"` // one of the trusted proxies
	Chosen  bool   `json:"chosen,omitempty"`
}

// shortened reports whether the address was cut at its age. Those of floods are
// cut as well, but keep how they were found.
func (a *Attempt) shortened() bool {
	return a.Address.IsValid() && a.Bits < a.Address.BitLen() && len(a.Hops) == 0
}

// AttemptFilter selects attempts. The zero value selects all of them.
type AttemptFilter struct {
	Tenant string    // tenant ID; empty: all tenants (for the operator and commands)
	Since  time.Time // LastTime is not before
	Until  time.Time // FirstTime is before
	Where  []Condition
	Limit  int
	Before Cursor // only attempts older than this position
}

// Cursor is a position in a list ordered by time, newest first.
type Cursor struct {
	Time time.Time
	ID   string // reference of an attempt, id of a session or change
}

// Condition restricts one field. Several conditions on one field that are not
// negated mean any of them; everything else must hold together.
type Condition struct {
	Field Field
	Value string       // for every field but FieldAddress
	Range netip.Prefix // for FieldAddress
	Not   bool
}

// Field is a field of an attempt that can be filtered by.
type Field string

// Fields to filter by. FieldLogin compares with an admin's id or, for what was
// typed and is no admin's login, the keyed hash.
const (
	FieldOutcome   Field = "outcome"
	FieldReason    Field = "reason"
	FieldStage     Field = "stage"
	FieldAddress   Field = "address"
	FieldLogin     Field = "login"
	FieldReference Field = "reference"
	FieldCountry   Field = "country"  // of the address's place; known to summaries and lists, not to exports and tails
	FieldASN       Field = "asn"      // as FieldCountry: the number of the network's owner, in digits
	FieldPassword  Field = "password" // its one value is PasswordRight
)

// GroupBy names what attempts are grouped by.
type GroupBy string

// Groupings.
const (
	GroupAddress GroupBy = "address"
	GroupNetwork GroupBy = "network" // /24 of IPv4, /64 of IPv6
	GroupAdmin   GroupBy = "admin"
	GroupReason  GroupBy = "reason"
	GroupCountry GroupBy = "country" // or region, approximately
	GroupASN     GroupBy = "asn"     // who runs the network the address belongs to, approximately
)

// Groupings is the closed list of groupings.
var Groupings = []GroupBy{GroupAddress, GroupNetwork, GroupAdmin, GroupReason, GroupCountry, GroupASN}

// AttemptGroup is one group of attempts.
type AttemptGroup struct {
	Key        string // address, CIDR, admin's login, reason, country or ASN; empty: unknown, or nobody's login
	Place      Place  // of the address or network; what is known of a country or ASN
	Records    int64  // records in the group
	Count      int64  // attempts they stand for
	NotAllowed int64  // of these, those that were not let in or would not have been
	FirstTime  time.Time
	LastTime   time.Time
	Reference  string // of the newest record
}

// AttemptSum is how many attempts had a stage and an outcome.
type AttemptSum struct {
	Stage   Stage
	Outcome Outcome
	Count   int64
	Last    time.Time
}

// Use says how often an address signed in or came, for list hygiene.
type Use struct {
	Address netip.Addr
	Count   int64
	Last    time.Time
}

// Ledger is the account of one start of one node: what was seen is what is
// stored, what retention deleted since, what waits, and what is lost.
type Ledger struct {
	Node     string
	Boot     string
	Started  time.Time
	Seen     int64
	Stored   int64 // sum of the counts of this boot's records in the store
	Deleted  int64 // by retention
	Waiting  int64 // in memory or in the spool; known to the running node only
	Lost     int64 // declared: seen by a program that died before storing
	Finished bool  // the program has ended and the account is closed
}
