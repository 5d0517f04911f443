//go:build e2e

package linux

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"virga/service/network/fabric"
	"virga/service/network/fabric/suite"
)

// TestTwoHosts joins two machines by a cable; a network spans them by VXLAN, and each keeps the rules of its own ports.
func TestTwoHosts(t *testing.T) {
	ctx := context.Background()
	left, right := newHost(t), newHost(t)
	check(t, inNamespace(left.fd, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "cable"}, PeerName: "cable", PeerNamespace: netlink.NsFd(right.fd)})
	}))
	vteps := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	var guests []suite.Guest
	var drivers []fabric.Driver
	ports := []fabric.Port{
		suite.SecuredPort(testPort, testNetwork, testMAC, "10.1.0.11", suite.AllowOut()),
		suite.SecuredPort(rogueID, testNetwork, rogueMAC, "10.1.0.12", suite.AllowIn("icmp")),
	}
	for i, host := range []*testHost{left, right} {
		check(t, inNamespace(host.fd, func() error {
			link, err := netlink.LinkByName("cable")
			if err != nil {
				return err
			}
			if _, err := syncAddresses(link, []netip.Prefix{netip.PrefixFrom(vteps[i], 24)}); err != nil {
				return err
			}
			return netlink.LinkSetUp(link)
		}))
		network := suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")
		network.DHCPPort = nil
		network.LocalVTEP, network.Peers = vteps[i], []netip.Addr{vteps[1-i]}
		driver := host.open(t)
		check(t, driver.EnsureNetwork(ctx, network))
		check(t, driver.EnsureNetwork(ctx, network))
		guests = append(guests, host.Plug(t, ports[i], 1450, []netip.Prefix{netip.PrefixFrom(ports[i].FixedIPs[0], 24)}, netip.Addr{}))
		check(t, driver.EnsurePort(ctx, ports[i]))
		drivers = append(drivers, driver)
	}
	if !guests[0].Pings(t, ports[1].FixedIPs[0], suite.Patience) {
		t.Error("ping does not pass between hosts")
	}
	if guests[1].Pings(t, ports[0].FixedIPs[0], suite.Silence) {
		t.Error("ping passes against the rules")
	}
	alone := suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")
	alone.DHCPPort, alone.LocalVTEP = nil, vteps[0]
	check(t, drivers[0].EnsureNetwork(ctx, alone))
	if guests[0].Pings(t, ports[1].FixedIPs[0], suite.Silence) && floods(t, left) {
		t.Error("a peer that is gone is still flooded to")
	}
}

// floods tells whether the tunnel still has a flood entry.
func floods(t *testing.T, host *testHost) bool {
	t.Helper()
	found := false
	check(t, inNamespace(host.fd, func() error {
		link, err := netlink.LinkByName(prefixVXLAN + fabric.Short(testNetwork))
		if err != nil {
			return err
		}
		entries, err := netlink.NeighList(link.Attrs().Index, 7)
		for _, entry := range entries {
			found = found || entry.HardwareAddr.String() == "00:00:00:00:00:00" && entry.IP != nil
		}
		return err
	}))
	return found
}

// TestQEMUOpensTheTap starts a machine without disk on a port's tap, as libvirt does for <target managed="no">.
func TestQEMUOpensTheTap(t *testing.T) {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Fatal("qemu-system-x86_64 is needed: ", err)
	}
	ctx := context.Background()
	host := newHost(t)
	driver := host.open(t)
	network := suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")
	check(t, driver.EnsureNetwork(ctx, network))
	check(t, driver.EnsurePort(ctx, suite.SecuredPort(testPort, testNetwork, testMAC, "10.1.0.11")))
	check(t, inNamespace(host.fd, func() error {
		command := exec.Command(qemu, "-machine", "q35", "-m", "32", "-display", "none", "-nodefaults", "-S", "-monitor", "stdio",
			"-netdev", "tap,id=n,ifname="+fabric.TapName(testPort)+",script=no,downscript=no", "-device", "virtio-net-pci,netdev=n,mac="+testMAC)
		command.Stdin = strings.NewReader("info network\nquit\n")
		output, err := command.CombinedOutput()
		if err != nil || !strings.Contains(string(output), "ifname="+fabric.TapName(testPort)) {
			t.Errorf("QEMU says: %s (%v)", output, err)
		}
		return nil
	}))
	check(t, inNamespace(host.fd, func() error {
		link, err := netlink.LinkByName(fabric.TapName(testPort))
		if err == nil && (link.Attrs().MTU != 1450 || link.Attrs().MasterIndex == 0) {
			t.Errorf("tap has MTU %d and master %d after QEMU ended", link.Attrs().MTU, link.Attrs().MasterIndex)
		}
		return err
	}))
}

// TestHostHasNoIPv6OnGuestDevices: every guest can compute the link-local address that the host would have.
func TestHostHasNoIPv6OnGuestDevices(t *testing.T) {
	ctx := context.Background()
	host := newHost(t)
	driver := host.open(t)
	check(t, driver.EnsureNetwork(ctx, suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")))
	check(t, driver.EnsurePort(ctx, suite.SecuredPort(testPort, testNetwork, testMAC, "10.1.0.11")))
	seen := 0
	check(t, inNamespace(host.fd, func() error {
		links, err := ownedLinks()
		for _, link := range links {
			seen++
			addresses, err := netlink.AddrList(link, netlink.FAMILY_V6)
			if err != nil || len(addresses) > 0 {
				t.Errorf("device %s has %v (%v)", link.Attrs().Name, addresses, err)
			}
		}
		return err
	}))
	if seen != 3 {
		t.Errorf("saw %d devices, want bridge, DHCP port and tap", seen)
	}
}

func TestForeignDevicesAreLeftAlone(t *testing.T) {
	ctx := context.Background()
	host := newHost(t)
	driver := host.open(t)
	check(t, inNamespace(host.fd, func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName(testNetwork)}})
	}))
	check(t, os.WriteFile(filepath.Join(host.dir, "netns", "other"), nil, 0o600))
	before := host.Snapshot(t)
	if err := driver.EnsureNetwork(ctx, suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")); err == nil {
		t.Error("a foreign bridge was taken over")
	}
	check(t, driver.RemoveNetwork(ctx, testNetwork))
	inventory, err := driver.List(ctx)
	check(t, err)
	if len(inventory.Networks) != 0 || strings.Join(before, "\n") != strings.Join(host.Snapshot(t), "\n") {
		t.Errorf("inventory is %+v, host has %v", inventory, host.Snapshot(t))
	}
}

// TestClosedWithoutBridgeFilter turns br_netfilter off behind the driver's back: nobody judges, so nothing may pass.
func TestClosedWithoutBridgeFilter(t *testing.T) {
	ctx := context.Background()
	host := newHost(t)
	driver := host.open(t)
	network := suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")
	check(t, driver.EnsureNetwork(ctx, network))
	var guests []suite.Guest
	for _, port := range []fabric.Port{
		suite.SecuredPort(testPort, testNetwork, testMAC, "10.1.0.11", suite.AllowOut()),
		suite.SecuredPort(rogueID, testNetwork, rogueMAC, "10.1.0.12", suite.AllowIn("icmp")),
	} {
		guests = append(guests, host.Plug(t, port, 1450, []netip.Prefix{netip.PrefixFrom(port.FixedIPs[0], 24)}, netip.Addr{}))
		check(t, driver.EnsurePort(ctx, port))
	}
	target := netip.MustParseAddr("10.1.0.12")
	if !guests[0].Pings(t, target, suite.Patience) {
		t.Fatal("ping does not pass")
	}
	check(t, inNamespace(host.fd, func() error {
		bridge, err := netlink.LinkByName(bridgeName(testNetwork))
		if err != nil {
			return err
		}
		return setBridgeFilter(bridge, false)
	}))
	if guests[0].Pings(t, target, suite.Silence) {
		t.Error("packets pass although nobody judges them")
	}
	check(t, driver.EnsureNetwork(ctx, network))
	if !guests[0].Pings(t, target, suite.Patience) {
		t.Error("ping does not pass after the repair")
	}
}

// TestOutThroughTheHost follows a guest's connection through its router and the host's own NAT to a machine outside.
func TestOutThroughTheHost(t *testing.T) {
	ctx := context.Background()
	host := newHost(t)
	driver := host.open(t)
	_, outsideFD := makeNamespace(t, filepath.Join(host.dir, "outside"))
	outside := suite.Guest{Device: "cable", In: func(fn func() error) error { return inNamespace(outsideFD, fn) }}
	check(t, inNamespace(host.fd, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "cable"}, PeerName: "cable", PeerNamespace: netlink.NsFd(outsideFD)})
	}))
	for fd, address := range map[int]string{host.fd: "192.0.2.1/24", outsideFD: "192.0.2.2/24"} {
		check(t, inNamespace(fd, func() error {
			link, err := netlink.LinkByName("cable")
			if err != nil {
				return err
			}
			if _, err := syncAddresses(link, []netip.Prefix{netip.MustParsePrefix(address)}); err != nil {
				return err
			}
			return netlink.LinkSetUp(link)
		}))
	}
	const external, gatewayPort, insidePort = "eeeeeeee-0000-4000-8000-00000000000e", "9e000000-0000-4000-8000-000000000000", "9a000000-0000-4000-8000-000000000000"
	check(t, driver.EnsureNetwork(ctx, suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")))
	check(t, driver.EnsureNetwork(ctx, fabric.Network{ID: external, Kind: fabric.KindFlat, MTU: 1500, External: true, HostAddress: netip.MustParsePrefix("172.24.4.1/24"), HostNAT: true}))
	port := suite.SecuredPort(testPort, testNetwork, testMAC, "10.1.0.11", suite.AllowOut())
	guest := host.Plug(t, port, 1450, []netip.Prefix{netip.MustParsePrefix("10.1.0.11/24")}, netip.MustParseAddr("10.1.0.1"))
	check(t, driver.EnsurePort(ctx, port))
	check(t, driver.EnsureRouter(ctx, fabric.Router{
		ID: "77777777-0000-4000-8000-000000000007", AdminUp: true,
		Interfaces: []fabric.RouterInterface{{PortID: insidePort, NetworkID: testNetwork, MAC: "fa:16:3e:00:02:01", Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}}},
		Gateway: &fabric.RouterGateway{
			RouterInterface: fabric.RouterInterface{PortID: gatewayPort, NetworkID: external, MAC: "fa:16:3e:00:02:03", Addresses: []netip.Prefix{netip.MustParsePrefix("172.24.4.100/24")}},
			NextHops:        []netip.Addr{netip.MustParseAddr("172.24.4.1")}, SNAT: true,
		},
	}))
	seen := outside.EchoServer(t, 80)
	guest.MustDial(t, netip.MustParseAddr("192.0.2.2"), 80)
	if from := <-seen; from != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("the machine outside sees %s, want the host's address", from)
	}
}
