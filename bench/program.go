package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-gate/sallyport/auth"
)

// Passwords of the one person there is.
const (
	firstPassword = "given by an operator"
	password      = "chosen at the first sign-in"
)

var basicCredentials = base64.StdEncoding.EncodeToString([]byte("li.na:" + password))

// program is the real program, and a folder for all it keeps.
type program struct {
	dir   string
	admin string // address of Caddy's admin API

	cmd    *exec.Cmd
	cancel context.CancelFunc
	exited chan struct{} // closed when it has; cmd says how
}

func (p *program) binary() string { return filepath.Join(p.dir, "caddy") }
func (p *program) config() string { return filepath.Join(p.dir, "Caddyfile") }
func (p *program) store() string  { return filepath.Join(p.dir, "sallyport.db") }
func (p *program) log() string    { return filepath.Join(p.dir, "caddy.log") }

func (p *program) build(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", p.binary(), "github.com/sallyport-gate/sallyport/cmd/caddy").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building cmd/caddy: %w\n%s", err, out)
	}
	return nil
}

// caddy returns a call of the program that keeps to its folder.
func (p *program) caddy(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.binary(), args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	return cmd
}

// command runs one of the program's commands and returns what it prints.
func (p *program) command(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := p.caddy(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("caddy %s: %w\n%s", strings.Join(args, " "), err, errs.Bytes())
	}
	return out.String(), nil
}

func (p *program) sallyport(ctx context.Context, stdin string, args ...string) (string, error) {
	return p.command(ctx, stdin, append(append([]string{"sallyport"}, args...), "--store", p.store())...)
}

// start starts the program and returns when it serves.
func (p *program) start(ctx context.Context) error {
	logFile, err := os.Create(p.log())
	if err != nil {
		return err
	}
	defer logFile.Close()
	ctx, p.cancel = context.WithCancel(ctx)
	p.cmd = p.caddy(ctx, "run", "--config", p.config(), "--adapter", "caddyfile")
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.exited = make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // stop looks at the state
		close(p.exited)
	}()
	for range 300 {
		if _, err := p.get(ctx, "/config/"); err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.failed("it ended at the start")
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.Join(p.failed("it does not answer"), p.stop())
}

// failed says what the program logged last.
func (p *program) failed(what string) error {
	text, err := os.ReadFile(p.log())
	if err != nil {
		return fmt.Errorf("caddy run: %s: %w", what, err)
	}
	return fmt.Errorf("caddy run: %s:\n%s", what, text[max(0, len(text)-4096):])
}

// stop ends the program as an operator would, so that it stores what waits.
func (p *program) stop() error {
	p.cancel()
	<-p.exited
	if state := p.cmd.ProcessState; !state.Success() {
		return p.failed(state.String())
	}
	return nil
}

// get reads from the admin API.
func (p *program) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return body, err
}

// cpu returns the time that the program has computed so far.
func (p *program) cpu(ctx context.Context) (time.Duration, error) {
	body, err := p.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "process_cpu_seconds_total "); ok {
			seconds, err := strconv.ParseFloat(text, 64)
			return time.Duration(seconds * float64(time.Second)), err
		}
	}
	return 0, errors.New("the program has no metric process_cpu_seconds_total on this system")
}

// profile writes a profile of the next while.
func (p *program) profile(ctx context.Context, kind string, during time.Duration, file string) error {
	body, err := p.get(ctx, fmt.Sprintf("/debug/pprof/%s?seconds=%.0f", kind, during.Seconds()))
	if err != nil {
		return err
	}
	return os.WriteFile(file, body, 0o644)
}

// blocked returns how many refusals of a tenant the store has counted.
func (p *program) blocked(ctx context.Context, tenant string) (total int64, err error) {
	out, err := p.sallyport(ctx, "", "attempts", "--tenant", tenant, "--outcome", "blocked", "--limit", "0", "--json")
	if err != nil {
		return 0, err
	}
	var list struct {
		Items []struct {
			Count int64 `json:"count"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return 0, fmt.Errorf("reading attempts: %w", err)
	}
	for _, a := range list.Items {
		total += a.Count
	}
	return total, nil
}

// signIn signs in for the first time and returns the session cookie.
func signIn(ctx context.Context, v *variant) (cookie string, err error) {
	next, cookie, err := post(ctx, v, "login", "", map[string]string{"login": "li.na", "password": firstPassword})
	if err == nil && next == "new_password" {
		next, cookie, err = post(ctx, v, "password", cookie, map[string]string{"current": firstPassword, "password": password})
	}
	switch {
	case err != nil:
		return "", err
	case next != "done" || !strings.HasPrefix(cookie, auth.SessionCookie+"="):
		return "", fmt.Errorf("the next step is %q with the cookie %.20q, want done and a session", next, cookie)
	}
	return cookie, nil
}

// post sends one step of the sign-in, and returns what is next and the cookie.
func post(ctx context.Context, v *variant, step, cookie string, form map[string]string) (next, setCookie string, err error) {
	body, err := json.Marshal(form)
	if err != nil {
		return "", "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.origin()+"/_sallyport/"+step, bytes.NewReader(body))
	if err != nil {
		return "", "", err
	}
	req.Host = v.host()
	req.Header.Set("Content-Type", "application/json")
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	var answer struct{ Next, Detail string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", "", fmt.Errorf("%s: %s: %w", step, resp.Status, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("%s: %s: %s", step, resp.Status, answer.Detail)
	}
	for _, c := range resp.Cookies() {
		if c.Value != "" { // not one that is taken away
			setCookie = c.Name + "=" + c.Value
		}
	}
	return answer.Next, setCookie, nil
}
