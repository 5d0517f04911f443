//go:build e2e

package linux

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"

	"virga/service/network/fabric"
	"virga/service/network/fabric/suite"
	"virga/service/network/responder"
)

const (
	testNetwork = "aaaaaaaa-0000-4000-8000-00000000000a"
	testPort    = "11111111-0000-4000-8000-000000000001"
	rogueID     = "22222222-0000-4000-8000-000000000002"
	testMAC     = "fa:16:3e:00:01:01"
	rogueMAC    = "fa:16:3e:00:01:02"
)

// namesServer answers metadata requests with the server's id and the path.
type namesServer struct{}

func (namesServer) StorePassword(context.Context, string, string) (int, error) { return 200, nil }

func (namesServer) ServeMetadata(_ context.Context, serverID, path string) (int, string, []byte, error) {
	return http.StatusOK, "text/plain", []byte(serverID + " " + path), nil
}

// answered makes a network with a responder and a guest that has no address yet, and whose rules allow nothing.
func answered(t *testing.T) (*testHost, fabric.Driver, suite.Guest) {
	t.Helper()
	ctx := context.Background()
	host := newHost(t)
	driver := host.open(t)
	network := suite.TenantNetwork(testNetwork, 100, "10.1.0.0/24")
	check(t, driver.EnsureNetwork(ctx, network))
	port := suite.SecuredPort(testPort, testNetwork, testMAC, "10.1.0.11")
	guest := host.Plug(t, port, 1450, nil, netip.Addr{})
	check(t, driver.EnsurePort(ctx, port))
	r, err := responder.Start(ctx, responder.Config{
		NetworkID: testNetwork, Addresses: network.DHCPPort.Addresses, Sockets: driver, Backend: namesServer{},
		Leases: func() map[string]responder.Lease {
			return map[string]responder.Lease{testMAC: {
				Address: netip.MustParsePrefix("10.1.0.11/24"), Gateway: netip.MustParseAddr("10.1.0.1"), MTU: 1450,
				DNS: []netip.Addr{netip.MustParseAddr("9.9.9.9")}, Hostname: "web", Seconds: 3600,
			}}
		},
		Server: func(address netip.Addr) (string, bool) {
			return "server-1", address == netip.MustParseAddr("10.1.0.11")
		},
	})
	check(t, err)
	t.Cleanup(func() { check(t, r.Close()) })
	return host, driver, guest
}

// TestBusyboxAndMetadata configures a guest as the guest image does, with a rogue DHCP server and a stranger on the same network, then asks for metadata.
func TestBusyboxAndMetadata(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is needed: ", err)
	}
	host, driver, guest := answered(t)
	stopRogue := startRogue(t, host, driver)
	defer stopRogue()
	script := filepath.Join(t.TempDir(), "script")
	check(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$1 ip=$ip mask=$mask mtu=$mtu router=$router dns=$dns host=$hostname routes=$staticroutes server=$serverid\"\n"), 0o700))
	var output []byte
	check(t, guest.In(func() error {
		output, err = exec.Command(busybox, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-O", "mtu", "-O", "staticroutes", "-s", script).CombinedOutput()
		return err
	}))
	want := "bound ip=10.1.0.11 mask=24 mtu=1450 router=10.1.0.1 dns=9.9.9.9 host=web routes=169.254.169.254/32 10.1.0.2 0.0.0.0/0 10.1.0.1 server=10.1.0.2"
	if !strings.Contains(string(output), want) {
		t.Fatalf("udhcpc says:\n%s\nwant:\n%s", output, want)
	}
	check(t, guest.In(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if _, err := syncAddresses(link, []netip.Prefix{netip.MustParsePrefix("10.1.0.11/24")}); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: toIPNet(netip.PrefixFrom(fabric.MetadataAddress(), 32)), Gw: net.IP{10, 1, 0, 2}})
	}))
	conn, err := guest.Dial(fabric.MetadataAddress(), 80, suite.Patience)
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(suite.Patience)))
	fmt.Fprint(conn, "GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Instance-ID: server-2\r\nX-Forwarded-For: 10.1.0.99\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(t, err)
	if string(body) != "server-1 /openstack/latest/meta_data.json" {
		t.Errorf("metadata is %q", body)
	}
}

// startRogue makes a guest that answers every DHCP request with a lie, until stopped.
func startRogue(t *testing.T, host *testHost, driver fabric.Driver) (stop func()) {
	t.Helper()
	port := suite.SecuredPort(rogueID, testNetwork, rogueMAC, "10.1.0.12", suite.AllowOut())
	rogue := host.Plug(t, port, 1450, []netip.Prefix{netip.MustParsePrefix("10.1.0.12/24")}, netip.Addr{})
	check(t, driver.EnsurePort(context.Background(), port))
	var conn net.PacketConn
	check(t, rogue.In(func() (err error) {
		conn, err = net.ListenPacket("udp4", "0.0.0.0:67")
		return err
	}))
	heard := make(chan int, 1)
	go func() {
		count := 0
		buffer := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(buffer)
			if err != nil {
				heard <- count
				return
			}
			request, err := dhcpv4.FromBytes(buffer[:n])
			if err != nil {
				continue
			}
			count++
			lie, err := dhcpv4.NewReplyFromRequest(request, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer),
				dhcpv4.WithYourIP(net.IP{10, 1, 0, 66}), dhcpv4.WithServerIP(net.IP{10, 1, 0, 12}))
			if err == nil {
				conn.WriteTo(lie.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
			}
		}
	}()
	return func() {
		conn.Close()
		<-heard
	}
}
