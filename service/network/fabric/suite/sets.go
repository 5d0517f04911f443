package suite

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"virga/service/network/fabric"
)

// Members is an address set of addresses and ranges.
func Members(id string, texts ...string) fabric.AddressSet {
	set := fabric.AddressSet{ID: id}
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address := netip.MustParseAddr(text)
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		set.Prefixes = append(set.Prefixes, prefix)
	}
	return set
}

// AllowMembers permits a set's members to open TCP connections over IPv4 to a guest.
func AllowMembers(set string) fabric.Rule {
	return fabric.Rule{ID: "in-" + set, Direction: fabric.Ingress, EtherType: fabric.IPv4, Protocol: "tcp", RemoteSet: set}
}

// addressSets come and go without ports and networks, and with a port that comes first.
func addressSets(t *testing.T, s Setup) {
	ctx := context.Background()
	for _, set := range []fabric.AddressSet{
		Members(setS), Members(setS, "10.1.0.11", "fd00::11"), Members(setT, "10.1.0.11"),
		Members(setS, "10.1.0.0/24", "10.1.0.12", "10.1.0.128/25"), Members(setS, "10.1.0.12", "10.1.0.128/25", "10.1.0.12"), Members(setS),
	} {
		must(t, s.Driver.EnsureAddressSet(ctx, set))
	}
	wantList(t, s.Driver, fabric.Inventory{AddressSets: []string{setS, setT}})
	must(t, s.Driver.RemovePort(ctx, portA))
	must(t, s.Driver.RemoveNetwork(ctx, netA))
	must(t, s.Driver.RemoveAddressSet(ctx, setS))
	must(t, s.Driver.RemoveAddressSet(ctx, setS))
	wantList(t, s.Driver, fabric.Inventory{AddressSets: []string{setT}})
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11", AllowMembers(setS))))
	wantList(t, s.Driver, fabric.Inventory{Networks: []string{netA}, Ports: []string{portA}, AddressSets: []string{setS, setT}})
	clear(t, s.Driver)
	wantList(t, s.Driver, fabric.Inventory{})
}

// addressSetInUse: a set that goes too early takes nobody's rules along, and permits nobody.
func addressSetInUse(t *testing.T, s Setup) {
	ctx := context.Background()
	want := populate(t, s.Driver)
	if err := s.Driver.RemoveAddressSet(ctx, setS); err == nil {
		t.Error("a set that a port refers to was removed")
	}
	wantList(t, s.Driver, want)
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut())))
	must(t, s.Driver.RemoveAddressSet(ctx, setS))
	want.AddressSets = nil
	wantList(t, s.Driver, want)
	clear(t, s.Driver)
	wantList(t, s.Driver, fabric.Inventory{})
}

// trio makes a network with a client and two servers whose rules refer to setS, the second of which lets everybody in besides.
func trio(t *testing.T, s Setup) (client, strict, open Guest) {
	t.Helper()
	must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
	client = plug(t, s, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut()), "")
	strict = plug(t, s, SecuredPort(portB, netA, macB, "10.1.0.12", AllowMembers(setS)), "")
	open = plug(t, s, SecuredPort(portC, netA, macC, "10.1.0.13", AllowMembers(setS), AllowIn("tcp")), "")
	strict.EchoServer(t, 80)
	open.EchoServer(t, 80)
	return client, strict, open
}

var addrC = netip.MustParseAddr("10.1.0.13")

func refused(t *testing.T, from Guest, to netip.Addr, why string) {
	t.Helper()
	if conn, err := from.Dial(to, 80, Silence); err == nil {
		conn.Close()
		t.Error(why)
	}
}

// memberComesAndGoes changes a set while ports refer to it, without touching the ports.
func memberComesAndGoes(t *testing.T, s Setup) {
	client, _, _ := trio(t, s)
	refused(t, client, addrB, "a set that was never ensured permits somebody")
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.64/26", "fd00::11")))
	refused(t, client, addrB, "a set permits who is no member")
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.64/26", "10.1.0.11", "fd00::11")))
	toStrict, toOpen := client.MustDial(t, addrB, 80), client.MustDial(t, addrC, 80)
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.11", "10.1.0.77", "10.1.0.128/25")))
	if !Echoes(toStrict, Patience) {
		t.Error("a change of other members cut a member's connection")
	}
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.8/29")))
	if !Echoes(toStrict, Patience) {
		t.Error("a range that replaces an address cut a connection of that address")
	}
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.77")))
	if Echoes(toStrict, Silence) {
		t.Error("open connection goes on after its member was taken out")
	}
	if !Echoes(toOpen, Patience) {
		t.Error("taking a member out cut a connection that another rule permits")
	}
	refused(t, client, addrB, "a member that was taken out connects")
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.11")))
	again := client.MustDial(t, addrB, 80)
	if err := s.Driver.RemoveAddressSet(ctx, setS); err == nil {
		t.Error("a set that ports refer to was removed")
	}
	if Echoes(again, Silence) {
		t.Error("open connection goes on after its set was removed")
	}
}

// setOfDestinations is the same for what a guest may open itself.
func setOfDestinations(t *testing.T, s Setup) {
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.12")))
	rule := AllowMembers(setS)
	rule.Direction = fabric.Egress
	a, b := pair(t, s, []fabric.Rule{rule}, []fabric.Rule{AllowIn("tcp")})
	b.EchoServer(t, 80)
	conn := a.MustDial(t, addrB, 80)
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.99")))
	if Echoes(conn, Silence) {
		t.Error("open connection goes on after its destination was taken out of the set")
	}
	refused(t, a, addrB, "a destination that was taken out is reached")
}

// setsOfOverlappingNetworks: equal addresses of two networks are members of different sets.
func setsOfOverlappingNetworks(t *testing.T, s Setup) {
	for i, net := range []string{netA, netB} {
		must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(net, uint32(100+i), subnet)))
	}
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.11")))
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setT, "10.1.0.11")))
	a := plug(t, s, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut()), "")
	b := plug(t, s, SecuredPort(portB, netA, macB, "10.1.0.12", AllowMembers(setS)), "")
	c := plug(t, s, SecuredPort(portC, netB, macA, "10.1.0.11", AllowOut()), "")
	d := plug(t, s, SecuredPort(portD, netB, macB, "10.1.0.12", AllowMembers(setT)), "")
	b.EchoServer(t, 80)
	d.EchoServer(t, 80)
	first, second := a.MustDial(t, addrB, 80), c.MustDial(t, addrB, 80)
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setT)))
	if !Echoes(first, Patience) {
		t.Error("emptying a set cut a connection of the same addresses in another network")
	}
	if Echoes(second, Silence) {
		t.Error("open connection goes on after its set was emptied")
	}
	refused(t, c, addrB, "an empty set permits somebody")
}

// setsSurviveRestart: a new driver finds the members and goes on from them.
func setsSurviveRestart(t *testing.T, s Setup) {
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.11", "10.1.0.64/26")))
	client, _, _ := trio(t, s)
	conn := client.MustDial(t, addrB, 80)
	before := s.World.Snapshot(t)
	s.Driver = s.Restart(t)
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.64/26", "10.1.0.11")))
	must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowMembers(setS))))
	if after := s.World.Snapshot(t); !slices.Equal(before, after) {
		t.Errorf("before the restart:\n%v\nafter:\n%v", before, after)
	}
	if !Echoes(conn, Patience) {
		t.Error("adoption by a restarted driver cut a connection")
	}
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.64/26")))
	if Echoes(conn, Silence) {
		t.Error("open connection goes on after a restarted driver took its member out")
	}
	refused(t, client, addrB, "a member that a restarted driver took out connects")
}

// repairsSets removes everything behind the driver's back; whichever verb comes first, the members are back.
func repairsSets(t *testing.T, s Setup) {
	must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.11")))
	client, _, _ := trio(t, s)
	ensure := map[string]func(){
		"set": func() { must(t, s.Driver.EnsureAddressSet(ctx, Members(setS, "10.1.0.11"))) },
		"port": func() {
			must(t, s.Driver.EnsurePort(ctx, SecuredPort(portB, netA, macB, "10.1.0.12", AllowMembers(setS))))
		},
		"rest": func() {
			must(t, s.Driver.EnsureNetwork(ctx, TenantNetwork(netA, 100, subnet)))
			must(t, s.Driver.EnsurePort(ctx, SecuredPort(portA, netA, macA, "10.1.0.11", AllowOut())))
		},
	}
	for _, order := range [][]string{{"rest", "set", "port"}, {"port", "rest"}, {"set", "port", "rest"}} {
		must(t, s.World.FlushFilter(t))
		for _, step := range order {
			ensure[step]()
		}
		client.MustDial(t, addrB, 80)
		if client.Pings(t, addrB, Silence) {
			t.Errorf("after %v the port lets everything in", order)
		}
	}
}
