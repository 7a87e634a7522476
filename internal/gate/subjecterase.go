package gate

import (
	"context"
	"encoding/json"
	"fmt"
)

// eraseBatch is how many rows one transaction of an erasure changes, so that
// nobody waits for it long.
const eraseBatch = 500

// SubjectErasure is what was erased of a person, in numbers. In the change log
// it is the detail of a change, whose subject is the person's id.
type SubjectErasure struct {
	Changes  int64 `json:"changes"`            // of the change log, in which…
	Texts    int64 `json:"texts"`              // …so many texts were erased
	Attempts int64 `json:"attempts,omitempty"` // that belong to nobody now
	Requests int64 `json:"requests,omitempty"` // for access, deleted
	Lists    int64 `json:"lists,omitempty"`    // versions and entries of the list
	Others   int64 `json:"others,omitempty"`   // emergencies, tokens, sessions, alerts, failed tries
}

// Add adds numbers to others.
func (e *SubjectErasure) Add(n SubjectErasure) {
	e.Changes += n.Changes
	e.Texts += n.Texts
	e.Attempts += n.Attempts
	e.Requests += n.Requests
	e.Lists += n.Lists
	e.Others += n.Others
}

// Mention is a place in force that names a person: somebody has to edit it,
// since nobody but its editors may change what the tenant decided.
type Mention struct {
	Tenant string `json:"tenant"` // id
	Where  string `json:"where"`  // network, token, emergency, draft or alerts
	ID     string `json:"id"`     // of the entry or its like; of a draft, whose it is
	Field  string `json:"field"`
}

// SubjectErased is what an erasure did, or would do.
type SubjectErased struct {
	Subject  *Subject
	Erased   SubjectErasure
	Mentions []Mention
}

// SubjectStore finds and erases what is recorded of a person. With dry, nothing
// changes and the numbers are what would be.
type SubjectStore interface {
	// SubjectAsks returns the ids of the access requests that a person made.
	SubjectAsks(ctx context.Context, s *Subject) ([]string, error)
	// SubjectSessions returns the sessions of a person that are still kept.
	SubjectSessions(ctx context.Context, s *Subject) ([]Session, error)
	// SubjectChanges returns changes after a position, in order, that may
	// concern a person.
	SubjectChanges(ctx context.Context, s *Subject, after int64, limit int) ([]Change, error)
	// SubjectMentions returns what names a person and is in force.
	SubjectMentions(ctx context.Context, s *Subject) ([]Mention, error)
	// EraseAttempts unlinks up to limit attempts of a person that come after one
	// in the order of their first times, and returns the last of them.
	EraseAttempts(ctx context.Context, s *Subject, after Cursor, limit int, dry bool) (n int64, last Cursor, err error)
	// EraseChanges erases texts in changes that were read before: ErrChanged
	// where one is another by now. It adds to the change log of each tenant what
	// was erased there.
	EraseChanges(ctx context.Context, rec Record, s *Subject, changes []Change) error
	// EraseRecords erases everything else, and the changes that tell whose id
	// the person's is. sofar is what was erased before, for the change log.
	EraseRecords(ctx context.Context, rec Record, s *Subject, sofar SubjectErasure, dry bool) (SubjectErasure, error)
	// Scrub has what was erased leave the store's files, as far as the engine
	// can. whole also rewrites a large file, for which everybody waits.
	Scrub(ctx context.Context, whole bool) (scrubbed bool, err error)
}

// TextsErasedBy is how many texts of the change log a change says to have
// erased.
func TextsErasedBy(c *Change) int64 {
	if c.Kind != ChangeSubject {
		return 0
	}
	var d SubjectErasure
	_ = json.Unmarshal(c.Detail, &d) // what says nothing erased nothing
	return d.Texts
}

// EraseSubject erases what is recorded of a person who is no admin any more,
// named by id or login: ErrNotFound where nothing is known, ErrStillAdmin. It is
// for commands. What is interrupted is completed by the next time, in which
// nothing is counted twice; with dry it only says what it would do.
func (g *Gate) EraseSubject(ctx context.Context, by Actor, tenant *Tenant, who string, dry bool) (*SubjectErased, error) {
	s, err := g.subjectFor(ctx, by, tenant, who)
	if err != nil {
		return nil, err
	}
	out := &SubjectErased{Subject: s}
	if s.Admin != nil {
		return out, ErrStillAdmin
	}
	rec := Record{Actor: by, Action: actionEraseSubject, At: g.now()}
	if err := g.eraseChanges(ctx, rec, s, &out.Erased, dry); err != nil {
		return nil, fmt.Errorf("erasing in the change log: %w", err)
	}
	if err := g.eraseAttempts(ctx, s, &out.Erased, dry); err != nil {
		return nil, fmt.Errorf("erasing in the attempts: %w", err)
	}
	rec.Action = actionErasedSubject
	rest, err := g.store.EraseRecords(ctx, rec, s, out.Erased, dry)
	if err != nil {
		return nil, fmt.Errorf("erasing in lists, requests and their like: %w", err)
	}
	out.Erased.Add(rest)
	if out.Mentions, err = g.store.SubjectMentions(ctx, s); err != nil {
		return nil, err
	}
	if out.Erased == (SubjectErasure{}) && len(s.IDs) == 0 {
		return nil, ErrNotFound
	}
	if dry {
		return out, nil
	}
	return out, g.applied(ctx)
}

// ScrubStore has what was erased leave the files of the store; false: a large one
// has to be rewritten for that, which only happens with whole.
func (g *Gate) ScrubStore(ctx context.Context, by Actor, whole bool) (bool, error) {
	if by.Kind != ActorCommand {
		return false, ErrNotFound
	}
	return g.store.Scrub(ctx, whole)
}

func (g *Gate) subjectFor(ctx context.Context, by Actor, tenant *Tenant, who string) (*Subject, error) {
	if by.Kind != ActorCommand {
		return nil, ErrNotFound
	}
	return g.findSubject(ctx, tenant, who)
}

// eraseChanges goes through the change log as it was at the beginning.
func (g *Gate) eraseChanges(ctx context.Context, rec Record, s *Subject, sum *SubjectErasure, dry bool) error {
	var batch []Change
	var part SubjectErasure
	flush := func() error {
		if len(batch) > 0 && !dry {
			if err := g.store.EraseChanges(ctx, rec, s, batch); err != nil {
				return err
			}
		}
		sum.Add(part)
		batch, part = nil, SubjectErasure{}
		return nil
	}
	err := g.eachChange(ctx, s, func(c *Change) error {
		if s.Identifies(c) {
			return nil
		}
		erased := *c
		n, err := s.Erase(&erased)
		if err != nil || n == 0 {
			return nil //nolint:nilerr // a change that cannot be read is for the verification to find
		}
		batch = append(batch, *c)
		part.Add(SubjectErasure{Changes: 1, Texts: int64(n)})
		if len(batch) == eraseBatch {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// eachChange calls do for every change that may concern a person and was there
// at the beginning, in order.
func (g *Gate) eachChange(ctx context.Context, s *Subject, do func(*Change) error) error {
	newest, err := g.store.Changes(ctx, ChangeFilter{Limit: 1})
	if err != nil || len(newest) == 0 {
		return err
	}
	for after := int64(0); after < newest[0].Pos; {
		page, err := g.store.SubjectChanges(ctx, s, after, changesPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if after = page[i].Pos; after > newest[0].Pos {
				return nil
			}
			if err := do(&page[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *Gate) eraseAttempts(ctx context.Context, s *Subject, sum *SubjectErasure, dry bool) error {
	for after := (Cursor{}); ; {
		n, last, err := g.store.EraseAttempts(ctx, s, after, eraseBatch, dry)
		if err != nil {
			return err
		}
		sum.Attempts += n
		if n < eraseBatch {
			return nil
		}
		after = last
	}
}
