package fake

import (
	"fmt"
	"maps"

	"virga/service/compute/hypervisor"
)

// aside are disks that are kept although the guest has others.
type aside struct {
	Edition   int64
	Image     *hypervisor.Image
	RootBytes int64
	Disks     map[hypervisor.Disk][]byte
}

// turnEdition has the record's disks be of the edition that is wished for; a guest that had others was powered off for it.
func (d *Driver) turnEdition(next *record, guest hypervisor.Guest) error {
	switch {
	case next.Aside != nil && next.Aside.Edition == guest.Edition:
		disks := maps.Clone(next.Disks)
		maps.Copy(disks, next.Aside.Disks)
		next.Disks, next.RootBytes, next.Guest.Image, next.Aside = disks, next.Aside.RootBytes, next.Aside.Image, nil
		next.Power = offAfter(next.Power)
	case next.Guest.Edition != guest.Edition:
		if guest.Image != nil && !d.cached(*guest.Image) {
			return fmt.Errorf("make disks of guest %s anew: %w: %s", guest.ID, hypervisor.ErrImageMissing, guest.Image.ID)
		}
		old := &aside{Edition: next.Guest.Edition, Image: next.Guest.Image, RootBytes: next.RootBytes, Disks: maps.Clone(next.Disks)}
		next.Disks, next.RootBytes, next.Guest.Image, next.Aside = nil, 0, guest.Image, old
		for n := 0; n < hypervisor.MaxEphemerals && guest.PreserveEphemeral; n++ {
			name := hypervisor.EphemeralDisk(n)
			if disk, there := old.Disks[name]; there {
				if next.Disks == nil {
					next.Disks = map[hypervisor.Disk][]byte{}
				}
				next.Disks[name] = disk
				delete(old.Disks, name)
			}
		}
		next.Power = offAfter(next.Power)
	}
	if !guest.KeepEdition {
		next.Aside = nil
	}
	return nil
}

func offAfter(power hypervisor.PowerState) hypervisor.PowerState {
	if isActive(power) {
		return hypervisor.Shutdown
	}
	return power
}
