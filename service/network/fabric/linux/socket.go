package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// ListenDHCP implements fabric.Driver.
func (d *Driver) ListenDHCP(ctx context.Context, networkID string) (fabric.DHCPSocket, error) {
	var socket *dhcpSocket
	err := d.inNetwork(ctx, networkID, func() error {
		listen := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			var failure error
			err := raw.Control(func(fd uintptr) {
				failure = errors.Join(
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
					unix.BindToDevice(int(fd), dhcpInside),
				)
			})
			return errors.Join(err, failure)
		}}
		conn, err := listen.ListenPacket(ctx, "udp4", "0.0.0.0:67")
		if err != nil {
			return err
		}
		socket = &dhcpSocket{conn: conn.(*net.UDPConn)}
		d.sockets[networkID] = append(d.sockets[networkID], socket)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listen for DHCP on network %s: %w", networkID, err)
	}
	return socket, nil
}

// ListenMetadata implements fabric.Driver.
func (d *Driver) ListenMetadata(ctx context.Context, networkID string) (net.Listener, error) {
	var listener net.Listener
	err := d.inNetwork(ctx, networkID, func() (err error) {
		var listen net.ListenConfig
		listener, err = listen.Listen(ctx, "tcp4", netip.AddrPortFrom(fabric.MetadataAddress(), 80).String())
		if err == nil {
			d.sockets[networkID] = append(d.sockets[networkID], listener)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen for metadata requests on network %s: %w", networkID, err)
	}
	return listener, nil
}

// inNetwork runs fn in a network's namespace.
func (d *Driver) inNetwork(ctx context.Context, networkID string, fn func() error) error {
	if err := fabric.CheckID(networkID); err != nil {
		return err
	}
	return d.onHost(ctx, func() error {
		fd, err := openNamespace(filepath.Join(d.config.NamespaceDir, networkNamespace(networkID)))
		if errors.Is(err, os.ErrNotExist) {
			return fabric.ErrNetworkMissing
		}
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return inNamespace(fd, fn)
	})
}

// dhcpSocket is UDP port 67 of one network.
type dhcpSocket struct{ conn *net.UDPConn }

// Receive implements fabric.DHCPSocket.
func (s *dhcpSocket) Receive(buffer []byte) (int, netip.AddrPort, error) {
	n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

// Send implements fabric.DHCPSocket. With a MAC the address is first put into the namespace's ARP table: the guest has no address yet with
// which it could answer.
func (s *dhcpSocket) Send(payload []byte, to netip.AddrPort, mac string) error {
	if mac != "" {
		if err := s.setNeighbour(to.Addr(), mac); err != nil {
			return fmt.Errorf("send DHCP answer to %s (%s): %w", to, mac, err)
		}
	}
	if _, err := s.conn.WriteToUDPAddrPort(payload, to); err != nil {
		return fmt.Errorf("send DHCP answer to %s: %w", to, err)
	}
	return nil
}

// Close implements fabric.DHCPSocket.
func (s *dhcpSocket) Close() error {
	if err := s.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close DHCP socket: %w", err)
	}
	return nil
}

// setNeighbour writes one entry of the ARP table (ioctl SIOCSARP, struct arpreq of linux/if_arp.h).
func (s *dhcpSocket) setNeighbour(address netip.Addr, text string) error {
	mac, err := fabric.ParseMAC(text)
	if err != nil {
		return err
	}
	const completed = 0x02 // ATF_COM
	request := struct {
		protocol, hardware unix.RawSockaddr
		flags              int32
		netmask            unix.RawSockaddr
		device             [unix.IFNAMSIZ]byte
	}{flags: completed}
	request.protocol.Family = unix.AF_INET
	ip := address.As4()
	for i, b := range ip {
		request.protocol.Data[2+i] = int8(b)
	}
	request.hardware.Family = unix.ARPHRD_ETHER
	for i, b := range mac {
		request.hardware.Data[i] = int8(b)
	}
	copy(request.device[:unix.IFNAMSIZ-1], dhcpInside)
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.SIOCSARP, uintptr(unsafe.Pointer(&request))); errno != 0 {
			failure = fmt.Errorf("set neighbour: %w", errno)
		}
	})
	return errors.Join(err, failure)
}
