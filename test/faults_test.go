package test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Bounds while the store is away. It takes a time-out to find out that nothing
// comes back any more.
const (
	refusedWithin  = 3 * time.Second  // requests never wait for the store
	noticedWithin  = 25 * time.Second // sign-ins and edits give up
	restoredWithin = 20 * time.Second
)

// faults are the ways in which a database goes away.
var faults = []struct {
	name string
	away func(*proxy)
}{
	{"ended", (*proxy).cut},
	{"silent", (*proxy).hush},
}

// TestStoreAway takes the database away from a running gateway: requests go on,
// what has to be durable is refused, and what was refused meanwhile is stored
// when the database is back, each once.
func TestStoreAway(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			fault.away(f.proxy)
			f.refuse(1)
			f.goOn()
			f.giveUp()
			f.saySo()
			f.refuse(2)
			f.proxy.restore()
			f.compare()
			f.workAgain()
		})
	}
}

// TestSQLiteAway does the same to a file: somebody else holds its lock, as a
// backup that hangs does, or the disk is full.
func TestSQLiteAway(t *testing.T) {
	for _, fault := range []struct {
		name string
		make func(t *testing.T, dir string) (away, restore func())
	}{
		{"locked", lockSQLite},
		{"disk full", fillDisk},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			away, restore := fault.make(t, dir)
			f := newFaultyOn(t, "sqlite:"+dir+"/gate.db")
			away()
			f.refuse(1)
			f.goOn()
			f.giveUp()
			f.nodeSaysSo()
			f.refuse(2)
			restore()
			f.compare()
			f.workAgain()
		})
	}
}

// lockSQLite takes the one lock that writers of a SQLite file have.
func lockSQLite(t *testing.T, dir string) (away, restore func()) {
	db, err := sql.Open("sqlite", "file:"+dir+"/gate.db?_txlock=immediate&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var tx *sql.Tx
	away = func() {
		if tx, err = db.BeginTx(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	return away, func() { _ = tx.Rollback() }
}

// fillDisk gives the folder a disk of its own and leaves no room on it. It is so
// small that the write-ahead log never begins anew, and what is written next
// needs room.
func fillDisk(t *testing.T, dir string) (away, restore func()) {
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=3m", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no disk can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	filler := dir + "/filler"
	away = func() {
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return away, func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilledWhileStoreAway kills a gateway whose database is away: what it
// refused is stored at its next start, each once.
func TestKilledWhileStoreAway(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.proxy.cut()
	f.refuse(1)
	f.waitSpooled()
	f.g.kill()
	f.proxy.restore()
	f.g.restart()
	f.compare()
}

// faulty is a gateway whose database can be taken away.
type faulty struct {
	t     *testing.T
	proxy *proxy // before a database on a server
	g     *gateway
	owner *visitor
	who   account
	sent  map[string]int64 // refusals, by address
	last  string           // reference of the newest
}

func newFaulty(t *testing.T) *faulty {
	p, dsn := newProxy(t, newDatabase(t))
	f := newFaultyOn(t, dsn)
	f.proxy = p
	return f
}

func newFaultyOn(t *testing.T, dsn string) *faulty {
	t.Helper()
	f := &faulty{t: t, sent: map[string]int64{}}
	f.g = startGateway(t, setup{
		store: dsn, console: startConsole(t).address(), options: "\t\tsign_in {\n\t\t\tsecond_factor off\n\t\t}",
	})
	f.g.do("tenant", "add", "acme", "--host", "acme.gate.test")
	f.g.do("network", "add", "acme", "192.0.2.0/24", "--label", "Head office")
	f.g.do("tenant", "set", "acme", "--mode", "enforced")
	f.who = f.g.addAccount("acme", "li.na", "owner")
	f.owner = f.g.visit("acme.gate.test", "192.0.2.1")
	f.owner.signIn(f.who)
	f.refuse(0)
	return f
}

// refuse sends strangers, some of them several times, who get their answer at
// once.
func (f *faulty) refuse(round int) {
	f.t.Helper()
	for i := range 100 {
		v := f.g.visit("acme.gate.test", fmt.Sprintf("203.0.%d.%d", round, i))
		for range 1 + i%3 {
			began := time.Now()
			a := v.get("/")
			if err := a.refused(http.StatusForbidden, "outside_networks"); err != nil {
				f.t.Fatalf("%s: %v", v.address, err)
			}
			if took := time.Since(began); took > refusedWithin {
				f.t.Errorf("%s was refused after %s", v.address, took)
			}
			f.sent[v.address]++
			f.last = a.header.Get("X-Sallyport-Reference")
		}
	}
}

// goOn: who is signed in goes on.
func (f *faulty) goOn() {
	f.t.Helper()
	began := time.Now()
	if a := f.owner.get("/"); a.status != http.StatusOK {
		f.t.Errorf("signed in: status %d: %s", a.status, a.body)
	}
	if took := time.Since(began); took > refusedWithin {
		f.t.Errorf("who is signed in was let through after %s", took)
	}
}

// giveUp: what has to be durable is refused, within a bounded time.
func (f *faulty) giveUp() {
	f.t.Helper()
	for _, ask := range []struct {
		what, method, path string
		body               any
	}{
		{"sign-in", http.MethodPost, "/_sallyport/login", map[string]string{"login": f.who.login, "password": f.who.password}},
		{"edit", http.MethodPost, "/_sallyport/api/v1/networks/entries", map[string]string{"range": "198.51.100.0/24", "label": "While away"}},
		{"sign-out", http.MethodPost, "/_sallyport/logout", nil},
	} {
		v := f.owner
		if ask.what == "sign-in" {
			v = f.g.visit("acme.gate.test", "192.0.2.2")
		}
		began := time.Now()
		a := v.call(ask.method, ask.path, ask.body)
		p, err := a.problem()
		if err != nil || p.Status != http.StatusServiceUnavailable {
			f.t.Errorf("%s: %v; want a problem with status 503: %d %s", ask.what, err, a.status, a.body)
		}
		took := time.Since(began)
		if took > noticedWithin {
			f.t.Errorf("%s: 503 after %s", ask.what, took)
		}
		f.t.Logf("%s: 503 after %s", ask.what, took.Round(time.Millisecond))
	}
	f.goOn()
}

// nodeSaysSo: the node says that the store is away.
func (f *faulty) nodeSaysSo() {
	f.t.Helper()
	eventually(f.t, noticedWithin, func() error {
		var s nodeStatus
		if err := f.g.askAdmin(f.t.Context(), "/sallyport/status", &s); err != nil {
			return err
		}
		if s.StoreUp || s.Waiting < 200 {
			return fmt.Errorf("status: %+v", s)
		}
		return nil
	})
}

// saySo: the node and the command say that the store is away.
func (f *faulty) saySo() {
	f.t.Helper()
	f.nodeSaysSo()
	began := time.Now()
	r := f.g.try("status")
	if lines := strings.Count(strings.TrimSpace(r.errors), "\n") + 1; r.status != 1 || lines != 1 {
		f.t.Errorf("caddy sallyport status: exit status %d with %d lines: %s", r.status, lines, r.errors)
	}
	if took := time.Since(began); took > noticedWithin {
		f.t.Errorf("caddy sallyport status took %s", took)
	}
}

// compare: every refusal is on record, once.
func (f *faulty) compare() {
	f.t.Helper()
	eventually(f.t, restoredWithin, func() error {
		var s nodeStatus
		if err := f.g.askAdmin(f.t.Context(), "/sallyport/status", &s); err != nil {
			return err
		}
		if !s.StoreUp || s.Waiting > 0 {
			return fmt.Errorf("status: %+v", s)
		}
		return nil
	})
	var list struct{ Items []attempt }
	f.g.read(&list, "attempts", "--tenant", "acme", "--reason", "outside_networks", "--limit", "0")
	stored := map[string]int64{}
	for _, a := range list.Items {
		stored[a.Address] += a.Count
	}
	for address, want := range f.sent {
		if stored[address] != want {
			f.t.Errorf("%s is on record %d times, want %d", address, stored[address], want)
		}
	}
	if len(stored) != len(f.sent) {
		f.t.Errorf("%d addresses are on record, want %d", len(stored), len(f.sent))
	}
	for _, account := range ledgersOf(f.t, f.g) {
		if account.Lost != 0 || account.Waiting != 0 {
			f.t.Errorf("the ledger: %+v, want nothing lost or waiting", account)
		}
	}
}

// workAgain: sign-ins and edits work again, and the session is what it was.
func (f *faulty) workAgain() {
	f.t.Helper()
	f.goOn()
	v := f.g.visit("acme.gate.test", "192.0.2.3")
	if next, err := v.step("login", map[string]string{"login": f.who.login, "password": f.who.password}); err != nil || next != "done" {
		f.t.Errorf("signing in: next is %q, %v", next, err)
	}
	v.api(http.MethodPost, "/networks/entries", map[string]string{"range": "198.51.101.0/24", "label": "Again"}, http.StatusCreated, nil)
	if r := f.g.try("audit", "verify"); r.status != 0 {
		f.t.Errorf("audit verify: exit status %d: %s", r.status, r.errors)
	}
}

// waitSpooled waits until the newest refusal is on disk.
func (f *faulty) waitSpooled() {
	f.t.Helper()
	eventually(f.t, noticedWithin, func() error {
		files, err := filepath.Glob(filepath.Join(f.g.home, "data/caddy/sallyport/spool-*/*.jsonl"))
		if err != nil {
			return err
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), f.last) {
				return nil
			}
		}
		return fmt.Errorf("%s is in none of %q", f.last, files)
	})
}
