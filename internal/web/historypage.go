package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of the pages about versions and drafts.
const (
	networksPath = "networks"
	historyPath  = "networks/history"
	comparePath  = "networks/compare"
	restorePath  = "networks/restore"
)

// versionsPerPage is how many versions the history shows at once.
const versionsPerPage = 50

// historyData is the history of a list.
type historyData struct {
	*consoleView
	Rows     []versionRow
	Newest   int64 // of all
	From, To string
	Older    string // link to what follows; empty: nothing does
	Bar      *draftBar
}

// versionRow is a version in the history.
type versionRow struct {
	Version                 int64
	Current                 bool
	At                      moment
	By, Reason              string
	Mode                    modePill
	Added, Removed, Changed int
	Notes                   []string
	Compare                 string // link; empty: there is nothing before it
}

// history shows every version of the list: who, when, why and how much.
func history(s *screen) error {
	d, err := s.history()
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "history", d)
}

func (s *screen) history() (*historyData, error) {
	before, _ := strconv.ParseInt(s.URL.Query().Get("before"), 10, 64) // anything else is the newest
	found, err := s.h.door.Versions(s.Context(), s.actor, s.tenant, max(before, 0), versionsPerPage+1)
	if err != nil {
		return nil, err
	}
	d := &historyData{consoleView: s.frame("hist.title"), Newest: s.visit.Decision.Tenant.Version}
	if d.Bar, err = s.draftBar(d.consoleView); err != nil {
		return nil, err
	}
	if len(found) > versionsPerPage {
		found = found[:versionsPerPage]
		d.Older = d.Link(historyPath, "before", number(found[versionsPerPage-1].Version))
	}
	for i := range found {
		d.Rows = append(d.Rows, d.versionRow(&found[i], d.Newest))
	}
	if len(found) > 0 {
		d.To, d.From = number(found[0].Version), number(max(found[0].Version-1, 1))
	}
	return d, nil
}

func (v *consoleView) versionRow(n *gate.ListVersion, newest int64) versionRow {
	row := versionRow{
		Version: n.Version, Current: n.Version == newest, At: v.moment(n.At), By: v.by(n.By), Reason: n.Reason, Mode: modePills[n.Mode],
		Added: n.Added, Removed: n.Removed, Changed: n.Changed,
	}
	if n.Undoes > 0 && n.By == string(gate.ActorSystem) {
		row.Notes = append(row.Notes, v.T("hist.undone_by_itself", "V", n.Undoes))
	} else if n.Undoes > 0 {
		row.Notes = append(row.Notes, v.T("hist.undoes", "V", n.Undoes))
	}
	if n.Restores > 0 {
		row.Notes = append(row.Notes, v.T("hist.restores", "V", n.Restores))
	}
	if len(n.Accepted) > 0 {
		words := make([]string, len(n.Accepted))
		for i, word := range n.Accepted {
			words[i] = v.T(acceptWords[word])
		}
		row.Notes = append(row.Notes, v.T("hist.accepted", "Words", strings.Join(words, v.comma)))
	}
	if n.Version > 1 {
		row.Compare = v.Link(comparePath, "from", number(n.Version-1), "to", number(n.Version))
	}
	return row
}

// acceptWords say which safety checks were overridden.
var acceptWords = map[string]string{
	gate.AcceptWide: "hist.accept.wide", gate.AcceptFewAdmins: "hist.accept.few_admins",
	gate.AcceptEnds: "hist.accept.ends", gate.AcceptOwnAddress: "hist.accept.own_address",
}

// by is who made a version; what no person did is said in words.
func (v *consoleView) by(name string) string {
	switch gate.ActorKind(name) {
	case gate.ActorSystem:
		return v.T("hist.by_system")
	case gate.ActorCommand:
		return v.T("hist.by_command")
	case gate.ErasedText:
		return v.T("audit.erased")
	}
	return name
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// compareData is what differs between two versions.
type compareData struct {
	*consoleView
	Sides            []versionRow // the earlier one first, as it was asked for
	ModeFrom, ModeTo modePill
	ModeChanged      bool
	Changes          []changeRow
	Text             string
	Restore          []restoreButton
}

// restoreButton makes a version a draft.
type restoreButton struct{ Version, Text string }

// compareVersions shows what leads from one version to another.
func compareVersions(s *screen) error {
	from, problem := s.versionField("from")
	to, second := s.versionField("to")
	if problem = append(problem, second...); len(problem) > 0 {
		return s.historyAgain(problem)
	}
	c, err := s.h.door.CompareVersions(s.Context(), s.actor, s.tenant, from, to)
	if err != nil {
		return err
	}
	names, err := s.h.door.Names(s.actor, s.tenant)
	if err != nil {
		return err
	}
	newest := s.visit.Decision.Tenant.Version
	d := &compareData{
		consoleView: s.frame("hist.compare.title", "From", from, "To", to),
		ModeFrom:    modePills[c.From.Mode], ModeTo: modePills[c.To.Mode], ModeChanged: c.From.Mode != c.To.Mode,
	}
	d.Sides = []versionRow{d.versionRow(c.From, newest), d.versionRow(c.To, newest)}
	if from == to {
		d.Sides = d.Sides[:1]
	}
	d.Changes = d.changeRows(c.Changes, names)
	d.Text = compareText(versionText(c.From), versionText(c.To), c.From.Mode, c.To.Mode, c.Changes, names)
	for _, row := range d.Sides {
		if d.Owner && !row.Current {
			d.Restore = append(d.Restore, restoreButton{number(row.Version), d.T("hist.restore", "V", row.Version)})
		}
	}
	return s.render(http.StatusOK, "compare", d)
}

// versionField reads the number of a version that there is.
func (s *screen) versionField(name string) (int64, []trouble) {
	newest := s.visit.Decision.Tenant.Version
	n, err := strconv.ParseInt(s.URL.Query().Get(name), 10, 64)
	if err != nil || n < 1 || n > newest {
		return 0, []trouble{{Field: name, Text: s.T("hist.no_version", "Newest", newest)}}
	}
	return n, nil
}

// historyAgain shows the history with what is wrong with the numbers, and these.
func (s *screen) historyAgain(problems []trouble) error {
	d, err := s.history()
	if err != nil {
		return err
	}
	d.Problems, d.From, d.To = problems, shorten(s.URL.Query().Get("from")), shorten(s.URL.Query().Get("to"))
	return s.again("history", d)
}

// restoreQuestion is where restoring leads whoever has a draft.
func restoreQuestion(s *screen) error {
	version, problem := s.versionField("version")
	if len(problem) > 0 {
		return gate.ErrNotFound
	}
	mine, err := s.myDraft()
	if err != nil {
		return err
	}
	q := &question{consoleView: s.frame("hist.restore", "V", version)}
	q.Lead, q.Action, q.Do = q.T("hist.restore.help"), q.Link(restorePath), q.T("hist.restore.do")
	q.Sent = []sentValue{{"version", number(version)}, {"replace", "on"}}
	q.Keep, q.Back = q.T("draft.keep"), q.Link(historyPath)
	if mine != nil {
		q.Notice, q.Do = q.T("draft.goes", "N", mine.Changes), q.T("hist.restore.replace")
	}
	return s.ask(q)
}

// restoreVersion makes a version the draft.
func restoreVersion(s *screen) error {
	var form struct {
		Version string `json:"version"`
		Replace bool   `json:"replace"`
	}
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	version, err := versionNumber(form.Version)
	if err != nil {
		return err
	}
	if !form.Replace {
		mine, err := s.myDraft()
		if err != nil {
			return err
		}
		if mine != nil {
			return s.done(restorePath, "", "version", form.Version)
		}
	}
	d, err := s.h.door.RestoreAsDraft(s.Context(), s.actor, s.tenant, version)
	switch {
	case err != nil:
		return err
	case d.Changes == 0:
		return s.done(historyPath, "done.restored_same")
	}
	return s.done(draftPath, "done.restored")
}
