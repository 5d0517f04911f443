//go:build e2e

package libvirt_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"github.com/vishvananda/netlink"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/libvirt"
	"virga/service/compute/hypervisor/suite"
	"virga/test/isolated"
)

const consoleText = "the boot sector speaks\r\n"

func TestMain(m *testing.M) {
	isolated.Main(m, isolated.Options{Libvirt: true, Commands: []string{"prlimit", "mkfs.ext4", "blkid"}})
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func open(t *testing.T, dir string) *libvirt.Driver {
	t.Helper()
	driver, err := libvirt.New(libvirt.Config{Dir: dir, Clock: systemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close() })
	return driver
}

// dial connects to libvirt past the driver, to look at what is really there.
func dial(t *testing.T) *rpc.Libvirt {
	t.Helper()
	l := rpc.NewWithDialer(dialers.NewLocal(dialers.WithSocket(isolated.LibvirtSocket)))
	if err := l.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Disconnect() })
	return l
}

func addTap(t *testing.T, name string) {
	t.Helper()
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(tap); err != nil {
		t.Fatal(err)
	}
	for _, file := range tap.Fds {
		file.Close()
	}
	t.Cleanup(func() { netlink.LinkDel(tap) })
}

func describe(t *testing.T, l *rpc.Libvirt, id string) libvirtxml.Domain {
	t.Helper()
	domain, err := l.DomainLookupByName("virga-" + id)
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.DomainGetXMLDesc(domain, 0)
	if err != nil {
		t.Fatal(err)
	}
	var described libvirtxml.Domain
	if err := xml.Unmarshal([]byte(text), &described); err != nil {
		t.Fatal(err)
	}
	return described
}

func TestSuite(t *testing.T) {
	l := dial(t)
	suite.Run(t, func(t *testing.T) suite.Host {
		dir := t.TempDir()
		return suite.Host{
			ConsoleText: consoleText,
			Real:        true,
			Open:        func(t *testing.T) hypervisor.Driver { return open(t, dir) },
			AddTap:      addTap,
			MACs: func(t *testing.T, id string) (macs []string) {
				for _, nic := range describe(t, l, id).Devices.Interfaces {
					macs = append(macs, nic.MAC.Address)
				}
				return macs
			},
			Residue: func(t *testing.T) []string {
				found, err := filepath.Glob(filepath.Join(dir, "guests", "*"))
				if err != nil {
					t.Fatal(err)
				}
				domains, _, err := l.ConnectListAllDomains(1, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, domain := range domains {
					found = append(found, domain.Name)
				}
				return found
			},
		}
	})
}

func guest(image *hypervisor.Image) hypervisor.Guest {
	return hypervisor.Guest{ID: "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c01", Name: "web", Generation: 1, VCPUs: 1, MemoryMiB: 64,
		RootGiB: 1, Image: image, Power: hypervisor.PowerRunning, StopGrace: time.Second}
}

// cache puts content into the driver's cache as an image.
func cache(t *testing.T, driver *libvirt.Driver, content []byte, format string, virtualSize int64) *hypervisor.Image {
	t.Helper()
	sum := sha512.Sum512(content)
	image := hypervisor.Image{ID: "0a4b9d52-33f1-4c0e-8a5e-1f2e3d4c5b6a", SHA512: hex.EncodeToString(sum[:]),
		SizeBytes: int64(len(content)), DiskFormat: format, VirtualSize: virtualSize}
	err := driver.EnsureImage(t.Context(), image, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &image
}

// qcow2 converts a raw disk.
func qcow2(t *testing.T, raw []byte) []byte {
	t.Helper()
	from, to := filepath.Join(t.TempDir(), "raw"), filepath.Join(t.TempDir(), "qcow2")
	if err := os.WriteFile(from, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "qcow2", from, to).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v: %s", err, output)
	}
	content, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func awaitConsole(t *testing.T, driver *libvirt.Driver, id, text string) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		log, err := driver.ConsoleLog(t.Context(), id, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(log, []byte(text)) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("console says %q", log)
		}
	}
}

func remove(t *testing.T, driver *libvirt.Driver, id string) {
	t.Helper()
	if err := driver.RemoveGuest(context.Background(), id, 1<<40); err != nil {
		t.Error(err)
	}
}

func TestGuestBootsFromQCOW2(t *testing.T) {
	driver := open(t, t.TempDir())
	disk := suite.BootDisk(consoleText)
	wanted := guest(cache(t, driver, qcow2(t, disk), "qcow2", int64(len(disk))))
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	defer remove(t, driver, wanted.ID)
	awaitConsole(t, driver, wanted.ID, consoleText)
}

// An image that slipped through inspection must not make the host open the file it names.
func TestBackingFileNamedByAnImageIsIgnored(t *testing.T) {
	driver := open(t, t.TempDir())
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, suite.BootDisk("the host's secret\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image")
	output, err := exec.Command("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", secret, path).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu-img: %v: %s", err, output)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wanted := guest(cache(t, driver, content, "qcow2", 1<<20))
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	defer remove(t, driver, wanted.ID)
	display, err := driver.OpenDisplay(t.Context(), wanted.ID)
	if err != nil {
		t.Fatal(err)
	}
	display.Close()
	for _, pid := range qemuProcesses(t) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%s/fd/*", pid))
		if err != nil || len(files) == 0 {
			t.Fatalf("files of QEMU process %s: %v", pid, err)
		}
		for _, file := range files {
			if target, _ := os.Readlink(file); target == secret {
				t.Fatalf("QEMU opened %s", secret)
			}
		}
	}
}

func qemuProcesses(t *testing.T) []string { return processes(t, "qemu-system") }

// processes returns the ids of running processes whose name begins so.
func processes(t *testing.T, prefix string) []string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, name := range names {
		if comm, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(comm), prefix) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	if len(pids) == 0 {
		t.Fatalf("no process %s… runs", prefix)
	}
	return pids
}

func TestDisplaySpeaksVNC(t *testing.T) {
	driver := open(t, t.TempDir())
	disk := suite.BootDisk(consoleText)
	wanted := guest(cache(t, driver, disk, "raw", int64(len(disk))))
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	defer remove(t, driver, wanted.ID)
	display, err := driver.OpenDisplay(t.Context(), wanted.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer display.Close()
	greeting := make([]byte, 4)
	if _, err := io.ReadFull(display, greeting); err != nil || string(greeting) != "RFB " {
		t.Fatalf("greeting is %q, %v", greeting, err)
	}
}

func TestDisksAreWhatTheGuestWasPromised(t *testing.T) {
	dir := t.TempDir()
	driver := open(t, dir)
	disk := suite.BootDisk(consoleText)
	wanted := guest(cache(t, driver, disk, "raw", int64(len(disk))))
	wanted.Power = hypervisor.PowerPrepared
	wanted.EphemeralGiB, wanted.SwapMiB, wanted.ConfigDrive = 1, 16, []byte("drive")
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	defer remove(t, driver, wanted.ID)
	at := func(name string) string { return filepath.Join(dir, "guests", wanted.ID, name) }
	for name, signs := range map[string][]string{
		"ephemeral.raw": {"LABEL=ephemeral0", "TYPE=ext4"},
		"swap.raw":      {"LABEL=swap0", "TYPE=swap"},
	} {
		output, err := exec.Command("blkid", "-p", "-o", "export", at(name)).CombinedOutput()
		for _, sign := range signs {
			if !strings.Contains(string(output), sign) {
				t.Errorf("%s: %s, %v, want %s", name, output, err, sign)
			}
		}
	}
	info, err := exec.Command("qemu-img", "info", "-f", "qcow2", "--output=json", at("root.qcow2")).CombinedOutput()
	if err != nil || !strings.Contains(string(info), `"virtual-size": 1073741824`) ||
		!strings.Contains(string(info), `"backing-filename-format": "raw"`) {
		t.Errorf("root disk: %s, %v", info, err)
	}
}

func TestCheckFindsThisHostFit(t *testing.T) {
	for _, finding := range libvirt.Check(t.Context(), libvirt.Config{Dir: t.TempDir(), Clock: systemClock{}}) {
		if finding.Level == libvirt.Fail || finding.Detail == "" {
			t.Errorf("%+v", finding)
		}
		if finding.Level == libvirt.Warn && finding.Mend == "" {
			t.Errorf("a warning without a way to mend it: %+v", finding)
		}
	}
}

func TestLibvirtsDeathIsSurvived(t *testing.T) {
	driver := open(t, t.TempDir())
	disk := suite.BootDisk(consoleText)
	wanted := guest(cache(t, driver, disk, "raw", int64(len(disk))))
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	defer remove(t, driver, wanted.ID)
	before := qemuProcesses(t)
	events, err := driver.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-events
	for _, pid := range processes(t, "libvirtd") {
		if output, err := exec.Command("kill", "-KILL", pid).CombinedOutput(); err != nil {
			t.Fatalf("kill libvirtd: %v: %s", err, output)
		}
	}
	if _, err := driver.ListGuests(t.Context()); !errors.Is(err, hypervisor.ErrUnavailable) {
		t.Fatalf("listed guests without libvirtd: %v", err)
	}
	daemon := exec.Command("/usr/sbin/libvirtd")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	go daemon.Wait()
	deadline := time.After(time.Minute)
	for resynced := false; !resynced; {
		select {
		case event := <-events:
			resynced = event.Resync
		case <-deadline:
			t.Fatal("no Resync after libvirtd came back")
		}
	}
	state, err := driver.GetGuest(t.Context(), wanted.ID)
	if err != nil || state.Power != hypervisor.Running {
		t.Fatalf("guest is %+v, %v", state, err)
	}
	if after := qemuProcesses(t); !slices.Equal(before, after) {
		t.Fatalf("QEMU processes were %q and are %q", before, after)
	}
}

// TestLibvirtsStandstillIsSurvived stops libvirtd as a disk that does not answer, or a debugger, would.
func TestLibvirtsStandstillIsSurvived(t *testing.T) {
	driver := open(t, t.TempDir())
	disk := suite.BootDisk(consoleText)
	wanted := guest(cache(t, driver, disk, "raw", int64(len(disk))))
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	defer remove(t, driver, wanted.ID)
	before := qemuProcesses(t)
	events, err := driver.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-events
	daemons := processes(t, "libvirtd")
	signal := func(name string) {
		for _, pid := range daemons {
			if output, err := exec.Command("kill", "-"+name, pid).CombinedOutput(); err != nil {
				t.Fatalf("kill -%s libvirtd: %v: %s", name, err, output)
			}
		}
	}
	signal("STOP")
	began := time.Now()
	for what, ask := range map[string]func() error{
		"a look at the guests": func() error { _, err := driver.ListGuests(t.Context()); return err },
		"facts":                func() error { _, err := driver.Facts(t.Context()); return err },
		"an order":             func() error { return driver.RebootGuest(t.Context(), wanted.ID, true) },
	} {
		if err := ask(); !errors.Is(err, hypervisor.ErrUnavailable) {
			t.Errorf("%s of a libvirtd that stands still: %v", what, err)
		}
	}
	if took := time.Since(began); took > 90*time.Second {
		t.Errorf("three calls failed after %s", took)
	}
	signal("CONT")
	deadline := time.After(time.Minute)
	for resynced := false; !resynced; {
		select {
		case event := <-events:
			resynced = event.Resync
		case <-deadline:
			t.Fatal("no Resync after libvirtd went on")
		}
	}
	state, err := driver.GetGuest(t.Context(), wanted.ID)
	if err != nil || state.Power != hypervisor.Running {
		t.Fatalf("guest is %+v, %v", state, err)
	}
	if after := qemuProcesses(t); !slices.Equal(before, after) {
		t.Fatalf("QEMU processes were %q and are %q", before, after)
	}
}
