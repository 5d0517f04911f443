package fake

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"virga/service/compute/hypervisor"
)

// viewers are the connections to displays and serial ports of guests. The zero value is ready.
type viewers struct {
	mu      sync.Mutex
	open    map[string]map[net.Conn]bool // true: to the serial port
	closed  bool
	serving sync.WaitGroup
}

// add has serve speak for a guest on one end of a connection whose other end is returned. A
// connection to the serial port ends the one before.
func (v *viewers) add(id string, serial bool, serve func(conn net.Conn)) (net.Conn, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, hypervisor.ErrClosed
	}
	if v.open == nil {
		v.open = map[string]map[net.Conn]bool{}
	}
	if v.open[id] == nil {
		v.open[id] = map[net.Conn]bool{}
	}
	for conn, isSerial := range v.open[id] {
		if serial && isSerial {
			_ = conn.Close()
		}
	}
	inner, outer := net.Pipe()
	v.open[id][inner] = serial
	v.serving.Go(func() {
		serve(inner)
		_ = inner.Close()
		v.mu.Lock()
		defer v.mu.Unlock()
		if delete(v.open[id], inner); len(v.open[id]) == 0 {
			delete(v.open, id)
		}
	})
	return outer, nil
}

// end closes all connections to a guest.
func (v *viewers) end(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for conn := range v.open[id] {
		_ = conn.Close()
	}
}

func (v *viewers) close() {
	v.mu.Lock()
	v.closed = true
	for id := range v.open {
		for conn := range v.open[id] {
			_ = conn.Close()
		}
	}
	v.mu.Unlock()
	v.serving.Wait()
}

// OpenDisplay implements hypervisor.Driver.
func (d *Driver) OpenDisplay(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	if r := d.lookup(id); r != nil && r.Guest.Devices.Video == "none" {
		return nil, fmt.Errorf("open display: %w: simulated guest %s has none", hypervisor.ErrNotFound, id)
	}
	return d.openViewer(ctx, "OpenDisplay", id, false, func(r *record, conn net.Conn) {
		screen{name: hostName(r) + " (simulated)"}.serve(conn)
	})
}

// OpenSerial implements hypervisor.Driver.
func (d *Driver) OpenSerial(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	return d.openViewer(ctx, "OpenSerial", id, true, func(r *record, conn net.Conn) { serveLogin(conn, hostName(r)) })
}

func (d *Driver) openViewer(ctx context.Context, verb, id string, serial bool, serve func(r *record, conn net.Conn)) (io.ReadWriteCloser, error) {
	var stream io.ReadWriteCloser
	err := d.call(ctx, verb, id, func() error {
		r := d.lookup(id)
		if r == nil || !isActive(r.Power) {
			return fmt.Errorf("open console: %w: simulated guest %s does not run", hypervisor.ErrNotFound, id)
		}
		conn, err := d.viewers.add(id, serial, func(conn net.Conn) { serve(r, conn) })
		stream = conn
		return err
	})
	if err != nil {
		return nil, err
	}
	return stream, nil
}

// serveLogin is what a simulated guest has on its serial port: it asks who is there, echoes
// names, hides passwords, and lets nobody in.
func serveLogin(conn net.Conn, host string) {
	prompt, hidden := "\r\n"+host+" login: ", false
	if _, err := io.WriteString(conn, prompt); err != nil {
		return
	}
	buffer := make([]byte, 256)
	for {
		n, err := conn.Read(buffer)
		var answer []byte
		for _, c := range buffer[:n] {
			switch {
			case c == '\r' || c == '\n':
				if hidden {
					answer = append(answer, "\r\n\r\nLogin incorrect"+prompt...)
				} else {
					answer = append(answer, "\r\nPassword: "...)
				}
				hidden = !hidden
			case !hidden && c >= ' ':
				answer = append(answer, c)
			}
		}
		if len(answer) > 0 {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
