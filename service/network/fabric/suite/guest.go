package suite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// World reaches the machines around a driver that carries packets.
type World interface {
	// Plug makes a guest whose network card is connected to the device fabric.TapName(port.ID), before EnsurePort. The card
	// has the port's MAC and the given addresses; gateway, when valid, is its default route.
	Plug(t *testing.T, port fabric.Port, mtu int, addresses []netip.Prefix, gateway netip.Addr) Guest
	// Host is the machine that the driver works on.
	Host() Guest
	// Snapshot lists devices, namespaces and filter rules of the host, each once, sorted.
	Snapshot(t *testing.T) []string
	// FlushFilter removes all filter rules of the host, Virga's or not.
	FlushFilter(t *testing.T) error
}

// Guest is a machine in which a test can act.
type Guest struct {
	// Device is the name of the guest's card inside.
	Device string
	// In runs fn on a thread inside the guest: the sockets that it opens are the guest's.
	In func(fn func() error) error
}

// Patience is how long a packet that should arrive may take; Silence is how long to listen for one that should not. Both pass inside the
// kernel of this machine, where a packet takes well under a millisecond.
const (
	Patience = 3 * time.Second
	Silence  = 250 * time.Millisecond
)

// Pings tells whether an address answers an echo request within a time. Requests are repeated: the first may be lost while ARP is under way.
func (g Guest) Pings(t *testing.T, to netip.Addr, within time.Duration) bool {
	t.Helper()
	answered := false
	err := g.In(func() error {
		conn, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
		if err != nil {
			return err
		}
		defer conn.Close()
		end := time.Now().Add(within)
		for sequence := uint16(1); time.Now().Before(end) && !answered; sequence++ {
			if _, err := conn.WriteTo(echoRequest(sequence), &net.IPAddr{IP: to.AsSlice()}); err != nil && !unreachable(err) {
				return err
			}
			answered, err = echoAnswered(conn, to, within/3)
			if err != nil {
				return err
			}
		}
		return nil
	})
	must(t, err)
	return answered
}

func unreachable(err error) bool {
	return errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENETDOWN)
}

func echoAnswered(conn net.PacketConn, from netip.Addr, within time.Duration) (bool, error) {
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return false, err
	}
	buffer := make([]byte, 1500)
	for {
		n, addr, err := conn.ReadFrom(buffer)
		if errors.Is(err, unix.EAGAIN) || isTimeout(err) {
			return false, nil
		}
		if err != nil {
			if unreachable(err) {
				continue
			}
			return false, err
		}
		ip, ok := addr.(*net.IPAddr)
		if ok && ip.IP.Equal(from.AsSlice()) && n >= 8 && buffer[0] == 0 {
			return true, nil
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// echoRequest renders an ICMP echo request (RFC 792).
func echoRequest(sequence uint16) []byte {
	message := []byte{8, 0, 0, 0, 0x56, 0x47, 0, 0}
	binary.BigEndian.PutUint16(message[6:], sequence)
	binary.BigEndian.PutUint16(message[2:], checksum(message))
	return message
}

func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// EchoServer answers every TCP connection to a port of the guest with what it sends, until the test ends. It gives the sender's address
// of each connection.
func (g Guest) EchoServer(t *testing.T, port int) <-chan netip.Addr {
	t.Helper()
	var listener net.Listener
	must(t, g.In(func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
		return err
	}))
	t.Cleanup(func() { listener.Close() })
	seen := make(chan netip.Addr, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			seen <- conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
			go func() {
				defer conn.Close()
				io.Copy(conn, conn) // ends with the connection
			}()
		}
	}()
	return seen
}

// Dial opens a TCP connection from the guest.
func (g Guest) Dial(to netip.Addr, port int, within time.Duration) (net.Conn, error) {
	var conn net.Conn
	err := g.In(func() (err error) {
		dialer := net.Dialer{Timeout: within}
		conn, err = dialer.Dial("tcp", netip.AddrPortFrom(to, uint16(port)).String())
		return err
	})
	return conn, err
}

// MustDial opens a TCP connection to an echo server and proves that it works.
func (g Guest) MustDial(t *testing.T, to netip.Addr, port int) net.Conn {
	t.Helper()
	conn, err := g.Dial(to, port, Patience)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	if !Echoes(conn, Patience) {
		t.Fatalf("connection to %s:%d does not echo", to, port)
	}
	return conn
}

// Echoes tells whether a connection to an echo server still carries data both ways.
func Echoes(conn net.Conn, within time.Duration) bool {
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("virga")); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, make([]byte, 5))
	return err == nil
}

// SendFrame puts a raw Ethernet frame on the guest's wire.
func (g Guest) SendFrame(t *testing.T, frame []byte) {
	t.Helper()
	must(t, g.In(func() error {
		iface, err := net.InterfaceByName(g.Device)
		if err != nil {
			return err
		}
		socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(socket)
		return unix.Sendto(socket, frame, 0, &unix.SockaddrLinklayer{Ifindex: iface.Index})
	}))
}

// Capture hears all frames that reach the guest; Next of the result gives them one by one.
func (g Guest) Capture(t *testing.T) *Capture {
	t.Helper()
	capture := &Capture{}
	must(t, g.In(func() error {
		iface, err := net.InterfaceByName(g.Device)
		if err != nil {
			return err
		}
		all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
		if capture.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all)); err != nil {
			return err
		}
		return unix.Bind(capture.socket, &unix.SockaddrLinklayer{Ifindex: iface.Index, Protocol: all})
	}))
	t.Cleanup(func() { unix.Close(capture.socket) })
	return capture
}

// Capture is an open ear on a guest's card.
type Capture struct{ socket int }

// Next gives the next frame that came in, or nil after a time without any.
func (c *Capture) Next(t *testing.T, within time.Duration) []byte {
	t.Helper()
	end := time.Now().Add(within)
	buffer := make([]byte, 9100)
	for {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		timeout := unix.NsecToTimeval(left.Nanoseconds() + 1000)
		must(t, unix.SetsockoptTimeval(c.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout))
		n, from, err := unix.Recvfrom(c.socket, buffer, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		must(t, err)
		if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype != unix.PACKET_OUTGOING {
			return buffer[:n]
		}
	}
}

// Datagrams listens on a UDP port of the guest; the result tells whether a datagram arrives within a time.
func (g Guest) Datagrams(t *testing.T, port int) func(within time.Duration) bool {
	t.Helper()
	var conn net.PacketConn
	must(t, g.In(func() (err error) {
		conn, err = net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", port))
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	return func(within time.Duration) bool {
		t.Helper()
		must(t, conn.SetReadDeadline(time.Now().Add(within)))
		_, _, err := conn.ReadFrom(make([]byte, 1500))
		return err == nil
	}
}

// SendDatagram sends a UDP datagram from the guest; where nobody answers ARP it is lost.
func (g Guest) SendDatagram(t *testing.T, to netip.Addr, port int, text string) {
	t.Helper()
	must(t, g.In(func() error {
		conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, uint16(port))))
		if err != nil && !unreachable(err) {
			return err
		}
		return nil
	}))
}

// connect opens a TCP connection between two guests and gives both ends.
func connect(t *testing.T, from, to Guest, address netip.Addr, port int) (client, server net.Conn) {
	t.Helper()
	var listener net.Listener
	must(t, to.In(func() (err error) {
		listener, err = net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		return err
	}))
	defer listener.Close()
	client, err := from.Dial(address, port, Patience)
	must(t, err)
	server, err = listener.Accept()
	must(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	if !delivers(client, server, Patience) || !delivers(server, client, Patience) {
		t.Fatal("new connection carries nothing")
	}
	return client, server
}

// delivers tells whether what is written at one end arrives at the other within a time.
func delivers(from, to net.Conn, within time.Duration) bool {
	end := time.Now().Add(within)
	if from.SetWriteDeadline(end) != nil || to.SetReadDeadline(end) != nil {
		return false
	}
	if _, err := from.Write([]byte("virga")); err != nil {
		return false
	}
	_, err := io.ReadFull(to, make([]byte, 5))
	return err == nil
}
