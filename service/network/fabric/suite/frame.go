package suite

import (
	"encoding/binary"
	"net"
	"net/netip"
)

func mac(text string) net.HardwareAddr {
	m, err := net.ParseMAC(text)
	if err != nil {
		panic(err) // the addresses of this package are constants
	}
	return m
}

const (
	everybody = "ff:ff:ff:ff:ff:ff"
	typeIPv4  = 0x0800
	typeARP   = 0x0806
	typeVLAN  = 0x8100
	typeIPv6  = 0x86dd
)

// ethernet renders a frame.
func ethernet(to, from string, etherType uint16, payload []byte) []byte {
	frame := append(append([]byte{}, mac(to)...), mac(from)...)
	frame = binary.BigEndian.AppendUint16(frame, etherType)
	return append(frame, payload...)
}

// arpReply renders the payload of "address is at MAC" (RFC 826).
func arpReply(sender string, address netip.Addr) []byte {
	ip := address.As4()
	payload := []byte{0, 1, 8, 0, 6, 4, 0, 2}
	payload = append(append(payload, mac(sender)...), ip[:]...)
	return append(append(payload, mac(everybody)...), ip[:]...)
}

// udp4 renders an IPv4 packet with a UDP datagram (checksum 0: none).
func udp4(from, to netip.Addr, fromPort, toPort uint16, data []byte) []byte {
	source, destination := from.As4(), to.As4()
	packet := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0}
	packet = append(append(packet, source[:]...), destination[:]...)
	binary.BigEndian.PutUint16(packet[2:], uint16(28+len(data)))
	binary.BigEndian.PutUint16(packet[10:], checksum(packet))
	packet = binary.BigEndian.AppendUint16(packet, fromPort)
	packet = binary.BigEndian.AppendUint16(packet, toPort)
	packet = binary.BigEndian.AppendUint16(packet, uint16(8+len(data)))
	return append(append(packet, 0, 0), data...)
}

// icmp6 renders an IPv6 packet with an ICMPv6 message; extension, when given, is a whole extension header whose first byte is set to ICMPv6.
func icmp6(from, to netip.Addr, message, extension []byte, extensionType byte) []byte {
	source, destination := from.As16(), to.As16()
	next := byte(58)
	if len(extension) > 0 {
		next = extensionType
		extension = append([]byte{58}, extension[1:]...)
	}
	packet := []byte{0x60, 0, 0, 0, 0, 0, next, 255}
	binary.BigEndian.PutUint16(packet[4:], uint16(len(message)+len(extension)))
	packet = append(append(packet, source[:]...), destination[:]...)
	message = append([]byte{}, message...)
	pseudo := append(append([]byte{}, source[:]...), destination[:]...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(message)))
	pseudo = append(pseudo, 0, 0, 0, 58)
	binary.BigEndian.PutUint16(message[2:], checksum(append(pseudo, message...)))
	return append(append(packet, extension...), message...)
}

// routerAdvertisement is the ICMPv6 message by which a machine claims to be a router (RFC 4861 section 4.2).
func routerAdvertisement() []byte {
	return []byte{134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}
}

// neighbourAdvertisement claims an IPv6 address (RFC 4861 section 4.4).
func neighbourAdvertisement(target netip.Addr) []byte {
	ip := target.As16()
	return append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, ip[:]...)
}
