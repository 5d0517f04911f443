package network

import "virga/core/api"

// portView is the body of a port.
type portView struct {
	standardView
	Name         string        `json:"name"`
	NetworkID    string        `json:"network_id"`
	MAC          string        `json:"mac_address"`
	AdminUp      bool          `json:"admin_state_up"`
	Status       string        `json:"status"`
	DeviceID     string        `json:"device_id"`
	DeviceOwner  string        `json:"device_owner"`
	FixedIPs     []fixedIPBody `json:"fixed_ips"`
	Pairs        []addressPair `json:"allowed_address_pairs"`
	DHCPOptions  []dhcpOption  `json:"extra_dhcp_opts"`
	Groups       []string      `json:"security_groups"`
	PortSecurity bool          `json:"port_security_enabled"`
	VNICType     string        `json:"binding:vnic_type"`
	*bindingView
}

// bindingView is what only administrators and services see.
type bindingView struct {
	Host       string         `json:"binding:host_id"`
	Profile    map[string]any `json:"binding:profile"`
	VIFType    string         `json:"binding:vif_type"`
	VIFDetails map[string]any `json:"binding:vif_details"`
}

type fixedIPBody struct {
	SubnetID string `json:"subnet_id"`
	Address  string `json:"ip_address"`
}

type dhcpOptionBody struct {
	Name      string  `json:"opt_name"`
	Value     *string `json:"opt_value"`
	IPVersion whole   `json:"ip_version"`
}

// portBody is the body of a create or an update.
type portBody struct {
	bodyStandard
	Name         given[string]           `json:"name"`
	NetworkID    string                  `json:"network_id"`
	MAC          given[string]           `json:"mac_address"`
	AdminUp      given[flag]             `json:"admin_state_up"`
	DeviceID     given[string]           `json:"device_id"`
	DeviceOwner  given[string]           `json:"device_owner"`
	FixedIPs     given[[]fixedIPBody]    `json:"fixed_ips"`
	Pairs        given[[]addressPair]    `json:"allowed_address_pairs"`
	DHCPOptions  given[[]dhcpOptionBody] `json:"extra_dhcp_opts"`
	Groups       given[[]string]         `json:"security_groups"`
	PortSecurity given[flag]             `json:"port_security_enabled"`
	Host         given[string]           `json:"binding:host_id"`
	VNICType     given[string]           `json:"binding:vnic_type"`
	Profile      given[map[string]any]   `json:"binding:profile"`
}

func showPort(r *api.Request, p *port) portView {
	view := viewPort(p)
	if seesAll(r) || r.Can("get_port:binding:host_id", owned(p.ProjectID)) {
		view.bindingView = showBinding(p)
	}
	return view
}

// viewPort is a port as everybody sees it who does.
func viewPort(p *port) portView {
	view := portView{
		standardView: p.view(), Name: p.Name, NetworkID: p.NetworkID, MAC: p.MAC, AdminUp: p.AdminUp, Status: p.Status,
		DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner, FixedIPs: make([]fixedIPBody, len(p.Addresses)), Pairs: listed(p.Pairs),
		DHCPOptions: listed(p.DHCPOptions), Groups: listed(p.Groups), PortSecurity: p.PortSecurity, VNICType: p.VNICType,
	}
	for i, a := range p.Addresses {
		view.FixedIPs[i] = fixedIPBody{a.SubnetID, a.Text}
	}
	return view
}

// showBinding tells how the port is plugged: not at all, into the host's bridge, or not
// where it should be because the host has no agent.
func showBinding(p *port) *bindingView {
	view := &bindingView{Host: p.Host, Profile: p.Profile, VIFType: "unbound", VIFDetails: map[string]any{}}
	if view.Profile == nil {
		view.Profile = map[string]any{}
	}
	switch {
	case p.Host != "" && p.Plugged:
		view.VIFType = "bridge"
		view.VIFDetails = map[string]any{"port_filter": p.PortSecurity, "connectivity": "l2", "bound_drivers": map[string]any{"0": "virga"}}
	case p.Host != "":
		view.VIFType = "binding_failed"
	}
	return view
}
