package gate_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// silent is a real store that says nothing to some questions any more, as
// behind a network that swallows packets.
type silent struct {
	gate.Store
	about []string      // methods; set before the gate starts, asked from there
	quiet chan struct{} // closed: from now on
	asked chan string   // what was asked since
	again chan struct{} // closed: it answers again
}

func (s *silent) wait(ctx context.Context, method string) error {
	select {
	case <-s.quiet:
	default:
		return nil
	}
	if !slices.Contains(s.about, method) {
		return nil
	}
	select {
	case s.asked <- method:
	default:
	}
	select {
	case <-s.again:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *silent) Touch(ctx context.Context, list []gate.Session) error {
	if err := s.wait(ctx, "Touch"); err != nil {
		return err
	}
	return s.Store.Touch(ctx, list)
}

func (s *silent) ChangesFrom(ctx context.Context, pos int64, limit int) ([]gate.Change, error) {
	if err := s.wait(ctx, "ChangesFrom"); err != nil {
		return nil, err
	}
	return s.Store.ChangesFrom(ctx, pos, limit)
}

func (s *silent) Ledgers(ctx context.Context) ([]gate.Ledger, error) {
	if err := s.wait(ctx, "Ledgers"); err != nil {
		return nil, err
	}
	return s.Store.Ledgers(ctx)
}

func (s *silent) CloseLedger(ctx context.Context, boot string, seen int64) (gate.Ledger, error) {
	if err := s.wait(ctx, "CloseLedger"); err != nil {
		return gate.Ledger{}, err
	}
	return s.Store.CloseLedger(ctx, boot, seen)
}

// onSilent is a second gate of the world, whose store falls silent about
// methods once quiet is closed.
func (w *world) onSilent(about ...string) (*gate.Gate, *silent) {
	w.Helper()
	inner, err := store.Open(w.Context(), w.dsn, store.Options{Secret: w.secret, Now: w.clock.Now})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { inner.Close() })
	s := &silent{Store: inner, about: about, quiet: make(chan struct{}), asked: make(chan string, 100), again: make(chan struct{})}
	g, err := gate.New(w.Context(), gate.Options{Store: s, Node: "n2", Now: w.clock.Now, Spool: w.TempDir()})
	if err != nil {
		w.Fatal(err)
	}
	if err := g.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
	return g, s
}

// until waits for a question.
func (s *silent) until(t *testing.T, method string) {
	t.Helper()
	for late := time.After(10 * time.Second); ; {
		select {
		case got := <-s.asked:
			if got == method {
				return
			}
		case <-late:
			t.Fatalf("the store is not asked for %s", method)
		}
	}
}

// TestSilentStoreKeepsNothingOpen: what a clock ends, ends on time, whatever the
// store is being asked meanwhile.
func TestSilentStoreKeepsNothingOpen(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	q := w.with(w.from(inside), w.signIn(inside, "li.na"))
	g, s := w.onSilent("Touch")
	defer g.Stop()
	door := w.doorOf(g)
	dec := door.Decide(q)
	if !dec.Passed() {
		t.Fatalf("refused: %s", dec.Reason)
	}
	ended := make(chan *gate.Ended, 1)
	open := door.Open(q, func(e *gate.Ended) { ended <- e })
	defer open.Close()
	close(s.quiet)
	w.clock.advance(10 * time.Second)
	dec = door.Decide(q)
	door.Seen(q, &dec)
	s.until(t, "Touch")
	w.clock.advance(door.Rules.Idle)
	select {
	case e := <-ended:
		if e.Reason != gate.SessionIdle {
			t.Errorf("ended with %s, want %s", e.Reason, gate.SessionIdle)
		}
	case <-time.After(3 * time.Second): // it should be half a second; Touch is given up after five
		t.Error("a session that is over stays open while the store is silent")
	}
}

// TestSilentStoreStatus: what this node knows by itself it says without the store.
func TestSilentStoreStatus(t *testing.T) {
	w := newWorld(t)
	g, s := w.onSilent("ChangesFrom", "Ledgers")
	defer g.Stop()
	w.door = w.doorOf(g)
	w.refuse(7, func(int) string { return outside })
	position := g.Status(t.Context()).Position
	close(s.quiet)
	s.until(t, "ChangesFrom")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	got := g.Status(ctx)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if got.Seen != 7 || got.Tenants != 1 || got.Position != position || position == 0 || !got.StoreDown || len(got.Ledgers) != 0 {
		t.Errorf("got %+v, want 7 attempts seen, one tenant, position %d and the store down", got, position)
	}
}

// TestSilentStoreStop: a refusal does not wait for a gate that is closing its account.
func TestSilentStoreStop(t *testing.T) {
	w := newWorld(t)
	g, s := w.onSilent("CloseLedger")
	w.door = w.doorOf(g)
	close(s.quiet)
	stopped := make(chan struct{})
	go func() { g.Stop(); close(stopped) }()
	s.until(t, "CloseLedger")
	w.refuse(1, func(int) string { return outside })
	select {
	case <-stopped:
		t.Error("the refusal waited until the gate had stopped")
	default:
	}
	close(s.again)
	<-stopped
}
