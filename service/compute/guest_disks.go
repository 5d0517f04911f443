package compute

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"virga/core/api"
	"virga/service/compute/orders"
)

// The disks of a guest: by the rules of nova/virt/libvirt/blockinfo.py and imagebackend.py.

// localDisks is what was asked for of a server's disks when it was made (block_device_mapping_v2). A server of before has none.
type localDisks struct {
	RootBus string `json:"root_bus,omitempty"`
	// Ephemerals are those asked for one by one; none: the flavor's is one disk.
	Ephemerals []orders.Ephemeral `json:"ephemerals,omitempty"`
	SwapMiB    int64              `json:"swap_mb,omitempty"` // 0: the flavor's
	SwapBus    string             `json:"swap_bus,omitempty"`
}

// ephemeralGiB is how much the ephemeral disks take that were asked for one by one; 0: none were.
func (d *localDisks) ephemeralGiB() (sum int64) {
	if d == nil {
		return 0
	}
	for _, disk := range d.Ephemerals {
		sum += disk.GiB
	}
	return sum
}

// Disk formats of images that are read as they are, byte for byte.
func isPlain(diskFormat string) bool {
	return slices.Contains([]string{"raw", "iso", "ami", "aki", "ari"}, diskFormat)
}

// hostFormat is what an image is to a host.
func hostFormat(diskFormat string) string {
	if isPlain(diskFormat) {
		return "raw"
	}
	return diskFormat
}

// sized is an image with the size that a guest sees of it.
func sized(image Image) Image {
	if image.VirtualSize == 0 && isPlain(image.DiskFormat) {
		image.VirtualSize = image.Size
	}
	return image
}

// storageOf describes a server's disks to its host.
func storageOf(row *server) orders.Storage {
	a, asIs := asked{&row.Detail.Flavor, &row.Detail.Image}, row.Detail.Disks
	storage := orders.Storage{CDROMBus: a.property("hw_cdrom_bus"), SCSIModel: a.scsiModel()}
	storage.Limits, _ = a.diskLimits() // it was checked when the flavor was chosen
	if a.image.DiskFormat == "iso" {
		image := orderedImage(row.ImageID, a.image)
		storage.ISO = &image
	}
	if asIs != nil {
		storage.RootBus, storage.SwapBus, storage.DriveIsCD = asIs.RootBus, asIs.SwapBus, true
		storage.Ephemerals = slices.Clone(asIs.Ephemerals)
	}
	if len(storage.Ephemerals) == 0 && a.flavor.Ephemeral > 0 && a.ephemeralFormat() != "" {
		storage.Ephemerals = []orders.Ephemeral{{GiB: a.flavor.Ephemeral}}
	}
	for i := range storage.Ephemerals {
		if storage.Ephemerals[i].Format == "" {
			storage.Ephemerals[i].Format = a.ephemeralFormat()
		}
	}
	return storage
}

// ephemeralFormat is the file system of ephemeral disks that the guest's system can read; empty: the host's choice.
func (a asked) ephemeralFormat() string {
	if strings.EqualFold(a.property("os_type"), "windows") {
		return "vfat"
	}
	return ""
}

// guestSwapMiB is the swap that a server's guest gets of what its flavor allows.
func guestSwapMiB(row *server) int64 {
	allowed := row.Detail.Flavor.SwapMiB
	if disks := row.Detail.Disks; disks != nil && disks.SwapMiB > 0 {
		return min(disks.SwapMiB, allowed)
	}
	return allowed
}

// scsiModel is the controller that the image asks for, by libvirt's name.
func (a asked) scsiModel() string {
	switch model := strings.ToLower(a.property("hw_scsi_model")); model {
	case "lsilogicsas":
		return "lsisas1068"
	case "paravirtual":
		return "vmpvscsi"
	default:
		return model
	}
}

// checkDisks refuses what no host can give, and limits that contradict each other.
func checkDisks(a asked) error {
	for property, known := range map[string][]string{"hw_disk_bus": {"", "virtio", "scsi", "sata", "ide", "usb"}, "hw_cdrom_bus": {"", "scsi", "sata", "ide", "usb"}} {
		bus := a.property(property)
		if !slices.Contains(known, bus) || bus == "ide" && !a.hasIDE() {
			return unsupportedHardware(bus)
		}
	}
	if !slices.Contains([]string{"", "virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi"}, a.scsiModel()) {
		return unsupportedHardware(a.scsiModel())
	}
	if _, err := a.diskLimits(); err != nil {
		return err
	}
	_, _, err := a.bandwidths()
	return err
}

func unsupportedHardware(model string) error {
	return api.BadRequest("Requested hardware '%s' is not supported by the 'libvirt' virt driver", oneLine(model, 60))
}

// hasIDE tells whether the guest's board has IDE: a PC's newer one has not.
func (a asked) hasIDE() bool {
	machine := a.property("hw_machine_type")
	return !strings.Contains(machine, "q35") && !strings.HasPrefix(machine, "virt")
}

// rootDevice is the name under which a server first sees what it boots from.
func rootDevice(row *server, _ task) string {
	a, bus := asked{&row.Detail.Flavor, &row.Detail.Image}, ""
	switch {
	case a.image.DiskFormat != "iso":
		if row.Detail.Disks != nil {
			bus = row.Detail.Disks.RootBus
		}
		bus = cmp.Or(bus, a.property("hw_disk_bus"), "virtio")
	case a.hasIDE():
		bus = cmp.Or(a.property("hw_cdrom_bus"), "ide")
	}
	switch bus {
	case "virtio":
		return "/dev/vda"
	case "ide":
		return "/dev/hda"
	}
	return "/dev/sda"
}

// maxIDE is how many disks and CDs a board with IDE takes.
const maxIDE = 4

// checkDiskCount refuses more disks than a server's buses take.
func checkDiskCount(row *server) error {
	a, storage := asked{&row.Detail.Flavor, &row.Detail.Image}, storageOf(row)
	ide := 0
	count := func(there bool, bus, otherwise string) {
		if bus == "" {
			bus = otherwise
		}
		if there && bus == "ide" {
			ide++
		}
	}
	disks, cds := a.property("hw_disk_bus"), storage.CDROMBus
	if cds == "" && a.hasIDE() {
		cds = "ide"
	}
	count(storage.ISO == nil || a.flavor.RootGiB > 0, storage.RootBus, disks)
	count(storage.ISO != nil, "", cds)
	count(row.ConfigDrive && storage.DriveIsCD, "", cds)
	count(guestSwapMiB(row) > 0, storage.SwapBus, disks)
	count(len(storage.Ephemerals) == 0 && a.flavor.Ephemeral > 0, "", disks)
	for _, disk := range storage.Ephemerals {
		count(true, disk.Bus, disks)
	}
	if ide > maxIDE {
		return api.Forbidden("The maximum allowed number of disk devices (%d) to attach to a single instance has been exceeded.", maxIDE)
	}
	return nil
}

// maxRate is the greatest limit that QEMU takes.
const maxRate = 1e15

// diskLimits are the bounds that the flavor sets to the traffic of each disk.
func (a asked) diskLimits() (limits orders.DiskLimits, err error) {
	for _, unit := range []struct {
		name               string
		total, read, write *orders.Rate
	}{
		{"bytes", &limits.TotalBytes, &limits.ReadBytes, &limits.WriteBytes},
		{"iops", &limits.TotalOps, &limits.ReadOps, &limits.WriteOps},
	} {
		for direction, rate := range map[string]*orders.Rate{"total": unit.total, "read": unit.read, "write": unit.write} {
			if *rate, err = a.rate("quota:disk_" + direction + "_" + unit.name + "_sec"); err != nil {
				return orders.DiskLimits{}, err
			}
		}
		if *unit.total != (orders.Rate{}) && (*unit.read != orders.Rate{} || *unit.write != orders.Rate{}) {
			return orders.DiskLimits{}, api.BadRequest("Flavor %s has quota:disk_total_%s_sec set together with quota:disk_read_%s_sec or quota:disk_write_%s_sec.",
				a.flavor.Name, unit.name, unit.name, unit.name)
		}
	}
	return limits, nil
}

func (a asked) rate(name string) (rate orders.Rate, err error) {
	for suffix, into := range map[string]*uint64{"": &rate.PerSecond, "_max": &rate.Burst, "_max_length": &rate.BurstSeconds} {
		if *into, err = a.limit(name+suffix, maxRate); err != nil {
			return orders.Rate{}, err
		}
	}
	if rate.PerSecond == 0 && rate.Burst > 0 || rate.Burst > 0 && rate.Burst < rate.PerSecond || rate.Burst == 0 && rate.BurstSeconds > 0 {
		return orders.Rate{}, api.BadRequest("Flavor %s has a burst for %s that is no more than what is allowed at any time.", a.flavor.Name, name)
	}
	return rate, nil
}

// maxBandwidth is the greatest number of KiB in a second that is kept to.
const maxBandwidth = 1 << 32

// bandwidths are the bounds that the flavor sets to the traffic of each network interface.
func (a asked) bandwidths() (inbound, outbound orders.Bandwidth, err error) {
	for direction, into := range map[string]*orders.Bandwidth{"inbound": &inbound, "outbound": &outbound} {
		for part, value := range map[string]*uint64{"average": &into.Average, "peak": &into.Peak, "burst": &into.Burst} {
			if *value, err = a.limit("quota:vif_"+direction+"_"+part, maxBandwidth); err != nil {
				return orders.Bandwidth{}, orders.Bandwidth{}, err
			}
		}
		if into.Average == 0 { // as in nova, the others mean nothing then
			*into = orders.Bandwidth{}
		}
	}
	return inbound, outbound, nil
}

// limit is an extra spec that is a number; 0: there is none.
func (a asked) limit(name string, most uint64) (uint64, error) {
	text := strings.TrimSpace(a.spec(name))
	if text == "" {
		return 0, nil
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil || value > most {
		return 0, api.BadRequest("Flavor %s has %s set to '%s', which is no number from 0 to %d.", a.flavor.Name, name, oneLine(text, 60), most)
	}
	return value, nil
}
