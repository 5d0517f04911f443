//go:build e2e

package isolated_test

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"virga/test/isolated"
)

func TestMain(m *testing.M) { isolated.Main(m, isolated.Options{Libvirt: true}) }

func TestTheMachineLooksIdle(t *testing.T) {
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 1 || links[0].Name != "lo" || links[0].Flags&net.FlagUp == 0 {
		t.Errorf("network interfaces are %v, want loopback alone and up", links)
	}
	for _, dir := range []string{"/run/netns", "/var/lib/libvirt/images", "/etc/libvirt/qemu/networks"} {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) != 0 {
			t.Errorf("%s holds %v", dir, entries)
		}
	}
	if os.Getppid() != 1 {
		t.Errorf("parent is %d, want the first process of a namespace of its own", os.Getppid())
	}
}

func TestLibvirtAnswers(t *testing.T) {
	conn, err := net.Dial("unix", isolated.LibvirtSocket)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestChildrenAreWaitedForAsUsual(t *testing.T) {
	if err := exec.Command("sh", "-c", "exit 3").Run(); err == nil || err.Error() != "exit status 3" {
		t.Fatalf("got %v", err)
	}
}
