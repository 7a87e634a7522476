package gate

import (
	"net/netip"
	"slices"
	"strconv"
)

// matching says which rows a filter selects, by the numbers of their values:
// each distinct value is looked at once, not each row.
type matching struct {
	kind, who, addr []bool
	any, none       [][12]byte // references
}

func (m *matching) matches(r *traceRow) bool {
	return m.kind[r.kind] && m.who[r.who] && m.addr[r.addr] &&
		(m.any == nil || slices.Contains(m.any, r.reference)) && !slices.Contains(m.none, r.reference)
}

// matchingOf prepares conditions: several on one field that are not negated mean any
// of them, everything else must hold together.
func matchingOf(g *Gate, v *view, where []Condition) matching {
	var m matching
	m.kind = allowed(v.kinds, where, []Field{FieldStage, FieldOutcome, FieldReason, FieldPassword}, func(k traceKind, c *Condition) bool {
		switch c.Field {
		case FieldStage:
			return string(k.stage) == c.Value
		case FieldOutcome:
			return string(k.outcome) == c.Value
		case FieldPassword:
			return string(k.password) == c.Value
		default:
			return string(k.reason) == c.Value
		}
	})
	m.who = allowed(v.whos, where, []Field{FieldLogin}, func(w traceWho, c *Condition) bool {
		return w.admin == c.Value || w.hash == c.Value
	})
	m.addr = allowed(v.addrs, where, []Field{FieldAddress, FieldCountry, FieldASN}, func(a traceAddr, c *Condition) bool {
		switch c.Field {
		case FieldAddress:
			p := unmapped(c.Range)
			return a.addr.IsValid() && a.bits >= p.Bits() && p.Contains(a.addr)
		case FieldCountry:
			return g.PlaceOf(a.addr, a.bits).Country == c.Value
		default:
			return strconv.FormatUint(uint64(g.PlaceOf(a.addr, a.bits).ASN), 10) == c.Value
		}
	})
	for i := range where {
		if c := &where[i]; c.Field == FieldReference {
			var reference [12]byte
			copy(reference[:], c.Value)
			if c.Not {
				m.none = append(m.none, reference)
			} else {
				m.any = append(m.any, reference)
			}
		}
	}
	return m
}

// unmapped is a prefix of IPv4 as such.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// allowed says which values the conditions on some fields let through.
func allowed[V any](values []V, where []Condition, fields []Field, holds func(V, *Condition) bool) []bool {
	out := make([]bool, len(values))
	for i, v := range values {
		out[i] = !slices.ContainsFunc(fields, func(f Field) bool { return !fieldHolds(v, where, f, holds) })
	}
	return out
}

func fieldHolds[V any](v V, where []Condition, field Field, holds func(V, *Condition) bool) bool {
	asked, met := false, false
	for i := range where {
		c := &where[i]
		switch {
		case c.Field != field:
		case c.Not:
			if holds(v, c) {
				return false
			}
		default:
			asked = true
			met = met || holds(v, c)
		}
	}
	return met || !asked
}
