package linux

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"virga/service/network/fabric"
)

// With -update the golden files are written anew; the diff of the commit then shows what changes on hosts.
var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".nft")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from its golden file (go test -update writes it):\n%s", name, got)
	}
}

func number(n int) *int { return &n }

func testPortState() fabric.Port {
	prefixes := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	return fabric.Port{
		ID: "11111111-0000-4000-8000-000000000001", NetworkID: "n", MAC: "FA:16:3E:00:01:01", PortSecurity: true, AdminUp: true,
		FixedIPs: []netip.Addr{netip.MustParseAddr("10.1.0.11"), netip.MustParseAddr("fd00::11")},
		AllowedAddressPairs: []fabric.AddressPair{
			{Prefix: netip.MustParsePrefix("10.1.0.0/28")}, {Prefix: netip.MustParsePrefix("fe80::/10")},
			{MAC: "00:00:5e:00:01:07", Prefix: netip.MustParsePrefix("10.1.0.200/32")},
		},
		Rules: []fabric.Rule{
			{ID: "1", Direction: fabric.Egress, EtherType: fabric.IPv4, AnyRemote: true},
			{ID: "2", Direction: fabric.Egress, EtherType: fabric.IPv6, AnyRemote: true},
			{ID: "3", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "tcp", PortMin: number(22), PortMax: number(22), AnyRemote: true},
			{ID: "4", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "udp", PortMin: number(5000), PortMax: number(5010), Remotes: prefixes("10.0.0.0/8", "10.2.0.0/16", "fd00::/8")},
			{ID: "5", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "icmp", PortMin: number(8), PortMax: number(0), AnyRemote: true},
			{ID: "6", Direction: fabric.Ingress, EtherType: fabric.IPv6, Protocol: "icmp", AnyRemote: true},
			{ID: "7", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "vrrp", Remotes: prefixes("10.1.0.0/24")},
			{ID: "8", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "tcp"}, // permits nobody
			{ID: "9", Direction: fabric.Ingress, EtherType: fabric.IPv4, RemoteSet: "group"},
			{ID: "10", Direction: fabric.Egress, EtherType: fabric.IPv6, Protocol: "tcp", PortMin: number(80), RemoteSet: "group"},
			{ID: "11", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "udp", Remotes: prefixes("10.3.0.1/32", "10.3.1.0/24", "10.3.3.0/24", "10.3.5.0/24", "10.3.7.0/24")},
		},
	}
}

func TestGoldenRules(t *testing.T) {
	golden(t, "base", renderBase())
	golden(t, "network", renderNetwork("n1", "vbrn1", 4096, netip.Prefix{}, false))
	golden(t, "network_host", renderNetwork("n1", "vbrn1", 0, netip.MustParsePrefix("172.24.4.1/24"), true))
	filter, err := newPortFilter(testPortState(), 7)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "port", filter.render())
	golden(t, "port_shut", filter.shut().render())
	open := testPortState()
	open.PortSecurity = false
	if filter, err = newPortFilter(open, 7); err != nil {
		t.Fatal(err)
	}
	golden(t, "port_open", filter.render())
	golden(t, "port_removal", renderPortRemoval("11111111-0000-4000-8000-000000000001", 7))
	golden(t, "router", renderRouter(testRouter()))
	members := testMembers()
	golden(t, "set", renderSet("group", members))
	golden(t, "set_change", renderSetChange("group", members[:2], []netip.Prefix{netip.MustParsePrefix("10.1.0.12/32")}))
	golden(t, "set_removal", renderSetRemoval("group"))
}

func testMembers() []netip.Prefix {
	set := fabric.AddressSet{ID: "group", Prefixes: []netip.Prefix{
		netip.MustParsePrefix("fd00::11/128"), netip.MustParsePrefix("10.1.0.11/32"), netip.MustParsePrefix("10.1.0.64/26"),
	}}
	return set.Members()
}

// A hundred ports must not leave a set each for nft to read: an ordinary port has none at all.
func TestOrdinaryPortHasNoSetsOfItsOwn(t *testing.T) {
	port := testPortState()
	port.AllowedAddressPairs = nil
	port.Rules = []fabric.Rule{
		{Direction: fabric.Egress, EtherType: fabric.IPv4, AnyRemote: true}, {Direction: fabric.Egress, EtherType: fabric.IPv6, AnyRemote: true},
		{Direction: fabric.Ingress, EtherType: fabric.IPv4, RemoteSet: "group"}, {Direction: fabric.Ingress, EtherType: fabric.IPv6, RemoteSet: "group"},
		{Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "tcp", PortMin: number(22), Remotes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	filter, err := newPortFilter(port, 7)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(filter.render()) {
		if strings.HasPrefix(line, "add rule") && strings.Contains(line, "{") {
			t.Errorf("rule has a set of its own: %s", line)
		}
	}
}

func testRouter() fabric.Router {
	return fabric.Router{
		ID: "r", AdminUp: true,
		Gateway: &fabric.RouterGateway{
			RouterInterface: fabric.RouterInterface{PortID: "9e000000-0000-4000-8000-000000000000", Addresses: []netip.Prefix{netip.MustParsePrefix("172.24.4.100/24")}},
			SNAT:            true,
		},
		FloatingIPs: []fabric.FloatingIP{
			{ID: "b", Floating: netip.MustParseAddr("172.24.4.102"), Fixed: netip.MustParseAddr("10.1.0.12")},
			{ID: "a", Floating: netip.MustParseAddr("172.24.4.101"), Fixed: netip.MustParseAddr("10.1.0.11")},
		},
	}
}

// Whatever a port carries, no text of it may leave its line: a rule's id is a user's.
func TestNothingOfAUserIsRendered(t *testing.T) {
	port := testPortState()
	port.Rules[0].ID = "x\nflush ruleset"
	filter, err := newPortFilter(port, 7)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(filter.render(), "ruleset") {
		t.Error("a rule's id is part of the rendered text")
	}
}

func TestDeviceNamesFit(t *testing.T) {
	id := "11111111-0000-4000-8000-000000000001"
	for _, prefix := range []string{prefixBridge, prefixVXLAN, prefixVLAN, prefixDHCP, prefixRouter, prefixInside} {
		if name := prefix + fabric.Short(id); len(name) > 15 {
			t.Errorf("name %s has %d bytes", name, len(name))
		}
	}
	for _, owner := range []ownership{{"network", id, "4096"}, {"port", id, ""}, {"router", id, id}} {
		if got, ok := parseAlias(owner.alias()); !ok || got != owner {
			t.Errorf("alias %q reads as %+v", owner.alias(), got)
		}
	}
	for _, foreign := range []string{"", "virga", "uplink to virga port", "virga port", "virga port a b c"} {
		if _, ok := parseAlias(foreign); ok {
			t.Errorf("alias %q reads as Virga's", foreign)
		}
	}
}
