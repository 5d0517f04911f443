//go:build e2e

package linux

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"virga/service/network/fabric"
	"virga/service/network/fabric/suite"
)

// crowd is a driver with a network and members of one security group.
type crowd struct {
	driver *Driver
	set    fabric.AddressSet
	last   fabric.Port
}

func newCrowd(t testing.TB) *crowd {
	t.Helper()
	dir := t.TempDir()
	maker, err := New(Config{NamespaceDir: dir})
	must(t, err)
	defer maker.Close()
	_, _, err = maker.ensureNamespace("host")
	must(t, err)
	t.Cleanup(func() { must(t, removeNamespaceFile(filepath.Join(dir, "host"))) })
	c := &crowd{set: fabric.AddressSet{ID: "default"}}
	c.driver, err = New(Config{HostNamespace: filepath.Join(dir, "host"), NamespaceDir: dir})
	must(t, err)
	t.Cleanup(func() { must(t, c.driver.Close()) })
	network := suite.TenantNetwork(testNetwork, 100, "10.1.0.0/16")
	network.DHCPPort = nil
	must(t, c.driver.EnsureNetwork(context.Background(), network))
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// join adds a server to the group: its address to the set, and its port, with the rules of the API's default group.
func (c *crowd) join(t testing.TB) (set, port time.Duration) {
	t.Helper()
	ctx, i := context.Background(), len(c.set.Prefixes)
	address := netip.AddrFrom4([4]byte{10, 1, byte(1 + i/200), byte(1 + i%200)})
	c.set.Prefixes = append(c.set.Prefixes, netip.PrefixFrom(address, 32))
	c.last = suite.SecuredPort(fmt.Sprintf("%08x-0000-4000-8000-000000000001", i+1), testNetwork, fmt.Sprintf("fa:16:3e:00:%02x:%02x", i/256, i%256), address.String())
	for _, family := range []fabric.EtherType{fabric.IPv4, fabric.IPv6} {
		c.last.Rules = append(c.last.Rules, fabric.Rule{Direction: fabric.Egress, EtherType: family, AnyRemote: true},
			fabric.Rule{Direction: fabric.Ingress, EtherType: family, RemoteSet: c.set.ID})
	}
	began := time.Now()
	must(t, c.driver.EnsureAddressSet(ctx, c.set))
	joined := time.Now()
	must(t, c.driver.EnsurePort(ctx, c.last))
	return joined.Sub(began), time.Since(joined)
}

// TestCostDoesNotGrowWithThePorts logs what a new server costs on a host with ever more ports of its group, and proves by counting that
// the number of nft runs stays the same.
func TestCostDoesNotGrowWithThePorts(t *testing.T) {
	c := newCrowd(t)
	for i := range 200 {
		before := c.driver.filter.generation
		set, port := c.join(t)
		if runs := c.driver.filter.generation - before; i > 0 && runs != 2 {
			t.Fatalf("server %d took %d transactions, want one for the set and one for the port", i+1, runs)
		}
		if i+1 == 1 || i+1 == 101 || i+1 == 200 {
			t.Logf("server %3d: set %s, port %s", i+1, set.Round(100*time.Microsecond), port.Round(100*time.Microsecond))
		}
	}
}

// BenchmarkEnsurePortUnchanged is what a repair costs per port when nothing differs, with 200 ports on the host.
func BenchmarkEnsurePortUnchanged(b *testing.B) {
	c := newCrowd(b)
	for range 200 {
		c.join(b)
	}
	for b.Loop() {
		must(b, c.driver.EnsurePort(context.Background(), c.last))
	}
}

// TestNumbersOfTheGoneAreSwept: what a process that was killed while it removed a port has left must not pass for the next port's.
func TestNumbersOfTheGoneAreSwept(t *testing.T) {
	ctx, host := context.Background(), newHost(t)
	driver := host.open(t).(*Driver)
	check(t, driver.EnsureNetwork(ctx, suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")))
	port := suite.SecuredPort(testPort, testNetwork, testMAC, "10.1.0.11", suite.AllowOut(), suite.AllowIn("tcp"))
	client := host.Plug(t, port, 1450, []netip.Prefix{netip.MustParsePrefix("10.1.0.11/24")}, netip.Addr{})
	check(t, driver.EnsurePort(ctx, port))
	rogue := suite.SecuredPort(rogueID, testNetwork, rogueMAC, "10.1.0.12", suite.AllowOut(), suite.AllowIn("tcp"))
	server := host.Plug(t, rogue, 1450, []netip.Prefix{netip.MustParsePrefix("10.1.0.12/24")}, netip.Addr{})
	check(t, driver.EnsurePort(ctx, rogue))
	server.EchoServer(t, 80)
	conn := client.MustDial(t, rogue.FixedIPs[0], 80)
	check(t, driver.onHost(ctx, func() error {
		return driver.commit(ctx, renderPortRemoval(rogueID, driver.filter.numbers[rogueID]))
	}))
	again := host.open(t)
	rogue.Rules = nil
	check(t, again.EnsurePort(ctx, rogue))
	if suite.Echoes(conn, suite.Silence) {
		t.Error("a connection of a port that was half removed goes on through the one that has its number now")
	}
}
