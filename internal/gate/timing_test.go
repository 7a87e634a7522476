package gate

import (
	"math"
	"testing"
	"time"
)

func TestTimingBuckets(t *testing.T) {
	last := -1
	for d := time.Duration(0); d < 2*time.Minute; d += max(1, d/40) {
		b := bucketOf(d)
		if b < last || b > last+1 || b >= timingBuckets {
			t.Fatalf("%s is in bucket %d, after %d", d, b, last)
		}
		last = b
		if off := math.Abs(float64(middleOf(b)-d)) / float64(max(d, 1)); off > 1.0/16 && d < 1<<timingBits {
			t.Errorf("%s is taken for %s", d, middleOf(b))
		}
	}
	if last != timingBuckets-1 {
		t.Errorf("the last bucket met is %d of %d", last, timingBuckets)
	}
	if got := bucketOf(-time.Second); got != 0 {
		t.Errorf("a clock set back: got bucket %d, want 0", got)
	}
}

func TestTimingFigures(t *testing.T) {
	var h timing
	at := time.Unix(1000, 0)
	if got := h.figures(at); got != (Timing{}) {
		t.Errorf("of nothing: got %+v", got)
	}
	for i := range 1000 {
		took := 40 * time.Microsecond
		if i%50 == 0 {
			took = 2 * time.Millisecond
		}
		h.add(took)
	}
	near := func(name string, got, want time.Duration) {
		t.Helper()
		if (got - want).Abs() > want/16 {
			t.Errorf("%s: got %s, want about %s", name, got, want)
		}
	}
	got := h.figures(at.Add(10 * time.Second))
	near("p50", got.P50, 40*time.Microsecond)
	near("p99", got.P99, 2*time.Millisecond)
	if got.PerSecond != 100 {
		t.Errorf("got %g a second, want 100", got.PerSecond)
	}
	h.figures(at.Add(75 * time.Second))
	h.add(time.Second)
	got = h.figures(at.Add(140 * time.Second)) // only what was counted after the mark at 75 s
	near("p50 a minute later", got.P50, time.Second)
	if got.PerSecond != 1.0/65 || len(h.marks) > 3 {
		t.Errorf("got %g a second and %d marks", got.PerSecond, len(h.marks))
	}
}

func TestTimingAllocatesNothing(t *testing.T) {
	var h timing
	if n := testing.AllocsPerRun(1000, func() { h.add(time.Microsecond) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkTiming(b *testing.B) {
	var h timing
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.add(38 * time.Microsecond)
		}
	})
}
