package gate

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// timing counts how long decisions take: a histogram whose buckets are an eighth
// of a power of two wide, so a quantile is at most 6 % off. Requests count into
// one of several parts, so that processors do not wait for each other's caches;
// they take no lock and allocate nothing.
type timing struct {
	parts [8]timingPart
	marks []timingMark // of the last minute, the oldest first; of the one goroutine that calls figures
}

// Bounds of the histogram: nothing takes 2^timingBits ns, which is over a minute.
const (
	timingBits    = 36
	timingBuckets = (timingBits-4)*8 + 16
)

type timingPart struct{ buckets [timingBuckets]atomic.Int64 }

// timingMark is what was counted up to a moment.
type timingMark struct {
	at      time.Time
	buckets [timingBuckets]int64
}

func (t *timing) add(d time.Duration) {
	t.parts[rand.IntN(len(t.parts))].buckets[bucketOf(d)].Add(1) //nolint:gosec // only spreads the load
}

// bucketOf is the bucket of a length of time: up to 15 ns each has its own, from
// there on each power of two has eight.
func bucketOf(d time.Duration) int {
	v := uint64(min(max(d, 0), 1<<timingBits-1))
	e := max(bits.Len64(v)-4, 0)
	return e*8 + int(v>>e)
}

// middleOf is the middle of a bucket.
func middleOf(bucket int) time.Duration {
	if bucket < 16 {
		return time.Duration(bucket)
	}
	e := bucket/8 - 1
	return time.Duration(bucket-e*8)<<e + time.Duration(1)<<e/2
}

// Timing is how long decisions took in about the last minute.
type Timing struct {
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	PerSecond float64       `json:"per_second"`
}

// timingSpan is how far back figures look.
const timingSpan = time.Minute

// figures sums up what was counted since the newest mark that is a minute old,
// or the oldest there is, and makes another one.
func (t *timing) figures(now time.Time) Timing {
	next := timingMark{at: now}
	for i := range t.parts {
		for b := range next.buckets {
			next.buckets[b] += t.parts[i].buckets[b].Load()
		}
	}
	for len(t.marks) > 1 && now.Sub(t.marks[1].at) >= timingSpan {
		t.marks = slices.Delete(t.marks, 0, 1)
	}
	since := next.buckets
	var elapsed time.Duration
	if len(t.marks) > 0 {
		elapsed = now.Sub(t.marks[0].at)
		for b := range since {
			since[b] -= t.marks[0].buckets[b]
		}
	}
	t.marks = append(t.marks, next)
	return summary(since[:], elapsed)
}

func summary(buckets []int64, elapsed time.Duration) (out Timing) {
	var all, passed int64
	for _, n := range buckets {
		all += n
	}
	if elapsed > 0 {
		out.PerSecond = float64(all) / elapsed.Seconds()
	}
	for b, n := range buckets {
		if passed += n; n == 0 {
			continue
		}
		if out.P50 == 0 && passed*2 >= all {
			out.P50 = middleOf(b)
		}
		if passed*100 >= all*99 {
			out.P99 = middleOf(b)
			return out
		}
	}
	return out
}
