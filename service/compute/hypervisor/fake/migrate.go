package fake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"virga/service/compute/hypervisor"
)

// departing is what goes over of a simulated guest.
type departing struct {
	Disks    map[hypervisor.Disk][]byte `json:"disks"`
	Power    hypervisor.PowerState      `json:"power"`
	BootedAt time.Time                  `json:"booted_at"`
	Boots    int                        `json:"boots"`
	MACs     []string                   `json:"macs"`
}

// MigrateGuest implements hypervisor.Driver.
func (d *Driver) MigrateGuest(ctx context.Context, id string, generation int64, peer hypervisor.Peer, progress func(hypervisor.Progress)) error {
	return d.call(ctx, "MigrateGuest", id, func() error {
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		if err := d.fence.Admit(id, generation); err != nil {
			return err
		}
		left, err := d.settleLeaving(ctx, id, peer)
		if left || err != nil {
			return err
		}
		r := d.lookup(id)
		if r.Power != hypervisor.Running && r.Power != hypervisor.Paused {
			return fmt.Errorf("migrate guest %s: %w", id, hypervisor.ErrNotRunning)
		}
		if err := d.copyOver(ctx, r, peer, progress, turn.Hurry()); err != nil {
			return errors.Join(err, d.takeBack(ctx, peer))
		}
		return d.handOver(ctx, d.lookup(id), peer)
	})
}

// copyOver tells the other host of the guest and pretends to copy its memory.
func (d *Driver) copyOver(ctx context.Context, r *record, peer hypervisor.Peer, progress func(hypervisor.Progress), hurry <-chan struct{}) error {
	text, err := json.Marshal(departing{Disks: r.Disks, Power: r.Power, BootedAt: r.BootedAt, Boots: r.Boots, MACs: d.MACs(r.Guest.ID)})
	if err != nil {
		return err
	}
	if _, err := peer.Prepare(ctx, text); err != nil {
		return fmt.Errorf("prepare the other host for guest %s: %w", r.Guest.ID, err)
	}
	memory, disk := r.Guest.MemoryMiB<<20, r.RootBytes
	if d.options.Lingers != nil && d.options.Lingers(r.Guest.ID) {
		hastened := d.awaitHaste(r.Guest.ID)
		progress(hypervisor.Progress{MemoryTotal: memory, MemoryProcessed: memory, MemoryRemaining: memory / 2, DiskTotal: disk, DiskProcessed: disk})
		select {
		case <-hastened:
		case <-hurry:
			return context.Canceled
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	progress(hypervisor.Progress{MemoryTotal: memory, MemoryProcessed: memory, DiskTotal: disk, DiskProcessed: disk})
	return nil
}

// awaitHaste returns a channel that is closed when the guest's migration is hastened.
func (d *Driver) awaitHaste(id string) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	hastened := make(chan struct{})
	d.hasten[id] = hastened
	return hastened
}

// HastenMigration implements hypervisor.Driver.
func (d *Driver) HastenMigration(ctx context.Context, id string) error {
	return d.call(ctx, "HastenMigration", id, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		hastened, lingers := d.hasten[id]
		if !lingers {
			return fmt.Errorf("hasten migration: %w: %s", hypervisor.ErrNotFound, id)
		}
		delete(d.hasten, id)
		close(hastened)
		return nil
	})
}

func (d *Driver) takeBack(ctx context.Context, peer hypervisor.Peer) error {
	_, err := peer.Cancel(context.WithoutCancel(ctx))
	return err
}

// handOver lets the guest run at the other host, which alone decides from then on.
func (d *Driver) handOver(ctx context.Context, r *record, peer hypervisor.Peer) error {
	still := *r
	still.Leaving, still.Power = r.Power, hypervisor.Paused
	if err := d.store(&still); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	_, err := peer.Finish(ctx, nil)
	arrived := err == nil
	if err != nil {
		var unknown error
		if arrived, unknown = peer.Cancel(ctx); unknown != nil {
			return fmt.Errorf("%w: %s: %w", hypervisor.ErrUndecided, r.Guest.ID, errors.Join(err, unknown))
		}
	}
	if unsettled := d.settle(r.Guest.ID, arrived); unsettled != nil {
		return fmt.Errorf("%w: %s: %w", hypervisor.ErrUndecided, r.Guest.ID, unsettled)
	}
	if !arrived {
		return fmt.Errorf("start guest %s at the other host: %w", r.Guest.ID, err)
	}
	return nil
}

// settle has a guest be off that has left, and go on that has not.
func (d *Driver) settle(id string, left bool) error {
	r := d.lookup(id)
	if r == nil {
		return nil
	}
	next := *r
	next.Leaving = hypervisor.NoState
	power := r.Leaving
	if left {
		power = hypervisor.Shutdown
	}
	return d.setPower(&next, power)
}

// settleLeaving asks the other host what became of a guest that does not run here.
func (d *Driver) settleLeaving(ctx context.Context, id string, peer hypervisor.Peer) (left bool, err error) {
	r := d.lookup(id)
	if r == nil {
		return false, fmt.Errorf("migrate: %w: %s", hypervisor.ErrNotFound, id)
	}
	if r.Leaving == hypervisor.NoState && (r.Power == hypervisor.Running || r.Power == hypervisor.Paused) {
		return false, nil
	}
	arrived, err := peer.Cancel(ctx) // one that is off may have left without anybody having heard of it
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", hypervisor.ErrUndecided, id, err)
	}
	if r.Leaving == hypervisor.NoState {
		return arrived, nil
	}
	return arrived, d.settle(id, arrived)
}

// RecallGuest implements hypervisor.Driver.
func (d *Driver) RecallGuest(ctx context.Context, id string, generation int64, peer hypervisor.Peer) (left bool, err error) {
	err = d.call(ctx, "RecallGuest", id, func() error {
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		if err := d.fence.Admit(id, generation); err != nil {
			return err
		}
		left, err = d.settleLeaving(ctx, id, peer)
		return err
	})
	return left, err
}

// PrepareArrival implements hypervisor.Driver.
func (d *Driver) PrepareArrival(ctx context.Context, id string, generation int64, message []byte) ([]byte, error) {
	return nil, d.call(ctx, "PrepareArrival", id, func() error {
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		if err := d.fence.Admit(id, generation); err != nil {
			return err
		}
		var coming departing
		if err := json.Unmarshal(message, &coming); err != nil {
			return fmt.Errorf("%w: offer of guest %s: %w", hypervisor.ErrInvalid, id, err)
		}
		r := d.lookup(id)
		switch {
		case r == nil:
			return fmt.Errorf("expect guest: %w: %s", hypervisor.ErrNotFound, id)
		case r.Power != hypervisor.NoState:
			return fmt.Errorf("%w: guest %s is here already", hypervisor.ErrInvalid, id)
		case len(coming.MACs) != len(r.Guest.NICs):
			return fmt.Errorf("%w: guest %s has other devices than were ordered", hypervisor.ErrInvalid, id)
		}
		if err := d.checkDevices(r.Guest); err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.arrivals[id] = coming
		return nil
	})
}

// OpenChannel implements hypervisor.Driver; a simulated guest needs none.
func (d *Driver) OpenChannel(ctx context.Context, id, channel string) (net.Conn, error) {
	return nil, d.call(ctx, "OpenChannel", id, func() error {
		return fmt.Errorf("open channel %.20q: %w: simulated guest %s has none", channel, hypervisor.ErrNotFound, id)
	})
}

// FinishArrival implements hypervisor.Driver.
func (d *Driver) FinishArrival(ctx context.Context, id string, _ []byte) ([]byte, error) {
	return nil, d.call(ctx, "FinishArrival", id, func() error {
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		d.mu.Lock()
		coming, expected := d.arrivals[id]
		delete(d.arrivals, id)
		d.mu.Unlock()
		r := d.lookup(id)
		if !expected || r == nil {
			return fmt.Errorf("finish arrival: %w: guest %s is not expected", hypervisor.ErrNotFound, id)
		}
		next := *r
		next.Disks, next.BootedAt, next.Boots = maps.Clone(coming.Disks), coming.BootedAt, coming.Boots
		return d.setPower(&next, coming.Power)
	})
}

func (d *Driver) dropArrival(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.arrivals, id)
}

// CancelArrival implements hypervisor.Driver.
func (d *Driver) CancelArrival(ctx context.Context, id string) (arrived bool, err error) {
	err = d.call(ctx, "CancelArrival", id, func() error {
		turn, err := d.turns.Take(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for guest %s: %w", id, err)
		}
		defer turn.Done()
		d.dropArrival(id)
		r := d.lookup(id)
		arrived = r != nil && (r.Power == hypervisor.Running || r.Power == hypervisor.Paused)
		return nil
	})
	return arrived, err
}
