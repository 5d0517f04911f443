package network

import (
	"fmt"
	"testing"
)

// outside makes an external network with a subnet, as an administrator.
func (c *cloud) outside() string {
	c.t.Helper()
	n := c.want(201, admin, "POST", "/v2.0/networks", `{"network":{"name":"out","router:external":true,"provider:network_type":"flat","provider:physical_network":"out"}}`).text("network.id")
	c.want(201, admin, "POST", "/v2.0/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"172.24.4.0/28","enable_dhcp":false}}`)
	return n
}

func TestARouterFromBirthToDeath(t *testing.T) {
	c := newCloud(t)
	out := c.outside()
	n := c.network(alice, "n")
	sub := c.subnet(alice, n, "10.0.0.0/24")
	got := c.want(201, alice, "POST", "/v2.0/routers", `{"router":{"name":"r","external_gateway_info":{"network_id":"`+out+`"}}}`)
	r := "/v2.0/routers/" + got.text("router.id")
	if got.text("router.external_gateway_info.external_fixed_ips.0.ip_address") != "172.24.4.2" || got.at("router.external_gateway_info.enable_snat") != true {
		t.Errorf("router %v", got)
	}
	joined := c.want(200, alice, "PUT", r+"/add_router_interface", `{"subnet_id":"`+sub+`"}`)
	if joined.text("subnet_id") != sub || joined.text("network_id") != n {
		t.Errorf("joined %v", joined)
	}
	p := c.want(200, alice, "GET", "/v2.0/ports/"+joined.text("port_id"), "")
	if p.text("port.fixed_ips.0.ip_address") != "10.0.0.1" || p.text("port.device_owner") != "network:router_interface" {
		t.Errorf("port %v", p)
	}
	c.refused(409, "ServicePortInUse", alice, "DELETE", "/v2.0/ports/"+joined.text("port_id"), "")
	c.refused(400, "BadRequest", alice, "PUT", r+"/add_router_interface", `{"subnet_id":"`+sub+`"}`)
	c.refused(400, "BadRequest", alice, "PUT", r+"/add_router_interface", `{}`)
	c.refused(404, "SubnetNotFound", alice, "PUT", r+"/add_router_interface", `{"subnet_id":"nothing"}`)
	other := c.network(alice, "m")
	c.subnet(alice, other, "10.0.0.0/25")
	c.refused(400, "BadRequest", alice, "PUT", r+"/add_router_interface", `{"port_id":"`+c.port(alice, other, "").text("id")+`"}`)
	c.refused(409, "RouterInUse", alice, "DELETE", r, "")
	c.refused(409, "SubnetInUse", alice, "DELETE", "/v2.0/subnets/"+sub, "")
	c.refused(409, "GatewayIpInUse", alice, "PUT", "/v2.0/subnets/"+sub, `{"subnet":{"gateway_ip":"10.0.0.254","allocation_pools":[{"start":"10.0.0.2","end":"10.0.0.9"}]}}`)
	c.refused(409, "ExternalNetworkInUse", admin, "PUT", "/v2.0/networks/"+out, `{"network":{"router:external":false}}`)

	c.want(200, alice, "PUT", r, `{"router":{"routes":[{"destination":"10.7.0.0/16","nexthop":"10.0.0.9"}]}}`)
	c.refused(400, "InvalidRoutes", alice, "PUT", r, `{"router":{"routes":[{"destination":"10.7.0.0/16","nexthop":"10.77.0.9"}]}}`)
	c.refused(400, "InvalidRoutes", alice, "PUT", r, `{"router":{"routes":[{"destination":"10.7.0.0/16","nexthop":"10.0.0.1"}]}}`)
	c.refused(409, "RouterInterfaceInUseByRoute", alice, "PUT", r+"/remove_router_interface", `{"subnet_id":"`+sub+`"}`)
	moving := "/v2.0/ports/" + joined.text("port_id")
	moved := c.want(200, alice, "PUT", moving, `{"port":{"fixed_ips":[{"subnet_id":"`+sub+`","ip_address":"10.0.0.8"}]}}`)
	if got := moved.list("port.fixed_ips"); len(got) != 1 || moved.text("port.fixed_ips.0.ip_address") != "10.0.0.8" {
		t.Errorf("a moved interface %v", moved)
	}
	c.refused(400, "InvalidRoutes", alice, "PUT", moving, `{"port":{"fixed_ips":[{"subnet_id":"`+sub+`","ip_address":"10.0.0.9"}]}}`)
	for _, fixed := range []string{`[]`, `[{"subnet_id":"` + sub + `"},{"subnet_id":"` + sub + `","ip_address":"10.0.0.10"}]`} {
		c.refused(409, "ServicePortInUse", alice, "PUT", moving, `{"port":{"fixed_ips":`+fixed+`}}`)
	}
	c.want(200, alice, "PUT", moving, `{"port":{"fixed_ips":[{"subnet_id":"`+sub+`","ip_address":"10.0.0.1"}]}}`)
	c.want(200, alice, "PUT", r+"/add_extraroutes", `{"router":{"routes":[{"destination":"10.8.0.0/16","nexthop":"10.0.0.9"}]}}`)
	if got := c.want(200, alice, "PUT", r+"/remove_extraroutes", `{"router":{"routes":[{"destination":"10.7.0.0/16","nexthop":"10.0.0.9"}]}}`); len(got.list("router.routes")) != 1 {
		t.Errorf("routes %v", got)
	}
	c.want(200, alice, "PUT", r, `{"router":{"routes":[]}}`)

	c.refused(403, "PolicyNotAuthorized", alice, "PUT", r, `{"router":{"external_gateway_info":{"network_id":"`+out+`","enable_snat":false}}}`)
	if got := c.want(200, admin, "PUT", r, `{"router":{"external_gateway_info":{"network_id":"`+out+`","enable_snat":false,"external_fixed_ips":[{"ip_address":"172.24.4.9"}]}}}`); got.at("router.external_gateway_info.enable_snat") != false || got.text("router.external_gateway_info.external_fixed_ips.0.ip_address") != "172.24.4.9" {
		t.Errorf("changed gateway %v", got)
	}
	c.refused(404, "RouterInterfaceNotFoundForSubnet", alice, "PUT", r+"/remove_router_interface", `{"subnet_id":"nothing"}`)
	c.refused(404, "RouterInterfaceNotFound", alice, "PUT", r+"/remove_router_interface", `{"port_id":"nothing"}`)
	c.want(200, alice, "PUT", r+"/remove_router_interface", `{"subnet_id":"`+sub+`"}`)
	c.want(204, alice, "DELETE", r, "")
	if got := c.want(200, admin, "GET", "/v2.0/ports?network_id="+out, "").list("ports"); len(got) != 0 {
		t.Errorf("ports left outside: %v", got)
	}
}

func TestSharedNetworksKeepTheirGateway(t *testing.T) {
	c := newCloud(t)
	n := c.want(201, admin, "POST", "/v2.0/networks", `{"network":{"name":"s","shared":true}}`).text("network.id")
	sub := c.subnet(admin, n, "10.0.0.0/24")
	r := "/v2.0/routers/" + c.want(201, alice, "POST", "/v2.0/routers", `{"router":{}}`).text("router.id")
	c.refused(403, "PolicyNotAuthorized", alice, "PUT", r+"/add_router_interface", `{"subnet_id":"`+sub+`"}`)
	c.refused(403, "PolicyNotAuthorized", alice, "POST", "/v2.0/ports", `{"port":{"network_id":"`+n+`","fixed_ips":[{"ip_address":"10.0.0.1"}]}}`)
	c.refused(403, "PolicyNotAuthorized", alice, "POST", "/v2.0/ports", `{"port":{"network_id":"`+n+`","port_security_enabled":false}}`)
	foreign := c.port(bob, n, "").text("id")
	c.refused(404, "PortNotFound", alice, "PUT", r+"/add_router_interface", `{"port_id":"`+foreign+`"}`)
	p := c.port(alice, n, "").text("id")
	if got := c.want(200, alice, "PUT", r+"/add_router_interface", `{"port_id":"`+p+`"}`); got.text("port_id") != p {
		t.Errorf("joined %v", got)
	}
	c.refused(409, "InvalidSharedSetting", admin, "PUT", "/v2.0/networks/"+n, `{"network":{"shared":false}}`)
}

// TestExternalNetworks: their subnets are their owner's alone, a gateway of {} is none, and floating IPs that no
// port has go with their network.
func TestExternalNetworks(t *testing.T) {
	c := newCloud(t)
	out := c.outside()
	sub := c.want(200, admin, "GET", "/v2.0/subnets?network_id="+out, "").text("subnets.0.id")
	c.refused(404, "SubnetNotFound", alice, "GET", "/v2.0/subnets/"+sub, "")
	if got := c.want(200, alice, "GET", "/v2.0/subnets?network_id="+out, "").list("subnets"); len(got) != 0 {
		t.Errorf("a member sees %v", got)
	}
	router := c.want(201, alice, "POST", "/v2.0/routers", `{"router":{"external_gateway_info":{}}}`)
	if router.at("router.external_gateway_info") != nil {
		t.Errorf("a router without a gateway %v", router)
	}
	path := "/v2.0/routers/" + router.text("router.id")
	c.want(200, alice, "PUT", path, `{"router":{"external_gateway_info":{"network_id":"`+out+`"}}}`)
	loose := c.want(201, alice, "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"`+out+`"}}`).text("floatingip.id")
	c.refused(409, "NetworkInUse", admin, "DELETE", "/v2.0/networks/"+out, "")
	c.want(200, alice, "GET", "/v2.0/floatingips/"+loose, "")
	c.want(200, alice, "PUT", path, `{"router":{"external_gateway_info":{}}}`)
	c.want(204, admin, "DELETE", "/v2.0/networks/"+out, "")
	c.refused(404, "FloatingIPNotFound", alice, "GET", "/v2.0/floatingips/"+loose, "")
}

func TestFloatingIPs(t *testing.T) {
	c := newCloud(t)
	out := c.outside()
	n := c.network(alice, "n")
	sub := c.subnet(alice, n, "10.0.0.0/24")
	p := c.port(alice, n, "").text("id")
	create := func(more string) string { return `{"floatingip":{"floating_network_id":"` + out + `"` + more + `}}` }
	c.refused(400, "BadRequest", alice, "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"`+n+`"}}`)
	c.refused(404, "NetworkNotFound", alice, "POST", "/v2.0/floatingips", `{"floatingip":{"floating_network_id":"nothing"}}`)
	c.refused(404, "ExternalGatewayForFloatingIPNotFound", alice, "POST", "/v2.0/floatingips", create(`,"port_id":"`+p+`"`))
	c.refused(403, "PolicyNotAuthorized", alice, "POST", "/v2.0/floatingips", create(`,"floating_ip_address":"172.24.4.7"`))
	r := "/v2.0/routers/" + c.want(201, alice, "POST", "/v2.0/routers", `{"router":{"external_gateway_info":{"network_id":"`+out+`"}}}`).text("router.id")
	c.want(200, alice, "PUT", r+"/add_router_interface", `{"subnet_id":"`+sub+`"}`)
	got := c.want(201, alice, "POST", "/v2.0/floatingips", create(`,"port_id":"`+p+`"`))
	path := "/v2.0/floatingips/" + got.text("floatingip.id")
	if got.text("floatingip.fixed_ip_address") != "10.0.0.2" || got.text("floatingip.port_details.network_id") != n || got.text("floatingip.status") != "DOWN" {
		t.Errorf("floating IP %v", got)
	}
	c.refused(409, "FloatingIPPortAlreadyAssociated", alice, "POST", "/v2.0/floatingips", create(`,"port_id":"`+p+`"`))
	c.refused(404, "PortNotFound", bob, "POST", "/v2.0/floatingips", create(`,"port_id":"`+p+`"`))
	c.refused(404, "FloatingIPNotFound", bob, "PUT", path, `{"floatingip":{"port_id":null}}`)
	c.refused(409, "RouterInterfaceInUseByFloatingIP", alice, "PUT", r+"/remove_router_interface", `{"subnet_id":"`+sub+`"}`)
	c.refused(409, "RouterExternalGatewayInUseByFloatingIp", alice, "PUT", r, `{"router":{"external_gateway_info":null}}`)
	c.refused(409, "PortInUse", alice, "PUT", "/v2.0/ports/"+p, `{"port":{"fixed_ips":[{"ip_address":"10.0.0.99"}]}}`)
	if got := c.want(200, alice, "PUT", path, `{"floatingip":{"description":"d"}}`); got.text("floatingip.port_id") != p || got.text("floatingip.description") != "d" {
		t.Errorf("described %v", got)
	}
	if got := c.want(200, alice, "PUT", path, `{"floatingip":{"port_id":null}}`); got.at("floatingip.port_id") != nil || got.at("floatingip.router_id") != nil {
		t.Errorf("parted %v", got)
	}
	c.want(200, alice, "PUT", path, `{"floatingip":{"port_id":"`+p+`","fixed_ip_address":"10.0.0.2"}}`)
	c.want(204, alice, "DELETE", "/v2.0/ports/"+p, "")
	if got := c.want(200, alice, "GET", path, ""); got.at("floatingip.port_id") != nil || got.text("floatingip.status") != "DOWN" {
		t.Errorf("after the port's end %v", got)
	}
	c.want(204, alice, "DELETE", path, "")
	if got := c.want(200, admin, "GET", "/v2.0/ports?device_owner=network:floatingip", "").list("ports"); len(got) != 0 {
		t.Errorf("ports left: %v", got)
	}
}

func TestSecurityGroups(t *testing.T) {
	c := newCloud(t)
	got := c.want(200, alice, "GET", "/v2.0/security-groups", "")
	if len(got.list("security_groups")) != 1 || got.text("security_groups.0.name") != "default" || len(got.list("security_groups.0.security_group_rules")) != 4 {
		t.Fatalf("default group %v", got)
	}
	standardGroup := "/v2.0/security-groups/" + got.text("security_groups.0.id")
	c.refused(409, "SecurityGroupCannotRemoveDefault", alice, "DELETE", standardGroup, "")
	c.refused(409, "SecurityGroupCannotUpdateDefault", alice, "PUT", standardGroup, `{"security_group":{"name":"x"}}`)
	c.refused(409, "SecurityGroupDefaultAlreadyExists", alice, "POST", "/v2.0/security-groups", `{"security_group":{"name":"default"}}`)
	g := c.want(201, alice, "POST", "/v2.0/security-groups", `{"security_group":{"name":"web"}}`).text("security_group.id")
	foreign := c.want(201, bob, "POST", "/v2.0/security-groups", `{"security_group":{"name":"g"}}`).text("security_group.id")
	for body, want := range map[string]string{
		`"direction":"ingress","protocol":"TCP","port_range_min":22,"port_range_max":"22"`:    "201 ",
		`"direction":"ingress","protocol":"icmp","port_range_min":8,"port_range_max":0`:       "201 ",
		`"direction":"ingress","remote_ip_prefix":"10.0.0.1"`:                                 "201 ",
		`"direction":"ingress","remote_group_id":"` + g + `"`:                                 "201 ",
		`"direction":"ingress","protocol":"icmp","port_range_max":0`:                          "400 SecurityGroupMissingIcmpType",
		`"direction":"ingress","protocol":"icmp","port_range_min":256`:                        "400 SecurityGroupInvalidIcmpValue",
		`"direction":"ingress","protocol":"vrrp","port_range_min":22,"port_range_max":22`:     "400 SecurityGroupInvalidProtocolForPort",
		`"direction":"ingress","port_range_min":22,"port_range_max":22`:                       "400 SecurityGroupProtocolRequiredWithPorts",
		`"direction":"ingress","protocol":"tcp","port_range_min":23,"port_range_max":22`:      "400 SecurityGroupInvalidPortRange",
		`"direction":"ingress","protocol":"tcp","port_range_min":0,"port_range_max":22`:       "400 SecurityGroupInvalidPortValue",
		`"direction":"ingress","protocol":"tcp","port_range_min":22,"port_range_max":70000`:   "400 SecurityGroupInvalidPortValue",
		`"direction":"ingress","protocol":"warp"`:                                             "400 SecurityGroupRuleInvalidProtocol",
		`"direction":"ingress","protocol":"256"`:                                              "400 SecurityGroupRuleInvalidProtocol",
		`"direction":"ingress","protocol":"ipv6-icmp"`:                                        "400 SecurityGroupEthertypeConflictWithProtocol",
		`"direction":"ingress","remote_ip_prefix":"10.0.0.0/33"`:                              "400 HTTPBadRequest",
		`"direction":"ingress","remote_ip_prefix":"::/0"`:                                     "400 SecurityGroupRuleParameterConflict",
		`"direction":"ingress","remote_ip_prefix":"10.0.0.0/8","remote_group_id":"` + g + `"`: "400 SecurityGroupRemoteGroupAndRemoteIpPrefix",
		`"direction":"ingress","remote_group_id":"` + foreign + `"`:                           "404 SecurityGroupNotFound",
		`"direction":"ingress","remote_address_group_id":"x"`:                                 "400 HTTPBadRequest",
		`"direction":"sideways"`: "400 HTTPBadRequest",
	} {
		status, got := c.do(alice, "POST", "/v2.0/security-group-rules", `{"security_group_rule":{"security_group_id":"`+g+`",`+body+`}}`)
		if have := fmt.Sprint(status, " ", got.text("NeutronError.type")); have != want {
			t.Errorf("%s: %s, want %s: %v", body, have, want, got)
		}
	}
	for _, same := range []string{`"protocol":6`, `"protocol":"tcp","remote_ip_prefix":"0.0.0.0/0"`, `"protocol":"6","ethertype":"IPv4"`} {
		c.refused(409, "SecurityGroupRuleExists", alice, "POST", "/v2.0/security-group-rules",
			`{"security_group_rule":{"security_group_id":"`+g+`","direction":"ingress","port_range_min":22,"port_range_max":22,`+same+`}}`)
	}
	c.refused(404, "SecurityGroupNotFound", bob, "POST", "/v2.0/security-group-rules", `{"security_group_rule":{"security_group_id":"`+g+`","direction":"ingress"}}`)
	rules := c.want(200, alice, "GET", "/v2.0/security-group-rules?security_group_id="+g+"&direction=ingress", "")
	if len(rules.list("security_group_rules")) != 4 {
		t.Errorf("rules %v", rules)
	}
	cut := c.want(201, alice, "POST", "/v2.0/security-group-rules", `{"security_group_rule":{"security_group_id":"`+g+`","direction":"egress","remote_ip_prefix":"10.2.3.124/24"}}`)
	if prefix, network := cut.text("security_group_rule.remote_ip_prefix"), cut.text("security_group_rule.normalized_cidr"); prefix != "10.2.3.124/24" || network != "10.2.3.0/24" {
		t.Errorf("the prefix is %s, its network %s", prefix, network)
	}
	c.refused(409, "SecurityGroupRuleExists", alice, "POST", "/v2.0/security-group-rules",
		`{"security_group_rule":{"security_group_id":"`+g+`","direction":"egress","remote_ip_prefix":"10.2.3.0/24"}}`)
	rule := "/v2.0/security-group-rules/" + rules.text("security_group_rules.0.id")
	c.refused(404, "SecurityGroupRuleNotFound", bob, "DELETE", rule, "")
	c.want(204, alice, "DELETE", rule, "")
	n := c.network(alice, "n")
	p := c.port(alice, n, `,"security_groups":["`+g+`"]`).text("id")
	c.refused(409, "SecurityGroupInUse", alice, "DELETE", "/v2.0/security-groups/"+g, "")
	c.want(204, alice, "DELETE", "/v2.0/ports/"+p, "")
	c.want(204, alice, "DELETE", "/v2.0/security-groups/"+g, "")
}
