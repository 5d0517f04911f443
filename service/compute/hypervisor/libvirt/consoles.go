package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// OpenDisplay implements hypervisor.Driver.
func (d *Driver) OpenDisplay(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	live, err := d.describeGuest(ctx, id)
	if err != nil {
		return nil, err
	}
	path := vncSocket(live)
	if path == "" {
		return nil, fmt.Errorf("open display: %w: guest %s has none now", hypervisor.ErrNotFound, id)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open display of guest %s: %w", id, err)
	}
	return conn, nil
}

func (d *Driver) describeGuest(ctx context.Context, id string) (*libvirtxml.Domain, error) {
	domain, err := d.lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.describe(ctx, domain)
}

func vncSocket(live *libvirtxml.Domain) string {
	if live.Devices == nil {
		return ""
	}
	for _, graphic := range live.Devices.Graphics {
		if graphic.VNC == nil {
			continue
		}
		for _, listener := range graphic.VNC.Listeners {
			if listener.Socket != nil && listener.Socket.Socket != "" {
				return listener.Socket.Socket
			}
		}
	}
	return ""
}

// OpenSerial implements hypervisor.Driver. The port is a pseudo-terminal of the host, whose
// name libvirt tells while the guest runs.
func (d *Driver) OpenSerial(ctx context.Context, id string) (io.ReadWriteCloser, error) {
	live, err := d.describeGuest(ctx, id)
	if err != nil {
		return nil, err
	}
	path := serialTerminal(live)
	if path == "" {
		return nil, fmt.Errorf("open serial port: %w: guest %s has none now", hypervisor.ErrNotFound, id)
	}
	terminal, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EIO) {
		return nil, fmt.Errorf("open serial port: %w: guest %s has just ended", hypervisor.ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("open serial port of guest %s: %w", id, err)
	}
	return d.serials.take(id, terminal), nil
}

func serialTerminal(live *libvirtxml.Domain) string {
	if live.Devices == nil || live.ID == nil { // without a number it does not run
		return ""
	}
	for _, serial := range live.Devices.Serials {
		if serial.Source != nil && serial.Source.Pty != nil {
			return serial.Source.Pty.Path
		}
	}
	return ""
}

// serialLines knows who is connected to which serial port. The zero value is ready.
type serialLines struct {
	mu   sync.Mutex
	open map[string]*serialLine
}

// serialLine is a connection to a serial port.
type serialLine struct {
	*os.File
	lines *serialLines
	id    string
}

// take makes the terminal the guest's only connection.
func (l *serialLines) take(id string, terminal *os.File) *serialLine {
	line := &serialLine{terminal, l, id}
	l.mu.Lock()
	before := l.open[id]
	if l.open == nil {
		l.open = map[string]*serialLine{}
	}
	l.open[id] = line
	l.mu.Unlock()
	if before != nil {
		_ = before.File.Close() // its user learns by the end of the stream
	}
	return line
}

// Close implements io.Closer.
func (l *serialLine) Close() error {
	l.lines.mu.Lock()
	if l.lines.open[l.id] == l {
		delete(l.lines.open, l.id)
	}
	l.lines.mu.Unlock()
	return l.File.Close()
}
