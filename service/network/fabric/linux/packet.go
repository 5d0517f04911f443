package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// announce sends gratuitous ARP for new IPv4 addresses of a device of the current namespace, so that neighbours that knew the address
// elsewhere learn of the move at once.
func announce(device string, addresses []netip.Prefix) error {
	iface, err := net.InterfaceByName(device)
	if err != nil {
		return fmt.Errorf("announce addresses of %s: %w", device, err)
	}
	socket := -1
	for _, prefix := range addresses {
		if !prefix.Addr().Is4() {
			continue
		}
		if socket < 0 {
			if socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
				return fmt.Errorf("announce addresses of %s: %w", device, err)
			}
			defer unix.Close(socket)
		}
		to := &unix.SockaddrLinklayer{Ifindex: iface.Index, Protocol: bigEndian16(unix.ETH_P_ARP), Halen: 6}
		err := unix.Sendto(socket, gratuitousARP(iface.HardwareAddr, prefix.Addr()), 0, to)
		if err != nil && !errors.Is(err, unix.ENETDOWN) {
			return fmt.Errorf("announce address %s of %s: %w", prefix.Addr(), device, err)
		}
	}
	return nil
}

// gratuitousARP renders an ARP request for one's own address (RFC 5227 section 3), frame header included.
func gratuitousARP(mac net.HardwareAddr, address netip.Addr) []byte {
	ip := address.As4()
	frame := make([]byte, 0, 42)
	frame = append(frame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	frame = append(frame, mac...)
	frame = append(frame, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	frame = append(frame, mac...)
	frame = append(frame, ip[:]...)
	frame = append(frame, 0, 0, 0, 0, 0, 0)
	return append(frame, ip[:]...)
}

func bigEndian16(value uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], value)
	return binary.NativeEndian.Uint16(b[:])
}

// disableChecksumOffload makes the kernel compute transmit checksums for a device of the current namespace in software (ethtool -K tx off).
func disableChecksumOffload(device string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open control socket: %w", err)
	}
	defer unix.Close(socket)
	setting := struct{ command, data uint32 }{command: unix.ETHTOOL_STXCSUM}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the kernel reads a whole struct ifreq
	}{data: unsafe.Pointer(&setting)}
	copy(request.name[:unix.IFNAMSIZ-1], device)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("turn checksum offload of %s off: %w", device, errno)
	}
	return nil
}
