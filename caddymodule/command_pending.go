package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// editFlags gives a command the flags of everything that edits a list.
func editFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("reason", "", "why, for the history")
	f.String("confirm-within", "", "undo the change by itself unless it is confirmed within this time, 5s to 24h")
	f.StringArray("accept", nil, `what is meant all the same; may be repeated: `+strings.Join(commandAccepts, ", "))
}

// commandAccepts are the words that a command can need: it has no address of its
// own to lose.
var commandAccepts = slices.DeleteFunc(slices.Clone(gate.AcceptWords), func(word string) bool { return word == gate.AcceptOwnAddress })

// editOptions reads the flags of editFlags.
func (c *call) editOptions() (o gate.EditOptions, err error) {
	o = gate.EditOptions{Reason: c.text("reason"), Accept: c.list("accept"), Trusted: c.isTrusted}
	for _, word := range o.Accept {
		if !slices.Contains(commandAccepts, word) {
			return o, usage("--accept %q is unknown: there are %s", word, strings.Join(commandAccepts, ", "))
		}
	}
	o.ConfirmWithin, err = c.span("confirm-within")
	return o, err
}

// span reads a flag with a duration. Zero: it was not given.
func (c *call) span(flag string) (time.Duration, error) {
	if !c.given(flag) {
		return 0, nil
	}
	d, err := caddy.ParseDuration(c.text(flag))
	if err != nil || d <= 0 {
		return 0, usage("--%s %q is no duration: write 5m or 2h", flag, c.text(flag))
	}
	return d, nil
}

// pendingView is a change that waits to be confirmed, in JSON, as the API shows
// it.
type pendingView struct {
	Version int64   `json:"version"`
	Base    int64   `json:"base"` // the version that comes back
	Until   *string `json:"until"`
	By      string  `json:"by"`
	Reason  string  `json:"reason"`
	until   string  // as people read it
}

func viewPending(p *gate.Pending) *pendingView {
	if p == nil {
		return nil
	}
	return &pendingView{p.Version, p.Base, stampOrNull(p.Until), p.By, p.Reason, stamp(p.Until)}
}

// print says what waits, and what to do about it.
func (p *pendingView) print(w io.Writer, tenant string) {
	if p == nil {
		return
	}
	line(w, "Version %d by %s is undone at %s unless it is confirmed: 'caddy sallyport network confirm %s', or network undo.", p.Version, p.By, p.until, tenant)
}

// waiting is the error of an edit while another change waits, which says which.
func (c *call) waiting(err error, t *gate.Tenant) error {
	p := c.Pending(t.ID)
	if !errors.Is(err, gate.ErrChangePending) || p == nil {
		return err
	}
	return fmt.Errorf("version %d by %s waits to be confirmed until %s: 'caddy sallyport network confirm %s' or 'network undo %s' first (%w)",
		p.Version, p.By, stamp(p.Until), t.Slug, t.Slug, err)
}

func pendingCommands() []*cobra.Command {
	confirm := onStore(leaf("confirm TENANT [VERSION]", "Let a change stand that waits to be confirmed", confirmChange))
	undo := onStore(leaf("undo TENANT [VERSION]", "Undo a change that waits to be confirmed, now", undoChange))
	return []*cobra.Command{confirm, undo}
}

func confirmChange(c *call) error {
	return c.onPending(func(t *gate.Tenant, version int64) error {
		if err := stored(c.Confirm(c.ctx(), c.by, t.ID, version)); err != nil {
			return err
		}
		return (&editView{Version: version, Warnings: []warningView{}}).print(c, fmt.Sprintf("Confirmed version %d: it stays.", version))
	})
}

func undoChange(c *call) error {
	return c.onPending(func(t *gate.Tenant, version int64) error {
		done, err := c.Undo(c.ctx(), c.by, t.ID, version)
		if err := stored(err); err != nil {
			return err
		}
		return (&editView{Version: done.Version, Warnings: []warningView{}}).print(c, fmt.Sprintf("Undid version %d.", version))
	})
}

// onPending does something about the change that is named, or the one that
// waits.
func (c *call) onPending(do func(t *gate.Tenant, version int64) error) error {
	version, err := strconv.ParseInt(cmp.Or(c.arg(1), "0"), 10, 64)
	if err != nil || version < 0 {
		return usage("%q is not the number of a version", c.arg(1))
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		if p := c.Pending(t.ID); version == 0 && p != nil {
			version = p.Version
		}
		return do(t, version)
	})
}
