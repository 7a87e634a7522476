package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/auth"
	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

func attemptsCommand() *cobra.Command {
	cmd := onStore(leaf("attempts [REFERENCE]", "List or export refusals and sign-ins, or explain one by its reference", attempts))
	cmd.Long = `Lists recorded refusals and sign-ins, newest first. With a reference, as it
stands on a block page, it prints that record and how its decision went, step by
step; case, spaces and missing dashes do not matter.

With --follow it goes on and prints new records as they are stored, oldest
first. A record whose count has grown is printed again. With --json each is a
line of its own.

With --format it writes all of them for other programs instead, newest first, to
standard output or to the file --output. The file has its name only when it is
whole, and beside it is its SHA-256, as sha256sum reads it. What was exported,
with the number of records and the SHA-256, is in the change log.`
	cmd.Example = `  caddy sallyport attempts --tenant acme --since 24h --reason outside_networks
  caddy sallyport attempts --address 203.0.113.0/24 --follow
  caddy sallyport attempts --tenant acme --since 30d --format csv --output attempts.csv
  caddy sallyport attempts SP-9D63-TBCC`
	f := cmd.Flags()
	f.String("tenant", "", "only of this tenant")
	f.String("since", "", "only later than this: 24h, 7d, or a time (default with --follow: now)")
	f.String("until", "", "only earlier than this: 24h, 7d, or a time")
	f.StringArray("reason", nil, "only with this reason; may be repeated")
	f.StringArray("outcome", nil, "only blocked, would_block, refused or allowed; may be repeated")
	f.StringArray("stage", nil, "only gate, sign_in or session; may be repeated")
	f.String("address", "", "only from this address, CIDR or range")
	f.String("login", "", "only with this login, an admin's or not; needs --tenant")
	f.Int("limit", 100, "how many; 0: all (default with --format: all)")
	f.Bool("follow", false, "go on and print new ones as they come")
	f.String("format", "", "write for other programs: csv, jsonl, ecs, ocsf or cef")
	f.String("output", "", "with --format: the file to write (default: standard output)")
	return cmd
}

// attemptView is an attempt in JSON, as the API shows it.
type attemptView struct {
	export.Record
	Explanation *explanationView `json:"explanation,omitempty"` // only where one is asked for
}

type explanationView struct {
	Hops  []gate.Hop `json:"hops"`
	Check *checkView `json:"check"` // by the list that was in force; null: none was asked, or it is gone
	Steps []stepView `json:"steps"`
}

type stepView struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

func (c *call) viewAttempt(a *gate.Attempt) attemptView {
	return attemptView{Record: export.NewRecord(a, c.slug(a.Tenant), c.PlaceOf(a.Address, a.Bits))}
}

// seenFrom is the address of an attempt, or the network it was folded into.
func seenFrom(a *gate.Attempt) string { return export.Address(a.Address, a.Bits) }

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func attempts(c *call) error {
	if c.arg(0) != "" {
		return explainAttempt(c)
	}
	if err := c.checkExport(); err != nil {
		return err
	}
	f, err := c.attemptFilter()
	if err != nil {
		return err
	}
	return c.with(func() error {
		c.readPlaces()
		if c.text("tenant") != "" {
			t, err := c.tenant(c.text("tenant"))
			if err != nil {
				return err
			}
			f.Tenant = t.ID
		}
		switch {
		case c.on("follow"):
			return c.follow(f)
		case c.given("format"):
			return c.exportAttempts(f)
		}
		list, err := c.Attempts(c.ctx(), c.by, f)
		if err != nil {
			return err
		}
		views := make([]attemptView, len(list))
		for i := range list {
			views[i] = c.viewAttempt(&list[i])
		}
		return c.print(items[attemptView]{views}, func(w io.Writer) {
			row(w, c.attemptHeader()...)
			for i := range list {
				row(w, c.attemptCells(&list[i])...)
			}
			if f.Limit > 0 && len(list) == f.Limit {
				line(w, "These are the newest %d: there may be more, see --limit and --since.", f.Limit)
			}
		})
	})
}

// attemptHeader names the columns. There are places only where the
// configuration names files that tell them.
func (c *call) attemptHeader() []any {
	header := []any{"TIME", "TENANT", "ADDRESS", "OUTCOME", "REASON", "COUNT", "ADMIN", "REQUEST", "REFERENCE", "NODE"}
	if len(c.at.places) > 0 {
		header = append(header, "PLACE")
	}
	return header
}

func (c *call) attemptCells(a *gate.Attempt) []any {
	cells := []any{
		stamp(a.FirstTime), c.slug(a.Tenant), seenFrom(a), a.Outcome, a.Reason, a.Count, who(a),
		a.Method + " " + a.Host + a.Path, a.Reference, a.Node,
	}
	if len(c.at.places) > 0 {
		cells = append(cells, c.PlaceOf(a.Address, a.Bits))
	}
	return cells
}

// who is the admin of an attempt, as far as it is known.
func who(a *gate.Attempt) string {
	if a.LoginHash != "" {
		return "nobody's login"
	}
	return cmp.Or(a.Login, a.Admin)
}

// attemptFilter reads the flags; the tenant is left to who has the store.
func (c *call) attemptFilter() (f gate.AttemptFilter, err error) {
	if f.Limit, err = c.limit(); err != nil {
		return f, err
	}
	if f.Since, err = c.moment("since", -1); err != nil {
		return f, err
	}
	if f.Until, err = c.moment("until", -1); err != nil {
		return f, err
	}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return f, usage("--until is not after --since")
	}
	err = cmp.Or(addWords(c, &f, gate.FieldReason, gate.Reasons), addWords(c, &f, gate.FieldOutcome, gate.Outcomes), addWords(c, &f, gate.FieldStage, gate.Stages))
	if err != nil {
		return f, err
	}
	if c.given("login") {
		if c.text("tenant") == "" {
			return f, usage("--login needs --tenant: a login is a tenant's")
		}
		f.Where = append(f.Where, gate.Condition{Field: gate.FieldLogin, Value: c.text("login")})
	}
	if c.given("address") {
		r, _, err := cidr.Parse(c.text("address"))
		if err != nil {
			return f, usage("--address %w", err)
		}
		for _, p := range r.Prefixes() {
			f.Where = append(f.Where, gate.Condition{Field: gate.FieldAddress, Range: p})
		}
	}
	return f, nil
}

// addWords reads a flag with words of a closed list.
func addWords[T ~string](c *call, f *gate.AttemptFilter, field gate.Field, known []T) error {
	for _, text := range c.list(string(field)) {
		if !slices.Contains(known, T(text)) {
			return usage("there is no %s %q: %s", field, text, joined(known))
		}
		f.Where = append(f.Where, gate.Condition{Field: field, Value: text})
	}
	return nil
}

// checkExport checks the flags that say how attempts leave.
func (c *call) checkExport() error {
	switch {
	case !c.given("format") && c.given("output"):
		return usage("--output belongs to --format: write %s", joined(export.Formats))
	case !c.given("format"):
		return nil
	case !slices.Contains(export.Formats, export.Format(c.text("format"))):
		return usage("there is no format %q: %s", c.text("format"), joined(export.Formats))
	case c.on("json"), c.on("follow"):
		return usage("--format goes neither with --json nor with --follow")
	}
	return nil
}

func joined[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}

// Pace of following, and how far back it looks for records that still grow.
const (
	followEvery = 500 * time.Millisecond
	followBack  = 30 * time.Second
)

// follow prints records as they are stored, until the command is interrupted.
func (c *call) follow(f gate.AttemptFilter) error {
	ctx, stop := signal.NotifyContext(c.ctx(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.Since.IsZero() {
		f.Since = time.Now()
	}
	f.Limit = 0
	printed := map[string]int64{} // counts, by reference
	if !c.on("json") {
		c.cmd.Println(printable(followLine(c.attemptHeader())))
	}
	for {
		list, err := c.Attempts(ctx, c.by, f)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		current := make(map[string]int64, len(list))
		for i := range slices.Backward(list) {
			a := &list[i]
			current[a.Reference] = a.Count
			if printed[a.Reference] != a.Count {
				if err := c.printFollowed(a); err != nil {
					return err
				}
			}
		}
		printed = current
		if back := time.Now().Add(-followBack); back.After(f.Since) {
			f.Since = back
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

func (c *call) printFollowed(a *gate.Attempt) error {
	out := c.cmd.OutOrStdout()
	if c.on("json") {
		return json.NewEncoder(out).Encode(c.viewAttempt(a))
	}
	_, err := fmt.Fprintln(out, printable(followLine(c.attemptCells(a))))
	return err
}

// followLine parts cells by two spaces: columns cannot be aligned with lines
// that have not come yet.
func followLine(cells []any) string {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		if texts[i] = fmt.Sprint(cell); texts[i] == "" {
			texts[i] = "-"
		}
	}
	return strings.Join(texts, "  ")
}

func explainAttempt(c *call) error {
	for _, flag := range []string{"since", "until", "reason", "outcome", "stage", "address", "login", "limit", "follow", "format", "output"} {
		if c.given(flag) {
			return usage("--%s does not go with a reference", flag)
		}
	}
	reference, err := auth.ParseReference(c.arg(0))
	if err != nil {
		return usage("%q: %w", c.arg(0), err)
	}
	return c.with(func() error {
		c.readPlaces()
		tenant := ""
		if c.text("tenant") != "" {
			t, err := c.tenant(c.text("tenant"))
			if err != nil {
				return err
			}
			tenant = t.ID
		}
		e, err := c.Explain(c.ctx(), c.by, tenant, reference)
		if err := missing(err, "attempt", reference, "attempts"); err != nil {
			return err
		}
		return c.printExplanation(e)
	})
}

func (c *call) printExplanation(e *gate.Explanation) error {
	view := c.viewAttempt(&e.Attempt)
	view.Explanation = &explanationView{Hops: orEmpty(e.Attempt.Hops), Steps: []stepView{}}
	if e.Check != nil {
		check := viewCheck(e.Check)
		view.Explanation.Check = &check
	}
	for _, s := range e.Steps {
		view.Explanation.Steps = append(view.Explanation.Steps, stepView(s))
	}
	return c.print(view, func(w io.Writer) {
		a := &e.Attempt
		row(w, "reference", a.Reference)
		row(w, "time", stamp(a.FirstTime))
		row(w, "last time", stamp(a.LastTime))
		row(w, "count", a.Count)
		row(w, "tenant", c.slug(a.Tenant))
		row(w, "host", a.Host)
		row(w, "address", seenFrom(a))
		if place := c.PlaceOf(a.Address, a.Bits); place != (gate.Place{}) {
			row(w, "place (approximate)", place)
		}
		row(w, "peer", addrText(a.Peer))
		row(w, "stage", a.Stage)
		row(w, "outcome", a.Outcome)
		row(w, "reason", a.Reason)
		row(w, "admin", who(a))
		row(w, "request", a.Method+" "+a.Path)
		row(w, "user agent", a.UserAgent)
		row(w, "list version", a.ListVersion)
		row(w, "node", a.Node)
		line(w, "")
		for _, s := range e.Steps {
			row(w, s.Name, s.Detail)
		}
	})
}
