package store

import (
	"context"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// evidenceKind and what is selected with it are in the indexes attempts_tenant
// and attempts_sign_ins, so that no record itself is read.
const (
	isSignIn = `stage = 'sign_in' AND outcome IN ('allowed', 'would_block')`

	evidenceKind = `CASE
		WHEN ` + isSignIn + ` THEN 'sign_in'
		WHEN reason = 'outside_networks' THEN 'blocked'
		ELSE 'failed' END`
)

// evidence selects the records of a span.
func (w *where) evidence(s gate.EvidenceSpan) {
	w.and(`tenant = ` + w.arg(s.Tenant) + ` AND first_time >= ` + w.arg(micro(s.Since)) + ` AND first_time < ` + w.arg(micro(s.Until)) + ` AND address IS NOT NULL`)
	if s.SignIns {
		w.and(isSignIn)
		return
	}
	w.and(`(stage = 'sign_in' OR reason = 'outside_networks')`)
}

// CountEvidence returns how many records a span has.
func (s *Store) CountEvidence(ctx context.Context, span gate.EvidenceSpan) (n int64, err error) {
	var w where
	w.evidence(span)
	err = s.read().row(ctx, `SELECT COUNT(*) FROM attempts`+w.String(), w.args...).Scan(&n)
	return n, err
}

// Evidence gives every record of a span to add, in no order. Summing up here is
// quicker than grouping in SQL, which sorts: most strangers come once.
func (s *Store) Evidence(ctx context.Context, span gate.EvidenceSpan, add func(gate.Evidence)) error {
	query, args := evidenceQuery(span)
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e gate.Evidence
		if err := rows.Scan(&e.Kind, &e.Admin, addrColumn{&e.Address}, &e.Bits, &e.Count, timeColumn{&e.Last}); err != nil {
			return err
		}
		add(e)
	}
	return rows.Err()
}

func evidenceQuery(span gate.EvidenceSpan) (query string, args []any) {
	var w where
	w.evidence(span)
	return `SELECT ` + evidenceKind + `, admin, address, bits, count, last_time FROM attempts` + w.String(), w.args
}
