package fake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"virga/service/compute/cpus"
	"virga/service/compute/hypervisor"
	"virga/service/compute/hypervisor/internal/fanout"
	"virga/service/compute/hypervisor/internal/fence"
	"virga/service/compute/hypervisor/internal/flight"
	"virga/service/compute/hypervisor/internal/turns"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Fault is what befalls one call. The zero value is no fault.
type Fault struct {
	Delay  time.Duration // before anything else; the call's context cuts it short
	Before error         // returned before any effect
	After  error         // returned after the full effect
}

// Options describe the simulated host; zero values get defaults.
type Options struct {
	Clock Clock  // required
	Dir   string // where guests survive a restart; "": nowhere

	HostName  string // "fake-host"
	VCPUs     int    // 64
	MemoryMiB int64  // 256 GiB
	DiskGiB   int64  // 4 TiB
	// CPUs are the host's NUMA nodes and dedicated processors; nil: one node, all of whose processors are shared.
	CPUs *cpus.Host

	// Faults is asked at every call, with the method's name and the id of the guest or image ("" for neither).
	Faults func(verb, id string) Fault
	// DeviceExists tells whether a tap device exists on the simulated host; nil means that all do.
	DeviceExists func(tap string) bool
	// Lingers tells whether the memory of a guest that migrates changes so fast that the migration only ends when it is hastened; nil
	// means that none does.
	Lingers func(id string) bool
}

// Driver is a simulated hypervisor.
type Driver struct {
	options Options
	files   *files
	fence   *fence.Fence
	turns   turns.Turns
	events  fanout.Fanout
	flights flight.Flights
	viewers viewers

	placing sync.Mutex // held from finding a place for a guest until it is stored
	mu      sync.Mutex
	closed  bool
	guests  map[string]*record
	images  map[string]cachedImage
	// arrivals are the guests that are expected, hasten is closed to end a lingering migration.
	arrivals map[string]departing
	hasten   map[string]chan struct{}
}

var _ hypervisor.Driver = (*Driver)(nil)

// record is all that is known of a simulated guest; it is what a guest's file holds.
type record struct {
	Guest     hypervisor.Guest // without the config drive's content
	Drive     string           // digest of the config drive
	RootBytes int64            // size of the simulated root disk as the guest sees it
	Disks     map[hypervisor.Disk][]byte
	Snapshots map[string][]byte     `json:",omitempty"`
	Aside     *aside                `json:",omitempty"` // former disks
	Power     hypervisor.PowerState // NoState until defined
	BootedAt  time.Time             // zero when it never ran
	Boots     int
	Saved     bool // it is off and its memory is kept
	// Leaving says what the guest was while another host may run it.
	Leaving hypervisor.PowerState `json:",omitempty"`
	Rescued bool                  // it was last started from its rescue disk
	// Passwords are those of its users, NMIs is how many interrupts of that kind it got.
	Passwords map[string]string `json:",omitempty"`
	// Placement is where its NUMA nodes are.
	Placement *cpus.Placement `json:",omitempty"`
	NMIs      int             `json:",omitempty"`
}

// New returns a driver; with a directory it finds the guests and images that an earlier one left there.
func New(options Options) (*Driver, error) {
	if options.Clock == nil {
		return nil, fmt.Errorf("open fake hypervisor: no clock")
	}
	setDefaults(&options)
	d := &Driver{options: options, guests: map[string]*record{}, images: map[string]cachedImage{},
		arrivals: map[string]departing{}, hasten: map[string]chan struct{}{}}
	if options.Dir == "" {
		d.fence = fence.Memory(options.Clock.Now)
		return d, nil
	}
	var err error
	if d.files, err = openFiles(options.Dir); err != nil {
		return nil, fmt.Errorf("open fake hypervisor: %w", err)
	}
	if d.guests, d.images, err = d.files.load(); err != nil {
		return nil, fmt.Errorf("open fake hypervisor: %w", err)
	}
	if d.fence, err = fence.Open(d.files.fence(), false, options.Clock.Now); err != nil {
		return nil, fmt.Errorf("open fake hypervisor: %w", err)
	}
	return d, nil
}

func setDefaults(options *Options) {
	if options.HostName == "" {
		options.HostName = "fake-host"
	}
	if options.VCPUs == 0 {
		options.VCPUs = 64
	}
	if options.MemoryMiB == 0 {
		options.MemoryMiB = 256 << 10
	}
	if options.DiskGiB == 0 {
		options.DiskGiB = 4 << 10
	}
	if options.CPUs == nil {
		options.CPUs = SimulateCPUs(1, options.VCPUs, options.MemoryMiB, nil)
	}
	if options.Faults == nil {
		options.Faults = func(string, string) Fault { return Fault{} }
	}
	if options.DeviceExists == nil {
		options.DeviceExists = func(string) bool { return true }
	}
}

// call surrounds every verb with its faults.
func (d *Driver) call(ctx context.Context, verb, id string, effect func() error) error {
	fault := d.options.Faults(verb, id)
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	if closed {
		return hypervisor.ErrClosed
	}
	if fault.Before != nil {
		return fault.Before
	}
	if err := effect(); err != nil {
		return err
	}
	return fault.After
}

// Facts implements hypervisor.Driver.
func (d *Driver) Facts(ctx context.Context) (hypervisor.Facts, error) {
	var facts hypervisor.Facts
	err := d.call(ctx, "Facts", "", func() error {
		facts = hypervisor.Facts{
			HostName: d.options.HostName, HypervisorType: "fake", HypervisorVersion: 1000,
			VCPUs: d.options.VCPUs, MemoryMiB: d.options.MemoryMiB,
			LocalDiskGiB: d.options.DiskGiB, LocalDiskFreeGiB: d.options.DiskGiB,
			CPU: hypervisor.CPUInfo{Arch: "x86_64", Model: "fake", Vendor: "Virga", Features: []string{},
				Topology: hypervisor.CPUTopology{Cells: len(d.options.CPUs.Cells), Sockets: 1, Cores: d.options.VCPUs / len(d.options.CPUs.Cells), Threads: 1}},
			DomainType: "fake", DomainTypeReason: "guests are simulated",
			Supported: []hypervisor.SupportedGuest{{Arch: "x86_64", Type: "fake", Mode: "hvm"}},
			CPUs:      d.usedCPUs(),
			Traits:    traits(),
		}
		return nil
	})
	return facts, err
}

// Watch implements hypervisor.Driver.
func (d *Driver) Watch(ctx context.Context) (<-chan hypervisor.Event, error) {
	var events <-chan hypervisor.Event
	err := d.call(ctx, "Watch", "", func() (err error) {
		events, err = d.events.Subscribe(ctx)
		return err
	})
	return events, err
}

// Close implements hypervisor.Driver.
func (d *Driver) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		return nil
	}
	d.viewers.close()
	d.events.Close()
	d.flights.Close()
	if d.files != nil {
		d.files.close()
	}
	return d.fence.Close()
}

// SetPower changes a guest's observed state from within, as when it crashes or powers itself off.
func (d *Driver) SetPower(ctx context.Context, id string, power hypervisor.PowerState) error {
	turn, err := d.turns.Take(ctx, id)
	if err != nil {
		return err
	}
	defer turn.Done()
	r := d.lookup(id)
	if r == nil || r.Power == hypervisor.NoState {
		return fmt.Errorf("set power: %w: %s", hypervisor.ErrNotFound, id)
	}
	return d.setPower(r, power)
}

// MACs returns the hardware addresses of a guest's network interfaces, in order.
func (d *Driver) MACs(id string) []string {
	var macs []string
	if r := d.lookup(id); r != nil {
		for _, nic := range r.Guest.NICs {
			macs = append(macs, nic.MAC)
		}
	}
	return macs
}

// LoseEvents pretends that the connection to the hypervisor was lost for a while.
func (d *Driver) LoseEvents() {
	d.events.Publish(hypervisor.Event{Resync: true, At: d.options.Clock.Now()})
}

func (d *Driver) publish(id string, power hypervisor.PowerState) {
	d.events.Publish(hypervisor.Event{ID: id, Power: power, At: d.options.Clock.Now()})
}
