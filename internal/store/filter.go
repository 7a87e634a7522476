package store

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// where is a condition under construction: what is added must hold together.
type where struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its parameter.
func (w *where) arg(value any) string {
	w.args = append(w.args, value)
	return fmt.Sprintf("$%d", len(w.args))
}

func (w *where) and(condition string) { w.conditions = append(w.conditions, condition) }

// before restricts to what comes after a cursor in a list sorted newest first
// by two columns, a time and an id.
func (w *where) before(columns string, c gate.Cursor) {
	if !c.Time.IsZero() {
		w.and(`(` + columns + `) < (` + w.arg(micro(c.Time)) + `, ` + w.arg(c.ID) + `)`)
	}
}

// String returns the WHERE clause; empty when everything is selected.
func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(w.conditions, ` AND `)
}

// attempts selects what a filter does, of the table attempts called a.
func (w *where) attempts(f gate.AttemptFilter) error {
	if f.Tenant != "" {
		w.and(`a.tenant = ` + w.arg(f.Tenant))
	}
	if !f.Since.IsZero() {
		// The first time, too, so that the index by which lists are ordered finds
		// the beginning.
		w.and(`a.last_time >= ` + w.arg(micro(f.Since)) + ` AND a.first_time >= ` + w.arg(micro(f.Since.Add(-gate.LongestRecord))))
	}
	if !f.Until.IsZero() {
		w.and(`a.first_time < ` + w.arg(micro(f.Until)))
	}
	w.before(`a.first_time, a.reference`, f.Before)
	return w.all(f.Where)
}

// all adds conditions on fields: those that are not negated hold when one of
// each field does, and every negated one must hold.
func (w *where) all(conditions []gate.Condition) error {
	var fields []gate.Field
	any := map[gate.Field][]string{}
	for _, c := range conditions {
		text, err := w.condition(c)
		if err != nil {
			return err
		}
		if c.Not {
			w.and(`NOT ` + text)
			continue
		}
		if any[c.Field] == nil {
			fields = append(fields, c.Field)
		}
		any[c.Field] = append(any[c.Field], text)
	}
	for _, field := range fields {
		w.and(`(` + strings.Join(any[field], ` OR `) + `)`)
	}
	return nil
}

// condition returns one that is never NULL, so that it can be negated.
func (w *where) condition(c gate.Condition) (string, error) {
	switch c.Field {
	case gate.FieldOutcome, gate.FieldReason, gate.FieldStage, gate.FieldReference, gate.FieldPassword:
		return `(a.` + string(c.Field) + ` = ` + w.arg(c.Value) + `)`, nil
	case gate.FieldLogin:
		value := w.arg(c.Value)
		return `(a.admin = ` + value + ` OR a.login_hash = ` + value + `)`, nil
	case gate.FieldAddress:
		return w.within(c.Range)
	}
	return "", fmt.Errorf("attempts cannot be filtered by %q", c.Field)
}

// within holds for records that stand for addresses of a network and no others:
// a folded record of a wider one may, but need not, have come from it.
func (w *where) within(p netip.Prefix) (string, error) {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if !p.IsValid() {
		return "", fmt.Errorf("attempts cannot be filtered by the network %v", p)
	}
	first := p.Masked().Addr().AsSlice()
	last := p.Masked().Addr().AsSlice()
	for i := range last {
		last[i] |= byte(0xff >> min(max(p.Bits()-8*i, 0), 8))
	}
	return fmt.Sprintf(`(a.address IS NOT NULL AND a.address >= %s AND a.address <= %s AND LENGTH(a.address) = %d AND a.bits >= %s)`,
		w.arg(first), w.arg(last), len(first), w.arg(p.Bits())), nil
}
