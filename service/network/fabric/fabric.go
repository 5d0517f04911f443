// Package fabric is the border between the network service and a host's data plane.
//
// It owns the vocabulary of that border: the desired state of one host's networks, ports and routers, the Driver
// interface that makes the host so, and the rules of what a valid desired state is. It does not own any API, database
// or decision: which port lives on which host, and with which addresses, is decided above it. Drivers live in the sub-packages
// (fake, linux) and all pass the behaviour suite in fabric/suite.
//
// It may be imported by the network service, its agent, the drivers and the responder; it imports nothing of Virga.
package fabric

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Errors that callers branch on; every other error of a driver means "try again later".
var (
	// ErrInvalid marks a desired state that can never be made so; trying again is useless until it changes.
	ErrInvalid = errors.New("invalid desired state")
	// ErrUnsupported marks a desired state that this host's kernel or configuration cannot offer.
	ErrUnsupported = errors.New("not supported here")
	// ErrNetworkMissing is returned for a port, router or socket on a network that was not ensured first.
	ErrNetworkMissing = errors.New("network is not on this host")
	// ErrNoSockets is returned by the Listen verbs of a driver that carries no packets.
	ErrNoSockets = errors.New("driver carries no packets")
	// ErrClosed is returned by every verb after Close.
	ErrClosed = errors.New("driver is closed")
	// ErrForeign is returned when a device or namespace of the wanted name exists but was not made by Virga.
	ErrForeign = errors.New("name is taken by something that is not Virga's")
)

// PortClosedError reports a port whose rules could not be applied: the port exists, but is closed in both directions.
type PortClosedError struct {
	PortID string
	Cause  error
}

// Error names the port and the cause.
func (e *PortClosedError) Error() string {
	return fmt.Sprintf("close port %s because its rules cannot be applied: %v", e.PortID, e.Cause)
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *PortClosedError) Unwrap() error { return e.Cause }

// Kind is how the frames of a network travel between hosts.
type Kind string

// The kinds of network; the words are those of the network API's provider:network_type.
const (
	KindLocal Kind = "local" // never leaves the host
	KindFlat  Kind = "flat"  // untagged on a physical network
	KindVLAN  Kind = "vlan"  // tagged with SegmentID on a physical network
	KindVXLAN Kind = "vxlan" // in UDP between the hosts, VNI is SegmentID
)

// Network is the desired state of one network on this host.
type Network struct {
	ID              string       `json:"id"`
	Kind            Kind         `json:"kind"`
	SegmentID       uint32       `json:"segment_id,omitempty"`       // VNI (vxlan, 1..16777215) or VLAN id (vlan, 1..4094)
	PhysicalNetwork string       `json:"physical_network,omitempty"` // flat and vlan: name that the driver maps to a device
	MTU             int          `json:"mtu"`                        // bytes of payload a guest may send in a frame
	LocalVTEP       netip.Addr   `json:"local_vtep,omitzero"`        // vxlan: this host's tunnel address; none keeps the network on this host
	Peers           []netip.Addr `json:"peers,omitempty"`            // vxlan: tunnel addresses of the other hosts
	Subnets         []Subnet     `json:"subnets,omitempty"`
	DHCPPort        *DHCPPort    `json:"dhcp_port,omitempty"`   // nil: no responder in this network
	External        bool         `json:"external,omitempty"`    // routers may use it as gateway
	HostAddress     netip.Prefix `json:"host_address,omitzero"` // flat and local: address of the host itself on this network
	HostNAT         bool         `json:"host_nat,omitempty"`    // masquerade what leaves HostAddress's prefix through the host
}

// Subnet is one address range of a network, as far as the data plane needs it.
type Subnet struct {
	ID         string       `json:"id"`
	CIDR       netip.Prefix `json:"cidr"`
	Gateway    netip.Addr   `json:"gateway,omitzero"`
	DHCP       bool         `json:"dhcp,omitempty"`
	DNS        []netip.Addr `json:"dns,omitempty"`
	HostRoutes []Route      `json:"host_routes,omitempty"`
}

// DHCPPort is the address under which the network's responder (DHCP, metadata) appears to guests.
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

// Port is the desired state of one guest's connection to a network.
type Port struct {
	ID                  string        `json:"id"`
	NetworkID           string        `json:"network_id"`
	MAC                 string        `json:"mac"`
	FixedIPs            []netip.Addr  `json:"fixed_ips,omitempty"`
	AllowedAddressPairs []AddressPair `json:"allowed_address_pairs,omitempty"`
	PortSecurity        bool          `json:"port_security"` // false: no rules and no anti-spoofing
	AdminUp             bool          `json:"admin_up"`      // false: the device is down and the port closed
	Rules               []Rule        `json:"rules,omitempty"`
	// Arrived says that the port's guest comes from another host while it runs. Its TCP connections began there, so that here they
	// may go on from the middle where the rules permit them.
	Arrived bool `json:"arrived,omitempty"`
}

// AddressPair lets a port send from a further address; an empty MAC means the port's own.
type AddressPair struct {
	MAC    string       `json:"mac,omitempty"`
	Prefix netip.Prefix `json:"prefix"`
}

// Direction of a rule, seen from the guest.
type Direction string

// The directions of a rule.
const (
	Ingress Direction = "ingress"
	Egress  Direction = "egress"
)

// EtherType is the address family of a rule.
type EtherType string

// The address families of a rule.
const (
	IPv4 EtherType = "IPv4"
	IPv6 EtherType = "IPv6"
)

// Rule permits traffic; what no rule permits is dropped, answers to permitted traffic pass.
//
// The remote side is anyone, a list of ranges or an address set, one of the three. Its zero value permits nobody: a remote
// group without members must not become "anyone".
type Rule struct {
	ID        string         `json:"id,omitempty"`
	Direction Direction      `json:"direction"`
	EtherType EtherType      `json:"ethertype"`
	Protocol  string         `json:"protocol,omitempty"` // name or number of the API; empty is any
	PortMin   *int           `json:"port_min,omitempty"` // tcp, udp, sctp, udplite, dccp: lowest port; icmp: type
	PortMax   *int           `json:"port_max,omitempty"` // tcp, udp, sctp, udplite, dccp: highest port; icmp: code
	AnyRemote bool           `json:"any_remote,omitempty"`
	Remotes   []netip.Prefix `json:"remotes,omitempty"`    // ranges that are the same for as long as the rule is
	RemoteSet string         `json:"remote_set,omitempty"` // id of an AddressSet, whose members change without the rule
}

// AddressSet is a list of addresses that many ports' rules refer to by its id: the members of a security group. A change of
// it costs one change on the host, however many ports refer to it.
type AddressSet struct {
	ID       string         `json:"id"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty"` // of both families, in any order
}

// Router is the desired state of one router on this host.
type Router struct {
	ID          string            `json:"id"`
	AdminUp     bool              `json:"admin_up"` // false: interfaces stay, nothing is forwarded
	Interfaces  []RouterInterface `json:"interfaces,omitempty"`
	Gateway     *RouterGateway    `json:"gateway,omitempty"`
	FloatingIPs []FloatingIP      `json:"floating_ips,omitempty"`
	Routes      []Route           `json:"routes,omitempty"` // static extra routes
}

// RouterInterface joins a router to a tenant network.
type RouterInterface struct {
	PortID    string         `json:"port_id"`
	NetworkID string         `json:"network_id"`
	MAC       string         `json:"mac"`
	Addresses []netip.Prefix `json:"addresses"`
	MTU       int            `json:"mtu,omitempty"` // 0: that of the network's bridge
}

// RouterGateway joins a router to an external network.
type RouterGateway struct {
	RouterInterface
	NextHops []netip.Addr `json:"next_hops,omitempty"` // default route, at most one per address family
	SNAT     bool         `json:"snat"`                // hide guests without floating IP behind the first IPv4 address
}

// FloatingIP makes a guest's fixed address reachable under an external one.
type FloatingIP struct {
	ID       string     `json:"id"`
	Floating netip.Addr `json:"floating"`
	Fixed    netip.Addr `json:"fixed"`
}

// Inventory is what a host carries of Virga's, found on the host and not remembered; ids are sorted.
type Inventory struct {
	Networks    []string `json:"networks"`
	Ports       []string `json:"ports"`
	Routers     []string `json:"routers"`
	AddressSets []string `json:"address_sets"`
}

// DHCPSocket receives and sends DHCP datagrams inside one network's namespace.
type DHCPSocket interface {
	// Receive blocks for one datagram to UDP port 67 and gives its length and sender; after Close it returns net.ErrClosed.
	Receive(buffer []byte) (int, netip.AddrPort, error)
	// Send sends one datagram from port 67. With a MAC it reaches a guest that cannot answer ARP for the address yet.
	Send(payload []byte, to netip.AddrPort, mac string) error
	// Close ends a blocked Receive; closing twice is fine.
	Close() error
}

// Driver makes one host's data plane equal to the desired state.
//
// Every Ensure takes the full state of one object, may be repeated at any time, costs little when nothing differs, repairs
// what somebody else changed, and leaves either the old or the new filter in force, never a mixture. Every Remove of something
// that does not exist succeeds and also clears away the remains of a half-made object. Verbs on different objects may
// run at the same time. A driver keeps no truth: a new Driver on the same host adopts what it finds.
type Driver interface {
	// EnsureNetwork makes the network's switch, its tunnel or physical uplink, and its namespace with the DHCP port.
	// Kinds that the host cannot carry give ErrUnsupported.
	EnsureNetwork(ctx context.Context, network Network) error
	// RemoveNetwork takes away the network with its namespace and closes its sockets. Ports still plugged are left
	// without a switch; remove them first.
	RemoveNetwork(ctx context.Context, networkID string) error

	// EnsurePort makes the port's device (named TapName(port.ID)) or adopts an existing one, plugs it and applies its rules;
	// the filter is in force before the first frame can pass. Connections that the rules no longer permit are cut at once.
	// Rules that cannot be applied close this port alone and give a *PortClosedError. Without its network: ErrNetworkMissing.
	// A set that a rule refers to and that is not there is made, empty: it permits nobody until EnsureAddressSet gives it members.
	EnsurePort(ctx context.Context, port Port) error
	// RemovePort takes away the device, its filter and the connections tracked for it.
	RemovePort(ctx context.Context, portID string) error

	// EnsureAddressSet makes the set or changes its members, for all rules that refer to it at one moment. A member that goes takes
	// along, at once, the connections that only it permitted; a member that comes cuts nothing. Ensure sets before the ports
	// that refer to them: after a restart, the connections of a port are judged from its first EnsurePort on.
	EnsureAddressSet(ctx context.Context, set AddressSet) error
	// RemoveAddressSet takes away a set that no port's rules refer to any more; remove it after the ports. A set that is still referred to
	// stays, without members, and permits nobody; the error says so.
	RemoveAddressSet(ctx context.Context, setID string) error

	// EnsureRouter makes the router's namespace, its interfaces, routes, address translation and floating IPs, and announces
	// new addresses. Connections through a floating IP that is gone or moved are cut at once. Without one of its networks: ErrNetworkMissing.
	EnsureRouter(ctx context.Context, router Router) error
	// RemoveRouter takes away the router and all connections through it.
	RemoveRouter(ctx context.Context, routerID string) error

	// List tells what is on the host, remains of half-made objects included.
	List(ctx context.Context) (Inventory, error)

	// ListenDHCP opens the network's DHCP socket; the network must have a DHCPPort. ErrNoSockets where there are no packets.
	ListenDHCP(ctx context.Context, networkID string) (DHCPSocket, error)
	// ListenMetadata listens on 169.254.169.254:80 inside the network. The source address of an accepted connection is
	// one of the sending port's own fixed addresses: drivers drop what a guest sends there from any other address.
	ListenMetadata(ctx context.Context, networkID string) (net.Listener, error)

	// Close releases what the driver holds in this process; networks, ports and routers stay and go on working.
	Close() error
}

// MetadataAddress is where guests ask for their metadata (the address that cloud images have built in).
func MetadataAddress() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 169, 254}) }

// TapName gives the name of a port's device on the host: "tap" and the first 11 characters of the port's id, 14 bytes at most.
func TapName(portID string) string { return "tap" + Short(portID) }

// Short gives the first 11 characters of an id, the part that fits into a device's name behind a three-letter prefix.
func Short(id string) string {
	if len(id) > 11 {
		return id[:11]
	}
	return id
}
