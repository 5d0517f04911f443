package compute

import "context"

// The neighbours answer with an *api.Error of the neighbour's status when it refuses, and
// with any other error when it cannot be asked now. The caller's identity is in the context.

// Images is what compute needs of the image service.
type Images interface {
	ImageProxies
	// Image returns one image that the caller may see; status 404 otherwise.
	Image(ctx context.Context, id string) (Image, error)
	ImageMaking
}

// Image is an image as far as compute cares.
type Image struct {
	ID, Name, Status, DiskFormat, SHA512 string
	// Size counts the stored bytes, VirtualSize those that a guest sees (0: not known).
	Size, VirtualSize int64
	// MinDisk is in GiB, MinRAM in MiB.
	MinDisk, MinRAM int64
	Properties      map[string]string
}

// Networks is what compute needs of the network service.
type Networks interface {
	NetworkProxies
	// Networks returns those of the given networks that the caller may see.
	Networks(ctx context.Context, ids []string) ([]Network, error)
	// UsableNetworks returns the project's own networks and the shared ones.
	UsableNetworks(ctx context.Context, projectID string) ([]Network, error)
	// PortsByID and PortsOfDevices return those ports that the caller may see.
	PortsByID(ctx context.Context, ids []string) ([]Port, error)
	PortsOfDevices(ctx context.Context, deviceIDs []string) ([]Port, error)
	// PortsWithAddress returns the ports on a network that have the address, of those that the caller may see.
	PortsWithAddress(ctx context.Context, networkID, address string) ([]Port, error)
	CreatePort(ctx context.Context, port NewPort) (Port, error)
	// UpdatePort changes the fields that are set.
	UpdatePort(ctx context.Context, id string, change PortChange) (Port, error)
	// DeletePort removes a port; one that is gone is fine.
	DeletePort(ctx context.Context, id string) error
	SubnetsOfNetworks(ctx context.Context, networkIDs []string) ([]Subnet, error)
	// FloatingIPsOfPorts returns the floating addresses that lead to the ports.
	FloatingIPsOfPorts(ctx context.Context, portIDs []string) ([]FloatingIP, error)
	// SecurityGroups returns a project's groups; without a project, all that the caller may see.
	SecurityGroups(ctx context.Context, projectID string) ([]SecurityGroup, error)
}

// Network is a network.
type Network struct {
	ID, Name, ProjectID string
	Shared, External    bool
	MTU                 int
	SubnetIDs           []string
}

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID string `json:"subnet_id,omitempty"`
	Address  string `json:"ip_address,omitempty"`
}

// Port is a port.
type Port struct {
	ID, Name, NetworkID, ProjectID, MAC, Status string
	DeviceID, DeviceOwner                       string
	FixedIPs                                    []FixedIP
	SecurityGroupIDs                            []string
	// HostID and Profile are seen by administrators and services alone.
	HostID, VIFType string
	Profile         map[string]any
}

// NewPort describes a port to be made.
type NewPort struct {
	NetworkID, ProjectID, DeviceID, DeviceOwner, HostID, DNSName string
	FixedIPs                                                     []FixedIP
	SecurityGroupIDs                                             []string // nil: the project's default group
	Profile                                                      map[string]any
}

// PortChange is a change of a port; nil fields stay as they are.
type PortChange struct {
	DeviceID, DeviceOwner, HostID *string
	Profile                       map[string]any
	SecurityGroupIDs              *[]string
	// FixedIPs are all that the port is to have; one without an address gets any of its subnet.
	FixedIPs *[]FixedIP
}

// Subnet is a subnet.
type Subnet struct {
	ID        string   `json:"id"`
	NetworkID string   `json:"network_id"`
	CIDR      string   `json:"cidr"`
	Gateway   string   `json:"gateway_ip"`
	IPVersion int      `json:"ip_version"`
	DHCP      bool     `json:"enable_dhcp"`
	DNS       []string `json:"dns_nameservers"`
	Routes    []Route  `json:"host_routes"`
	// RAMode is ipv6_address_mode: slaac, dhcpv6-stateful, dhcpv6-stateless or empty.
	RAMode string `json:"ipv6_address_mode"`
}

// Route is a static route that a subnet gives its hosts.
type Route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// FloatingIP is an address that leads to a port's fixed address.
type FloatingIP struct{ PortID, FixedAddress, Address string }

// SecurityGroup is a security group with its rules.
type SecurityGroup struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	ProjectID   string              `json:"project_id"`
	Description string              `json:"description"`
	Rules       []SecurityGroupRule `json:"security_group_rules"`
}

// SecurityGroupRule is what a security group lets through.
type SecurityGroupRule struct {
	ID            string `json:"id"`
	Direction     string `json:"direction"`
	EtherType     string `json:"ethertype"`
	Protocol      string `json:"protocol"` // empty: any
	PortMin       *int   `json:"port_range_min"`
	PortMax       *int   `json:"port_range_max"`
	RemotePrefix  string `json:"remote_ip_prefix"`
	RemoteGroupID string `json:"remote_group_id"`
}

// Placement is what compute needs of the placement service.
type Placement interface {
	// EnsureProvider makes the resource provider be there, with the inventory and the traits
	// (unknown traits are left out).
	EnsureProvider(ctx context.Context, id, name string, inventory map[string]Inventory, traits []string) error
	// ChangeAggregates puts the provider into aggregates and takes it out of others; status 404 when it is not there.
	ChangeAggregates(ctx context.Context, id string, add, remove []string) error
	// RemoveProvider removes a provider; one that is gone is fine. Status 409 while it has allocations.
	RemoveProvider(ctx context.Context, id string) error
	// Changes returns the providers that changed since the answer that had the cursor, all
	// of them for an empty or forgotten cursor. What was committed before the call is in it.
	Changes(ctx context.Context, cursor string) (ProviderChanges, error)
	// Claim makes the consumer's allocation be these resources of this provider. It is
	// repeatable; status 409 when they are no longer there.
	Claim(ctx context.Context, claim Claim) error
	// Reallocate makes the allocations of several consumers be what the claims say, all of
	// them or none; a claim without resources takes away what its consumer has. It is
	// repeatable; status 409 when the resources are not there.
	Reallocate(ctx context.Context, claims []Claim) error
	// Release removes the consumer's allocation; none is fine.
	Release(ctx context.Context, consumerID string) error
}

// Inventory is how much of a resource class a provider has. A Ratio that is not Fixed is for a class that is new: what was
// set in placement stays.
type Inventory struct {
	Total, Reserved int64
	Ratio           float64
	Fixed           bool
}

// ProviderChanges tells how providers are now.
type ProviderChanges struct {
	Cursor string
	// Whole: these are all providers that there are.
	Whole     bool
	Providers []Provider
	// Gone are the ids of providers that are no longer there.
	Gone []string
}

// Provider is a resource provider.
type Provider struct {
	ID        string
	Traits    []string
	Resources map[string]Resource
}

// Resource is how much of a resource class a provider can give and has given, and the
// bounds of one allocation.
type Resource struct {
	Capacity, Used, Min, Max, Step int64
	// Ratio is how many times what there is may be allocated; 0: not known.
	Ratio float64
}

// Claim is an allocation for a server.
type Claim struct {
	ConsumerID, ProviderID, ProjectID, UserID string
	Resources                                 map[string]int64
}
