package caddymodule

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// TestReload: reloads under load lose no session, no count, and no request that
// has reached the gate. Caddy, also without a gate, resets some of the connections
// that are made in the moment in which it replaces its sockets: such a request the
// client sends again, as a browser does, and the gate never saw it.
func TestReload(t *testing.T) {
	w := newWorld(t)
	w.load()
	session := w.signIn("li.na", gate.RoleOwner)
	_, before, err := running()
	if err != nil {
		t.Fatal(err)
	}

	load, stop := context.WithCancel(t.Context())
	var answered, reset atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		client := w.client(insideIP)
		clients.Go(func() {
			for load.Err() == nil {
				r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://acme.example/", nil)
				r.Header.Set("Cookie", "__Host-sallyport="+session)
				res, err := client.Do(r)
				if err != nil {
					reset.Add(1)
					t.Logf("reset: %v", err)
					continue
				}
				answered.Add(1)
				if _, err = io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("answered with %d, %v", res.StatusCode, err)
				}
				res.Body.Close()
			}
		})
	}
	for i := range 8 {
		time.Sleep(100 * time.Millisecond)
		if i%2 == 0 {
			w.options = "retention 30d"
		} else {
			w.options = ""
		}
		w.load()
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	clients.Wait()
	t.Logf("%d requests answered during 8 reloads, %d connections reset", answered.Load(), reset.Load())
	if answered.Load() < 100 || reset.Load() > answered.Load()/20 {
		t.Errorf("%d connections reset and %d requests answered", reset.Load(), answered.Load())
	}

	_, after, err := running()
	if err != nil || after != before {
		t.Errorf("the gate is another one: %v", err)
	}
	var decided int64
	after.Counts(func(o gate.Outcome, r gate.Reason, n int64) {
		if o == gate.Allowed && r == gate.ByNetwork {
			decided = n
		}
	})
	if decided != answered.Load() {
		t.Errorf("%d requests have reached the gate, %d were answered", decided, answered.Load())
	}
}

// TestReloadKeepsStreams: what is open and still allowed outlives a reload, and is
// ended afterwards all the same when it is not allowed any more. (Nobody else asks
// for anything: that a reverse proxy of Caddy writes to itself while it is taken
// down with connections open, and copies itself for each request, is a race that
// does no harm, but that the race detector reports.)
func TestReloadKeepsStreams(t *testing.T) {
	w := newWorld(t)
	w.load()
	session := w.signIn("li.na", gate.RoleOwner)
	w.console.answer(echo)
	socket := w.websocket(insideIP, session)
	for range 3 {
		if err := says(t.Context(), socket, "before"); err != nil {
			t.Fatal(err)
		}
		w.load()
	}
	if err := says(t.Context(), socket, "after"); err != nil {
		t.Fatalf("the WebSocket did not outlive the reloads: %v", err)
	}
	endsAtOnce(t, "WebSocket", func() {
		w.add("acme", "127.0.0.9") // a list that is enforced is never empty
		w.remove("acme", insideIP)
	},
		func() error { _, _, err := socket.Read(t.Context()); return err })
}

// TestReloadFails: a configuration that does not start leaves the one before as
// it was.
func TestReloadFails(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.load()
	for name, options := range map[string]string{
		"another secret":       "secret " + strings.Repeat("x", 32),
		"lifetime below idle":  "session {\n lifetime 1m\n idle 2m\n }",
		"lifetime of a year":   "session {\n lifetime 365d\n }",
		"step_up of a blink":   "session {\n step_up 1ms\n }",
		"no longer a day away": "retention 1s",
	} {
		w.options = options
		err := caddy.Load(adapt(t, w.caddyfile()), true)
		if err == nil {
			t.Errorf("%s: it starts", name)
			continue
		}
		t.Log(err)
		if res, _ := w.do(request{}); res.StatusCode != 200 {
			t.Errorf("%s: after it the gate answers %d", name, res.StatusCode)
		}
	}
	if refs, _ := installations.References(installationKey{w.dsn, "test"}); refs != 1 {
		t.Errorf("%d configurations use the store, want 1", refs)
	}
}

// TestDropped: when a reload takes the gate away, requests that are open have
// nobody to watch them any more, and end.
func TestDropped(t *testing.T) {
	w := newWorld(t)
	w.site = "login off"
	w.load()
	w.console.answer(echo)
	socket := w.websocket(insideIP, "")
	if err := says(t.Context(), socket, "hello"); err != nil {
		t.Fatal(err)
	}
	endsAtOnce(t, "WebSocket", func() {
		w.load("{\n admin off\n persist_config off\n}\nhttp://127.0.0.1:" + w.port + " {\n respond gone\n}\n")
	},
		func() error { _, _, err := socket.Read(t.Context()); return err })
	if refs, ok := installations.References(installationKey{w.dsn, "test"}); ok {
		t.Errorf("the store is still used by %d", refs)
	}
	// And back.
	w.load()
	w.console.answer(nil)
	if res, body := w.do(request{}); res.StatusCode != 200 || body != "console" {
		t.Errorf("after its return the gate answers %d", res.StatusCode)
	}
}

// files lists everything below a folder with what could show a change.
func files(t *testing.T, dir string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		list.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}

// TestValidate: validating a configuration writes nothing, neither where there is
// no store yet nor where there is one, and finds what would keep it from starting.
func TestValidate(t *testing.T) {
	dir := t.TempDir()
	dsn := "sqlite:" + filepath.Join(dir, "new", "gate.db")
	validate := func(options string) error {
		text := "{\n admin off\n persist_config off\n sallyport {\n store " + dsn + "\n" + options + "\n }\n}\nhttp://127.0.0.1:" + freePort(t) + " {\n sallyport\n respond hello\n}\n"
		var config caddy.Config
		if err := json.Unmarshal(adapt(t, text), &config); err != nil {
			t.Fatal(err)
		}
		return caddy.Validate(&config)
	}
	empty := files(t, dir)
	if err := validate(""); err != nil {
		t.Errorf("without a store: %v", err)
	}
	if got := files(t, dir); got != empty {
		t.Errorf("validating made\n%s", got)
	}

	secret, err := store.LoadOrCreateSecret(filepath.Join(dir, "new", "gate.db.secret"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), dsn, store.Options{Secret: secret, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	made := files(t, dir)
	if err := validate(""); err != nil {
		t.Errorf("with a store: %v", err)
	}
	for name, c := range map[string]struct {
		options, want string
		spoil         func() error
	}{
		"another secret": {"secret " + strings.Repeat("x", 32), "the secret is not the one this store was made with", nil},
		"short secret":   {"secret short", "the secret has 5 bytes", nil},
		"empty secret":   {"secret {env.SALLYPORT_TEST_NOT_SET}", "secret: ", nil},
		"missing secret": {"", "its secret is missing", func() error { return os.Rename(dir+"/new/gate.db.secret", dir+"/secret") }},
		"open secret": {"", "may be read by others", func() error {
			return os.Chmod(dir+"/new/gate.db.secret", 0o644)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.spoil != nil {
				if err := c.spoil(); err != nil {
					t.Fatal(err)
				}
				made = files(t, dir)
				defer func() {
					os.Remove(dir + "/new/gate.db.secret")
					if err := os.WriteFile(dir+"/new/gate.db.secret", append(secret, '\n'), 0o600); err != nil {
						t.Fatal(err)
					}
					made = files(t, dir)
				}()
			}
			if err := validate(c.options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if got := files(t, dir); got != made {
				t.Errorf("validating changed\n%s", got)
			}
		})
	}
	if installations.Range(func(key, _ any) bool { t.Errorf("%v is still in use", key); return true }); t.Failed() {
		t.FailNow()
	}
}

// TestStartFails: a store that cannot be opened is a sentence that says what to do.
func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/text", []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ options, want string }{
		"unknown kind":          {"store mysql://db/x\nsecret " + strings.Repeat("x", 32), "a store is written sqlite:/path/to/file.db or postgres://"},
		"unknown kind, secret":  {"store mysql://db/x", "store: a store is written sqlite:/path/to/file.db or postgres://"},
		"no secret file":        {"secret {file." + dir + "/nope}", "for a new store, make it with 'openssl rand -base64 48 >" + dir + "/nope'"},
		"no variable":           {"secret {env.SALLYPORT_TEST_NOT_SET}", "set what it stands for"},
		"no database":           {"store sqlite:" + dir + "/text\nsecret " + strings.Repeat("x", 32), "name another"},
		"file as folder":        {"store sqlite:" + dir + "/text/gate.db", "not a directory"},
		"database is away":      {"store postgres://sallyport@127.0.0.1:1/x\nsecret " + strings.Repeat("x", 32), "check that the server runs there"},
		"PostgreSQL, no secret": {"store postgres://sallyport:hunter2@127.0.0.1:1/x", "a store on a server needs one"},
		"password":              {"store postgres://sallyport:hunter2@127.0.0.1:1/x\nsecret " + strings.Repeat("x", 32), "check that"},
	} {
		t.Run(name, func(t *testing.T) {
			err := caddy.Load(adapt(t, "{\n admin off\n persist_config off\n sallyport {\n"+c.options+"\n }\n}\nhttp://127.0.0.1:"+freePort(t)+" {\n sallyport\n}\n"), true)
			if err == nil {
				_ = caddy.Stop()
				t.Fatal("it starts")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestFirstStart: the store and its secret are made, for this user only, and
// requests that come before the gate is there wait for it.
func TestFirstStart(t *testing.T) {
	for range 5 { // Caddy starts apps in any order
		dir := t.TempDir()
		w := &world{TB: t, dir: dir, dsn: "sqlite:" + dir + "/a/b/gate.db", port: freePort(t), console: newConsole(t)}
		statuses := make(chan int, 1)
		go func() {
			for {
				c, err := w.dial(t.Context(), insideIP)
				if err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				statuses <- statusOn(t, c, "GET / HTTP/1.1\r\nHost: acme.example\r\n\r\n")
				return
			}
		}()
		w.load()
		if got := <-statuses; got != http.StatusNotFound {
			t.Errorf("the first request got %d, want 404: no tenant has the host", got)
		}
		for _, file := range []string{"/a/b/gate.db", "/a/b/gate.db.secret"} {
			if info, err := os.Stat(dir + file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", file, info, err)
			}
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNeverOpened: without a gate nobody passes.
func TestNeverOpened(t *testing.T) {
	n, err := newInstallation(t.Context(), "sqlite:"+t.TempDir()+"/gate.db", "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if n.wait(ctx) != nil {
		t.Error("there is a gate")
	}
	if err := n.Destruct(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if n.wait(t.Context()) != nil || time.Since(began) > time.Second {
		t.Error("it waits for a gate that never comes")
	}
	var app App
	if err := app.Cleanup(); err != nil { // after a Provision that failed at once
		t.Error(err)
	}
}
