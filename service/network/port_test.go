package network

import (
	"fmt"
	"strings"
	"testing"
)

func TestPortAttributes(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	c.subnet(alice, n, "10.0.0.0/24")
	p := c.port(alice, n, `,"name":"p","admin_state_up":"False","device_id":"d","device_owner":"compute:nova",
		"allowed_address_pairs":[{"ip_address":"10.9.0.0/16"},{"ip_address":"10.8.0.1","mac_address":"FA-16-3E-00-00-09"}],
		"extra_dhcp_opts":[{"opt_name":"bootfile-name","opt_value":"pxelinux.0"},{"opt_name":"mtu","opt_value":null}]`)
	if p.at("admin_state_up") != false || p.text("status") != "DOWN" || p.text("allowed_address_pairs.1.mac_address") != "fa:16:3e:00:00:09" ||
		p.text("allowed_address_pairs.0.mac_address") != p.text("mac_address") || len(p.list("extra_dhcp_opts")) != 1 ||
		len(p.list("security_groups")) != 1 || p.at("binding:host_id") != nil || p.text("tenant_id") != "red" {
		t.Errorf("port %v", p)
	}
	path := "/v2.0/ports/" + p.text("id")
	got := c.want(200, alice, "PUT", path, `{"port":{"name":"q","extra_dhcp_opts":[{"opt_name":"bootfile-name","opt_value":null}],"security_groups":[],"allowed_address_pairs":[]}}`)
	if got.text("port.name") != "q" || len(got.list("port.extra_dhcp_opts")) != 0 || len(got.list("port.security_groups")) != 0 {
		t.Errorf("changed port %v", got)
	}
	got = c.want(200, admin, "GET", path, "")
	if got.text("port.binding:vif_type") != "unbound" {
		t.Errorf("an administrator sees %v", got)
	}
	mac := p.text("mac_address")
	for query, want := range map[string]int{"mac_address=" + mac: 1, "device_id=d": 1, "device_id=e": 0, "fixed_ips=ip_address%3D10.0.0.2": 1,
		"fixed_ips=ip_address_substr%3D0.0.": 1, "fixed_ips=ip_address_substr%3D%25": 0, "network_id=" + n: 1, "security_groups=x": 0, "status=ACTIVE&status=DOWN": 1} {
		if got := c.want(200, alice, "GET", "/v2.0/ports?"+query, "").list("ports"); len(got) != want {
			t.Errorf("%s: %d ports, want %d", query, len(got), want)
		}
	}
	c.refused(403, "PolicyNotAuthorized", alice, "GET", "/v2.0/ports?binding:host_id=n1", "")
	c.want(204, alice, "DELETE", path, "")
	c.refused(404, "PortNotFound", alice, "GET", path, "")
}

func TestPortRefusals(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	c.subnet(alice, n, "10.0.0.0/24")
	c.port(alice, n, `,"mac_address":"fa:16:3e:00:00:01"`)
	pairs := strings.TrimSuffix(strings.Repeat(`{"ip_address":"10.0.0.1"},`, 11), ",")
	foreign := c.want(201, bob, "POST", "/v2.0/security-groups", `{"security_group":{"name":"g"}}`).text("security_group.id")
	for body, want := range map[string]string{
		`"mac_address":"fa:16:3e:00:00:01"`:                                                 "409 MacAddressInUse",
		`"mac_address":"01:00:5e:00:00:01"`:                                                 "400 HTTPBadRequest",
		`"mac_address":"xyz"`:                                                               "400 HTTPBadRequest",
		`"device_owner":"network:dhcp"`:                                                     "403 PolicyNotAuthorized",
		`"device_owner":"network:router_interface","device_id":"x"`:                         "403 PolicyNotAuthorized",
		`"binding:host_id":"n1"`:                                                            "403 PolicyNotAuthorized",
		`"binding:profile":{"a":1}`:                                                         "403 PolicyNotAuthorized",
		`"binding:vnic_type":"direct"`:                                                      "400 HTTPBadRequest",
		`"allowed_address_pairs":[` + pairs + `]`:                                           "400 AllowedAddressPairExhausted",
		`"allowed_address_pairs":[{"ip_address":"10.0.0.1"},{"ip_address":"10.0.0.1"}]`:     "400 DuplicateAddressPairInRequest",
		`"allowed_address_pairs":[{"ip_address":"nowhere"}]`:                                "400 HTTPBadRequest",
		`"port_security_enabled":false,"allowed_address_pairs":[{"ip_address":"10.0.0.1"}]`: "409 AddressPairAndPortSecurityRequired",
		`"port_security_enabled":false,"security_groups":["x"]`:                             "409 PortSecurityPortHasSecurityGroup",
		`"security_groups":["nothing"]`:                                                     "404 SecurityGroupNotFound",
		`"security_groups":["` + foreign + `"]`:                                             "404 SecurityGroupNotFound",
		`"extra_dhcp_opts":[{"opt_name":"dhcp-script","opt_value":"/bin/sh"}]`:              "400 HTTPBadRequest",
		`"extra_dhcp_opts":[{"opt_name":"tag:x,67","opt_value":"a"}]`:                       "400 HTTPBadRequest",
		`"extra_dhcp_opts":[{"opt_name":"bootfile-name","opt_value":"a\nb"}]`:               "400 HTTPBadRequest",
		`"extra_dhcp_opts":[{"opt_name":"mtu","opt_value":"lots"}]`:                         "400 HTTPBadRequest",
		`"extra_dhcp_opts":[{"opt_name":"router","opt_value":"10.0.0.1,"}]`:                 "400 HTTPBadRequest",
		`"fixed_ips":[{},{}]`:                                                               "400 HTTPBadRequest",
		`"name":7`:                                                                          "400 HTTPBadRequest",
		`"name":"` + strings.Repeat("x", 256) + `"`:                                         "400 HTTPBadRequest",
		`"name":"a\u0000b"`:                                                                 "400 HTTPBadRequest",
		`"status":"ACTIVE"`:                                                                 "400 HTTPBadRequest",
		`"admin_state_up":"perhaps"`:                                                        "400 HTTPBadRequest",
		`"fixed_ips":[` + strings.TrimSuffix(strings.Repeat(`{"ip_address":"10.0.0.9"},`, 6), ",") + `]`: "400 InvalidInput",
	} {
		status, got := c.do(alice, "POST", "/v2.0/ports", `{"port":{"network_id":"`+n+`",`+body+`}}`)
		if have := fmt.Sprint(status, " ", got.text("NeutronError.type")); have != want {
			t.Errorf("%.100s: %s, want %s: %s", body, have, want, got.text("NeutronError.message"))
		}
	}
	if got := c.want(200, alice, "GET", "/v2.0/ports", "").list("ports"); len(got) != 1 {
		t.Errorf("%d ports after refusals", len(got))
	}
	p := c.port(compute, n, `,"project_id":"red","device_id":"server","device_owner":"compute:nova","binding:host_id":"n1"`)
	c.refused(409, "PortInUse", alice, "PUT", "/v2.0/ports/"+p.text("id"), `{"port":{"device_id":"another"}}`)
	c.refused(403, "PolicyNotAuthorized", alice, "PUT", "/v2.0/ports/"+p.text("id"), `{"port":{"device_owner":"network:dhcp"}}`)
	c.refused(403, "PolicyNotAuthorized", alice, "PUT", "/v2.0/ports/"+p.text("id"), `{"port":{"mac_address":"fa:16:3e:00:00:05"}}`)
}

func TestAddressesOfAPortCanBeChanged(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	sub := c.subnet(alice, n, "10.0.0.0/24")
	p := c.port(alice, n, "")
	path := "/v2.0/ports/" + p.text("id")
	got := c.want(200, alice, "PUT", path, `{"port":{"fixed_ips":[{"subnet_id":"`+sub+`"},{"ip_address":"10.0.0.50"}]}}`)
	if fmt.Sprint(got.list("port.fixed_ips")) != fmt.Sprintf("[map[ip_address:10.0.0.2 subnet_id:%s] map[ip_address:10.0.0.50 subnet_id:%s]]", sub, sub) {
		t.Errorf("addresses %v", got.list("port.fixed_ips"))
	}
	got = c.want(200, alice, "PUT", path, `{"port":{"fixed_ips":[{"ip_address":"10.0.0.60"}]}}`)
	if got.text("port.fixed_ips.0.ip_address") != "10.0.0.60" || len(got.list("port.fixed_ips")) != 1 {
		t.Errorf("addresses %v", got)
	}
	c.port(alice, n, `,"fixed_ips":[{"ip_address":"10.0.0.50"}]`)
	c.refused(409, "IpAddressAlreadyAllocated", alice, "PUT", path, `{"port":{"fixed_ips":[{"ip_address":"10.0.0.50"}]}}`)
}

func TestSubnetRefusals(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	c.subnet(alice, n, "10.0.0.0/24")
	for body, want := range map[string]string{
		`"ip_version":4,"cidr":"10.0.0.128/25"`:                         "400 InvalidInput",
		`"ip_version":6,"cidr":"10.1.0.0/24"`:                           "400 InvalidInput",
		`"ip_version":5,"cidr":"10.1.0.0/24"`:                           "400 HTTPBadRequest",
		`"ip_version":4,"cidr":"10.1.0.0/33"`:                           "400 HTTPBadRequest",
		`"ip_version":4,"cidr":"224.0.0.0/24"`:                          "400 InvalidInput",
		`"ip_version":4`:                                                "400 BadRequest",
		`"ip_version":4,"cidr":"10.1.0.0/24","gateway_ip":"10.2.0.1"`:   "400 InvalidInput",
		`"ip_version":4,"cidr":"10.1.0.0/24","gateway_ip":"10.1.0.255"`: "400 InvalidInput",
		`"ip_version":4,"cidr":"10.1.0.0/24","allocation_pools":[{"start":"10.1.0.1","end":"10.1.0.9"}]`:                                        "409 GatewayConflictWithAllocationPools",
		`"ip_version":4,"cidr":"10.1.0.0/24","allocation_pools":[{"start":"10.1.0.9","end":"10.1.0.2"}]`:                                        "400 InvalidAllocationPool",
		`"ip_version":4,"cidr":"10.1.0.0/24","allocation_pools":[{"start":"10.1.0.9","end":"10.1.1.2"}]`:                                        "400 OutOfBoundsAllocationPool",
		`"ip_version":4,"cidr":"10.1.0.0/24","allocation_pools":[{"start":"10.1.0.5","end":"10.1.0.9"},{"start":"10.1.0.9","end":"10.1.0.12"}]`: "409 OverlappingAllocationPools",
		`"ip_version":4,"cidr":"10.1.0.0/24","dns_nameservers":["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4","1.1.1.5","1.1.1.6"]`:                   "400 DNSNameServersExhausted",
		`"ip_version":4,"cidr":"10.1.0.0/24","dns_nameservers":["a.example"]`:                                                                   "400 HTTPBadRequest",
		`"ip_version":4,"cidr":"10.1.0.0/24","host_routes":[{"destination":"10.0.0.0/8","nexthop":"x"}]`:                                        "400 HTTPBadRequest",
		`"ip_version":4,"cidr":"10.1.0.0/24","ipv6_ra_mode":"slaac"`:                                                                            "400 InvalidInput",
		`"ip_version":6,"cidr":"fd00::/80","ipv6_ra_mode":"slaac","ipv6_address_mode":"slaac"`:                                                  "400 InvalidInput",
		`"ip_version":6,"cidr":"fd00::/64","ipv6_ra_mode":"slaac","ipv6_address_mode":"dhcpv6-stateful"`:                                        "400 InvalidInput",
		`"ip_version":4,"cidr":"10.1.0.0/24","subnetpool_id":"x"`:                                                                               "400 HTTPBadRequest",
	} {
		status, got := c.do(alice, "POST", "/v2.0/subnets", `{"subnet":{"network_id":"`+n+`",`+body+`}}`)
		if have := fmt.Sprint(status, " ", got.text("NeutronError.type")); have != want {
			t.Errorf("%.120s: %s, want %s: %s", body, have, want, got.text("NeutronError.message"))
		}
	}
}

func TestSubnetLife(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	got := c.want(201, alice, "POST", "/v2.0/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":"4","cidr":"10.1.0.7/24","gateway_ip":null,"dns_nameservers":["8.8.8.8"],
		"host_routes":[{"destination":"10.7.0.0/16","nexthop":"10.1.0.9"}]}}`)
	if got.text("subnet.cidr") != "10.1.0.0/24" || got.at("subnet.gateway_ip") != nil || got.text("subnet.allocation_pools.0.start") != "10.1.0.1" {
		t.Errorf("subnet %v", got)
	}
	path := "/v2.0/subnets/" + got.text("subnet.id")
	got = c.want(200, alice, "PUT", path, `{"subnet":{"gateway_ip":"10.1.0.254","allocation_pools":[{"start":"10.1.0.10","end":"10.1.0.11"}],"enable_dhcp":false,"dns_nameservers":[]}}`)
	if got.text("subnet.gateway_ip") != "10.1.0.254" || got.at("subnet.enable_dhcp") != false || len(got.list("subnet.dns_nameservers")) != 0 {
		t.Errorf("changed subnet %v", got)
	}
	c.refused(409, "GatewayConflictWithAllocationPools", alice, "PUT", path, `{"subnet":{"gateway_ip":"10.1.0.10"}}`)
	c.refused(400, "HTTPBadRequest", alice, "PUT", path, `{"subnet":{"cidr":"10.2.0.0/24"}}`)
	p := c.port(alice, n, "").text("id")
	c.refused(409, "SubnetInUse", alice, "DELETE", path, "")
	c.refused(409, "NetworkInUse", alice, "DELETE", "/v2.0/networks/"+n, "")
	c.want(204, alice, "DELETE", "/v2.0/ports/"+p, "")
	c.want(204, alice, "DELETE", "/v2.0/networks/"+n, "")
	c.refused(404, "SubnetNotFound", alice, "GET", path, "")
}

func TestProviderNetworks(t *testing.T) {
	c := newCloud(t)
	c.refused(403, "PolicyNotAuthorized", alice, "POST", "/v2.0/networks", `{"network":{"provider:network_type":"flat"}}`)
	c.refused(403, "PolicyNotAuthorized", alice, "POST", "/v2.0/networks", `{"network":{"shared":true}}`)
	c.refused(403, "PolicyNotAuthorized", alice, "POST", "/v2.0/networks", `{"network":{"router:external":true}}`)
	for body, want := range map[string]string{
		`"provider:network_type":"flat"`: "400 InvalidInput", `"provider:network_type":"gre"`: "400 InvalidInput", `"provider:segmentation_id":7`: "400 InvalidInput",
		`"provider:network_type":"vxlan","provider:segmentation_id":16777216`:                                        "400 InvalidInput",
		`"provider:network_type":"vlan","provider:physical_network":"p","provider:segmentation_id":4095`:             "400 InvalidInput",
		`"provider:network_type":"flat","provider:physical_network":"../x"`:                                          "400 InvalidInput",
		`"provider:network_type":"flat","provider:physical_network":"p"`:                                             "201 ",
		`"provider:network_type":"vlan","provider:physical_network":"p","provider:segmentation_id":"100","mtu":1400`: "201 ",
		`"provider:network_type":"vxlan","provider:segmentation_id":1`:                                               "201 ",
		`"mtu":9000`: "400 InvalidInput", `"mtu":5`: "400 HTTPBadRequest",
	} {
		status, got := c.do(admin, "POST", "/v2.0/networks", `{"network":{`+body+`}}`)
		if have := fmt.Sprint(status, " ", got.text("NeutronError.type")); have != want {
			t.Errorf("%.120s: %s, want %s: %v", body, have, want, got)
		}
	}
	c.refused(409, "FlatNetworkInUse", admin, "POST", "/v2.0/networks", `{"network":{"provider:network_type":"flat","provider:physical_network":"p"}}`)
	c.refused(409, "TunnelIdInUse", admin, "POST", "/v2.0/networks", `{"network":{"provider:network_type":"vxlan","provider:segmentation_id":1}}`)
	got := c.want(200, admin, "GET", "/v2.0/networks/"+c.network(admin, "next"), "")
	if got.at("network.provider:segmentation_id") != float64(2) || got.at("network.mtu") != float64(1450) {
		t.Errorf("the next free segment: %v", got)
	}
}
