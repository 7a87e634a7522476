package web

import (
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// reasonWords are the keys of what a reason is called, in a few words.
var reasonWords = map[gate.Reason]string{
	gate.UnknownSite: "why.unknown_site", gate.AddressUnknown: "why.address_unknown",
	gate.OutsideNetworks: "why.outside_networks", gate.PolicyUnavailable: "why.policy_unavailable",
	gate.NoSession: "why.no_session", gate.SessionExpired: "why.session_expired", gate.SessionIdle: "why.session_idle",
	gate.SessionRevoked: "why.session_revoked", gate.SessionInvalid: "why.session_invalid",
	gate.WrongTenant: "why.wrong_tenant", gate.AddressChanged: "why.address_changed",
	gate.BadCredentials: "why.bad_credentials", gate.AccountUnknown: "why.account_unknown",
	gate.AccountDisabled: "why.account_disabled", gate.BadCode: "why.bad_code", gate.CodeReused: "why.code_reused",
	gate.Throttled: "why.throttled", gate.CrossOrigin: "why.cross_origin",
	gate.ByNetwork: "why.network", gate.ByOperatorNetwork: "why.operator_network", gate.ByDryRun: "why.dry_run",
	gate.ByGateOff: "why.gate_off", gate.ByEmergency: "why.emergency",
}

// reasonSentences are the keys of what a reason means, where nothing more is
// known of the attempt.
var reasonSentences = map[gate.Reason]string{
	gate.UnknownSite: "explain.unknown_site", gate.AddressUnknown: "explain.address_unknown",
	gate.OutsideNetworks: "explain.outside_networks", gate.PolicyUnavailable: "explain.policy_unavailable",
	gate.NoSession: "explain.no_session", gate.SessionExpired: "explain.session_expired", gate.SessionIdle: "explain.session_idle",
	gate.SessionRevoked: "explain.session_revoked", gate.SessionInvalid: "explain.session_invalid",
	gate.WrongTenant: "explain.wrong_tenant", gate.AddressChanged: "explain.address_changed",
	gate.BadCredentials: "explain.bad_credentials", gate.AccountUnknown: "explain.account_unknown",
	gate.AccountDisabled: "explain.account_disabled", gate.BadCode: "explain.bad_code", gate.CodeReused: "explain.code_reused",
	gate.Throttled: "explain.throttled", gate.CrossOrigin: "explain.cross_origin",
	gate.ByNetwork: "explain.network", gate.ByOperatorNetwork: "explain.operator_network", gate.ByDryRun: "explain.dry_run",
	gate.ByGateOff: "explain.gate_off", gate.ByEmergency: "explain.emergency",
}

// outcomeWords are how outcomes are shown: icon, word and colour, always.
var outcomeWords = map[gate.Outcome]stateWord{
	gate.Blocked:    {"blocked", "cross", "dec.block"},
	gate.WouldBlock: {"dry", "half", "dec.dry"},
	gate.Refused:    {"blocked", "cross", "dec.refused"},
	gate.Allowed:    {"allowed", "tick", "dec.allow"},
}

// resultWords are the keys of what came of an attempt in the end.
var resultWords = map[gate.Outcome]string{
	gate.Blocked: "explain.result.blocked", gate.WouldBlock: "explain.result.would_block",
	gate.Refused: "explain.result.refused", gate.Allowed: "explain.result.allowed",
}
