package compute_test

import (
	"testing"

	"virga/service/compute"
)

func TestFixedAddressesByActions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create("")
	s.waitStatus(s.id, "ACTIVE")
	path := "/v2.1/servers/" + s.id + "/action"
	s.do(member(projectID), "2.44", "POST", path, `{"addFixedIp":{"networkId":"`+networkID+`"}}`).want(404, "")
	s.do(member(projectID), "2.43", "POST", path, `{"addFixedIp":{"networkId":"`+imageID+`"}}`).want(404, "Network could not be found for instance "+s.id)
	s.do(member(projectID), "2.43", "POST", path, `{"addFixedIp":{"networkId":"`+networkID+`"}}`).want(202, "")
	addresses := func() []any {
		list, _ := s.do(member(projectID), "2.43", "GET", "/v2.1/servers/"+s.id+"/ips", "").want(200, "").at("addresses", "private").([]any)
		return list
	}
	if len(addresses()) != 2 {
		t.Fatalf("addresses %v", addresses())
	}
	added, _ := addresses()[1].(map[string]any)
	s.do(member(projectID), "2.43", "POST", path, `{"removeFixedIp":{"address":"192.0.2.1"}}`).want(400, "does not have fixed IP '192.0.2.1'")
	s.do(member(projectID), "2.43", "POST", path, `{"removeFixedIp":{"address":"here"}}`).want(400, "")
	s.do(member(projectID), "2.43", "POST", path, `{"removeFixedIp":{"address":"`+added["addr"].(string)+`"}}`).want(202, "")
	if len(addresses()) != 1 {
		t.Errorf("addresses %v", addresses())
	}
}

func TestFloatingAddressesByActions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.id = s.create("")
	s.waitStatus(s.id, "ACTIVE")
	s.world.mu.Lock()
	s.world.owned = []compute.ProjectFloatingIP{{ID: "f1", Address: "203.0.113.9"}}
	s.world.mu.Unlock()
	path := "/v2.1/servers/" + s.id + "/action"
	act := func(body string) answer { return s.do(member(projectID), "2.43", "POST", path, body) }
	s.do(member(projectID), "2.44", "POST", path, `{"addFloatingIp":{"address":"203.0.113.9"}}`).want(404, "")
	act(`{"addFloatingIp":{"address":"203.0.113.10"}}`).want(404, "floating IP not found")
	act(`{"addFloatingIp":{"address":"203.0.113.9","fixed_address":"192.0.2.1"}}`).want(400, "Specified fixed address not assigned to instance")
	act(`{"removeFloatingIp":{"address":"203.0.113.9"}}`).want(409, "Floating IP 203.0.113.9 is not associated with instance "+s.id+".")
	act(`{"addFloatingIp":{"address":"203.0.113.9"}}`).want(202, "")
	s.world.mu.Lock()
	led := s.world.owned[0]
	s.world.mu.Unlock()
	if led.PortID == "" || led.FixedAddress == "" {
		t.Errorf("it leads to %+v", led)
	}
	act(`{"removeFloatingIp":{"address":"203.0.113.9"}}`).want(202, "")
	act(`{"removeFloatingIp":{"address":"203.0.113.9"}}`).want(409, "")
}
