// Package desired is the wire form of what the network service wants to be on one host,
// and of what a host reports back.
//
// It owns the JSON of the routes /internal/hosts/… and how an answer with what is new
// completes the one before; it owns no decision and keeps no state.
// The network service writes it, node agents read it; the data plane's own vocabulary is
// the package fabric, whose field names and JSON names this one keeps where both speak of
// the same thing. It imports nothing of Virga.
package desired

import (
	"net/netip"
	"time"
)

// State is what should be on one host: everything, or, when Partial is set, what is new.
//
// An agent that has everything as of one generation asks for what is new since and has
// everything as of the next when it puts the objects of the answer in the place of those
// with the same ids, drops those that are gone, and then every network, group and address
// set that nothing refers to any more. The objects are levels: the same ones may come
// again, and come as they are now, not as they were at the change.
type State struct {
	// Generation is what the next question names; it grows with the changes in the cloud.
	Generation int64 `json:"generation"`
	// Moment is named with Generation; it spares repeating what the agent was told already.
	Moment string `json:"moment,omitempty"`
	// Unchanged is true when there is nothing new; all lists are empty then.
	Unchanged bool `json:"unchanged,omitempty"`
	// Partial says that the lists hold only what is new; GonePorts and GoneRouters are no
	// longer on the host.
	Partial     bool     `json:"partial,omitempty"`
	GonePorts   []string `json:"gone_ports,omitempty"`
	GoneRouters []string `json:"gone_routers,omitempty"`

	Networks []Network `json:"networks"`
	Ports    []Port    `json:"ports"`
	Routers  []Router  `json:"routers"`
	// SecurityGroups are the groups that ports of this host are in.
	SecurityGroups []SecurityGroup `json:"security_groups"`
	// AddressSets holds, by security group id, the addresses of the members of every group
	// that a rule names as its remote side.
	AddressSets map[string][]netip.Prefix `json:"address_sets"`

	// MemberChanges says what is new in address sets that the agent has, by security group
	// id, and PeerChanges in the peers of networks that it has, by network id. Only who asks
	// with changes=1 gets them; others get such sets and networks as a whole.
	MemberChanges map[string]MemberChange `json:"member_changes,omitempty"`
	PeerChanges   map[string]PeerChange   `json:"peer_changes,omitempty"`
}

// MemberChange names addresses that are in a set now and others that are not; some may have
// been so before.
type MemberChange struct {
	Added   []netip.Prefix `json:"added,omitempty"`
	Removed []netip.Prefix `json:"removed,omitempty"`
}

// PeerChange is the same for the tunnel addresses of a network's peers.
type PeerChange struct {
	Added   []netip.Addr `json:"added,omitempty"`
	Removed []netip.Addr `json:"removed,omitempty"`
}

// Network is one network that has something on the host.
type Network struct {
	ID              string       `json:"id"`
	ProjectID       string       `json:"project_id"`
	Kind            string       `json:"kind"` // local, flat, vlan, vxlan
	SegmentID       uint32       `json:"segment_id,omitempty"`
	PhysicalNetwork string       `json:"physical_network,omitempty"`
	MTU             int          `json:"mtu"`
	LocalVTEP       netip.Addr   `json:"local_vtep,omitzero"`
	Peers           []netip.Addr `json:"peers,omitempty"` // tunnel addresses of the other hosts that carry the network
	Subnets         []Subnet     `json:"subnets,omitempty"`
	DHCPPort        *DHCPPort    `json:"dhcp_port,omitempty"` // nil: no DHCP and no metadata here
	DNSDomain       string       `json:"dns_domain,omitempty"`
	External        bool         `json:"external,omitempty"`
	HostAddress     netip.Prefix `json:"host_address,omitzero"` // address of the host itself on a flat network
	HostNAT         bool         `json:"host_nat,omitempty"`    // masquerade what leaves the prefix through the host
}

// Subnet is one address range of a network.
type Subnet struct {
	ID         string       `json:"id"`
	CIDR       netip.Prefix `json:"cidr"`
	Gateway    netip.Addr   `json:"gateway,omitzero"`
	DHCP       bool         `json:"dhcp,omitempty"`
	DNS        []netip.Addr `json:"dns,omitempty"`
	HostRoutes []Route      `json:"host_routes,omitempty"`
	// RAMode and AddressMode are the API's ipv6_ra_mode and ipv6_address_mode.
	RAMode      string `json:"ra_mode,omitempty"`
	AddressMode string `json:"address_mode,omitempty"`
}

// DHCPPort is the address under which DHCP and metadata appear on the network on this host.
type DHCPPort struct {
	PortID    string         `json:"port_id"`
	MAC       string         `json:"mac"`
	Addresses []netip.Prefix `json:"addresses"`
}

// Route sends a destination to a next hop.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"next_hop"`
}

// Port is one guest's connection that belongs on the host.
type Port struct {
	ID        string `json:"id"`
	NetworkID string `json:"network_id"`
	// ProjectID and DeviceID tell the metadata service whose server asks: the id of the
	// server is only to be believed for a server of the same project.
	ProjectID           string        `json:"project_id"`
	DeviceID            string        `json:"device_id,omitempty"`
	DeviceOwner         string        `json:"device_owner,omitempty"`
	MAC                 string        `json:"mac"`
	FixedIPs            []netip.Addr  `json:"fixed_ips,omitempty"`
	AllowedAddressPairs []AddressPair `json:"allowed_address_pairs,omitempty"`
	PortSecurity        bool          `json:"port_security"`
	AdminUp             bool          `json:"admin_up"`
	SecurityGroups      []string      `json:"security_groups,omitempty"`
	// Arrived says that the guest comes, or came a short while ago, from another host while it runs.
	Arrived bool `json:"arrived,omitempty"`
	// Leases are what DHCP answers the port's MAC, one for each address on a subnet with DHCP.
	Leases []Lease `json:"leases,omitempty"`
}

// AddressPair lets a port send from a further address; an empty MAC means the port's own.
type AddressPair struct {
	MAC    string       `json:"mac,omitempty"`
	Prefix netip.Prefix `json:"prefix"`
}

// Lease is one DHCP answer.
type Lease struct {
	SubnetID string       `json:"subnet_id"`
	Address  netip.Prefix `json:"address"` // the guest's address with the subnet's prefix length
	Gateway  netip.Addr   `json:"gateway,omitzero"`
	// Server is the address of the DHCP port on the subnet; invalid where the pool had none left for it.
	Server   netip.Addr   `json:"server,omitzero"`
	DNS      []netip.Addr `json:"dns,omitempty"`
	MTU      int          `json:"mtu"`
	Hostname string       `json:"hostname,omitempty"`
	Domain   string       `json:"domain,omitempty"`
	// Routes are the subnet's host routes and the one to the metadata address; the default
	// route is Gateway alone and must be added where RFC 3442 wants it among the others.
	Routes []Route `json:"routes,omitempty"`
	// NextServer is the address of the boot server (siaddr of RFC 2131), where the port names one.
	NextServer netip.Addr `json:"next_server,omitzero"`
	// Options are the port's own extra options, ready to be sent; they replace the usual ones of the same code.
	Options []Option `json:"options,omitempty"`
}

// Option is a DHCPv4 option (RFC 2132), its data as on the wire.
type Option struct {
	Code uint8  `json:"code"`
	Data []byte `json:"data"`
}

// SecurityGroup is a set of rules that ports refer to.
type SecurityGroup struct {
	ID    string      `json:"id"`
	Rules []GroupRule `json:"rules"`
}

// GroupRule is a rule as it stands in its group.
type GroupRule struct {
	Rule
	// RemoteGroupID names the address set that is the remote side.
	RemoteGroupID string `json:"remote_group_id,omitempty"`
}

// Rule permits traffic; without AnyRemote and without Remotes it permits nobody.
type Rule struct {
	ID        string         `json:"id"`
	Direction string         `json:"direction"` // ingress, egress
	EtherType string         `json:"ethertype"` // IPv4, IPv6
	Protocol  string         `json:"protocol,omitempty"`
	PortMin   *int           `json:"port_min,omitempty"`
	PortMax   *int           `json:"port_max,omitempty"`
	AnyRemote bool           `json:"any_remote,omitempty"`
	Remotes   []netip.Prefix `json:"remotes,omitempty"`
}

// PortRules lists the rules of a port with remote groups expanded to addresses.
func (s *State) PortRules(p *Port) []Rule {
	if !p.PortSecurity {
		return nil
	}
	var rules []Rule
	for _, id := range p.SecurityGroups {
		for i := range s.SecurityGroups {
			if s.SecurityGroups[i].ID != id {
				continue
			}
			for _, rule := range s.SecurityGroups[i].Rules {
				expanded := rule.Rule
				if rule.RemoteGroupID != "" {
					expanded.AnyRemote, expanded.Remotes = false, s.AddressSets[rule.RemoteGroupID]
				}
				rules = append(rules, expanded)
			}
		}
	}
	return rules
}

// Router is one router that the host carries.
type Router struct {
	ID          string            `json:"id"`
	ProjectID   string            `json:"project_id"`
	AdminUp     bool              `json:"admin_up"`
	Interfaces  []RouterInterface `json:"interfaces,omitempty"`
	Gateway     *RouterGateway    `json:"gateway,omitempty"`
	FloatingIPs []FloatingIP      `json:"floating_ips,omitempty"`
	Routes      []Route           `json:"routes,omitempty"`
}

// RouterInterface joins a router to a network.
type RouterInterface struct {
	PortID    string         `json:"port_id"`
	NetworkID string         `json:"network_id"`
	MAC       string         `json:"mac"`
	Addresses []netip.Prefix `json:"addresses"`
	MTU       int            `json:"mtu"`
}

// RouterGateway joins a router to an external network.
type RouterGateway struct {
	RouterInterface
	NextHops []netip.Addr `json:"next_hops,omitempty"` // at most one of each address family
	SNAT     bool         `json:"snat"`
}

// FloatingIP makes a guest's fixed address reachable under an external one.
type FloatingIP struct {
	ID       string     `json:"id"`
	Floating netip.Addr `json:"floating"`
	Fixed    netip.Addr `json:"fixed"`
}

// Alive is the body of PUT /internal/hosts/{host}/alive: a sign of life.
type Alive struct {
	// Generation and Moment are those of the state which the agent has.
	Generation int64  `json:"generation"`
	Moment     string `json:"moment,omitempty"`
	// Leaving says that it is the last sign: the agent ends, in good order.
	Leaving bool `json:"leaving,omitempty"`
}

// AliveAnswer is the answer to a sign of life.
type AliveAnswer struct {
	// News is true when there may be something new since the agent's generation.
	News bool `json:"news,omitempty"`
	// NextMilliseconds is when to come next. A host that misses three times counts as dead.
	NextMilliseconds int64 `json:"next_milliseconds"`
	// Report asks for a report of the host, which is not known.
	Report bool `json:"report,omitempty"`
	// Generation, if not 0, and Moment are what the agent may ask from the next time: nothing
	// between its generation and this one concerns it.
	Generation int64  `json:"generation,omitempty"`
	Moment     string `json:"moment,omitempty"`
}

// HostReport is what an agent tells of itself when it begins and now and then: PUT /internal/hosts/{host}.
type HostReport struct {
	// AgentType, Binary and Version are shown by the agents API; empty ones get the
	// words of Virga's own agent.
	AgentType string `json:"agent_type,omitempty"`
	Binary    string `json:"binary,omitempty"`
	Version   string `json:"version,omitempty"`
	// VTEP is the host's tunnel address; invalid: the host has no tunnels.
	VTEP             netip.Addr     `json:"vtep,omitzero"`
	AvailabilityZone string         `json:"availability_zone,omitempty"`
	Capabilities     []string       `json:"capabilities,omitempty"`
	Configurations   map[string]any `json:"configurations,omitempty"`
	// StartedAt is when the agent process began.
	StartedAt time.Time `json:"started_at,omitzero"`
}

// HostAnswer is the answer to a report.
type HostAnswer struct {
	Host string `json:"host"`
}

// The words of Status.
const (
	StatusActive = "ACTIVE"
	StatusDown   = "DOWN"
	StatusError  = "ERROR"
)

// Status is how one port or router stands on the host.
type Status struct {
	Status string `json:"status"`
	// Detail says why; it is kept for operators.
	Detail string `json:"detail,omitempty"`
	// FloatingIPs lists, for a router, the ids of the floating IPs that are in force.
	FloatingIPs []string `json:"floating_ips,omitempty"`
}

// StatusReport is the body of PUT /internal/hosts/{host}/ports and …/routers: statuses by id.
// Ids that do not belong to the host are passed over.
type StatusReport map[string]Status
