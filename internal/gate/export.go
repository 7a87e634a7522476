package gate

import (
	"context"
	"encoding/hex"
	"time"
)

// exportPage is how many records an export reads at a time: it holds no more in
// memory, and no connection to the store between two pages.
const exportPage = 2000

// exportWithin bounds how long one page may take: a store that is cut off
// answers nothing at all.
const exportWithin = time.Minute

// Export is attempts on their way out. It belongs to one goroutine.
type Export struct {
	ID string

	gate   *Gate
	by     Actor
	filter AttemptFilter
	left   int // records still asked for; -1: all
	rows   int64
	done   bool
}

// exportDetail is what the change log says when an export begins.
type exportDetail struct {
	Export string          `json:"export"`
	Format string          `json:"format"`
	Since  *time.Time      `json:"since,omitempty"`
	Until  *time.Time      `json:"until,omitempty"`
	Limit  int             `json:"limit,omitempty"`
	Where  []exportedWhere `json:"where,omitempty"`
}

// exportedWhere is a condition as it was applied: a login is an admin's id or a
// keyed hash, since people type passwords into that field.
type exportedWhere struct {
	Field Field  `json:"field"`
	Value string `json:"value"`
	Not   bool   `json:"not,omitempty"`
}

// exportEnd is what the change log says when an export has ended. With the sum,
// a file can be told from one that was cut off or altered.
type exportEnd struct {
	Export   string `json:"export"`
	Rows     int64  `json:"rows"`
	SHA256   string `json:"sha256"`
	Complete bool   `json:"complete"`
}

// Export begins to take out the attempts that a filter selects, all of them
// unless it has a limit, and writes it to the change log: without that there
// is no export. Like lists of attempts it is for owners, reviewers and commands.
func (g *Gate) Export(ctx context.Context, by Actor, f AttemptFilter, format string) (*Export, error) {
	if err := g.reviewable(ctx, by, &f); err != nil {
		return nil, err
	}
	if err := by.lately(); err != nil {
		return nil, err
	}
	e := &Export{ID: NewID(), gate: g, by: by, filter: f, left: -1}
	if f.Limit > 0 {
		e.left = f.Limit
	}
	detail := exportDetail{Export: e.ID, Format: format, Since: orNil(f.Since), Until: orNil(f.Until), Limit: f.Limit}
	detail.Where = whereOf(f.Where)
	return e, e.note(ctx, "attempts.export", detail)
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (e *Export) note(ctx context.Context, action string, detail any) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	return e.gate.store.NoteAccess(ctx, Record{Actor: e.by, Action: action, Detail: detail, At: e.gate.now()}, e.filter.Tenant, e.ID)
}

// Next returns more records, newest first by their first time; none: there are
// no more. What is stored while an export runs moves nothing that it has not
// read yet, so every record that was there when it began, and was not deleted
// since, comes exactly once.
func (e *Export) Next(ctx context.Context) ([]Attempt, error) {
	if e.done || e.left == 0 {
		return nil, nil
	}
	f := e.filter
	f.Limit = exportPage
	if e.left > 0 {
		f.Limit = min(e.left, exportPage)
	}
	ctx, cancel := context.WithTimeout(ctx, exportWithin)
	defer cancel()
	page, err := e.gate.store.Attempts(ctx, f)
	if err != nil {
		return nil, err
	}
	e.done = len(page) < f.Limit
	if len(page) > 0 {
		last := &page[len(page)-1]
		e.filter.Before = Cursor{Time: last.FirstTime, ID: last.Reference}
	}
	if e.left > 0 {
		e.left -= len(page)
	}
	e.rows += int64(len(page))
	return page, nil
}

// Rows is how many records Next has returned so far.
func (e *Export) Rows() int64 { return e.rows }

// End writes to the change log how many records have left, the SHA-256 of what
// was written, and whether that is all there was to write. It is called once.
func (e *Export) End(ctx context.Context, sum []byte, complete bool) error {
	return e.note(ctx, "attempts.exported", exportEnd{Export: e.ID, Rows: e.rows, SHA256: hex.EncodeToString(sum), Complete: complete})
}
