package caddymodule

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// scrapeWithin bounds how long a scrape waits for the store.
const scrapeWithin = 2 * time.Second

// collector reads the metrics from the gate when they are asked for: the gate
// counts through reloads, while Caddy makes a fresh registry for each. Labels
// only have values from the closed lists of outcomes and reasons.
type collector struct{ install *installation }

var (
	decisionsDesc = prometheus.NewDesc("sallyport_decisions_total", "Requests decided, by outcome and reason.", []string{"outcome", "reason"}, nil)
	openDesc      = prometheus.NewDesc("sallyport_open_requests", "Requests that passed and are still under way.", nil, nil)
	tenantsDesc   = prometheus.NewDesc("sallyport_tenants", "Tenants in the policy.", nil, nil)
	seenDesc      = prometheus.NewDesc("sallyport_attempts_seen_total", "Attempts recorded since this node started.", nil, nil)
	waitingDesc   = prometheus.NewDesc("sallyport_attempts_waiting", "Attempts that are not stored yet.", nil, nil)
	storeDesc     = prometheus.NewDesc("sallyport_store_up", "1: the store answers; 0: requests are decided by the last policy, sign-ins and edits wait.", nil, nil)
	lagDesc       = prometheus.NewDesc("sallyport_store_lag_seconds", "Time since the store last answered.", nil, nil)
	placesDesc    = prometheus.NewDesc("sallyport_places_up", "1: all files that tell places are in use as they are; 0: one cannot be read, and its old content is in use.", nil, nil)
	placesAgeDesc = prometheus.NewDesc("sallyport_places_age_seconds", "Time since the oldest file that tells places was built.", nil, nil)

	destination      = []string{"destination"} // by its name in the configuration
	deliveredDesc    = prometheus.NewDesc("sallyport_delivered_total", "Records that a destination has, whichever node delivered them.", destination, nil)
	undeliveredDesc  = prometheus.NewDesc("sallyport_delivery_waiting", "Records that wait for a destination.", destination, nil)
	deliveryLagDesc  = prometheus.NewDesc("sallyport_delivery_lag_seconds", "Time since the oldest record that waits for a destination could have gone there.", destination, nil)
	deliveryDesc     = prometheus.NewDesc("sallyport_delivery_up", "1: nothing is wrong with a destination; 0: the last try failed, and what waits is kept.", destination, nil)
	deliveryDropDesc = prometheus.NewDesc("sallyport_delivery_dropped_total", "Records that retention deleted before a destination had them.", destination, nil)

	positionDesc = prometheus.NewDesc("sallyport_policy_position", "Position in the change log up to which the policy is in force.", nil, nil)
)

// registerMetrics adds the metrics to those of a configuration.
func (a *App) registerMetrics(registry *prometheus.Registry) error {
	if err := registry.Register(collector{a.install}); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

// Describe implements [prometheus.Collector].
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{decisionsDesc, openDesc, tenantsDesc, seenDesc, waitingDesc, storeDesc, lagDesc, positionDesc, placesDesc, placesAgeDesc,
		deliveredDesc, undeliveredDesc, deliveryLagDesc, deliveryDesc, deliveryDropDesc} {
		ch <- desc
	}
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(ch chan<- prometheus.Metric) {
	g := c.install.gate.Load()
	if g == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	s := g.Status(ctx)
	gauge := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(openDesc, float64(s.Open))
	gauge(tenantsDesc, float64(s.Tenants))
	gauge(waitingDesc, float64(s.Waiting))
	gauge(storeDesc, oneIf(!s.StoreDown))
	gauge(lagDesc, s.Lag.Seconds())
	gauge(positionDesc, float64(s.Position))
	if files := g.PlacesFiles(); len(files) > 0 {
		up, oldest := true, time.Now()
		for _, f := range files {
			up = up && f.Trouble == ""
			if f.Built.Before(oldest) {
				oldest = f.Built
			}
		}
		gauge(placesDesc, oneIf(up))
		gauge(placesAgeDesc, time.Since(oldest).Seconds())
	}
	collectDeliveries(ctx, g, ch)
	ch <- prometheus.MustNewConstMetric(seenDesc, prometheus.CounterValue, float64(s.Seen))
	g.Counts(func(outcome gate.Outcome, reason gate.Reason, n int64) {
		ch <- prometheus.MustNewConstMetric(decisionsDesc, prometheus.CounterValue, float64(n), string(outcome), string(reason))
	})
}

// collectDeliveries says nothing while the store is away.
func collectDeliveries(ctx context.Context, g *gate.Gate, ch chan<- prometheus.Metric) {
	list, err := g.Deliveries(ctx)
	if err != nil {
		return
	}
	now := time.Now()
	for i := range list {
		d := &list[i]
		for _, m := range []struct {
			desc  *prometheus.Desc
			kind  prometheus.ValueType
			value float64
		}{
			{deliveredDesc, prometheus.CounterValue, float64(d.Delivered)},
			{undeliveredDesc, prometheus.GaugeValue, float64(d.Waiting)},
			{deliveryLagDesc, prometheus.GaugeValue, d.Lag(now).Seconds()},
			{deliveryDesc, prometheus.GaugeValue, oneIf(d.LastError == "")},
			{deliveryDropDesc, prometheus.CounterValue, float64(d.Dropped)},
		} {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value, d.Name)
		}
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

var _ prometheus.Collector = collector{}
