package network

import (
	"errors"
	"net/netip"

	"virga/core/db"
)

const maxFixedIPs = 5

// ipam hands out addresses within one transaction; it reads each network's subnets once.
type ipam struct {
	tx      *db.Tx
	subnets map[string][]*subnet
}

func newIPAM(tx *db.Tx) *ipam { return &ipam{tx, map[string][]*subnet{}} }

func (m *ipam) on(networkID string) ([]*subnet, error) {
	if known, ok := m.subnets[networkID]; ok {
		return known, nil
	}
	subnets, err := subnetsOn(m.tx, networkID)
	m.subnets[networkID] = subnets
	return subnets, err
}

// addresses decides the addresses of a port: those wanted, or one of each family where
// nothing was said.
func (m *ipam) addresses(p *port, wanted given[[]fixedIPBody]) ([]address, error) {
	subnets, err := m.on(p.NetworkID)
	if err != nil {
		return nil, err
	}
	if !wanted.Set || wanted.Null {
		return m.automatic(p, subnets)
	}
	if len(wanted.Value) > maxFixedIPs {
		return nil, badInput("Exceeded maximum amount of fixed ips per port")
	}
	var chosen []address
	// Addresses that were named come first, so that none of them is given out as any.
	for _, want := range wanted.Value {
		if want.Address != "" {
			a, err := m.named(p, subnets, want)
			if err != nil {
				return nil, err
			}
			if has(chosen, a.SubnetID, a.addr()) {
				return nil, addressTaken(a.addr(), a.SubnetID)
			}
			chosen = append(chosen, a)
		}
	}
	for _, want := range wanted.Value {
		if want.Address == "" {
			a, err := m.anyOn(p, subnets, want.SubnetID, chosen)
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, a)
		}
	}
	if len(wanted.Value) > 0 {
		chosen, err = m.implicit(p, subnets, chosen)
	}
	return chosen, err
}

// automatic takes one IPv4 address, one IPv6 address of those that are given out, and all
// that the guest forms by itself.
func (m *ipam) automatic(p *port, subnets []*subnet) ([]address, error) {
	var chosen []address
	for _, version := range []int{4, 6} {
		candidates, found := 0, false
		for _, n := range subnets {
			if n.IPVersion != version || n.slaac() || found {
				continue
			}
			candidates++
			a, err := freeAddress(m.tx, n)
			if errors.Is(err, errPoolEmpty) {
				continue
			}
			if err != nil {
				return nil, err
			}
			chosen, found = append(chosen, on(n, a)), true
		}
		if candidates > 0 && !found {
			return nil, noAddresses(p.NetworkID)
		}
	}
	return m.implicit(p, subnets, chosen)
}

func noAddresses(networkID string) error {
	return conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", networkID)
}

// implicit adds the addresses that the guest forms by itself on every such subnet.
func (m *ipam) implicit(p *port, subnets []*subnet, chosen []address) ([]address, error) {
	if networkOwned(p.DeviceOwner) {
		return chosen, nil
	}
	for _, n := range subnets {
		if !n.slaac() || onSubnet(chosen, n.ID) {
			continue
		}
		a, err := slaacAddress(n.cidr(), p.MAC)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, on(n, a))
	}
	return chosen, nil
}

// named is an address that was asked for.
func (m *ipam) named(p *port, subnets []*subnet, want fixedIPBody) (address, error) {
	a, err := parseAddress(want.Address)
	if err != nil {
		return address{}, badValue("fixed_ips", "%s", err)
	}
	n, err := chooseSubnet(p, subnets, want.SubnetID, a)
	if err != nil {
		return address{}, err
	}
	if !hostRange(n.cidr()).contains(a) {
		return address{}, invalidForSubnet(a)
	}
	if n.slaac() && !networkOwned(p.DeviceOwner) {
		own, err := slaacAddress(n.cidr(), p.MAC)
		if err != nil {
			return address{}, err
		}
		if a != own {
			return address{}, badInput("IPv6 address %s can not be directly assigned to a port on subnet %s"+
				" since the subnet is configured for automatic addresses", a, n.ID)
		}
	}
	holder, _, err := holderOf(m.tx, n.ID, a)
	if err != nil {
		return address{}, err
	}
	if holder != "" && holder != p.ID {
		return address{}, addressTaken(a, n.ID)
	}
	return on(n, a), nil
}

// chooseSubnet is the subnet that was named, or the one that the address is of.
func chooseSubnet(p *port, subnets []*subnet, id string, a netip.Addr) (*subnet, error) {
	for _, n := range subnets {
		if id != "" && n.ID == id {
			if !n.cidr().Contains(a) {
				return nil, invalidForSubnet(a)
			}
			return n, nil
		}
		if id == "" && n.cidr().Contains(a) {
			return n, nil
		}
	}
	if id != "" {
		return nil, foreignSubnet(p, id)
	}
	return nil, refuse("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", a)
}

func invalidForSubnet(a netip.Addr) error {
	return refuse("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", a)
}

func foreignSubnet(p *port, id string) error {
	return badInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s", p.NetworkID, id)
}

// anyOn is a free address of the subnet that was named.
func (m *ipam) anyOn(p *port, subnets []*subnet, id string, chosen []address) (address, error) {
	for _, n := range subnets {
		if n.ID != id {
			continue
		}
		if n.slaac() && !networkOwned(p.DeviceOwner) {
			a, err := slaacAddress(n.cidr(), p.MAC)
			return on(n, a), err
		}
		// A named address of the same request is not in the table yet, so it is skipped here.
		for {
			a, err := freeAddress(m.tx, n)
			if errors.Is(err, errPoolEmpty) {
				return address{}, noAddresses(p.NetworkID)
			}
			if err != nil {
				return address{}, err
			}
			if !has(chosen, n.ID, a) {
				return on(n, a), nil
			}
			if len(chosen) > maxFixedIPs {
				return address{}, noAddresses(p.NetworkID)
			}
			chosen = append(chosen, on(n, a))
		}
	}
	return address{}, foreignSubnet(p, id)
}

func on(n *subnet, a netip.Addr) address {
	return address{SubnetID: n.ID, Text: a.String(), Key: addressKey(a)}
}

func onSubnet(list []address, id string) bool {
	for _, a := range list {
		if a.SubnetID == id {
			return true
		}
	}
	return false
}

func has(list []address, subnetID string, a netip.Addr) bool {
	for i := range list {
		if list[i].SubnetID == subnetID && list[i].addr() == a {
			return true
		}
	}
	return false
}
