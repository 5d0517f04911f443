package libvirt

import (
	"cmp"
	"strings"

	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// How a guest's disks are described to libvirt. Their order and their names are those of nova/virt/libvirt/blockinfo.py: each bus has its own row
// of names, root disk, ephemeral disks and swap come first, the config drive last.

// prefixOf begins the names of disks on a bus.
func prefixOf(bus string) string {
	switch bus {
	case "virtio":
		return "vd"
	case "ide":
		return "hd"
	}
	return "sd"
}

// nameDisks gives every disk the first name of its bus that is free.
func nameDisks(disks []libvirtxml.DomainDisk) {
	taken := map[string]int{}
	for i := range disks {
		prefix := prefixOf(disks[i].Target.Bus)
		disks[i].Target.Dev = prefix + string(rune('a'+taken[prefix]))
		taken[prefix]++
	}
}

// disks lists CD, root, ephemeral, swap and config drive, and what a rescue needs.
func (def definition) disks() []libvirtxml.DomainDisk {
	disks := def.ownDisks()
	if def.guest.Rescue != nil {
		disks = def.rescueDisks(disks)
	}
	nameDisks(disks)
	def.placeOnSCSI(disks)
	return disks
}

// placeOnSCSI says where disks are on controllers that know no more than one unit at each target; elsewhere libvirt places them well.
func (def definition) placeOnSCSI(disks []libvirtxml.DomainDisk) {
	if model := def.guest.Storage.SCSIModel; model != "lsisas1068" && model != "vmpvscsi" {
		return
	}
	controller, bus, unit, next := uint(0), uint(0), uint(0), uint(0)
	for i := range disks {
		if disks[i].Target.Bus == "scsi" {
			target := next
			disks[i].Address = &libvirtxml.DomainAddress{Drive: &libvirtxml.DomainAddressDrive{Controller: &controller, Bus: &bus, Target: &target, Unit: &unit}}
			next++
		}
	}
}

func (def definition) ownDisks() []libvirtxml.DomainDisk {
	var disks []libvirtxml.DomainDisk
	storage, boot := &def.guest.Storage, uint(1)
	if def.iso != "" {
		disk := def.cdrom("", "raw")
		disk.Source.File.File = def.iso
		disk.Boot = &libvirtxml.DomainDeviceBoot{Order: boot}
		disks, boot = append(disks, disk), boot+1
	}
	if def.hasRoot {
		disk := def.disk(storage.RootBus, rootDisk, "qcow2")
		disk.Boot = &libvirtxml.DomainDeviceBoot{Order: boot}
		disk.BackingStore = backing(def.base, def.baseType)
		disks = append(disks, disk)
	}
	for n, ephemeral := range def.guest.EphemeralDisks() {
		disks = append(disks, def.disk(ephemeral.Bus, ephemeralFile(n), "raw"))
	}
	if def.guest.SwapMiB > 0 {
		disks = append(disks, def.disk(storage.SwapBus, swapDisk, "raw"))
	}
	if def.drive {
		disks = append(disks, def.configDrive())
	}
	return disks
}

// backing states the whole chain beneath a disk, which ends with the image, so that nobody looks into the image for more.
func backing(image, format string) *libvirtxml.DomainDiskBackingStore {
	end := &libvirtxml.DomainDiskBackingStore{}
	if image == "" {
		return end
	}
	return &libvirtxml.DomainDiskBackingStore{
		Format:       &libvirtxml.DomainDiskFormat{Type: format},
		Source:       &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: image}},
		BackingStore: end,
	}
}

func (def definition) configDrive() libvirtxml.DomainDisk {
	if def.guest.Storage.DriveIsCD {
		return def.cdrom(configDrive, "raw")
	}
	disk := def.disk("", configDrive, "raw")
	disk.ReadOnly = &libvirtxml.DomainDiskReadOnly{}
	disk.Driver.Discard = ""
	if disk.Target.Bus != "virtio" { // which has no CDs
		disk.Device = "cdrom"
	}
	return disk
}

// disk describes a disk in the guest's directory; an empty bus is the one of the guest's disks.
func (def definition) disk(bus, file, format string) libvirtxml.DomainDisk {
	return libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: format, Cache: def.cache, Discard: "unmap"},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: def.dir + "/" + file}},
		Target: &libvirtxml.DomainDiskTarget{Bus: cmp.Or(bus, def.guest.Hints.DiskBus, "virtio")},
		IOTune: ioTune(&def.guest.Storage.Limits),
	}
}

func (def definition) cdrom(file, format string) libvirtxml.DomainDisk {
	disk := def.disk(def.cdromBus(), file, format)
	disk.Device, disk.ReadOnly, disk.Driver.Discard = "cdrom", &libvirtxml.DomainDiskReadOnly{}, ""
	return disk
}

// cdromBus is the bus of CD drives.
func (def definition) cdromBus() string {
	machine := def.machine()
	switch {
	case def.guest.Storage.CDROMBus != "":
		return def.guest.Storage.CDROMBus
	case def.arch != "x86_64":
		return "scsi"
	case strings.Contains(machine, "q35"):
		return "sata"
	}
	return "ide"
}

// diskControllers are the controllers that libvirt would not choose so by itself; usb is there in any case, for libvirt would make one.
func (def definition) diskControllers() []libvirtxml.DomainController {
	controllers := []libvirtxml.DomainController{{Type: "usb", Model: "none"}}
	scsi := false
	for _, disk := range def.disks() {
		switch disk.Target.Bus {
		case "usb":
			controllers[0].Model = "qemu-xhci"
		case "scsi":
			scsi = true
		}
	}
	if scsi {
		controllers = append(controllers, libvirtxml.DomainController{Type: "scsi", Model: cmp.Or(def.guest.Storage.SCSIModel, "virtio-scsi")})
	}
	return controllers
}

// ioTune renders limits; nil: there are none.
func ioTune(limits *hypervisor.DiskLimits) *libvirtxml.DomainDiskIOTune {
	if *limits == (hypervisor.DiskLimits{}) {
		return nil
	}
	return &libvirtxml.DomainDiskIOTune{
		TotalBytesSec: limits.TotalBytes.PerSecond, TotalBytesSecMax: limits.TotalBytes.Burst, TotalBytesSecMaxLength: limits.TotalBytes.BurstSeconds,
		ReadBytesSec: limits.ReadBytes.PerSecond, ReadBytesSecMax: limits.ReadBytes.Burst, ReadBytesSecMaxLength: limits.ReadBytes.BurstSeconds,
		WriteBytesSec: limits.WriteBytes.PerSecond, WriteBytesSecMax: limits.WriteBytes.Burst, WriteBytesSecMaxLength: limits.WriteBytes.BurstSeconds,
		TotalIopsSec: limits.TotalOps.PerSecond, TotalIopsSecMax: limits.TotalOps.Burst, TotalIopsSecMaxLength: limits.TotalOps.BurstSeconds,
		ReadIopsSec: limits.ReadOps.PerSecond, ReadIopsSecMax: limits.ReadOps.Burst, ReadIopsSecMaxLength: limits.ReadOps.BurstSeconds,
		WriteIopsSec: limits.WriteOps.PerSecond, WriteIopsSecMax: limits.WriteOps.Burst, WriteIopsSecMaxLength: limits.WriteOps.BurstSeconds,
	}
}

// consoles are what nova tells a kernel that it is given.
const consoles = " console=tty0 console=ttyS0 console=hvc0"

// bootKernel has the guest start from a kernel in the cache, if it is to.
func (def definition) bootKernel(os *libvirtxml.DomainOS) {
	if def.kernel == "" {
		return
	}
	os.Kernel, os.Initrd, os.Cmdline = def.kernel, def.ramdisk, def.guest.Kernel.CommandLine
	if os.Cmdline == "" {
		os.Cmdline = strings.TrimSpace("root=/dev/" + def.bootDevice() + consoles)
		if def.kind == "qemu" {
			os.Cmdline += " no_timer_check" // which fails under emulation
		}
	}
}

// bootDevice is the name of the disk that is to be the guest's root file system.
func (def definition) bootDevice() string {
	for _, disk := range def.disks() {
		if disk.Boot != nil && disk.Device != "cdrom" {
			return disk.Target.Dev
		}
	}
	return "vda"
}
