package gate

import (
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

func (i *interned[K]) id(k K) uint32 {
	id, ok := i.ids[k]
	if !ok {
		if i.ids == nil {
			i.ids = map[K]uint32{}
		}
		id = uint32(len(i.all))
		i.ids[k] = id
		i.all = append(i.all, k)
	}
	return id
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
