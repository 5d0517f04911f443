//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"virga/service/compute/hypervisor/suite"
)

// TestDisksOfServers has a guest with a kernel of its own, ephemeral disks, swap and limits, and one that boots from a CD.
func TestDisksOfServers(t *testing.T) {
	h := &hardware{outage: outage{cloud: startCloud(t), key: newKeyPair(t)}}
	h.prepare(t)
	empty := h.cloud.stable(t, h.client)
	h.step(t, "a kernel and a ramdisk", h.kernel)
	h.step(t, "a server with disks of all sorts", h.boot)
	h.step(t, "limits", h.limits)
	h.step(t, "a hard reboot keeps them", h.reboot)
	h.step(t, "a rebuild keeps the ephemeral disks", h.rebuild)
	h.step(t, "a resize lifts the limits", h.resize)
	h.step(t, "a CD", h.cd)
	h.step(t, "nothing is left", func(t *testing.T) {
		h.admin.openstack(t, "floating", "ip", "delete", h.address)
		h.admin.openstack(t, "server", "delete", "--wait", h.id)
		for _, image := range h.images {
			h.admin.openstack(t, "image", "delete", image)
		}
		h.admin.openstack(t, "flavor", "delete", "e2e.limited", "e2e.free")
		h.cloud.mustBe(t, h.client, empty)
	})
}

// hardware is a server of which the disks are looked at.
type hardware struct {
	outage
	images []string
	// read is how long the guest took to read when it was limited.
	read time.Duration
}

const (
	// diskLimit is in bytes, netLimit in KiB in a second; each is tried with eight times as much.
	diskLimit = 2 << 20
	netLimit  = 500
	times     = 8
	// atLeast is how long that takes, but for what may go at once.
	atLeast = (times - 3) * time.Second
)

// kernel takes kernel and ramdisk out of the guest's image, and has an image that starts from them.
func (h *hardware) kernel(t *testing.T) {
	folder := t.TempDir()
	raw := filepath.Join(folder, "raw")
	for _, argv := range [][]string{
		{"qemu-img", "convert", "-O", "raw", os.Getenv(guestImageVariable), raw},
		{"mcopy", "-n", "-i", raw + "@@1M", "::vmlinuz", "::initrd.img", folder},
	} {
		if output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", argv, err, output)
		}
	}
	a := h.admin
	kernel := a.id(t, "image", "create", "kernel", "--disk-format", "aki", "--container-format", "aki", "--file", filepath.Join(folder, "vmlinuz"))
	ramdisk := a.id(t, "image", "create", "ramdisk", "--disk-format", "ari", "--container-format", "ari", "--file", filepath.Join(folder, "initrd.img"))
	h.imageID = a.id(t, "image", "create", "direct", "--disk-format", "qcow2", "--container-format", "bare", "--file", os.Getenv(guestImageVariable),
		"--property", "kernel_id="+kernel, "--property", "ramdisk_id="+ramdisk)
	line := "os_command_line=console=ttyS0 quiet panic=10 random.trust_cpu=on no_timer_check virga.direct=1"
	if _, err := a.alone(t.Context(), "image", "set", "--property", line, h.imageID); err != nil { // for its blanks
		t.Fatal(err)
	}
	h.images = append(h.images, kernel, ramdisk, h.imageID)
	a.openstack(t, "flavor", "create", "--ram", "192", "--disk", "1", "--ephemeral", "3", "--swap", "64", "--vcpus", "1", "e2e.limited",
		"--property", fmt.Sprintf("quota:disk_read_bytes_sec=%d", diskLimit), "--property", fmt.Sprintf("quota:vif_inbound_average=%d", netLimit),
		"--property", fmt.Sprintf("quota:vif_outbound_average=%d", netLimit))
	a.openstack(t, "flavor", "create", "--ram", "192", "--disk", "1", "--ephemeral", "3", "--swap", "64", "--vcpus", "1", "e2e.free")
}

func (h *hardware) boot(t *testing.T) {
	drive := true
	blank := func(size int, format string) servers.BlockDevice {
		return servers.BlockDevice{SourceType: servers.SourceBlank, DestinationType: servers.DestinationLocal, VolumeSize: size, GuestFormat: format, BootIndex: -1}
	}
	server := must[*servers.Server](t)(servers.Create(t.Context(), h.client.compute, keypairs.CreateOptsExt{KeyName: "e2e", CreateOptsBuilder: servers.CreateOpts{
		Name: "disks", ImageRef: h.imageID, FlavorRef: h.admin.id(t, "flavor", "show", "e2e.limited"), Networks: []servers.Network{{UUID: h.private}}, ConfigDrive: &drive,
		BlockDevice: []servers.BlockDevice{{SourceType: servers.SourceImage, DestinationType: servers.DestinationLocal, UUID: h.imageID},
			blank(1, ""), blank(2, "vfat"), blank(32, "swap")}}}, nil).Extract())
	h.id = server.ID
	h.client.awaitStatus(t, h.id, "ACTIVE", bootPatience)
	port := h.admin.value(t, "ID", "port", "list", "--server", h.id)
	public := must[string](t)(networkID(t.Context(), h.client, "public"))
	h.address = must[*floatingips.FloatingIP](t)(floatingips.Create(t.Context(), h.client.network,
		floatingips.CreateOpts{FloatingNetworkID: public, PortID: port}).Extract()).FloatingIP
	g := login(t, h.address, h.key)
	h.outage.boot = g.bootID(t)
	if line := g.run(t, "cat /proc/cmdline"); !strings.Contains(line, "virga.direct=1") {
		t.Errorf("the kernel was started with %q", line)
	}
	for device, sign := range map[string]struct {
		at   int
		text string
	}{"vdb": {1024 + 0x78, "ephemeral0"}, "vdc": {0x47, "EPHEMERAL1"}, "vdd": {4096 - 10, "SWAPSPACE2"}, "sr0": {32768 + 40, "config-2"}} {
		shown := g.run(t, fmt.Sprintf("dd if=/dev/%s bs=1 skip=%d count=%d 2> /dev/null", device, sign.at, len(sign.text)))
		if !strings.EqualFold(shown, sign.text) {
			t.Errorf("%s is labelled %q, and not %s", device, shown, sign.text)
		}
	}
	if sizes := g.run(t, "cat /sys/block/vda/size /sys/block/vdb/size /sys/block/vdc/size /sys/block/vdd/size"); sizes != "2097152\n2097152\n4194304\n65536" {
		t.Errorf("the disks have these sectors: %q", sizes)
	}
	g.run(t, "swapon /dev/vdd && mkdir -p /tmp/e && mount /dev/vdb /tmp/e && echo kept > /tmp/e/file && umount /tmp/e && sync")
}

// measure times what eight seconds' worth of a limit takes.
func (h *hardware) measure(t *testing.T) (read, sent, got time.Duration) {
	t.Helper()
	g := login(t, h.address, h.key)
	timed := func(do func()) time.Duration {
		began := time.Now()
		do()
		return time.Since(began)
	}
	read = timed(func() {
		g.run(t, fmt.Sprintf("echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vdc of=/dev/null bs=1M skip=64 count=%d 2> /dev/null", times*diskLimit>>20))
	})
	sent = timed(func() { g.run(t, fmt.Sprintf("head -c %d /dev/zero", times*netLimit<<10)) })
	got = timed(func() { g.put(t, "/dev/null", make([]byte, times*netLimit<<10)) })
	t.Logf("%d MiB were read in %s, %d KiB sent in %s, got in %s", times*diskLimit>>20, read, times*netLimit, sent, got)
	return read, sent, got
}

func (h *hardware) limits(t *testing.T) {
	read, sent, got := h.measure(t)
	h.read = read
	for what, took := range map[string]time.Duration{"read": read, "sent": sent, "got": got} {
		if took < atLeast {
			t.Errorf("%s was done in %s, and is to take %s at least", what, took, atLeast)
		}
	}
}

func (h *hardware) reboot(t *testing.T) {
	h.admin.openstack(t, "server", "reboot", "--hard", "--wait", h.id)
	g := loginAfterBoot(t, h.address, h.key, h.outage.boot)
	h.outage.boot = g.bootID(t)
	if tune := virsh(t, "blkdeviotune", "virga-"+h.id, "vdc"); !strings.Contains(tune, fmt.Sprintf("read_bytes_sec : %d", diskLimit)) {
		t.Errorf("the disk is bounded by %s", tune)
	}
	began := time.Now()
	g.run(t, fmt.Sprintf("head -c %d /dev/zero", times*netLimit<<10))
	if took := time.Since(began); took < atLeast {
		t.Errorf("it sent all in %s", took)
	}
}

func (h *hardware) rebuild(t *testing.T) {
	yes := true
	must[*servers.Server](t)(servers.Rebuild(t.Context(), h.client.compute, h.id, preserving{servers.RebuildOpts{ImageRef: h.imageID}, yes}).Extract())
	g := loginAfterBoot(t, h.address, h.key, h.outage.boot)
	h.client.awaitStatus(t, h.id, "ACTIVE", bootPatience)
	h.outage.boot = g.bootID(t)
	h.kept(t, g)
}

// preserving is a rebuild that keeps the ephemeral disks.
type preserving struct {
	servers.RebuildOpts
	preserve bool
}

// ToServerRebuildMap implements servers.RebuildOptsBuilder.
func (p preserving) ToServerRebuildMap() (map[string]any, error) {
	body, err := p.RebuildOpts.ToServerRebuildMap()
	if err == nil {
		body["rebuild"].(map[string]any)["preserve_ephemeral"] = p.preserve
	}
	return body, err
}

// kept looks for what was written to the first ephemeral disk.
func (h *hardware) kept(t *testing.T, g *guest) {
	t.Helper()
	if text := g.run(t, "mkdir -p /tmp/e && mount /dev/vdb /tmp/e && cat /tmp/e/file && umount /tmp/e"); text != "kept" {
		t.Errorf("the ephemeral disk holds %q", text)
	}
}

func (h *hardware) resize(t *testing.T) {
	h.admin.openstack(t, "server", "resize", "--flavor", "e2e.free", "--wait", h.id)
	h.admin.openstack(t, "server", "resize", "confirm", h.id)
	g := loginAfterBoot(t, h.address, h.key, h.outage.boot)
	h.client.awaitStatus(t, h.id, "ACTIVE", bootPatience)
	h.kept(t, g)
	read, _, _ := h.measure(t) // an emulated guest on a busy machine may be no faster than the limits of its interface
	if read > h.read/2 {
		t.Errorf("without limits it read all in %s, and with them in %s", read, h.read)
	}
	tap := "tap" + h.admin.value(t, "ID", "port", "list", "--server", h.id)[:11]
	for _, argv := range [][]string{{"tc", "qdisc", "show", "dev", tap}, {"nft", "list", "tables"}} {
		output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil || strings.Contains(string(output), "7669:") || strings.Contains(string(output), tap) {
			t.Errorf("%q: %s, %v", argv, output, err)
		}
	}
}

// cd boots a server from an image that is a CD, with an empty root disk beside it.
func (h *hardware) cd(t *testing.T) {
	const text = "the CD speaks\r\n"
	file := filepath.Join(t.TempDir(), "cd.iso")
	if err := os.WriteFile(file, suite.BootCD(text), 0o600); err != nil {
		t.Fatal(err)
	}
	image := h.admin.id(t, "image", "create", "cd", "--disk-format", "iso", "--container-format", "bare", "--file", file)
	h.images = append(h.images, image)
	server := must[*servers.Server](t)(servers.Create(t.Context(), h.client.compute, servers.CreateOpts{Name: "cd", ImageRef: image, FlavorRef: h.flavorID,
		Networks: []servers.Network{{UUID: h.private}}}, nil).Extract())
	h.client.awaitStatus(t, server.ID, "ACTIVE", bootPatience)
	await(t, "the CD boots", bootPatience, func() error {
		if log := h.admin.openstack(t, "console", "log", "show", server.ID); !strings.Contains(log, "the CD speaks") {
			return fmt.Errorf("the console says %q", log)
		}
		return nil
	})
	if disks := virsh(t, "domblklist", "virga-"+server.ID); !strings.Contains(disks, "hda") || !strings.Contains(disks, "/root.qcow2") {
		t.Errorf("the disks are %s", disks)
	}
	h.admin.openstack(t, "server", "delete", "--wait", server.ID)
}
