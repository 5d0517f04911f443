package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"virga/core/bus"
	"virga/core/bus/stream"
	"virga/core/clock"
)

// wire is a network inside a synctest bubble: pipes in the place of sockets.
type wire struct {
	accept chan net.Conn
	closed chan struct{}
	bus    *bus.Local
	server *stream.Server
	http   *http.Server

	mu    sync.Mutex
	dials []time.Time
}

func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{accept: make(chan net.Conn), closed: make(chan struct{}), bus: bus.NewLocal()}
	w.server = stream.NewServer(stream.Config{Bus: w.bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Allowed: everything})
	w.http = &http.Server{Handler: w.server}
	go func() {
		if err := w.http.Serve(w); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := errors.Join(w.server.Close(), w.http.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Accept implements net.Listener.
func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.accept:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (w *wire) Close() error { close(w.closed); return nil }

// Addr implements net.Listener.
func (w *wire) Addr() net.Addr { return &net.UnixAddr{Name: "wire"} }

// join connects a node; its connection passes through the returned cable.
func (w *wire) join(t *testing.T) (*stream.Client, *cable) {
	t.Helper()
	k := &cable{}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		w.mu.Lock()
		w.dials = append(w.dials, time.Now())
		w.mu.Unlock()
		near, far := net.Pipe()
		select {
		case w.accept <- far:
			return &plug{near, k}, nil
		case <-w.closed:
			return nil, net.ErrClosed
		}
	}}
	c := stream.NewClient(stream.ClientConfig{HTTP: &http.Client{Transport: transport}, Base: "http://controller/bus", Log: slog.New(slog.DiscardHandler)})
	run(t, c)
	synctest.Wait()
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, k
}

// cable may be cut, and then swallows what passes in both directions, as a network does; or
// stopped: the node takes nothing any more.
type cable struct{ cut, stopped atomic.Bool }

type plug struct {
	net.Conn
	cable *cable
}

// Read implements net.Conn.
func (p *plug) Read(b []byte) (int, error) {
	for {
		if p.cable.stopped.Load() {
			time.Sleep(time.Minute) // in the bubble's time
			continue
		}
		n, err := p.Conn.Read(b)
		if err != nil || !p.cable.cut.Load() {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (p *plug) Write(b []byte) (int, error) {
	if p.cable.cut.Load() {
		return len(b), nil
	}
	return p.Conn.Write(b)
}

// TestSilentPeerIsDead cuts the network: both ends notice in 9 s, and the node comes back.
func TestSilentPeerIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		c, cable := w.join(t)
		time.Sleep(time.Minute)
		if w.server.Connected() != 1 {
			t.Fatal("a node that is merely quiet was dropped")
		}
		c.Serve("x.node.h1", func(context.Context, string, []byte) ([]byte, error) { return []byte("here"), nil })
		bell := c.Listen("x.node.h1")
		<-bell.C
		cable.cut.Store(true)
		began := time.Now()
		if _, err := w.bus.Call(t.Context(), "x.node.h1", "q", nil); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("the question that met the cut: %v", err)
		}
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("the controller has noticed after %v", took)
		}
		synctest.Wait()
		if w.server.Connected() != 0 {
			t.Error("a dead node counts as connected")
		}
		cable.cut.Store(false)
		<-bell.C // by itself
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("the node was back after %v", took)
		}
		synctest.Wait() // until it serves, too
		if got, err := w.bus.Call(t.Context(), "x.node.h1", "q", nil); err != nil || string(got) != "here" {
			t.Errorf("the node that came back: %q, %v", got, err)
		}
	})
}

// TestStoppedNodeBlocksNobody has a node take nothing any more: rings and questions to others
// go on, those to it end in time.
func TestStoppedNodeBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		answer := func(context.Context, string, []byte) ([]byte, error) { return make([]byte, 1<<20), nil }
		stopped, cable := w.join(t)
		well, _ := w.join(t)
		stopped.Serve("x.node.stopped", answer)
		well.Serve("x.node.well", answer)
		bell := well.Listen("x.node.well")
		stopped.Listen("x.node.well")
		<-bell.C
		synctest.Wait()
		cable.stopped.Store(true)
		began := time.Now()
		for range 100 {
			w.bus.Ring("x.node.well")
			<-bell.C
		}
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			if _, err := w.bus.Call(ctx, "x.node.stopped", "q", make([]byte, 8<<20)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a question to a node that stands still: %v", err)
			}
			cancel()
			if _, err := w.bus.Call(t.Context(), "x.node.well", "q", nil); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("others were held up: it took %v", took)
		}
		time.Sleep(9 * time.Second)
		if w.server.Connected() != 1 {
			t.Errorf("%d nodes are connected", w.server.Connected())
		}
		cable.stopped.Store(false)
	})
}

// TestNodesDoNotComeBackTogether loses all nodes at one instant.
func TestNodesDoNotComeBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes = 400
		w := newWire(t)
		for range nodes {
			w.join(t)
		}
		w.mu.Lock()
		w.dials = nil
		w.mu.Unlock()
		began := time.Now()
		w.server.Disconnect(func(context.Context) bool { return true })
		time.Sleep(3 * time.Second)
		if w.server.Connected() != nodes {
			t.Errorf("%d nodes are connected", w.server.Connected())
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		counts := map[time.Duration]int{}
		for _, dial := range w.dials {
			counts[dial.Sub(began).Truncate(100*time.Millisecond)]++
		}
		for at, count := range counts {
			if count > nodes/4 { // a tenth is to be expected
				t.Errorf("%d of %d nodes came back in the tenth of a second at %v", count, nodes, at)
			}
		}
	})
}

// TestNodeWaitsLongerAndLonger has a node look for a controller that is not there.
func TestNodeWaitsLongerAndLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		var places sync.Map
		c := stream.NewClient(stream.ClientConfig{
			HTTP: &http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				dials.Add(1)
				places.Store(address, true)
				return nil, errors.New("nobody is here")
			}}},
			Next: func() string { return fmt.Sprintf("http://controller-%d/bus", dials.Load()%2) },
			Log:  slog.New(slog.DiscardHandler),
		})
		run(t, c)
		time.Sleep(10 * time.Minute)
		// With a mean of 15 s in the end.
		if n := dials.Load(); n < 20 || n > 90 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		for _, place := range []string{"controller-0:80", "controller-1:80"} {
			if _, tried := places.Load(place); !tried {
				t.Errorf("%s was not tried", place)
			}
		}
		began := time.Now()
		if _, err := c.Call(t.Context(), "x", "q", nil); !errors.Is(err, bus.ErrUnavailable) || errors.Is(err, context.Canceled) {
			t.Errorf("a call without a controller: %v", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
