package network

// subnetView is the body of a subnet.
type subnetView struct {
	standardView
	Name         string   `json:"name"`
	NetworkID    string   `json:"network_id"`
	IPVersion    int      `json:"ip_version"`
	CIDR         string   `json:"cidr"`
	Gateway      *string  `json:"gateway_ip"`
	DHCP         bool     `json:"enable_dhcp"`
	Pools        []pool   `json:"allocation_pools"`
	DNS          []string `json:"dns_nameservers"`
	HostRoutes   []route  `json:"host_routes"`
	RAMode       *string  `json:"ipv6_ra_mode"`
	AddressMode  *string  `json:"ipv6_address_mode"`
	SubnetPoolID *string  `json:"subnetpool_id"`
	ServiceTypes []string `json:"service_types"`
}

type poolBody struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// subnetBody is the body of a create or an update.
type subnetBody struct {
	bodyStandard
	Name        given[string]     `json:"name"`
	NetworkID   string            `json:"network_id"`
	IPVersion   whole             `json:"ip_version"`
	CIDR        given[string]     `json:"cidr"`
	Gateway     given[string]     `json:"gateway_ip"`
	DHCP        given[flag]       `json:"enable_dhcp"`
	Pools       given[[]poolBody] `json:"allocation_pools"`
	DNS         given[[]string]   `json:"dns_nameservers"`
	HostRoutes  given[[]route]    `json:"host_routes"`
	RAMode      given[string]     `json:"ipv6_ra_mode"`
	AddressMode given[string]     `json:"ipv6_address_mode"`
}

func showSubnet(n *subnet) subnetView {
	return subnetView{
		standardView: n.view(), Name: n.Name, NetworkID: n.NetworkID, IPVersion: n.IPVersion, CIDR: n.CIDRText,
		Gateway: orNull(n.GatewayText), DHCP: n.DHCP, Pools: listed(n.Pools), DNS: listed(n.DNS), HostRoutes: listed(n.HostRoutes),
		RAMode: orNull(n.RAMode), AddressMode: orNull(n.AddressMode), ServiceTypes: []string{},
	}
}
