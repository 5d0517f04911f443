package network

import (
	"net/netip"
	"slices"
	"testing"

	"virga/core/bus"
	"virga/core/token"
	"virga/service/network/desired"
)

// TestAPortMovesBetweenHosts binds a port to another host, as compute does when a server moves: the first host gives up all
// of it, the second gets it as it was, a third learns where it is now.
func TestAPortMovesBetweenHosts(t *testing.T) {
	c := newCloud(t)
	hosts := map[string]string{"n1": "192.0.2.1", "n2": "192.0.2.2", "n3": "192.0.2.3"}
	nodes := map[string]*token.Identity{"n1": node1, "n2": node2, "n3": who("node:n3", "", "node")}
	bells := map[string]*bus.Bell{}
	for name, vtep := range hosts {
		c.report(nodes[name], vtep)
		bells[name] = c.bus.Listen("network.node." + name)
		defer bells[name].Close()
	}
	network := c.want(201, admin, "POST", "/v2.0/networks", `{"network":{"name":"apart","project_id":"red"}}`).text("network.id")
	c.want(201, admin, "POST", "/v2.0/subnets", `{"subnet":{"network_id":"`+network+`","project_id":"red","ip_version":4,"cidr":"10.9.0.0/24"}}`)
	moving := c.port(compute, network, `,"project_id":"red","device_id":"server-1","device_owner":"compute:nova","binding:host_id":"n1"`)
	staying := c.port(compute, network, `,"project_id":"red","device_id":"server-2","device_owner":"compute:nova","binding:host_id":"n3"`)
	before := map[string]desired.State{}
	for name := range hosts {
		before[name] = c.desired(nodes[name], 0)
		select {
		case <-bells[name].C:
		default:
		}
	}
	c.want(200, compute, "PUT", "/v2.0/ports/"+moving.text("id"), `{"port":{"binding:host_id":"n2"}}`)
	after := map[string]desired.State{}
	for name := range hosts {
		select {
		case <-bells[name].C:
		default:
			if name != "n3" { // bells for the network's other hosts ring a little later, for all at once
				t.Errorf("no bell rang at %s", name)
			}
		}
		news := c.desired(nodes[name], before[name].Generation)
		had := before[name]
		after[name] = had.With(news)
		if name == "n1" && !slices.Equal(news.GonePorts, []string{moving.text("id")}) {
			t.Errorf("the first host is to give up %v", news.GonePorts)
		}
	}
	if left := after["n1"]; len(left.Ports) != 0 || slices.ContainsFunc(left.Networks, func(n desired.Network) bool { return n.ID == network && n.DHCPPort != nil }) {
		t.Errorf("the first host keeps %+v", left)
	}
	came := after["n2"].Ports
	if len(came) != 1 || came[0].MAC != before["n1"].Ports[0].MAC || !slices.Equal(came[0].FixedIPs, before["n1"].Ports[0].FixedIPs) || len(came[0].Leases) != 1 {
		t.Errorf("the second host gets %+v, the first had %+v", came, before["n1"].Ports)
	}
	third := after["n3"]
	if len(third.Networks) != 1 || len(third.Networks[0].Peers) != 1 || third.Networks[0].Peers[0].String() != "192.0.2.2" {
		t.Errorf("the third host floods to %+v", third.Networks)
	}
	group := third.Ports[0].SecurityGroups[0]
	was, is := before["n3"].AddressSets[group], third.AddressSets[group]
	for _, set := range [][]netip.Prefix{was, is} {
		slices.SortFunc(set, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	}
	if len(is) != 2 || !slices.Equal(was, is) {
		t.Errorf("the members of the group were %v and are %v", was, is)
	}
	if third.Ports[0].ID != staying.text("id") {
		t.Errorf("the third host has %+v", third.Ports)
	}
}

// TestAPortIsExpectedOnASecondHost has a port made ready where its server is about to go, as compute does for a live migration.
func TestAPortIsExpectedOnASecondHost(t *testing.T) {
	c := newCloud(t)
	nodes := map[string]*token.Identity{"n1": node1, "n2": node2}
	c.report(node1, "192.0.2.1")
	c.report(node2, "192.0.2.2")
	network := c.want(201, admin, "POST", "/v2.0/networks", `{"network":{"name":"apart","project_id":"red"}}`).text("network.id")
	c.want(201, admin, "POST", "/v2.0/subnets", `{"subnet":{"network_id":"`+network+`","project_id":"red","ip_version":4,"cidr":"10.9.0.0/24"}}`)
	port := c.port(compute, network, `,"project_id":"red","device_id":"server-1","device_owner":"compute:nova","binding:host_id":"n1"`).text("id")
	states := map[string]desired.State{}
	for name, node := range nodes {
		states[name] = c.desired(node, 0)
	}
	has := func(name string) *desired.Port {
		t.Helper()
		had := states[name]
		states[name] = had.With(c.desired(nodes[name], had.Generation))
		whole := c.desired(nodes[name], 0)
		for _, view := range []desired.State{states[name], whole} {
			if len(view.Ports) > 1 || len(view.Ports) != len(whole.Ports) {
				t.Fatalf("%s has %+v by news, %+v in all", name, view.Ports, whole.Ports)
			}
		}
		if len(whole.Ports) == 0 {
			return nil
		}
		return &states[name].Ports[0]
	}
	change := func(body string) {
		t.Helper()
		c.want(200, compute, "PUT", "/v2.0/ports/"+port, `{"port":{`+body+`}}`)
	}
	change(`"binding:profile":{"migrating_to":"n2","kept":"1"}`)
	if first, second := has("n1"), has("n2"); first == nil || second == nil || second.MAC != first.MAC || len(second.Leases) != 1 {
		t.Fatalf("the first host has %+v, the second %+v", first, second)
	}
	if groups := states["n2"].SecurityGroups; len(groups) != 1 || len(groups[0].Rules) == 0 {
		t.Errorf("the second host enforces %+v", groups)
	}
	change(`"binding:profile":{"kept":"1"}`)
	if has("n1") == nil || has("n2") != nil {
		t.Error("the second host keeps what is not expected any more")
	}
	change(`"binding:profile":{"migrating_to":"n2"}`)
	change(`"binding:host_id":"n2"`)
	change(`"binding:profile":{}`)
	if has("n1") != nil || has("n2") == nil {
		t.Error("the port is not where its server is")
	}
	change(`"binding:profile":{"migrating_to":"n1"}`)
	if has("n1") == nil {
		t.Error("the port is not expected on the way back")
	}
	c.want(204, compute, "DELETE", "/v2.0/ports/"+port, "")
	for _, name := range []string{"n1", "n2"} {
		if has(name) != nil || slices.ContainsFunc(states[name].Networks, func(n desired.Network) bool { return n.ID == network && n.DHCPPort != nil }) {
			t.Errorf("%s keeps %+v", name, states[name])
		}
	}
}
