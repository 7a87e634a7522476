package caddymodule

import (
	"fmt"
	"io"
	"time"
)

// progress shows on a line of a terminal how far something long is.
type progress struct {
	w     io.Writer
	what  string // is counted
	began time.Time
	last  time.Time
	n     int64
	most  int64 // how many there will be; 0: nobody knows
}

// progressEvery is how often the line is written anew.
const progressEvery = 200 * time.Millisecond

func (c *call) progress(what string) *progress {
	return &progress{w: c.cmd.ErrOrStderr(), what: what, began: time.Now()}
}

func (p *progress) show(n int64) { p.showOf(n, 0) }

func (p *progress) showOf(n, most int64) {
	p.n, p.most = n, most
	if now := time.Now(); now.Sub(p.last) >= progressEvery {
		p.last = now
		p.print()
	}
}

func (p *progress) print() {
	of := ""
	if p.most > 0 {
		of = fmt.Sprintf(" of %d", p.most)
	}
	fmt.Fprintf(p.w, "\r%d%s %s, %.0f/s ", p.n, of, p.what, float64(p.n)/max(time.Since(p.began).Seconds(), 0.001))
}

func (p *progress) end() {
	p.print()
	fmt.Fprintln(p.w)
}
