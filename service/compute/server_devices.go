package compute

import (
	"slices"
	"strings"

	"virga/core/api"
	"virga/service/compute/orders"
)

// The block devices that a create asks for (block_device_mapping_v2), by the rules of nova/block_device.py and of _validate_bdm in
// nova/compute/api.py. There are no volumes: what is not on the server's host is refused.

// blockDevice is one of block_device_mapping_v2. Where its disk is named (device_name) is up to the host, as with nova's libvirt driver.
type blockDevice struct {
	BootIndex       *flexInt `json:"boot_index"`
	SourceType      string   `json:"source_type"`
	DestinationType string   `json:"destination_type"`
	UUID            string   `json:"uuid"`
	ImageID         string   `json:"image_id"`
	VolumeID        string   `json:"volume_id"`
	SnapshotID      string   `json:"snapshot_id"`
	VolumeSize      *flexInt `json:"volume_size"`
	VolumeType      *string  `json:"volume_type"`
	DeviceType      string   `json:"device_type"`
	DiskBus         string   `json:"disk_bus"`
	GuestFormat     string   `json:"guest_format"`
	NoDevice        any      `json:"no_device"`
	Tag             string   `json:"tag"`
}

const (
	swapFormat = "swap"
	// maxLocalDevices is how many disks of its own a server has at most: root, swap and eight others.
	maxLocalDevices = 10
)

func invalidDevice(format string, args ...any) error {
	return api.BadRequest("Block Device Mapping is Invalid: "+format, args...)
}

// checkDeviceVersions refuses what block devices have in other versions: tags from 2.32 to 2.36
// and again since 2.42, types of volumes since 2.67.
func checkDeviceVersions(r *api.Request, devices []blockDevice) error {
	for _, device := range devices {
		switch {
		case device.VolumeType != nil && r.Version.Before(vVolumeType):
			return unexpectedField("block_device_mapping_v2", "volume_type")
		case device.Tag != "" && !tagsDevices(r.Version):
			return unexpectedField("block_device_mapping_v2", "tag")
		}
	}
	return nil
}

// isNone tells whether the entry says that there is to be no device.
func (d *blockDevice) isNone() bool {
	switch value := d.NoDevice.(type) {
	case nil:
		return false
	case bool:
		return value
	case string:
		return value != ""
	case float64:
		return value != 0
	}
	return true
}

// bootIndex is negative when the device is none to boot from.
func (d *blockDevice) bootIndex() int64 {
	if d.BootIndex == nil {
		return -1
	}
	return int64(*d.BootIndex)
}

// read checks what one device is by itself, and fills in where it is when that was left out.
func (d *blockDevice) read() error {
	for kind, id := range map[string]string{"image": d.ImageID, "volume": d.VolumeID, "snapshot": d.SnapshotID} {
		if d.UUID == "" && d.SourceType == kind {
			d.UUID = id
		}
	}
	if d.DestinationType == "" {
		d.DestinationType = map[string]string{"image": "local", "blank": "local"}[d.SourceType]
	}
	switch {
	case d.SourceType == "":
		return invalidDevice("Some required fields are missing")
	case d.SourceType == "blank" && d.UUID != "":
		return invalidDevice("Invalid device UUID.")
	case d.SourceType != "blank" && d.UUID == "":
		return invalidDevice("Missing device UUID.")
	case d.SourceType == "image" && d.DestinationType == "local" && d.bootIndex() != 0:
		return invalidDevice("Mapping image to local is not supported.")
	case d.DestinationType == "local" && d.VolumeType != nil && *d.VolumeType != "":
		return invalidDevice("Specifying a volume_type with destination_type=local is not supported.")
	case d.SourceType == "volume" || d.SourceType == "snapshot":
		return invalidDevice("failed to get %s %s.", d.SourceType, oneLine(d.UUID, 60))
	case d.DestinationType != "local":
		return invalidDevice("source_type %s with destination_type volume needs volumes, which are not supported here.", d.SourceType)
	}
	return d.checkHardware()
}

func (d *blockDevice) checkHardware() error {
	if slices.Contains([]string{"cdrom", "floppy", "lun"}, d.DeviceType) {
		return invalidDevice("device_type %s is not supported for disks on the host.", d.DeviceType)
	}
	switch d.DiskBus {
	case "", "virtio", "scsi", "sata", "ide", "usb":
	case "xen", "lxc", "uml": // nova knows them, and gives the image's bus here
		d.DiskBus = ""
	case "fdc":
		return unsupportedHardware(d.DiskBus)
	default:
		return api.BadRequest("Block Device Mapping is invalid: The provided disk bus %s is not valid.", oneLine(d.DiskBus, 60))
	}
	if d.SourceType != "blank" || slices.Contains([]string{"", swapFormat, "ext2", "ext3", "ext4", "vfat"}, d.GuestFormat) {
		return nil
	}
	return invalidDevice("%s format is not supported", oneLine(d.GuestFormat, 60))
}

// readDevices finds the image to boot from, and keeps the devices that there are to be.
func readDevices(in *serverFields) (string, error) {
	if len(in.OldDevices) > 0 {
		return "", invalidDevice("block_device_mapping needs volumes, which are not supported here.")
	}
	in.Devices = slices.DeleteFunc(in.Devices, func(d blockDevice) bool { return d.isNone() })
	image, mapped, indexes := imageID(in.ImageRef), false, []int64{}
	for i := range in.Devices {
		device := &in.Devices[i]
		if err := device.read(); err != nil {
			return "", err
		}
		if index := device.bootIndex(); index >= 0 {
			indexes = append(indexes, index)
		}
		if device.SourceType != "image" {
			continue
		}
		if image != "" && !strings.EqualFold(image, device.UUID) {
			return "", invalidDevice("the boot disk and imageRef name different images.")
		}
		image, mapped = device.UUID, true
	}
	if !mapped { // what imageRef names is booted from first all the same
		indexes = append(indexes, 0)
	}
	slices.Sort(indexes)
	for want, index := range indexes {
		if int64(want) != index || image == "" {
			return "", invalidDevice("Boot sequence for the instance and image/block device mapping combination is not valid.")
		}
	}
	return image, nil
}

// localDisksOf is what the devices make of a flavor's disks.
func localDisksOf(devices []blockDevice, f *flavor) (*localDisks, error) {
	disks, swaps, sum := &localDisks{}, 0, int64(0)
	for _, device := range devices {
		size := int64(0)
		if device.VolumeSize != nil {
			size = int64(*device.VolumeSize)
		}
		switch {
		case device.SourceType == "image":
			disks.RootBus = device.DiskBus
		case device.GuestFormat == swapFormat:
			if swaps++; swaps > 1 {
				return nil, invalidDevice("More than one swap drive requested.")
			}
			if size > f.SwapMiB {
				return nil, api.BadRequest("Swap drive requested is larger than instance type allows.")
			}
			disks.SwapMiB, disks.SwapBus = size, device.DiskBus
		default:
			if size == 0 {
				size = f.Ephemeral
			}
			if sum += size; size == 0 || sum > f.Ephemeral {
				return nil, api.BadRequest("Ephemeral disks requested are larger than the instance type allows. If no size is given " +
					"in one block device mapping, flavor ephemeral size will be used.")
			}
			disks.Ephemerals = append(disks.Ephemerals, orders.Ephemeral{GiB: size, Format: device.GuestFormat, Bus: device.DiskBus})
		}
	}
	if len(devices) > maxLocalDevices || len(disks.Ephemerals) > maxLocalDevices-2 {
		return nil, invalidDevice("You specified more local devices than the limit allows")
	}
	return disks, nil
}
