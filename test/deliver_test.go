package test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// deliveredWithin bounds how long it takes until the other side has a refusal: its
// record grows for ten seconds; and, where the node that delivered was killed, until
// another has taken over.
const deliveredWithin = 60 * time.Second

// receiver is the other side of a webhook, which tests switch from one bad
// manner to the next.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	manner http.HandlerFunc // of /bad; nil: it takes what comes
	got    map[string][]string
	tries  int // at /bad, since the manner was set
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: map[string][]string{}}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	t.Cleanup(r.CloseClientConnections)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Data []struct{ Reference string }
	}
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	manner := r.manner
	if req.URL.Path == "/bad" {
		r.tries++
		if manner != nil {
			r.mu.Unlock()
			manner(w, req)
			return
		}
	}
	defer r.mu.Unlock()
	for _, record := range body.Data {
		r.got[req.URL.Path] = append(r.got[req.URL.Path], record.Reference)
	}
}

// behave sets the manner of /bad.
func (r *receiver) behave(manner http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manner, r.tries = manner, 0
}

// has returns the references that came to a path, each at its first coming.
func (r *receiver) has(path string) (references []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reference := range r.got[path] {
		if !slices.Contains(references, reference) {
			references = append(references, reference)
		}
	}
	return references
}

// deliverTo is the configuration of destinations at a receiver.
func (r *receiver) deliverTo(t *testing.T) string {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	options := ""
	for _, name := range []string{"good", "bad"} {
		options += fmt.Sprintf("deliver webhook %s/%s {\n name %s\n secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G\n ca %s\n}\n", r.URL, name, name, ca)
	}
	return options
}

// destination is what "status" says of one.
type destination struct {
	Name         string
	Node         *string
	Delivered    int64
	Waiting      int64
	Dropped      int64
	LastError    *string `json:"last_error"`
	FailingSince *string `json:"failing_since"`
}

func (g *gateway) destination(name string) (destination, error) {
	var status struct{ Deliver []destination }
	g.read(&status, "status")
	i := slices.IndexFunc(status.Deliver, func(d destination) bool { return d.Name == name })
	if i < 0 {
		return destination{}, fmt.Errorf("status knows no destination %s", name)
	}
	return status.Deliver[i], nil
}

// TestDeliver has two nodes deliver to a receiver that hangs, answers errors and
// sends elsewhere, while visitors are refused at both; kills the node that
// delivers; and looks that everything arrives, in one order.
func TestDeliver(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel() // it waits most of its time
			r := startReceiver(t)
			s := setup{store: engine.store(t), console: startConsole(t).address(), node: "node-a", options: r.deliverTo(t)}
			d := &delivering{t: t, r: r, a: startGateway(t, s)}
			d.a.do("tenant", "add", "acme", "--host", "acme.gate.test", "--mode", "enforced")
			s.node = "node-b"
			d.b = startGateway(t, s)
			d.test()
		})
	}
}

type delivering struct {
	t       *testing.T
	r       *receiver
	a, b    *gateway
	refused []string // references
}

func (d *delivering) test() {
	t := d.t
	var held destination
	eventually(t, 30*time.Second, func() (err error) {
		if held, err = d.a.destination("bad"); err == nil && held.Node == nil {
			err = fmt.Errorf("no node delivers: %+v", held)
		}
		return err
	})
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for _, bad := range []struct {
		name   string
		manner http.HandlerFunc
		says   string
	}{
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "it answers 500 Internal Server Error"},
		{"redirect", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, elsewhere.URL, http.StatusPermanentRedirect)
		},
			"it answers 308 and sends elsewhere, which is not followed: write the address where it is"},
		{"hangs", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, "it did not answer in time"},
	} {
		d.r.behave(bad.manner)
		d.refuse(5)
		eventually(t, deliveredWithin, func() error {
			now, err := d.a.destination("bad")
			if err == nil && (now.LastError == nil || *now.LastError != bad.says || now.FailingSince == nil || now.Waiting == 0) {
				err = fmt.Errorf("%s: got %s", bad.name, text(now))
			}
			return err
		})
	}

	killed, lives := d.a, d.b
	if now, err := d.b.destination("bad"); err != nil || now.Node == nil || *now.Node == "node-b" {
		killed, lives = d.b, d.a
	}
	d.refuse(5)
	time.Sleep(1500 * time.Millisecond) // by then a refusal is stored
	killed.kill()
	d.r.behave(nil)
	d.a, d.b = lives, lives
	d.refuse(5)
	eventually(t, deliveredWithin, func() error {
		for _, path := range []string{"/good", "/bad"} {
			if got := d.r.has(path); len(got) < len(d.refused) {
				return fmt.Errorf("%s has %d of %d records", path, len(got), len(d.refused))
			}
		}
		return nil
	})
	if good, bad := d.r.has("/good"), d.r.has("/bad"); !slices.Equal(good, bad) {
		t.Errorf("the orders differ:\n%v\n%v", good, bad)
	}
	for _, reference := range d.refused {
		if !slices.Contains(d.r.has("/bad"), reference) {
			t.Errorf("%s was lost", reference)
		}
	}
	eventually(t, 10*time.Second, func() error {
		now, err := lives.destination("bad")
		if err == nil && (now.LastError != nil || now.Waiting != 0 || now.Dropped != 0) {
			err = fmt.Errorf("got %s, want nothing wrong and nothing waiting", text(now))
		}
		return err
	})
}

// refuse has visitors refused at both nodes, each from an address of its own,
// and looks that nothing slows that.
func (d *delivering) refuse(n int) {
	d.t.Helper()
	for range n {
		g := d.a
		if len(d.refused)%2 == 1 {
			g = d.b
		}
		began := time.Now()
		answer := g.visit("acme.gate.test", fmt.Sprintf("198.51.100.%d", len(d.refused)+1)).get("/")
		if err := answer.refused(http.StatusForbidden, "outside_networks"); err != nil {
			d.t.Fatal(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			d.t.Errorf("a refusal took %s", took)
		}
		d.refused = append(d.refused, answer.header.Get("X-Sallyport-Reference"))
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
