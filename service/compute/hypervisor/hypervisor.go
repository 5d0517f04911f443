package hypervisor

import (
	"context"
	"errors"
	"io"
	"time"

	"virga/service/compute/cpus"
)

// The errors a caller branches on. Drivers wrap them with the ids concerned; everything else is opaque and worth a retry.
var (
	// ErrInvalid says that the request can never succeed as it stands (a malformed id, a disk smaller than its image).
	ErrInvalid = errors.New("invalid guest request")
	// ErrStale says that the order is older than one already seen for the guest; repeating it is useless.
	ErrStale = errors.New("order is stale")
	// ErrNotFound says that the guest does not exist on this host, or has no domain yet for a verb that needs one.
	ErrNotFound = errors.New("guest not found")
	// ErrImageMissing says that the guest's image is not in the cache; EnsureImage brings it.
	ErrImageMissing = errors.New("image is not cached")
	// ErrImageCorrupt says that the bytes received are not the image announced (size or checksum); nothing was cached.
	ErrImageCorrupt = errors.New("image does not match its checksum")
	// ErrNoSpace says that the host lacks disk space for the request.
	ErrNoSpace = errors.New("no space left on host")
	// ErrDeviceMissing says that a tap device does not exist yet; a repeat succeeds once the network fabric has made it.
	ErrDeviceMissing = errors.New("network device is missing")
	// ErrUnavailable says that the hypervisor cannot be reached now; a repeat succeeds once it is back.
	ErrUnavailable = errors.New("hypervisor is unavailable")
	// ErrBusy says that the guest runs, so that its disks cannot be read; a repeat succeeds once it is off.
	ErrBusy = errors.New("guest is running")
	// ErrClosed says that the driver has been closed.
	ErrClosed = errors.New("driver is closed")
)

// Retryable tells whether the same request can succeed later without anybody changing it.
func Retryable(err error) bool {
	for _, final := range []error{ErrInvalid, ErrStale, ErrNotFound, ErrOff, ErrNoAgent, ErrClosed, ErrUnfit, ErrNotRunning, ErrNoRoom} {
		if errors.Is(err, final) {
			return false
		}
	}
	return err != nil
}

// Driver runs guests on one host.
//
// All methods may be called concurrently. Orders about one guest are carried out one after the other, orders about different
// guests side by side. Every method honours its context: when it ends, the call returns soon with an error that wraps the
// context's, what was done so far stays done, and a repeat continues from there.
//
// Generations order the wishes about one guest. A driver remembers the highest generation it has seen for each guest, also
// for removed guests and over its own restarts, and refuses an older one with ErrStale before any effect. So an order that was
// delayed on its way can neither undo a newer one nor bring a removed guest back.
type Driver interface {
	Snapshots
	Deeds

	// Facts tells what the host is and can do. It has no effect apart from finding out, once per driver, whether the host's
	// processor really virtualises. Sizes are those of the whole host, guests included.
	Facts(ctx context.Context) (Facts, error)

	// EnsureImage makes the image available to guests of this host. When it is cached already, open is not called. Concurrent
	// callers for one image share one transfer and its outcome; the transfer stops when the last of them gives up. The image
	// appears in the cache at once and whole, after size and SHA-512 were verified, or not at all: ErrImageCorrupt,
	// ErrNoSpace, ErrInvalid, or open's own error. The driver never guesses the format; the caller has inspected the content.
	EnsureImage(ctx context.Context, image Image, open func(context.Context) (io.ReadCloser, error)) error

	// PruneImages removes cached images that are neither in keep nor beneath a guest's disk nor being transferred, and returns the ids
	// removed. A caller lists in keep the images of guests it is about to ensure. A repeat removes nothing more.
	PruneImages(ctx context.Context, keep []string) ([]string, error)

	// EnsureGuest makes the guest be as described: disks first, then config drive, domain and power state. The same content again is
	// harmless and cheap, and leaves a running guest alone. Other content is applied as far as a running guest allows: network
	// interfaces are attached and detached at once, the root disk grows at once, everything else holds from the next start. Disks
	// are never recreated nor shrunk (ErrInvalid). Stopping asks the guest first and cuts its power after the grace; a guest in the
	// middle of that wait does not hold up RemoveGuest. Stopping a suspended guest drops its kept memory. When a rescue begins or ends the
	// guest is restarted, in the first case after it was asked to stop; each rescue has a fresh disk, which goes when the rescue ends.
	//
	// A guest with NUMA nodes gets a place for them with its disks, prepared or not, and keeps it until it is removed or, being off, wishes
	// otherwise. A dedicated processor of the host belongs to one guest at a time, over restarts of the driver, too.
	//
	// Errors: ErrStale when guest.Generation is older than seen, or not newer than that of its removal; ErrImageMissing;
	// ErrDeviceMissing naming the tap; ErrUnsupported naming what the host lacks; ErrInvalid; ErrNoSpace; ErrNoRoom; ErrUnavailable. After an error the guest may exist in part: a repeat
	// completes it, RemoveGuest clears it away.
	EnsureGuest(ctx context.Context, guest Guest) error

	// OpenDisk opens one disk of a guest that is off, so that another host's AdoptDisks can take it over. The content is what lies on
	// this host (a delta on top of DiskBase, say), in a form that drivers of one kind understand. It stays as it is as long as nobody
	// starts the guest. ErrNotFound when the guest has no such disk, ErrBusy when it runs. The caller closes the disk.
	OpenDisk(ctx context.Context, id string, disk Disk) (DiskContent, error)

	// AdoptDisks gives a guest that has no disks here those that it had on another host: fetch is called for each of Guest.OwnDisks,
	// writes what OpenDisk gave there and returns the length; its ErrNotFound says that there is no such
	// disk, which a root disk that the guest is to have must not be. Once it returned well the disks are there and EnsureGuest goes on with them, growing them as it does with any; a repeat
	// does nothing. The content is not believed: what is not of the form that this driver writes is refused. The image must be cached, as
	// for EnsureGuest. After an error nothing counts as adopted, and the parts fetched are removed. A RemoveGuest of the same guest ends
	// the fetching.
	//
	// Errors: those of EnsureGuest, ErrInvalid for content that cannot be a disk of this guest, fetch's own.
	AdoptDisks(ctx context.Context, guest Guest, fetch func(ctx context.Context, disk Disk, into io.WriterAt) (size int64, err error)) error

	// RemoveGuest ends the guest without asking it and removes all that belongs to it: domain, disks, config drive, console
	// log. A guest that does not exist is fine, and its generation is remembered all the same, so that a late EnsureGuest is refused. When
	// it fails half-way, ListGuests still shows the guest and a repeat finishes. ErrStale for an older generation; taps and cached
	// images are not touched.
	RemoveGuest(ctx context.Context, id string, generation int64) error

	// RebootGuest restarts the guest with its current definition and the same disks. Soft asks the guest and cuts its
	// power after the grace; hard does not ask. A guest that is not running is started, without the memory that was kept of it. A repeat restarts again. ErrNotFound when it has no
	// domain; ErrDeviceMissing when a tap is gone.
	RebootGuest(ctx context.Context, id string, hard bool) error

	// GetGuest returns the guest's state as observed now; ErrNotFound when nothing of it is on the host.
	GetGuest(ctx context.Context, id string) (GuestState, error)

	// ListGuests returns the state of every guest of which anything is left on the host, prepared and half removed ones included, ordered
	// by id. It does not wait for orders in progress.
	ListGuests(ctx context.Context) ([]GuestState, error)

	// ConsoleLog returns the last maxBytes bytes that the guest wrote to its first serial port since it was last
	// powered on, or nothing when it never ran. Output of earlier runs is not kept. ErrNotFound when there is no such guest.
	ConsoleLog(ctx context.Context, id string, maxBytes int) ([]byte, error)

	Consoles

	// Watch reports changes of state until ctx ends or the driver is closed, then the channel is closed. The first event is always a
	// Resync. Events are hints: a slow reader and a lost connection cost events, and the gap is reported by another Resync, upon which the
	// reader lists all guests.
	Watch(ctx context.Context) (<-chan Event, error)

	// Close gives up connections and goroutines and waits for them. Guests run on. Calls after it fail with ErrClosed.
	Close() error

	Migrator
}

// PowerState is a guest's observed state, in the numbers of the compute API (OS-EXT-STS:power_state).
type PowerState int

// The power states.
const (
	NoState   PowerState = 0
	Running   PowerState = 1
	Paused    PowerState = 3
	Shutdown  PowerState = 4
	Crashed   PowerState = 6
	Suspended PowerState = 7
)

// String returns the state's name as the compute API's documentation writes it.
func (p PowerState) String() string {
	names := map[PowerState]string{NoState: "NOSTATE", Running: "RUNNING", Paused: "PAUSED", Shutdown: "SHUTDOWN",
		Crashed: "CRASHED", Suspended: "SUSPENDED"}
	if name, ok := names[p]; ok {
		return name
	}
	return "UNKNOWN"
}

// Power is the state that the caller wishes a guest to be in.
type Power string

// The wishes.
const (
	// PowerRunning wants the guest powered on; one found off is started.
	PowerRunning Power = "running"
	// PowerStopped wants the guest defined and powered off.
	PowerStopped Power = "stopped"
	// PowerPaused wants the guest in memory, its processors standing still; one found off is started so.
	PowerPaused Power = "paused"
	// PowerSuspended wants the guest off and its memory kept on the host's disk, from where PowerRunning and PowerPaused go on, also after
	// the host was restarted. A guest found off and without kept memory is started and kept as it is before its first instruction.
	PowerSuspended Power = "suspended"
	// PowerPrepared wants its disks to exist and nothing more; a domain that exists already is left as it is.
	PowerPrepared Power = "prepared"
)

// Disk names one of the files that hold a guest's data.
type Disk string

// The disks. DiskBase is the cached image beneath the root disk; it is opened and never adopted, for EnsureImage brings it.
const (
	DiskRoot      Disk = "root"
	DiskEphemeral Disk = "ephemeral"
	DiskSwap      Disk = "swap"
	DiskVariables Disk = "variables" // of UEFI firmware
	DiskBase      Disk = "base"
)

// DiskContent is the content of a disk, with its holes.
type DiskContent interface {
	io.ReaderAt
	io.Closer
	// Size is the length in bytes.
	Size() int64
	// NextData returns the first stretch of data that ends after an offset; everything before it reads as zeros. io.EOF: no data follows.
	NextData(offset int64) (from, to int64, err error)
}

// Image names a disk image by identity and content.
type Image struct {
	ID          string // UUID
	SHA512      string // lower-case hexadecimal, of the bytes transferred
	SizeBytes   int64  // bytes transferred
	DiskFormat  string // "raw" or "qcow2", as found by inspection
	VirtualSize int64  // bytes the guest sees
}

// Guest describes one guest completely; the order of NICs is the order in which the guest first sees them.
type Guest struct {
	ID         string // the server's UUID
	Name       string // display name, informative
	HostName   string // as the guest will call itself, informative
	Generation int64  // increases with every change of the wish

	VCPUs        int
	MemoryMiB    int64
	RootGiB      int64  // 0: the image's virtual size
	Image        *Image // nil: an empty root disk of RootGiB, or none when that is 0
	EphemeralGiB int64
	SwapMiB      int64
	ConfigDrive  []byte // an ISO 9660 image; nil: none. It may hold secrets
	NICs         []NIC
	Hints        Hints
	Devices      Devices
	Storage      Storage
	Kernel       *Kernel // nil: the guest starts from what its disks hold
	Metadata     Metadata
	Rescue       *Rescue // nil: the guest starts from its own root disk
	// CPUs says how processors and memory are to be; nil: as many sockets as VCPUs, and all else left to the host.
	CPUs *cpus.Wish

	// Edition numbers the guest's disks. A guest that has disks of another edition is powered off and gets new ones from Image, but for the
	// ephemeral disk with PreserveEphemeral. With KeepEdition those that it had are kept, and come back when a later order names their
	// edition; without it none but the present ones are left.
	Edition           int64
	KeepEdition       bool
	PreserveEphemeral bool

	Power     Power
	StopGrace time.Duration // how long to wait for an orderly stop; 0: the driver's default
}

// NIC is one network interface of a guest, connected to a tap device that already exists on the host.
type NIC struct {
	PortID string // UUID, the interface's identity
	MAC    string
	Tap    string // device name, at most 15 bytes
	MTU    int    // bytes; 0: the device's default
	Model  string // "": virtio; the words of the image property hw_vif_model
	// Inbound is what the guest gets, Outbound what it sends. A change holds from the guest's next start.
	Inbound, Outbound Bandwidth
}

// Hints are wishes about the virtual hardware; a zero value leaves the choice to the driver.
type Hints struct {
	Machine  string // e.g. "pc", "q35"
	CPUModel string // a named model of the hypervisor
	DiskBus  string // "virtio" (default), "scsi", "sata", "ide", "usb"
	Agent    bool   // a channel for the QEMU guest agent
}

// Metadata tells an operator on the host whose guest this is; it changes nothing.
type Metadata struct {
	FlavorName  string
	ProjectID   string
	ProjectName string
	UserID      string
	UserName    string
	CreatedAt   time.Time
}

// GuestState is what a driver observes of a guest.
type GuestState struct {
	ID         string
	Generation int64 // the highest seen
	Power      PowerState
	Defined    bool // false for a guest that is only prepared or half removed
	Saved      bool // the guest is off and its memory is kept: it is suspended
	Rescued    bool // the guest was started from its rescue disk
	// Placement is where the guest's NUMA nodes are; nil: it has none. ListGuests need not tell it.
	Placement *cpus.Placement
}

// Event is a hint that something changed: the state of one guest, or with Resync of any.
type Event struct {
	Resync bool
	ID     string
	Power  PowerState
	At     time.Time
}

// Facts describes the host to the scheduler and to people.
type Facts struct {
	HostName          string
	HypervisorType    string // "QEMU" for libvirt's QEMU driver, accelerated or not; "fake"
	HypervisorVersion int    // major*1000000 + minor*1000 + release
	VCPUs             int
	MemoryMiB         int64
	LocalDiskGiB      int64 // size of the file system that holds the guests
	LocalDiskFreeGiB  int64
	CPU               CPUInfo
	DomainType        string // "kvm", "qemu" (emulation) or "fake"
	DomainTypeReason  string // the evidence in words
	Supported         []SupportedGuest
	// CPUs are the host's processors and memory by NUMA nodes, and what guests have of them.
	CPUs   *cpus.Host
	Traits []string // what guests can have here, in the names of os_traits, sorted
}

// CPUInfo describes the host's processor, as the hypervisors API shows it.
type CPUInfo struct {
	Arch     string      `json:"arch"`
	Model    string      `json:"model"`
	Vendor   string      `json:"vendor"`
	Features []string    `json:"features"`
	Topology CPUTopology `json:"topology"`
	// MaxPhysAddr is the width of its physical addresses; nil: it is not known.
	MaxPhysAddr *cpus.Address `json:"maxphysaddr,omitempty"`
}

// CPUTopology counts the host's cells (NUMA nodes), sockets per cell, cores per socket and threads per core.
type CPUTopology struct {
	Cells   int `json:"cells"`
	Sockets int `json:"sockets"`
	Cores   int `json:"cores"`
	Threads int `json:"threads"`
}

// SupportedGuest is one kind of guest the host can run, e.g. x86_64, qemu, hvm.
type SupportedGuest struct {
	Arch string
	Type string
	Mode string
}
