package gate

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Trace is what of a record is needed to find, count and group it.
type Trace struct {
	Reference string
	First     time.Time
	Last      time.Time
	Stage     Stage
	Outcome   Outcome
	Reason    Reason
	Admin     string
	LoginHash string
	Password  PasswordCheck
	Address   netip.Addr
	Bits      int
	Count     int64
}

// traceRow is a trace, of which what repeats is named by its number.
type traceRow struct {
	first     int64 // unix µs
	count     int64
	span      uint32 // µs from the first time to the last
	addr, who uint32
	kind      uint32
	reference [12]byte
}

func (r *traceRow) last() int64 { return r.first + int64(r.span) }

// referenceText is the reference of a row.
func referenceText(b [12]byte) string {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return string(b[:n])
}

type traceKind struct {
	stage    Stage
	outcome  Outcome
	reason   Reason
	password PasswordCheck
}

type traceWho struct{ admin, hash string }

type traceAddr struct {
	addr netip.Addr
	bits int
}

// interned numbers values in the order in which they come.
type interned[K comparable] struct {
	ids map[K]uint32
	all []K
}

func (i *interned[K]) id(k K) uint32 { return numbered(&i.ids, &i.all, k, k) }

// numbered returns the number of a key, which is the next of its value where the
// key is new.
func numbered[K comparable, V any](ids *map[K]uint32, all *[]V, k K, v V) uint32 {
	id, ok := (*ids)[k]
	if !ok {
		if *ids == nil {
			*ids = map[K]uint32{}
		}
		id = uint32(len(*all))
		(*ids)[k] = id
		*all = append(*all, v)
	}
	return id
}

// addrTable numbers addresses. Those of IPv4, which are nearly all, are looked up
// by a number, which takes a third of the time.
type addrTable struct {
	v4   map[uint64]uint32 // by address and bits
	rest map[traceAddr]uint32
	all  []traceAddr
}

func (t *addrTable) id(a traceAddr) uint32 {
	if !a.addr.Is4() {
		return numbered(&t.rest, &t.all, a, a)
	}
	b := a.addr.As4()
	return numbered(&t.v4, &t.all, uint64(binary.BigEndian.Uint32(b[:]))<<8|uint64(a.bits), a)
}

// traceTable numbers what repeats among records.
type traceTable struct {
	kinds interned[traceKind]
	whos  interned[traceWho]
	addrs addrTable
}

// row makes the row of a trace.
func (t *traceTable) row(r *Trace) traceRow {
	row := traceRow{
		first: r.First.UnixMicro(), count: r.Count, span: uint32(min(max(r.Last.Sub(r.First).Microseconds(), 0), 1<<32-1)),
		addr: t.addrs.id(traceAddr{r.Address, r.Bits}), who: t.whos.id(traceWho{r.Admin, r.LoginHash}),
		kind: t.kinds.id(traceKind{r.Stage, r.Outcome, r.Reason, r.Password}),
	}
	copy(row.reference[:], r.Reference)
	return row
}

// Reach says how much of a span is counted in an answer: everything from
// Since on, which is later than what was asked for while older hours are still
// being read, or where they are too many.
type Reach struct {
	Since    time.Time
	Complete bool
	Full     bool // there are more records than are looked at at once: older ones stay out
	Read     int  // hours
	Total    int  // hours
}

// view is the traces of a span. It does not change.
type view struct {
	Reach
	hours []*hourTraces // newest first
	kinds []traceKind
	whos  []traceWho
	addrs []traceAddr
}
