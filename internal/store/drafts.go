package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// draftEntry is an entry of a draft as it is stored, in a list in JSON.
type draftEntry struct {
	Key   string     `json:"key"`
	Draft draftField `json:"entry"`
}

// draftField has the fields of gate.Draft, so that one is converted to the
// other and neither can get a field that the other has not.
type draftField struct {
	ID        string      `json:"id,omitempty"`
	Range     string      `json:"range"`
	Label     string      `json:"label"`
	Note      string      `json:"note,omitempty"`
	Owner     string      `json:"owner,omitempty"`
	Enabled   bool        `json:"enabled"`
	NotBefore time.Time   `json:"not_before,omitzero"`
	Expires   time.Time   `json:"expires,omitzero"`
	Roles     []gate.Role `json:"roles,omitempty"`
	Admins    []string    `json:"admins,omitempty"`
}

func contentOf(entries []gate.DraftEntry) (string, error) {
	rows := make([]draftEntry, len(entries))
	for i, e := range entries {
		rows[i] = draftEntry{e.Key, draftField(e.Draft)}
	}
	text, err := json.Marshal(rows)
	if err != nil { // a year of five digits
		return "", fmt.Errorf("writing a draft: %w", err)
	}
	return string(text), nil
}

func entriesOf(content string) ([]gate.DraftEntry, error) {
	var rows []draftEntry
	if err := json.Unmarshal([]byte(content), &rows); err != nil {
		return nil, fmt.Errorf("reading a draft: %w", err)
	}
	entries := make([]gate.DraftEntry, len(rows))
	for i, r := range rows {
		entries[i] = gate.DraftEntry{Key: r.Key, Draft: gate.Draft(r.Draft)}
	}
	return entries, nil
}

const draftColumns = `d.tenant, d.admin, a.login, d.base, d.mode, d.restores, d.changes, d.updated, d.revision`

func scanDraft(row scanner, more ...any) (d gate.WorkingDraft, err error) {
	err = row.Scan(append([]any{&d.Tenant, &d.Admin, &d.Login, &d.Base, &d.Mode, &d.Restores, &d.Changes,
		timeColumn{&d.Updated}, &d.Revision}, more...)...)
	return d, err
}

// Draft returns an admin's draft, or gate.ErrNotFound.
func (s *Store) Draft(ctx context.Context, tenant, admin string) (*gate.WorkingDraft, error) {
	var content string
	d, err := scanDraft(s.read().row(ctx, `
		SELECT `+draftColumns+`, d.content FROM drafts d JOIN admins a ON a.id = d.admin
		WHERE d.tenant = $1 AND d.admin = $2`, tenant, admin), &content)
	if err != nil {
		return nil, found(err)
	}
	if d.Entries, err = entriesOf(content); err != nil {
		return nil, err
	}
	return &d, nil
}

// Drafts lists a tenant's drafts without their entries, newest first.
func (s *Store) Drafts(ctx context.Context, tenant string) ([]gate.WorkingDraft, error) {
	return collect(ctx, s.read(), func(row scanner) (gate.WorkingDraft, error) { return scanDraft(row) }, `
		SELECT `+draftColumns+` FROM drafts d JOIN admins a ON a.id = d.admin
		WHERE d.tenant = $1 ORDER BY d.updated DESC, d.admin`, tenant)
}

// PutDraft stores a draft where there is the one of the revision that was read
// (0: none), and gate.ErrChanged otherwise.
func (s *Store) PutDraft(ctx context.Context, d gate.WorkingDraft, was int64) error {
	content, err := contentOf(d.Entries)
	if err != nil {
		return err
	}
	query := `
		UPDATE drafts SET base = $3, mode = $4, restores = $5, changes = $6, updated = $7, revision = $8, content = $9
		WHERE tenant = $1 AND admin = $2 AND revision = $10`
	args := []any{d.Tenant, d.Admin, d.Base, string(d.Mode), d.Restores, d.Changes, micro(d.Updated), d.Revision, content}
	if was == 0 {
		query = `
			INSERT INTO drafts (tenant, admin, base, mode, restores, changes, updated, revision, content)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`
	} else {
		args = append(args, was)
	}
	return s.write(ctx, func(tx querier) error { return unchanged(tx.exec(ctx, query, args...)) })
}

// RemoveDraft removes the draft of the revision; gate.ErrChanged otherwise.
func (s *Store) RemoveDraft(ctx context.Context, tenant, admin string, was int64) error {
	return s.write(ctx, func(tx querier) error { return removeDraft(ctx, tx, tenant, admin, was) })
}

func removeDraft(ctx context.Context, tx querier, tenant, admin string, was int64) error {
	return unchanged(tx.exec(ctx, `DELETE FROM drafts WHERE tenant = $1 AND admin = $2 AND revision = $3`, tenant, admin, was))
}

// applyDraft removes the draft that an edit of the list applies.
func applyDraft(ctx context.Context, tx querier, d *gate.WorkingDraft) error {
	if d == nil {
		return nil
	}
	err := removeDraft(ctx, tx, d.Tenant, d.Admin, d.Revision)
	if errors.Is(err, gate.ErrChanged) {
		return gate.ErrDraftChanged
	}
	return err
}

// unchanged is gate.ErrChanged for a statement that found no row to touch.
func unchanged(n int64, err error) error {
	if err == nil && n == 0 {
		return gate.ErrChanged
	}
	return err
}
