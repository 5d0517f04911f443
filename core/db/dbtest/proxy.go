package dbtest

import (
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Verdict is what a Proxy does with something that a client sends.
type Verdict int

// The verdicts: pass it on; cut the connection before it or, when the server answers, after
// it, so that the client does not know; cut the connection at once behind it, so that nobody
// knows.
const (
	Pass Verdict = iota
	CutBefore
	CutAfter
	CutBehind
)

// Proxy stands between clients and a server and cuts connections, as a network does that
// breaks, or a failover.
type Proxy struct {
	listener net.Listener
	dial     func() (net.Conn, error)
	pumps    sync.WaitGroup

	mu    sync.Mutex
	judge func(sent []byte) Verdict
	links []*link
}

// link is a connection of a client and one to the server.
type link struct {
	client, server net.Conn
	mu             sync.Mutex
	// mute is what CutAfter has made of it.
	mute bool
}

// NewProxy stands in front of the server of an address that Server.URL has made, until the
// end of the test; it returns the address of the proxy, too.
func NewProxy(t testing.TB, address string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	socket := u.Query().Get("socket")
	if folder := u.Query().Get("host"); folder != "" {
		socket = folder + "/.s.PGSQL.5432"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, dial: func() (net.Conn, error) { return net.Dial("unix", socket) }}
	p.pumps.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		p.pumps.Wait()
	})
	u.Host, u.RawQuery = listener.Addr().String(), ""
	if strings.HasPrefix(u.Scheme, "postgres") {
		u.User, u.RawQuery = url.User("virga"), "sslmode=disable"
	}
	return p, u.String()
}

// Judge has every piece that a client sends be judged; nil passes all.
func (p *Proxy) Judge(judge func(sent []byte) Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge = judge
}

// Cut cuts all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	links := p.links
	p.links = nil
	p.mu.Unlock()
	for _, l := range links {
		l.cut()
	}
}

// CutOne cuts a connection by chance; it tells whether there was one.
func (p *Proxy) CutOne(chance *rand.Rand) bool {
	p.mu.Lock()
	n := len(p.links)
	var l *link
	if n > 0 {
		i := chance.IntN(n)
		l = p.links[i]
		p.links[i] = p.links[n-1]
		p.links = p.links[:n-1]
	}
	p.mu.Unlock()
	if l != nil {
		l.cut()
	}
	return l != nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := p.dial()
		if err != nil { // the server is down
			(&link{client: client}).cut()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		p.links = append(p.links, l)
		p.mu.Unlock()
		p.pumps.Go(func() { p.up(l) })
		p.pumps.Go(func() { l.down(); p.forget(l) })
	}
}

func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.links {
		if p.links[i] == l {
			p.links = append(p.links[:i], p.links[i+1:]...)
			return
		}
	}
}

// cut ends both connections, the client's with a reset.
func (l *link) cut() {
	if tcp, is := l.client.(*net.TCPConn); is {
		_ = tcp.SetLinger(0)
	}
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}

// up carries what the client sends.
func (p *Proxy) up(l *link) {
	defer l.cut()
	piece := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(piece)
		if err != nil {
			return
		}
		p.mu.Lock()
		judge := p.judge
		p.mu.Unlock()
		verdict := Pass
		if judge != nil {
			verdict = judge(piece[:n])
		}
		switch verdict {
		case CutBefore:
			return
		case CutAfter:
			l.mu.Lock()
			l.mute = true
			l.mu.Unlock()
		}
		if _, err := l.server.Write(piece[:n]); err != nil || verdict == CutBehind {
			return
		}
	}
}

// down carries what the server answers.
func (l *link) down() {
	defer l.cut()
	piece := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(piece)
		l.mu.Lock()
		mute := l.mute
		l.mu.Unlock()
		if err != nil || mute {
			return
		}
		if _, err := l.client.Write(piece[:n]); err != nil {
			return
		}
	}
}
