package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestReadAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		status int // 0: an error
		rest   string
	}{
		"length":          {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloNEXT", 200, "NEXT"},
		"empty":           {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\nNEXT", 403, "NEXT"},
		"chunked":         {"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n...\r\n0\r\n\r\nNEXT", 403, "NEXT"},
		"trailer":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\nNEXT", 200, "NEXT"},
		"cut off":         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 0, ""},
		"cut off header":  {"HTTP/1.1 200 OK\r\nContent-Le", 0, ""},
		"cut off chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 0, ""},
		"no length":       {"HTTP/1.1 200 OK\r\n\r\nhello", 0, ""},
		"wrong length":    {"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", 0, ""},
		"no status":       {"HTTP/1.1 OK for all\r\nContent-Length: 0\r\n\r\n", 0, ""},
		"no HTTP":         {"SSH-2.0-OpenSSH_9.9\r\n\r\n", 0, ""},
		"closed at start": {"", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(c.text))
			status, err := readAnswer(r)
			if c.status == 0 {
				if err == nil {
					t.Fatalf("got status %d, want an error", status)
				}
				return
			}
			if err != nil || status != c.status {
				t.Fatalf("got %d, %v, want %d", status, err, c.status)
			}
			if rest, _ := io.ReadAll(r); string(rest) != c.rest {
				t.Errorf("left %q, want %q", rest, c.rest)
			}
		})
	}
}

// TestLoad sends load to a server of net/http, which counts what it answers.
func TestLoad(t *testing.T) {
	v := &variant{status: http.StatusForbidden, request: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")}
	answered := make(chan struct{}, 1<<20)
	v.port = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answered <- struct{}{}
		http.Error(w, strings.Repeat("no ", 2000), http.StatusForbidden)
	})
	s, err := v.load(t.Context(), 3, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := int64(len(answered)), s.sent; got != want || v.received != want || want != int64(len(s.latencies)+3) {
		t.Errorf("answered %d, sent %d, received %d, %d latencies on 3 connections", got, want, v.received, len(s.latencies))
	}
	v.status = http.StatusOK
	if _, err := v.load(t.Context(), 1, time.Millisecond); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got error %v, want one that names the status", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.load(ctx, 1, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
}

func serve(t *testing.T, handle http.HandlerFunc) (port int) {
	l, err := net.Listen("tcp", visitor+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handle}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { server.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestConsole asks the console what a proxy would.
func TestConsole(t *testing.T) {
	l, err := startConsole()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 { // the second over the same connection
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || len(body) != 1024 {
			t.Errorf("got %s with %d bytes, %v, want 1024", resp.Status, len(body), err)
		}
	}
}

func TestQuantile(t *testing.T) {
	s := &sample{}
	if got := s.quantile(0.5); got != 0 {
		t.Errorf("of nothing: got %v, want 0", got)
	}
	for i := range 100 {
		s.latencies = append(s.latencies, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := s.quantile(q); got != want {
			t.Errorf("%v: got %d, want %d", q, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	bare := &variant{name: bareProxy, rounds: []round{
		{rate: 100, requests: 10, cpu: time.Millisecond, p50: 10 * time.Microsecond},
		{rate: 200, requests: 20, cpu: time.Millisecond, p50: 20 * time.Microsecond},
		{rate: 50, requests: 10, cpu: time.Millisecond, p50: 10 * time.Microsecond},
	}}
	signedIn := &variant{name: signedIn10, rounds: []round{
		{rate: 98, requests: 10, cpu: time.Millisecond, p50: 13 * time.Microsecond},
		{rate: 192, requests: 20, cpu: 2 * time.Millisecond, p50: 22 * time.Microsecond},
		{rate: 48, requests: 10, cpu: time.Millisecond, p50: 19 * time.Microsecond},
	}}
	r := newReport([]*variant{bare, signedIn}, 2, options{seconds: 1})
	got := r.Rows[1]
	want := row{Name: signedIn10, Rate: 98, Ratio: spread{0.96, 0.96, 0.97}, AddedP50: 3, CPU: 100}
	if got.Name != want.Name || got.Rate != want.Rate || got.Ratio != want.Ratio || got.AddedP50 != want.AddedP50 || got.CPU != want.CPU {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(r.Aims) != 1 || r.Aims[0].Verdict != "reached in some rounds" {
		t.Errorf("got aims %+v, want one, reached in some rounds", r.Aims)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		got  spread
		want string
	}{
		{spread{0.97, 0.90, 0.99}, "reached"},
		{spread{0.96, 0.90, 0.97}, "reached in some rounds"},
		{spread{0.90, 0.88, 0.96}, "missed"},
	} {
		a := aim{Wanted: 0.97}
		if a.judge(c.got); a.Verdict != c.want {
			t.Errorf("%v: got %q, want %q", c.got, a.Verdict, c.want)
		}
	}
}

// TestVariants checks what the figures depend on: that every list has the length
// it is named after, and names the visitor once, or not at all.
func TestVariants(t *testing.T) {
	for _, v := range selected(regexp.MustCompile("")) {
		if v.tenant == "" {
			continue
		}
		list, visitors := ranges(v.entries, v.admits), 0
		seen := map[string]bool{}
		for _, r := range list {
			seen[r] = true
			if r == visitor {
				visitors++
			}
		}
		if len(seen) != v.entries || (visitors == 1) != v.admits {
			t.Errorf("%s: %d different ranges, %d of them the visitor's", v.name, len(seen), visitors)
		}
	}
	if got := selected(regexp.MustCompile("nothing like this")); len(got) != 1 || got[0].name != bareProxy {
		t.Errorf("got %d variants, want the bare proxy alone", len(got))
	}
}

func TestParseFlags(t *testing.T) {
	for _, args := range [][]string{{"-seconds", "0"}, {"-seconds", "NaN"}, {"-seconds", "101"}, {"-connections", "0"}, {"-only", "("}, {"more"}} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
	o, err := parseFlags([]string{"-seconds", "2", "-only", "auth", "-json"})
	if err != nil || o.rounds() != 10 || !o.json || o.only.String() != "auth" {
		t.Errorf("got %+v, %v", o, err)
	}
}
