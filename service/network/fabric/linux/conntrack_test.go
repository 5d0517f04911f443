package linux

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"virga/service/network/fabric"
)

func tuple(source, destination string, port uint16) netlink.IPTuple {
	return netlink.IPTuple{SrcIP: net.ParseIP(source).To4(), DstIP: net.ParseIP(destination).To4(), Protocol: fabric.ProtoTCP, DstPort: port}
}

func TestWhichTranslationsAreStale(t *testing.T) {
	const guest, other, fip, gateway, client = "10.1.0.11", "10.1.0.55", "172.24.4.101", "172.24.4.100", "172.24.4.1"
	withoutSNAT := testRouter()
	gatewayCopy := *withoutSNAT.Gateway
	gatewayCopy.SNAT = false
	withoutSNAT.Gateway = &gatewayCopy
	withoutGateway := fabric.Router{ID: "r", AdminUp: true}
	down := testRouter()
	down.AdminUp = false
	for name, test := range map[string]struct {
		router           fabric.Router
		forward, reverse netlink.IPTuple
		stale            bool
	}{
		"in by floating IP":          {testRouter(), tuple(client, fip, 22), tuple(guest, client, 0), false},
		"in to the former guest":     {testRouter(), tuple(client, fip, 22), tuple(other, client, 0), true},
		"in by a former floating IP": {testRouter(), tuple(client, "172.24.4.199", 22), tuple(guest, client, 0), true},
		"out by floating IP":         {testRouter(), tuple(guest, client, 22), tuple(client, fip, 0), false},
		"former guest out":           {testRouter(), tuple(other, client, 22), tuple(client, fip, 0), true},
		"out by gateway":             {testRouter(), tuple(other, client, 22), tuple(client, gateway, 0), false},
		"out by a former gateway":    {testRouter(), tuple(other, client, 22), tuple(client, "172.24.4.200", 0), true},
		"out, no more SNAT":          {withoutSNAT, tuple(other, client, 22), tuple(client, gateway, 0), true},
		"hairpin without SNAT":       {withoutSNAT, tuple(other, fip, 22), tuple(guest, gateway, 0), false},
		"between networks":           {testRouter(), tuple(guest, "10.2.0.7", 22), tuple("10.2.0.7", guest, 0), false},
		"gateway gone":               {withoutGateway, tuple(other, client, 22), tuple(client, gateway, 0), true},
		"gateway gone, inside":       {withoutGateway, tuple(guest, "10.2.0.7", 22), tuple("10.2.0.7", guest, 0), false},
		"router down":                {down, tuple(client, fip, 22), tuple(guest, client, 0), true},
	} {
		if got := staleTranslation(test.router, &netlink.ConntrackFlow{Forward: test.forward, Reverse: test.reverse}); got != test.stale {
			t.Errorf("%s: stale is %v, want %v", name, got, test.stale)
		}
	}
}

func TestWhichConnectionsAreForbidden(t *testing.T) {
	filter, err := newPortFilter(testPortState(), 7)
	if err != nil {
		t.Fatal(err)
	}
	const sent, received = ctmarkOurs | 7<<16, ctmarkOurs | 7
	for name, test := range map[string]struct {
		mark      uint32
		flow      netlink.IPTuple
		forbidden bool
	}{
		"permitted in":             {received, tuple("192.0.2.9", "10.1.0.11", 22), false},
		"not permitted in":         {received, tuple("192.0.2.9", "10.1.0.11", 23), true},
		"in to an address lost":    {received, tuple("192.0.2.9", "10.1.0.99", 22), true},
		"permitted out":            {sent, tuple("10.1.0.11", "192.0.2.9", 443), false},
		"out from an address lost": {sent, tuple("10.1.0.99", "192.0.2.9", 443), true},
		"another port's":           {ctmarkOurs | 8<<16 | 9, tuple("192.0.2.9", "10.1.0.11", 23), false},
		"other software's mark":    {7, tuple("192.0.2.9", "10.1.0.11", 23), false},
	} {
		if got := filter.forbids(&netlink.ConntrackFlow{Forward: test.flow, Mark: test.mark}); got != test.forbidden {
			t.Errorf("%s: forbidden is %v, want %v", name, got, test.forbidden)
		}
	}
	filter.members = map[string][]netip.Prefix{"group": testMembers()}
	member, other := &netlink.ConntrackFlow{Forward: tuple("10.1.0.64", "10.1.0.11", 23), Mark: received}, &netlink.ConntrackFlow{Forward: tuple("10.1.0.63", "10.1.0.11", 23), Mark: received}
	if filter.forbids(member) || !filter.forbids(other) {
		t.Errorf("a member's connection is forbidden: %v, another's: %v", filter.forbids(member), filter.forbids(other))
	}
	if !filter.shut().forbids(&netlink.ConntrackFlow{Forward: tuple("192.0.2.9", "10.1.0.11", 22), Mark: received}) {
		t.Error("a closed port keeps a connection")
	}
	nothing := testPortState()
	nothing.Rules = nil
	if filter, err = newPortFilter(nothing, 7); err != nil {
		t.Fatal(err)
	}
	if filter.forbids(&netlink.ConntrackFlow{Forward: tuple("10.1.0.11", "169.254.169.254", 80), Mark: sent}) {
		t.Error("a metadata request is cut")
	}
}
