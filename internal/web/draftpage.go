package web

import (
	"net/http"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Paths of the pages of a draft.
const (
	draftPath    = "networks/draft"
	discardPath  = "networks/discard"
	conflictPath = "networks/conflict"
	reviewPath   = "networks/review"
)

// draftBar says on the pages about the list what is being edited. Its template
// is in templates/changes.html.
type draftBar struct {
	Text                            string // of the visitor's own draft; empty: there is none
	Look, Discard, Review           string // links
	Behind, Conflict                string // what happened to the list meanwhile, and the link to it
	Others                          []othersDraft
	LookAt, DiscardIt, Settle, Next string // words of the links
}

// othersDraft says that somebody else is editing.
type othersDraft struct{ Text, Link, Word string }

// draftBar reads what is being edited. It is nil for who may not know.
func (s *screen) draftBar(v *consoleView) (*draftBar, error) {
	drafts, err := s.h.door.WorkingDrafts(s.Context(), s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	names, err := s.h.door.Names(s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	bar := &draftBar{LookAt: v.T("draft.look"), DiscardIt: v.T("draft.discard"), Settle: v.T("draft.settle"), Next: v.T("draft.review")}
	for i := range drafts {
		d := &drafts[i]
		if d.Admin != s.actor.Admin {
			bar.Others = append(bar.Others, othersDraft{
				v.T("draft.others", "Name", names[d.Admin], "N", d.Changes, "Time", v.moment(d.Updated).Text),
				v.Link(draftPath + "/" + d.Admin), v.T("draft.look"),
			})
			continue
		}
		bar.Text = v.T("draft.bar", "N", d.Changes)
		bar.Look, bar.Discard, bar.Review = v.Link(draftPath), v.Link(discardPath), v.Link(reviewPath)
		if s.behind(d) {
			bar.Behind, bar.Conflict = v.T("draft.behind", "V", s.visit.Decision.Tenant.Version), v.Link(conflictPath)
		}
	}
	return bar, nil
}

// behind reports whether the list was changed since a draft was made of it.
func (s *screen) behind(d *gate.WorkingDraft) bool { return d.Base < s.visit.Decision.Tenant.Version }

// myDraft returns how the visitor's draft is listed, nil for none.
func (s *screen) myDraft() (*gate.WorkingDraft, error) {
	drafts, err := s.h.door.WorkingDrafts(s.Context(), s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	for i := range drafts {
		if drafts[i].Admin == s.actor.Admin {
			return &drafts[i], nil
		}
	}
	return nil, nil
}

// draftData is a draft, as what it would change.
type draftData struct {
	*consoleView
	Mine             bool
	Base             int64
	Updated          moment
	Restores         int64 // the version that it restores; 0: none
	Behind           string
	ModeFrom, ModeTo modePill
	ModeChanged      bool
	ModeKey          gate.Mode // to go back to
	Changes          []changeRow
	Text             string
}

// draftPage shows what is in the visitor's own draft.
func draftPage(s *screen) error {
	d, err := s.h.door.WorkingDraft(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	return s.showDraft(d, s.frame("draft.title", "N", d.Changes))
}

// othersDraftPage shows what is in somebody else's draft.
func othersDraftPage(s *screen) error {
	if s.arg == s.actor.Admin {
		return s.done(draftPath, "")
	}
	d, err := s.h.door.OthersDraft(s.Context(), s.actor, s.tenant, s.arg)
	if err != nil {
		return err
	}
	names, err := s.h.door.Names(s.actor, s.tenant)
	if err != nil {
		return err
	}
	return s.showDraft(d, s.frame("draft.others.title", "Name", names[d.Admin], "N", d.Changes))
}

func (s *screen) showDraft(d *gate.WorkingDraft, v *consoleView) error {
	base, err := s.h.door.Version(s.Context(), s.actor, s.tenant, d.Base)
	if err != nil {
		return err
	}
	names, err := s.h.door.Names(s.actor, s.tenant)
	if err != nil {
		return err
	}
	changes := gate.Compare(base.Networks, d.Networks())
	data := &draftData{
		consoleView: v, Mine: d.Admin == s.actor.Admin, Base: d.Base, Updated: v.moment(d.Updated), Restores: d.Restores,
		ModeFrom: modePills[base.Mode], ModeTo: modePills[d.Mode], ModeChanged: base.Mode != d.Mode, ModeKey: base.Mode,
		Changes: v.changeRows(changes, names),
		Text:    compareText(versionText(base), "draft\t"+d.Login, base.Mode, d.Mode, changes, names),
	}
	if s.behind(d) {
		data.Behind = v.T("draft.behind", "V", s.visit.Decision.Tenant.Version)
	}
	return s.render(http.StatusOK, "draft", data)
}

// revertInDraft undoes one change of the draft.
func revertInDraft(s *screen) error {
	var form struct {
		Key  string `json:"key"`
		Mode string `json:"mode"` // the mode to go back to
	}
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	op := gate.DraftOp{Step: gate.DraftRevert, Key: form.Key}
	if form.Mode != "" {
		op = gate.DraftOp{Step: gate.DraftMode, Mode: gate.Mode(form.Mode)}
	}
	d, _, err := s.h.door.EditDraft(s.Context(), s.actor, s.tenant, op)
	switch {
	case err != nil:
		return err
	case d.Changes == 0:
		return s.done(networksPath, "done.draft_empty")
	}
	return s.done(draftPath, "done.reverted")
}

// discardQuestion asks before a draft goes.
func discardQuestion(s *screen) error {
	d, err := s.myDraft()
	if err != nil {
		return err
	}
	if d == nil {
		return gate.ErrNotFound
	}
	q := &question{consoleView: s.frame("draft.discard.title")}
	q.Lead, q.Action, q.Do = q.T("draft.goes", "N", d.Changes), q.Link(discardPath), q.T("draft.discard")
	q.Keep, q.Back = q.T("draft.keep"), q.Link(draftPath)
	return s.ask(q)
}

// discardDraft removes the draft.
func discardDraft(s *screen) error {
	if err := s.read(maxForm, &struct{}{}); err != nil {
		return err
	}
	if err := s.h.door.DiscardDraft(s.Context(), s.actor, s.tenant); err != nil {
		return err
	}
	return s.done(networksPath, "done.discarded")
}
