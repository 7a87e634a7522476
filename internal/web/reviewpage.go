package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// reviewForm is how a draft is applied.
type reviewForm struct {
	Revision string   `json:"revision"` // of the draft that was looked at
	Reason   string   `json:"reason"`
	Confirm  bool     `json:"confirm"`
	Within   string   `json:"within"`
	Accept   []string `json:"accept"`
	Do       string   `json:"do"` // apply, dry_run, add_mine
}

// withinChoices are the times that a change may wait to be confirmed.
var withinChoices = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 8 * time.Hour}

// Accepts reports whether a word was said.
func (f *reviewForm) Accepts(word string) bool { return slices.Contains(f.Accept, word) }

// options turns the form into what is said beside the draft, and notes what is
// wrong with it.
func (f *reviewForm) options(s *screen, v *view) gate.EditOptions {
	o := gate.EditOptions{Reason: strings.TrimSpace(f.Reason), Accept: f.Accept, Trusted: s.h.door.Source.Trusted}
	if o.Reason == "" {
		v.Problems = append(v.Problems, trouble{Field: "reason", Text: v.T("apply.reason.missing")})
	}
	if !f.Confirm {
		return o
	}
	var err error
	if o.ConfirmWithin, err = time.ParseDuration(f.Within); err != nil || !slices.Contains(withinChoices, o.ConfirmWithin) {
		v.Problems = append(v.Problems, trouble{Field: "within", Text: v.T("apply.within.wrong")})
	}
	return o
}

// reviewPage shows what the visitor's draft would do, before it is applied.
func reviewPage(s *screen) error {
	form := &reviewForm{Confirm: true, Within: withinChoices[1].String(), Reason: s.URL.Query().Get("reason")}
	return s.review(http.StatusOK, form, nil)
}

// review shows the review with a form as it was filled in. problems says what is
// wrong with it.
func (s *screen) review(status int, form *reviewForm, problems func(*consoleView) []trouble) error {
	d, err := s.h.door.WorkingDraft(s.Context(), s.actor, s.tenant)
	if errors.Is(err, gate.ErrNotFound) {
		return s.render(http.StatusOK, "review-none", s.frame("review.none.title"))
	}
	if err != nil {
		return err
	}
	began := time.Now()
	e := d.Edit()
	e.Trusted = s.h.door.Source.Trusted
	e.Accept = append(e.Accept, form.Accept...)
	r, err := s.h.door.Review(s.Context(), s.actor, e)
	if _, ok := errors.AsType[*gate.VersionConflict](err); ok {
		return s.done(conflictPath, "")
	}
	data := &reviewData{consoleView: s.frame("review.title", "N", d.Changes), Revision: d.Revision, Form: form}
	invalid, isInvalid := errors.AsType[*gate.InvalidError](err)
	switch {
	case isInvalid:
		data.Stop = data.invalidDraft(d, invalid)
	case errors.Is(err, gate.ErrChangePending):
		data.Stop = []string{data.T("apply.pending")}
	case err != nil:
		return err
	default:
		names, err := s.h.door.Names(s.actor, s.tenant)
		if err != nil {
			return err
		}
		data.show(s, r, names, time.Since(began))
	}
	if problems != nil {
		data.Problems = problems(data.consoleView)
	}
	if data.Replay.Running {
		s.w.Header().Set("Refresh", "2") // works without a script, and where htmx did not come
	}
	return s.render(status, "review", data)
}

// invalidDraft says what is wrong with a draft that was fine when it was
// written, by the entries that it is about.
func (v *consoleView) invalidDraft(d *gate.WorkingDraft, err *gate.InvalidError) (out []string) {
	for _, f := range err.Errors {
		var i int
		if _, err := fmt.Sscanf(f.Field, "entries[%d].", &i); err != nil || i >= len(d.Entries) {
			out = append(out, v.fault(f))
			continue
		}
		_, f.Field, _ = strings.Cut(f.Field, "].")
		out = append(out, v.T("review.entry", "Label", d.Entries[i].Label, "Net", d.Entries[i].Range, "Problem", v.fault(f)))
	}
	return out
}

// applyReview applies the draft as it was looked at, or helps with what stands
// in its way.
func applyReview(s *screen) error {
	var form reviewForm
	if err := s.read(maxForm, &form); err != nil {
		return err
	}
	switch form.Do {
	case "apply", "dry_run":
		return s.apply(&form)
	case "add_mine":
		return s.addMine(&form)
	}
	return malformed.problem("", fieldProblem{"do", "unknown", "this has to be apply, dry_run or add_mine"})
}

func (s *screen) apply(form *reviewForm) error {
	var v view
	v.locale, _ = localeOf(s.Request)
	o := form.options(s, &v)
	if len(v.Problems) > 0 {
		return s.review(http.StatusUnprocessableEntity, form, func(*consoleView) []trouble { return v.Problems })
	}
	revision, err := strconv.ParseInt(form.Revision, 10, 64)
	if err != nil {
		return malformed.problem("", fieldProblem{"revision", "invalid", "this has to be the number of a draft's revision"})
	}
	if form.Do == "dry_run" {
		if revision, err = s.toDryRun(revision); err == nil && revision == 0 {
			return s.done(networksPath, "done.draft_empty")
		}
	}
	var done *gate.Edited
	if err == nil {
		done, err = s.h.door.ApplyDraft(s.Context(), s.actor, s.tenant, revision, o)
	}
	switch {
	case err != nil:
		return s.notApplied(form, err)
	case done.Pending != nil:
		return s.done(networksPath, "done.applied_pending")
	}
	return s.done(networksPath, "done.applied")
}

// toDryRun makes dry run the mode of the draft that was looked at, and returns
// its revision; 0: nothing is left of it.
func (s *screen) toDryRun(revision int64) (int64, error) {
	d, err := s.h.door.WorkingDraft(s.Context(), s.actor, s.tenant)
	if err != nil {
		return 0, err
	}
	if d.Revision != revision {
		return 0, gate.ErrDraftChanged
	}
	d, _, err = s.h.door.EditDraft(s.Context(), s.actor, s.tenant, gate.DraftOp{Step: gate.DraftMode, Mode: gate.ModeDryRun})
	if err != nil || d.Changes == 0 {
		return 0, err
	}
	return d.Revision, nil
}

// notApplied shows why a draft was not applied, and what to do.
func (s *screen) notApplied(form *reviewForm, err error) error {
	_, conflict := errors.AsType[*gate.VersionConflict](err)
	_, cover := errors.AsType[*gate.CoverError](err)
	_, ends := errors.AsType[*gate.EndsError](err)
	field, word := "", ""
	switch {
	case conflict:
		return s.done(conflictPath, "")
	case errors.Is(err, gate.ErrLocksYouOut):
		return s.guard(form)
	case errors.Is(err, gate.ErrDraftChanged):
		field, word = "changes", "apply.changed"
	case errors.Is(err, gate.ErrChangePending):
		field, word = "stop", "apply.pending"
	case errors.Is(err, gate.ErrLocksEveryoneOut):
		field, word = "safety", "safety.nobody"
	case cover:
		field, word = "accept-"+gate.AcceptFewAdmins, "safety.must_accept"
	case ends:
		field, word = "accept-"+gate.AcceptEnds, "safety.must_accept"
	default:
		return err
	}
	return s.review(http.StatusConflict, form, func(v *consoleView) []trouble {
		return []trouble{{Field: field, Text: v.T(word)}}
	})
}

// guardData is the page in place of a change that would lock its editor out.
type guardData struct {
	*consoleView
	IP     string
	Form   *reviewForm
	Within string
}

func (s *screen) guard(form *reviewForm) error {
	d := &guardData{consoleView: s.frame("guard.title"), IP: s.actor.Address.String(), Form: form, Within: withinChoices[1].String()}
	if form.Confirm {
		d.Within = form.Within
	}
	return s.render(http.StatusConflict, "guard", d)
}

// mineFor is how long an address stays that is added so as not to be locked out.
const mineFor = 8 * time.Hour

// addMine adds the visitor's own address to the draft, and goes on.
func (s *screen) addMine(form *reviewForm) error {
	entry := gate.Draft{
		Range: s.actor.Address.String(), Label: s.T("guard.label", "Login", s.actor.Login), Owner: s.actor.Login,
		Enabled: true, Expires: s.visit.Decision.Now.Add(mineFor),
	}
	_, _, err := s.h.door.EditDraft(s.Context(), s.actor, s.tenant, gate.DraftOp{Step: gate.DraftSet, Entry: entry})
	if err != nil {
		return err
	}
	return s.done(reviewPath, "done.added_mine", "reason", form.Reason)
}
