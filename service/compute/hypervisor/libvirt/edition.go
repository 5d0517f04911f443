package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

// The disks of a guest that is made anew are moved aside, into a directory of the guest's own, and moved back should they be wanted
// again. The manifest says what is aside before the first file is moved and until the last one is back, so that a death in between is
// made good by the next order, whichever way it goes.

// asideDir is the directory, in the guest's, of the disks that were set aside.
const asideDir = "aside"

// formerDisks are disks that are kept although the guest has others.
type formerDisks struct {
	Edition   int64
	Image     *hypervisor.Image
	RootBytes int64
}

// turnEdition has the guest's disks be of the edition that is wished for, as far as they are not. A guest that has other disks open is
// powered off. It returns what the guest is then.
func (d *Driver) turnEdition(ctx context.Context, guest hypervisor.Guest, kept *manifest, present *rpc.Domain, power hypervisor.PowerState) (*manifest, hypervisor.PowerState, error) {
	if kept == nil {
		return nil, power, nil
	}
	back := kept.Aside != nil && kept.Aside.Edition == guest.Edition
	if back || kept.Guest.Edition != guest.Edition {
		if !back && guest.Image != nil && !d.layout.cached(*guest.Image) {
			return nil, power, fmt.Errorf("make disks of guest %s anew: %w: %s", guest.ID, hypervisor.ErrImageMissing, guest.Image.ID)
		}
		if present != nil && isActive(power) {
			if err := d.destroy(ctx, *present); err != nil {
				return nil, power, err
			}
			power = hypervisor.Shutdown
		}
		turn := d.setAside
		if back {
			turn = d.takeBack
		}
		var err error
		if kept, err = turn(guest, kept); err != nil {
			return nil, power, fmt.Errorf("make disks of guest %s anew: %w", guest.ID, err)
		}
		d.config.Log.Info("disks changed", "server_id", guest.ID, "edition", guest.Edition, "back", back)
	}
	if kept.Aside == nil || guest.KeepEdition {
		return kept, power, nil
	}
	kept, err := d.dropAside(kept)
	return kept, power, err
}

// setAside moves the disks away.
func (d *Driver) setAside(guest hypervisor.Guest, kept *manifest) (*manifest, error) {
	var err error
	if kept.Aside != nil && kept.Aside.Edition != kept.Guest.Edition {
		if kept, err = d.dropAside(kept); err != nil {
			return nil, err
		}
	}
	next := *kept
	if next.Aside == nil && kept.RootBytes > 0 {
		next.Aside = &formerDisks{Edition: kept.Guest.Edition, Image: kept.Guest.Image, RootBytes: kept.RootBytes}
		if err := d.layout.writeManifest(&next); err != nil {
			return nil, err
		}
	}
	if err := d.layout.root.MkdirAll(guestDir(guest.ID)+"/"+asideDir, 0o700); err != nil {
		return nil, noSpace(err)
	}
	for _, name := range editionFiles(guest.PreserveEphemeral) {
		if err := d.layout.move(guestDir(guest.ID)+"/"+name, guestDir(guest.ID)+"/"+asideDir+"/"+name); err != nil {
			return nil, err
		}
	}
	next.RootBytes, next.Guest.Edition, next.Guest.Image = 0, guest.Edition, guest.Image
	return &next, d.layout.writeManifest(&next)
}

// editionFiles are the disks that belong to an edition; those that a guest has not are passed over.
func editionFiles(preserveEphemeral bool) []string {
	names := []string{rootDisk, swapDisk, variablesFile}
	for n := 0; n < hypervisor.MaxEphemerals && !preserveEphemeral; n++ {
		names = append(names, ephemeralFile(n))
	}
	return names
}

// takeBack moves the disks that were set aside to their places; what is there goes.
func (d *Driver) takeBack(guest hypervisor.Guest, kept *manifest) (*manifest, error) {
	for _, name := range editionFiles(false) {
		if err := d.layout.move(guestDir(guest.ID)+"/"+asideDir+"/"+name, guestDir(guest.ID)+"/"+name); err != nil {
			return nil, err
		}
	}
	next := *kept
	next.RootBytes, next.Guest.Edition, next.Guest.Image, next.Aside = kept.Aside.RootBytes, kept.Aside.Edition, kept.Aside.Image, nil
	return &next, d.layout.writeManifest(&next)
}

// dropAside removes the disks that were set aside.
func (d *Driver) dropAside(kept *manifest) (*manifest, error) {
	if err := d.layout.root.RemoveAll(guestDir(kept.Guest.ID) + "/" + asideDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove former disks of guest %s: %w", kept.Guest.ID, err)
	}
	next := *kept
	next.Aside = nil
	return &next, d.layout.writeManifest(&next)
}

// move renames a file; one that is not there was moved before.
func (l *layout) move(from, to string) error {
	if err := l.root.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
