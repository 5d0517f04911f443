package network

// floatingIPView is the body of a floating IP.
type floatingIPView struct {
	standardView
	NetworkID    string           `json:"floating_network_id"`
	Address      string           `json:"floating_ip_address"`
	RouterID     *string          `json:"router_id"`
	PortID       *string          `json:"port_id"`
	FixedAddress *string          `json:"fixed_ip_address"`
	Status       string           `json:"status"`
	PortDetails  *portDetailsView `json:"port_details"`
}

// portDetailsView tells of the port that a floating IP is associated with.
type portDetailsView struct {
	Name        string `json:"name"`
	NetworkID   string `json:"network_id"`
	MAC         string `json:"mac_address"`
	AdminUp     bool   `json:"admin_state_up"`
	Status      string `json:"status"`
	DeviceID    string `json:"device_id"`
	DeviceOwner string `json:"device_owner"`
}

// floatingIPBody is the body of a create or an update.
type floatingIPBody struct {
	bodyStandard
	NetworkID    string        `json:"floating_network_id"`
	Address      given[string] `json:"floating_ip_address"`
	SubnetID     given[string] `json:"subnet_id"`
	PortID       given[string] `json:"port_id"`
	FixedAddress given[string] `json:"fixed_ip_address"`
}

func showFloatingIP(f *floatingIP) floatingIPView {
	view := floatingIPView{standardView: f.view(), NetworkID: f.NetworkID, Address: f.Address, RouterID: orNull(f.RouterID),
		PortID: orNull(f.PortID), FixedAddress: orNull(f.FixedAddress), Status: f.Status}
	if p := f.Port; p != nil {
		view.PortDetails = &portDetailsView{p.Name, p.NetworkID, p.MAC, p.AdminUp, p.Status, p.DeviceID, p.DeviceOwner}
	}
	return view
}
