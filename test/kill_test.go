package test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Bounds of the rounds. A refusal is stored at most a second after its answer;
// lostWithin leaves a slow machine another one.
const (
	killRounds = 3
	killWithin = 1500 * time.Millisecond // of the moment when some of everything was acknowledged
	lostWithin = 2 * time.Second
)

// TestKill kills the program as kill -9 does, under sign-ins, sign-outs, edits
// by the API and by commands, and refusals; starts it again, and looks whether
// everything that was acknowledged is there.
func TestKill(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			l := newLoad(t, engine.store(t))
			for round := range killRounds {
				l.workAndKill()
				l.g.restart()
				l.check(round + 1)
				if t.Failed() {
					t.Fatalf("in round %d", round+1)
				}
			}
			t.Logf("%d sessions, %d entries, %d list versions, %d visitors refused, %d refusals lost, all declared; the oldest %s before the end; %d found the store busy",
				len(l.sessions), len(l.entries), len(l.versions), len(l.strangers), l.lost, l.oldest.Round(time.Millisecond), l.stalled)
		})
	}
}

// load is what works on the gateway while it is killed, and what it was told.
type load struct {
	t     *testing.T
	g     *gateway
	owner *visitor
	who   account
	count atomic.Uint32 // numbers addresses

	mu        sync.Mutex
	sessions  map[string]*openSession
	entries   map[string]*entry // by range
	versions  map[int64]string  // of the list, acknowledged, with what was done
	strangers map[string]*stranger
	done      map[string]int // acknowledged in this round
	ended     time.Time      // when the program was killed last

	stalled    int           // requests and commands that the store was too slow for
	unanswered int64         // sign-ins that were not answered or that found all hashers busy
	lost       int64         // declared, in all rounds
	oldest     time.Duration // before the end that a lost refusal was answered
}

// progress is how far something has got that was asked for.
type progress int

const (
	idle progress = iota
	asked
	acknowledged
)

type openSession struct {
	visitor *visitor
	signOut progress
}

type entry struct{ add, remove progress }

// stranger is a visitor who is refused.
type stranger struct {
	sent     int64
	answered []time.Time // those on record, once the program was killed
	missing  int64       // answered and not on record
}

func newLoad(t *testing.T, store string) *load {
	g := startGateway(t, setup{
		store: store, console: startConsole(t).address(),
		options: "\t\tsign_in {\n\t\t\tattempts 1000\n\t\t\tsecond_factor off\n\t\t}",
	})
	g.do("tenant", "add", "acme", "--host", "acme.gate.test")
	g.do("network", "add", "acme", "192.0.2.0/24", "--label", "Head office")
	g.do("tenant", "set", "acme", "--mode", "enforced")
	l := &load{
		t: t, g: g, who: g.addAccount("acme", "li.na", "owner"), owner: g.visit("acme.gate.test", "192.0.2.1"),
		sessions: map[string]*openSession{}, entries: map[string]*entry{}, versions: map[int64]string{}, strangers: map[string]*stranger{},
	}
	l.owner.signIn(l.who)
	return l
}

// address makes an address that was not used before.
func (l *load) address(first byte) string {
	n := l.count.Add(1)
	return fmt.Sprintf("%d.%d.%d.%d", first, byte(n>>16), byte(n>>8), byte(n))
}

// workAndKill works on the gateway for a moment and kills it meanwhile.
func (l *load) workAndKill() {
	l.owner, l.done = l.owner.at(l.g), map[string]int{}
	ctx, stop := context.WithCancel(l.t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for _, work := range []func(context.Context) error{
		l.signIn, l.signIn, l.signOut, l.editByAPI, l.editByAPI, l.editByCommand, l.refuse, l.refuse,
	} {
		all.Go(func() {
			for ctx.Err() == nil && work(ctx) == nil {
			}
		})
	}
	l.waitForSome()
	time.Sleep(rand.N(killWithin)) // whatever they are doing then
	l.note(func() { l.ended = time.Now() })
	l.g.kill()
}

// waitForSome waits until some of everything was acknowledged in this round.
func (l *load) waitForSome() {
	l.t.Helper()
	eventually(l.t, time.Minute, func() (missing error) {
		l.note(func() {
			for what, want := range map[string]int{"sign-in": 3, "sign-out": 1, "edit": 5, "command": 1, "refusal": 100} {
				if l.done[what] < want {
					missing = fmt.Errorf("%d of %d of %s was acknowledged", l.done[what], want, what)
				}
			}
		})
		return missing
	})
}

// note changes what is known under the lock.
func (l *load) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// signIn signs in once. The error of this and the other kinds of work means
// that the gateway is gone.
func (l *load) signIn(ctx context.Context) error {
	v := l.g.visit("acme.gate.test", "192.0.2.2")
	a, err := v.send(ctx, http.MethodPost, "/_sallyport/login", map[string]string{"login": l.who.login, "password": l.who.password})
	if err != nil || a.status != http.StatusOK {
		l.note(func() { l.unanswered++ })
		if err == nil && a.status != http.StatusTooManyRequests { // all hashers are busy
			l.busy("sign-in", a)
		}
		return err
	}
	id, err := v.hold()
	if err != nil {
		l.t.Errorf("sign-in: %v", err)
		return nil
	}
	l.note(func() { l.sessions[id] = &openSession{visitor: v}; l.done["sign-in"]++ })
	return nil
}

// busy notes that something was not acknowledged. A disk that stands still for
// seconds, as on a machine that others work on, makes it 503, and what was asked
// for has happened or not; no other answer is right.
func (l *load) busy(what string, a answer) {
	if a.status != http.StatusServiceUnavailable {
		l.t.Errorf("%s: status %d: %s", what, a.status, a.body)
	}
	l.note(func() { l.stalled++ })
}

// signOut ends one of the sessions, so that about half of them stay.
func (l *load) signOut(ctx context.Context) error {
	var s *openSession
	l.note(func() {
		left := 0
		for _, candidate := range l.sessions {
			if candidate.signOut == idle {
				s, left = candidate, left+1
			}
		}
		if 2*left <= len(l.sessions) {
			s = nil
		} else {
			s.signOut = asked
		}
	})
	if s == nil {
		time.Sleep(10 * time.Millisecond)
		return nil
	}
	a, err := s.visitor.at(l.g).send(ctx, http.MethodPost, "/_sallyport/logout", nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusNoContent {
		l.busy("sign-out", a)
		return nil
	}
	l.note(func() { s.signOut = acknowledged; l.done["sign-out"]++ })
	return nil
}

// editByAPI adds an entry, and takes every other one away again.
func (l *load) editByAPI(ctx context.Context) error {
	e, text := new(entry), l.address(10)
	l.note(func() { l.entries[text], e.add = e, asked })
	done, err := l.edit(ctx, http.MethodPost, "entries", map[string]string{"range": text, "label": "API"}, http.StatusCreated, "add "+text)
	if !done {
		return err
	}
	l.note(func() { e.add = acknowledged; l.done["edit"]++ })
	if rand.N(2) == 0 {
		return nil
	}
	l.note(func() { e.remove = asked })
	done, err = l.edit(ctx, http.MethodDelete, "entries/"+text, nil, http.StatusOK, "remove "+text)
	if done {
		l.note(func() { e.remove = acknowledged })
	}
	return err
}

// edit asks for an edit and notes the version that it made. Somebody else may
// be faster ten times.
func (l *load) edit(ctx context.Context, method, path string, body any, status int, what string) (done bool, err error) {
	a, err := l.owner.send(ctx, method, "/_sallyport/api/v1/networks/"+path, body)
	if err != nil {
		return false, err
	}
	if a.status == http.StatusConflict && strings.Contains(string(a.body), "version_conflict") {
		return false, nil
	}
	if a.status != status {
		l.busy(what, a)
		return false, nil
	}
	return true, l.noteVersion(a.body, what)
}

func (l *load) noteVersion(text []byte, what string) error {
	var edited struct{ Version int64 }
	if err := json.Unmarshal(text, &edited); err != nil {
		l.t.Errorf("%s: %v", what, err)
	}
	l.note(func() {
		if twice := l.versions[edited.Version]; twice != "" {
			l.t.Errorf("version %d was given for %q and for %q", edited.Version, twice, what)
		}
		l.versions[edited.Version] = what
	})
	return nil
}

// editByCommand adds an entry by a command, which the end of the gateway is
// nothing to.
func (l *load) editByCommand(context.Context) error {
	e, text := new(entry), l.address(11)
	l.note(func() { l.entries[text], e.add = e, asked })
	r := l.g.try("network", "add", "acme", text, "--label", "Command", "--json")
	switch {
	case r.status == 0:
		l.note(func() { e.add = acknowledged; l.done["command"]++ })
		return l.noteVersion([]byte(r.out), "add "+text)
	case strings.Contains(r.errors, "SQLITE_BUSY"):
		l.note(func() { l.stalled++ })
	case !strings.Contains(r.errors, "changed by somebody else"):
		l.t.Errorf("add %s: exit status %d: %s", text, r.status, r.errors)
	}
	return nil
}

// refuse comes from outside, some times in a row.
func (l *load) refuse(ctx context.Context) error {
	s, v := new(stranger), l.g.visit("acme.gate.test", l.address(203))
	l.note(func() { l.strangers[v.address] = s })
	for range 1 + rand.N(3) {
		l.note(func() { s.sent++ })
		a, err := v.send(ctx, http.MethodGet, "/", nil)
		if err != nil {
			return err
		}
		if err := a.refused(http.StatusForbidden, "outside_networks"); err != nil {
			l.t.Errorf("%s: %v", v.address, err)
		}
		l.note(func() { s.answered = append(s.answered, time.Now()); l.done["refusal"]++ })
	}
	time.Sleep(time.Millisecond) // and lets the others have the processors
	return nil
}
