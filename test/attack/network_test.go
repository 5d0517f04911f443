package attack

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"virga/test/cloud"
)

const (
	networks  = "/network/v2.0/networks"
	subnets   = "/network/v2.0/subnets"
	ports     = "/network/v2.0/ports"
	routers   = "/network/v2.0/routers"
	floating  = "/network/v2.0/floatingips"
	groups    = "/network/v2.0/security-groups"
	rules     = "/network/v2.0/security-group-rules"
	badOrGone = http.StatusNotFound
)

func networkAttacks() []attack {
	return []attack{
		{"OSSA-2014-008 CVE-2014-0056", "a port that says it is another's router's", portOfForeignRouter},
		{"OSSA-2015-018 CVE-2015-5240", "a port that says it is the network's own", portWithoutFirewall},
		{"OSSN-0102", "children of others through one's own parent", foreignChildren},
		{"OSSN-0103", "resources made in another project", foreignOwner},
		{"OSSA-2024-005 CVE-2024-53916", "filters and tags on what others own", foreignFilters},
		{"", "one's own things joined to another's", foreignJoins},
		{"", "moving things to what is another's", foreignMoves},
		{"", "attributes of operators", operatorAttributes},
		{"OSSA-2021-005 CVE-2021-40085", "DHCP options with lines and scripts", dhcpOptions},
		{"OSSA-2019-001 CVE-2019-9735", "rules that break a firewall", breakingRules},
		{"OSSN-0095", "rules that become wider than they say", widenedRules},
		{"OSSA-2014-025", "thousands of address pairs", addressPairs},
		{"OSSA-2013-033", "a port that moves to another's server", metadataTheft},
	}
}

func portOfForeignRouter(t *testing.T, s *scene) {
	u, v := s.mallory.owner, s.victim.ids
	before := s.victim.owner.IDs(t, ports+"?device_id="+v["routers"], "ports")
	for _, owner := range []string{"network:router_interface", "network:router_gateway", "network:router_interface_distributed", "network:floatingip", "network:dhcp", "network:", "network:x"} {
		for _, device := range []string{v["routers"], s.mallory.ids["routers"], "dhcp-x"} {
			refused(t, owner, u.Do(t, "POST", ports, object{"port": object{"network_id": s.mallory.ids["networks"], "device_id": device, "device_owner": owner}}), http.StatusForbidden, http.StatusConflict)
			refused(t, owner, u.Do(t, "PUT", ports+"/"+s.mallory.ids["ports"], object{"port": object{"device_id": device, "device_owner": owner}}), http.StatusForbidden, http.StatusConflict)
		}
	}
	own := s.mallory.owner.InNewProject(t, "ports", "member")
	e := smallNetwork(t, own, "203.0.113.0/24")
	for _, owner := range []string{"", "compute:nova", " network:router_interface", "Network:router_interface", "NETWORK:DHCP", "baremetal:x"} {
		a := own.Do(t, "POST", ports, object{"port": object{"network_id": e.ids["networks"], "device_id": v["routers"], "device_owner": owner}})
		if a.Status >= 500 {
			t.Errorf("owner %q: %s", owner, a)
		}
	}
	if after := s.victim.owner.IDs(t, ports+"?device_id="+v["routers"], "ports"); !slices.Equal(before, after) {
		t.Errorf("the ports of the victim's router were %v and are %v", before, after)
	}
	if a := own.Do(t, "PUT", routers+"/"+v["routers"]+"/remove_router_interface", object{"subnet_id": e.ids["subnets"]}); a.Status != http.StatusNotFound {
		t.Errorf("parting from the victim's router: %s", a)
	}
}

// smallNetwork makes a network with a subnet.
func smallNetwork(t *testing.T, u *cloud.Client, cidr string) *estate {
	t.Helper()
	e := &estate{owner: u, ids: map[string]string{}}
	e.make(t, "networks", networks, "network", object{"name": "n"})
	e.make(t, "subnets", subnets, "subnet", object{"network_id": e.ids["networks"], "cidr": cidr, "ip_version": 4})
	return e
}

// portWithoutFirewall looks at ports whose owner nearly reads as the network's own: they have their security groups.
func portWithoutFirewall(t *testing.T, s *scene) {
	u := s.mallory.owner.InNewProject(t, "firewall", "member")
	e := smallNetwork(t, u, "203.0.113.0/24")
	for _, owner := range []string{"compute:nova", " network:dhcp", "Network:dhcp", "network", "\u200bnetwork:dhcp", "trunk:subport"} {
		a := u.Do(t, "POST", ports, object{"port": object{"network_id": e.ids["networks"], "device_owner": owner}})
		if a.OK() && (a.Value("port.port_security_enabled") != "true" || a.Value("port.security_groups.0") == "") {
			t.Errorf("a port of %q has no firewall: %s", owner, a)
		}
	}
}

func foreignChildren(t *testing.T, s *scene) {
	u, m, v := s.mallory.owner, s.mallory.ids, s.victim.ids
	refuseAll(t, u, []try{
		{"PUT", routers + "/" + m["routers"] + "/add_router_interface", object{"subnet_id": v["subnets"]}}, {"PUT", routers + "/" + m["routers"] + "/add_router_interface", object{"port_id": v["ports"]}},
		{"PUT", routers + "/" + m["routers"] + "/remove_router_interface", object{"subnet_id": v["subnets"]}}, {"PUT", routers + "/" + m["routers"] + "/remove_router_interface", object{"port_id": v["ports"]}},
		{"PUT", floating + "/" + m["floatingips"], object{"floatingip": object{"port_id": v["ports"]}}},
		{"POST", floating, object{"floatingip": object{"floating_network_id": v["public"], "port_id": v["ports"]}}},
		{"POST", floating, object{"floatingip": object{"floating_network_id": v["networks"]}}},
		{"POST", rules, object{"security_group_rule": object{"security_group_id": v["security-groups"], "direction": "ingress"}}},
		{"POST", rules, object{"security_group_rule": object{"security_group_id": m["security-groups"], "direction": "ingress", "remote_group_id": v["security-groups"]}}},
		{"POST", subnets, object{"subnet": object{"network_id": v["networks"], "cidr": "203.0.113.0/24", "ip_version": 4}}},
		{"POST", ports, object{"port": object{"network_id": v["networks"]}}},
		{"POST", ports, object{"port": object{"network_id": m["networks"], "security_groups": []string{v["security-groups"]}}}},
		{"PUT", ports + "/" + m["ports"], object{"port": object{"security_groups": []string{v["security-groups"]}}}},
		{"POST", routers, object{"router": object{"external_gateway_info": object{"network_id": v["networks"]}}}},
		{"PUT", routers + "/" + m["routers"], object{"router": object{"external_gateway_info": object{"network_id": v["networks"]}}}},
	}, http.StatusNotFound)
	refuseAll(t, u, []try{
		{"POST", ports, object{"port": object{"network_id": m["networks"], "fixed_ips": []object{{"subnet_id": v["subnets"]}}}}},
		{"POST", ports, object{"port": object{"network_id": m["networks"], "fixed_ips": []object{{"subnet_id": v["subnets"], "ip_address": "192.0.2.200"}}}}},
		{"PUT", ports + "/" + m["ports"], object{"port": object{"fixed_ips": []object{{"subnet_id": v["subnets"]}}}}},
		{"PUT", ports + "/" + m["ports"], object{"port": object{"fixed_ips": []object{{"ip_address": "192.0.2.200"}}}}},
	}, http.StatusBadRequest, http.StatusNotFound)
	for _, child := range []string{"networks", "subnets", "ports", "routers", "floatingips", "security-groups"} {
		other := "routers"
		if child == "routers" {
			other = "networks"
		}
		// An id of one kind is none of another.
		refused(t, child, u.Do(t, "GET", "/network/v2.0/"+child+"/"+m[other], nil), http.StatusNotFound)
		refused(t, child, u.Do(t, "PUT", "/network/v2.0/"+child+"/"+v[child]+"/tags", object{"tags": []string{"x"}}), http.StatusNotFound)
	}
}

func foreignOwner(t *testing.T, s *scene) {
	u, m := s.mallory.owner, s.mallory.ids
	for _, key := range []string{"project_id", "tenant_id"} {
		owner := s.victim.owner.ProjectID
		refuseAll(t, u, []try{
			{"POST", networks, object{"network": object{key: owner}}}, {"POST", networks, object{"networks": []object{{}, {key: owner}}}},
			{"POST", subnets, object{"subnet": object{key: owner, "network_id": m["networks"], "cidr": "203.0.113.0/24", "ip_version": 4}}}, {"POST", ports, object{"port": object{key: owner, "network_id": m["networks"]}}},
			{"POST", routers, object{"router": object{key: owner}}}, {"POST", floating, object{"floatingip": object{key: owner, "floating_network_id": m["public"]}}}, {"POST", groups, object{"security_group": object{key: owner, "name": "x"}}},
			{"POST", rules, object{"security_group_rule": object{key: owner, "security_group_id": m["security-groups"], "direction": "ingress"}}}, {"PUT", networks + "/" + m["networks"], object{"network": object{key: owner}}},
			{"PUT", ports + "/" + m["ports"], object{"port": object{key: owner}}}, {"PUT", routers + "/" + m["routers"], object{"router": object{key: owner}}}, {"PUT", floating + "/" + m["floatingips"], object{"floatingip": object{key: owner}}},
		}, http.StatusBadRequest, http.StatusForbidden)
	}
}

func foreignFilters(t *testing.T, s *scene) {
	v := s.victim.ids
	for _, kind := range []string{"networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules"} {
		for _, query := range []string{"project_id=" + v["project_id"], "tenant_id=" + v["project_id"], "id=" + v[kind], "project_id=&project_id=" + v["project_id"], "description=" + marker, "tags=" + marker, "tags-any=" + marker, "not-tags=x",
			"sort_key=project_id", "all_tenants=1", "fields=id&fields=project_id", "project_id%20=x", "name=" + marker, "network_id=" + v["networks"], "device_id=" + v["routers"], "port_id=" + v["ports"], "security_group_id=" + v["security-groups"],
			"fixed_ips=subnet_id=" + v["subnets"], "fixed_ips=ip_address_substr=192.0.2.", "security_groups=" + v["security-groups"], "cidr=192.0.2.0/24", "changed_since=2000-01-01T00:00:00", "limit=1&marker=" + v[kind]} {
			a := s.mallory.owner.Do(t, "GET", "/network/v2.0/"+kind+"?"+query, nil)
			if a.Status >= 500 || a.OK() && (strings.Contains(string(a.Body), v[kind]) || strings.Contains(string(a.Body), v["project_id"])) {
				t.Errorf("GET %s?%s: %s", kind, query, a)
			}
		}
	}
}

// foreignJoins tries what would need two owners, from the side where the attacker owns the router, the address or the group.
func foreignJoins(t *testing.T, s *scene) {
	u, m, v := s.mallory.owner, s.mallory.ids, s.victim.ids
	victimPort := s.victim.owner.Must(t, "GET", "/compute/v2.1/servers/"+v["server_id"]+"/os-interface", nil, "interfaceAttachments.0.port_id")
	refuseAll(t, u, []try{
		{"PUT", floating + "/" + v["floatingips"], object{"floatingip": object{"port_id": m["ports"]}}}, {"PUT", floating + "/" + m["floatingips"], object{"floatingip": object{"port_id": victimPort}}},
		{"PUT", routers + "/" + v["routers"] + "/add_router_interface", object{"subnet_id": m["subnets"]}}, {"PUT", routers + "/" + v["routers"] + "/add_extraroutes", object{"router": object{"routes": []object{{"destination": "0.0.0.0/0", "nexthop": "192.0.2.9"}}}}},
		{"PUT", ports + "/" + victimPort, object{"port": object{"allowed_address_pairs": []object{{"ip_address": "0.0.0.0/0"}}}}}, {"DELETE", ports + "/" + victimPort, nil}, {"DELETE", rules + "/" + v["security-group-rules"], nil},
	}, badOrGone)
	// The external network is for all to use and for none but its owner to change.
	public := m["public"]
	subnet := s.Admin.Must(t, "GET", networks+"/"+public, nil, "network.subnets.0")
	refuseAll(t, u, []try{
		{"POST", ports, object{"port": object{"network_id": public}}}, {"POST", subnets, object{"subnet": object{"network_id": public, "cidr": "203.0.113.0/24", "ip_version": 4}}},
		{"PUT", networks + "/" + public, object{"network": object{"name": "mine"}}}, {"DELETE", networks + "/" + public, nil}, {"PUT", networks + "/" + public + "/tags", object{"tags": []string{"x"}}}, {"PUT", subnets + "/" + subnet, object{"subnet": object{"name": "mine"}}},
		{"DELETE", subnets + "/" + subnet, nil}, {"PUT", routers + "/" + m["routers"] + "/add_router_interface", object{"subnet_id": subnet}},
		{"POST", floating, object{"floatingip": object{"floating_network_id": public, "floating_ip_address": "172.24.4.77"}}},
		{"POST", routers, object{"router": object{"external_gateway_info": object{"network_id": public, "enable_snat": false}}}},
		{"POST", routers, object{"router": object{"external_gateway_info": object{"network_id": public, "external_fixed_ips": []object{{"ip_address": "172.24.4.77"}}}}}},
	}, http.StatusForbidden, http.StatusNotFound)
}

// foreignMoves looks for ports of the network service that a user without a project of the right id might see.
func foreignMoves(t *testing.T, s *scene) {
	for _, query := range []string{"device_owner=network:floatingip", "device_owner=network:router_gateway", "device_owner=network:dhcp", "network_id=" + s.victim.ids["public"], "project_id="} {
		a := s.mallory.owner.Do(t, "GET", ports+"?"+query, nil)
		if strings.Contains(string(a.Body), s.victim.ids["floatingips"]) || strings.Contains(string(a.Body), s.victim.ids["routers"]) {
			t.Errorf("GET ports?%s: %s", query, a)
		}
	}
	for _, port := range s.Admin.IDs(t, ports+"?network_id="+s.victim.ids["public"], "ports") {
		refuseAll(t, s.mallory.owner, []try{{"GET", ports + "/" + port, nil}, {"DELETE", ports + "/" + port, nil}, {"PUT", ports + "/" + port, object{"port": object{"device_owner": ""}}}}, http.StatusNotFound, http.StatusForbidden)
	}
}

func operatorAttributes(t *testing.T, s *scene) {
	u, m := s.mallory.owner, s.mallory.ids
	for _, attributes := range []object{{"shared": true}, {"router:external": true}, {"is_default": true}, {"provider:network_type": "vlan", "provider:physical_network": "p", "provider:segmentation_id": 1},
		{"provider:network_type": "flat", "provider:physical_network": "p"}, {"provider:segmentation_id": 7}, {"shared": "True"}, {"shared": 1}} {
		refused(t, fmt.Sprint(attributes), u.Do(t, "POST", networks, object{"network": attributes}), http.StatusForbidden)
		refused(t, fmt.Sprint(attributes), u.Do(t, "PUT", networks+"/"+m["networks"], object{"network": attributes}), http.StatusForbidden, http.StatusBadRequest)
	}
	for _, attributes := range []object{{"binding:host_id": s.Host}, {"binding:profile": object{"x": "y"}}, {"binding:vif_type": "bridge"}, {"status": "ACTIVE"}, {"id": "x"}, {"revision_number": 1}} {
		with := object{"network_id": m["networks"]}
		for key, value := range attributes {
			with[key] = value
		}
		refused(t, fmt.Sprint(attributes), u.Do(t, "POST", ports, object{"port": with}), http.StatusForbidden, http.StatusBadRequest)
		refused(t, fmt.Sprint(attributes), u.Do(t, "PUT", ports+"/"+m["ports"], object{"port": attributes}), http.StatusForbidden, http.StatusBadRequest)
	}
	a := u.Do(t, "GET", ports+"/"+m["ports"]+"?fields=binding:host_id&fields=binding:profile&fields=binding:vif_details", nil)
	if strings.Contains(string(a.Body), "binding:") {
		t.Errorf("a user sees how a port is bound: %s", a)
	}
	a = u.Do(t, "GET", networks+"/"+m["networks"]+"?fields=provider:segmentation_id", nil)
	if strings.Contains(string(a.Body), "provider:") {
		t.Errorf("a user sees the segment of a network: %s", a)
	}
	// A filter or an order by what may not be read would tell it in parts.
	for _, query := range []string{"provider:segmentation_id=1", "provider:network_type=vxlan", "provider:physical_network=p", "sort_key=provider:segmentation_id"} {
		refused(t, query, u.Do(t, "GET", networks+"?"+query, nil), http.StatusForbidden, http.StatusBadRequest)
	}
	for _, query := range []string{"binding:host_id=" + s.Host, "sort_key=binding:host_id"} {
		refused(t, query, u.Do(t, "GET", ports+"?"+query, nil), http.StatusForbidden, http.StatusBadRequest)
	}
}

func dhcpOptions(t *testing.T, s *scene) {
	for _, option := range []object{
		{"opt_name": "mtu\ndhcp-script=/bin/sh", "opt_value": "1"}, {"opt_name": "26", "opt_value": "1400\noption:router,10.0.0.1"}, {"opt_name": "tag:x,option:router", "opt_value": "1"}, {"opt_name": "bootfile-name", "opt_value": "a\nb"},
		{"opt_name": "66", "opt_value": "a\x00b"}, {"opt_name": "999", "opt_value": "1"}, {"opt_name": "-1", "opt_value": "1"}, {"opt_name": "26", "opt_value": "99999999999"}, {"opt_name": "26", "opt_value": "-1"}, {"opt_name": strings.Repeat("9", 300), "opt_value": "x"},
		{"opt_name": "67", "opt_value": strings.Repeat("x", 5000)}, {"opt_name": "", "opt_value": "x"}, {"opt_name": "53", "opt_value": "5"}, {"opt_name": "54", "opt_value": "10.0.0.1"}, {"opt_name": "51", "opt_value": "-1"},
	} {
		body := object{"network_id": s.mallory.ids["networks"], "extra_dhcp_opts": []object{option}}
		refused(t, fmt.Sprintf("%.80v", option), s.mallory.owner.Do(t, "POST", ports, object{"port": body}), http.StatusBadRequest)
	}
}

func breakingRules(t *testing.T, s *scene) {
	for _, rule := range []object{
		{"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2}, {"protocol": 112, "port_range_min": 1, "port_range_max": 2}, {"protocol": "112", "port_range_max": 2}, {"protocol": "esp", "port_range_min": 1, "port_range_max": 1}, {"protocol": 256}, {"protocol": -1}, {"protocol": "tcp; drop"},
		{"protocol": "tcp\n"}, {"protocol": "tcp", "port_range_min": 0, "port_range_max": 0}, {"protocol": "tcp", "port_range_min": 10, "port_range_max": 9}, {"protocol": "tcp", "port_range_min": 1, "port_range_max": 70000}, {"protocol": "tcp", "port_range_min": -1, "port_range_max": 1},
		{"protocol": "icmp", "port_range_min": 256}, {"protocol": "icmp", "port_range_max": 1}, {"protocol": "icmp", "port_range_min": 1, "port_range_max": 256}, {"remote_ip_prefix": "10.0.0.0/33"}, {"remote_ip_prefix": "10.0.0.1/0; flush"}, {"remote_ip_prefix": "::/0", "ethertype": "IPv4"},
		{"remote_ip_prefix": "10.0.0.0/8", "ethertype": "IPv6"}, {"remote_ip_prefix": "::ffff:10.0.0.0/104", "ethertype": "IPv4"}, {"remote_ip_prefix": "10.0.0.0/255.0.0.255"}, {"remote_ip_prefix": "fe80::1%eth0/64", "ethertype": "IPv6"}, {"ethertype": "ARP"}, {"direction": "both"}, {"protocol": "icmpv6", "ethertype": "IPv4"},
	} {
		body := object{"security_group_id": s.mallory.ids["security-groups"], "direction": "ingress"}
		for key, value := range rule {
			body[key] = value
		}
		refused(t, fmt.Sprint(rule), s.mallory.owner.Do(t, "POST", rules, object{"security_group_rule": body}), http.StatusBadRequest)
	}
}

// widenedRules have a part that is not known: they are refused, never taken without it.
func widenedRules(t *testing.T, s *scene) {
	for key, value := range map[string]any{"remote_address_group_id": s.victim.ids["security-groups"], "normalized_cidr": "10.0.0.0/8", "source_port_range_min": 1, "remote_ip": "10.0.0.1", "action": "deny", "priority": 1, "REMOTE_GROUP_ID": s.mallory.ids["security-groups"]} {
		body := object{"security_group_id": s.mallory.ids["security-groups"], "direction": "ingress", "protocol": "tcp", key: value}
		refused(t, key, s.mallory.owner.Do(t, "POST", rules, object{"security_group_rule": body}), http.StatusBadRequest)
	}
}

func addressPairs(t *testing.T, s *scene) {
	var many []object
	for i := range 1000 {
		many = append(many, object{"ip_address": fmt.Sprintf("10.1.%d.%d", i/250, i%250)})
	}
	for _, pairs := range []any{many, many[:11], []object{{"ip_address": "10.0.0.0/33"}}, []object{{"ip_address": "all"}}, []object{{"ip_address": "10.0.0.1", "mac_address": "x"}}, []object{{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.1"}},
		[]object{{"ip_address": "10.0.0.1", "mac_address": "ff:ff:ff:ff:ff:ff"}}, []object{{"mac_address": "02:00:00:00:00:01"}}} {
		refused(t, fmt.Sprintf("%.60v", pairs), s.mallory.owner.Do(t, "POST", ports, object{"port": object{"network_id": s.mallory.ids["networks"], "allowed_address_pairs": pairs}}), http.StatusBadRequest)
	}
}

// metadataTheft tries to have one's own guest's port belong to another's server: the metadata service tells servers apart
// by the device of the port that a request comes in on.
func metadataTheft(t *testing.T, s *scene) {
	u, m, v := s.mallory.owner, s.mallory.ids, s.victim.ids
	bound := ports + "/" + m["port_id"]
	refuseAll(t, u, []try{
		{"PUT", bound, object{"port": object{"device_id": v["server_id"]}}}, {"PUT", bound, object{"port": object{"device_id": v["server_id"], "device_owner": "compute:nova"}}},
		{"PUT", bound, object{"port": object{"device_id": v["routers"], "device_owner": "network:router_interface"}}},
	}, http.StatusConflict, http.StatusForbidden)
	own := s.mallory.owner.InNewProject(t, "thief", "member")
	e := smallNetwork(t, own, "203.0.113.0/24")
	port := own.Must(t, "POST", ports, object{"port": object{"network_id": e.ids["networks"], "device_id": v["server_id"], "device_owner": "compute:nova"}}, "port.id")
	refused(t, "a server with the port", own.Do(t, "POST", "/compute/v2.1/servers", object{"server": object{"name": "x", "imageRef": m["image_id"], "flavorRef": m["flavor_id"], "networks": []object{{"port": port}}}}),
		http.StatusConflict, http.StatusBadRequest)
	// The victim's server has no interface that somebody else has made.
	if a := s.victim.owner.Do(t, "GET", "/compute/v2.1/servers/"+v["server_id"]+"/os-interface", nil); strings.Contains(string(a.Body), port) {
		t.Errorf("the victim's server has the port of another: %s", a)
	}
	if a := s.victim.owner.Do(t, "GET", ports+"?device_id="+v["server_id"], nil); strings.Contains(string(a.Body), port) {
		t.Errorf("the victim sees the port of another: %s", a)
	}
	// A port that was let go by its owner on the way does not get to another server either.
	second := s.mallory.owner
	refused(t, "in two steps, first", second.Do(t, "PUT", bound, object{"port": object{"device_id": ""}}), http.StatusOK, http.StatusConflict, http.StatusForbidden)
	refused(t, "in two steps, second", second.Do(t, "PUT", bound, object{"port": object{"device_id": v["server_id"]}}), http.StatusConflict, http.StatusForbidden)
	second.Do(t, "PUT", bound, object{"port": object{"device_id": m["server_id"]}})
}
