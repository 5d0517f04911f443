package libvirt

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

// soon is how long what needs no more than some messages may take on a busy machine.
const soon = 20 * time.Second

// daemon answers every call of libvirt's protocol (libvirt's docs/kbase/internals/rpc) with zeros, which is enough of an answer to what a
// connection asks by itself.
type daemon struct {
	socket string
	silent atomic.Bool
	// talks has it send an event after each answer and between them, without end.
	talks atomic.Bool
	calls atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{socket: filepath.Join(t.TempDir(), "libvirt-sock")}
	listener, err := net.Listen("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.conns = append(d.conns, conn)
			d.mu.Unlock()
			work.Go(func() { d.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		d.mu.Lock()
		for _, conn := range d.conns {
			conn.Close()
		}
		d.mu.Unlock()
		work.Wait()
	})
	return d
}

// The numbers of the protocol (libvirt's src/remote/remote_protocol.x).
const (
	remoteProgram  = 0x20008086
	lifecycleEvent = 318
	reply, message = 1, 2
)

func (d *daemon) serve(conn net.Conn) {
	var writing sync.Mutex
	send := func(procedure, kind, serial uint32, payload []byte) error {
		writing.Lock()
		defer writing.Unlock()
		var packet []byte
		for _, word := range []uint32{uint32(28 + len(payload)), remoteProgram, 1, procedure, kind, serial, 0} {
			packet = binary.BigEndian.AppendUint32(packet, word)
		}
		_, err := conn.Write(append(packet, payload...))
		return err
	}
	header := make([]byte, 28)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		word := func(i int) uint32 { return binary.BigEndian.Uint32(header[4*i:]) }
		if _, err := io.CopyN(io.Discard, conn, int64(word(0))-28); err != nil {
			return
		}
		d.calls.Add(1)
		if d.silent.Load() {
			continue
		}
		if d.talks.Load() && word(3) == 316 { // a subscription
			go func() {
				for send(lifecycleEvent, message, 0, make([]byte, 4+4+16+4+4+4)) == nil {
				}
			}()
		}
		if send(word(3), reply, word(5), make([]byte, 8)) != nil {
			return
		}
	}
}

// connected opens a driver over a daemon.
func connected(t *testing.T, d *daemon, p pulse) *Driver {
	t.Helper()
	driver := &Driver{config: Config{Socket: d.socket, Log: slog.New(slog.DiscardHandler), Clock: fixedClock{}}}
	driver.config.setDefaults()
	driver.conn = &connection{socket: d.socket, uri: driver.config.URI, log: driver.config.Log, pulse: p, onEvent: driver.onEvent, onGap: driver.onGap}
	driver.conn.start()
	return driver
}

func (d *Driver) ask(t *testing.T) error {
	return run(t.Context(), d.conn, "ask", func(l *rpc.Libvirt) error {
		_, err := l.ConnectGetLibVersion()
		return err
	})
}

// endsSoon fails the test when do takes for ever.
func endsSoon(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatalf("%s has not ended within %s", what, soon)
	}
}

func TestASilentLibvirtFailsCallsAndIsFoundAgain(t *testing.T) {
	d := newDaemon(t)
	driver := connected(t, d, pulse{every: 10 * time.Millisecond, patience: 100 * time.Millisecond, greeting: 200 * time.Millisecond})
	defer driver.conn.close()
	if err := driver.ask(t); err != nil {
		t.Fatal(err)
	}
	d.silent.Store(true)
	endsSoon(t, "a call that is not answered", func() {
		if err := driver.ask(t); !errors.Is(err, hypervisor.ErrUnavailable) {
			t.Errorf("a call that is not answered ends with %v", err)
		}
	})
	d.silent.Store(false)
	deadline := time.Now().Add(soon)
	for driver.ask(t) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the driver does not come back to a libvirt that answers again")
		}
	}
}

func TestClosingDoesNotWaitForASilentLibvirt(t *testing.T) {
	d := newDaemon(t)
	driver := connected(t, d, usualPulse())
	if err := driver.ask(t); err != nil {
		t.Fatal(err)
	}
	d.silent.Store(true)
	before := d.calls.Load()
	asked := make(chan error, 1)
	go func() { asked <- driver.ask(t) }()
	for d.calls.Load() == before {
		time.Sleep(time.Millisecond)
	}
	endsSoon(t, "closing the driver", driver.conn.close)
	endsSoon(t, "the call", func() {
		if err := <-asked; err == nil {
			t.Error("it was answered by nobody")
		}
	})
	// One that has never answered is no better.
	greeted := connected(t, d, usualPulse())
	for before := d.calls.Load(); d.calls.Load() == before; {
		time.Sleep(time.Millisecond)
	}
	endsSoon(t, "closing the driver before libvirt has greeted", greeted.conn.close)
}

// Events that come while the subscription ends must not stop everything else.
func TestClosingInAFloodOfEvents(t *testing.T) {
	d := newDaemon(t)
	d.talks.Store(true)
	for range 20 {
		driver := connected(t, d, usualPulse())
		if err := driver.ask(t); err != nil {
			t.Fatal(err)
		}
		endsSoon(t, "closing the driver", driver.conn.close)
	}
}
