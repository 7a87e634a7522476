package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"sync"
	"time"
)

// answerWithin bounds how long an answer may take.
const answerWithin = 10 * time.Second

// sample is what a while of load saw.
type sample struct {
	sent      int64           // requests, the first of each connection included
	latencies []time.Duration // of the others, ascending
	took      time.Duration
}

// quantile returns the latency that a share q of the requests did not exceed;
// zero: there were none.
func (s *sample) quantile(q float64) time.Duration {
	if len(s.latencies) == 0 {
		return 0
	}
	i := int(math.Ceil(q*float64(len(s.latencies)))) - 1
	return s.latencies[max(i, 0)]
}

// load sends the variant's request over so many connections for a while. It is
// an error when an answer has another status than the variant's.
func (v *variant) load(ctx context.Context, connections int, during time.Duration) (*sample, error) {
	clients := make([]*client, connections)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	for i := range clients { // before the clock runs: connecting is not what is measured
		c, err := dial(ctx, v.port, during)
		if err != nil {
			return nil, err
		}
		clients[i] = c
		if err := c.exchange(v); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	end := start.Add(during)
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() { c.run(ctx, v, end) })
	}
	wg.Wait()

	s := &sample{took: time.Since(start), sent: int64(connections)}
	var errs []error
	for _, c := range clients {
		s.latencies = append(s.latencies, c.latencies...)
		errs = append(errs, c.err)
	}
	s.sent += int64(len(s.latencies))
	v.received += s.sent
	slices.Sort(s.latencies)
	return s, errors.Join(errs...)
}

// client is one connection. It is far simpler than that of net/http, which on a
// small machine would cost as much as what is measured.
type client struct {
	conn      net.Conn
	r         *bufio.Reader
	latencies []time.Duration
	err       error
}

func dial(ctx context.Context, port int, during time.Duration) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(visitor, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(during + answerWithin)); err != nil {
		conn.Close()
		return nil, err
	}
	return &client{conn: conn, r: bufio.NewReader(conn)}, nil
}

// run sends one request after the other.
func (c *client) run(ctx context.Context, v *variant, end time.Time) {
	for last := time.Now(); last.Before(end) && ctx.Err() == nil; {
		if c.err = c.exchange(v); c.err != nil {
			return
		}
		now := time.Now()
		c.latencies = append(c.latencies, now.Sub(last))
		last = now
	}
	c.err = ctx.Err()
}

func (c *client) exchange(v *variant) error {
	if _, err := c.conn.Write(v.request); err != nil {
		return err
	}
	status, err := readAnswer(c.r)
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	if status != v.status {
		return fmt.Errorf("the status is %d, want %d", status, v.status)
	}
	return nil
}

// readAnswer reads a whole answer to GET, as far as Caddy writes such
// (RFC 9112), and returns its status.
func readAnswer(r *bufio.Reader) (status int, err error) {
	line, err := readLine(r)
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("%q is no status line", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, fmt.Errorf("%q is no status line", line)
	}
	length, chunked := int64(-1), false
	for {
		if line, err = readLine(r); err != nil {
			return 0, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(bytes.TrimSpace(value), []byte("chunked"))
		}
	}
	switch {
	case chunked:
		err = skipChunks(r)
	case length >= 0:
		_, err = io.CopyN(io.Discard, r, length)
	default:
		err = errors.New("the answer has neither a length nor chunks")
	}
	return status, err
}

func skipChunks(r *bufio.Reader) error {
	if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(r)); err != nil {
		return err
	}
	for { // trailers
		if line, err := readLine(r); err != nil || len(line) == 0 {
			return err
		}
	}
}

// readLine returns a line without its end, valid until the next is read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// startConsole starts what stands behind the proxy, and what forward_auth asks:
// it answers every request that has no body with a page of 1 KiB.
func startConsole() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	page := bytes.Repeat([]byte("console "), 128)
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go serveConsole(conn, answer)
		}
	}()
	return l, nil
}

func serveConsole(conn net.Conn, answer []byte) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		line, err := readLine(r)
		if err != nil {
			return
		}
		if len(line) > 0 {
			continue // a header
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
