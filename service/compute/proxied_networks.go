package compute

import (
	"context"

	"virga/core/api"
)

// Networks, until 2.35, in the two forms in which nova shows those of the network service.

// networkFieldsOfAll and networkFieldsOfAdmins are what a network of nova's own once had; of
// these the network service's networks have an id and a label, and null for the rest.
var (
	networkFieldsOfAll    = []string{"cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6"}
	networkFieldsOfAdmins = []string{"created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan", "vpn_public_address", "vpn_public_port",
		"vpn_private_address", "dhcp_start", "project_id", "host", "bridge_interface", "multi_host", "priority", "rxtx_base", "mtu", "dhcp_server", "enable_dhcp",
		"share_address"}
)

func viewNetwork(r *api.Request, n Network) map[string]any {
	view := map[string]any{"id": n.ID, "label": n.Name}
	for _, name := range networkFieldsOfAll {
		view[name] = nil
	}
	if r.Can("context_is_admin", nil) {
		for _, name := range networkFieldsOfAdmins {
			view[name] = nil
		}
	}
	return view
}

// viewProjectNetwork has the word None where nova's own networks had their range.
func viewProjectNetwork(_ *api.Request, n Network) map[string]any {
	return map[string]any{"id": n.ID, "label": n.Name, "cidr": "None"}
}

type networkViewer func(r *api.Request, n Network) map[string]any

func (s *Service) listNetworks(ctx context.Context, r *api.Request, view networkViewer) (any, error) {
	networks, err := s.deps.Networks.VisibleNetworks(as(ctx, r))
	if err != nil {
		return nil, passedOn("network", err)
	}
	views := []map[string]any{}
	for _, n := range networks {
		views = append(views, view(r, n))
	}
	return map[string]any{"networks": views}, nil
}

func (s *Service) showNetwork(ctx context.Context, r *api.Request, view networkViewer) (any, error) {
	networks, err := s.deps.Networks.Networks(as(ctx, r), []string{r.Param("network_id")})
	if err != nil {
		return nil, passedOn("network", err)
	}
	if len(networks) == 0 {
		return nil, api.NotFound("Network not found")
	}
	return map[string]any{"network": view(r, networks[0])}, nil
}

// networkList answers GET /os-networks, networkShow one of them.
func (s *Service) networkList(ctx context.Context, r *api.Request) (any, error) {
	return s.listNetworks(ctx, r, viewNetwork)
}

func (s *Service) networkShow(ctx context.Context, r *api.Request) (any, error) {
	return s.showNetwork(ctx, r, viewNetwork)
}

// projectNetworkList answers GET /os-tenant-networks, projectNetworkShow one of them.
func (s *Service) projectNetworkList(ctx context.Context, r *api.Request) (any, error) {
	return s.listNetworks(ctx, r, viewProjectNetwork)
}

func (s *Service) projectNetworkShow(ctx context.Context, r *api.Request) (any, error) {
	return s.showNetwork(ctx, r, viewProjectNetwork)
}
