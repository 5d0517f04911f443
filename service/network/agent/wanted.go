package agent

import (
	"maps"
	"reflect"
	"slices"

	"virga/service/network/desired"
	"virga/service/network/fabric"
)

// wanted is a host's desired state in the fabric's words. It is made once for each generation and never changed.
type wanted struct {
	networks []fabric.Network
	ports    []fabric.Port
	routers  []fabric.Router
	sets     []fabric.AddressSet
	// rules are those of each security group; ports in one group share them.
	rules map[string][]fabric.Rule
}

// wantedOf converts a state. What the last one had, too, is taken from there where many ports have it: comparing costs next to nothing then.
func wantedOf(state *desired.State, last *wanted) *wanted {
	w := &wanted{rules: map[string][]fabric.Rule{}}
	for _, n := range state.Networks {
		w.networks = append(w.networks, fabric.Network{
			ID: n.ID, Kind: fabric.Kind(n.Kind), SegmentID: n.SegmentID, PhysicalNetwork: n.PhysicalNetwork, MTU: n.MTU,
			LocalVTEP: n.LocalVTEP, Peers: n.Peers, Subnets: each(n.Subnets, subnet), DHCPPort: (*fabric.DHCPPort)(n.DHCPPort),
			External: n.External, HostAddress: n.HostAddress, HostNAT: n.HostNAT,
		})
	}
	for _, g := range state.SecurityGroups {
		w.rules[g.ID] = each(g.Rules, rule)
		if last != nil && reflect.DeepEqual(last.rules[g.ID], w.rules[g.ID]) {
			w.rules[g.ID] = last.rules[g.ID]
		}
	}
	for _, p := range state.Ports {
		port := fabric.Port{
			ID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC, FixedIPs: p.FixedIPs, PortSecurity: p.PortSecurity, AdminUp: p.AdminUp, Arrived: p.Arrived,
			AllowedAddressPairs: each(p.AllowedAddressPairs, func(pair desired.AddressPair) fabric.AddressPair { return fabric.AddressPair(pair) }),
		}
		if p.PortSecurity {
			port.Rules = w.rulesOf(p.SecurityGroups)
		}
		w.ports = append(w.ports, port)
	}
	for _, r := range state.Routers {
		router := fabric.Router{
			ID: r.ID, AdminUp: r.AdminUp, Interfaces: each(r.Interfaces, func(i desired.RouterInterface) fabric.RouterInterface { return fabric.RouterInterface(i) }),
			FloatingIPs: each(r.FloatingIPs, func(f desired.FloatingIP) fabric.FloatingIP { return fabric.FloatingIP(f) }),
			Routes:      each(r.Routes, route),
		}
		if g := r.Gateway; g != nil {
			router.Gateway = &fabric.RouterGateway{RouterInterface: fabric.RouterInterface(g.RouterInterface), NextHops: g.NextHops, SNAT: g.SNAT}
		}
		w.routers = append(w.routers, router)
	}
	w.sets = addressSets(state, w.rules)
	return w
}

// rulesOf lists the rules of all groups of a port.
func (w *wanted) rulesOf(groups []string) []fabric.Rule {
	if len(groups) == 1 {
		return w.rules[groups[0]]
	}
	return slices.Concat(each(groups, func(id string) []fabric.Rule { return w.rules[id] })...)
}

// addressSets are those that the state lists and those that rules name; the latter permit nobody when they are not listed.
func addressSets(state *desired.State, groups map[string][]fabric.Rule) []fabric.AddressSet {
	members := map[string]fabric.AddressSet{}
	for _, rules := range groups {
		for _, rule := range rules {
			if rule.RemoteSet != "" {
				members[rule.RemoteSet] = fabric.AddressSet{ID: rule.RemoteSet}
			}
		}
	}
	for id, prefixes := range state.AddressSets {
		members[id] = fabric.AddressSet{ID: id, Prefixes: prefixes}
	}
	sets := make([]fabric.AddressSet, 0, len(members))
	for _, id := range slices.Sorted(maps.Keys(members)) {
		sets = append(sets, members[id])
	}
	return sets
}

// inventory lists what is wanted by id.
func (w *wanted) inventory() fabric.Inventory {
	return fabric.Inventory{
		Networks:    each(w.networks, func(n fabric.Network) string { return n.ID }),
		Ports:       each(w.ports, func(p fabric.Port) string { return p.ID }),
		Routers:     each(w.routers, func(r fabric.Router) string { return r.ID }),
		AddressSets: each(w.sets, func(s fabric.AddressSet) string { return s.ID }),
	}
}

func subnet(s desired.Subnet) fabric.Subnet {
	return fabric.Subnet{ID: s.ID, CIDR: s.CIDR, Gateway: s.Gateway, DHCP: s.DHCP, DNS: s.DNS, HostRoutes: each(s.HostRoutes, route)}
}

func rule(r desired.GroupRule) fabric.Rule {
	out := fabric.Rule{
		ID: r.ID, Direction: fabric.Direction(r.Direction), EtherType: fabric.EtherType(r.EtherType), Protocol: r.Protocol,
		PortMin: r.PortMin, PortMax: r.PortMax, RemoteSet: r.RemoteGroupID,
	}
	if r.RemoteGroupID == "" {
		out.AnyRemote, out.Remotes = r.AnyRemote, r.Remotes
	}
	return out
}

func route(r desired.Route) fabric.Route { return fabric.Route(r) }

func each[A, B any](list []A, convert func(A) B) []B {
	if len(list) == 0 {
		return nil
	}
	converted := make([]B, len(list))
	for i, element := range list {
		converted[i] = convert(element)
	}
	return converted
}
