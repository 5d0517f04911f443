package suite

import (
	"net"
	"net/netip"
	"testing"

	"virga/service/network/fabric"
)

func dialFrom(from, to string) error {
	dialer := net.Dialer{Timeout: 4 * Silence, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp4", to)
	if err == nil {
		conn.Close()
	}
	return err
}

// externalNetwork is a provider network whose only other member is the host.
func externalNetwork() fabric.Network {
	return fabric.Network{
		ID: netX, Kind: fabric.KindFlat, PhysicalNetwork: "public", MTU: 1500, External: true,
		Subnets:     []fabric.Subnet{{ID: "x", CIDR: netip.MustParsePrefix("172.24.4.0/24")}},
		HostAddress: netip.MustParsePrefix("172.24.4.1/24"), HostNAT: true,
	}
}

const (
	legA, legB, legX = "9a000000-0000-4000-8000-000000000000", "9b000000-0000-4000-8000-000000000000", "9e000000-0000-4000-8000-000000000000"
)

var (
	floatingA = netip.MustParseAddr("172.24.4.101")
	floatingB = netip.MustParseAddr("172.24.4.102")
	hostAddr  = netip.MustParseAddr("172.24.4.1")
	routerIP  = netip.MustParseAddr("172.24.4.100")
	farAddr   = netip.MustParseAddr("10.2.0.21")
)

// edgeRouter joins the two tenant networks and the external one.
func edgeRouter(floating ...fabric.FloatingIP) fabric.Router {
	return fabric.Router{
		ID: routerR, AdminUp: true, FloatingIPs: floating,
		Interfaces: []fabric.RouterInterface{
			face(legA, netA, "fa:16:3e:00:02:01", "10.1.0.1/24"), face(legB, netB, "fa:16:3e:00:02:02", "10.2.0.1/24"),
		},
		Gateway: &fabric.RouterGateway{
			RouterInterface: face(legX, netX, "fa:16:3e:00:02:03", "172.24.4.100/24"),
			NextHops:        []netip.Addr{hostAddr}, SNAT: true,
		},
	}
}

func floating(address, fixed netip.Addr) fabric.FloatingIP {
	return fabric.FloatingIP{ID: "fip-" + address.String(), Floating: address, Fixed: fixed}
}

// edge makes two guests on one network and one on another, with a router between them and to the outside.
func edge(t *testing.T, s Setup, fips ...fabric.FloatingIP) (a, b, far Guest) {
	t.Helper()
	rules := []fabric.Rule{AllowOut(), AllowIn("icmp"), AllowIn("tcp")}
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netB, 101, "10.2.0.0/24")))
	must(t, s.Driver.EnsureNetwork(ctx, externalNetwork()))
	a = plug(t, s, SecuredPort(portA, netA, macA, "10.1.0.11", rules...), "10.1.0.1")
	b = plug(t, s, SecuredPort(portB, netA, macB, "10.1.0.12", rules...), "10.1.0.1")
	far = plug(t, s, SecuredPort(portC, netB, macC, "10.2.0.21", rules...), "10.2.0.1")
	must(t, s.Driver.EnsureRouter(ctx, edgeRouter(fips...)))
	return a, b, far
}

func wantSource(t *testing.T, seen <-chan netip.Addr, want netip.Addr, what string) {
	t.Helper()
	if got := <-seen; got != want {
		t.Errorf("%s: the server sees %s, want %s", what, got, want)
	}
}

func routerPaths(t *testing.T, s Setup) {
	a, b, far := edge(t, s, floating(floatingA, addrA), floating(floatingB, addrB))
	host := s.World.Host()
	atHost, atA, atB, atFar := host.EchoServer(t, 8080), a.EchoServer(t, 80), b.EchoServer(t, 80), far.EchoServer(t, 80)

	a.MustDial(t, farAddr, 80)
	wantSource(t, atFar, addrA, "between networks")
	far.MustDial(t, hostAddr, 8080)
	wantSource(t, atHost, routerIP, "outward without floating IP")
	a.MustDial(t, hostAddr, 8080)
	wantSource(t, atHost, floatingA, "outward with floating IP")
	host.MustDial(t, floatingA, 80)
	wantSource(t, atA, hostAddr, "inward to floating IP")
	a.MustDial(t, floatingB, 80)
	wantSource(t, atB, floatingA, "between floating IPs")
	far.MustDial(t, floatingB, 80)
	wantSource(t, atB, routerIP, "to floating IP without an own one")
	if !host.Pings(t, floatingB, Patience) {
		t.Error("host does not ping a floating IP")
	}

	open := far.MustDial(t, addrB, 80)
	down := edgeRouter()
	down.AdminUp = false
	must(t, s.Driver.EnsureRouter(ctx, down))
	if Echoes(open, Silence) {
		t.Error("a router that is down forwards")
	}
}

func floatingRemoved(t *testing.T, s Setup) {
	a, b, far := edge(t, s, floating(floatingA, addrA))
	a.EchoServer(t, 80)
	b.EchoServer(t, 80)
	host := s.World.Host()
	host.EchoServer(t, 8080)
	inward := host.MustDial(t, floatingA, 80)
	outward := a.MustDial(t, hostAddr, 8080)
	unrelated := far.MustDial(t, hostAddr, 8080)

	must(t, s.Driver.EnsureRouter(ctx, edgeRouter(floating(floatingA, addrB))))
	if Echoes(inward, Silence) || Echoes(outward, Silence) {
		t.Error("connection through a floating IP goes on after it moved")
	}
	if !Echoes(unrelated, Patience) {
		t.Error("moving a floating IP cut somebody else's connection")
	}
	moved := host.MustDial(t, floatingA, 80)
	must(t, s.Driver.EnsureRouter(ctx, edgeRouter()))
	if Echoes(moved, Silence) {
		t.Error("connection through a floating IP goes on after it was removed")
	}
	if conn, err := host.Dial(floatingA, 80, Silence); err == nil {
		conn.Close()
		t.Error("a removed floating IP answers")
	}
	without := edgeRouter()
	without.Gateway = nil
	must(t, s.Driver.EnsureRouter(ctx, without))
	if Echoes(unrelated, Silence) {
		t.Error("connection to the outside goes on after the gateway was removed")
	}
	if !a.Pings(t, farAddr, Patience) {
		t.Error("networks are not joined any more")
	}
}

// repairsFilter removes all filter rules, as a firewall service that starts late does.
func repairsFilter(t *testing.T, s Setup) {
	a, _ := pair(t, s, out(), out())
	must(t, s.World.FlushFilter(t))
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut())))
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowOut())))
	if a.Pings(t, addrB, Silence) {
		t.Error("port stays open after its rules were flushed by somebody else")
	}
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowIn("icmp"))))
	if !a.Pings(t, addrB, Patience) {
		t.Error("ping does not pass after the repair")
	}
}
