package web

import (
	"cmp"
	"strconv"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Bounds of what one page shows.
const (
	mostChanges = 200
	mostPeople  = 50
	mostLines   = 8 // of one of them
)

// reviewData is what a draft would do.
type reviewData struct {
	*consoleView
	Revision         int64
	Stop             []string // why it cannot be applied as it is; empty: nothing
	Changes          []changeRow
	MoreChanges      int
	ModeFrom, ModeTo modePill
	ModeChanged      bool
	Replay           replayView
	Checks           []checkView
	Ending           []endingView
	Form             *reviewForm
	Within           []withinChoice
	Offer            bool // there is nothing that would refuse it whatever is said
	DryRun           bool // starting a dry run instead is another thing
}

type withinChoice struct {
	Value, Text string
	Chosen      bool
}

// replayView is a replay in words and bars.
type replayView struct {
	Running     bool // records are still being read
	Read, Total int64
	Reading     string
	Basis, Took string
	Result      string // empty: too early to say
	Bad         bool   // somebody would be blocked
	Bars        []barView
	Lines       []whoView // who would be blocked
	MoreLines   int
	LinesTitle  string
	Also        []string // what else it says
	Unknown     string
	Who         string // they are
}

// barView is one number of a replay.
type barView struct {
	Word, Class string
	Count       string
	Width       float64 // of 100
}

// whoView is a person and where their sign-ins came from.
type whoView struct {
	Name, Login string // Login is empty where it is the name
	You         bool
	Count       string
	From        []fromView
	More        int
}

type fromView struct {
	Count, Address string
	Last           moment
}

// checkView is what one guard says.
type checkView struct {
	Class, Icon, Text string
	Names             string // of admins who lose access; empty: nobody does
	Accept, Word      string // what may be ticked to apply it all the same; empty: nothing
	Ticked            bool
}

type endingView struct {
	Login, Address string
	Seen           moment
	You            bool
}

// show puts a review into words.
func (d *reviewData) show(s *screen, r *gate.Review, names map[string]string, took time.Duration) {
	changes := r.Changes
	if d.MoreChanges = len(changes) - mostChanges; d.MoreChanges > 0 {
		changes = changes[:mostChanges]
	}
	d.Changes = d.changeRows(changes, names)
	d.ModeFrom, d.ModeTo, d.ModeChanged = modePills[r.ModeBefore], modePills[r.ModeAfter], r.ModeBefore != r.ModeAfter
	d.Replay = d.replay(r.Replay, r.ModeAfter, s.actor.Admin)
	d.Replay.Running = !r.Replay.Complete && s.URL.Query().Get("wait") != "no"
	if r.Replay.Complete && took > 100*time.Millisecond {
		d.Replay.Took = d.T("time.s", "Seconds", strconv.FormatFloat(took.Seconds(), 'f', 1, 64))
	}
	d.Offer = true
	for i := range r.Checks {
		c := &r.Checks[i]
		d.Checks = append(d.Checks, d.check(c, s.visit.Decision.Now, d.Form))
		d.Offer = d.Offer && (c.OK || c.Overridable())
	}
	for i := range r.Ending {
		e := &r.Ending[i]
		d.Ending = append(d.Ending, endingView{e.Login, e.LastAddress.String(), d.moment(e.LastSeen), e.ID == s.actor.Session})
	}
	d.DryRun = r.ModeAfter == gate.ModeEnforced
	for _, w := range withinChoices {
		d.Within = append(d.Within, withinChoice{w.String(), d.duration(w), w.String() == d.Form.Within})
	}
}

// EndsMine reports whether the visitor's own session would end.
func (d *reviewData) EndsMine() bool {
	for _, e := range d.Ending {
		if e.You {
			return true
		}
	}
	return false
}

// Enforced reports whether the list would be enforced, so that the guards have
// something to say.
func (d *reviewData) Enforced() bool { return len(d.Checks) > 0 }

// replay puts a replay into words.
func (l *locale) replay(r *gate.Replay, mode gate.Mode, me string) replayView {
	v := replayView{Read: r.Read, Total: r.Total, Reading: l.T("sim.reading", "Days", r.Days, "Read", grouped(r.Read), "Total", grouped(r.Total))}
	v.Basis = l.T("sim.basis", "Days", r.Days, "SignIns", l.signIns(r.SignIns), "People", l.T("count.people", "N", r.People))
	lines := r.NewlyBlocked
	lost, who := gate.Count(lines)
	switch {
	case !r.Complete && lost == 0: // too early to say
	case r.SignIns == 0:
		v.Result = l.T("sim.none")
	case lost == 0 && r.AlreadyBlocked == 0:
		v.Result = l.T("sim.zero", "Count", grouped(r.SignIns))
	case lost == 0:
		v.Result = l.T("sim.no_more")
	case who == 1 && lost > 1:
		v.Result, v.Bad = l.T("sim.result.one_person", "Count", grouped(lost)), true
	default:
		v.Result, v.Bad = l.T("sim.result", "N", lost, "Count", grouped(lost), "P", who), true
	}
	v.LinesTitle = l.T("sim.newly")
	if mode == gate.ModeDryRun && len(r.WouldBlock) > 0 {
		lines, v.LinesTitle = r.WouldBlock, l.T("sim.would")
	}
	v.Bars = l.bars(r, lost)
	v.Lines = l.who(lines, me)
	if v.MoreLines = len(v.Lines) - mostPeople; v.MoreLines > 0 {
		v.Lines = v.Lines[:mostPeople]
	}
	if r.NewlyAllowed > 0 {
		v.Also = append(v.Also, l.T("sim.new", "N", r.NewlyAllowed, "Count", grouped(r.NewlyAllowed)))
	}
	if r.AlreadyBlocked > 0 {
		v.Also = append(v.Also, l.T("sim.already.help", "N", r.AlreadyBlocked, "Count", grouped(r.AlreadyBlocked)))
	}
	if n := len(r.Unknown); n > 0 {
		v.Unknown = l.T("sim.unknown", "N", n)
		v.Who = l.listed(peopleNames(r.Unknown))
	}
	return v
}

// who are the people of lines, which come person by person.
func (l *locale) who(lines []gate.ReplayLine, me string) (out []whoView) {
	for len(lines) > 0 {
		a := &lines[0].Admin
		n := 1
		for n < len(lines) && lines[n].Admin.ID == a.ID {
			n++
		}
		count, _ := gate.Count(lines[:n])
		w := whoView{Name: cmp.Or(a.Name, a.Login), Login: a.Login, You: a.ID == me, Count: l.signIns(count), More: max(0, n-mostLines)}
		if w.Name == w.Login {
			w.Login = ""
		}
		for _, line := range lines[:min(n, mostLines)] {
			w.From = append(w.From, fromView{grouped(line.Count), line.Address.String(), moment{l.moment(line.Last).Machine, l.day(line.Last)}})
		}
		out, lines = append(out, w), lines[n:]
	}
	return out
}

func (l *locale) signIns(n int64) string { return l.T("sim.signins", "N", n, "Count", grouped(n)) }

// bars are the numbers of a replay, those of sign-ins by their share of all
// sign-ins and those of other attempts by their share of these.
func (l *locale) bars(r *gate.Replay, lost int64) []barView {
	bar := func(word, class string, n, of int64) barView {
		b := barView{Word: l.T(word), Class: class, Count: grouped(n)}
		if n > 0 { // what there is, is seen
			b.Width = max(0.5, 100*float64(n)/float64(of))
		}
		return b
	}
	tried := r.NewlyAllowed + r.StillBlocked
	out := []barView{bar("sim.still", "allowed", r.StillAllowed, r.SignIns), bar("sim.newly", "blocked", lost, r.SignIns)}
	if would, _ := gate.Count(r.WouldBlock); would > 0 {
		out = append(out, bar("sim.would", "dry", would, r.SignIns))
	}
	if r.AlreadyBlocked > 0 {
		out = append(out, bar("sim.already", "off", r.AlreadyBlocked, r.SignIns))
	}
	return append(out, bar("sim.allowed", "allowed", r.NewlyAllowed, tried), bar("sim.still_blocked", "off", r.StillBlocked, tried))
}

// peopleNames are people as they are called.
func peopleNames(people []gate.AdminView) []string {
	out := make([]string, len(people))
	for i, p := range people {
		if out[i] = p.Login; p.Name != "" && p.Name != p.Login {
			out[i] = p.Name + " (" + p.Login + ")"
		}
	}
	return out
}

// check puts what a guard says into words.
func (l *locale) check(c *gate.GuardCheck, now time.Time, form *reviewForm) checkView {
	v := checkView{Class: "allowed", Icon: "tick"}
	if !c.OK {
		v.Class, v.Icon = "blocked", "cross"
	}
	switch c.Code {
	case gate.CheckOwnAddress:
		v.Text = l.checkOwn(c)
	case gate.CheckReachable:
		v.Text = l.checkReachable(c)
	case gate.CheckCover:
		v.Text = l.checkCover(c, now)
		if len(c.Losing) > 0 {
			v.Names = l.listed(peopleNames(c.Losing))
		}
	}
	// One's own address has a page of its own when it comes to applying.
	if !c.OK && c.Overridable() && c.Code != gate.CheckOwnAddress {
		v.Class, v.Icon = "dry", "warn"
		v.Accept, v.Word, v.Ticked = c.Accept, l.T(acceptSentences[c.Accept]), form.Accepts(c.Accept)
	}
	return v
}

// acceptSentences say what it means to accept what a guard refuses.
var acceptSentences = map[string]string{
	gate.AcceptFewAdmins: "safety.accept.few_admins", gate.AcceptEnds: "safety.accept.ends",
}

func (l *locale) checkOwn(c *gate.GuardCheck) string {
	switch {
	case !c.Address.IsValid():
		return l.T("safety.beside")
	case c.OK:
		return l.T("safety.own", "IP", c.Address, "Label", c.Entry.Label)
	}
	return l.T("safety.own_bad", "IP", c.Address)
}

func (l *locale) checkReachable(c *gate.GuardCheck) string {
	switch {
	case c.OK:
		return l.T("safety.reach")
	case c.Overridable():
		return l.T("safety.gap", "Time", l.moment(c.At).Text)
	}
	return l.T("safety.nobody")
}

func (l *locale) checkCover(c *gate.GuardCheck, now time.Time) string {
	switch {
	case c.Known == 0:
		return l.T("safety.cover_none")
	case c.OK:
		return l.T("safety.cover", "Kept", c.Kept, "Known", c.Known)
	}
	text := l.T("guard.cover", "Kept", c.Kept, "Known", c.Known, "Needed", c.Needed)
	if c.At.After(now) {
		text = l.T("safety.cover_when", "Time", l.moment(c.At).Text) + " " + text
	}
	return text
}

// grouped writes a number in groups of three digits, as both languages do.
func grouped(n int64) string { return thousands(strconv.FormatInt(n, 10)) }
