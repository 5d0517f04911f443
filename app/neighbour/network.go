package neighbour

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"virga/core/api"
	"virga/service/compute"
)

// Networks is the network service, for compute.
type Networks struct{ client api.Client }

// NewNetworks takes a client of the network API.
func NewNetworks(client api.Client) *Networks { return &Networks{client} }

var _ compute.Networks = (*Networks)(nil)

// batch is how many ids go into one query, so that addresses stay short.
const batch = 100

// list reads a collection to its end, following its pages.
func list[T any](ctx context.Context, c *api.Client, collection string, query url.Values, id func(T) string) ([]T, error) {
	query = api.NextQuery(query, "")
	query.Del("marker")
	var all []T
	for {
		var answer map[string]json.RawMessage
		if err := c.Do(ctx, http.MethodGet, "/v2.0/"+collection+"?"+query.Encode(), nil, &answer); err != nil {
			return nil, refusal(err)
		}
		var page []T
		key := map[string]string{"security-groups": "security_groups"}[collection]
		if key == "" {
			key = collection
		}
		if err := json.Unmarshal(answer[key], &page); err != nil {
			return nil, fmt.Errorf("list %s: %w", collection, err)
		}
		all = append(all, page...)
		var links []struct{ Rel string }
		if text := answer[key+"_links"]; text != nil {
			if err := json.Unmarshal(text, &links); err != nil {
				return nil, fmt.Errorf("list %s: %w", collection, err)
			}
		}
		more := false
		for _, link := range links {
			more = more || link.Rel == "next"
		}
		if !more || len(page) == 0 {
			return all, nil
		}
		query.Set("marker", id(page[len(page)-1]))
	}
}

// listBy is list for the rows whose field is one of values; none for no values.
func listBy[T any](ctx context.Context, c *api.Client, collection, field string, values []string, id func(T) string) ([]T, error) {
	var all []T
	for len(values) > 0 {
		some := values[:min(len(values), batch)]
		values = values[len(some):]
		page, err := list(ctx, c, collection, url.Values{field: some}, id)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	return all, nil
}

// networkView is a network as the API shows it.
type networkView struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	ProjectID string   `json:"project_id"`
	Shared    bool     `json:"shared"`
	External  bool     `json:"router:external"`
	MTU       int      `json:"mtu"`
	Subnets   []string `json:"subnets"`
}

func (n networkView) network() compute.Network {
	return compute.Network{ID: n.ID, Name: n.Name, ProjectID: n.ProjectID, Shared: n.Shared, External: n.External, MTU: n.MTU, SubnetIDs: n.Subnets}
}

func networkID(n networkView) string { return n.ID }

// networkQuery asks for what networkView has: availability zones, for one, cost the network
// service a look at each host of a network.
func networkQuery(query url.Values) url.Values {
	query["fields"] = []string{"id", "name", "project_id", "shared", "router:external", "mtu", "subnets"}
	return query
}

// Networks implements compute.Networks.
func (n *Networks) Networks(ctx context.Context, ids []string) ([]compute.Network, error) {
	var all []compute.Network
	for some := range slices.Chunk(ids, batch) {
		found, err := list(ctx, &n.client, "networks", networkQuery(url.Values{"id": some}), networkID)
		if err != nil {
			return nil, err
		}
		all = append(all, each(found, networkView.network)...)
	}
	return all, nil
}

// UsableNetworks implements compute.Networks.
func (n *Networks) UsableNetworks(ctx context.Context, projectID string) ([]compute.Network, error) {
	own, err := list(ctx, &n.client, "networks", networkQuery(url.Values{"project_id": {projectID}}), networkID)
	if err != nil {
		return nil, err
	}
	shared, err := list(ctx, &n.client, "networks", networkQuery(url.Values{"shared": {"true"}}), networkID)
	if err != nil {
		return nil, err
	}
	for _, network := range shared {
		if network.ProjectID != projectID {
			own = append(own, network)
		}
	}
	return each(own, networkView.network), nil
}

// portView is a port as the API shows it to administrators and services.
type portView struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	NetworkID      string            `json:"network_id"`
	ProjectID      string            `json:"project_id"`
	MAC            string            `json:"mac_address"`
	Status         string            `json:"status"`
	DeviceID       string            `json:"device_id"`
	DeviceOwner    string            `json:"device_owner"`
	FixedIPs       []compute.FixedIP `json:"fixed_ips"`
	SecurityGroups []string          `json:"security_groups"`
	HostID         string            `json:"binding:host_id"`
	VIFType        string            `json:"binding:vif_type"`
	Profile        map[string]any    `json:"binding:profile"`
}

func (p portView) port() compute.Port {
	return compute.Port{
		ID: p.ID, Name: p.Name, NetworkID: p.NetworkID, ProjectID: p.ProjectID, MAC: p.MAC, Status: p.Status, DeviceID: p.DeviceID,
		DeviceOwner: p.DeviceOwner, FixedIPs: p.FixedIPs, SecurityGroupIDs: p.SecurityGroups, HostID: p.HostID, VIFType: p.VIFType, Profile: p.Profile,
	}
}

func portID(p portView) string { return p.ID }

// PortsByID implements compute.Networks.
func (n *Networks) PortsByID(ctx context.Context, ids []string) ([]compute.Port, error) {
	found, err := listBy(ctx, &n.client, "ports", "id", ids, portID)
	return each(found, portView.port), err
}

// PortsOfDevices implements compute.Networks.
func (n *Networks) PortsOfDevices(ctx context.Context, deviceIDs []string) ([]compute.Port, error) {
	found, err := listBy(ctx, &n.client, "ports", "device_id", deviceIDs, portID)
	return each(found, portView.port), err
}

// PortsWithAddress implements compute.Networks.
func (n *Networks) PortsWithAddress(ctx context.Context, networkID, address string) ([]compute.Port, error) {
	found, err := list(ctx, &n.client, "ports", url.Values{"network_id": {networkID}, "fixed_ips": {"ip_address=" + address}}, portID)
	return each(found, portView.port), err
}

// CreatePort implements compute.Networks.
func (n *Networks) CreatePort(ctx context.Context, port compute.NewPort) (compute.Port, error) {
	body := map[string]any{
		"network_id": port.NetworkID, "project_id": port.ProjectID, "device_id": port.DeviceID, "device_owner": port.DeviceOwner,
		"binding:host_id": port.HostID, "admin_state_up": true,
	}
	if port.DNSName != "" {
		body["dns_name"] = port.DNSName
	}
	if len(port.FixedIPs) > 0 {
		body["fixed_ips"] = port.FixedIPs
	}
	if port.SecurityGroupIDs != nil {
		body["security_groups"] = port.SecurityGroupIDs
	}
	if port.Profile != nil {
		body["binding:profile"] = port.Profile
	}
	return n.change(ctx, http.MethodPost, "/v2.0/ports", body)
}

// UpdatePort implements compute.Networks.
func (n *Networks) UpdatePort(ctx context.Context, id string, change compute.PortChange) (compute.Port, error) {
	body := map[string]any{}
	for name, value := range map[string]*string{"device_id": change.DeviceID, "device_owner": change.DeviceOwner, "binding:host_id": change.HostID} {
		if value != nil {
			body[name] = *value
		}
	}
	if change.Profile != nil {
		body["binding:profile"] = change.Profile
	}
	if change.SecurityGroupIDs != nil {
		body["security_groups"] = *change.SecurityGroupIDs
	}
	if change.FixedIPs != nil {
		body["fixed_ips"] = *change.FixedIPs
	}
	return n.change(ctx, http.MethodPut, "/v2.0/ports/"+url.PathEscape(id), body)
}

func (n *Networks) change(ctx context.Context, method, path string, body map[string]any) (compute.Port, error) {
	var answer struct{ Port portView }
	err := n.client.Do(ctx, method, path, map[string]any{"port": body}, &answer)
	return answer.Port.port(), refusal(err)
}

// DeletePort implements compute.Networks.
func (n *Networks) DeletePort(ctx context.Context, id string) error {
	err := n.client.Do(ctx, http.MethodDelete, "/v2.0/ports/"+url.PathEscape(id), nil, nil)
	if status(err) == http.StatusNotFound {
		return nil
	}
	return refusal(err)
}

// SubnetsOfNetworks implements compute.Networks.
func (n *Networks) SubnetsOfNetworks(ctx context.Context, networkIDs []string) ([]compute.Subnet, error) {
	return listBy(ctx, &n.client, "subnets", "network_id", networkIDs, func(s compute.Subnet) string { return s.ID })
}

// floatingView is a floating IP as the API shows it.
type floatingView struct {
	ID      string `json:"id"`
	PortID  string `json:"port_id"`
	Fixed   string `json:"fixed_ip_address"`
	Address string `json:"floating_ip_address"`
}

// FloatingIPsOfPorts implements compute.Networks.
func (n *Networks) FloatingIPsOfPorts(ctx context.Context, portIDs []string) ([]compute.FloatingIP, error) {
	found, err := listBy(ctx, &n.client, "floatingips", "port_id", portIDs, func(f floatingView) string { return f.ID })
	return each(found, func(f floatingView) compute.FloatingIP {
		return compute.FloatingIP{PortID: f.PortID, FixedAddress: f.Fixed, Address: f.Address}
	}), err
}

// SecurityGroups implements compute.Networks.
func (n *Networks) SecurityGroups(ctx context.Context, projectID string) ([]compute.SecurityGroup, error) {
	query := url.Values{}
	if projectID != "" {
		query.Set("project_id", projectID)
	}
	return list(ctx, &n.client, "security-groups", query, func(g compute.SecurityGroup) string { return g.ID })
}

func each[A, B any](from []A, convert func(A) B) []B {
	to := make([]B, len(from))
	for i, a := range from {
		to[i] = convert(a)
	}
	return to
}
