package web

import (
	"net/netip"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// checked says in words what a list makes of an address.
func (v *consoleView) checked(c *gate.Check, a netip.Addr, at time.Time) *checkResult {
	out := &checkResult{Class: "blocked", Icon: "cross", Verdict: v.T("check.blocked", "IP", a), Version: c.Version}
	switch {
	case c.Allowed && c.Reason == gate.ByDryRun:
		out.Class, out.Icon, out.Verdict = "dry", "half", v.T("check.dry_run", "IP", a)
	case c.Allowed:
		out.Class, out.Icon, out.Verdict = "allowed", "tick", v.T("check.allowed", "IP", a)
	}
	say := func(key string, pairs ...any) { out.Text = append(out.Text, v.T(key, pairs...)) }
	if c.Reason == gate.ByGateOff {
		say("check.off")
	}
	if c.Entry != nil {
		say("check.entry", "Label", c.Entry.Label, "Net", c.Entry.Range)
		if len(c.Entry.Roles)+len(c.Entry.Admins) > 0 {
			say("check.some")
		}
		return out
	}
	say("check.none", "Version", c.Version)
	for i := range c.Off {
		n := &c.Off[i]
		switch {
		case !n.Enabled:
			say("check.switched_off", "Label", n.Label, "Net", n.Range)
		case at.Before(n.NotBefore):
			say("check.later", "Label", n.Label, "Net", n.Range, "Time", v.minute(n.NotBefore))
		default:
			say("check.ended", "Label", n.Label, "Net", n.Range, "Time", v.minute(n.Expires))
		}
	}
	if n := c.Nearest; n != nil && len(c.Off) == 0 {
		say("check.nearest", "Label", n.Network.Label, "Net", n.Network.Range, "Bit", n.Bit)
	}
	return out
}
