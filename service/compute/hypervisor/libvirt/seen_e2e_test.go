//go:build e2e

package libvirt_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor/libvirt"
)

// dialogue is what is said on a guest's serial port.
type dialogue struct {
	port  io.ReadWriteCloser
	heard strings.Builder
}

// until reads until the guest has said a text.
func (d *dialogue) until(t *testing.T, text string) {
	t.Helper()
	buffer := make([]byte, 4096)
	for deadline := time.Now().Add(5 * time.Minute); !strings.Contains(d.heard.String(), text); {
		n, err := d.port.Read(buffer)
		d.heard.Write(buffer[:n])
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no %q (%v) in:\n%s", text, err, d.heard.String())
		}
	}
}

func (d *dialogue) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(d.port, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// TestGuestSeesItsProcessors logs in to a guest that is to have one socket of two cores in one NUMA node, where without
// a wish it would have two sockets.
func TestGuestSeesItsProcessors(t *testing.T) {
	path := os.Getenv("VIRGA_GUEST_IMAGE")
	if path == "" {
		t.Skip("VIRGA_GUEST_IMAGE names no image")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	driver := openWith(t, t.TempDir(), libvirt.CPUConfig{Dedicated: cpus.Of(1), Shared: cpus.Of(0)})
	g := pinned("6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c15")
	g.Image = cache(t, driver, content, "qcow2", 1<<30)
	g.VCPUs, g.MemoryMiB, g.RootGiB = 2, 256, 2
	g.CPUs = &cpus.Wish{VCPUs: 2, Topology: cpus.Topology{Sockets: 1, Cores: 2, Threads: 1}, Policy: cpus.Mixed,
		Cells: []cpus.Cell{{CPUs: cpus.Of(0, 1), Dedicated: cpus.Of(1), MemoryMiB: 256}}}
	if err := driver.EnsureGuest(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	defer remove(t, driver, g.ID)
	port, err := driver.OpenSerial(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	d := &dialogue{port: port}
	d.until(t, "login:")
	d.say(t, "virga")
	d.until(t, "assword:")
	d.say(t, "virga")
	d.say(t, `set -- $(grep -e '^siblings' -e '^cpu cores' -e '^physical id' /proc/cpuinfo | tr -dc '0-9\n'); echo sees $* in $(cat /sys/devices/system/node/node0/cpulist); echo d''one`)
	d.until(t, "done")
	if heard := d.heard.String(); !strings.Contains(heard, "sees 0 2 2 0 2 2 in 0-1") {
		t.Errorf("socket, siblings and cores of each processor, and those of the node:\n%s", heard[max(0, len(heard)-600):])
	}
}
