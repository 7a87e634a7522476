package test

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a gateway and its database, and can take it away.
type proxy struct {
	t       *testing.T
	address string // where it listens
	target  string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	silent   chan struct{} // not nil: nothing passes until it is closed
	done     sync.WaitGroup
}

// newProxy starts a proxy for a database and returns the DSN that leads through
// it.
func newProxy(t *testing.T, dsn string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, address: "127.0.0.1:0", target: u.Host, conns: map[net.Conn]struct{}{}}
	if u.Port() == "" {
		p.target = net.JoinHostPort(u.Hostname(), "5432")
	}
	p.listen()
	p.address = p.listener.Addr().String()
	t.Cleanup(func() {
		p.cut()
		p.done.Wait()
	})
	u.Host = p.address
	return p, u.String()
}

func (p *proxy) listen() {
	p.t.Helper()
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.done.Go(func() { p.serve(conn) })
		}
	})
}

// serve leads one connection to the database.
func (p *proxy) serve(conn net.Conn) {
	defer p.forget(p.remember(conn))
	back, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.forget(p.remember(back))
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{conn, back}, {back, conn}} {
		both.Go(func() {
			p.copy(way[0], way[1])
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}

// copy leads what is read on, unless nothing may pass: then it is kept.
func (p *proxy) copy(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		if silent != nil {
			<-silent
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) remember(conn net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = struct{}{}
	return conn
}

func (p *proxy) forget(conn net.Conn) {
	p.mu.Lock()
	delete(p.conns, conn)
	p.mu.Unlock()
	conn.Close()
}

// cut closes all connections and listens no more, like a server that has ended.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener.Close()
	for conn := range p.conns {
		conn.Close()
	}
	p.loosen()
}

// hush lets nothing pass any more and closes nothing, like a network that
// swallows every packet.
func (p *proxy) hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = make(chan struct{})
}

// restore brings the database back.
func (p *proxy) restore() {
	p.t.Helper()
	p.mu.Lock()
	silent := p.silent != nil
	p.loosen()
	p.mu.Unlock()
	if !silent {
		p.listen()
	}
}

// loosen ends the silence; the caller holds mu.
func (p *proxy) loosen() {
	if p.silent != nil {
		close(p.silent)
		p.silent = nil
	}
}
