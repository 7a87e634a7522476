package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

// defaultEmergency is how long emergency access lasts when nothing is said.
const defaultEmergency = 15 * time.Minute

func emergencyCommand() *cobra.Command {
	cmd := onStore(leaf("emergency TENANT", "Let one address in beside the list for a short time, or end that", emergency))
	cmd.Long = `Lets one address in to a tenant, whatever its list says, for at most 24 hours: for
a company that has locked itself out. Who comes from there signs in as always.
Every use is recorded, and the owners of the tenant see who opened it and why.

Without --address it lists what runs. --end ends it: that of --address, or all of
the tenant. Requests from there end with it, within a second.`
	cmd.Example = `  caddy sallyport emergency acme --address 198.51.100.7 --for 15m --why "TICKET-1: list emptied"
  caddy sallyport emergency acme --end`
	f := cmd.Flags()
	f.String("address", "", "the one address to let in")
	f.String("for", "", "how long, at most 24h (default: 15m)")
	f.String("why", "", "why, for the change log and the owners; required")
	f.Bool("end", false, "end what runs")
	return cmd
}

// emergencyView is emergency access in JSON.
type emergencyView struct {
	ID      string  `json:"id"`
	Address string  `json:"address"`
	Until   *string `json:"until"`
	Reason  string  `json:"reason"`
	Made    *string `json:"made"`
	By      string  `json:"by"`
}

func viewEmergency(e *gate.Emergency) emergencyView {
	return emergencyView{e.ID, e.Address.String(), stampOrNull(e.Until), e.Reason, stampOrNull(e.Made), e.By}
}

func emergency(c *call) error {
	var address netip.Addr
	var err error
	if c.given("address") {
		if address, err = cidr.ParseAddr(c.text("address")); err != nil {
			return usage("--address: %w", err)
		}
	}
	within, err := c.span("for")
	if err != nil {
		return err
	}
	switch {
	case c.on("end") && (c.given("why") || c.given("for")):
		return usage("--end takes no --why and no --for")
	case !c.on("end") && !address.IsValid() && (c.given("why") || c.given("for")):
		return usage("--address is missing: it is the one address to let in")
	case !c.on("end") && address.IsValid() && !c.given("why"):
		return usage("--why is missing: the owners of the tenant see it")
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		switch {
		case err != nil:
			return err
		case c.on("end"):
			return c.endEmergencies(t, address)
		case address.IsValid():
			return c.openEmergency(t, address, cmp.Or(within, defaultEmergency))
		}
		return c.listEmergencies(t)
	})
}

func (c *call) openEmergency(t *gate.Tenant, a netip.Addr, within time.Duration) error {
	e, err := c.OpenEmergency(c.ctx(), c.by, t.ID, a, within, c.text("why"))
	if err := stored(err); err != nil {
		return err
	}
	return c.print(viewEmergency(e), func(w io.Writer) {
		line(w, "%s gets in to %s until %s. End it with 'caddy sallyport emergency %s --end'.", e.Address, t.Slug, stamp(e.Until), t.Slug)
	})
}

// endEmergencies ends what runs for an address, or all of a tenant.
func (c *call) endEmergencies(t *gate.Tenant, a netip.Addr) error {
	ended := []emergencyView{}
	for _, e := range c.Emergencies(t.ID) {
		if a.IsValid() && e.Address != a {
			continue
		}
		err := stored(c.EndEmergency(c.ctx(), c.by, t.ID, e.ID))
		if errors.Is(err, gate.ErrNotFound) { // its time was over, or somebody was faster
			continue
		}
		if err != nil {
			return err
		}
		ended = append(ended, viewEmergency(&e))
	}
	if len(ended) == 0 {
		return fmt.Errorf("no emergency access of %s runs: see 'caddy sallyport emergency %s'", t.Slug, t.Slug)
	}
	return c.print(items[emergencyView]{ended}, func(w io.Writer) {
		for _, e := range ended {
			line(w, "Ended the emergency access of %s to %s.", e.Address, t.Slug)
		}
	})
}

func (c *call) listEmergencies(t *gate.Tenant) error {
	views := []emergencyView{}
	running := c.Emergencies(t.ID)
	for i := range running {
		views = append(views, viewEmergency(&running[i]))
	}
	return c.print(items[emergencyView]{views}, func(w io.Writer) {
		if len(running) == 0 {
			line(w, "No emergency access of %s runs. To open one, give --address, --for and --why.", t.Slug)
			return
		}
		row(w, "ADDRESS", "UNTIL", "BY", "WHY", "ID")
		for _, e := range running {
			row(w, e.Address, stamp(e.Until), e.By, e.Reason, e.ID)
		}
	})
}
