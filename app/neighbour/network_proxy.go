package neighbour

import (
	"context"
	"net/http"
	"net/url"

	"virga/service/compute"
)

// VisibleNetworks implements compute.NetworkProxies.
func (n *Networks) VisibleNetworks(ctx context.Context) ([]compute.Network, error) {
	found, err := list(ctx, &n.client, "networks", url.Values{}, networkID)
	return each(found, networkView.network), err
}

// ExternalNetworks implements compute.NetworkProxies.
func (n *Networks) ExternalNetworks(ctx context.Context) ([]compute.Network, error) {
	found, err := list(ctx, &n.client, "networks", url.Values{"router:external": {"true"}}, networkID)
	return each(found, networkView.network), err
}

// groupAnswer and ruleAnswer are what the security groups' API answers.
type groupAnswer struct {
	Group compute.SecurityGroup `json:"security_group"`
}

type ruleAnswer struct {
	Rule compute.SecurityGroupRule `json:"security_group_rule"`
}

func (n *Networks) group(ctx context.Context, method, path string, body map[string]any) (compute.SecurityGroup, error) {
	var in any
	if body != nil {
		in = map[string]any{"security_group": body}
	}
	var answer groupAnswer
	err := n.client.Do(ctx, method, "/v2.0/security-groups"+path, in, &answer)
	return answer.Group, refusal(err)
}

// SecurityGroup implements compute.NetworkProxies.
func (n *Networks) SecurityGroup(ctx context.Context, id string) (compute.SecurityGroup, error) {
	return n.group(ctx, http.MethodGet, "/"+url.PathEscape(id), nil)
}

// CreateSecurityGroup implements compute.NetworkProxies.
func (n *Networks) CreateSecurityGroup(ctx context.Context, name, description string) (compute.SecurityGroup, error) {
	return n.group(ctx, http.MethodPost, "", map[string]any{"name": name, "description": description})
}

// UpdateSecurityGroup implements compute.NetworkProxies.
func (n *Networks) UpdateSecurityGroup(ctx context.Context, id, name, description string) (compute.SecurityGroup, error) {
	return n.group(ctx, http.MethodPut, "/"+url.PathEscape(id), map[string]any{"name": name, "description": description})
}

// DeleteSecurityGroup implements compute.NetworkProxies.
func (n *Networks) DeleteSecurityGroup(ctx context.Context, id string) error {
	return refusal(n.client.Do(ctx, http.MethodDelete, "/v2.0/security-groups/"+url.PathEscape(id), nil, nil))
}

// CreateSecurityGroupRule implements compute.NetworkProxies.
func (n *Networks) CreateSecurityGroupRule(ctx context.Context, groupID string, rule compute.SecurityGroupRule) (compute.SecurityGroupRule, error) {
	body := map[string]any{"security_group_id": groupID, "direction": rule.Direction, "ethertype": rule.EtherType}
	for name, value := range map[string]string{"protocol": rule.Protocol, "remote_ip_prefix": rule.RemotePrefix, "remote_group_id": rule.RemoteGroupID} {
		if value != "" {
			body[name] = value
		}
	}
	for name, port := range map[string]*int{"port_range_min": rule.PortMin, "port_range_max": rule.PortMax} {
		if port != nil {
			body[name] = *port
		}
	}
	var answer ruleAnswer
	err := n.client.Do(ctx, http.MethodPost, "/v2.0/security-group-rules", map[string]any{"security_group_rule": body}, &answer)
	return answer.Rule, refusal(err)
}

// DeleteSecurityGroupRule implements compute.NetworkProxies.
func (n *Networks) DeleteSecurityGroupRule(ctx context.Context, id string) error {
	return refusal(n.client.Do(ctx, http.MethodDelete, "/v2.0/security-group-rules/"+url.PathEscape(id), nil, nil))
}

// ownFloatingView is a floating IP as its project sees it.
type ownFloatingView struct {
	floatingView
	NetworkID string `json:"floating_network_id"`
}

func (f ownFloatingView) own() compute.ProjectFloatingIP {
	return compute.ProjectFloatingIP{ID: f.ID, Address: f.Address, FixedAddress: f.Fixed, PortID: f.PortID, NetworkID: f.NetworkID}
}

// ProjectFloatingIPs implements compute.NetworkProxies.
func (n *Networks) ProjectFloatingIPs(ctx context.Context, projectID string) ([]compute.ProjectFloatingIP, error) {
	found, err := list(ctx, &n.client, "floatingips", url.Values{"project_id": {projectID}}, func(f ownFloatingView) string { return f.ID })
	return each(found, ownFloatingView.own), err
}

// ProjectFloatingIP implements compute.NetworkProxies.
func (n *Networks) ProjectFloatingIP(ctx context.Context, id string) (compute.ProjectFloatingIP, error) {
	var answer struct{ FloatingIP ownFloatingView }
	err := n.client.Do(ctx, http.MethodGet, "/v2.0/floatingips/"+url.PathEscape(id), nil, &answer)
	return answer.FloatingIP.own(), refusal(err)
}

// CreateFloatingIP implements compute.NetworkProxies.
func (n *Networks) CreateFloatingIP(ctx context.Context, networkID string) (compute.ProjectFloatingIP, error) {
	var answer struct{ FloatingIP ownFloatingView }
	body := map[string]any{"floatingip": map[string]any{"floating_network_id": networkID}}
	err := n.client.Do(ctx, http.MethodPost, "/v2.0/floatingips", body, &answer)
	return answer.FloatingIP.own(), refusal(err)
}

// DeleteFloatingIP implements compute.NetworkProxies.
func (n *Networks) DeleteFloatingIP(ctx context.Context, id string) error {
	return refusal(n.client.Do(ctx, http.MethodDelete, "/v2.0/floatingips/"+url.PathEscape(id), nil, nil))
}

// LeadFloatingIP implements compute.NetworkProxies.
func (n *Networks) LeadFloatingIP(ctx context.Context, id, portID, fixedAddress string) error {
	change := map[string]any{"port_id": nil}
	if portID != "" {
		change = map[string]any{"port_id": portID, "fixed_ip_address": fixedAddress}
	}
	return refusal(n.client.Do(ctx, http.MethodPut, "/v2.0/floatingips/"+url.PathEscape(id), map[string]any{"floatingip": change}, nil))
}
