package network

import (
	"net/netip"
	"slices"

	"virga/service/network/desired"
)

// metadataAddress is where guests ask for their metadata.
var metadataAddress = netip.MustParsePrefix("169.254.169.254/32")

// hostContent is what the database holds of one host, or some of that, read in a few queries.
type hostContent struct {
	host        host
	guests      []*port
	dhcp        map[string]*port // by network
	routerPorts map[string][]*port
	routers     []*router
	// networks are those that ports need; told are those of them that the host is told of.
	networks map[string]*network
	told     []string
	subnets  map[string][]*subnet // by network
	peers    map[string][]netip.Addr
	floating map[string][]*floatingIP // by router
	groups   []string
	rules    []*groupRule
	sets     map[string][]netip.Prefix
	// gonePorts and goneRouters are on the host no longer.
	gonePorts, goneRouters []string
	shared                 *sharedContent
	asOf                   int64
}

func newHostContent(h host, shared *sharedContent, asOf int64) *hostContent {
	return &hostContent{host: h, shared: shared, asOf: asOf, dhcp: map[string]*port{}, routerPorts: map[string][]*port{}}
}

// desiredState turns content into its wire form.
func (s *Service) desiredState(c *hostContent, next position) *desired.State {
	state := &desired.State{Generation: next.seq, Moment: next.mark(), Networks: []desired.Network{}, Ports: []desired.Port{}, Routers: []desired.Router{},
		SecurityGroups: c.securityGroups(), AddressSets: c.sets, GonePorts: c.gonePorts, GoneRouters: c.goneRouters}
	for _, id := range c.told {
		if n := c.networks[id]; n != nil {
			state.Networks = append(state.Networks, s.desiredNetwork(c, n))
		}
	}
	for _, p := range c.guests {
		state.Ports = append(state.Ports, s.desiredPort(c, p))
	}
	for _, row := range c.routers {
		state.Routers = append(state.Routers, c.desiredRouter(row))
	}
	return state
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (s *Service) desiredNetwork(c *hostContent, n *network) desired.Network {
	out := desired.Network{ID: n.ID, ProjectID: n.ProjectID, Kind: n.Type, SegmentID: uint32(n.SegmentationID), //nolint:gosec // 24 bits at most
		PhysicalNetwork: n.PhysicalNetwork, MTU: n.MTU, DNSDomain: s.deps.DNSDomain, External: n.External}
	if n.Type == typeVXLAN {
		out.LocalVTEP, _ = netip.ParseAddr(c.host.VTEP)
		out.Peers = c.peers[n.ID]
	}
	for _, sub := range c.subnets[n.ID] {
		out.Subnets = append(out.Subnets, desired.Subnet{ID: sub.ID, CIDR: sub.cidr(), Gateway: sub.gateway(), DHCP: sub.DHCP,
			DNS: s.nameservers(sub), HostRoutes: wireRoutes(sub.HostRoutes), RAMode: sub.RAMode, AddressMode: sub.AddressMode})
		if n.HostGateway && !out.HostAddress.IsValid() && sub.IPVersion == 4 && sub.gateway().IsValid() {
			out.HostAddress, out.HostNAT = withBits(sub.gateway(), sub.cidr()), n.HostNAT
		}
	}
	if p := c.dhcp[n.ID]; p != nil {
		out.DHCPPort = &desired.DHCPPort{PortID: p.ID, MAC: p.MAC, Addresses: c.prefixes(p)}
	}
	return out
}

// nameservers are a subnet's own, or those of the installation.
func (s *Service) nameservers(n *subnet) []netip.Addr {
	var servers []netip.Addr
	for _, text := range n.DNS {
		if a, err := netip.ParseAddr(text); err == nil {
			servers = append(servers, a)
		}
	}
	if len(servers) == 0 && n.IPVersion == 4 {
		return s.deps.DNSServers
	}
	return servers
}

func wireRoutes(routes []route) []desired.Route {
	var out []desired.Route
	for _, t := range routes {
		destination, err := netip.ParsePrefix(t.Destination)
		if err != nil {
			continue
		}
		if hop, err := netip.ParseAddr(t.NextHop); err == nil {
			out = append(out, desired.Route{Destination: destination, NextHop: hop})
		}
	}
	return out
}

// subnetOf is the subnet of an address, or nil.
func (c *hostContent) subnetOf(a *address) *subnet {
	for _, n := range c.subnets[a.NetworkID] {
		if n.ID == a.SubnetID {
			return n
		}
	}
	return nil
}

// prefixes are a port's addresses with the prefix lengths of their subnets.
func (c *hostContent) prefixes(p *port) []netip.Prefix {
	out := []netip.Prefix{}
	for i := range p.Addresses {
		if n := c.subnetOf(&p.Addresses[i]); n != nil {
			out = append(out, withBits(p.Addresses[i].addr(), n.cidr()))
		}
	}
	return out
}

func (s *Service) desiredPort(c *hostContent, p *port) desired.Port {
	out := desired.Port{ID: p.ID, NetworkID: p.NetworkID, ProjectID: p.ProjectID, DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner,
		MAC: p.MAC, PortSecurity: p.PortSecurity, AdminUp: p.AdminUp && c.networks[p.NetworkID].AdminUp, SecurityGroups: p.Groups, Arrived: p.Profile[profileMigratingTo] == c.host.Name}
	for i := range p.Addresses {
		out.FixedIPs = append(out.FixedIPs, p.Addresses[i].addr())
		if n := c.subnetOf(&p.Addresses[i]); n != nil && n.DHCP && n.IPVersion == 4 {
			out.Leases = append(out.Leases, s.lease(c, p, n, p.Addresses[i].addr()))
		}
	}
	for _, pair := range p.Pairs {
		if prefix, ok := pairPrefix(pair); ok {
			mac := pair.MAC
			if mac == p.MAC {
				mac = ""
			}
			out.AllowedAddressPairs = append(out.AllowedAddressPairs, desired.AddressPair{MAC: mac, Prefix: prefix})
		}
	}
	return out
}

// pairPrefix reads the address of a pair, which may be a range.
func pairPrefix(pair addressPair) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(pair.Address); err == nil {
		return prefix, true
	}
	a, err := netip.ParseAddr(pair.Address)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// lease is what DHCP answers a port for one of its addresses.
func (s *Service) lease(c *hostContent, p *port, n *subnet, a netip.Addr) desired.Lease {
	lease := desired.Lease{SubnetID: n.ID, Address: withBits(a, n.cidr()), Gateway: n.gateway(), DNS: s.nameservers(n),
		MTU: c.networks[p.NetworkID].MTU, Hostname: dnsLabel(a), Domain: s.deps.DNSDomain, Routes: wireRoutes(n.HostRoutes)}
	if server := c.dhcp[p.NetworkID]; server != nil {
		for i := range server.Addresses {
			if server.Addresses[i].SubnetID == n.ID {
				lease.Server = server.Addresses[i].addr()
			}
		}
	}
	if lease.Server.IsValid() {
		lease.Routes = append(lease.Routes, desired.Route{Destination: metadataAddress, NextHop: lease.Server})
	}
	addOptions(&lease, p.DHCPOptions)
	return lease
}

func (c *hostContent) desiredRouter(row *router) desired.Router {
	out := desired.Router{ID: row.ID, ProjectID: row.ProjectID, AdminUp: row.AdminUp, Routes: wireRoutes(row.Routes)}
	for _, p := range c.routerPorts[row.ID] {
		face := desired.RouterInterface{PortID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC, Addresses: c.prefixes(p), MTU: c.networks[p.NetworkID].MTU}
		if p.ID != row.GatewayPortID {
			out.Interfaces = append(out.Interfaces, face)
			continue
		}
		out.Gateway = &desired.RouterGateway{RouterInterface: face, SNAT: row.SNAT, NextHops: c.nextHops(p)}
	}
	if out.Gateway == nil {
		return out
	}
	for _, f := range c.floating[row.ID] {
		floating, err := netip.ParseAddr(f.Address)
		if err != nil {
			continue
		}
		if fixed, err := netip.ParseAddr(f.FixedAddress); err == nil {
			out.FloatingIPs = append(out.FloatingIPs, desired.FloatingIP{ID: f.ID, Floating: floating, Fixed: fixed})
		}
	}
	return out
}

// nextHops are the gateways of the subnets that a port has addresses on, one of each family.
func (c *hostContent) nextHops(p *port) []netip.Addr {
	var hops []netip.Addr
	for i := range p.Addresses {
		n := c.subnetOf(&p.Addresses[i])
		if n == nil || !n.gateway().IsValid() {
			continue
		}
		if !slices.ContainsFunc(hops, func(a netip.Addr) bool { return a.Is4() == n.gateway().Is4() }) {
			hops = append(hops, n.gateway())
		}
	}
	return hops
}

func (c *hostContent) securityGroups() []desired.SecurityGroup {
	out := make([]desired.SecurityGroup, len(c.groups))
	at := make(map[string]*desired.SecurityGroup, len(c.groups))
	for i, id := range c.groups {
		out[i].ID, at[id] = id, &out[i]
		out[i].Rules = []desired.GroupRule{}
	}
	for _, rule := range c.rules {
		wire := desired.GroupRule{RemoteGroupID: rule.RemoteGroupID, Rule: desired.Rule{ID: rule.ID, Direction: rule.Direction,
			EtherType: rule.EtherType, Protocol: rule.Protocol, PortMin: rule.Min, PortMax: rule.Max}}
		if prefix, err := netip.ParsePrefix(rule.RemotePrefix); err == nil {
			wire.Remotes = []netip.Prefix{prefix.Masked()}
		} else {
			wire.AnyRemote = rule.RemoteGroupID == "" && rule.RemotePrefix == ""
		}
		at[rule.GroupID].Rules = append(at[rule.GroupID].Rules, wire)
	}
	return out
}
