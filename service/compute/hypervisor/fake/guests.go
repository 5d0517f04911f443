package fake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"

	"virga/service/compute/hypervisor"
)

// EnsureGuest implements hypervisor.Driver.
func (d *Driver) EnsureGuest(ctx context.Context, guest hypervisor.Guest) error {
	return d.call(ctx, "EnsureGuest", guest.ID, func() error {
		if err := guest.Check(); err != nil {
			return err
		}
		turn, err := d.turns.Take(ctx, guest.ID)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", guest.ID, err)
		}
		defer turn.Done()
		if err := d.fence.Admit(guest.ID, guest.Generation); err != nil {
			return err
		}
		if r := d.lookup(guest.ID); r != nil && r.Leaving != hypervisor.NoState && guest.Power != hypervisor.PowerPrepared {
			return fmt.Errorf("ensure guest %s: %w", guest.ID, hypervisor.ErrUndecided)
		}
		return d.ensure(guest)
	})
}

func (d *Driver) ensure(guest hypervisor.Guest) error {
	if guest.Power != hypervisor.PowerPrepared { // disks need no devices
		if err := fits(guest); err != nil {
			return err
		}
	}
	if guest.CPUs != nil || d.hasPlace(guest.ID) {
		d.placing.Lock()
		defer d.placing.Unlock()
	}
	var present []hypervisor.NIC
	if r := d.lookup(guest.ID); r != nil {
		present = r.Guest.NICs
	}
	next, changed, err := d.describe(guest)
	if err != nil {
		return err
	}
	switch added := guest; {
	case isActive(next.Power): // what it has it keeps
		added.NICs = slices.DeleteFunc(slices.Clone(guest.NICs), func(nic hypervisor.NIC) bool { return slices.Contains(present, nic) })
		err = d.checkDevices(added)
	case starts(guest.Power, next.Saved):
		err = d.checkDevices(guest)
	}
	if err != nil {
		return err
	}
	if changed {
		if err := d.store(next); err != nil {
			return err
		}
	}
	if next.Rescued != (guest.Rescue != nil) && (isActive(next.Power) || next.Saved) && guest.Power != hypervisor.PowerPrepared {
		if err := d.setPower(next, hypervisor.Shutdown); err != nil {
			return err
		}
		next = d.lookup(guest.ID)
	}
	return d.power(next, guest.Power)
}

// describe returns the guest's record after the wish was applied, apart from its power.
func (d *Driver) describe(guest hypervisor.Guest) (next *record, changed bool, err error) {
	next = &record{}
	last := d.lookup(guest.ID)
	if last != nil {
		*next = *last
	} else if guest.Image != nil && !d.cached(*guest.Image) {
		return nil, false, fmt.Errorf("make disk of guest %s: %w: %s", guest.ID, hypervisor.ErrImageMissing, guest.Image.ID)
	}
	if guest.Rescue != nil && !d.cached(guest.Rescue.Image) {
		return nil, false, fmt.Errorf("make rescue disk of guest %s: %w: %s", guest.ID, hypervisor.ErrImageMissing, guest.Rescue.Image.ID)
	}
	for disk, image := range guest.CachedFiles() {
		if !d.cached(image) {
			return nil, false, fmt.Errorf("find %s of guest %s: %w: %s", disk, guest.ID, hypervisor.ErrImageMissing, image.ID)
		}
	}
	if last != nil {
		if err := d.turnEdition(next, guest); err != nil {
			return nil, false, err
		}
	}
	root := guest.RootGiB * hypervisor.GiB
	if root == 0 && guest.Image != nil {
		root = guest.Image.VirtualSize
	}
	if root < next.RootBytes {
		return nil, false, fmt.Errorf("%w: root disk of guest %s has %d bytes and cannot shrink to %d", hypervisor.ErrInvalid,
			guest.ID, next.RootBytes, root)
	}
	next.RootBytes = root
	next.Drive = ""
	if guest.ConfigDrive != nil {
		digest := sha256.Sum256(guest.ConfigDrive)
		next.Drive = hex.EncodeToString(digest[:])
		guest.ConfigDrive = nil
	}
	if err := d.place(next, &guest, last); err != nil {
		return nil, false, err
	}
	guest.NICs = slices.Clone(guest.NICs)
	next.Guest, next.Disks = guest, d.withDisks(next.Disks, guest)
	return next, last == nil || !reflect.DeepEqual(*last, *next), nil
}

func (d *Driver) checkDevices(guest hypervisor.Guest) error {
	for _, nic := range guest.NICs {
		if !d.options.DeviceExists(nic.Tap) {
			return fmt.Errorf("connect guest %s: %w: %s (port %s)", guest.ID, hypervisor.ErrDeviceMissing, nic.Tap, nic.PortID)
		}
	}
	return nil
}

// RemoveGuest implements hypervisor.Driver.
func (d *Driver) RemoveGuest(ctx context.Context, id string, generation int64) error {
	return d.call(ctx, "RemoveGuest", id, func() error {
		if err := hypervisor.CheckID(id); err != nil {
			return err
		}
		turn, err := d.turns.TakeHurried(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		if err := d.fence.Retire(id, generation); err != nil {
			return err
		}
		d.dropArrival(id)
		r := d.lookup(id)
		if r == nil {
			return nil
		}
		if d.files != nil {
			if err := d.files.removeGuest(id); err != nil {
				return fmt.Errorf("remove guest %s: %w", id, err)
			}
		}
		d.mu.Lock()
		delete(d.guests, id)
		d.mu.Unlock()
		d.viewers.end(id)
		if r.Power == hypervisor.Running {
			d.publish(id, hypervisor.Shutdown)
		}
		d.publish(id, hypervisor.NoState)
		return nil
	})
}

// RebootGuest implements hypervisor.Driver.
func (d *Driver) RebootGuest(ctx context.Context, id string, hard bool) error {
	return d.call(ctx, "RebootGuest", id, func() error {
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		r := d.lookup(id)
		if r == nil || r.Power == hypervisor.NoState {
			return fmt.Errorf("reboot: %w: %s", hypervisor.ErrNotFound, id)
		}
		if r.Leaving != hypervisor.NoState {
			return fmt.Errorf("reboot guest %s: %w", id, hypervisor.ErrUndecided)
		}
		if err := d.checkDevices(r.Guest); err != nil {
			return err
		}
		if isActive(r.Power) {
			if err := d.setPower(r, hypervisor.Shutdown); err != nil {
				return err
			}
		}
		return d.boot(d.lookup(id), hypervisor.Running)
	})
}

// GetGuest implements hypervisor.Driver.
func (d *Driver) GetGuest(ctx context.Context, id string) (hypervisor.GuestState, error) {
	var state hypervisor.GuestState
	err := d.call(ctx, "GetGuest", id, func() error {
		r := d.lookup(id)
		if r == nil {
			return fmt.Errorf("get guest: %w: %s", hypervisor.ErrNotFound, id)
		}
		state = d.state(r)
		return nil
	})
	return state, err
}

// ListGuests implements hypervisor.Driver.
func (d *Driver) ListGuests(ctx context.Context) ([]hypervisor.GuestState, error) {
	var states []hypervisor.GuestState
	err := d.call(ctx, "ListGuests", "", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, r := range d.guests {
			states = append(states, d.state(r))
		}
		slices.SortFunc(states, func(a, b hypervisor.GuestState) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return states, err
}

// ConsoleLog implements hypervisor.Driver.
func (d *Driver) ConsoleLog(ctx context.Context, id string, maxBytes int) ([]byte, error) {
	var text []byte
	err := d.call(ctx, "ConsoleLog", id, func() error {
		r := d.lookup(id)
		if r == nil {
			return fmt.Errorf("read console: %w: %s", hypervisor.ErrNotFound, id)
		}
		if !r.BootedAt.IsZero() {
			text = []byte(bootText(r))
		}
		text = text[max(0, len(text)-max(0, maxBytes)):]
		return nil
	})
	return text, err
}

func (d *Driver) state(r *record) hypervisor.GuestState {
	return hypervisor.GuestState{ID: r.Guest.ID, Generation: d.fence.Seen(r.Guest.ID), Power: r.Power,
		Defined: r.Power != hypervisor.NoState, Saved: r.Saved, Rescued: r.Rescued && isActive(r.Power),
		Placement: r.Placement}
}

// lookup returns the guest's record or nil; records are replaced, never changed.
func (d *Driver) lookup(id string) *record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guests[id]
}

func (d *Driver) store(r *record) error {
	if d.files != nil {
		if err := d.files.writeGuest(r); err != nil {
			return fmt.Errorf("store guest %s: %w", r.Guest.ID, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.guests[r.Guest.ID] = r
	return nil
}

// setPower stores a state in which no memory is kept.
func (d *Driver) setPower(r *record, power hypervisor.PowerState) error {
	next := *r
	next.Power, next.Saved = power, false
	return d.enter(&next)
}

// enter stores a record with a new state and tells of it.
func (d *Driver) enter(next *record) error {
	if err := d.store(next); err != nil {
		return err
	}
	d.publish(next.Guest.ID, next.Power)
	if !isActive(next.Power) {
		d.viewers.end(next.Guest.ID)
	}
	return nil
}

// boot starts a guest from the beginning.
func (d *Driver) boot(r *record, power hypervisor.PowerState) error {
	next := *r
	next.BootedAt = d.options.Clock.Now()
	next.Boots++
	next.Rescued = next.Guest.Rescue != nil
	return d.setPower(&next, power)
}
