package linux

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"virga/service/network/fabric"
)

// renderRouter is the whole ruleset of a router's namespace; it replaces what was there in one step.
func renderRouter(router fabric.Router) string {
	var s script
	s.line("add table inet virga")
	s.line("delete table inet virga")
	s.line("add table inet virga")
	if !router.AdminUp {
		s.chain("inet", "forward", "type filter hook forward priority 0;", "drop")
		return s.String()
	}
	s.chain("inet", "forward", "type filter hook forward priority 0;", "ct state invalid drop")
	if router.Gateway == nil {
		return s.String()
	}
	gateway := prefixInside + fabric.Short(router.Gateway.PortID)
	s.line("add map inet virga to_fixed { type ipv4_addr : ipv4_addr; }")
	s.line("add map inet virga to_floating { type ipv4_addr : ipv4_addr; }")
	if len(router.FloatingIPs) > 0 {
		var inward, outward []string
		for _, fip := range sortedFloating(router) {
			inward = append(inward, fmt.Sprintf("%s : %s", fip.Floating, fip.Fixed))
			outward = append(outward, fmt.Sprintf("%s : %s", fip.Fixed, fip.Floating))
		}
		s.line("add element inet virga to_fixed { %s }", strings.Join(inward, ", "))
		s.line("add element inet virga to_floating { %s }", strings.Join(outward, ", "))
	}
	s.chain("inet", "prerouting", "type nat hook prerouting priority -100;",
		"dnat ip to ip daddr map @to_fixed")
	hairpin := fmt.Sprintf(`ct status dnat iifname != "%s" oifname != "%s" `, gateway, gateway)
	rules := []string{
		fmt.Sprintf(`oifname "%s" snat ip to ip saddr map @to_floating`, gateway),
		// A guest that calls a neighbour by its floating address must get the answer from that address, so it has to come back through here.
		hairpin + "snat ip to ip saddr map @to_floating",
	}
	if own, ok := gatewayAddress(router); ok {
		rules = append(rules, hairpin+"snat ip to "+own.String())
		if router.Gateway.SNAT {
			rules = append(rules, fmt.Sprintf(`meta nfproto ipv4 oifname "%s" snat ip to %s`, gateway, own))
		}
	}
	s.chain("inet", "postrouting", "type nat hook postrouting priority 100;", rules...)
	return s.String()
}

func sortedFloating(router fabric.Router) []fabric.FloatingIP {
	sorted := slices.Clone(router.FloatingIPs)
	slices.SortFunc(sorted, func(a, b fabric.FloatingIP) int { return a.Floating.Compare(b.Floating) })
	return sorted
}

// gatewayAddress is the IPv4 address behind which guests without a floating IP are hidden.
func gatewayAddress(router fabric.Router) (netip.Addr, bool) {
	for _, prefix := range router.Gateway.Addresses {
		if prefix.Addr().Is4() {
			return prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}
