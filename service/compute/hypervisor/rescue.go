package hypervisor

import "fmt"

// Rescue has a guest start from a disk of its own, made of an image, with the guest's own disks beside it. Nothing of the guest's own disks
// is changed by that.
//
// Where neither Device nor Bus is given the guest sees the rescue disk, its root disk and its config drive, in that order and nothing else;
// with one of them all of its disks stay where they are, and the rescue disk comes after them ("stable device rescue").
type Rescue struct {
	Image  Image
	Device string // "disk" or "cdrom"; "": "disk" when Bus is given
	Bus    string // "virtio", "sata", "ide", "scsi", "usb"; "": the driver's choice for the device
}

// Stable tells whether the guest's own disks stay where they are.
func (r Rescue) Stable() bool { return r.Device != "" || r.Bus != "" }

func (r *Rescue) check(id string) error {
	if r == nil {
		return nil
	}
	if err := r.Image.Check(); err != nil {
		return fmt.Errorf("rescue of guest %s: %w", id, err)
	}
	switch r.Device {
	case "", "disk", "cdrom":
	default:
		return fmt.Errorf("%w: rescue of guest %s from device %q", ErrInvalid, id, r.Device)
	}
	switch r.Bus {
	case "", "sata", "ide", "scsi", "usb":
		return nil
	case "virtio":
		if r.Device != "cdrom" {
			return nil
		}
	}
	return fmt.Errorf("%w: rescue of guest %s from device %q on bus %q", ErrInvalid, id, r.Device, r.Bus)
}
