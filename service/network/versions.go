package network

import (
	"context"

	"virga/core/api"
)

// versionList is the document at the root: the one version that there is.
func (s *Service) versionList(_ context.Context, r *api.Request) (any, error) {
	return map[string]any{"versions": []any{versionView(r)}}, nil
}

func versionView(r *api.Request) map[string]any {
	return map[string]any{"id": "v2.0", "status": "CURRENT", "links": []map[string]string{{"rel": "self", "href": r.URL("/v2.0/")}}}
}

// resourceList is the document at /v2.0: the collections, where clients look for links.
func (s *Service) resourceList(_ context.Context, r *api.Request) (any, error) {
	resources := []map[string]any{}
	for _, name := range []struct{ one, many, path string }{
		{"network", "networks", "networks"}, {"subnet", "subnets", "subnets"}, {"port", "ports", "ports"}, {"router", "routers", "routers"},
		{"floatingip", "floatingips", "floatingips"}, {"security_group", "security_groups", "security-groups"},
		{"security_group_rule", "security_group_rules", "security-group-rules"}, {"quota", "quotas", "quotas"}, {"agent", "agents", "agents"},
		{"availability_zone", "availability_zones", "availability_zones"}, {"service_provider", "service_providers", "service-providers"},
	} {
		resources = append(resources, map[string]any{"name": name.one, "collection": name.many,
			"links": []map[string]string{{"rel": "self", "href": r.URL("/v2.0/" + name.path)}}})
	}
	return map[string]any{"resources": resources}, nil
}

// extension says of a part of the API that it is there.
type extension struct {
	Alias       string   `json:"alias"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Updated     string   `json:"updated"`
	Links       []string `json:"links"`
}

// extensions are those that work, by the aliases of the network API.
var extensions = []extension{
	{Alias: "agent", Name: "agent", Description: "The processes that carry the networks."},
	{Alias: "allowed-address-pairs", Name: "Allowed Address Pairs", Description: "Further addresses that a port may send from."},
	{Alias: "availability_zone", Name: "Availability Zone", Description: "The zones of agents."},
	{Alias: "binding", Name: "Port Binding", Description: "The host of a port."},
	{Alias: "empty-string-filtering", Name: "Empty String Filtering Extension", Description: "Filters with an empty value."},
	{Alias: "external-net", Name: "Neutron external network", Description: "Networks that lead outside."},
	{Alias: "extra_dhcp_opt", Name: "Neutron Extra DHCP options", Description: "DHCP options of single ports."},
	{Alias: "extraroute", Name: "Neutron Extra Route", Description: "Static routes of routers."},
	{Alias: "extraroute-atomic", Name: "Atomically add/remove extra routes", Description: "Static routes one by one."},
	{Alias: "ext-gw-mode", Name: "Neutron L3 Configurable external gateway mode", Description: "Routers with and without source address translation."},
	{Alias: "filter-validation", Name: "Filter parameters validation", Description: "Unknown filters are refused."},
	{Alias: "fip-port-details", Name: "Floating IP Port Details Extension", Description: "The port of a floating IP."},
	{Alias: "ip-substring-filtering", Name: "IP address substring filtering", Description: "Ports by parts of their addresses."},
	{Alias: "net-mtu", Name: "Network MTU", Description: "The MTU of networks."},
	{Alias: "net-mtu-writable", Name: "Network MTU (writable)", Description: "The MTU of networks can be chosen."},
	{Alias: "network_availability_zone", Name: "Network Availability Zone", Description: "The zones of networks."},
	{Alias: "pagination", Name: "Pagination support", Description: "Lists in pages."},
	{Alias: "port-security", Name: "Port Security", Description: "Ports with and without filters."},
	{Alias: "project-id", Name: "project_id field enabled", Description: "project_id beside tenant_id."},
	{Alias: "provider", Name: "Provider Network", Description: "The segments of networks."},
	{Alias: "quota_details", Name: "Quota details management support", Description: "The use of quotas."},
	{Alias: "quotas", Name: "Quota management support", Description: "Limits of projects."},
	{Alias: "revision-if-match", Name: "If-Match constraints based on revision_number", Description: "Changes of a known revision only."},
	{Alias: "router", Name: "Neutron L3 Router", Description: "Routers and floating IPs."},
	{Alias: "router_availability_zone", Name: "Router Availability Zone", Description: "The zones of routers."},
	{Alias: "security-group", Name: "security-group", Description: "Filters of ports."},
	{Alias: "security-groups-normalized-cidr", Name: "Normalized CIDR field for security group rules", Description: "What a prefix means."},
	{Alias: "service-type", Name: "Neutron Service Type Management", Description: "The providers of services."},
	{Alias: "sorting", Name: "Sorting support", Description: "Lists in a chosen order."},
	{Alias: "standard-attr-description", Name: "standard-attr-description", Description: "Descriptions of resources."},
	{Alias: "standard-attr-revisions", Name: "Resource revision numbers", Description: "Revision numbers of resources."},
	{Alias: "standard-attr-tag", Name: "Tag support for resources with standard attribute: port, subnet, network, router, floatingip, security_group", Description: "Tags of resources."},
	{Alias: "standard-attr-timestamp", Name: "Resource timestamps", Description: "When resources were made and changed."},
}

func (s *Service) extensionList(context.Context, *api.Request) (any, error) {
	return map[string]any{"extensions": extensionViews()}, nil
}

func extensionViews() []extension {
	views := make([]extension, 0, len(extensions))
	for _, e := range extensions {
		e.Updated, e.Links = "2026-01-01T00:00:00-00:00", []string{}
		views = append(views, e)
	}
	return views
}

func (s *Service) extensionShow(_ context.Context, r *api.Request) (any, error) {
	for _, e := range extensionViews() {
		if e.Alias == r.Param("alias") {
			return map[string]any{"extension": e}, nil
		}
	}
	return nil, missing("ExtensionsNotFound", "Extensions not found: extensions=%.100s.", r.Param("alias"))
}
