// Package suite is the behaviour that every fabric driver has to show.
//
// It owns the tests of the contract written above fabric.Driver's verbs, and nothing of a particular driver: a driver's own test gives it a
// Factory and says by Capabilities what can be tried. Only tests import it.
package suite

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"virga/service/network/fabric"
)

// Setup is one fresh host for one test.
type Setup struct {
	Driver fabric.Driver
	// Restart closes the driver and gives a new one for the same host.
	Restart func(t *testing.T) fabric.Driver
	// World reaches the guests of drivers that carry packets; nil otherwise.
	World World
}

// Factory makes a fresh host; what it opens it closes by t.Cleanup.
type Factory func(t *testing.T) Setup

// Capabilities tells what a driver can be asked for.
type Capabilities struct {
	Packets bool // guests can talk: World is set
	Persist bool // a restarted driver finds what was there
}

// Run runs everything that the capabilities allow.
func Run(t *testing.T, factory Factory, can Capabilities) {
	state := map[string]func(*testing.T, Setup){
		"empty host":                    emptyHost,
		"ensure, repeat, list, remove":  ensureRepeatListRemove,
		"remove what is missing":        removeMissing,
		"invalid state is refused":      invalidRefused,
		"port and router need networks": networksFirst,
		"bad rule closes its port only": badRuleIsolated,
		"closed driver says so":         closedDriver,
		"address sets":                  addressSets,
		"address set in use":            addressSetInUse,
	}
	for name, test := range state {
		t.Run(name, func(t *testing.T) { test(t, factory(t)) })
	}
	if can.Persist {
		t.Run("restart adopts", func(t *testing.T) { restartAdopts(t, factory(t)) })
	}
	if can.Packets {
		runPackets(t, factory)
	} else {
		t.Run("no sockets", func(t *testing.T) { noSockets(t, factory(t)) })
	}
}

const (
	netA, netB, netX = "aaaaaaaa-0000-4000-8000-00000000000a", "bbbbbbbb-0000-4000-8000-00000000000b", "eeeeeeee-0000-4000-8000-00000000000e"
	portA, portB     = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
	portC, portD     = "33333333-0000-4000-8000-000000000003", "44444444-0000-4000-8000-000000000004"
	routerR, routerS = "77777777-0000-4000-8000-000000000007", "88888888-0000-4000-8000-000000000008"
	setS, setT       = "55555555-0000-4000-8000-000000000005", "66666666-0000-4000-8000-000000000006"
)

// TenantNetwork is a tunnelled network that stays on its host, with a DHCP port on the range's second address.
func TenantNetwork(id string, vni uint32, cidr string) fabric.Network {
	prefix := netip.MustParsePrefix(cidr)
	gateway := prefix.Addr().Next()
	return fabric.Network{
		ID: id, Kind: fabric.KindVXLAN, SegmentID: vni, MTU: 1450,
		Subnets:  []fabric.Subnet{{ID: "subnet", CIDR: prefix, Gateway: gateway, DHCP: true}},
		DHCPPort: &fabric.DHCPPort{PortID: "d" + id[1:], MAC: "fa:16:3e:00:00:" + id[:2], Addresses: []netip.Prefix{netip.PrefixFrom(gateway.Next(), prefix.Bits())}},
	}
}

// SecuredPort is a port with anti-spoofing and the given rules.
func SecuredPort(id, network, mac, address string, rules ...fabric.Rule) fabric.Port {
	return fabric.Port{
		ID: id, NetworkID: network, MAC: mac, FixedIPs: []netip.Addr{netip.MustParseAddr(address)},
		PortSecurity: true, AdminUp: true, Rules: rules,
	}
}

// AllowOut permits a guest to open IPv4 connections to anyone.
func AllowOut() fabric.Rule {
	return fabric.Rule{ID: "out", Direction: fabric.Egress, EtherType: fabric.IPv4, AnyRemote: true}
}

// AllowIn permits anyone to open IPv4 connections of a protocol to a guest.
func AllowIn(protocol string) fabric.Rule {
	return fabric.Rule{ID: "in-" + protocol, Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: protocol, AnyRemote: true}
}

func face(port, network, mac, address string) fabric.RouterInterface {
	return fabric.RouterInterface{PortID: port, NetworkID: network, MAC: mac, Addresses: []netip.Prefix{netip.MustParsePrefix(address)}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantList(t *testing.T, driver fabric.Driver, want fabric.Inventory) {
	t.Helper()
	got, err := driver.List(context.Background())
	must(t, err)
	if !slices.Equal(got.Networks, want.Networks) || !slices.Equal(got.Ports, want.Ports) || !slices.Equal(got.Routers, want.Routers) ||
		!slices.Equal(got.AddressSets, want.AddressSets) {
		t.Fatalf("inventory is %+v, want %+v", got, want)
	}
}

func emptyHost(t *testing.T, s Setup) { wantList(t, s.Driver, fabric.Inventory{}) }

// populate makes one of everything.
func populate(t *testing.T, driver fabric.Driver) fabric.Inventory {
	t.Helper()
	ctx := context.Background()
	must(t, driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, "10.1.0.0/24")))
	must(t, driver.EnsureNetwork(ctx, TenantNetwork(netB, 101, "10.2.0.0/24")))
	must(t, driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.11", "fd00::11", "10.3.0.0/24")))
	must(t, driver.EnsurePort(ctx, SecuredPort(portA, netA, "fa:16:3e:00:01:01", "10.1.0.11", AllowOut(), AllowIn("icmp"), AllowMembers(setS))))
	must(t, driver.EnsurePort(ctx, SecuredPort(portB, netB, "fa:16:3e:00:01:02", "10.2.0.11", AllowOut())))
	must(t, driver.EnsureRouter(ctx, fabric.Router{ID: routerR, AdminUp: true, Interfaces: []fabric.RouterInterface{
		face(portC, netA, "fa:16:3e:00:02:01", "10.1.0.1/24"), face(portD, netB, "fa:16:3e:00:02:02", "10.2.0.1/24"),
	}}))
	return fabric.Inventory{Networks: []string{netA, netB}, Ports: []string{portA, portB}, Routers: []string{routerR}, AddressSets: []string{setS}}
}

func clear(t *testing.T, driver fabric.Driver) {
	t.Helper()
	ctx := context.Background()
	for _, router := range []string{routerR, routerS} {
		must(t, driver.RemoveRouter(ctx, router))
	}
	for _, port := range []string{portA, portB, portC, portD} {
		must(t, driver.RemovePort(ctx, port))
	}
	for _, network := range []string{netA, netB, netX} {
		must(t, driver.RemoveNetwork(ctx, network))
	}
	for _, set := range []string{setS, setT} {
		must(t, driver.RemoveAddressSet(ctx, set))
	}
}

func ensureRepeatListRemove(t *testing.T, s Setup) {
	want := populate(t, s.Driver)
	wantList(t, s.Driver, want)
	populate(t, s.Driver)
	wantList(t, s.Driver, want)
	must(t, s.Driver.RemovePort(context.Background(), portB))
	want.Ports = []string{portA}
	wantList(t, s.Driver, want)
	clear(t, s.Driver)
	wantList(t, s.Driver, fabric.Inventory{})
}

func removeMissing(t *testing.T, s Setup) {
	clear(t, s.Driver)
	wantList(t, s.Driver, fabric.Inventory{})
}

func invalidRefused(t *testing.T, s Setup) {
	ctx := context.Background()
	network := TenantNetwork(netA, 0, "10.1.0.0/24")
	if err := s.Driver.EnsureNetwork(ctx, network); !errors.Is(err, fabric.ErrInvalid) {
		t.Errorf("VNI 0 gives %v, want ErrInvalid", err)
	}
	network = TenantNetwork("../../etc", 7, "10.1.0.0/24")
	network.ID = "../../etc"
	if err := s.Driver.EnsureNetwork(ctx, network); !errors.Is(err, fabric.ErrInvalid) {
		t.Errorf("path as id gives %v, want ErrInvalid", err)
	}
	if err := s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, "ff:ff:ff:ff:ff:ff", "10.1.0.5")); !errors.Is(err, fabric.ErrInvalid) {
		t.Errorf("broadcast MAC gives %v, want ErrInvalid", err)
	}
	if err := s.Driver.EnsureAddressSet(ctx, Members("../../etc")); !errors.Is(err, fabric.ErrInvalid) {
		t.Errorf("path as id of a set gives %v, want ErrInvalid", err)
	}
	if err := s.Driver.EnsureAddressSet(ctx, fabric.AddressSet{ID: setS, Prefixes: []netip.Prefix{{}}}); !errors.Is(err, fabric.ErrInvalid) {
		t.Errorf("empty range as member gives %v, want ErrInvalid", err)
	}
	fip := fabric.FloatingIP{ID: "f", Floating: netip.MustParseAddr("172.24.4.9"), Fixed: netip.MustParseAddr("10.1.0.5")}
	if err := s.Driver.EnsureRouter(ctx, fabric.Router{ID: routerR, FloatingIPs: []fabric.FloatingIP{fip}}); !errors.Is(err, fabric.ErrInvalid) {
		t.Errorf("floating IP without gateway gives %v, want ErrInvalid", err)
	}
	wantList(t, s.Driver, fabric.Inventory{})
}

func networksFirst(t *testing.T, s Setup) {
	ctx := context.Background()
	if err := s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, "fa:16:3e:00:01:01", "10.1.0.11")); !errors.Is(err, fabric.ErrNetworkMissing) {
		t.Errorf("port without network gives %v, want ErrNetworkMissing", err)
	}
	router := fabric.Router{ID: routerR, AdminUp: true, Interfaces: []fabric.RouterInterface{face(portC, netA, "fa:16:3e:00:02:01", "10.1.0.1/24")}}
	if err := s.Driver.EnsureRouter(ctx, router); !errors.Is(err, fabric.ErrNetworkMissing) {
		t.Errorf("router without network gives %v, want ErrNetworkMissing", err)
	}
}

func badRuleIsolated(t *testing.T, s Setup) {
	ctx := context.Background()
	populate(t, s.Driver)
	ninety := 90
	bad := SecuredPort(portC, netA, "fa:16:3e:00:01:03", "10.1.0.13", AllowOut(), fabric.Rule{ID: "bad", Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "vrrp", PortMin: &ninety, AnyRemote: true})
	var closed *fabric.PortClosedError
	if err := s.Driver.EnsurePort(ctx, bad); !errors.As(err, &closed) || closed.PortID != portC {
		t.Fatalf("port with a bad rule gives %v, want PortClosedError", err)
	}
	wantList(t, s.Driver, fabric.Inventory{
		Networks: []string{netA, netB}, Ports: []string{portA, portB, portC}, Routers: []string{routerR}, AddressSets: []string{setS},
	})
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, "fa:16:3e:00:01:01", "10.1.0.11", AllowOut())))
	bad.Rules = bad.Rules[:1]
	must(t, s.Driver.EnsurePort(ctx, bad))
	clear(t, s.Driver)
}

func restartAdopts(t *testing.T, s Setup) {
	want := populate(t, s.Driver)
	driver := s.Restart(t)
	wantList(t, driver, want)
	populate(t, driver)
	wantList(t, driver, want)
	clear(t, driver)
	wantList(t, driver, fabric.Inventory{})
}

func closedDriver(t *testing.T, s Setup) {
	must(t, s.Driver.Close())
	must(t, s.Driver.Close())
	if _, err := s.Driver.List(context.Background()); !errors.Is(err, fabric.ErrClosed) {
		t.Errorf("list after close gives %v, want ErrClosed", err)
	}
}

func noSockets(t *testing.T, s Setup) {
	ctx := context.Background()
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, "10.1.0.0/24")))
	if _, err := s.Driver.ListenDHCP(ctx, netA); !errors.Is(err, fabric.ErrNoSockets) {
		t.Errorf("listen for DHCP gives %v, want ErrNoSockets", err)
	}
	if _, err := s.Driver.ListenMetadata(ctx, netA); !errors.Is(err, fabric.ErrNoSockets) {
		t.Errorf("listen for metadata gives %v, want ErrNoSockets", err)
	}
}
