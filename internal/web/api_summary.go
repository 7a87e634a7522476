package web

import (
	"slices"

	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// groupJSON is attempts taken together.
type groupJSON struct {
	Key *string `json:"key"` // null: it is not known, or it was nobody's login
	placeJSON
	Records    int64     `json:"records"`
	Count      int64     `json:"count"`
	NotAllowed int64     `json:"not_allowed"`
	FirstTime  timestamp `json:"first_time"`
	LastTime   timestamp `json:"last_time"`
	Reference  string    `json:"reference"` // of the newest record
}

func showGroup(g *gate.AttemptGroup) groupJSON {
	return groupJSON{
		present(g.Key), placeJSON{present(g.Place.Country), export.NetworkOf(g.Place)},
		g.Records, g.Count, g.NotAllowed, timestamp(g.FirstTime), timestamp(g.LastTime), g.Reference,
	}
}

// groupsJSON is the largest groups. They have no pages: their order changes
// with every attempt.
type groupsJSON struct {
	Items     []groupJSON `json:"items"`
	Truncated bool        `json:"truncated"` // there are smaller ones
	reachJSON
}

// reachJSON says what is counted.
type reachJSON struct {
	Since    timestamp `json:"since"` // from when on
	Until    timestamp `json:"until"`
	Complete bool      `json:"complete"` // since is what was asked for
}

func reachOf(s *gate.Summary) reachJSON {
	return reachJSON{timestamp(s.Since), timestamp(s.Until), s.Complete}
}

// getAttemptGroups answers with groups of what a filter selects, of all that is
// kept where it does not say since when.
func getAttemptGroups(c *call, f gate.AttemptFilter) (any, error) {
	q, by := &c.query, c.query.values["group_by"]
	oneOf(q, "group_by", by, gate.Groupings)
	if _, ok := q.values["cursor"]; ok {
		q.note("cursor", "not_allowed", "groups have no pages: ask for more with limit, or filter")
	}
	f.Limit = q.limit()
	if err := q.err(); err != nil {
		return nil, err
	}
	if f.Since.IsZero() {
		f.Since = c.h.door.Oldest()
	}
	s, err := c.h.door.Summarize(c.Context(), c.actor, gate.Question{AttemptFilter: f, Group: gate.GroupBy(by), Patient: true})
	if err != nil {
		return nil, err
	}
	out := groupsJSON{Items: []groupJSON{}, Truncated: s.GroupCount > len(s.Groups), reachJSON: reachOf(s)}
	for i := range s.Groups {
		out.Items = append(out.Items, showGroup(&s.Groups[i]))
	}
	return out, nil
}

// summaryParams are the filters of a list and the span.
var summaryParams = slices.DeleteFunc(slices.Clone(attemptParams), func(name string) bool {
	return slices.Contains([]string{"group_by", "limit", "cursor"}, name)
})

// summaryJSON is a span of time in numbers.
type summaryJSON struct {
	reachJSON
	BucketSeconds  int64           `json:"bucket_seconds"`
	Buckets        []bucketJSON    `json:"buckets"`
	Total          tallyJSON       `json:"total"`
	Records        int64           `json:"records"`
	Attention      []attentionJSON `json:"attention"`
	AttentionCount int             `json:"attention_count"` // addresses; the list has the most urgent of them
	Noise          noiseJSON       `json:"noise"`
}

// tallyJSON counts attempts by what became of them.
type tallyJSON struct {
	Blocked    int64 `json:"blocked"`
	WouldBlock int64 `json:"would_block"`
	Refused    int64 `json:"refused"`
	Allowed    int64 `json:"allowed"`
}

type bucketJSON struct {
	Start timestamp `json:"start"`
	tallyJSON
}

// noiseJSON is what was not let in from addresses that nobody has to look at.
type noiseJSON struct {
	Attempts  int64 `json:"attempts"`
	Addresses int   `json:"addresses"`
}

// attentionJSON is an address that a person should look at.
type attentionJSON struct {
	Address string `json:"address"`
	placeJSON
	Signs      []gate.AttentionSign `json:"signs"` // the most urgent first
	Admin      *string              `json:"admin"`
	Request    *string              `json:"request"` // id of the open access request
	Entry      *networkJSON         `json:"entry"`   // that had the address, or is next to it
	Records    int64                `json:"records"`
	Count      int64                `json:"count"`
	NotAllowed int64                `json:"not_allowed"`
	FirstTime  timestamp            `json:"first_time"`
	LastTime   timestamp            `json:"last_time"`
	Reference  string               `json:"reference"`
}

// getSummary answers with the last 24 hours where the query does not say since
// when.
func getSummary(c *call) (any, error) {
	f := c.query.filter(c.tenant)
	if err := c.query.err(); err != nil {
		return nil, err
	}
	s, err := c.h.door.Summarize(c.Context(), c.actor, gate.Question{AttemptFilter: f, Attention: true, Patient: true})
	if err != nil {
		return nil, err
	}
	out := summaryJSON{
		reachJSON: reachOf(s), BucketSeconds: int64(s.Bucket.Seconds()), Total: tallyJSON(s.Total), Records: s.Records,
		Attention: []attentionJSON{}, AttentionCount: s.AttentionCount, Noise: noiseJSON{s.Noise, s.NoiseAddresses},
	}
	for _, b := range s.Buckets {
		out.Buckets = append(out.Buckets, bucketJSON{timestamp(b.Start), tallyJSON(b.Tally)})
	}
	for i := range s.Attention {
		a := &s.Attention[i]
		g := showGroup(&a.AttemptGroup)
		one := attentionJSON{
			Address: a.Key, placeJSON: g.placeJSON, Signs: a.Signs, Admin: present(a.Admin), Request: present(a.Request),
			Records: g.Records, Count: g.Count, NotAllowed: g.NotAllowed, FirstTime: g.FirstTime, LastTime: g.LastTime, Reference: g.Reference,
		}
		if a.Entry != nil {
			entry := showNetwork(a.Entry)
			one.Entry = &entry
		}
		out.Attention = append(out.Attention, one)
	}
	return out, nil
}
