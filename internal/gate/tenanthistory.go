package gate

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// tenantHistory is what is in memory of one tenant.
type tenantHistory struct {
	tenant string

	mu      sync.Mutex
	hours   map[int64]*hourTraces
	rows    int
	table   traceTable
	wanted  map[int64]string // hours to read, with their marks
	reading bool
	full    bool          // the bound was met: what is older is not in memory
	err     error         // that ended the last reading
	grown   chan struct{} // closed whenever an hour was read, or reading has ended
	used    time.Time
	first   int64 // the hours that were asked about last
	end     int64
}

// hourTraces is an hour as it was read. Its rows are never changed.
type hourTraces struct {
	mark string
	read time.Time
	took time.Duration
	rows []traceRow
}

// want asks for the hours that are missing or have changed, and reports whether
// somebody has to begin to read them.
func (t *tenantHistory) want(first, end int64, marks map[int64]string, worth int) (begin bool) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first, t.end = first, end
	for hour := range t.hours {
		if _, ok := marks[hour]; !ok && first <= hour && hour < end {
			t.drop(hour)
		}
	}
	for hour, mark := range marks {
		if h := t.hours[hour]; h == nil || h.mark != mark && now.Sub(h.read) >= time.Duration(worth)*h.took {
			t.wanted[hour] = mark
		}
	}
	if t.reading {
		return false
	}
	t.err, t.full = nil, false
	t.reading = len(t.wanted) > 0
	return t.reading
}

func (t *tenantHistory) drop(hour int64) {
	t.rows -= len(t.hours[hour].rows)
	delete(t.hours, hour)
}

// trim forgets hours, the oldest first: those outside of what was asked about
// last, then others. It reports whether those inside could all stay.
func (t *tenantHistory) trim(limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	outside := func(hour int64) bool { return hour < t.first || hour >= t.end }
	fits := true
	for _, inside := range []bool{false, true} {
		for _, hour := range slices.Sorted(maps.Keys(t.hours)) {
			if t.rows > limit && outside(hour) != inside {
				t.drop(hour)
				fits = fits && !inside
			}
		}
	}
	return fits
}

// look returns what is in memory of the hours that have marks, from the newest
// to the first that is missing, and a channel that is closed when there is more.
func (t *tenantHistory) look(since time.Time, marks map[int64]string) (*view, <-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &view{kinds: t.table.kinds.all, whos: t.table.whos.all, addrs: t.table.addrs.all}
	v.Since, v.Complete, v.Total = since, true, len(marks)
	for _, hour := range slices.Backward(slices.Sorted(maps.Keys(marks))) {
		h := t.hours[hour]
		if _, again := t.wanted[hour]; h == nil || again {
			v.Complete, v.Full = false, t.full
			if from := hourStart(hour + 1); from.After(since) {
				v.Since = from
			}
			break
		}
		v.hours = append(v.hours, h)
	}
	v.Read = len(v.hours)
	if !t.reading && t.err != nil {
		return nil, nil, t.err
	}
	return v, t.grown, nil
}
