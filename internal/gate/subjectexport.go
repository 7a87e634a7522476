package gate

import (
	"context"
	"errors"
	"slices"
)

// SubjectData is what is recorded of a person, read part by part, so that none
// of it has to fit into memory that grows with the records.
type SubjectData struct {
	*Subject
	gate *Gate
}

// ExportSubject begins to read what is recorded of a person, named by id or
// login, and notes that in the change log: ErrNotFound where nothing is. It is
// for commands.
func (g *Gate) ExportSubject(ctx context.Context, by Actor, tenant *Tenant, who string) (*SubjectData, error) {
	s, err := g.subjectFor(ctx, by, tenant, who)
	if err != nil {
		return nil, err
	}
	d := &SubjectData{Subject: s, gate: g}
	subject := tenant.ID
	if len(s.IDs) > 0 {
		subject = s.IDs[0]
	} else if len(s.Asks) == 0 {
		n, err := g.store.CountAttempts(ctx, d.attempts())
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, ErrNotFound
		}
	}
	return d, g.store.NoteAccess(ctx, Record{Actor: by, Action: actionExportSubject, At: g.now()}, tenant.ID, subject)
}

// attempts selects those of the person.
func (d *SubjectData) attempts() AttemptFilter {
	f := AttemptFilter{Tenant: d.Tenant}
	for _, value := range slices.Concat(d.IDs, d.Hashes) {
		f.Where = append(f.Where, Condition{Field: FieldLogin, Value: value})
	}
	return f
}

// EachAttempt calls do for every attempt of the person, the newest first.
func (d *SubjectData) EachAttempt(ctx context.Context, do func(*Attempt) error) error {
	f := d.attempts()
	f.Limit = exportPage
	for {
		page, err := d.gate.store.Attempts(ctx, f)
		if err != nil {
			return err
		}
		for i := range page {
			if err := do(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return nil
		}
		last := &page[len(page)-1]
		f.Before = Cursor{Time: last.FirstTime, ID: last.Reference}
	}
}

// EachChange calls do for every change by, about or naming the person, the
// oldest first.
func (d *SubjectData) EachChange(ctx context.Context, do func(*Change) error) error {
	return d.gate.eachChange(ctx, d.Subject, func(c *Change) error {
		if !d.Concerns(c) {
			return nil
		}
		return do(c)
	})
}

// Sessions returns the person's sessions that are kept, the newest first.
func (d *SubjectData) Sessions(ctx context.Context) ([]Session, error) {
	return d.gate.store.SubjectSessions(ctx, d.Subject)
}

// Requests returns the person's access requests, the oldest first.
func (d *SubjectData) Requests(ctx context.Context) ([]AccessRequest, error) {
	var all []AccessRequest
	for _, id := range d.Asks {
		r, err := d.gate.store.Ask(ctx, id)
		if errors.Is(err, ErrNotFound) { // gone meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		r.settle(d.gate.now())
		all = append(all, *r)
	}
	return all, nil
}

// Versions returns the versions of the list that the person made or that name
// them, the newest first.
func (d *SubjectData) Versions(ctx context.Context) ([]ListVersion, error) {
	all, err := d.gate.store.ListVersions(ctx, d.Tenant, 0, 0)
	return slices.DeleteFunc(all, func(v ListVersion) bool { return !d.Is(d.Tenant, v.By) && !d.Mentioned(d.Tenant, v.Reason) }), err
}

// Entries returns the entries of all versions that the person made or that name
// them, in each form they had.
func (d *SubjectData) Entries(ctx context.Context) ([]NetworkSpan, error) {
	all, err := d.gate.store.NetworkSpans(ctx, d.Tenant)
	return slices.DeleteFunc(all, func(n NetworkSpan) bool {
		named := slices.ContainsFunc([]string{n.Label, n.Note, n.Owner}, func(text string) bool { return d.Mentioned(d.Tenant, text) })
		counts := slices.ContainsFunc(n.Admins, func(id string) bool { return slices.Contains(d.IDs, id) })
		return !named && !counts && !d.Is(d.Tenant, n.CreatedBy)
	}), err
}

// Tokens returns the tokens that the person made and that still count.
func (d *SubjectData) Tokens(ctx context.Context) ([]APIToken, error) {
	p, err := d.gate.store.LoadTenant(ctx, d.Tenant)
	if errors.Is(err, ErrNotFound) { // the tenant was removed
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(p.Tokens, func(t APIToken) bool { return !d.Is(d.Tenant, t.CreatedBy) }), nil
}

// Mentions returns what else names the person and is in force.
func (d *SubjectData) Mentions(ctx context.Context) ([]Mention, error) {
	return d.gate.store.SubjectMentions(ctx, d.Subject)
}
