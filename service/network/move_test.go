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
