package libvirt

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"sync"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/internal/fanout"
	"virga/service/compute/hypervisor/internal/fence"
	"virga/service/compute/hypervisor/internal/flight"
	"virga/service/compute/hypervisor/internal/turns"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Config says where things are; only Dir and Clock are required.
type Config struct {
	Dir       string        // absolute; holds images and guests, one process at a time
	Clock     Clock         // for events and the memory of generations
	Log       *slog.Logger  // default: discard
	Socket    string        // libvirtd's socket; default /run/libvirt/libvirt-sock
	URI       string        // default qemu:///system
	StopGrace time.Duration // default for guests that name none: 60s, as nova's shutdown_timeout

	// MemoryPeriod is how often guests tell how much memory they use, whole seconds; default: 10s, as nova's mem_stats_period_seconds. With
	// less than a second they have no memory balloon.
	MemoryPeriod time.Duration

	// DomainType is "kvm" or "qemu"; default: found out by trial.
	DomainType string
	CPUs       CPUConfig

	QEMU    string // default qemu-system-ARCH of this machine
	QEMUImg string // default qemu-img
}

func (c *Config) setDefaults() {
	c.Socket = cmp.Or(c.Socket, "/run/libvirt/libvirt-sock")
	c.URI = cmp.Or(c.URI, "qemu:///system")
	c.StopGrace = cmp.Or(c.StopGrace, time.Minute)
	c.MemoryPeriod = cmp.Or(c.MemoryPeriod, 10*time.Second)
	c.QEMU = cmp.Or(c.QEMU, "qemu-system-"+machineArch())
	c.QEMUImg = cmp.Or(c.QEMUImg, "qemu-img")
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Driver runs guests through libvirt.
type Driver struct {
	config  Config
	layout  *layout
	fence   *fence.Fence
	conn    *connection
	turns   turns.Turns
	events  fanout.Fanout
	flights flight.Flights
	serials serialLines
	// departures and arrivals are the migrations at work.
	departures departures
	arrivals   arrivals
	cache      string // disk cache mode that the directory's file system allows

	closing sync.Once
	facts   sync.Mutex
	kind    domainKind // found out once; guarded by facts
	// features are those of guests' processors, in libvirt's names, by their models; guarded by facts.
	features map[string][]string
	places   places

	abilities    *abilities // as found out last; guarded by facts
	firmwareDirs []string
}

var _ hypervisor.Driver = (*Driver)(nil)

// New opens the directory and begins to connect; it does not wait for libvirtd, whose absence shows as ErrUnavailable.
func New(config Config) (*Driver, error) {
	config.setDefaults()
	if config.Clock == nil {
		return nil, fmt.Errorf("open libvirt driver: no clock")
	}
	if err := config.CPUs.check(); err != nil {
		return nil, fmt.Errorf("open libvirt driver: %w", err)
	}
	layout, err := openLayout(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("open libvirt driver: %w", err)
	}
	d := &Driver{config: config, layout: layout, cache: layout.cacheMode(), firmwareDirs: firmwareDirs()}
	if err := d.recall(); err != nil {
		layout.close()
		return nil, fmt.Errorf("open libvirt driver: %w", err)
	}
	d.conn = &connection{socket: config.Socket, uri: config.URI, log: config.Log, pulse: usualPulse(), onEvent: d.onEvent, onGap: d.onGap}
	d.conn.start()
	return d, nil
}

// recall reads the guests' own files: where guests are on the host, and generations, should their own memory have been lost.
func (d *Driver) recall() error {
	memory, err := fence.Open(d.layout.path("generations"), true, d.config.Clock.Now)
	if err != nil {
		return err
	}
	d.fence = memory
	ids, err := d.layout.guests()
	if err != nil {
		return err
	}
	for _, id := range ids {
		kept, err := d.layout.readManifest(id)
		if err != nil {
			d.config.Log.Warn("guest's file is unreadable", "server_id", id, "error", err)
			continue
		}
		if kept != nil {
			d.places.put(id, kept.Placement)
		}
		if kept != nil && memory.Seen(id) < kept.Guest.Generation {
			if err := memory.Admit(id, kept.Guest.Generation); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close implements hypervisor.Driver.
func (d *Driver) Close() error {
	var err error
	d.closing.Do(func() {
		d.arrivals.close()
		d.conn.close()
		d.events.Close()
		d.flights.Close()
		err = d.fence.Close()
		d.layout.close()
	})
	return err
}

// open returns ErrClosed after Close.
func (d *Driver) open() error {
	d.conn.mu.Lock()
	defer d.conn.mu.Unlock()
	if d.conn.closed {
		return hypervisor.ErrClosed
	}
	return nil
}

// Watch implements hypervisor.Driver.
func (d *Driver) Watch(ctx context.Context) (<-chan hypervisor.Event, error) {
	return d.events.Subscribe(ctx)
}

func (d *Driver) onGap() { d.events.Publish(hypervisor.Event{Resync: true, At: d.config.Clock.Now()}) }

func (d *Driver) onEvent(event rpc.DomainEventLifecycleMsg) {
	id := formatUUID(event.Dom.UUID)
	if event.Dom.Name != domainName(id) {
		return
	}
	if power, changed := powerAfter(event); changed {
		d.events.Publish(hypervisor.Event{ID: id, Power: power, At: d.config.Clock.Now()})
	}
}

// powerAfter returns the state that a lifecycle event leads to.
func powerAfter(event rpc.DomainEventLifecycleMsg) (power hypervisor.PowerState, changed bool) {
	switch rpc.DomainEventType(event.Event) {
	case rpc.DomainEventStarted, rpc.DomainEventResumed:
		return hypervisor.Running, true
	case rpc.DomainEventSuspended:
		return hypervisor.Paused, true
	case rpc.DomainEventStopped:
		detail := rpc.DomainEventStoppedDetailType(event.Detail)
		if detail == rpc.DomainEventStoppedCrashed || detail == rpc.DomainEventStoppedFailed {
			return hypervisor.Crashed, true
		}
		return hypervisor.Shutdown, true
	case rpc.DomainEventCrashed:
		return hypervisor.Crashed, true
	case rpc.DomainEventPmsuspended:
		return hypervisor.Suspended, true
	case rpc.DomainEventUndefined:
		return hypervisor.NoState, true
	}
	return hypervisor.NoState, false
}

// lookup returns the guest's domain; ErrNotFound when there is none.
func (d *Driver) lookup(ctx context.Context, id string) (rpc.Domain, error) {
	uuid, err := parseUUID(id)
	if err != nil {
		return rpc.Domain{}, err
	}
	domain, err := call(ctx, d.conn, "look up guest "+id, func(l *rpc.Libvirt) (rpc.Domain, error) {
		return l.DomainLookupByUUID(uuid)
	})
	if err == nil && domain.Name != domainName(id) {
		return rpc.Domain{}, fmt.Errorf("look up guest %s: its UUID belongs to the foreign domain %q", id, domain.Name)
	}
	return domain, err
}

// describe returns the domain as it is now: the running one's devices, or the definition when it is off.
func (d *Driver) describe(ctx context.Context, domain rpc.Domain) (*libvirtxml.Domain, error) {
	text, err := call(ctx, d.conn, "describe "+domain.Name, func(l *rpc.Libvirt) (string, error) {
		return l.DomainGetXMLDesc(domain, 0)
	})
	if err != nil {
		return nil, err
	}
	var live libvirtxml.Domain
	if err := xml.Unmarshal([]byte(text), &live); err != nil {
		return nil, fmt.Errorf("describe %s: %w", domain.Name, err)
	}
	return &live, nil
}
