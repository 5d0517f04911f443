//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestStandingStill has a guest pause, be suspended, rescued and outlive a restart of its host.
func TestStandingStill(t *testing.T) {
	o := &outage{cloud: startCloud(t), key: newKeyPair(t)}
	o.prepare(t)
	o.bootWatcher(t)
	o.step(t, "consoles in a browser", o.consoles)
	o.step(t, "pause", o.pause)
	o.step(t, "paused past the cloud", o.pausedByVirsh)
	o.step(t, "suspend, over a restart of libvirtd", o.suspend)
	o.step(t, "diagnostics", o.diagnostics)
	o.step(t, "rescue", o.rescue)
	o.step(t, "a restart of the host", o.hostRestarts)
}

// virsh speaks to libvirtd past the cloud.
func virsh(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("virsh", append([]string{"-c", "qemu:///system"}, arguments...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("virsh %q: %v: %s", arguments, err, output)
	}
	return string(output)
}

// wentOn fails unless the guest is the one that booted at first, with its connections.
func (o *outage) wentOn(t *testing.T) {
	t.Helper()
	g := login(t, o.address, o.key)
	if boot := g.bootID(t); boot != o.boot {
		t.Error("the guest has booted anew")
	}
}

func (o *outage) pause(t *testing.T) {
	o.admin.openstack(t, "server", "pause", o.id)
	if server := o.client.awaitStatus(t, o.id, "PAUSED", bootPatience); server.PowerState != 3 {
		t.Errorf("the power state is %v", server.PowerState)
	}
	o.ticker.awaitSilence(t, "a paused guest")
	o.admin.openstack(t, "server", "unpause", o.id)
	o.client.awaitStatus(t, o.id, "ACTIVE", bootPatience)
	o.ticker.next(t)
	o.wentOn(t)
}

func (o *outage) pausedByVirsh(t *testing.T) {
	power := func(want int) {
		t.Helper()
		await(t, fmt.Sprintf("the power state is %d", want), bootPatience, func() error {
			if server := o.client.awaitStatus(t, o.id, "ACTIVE", bootPatience); int(server.PowerState) != want {
				return fmt.Errorf("it is %v", server.PowerState)
			}
			return nil
		})
	}
	virsh(t, "suspend", "virga-"+o.id)
	power(3)
	virsh(t, "resume", "virga-"+o.id)
	power(1)
	o.ticker.next(t)
}

func (o *outage) suspend(t *testing.T) {
	g := login(t, o.address, o.key)
	g.run(t, "mkdir -p /tmp/memory && mount -t tmpfs none /tmp/memory && echo kept > /tmp/memory/file")
	o.admin.openstack(t, "server", "suspend", o.id)
	if server := o.client.awaitStatus(t, o.id, "SUSPENDED", bootPatience); server.PowerState != 4 {
		t.Errorf("the power state is %v", server.PowerState)
	}
	if pid := qemuOf(o.id); pid != 0 {
		t.Errorf("process %d still runs a suspended guest", pid)
	}
	o.cloud.kill(t)
	restartLibvirtd(t)
	o.cloud.start(t)
	o.client.awaitStatus(t, o.id, "SUSPENDED", bootPatience)
	o.admin.openstack(t, "server", "resume", o.id)
	o.client.awaitStatus(t, o.id, "ACTIVE", bootPatience)
	o.wentOn(t)
	if text := login(t, o.address, o.key).run(t, "cat /tmp/memory/file"); text != "kept" {
		t.Errorf("the guest's memory holds %q", text)
	}
}

// restartLibvirtd ends the daemon as a host does that goes down, and starts it again.
func restartLibvirtd(t *testing.T) {
	t.Helper()
	for pid, arguments := range processes() {
		if strings.HasSuffix(arguments[0], "libvirtd") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	daemon := exec.Command("/usr/sbin/libvirtd")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { go daemon.Wait() }) // it serves the tests that follow, too
	await(t, "libvirtd answers", readyPatience, func() error {
		output, err := exec.Command("virsh", "-c", "qemu:///system", "version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	})
}

func (o *outage) diagnostics(t *testing.T) {
	var meters struct {
		Driver  string `json:"driver"`
		Details []struct {
			Time int64 `json:"time"`
		} `json:"cpu_details"`
		Disks []struct {
			ReadBytes int64 `json:"read_bytes"`
		} `json:"disk_details"`
		NICs []struct {
			Rx int64 `json:"rx_octets"`
		} `json:"nic_details"`
		Memory struct {
			Maximum int64 `json:"maximum"`
		} `json:"memory_details"`
	}
	if _, err := o.client.compute.Get(t.Context(), o.client.compute.ServiceURL("servers", o.id, "diagnostics"), &meters, nil); err != nil {
		t.Fatal(err)
	}
	if meters.Driver != "libvirt" || len(meters.Details) != 1 || meters.Details[0].Time == 0 || len(meters.Disks) == 0 || len(meters.NICs) != 1 ||
		meters.NICs[0].Rx == 0 || meters.Memory.Maximum != 128 {
		t.Errorf("measured %+v", meters)
	}
}

func (o *outage) rescue(t *testing.T) {
	g := login(t, o.address, o.key)
	g.run(t, "echo mine > /root/marker && sync")
	o.admin.openstack(t, "server", "rescue", "--image", o.imageID, o.id)
	o.client.awaitStatus(t, o.id, "RESCUE", bootPatience+bootPatience)
	rescued := loginAfterBoot(t, o.address, o.key, o.boot)
	if disks := rescued.run(t, "cat /proc/partitions"); !strings.Contains(disks, "vda") || !strings.Contains(disks, "vdb") {
		t.Errorf("the rescued guest has the disks %s", disks)
	}
	if out := rescued.run(t, "cat /root/marker 2>/dev/null || echo none"); out != "none" {
		t.Errorf("the rescued guest runs from its own disk: %q", out)
	}
	boot := rescued.bootID(t)
	o.admin.openstack(t, "server", "unrescue", o.id)
	o.client.awaitStatus(t, o.id, "ACTIVE", bootPatience)
	g = loginAfterBoot(t, o.address, o.key, boot)
	if out := g.run(t, "cat /root/marker"); out != "mine" {
		t.Errorf("the guest's own disk holds %q", out)
	}
	o.boot = g.bootID(t)
}

// hostRestarts has everything on the host end at once, and the cloud come back with the wish that guests go on.
func (o *outage) hostRestarts(t *testing.T) {
	o.cloud.kill(t)
	if err := syscall.Kill(qemuOf(o.id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	restartLibvirtd(t)
	o.cloud.arguments = []string{"up", "--data-dir", o.cloud.dir, "--listen", o.cloud.address, "--virt", "libvirt", "--resume-guests-state-on-host-boot"}
	o.cloud.start(t)
	g := loginAfterBoot(t, o.address, o.key, o.boot)
	o.client.awaitStatus(t, o.id, "ACTIVE", bootPatience)
	if out := g.run(t, "cat /root/marker"); out != "mine" {
		t.Errorf("the guest's disk holds %q", out)
	}
	o.admin.openstack(t, "floating", "ip", "delete", o.address)
	o.admin.openstack(t, "server", "delete", "--wait", o.id)
}
