package suite

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"virga/service/network/fabric"
)

func runPackets(t *testing.T, factory Factory) {
	tests := map[string]func(*testing.T, Setup){
		"default deny, rule opens":             defaultDeny,
		"spoofed frames are dropped":           spoofedFramesDropped,
		"removed rule cuts open connection":    removedRuleCuts,
		"added rule cuts nothing":              addedRuleCutsNothing,
		"cut connection does not come back":    cutDoesNotInvert,
		"remote ranges":                        remoteRanges,
		"IPv6 between guests":                  ipv6Between,
		"overlapping networks do not meet":     overlappingNetworks,
		"guest does not reach the host":        guestNotToHost,
		"port security off":                    portSecurityOff,
		"administratively down":                adminDown,
		"router, translation, floating IPs":    routerPaths,
		"floating IP removed cuts":             floatingRemoved,
		"metadata by own address only":         metadataSource,
		"foreign change of filter is repaired": repairsFilter,
		"running guests survive a restart":     survivesRestart,
		"everything removed leaves no trace":   leavesNoTrace,
		"member comes and goes":                memberComesAndGoes,
		"set of destinations":                  setOfDestinations,
		"sets of overlapping networks":         setsOfOverlappingNetworks,
		"sets survive a restart":               setsSurviveRestart,
		"foreign change of sets is repaired":   repairsSets,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := factory(t)
			test(t, s)
		})
	}
}

var (
	ctx    = context.Background()
	addrA  = netip.MustParseAddr("10.1.0.11")
	addrB  = netip.MustParseAddr("10.1.0.12")
	macA   = "fa:16:3e:00:01:01"
	macB   = "fa:16:3e:00:01:02"
	macC   = "fa:16:3e:00:01:03"
	subnet = "10.1.0.0/24"
)

// plug makes a guest on a port and ensures the port.
func plug(t *testing.T, s Setup, port fabric.Port, gateway string) Guest {
	t.Helper()
	var addresses []netip.Prefix
	for _, address := range port.FixedIPs {
		addresses = append(addresses, netip.PrefixFrom(address, 24))
	}
	hop := netip.Addr{}
	if gateway != "" {
		hop = netip.MustParseAddr(gateway)
	}
	guest := s.World.Plug(t, port, 1450, addresses, hop)
	must(t, s.Driver.EnsurePort(ctx, port))
	return guest
}

// pair makes a network with two guests.
func pair(t *testing.T, s Setup, rulesA, rulesB []fabric.Rule) (a, b Guest) {
	t.Helper()
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	a = plug(t, s, SecuredPort(portA, netA, macA, "10.1.0.11", rulesA...), "")
	b = plug(t, s, SecuredPort(portB, netA, macB, "10.1.0.12", rulesB...), "")
	return a, b
}

func out() []fabric.Rule { return []fabric.Rule{AllowOut()} }

func defaultDeny(t *testing.T, s Setup) {
	a, b := pair(t, s, out(), out())
	if a.Pings(t, addrB, Silence) {
		t.Error("ping passes without an ingress rule")
	}
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowOut(), AllowIn("icmp"))))
	if !a.Pings(t, addrB, Patience) {
		t.Error("ping does not pass with an ingress rule")
	}
	if b.Pings(t, addrA, Silence) {
		t.Error("ping passes in the other direction")
	}
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11")))
	if a.Pings(t, addrB, Silence) {
		t.Error("ping passes without an egress rule")
	}
}

func remoteRanges(t *testing.T, s Setup) {
	a, b := pair(t, s, out(), nil)
	b.EchoServer(t, 80)
	eighty, ninety := 80, 90
	rule := fabric.Rule{ID: "r", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "tcp", PortMin: &eighty, PortMax: &ninety}
	for _, try := range []struct {
		remotes []netip.Prefix
		passes  bool
	}{
		{nil, false}, // a group without members is nobody
		{[]netip.Prefix{netip.MustParsePrefix("10.1.0.64/26")}, false},
		{[]netip.Prefix{netip.MustParsePrefix("10.1.0.8/29"), netip.MustParsePrefix("10.1.0.11/32"), netip.MustParsePrefix("fd00::/8")}, true},
	} {
		rule.Remotes = try.remotes
		must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", rule)))
		within := Silence
		if try.passes {
			within = Patience
		}
		conn, err := a.Dial(addrB, 80, within)
		if err == nil {
			conn.Close()
		}
		if (err == nil) != try.passes {
			t.Errorf("remotes %v: connect gives %v, want it to pass: %v", try.remotes, err, try.passes)
		}
	}
}

// spoofedFramesDropped sends what a guest must not send, then a frame that it may, and looks for what arrives.
func spoofedFramesDropped(t *testing.T, s Setup) {
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	a := plug(t, s, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut(), fabric.Rule{Direction: fabric.Egress, EtherType: fabric.IPv6, AnyRemote: true}), "")
	listener := SecuredPort(portB, netA, macB, "10.1.0.12")
	listener.PortSecurity = false
	ear := plug(t, s, listener, "").Capture(t)
	broadcast, own := netip.MustParseAddr("255.255.255.255"), linkLocalA
	all6, other6 := netip.MustParseAddr("ff02::1"), netip.MustParseAddr("fe80::bad")
	data := []byte("virga-test-spoofed")
	ra := append(routerAdvertisement(), data...)
	bad := map[string][]byte{
		"other MAC":                ethernet(everybody, macC, typeIPv4, udp4(addrA, broadcast, 5000, 5000, data)),
		"other IPv4 source":        ethernet(everybody, macA, typeIPv4, udp4(addrB, broadcast, 5000, 5000, data)),
		"other IPv6 source":        ethernet(everybody, macA, typeIPv6, icmp6(other6, all6, append([]byte{128, 0, 0, 0, 0, 0, 0, 0}, data...), nil, 0)),
		"ARP for another's":        ethernet(everybody, macA, typeARP, append(arpReply(macA, addrB), data...)),
		"ARP with other MAC":       ethernet(everybody, macA, typeARP, append(arpReply(macC, addrA), data...)),
		"VLAN tag":                 ethernet(everybody, macA, typeVLAN, append([]byte{0, 5, 8, 0}, udp4(addrA, broadcast, 5000, 5000, data)...)),
		"unknown ether type":       ethernet(everybody, macA, 0x88b5, data),
		"DHCP server":              ethernet(everybody, macA, typeIPv4, udp4(addrA, broadcast, 67, 68, data)),
		"DHCP renewal for another": ethernet(everybody, macA, typeIPv4, udp4(addrA, broadcast, 68, 67, dhcpBody(macB, data))),
		"DHCP for another":         ethernet(everybody, macA, typeIPv4, udp4(netip.IPv4Unspecified(), broadcast, 68, 67, dhcpBody(macB, data))),
		"router advertisement":     ethernet(everybody, macA, typeIPv6, icmp6(own, all6, ra, nil, 0)),
		"RA behind extension":      ethernet(everybody, macA, typeIPv6, icmp6(own, all6, ra, []byte{0, 0, 1, 4, 0, 0, 0, 0}, 60)),
		"RA in a fragment":         ethernet(everybody, macA, typeIPv6, icmp6(own, all6, ra, []byte{0, 0, 0, 1, 0, 0, 0, 7}, 44)),
		"neighbour of another":     ethernet(everybody, macA, typeIPv6, icmp6(own, all6, append(neighbourAdvertisement(other6), data...), nil, 0)),
		"DHCPv6 server as IPv4":    ethernet(everybody, macA, typeIPv4, udp4(addrA, broadcast, 547, 546, data)),
	}
	good := map[string][]byte{
		"own IPv4":      ethernet(everybody, macA, typeIPv4, udp4(addrA, broadcast, 5000, 5000, []byte("virga-test-own4"))),
		"own ARP":       ethernet(everybody, macA, typeARP, append(arpReply(macA, addrA), []byte("virga-test-ownarp")...)),
		"DHCP client":   ethernet(everybody, macA, typeIPv4, udp4(netip.IPv4Unspecified(), broadcast, 68, 67, dhcpBody(macA, []byte("virga-test-dhcp")))),
		"own neighbour": ethernet(everybody, macA, typeIPv6, icmp6(own, all6, append(neighbourAdvertisement(own), []byte("virga-test-na")...), nil, 0)),
	}
	for name, frame := range bad {
		a.SendFrame(t, frame)
		for frame := ear.Next(t, Silence/5); frame != nil; frame = ear.Next(t, Silence/5) {
			if bytes.Contains(frame, data) {
				t.Errorf("%s: frame arrived", name)
			}
		}
	}
	for name, frame := range good {
		a.SendFrame(t, frame)
		arrived := false
		for heard := ear.Next(t, Patience); heard != nil && !arrived; {
			if arrived = bytes.Contains(heard, []byte("virga-test-")); !arrived {
				heard = ear.Next(t, Patience)
			}
		}
		if !arrived {
			t.Errorf("%s: frame did not arrive", name)
		}
	}
}

var linkLocalA = netip.MustParseAddr("fe80::f816:3eff:fe00:101")

// dhcpBody is a DHCP message as far as a filter looks: the hardware address stands at byte 28 (RFC 2131 section 2).
func dhcpBody(hardware string, data []byte) []byte {
	body := make([]byte, 28, 300)
	body[0], body[1], body[2] = 1, 1, 6
	return append(append(body, mac(hardware)...), data...)
}

func removedRuleCuts(t *testing.T, s Setup) {
	a, b := pair(t, s, out(), []fabric.Rule{AllowIn("tcp")})
	b.EchoServer(t, 80)
	conn := a.MustDial(t, addrB, 80)
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowIn("icmp"))))
	if Echoes(conn, Silence) {
		t.Error("open connection goes on after its ingress rule was removed")
	}
	if other, err := a.Dial(addrB, 80, Silence); err == nil {
		other.Close()
		t.Error("new connection opens after its rule was removed")
	}
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowIn("tcp"))))
	conn = a.MustDial(t, addrB, 80)
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11", AllowIn("tcp"))))
	if Echoes(conn, Silence) {
		t.Error("open connection goes on after the sender's egress rule was removed")
	}
}

func addedRuleCutsNothing(t *testing.T, s Setup) {
	a, b := pair(t, s, out(), []fabric.Rule{AllowIn("tcp")})
	b.EchoServer(t, 80)
	conn := a.MustDial(t, addrB, 80)
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowOut(), AllowIn("icmp"), AllowIn("tcp"))))
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut(), AllowIn("icmp"))))
	if !Echoes(conn, Patience) {
		t.Error("a rule that was added cut an open connection")
	}
}

// cutDoesNotInvert: what the server sends after the cut must not count as a new connection in the other direction, although the rules would
// let it open one.
func cutDoesNotInvert(t *testing.T, s Setup) {
	a, b := pair(t, s, []fabric.Rule{AllowOut(), AllowIn("tcp")}, []fabric.Rule{AllowOut(), AllowIn("tcp")})
	client, server := connect(t, a, b, addrB, 80)
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowOut())))
	if delivers(server, client, 4*Silence) {
		t.Error("the server's next segment re-opened a cut connection")
	}
	if delivers(client, server, Silence) {
		t.Error("the client's next segment passes after the server's did")
	}
}

// ipv6Between proves that neighbour discovery passes the anti-spoofing and that rules are asked for IPv6, too.
func ipv6Between(t *testing.T, s Setup) {
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	out6 := fabric.Rule{ID: "out6", Direction: fabric.Egress, EtherType: fabric.IPv6, AnyRemote: true}
	port := func(id, mac, address string, rules ...fabric.Rule) (fabric.Port, Guest) {
		p := SecuredPort(id, netA, mac, address, rules...)
		guest := s.World.Plug(t, p, 1450, []netip.Prefix{netip.PrefixFrom(p.FixedIPs[0], 64)}, netip.Addr{})
		must(t, s.Driver.EnsurePort(ctx, p))
		return p, guest
	}
	_, a := port(portA, macA, "fd00::11", out6)
	server, b := port(portB, macB, "fd00::12", AllowIn("tcp"))
	b.EchoServer(t, 80)
	to := netip.MustParseAddr("fd00::12")
	if conn, err := a.Dial(to, 80, Silence); err == nil {
		conn.Close()
		t.Error("an IPv4 rule lets IPv6 pass")
	}
	server.Rules[0].EtherType = fabric.IPv6
	must(t, s.Driver.EnsurePort(ctx, server))
	conn := a.MustDial(t, to, 80)
	server.Rules = nil
	must(t, s.Driver.EnsurePort(ctx, server))
	if Echoes(conn, Silence) {
		t.Error("open IPv6 connection goes on after its rule was removed")
	}
}

func overlappingNetworks(t *testing.T, s Setup) {
	rules := []fabric.Rule{AllowOut(), AllowIn("icmp"), AllowIn("tcp")}
	a, b := pair(t, s, rules, rules)
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netB, 101, subnet)))
	c := plug(t, s, SecuredPort(portC, netB, macA, "10.1.0.11", rules...), "")
	d := plug(t, s, SecuredPort(portD, netB, macB, "10.1.0.12", rules...), "")
	first, second := b.EchoServer(t, 80), d.EchoServer(t, 80)
	connA := a.MustDial(t, addrB, 80)
	if len(first) != 1 || len(second) != 0 {
		t.Fatalf("connection in the first network reached %d and %d servers", len(first), len(second))
	}
	c.MustDial(t, addrB, 80)
	if len(first) != 1 || len(second) != 1 {
		t.Fatalf("connection in the second network reached %d and %d servers", len(first), len(second))
	}
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portD, netB, macB, "10.1.0.12")))
	if !Echoes(connA, Patience) {
		t.Error("closing a port cut a connection of the same addresses in another network")
	}
	if !a.Pings(t, addrB, Patience) || c.Pings(t, addrB, Silence) {
		t.Error("rules of one network took effect in the other")
	}
}

// guestNotToHost tries both directions one way each: answers may be dropped for other reasons than the question.
func guestNotToHost(t *testing.T, s Setup) {
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	must(t, s.Driver.EnsureNetwork(ctx, externalNetwork()))
	// A guest on a tenant network that pretends to be the host's neighbour, and one that is on the external network.
	open := SecuredPort(portA, netA, macA, "172.24.4.66", AllowOut())
	open.PortSecurity = false
	inside := plug(t, s, open, "")
	direct := SecuredPort(portB, netX, macB, "172.24.4.50", AllowOut(), AllowIn("icmp"))
	direct.PortSecurity = false
	outside := plug(t, s, direct, "")
	host := s.World.Host()
	heard := host.Datagrams(t, 9000)
	for _, guest := range []Guest{inside, outside} {
		guest.SendDatagram(t, hostAddr, 9000, "virga-test-from-guest")
		guest.SendDatagram(t, netip.MustParseAddr("255.255.255.255"), 9000, "virga-test-from-guest")
	}
	if heard(Silence) {
		t.Error("a guest's datagram reaches the host")
	}
	host.SendDatagram(t, hostAddr, 9000, "virga-test-own")
	if !heard(Patience) {
		t.Error("the host does not hear itself: the test proves nothing")
	}
	direct.PortSecurity = true
	must(t, s.Driver.EnsurePort(ctx, direct))
	ear := outside.Capture(t)
	host.SendDatagram(t, netip.MustParseAddr("172.24.4.50"), 9000, "virga-test-from-host")
	host.SendDatagram(t, netip.MustParseAddr("172.24.4.255"), 9000, "virga-test-from-host")
	for frame := ear.Next(t, Silence); frame != nil; frame = ear.Next(t, Silence) {
		if bytes.Contains(frame, []byte("virga-test-from-host")) {
			t.Error("the host reaches a guest past its rules")
		}
	}
}

func portSecurityOff(t *testing.T, s Setup) {
	a, b := pair(t, s, nil, nil)
	open := func(id, mac, address string) fabric.Port {
		port := SecuredPort(id, netA, mac, address)
		port.PortSecurity = false
		return port
	}
	if a.Pings(t, addrB, Silence) {
		t.Error("closed ports reach each other")
	}
	must(t, s.Driver.EnsurePort(ctx, open(portA, macA, "10.1.0.11")))
	if a.Pings(t, addrB, Silence) {
		t.Error("an open port reaches a closed one")
	}
	must(t, s.Driver.EnsurePort(ctx, open(portB, macB, "10.1.0.12")))
	if !a.Pings(t, addrB, Patience) || !b.Pings(t, addrA, Patience) {
		t.Error("open ports do not reach each other")
	}
}

func adminDown(t *testing.T, s Setup) {
	a, _ := pair(t, s, out(), []fabric.Rule{AllowIn("icmp")})
	if !a.Pings(t, addrB, Patience) {
		t.Fatal("ping does not pass")
	}
	down := SecuredPort(portB, netA, macB, "10.1.0.12", AllowIn("icmp"))
	down.AdminUp = false
	must(t, s.Driver.EnsurePort(ctx, down))
	if a.Pings(t, addrB, Silence) {
		t.Error("ping reaches a port that is down")
	}
	down.AdminUp = true
	must(t, s.Driver.EnsurePort(ctx, down))
	if !a.Pings(t, addrB, Patience) {
		t.Error("ping does not pass after the port is up again")
	}
}

func metadataSource(t *testing.T, s Setup) {
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	port := SecuredPort(portA, netA, macA, "10.1.0.11")
	port.AllowedAddressPairs = []fabric.AddressPair{{Prefix: netip.MustParsePrefix("10.1.0.0/24")}}
	addresses := []netip.Prefix{netip.MustParsePrefix("10.1.0.11/24"), netip.MustParsePrefix("10.1.0.77/24")}
	guest := s.World.Plug(t, port, 1450, addresses, netip.MustParseAddr("10.1.0.2"))
	must(t, s.Driver.EnsurePort(ctx, port))
	listener, err := s.Driver.ListenMetadata(ctx, netA)
	must(t, err)
	accepted := make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn.RemoteAddr().String()
			conn.Close()
		}
	}()
	dial := func(from string) error {
		return guest.In(func() error { return dialFrom(from, fabric.MetadataAddress().String()+":80") })
	}
	must(t, dial("10.1.0.11"))
	if from := <-accepted; !strings.HasPrefix(from, "10.1.0.11:") {
		t.Errorf("metadata request came from %s, want the port's address", from)
	}
	if err := dial("10.1.0.77"); err == nil {
		t.Error("metadata answers an address that is only allowed, not the port's own")
	}
	must(t, s.Driver.RemoveNetwork(ctx, netA))
	if _, open := <-accepted; open {
		t.Error("a connection was accepted from another address")
	}
}

func survivesRestart(t *testing.T, s Setup) {
	a, b := pair(t, s, out(), []fabric.Rule{AllowIn("tcp")})
	b.EchoServer(t, 80)
	conn := a.MustDial(t, addrB, 80)
	driver := s.Restart(t)
	if !Echoes(conn, Patience) {
		t.Error("restart of the driver cut a connection")
	}
	must(t, driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowIn("tcp"))))
	must(t, driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut())))
	if !Echoes(conn, Patience) {
		t.Error("adoption by a restarted driver cut a connection")
	}
	must(t, driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12")))
	if Echoes(conn, Silence) {
		t.Error("a restarted driver does not cut")
	}
}

func leavesNoTrace(t *testing.T, s Setup) {
	before := s.World.Snapshot(t)
	populate(t, s.Driver)
	must(t, s.Driver.EnsureNetwork(ctx, externalNetwork()))
	during := s.World.Snapshot(t)
	if len(during) < len(before)+10 {
		t.Fatalf("snapshot does not see what was made: %v", during)
	}
	clear(t, s.Driver)
	if after := s.World.Snapshot(t); !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}
