package libvirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// rescueDisk is the disk from which a guest is started when it is rescued, an overlay on the cached rescue image.
const rescueDisk = "rescue.qcow2"

// hasRescueDisk tells whether a rescue disk lies in the guest's directory.
func (d *Driver) hasRescueDisk(id string) (bool, error) {
	_, err := d.layout.root.Stat(guestDir(id) + "/" + rescueDisk)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// isRescued tells whether the guest's process was started from the rescue disk. What was defined meanwhile does not count.
func (d *Driver) isRescued(ctx context.Context, id string, domain rpc.Domain) (bool, error) {
	if there, err := d.hasRescueDisk(id); err != nil || !there {
		return false, err
	}
	live, err := d.describe(ctx, domain)
	if err != nil || live.Devices == nil {
		return false, err
	}
	for _, disk := range live.Devices.Disks {
		if disk.Source != nil && disk.Source.File != nil && strings.HasSuffix(disk.Source.File.File, "/"+rescueDisk) {
			return true, nil
		}
	}
	return false, nil
}

// endOtherMode ends a guest that runs from its rescue disk and should not, or the other way round, so that it can be started as wished. It
// returns the state that the guest is in then.
func (d *Driver) endOtherMode(ctx context.Context, domain rpc.Domain, guest hypervisor.Guest, power hypervisor.PowerState,
	hurry <-chan struct{}) (hypervisor.PowerState, error) {
	wanted := guest.Rescue != nil
	rescued, err := d.hasRescueDisk(guest.ID)
	if err == nil && isActive(power) {
		rescued, err = d.isRescued(ctx, guest.ID, domain)
	}
	if err != nil || rescued == wanted {
		return power, err
	}
	if wanted {
		err = d.stop(ctx, domain, guest, power, hurry)
	} else {
		err = errors.Join(d.destroy(ctx, domain), d.dropMemory(ctx, domain))
	}
	if err != nil {
		return power, err
	}
	return d.stateOf(ctx, domain)
}

// ensureRescueDisk makes the disk of a rescue that begins and removes that of one that ended; before is what the guest was before its wish
// was noted.
func (d *Driver) ensureRescueDisk(ctx context.Context, guest hypervisor.Guest, before *manifest) error {
	there, err := d.hasRescueDisk(guest.ID)
	if err != nil {
		return err
	}
	goesOn := guest.Rescue != nil && before != nil && before.Guest.Rescue != nil && before.Guest.Rescue.Image == guest.Rescue.Image
	if there && !goesOn {
		if err := d.layout.root.Remove(guestDir(guest.ID) + "/" + rescueDisk); err != nil {
			return fmt.Errorf("remove rescue disk of guest %s: %w", guest.ID, err)
		}
		there = false
	}
	if guest.Rescue == nil || there {
		return nil
	}
	if !d.layout.cached(guest.Rescue.Image) {
		return fmt.Errorf("make rescue disk of guest %s: %w: %s", guest.ID, hypervisor.ErrImageMissing, guest.Rescue.Image.ID)
	}
	if err := d.makeOverlay(ctx, guest.ID, rescueDisk, &guest.Rescue.Image, guest.Rescue.Image.VirtualSize); err != nil {
		return fmt.Errorf("make rescue disk of guest %s: %w", guest.ID, err)
	}
	return nil
}

// rescueDisks lists the disks of a rescued guest.
func (def definition) rescueDisks(own []libvirtxml.DomainDisk) []libvirtxml.DomainDisk {
	rescue := def.guest.Rescue
	first := &libvirtxml.DomainDeviceBoot{Order: 1}
	if !rescue.Stable() {
		disks := []libvirtxml.DomainDisk{def.rescueDisk("", "disk")}
		for _, disk := range own {
			if file := disk.Source.File.File; strings.HasSuffix(file, "/"+rootDisk) || strings.HasSuffix(file, "/"+configDrive) {
				disk.Boot = nil
				disks = append(disks, disk)
			}
		}
		disks[0].Boot = first
		return disks
	}
	device := cmp.Or(rescue.Device, "disk")
	bus := rescue.Bus
	if bus == "" && device == "cdrom" {
		bus = def.cdromBus()
	}
	for i := range own {
		own[i].Boot = nil
	}
	added := def.rescueDisk(bus, device)
	added.Boot = first
	return append(own, added)
}

// rescueDisk describes the rescue disk; an empty bus is the one of the guest's own disks.
func (def definition) rescueDisk(bus, device string) libvirtxml.DomainDisk {
	disk := def.disk(bus, rescueDisk, "qcow2")
	disk.Device = device
	if device == "cdrom" {
		disk.ReadOnly, disk.Driver.Discard = &libvirtxml.DomainDiskReadOnly{}, ""
	}
	disk.BackingStore = backing(def.rescueBase, def.guest.Rescue.Image.DiskFormat)
	return disk
}

// makeOverlay makes a disk on top of an image (nil: an empty one) beside its place and renames it, so that it exists whole or not at all. With
// -u and a given size qemu-img does not open the image beneath.
func (d *Driver) makeOverlay(ctx context.Context, id, name string, base *hypervisor.Image, size int64) error {
	path := d.layout.path(guestDir(id), name)
	argv := []string{d.config.QEMUImg, "create", "-q", "-f", "qcow2"}
	if base != nil {
		argv = append(argv, "-u", "-F", base.DiskFormat, "-b", d.layout.path(imageFile(*base)))
	}
	if err := tool(ctx, append(argv, path+".new", strconv.FormatInt(size, 10))...); err != nil {
		return err
	}
	relative := guestDir(id) + "/" + name
	if err := d.layout.root.Chmod(relative+".new", 0o600); err != nil {
		return err
	}
	return d.layout.root.Rename(relative+".new", relative)
}
