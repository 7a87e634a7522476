package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// cheap is a hash at the least costs that are read, so that tests need not
// wait.
func cheap(password string) string {
	h := hash{memory: minMemory, passes: 1, lanes: 1, salt: []byte("0123456789abcdef")}
	h.sum = h.derive(password)
	return h.String()
}

func TestHashAndVerify(t *testing.T) {
	h := NewHasher(1, 1)
	first, err1 := h.Hash(t.Context(), "correct horse battery")
	second, err2 := h.Hash(t.Context(), "correct horse battery")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
	if want := "$argon2id$v=19$m=65536,t=3,p=1$"; !strings.HasPrefix(first, want) {
		t.Errorf("got %s, want it to begin with %s", first, want)
	}
	if ok, err := h.Verify(t.Context(), "correct horse battery", first); err != nil || !ok {
		t.Errorf("right password: got %v, %v", ok, err)
	}
	if ok, err := h.Verify(t.Context(), "correct horse batterY", first); err != nil || ok {
		t.Errorf("wrong password: got %v, %v", ok, err)
	}
}

// TestVerifyUnknownAccount: it costs what a known one costs (see also
// BenchmarkVerify), and no password fits.
func TestVerifyUnknownAccount(t *testing.T) {
	h := NewHasher(1, 1)
	fresh := newHash()
	if h.dummy.memory != fresh.memory || h.dummy.passes != fresh.passes || h.dummy.lanes != fresh.lanes || len(h.dummy.salt) != len(fresh.salt) {
		t.Errorf("got the costs of %v, want those of %v", h.dummy, fresh)
	}
	if ok, err := h.Verify(t.Context(), "", ""); err != nil || ok {
		t.Errorf("got %v, %v, want false", ok, err)
	}
	// Not even one that fits the dummy.
	h.dummy = hash{memory: minMemory, passes: 1, lanes: 1, salt: make([]byte, saltSize)}
	h.dummy.sum = h.dummy.derive("lucky")
	if ok, err := h.Verify(t.Context(), "lucky", ""); err != nil || ok {
		t.Errorf("fits the dummy: got %v, %v, want false", ok, err)
	}
}

// TestArgon2Vector is a vector of the reference implementation (test.c of
// P-H-C/phc-winner-argon2, argon2id, version 0x13).
func TestArgon2Vector(t *testing.T) {
	const encoded = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h := NewHasher(1, 0)
	if ok, err := h.Verify(t.Context(), "password", encoded); err != nil || !ok {
		t.Errorf("got %v, %v, want true", ok, err)
	}
}

func TestVerifyRefusesDamagedHashes(t *testing.T) {
	good := cheap("correct horse")
	h := NewHasher(1, 0)
	if ok, err := h.Verify(t.Context(), "correct horse", good); err != nil || !ok {
		t.Fatalf("control: got %v, %v", ok, err)
	}
	for name, change := range map[string][2]string{
		"argon2i":            {"argon2id", "argon2i"},
		"bcrypt":             {good, "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"},
		"plain text":         {good, "correct horse"},
		"other version":      {"v=19", "v=16"},
		"no memory":          {"m=8192", "m=0"},
		"little memory":      {"m=8192", "m=8191"},
		"huge memory":        {"m=8192", "m=4294967295"},
		"memory over uint32": {"m=8192", "m=4294967297"},
		"no passes":          {"t=1", "t=0"},
		"many passes":        {"t=1", "t=11"},
		"no lanes":           {"p=1", "p=0"},
		"many lanes":         {"p=1", "p=255"},
		"other order":        {"m=8192,t=1", "t=1,m=8192"},
		"signed":             {"t=1", "t=+1"},
		"further cost":       {"p=1", "p=1,keyid=x"},
		"no salt":            {"$MDEyMzQ1Njc4OWFiY2RlZg$", "$$"},
		"short salt":         {"MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMw"},
		"salt with padding":  {"MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFiY2RlZg=="},
		"short sum":          {good[len(good)-10:], ""},
		"further part":       {good, good + "$"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(good, change[0], change[1], 1)
			if changed == good {
				t.Fatalf("%q is not in %s", change[0], good)
			}
			if ok, err := h.Verify(t.Context(), "correct horse", changed); err == nil || ok {
				t.Errorf("%s: got %v, %v, want an error", changed, ok, err)
			}
		})
	}
}

// TestPool: at most parallel run, at most queue wait, and the rest is told at
// once.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parallel, queue, tries = 2, 3, 20
		h := NewHasher(parallel, queue)
		var running, most, done, busy atomic.Int32
		start := time.Now()
		for range tries {
			go func() {
				if err := h.enter(t.Context()); err != nil {
					if !errors.Is(err, ErrBusy) || time.Since(start) != 0 {
						t.Errorf("after %v: got %v, want ErrBusy at once", time.Since(start), err)
					}
					busy.Add(1)
					return
				}
				defer h.leave()
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second)
				running.Add(-1)
				done.Add(1)
			}()
		}
		time.Sleep(time.Minute)
		if most.Load() != parallel || done.Load() != parallel+queue || busy.Load() != tries-parallel-queue {
			t.Errorf("%d ran at once, %d in all, %d were told ErrBusy; want %d, %d, %d",
				most.Load(), done.Load(), busy.Load(), parallel, parallel+queue, tries-parallel-queue)
		}
		if len(h.admitted) != 0 || len(h.running) != 0 {
			t.Errorf("%d admitted and %d running are left, want none", len(h.admitted), len(h.running))
		}
	})
}

// TestPoolCancel: who no longer waits gives the place to somebody else.
func TestPoolCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(1, 1)
		if err := h.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := h.Hash(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("waiting: got %v after %v, want the deadline after 1s", err, time.Since(start))
		}
		waiting := make(chan error)
		go func() { waiting <- h.enter(t.Context()) }()
		synctest.Wait()
		if _, err := h.Verify(t.Context(), "x", ""); !errors.Is(err, ErrBusy) {
			t.Errorf("while one runs and one waits: got %v, want ErrBusy", err)
		}
		h.leave()
		if err := <-waiting; err != nil {
			t.Errorf("the place of the cancelled one: got %v", err)
		}
		h.leave()
		if _, err := h.Verify(ctx, "x", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled before: got %v, want the deadline", err)
		}
	})
}

// TestPoolContention runs real hashes: all are answered, right or ErrBusy.
func TestPoolContention(t *testing.T) {
	const parallel, queue, tries = 2, 4, 60
	h := NewHasher(parallel, queue)
	encoded := cheap("correct horse")
	var right, busy atomic.Int32
	var wait sync.WaitGroup
	for range tries {
		wait.Go(func() {
			ok, err := h.Verify(t.Context(), "correct horse", encoded)
			switch {
			case errors.Is(err, ErrBusy):
				busy.Add(1)
			case err != nil || !ok:
				t.Errorf("got %v, %v, want true", ok, err)
			default:
				right.Add(1)
			}
		})
	}
	wait.Wait()
	if right.Load() < parallel+queue || right.Load()+busy.Load() != tries {
		t.Errorf("%d were right and %d busy, of %d; want %d or more right", right.Load(), busy.Load(), tries, parallel+queue)
	}
	if ok, err := h.Verify(t.Context(), "correct horse", encoded); err != nil || !ok {
		t.Errorf("afterwards: got %v, %v", ok, err)
	}
}
