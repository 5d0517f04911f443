//go:build e2e

package libvirt_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/suite"
)

// TestEveryBusBoots starts guests with disks and CDs on each bus and controller there is.
func TestEveryBusBoots(t *testing.T) {
	driver, l := open(t, t.TempDir()), dial(t)
	disk := suite.BootDisk(consoleText)
	image := cache(t, driver, disk, "raw", int64(len(disk)))
	number := 0
	for name, test := range map[string]struct {
		hints   hypervisor.Hints
		storage hypervisor.Storage
		names   string
	}{
		"virtio":          {storage: hypervisor.Storage{DriveIsCD: true}, names: "vda vdb vdc hda"},
		"virtio, q35":     {hints: hypervisor.Hints{Machine: "q35"}, storage: hypervisor.Storage{DriveIsCD: true}, names: "vda vdb vdc sda"},
		"a disk as drive": {names: "vda vdb vdc vdd"},
		"scsi":            {hints: hypervisor.Hints{DiskBus: "scsi"}, storage: hypervisor.Storage{DriveIsCD: true}, names: "sda sdb sdc hda"},
		"scsi CD":         {hints: hypervisor.Hints{DiskBus: "scsi"}, storage: hypervisor.Storage{DriveIsCD: true, CDROMBus: "scsi"}, names: "sda sdb sdc sdd"},
		"lsilogic":        {hints: hypervisor.Hints{DiskBus: "scsi"}, storage: hypervisor.Storage{SCSIModel: "lsilogic"}, names: "sda sdb sdc sdd"},
		"lsisas1068":      {hints: hypervisor.Hints{DiskBus: "scsi"}, storage: hypervisor.Storage{SCSIModel: "lsisas1068"}, names: "sda sdb sdc sdd"},
		"lsisas1078":      {hints: hypervisor.Hints{DiskBus: "scsi"}, storage: hypervisor.Storage{SCSIModel: "lsisas1078"}, names: "sda sdb sdc sdd"},
		"vmpvscsi":        {hints: hypervisor.Hints{DiskBus: "scsi"}, storage: hypervisor.Storage{SCSIModel: "vmpvscsi"}, names: "sda sdb sdc sdd"},
		"sata":            {hints: hypervisor.Hints{DiskBus: "sata"}, storage: hypervisor.Storage{DriveIsCD: true}, names: "sda sdb sdc hda"},
		"ide":             {hints: hypervisor.Hints{DiskBus: "ide"}, storage: hypervisor.Storage{DriveIsCD: true}, names: "hda hdb hdc hdd"},
		"usb":             {hints: hypervisor.Hints{DiskBus: "usb"}, storage: hypervisor.Storage{DriveIsCD: true}, names: "sda sdb sdc hda"},
		"usb CD, q35":     {hints: hypervisor.Hints{Machine: "q35"}, storage: hypervisor.Storage{DriveIsCD: true, CDROMBus: "usb"}, names: "vda vdb vdc sda"},
		"each its own":    {hints: hypervisor.Hints{DiskBus: "sata"}, storage: hypervisor.Storage{DriveIsCD: true, RootBus: "virtio", SwapBus: "scsi"}, names: "vda sda sdb hda"},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := guest(image)
			number++
			wanted.ID = fmt.Sprintf("6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b8c%02d", number)
			wanted.Hints, wanted.Storage, wanted.EphemeralGiB, wanted.SwapMiB, wanted.ConfigDrive = test.hints, test.storage, 1, 4, []byte(strings.Repeat("drive", 1000))
			defer remove(t, driver, wanted.ID)
			if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, disk := range describe(t, l, wanted.ID).Devices.Disks {
				names = append(names, disk.Target.Dev)
			}
			if got := strings.Join(names, " "); !sameWords(got, test.names) {
				t.Errorf("the disks are %s, want %s", got, test.names)
			}
			if test.storage.SCSIModel == "" { // the firmware cannot boot from all of the others
				awaitConsole(t, driver, wanted.ID, consoleText)
			}
		})
	}
}

// sameWords compares words without their order, which libvirt changes.
func sameWords(a, b string) bool {
	left, right := map[string]bool{}, map[string]bool{}
	for word := range strings.FieldsSeq(a) {
		left[word] = true
	}
	for word := range strings.FieldsSeq(b) {
		right[word] = true
	}
	if len(left) != len(right) {
		return false
	}
	for word := range left {
		if !right[word] {
			return false
		}
	}
	return true
}

// TestLimitsReachTheHost looks at what QEMU and the kernel were told, also about an interface that came later.
func TestLimitsReachTheHost(t *testing.T) {
	driver, l := open(t, t.TempDir()), dial(t)
	disk := suite.BootDisk(consoleText)
	wanted := guest(cache(t, driver, disk, "raw", int64(len(disk))))
	wanted.Storage.Limits = hypervisor.DiskLimits{ReadBytes: hypervisor.Rate{PerSecond: 1 << 20, Burst: 2 << 20, BurstSeconds: 3},
		TotalOps: hypervisor.Rate{PerSecond: 50}}
	nic := func(tap, port, mac string) hypervisor.NIC {
		addTap(t, tap)
		return hypervisor.NIC{PortID: port, MAC: mac, Tap: tap, Inbound: hypervisor.Bandwidth{Average: 1000, Peak: 2000, Burst: 512},
			Outbound: hypervisor.Bandwidth{Average: 500}}
	}
	wanted.NICs = []hypervisor.NIC{nic("tapbound-0", "b4f7a1c2-5d6e-4f70-8192-a3b4c5d6e7f8", "fa:16:3e:00:00:01")}
	defer remove(t, driver, wanted.ID)
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	tune := describe(t, l, wanted.ID).Devices.Disks[0].IOTune
	if tune == nil || tune.ReadBytesSec != 1<<20 || tune.ReadBytesSecMax != 2<<20 || tune.ReadBytesSecMaxLength != 3 || tune.TotalIopsSec != 50 {
		t.Errorf("the disk is bounded by %+v", tune)
	}
	shown := func(argv ...string) string {
		output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return err.Error()
		}
		return string(output)
	}
	limited := func(tap string) {
		t.Helper()
		if inbound := shown("tc", "qdisc", "show", "dev", tap); !strings.Contains(inbound, "tbf 7669: root") || !strings.Contains(inbound, "rate 8192Kbit burst") ||
			!strings.Contains(inbound, "peakrate 16384Kbit") {
			t.Errorf("what goes to %s: %s", tap, inbound)
		}
		if outbound := shown("nft", "list", "table", "netdev", "virga_of_"+tap); !strings.Contains(outbound, "limit rate over 500 kbytes/second burst 500 kbytes drop") ||
			strings.Count(outbound, "limit") != 1 {
			t.Errorf("what comes from %s: %s", tap, outbound)
		}
	}
	limited("tapbound-0")
	wanted.Generation++
	wanted.NICs = append(wanted.NICs, nic("tapbound-1", "c4f7a1c2-5d6e-4f70-8192-a3b4c5d6e7f8", "fa:16:3e:00:00:02"))
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	limited("tapbound-1")
	if err := driver.RebootGuest(t.Context(), wanted.ID, true); err != nil {
		t.Fatal(err)
	}
	limited("tapbound-0")
	limited("tapbound-1")
	wanted.Generation, wanted.Power = wanted.Generation+1, hypervisor.PowerStopped
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	wanted.Generation, wanted.Power, wanted.NICs[0].Inbound, wanted.NICs[0].Outbound = wanted.Generation+1, hypervisor.PowerRunning, hypervisor.Bandwidth{}, hypervisor.Bandwidth{}
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	if left := shown("tc", "qdisc", "show", "dev", "tapbound-0"); strings.Contains(left, "7669:") {
		t.Errorf("what goes to an interface without limits: %s", left)
	}
	if left := shown("nft", "list", "tables"); strings.Contains(left, "tapbound-0") {
		t.Errorf("what comes from interfaces: %s", left)
	}
	limited("tapbound-1")
	wanted.Generation, wanted.NICs = wanted.Generation+1, wanted.NICs[:1]
	if err := driver.EnsureGuest(t.Context(), wanted); err != nil {
		t.Fatal(err)
	}
	if left := shown("nft", "list", "tables") + shown("tc", "qdisc", "show", "dev", "tapbound-1"); strings.Contains(left, "tapbound-1") || strings.Contains(left, "7669:") {
		t.Errorf("an interface that left is bounded: %s", left)
	}
}
