package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// PutNetworks replaces mode and list where the version is still put.Base, and
// returns the new version; *gate.VersionConflict otherwise. It returns
// gate.ErrChangePending while a change waits to be confirmed, and
// gate.ErrChanged by rec.Guarded. Only what differs is written.
func (s *Store) PutNetworks(ctx context.Context, rec gate.Record, put gate.ListPut) (version int64, err error) {
	err = s.write(ctx, func(tx querier) error {
		v := gate.ListVersion{Mode: put.Mode, Reason: put.Reason, Accepted: put.Accepted, Restores: put.Restores}
		if err := lockTenant(ctx, tx, rec, put.Tenant); err != nil {
			return err
		}
		if err := nothingPending(ctx, tx, put.Tenant); err != nil {
			return err
		}
		if version, err = putList(ctx, tx, rec, put, v); err != nil {
			return err
		}
		if !put.ConfirmUntil.IsZero() {
			if err := addPending(ctx, tx, rec, put, version); err != nil {
				return err
			}
		}
		if err := applyDraft(ctx, tx, put.Draft); err != nil {
			return err
		}
		return addChange(ctx, tx, rec, gate.Change{Kind: gate.ChangeList, Tenant: put.Tenant, Subject: put.Tenant, Version: version})
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// lockTenant locks a tenant and raises its revision, where it is still the one
// that the guards were asked with; gate.ErrChanged otherwise.
func lockTenant(ctx context.Context, tx querier, rec gate.Record, tenant string) error {
	var revision int64
	err := tx.row(ctx, `UPDATE tenants SET revision = revision + 1 WHERE id = $1 RETURNING revision`, tenant).Scan(&revision)
	if err != nil {
		return found(err)
	}
	if rec.Guarded != 0 && revision != rec.Guarded+1 {
		return gate.ErrChanged
	}
	return nil
}

// putList makes the next version of a list.
func putList(ctx context.Context, tx querier, rec gate.Record, put gate.ListPut, v gate.ListVersion) (version int64, err error) {
	if v.Version, err = nextListVersion(ctx, tx, put); err != nil {
		return 0, err
	}
	diff, err := diffNetworks(ctx, tx, put)
	if err != nil {
		return 0, err
	}
	if err := diff.store(ctx, tx, put.Tenant, v.Version); err != nil {
		return 0, err
	}
	v.At, v.By = rec.At, rec.Actor.Name()
	v.Added, v.Removed, v.Changed = diff.added, diff.removed, diff.changed
	return v.Version, addListVersion(ctx, tx, put.Tenant, v)
}

// nextListVersion moves a list from its base version to the next. Of several
// edits of one version it lets one through.
func nextListVersion(ctx context.Context, tx querier, put gate.ListPut) (next int64, err error) {
	err = tx.row(ctx, `UPDATE tenants SET version = version + 1, mode = $3 WHERE id = $1 AND version = $2 RETURNING version`,
		put.Tenant, put.Base, string(put.Mode)).Scan(&next)
	if !errors.Is(err, sql.ErrNoRows) {
		return next, err
	}
	conflict := &gate.VersionConflict{Base: put.Base}
	if err := tx.row(ctx, `SELECT version FROM tenants WHERE id = $1`, put.Tenant).Scan(&conflict.Current); err != nil {
		return 0, found(err)
	}
	return 0, conflict
}

// addListVersion records a version. Its time is never before that of the one it
// replaces, even where the clocks of two nodes differ: ListAt relies on it.
func addListVersion(ctx context.Context, tx querier, tenant string, v gate.ListVersion) error {
	var before int64
	err := tx.row(ctx, `SELECT COALESCE(MAX(made), 0) FROM list_versions WHERE tenant = $1`, tenant).Scan(&before)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `
		INSERT INTO list_versions (tenant, version, mode, made, made_by, reason, accepted, undoes, restores, added, removed, changed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		tenant, v.Version, string(v.Mode), max(micro(v.At), before), v.By, v.Reason, jsonOf(v.Accepted), v.Undoes, v.Restores,
		v.Added, v.Removed, v.Changed)
	return err
}

// networkRow is an entry as its row has it, so that == finds what differs.
type networkRow struct {
	id, span, label, note, owner string
	enabled                      bool
	notBefore, expires           int64
	roles, admins                string
	created                      int64
	createdBy                    string
}

func rowOf(n *gate.Network) networkRow {
	return networkRow{
		id: n.ID, span: n.Range.String(),
		label: cleanText(n.Label), note: cleanText(n.Note), owner: cleanText(n.Owner),
		enabled: n.Enabled, notBefore: micro(n.NotBefore), expires: micro(n.Expires),
		roles: jsonOf(n.Roles), admins: jsonOf(n.Admins),
		created: micro(n.Created), createdBy: cleanText(n.CreatedBy),
	}
}

// listDiff is what leads from one version of a list to the next.
type listDiff struct {
	ends                    []string // ids whose rows end
	begins                  []networkStart
	added, removed, changed int
}

type networkStart struct {
	networkRow
	ordinal int64
}

func diffNetworks(ctx context.Context, tx querier, put gate.ListPut) (d listDiff, err error) {
	now, err := findNetworksInForce(ctx, tx, put.Tenant)
	if err != nil {
		return d, err
	}
	old := make(map[string]*tenantNetwork, len(now))
	next := int64(0) // ordinal of the next entry that is new
	for i := range now {
		old[now[i].ID] = &now[i]
		next = max(next, now[i].ordinal+1)
	}
	for i := range put.Networks {
		row := rowOf(&put.Networks[i])
		was, ok := old[row.id]
		delete(old, row.id)
		switch {
		case !ok:
			d.begins = append(d.begins, networkStart{row, next})
			next++
			d.added++
		case rowOf(&was.Network) != row:
			d.ends = append(d.ends, row.id)
			d.begins = append(d.begins, networkStart{row, was.ordinal})
			d.changed++
		}
	}
	for id := range old {
		d.ends = append(d.ends, id)
		d.removed++
	}
	return d, nil
}

// store ends and begins the rows with a version.
func (d *listDiff) store(ctx context.Context, tx querier, tenant string, version int64) error {
	ends := bulk{
		head: `UPDATE networks SET to_version = $1 WHERE to_version IS NULL AND (tenant, id) IN (VALUES`,
		args: []any{version},
		tail: `)`,
	}
	err := execAll(ctx, tx, ends, d.ends, func(id *string) []any { return []any{tenant, *id} })
	if err != nil {
		return err
	}
	begins := bulk{head: `
		INSERT INTO networks (tenant, id, from_version, ordinal, range, label, note, owner, enabled,
			not_before, expires, roles, admins, created, created_by) VALUES`}
	return execAll(ctx, tx, begins, d.begins, func(r *networkStart) []any {
		return []any{
			tenant, r.id, version, r.ordinal, r.span, r.label, r.note, r.owner, r.enabled,
			r.notBefore, r.expires, r.roles, r.admins, r.created, r.createdBy,
		}
	})
}

// tenantNetwork is an entry and whose it is.
type tenantNetwork struct {
	tenant  string
	ordinal int64
	gate.Network
}

const networkColumns = `tenant, ordinal, id, range, label, note, owner, enabled, not_before, expires, roles, admins, created, created_by`

func scanNetwork(row scanner) (n tenantNetwork, err error) {
	var span string
	err = row.Scan(&n.tenant, &n.ordinal, &n.ID, &span, &n.Label, &n.Note, &n.Owner, &n.Enabled,
		timeColumn{&n.NotBefore}, timeColumn{&n.Expires}, jsonColumn[gate.Role]{&n.Roles}, jsonColumn[string]{&n.Admins},
		timeColumn{&n.Created}, &n.CreatedBy)
	if err == nil {
		n.Range, _, err = cidr.Parse(span)
	}
	if err != nil {
		return n, fmt.Errorf("network %s of tenant %s: %w", n.ID, n.tenant, err)
	}
	return n, nil
}

// findNetworksInForce reads the list of one tenant, or of all when id is empty.
// Entries come in the order they were made in.
func findNetworksInForce(ctx context.Context, tx querier, id string) ([]tenantNetwork, error) {
	condition, args := only(id, "tenant")
	return collect(ctx, tx, scanNetwork,
		`SELECT `+networkColumns+` FROM networks WHERE to_version IS NULL`+condition+` ORDER BY tenant, created, ordinal`, args...)
}

const listVersionColumns = `version, mode, made, made_by, reason, accepted, undoes, restores, added, removed, changed`

func scanListVersion(row scanner) (v gate.ListVersion, err error) {
	err = row.Scan(&v.Version, &v.Mode, timeColumn{&v.At}, &v.By, &v.Reason, jsonColumn[string]{&v.Accepted}, &v.Undoes, &v.Restores,
		&v.Added, &v.Removed, &v.Changed)
	return v, err
}

// List returns the list as it was at a version (0: the newest), or
// gate.ErrNotFound.
func (s *Store) List(ctx context.Context, tenant string, version int64) (*gate.ListVersion, error) {
	if version <= 0 {
		return s.list(ctx, tenant, `version <= $2`, math.MaxInt64)
	}
	return s.list(ctx, tenant, `version = $2`, version)
}

// ListAt returns the list in force at a moment, gate.ErrNotFound before the
// first.
func (s *Store) ListAt(ctx context.Context, tenant string, at time.Time) (*gate.ListVersion, error) {
	return s.list(ctx, tenant, `made <= $2`, micro(at))
}

// list returns the newest version for which a condition holds.
func (s *Store) list(ctx context.Context, tenant, condition string, arg int64) (v *gate.ListVersion, err error) {
	err = s.view(ctx, func(tx querier) error {
		v, err = findList(ctx, tx, tenant, condition, arg)
		return err
	})
	return v, err
}

// NetworkSpans returns every entry a tenant's list ever had, in each form it
// had, with when it was in the list.
func (s *Store) NetworkSpans(ctx context.Context, tenant string) ([]gate.NetworkSpan, error) {
	return collect(ctx, s.read(), func(row scanner) (n gate.NetworkSpan, err error) {
		var span string
		err = row.Scan(&n.ID, &span, &n.Label, &n.Note, &n.Owner, &n.Enabled, timeColumn{&n.NotBefore}, timeColumn{&n.Expires},
			jsonColumn[gate.Role]{&n.Roles}, jsonColumn[string]{&n.Admins}, timeColumn{&n.Created}, &n.CreatedBy,
			&n.Version, timeColumn{&n.From}, &n.Until, timeColumn{&n.To})
		if err == nil {
			n.Range, _, err = cidr.Parse(span)
		}
		return n, err
	}, `
		SELECT n.id, n.range, n.label, n.note, n.owner, n.enabled, n.not_before, n.expires, n.roles, n.admins, n.created, n.created_by,
			n.from_version, f.made, COALESCE(n.to_version, 0), COALESCE(t.made, 0)
		FROM networks n
		JOIN list_versions f ON f.tenant = n.tenant AND f.version = n.from_version
		LEFT JOIN list_versions t ON t.tenant = n.tenant AND t.version = n.to_version
		WHERE n.tenant = $1 ORDER BY n.from_version, n.ordinal`, tenant)
}

// findList is list inside a transaction.
func findList(ctx context.Context, tx querier, tenant, condition string, arg int64) (*gate.ListVersion, error) {
	head, err := scanListVersion(tx.row(ctx,
		`SELECT `+listVersionColumns+` FROM list_versions WHERE tenant = $1 AND `+condition+` ORDER BY version DESC LIMIT 1`, tenant, arg))
	if err != nil {
		return nil, found(err)
	}
	rows, err := collect(ctx, tx, scanNetwork, `
		SELECT `+networkColumns+` FROM networks
		WHERE tenant = $1 AND from_version <= $2 AND (to_version IS NULL OR to_version > $2)
		ORDER BY created, ordinal`, tenant, head.Version)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		head.Networks = append(head.Networks, rows[i].Network)
	}
	return &head, nil
}

// ListVersions lists versions without their entries, newest first, from before
// a version (0: from the newest).
func (s *Store) ListVersions(ctx context.Context, tenant string, before int64, limit int) ([]gate.ListVersion, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	return collect(ctx, s.read(), scanListVersion,
		`SELECT `+listVersionColumns+` FROM list_versions WHERE tenant = $1 AND version < $2 ORDER BY version DESC LIMIT $3`,
		tenant, before, orAll(limit))
}
