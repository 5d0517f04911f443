package fake

import (
	"context"
	"fmt"
	"time"

	"virga/service/compute/hypervisor"
)

// active returns the record of a guest that has memory and devices, and runs if it must.
func (d *Driver) active(id string, mustRun bool) (*record, error) {
	r := d.lookup(id)
	switch {
	case r == nil || r.Power == hypervisor.NoState:
		return nil, fmt.Errorf("%w: %s", hypervisor.ErrNotFound, id)
	case !isActive(r.Power), mustRun && r.Power != hypervisor.Running:
		return nil, fmt.Errorf("%w: %s", hypervisor.ErrOff, id)
	}
	return r, nil
}

// SetPassword implements hypervisor.Driver; every simulated guest has an agent, and users of any name.
func (d *Driver) SetPassword(ctx context.Context, id, user, password string) error {
	return d.call(ctx, "SetPassword", id, func() error {
		r, err := d.active(id, true)
		if err != nil {
			return fmt.Errorf("set password: %w", err)
		}
		next := *r
		next.Passwords = map[string]string{user: password}
		for other, kept := range r.Passwords {
			if other != user {
				next.Passwords[other] = kept
			}
		}
		return d.store(&next)
	})
}

// Password returns the password of a simulated guest's user.
func (d *Driver) Password(id, user string) string {
	if r := d.lookup(id); r != nil {
		return r.Passwords[user]
	}
	return ""
}

// InjectNMI implements hypervisor.Driver; simulated guests write no dump.
func (d *Driver) InjectNMI(ctx context.Context, id string) error {
	return d.call(ctx, "InjectNMI", id, func() error {
		r, err := d.active(id, false)
		if err != nil {
			return fmt.Errorf("inject NMI: %w", err)
		}
		next := *r
		next.NMIs++
		return d.store(&next)
	})
}

// NMIs returns how many interrupts a simulated guest got by InjectNMI.
func (d *Driver) NMIs(id string) int {
	if r := d.lookup(id); r != nil {
		return r.NMIs
	}
	return 0
}

// Diagnose implements hypervisor.Driver. A simulated guest does so much in each second since it booted.
func (d *Driver) Diagnose(ctx context.Context, id string) (hypervisor.Diagnostics, error) {
	var meters hypervisor.Diagnostics
	err := d.call(ctx, "Diagnose", id, func() error {
		r, err := d.active(id, true)
		if err != nil {
			return fmt.Errorf("diagnose: %w", err)
		}
		since := d.options.Clock.Now().Sub(r.BootedAt)
		seconds := int64(since / time.Second)
		// The API has words for some drivers alone, and this one behaves like libvirt's.
		meters = hypervisor.Diagnostics{Driver: "libvirt", Hypervisor: "fake", MemoryMaximum: r.Guest.MemoryMiB << 10, MemoryUsed: r.Guest.MemoryMiB << 10,
			Memory: map[string]int64{"actual": r.Guest.MemoryMiB << 10}}
		for i := range r.Guest.VCPUs {
			meters.CPUs = append(meters.CPUs, hypervisor.CPUMeter{ID: i, Time: int64(since) / 10})
		}
		for _, nic := range r.Guest.NICs {
			meters.NICs = append(meters.NICs, hypervisor.NICMeter{Tap: nic.Tap, MAC: nic.MAC, RxOctets: 100 * seconds, RxPackets: seconds,
				TxOctets: 80 * seconds, TxPackets: seconds})
		}
		for disk := range r.Disks {
			if disk == hypervisor.DiskVariables {
				continue
			}
			meters.Disks = append(meters.Disks, hypervisor.DiskMeter{Name: "vd" + string(rune('a'+len(meters.Disks))), ReadBytes: 4096 * seconds,
				ReadRequests: seconds, WriteBytes: 512 * seconds, WriteRequests: seconds})
		}
		return nil
	})
	return meters, err
}
