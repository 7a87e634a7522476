package web

import (
	"cmp"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// explainStep is one step of a decision.
type explainStep struct {
	Name  string
	Lines []explainLine
}

// explainLine is a line of a step: what a visitor made up stands between our
// own words, so that it cannot turn them around.
type explainLine struct {
	Class, Icon, Word   string // of a verdict; empty: it is none
	Before, Text, After string
}

// explainFact is something else that is known of an attempt.
type explainFact struct {
	Name, Text, Also string
	Mono             bool
	Links            []nextLink
}

// because is the sentence that says why an attempt ended as it did.
func (v *consoleView) because(e *gate.Explanation) string {
	a, c := &e.Attempt, e.Check
	plain := v.T(reasonSentences[a.Reason])
	if c == nil {
		return plain
	}
	switch {
	case a.Reason == gate.ByNetwork && c.Entry != nil:
		return v.T("explain.entry", "Label", c.Entry.Label, "Net", c.Entry.Range, "IP", a.Address)
	case a.Reason == gate.ByDryRun && c.Entry == nil:
		return v.T("explain.dry", "V", c.Version, "IP", a.Address)
	case a.Reason != gate.OutsideNetworks:
		return plain
	case c.Entry != nil:
		return v.T("explain.not_for", "Label", c.Entry.Label, "Net", c.Entry.Range, "IP", a.Address)
	case len(c.Off) == 0:
		return v.T("explain.none", "V", c.Version, "IP", a.Address)
	}
	n := &c.Off[0]
	pairs := []any{"Label", n.Label, "Net", n.Range, "IP", a.Address}
	switch {
	case !n.Enabled:
		return v.T("explain.off", pairs...)
	case a.FirstTime.Before(n.NotBefore):
		return v.T("explain.later", append(pairs, "Time", v.minute(n.NotBefore))...)
	}
	return v.T("explain.expired", append(pairs, "Ago", v.rough(a.FirstTime.Sub(n.Expires)))...)
}

// steps are the steps of a decision in their order.
func (v *consoleView) steps(e *gate.Explanation) []explainStep {
	a := &e.Attempt
	steps := []explainStep{
		{v.T("explain.step.address"), v.hops(a)},
		{v.T("explain.step.tenant"), []explainLine{{Before: v.T("explain.host"), Text: export.Plain(a.Host), After: "→ " + v.Tenant}}},
	}
	if c := e.Check; c != nil {
		mode := v.T(modePills[c.Mode].Word)
		if !e.ModeSince.IsZero() {
			mode = v.T("explain.mode", "Mode", mode, "Time", v.minute(e.ModeSince))
		}
		steps = append(steps, explainStep{v.T("explain.step.mode"), []explainLine{{Before: mode}}}, v.listStep(e))
		if near := v.nearStep(e); len(near.Lines) > 0 {
			steps = append(steps, near)
		}
	}
	outcome := outcomeWords[a.Outcome]
	return append(steps, explainStep{v.T("explain.step.result"), []explainLine{
		{Class: outcome.Class, Icon: outcome.Icon, Word: v.T(outcome.Word), After: v.T(resultWords[a.Outcome])},
	}})
}

// hops say how the address was found, one hop a line.
func (v *consoleView) hops(a *gate.Attempt) (lines []explainLine) {
	for i, h := range a.Hops {
		line := explainLine{Before: h.Source, Text: export.Plain(h.Text)}
		if h.Source == "peer" {
			line.Before = v.T("explain.hop.peer")
		}
		switch last := i == len(a.Hops)-1; {
		case h.Chosen:
			line.Class, line.Icon, line.After = "allowed", "pin", v.T("explain.hop.taken")
		case h.Trusted && last:
			line.Class, line.Icon, line.After = "blocked", "warn", v.T("explain.hop.silent")
		case h.Trusted:
			line.After = v.T("explain.hop.trusted")
		default:
			line.Class, line.Icon, line.After = "blocked", "warn", v.T("explain.hop.bad")
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 { // of a record that is not of one visit
		lines = append(lines, explainLine{Text: cmp.Or(addressText(a.Address, a.Bits), v.T("explain.unknown"))})
	}
	return lines
}

// listStep says what the list made of the address.
func (v *consoleView) listStep(e *gate.Explanation) explainStep {
	c := e.Check
	made := v.T("net.version", "V", c.Version)
	if l := e.List; l != nil {
		made = v.T("explain.list", "V", c.Version, "Time", v.minute(l.At), "By", v.by(l.By))
	}
	lines := []explainLine{{Before: made}}
	only := *c
	only.Nearest = nil // has a step of its own
	result := v.checked(&only, e.Attempt.Address, e.Attempt.FirstTime)
	for _, text := range result.Text {
		lines = append(lines, explainLine{Before: text})
	}
	return explainStep{v.T("explain.step.list"), lines}
}

// nearStep says which entry came nearest, and when the list last let the
// address in.
func (v *consoleView) nearStep(e *gate.Explanation) explainStep {
	step := explainStep{Name: v.T("explain.step.near")}
	say := func(key string, pairs ...any) {
		step.Lines = append(step.Lines, explainLine{Before: v.T(key, pairs...)})
	}
	n, p := e.Check.Nearest, e.Before
	switch {
	case n != nil && p != nil:
		say("explain.near", "Label", n.Network.Label, "Net", n.Network.Range, "B", n.Bit, "V", p.Version, "Time", v.moment(p.Until).Text)
	case n != nil:
		say("check.nearest", "Label", n.Network.Label, "Net", n.Network.Range, "Bit", n.Bit)
	case p != nil:
		say("explain.before", "V", p.Version, "Time", v.moment(p.Until).Text)
	}
	if p != nil && (n == nil || n.Network.Range != p.Network.Range) {
		say("explain.before.entry", "Label", p.Network.Label, "Net", p.Network.Range)
	}
	return step
}

// facts are what else is known: who, with what, from where, and what else they
// did.
func (v *consoleView) facts(s *screen, e *gate.Explanation) []explainFact {
	a := &e.Attempt
	var facts []explainFact
	if who := v.who(a); who.Text != "" {
		facts = append(facts, who)
	}
	if a.Password == gate.PasswordRight {
		facts = append(facts, explainFact{Name: v.T("explain.password"), Text: v.T("explain.password.right")})
	}
	facts = append(facts, explainFact{Name: v.T("explain.request"), Text: export.Plain(a.Method + " " + a.Host + a.Path), Mono: true})
	if a.UserAgent != "" {
		browser := export.Plain(browserOf(a.UserAgent))
		facts = append(facts, explainFact{Name: v.T("col.user_agent"), Text: browser, Also: export.Plain(a.UserAgent)})
	}
	if !a.Address.IsValid() {
		return facts
	}
	address := explainFact{Name: v.T("requests.address"), Text: addressText(a.Address, a.Bits), Also: v.place(s.h.door.PlaceOf(a.Address, a.Bits)), Mono: true}
	if address.Also != "" {
		address.Also = v.T("explain.place", "Place", address.Also)
	}
	facts = append(facts, address)
	if e.Now == nil {
		return facts
	}
	seen := explainFact{Name: v.T("explain.seen"), Text: v.seen(&e.Address), Links: []nextLink{
		{v.Link(securityPath, "address", address.Text), v.T("explain.more.address")},
	}}
	facts = append(facts, seen)
	if e.Admin != nil {
		facts = append(facts, explainFact{Name: v.T("explain.seen.admin"), Text: v.seen(e.Admin), Links: []nextLink{
			{v.Link(securityPath, "login", cmp.Or(a.Login, a.Admin)), v.T("explain.more.admin")},
		}})
	}
	return facts
}

// who tried, as far as it was typed.
func (v *consoleView) who(a *gate.Attempt) explainFact {
	f := explainFact{Name: v.T("explain.who")}
	switch {
	case a.Admin != "":
		f.Text = export.Plain(cmp.Or(a.Login, a.Admin))
	case a.LoginHash != "":
		f.Text, f.Also = v.T("explain.stranger"), v.T("explain.stranger.help")
	}
	return f
}

// seen says what an address or a person did in 30 days.
func (v *consoleView) seen(s *gate.Seen) string {
	text := v.T("explain.counts", "SignIns", grouped(s.SignIns), "Blocked", grouped(s.Blocked+s.WouldBlock), "Refused", grouped(s.Refused))
	if !s.Last.IsZero() {
		text += " " + v.T("explain.last", "Time", v.moment(s.Last).Text)
	}
	return text
}
