package compute

import (
	"context"
	"fmt"
	"slices"

	"virga/core/api"
)

// profileKey is the field of a port's binding profile that marks a port made by compute,
// with the key of the interface it was made for.
const profileKey = "virga_nic"

// bindingError says that a port cannot be used on the host.
type bindingError struct{ portID, host string }

// Error implements error.
func (e *bindingError) Error() string {
	return fmt.Sprintf("Binding failed for port %s, please check neutron logs for more information.", e.portID)
}

func marker(p Port) string {
	key, _ := p.Profile[profileKey].(string)
	return key
}

// plugPorts makes the ports that are asked for, or takes those that exist, and binds them
// to the server's host. On a repeat it looks for what an earlier run made.
func (s *Service) plugPorts(ctx context.Context, row *server, wanted []nicRequest, repeated bool) ([]nic, error) {
	ctx = s.self(ctx)
	var known []Port
	if repeated {
		var err error
		if known, err = s.deps.Networks.PortsOfDevices(ctx, []string{row.ID}); err != nil {
			return nil, err
		}
	}
	var nics []nic
	var networkIDs []string
	for _, want := range wanted {
		port, err := s.plugPort(ctx, row, want, known)
		if err != nil {
			return nil, err
		}
		if port.VIFType == "binding_failed" {
			return nil, &bindingError{port.ID, row.Host}
		}
		n := nic{NetworkName: want.NetworkName, MTU: want.MTU, Tag: want.Tag}
		n.takePort(port, nil)
		nics = append(nics, n)
		if !slices.Contains(networkIDs, n.NetworkID) {
			networkIDs = append(networkIDs, n.NetworkID)
		}
	}
	subnets, err := s.deps.Networks.SubnetsOfNetworks(ctx, networkIDs)
	if err != nil {
		return nil, err
	}
	for i := range nics {
		for _, subnet := range subnets {
			if slices.ContainsFunc(nics[i].FixedIPs, func(ip nicAddress) bool { return ip.SubnetID == subnet.ID }) {
				nics[i].Subnets = append(nics[i].Subnets, subnet)
			}
		}
		if wanted[i].PortID == "" {
			nameGroups(&nics[i], row)
		} else if err := s.askGroups(ctx, &nics[i], row); err != nil {
			return nil, err
		}
	}
	return nics, nil
}

// askGroups finds the names of the groups of a port that the user made, which are the user's choice.
func (s *Service) askGroups(ctx context.Context, n *nic, row *server) error {
	if len(n.Groups) == 0 {
		return nil
	}
	groups, err := s.deps.Networks.SecurityGroups(ctx, row.ProjectID)
	if err != nil {
		return err
	}
	for i := range n.Groups {
		for _, group := range groups {
			if group.ID == n.Groups[i].ID {
				n.Groups[i].Name = group.Name
			}
		}
	}
	return nil
}

// nameGroups guesses the names of a new port's groups from what was asked for; what cannot
// be told so is found out with the next look at the network service.
func nameGroups(n *nic, row *server) {
	if len(n.Groups) != 1 {
		return
	}
	switch len(row.Detail.SecurityGroups) {
	case 0:
		n.Groups[0].Name = "default"
	case 1:
		n.Groups[0].Name = row.Detail.SecurityGroups[0]
	}
}

func (s *Service) plugPort(ctx context.Context, row *server, want nicRequest, known []Port) (Port, error) {
	owner := "compute:" + zoneOr(row.Zone)
	if want.PortID != "" {
		return s.takePort(ctx, row, want, owner)
	}
	for _, p := range known {
		if marker(p) == want.Key {
			if p.HostID == row.Host {
				return p, nil
			}
			return s.deps.Networks.UpdatePort(ctx, p.ID, PortChange{HostID: &row.Host})
		}
	}
	request := NewPort{NetworkID: want.NetworkID, ProjectID: row.ProjectID, DeviceID: row.ID, DeviceOwner: owner, HostID: row.Host,
		SecurityGroupIDs: want.SecurityGroupIDs, Profile: map[string]any{profileKey: want.Key}}
	if want.FixedIP != "" {
		request.FixedIPs = []FixedIP{{Address: want.FixedIP}}
	}
	return s.deps.Networks.CreatePort(ctx, request)
}

// takePort binds a port that the user made.
func (s *Service) takePort(ctx context.Context, row *server, want nicRequest, owner string) (Port, error) {
	ports, err := s.deps.Networks.PortsByID(ctx, []string{want.PortID})
	switch {
	case err != nil:
		return Port{}, err
	case len(ports) == 0 || ports[0].ProjectID != row.ProjectID:
		return Port{}, api.BadRequest("Port id %s could not be found.", want.PortID)
	case ports[0].DeviceID != "" && ports[0].DeviceID != row.ID:
		return Port{}, api.Conflict("Port %s is still in use.", want.PortID)
	}
	return s.deps.Networks.UpdatePort(ctx, want.PortID, PortChange{DeviceID: &row.ID, DeviceOwner: &owner, HostID: &row.Host})
}

// unplugPorts removes the ports that compute made for a server and gives the others back.
func (s *Service) unplugPorts(ctx context.Context, serverID string) error {
	ctx = s.self(ctx)
	ports, err := s.deps.Networks.PortsOfDevices(ctx, []string{serverID})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if err := s.unplugPort(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) unplugPort(ctx context.Context, p Port) error {
	if marker(p) != "" {
		return s.deps.Networks.DeletePort(ctx, p.ID)
	}
	none := ""
	change := PortChange{DeviceID: &none, DeviceOwner: &none, HostID: &none}
	if expectedAt(p) != "" {
		change.Profile = expecting(p, "")
	}
	_, err := s.deps.Networks.UpdatePort(ctx, p.ID, change)
	if err != nil && api.StatusOf(err) == 404 {
		return nil
	}
	return err
}

func zoneOr(zone string) string {
	if zone == "" {
		return defaultZone
	}
	return zone
}
