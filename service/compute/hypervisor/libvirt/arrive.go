package libvirt

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"sync"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// The side of a migration where the guest arrives; migrate.go tells how it goes.

// arrival is a guest that is expected. As long as its connection stands libvirtd keeps the half-made guest, and no longer.
type arrival struct {
	own   *link
	dir   *socketDir
	flags rpc.DomainMigrateFlags
}

func (a *arrival) end() {
	a.own.hangUp()
	a.dir.remove()
}

// arrivals are the guests that are expected.
type arrivals struct {
	mu   sync.Mutex
	byID map[string]*arrival
}

func (a *arrivals) put(id string, expected *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byID == nil {
		a.byID = map[string]*arrival{}
	}
	a.byID[id] = expected
}

func (a *arrivals) get(id string) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byID[id]
}

// drop forgets an arrival; libvirtd then ends the guest unless it has been let run.
func (a *arrivals) drop(id string) {
	a.mu.Lock()
	expected := a.byID[id]
	delete(a.byID, id)
	a.mu.Unlock()
	if expected != nil {
		expected.end()
	}
}

func (a *arrivals) close() {
	a.mu.Lock()
	all := a.byID
	a.byID = nil
	a.mu.Unlock()
	for _, expected := range all {
		expected.end()
	}
}

// PrepareArrival implements hypervisor.Driver.
func (d *Driver) PrepareArrival(ctx context.Context, id string, generation int64, message []byte) ([]byte, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return nil, err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	if err := d.fence.Admit(id, generation); err != nil {
		return nil, err
	}
	var o offer
	if err := json.Unmarshal(message, &o); err != nil {
		return nil, fmt.Errorf("%w: offer of guest %s: %w", hypervisor.ErrInvalid, id, err)
	}
	kept, err := d.layout.readManifest(id)
	if err != nil {
		return nil, err
	}
	if kept == nil {
		return nil, fmt.Errorf("expect guest: %w: %s", hypervisor.ErrNotFound, id)
	}
	if err := d.clearArrival(ctx, id); err != nil {
		return nil, err
	}
	if err := checkDevices(id, kept.Guest.NICs); err != nil {
		return nil, err
	}
	text, err := d.arrivingDomain(ctx, kept, &o)
	if err != nil {
		return nil, err
	}
	cookie, err := d.expect(ctx, id, text, &o)
	if err != nil {
		return nil, err
	}
	if err := d.boundNICs(ctx, id, kept.Guest.NICs); err != nil {
		d.arrivals.drop(id)
		return nil, err
	}
	return json.Marshal(answer{Cookie: cookie})
}

// clearArrival ends what an earlier try has left, and refuses when the guest runs here.
func (d *Driver) clearArrival(ctx context.Context, id string) error {
	arrived, err := d.cancelArrival(ctx, id)
	if arrived {
		err = fmt.Errorf("%w: guest %s runs here already", hypervisor.ErrInvalid, id)
	}
	return err
}

// arrivingDomain describes the guest as it was ordered here, with those properties of the running one on which its memory depends.
func (d *Driver) arrivingDomain(ctx context.Context, kept *manifest, o *offer) (string, error) {
	guest := kept.Guest
	if len(o.Drive) > 0 {
		if err := d.layout.replace(guestDir(guest.ID)+"/"+configDrive, o.Drive); err != nil {
			return "", fmt.Errorf("write config drive of guest %s: %w", guest.ID, err)
		}
		guest.ConfigDrive = o.Drive
	}
	def, err := d.definition(ctx, guest, kept)
	if err != nil {
		return "", err
	}
	var live libvirtxml.Domain
	if err := xml.Unmarshal([]byte(o.Domain), &live); err != nil {
		return "", fmt.Errorf("%w: offer of guest %s: %w", hypervisor.ErrInvalid, guest.ID, err)
	}
	wanted := def.domain()
	if err := likeRunning(&wanted, &live); err != nil {
		return "", fmt.Errorf("expect guest %s: %w", guest.ID, err)
	}
	if def.kind == "kvm" {
		if err := d.compareCPU(ctx, wanted.CPU); err != nil {
			return "", fmt.Errorf("expect guest %s: %w", guest.ID, err)
		}
	}
	if own := writableDisks(&wanted); !slices.Equal(own, o.Disks) {
		return "", fmt.Errorf("%w: guest %s has the disks %v, ordered were %v", hypervisor.ErrInvalid, guest.ID, o.Disks, own)
	}
	text, err := wanted.Marshal()
	if err != nil {
		return "", fmt.Errorf("render domain of guest %s: %w", guest.ID, err)
	}
	return text, nil
}

// compareCPU refuses a guest whose processor this host's cannot be.
func (d *Driver) compareCPU(ctx context.Context, cpu *libvirtxml.DomainCPU) error {
	text, err := cpu.Marshal()
	if err != nil {
		return err
	}
	result, err := call(ctx, d.conn, "compare processors", func(l *rpc.Libvirt) (int32, error) { return l.ConnectCompareCPU(text, 0) })
	if err != nil {
		return err
	}
	if rpc.CPUCompareResult(result) < rpc.CPUCompareIdentical {
		return fmt.Errorf("%w: its processor lacks what the guest's has", hypervisor.ErrUnfit)
	}
	return nil
}

// expect has libvirtd start QEMU, which waits for memory and disks.
func (d *Driver) expect(ctx context.Context, id, text string, o *offer) ([]byte, error) {
	own, err := d.ownConnection(ctx)
	if err != nil {
		return nil, fmt.Errorf("expect guest %s: %w", id, err)
	}
	dir, err := d.newSocketDir(ctx)
	if err != nil {
		own.hangUp()
		return nil, err
	}
	expected := &arrival{own: own, dir: dir, flags: flagsFor(o.Disks)}
	if o.Paused {
		expected.flags |= rpc.MigratePaused
	}
	params := append(diskParams(o.Disks), stringParam(rpc.MigrateParamDestXML, text), stringParam(rpc.MigrateParamURI, dir.uri(memoryChannel)))
	if len(o.Disks) > 0 {
		params = append(params, stringParam(rpc.MigrateParamDisksURI, dir.uri(disksChannel)))
	}
	cookie, err := aside(ctx, callPatience, func() ([]byte, error) {
		cookie, _, err := own.DomainMigratePrepare3Params(params, o.Cookie, uint32(expected.flags))
		return cookie, err
	})
	if err != nil {
		expected.end()
		return nil, classify("expect guest "+id, err)
	}
	d.arrivals.put(id, expected)
	return cookie, nil
}

// OpenChannel implements hypervisor.Driver.
func (d *Driver) OpenChannel(ctx context.Context, id, channel string) (net.Conn, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return nil, err
	}
	expected := d.arrivals.get(id)
	if expected == nil || channel != memoryChannel && channel != disksChannel {
		return nil, fmt.Errorf("open channel %.20q: %w: guest %s is not expected", channel, hypervisor.ErrNotFound, id)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", expected.dir.socket(channel))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open channel %s: %w: guest %s", channel, hypervisor.ErrNotFound, id)
	}
	return conn, err
}

// FinishArrival implements hypervisor.Driver.
func (d *Driver) FinishArrival(ctx context.Context, id string, message []byte) ([]byte, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return nil, err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	expected := d.arrivals.get(id)
	if expected == nil {
		return nil, fmt.Errorf("finish arrival: %w: guest %s is not expected", hypervisor.ErrNotFound, id)
	}
	params := []rpc.TypedParam{stringParam(rpc.MigrateParamDestName, domainName(id))}
	cookie, err := aside(context.WithoutCancel(ctx), finishPatience, func() ([]byte, error) {
		_, cookie, err := expected.own.DomainMigrateFinish3Params(params, message, uint32(expected.flags), 0)
		return cookie, err
	})
	d.arrivals.drop(id)
	if err != nil {
		return nil, classify("let guest "+id+" run", err)
	}
	d.config.Log.Info("guest arrived", "server_id", id)
	return json.Marshal(answer{Cookie: cookie})
}

// CancelArrival implements hypervisor.Driver.
func (d *Driver) CancelArrival(ctx context.Context, id string) (bool, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return false, err
	}
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return false, fmt.Errorf("wait for guest %s: %w", id, err)
	}
	defer turn.Done()
	return d.cancelArrival(ctx, id)
}

func (d *Driver) cancelArrival(ctx context.Context, id string) (arrived bool, err error) {
	if expected := d.arrivals.get(id); expected != nil {
		params := []rpc.TypedParam{stringParam(rpc.MigrateParamDestName, domainName(id))}
		_, err := aside(ctx, callPatience, func() (struct{}, error) {
			_, _, err := expected.own.DomainMigrateFinish3Params(params, nil, uint32(expected.flags), 1)
			return struct{}{}, err
		})
		if err != nil { // libvirt has no domain to show for it, and says so by an error; what is there is looked at below
			d.config.Log.Debug("give up an arrival", "server_id", id, "error", err)
		}
		d.arrivals.drop(id)
	}
	domain, power, err := d.observe(ctx, id)
	if err != nil || domain == nil || !isActive(power) {
		return false, err
	}
	if power == hypervisor.Paused {
		reason, err := d.pausedBecause(ctx, *domain)
		if err != nil {
			return false, err
		}
		if reason == rpc.DomainPausedMigration || reason == rpc.DomainPausedStartingUp {
			return false, d.destroy(ctx, *domain)
		}
	}
	return true, nil
}

// writableDisks are the target names of the disks that a guest can write to, in order.
func writableDisks(domain *libvirtxml.Domain) []string {
	names := []string{}
	for i := range domain.Devices.Disks {
		if disk := &domain.Devices.Disks[i]; disk.ReadOnly == nil && disk.Target != nil && disk.Device != "cdrom" {
			names = append(names, disk.Target.Dev)
		}
	}
	return names
}

var machineName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,60}$`)

// likeRunning takes over from a running guest what its memory depends on: board, processor, sizes, and where each device is. Of
// files, devices and sockets nothing is taken over, so that the other host cannot have this one open any.
func likeRunning(wanted, live *libvirtxml.Domain) error {
	if live.OS == nil || live.OS.Type == nil || !machineName.MatchString(live.OS.Type.Machine) || live.Devices == nil || live.CPU == nil ||
		live.Memory == nil || live.VCPU == nil {
		return fmt.Errorf("%w: the offer describes no guest", hypervisor.ErrInvalid)
	}
	if mebibytes(live.Memory) > mebibytes(wanted.Memory) || live.VCPU.Value > wanted.VCPU.Value {
		return fmt.Errorf("%w: the guest is larger than what was ordered", hypervisor.ErrInvalid)
	}
	wanted.OS.Type.Machine = live.OS.Type.Machine
	wanted.CPU, wanted.Features, wanted.Clock = live.CPU, live.Features, live.Clock
	wanted.Memory, wanted.CurrentMemory = live.Memory, live.CurrentMemory
	wanted.VCPU.Value, wanted.VCPU.Current = live.VCPU.Value, live.VCPU.Current // which of the host's they are on is this host's own
	to, from := wanted.Devices, live.Devices
	to.Controllers, to.Videos, to.MemBalloon, to.Watchdogs = from.Controllers, from.Videos, from.MemBalloon, from.Watchdogs
	to.Sounds, to.IOMMUs = from.Sounds, from.IOMMUs
	to.Inputs = nil
	for _, input := range from.Inputs {
		to.Inputs = append(to.Inputs, libvirtxml.DomainInput{Type: input.Type, Bus: input.Bus, Model: input.Model, Address: input.Address, Alias: input.Alias})
	}
	if err := sameDevices(to, from); err != nil {
		return err
	}
	for i := range to.Serials {
		to.Serials[i].Address = from.Serials[i].Address
	}
	for i := range to.RNGs {
		to.RNGs[i].Address = from.RNGs[i].Address
	}
	for i := range to.Channels {
		to.Channels[i].Address = from.Channels[i].Address
	}
	return nil
}

// sameDevices finds each wanted disk and interface in the running guest and takes over where it is.
func sameDevices(to, from *libvirtxml.DomainDeviceList) error {
	if len(to.Disks) != len(from.Disks) || len(to.Interfaces) != len(from.Interfaces) || len(to.Serials) != len(from.Serials) ||
		len(to.RNGs) != len(from.RNGs) || len(to.Channels) != len(from.Channels) {
		return fmt.Errorf("%w: the guest has other devices than were ordered", hypervisor.ErrInvalid)
	}
	for i := range to.Disks {
		at := slices.IndexFunc(from.Disks, func(disk libvirtxml.DomainDisk) bool {
			return disk.Target != nil && *disk.Target == *to.Disks[i].Target && disk.Device == to.Disks[i].Device
		})
		if at < 0 {
			return fmt.Errorf("%w: the guest has no disk %s", hypervisor.ErrInvalid, to.Disks[i].Target.Dev)
		}
		to.Disks[i].Address = from.Disks[at].Address
	}
	order := map[string]int{}
	for i := range to.Interfaces {
		at := slices.IndexFunc(from.Interfaces, func(nic libvirtxml.DomainInterface) bool {
			return nic.MAC != nil && nic.MAC.Address == to.Interfaces[i].MAC.Address
		})
		if at < 0 {
			return fmt.Errorf("%w: the guest has no interface %s", hypervisor.ErrInvalid, to.Interfaces[i].MAC.Address)
		}
		to.Interfaces[i].Address, order[to.Interfaces[i].MAC.Address] = from.Interfaces[at].Address, at
	}
	// libvirt compares the devices one by one.
	slices.SortFunc(to.Interfaces, func(a, b libvirtxml.DomainInterface) int { return order[a.MAC.Address] - order[b.MAC.Address] })
	return nil
}

// mebibytes is a size of memory; libvirt writes KiB where it says nothing.
func mebibytes(memory *libvirtxml.DomainMemory) uint {
	switch memory.Unit {
	case "MiB":
		return memory.Value
	case "", "KiB":
		return memory.Value >> 10
	case "GiB":
		return memory.Value << 10
	}
	return ^uint(0)
}
