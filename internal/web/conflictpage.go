package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// choicePrefix is what the names of fields begin with that choose a side.
const choicePrefix = "choice-"

// maxChoices bounds a form with a choice for each of 5,000 entries.
const maxChoices = 1 << 20

// conflictData is a draft of a list that somebody else has changed since, with
// what either of them did, side by side.
type conflictData struct {
	*consoleView
	Base, Theirs int64
	Missed       []versionRow
	Open         int            // lines to choose in
	Lines        []conflictLine // the mode first, where it differs
}

// conflictLine is an entry, or the mode, on the three sides.
type conflictLine struct {
	Field, Title       string
	Range              string // empty for the mode
	Base, Theirs, Mine entrySide
	Open               bool   // both changed it
	Says               string // who changed it
	Chosen             string // mine or theirs; empty: nothing yet
}

// entrySide is an entry, or the mode, as one side has it.
type entrySide struct {
	entryView
	Word string // of the mode, or that there is no such entry
}

// conflictPage shows what both sides changed.
func conflictPage(s *screen) error {
	c, err := s.h.door.Conflict(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	if c.Base.Version == c.Theirs.Version {
		return s.done(draftPath, "")
	}
	d, err := s.conflict(c, nil)
	if err != nil {
		return err
	}
	return s.render(http.StatusOK, "conflict", d)
}

// conflict is a conflict in words, with the choices made so far.
func (s *screen) conflict(c *gate.Conflict, choices map[string]gate.Side) (*conflictData, error) {
	names, err := s.h.door.Names(s.actor, s.tenant)
	if err != nil {
		return nil, err
	}
	d := &conflictData{consoleView: s.frame("merge.title"), Base: c.Base.Version, Theirs: c.Theirs.Version}
	for i := range c.Missed {
		d.Missed = append(d.Missed, d.versionRow(&c.Missed[i], c.Theirs.Version))
	}
	if m := c.Mode; m.Theirs != m.Mine {
		mode := func(mode gate.Mode) entrySide { return entrySide{Word: d.T(modePills[mode].Word)} }
		d.add(gate.MergeMode, m.Side, choices, conflictLine{
			Title: d.T("merge.mode"), Base: mode(m.Base), Theirs: mode(m.Theirs), Mine: mode(m.Mine),
		})
	}
	for i := range c.Lines {
		m := &c.Lines[i]
		line := conflictLine{Base: d.side(m.Base, names), Theirs: d.side(m.Theirs, names), Mine: d.side(m.Mine, names)}
		for _, n := range []*gate.Network{m.Mine, m.Theirs, m.Base} {
			if n != nil {
				line.Title, line.Range = n.Label, n.Range.String()
				break
			}
		}
		d.add(m.Key, m.Side, choices, line)
	}
	return d, nil
}

func (d *conflictData) side(n *gate.Network, names map[string]string) entrySide {
	if n == nil {
		return entrySide{Word: d.T("merge.none")}
	}
	return entrySide{entryView: d.entryView(n, names)}
}

// add adds a line, with who changed it and which side stays so far.
func (d *conflictData) add(key string, side gate.Side, choices map[string]gate.Side, l conflictLine) {
	l.Field, l.Chosen = choicePrefix+key, string(side)
	switch side {
	case gate.Theirs:
		l.Says = d.T("merge.says_theirs")
	case gate.Mine:
		l.Says = d.T("merge.says_mine")
	default:
		l.Says, l.Open = d.T("merge.says_both"), true
		d.Open++
	}
	if chosen := choices[key]; chosen == gate.Mine || chosen == gate.Theirs {
		l.Chosen = string(chosen)
	}
	d.Lines = append(d.Lines, l)
}

// settleConflict makes the draft one of the newest list.
func settleConflict(s *screen) error {
	version, choices, err := s.readChoices()
	if err != nil {
		return err
	}
	d, err := s.h.door.RebaseDraft(s.Context(), s.actor, s.tenant, version, choices)
	invalid, missing := errors.AsType[*gate.InvalidError](err)
	_, again := errors.AsType[*gate.VersionConflict](err)
	switch {
	case missing:
		return s.conflictAgain(choices, func(v *consoleView) (problems []trouble) {
			for _, f := range invalid.Errors {
				problems = append(problems, trouble{Field: choicePrefix + f.Field, Text: v.T("merge.choose")})
			}
			return problems
		})
	case again:
		return s.conflictAgain(choices, func(v *consoleView) []trouble {
			return []trouble{{Field: "versions", Text: v.T("merge.again")}}
		})
	case err != nil:
		return err
	case d.Changes == 0:
		return s.done(networksPath, "done.draft_empty")
	}
	return s.done(draftPath, "done.merged")
}

// conflictAgain shows the conflict once more, as it is now, with the choices.
func (s *screen) conflictAgain(choices map[string]gate.Side, problems func(*consoleView) []trouble) error {
	c, err := s.h.door.Conflict(s.Context(), s.actor, s.tenant)
	if err != nil {
		return err
	}
	d, err := s.conflict(c, choices)
	if err != nil {
		return err
	}
	d.Problems = problems(d.consoleView)
	return s.again("conflict", d)
}

// readChoices reads the form of a conflict, whose fields are named after the
// keys of its lines.
func (s *screen) readChoices() (version int64, choices map[string]gate.Side, err error) {
	s.Body = http.MaxBytesReader(s.w, s.Body, maxChoices)
	err = s.ParseForm()
	if _, tooMuch := errors.AsType[*http.MaxBytesError](err); tooMuch {
		return 0, nil, tooLarge.problem(fmt.Sprintf("it may have at most %d bytes", maxChoices))
	}
	if err != nil {
		return 0, nil, malformed.problem("the form cannot be read")
	}
	if version, err = versionNumber(s.PostForm.Get("version")); err != nil {
		return 0, nil, malformed.problem("", fieldProblem{"version", "required", "this has to be the number of a version"})
	}
	choices = map[string]gate.Side{}
	for name, values := range s.PostForm {
		if key, ok := strings.CutPrefix(name, choicePrefix); ok {
			choices[key] = gate.Side(values[0])
		}
	}
	return version, choices, nil
}
