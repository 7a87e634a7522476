package web

import (
	"strconv"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// chartView is a timeline: a bar for each bucket, which leads to its span.
type chartView struct {
	Caption string
	Width   int
	Most    string // the largest sum of a bucket
	First   string
	Last    string
	Bars    []barOf
}

// barOf is a bucket of the timeline. Y and heights are parts of chartHeight.
type barOf struct {
	X                          int
	AllowedY, DryY, BadY       int
	AllowedH, DryH, BadH       int
	URL, Label                 string // no URL: nothing began in it
	Start                      moment
	Blocked, Dry, Refused, Let string
}

// Measures of the chart, in the units of its view box.
const (
	chartHeight = 100
	barWidth    = 10
)

// chart draws the buckets of a span.
func (d *securityData) chart(sum *gate.Summary) *chartView {
	if sum.Records == 0 {
		return nil
	}
	var most, peak int64
	var at gate.Bucket
	for _, b := range sum.Buckets {
		most = max(most, b.NotAllowed()+b.Allowed)
		if bad := b.NotAllowed(); bad > peak {
			peak, at = bad, b
		}
	}
	c := &chartView{Width: barWidth * len(sum.Buckets), Most: grouped(most)}
	c.Caption = d.T("chart.none")
	if peak > 0 {
		c.Caption = d.T("chart.caption", "Count", grouped(sum.Total.NotAllowed()), "Peak", grouped(peak), "Time", d.minute(at.Start))
	}
	c.First, c.Last = d.minute(sum.Buckets[0].Start), d.minute(sum.Until)
	for i, b := range sum.Buckets {
		bar := barOf{
			X: i * barWidth, Start: d.minuteOf(b.Start),
			Blocked: grouped(b.Blocked), Dry: grouped(b.WouldBlock), Refused: grouped(b.Refused), Let: grouped(b.Allowed),
		}
		bad := b.Blocked + b.Refused
		bar.AllowedH, bar.DryH, bar.BadH = height(b.Allowed, most), height(b.WouldBlock, most), height(bad, most)
		bar.AllowedY = chartHeight - bar.AllowedH
		bar.DryY = bar.AllowedY - bar.DryH
		bar.BadY = max(bar.DryY-bar.BadH, 0)
		if bad+b.WouldBlock+b.Allowed > 0 {
			end := b.Start.Add(sum.Bucket)
			bar.URL = d.query.link(d.consoleView, "period", "", "since", b.Start.UTC().Format(time.RFC3339), "until", end.UTC().Format(time.RFC3339), "limit", "")
			bar.Label = d.T("chart.bar", "Since", d.minute(b.Start), "Until", d.minute(end), "Bad", grouped(bad), "Dry", grouped(b.WouldBlock), "Allowed", grouped(b.Allowed))
		}
		c.Bars = append(c.Bars, bar)
	}
	return c
}

// height is how high a part of a bar is: something always shows.
func height(n, most int64) int {
	if n == 0 {
		return 0
	}
	return int(max(n*chartHeight/most, 2))
}

// ViewBox is the attribute of the drawing.
func (c *chartView) ViewBox() string {
	return "0 0 " + strconv.Itoa(c.Width) + " " + strconv.Itoa(chartHeight)
}
