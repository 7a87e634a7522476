package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// networksData is what the page of the list shows: the list, or the draft of
// whoever looks at it, which begins with the first edit.
type networksData struct {
	*consoleView
	Version int64
	InForce string // on how many nodes
	Changed moment // when the version in force was made…
	By      string // …and by whom
	Modes   []modeChoice
	Icons   map[gate.Mode]string
	DryRun  string // what the dry run has found; empty: there is none
	Mine    string // the visitor's address, where no entry in force holds it
	Owners  []string
	Bar     *draftBar
	Check   checkForm
	Filter  networkFilter
	Columns []column
	Rows    []networkRow
	Found   string // how many rows there are
	Empty   bool   // the list has no entries at all
	Pager   pager
	Finds   []findingView
	Reading bool   // there may be more of them
	Self    string // this page with its query, for the forms on it
}

// modeChoice is one of the modes on the page.
type modeChoice struct {
	Value   gate.Mode
	Class   string
	Word    string // key, as is Help
	Help    string
	Current bool // of the list, or of the draft
	Draft   bool // not what is in force
}

var modeIcons = map[gate.Mode]string{gate.ModeEnforced: "tick", gate.ModeDryRun: "half", gate.ModeOff: "ring"}

var modeHelp = map[gate.Mode]string{
	gate.ModeEnforced: "mode.enforced.help", gate.ModeDryRun: "mode.dry_run.help", gate.ModeOff: "mode.off.help",
}

// networksPage shows the list. Filter, order and page are in the query, as is an
// address that is to be checked.
func networksPage(s *screen) error {
	now, err := s.lists()
	if err != nil {
		return err
	}
	d := &networksData{consoleView: s.frame("net.title"), Self: s.URL.RequestURI()}
	d.Version, d.Changed, d.By = now.list.Version, d.minuteOf(now.list.At), d.by(now.list.By)
	d.Modes, d.Icons, d.InForce = modeChoices(now), modeIcons, s.inForce(d.consoleView)
	if b := undoneBanner(d.consoleView, now.list); b != nil {
		d.Banners = append(d.Banners, b)
	}
	if err := d.dryRun(s, now); err != nil {
		return err
	}
	if err := d.rows(s, now); err != nil {
		return err
	}
	address, at := s.visit.Request.Address.Addr, s.visit.Decision.Now
	if !slices.ContainsFunc(now.shown(), func(n gate.Network) bool { return n.Range.Contains(address) && n.Admits(at) }) {
		d.Mine = address.String()
	}
	d.Owners = ownersOf(now.people)
	if d.Bar, err = s.draftBar(d.consoleView); err != nil {
		return err
	}
	if err := d.check(s); err != nil {
		return err
	}
	var complete bool
	if d.Finds, complete, err = s.findings(d.consoleView); err != nil {
		return err
	}
	d.Reading = !complete
	return s.render(http.StatusOK, "networks", d)
}

// lists is the list in force, and the draft of whoever looks at it.
type lists struct {
	list   *gate.ListVersion
	draft  *gate.WorkingDraft // nil: none
	people []gate.AdminView
}

// lists reads the newest list, and the draft of an owner.
func (s *screen) lists() (*lists, error) {
	list, err := s.h.door.ListInForce(s.Context(), s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	people, err := s.h.door.People(s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	l := &lists{list: list, people: people}
	if s.actor.Role == gate.RoleOwner {
		l.draft, err = s.h.door.WorkingDraft(s.Context(), s.actor, s.tenant)
	}
	if errors.Is(err, gate.ErrNotFound) {
		l.draft, err = nil, nil
	}
	return l, err
}

// shown are the entries of the draft, or of the list where there is none. Those
// of a draft have their keys for ids.
func (l *lists) shown() []gate.Network {
	if l.draft != nil {
		return l.draft.Networks()
	}
	return l.list.Networks
}

func (l *lists) mode() gate.Mode {
	if l.draft != nil {
		return l.draft.Mode
	}
	return l.list.Mode
}

// modeChoices are the modes, the strictest first.
func modeChoices(l *lists) []modeChoice {
	var out []modeChoice
	for _, m := range slices.Backward(gate.Modes) {
		out = append(out, modeChoice{
			Value: m, Class: modePills[m].Class, Word: modePills[m].Word, Help: modeHelp[m],
			Current: m == l.mode(), Draft: m == l.mode() && m != l.list.Mode,
		})
	}
	return out
}

// dryRun says what a dry run has found so far.
func (d *networksData) dryRun(s *screen, l *lists) error {
	if l.list.Mode != gate.ModeDryRun {
		return nil
	}
	found, err := s.h.door.DryRun(s.Context(), s.actor, s.tenant)
	if err != nil || found == nil {
		return err
	}
	since := d.day(found.Since)
	if found.SignIns == 0 {
		d.DryRun = d.T("dry.none", "Date", since)
		return nil
	}
	d.DryRun = d.T("dry.banner", "Date", since, "N", found.SignIns, "P", d.T("count.people", "N", found.People))
	return nil
}

// ownersOf names who can change the list.
func ownersOf(people []gate.AdminView) (names []string) {
	for _, p := range people {
		if p.Role == gate.RoleOwner && !p.Disabled {
			names = append(names, nameOf(p))
		}
	}
	return names
}

// nameOf is how a person is called on pages.
func nameOf(p gate.AdminView) string {
	if p.Name != "" {
		return p.Name
	}
	return p.Login
}

// networksForm is what the buttons of the page send: one of them.
type networksForm struct {
	Mode   string `json:"mode"`
	Remove string `json:"remove"` // key of an entry, as are the next
	Off    string `json:"off"`
	On     string `json:"on"`
	Again  string `json:"again"` // range of an entry that the draft has removed
	Begin  string `json:"begin"` // the first network, in dry run
}

// editNetworks does what a button of the page says, to the draft.
func editNetworks(s *screen) error {
	var f networksForm
	if err := s.read(maxForm, &f); err != nil {
		return err
	}
	op, err := s.operation(f)
	if err != nil {
		return err
	}
	if _, _, err := s.h.door.EditDraft(s.Context(), s.actor, s.tenant, op); err != nil {
		return err
	}
	query := s.URL.Query()
	var back []string
	for _, name := range []string{"q", "state", "expiry", "sort", "page"} {
		if value := query.Get(name); value != "" {
			back = append(back, name, value)
		}
	}
	if row := f.Off + f.On + f.Remove; row != "" {
		back = append(back, "#", rowID(row))
	}
	return s.done(networksPath, "", back...)
}

// operation is the edit that a button stands for.
func (s *screen) operation(f networksForm) (gate.DraftOp, error) {
	op := gate.DraftOp{Trusted: s.h.door.Source.Trusted}
	switch {
	case f.Mode != "":
		op.Step, op.Mode = gate.DraftMode, gate.Mode(f.Mode)
		return op, nil
	case f.Remove != "":
		op.Step, op.Key = gate.DraftRemove, f.Remove
		return op, nil
	case f.Begin != "":
		return op, s.begin(s.Context(), &op)
	}
	now, err := s.lists()
	if err != nil {
		return op, err
	}
	op.Step, op.Accept = gate.DraftSet, []string{gate.AcceptWide} // said when it was added
	entries := now.list.Networks
	if f.Again == "" {
		op.Key, entries = f.On+f.Off, now.shown()
	}
	for _, e := range gate.DraftsOf(entries) {
		if e.ID == op.Key && op.Key != "" || f.Again != "" && e.Range == f.Again {
			op.Entry = e
			op.Entry.Enabled = f.On != "" || f.Again != "" && e.Enabled
			return op, nil
		}
	}
	return op, gate.ErrNotFound
}

// begin makes the first list: the network that the owner is in, in dry run.
func (s *screen) begin(ctx context.Context, op *gate.DraftOp) error {
	mode := gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeDryRun}
	if _, _, err := s.h.door.EditDraft(ctx, s.actor, s.tenant, mode); err != nil {
		return err
	}
	op.Step = gate.DraftSet
	op.Entry = gate.Draft{
		Range: s.visit.Request.Address.Addr.String(), Label: s.T("net.mine.label", "Name", s.actor.Login),
		Owner: s.actor.Login, Enabled: true,
	}
	return nil
}

// checkForm is an address that was asked about, and what the list says.
type checkForm struct {
	Address, At string // as typed
	Result      *checkResult
}

// checkResult is an answer in words.
type checkResult struct {
	Class, Icon, Verdict string
	Text                 []string // sentences
	Version              int64
}

// check answers where the query has an address.
func (d *networksData) check(s *screen) error {
	query := s.URL.Query()
	d.Check = checkForm{Address: strings.TrimSpace(query.Get("check")), At: query.Get("at")}
	if d.Check.Address == "" {
		return nil
	}
	address, err := cidr.ParseAddr(d.Check.Address)
	if err != nil {
		d.Problems = append(d.Problems, trouble{Field: "check", Text: d.rangeFault(err)})
	}
	at, err := readMoment(d.Check.At)
	if err != nil {
		d.Problems = append(d.Problems, trouble{Field: "at", Text: d.T("fault.time")})
	}
	if len(d.Problems) > 0 {
		return nil
	}
	check, err := s.h.door.Check(s.Context(), s.actor, s.tenant, address, at)
	if errors.Is(err, gate.ErrNotFound) { // before the first version
		d.Problems = append(d.Problems, trouble{Field: "at", Text: d.T("check.before")})
		return nil
	}
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = s.visit.Decision.Now
	}
	d.Check.Result = d.checked(check, address, at)
	return nil
}
