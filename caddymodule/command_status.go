package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
	"github.com/sallyport-gate/sallyport/internal/web"
)

func statusCommand() *cobra.Command {
	cmd := onStore(leaf("status", "Show the store, the nodes, and what they saw and stored", status))
	cmd.Long = `Shows the store, the nodes and the ledger. A node is in step when it decides by
the newest change; one that was not stopped and has not been heard of for 15
minutes is gone, and changes do not wait for it any more. After seven days it is
forgotten. The ledger says for every start of every node how many attempts
it saw, how many of them are stored, were deleted when their retention ended, or
are lost because the program was killed before it could store them. What a
running node saw last is stored within a second. Where the configuration names
files that tell places, it shows how old they are and whether they can be used.
Where attempts go on to syslog servers or webhooks, it shows how far each of them
has come, what is wrong with it, and what was deleted before it was delivered.`
	return cmd
}

func migrateCommand() *cobra.Command {
	cmd := onStore(leaf("migrate", "Make the store's tables, or bring those of an older program up to date", migrate))
	cmd.Long = `Makes the tables of a store, or brings those that an older program made up to
date. Migrations only go forward; nodes of the version before this one go on
working during and after it.`
	return cmd
}

func auditCommands() *cobra.Command {
	verify := onStore(leaf("verify [FILE]", "Check the chain of the change log, or of a downloaded file; exit status 1 if it is broken", verifyChanges))
	verify.Long = `Checks that no row of the change log was altered, moved or taken out. With FILE it
checks one that an owner downloaded from the console, which needs no store: each
row is proof of itself, and neighbours of each other. Compare the hash of its
newest change with the one in the console.`
	return group(&cobra.Command{Use: "audit", Short: "The change log"}, verify)
}

type statusView struct {
	Store    string             `json:"store"`
	Schema   string             `json:"schema"`   // always current: a store with other tables is not opened
	Position int64              `json:"position"` // of the newest change
	Tenants  int                `json:"tenants"`
	Nodes    []web.NodeJSON     `json:"nodes"`
	Ledgers  []ledgerView       `json:"ledgers"`
	Places   []web.PlacesJSON   `json:"places"`
	Deliver  []web.DeliveryJSON `json:"deliver"`
}

type ledgerView struct {
	Node     string  `json:"node"`
	Started  *string `json:"started"`
	Finished bool    `json:"finished"`
	Seen     int64   `json:"seen"`
	Stored   int64   `json:"stored"`
	Deleted  int64   `json:"deleted"`
	Waiting  int64   `json:"waiting"` // of a running node
	Lost     int64   `json:"lost"`
}

func viewLedger(l *gate.Ledger) ledgerView {
	v := ledgerView{l.Node, stampOrNull(l.Started), l.Finished, l.Seen, l.Stored, l.Deleted, 0, l.Lost}
	if !l.Finished {
		v.Seen = max(l.Seen, l.Stored+l.Deleted) // a sign-in is stored before the account that counts it
		v.Waiting = v.Seen - l.Stored - l.Deleted
	}
	return v
}

func printBeats(w io.Writer, nodes []gate.Node, views []web.NodeJSON) {
	line(w, "")
	row(w, "NODE", "VERSION", "STATE", "SEEN", "LAG", "CLOCK", "DECISIONS")
	for i := range views {
		v := &views[i]
		d := v.Health.Decisions
		row(w, v.Node, v.Version, strings.ReplaceAll(v.State, "_", " "), stamp(nodes[i].Seen), v.Lag, nodes[i].Offset,
			fmt.Sprintf("%.1f/s, half within %s, 99 %% within %s", d.PerSecond, d.P50, d.P99))
	}
}

func status(c *call) error {
	return c.with(func() error {
		c.readPlaces()
		places := c.PlacesFiles()
		s := c.Status(c.ctx())
		ledgers, err := c.store.Ledgers(c.ctx())
		if err != nil {
			return err
		}
		deliveries, err := c.Deliveries(c.ctx())
		if err != nil {
			return err
		}
		nodes, now, err := c.NodesNow(c.ctx())
		if err != nil {
			return err
		}
		v := statusView{Store: store.Redact(c.at.dsn), Schema: "current", Position: s.Position, Tenants: s.Tenants, Nodes: web.NewNodesJSON(nodes, s.Position, now), Ledgers: []ledgerView{}, Places: web.NewPlacesJSON(places), Deliver: web.NewDeliveriesJSON(deliveries, c.slug, time.Now())}
		for i := range ledgers {
			v.Ledgers = append(v.Ledgers, viewLedger(&ledgers[i]))
		}
		return c.print(v, func(w io.Writer) {
			row(w, "store", v.Store)
			row(w, "tables", "up to date")
			row(w, "changes", v.Position)
			row(w, "tenants", v.Tenants)
			printBeats(w, nodes, v.Nodes)
			line(w, "")
			row(w, "LEDGER OF", "STARTED", "STATE", "SEEN", "STORED", "DELETED", "WAITING", "LOST")
			for i := range v.Ledgers {
				l := &v.Ledgers[i]
				row(w, l.Node, stamp(ledgers[i].Started), ledgerState(l.Finished), l.Seen, l.Stored, l.Deleted, l.Waiting, l.Lost)
			}
			printPlaces(w, places)
			printDeliveries(w, deliveries)
		})
	})
}

// ledgerState: a node that was killed closes its account at its next start, so
// one that is open does not prove that it runs.
func ledgerState(finished bool) string {
	if finished {
		return "ended"
	}
	return "running, or killed"
}

func migrate(c *call) error {
	p, err := c.find()
	if err != nil {
		return err
	}
	nothing := func() error { return nil }
	migrated := !p.exists()
	if !migrated {
		err := c.open(p, false, nothing)
		if migrated = errors.Is(err, store.ErrNeedsMigration); err != nil && !migrated {
			return err
		}
	}
	if migrated {
		if err := c.open(p, true, nothing); err != nil {
			return err
		}
	}
	view := struct {
		Store    string `json:"store"`
		Migrated bool   `json:"migrated"`
	}{store.Redact(p.dsn), migrated}
	return c.print(view, func(w io.Writer) {
		if migrated {
			line(w, "The store %s is up to date now.", view.Store)
		} else {
			line(w, "The store %s was up to date already.", view.Store)
		}
	})
}

func verifyChanges(c *call) error {
	if c.arg(0) != "" {
		return verifyChangeFile(c)
	}
	return c.with(func() error {
		chain, err := c.VerifyChanges(c.ctx())
		if err != nil {
			return err
		}
		view := struct {
			Verified int64 `json:"verified"`
			Erased   int64 `json:"erased"`
		}{chain.Held, chain.Erased}
		return c.print(view, func(w io.Writer) { line(w, "The chain holds: %s.", verifiedText(chain)) })
	})
}

// verifyChangeFile checks a file by itself, wherever the store is.
func verifyChangeFile(c *call) error {
	file, err := os.Open(c.arg(0))
	if err != nil {
		return err
	}
	defer file.Close()
	found, err := gate.VerifyChangeFile(file)
	if err != nil {
		return err
	}
	view := struct {
		Verified int64  `json:"verified"`
		Erased   int64  `json:"erased"`
		Newest   int64  `json:"newest"`
		Hash     string `json:"hash"`
	}{found.Verified, found.Erased, found.Newest, found.Hash}
	return c.print(view, func(w io.Writer) {
		line(w, "The file holds: %s.", verifiedText(gate.Chain{Held: found.Verified, Erased: found.Erased}))
		if found.Newest > 0 {
			line(w, "Its newest is change %d with the hash %s: compare that with the console.", found.Newest, found.Hash)
		}
	})
}

// verifiedText says what of a chain holds, and what was erased in it.
func verifiedText(c gate.Chain) string {
	text := fmt.Sprintf("%d changes verified", c.Held)
	switch {
	case c.Erased == 1:
		text += "; 1 text in them was erased"
	case c.Erased > 1:
		text += fmt.Sprintf("; %d texts in them were erased", c.Erased)
	}
	return text
}
