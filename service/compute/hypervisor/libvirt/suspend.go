package libvirt

import (
	"context"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

// A suspended guest is one of which libvirt keeps a managed save image: its memory and devices in a file of libvirt's own, from which the
// next start goes on. The file outlives libvirtd and the host.

// savePatience is how long writing a guest's memory to the disk may take.
const savePatience = 30 * time.Minute

// suspend writes the guest's memory to the disk and ends its process; one that is off is started for it.
func (d *Driver) suspend(ctx context.Context, domain rpc.Domain, guest hypervisor.Guest, power hypervisor.PowerState) error {
	if !isActive(power) {
		saved, err := d.isSaved(ctx, domain)
		if err != nil || saved {
			return err
		}
		if err := d.boot(ctx, domain, guest, rpc.DomainStartPaused); err != nil {
			return err
		}
	}
	_, err := callWithin(ctx, d.conn, savePatience, "suspend guest "+guest.ID, func(l *rpc.Libvirt) (struct{}, error) {
		// The state at the restart is stated anew at every start; without a word here it would be that of now.
		return struct{}{}, l.DomainManagedSave(domain, uint32(rpc.DomainSaveRunning))
	})
	return err
}

// isSaved tells whether libvirt keeps the memory of a guest that is off.
func (d *Driver) isSaved(ctx context.Context, domain rpc.Domain) (bool, error) {
	there, err := call(ctx, d.conn, "look for the memory of "+domain.Name, func(l *rpc.Libvirt) (int32, error) {
		return l.DomainHasManagedSaveImage(domain, 0)
	})
	return there == 1, err
}

// dropMemory forgets the memory that is kept of a guest, so that its next start is one from the beginning.
func (d *Driver) dropMemory(ctx context.Context, domain rpc.Domain) error {
	saved, err := d.isSaved(ctx, domain)
	if err != nil || !saved {
		return err
	}
	return run(ctx, d.conn, "drop the memory of "+domain.Name, func(l *rpc.Libvirt) error { return l.DomainManagedSaveRemove(domain, 0) })
}
