package libvirt

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
)

// link is one connection to libvirtd. It ends by the closing of its socket and in no other way: what the library calls Disconnect asks
// libvirtd first and waits for its answer without end, and its ending of a subscription stops reading the connection for good when an
// event comes at that moment. Calls that wait for an answer fail when the link ends.
type link struct {
	*rpc.Libvirt
	conn net.Conn
	// gone is closed when the link has ended, by whatever.
	gone chan struct{}
	once sync.Once
}

// openLink connects to libvirtd at a socket; the time that it may take is bounded, whether libvirtd answers or not.
func openLink(ctx context.Context, socket, uri string, within time.Duration) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to libvirt at %s: %w", socket, err)
	}
	l := &link{conn: conn, gone: make(chan struct{})}
	l.Libvirt = rpc.NewWithDialer(handed{wire{conn, l}})
	if err := l.bounded(ctx, func() error { return l.ConnectToURI(rpc.ConnectURI(uri)) }); err != nil {
		return nil, fmt.Errorf("connect to libvirt at %s: %w", socket, err)
	}
	return l, nil
}

// bounded makes a call that ends with ctx, and the link with it. A link whose call failed is of no use any more, either.
func (l *link) bounded(ctx context.Context, do func() error) error {
	stop := context.AfterFunc(ctx, l.hangUp)
	err := do()
	if !stop() { // it has ended
		err = ctx.Err()
	}
	if err != nil {
		l.hangUp()
	}
	return err
}

// hangUp ends the link. It may be called at any time and more than once.
func (l *link) hangUp() {
	_ = l.conn.Close() // it may have been closed
	l.ended()
}

func (l *link) ended() { l.once.Do(func() { close(l.gone) }) }

// alive tells whether calls can be answered.
func (l *link) alive() bool {
	select {
	case <-l.gone:
		return false
	default:
		return true
	}
}

// wire is the link's socket, which tells when reading from it has come to an end.
type wire struct {
	net.Conn
	link *link
}

// Read implements net.Conn.
func (w wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.link.ended()
	}
	return n, err
}

// handed gives the library a socket that is connected.
type handed struct{ conn net.Conn }

// Dial implements socket.Dialer.
func (h handed) Dial() (net.Conn, error) { return h.conn, nil }
