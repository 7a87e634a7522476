package gate

// Reason says why a request, a sign-in or a session was refused or let
// through. The list is closed: the same word stands in the answer, the record,
// the log line, the metric and the page.
type Reason string

// Reasons of the first door: where a visitor comes from.
const (
	UnknownSite       Reason = "unknown_site"       // no tenant has this host
	AddressUnknown    Reason = "address_unknown"    // no client address could be proven
	OutsideNetworks   Reason = "outside_networks"   // no entry of the list admits the address
	PolicyUnavailable Reason = "policy_unavailable" // the list cannot be known
)

// Reasons of a session.
const (
	NoSession      Reason = "no_session"
	SessionExpired Reason = "session_expired" // its absolute end is past
	SessionIdle    Reason = "session_idle"    // unused for longer than allowed
	SessionRevoked Reason = "session_revoked" // signed out, ended by somebody, or the admin is gone
	SessionInvalid Reason = "session_invalid" // the cookie is not one of ours, or there are two
	WrongTenant    Reason = "wrong_tenant"    // a session of another tenant
	AddressChanged Reason = "address_changed" // bind address, and the address is another
)

// Reasons of a sign-in.
const (
	BadCredentials  Reason = "bad_credentials"
	AccountUnknown  Reason = "account_unknown"
	AccountDisabled Reason = "account_disabled"
	BadCode         Reason = "bad_code"
	CodeReused      Reason = "code_reused"
	Throttled       Reason = "throttled"
	CrossOrigin     Reason = "cross_origin"
)

// Reasons of what passes the first door.
const (
	ByNetwork         Reason = "network"          // an entry admits the address
	ByOperatorNetwork Reason = "operator_network" // one of the operator's own networks
	ByDryRun          Reason = "dry_run"          // would be blocked if the list were enforced
	ByGateOff         Reason = "gate_off"         // the tenant's list is off
	ByEmergency       Reason = "emergency"        // emergency access by command
)

// Reasons is the closed list, in the order of the contract.
var Reasons = []Reason{
	UnknownSite, AddressUnknown, OutsideNetworks, PolicyUnavailable,
	NoSession, SessionExpired, SessionIdle, SessionRevoked, SessionInvalid, WrongTenant, AddressChanged,
	BadCredentials, AccountUnknown, AccountDisabled, BadCode, CodeReused, Throttled, CrossOrigin,
	ByNetwork, ByOperatorNetwork, ByDryRun, ByGateOff, ByEmergency,
}

// Stage says at which step an attempt was decided.
type Stage string

// Stages, in the order a request meets them.
const (
	StageGate    Stage = "gate"
	StageSignIn  Stage = "sign_in"
	StageSession Stage = "session"
)

// Stages is the closed list of stages.
var Stages = []Stage{StageGate, StageSignIn, StageSession}

// Outcome says what came of an attempt.
type Outcome string

// Outcomes of attempts.
const (
	Blocked    Outcome = "blocked"     // stopped at the first door
	WouldBlock Outcome = "would_block" // passed only because the list is in dry run
	Refused    Outcome = "refused"     // stopped at the second door
	Allowed    Outcome = "allowed"
)

// Outcomes is the closed list of outcomes.
var Outcomes = []Outcome{Blocked, WouldBlock, Refused, Allowed}

// Refusal is the answer of an operation that Sallyport refuses on purpose: a
// rule said no, nothing is broken. It travels as an error so that callers
// cannot overlook it.
type Refusal struct {
	Reason     Reason
	Reference  string // of the record, where one was made
	RetryAfter int64  // seconds until it makes sense to try again; 0: not a matter of time
}

func (r *Refusal) Error() string { return "refused: " + string(r.Reason) }
