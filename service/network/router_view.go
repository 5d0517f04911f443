package network

// routerView is the body of a router.
type routerView struct {
	standardView
	Name    string       `json:"name"`
	AdminUp bool         `json:"admin_state_up"`
	Status  string       `json:"status"`
	Gateway *gatewayView `json:"external_gateway_info"`
	Routes  []route      `json:"routes"`
	AZHints []string     `json:"availability_zone_hints"`
	Zones   []string     `json:"availability_zones"`
}

type gatewayView struct {
	NetworkID string        `json:"network_id"`
	SNAT      bool          `json:"enable_snat"`
	FixedIPs  []fixedIPBody `json:"external_fixed_ips"`
}

// routerBody is the body of a create or an update.
type routerBody struct {
	bodyStandard
	Name    given[string]      `json:"name"`
	AdminUp given[flag]        `json:"admin_state_up"`
	Gateway given[gatewayBody] `json:"external_gateway_info"`
	Routes  given[[]route]     `json:"routes"`
	AZHints given[[]string]    `json:"availability_zone_hints"`
}

type gatewayBody struct {
	NetworkID string               `json:"network_id"`
	SNAT      given[flag]          `json:"enable_snat"`
	FixedIPs  given[[]fixedIPBody] `json:"external_fixed_ips"`
}

// interfaceBody names the subnet or the port that a router is joined to.
type interfaceBody struct {
	SubnetID string `json:"subnet_id"`
	PortID   string `json:"port_id"`
}

// interfaceView is the answer to joining and parting.
type interfaceView struct {
	ID        string   `json:"id"`
	ProjectID string   `json:"project_id"`
	TenantID  string   `json:"tenant_id"`
	NetworkID string   `json:"network_id"`
	PortID    string   `json:"port_id"`
	SubnetID  string   `json:"subnet_id"`
	SubnetIDs []string `json:"subnet_ids"`
}

func showRouter(n *router) routerView {
	view := routerView{standardView: n.view(), Name: n.Name, AdminUp: n.AdminUp, Status: n.Status, Routes: listed(n.Routes),
		AZHints: listed(n.AZHints), Zones: listed(n.Zones)}
	if n.GatewayPortID != "" {
		view.Gateway = &gatewayView{NetworkID: n.GatewayNetworkID, SNAT: n.SNAT, FixedIPs: make([]fixedIPBody, len(n.Gateway))}
		for i, a := range n.Gateway {
			view.Gateway.FixedIPs[i] = fixedIPBody{a.SubnetID, a.Text}
		}
	}
	return view
}

func showInterface(n *router, p *port) interfaceView {
	view := interfaceView{ID: n.ID, ProjectID: n.ProjectID, TenantID: n.ProjectID, NetworkID: p.NetworkID, PortID: p.ID, SubnetIDs: []string{}}
	for _, a := range p.Addresses {
		view.SubnetIDs = append(view.SubnetIDs, a.SubnetID)
	}
	if len(view.SubnetIDs) > 0 {
		view.SubnetID = view.SubnetIDs[0]
	}
	return view
}
