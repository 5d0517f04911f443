package fabric

import (
	"fmt"
	"net"
	"net/netip"
)

// Bounds of a desired state; beyond them a host would spend its time on one tenant.
const (
	maxRules        = 2000
	maxRemotes      = 20000
	maxMembers      = 65536
	maxAddressPairs = 1000
	maxAddresses    = 256
	minMTU          = 68
	maxMTU          = 65535
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// CheckID refuses ids that could not be part of a device's, chain's or file's name.
func CheckID(id string) error {
	if len(id) == 0 || len(id) > 36 {
		return invalid("id %.50q has %d characters, 1 to 36 are possible", id, len(id))
	}
	for i, c := range id {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (c != '-' || i == 0) {
			return invalid("id %q has characters other than letters, digits and -", id)
		}
	}
	return nil
}

// ParseMAC reads an Ethernet address that one station can own: 48 bits, not a group's, not zero.
func ParseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return nil, invalid("%.40q is no Ethernet address", text)
	}
	if mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return nil, invalid("%s cannot be a station's Ethernet address", mac)
	}
	return mac, nil
}

// Validate tells why a network can never be made.
func (n Network) Validate() error {
	if err := CheckID(n.ID); err != nil {
		return err
	}
	if n.MTU < minMTU || n.MTU > maxMTU {
		return invalid("network %s: MTU %d is not within %d to %d", n.ID, n.MTU, minMTU, maxMTU)
	}
	if err := n.validateKind(); err != nil {
		return err
	}
	for _, subnet := range n.Subnets {
		if !subnet.CIDR.IsValid() {
			return invalid("network %s: subnet %s has no range", n.ID, subnet.ID)
		}
	}
	if n.DHCPPort != nil {
		if err := validateStation(n.DHCPPort.PortID, n.DHCPPort.MAC, n.DHCPPort.Addresses); err != nil {
			return fmt.Errorf("network %s: DHCP port: %w", n.ID, err)
		}
	}
	if n.HostAddress.IsValid() && !n.HostAddress.Addr().Is4() {
		return invalid("network %s: host address %s is not IPv4", n.ID, n.HostAddress)
	}
	if n.HostNAT && !n.HostAddress.IsValid() {
		return invalid("network %s: host NAT needs a host address", n.ID)
	}
	return nil
}

func (n Network) validateKind() error {
	switch n.Kind {
	case KindLocal, KindFlat:
	case KindVLAN:
		if n.SegmentID < 1 || n.SegmentID > 4094 {
			return invalid("network %s: VLAN id %d is not within 1 to 4094", n.ID, n.SegmentID)
		}
	case KindVXLAN:
		if n.SegmentID < 1 || n.SegmentID > 1<<24-1 {
			return invalid("network %s: VNI %d is not within 1 to 16777215", n.ID, n.SegmentID)
		}
		for _, peer := range n.Peers {
			if !peer.IsValid() || n.LocalVTEP.IsValid() && peer.Is4() != n.LocalVTEP.Is4() {
				return invalid("network %s: peer %s does not fit tunnel address %s", n.ID, peer, n.LocalVTEP)
			}
		}
		if n.HostAddress.IsValid() {
			return invalid("network %s: the host has no address on a tunnelled network", n.ID)
		}
	default:
		return invalid("network %s: unknown kind %q", n.ID, n.Kind)
	}
	return nil
}

// Validate tells why a port can never be made; its rules are judged one by one when they are applied (Rule.Compile).
func (p Port) Validate() error {
	if err := CheckID(p.ID); err != nil {
		return err
	}
	if err := CheckID(p.NetworkID); err != nil {
		return fmt.Errorf("port %s: network: %w", p.ID, err)
	}
	if _, err := ParseMAC(p.MAC); err != nil {
		return fmt.Errorf("port %s: %w", p.ID, err)
	}
	if len(p.FixedIPs) > maxAddresses {
		return invalid("port %s has %d addresses, at most %d are possible", p.ID, len(p.FixedIPs), maxAddresses)
	}
	for _, address := range p.FixedIPs {
		if !address.IsValid() || address.IsUnspecified() || address.Zone() != "" {
			return invalid("port %s: %s is no address of a guest", p.ID, address)
		}
	}
	return nil
}

// Validate tells why a set can never be made.
func (s AddressSet) Validate() error {
	if err := CheckID(s.ID); err != nil {
		return err
	}
	if len(s.Prefixes) > maxMembers {
		return invalid("address set %s has %d members, at most %d are possible", s.ID, len(s.Prefixes), maxMembers)
	}
	for _, prefix := range s.Prefixes {
		if !prefix.IsValid() || prefix.Addr().Is4In6() {
			return invalid("address set %s: %s is no member", s.ID, prefix)
		}
	}
	return nil
}

// Validate tells why a router can never be made.
func (r Router) Validate() error {
	if err := CheckID(r.ID); err != nil {
		return err
	}
	for _, face := range r.Interfaces {
		if err := face.validate(); err != nil {
			return fmt.Errorf("router %s: %w", r.ID, err)
		}
	}
	if r.Gateway != nil {
		if err := r.Gateway.validate(); err != nil {
			return fmt.Errorf("router %s: gateway: %w", r.ID, err)
		}
	}
	if len(r.FloatingIPs) > 0 && r.Gateway == nil {
		return invalid("router %s has floating IPs but no gateway", r.ID)
	}
	floating, fixed := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for _, fip := range r.FloatingIPs {
		if !fip.Floating.Is4() || !fip.Fixed.Is4() {
			return invalid("router %s: floating IP %s is not IPv4", r.ID, fip.ID)
		}
		if floating[fip.Floating] || fixed[fip.Fixed] {
			return invalid("router %s: floating IP %s maps %s to %s, one of which is mapped already", r.ID, fip.ID, fip.Floating, fip.Fixed)
		}
		floating[fip.Floating], fixed[fip.Fixed] = true, true
	}
	for _, route := range r.Routes {
		if !route.Destination.IsValid() || !route.NextHop.IsValid() || route.NextHop.Is4() != route.Destination.Addr().Is4() {
			return invalid("router %s: route %s via %s", r.ID, route.Destination, route.NextHop)
		}
	}
	return nil
}

func (i RouterInterface) validate() error {
	if err := CheckID(i.NetworkID); err != nil {
		return err
	}
	return validateStation(i.PortID, i.MAC, i.Addresses)
}

func validateStation(portID, mac string, addresses []netip.Prefix) error {
	if err := CheckID(portID); err != nil {
		return err
	}
	if _, err := ParseMAC(mac); err != nil {
		return fmt.Errorf("port %s: %w", portID, err)
	}
	if len(addresses) > maxAddresses {
		return invalid("port %s has %d addresses, at most %d are possible", portID, len(addresses), maxAddresses)
	}
	for _, address := range addresses {
		if !address.IsValid() {
			return invalid("port %s has an empty address", portID)
		}
	}
	return nil
}
