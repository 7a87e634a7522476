package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func checkCommand() *cobra.Command {
	cmd := onStore(leaf("check TENANT ADDRESS", "Say whether the list admits an address, and why; exit status 3 if not", checkAddress))
	cmd.Long = `Says whether the list of a tenant admits an address, now or at an earlier moment
with the list of that moment, and why. Exit status: 0 admitted, 3 not admitted.

It asks the list. The operator's networks of the configuration admit to every
tenant and are not looked at here.`
	cmd.Example = `  caddy sallyport check acme 203.0.113.7
  caddy sallyport check acme 203.0.113.7 --at 2026-03-01T08:30:00Z`
	cmd.Flags().String("at", "", "moment to answer for, as 2006-01-02T15:04:05Z")
	return cmd
}

// checkView is the answer in JSON, as the API gives it.
type checkView struct {
	Allowed bool          `json:"allowed"`
	Reason  gate.Reason   `json:"reason"`
	Entry   *networkView  `json:"entry"`
	Nearest *nearestView  `json:"nearest"`
	Off     []networkView `json:"off"` // contain the address and do not count: off, not begun, or ended
	Version int64         `json:"version"`
	Mode    gate.Mode     `json:"mode"`
}

type nearestView struct {
	Entry  networkView `json:"entry"`
	Prefix string      `json:"prefix"` // the closest of its prefixes
	Bit    int         `json:"bit"`    // the first bit, from 1, that differs
}

func viewCheck(k *gate.Check) checkView {
	v := checkView{Allowed: k.Allowed, Reason: k.Reason, Off: []networkView{}, Version: k.Version, Mode: k.Mode}
	if k.Entry != nil {
		entry := viewNetwork(k.Entry)
		v.Entry = &entry
	}
	if n := k.Nearest; n != nil {
		v.Nearest = &nearestView{viewNetwork(&n.Network), n.Prefix.String(), n.Bit}
	}
	for i := range k.Off {
		v.Off = append(v.Off, viewNetwork(&k.Off[i]))
	}
	return v
}

func checkAddress(c *call) error {
	address, err := cidr.ParseAddr(c.arg(1))
	if err != nil {
		return usage("%w", err)
	}
	at, err := c.moment("at", 0)
	if err != nil {
		return err
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		k, err := c.Check(c.ctx(), c.by, t.ID, address, at)
		if errors.Is(err, gate.ErrNotFound) {
			return fmt.Errorf("%s had no list yet at %s: it was added %s", t.Slug, stamp(at), stamp(t.Created))
		}
		if err != nil {
			return err
		}
		if err := c.print(viewCheck(k), func(w io.Writer) { printCheck(w, k, t.Slug, address.String()) }); err != nil {
			return err
		}
		if !k.Allowed {
			return errNotAdmitted
		}
		return nil
	})
}

func printCheck(w io.Writer, k *gate.Check, tenant, address string) {
	verdict := "is not admitted"
	if k.Allowed {
		verdict = "is admitted"
	}
	line(w, "%s %s to %s: %s (mode %s, list version %d)", address, verdict, tenant, k.Reason, k.Mode, k.Version)
	switch {
	case k.Entry != nil:
		line(w, "The entry %s (%s) contains it.", k.Entry.Range, k.Entry.Label)
	case k.Reason == gate.ByGateOff:
		line(w, "The gate is off for this tenant; no entry contains the address.")
	case k.Reason == gate.ByDryRun:
		line(w, "It would be blocked if the list were enforced.")
	}
	for i := range k.Off {
		line(w, "The entry %s (%s) contains it and does not count: %s.", k.Off[i].Range, k.Off[i].Label, networkState(&k.Off[i], time.Now()))
	}
	if n := k.Nearest; n != nil {
		line(w, "Nearest is %s (%s): bit %d differs.", n.Prefix, n.Network.Label, n.Bit)
	}
}
