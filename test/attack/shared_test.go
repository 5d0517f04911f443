package attack

import (
	"net/http"
	"strings"
	"testing"
)

func sharedNetworkAttacks() []attack {
	return []attack{
		{"", "the gateway's address of a shared network", stolenGateway},
		{"", "addresses of one's choice on a shared network, through compute", chosenAddress},
		{"OSSA-2014-014 CVE-2014-0187", "a shared network without a firewall", openPortOnShared},
		{"", "others on a shared network", othersOnShared},
	}
}

// sharedNetwork is a network of the administrator's that everybody may use, without a router.
func sharedNetwork(t *testing.T, s *scene) (networkID, subnetID string) {
	t.Helper()
	networkID = s.Admin.Must(t, "POST", networks, object{"network": object{"name": "shared", "shared": true}}, "network.id")
	subnetID = s.Admin.Must(t, "POST", subnets, object{"subnet": object{"network_id": networkID, "cidr": "203.0.113.0/24", "ip_version": 4, "enable_dhcp": false}}, "subnet.id")
	t.Cleanup(func() {
		for _, port := range s.Admin.IDs(t, ports+"?network_id="+networkID, "ports") {
			s.Admin.Do(t, "DELETE", ports+"/"+port, nil)
		}
		s.Admin.Do(t, "DELETE", networks+"/"+networkID, nil)
	})
	return networkID, subnetID
}

func stolenGateway(t *testing.T, s *scene) {
	u := s.mallory.owner
	network, subnet := sharedNetwork(t, s)
	refuseAll(t, u, []try{
		{"POST", ports, object{"port": object{"network_id": network, "fixed_ips": []object{{"ip_address": "203.0.113.1"}}}}},
		{"POST", ports, object{"port": object{"network_id": network, "fixed_ips": []object{{"subnet_id": subnet, "ip_address": "203.0.113.1"}}}}},
		{"PUT", routers + "/" + s.mallory.ids["routers"] + "/add_router_interface", object{"subnet_id": subnet}},
		{"PUT", networks + "/" + network, object{"network": object{"name": "mine"}}}, {"PUT", subnets + "/" + subnet, object{"subnet": object{"gateway_ip": "203.0.113.9"}}},
		{"PUT", networks + "/" + network + "/tags/x", nil}, {"DELETE", subnets + "/" + subnet, nil}, {"DELETE", networks + "/" + network, nil},
		{"POST", subnets, object{"subnet": object{"network_id": network, "cidr": "10.77.0.0/24", "ip_version": 4}}},
	}, http.StatusForbidden)
	own := u.Must(t, "POST", ports, object{"port": object{"network_id": network}}, "port.id")
	refused(t, "moving a port to the gateway's address", u.Do(t, "PUT", ports+"/"+own, object{"port": object{"fixed_ips": []object{{"ip_address": "203.0.113.1"}}}}), http.StatusForbidden)
}

// chosenAddress asks compute for what the network service refuses: compute makes ports as an administrator.
func chosenAddress(t *testing.T, s *scene) {
	u, m := s.mallory.owner, s.mallory.ids
	network, _ := sharedNetwork(t, s)
	for _, address := range []string{"203.0.113.1", "203.0.113.200"} {
		a := u.Do(t, "POST", "/compute/v2.1/servers", object{"server": object{"name": "x", "imageRef": m["image_id"], "flavorRef": m["flavor_id"], "networks": []object{{"uuid": network, "fixed_ip": address}}}})
		if a.OK() {
			awaitSettled(t, s, u, a.Value("server.id"))
			if shown := u.Do(t, "GET", "/compute/v2.1/servers/"+a.Value("server.id"), nil); strings.Contains(string(shown.Body), address) {
				t.Errorf("a server got the address %s of a network that is not its owner's: %s", address, shown)
			}
			u.Must(t, "DELETE", "/compute/v2.1/servers/"+a.Value("server.id"), nil, "")
		} else if a.Status != http.StatusForbidden && a.Status != http.StatusBadRequest {
			t.Errorf("a server with the address %s: %s", address, a)
		}
		a = u.Do(t, "POST", "/compute/v2.1/servers/"+m["server_id"]+"/os-interface", object{"interfaceAttachment": object{"net_id": network, "fixed_ips": []object{{"ip_address": address}}}})
		refused(t, "an interface with the address "+address, a, http.StatusForbidden, http.StatusBadRequest)
		if a.OK() {
			u.Do(t, "DELETE", "/compute/v2.1/servers/"+m["server_id"]+"/os-interface/"+a.Value("interfaceAttachment.port_id"), nil)
		}
	}
}

func openPortOnShared(t *testing.T, s *scene) {
	u := s.mallory.owner
	network, subnet := sharedNetwork(t, s)
	own := u.Must(t, "POST", ports, object{"port": object{"network_id": network, "fixed_ips": []object{{"subnet_id": subnet}}}}, "port.id")
	for _, attributes := range []object{{"port_security_enabled": false}, {"allowed_address_pairs": []object{{"ip_address": "0.0.0.0/0"}}}, {"allowed_address_pairs": []object{{"ip_address": "203.0.113.1"}}}, {"mac_address": "02:00:00:00:00:05"}} {
		with := object{"network_id": network}
		for key, value := range attributes {
			with[key] = value
		}
		refused(t, "a new port", u.Do(t, "POST", ports, object{"port": with}), http.StatusForbidden)
		refused(t, "a port", u.Do(t, "PUT", ports+"/"+own, object{"port": attributes}), http.StatusForbidden)
	}
}

func othersOnShared(t *testing.T, s *scene) {
	network, _ := sharedNetwork(t, s)
	theirs := s.victim.owner.InNewProject(t, "neighbour", "member").Must(t, "POST", ports, object{"port": object{"network_id": network, "name": marker}}, "port.id")
	u := s.mallory.owner
	refuseAll(t, u, []try{{"GET", ports + "/" + theirs, nil}, {"PUT", ports + "/" + theirs, object{"port": object{"name": "x"}}}, {"DELETE", ports + "/" + theirs, nil}, {"GET", ports + "/" + theirs + "/tags", nil}}, http.StatusNotFound)
	if a := u.Do(t, "GET", ports+"?network_id="+network, nil); strings.Contains(string(a.Body), theirs) {
		t.Errorf("a user of a shared network sees the ports of another: %s", a)
	}
}
