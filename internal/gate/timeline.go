package gate

import (
	"time"
)

// Bucket is what began within a part of the span.
type Bucket struct {
	Start time.Time
	Tally
}

// someBuckets is about how many a span has at most.
const someBuckets = 60

// bucketLengths are those that a span is cut into, so that buckets begin at round
// times.
var bucketLengths = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour, 364 * 24 * time.Hour,
}

func bucketFor(span time.Duration) time.Duration {
	for _, d := range bucketLengths {
		if span <= someBuckets*d {
			return d
		}
	}
	return bucketLengths[len(bucketLengths)-1]
}
