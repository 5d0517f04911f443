//go:build e2e

package isolated_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"virga/test/isolated"
)

func TestMachinesAreApartAndJoinedByCables(t *testing.T) {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "under0"}}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(bridge) })
	if err := netlink.LinkSetUp(bridge); err != nil {
		t.Fatal(err)
	}
	var machines []*isolated.Machine
	for name, address := range map[string]string{"one": "192.0.2.1/24", "two": "192.0.2.2/24"} {
		machine, err := isolated.NewMachine(name, isolated.Options{Libvirt: name == "one"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(machine.Close)
		parsed, err := netlink.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := machine.Connect("under0", parsed); err != nil {
			t.Fatal(err)
		}
		machines = append(machines, machine)
		if out, err := machine.Output("hostname"); err != nil || strings.TrimSpace(out) != name {
			t.Errorf("machine %s is called %s %v", name, out, err)
		}
		if out, err := machine.Output("ip", "-o", "-br", "link"); err != nil || strings.Count(out, "\n") != 2 {
			t.Errorf("machine %s has %s %v", name, out, err)
		}
	}
	for _, target := range []string{"192.0.2.1", "192.0.2.2"} {
		for _, m := range machines {
			if out, err := m.Output("ping", "-c", "1", "-W", "5", target); err != nil {
				t.Errorf("%v %s", err, out)
			}
		}
	}
	if links, err := net.Interfaces(); err != nil || len(links) != 4 {
		t.Errorf("the tests' own machine has %v %v", links, err)
	}
	if err := exec.Command("test", "-S", isolated.LibvirtSocket).Run(); err != nil {
		t.Error("the tests' own libvirtd is hidden")
	}
}
