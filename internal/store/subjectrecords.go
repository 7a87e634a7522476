package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// namesIn says where in a table people are named.
type namesIn struct {
	table string
	key   []string // beside the tenant
	by    []string // columns with the name of an actor
	free  []string // columns with words of people
	// live holds for rows in force: their words are told of, since those who
	// decide them have to edit them. Empty: none.
	live string
	// gone: a row whose words name the person is deleted, not only the words: all
	// of it is about them.
	gone  bool
	where string // what a mention calls it
	count func(*gate.SubjectErasure) *int64
}

func lists(e *gate.SubjectErasure) *int64  { return &e.Lists }
func others(e *gate.SubjectErasure) *int64 { return &e.Others }

// peopleNamed are the tables in which people are named beside the change log, attempts
// and what goes with an admin. Time is $1.
var peopleNamed = []namesIn{
	{table: "list_versions", key: []string{"version"}, by: []string{"made_by"}, free: []string{"reason"}, count: lists},
	{
		table: "networks", key: []string{"id", "from_version"}, by: []string{"created_by"}, free: []string{"label", "note", "owner"},
		live: "to_version IS NULL", where: "network", count: lists,
	},
	{table: "pending_changes", by: []string{"login"}, free: []string{"reason"}, count: lists},
	{
		table: "emergencies", key: []string{"id"}, by: []string{"made_by"}, free: []string{"reason"},
		live: "ended = 0 AND ends > $1", gone: true, where: "emergency", count: others,
	},
	{table: "api_tokens", key: []string{"id"}, by: []string{"created_by"}, free: []string{"name"}, live: "hash IS NOT NULL", where: "token", count: others},
	{table: "sessions", key: []string{"id"}, by: []string{"ended_by"}, count: others},
	{table: "access_requests", key: []string{"id"}, by: []string{"proposed_by", "decided_by"}, free: []string{"why", "note"}, count: others},
}

// namedRow is a row in which people are named.
type namedRow struct {
	tenant string
	key    []any
	live   bool
	by     []string
	free   []string
}

// rows reads the rows of the tenants in which a person may be named.
func (n *namesIn) rows(ctx context.Context, tx querier, s *gate.Subject, now int64) ([]namedRow, error) {
	w := where{args: []any{now}}
	w.and(`CAST($1 AS BIGINT) IS NOT NULL`) // every table has the time for a parameter
	w.reach(s, `tenant`)
	live := n.live
	if live == "" {
		live = `FALSE`
	}
	columns := slices.Concat([]string{`tenant`, live}, n.key, n.by, n.free)
	return collect(ctx, tx, func(row scanner) (r namedRow, err error) {
		r.key, r.by, r.free = make([]any, len(n.key)), make([]string, len(n.by)), make([]string, len(n.free))
		to := []any{&r.tenant, &r.live}
		for i := range r.key {
			to = append(to, &r.key[i])
		}
		for i := range r.by {
			to = append(to, &r.by[i])
		}
		for i := range r.free {
			to = append(to, &r.free[i])
		}
		return r, row.Scan(to...)
	}, `SELECT `+strings.Join(columns, `, `)+` FROM `+n.table+w.String(), w.args...)
}

// erase takes a person out of a row, and reports whether they were in it.
func (n *namesIn) erase(ctx context.Context, tx querier, s *gate.Subject, r *namedRow) (bool, error) {
	var sets where
	set := func(column, text string) { sets.and(column + ` = ` + sets.arg(text)) }
	for i, name := range r.by {
		if s.Is(r.tenant, name) {
			set(n.by[i], gate.ErasedText)
		}
	}
	named := false
	for i, text := range r.free {
		if !r.live && s.Mentioned(r.tenant, text) {
			named = true
			set(n.free[i], s.Without(r.tenant, text))
		}
	}
	if len(sets.conditions) == 0 {
		return false, nil
	}
	change := `UPDATE ` + n.table + ` SET ` + strings.Join(sets.conditions, `, `)
	if named && n.gone {
		change, sets.args = `DELETE FROM `+n.table, nil
	}
	this := where{args: sets.args}
	this.and(`tenant = ` + this.arg(r.tenant))
	for i, column := range n.key {
		this.and(column + ` = ` + this.arg(r.key[i]))
	}
	_, err := tx.exec(ctx, change+this.String(), this.args...)
	return true, err
}

// EraseRecords erases what is recorded of a person beside attempts and most of
// the change log, and last of all the changes that tell whose id the person's
// is: until then an erasure that was interrupted finds them again. It adds to
// the change log of each tenant what was erased there.
func (s *Store) EraseRecords(ctx context.Context, rec gate.Record, subject *gate.Subject, sofar gate.SubjectErasure, dry bool) (sum gate.SubjectErasure, err error) {
	err = s.writeUnless(ctx, dry, func(tx querier) error {
		e := erased{}
		for _, step := range []func(context.Context, querier, *gate.Subject) error{e.alerts, e.asks, e.throttle} {
			if err := step(ctx, tx, subject); err != nil {
				return err
			}
		}
		if err := e.named(ctx, tx, subject, micro(s.now())); err != nil {
			return err
		}
		identity, err := findIdentity(ctx, tx, subject)
		if err != nil {
			return err
		}
		if err := e.changes(ctx, tx, subject, identity); err != nil {
			return err
		}
		sum = gate.SubjectErasure{}
		for _, n := range e {
			sum.Add(*n)
		}
		if sofar.Attempts > 0 {
			e.of(subject.Tenant).Attempts = sofar.Attempts
		}
		if sofar != (gate.SubjectErasure{}) {
			e.of(subject.Tenant) // the end of it is on record even where nothing was left
		}
		return e.record(ctx, tx, rec, subject)
	})
	return sum, err
}

// findIdentity reads the changes that tell whose id a person's is.
func findIdentity(ctx context.Context, tx querier, s *gate.Subject) ([]gate.Change, error) {
	var w where
	w.and(`stream = ` + w.arg(stream) + ` AND tenant = ` + w.arg(s.Tenant) + ` AND kind = ` + w.arg(string(gate.ChangeAdmin)))
	w.and(w.oneOf(`subject`, s.IDs))
	return collect(ctx, tx, func(row scanner) (gate.Change, error) { return scanChange(row) },
		`SELECT `+changeColumns+` FROM change_log`+w.String()+` ORDER BY pos`, w.args...)
}

// named takes the person out of every table that names people. Where that is a
// list, an edit of it that has read it before begins anew.
func (e erased) named(ctx context.Context, tx querier, s *gate.Subject, now int64) error {
	for i := range peopleNamed {
		n := &peopleNamed[i]
		rows, err := n.rows(ctx, tx, s, now)
		if err != nil {
			return fmt.Errorf("%s: %w", n.table, err)
		}
		touched := map[string]bool{}
		for j := range rows {
			found, err := n.erase(ctx, tx, s, &rows[j])
			if err != nil {
				return fmt.Errorf("%s: %w", n.table, err)
			}
			if found {
				*n.count(e.of(rows[j].tenant))++
				touched[rows[j].tenant] = true
			}
		}
		if n.table != "networks" {
			continue
		}
		for tenant := range touched {
			if _, err := tx.exec(ctx, `UPDATE tenants SET revision = revision + 1 WHERE id = $1`, tenant); err != nil {
				return err
			}
		}
	}
	return nil
}

// asks deletes the access requests that the person made.
func (e erased) asks(ctx context.Context, tx querier, s *gate.Subject) error {
	var w where
	w.and(`tenant = ` + w.arg(s.Tenant))
	w.and(w.oneOf(`id`, s.Asks))
	n, err := tx.exec(ctx, `DELETE FROM access_requests`+w.String(), w.args...)
	if n > 0 {
		e.of(s.Tenant).Requests += n
	}
	return err
}

// throttle forgets failed tries of the person's logins.
func (e erased) throttle(ctx context.Context, tx querier, s *gate.Subject) error {
	for _, key := range s.Throttle {
		n, err := tx.exec(ctx, `DELETE FROM throttle WHERE key = $1`, key)
		if err != nil {
			return err
		}
		if n > 0 {
			e.of(s.Tenant).Others += n
		}
	}
	return nil
}

// alerts takes the person out of what waits to be sent.
func (e erased) alerts(ctx context.Context, tx querier, s *gate.Subject) error {
	if _, _, err := lockAlerts(ctx, tx); err != nil {
		return err
	}
	var w where
	w.reach(s, `tenant`)
	folds, err := collect(ctx, tx, scanFold, `SELECT `+foldColumns+` FROM alert_folds`+w.String(), w.args...)
	if err != nil {
		return err
	}
	for i := range folds {
		f := &folds[i]
		if !forget(s, f.tenant, f.items) {
			continue
		}
		_, err := tx.exec(ctx, `UPDATE alert_folds SET items = $3 WHERE tenant = $1 AND kind = $2`, f.tenant, string(f.kind), jsonOf(f.items))
		if err != nil {
			return err
		}
		e.of(f.tenant).Others++
	}
	return e.letters(ctx, tx, s)
}

func (e erased) letters(ctx context.Context, tx querier, s *gate.Subject) error {
	type letter struct{ id, tenant, message string }
	var w where
	w.reach(s, `tenant`)
	letters, err := collect(ctx, tx, func(row scanner) (l letter, err error) {
		err = row.Scan(&l.id, &l.tenant, &l.message)
		return l, err
	}, `SELECT id, tenant, message FROM alert_letters`+w.String(), w.args...)
	if err != nil {
		return err
	}
	for _, l := range letters {
		var m gate.AlertMessage
		if err := json.Unmarshal([]byte(l.message), &m); err != nil {
			return fmt.Errorf("letter %s: %w", l.id, err)
		}
		if !forget(s, l.tenant, m.Items) {
			continue
		}
		message, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE alert_letters SET message = $2 WHERE id = $1`, l.id, string(message)); err != nil {
			return err
		}
		e.of(l.tenant).Others++
	}
	return nil
}

// forget takes the person out of what an alert tells.
func forget(s *gate.Subject, tenant string, items []gate.AlertItem) (found bool) {
	for i := range items {
		if it := &items[i]; s.Is(tenant, it.Who) {
			*it = gate.AlertItem{At: it.At, Who: gate.ErasedText, Reference: it.Reference, Reason: it.Reason, Version: it.Version}
			found = true
		}
	}
	return found
}

// SubjectMentions returns what names a person and is in force.
func (s *Store) SubjectMentions(ctx context.Context, subject *gate.Subject) (all []gate.Mention, err error) {
	err = s.view(ctx, func(tx querier) error {
		all = nil
		for i := range peopleNamed {
			n := &peopleNamed[i]
			if n.live == "" {
				continue
			}
			rows, err := n.rows(ctx, tx, subject, micro(s.now()))
			if err != nil {
				return err
			}
			for _, r := range rows {
				for j, text := range r.free {
					if r.live && subject.Mentioned(r.tenant, text) {
						all = append(all, gate.Mention{Tenant: r.tenant, Where: n.where, ID: fmt.Sprint(r.key[0]), Field: n.free[j]})
					}
				}
			}
		}
		more, err := findTextMentions(ctx, tx, subject)
		all = append(all, more...)
		return err
	})
	return all, err
}

// findTextMentions finds the person in drafts of owners, and among those who
// are alerted.
func findTextMentions(ctx context.Context, tx querier, s *gate.Subject) ([]gate.Mention, error) {
	var found []gate.Mention
	for _, in := range []struct{ where, id, column, table string }{
		{"draft", "admin", "content", "drafts"}, {"alerts", "tenant", "rules", "alert_rules"},
	} {
		var w where
		w.reach(s, `tenant`)
		type named struct {
			gate.Mention
			text string
		}
		rows, err := collect(ctx, tx, func(row scanner) (n named, err error) {
			n.Where, n.Field = in.where, in.column
			err = row.Scan(&n.Tenant, &n.ID, &n.text)
			return n, err
		}, `SELECT tenant, `+in.id+`, `+in.column+` FROM `+in.table+w.String()+` ORDER BY tenant`, w.args...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if s.Mentioned(r.Tenant, r.text) {
				found = append(found, r.Mention)
			}
		}
	}
	return found, nil
}
