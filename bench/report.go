package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// report is what one run found.
type report struct {
	Cores       int     `json:"cores"`
	Connections int     `json:"connections"`
	Rounds      int     `json:"rounds"`
	Seconds     float64 `json:"seconds"` // of load on each variant
	Rows        []row   `json:"variants"`
	Aims        []aim   `json:"aims,omitempty"`
	Counted     *counts `json:"refusals,omitempty"`
}

// row is a variant. Times are microseconds.
type row struct {
	Name     string  `json:"name"`
	Rate     float64 `json:"requests_per_second"`
	Ratio    spread  `json:"ratio"` // to the bare proxy
	AddedP50 float64 `json:"added_p50_us"`
	AddedP99 float64 `json:"added_p99_us"`
	CPU      float64 `json:"cpu_us"` // for each request
}

// spread is a figure that was taken in every round.
type spread struct {
	Median float64 `json:"median"`
	Lower  float64 `json:"lower_quartile"`
	Upper  float64 `json:"upper_quartile"`
}

// aim is what a ratio should be at least.
type aim struct {
	Of      string  `json:"of"`
	To      string  `json:"to"`
	Ratio   spread  `json:"ratio"`
	Wanted  float64 `json:"wanted"`
	Verdict string  `json:"verdict"`
}

// counts are the refusals the visitor got, and those the store has.
type counts struct {
	Received int64 `json:"received"`
	Stored   int64 `json:"stored"`
}

// aims are those of the project.
var aims = []aim{
	{Of: signedIn10, To: bareProxy, Wanted: 0.97},
	{Of: signedIn1k, To: bareProxy, Wanted: 0.97},
	{Of: signedIn1k, To: signedIn10, Wanted: 1},
	{Of: refusedJSON, To: respond403, Wanted: 0.8},
	{Of: refusedPage, To: respond403, Wanted: 0.8},
}

// newReport works out the figures; the first variant is the bare proxy.
func newReport(variants []*variant, cores int, o options) *report {
	r := &report{Cores: cores, Connections: o.connections, Rounds: o.rounds(), Seconds: o.seconds}
	byName := map[string]*variant{}
	bare := variants[0]
	for _, v := range variants {
		byName[v.name] = v
		var cpu time.Duration
		var requests int64
		for _, at := range v.rounds {
			cpu += at.cpu
			requests += at.requests
		}
		r.Rows = append(r.Rows, row{
			Name: v.name, Ratio: ratio(v, bare),
			Rate:     spreadOf(v.rounds, func(i int) float64 { return v.rounds[i].rate }).Median,
			AddedP50: spreadOf(v.rounds, func(i int) float64 { return micro(v.rounds[i].p50 - bare.rounds[i].p50) }).Median,
			AddedP99: spreadOf(v.rounds, func(i int) float64 { return micro(v.rounds[i].p99 - bare.rounds[i].p99) }).Median,
			CPU:      micro(cpu) / float64(requests),
		})
	}
	for _, a := range aims {
		of, to := byName[a.Of], byName[a.To]
		if of != nil && to != nil {
			a.judge(ratio(of, to))
			r.Aims = append(r.Aims, a)
		}
	}
	return r
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// ratio compares the rates of two variants, round by round.
func ratio(of, to *variant) spread {
	return spreadOf(of.rounds, func(i int) float64 { return of.rounds[i].rate / to.rounds[i].rate })
}

// spreadOf returns the median and the quartiles of a figure of every round.
func spreadOf(of []round, figure func(i int) float64) spread {
	all := make([]float64, len(of))
	for i := range all {
		all[i] = figure(i)
	}
	slices.Sort(all)
	at := func(q float64) float64 { // between the two nearest
		x := q * float64(len(all)-1)
		i := int(x)
		j := min(i+1, len(all)-1)
		return all[i] + (x-float64(i))*(all[j]-all[i])
	}
	return spread{Median: at(0.50), Lower: at(0.25), Upper: at(0.75)}
}

// judge says whether the aim is reached; where rounds differ too much to tell,
// it says so.
func (a *aim) judge(got spread) {
	a.Ratio = got
	switch {
	case got.Median >= a.Wanted:
		a.Verdict = "reached"
	case got.Upper >= a.Wanted:
		a.Verdict = "reached in some rounds"
	default:
		a.Verdict = "missed"
	}
}

// finish counts the refusals in the store, prints everything, and fails when a
// refusal was not counted.
func (r *report) finish(ctx context.Context, p *program, variants []*variant, o options) error {
	for _, v := range variants {
		if v.name != refusedJSON && v.name != refusedPage {
			continue
		}
		if r.Counted == nil {
			stored, err := p.blocked(ctx, v.tenant)
			if err != nil {
				return err
			}
			r.Counted = &counts{Stored: stored}
		}
		r.Counted.Received += v.received
	}
	write := r.table
	if o.json {
		write = r.json
	}
	if err := write(os.Stdout); err != nil {
		return err
	}
	if c := r.Counted; c != nil && c.Received != c.Stored {
		return fmt.Errorf("%d refusals were received and %d are counted in the store", c.Received, c.Stored)
	}
	return nil
}

func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) table(out io.Writer) error {
	fmt.Fprintf(out, "%d cores, %d connections, %d rounds of %s for each variant\n\n", r.Cores, r.Connections, r.Rounds, roundTime)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "req/s\tratio\tquartiles\tadded p50\tadded p99\tCPU\t  variant")
	for _, v := range r.Rows {
		fmt.Fprintf(w, "%.0f\t%.3f\t%.3f – %.3f\t%+.0f µs\t%+.0f µs\t%.1f µs\t  %s\n",
			v.Rate, v.Ratio.Median, v.Ratio.Lower, v.Ratio.Upper, v.AddedP50, v.AddedP99, v.CPU, v.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, a := range r.Aims {
		fmt.Fprintf(out, "aim: %s ≥ %.2f × %s: %.3f (%.3f – %.3f), %s\n", a.Of, a.Wanted, a.To, a.Ratio.Median, a.Ratio.Lower, a.Ratio.Upper, a.Verdict)
	}
	if c := r.Counted; c != nil {
		fmt.Fprintf(out, "refusals: %d received, %d counted in the store\n", c.Received, c.Stored)
	}
	return nil
}
