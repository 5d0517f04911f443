package hypervisor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Ceilings of what a guest's disks may be asked to be.
const (
	// MaxEphemerals is how many ephemeral disks a guest has at most.
	MaxEphemerals  = 8
	maxCommandLine = 2048 // bytes; what Linux on x86 takes
)

// Disks that only some guests have. The last three are files of the image cache: they can be opened, and are never adopted, for EnsureImage
// brings them.
const (
	DiskKernel  Disk = "kernel"
	DiskRamdisk Disk = "ramdisk"
	DiskISO     Disk = "iso"
)

// EphemeralDisk names the n-th ephemeral disk, counted from 0.
func EphemeralDisk(n int) Disk {
	if n == 0 {
		return DiskEphemeral
	}
	return DiskEphemeral + Disk(strconv.Itoa(n))
}

// Storage says more of a guest's disks than their sizes. A zero value leaves everything to the driver.
type Storage struct {
	// RootBus and SwapBus are the buses of these disks where they differ from Hints.DiskBus.
	RootBus string
	SwapBus string
	// CDROMBus is that of every CD drive; "": "ide" on a PC's older board, "sata" on its newer one, "scsi" elsewhere.
	CDROMBus string
	// SCSIModel is the controller of disks on the bus "scsi"; "": virtio-scsi.
	SCSIModel string
	// Ephemerals take the place of the one of Guest.EphemeralGiB. A disk that is there keeps its content, and grows while the guest is off.
	Ephemerals []Ephemeral
	// DriveIsCD has the config drive be a CD, and not a disk that cannot be written.
	DriveIsCD bool
	// ISO is in a CD drive from which the guest boots, before its root disk.
	ISO *Image
	// Limits hold for each disk by itself.
	Limits DiskLimits
}

// Ephemeral is a disk that is empty at first, with a file system labelled ephemeral0, ephemeral1 and so on.
type Ephemeral struct {
	GiB    int64
	Format string // "ext4" (default), "ext3", "ext2" or "vfat"
	Bus    string // where it differs from Hints.DiskBus
}

// DiskLimits bounds the traffic of a disk; a zero Rate is no bound. The totals exclude the others of their unit.
type DiskLimits struct {
	ReadBytes, WriteBytes, TotalBytes, ReadOps, WriteOps, TotalOps Rate
}

// Rate is so much in a second, and Burst (0: not more) for at most BurstSeconds (0: one).
type Rate struct {
	PerSecond, Burst, BurstSeconds uint64
}

// Bandwidth bounds one direction of an interface's traffic, as libvirt's bandwidth element does; an Average of 0 is no bound.
type Bandwidth struct {
	Average uint64 // KiB in a second
	Peak    uint64 // KiB in a second while the burst lasts; 0: no more than ever
	Burst   uint64 // KiB that may go at the peak's speed; 0: the driver's choice
}

// Kernel has a guest start from a kernel outside of its disks.
type Kernel struct {
	Image       Image
	Ramdisk     *Image // nil: none
	CommandLine string // "": the root disk, and the consoles that the guest has
}

// EphemeralDisks are the ephemeral disks that the guest is to have, in order.
func (guest Guest) EphemeralDisks() []Ephemeral {
	if len(guest.Storage.Ephemerals) == 0 && guest.EphemeralGiB > 0 {
		return []Ephemeral{{GiB: guest.EphemeralGiB}}
	}
	return guest.Storage.Ephemerals
}

// HasRoot tells whether the guest has a root disk.
func (guest Guest) HasRoot() bool { return guest.Image != nil || guest.RootGiB > 0 }

// OwnDisks names the disks that belong to the guest alone; the root disk is the last one.
func (guest Guest) OwnDisks() []Disk {
	var disks []Disk
	if guest.Devices.Firmware == "uefi" && !guest.Devices.Stateless {
		disks = append(disks, DiskVariables)
	}
	for n := range guest.EphemeralDisks() {
		disks = append(disks, EphemeralDisk(n))
	}
	if guest.SwapMiB > 0 {
		disks = append(disks, DiskSwap)
	}
	if guest.HasRoot() {
		disks = append(disks, DiskRoot)
	}
	return disks
}

// CachedFiles are the images that a guest uses as they lie in the cache, by the name under which another host can read them.
func (guest Guest) CachedFiles() map[Disk]Image {
	files := map[Disk]Image{}
	if guest.Storage.ISO != nil {
		files[DiskISO] = *guest.Storage.ISO
	}
	if guest.Kernel != nil {
		files[DiskKernel] = guest.Kernel.Image
		if guest.Kernel.Ramdisk != nil {
			files[DiskRamdisk] = *guest.Kernel.Ramdisk
		}
	}
	return files
}

// The words that guests' disks are described with.
func diskBuses() []string  { return []string{"", "virtio", "scsi", "sata", "ide", "usb"} }
func cdromBuses() []string { return []string{"", "scsi", "sata", "ide", "usb"} }
func scsiModels() []string {
	return []string{"", "virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi"}
}
func diskFormats() []string { return []string{"", "ext4", "ext3", "ext2", "vfat"} }

func (guest Guest) checkStorage() error {
	storage := &guest.Storage
	for _, word := range []struct {
		what, word string
		known      []string
	}{
		{"disk bus", guest.Hints.DiskBus, diskBuses()}, {"root bus", storage.RootBus, diskBuses()}, {"swap bus", storage.SwapBus, diskBuses()},
		{"CD bus", storage.CDROMBus, cdromBuses()}, {"SCSI model", storage.SCSIModel, scsiModels()},
	} {
		if !slices.Contains(word.known, word.word) {
			return fmt.Errorf("%w: guest %s has %s %q", ErrInvalid, guest.ID, word.what, word.word)
		}
	}
	if len(storage.Ephemerals) > MaxEphemerals {
		return fmt.Errorf("%w: guest %s has %d ephemeral disks", ErrInvalid, guest.ID, len(storage.Ephemerals))
	}
	for _, disk := range storage.Ephemerals {
		if disk.GiB < 1 || disk.GiB > maxDiskGiB || !slices.Contains(diskBuses(), disk.Bus) || !slices.Contains(diskFormats(), disk.Format) {
			return fmt.Errorf("%w: guest %s has an ephemeral disk of %d GiB, format %q, on bus %q", ErrInvalid, guest.ID, disk.GiB, disk.Format, disk.Bus)
		}
	}
	for disk, image := range guest.CachedFiles() {
		if err := image.Check(); err != nil {
			return fmt.Errorf("%s of guest %s: %w", disk, guest.ID, err)
		}
		if image.DiskFormat != "raw" {
			return fmt.Errorf("%w: %s of guest %s has disk format %q, want raw", ErrInvalid, disk, guest.ID, image.DiskFormat)
		}
	}
	if kernel := guest.Kernel; kernel != nil {
		if line := kernel.CommandLine; len(line) > maxCommandLine || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
			return fmt.Errorf("%w: guest %s has a kernel command line that no kernel takes", ErrInvalid, guest.ID)
		}
	}
	return storage.Limits.check(guest.ID)
}

func (limits *DiskLimits) check(id string) error {
	for _, rates := range [][3]Rate{{limits.TotalBytes, limits.ReadBytes, limits.WriteBytes}, {limits.TotalOps, limits.ReadOps, limits.WriteOps}} {
		if total := rates[0]; total != (Rate{}) && (rates[1] != Rate{} || rates[2] != Rate{}) {
			return fmt.Errorf("%w: guest %s has its disks bounded in total and by direction", ErrInvalid, id)
		}
		for _, rate := range rates {
			if rate.Burst > 0 && rate.Burst < rate.PerSecond || rate.PerSecond == 0 && rate.Burst > 0 || rate.Burst == 0 && rate.BurstSeconds > 0 {
				return fmt.Errorf("%w: guest %s has disks with a burst of %d over %d in a second", ErrInvalid, id, rate.Burst, rate.PerSecond)
			}
		}
	}
	return nil
}

// check tells whether the bandwidth can be kept; the numbers are bounded by what tc takes.
func (b Bandwidth) check(portID string) error {
	const most = 1 << 32
	if b.Average == 0 && b != (Bandwidth{}) || b.Average > most || b.Peak > most || b.Burst > most {
		return fmt.Errorf("%w: port %s has a bandwidth of %d KiB in a second, peak %d, burst %d", ErrInvalid, portID, b.Average, b.Peak, b.Burst)
	}
	return nil
}
