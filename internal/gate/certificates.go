package gate

import (
	"slices"
	"time"
)

// namedHosts bounds how many hosts a finding about certificates names.
const namedHosts = 5

// Validity is the time in which a certificate counts; zero: there is none.
type Validity struct{ Begins, Ends time.Time }

// Certificates is what a node knows of the certificates of the hosts of tenants.
type Certificates struct {
	Held    int       `json:"held"`    // hosts that have one
	Ends    time.Time `json:"ends"`    // the first of them
	Host    string    `json:"host"`    // whose it is
	Late    []string  `json:"late"`    // hosts whose certificate ends soon, and should have been renewed: some of them
	Without []string  `json:"without"` // hosts that have none: some of them
	Missing int       `json:"missing"` // how many these are
}

// certificateLate is how long before its end a certificate is late: Caddy renews
// it when a third of its life is left. Those of short lives have a sixth of it.
const certificateLate = 14 * 24 * time.Hour

func (v Validity) late(now time.Time) bool {
	return v.Ends.Sub(now) < min(certificateLate, v.Ends.Sub(v.Begins)/6)
}

// SetCertificates says how to find the certificate that visitors of a host are
// shown. What comes of it is found out once a minute, see [Health].
func (g *Gate) SetCertificates(of func(host string) Validity) { g.gauges.certificateOf.Store(&of) }

// lookAtCertificates looks at those of all tenants. A node that has none at all
// leaves TLS to others, and says nothing of it.
func (g *Gate) lookAtCertificates(now time.Time) {
	of := g.gauges.certificateOf.Load()
	if of == nil {
		return
	}
	c := &Certificates{Late: []string{}, Without: []string{}}
	g.snap.tenants.all(func(_ string, t *tenantState) {
		for _, host := range t.Hosts {
			switch v := (*of)(host); {
			case v.Ends.IsZero():
				c.Missing++
				c.Without = named(c.Without, host)
			default:
				c.Held++
				if c.Ends.IsZero() || v.Ends.Before(c.Ends) {
					c.Ends, c.Host = v.Ends, host
				}
				if v.late(now) {
					c.Late = named(c.Late, host)
				}
			}
		}
	})
	if c.Held == 0 {
		c = nil
	}
	g.gauges.certificates.Store(c)
}

// named keeps the first few names in their order, so that the same are named
// each time.
func named(names []string, name string) []string {
	i, _ := slices.BinarySearch(names, name)
	return slices.Insert(names, i, name)[:min(len(names)+1, namedHosts)]
}

// SetMissingWords says how to count the sentences that the pages of this node
// could not say in the language that was asked for.
func (g *Gate) SetMissingWords(count func() int64) { g.gauges.missingWords.Store(&count) }
