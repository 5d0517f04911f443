package compute

import (
	"context"
	"net/http"

	"virga/core/api"
)

// routesGone are what nova's API once had and no nova has any more: whoever asks for it, in
// whatever version, is told so.
func (s *Service) routesGone() []api.Route {
	return []api.Route{
		{Method: get, Path: "/v2.1/os-agents", Policy: ruleGone, Handle: gone, Doc: "gone: lists guest agents"},
		{Method: post, Path: "/v2.1/os-agents", Policy: ruleGone, Handle: gone, Doc: "gone: creates a guest agent"},
		{Method: put, Path: "/v2.1/os-agents/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: changes a guest agent"},
		{Method: del, Path: "/v2.1/os-agents/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a guest agent"},
		{Method: get, Path: "/v2.1/os-cells", Policy: ruleGone, Handle: gone, Doc: "gone: lists cells"},
		{Method: post, Path: "/v2.1/os-cells", Policy: ruleGone, Handle: gone, Doc: "gone: creates a cell"},
		{Method: get, Path: "/v2.1/os-cells/capacities", Policy: ruleGone, Handle: gone, Doc: "gone: shows the capacities of cells"},
		{Method: get, Path: "/v2.1/os-cells/detail", Policy: ruleGone, Handle: gone, Doc: "gone: lists cells with details"},
		{Method: get, Path: "/v2.1/os-cells/info", Policy: ruleGone, Handle: gone, Doc: "gone: shows the own cell"},
		{Method: post, Path: "/v2.1/os-cells/sync_instances", Policy: ruleGone, Handle: gone, Doc: "gone: matches cells"},
		{Method: get, Path: "/v2.1/os-cells/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: shows a cell"},
		{Method: put, Path: "/v2.1/os-cells/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: changes a cell"},
		{Method: del, Path: "/v2.1/os-cells/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a cell"},
		{Method: get, Path: "/v2.1/os-cells/{gone_id}/capacities", Policy: ruleGone, Handle: gone, Doc: "gone: shows the capacities of a cell"},
		{Method: post, Path: "/v2.1/os-certificates", Policy: ruleGone, Handle: gone, Doc: "gone: creates a certificate"},
		{Method: get, Path: "/v2.1/os-certificates/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: shows a certificate"},
		{Method: get, Path: "/v2.1/os-cloudpipe", Policy: ruleGone, Handle: gone, Doc: "gone: lists VPNs"},
		{Method: post, Path: "/v2.1/os-cloudpipe", Policy: ruleGone, Handle: gone, Doc: "gone: creates a VPN"},
		{Method: put, Path: "/v2.1/os-cloudpipe/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: changes a VPN"},
		{Method: get, Path: "/v2.1/os-fixed-ips/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: shows a fixed address"},
		{Method: post, Path: "/v2.1/os-fixed-ips/{gone_id}/action", Policy: ruleGone, Handle: gone, Doc: "gone: reserves a fixed address"},
		{Method: get, Path: "/v2.1/os-floating-ip-dns", Policy: ruleGone, Handle: gone, Doc: "gone: lists DNS domains"},
		{Method: put, Path: "/v2.1/os-floating-ip-dns/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: changes a DNS domain"},
		{Method: del, Path: "/v2.1/os-floating-ip-dns/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a DNS domain"},
		{Method: get, Path: "/v2.1/os-floating-ip-dns/{gone_id}/entries/{name}", Policy: ruleGone, Handle: gone, Doc: "gone: shows a DNS entry"},
		{Method: put, Path: "/v2.1/os-floating-ip-dns/{gone_id}/entries/{name}", Policy: ruleGone, Handle: gone, Doc: "gone: changes a DNS entry"},
		{Method: del, Path: "/v2.1/os-floating-ip-dns/{gone_id}/entries/{name}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a DNS entry"},
		{Method: get, Path: "/v2.1/os-floating-ips-bulk", Policy: ruleGone, Handle: gone, Doc: "gone: lists ranges of floating addresses"},
		{Method: post, Path: "/v2.1/os-floating-ips-bulk", Policy: ruleGone, Handle: gone, Doc: "gone: creates a range of floating addresses"},
		{Method: get, Path: "/v2.1/os-floating-ips-bulk/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: shows a range of floating addresses"},
		{Method: put, Path: "/v2.1/os-floating-ips-bulk/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a range of floating addresses"},
		{Method: get, Path: "/v2.1/os-fping", Policy: ruleGone, Handle: gone, Doc: "gone: pings servers"},
		{Method: get, Path: "/v2.1/os-fping/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: pings a server"},
		{Method: post, Path: "/v2.1/os-networks", Policy: ruleGone, Handle: gone, Doc: "gone: creates a network"},
		{Method: post, Path: "/v2.1/os-networks/add", Policy: ruleGone, Handle: gone, Doc: "gone: gives a project a network"},
		{Method: del, Path: "/v2.1/os-networks/{network_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a network"},
		{Method: post, Path: "/v2.1/os-networks/{network_id}/action", Policy: ruleGone, Handle: gone, Doc: "gone: takes a network from a project"},
		{Method: get, Path: "/v2.1/os-security-group-default-rules", Policy: ruleGone, Handle: gone, Doc: "gone: lists default rules"},
		{Method: post, Path: "/v2.1/os-security-group-default-rules", Policy: ruleGone, Handle: gone, Doc: "gone: creates a default rule"},
		{Method: get, Path: "/v2.1/os-security-group-default-rules/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: shows a default rule"},
		{Method: del, Path: "/v2.1/os-security-group-default-rules/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a default rule"},
		{Method: post, Path: "/v2.1/os-tenant-networks", Policy: ruleGone, Handle: gone, Doc: "gone: creates a network of the project"},
		{Method: del, Path: "/v2.1/os-tenant-networks/{network_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a network of the project"},
		{Method: get, Path: "/v2.1/servers/{server_id}/consoles", Policy: ruleGone, Handle: gone, Doc: "gone: lists Xen consoles"},
		{Method: post, Path: "/v2.1/servers/{server_id}/consoles", Policy: ruleGone, Handle: gone, Doc: "gone: creates a Xen console"},
		{Method: get, Path: "/v2.1/servers/{server_id}/consoles/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: shows a Xen console"},
		{Method: del, Path: "/v2.1/servers/{server_id}/consoles/{gone_id}", Policy: ruleGone, Handle: gone, Doc: "gone: removes a Xen console"},
		{Method: get, Path: "/v2.1/servers/{server_id}/os-virtual-interfaces", Policy: ruleGone, Handle: gone, Doc: "gone: lists interfaces"},
	}
}

// gone is the answer that nova gives since what was asked for has been taken out of it.
func gone(context.Context, *api.Request) (any, error) {
	return nil, api.Errorf(http.StatusGone, "This resource is no longer available. No forwarding address is given.")
}
