package test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailbox is a real mail server and what it has received.
type mailbox struct {
	address, dir string
}

func startMailbox(t *testing.T) *mailbox {
	t.Helper()
	const program = "/usr/bin/aiosmtpd"
	if _, err := os.Stat(program); err != nil {
		const missing = "there is no aiosmtpd: install the package python3-aiosmtpd"
		if os.Getenv("CI") == "true" || strings.Contains(os.Getenv("SALLYPORT_REQUIRE"), "servers") {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	m := &mailbox{net.JoinHostPort("127.0.0.1", fmt.Sprint(freePort(t))), filepath.Join(t.TempDir(), "mail")}
	cmd := exec.Command(program, "-n", "-l", m.address, "-c", "aiosmtpd.handlers.Mailbox", m.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, 10*time.Second, func() error {
		conn, err := net.Dial("tcp", m.address)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return m
}

// subjects returns those of all letters, sorted.
func (m *mailbox) subjects() (subjects []string, err error) {
	files, err := filepath.Glob(filepath.Join(m.dir, "new/*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		letter, err := mail.ReadMessage(strings.NewReader(string(text)))
		if err != nil {
			return nil, err
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject"))
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	return subjects, nil
}

// alert is what a webhook gets.
type alert struct {
	Data struct {
		Kind  string
		First bool
		Count int
	}
}

// alarm is a webhook for alerts.
type alarm struct {
	*httptest.Server
	mu  sync.Mutex
	got []string
}

func startAlarm(t *testing.T) *alarm {
	t.Helper()
	a := &alarm{}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got alert
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		if err != nil || r.Header.Get("webhook-signature") == "" {
			http.Error(w, "not as it should be", http.StatusBadRequest)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.got = append(a.got, fmt.Sprintf("%s %t %d", got.Data.Kind, got.Data.First, got.Data.Count))
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *alarm) has() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(slices.Values(a.got))
}

// TestAlerts: owners are told of what they want to know, by e-mail and webhook, a
// flood is one message and one summary, and a node that is killed meanwhile
// forgets nothing.
func TestAlerts(t *testing.T) {
	box, hook := startMailbox(t), startAlarm(t)
	s := setup{store: newFile(t), console: startConsole(t).address(), options: fmt.Sprintf(
		"mail {\n server smtp://%s\n starttls off\n from gate@example.test\n}\nalert_webhooks anywhere\n", box.address)}
	g := startGateway(t, s)
	g.stop()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	g.env = append(g.env, "SSL_CERT_FILE="+ca) // what the program trusts
	g.restart()
	g.do("tenant", "add", "acme", "--name", "Acme", "--host", "acme.gate.test")
	g.do("network", "add", "acme", "192.0.2.0/24", "--label", "Head office")
	g.do("tenant", "set", "acme", "--mode", "enforced")
	owner := g.visit("acme.gate.test", "192.0.2.1")
	owner.signIn(g.addAccount("acme", "owner", "owner"))
	who := g.addAccount("acme", "li.na", "member")

	owner.api(http.MethodPut, "/alerts", map[string]any{
		"revision": 0, "new_address": map[string]any{"enabled": true, "days": 30}, "list_changed": map[string]any{"enabled": true},
		"password_elsewhere": map[string]any{"enabled": true},
		"refusals":           map[string]any{"enabled": true, "count": 5, "minutes": 10}, "quiet_minutes": 1,
		"emails": []string{"security@example.test"}, "webhook": hook.URL, "language": "zh-CN",
	}, http.StatusOK, nil)
	owner.api(http.MethodPut, "/policy", map[string]any{"base_version": 0, "check_passwords_from_outside": true, "access_requests": true}, http.StatusOK, nil)
	var tested struct {
		Items []struct{ To, Error *string }
	}
	owner.api(http.MethodPost, "/alerts/test", nil, http.StatusOK, &tested)
	if len(tested.Items) != 2 || tested.Items[0].Error != nil || tested.Items[1].Error != nil {
		t.Fatalf("the test went %s", text(tested))
	}

	for i := range 8 {
		if err := g.visit("acme.gate.test", fmt.Sprintf("198.51.100.%d", i+1)).get("/").refused(http.StatusForbidden, "outside_networks"); err != nil {
			t.Fatal(err)
		}
	}
	g.visit("acme.gate.test", "192.0.2.99").signIn(who)
	thief := g.visit("acme.gate.test", "198.51.100.200").call(http.MethodPost, "/_sallyport/login", map[string]string{"login": who.login, "password": who.password})
	if err := thief.refused(http.StatusForbidden, "outside_networks"); err != nil {
		t.Fatal(err)
	}
	owner.api(http.MethodPost, "/networks/entries", map[string]any{"range": "203.0.113.7", "label": "Home"}, http.StatusCreated, nil)
	time.Sleep(1500 * time.Millisecond) // by then refusals are stored
	g.kill()
	g.restart()

	first := []string{"list_changed true 1", "new_address true 1", "password_elsewhere true 1", "refusals true 5", "test true 0"}
	began := time.Now()
	eventually(t, deliveredWithin, func() error {
		if got := hook.has(); !slices.Contains(got, "refusals true 5") {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	t.Logf("the flood was told after %s", time.Since(began))
	eventually(t, 3*time.Minute, func() error { return same(hook.has(), slices.Sorted(slices.Values(append(first, "refusals false 4")))) })
	eventually(t, 10*time.Second, func() error {
		subjects, err := box.subjects()
		if err != nil {
			return err
		}
		if len(subjects) != 6 {
			return fmt.Errorf("the mailbox has %q", subjects)
		}
		for _, want := range []string{"[Acme] li.na 从新的网络登录", "[Acme] owner 更改了允许的网络", "[Acme] 有人在允许的网络之外输入了 li.na 的正确密码", "[Acme] 测试：可以收到告警"} {
			if !slices.Contains(subjects, want) {
				return fmt.Errorf("the mailbox has %q, want %q", subjects, want)
			}
		}
		return nil
	})
}

func same(got, want []string) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}
