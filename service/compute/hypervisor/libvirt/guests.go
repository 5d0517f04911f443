package libvirt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

// EnsureGuest implements hypervisor.Driver.
func (d *Driver) EnsureGuest(ctx context.Context, guest hypervisor.Guest) error {
	if err := errors.Join(d.open(), guest.Check()); err != nil {
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
	if guest.Power == hypervisor.PowerPrepared {
		return d.prepare(ctx, guest)
	}
	present, power, err := d.observe(ctx, guest.ID)
	if err != nil {
		return err
	}
	kept, err := d.layout.readManifest(guest.ID)
	if err != nil {
		return err
	}
	if kept != nil && kept.Leaving != hypervisor.NoState {
		return fmt.Errorf("ensure guest %s: %w", guest.ID, hypervisor.ErrUndecided)
	}
	if present != nil {
		if power, err = d.endOtherMode(ctx, *present, guest, power, turn.Hurry()); err != nil {
			return err
		}
	}
	if kept, power, err = d.turnEdition(ctx, guest, kept, present, power); err != nil {
		return err
	}
	if err := d.letNICs(ctx, departed(kept, guest.NICs)); err != nil {
		return err
	}
	before := kept
	kept, err = d.ensureDisks(ctx, guest, kept, isActive(power))
	if err != nil {
		return err
	}
	if err := d.ensureRescueDisk(ctx, guest, before); err != nil {
		return err
	}
	domain, err := d.define(ctx, guest, kept, present, isActive(power))
	if err != nil {
		return err
	}
	switch guest.Power {
	case hypervisor.PowerStopped:
		return d.stop(ctx, domain, guest, power, turn.Hurry())
	case hypervisor.PowerSuspended:
		return d.suspend(ctx, domain, guest, power)
	}
	return d.power(ctx, domain, guest, power)
}

// prepare makes the disks; of the domain it only needs to know whether it has them open.
func (d *Driver) prepare(ctx context.Context, guest hypervisor.Guest) error {
	kept, err := d.layout.readManifest(guest.ID)
	if err != nil {
		return err
	}
	active := false
	if kept != nil && kept.Defined != "" {
		_, power, err := d.observe(ctx, guest.ID)
		if err != nil {
			return err
		}
		active = isActive(power)
	}
	_, err = d.ensureDisks(ctx, guest, kept, active)
	return err
}

// observe returns the guest's domain, nil when libvirt has none, and its state.
func (d *Driver) observe(ctx context.Context, id string) (*rpc.Domain, hypervisor.PowerState, error) {
	domain, err := d.lookup(ctx, id)
	if errors.Is(err, errNoDomain) {
		return nil, hypervisor.NoState, nil
	}
	if err != nil {
		return nil, hypervisor.NoState, err
	}
	power, err := d.stateOf(ctx, domain)
	if errors.Is(err, errNoDomain) {
		return nil, hypervisor.NoState, nil
	}
	return &domain, power, err
}

func (d *Driver) stateOf(ctx context.Context, domain rpc.Domain) (hypervisor.PowerState, error) {
	state, err := call(ctx, d.conn, "observe "+domain.Name, func(l *rpc.Libvirt) (int32, error) {
		state, _, err := l.DomainGetState(domain, 0)
		return state, err
	})
	return powerOf(rpc.DomainState(state)), err
}

// isActive tells whether a QEMU process stands behind the guest.
func isActive(power hypervisor.PowerState) bool {
	return power == hypervisor.Running || power == hypervisor.Paused || power == hypervisor.Suspended
}

// define gives libvirt the guest's definition, unless it has that one. For a running guest it holds from the next start.
func (d *Driver) define(ctx context.Context, guest hypervisor.Guest, kept *manifest, present *rpc.Domain, active bool) (rpc.Domain, error) {
	def, err := d.definition(ctx, guest, kept)
	if active && present != nil && errors.Is(err, hypervisor.ErrUnsupported) { // it holds from the next start, which will be refused
		return *present, nil
	}
	if err != nil {
		return rpc.Domain{}, err
	}
	if !active {
		if err := d.renewVariables(guest, kept, def.firmware); err != nil {
			return rpc.Domain{}, err
		}
	}
	text, err := def.render()
	if err != nil {
		return rpc.Domain{}, err
	}
	sum := sha256.Sum256([]byte(text))
	digest := hex.EncodeToString(sum[:])
	if present != nil && kept.Defined == digest {
		return *present, nil
	}
	domain, err := call(ctx, d.conn, "define guest "+guest.ID, func(l *rpc.Libvirt) (rpc.Domain, error) {
		return l.DomainDefineXMLFlags(text, 0)
	})
	if err != nil {
		return rpc.Domain{}, err
	}
	next := *kept
	next.Defined = digest
	return domain, d.layout.writeManifest(&next)
}

func (d *Driver) definition(ctx context.Context, guest hypervisor.Guest, kept *manifest) (definition, error) {
	kind, err := d.domainKind(ctx)
	if err != nil {
		return definition{}, err
	}
	def := definition{guest: guest, kind: kind.name, arch: machineArch(), cache: d.cache, dir: d.layout.path(guestDir(guest.ID)),
		hasRoot: kept.RootBytes > 0, drive: guest.ConfigDrive != nil, memoryPeriod: uint(max(0, d.config.MemoryPeriod) / time.Second),
		cpus: d.config.CPUs, confined: d.config.CPUs.Shared, placement: kept.Placement}
	def.guest.CPUs = kept.Guest.CPUs // the one that goes with the place
	if def.model, err = d.chooseModel(ctx, &guest, kind.name); err != nil {
		return definition{}, err
	}
	if image := kept.Guest.Image; image != nil {
		def.base, def.baseType = d.layout.path(imageFile(*image)), image.DiskFormat
	}
	if guest.Rescue != nil {
		def.rescueBase = d.layout.path(imageFile(guest.Rescue.Image))
	}
	for name, image := range guest.CachedFiles() {
		if !d.layout.cached(image) {
			return definition{}, fmt.Errorf("describe guest %s: %w: %s", guest.ID, hypervisor.ErrImageMissing, image.ID)
		}
		*map[hypervisor.Disk]*string{hypervisor.DiskISO: &def.iso, hypervisor.DiskKernel: &def.kernel, hypervisor.DiskRamdisk: &def.ramdisk}[name] =
			d.layout.path(imageFile(image))
	}
	can, err := d.able(ctx)
	if err != nil {
		return definition{}, err
	}
	if err := can.fits(def); err != nil {
		return definition{}, err
	}
	def.firmware, err = d.chooseFirmware(def, can)
	return def, err
}

// power brings a guest that is to run or be paused there, whatever state it is in.
func (d *Driver) power(ctx context.Context, domain rpc.Domain, guest hypervisor.Guest, power hypervisor.PowerState) error {
	if isActive(power) {
		if err := d.ensureNICs(ctx, domain, guest); err != nil {
			return err
		}
	}
	paused := guest.Power == hypervisor.PowerPaused
	switch {
	case power == hypervisor.Running && paused:
		return run(ctx, d.conn, "pause guest "+guest.ID, func(l *rpc.Libvirt) error { return l.DomainSuspend(domain) })
	case power == hypervisor.Running, power == hypervisor.Paused && paused:
		return nil
	case power == hypervisor.Paused:
		err := run(ctx, d.conn, "let guest "+guest.ID+" go on", func(l *rpc.Libvirt) error { return l.DomainResume(domain) })
		if err == nil {
			d.setTime(ctx, domain, guest)
		}
		return err
	case power == hypervisor.Suspended && !paused:
		return run(ctx, d.conn, "wake guest "+guest.ID, func(l *rpc.Libvirt) error { return l.DomainPmWakeup(domain, 0) })
	case power == hypervisor.Suspended:
		return fmt.Errorf("pause guest %s: it sleeps by its own will", guest.ID)
	case paused:
		return d.boot(ctx, domain, guest, rpc.DomainStartPaused)
	}
	saved := false
	if guest.Hints.Agent { // its clock is to be put right, too
		var err error
		if saved, err = d.isSaved(ctx, domain); err != nil {
			return err
		}
	}
	if err := d.boot(ctx, domain, guest, 0); err != nil {
		return err
	}
	if saved {
		d.setTime(ctx, domain, guest)
	}
	return nil
}

// boot starts a guest that is off: with the memory that is kept of it, if there is any.
func (d *Driver) boot(ctx context.Context, domain rpc.Domain, guest hypervisor.Guest, flags rpc.DomainCreateFlags) error {
	if err := checkDevices(guest.ID, guest.NICs); err != nil {
		return err
	}
	if err := d.boundNICs(ctx, guest.ID, guest.NICs); err != nil {
		return err
	}
	// What earlier runs wrote beyond the log's size was moved aside; the log itself is emptied by the start.
	if err := d.layout.dropOldLogs(guest.ID); err != nil {
		return err
	}
	err := run(ctx, d.conn, "start guest "+guest.ID, func(l *rpc.Libvirt) error {
		_, err := l.DomainCreateWithFlags(domain, uint32(flags))
		return err
	})
	if isAnswer(err, rpc.ErrOperationInvalid) {
		// It may have been started meanwhile by somebody else on the host.
		if power, stateErr := d.stateOf(ctx, domain); stateErr == nil && power == hypervisor.Running && flags == 0 {
			return nil
		}
	}
	if err != nil {
		return err
	}
	d.config.Log.Info("guest started", "server_id", guest.ID, "generation", guest.Generation)
	return d.boundNICs(ctx, guest.ID, guest.NICs)
}

// checkDevices returns ErrDeviceMissing for the first tap that does not exist.
func checkDevices(id string, nics []hypervisor.NIC) error {
	for _, nic := range nics {
		if _, err := net.InterfaceByName(nic.Tap); err != nil {
			return fmt.Errorf("connect guest %s: %w: %s (port %s)", id, hypervisor.ErrDeviceMissing, nic.Tap, nic.PortID)
		}
	}
	return nil
}

// stop asks the guest to power off and cuts its power when the grace is over, or at once when somebody waits to remove it.
func (d *Driver) stop(ctx context.Context, domain rpc.Domain, guest hypervisor.Guest, power hypervisor.PowerState,
	hurry <-chan struct{}) error {
	if !isActive(power) {
		return d.dropMemory(ctx, domain)
	}
	if power == hypervisor.Running {
		err := run(ctx, d.conn, "ask guest "+guest.ID+" to stop", func(l *rpc.Libvirt) error {
			return l.DomainShutdownFlags(domain, rpc.DomainShutdownAcpiPowerBtn)
		})
		if err != nil && !isAnswer(err, rpc.ErrOperationInvalid) {
			return err
		}
		grace := cmp.Or(guest.StopGrace, d.config.StopGrace)
		if stopped, err := d.awaitStop(ctx, domain, grace, hurry); stopped || err != nil {
			return err
		}
	}
	return d.destroy(ctx, domain)
}

// awaitStop returns whether the guest went off by itself in time.
func (d *Driver) awaitStop(ctx context.Context, domain rpc.Domain, grace time.Duration, hurry <-chan struct{}) (bool, error) {
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			power, err := d.stateOf(ctx, domain)
			if err != nil || !isActive(power) {
				return err == nil, err
			}
		case <-deadline.C:
			return false, nil
		case <-hurry:
			return false, nil
		case <-ctx.Done():
			return false, fmt.Errorf("wait for %s to stop: %w", domain.Name, ctx.Err())
		}
	}
}

// destroy cuts the guest's power; one that is off is fine.
func (d *Driver) destroy(ctx context.Context, domain rpc.Domain) error {
	err := run(ctx, d.conn, "cut power of "+domain.Name, func(l *rpc.Libvirt) error { return l.DomainDestroy(domain) })
	if isAnswer(err, rpc.ErrOperationInvalid) || errors.Is(err, errNoDomain) {
		return nil
	}
	return err
}

// RebootGuest implements hypervisor.Driver.
func (d *Driver) RebootGuest(ctx context.Context, id string, hard bool) error {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	kept, err := d.layout.readManifest(id)
	if err != nil {
		return err
	}
	domain, power, err := d.observe(ctx, id)
	if err != nil {
		return err
	}
	if kept == nil || domain == nil {
		return fmt.Errorf("reboot: %w: %s", hypervisor.ErrNotFound, id)
	}
	if kept.Leaving != hypervisor.NoState {
		return fmt.Errorf("reboot guest %s: %w", id, hypervisor.ErrUndecided)
	}
	if err := checkDevices(id, kept.Guest.NICs); err != nil {
		return err
	}
	if hard {
		err = d.destroy(ctx, *domain)
	} else {
		err = d.stop(ctx, *domain, kept.Guest, power, turn.Hurry())
	}
	if err != nil {
		return err
	}
	if err := d.dropMemory(ctx, *domain); err != nil {
		return err
	}
	return d.boot(ctx, *domain, kept.Guest, 0)
}

// undefine removes all that libvirt keeps of a domain.
const undefine = rpc.DomainUndefineManagedSave | rpc.DomainUndefineSnapshotsMetadata | rpc.DomainUndefineNvram |
	rpc.DomainUndefineCheckpointsMetadata

// RemoveGuest implements hypervisor.Driver. The directory goes last: as long as it stands, ListGuests shows the guest.
func (d *Driver) RemoveGuest(ctx context.Context, id string, generation int64) error {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
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
	d.arrivals.drop(id)
	domain, _, err := d.observe(ctx, id)
	if err != nil {
		return err
	}
	if domain != nil {
		if err := d.destroy(ctx, *domain); err != nil {
			return err
		}
		err := run(ctx, d.conn, "undefine guest "+id, func(l *rpc.Libvirt) error {
			return l.DomainUndefineFlags(*domain, undefine)
		})
		if err != nil && !errors.Is(err, errNoDomain) {
			return err
		}
	}
	// A manifest that cannot be read goes all the same.
	if kept, err := d.layout.readManifest(id); err == nil && kept != nil {
		if err := d.letNICs(ctx, kept.Guest.NICs); err != nil {
			return fmt.Errorf("remove guest %s: %w", id, err)
		}
	}
	if err := d.layout.root.RemoveAll(guestDir(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove files of guest %s: %w", id, err)
	}
	d.places.drop(id)
	d.config.Log.Info("guest removed", "server_id", id, "generation", generation)
	return nil
}
