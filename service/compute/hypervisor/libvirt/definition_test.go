package libvirt

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	guestID = "6f1d7c3e-0b5a-4e64-9d0e-8a4d2a5b7c01"
	imageID = "0a4b9d52-33f1-4c0e-8a5e-1f2e3d4c5b6a"
	portA   = "b4f7a1c2-5d6e-4f70-8192-a3b4c5d6e7f8"
	portB   = "c5f7a1c2-5d6e-4f70-8192-a3b4c5d6e7f8"
)

func sampleImage() *hypervisor.Image {
	return &hypervisor.Image{ID: imageID, SHA512: strings.Repeat("0123456789abcdef", 8), SizeBytes: 1 << 20, DiskFormat: "qcow2",
		VirtualSize: 1 << 30}
}

func sampleGuest() hypervisor.Guest {
	return hypervisor.Guest{
		ID: guestID, Name: `web <1> & "co"`, Generation: 7, VCPUs: 2, MemoryMiB: 512, RootGiB: 5, Image: sampleImage(),
		EphemeralGiB: 2, SwapMiB: 64, ConfigDrive: []byte("drive"), Power: hypervisor.PowerRunning,
		NICs: []hypervisor.NIC{
			{PortID: portA, MAC: "FA:16:3E:00:00:01", Tap: "tapb4f7a1c2-5d", MTU: 1450},
			{PortID: portB, MAC: "fa:16:3e:00:00:02", Tap: "tapc5f7a1c2-5d", Model: "e1000"},
		},
		Metadata: hypervisor.Metadata{FlavorName: "m1.small", ProjectID: "p1", ProjectName: "demo", UserID: "u1", UserName: "alice",
			CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	}
}

func sampleDefinition() definition {
	return definition{guest: sampleGuest(), kind: "qemu", arch: "x86_64", cache: "none", dir: "/srv/virga/guests/" + guestID,
		base: "/srv/virga/" + imageFile(*sampleImage()), baseType: "qcow2", hasRoot: true, drive: true, memoryPeriod: 10}
}

func TestDefinitionGolden(t *testing.T) {
	cases := map[string]func(*definition){
		"emulated": func(*definition) {},
		"kvm": func(def *definition) {
			def.kind, def.cache = "kvm", "writeback"
			def.guest.NICs, def.drive, def.guest.EphemeralGiB, def.guest.SwapMiB = nil, false, 0, 0
		},
		"hints": func(def *definition) {
			def.guest.Hints = hypervisor.Hints{Machine: "q35", CPUModel: "Nehalem", DiskBus: "sata", Agent: true}
			def.guest.Image, def.base, def.baseType = nil, "", ""
		},
		"nodes": func(def *definition) {
			def.kind, def.guest.VCPUs, def.guest.NICs, def.guest.MemoryMiB = "kvm", 4, nil, 1024
			off, shares, period, quota := false, int64(512), int64(50000), int64(-1)
			def.guest.CPUs = &cpus.Wish{VCPUs: 4, Topology: cpus.Topology{Sockets: 1, Cores: 2, Threads: 2}, Policy: cpus.Mixed, PMU: &off,
				Emulator: cpus.EmulatorIsolate, RealTime: cpus.Of(2, 3), PageKiB: cpus.LargePages, Address: &cpus.Address{Mode: "emulate", Bits: 42},
				Cells:  []cpus.Cell{{CPUs: cpus.Of(0, 1), MemoryMiB: 512}, {CPUs: cpus.Of(2, 3), Dedicated: cpus.Of(2, 3), MemoryMiB: 512}},
				Limits: cpus.Limits{Shares: &shares, PeriodUS: &period, QuotaUS: &quota, MemoryMiB: 900}}
			def.placement = &cpus.Placement{Emulator: cpus.Of(9), Cells: []cpus.Placed{
				{HostCell: 1, MemoryMiB: 512, PageKiB: 2048, Shared: 2, SharedSet: cpus.Of(8, 10)}, {HostCell: 0, MemoryMiB: 512, PageKiB: 2048, Pins: map[int]int{2: 4, 3: 5}}}}
			def.cpus = CPUConfig{Mode: "custom", Models: []string{"Nehalem"}, Flags: []string{"+PCID", "-vmx"}}
			def.model, def.confined = "Nehalem", cpus.Of(0, 8, 10)
		},
		"confined": func(def *definition) {
			def.confined, def.guest.NICs = cpus.Of(0, 1, 2, 7), nil
			def.cpus = CPUConfig{Mode: "none"}
			def.guest.CPUs = &cpus.Wish{VCPUs: 2, Topology: cpus.Topology{Sockets: 1, Cores: 2, Threads: 1}}
		},
		"devices": func(def *definition) {
			def.guest.Hints.Machine = "q35"
			def.guest.Devices = hypervisor.Devices{BootMenu: true, Video: "virtio", VideoMiB: 32, RNGBytes: 1024, RNGPeriod: 500, Watchdog: "reset",
				Pointer: "usb", Keyboard: "virtio", SerialPorts: 3, Sound: "ich9", USB: "nec-xhci", HPET: true, PackedRing: true,
				IOMMU: "auto", Firmware: "uefi"}
			def.firmware = &firmware{Code: "/usr/share/OVMF/CODE.fd", Variables: "/usr/share/OVMF/VARS.fd"}
		},
		"windows": func(def *definition) {
			def.kind, def.guest.Hints.Machine, def.memoryPeriod = "kvm", "pc-q35-7.2", 0
			def.guest.Devices = hypervisor.Devices{Windows: true, HideHypervisor: true, Video: "none", NoRNG: true, IOMMU: "intel", Firmware: "uefi",
				SecureBoot: "required"}
			def.firmware = &firmware{Code: "/usr/share/OVMF/CODE.secboot.fd", Variables: "/usr/share/OVMF/VARS.ms.fd", SMM: true, Secure: true}
		},
		"stateless": func(def *definition) {
			def.guest.Devices = hypervisor.Devices{Firmware: "uefi", Stateless: true, Sound: "usb"}
			def.firmware = &firmware{Code: "/usr/share/OVMF/CODE.fd"}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			def := sampleDefinition()
			change(&def)
			text, err := def.render()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".xml")
			if *update {
				if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text+"\n"); diff != "" {
				t.Fatalf("differs from %s (go test -update accepts it):\n%s", path, diff)
			}
		})
	}
}

func TestHostileNamesStayText(t *testing.T) {
	def := sampleDefinition()
	def.guest.Name = `</nova:name></nova:instance></metadata><devices>`
	def.guest.Metadata.ProjectName = "a\x00b]]>"
	text, err := def.render()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(text, "<devices>") != 1 || strings.ContainsRune(text, 0) {
		t.Fatalf("a name became structure:\n%s", text)
	}
}
