package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// atOnce is how long a change may take, from its answer, to be in force on every
// node, and to end what is not allowed any more.
const atOnce = time.Second

// TestNodes changes lists, roles, accounts and sessions through the API of one
// node or by a command, and looks at another node, where the visitor has a
// WebSocket, an event stream and a download under way.
func TestNodes(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			s := setup{store: engine.store(t), console: startConsole(t).address(), node: "node-a"}
			w := &world{a: startGateway(t, s)}
			w.b = w.a // what commands change, another process has changed
			if engine.name == "postgres" {
				s.node = "node-b"
				w.b = startGateway(t, s)
			}
			w.prepare()
			for _, c := range changes {
				t.Run(c.name, func(t *testing.T) { w.within(t).change(c) })
			}
			t.Run("an entry begins", func(t *testing.T) { w.within(t).begins() })
			t.Run("an entry ends", func(t *testing.T) { w.within(t).ends() })
		})
	}
}

// world is one store with its nodes: changes are made at a, and looked at at b.
type world struct {
	t     *testing.T
	a, b  *gateway
	owner *visitor // at a
	count int      // of people
}

// within lends the world to a part of the test.
func (w *world) within(t *testing.T) *world {
	w.t, w.a.t, w.b.t = t, t, t
	w.owner = w.owner.at(w.a)
	return w
}

func (w *world) prepare() {
	w.a.do("tenant", "add", "acme", "--host", "acme.gate.test")
	w.a.do("network", "add", "acme", "192.0.2.0/24", "--label", "Head office")
	w.a.do("tenant", "set", "acme", "--mode", "enforced")
	w.owner = w.a.visit("acme.gate.test", "192.0.2.1")
	w.owner.signIn(w.a.addAccount("acme", "owner", "owner"))
}

// person is somebody who signed in at node b, from an address that one entry of
// the list has.
type person struct {
	*visitor
	login, session string
	entry          string // id
}

// person makes one. The entry counts for some roles only, or for everybody.
func (w *world) person(roles ...string) *person {
	w.t.Helper()
	w.count++
	p := &person{login: fmt.Sprintf("person-%d", w.count)}
	address := fmt.Sprintf("198.51.100.%d", w.count)
	if roles == nil {
		roles = []string{}
	}
	p.entry = w.addEntry(map[string]any{"range": address, "label": "Of " + p.login, "roles": roles})
	who := w.a.addAccount("acme", p.login, "reviewer")
	p.visitor = w.b.visit("acme.gate.test", address)
	eventually(w.t, atOnce, func() error { // the list is in force at b
		return p.get("/").refused(http.StatusUnauthorized, "no_session")
	})
	p.signIn(who)
	var err error
	if p.session, err = p.hold(); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) addEntry(entry map[string]any) (id string) {
	w.t.Helper()
	var added struct{ Entry struct{ ID string } }
	w.owner.api(http.MethodPost, "/networks/entries", entry, http.StatusCreated, &added)
	return added.Entry.ID
}

// change is something that ends what a person may do.
type change struct {
	name   string
	roles  []string // the person's entry counts for
	make   func(w *world, p *person)
	status int // of what the person asks for afterwards
	reason string
}

var changes = []change{
	{"list, by API", nil, func(w *world, p *person) {
		w.owner.api(http.MethodDelete, "/networks/entries/"+p.entry+"?accept=few_admins", nil, http.StatusOK, nil)
	}, http.StatusForbidden, "outside_networks"},
	{"list, by command", nil, func(w *world, p *person) {
		w.a.do("network", "remove", "acme", p.address, "--accept", "few_admins")
	}, http.StatusForbidden, "outside_networks"},
	{"role, by command", []string{"reviewer"}, func(w *world, p *person) {
		w.a.do("admin", "set", "acme", p.login, "--role", "member")
	}, http.StatusForbidden, "outside_networks"},
	{"account, by command", nil, func(w *world, p *person) {
		w.a.do("admin", "disable", "acme", p.login)
	}, http.StatusUnauthorized, "session_revoked"},
	{"password, by command", nil, func(w *world, p *person) {
		w.a.do("admin", "reset", "acme", p.login)
	}, http.StatusUnauthorized, "session_revoked"},
	{"all sessions, by command", nil, func(w *world, p *person) {
		w.a.do("admin", "sign-out", "acme", p.login)
	}, http.StatusUnauthorized, "session_revoked"},
	{"session, by API", nil, func(w *world, p *person) {
		w.owner.api(http.MethodDelete, "/sessions/"+p.session, nil, http.StatusNoContent, nil)
	}, http.StatusUnauthorized, "session_revoked"},
	{"session, by command", nil, func(w *world, p *person) {
		w.a.do("session", "end", p.session)
	}, http.StatusUnauthorized, "session_revoked"},
	{"session, by signing out", nil, func(w *world, p *person) {
		if a := p.at(w.a).call(http.MethodPost, "/_sallyport/logout", nil); a.status != http.StatusNoContent {
			w.t.Errorf("sign-out: status %d: %s", a.status, a.body)
		}
	}, http.StatusUnauthorized, "session_revoked"},
}

// change makes a change and looks when it is in force.
func (w *world) change(c change) {
	p := w.person(c.roles...)
	open, answered := p.openAll(), p.wait()
	c.make(w, p)
	changed := time.Now()
	eventually(w.t, atOnce, func() error {
		return p.get("/").refused(c.status, c.reason)
	})
	inForce := time.Since(changed)
	if err := (<-answered)().refused(c.status, c.reason); err != nil {
		w.t.Errorf("the request that waited: %v", err)
	}
	if err := p.get("/").refused(c.status, c.reason); err != nil {
		w.t.Errorf("the next request on its connection: %v", err)
	}
	slowest := time.Duration(0)
	for _, s := range open {
		slowest = max(slowest, s.end(w.t).Sub(changed))
	}
	if inForce > atOnce || slowest > atOnce {
		w.t.Errorf("in force after %s, and the last of %d streams ended after %s", inForce, len(open), slowest)
	}
	w.t.Logf("in force after %s, streams ended after %s", inForce.Round(time.Millisecond), slowest.Round(time.Millisecond))
}

// begins: an entry admits from its first moment on, and not before.
func (w *world) begins() {
	p := w.b.visit("acme.gate.test", "198.51.100.250")
	from := time.Now().Add(2500 * time.Millisecond)
	w.addEntry(map[string]any{"range": p.address, "label": "Later", "not_before": from.UTC().Format(time.RFC3339Nano)})
	w.boundary(p, from, func(a answer) error { return a.refused(http.StatusForbidden, "outside_networks") },
		func(a answer) error { return a.refused(http.StatusUnauthorized, "no_session") })
}

// ends: an entry admits until its last moment, and then ends what is open.
func (w *world) ends() {
	p := w.person()
	open := p.openAll()
	until := time.Now().Add(4 * time.Second) // by then b knows
	w.addEntry(map[string]any{"range": p.address + "/31", "label": "Until then", "expires": until.UTC().Format(time.RFC3339Nano)})
	w.owner.api(http.MethodDelete, "/networks/entries/"+p.entry+"?accept=few_admins", nil, http.StatusOK, nil)
	w.boundary(p.visitor, until, func(a answer) error {
		if a.status != http.StatusOK {
			return fmt.Errorf("status %d: %s", a.status, a.body)
		}
		return nil
	}, func(a answer) error { return a.refused(http.StatusForbidden, "outside_networks") })
	for _, s := range open {
		if late := s.end(w.t).Sub(until); late < 0 || late > atOnce {
			w.t.Errorf("the %s ended %s after the entry", s.name, late)
		}
	}
}

// boundary asks until well after a moment. What was asked for after it gets the
// second answer, what was answered before it the first.
func (w *world) boundary(v *visitor, moment time.Time, before, after func(answer) error) {
	w.t.Helper()
	counts := [2]int{}
	for time.Since(moment) < atOnce/2 {
		asked := time.Now()
		a := v.get("/")
		answered := time.Now()
		var err error
		switch {
		case asked.After(moment):
			err, counts[1] = after(a), counts[1]+1
		case answered.Before(moment):
			err, counts[0] = before(a), counts[0]+1
		}
		if err != nil {
			w.t.Fatalf("asked %s and answered %s after the moment: %v", asked.Sub(moment), answered.Sub(moment), err)
		}
		time.Sleep(time.Millisecond)
	}
	if counts[0] == 0 || counts[1] == 0 {
		w.t.Errorf("%d answers before and %d after the moment: there is nothing to see", counts[0], counts[1])
	}
}

// stream is something that stays open until the gate ends it.
type stream struct {
	name  string
	begun chan struct{} // closed when something came
	ended chan time.Time
	err   error // why, once it has ended
}

// openAll opens a stream of every kind, and waits until something came.
func (p *person) openAll() []*stream {
	p.t.Helper()
	ctx := p.t.Context()
	all := []*stream{
		p.open("WebSocket", func() (func() error, error) { return p.websocket(ctx) }),
		p.open("event stream", func() (func() error, error) { return p.body(ctx, "/events") }),
		p.open("download", func() (func() error, error) { return p.body(ctx, "/download") }),
	}
	for _, s := range all {
		select {
		case <-s.begun:
		case <-s.ended:
			p.t.Fatalf("the %s: %v", s.name, s.err)
		case <-time.After(answerWithin):
			p.t.Fatalf("the %s does not begin", s.name)
		}
	}
	return all
}

// wait asks for what the console never answers. What comes is given as a
// function: it fails the test where nothing does.
func (p *person) wait() <-chan func() answer {
	p.t.Helper()
	out := make(chan func() answer, 1)
	go func() {
		a, err := p.send(p.t.Context(), http.MethodGet, "/slow", nil)
		out <- func() answer {
			p.t.Helper()
			if err != nil {
				p.t.Fatalf("the request that waited: %v", err)
			}
			return a
		}
	}()
	return out
}

// open runs a stream: connect returns what waits for the next piece.
func (p *person) open(name string, connect func() (func() error, error)) *stream {
	s := &stream{name: name, begun: make(chan struct{}), ended: make(chan time.Time, 1)}
	go func() {
		next, err := connect()
		for pieces := 0; err == nil; pieces++ {
			if pieces == 3 {
				close(s.begun)
			}
			err = next()
		}
		s.err = err
		s.ended <- time.Now()
	}()
	return s
}

// end returns when the stream was ended. One that was cut off must not look as
// if it were complete.
func (s *stream) end(t *testing.T) time.Time {
	t.Helper()
	select {
	case at := <-s.ended:
		if errors.Is(s.err, io.EOF) && s.name != "WebSocket" {
			t.Errorf("the %s looks complete", s.name)
		}
		return at
	case <-time.After(5 * time.Second):
		t.Fatalf("the %s is still open", s.name)
		return time.Time{}
	}
}

func (p *person) websocket(ctx context.Context) (next func() error, err error) {
	r, err := p.request(ctx, http.MethodGet, "/ws", nil)
	if err != nil {
		return nil, err
	}
	ws, res, err := websocket.Dial(ctx, r.URL.String(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: p.net.transport}, HTTPHeader: r.Header})
	if err != nil {
		return nil, err
	}
	if res.Body != nil {
		res.Body.Close()
	}
	return func() error {
		if err := ws.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			return err
		}
		_, _, err := ws.Read(ctx)
		return err
	}, nil
}

func (p *person) body(ctx context.Context, path string) (next func() error, err error) {
	r, err := p.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	res, err := p.net.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	buffer := make([]byte, 4<<10)
	return func() error {
		_, err := res.Body.Read(buffer)
		if err != nil {
			res.Body.Close()
		}
		return err
	}, nil
}
