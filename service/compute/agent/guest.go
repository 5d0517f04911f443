package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"virga/service/compute/configdrive"
	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// powers are what the wishes are to a driver.
var powers = map[orders.Desired]hypervisor.Power{orders.Prepared: hypervisor.PowerPrepared, orders.Running: hypervisor.PowerRunning,
	orders.Rescued: hypervisor.PowerRunning, orders.Paused: hypervisor.PowerPaused, orders.Suspended: hypervisor.PowerSuspended, orders.Stopped: hypervisor.PowerStopped}

// guest is the worker of one guest.
type guest struct {
	agent *Agent
	id    string

	mu sync.Mutex
	// order is the newest one known; pending says that it waits to be carried out.
	order   orders.GuestOrder
	pending bool
	// look says that the guest changed by itself since the worker last began to look at it.
	look    bool
	working bool
	// interrupt ends what is being done for an older order.
	interrupt context.CancelFunc
	// rebooted is the greatest Reboot.Seq done by this agent.
	rebooted int64
	// met says that something was done or learnt of the guest in this life of the agent.
	met bool
	// said is the last report that the controller took.
	said orders.Report
	// failure is the report of the order that was given up last.
	failure *orders.Report
	// copied is how far this agent has come with the snapshot of which generation.
	copied copied
	// doubtful is when a report was last sent of which nobody knows whether it arrived.
	doubtful time.Time
	// progress is when something of a long order was last achieved.
	progress time.Time
}

func newGuest(a *Agent, id string) *guest { return &guest{agent: a, id: id} }

// give takes a new order; true when a worker must be started.
func (g *guest) give(order orders.GuestOrder) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if order.Generation < g.order.Generation {
		return false
	}
	newer := order.Generation > g.order.Generation
	g.order, g.pending = order, true
	if newer && g.interrupt != nil {
		g.interrupt()
	}
	if g.working {
		return false
	}
	g.working = true
	return true
}

// task is what a worker does next: carry out an order, or only look at the guest under it.
type task struct {
	ctx   context.Context
	order orders.GuestOrder
	carry bool
}

// next takes the newest order to carry out, else a look that is due; false when there is
// neither and the worker ends.
func (g *guest) next(ctx context.Context) (task, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	due := g.look && g.order.Desired != orders.Absent
	if ctx.Err() != nil || !g.pending && !due {
		g.working, g.interrupt = false, nil
		return task{}, false
	}
	t := task{order: g.order, carry: g.pending}
	t.ctx, g.interrupt = context.WithCancel(ctx)
	g.pending, g.look = false, false
	return t, true
}

func (g *guest) idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.pending
}

// images are the ids of the images that the guest needs.
func (g *guest) images() (ids []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.order.Image != nil {
		ids = append(ids, g.order.Image.ID)
	}
	if g.order.Rescue != nil {
		ids = append(ids, g.order.Rescue.Image.ID)
	}
	for _, image := range filesOf(&g.order) {
		ids = append(ids, image.ID)
	}
	return ids
}

// The pauses between tries of one order, and how long a host may fail before another is asked for.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 5 * time.Second
	patience   = 2 * time.Minute
	// findWithin bounds a look at a guest whose order was given up.
	findWithin = 10 * time.Second
)

// work carries out orders, and looks at the guest after it changed by itself, until nothing is left to do.
func (g *guest) work(parent context.Context) {
	for {
		t, more := g.next(parent)
		if !more {
			return
		}
		if t.carry {
			g.fulfil(t.ctx, t.order)
		} else {
			g.watch(t.ctx, t.order)
		}
		g.mu.Lock()
		g.interrupt()
		g.mu.Unlock()
	}
}

// watch reports the guest's state as soon as the driver can tell it.
func (g *guest) watch(ctx context.Context, order orders.GuestOrder) {
	if failure := g.failureOf(order); failure != nil {
		failed := *failure
		failed.PowerState = g.found(ctx)
		_ = g.report(ctx, failed) // it ends with ctx alone; whoever waits for the order must not take what is there for its end
		return
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := g.observe(ctx, order, false)
		if err == nil || ctx.Err() != nil {
			return
		}
		g.agent.cfg.Log.Warn("observe guest", "host", g.agent.cfg.Host, "server", g.id, "error", err)
		waitFor(ctx, nil, pause)
	}
}

// fulfil tries one order until it is reached, cannot be reached or is interrupted. What is
// to be away is tried for ever.
func (g *guest) fulfil(ctx context.Context, order orders.GuestOrder) {
	g.progressed()
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		err := g.try(ctx, order)
		if ctx.Err() != nil {
			return // a newer order is there
		}
		if err == nil {
			if order.Desired == orders.Absent {
				g.agent.forget(g)
			}
			return
		}
		said := explain(err)
		if said.Class == orders.Retry && order.Desired != orders.Absent && !errors.Is(err, hypervisor.ErrUndecided) && g.idleFor() > patience {
			said.Class = orders.Elsewhere
		}
		g.agent.cfg.Log.Warn("carry out order", "host", g.agent.cfg.Host, "server", g.id, "generation", order.Generation,
			"desired", order.Desired, "class", said.Class, "error", err)
		if errors.Is(err, hypervisor.ErrStale) {
			return // a newer order is on its way
		}
		if said.Class != orders.Retry {
			failure := orders.Report{Generation: order.Generation, State: orders.StateFailed, PowerState: g.found(ctx), Error: said}
			if order.Desired != orders.Absent {
				g.fail(&failure)
			}
			err := g.report(ctx, failure)
			if err != nil || order.Desired != orders.Absent {
				return
			}
		}
		waitFor(ctx, nil, pause)
	}
}

// found is the power state of a guest whose order was given up; 0 when it cannot be learnt now, or has none.
func (g *guest) found(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	state, err := g.agent.cfg.Driver.GetGuest(ctx, g.id)
	if err != nil {
		return int(hypervisor.NoState)
	}
	return int(state.Power)
}

// fail notes that an order was given up.
func (g *guest) fail(report *orders.Report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failure = report
}

// failureOf is what was said when the order was given up, or nil.
func (g *guest) failureOf(order orders.GuestOrder) *orders.Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failure == nil || g.failure.Generation != order.Generation {
		return nil
	}
	return g.failure
}

// progressed notes that the order at hand has got further.
func (g *guest) progressed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.progress = time.Now()
}

// idleFor is how long ago the order at hand last got further.
func (g *guest) idleFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.progress)
}

// try does what an order asks for, as far as it is not done, and reports the state.
func (g *guest) try(ctx context.Context, order orders.GuestOrder) error {
	driver := g.agent.cfg.Driver
	if order.Desired == orders.Absent {
		if err := driver.RemoveGuest(ctx, g.id, order.Generation); err != nil {
			return err
		}
		return g.report(ctx, orders.Report{Generation: order.Generation, State: orders.StateAbsent})
	}
	if order.Move != nil && !order.Settled {
		if left, err := g.move(ctx, order); left || err != nil {
			return err
		}
	}
	if !order.Settled && order.Desired != orders.Moved {
		if err := g.ensure(ctx, order); err != nil {
			return err
		}
	}
	if order.Settled {
		if err := g.resume(ctx, order); err != nil {
			return err
		}
	}
	g.met = true
	if order.Reboot != nil && order.Reboot.Seq > g.rebooted {
		if err := driver.RebootGuest(ctx, g.id, order.Reboot.Hard); err != nil {
			return err
		}
		g.mu.Lock()
		g.rebooted = order.Reboot.Seq
		g.mu.Unlock()
	}
	if !order.Settled {
		if err := g.copyDisk(ctx, order); err != nil {
			return err
		}
	}
	return g.observe(ctx, order, !order.Settled)
}

// ensure has the image cached and the guest made as ordered.
func (g *guest) ensure(ctx context.Context, order orders.GuestOrder) error {
	driver := g.agent.cfg.Driver
	want := hypervisor.Guest{
		ID: g.id, Name: order.Name, HostName: order.HostName, Generation: order.Generation,
		VCPUs: order.Flavor.VCPUs, MemoryMiB: order.Flavor.MemoryMiB, RootGiB: order.Flavor.RootGiB,
		EphemeralGiB: order.Flavor.EphemeralGiB, SwapMiB: order.Flavor.SwapMiB,
		Edition: order.Edition, KeepEdition: order.KeepEdition, PreserveEphemeral: order.PreserveEphemeral,
		Hints: hypervisor.Hints(order.Hints), Devices: hypervisor.Devices(order.Devices), CPUs: order.CPUs, StopGrace: time.Duration(order.StopGraceSeconds) * time.Second,
		Metadata: hypervisor.Metadata{
			FlavorName: order.Metadata.FlavorName, ProjectID: order.Metadata.ProjectID, ProjectName: order.Metadata.ProjectName,
			UserID: order.Metadata.UserID, UserName: order.Metadata.UserName, CreatedAt: order.Metadata.CreatedAt,
		},
	}
	for _, nic := range order.NICs {
		want.NICs = append(want.NICs, hypervisor.NIC{PortID: nic.PortID, MAC: nic.MAC, Tap: nic.Tap, MTU: nic.MTU, Model: nic.Model,
			Inbound: hypervisor.Bandwidth(nic.Inbound), Outbound: hypervisor.Bandwidth(nic.Outbound)})
	}
	var gone error // a guest that has its disks can be told to stop, at least
	if order.Image != nil {
		image, err := g.cacheImage(ctx, order.Image, order.Receive, hypervisor.DiskBase)
		if errors.Is(err, ErrNoImage) {
			gone, err = err, nil
		}
		if err != nil {
			return err
		}
		want.Image = &image
	}
	if err := g.cacheFiles(ctx, &order, &want); err != nil {
		return err
	}
	if order.Desired == orders.Rescued && order.Rescue != nil {
		image, err := g.cacheImage(ctx, &order.Rescue.Image, nil, "")
		if err != nil {
			return err
		}
		want.Rescue = &hypervisor.Rescue{Image: image, Device: order.Rescue.Device, Bus: order.Rescue.Bus}
	}
	if order.ConfigDrive != nil {
		drive, err := configdrive.Build(configdrive.Drive(*order.ConfigDrive))
		if err != nil {
			return fmt.Errorf("%w: %w", hypervisor.ErrInvalid, err)
		}
		want.ConfigDrive = drive
	}
	power, known := powers[order.Desired]
	if !known {
		return fmt.Errorf("%w: desired state %q", hypervisor.ErrInvalid, order.Desired)
	}
	want.Power = power
	var err error
	if order.Receive != nil {
		err = g.adopt(ctx, order.Receive, want)
	}
	if err == nil {
		err = driver.EnsureGuest(ctx, want)
	}
	if err != nil && gone != nil && !errors.Is(err, hypervisor.ErrStale) {
		return fmt.Errorf("%w: %w", gone, err)
	}
	return err
}

// cacheImage has an image in the host's cache, from the image service or, should it be gone there, from the host that the guest comes from,
// which knows it as that disk.
func (g *guest) cacheImage(ctx context.Context, from *orders.Image, receive *orders.Receive, disk hypervisor.Disk) (hypervisor.Image, error) {
	image := hypervisor.Image{ID: from.ID, SHA512: from.SHA512, SizeBytes: from.Size, DiskFormat: from.DiskFormat, VirtualSize: from.VirtualSize}
	err := g.agent.cfg.Driver.EnsureImage(ctx, image, func(ctx context.Context) (io.ReadCloser, error) {
		content, err := g.agent.openImage(ctx, image.ID)
		if errors.Is(err, ErrNoImage) && receive != nil {
			return g.openBase(ctx, receive, disk)
		}
		return content, err
	})
	return image, err
}
