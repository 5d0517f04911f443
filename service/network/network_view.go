package network

import "virga/core/api"

// networkView is the body of a network.
type networkView struct {
	standardView
	Name             string   `json:"name"`
	AdminUp          bool     `json:"admin_state_up"`
	Status           string   `json:"status"`
	Shared           bool     `json:"shared"`
	External         bool     `json:"router:external"`
	IsDefault        *bool    `json:"is_default,omitempty"` // of external networks only
	MTU              int      `json:"mtu"`
	PortSecurity     bool     `json:"port_security_enabled"`
	Subnets          []string `json:"subnets"`
	AZHints          []string `json:"availability_zone_hints"`
	Zones            []string `json:"availability_zones"`
	IPv4AddressScope *string  `json:"ipv4_address_scope"`
	IPv6AddressScope *string  `json:"ipv6_address_scope"`
	*providerView
}

// providerView is what only administrators see.
type providerView struct {
	Type            string  `json:"provider:network_type"`
	PhysicalNetwork *string `json:"provider:physical_network"`
	SegmentationID  *int    `json:"provider:segmentation_id"`
}

// networkBody is the body of a create or an update.
type networkBody struct {
	bodyStandard
	Name            given[string]   `json:"name"`
	AdminUp         given[flag]     `json:"admin_state_up"`
	Shared          given[flag]     `json:"shared"`
	External        given[flag]     `json:"router:external"`
	IsDefault       given[flag]     `json:"is_default"`
	MTU             given[whole]    `json:"mtu"`
	PortSecurity    given[flag]     `json:"port_security_enabled"`
	AZHints         given[[]string] `json:"availability_zone_hints"`
	Type            given[string]   `json:"provider:network_type"`
	PhysicalNetwork given[string]   `json:"provider:physical_network"`
	SegmentationID  given[whole]    `json:"provider:segmentation_id"`
}

func showNetwork(r *api.Request, n *network) networkView {
	view := viewNetwork(n)
	if r.Can("get_network:provider:network_type", n.PolicyTarget()) {
		view.providerView = viewProvider(n)
	}
	return view
}

// viewNetwork is a network as everybody sees it who does.
func viewNetwork(n *network) networkView {
	view := networkView{
		standardView: n.view(), Name: n.Name, AdminUp: n.AdminUp, Status: "ACTIVE", Shared: n.Shared, External: n.External,
		MTU: n.MTU, PortSecurity: n.PortSecurity, Subnets: listed(n.SubnetIDs), AZHints: listed(n.AZHints), Zones: listed(n.Zones),
	}
	if n.External {
		isDefault := n.IsDefault
		view.IsDefault = &isDefault
	}
	return view
}

func viewProvider(n *network) *providerView {
	view := &providerView{Type: n.Type, PhysicalNetwork: orNull(n.PhysicalNetwork)}
	if n.SegmentationID != 0 {
		id := n.SegmentationID
		view.SegmentationID = &id
	}
	return view
}
