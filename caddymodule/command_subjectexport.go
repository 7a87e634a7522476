package caddymodule

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// changeView is a change in JSON, as the API shows it.
type changeView struct {
	ID       string          `json:"id"`
	Position int64           `json:"position"`
	Tenant   string          `json:"tenant"`
	Time     *string         `json:"time"`
	Kind     gate.ChangeKind `json:"kind"`
	Action   string          `json:"action"`
	Subject  string          `json:"subject"`
	Version  int64           `json:"version"`
	Actor    string          `json:"actor"`
	ActorID  *string         `json:"actor_id"`
	Address  *string         `json:"address"`
	Detail   json.RawMessage `json:"detail"`
	Erased   []string        `json:"erased"`
}

func (c *call) viewChange(n *gate.Change) changeView {
	return changeView{
		ID: n.ID, Position: n.Pos, Tenant: c.slug(n.Tenant), Time: stampOrNull(n.At), Kind: n.Kind, Action: n.Action, Subject: n.Subject,
		Version: n.Version, Actor: n.Actor, ActorID: present(n.ActorID), Address: present(addrText(n.Address)), Detail: n.Detail, Erased: orEmpty(n.Erased()),
	}
}

// requestView is an access request in JSON, as the API shows it.
type requestView struct {
	ID        string        `json:"id"`
	State     gate.AskState `json:"state"`
	Reference string        `json:"reference"`
	Made      *string       `json:"made"`
	Address   string        `json:"address"`
	Login     string        `json:"login"`
	AdminID   *string       `json:"admin_id"`
	Why       string        `json:"why"`
	For       string        `json:"for"`
	UserAgent string        `json:"user_agent"`
	Note      string        `json:"note"`
	Decided   *string       `json:"decided"`
	DecidedBy *string       `json:"decided_by"`
	Until     *string       `json:"until"`
}

func viewRequest(r *gate.AccessRequest) requestView {
	span := "always"
	if r.For > 0 {
		span = r.For.String()
	}
	return requestView{
		ID: r.ID, State: r.State, Reference: r.Reference, Made: stampOrNull(r.Made), Address: addrText(r.Address), Login: r.Login,
		AdminID: present(r.Admin), Why: r.Why, For: span, UserAgent: r.UserAgent, Note: r.Note,
		Decided: stampOrNull(r.Decided), DecidedBy: present(r.DecidedBy), Until: stampOrNull(r.Until),
	}
}

// spanView is an entry as it stood in the list for a while.
type spanView struct {
	networkView
	Version int64   `json:"version"` // the first with it
	From    *string `json:"from"`
	To      *string `json:"to"` // null: it is in the list
}

func exportSubject(c *call) error {
	ctx, stop := signal.NotifyContext(c.ctx(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.with(func() (err error) {
		t, err := c.TenantEver(ctx, c.by, c.arg(0))
		if err := missing(err, "tenant", c.arg(0), "tenant list"); err != nil {
			return err
		}
		out := c.cmd.OutOrStdout()
		if path := c.arg(2); path != "" {
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, os.ErrExist) {
				return fmt.Errorf("%s exists already: name a new file", path)
			}
			if err != nil {
				return err
			}
			err = c.writeSubject(ctx, file, t)
			if err = errors.Join(err, file.Close()); err != nil { // what there is of it is of no use
				_ = os.Remove(path)
				return err
			}
			return c.print(struct {
				File string `json:"file"`
			}{path}, func(w io.Writer) {
				line(w, "Wrote what is recorded of %s to %s. Look at it before it is handed out: others are named in it, too.", c.arg(1), path)
			})
		}
		return c.writeSubject(ctx, out, t)
	})
}

// writeSubject writes the document part by part.
func (c *call) writeSubject(ctx context.Context, to io.Writer, t *gate.Tenant) error {
	data, err := c.ExportSubject(ctx, c.by, t, c.arg(1))
	if err := nobodyKnown(err, c.arg(1), t.Slug); err != nil {
		return err
	}
	c.readPlaces()
	doc := &document{w: bufio.NewWriterSize(to, 1<<16)}
	doc.value("tenant", t.Slug)
	doc.value("exported", stamp(time.Now()))
	doc.value("ids", orEmpty(data.IDs))
	doc.value("logins", data.Logins)
	doc.value("names", orEmpty(data.Names))
	var admin *adminView
	if data.Admin != nil {
		view := viewAdmin(data.Admin)
		admin = &view
	}
	doc.value("admin", admin)
	writeAll(ctx, doc, "sessions", data.Sessions, c.viewSession)
	writeAll(ctx, doc, "access_requests", data.Requests, viewRequest)
	writeAll(ctx, doc, "tokens", data.Tokens, viewToken)
	writeAll(ctx, doc, "versions", data.Versions, viewVersion)
	writeAll(ctx, doc, "networks", data.Entries, func(n *gate.NetworkSpan) spanView {
		return spanView{viewNetwork(&n.Network), n.Version, stampOrNull(n.From), stampOrNull(n.To)}
	})
	writeAll(ctx, doc, "mentions", data.Mentions, c.viewMention)
	writeEach(ctx, doc, "attempts", data.EachAttempt, c.viewAttempt)
	writeEach(ctx, doc, "changes", data.EachChange, c.viewChange)
	if ctx.Err() != nil {
		return errors.New("interrupted: what was written is not whole")
	}
	return doc.end()
}

// document writes one JSON object, field by field. Its first error stays.
type document struct {
	w     *bufio.Writer
	begun bool
	err   error
}

func (d *document) field(name string) {
	between := ",\n"
	if !d.begun {
		d.begun, between = true, "{\n"
	}
	d.text(between + `"` + name + `": `)
}

func (d *document) text(s string) {
	if d.err == nil {
		_, d.err = d.w.WriteString(s)
	}
}

func (d *document) json(value any) {
	text, err := json.Marshal(value)
	if d.err == nil {
		d.err = err
	}
	d.text(string(text))
}

func (d *document) value(name string, value any) {
	d.field(name)
	d.json(value)
}

func (d *document) end() error {
	d.text("\n}\n")
	return errors.Join(d.err, d.w.Flush())
}

// writeEach writes a list whose items come one by one, each on a line.
func writeEach[T, V any](ctx context.Context, d *document, name string, each func(context.Context, func(*T) error) error, view func(*T) V) {
	d.field(name)
	between := "["
	err := each(ctx, func(item *T) error {
		d.text(between + "\n")
		d.json(view(item))
		between = ","
		return d.err
	})
	if between == "[" {
		d.text("[")
	}
	d.text("]")
	if d.err == nil {
		d.err = err
	}
}

// writeAll is writeEach for a list that fits into memory.
func writeAll[T, V any](ctx context.Context, d *document, name string, read func(context.Context) ([]T, error), view func(*T) V) {
	writeEach(ctx, d, name, func(ctx context.Context, do func(*T) error) error {
		list, err := read(ctx)
		for i := range list {
			if err := do(&list[i]); err != nil {
				return err
			}
		}
		return err
	}, view)
}
