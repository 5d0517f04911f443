package responder

import (
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"pgregory.net/rapid"

	"virga/service/network/fabric"
)

const guestMAC = "fa:16:3e:00:01:01"

func testLease() Lease {
	return Lease{
		Address: netip.MustParsePrefix("10.1.0.11/24"), Gateway: netip.MustParseAddr("10.1.0.1"),
		DNS: []netip.Addr{netip.MustParseAddr("9.9.9.9")}, MTU: 1450, Hostname: "web", Domain: "example.org", Seconds: 86400,
		Routes: []fabric.Route{{Destination: netip.MustParsePrefix("192.168.7.0/24"), NextHop: netip.MustParseAddr("10.1.0.9")}},
	}
}

func ownAddresses() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("10.1.0.2/24")}
}

func request(t *testing.T, kind dhcpv4.MessageType, modifiers ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	mac, err := net.ParseMAC(guestMAC)
	if err != nil {
		t.Fatal(err)
	}
	message, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(mac), dhcpv4.WithMessageType(kind)}, modifiers...)...)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func leases() map[string]Lease { return map[string]Lease{guestMAC: testLease()} }

func TestOfferTellsEverything(t *testing.T) {
	out, ok := answer(request(t, dhcpv4.MessageTypeDiscover), leases(), ownAddresses())
	if !ok {
		t.Fatal("no offer")
	}
	m := out.message
	if m.MessageType() != dhcpv4.MessageTypeOffer || m.YourIPAddr.String() != "10.1.0.11" || m.ServerIdentifier().String() != "10.1.0.2" {
		t.Errorf("offer is %s", m.Summary())
	}
	if out.to.String() != "10.1.0.11:68" || out.mac != guestMAC {
		t.Errorf("offer goes to %s (%s)", out.to, out.mac)
	}
	routes := map[string]string{}
	for _, route := range m.ClasslessStaticRoute() {
		routes[route.Dest.String()] = route.Router.String()
	}
	want := map[string]string{"169.254.169.254/32": "10.1.0.2", "192.168.7.0/24": "10.1.0.9", "0.0.0.0/0": "10.1.0.1"}
	for to, via := range want {
		if routes[to] != via {
			t.Errorf("route to %s goes via %q, want %s", to, routes[to], via)
		}
	}
	mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, m.Options)
	if err != nil || mtu != 1450 || m.HostName() != "web" || m.DomainName() != "example.org" || m.IPAddressLeaseTime(0).Hours() != 24 ||
		m.Router()[0].String() != "10.1.0.1" || m.DNS()[0].String() != "9.9.9.9" || m.SubnetMask().String() != "ffffff00" {
		t.Errorf("options are wrong: %s", m.Summary())
	}
}

func TestAnswersByKind(t *testing.T) {
	ip := func(text string) net.IP { return net.ParseIP(text).To4() }
	requested := func(text string) dhcpv4.Modifier { return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip(text))) }
	for name, test := range map[string]struct {
		request *dhcpv4.DHCPv4
		want    dhcpv4.MessageType // none: silence
		to      string
	}{
		"request":                {request(t, dhcpv4.MessageTypeRequest, requested("10.1.0.11")), dhcpv4.MessageTypeAck, "10.1.0.11:68"},
		"request with broadcast": {request(t, dhcpv4.MessageTypeRequest, requested("10.1.0.11"), dhcpv4.WithBroadcast(true)), dhcpv4.MessageTypeAck, "255.255.255.255:68"},
		"renewal":                {request(t, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.1.0.11"))), dhcpv4.MessageTypeAck, "10.1.0.11:68"},
		"wrong address":          {request(t, dhcpv4.MessageTypeRequest, requested("10.1.0.12")), dhcpv4.MessageTypeNak, "255.255.255.255:68"},
		"no address":             {request(t, dhcpv4.MessageTypeRequest), dhcpv4.MessageTypeNak, "255.255.255.255:68"},
		"other server": {request(t, dhcpv4.MessageTypeRequest, requested("10.1.0.11"),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("10.1.0.99")))), dhcpv4.MessageTypeNone, ""},
		"inform":                {request(t, dhcpv4.MessageTypeInform, dhcpv4.WithClientIP(ip("10.1.0.11"))), dhcpv4.MessageTypeAck, "10.1.0.11:68"},
		"inform from elsewhere": {request(t, dhcpv4.MessageTypeInform, dhcpv4.WithClientIP(ip("10.1.0.12"))), dhcpv4.MessageTypeNone, ""},
		"release":               {request(t, dhcpv4.MessageTypeRelease, dhcpv4.WithClientIP(ip("10.1.0.11"))), dhcpv4.MessageTypeNone, ""},
		"through a relay":       {request(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithGatewayIP(ip("10.1.0.5"))), dhcpv4.MessageTypeNone, ""},
		"stranger":              {request(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithHwAddr(net.HardwareAddr{2, 0, 0, 0, 0, 9})), dhcpv4.MessageTypeNone, ""},
	} {
		out, ok := answer(test.request, leases(), ownAddresses())
		got, to := dhcpv4.MessageTypeNone, ""
		if ok {
			got, to = out.message.MessageType(), out.to.String()
		}
		if got != test.want || to != test.to {
			t.Errorf("%s: answer is %s to %q, want %s to %q", name, got, to, test.want, test.to)
		}
	}
	inform, _ := answer(request(t, dhcpv4.MessageTypeInform, dhcpv4.WithClientIP(ip("10.1.0.11"))), leases(), ownAddresses())
	if !inform.message.YourIPAddr.IsUnspecified() || inform.message.IPAddressLeaseTime(0) != 0 {
		t.Error("answer to inform gives an address or a lease time")
	}
}

// Whatever a guest sends, the answer concerns that guest alone.
func TestAnswerToAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message, err := dhcpv4.FromBytes(rapid.SliceOfN(rapid.Byte(), 240, 600).Draw(t, "bytes"))
		if err != nil {
			message = &dhcpv4.DHCPv4{
				OpCode: dhcpv4.OpcodeType(rapid.IntRange(0, 2).Draw(t, "opcode")), HWType: 1,
				ClientHWAddr: rapid.SampledFrom([]net.HardwareAddr{{0xfa, 0x16, 0x3e, 0, 1, 1}, {2, 0, 0, 0, 0, 1}, {1}, nil}).Draw(t, "mac"),
				ClientIPAddr: rapid.SampledFrom([]net.IP{nil, {10, 1, 0, 11}, {10, 1, 0, 12}, {0, 0, 0, 0}}).Draw(t, "ciaddr"),
				Options:      dhcpv4.Options{53: rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "type"), 50: rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "requested")},
			}
		}
		out, ok := answer(message, leases(), ownAddresses())
		if !ok {
			return
		}
		if to := out.to.Addr().String(); to != "10.1.0.11" && to != "255.255.255.255" {
			t.Fatalf("answer goes to %s", to)
		}
		if message.ClientHWAddr.String() != guestMAC {
			t.Fatalf("answer for %s", message.ClientHWAddr)
		}
		out.message.ToBytes()
	})
}
