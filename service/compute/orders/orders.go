package orders

import (
	"time"

	"virga/service/compute/cpus"
)

// Alive is the body of PUT /internal/hosts/{host}/alive: a sign of life.
type Alive struct {
	// Leaving says that it is the last one: the agent ends, in good order.
	Leaving bool `json:"leaving,omitempty"`
}

// AliveAnswer is the answer to a sign of life.
type AliveAnswer struct {
	// Generation is the newest of the host's orders as far as the service has noticed; an
	// agent that has another one asks.
	Generation int64 `json:"generation"`
	// NextMilliseconds is when to come next. A host that misses three times counts as down.
	NextMilliseconds int64 `json:"next_milliseconds"`
	// Report asks for a report of the host, which is not known.
	Report bool `json:"report,omitempty"`
}

// Topic is the bus topic that rings when the orders of a host change, and the bus address
// at which its agent answers questions.
func Topic(host string) string { return "compute.node." + host }

// Host is the body of PUT /internal/hosts/{host}: what a host is and can do.
type Host struct {
	HostName          string `json:"hostname"`
	HypervisorType    string `json:"hypervisor_type"`
	HypervisorVersion int    `json:"hypervisor_version"`
	VCPUs             int    `json:"vcpus"`
	MemoryMiB         int64  `json:"memory_mb"`
	LocalGiB          int64  `json:"local_gb"`
	// LocalFreeGiB is what the file system that holds the guests has left.
	LocalFreeGiB int64   `json:"local_free_gb"`
	CPU          CPU     `json:"cpu_info"`
	HostIP       string  `json:"host_ip"`
	Virt         Virt    `json:"virt"`
	Supported    []Guest `json:"supported_guests"`
	// CPUs are its processors and memory by NUMA nodes, and what guests have of them; nil: the agent is too old to tell.
	CPUs *cpus.Host `json:"cpus,omitempty"`
	// Traits are what the host can do, in the names of os_traits.
	Traits []string `json:"traits,omitempty"`
	// AgentVersion is the version of the agent's program.
	AgentVersion string `json:"agent_version"`
	// TransferURL is where other hosts fetch the disks of guests from this one; empty: nowhere.
	TransferURL string `json:"transfer_url,omitempty"`
	// Shares say what servers get of the host.
	Shares Shares `json:"shares,omitzero"`
	// UptimeSeconds counts from the host's start; Load is its load averages of 1, 5 and 15 minutes.
	UptimeSeconds int64      `json:"uptime_seconds"`
	Load          [3]float64 `json:"load"`
}

// Shares are the allocation ratios of a host, each 0 where its operator has set none, and what it keeps for itself.
type Shares struct {
	CPURatio     float64 `json:"cpu_allocation_ratio,omitempty"`
	MemoryRatio  float64 `json:"ram_allocation_ratio,omitempty"`
	DiskRatio    float64 `json:"disk_allocation_ratio,omitempty"`
	ReservedCPUs int64   `json:"reserved_host_cpus,omitempty"`
	// ReservedMemoryMiB is nil where the operator leaves it to Virga.
	ReservedMemoryMiB *int64 `json:"reserved_host_memory_mb,omitempty"`
	ReservedDiskMiB   int64  `json:"reserved_host_disk_mb,omitempty"`
}

// CPU describes a host's processor, with the names of the hypervisors API.
type CPU struct {
	Arch     string      `json:"arch"`
	Model    string      `json:"model"`
	Vendor   string      `json:"vendor"`
	Features []string    `json:"features"`
	Topology CPUTopology `json:"topology"`
	// MaxPhysAddr is the width of its physical addresses; nil: it is not known.
	MaxPhysAddr *cpus.Address `json:"maxphysaddr,omitempty"`
}

// CPUTopology counts cells, sockets per cell, cores per socket and threads per core.
type CPUTopology struct {
	Cells   int `json:"cells"`
	Sockets int `json:"sockets"`
	Cores   int `json:"cores"`
	Threads int `json:"threads"`
}

// Virt says how guests run: "kvm", "qemu" (emulation) or "fake", and the evidence in words.
type Virt struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
}

// Guest is one sort of guest that a host can run: x86_64, qemu, hvm.
type Guest struct {
	Arch string `json:"arch"`
	Type string `json:"type"`
	Mode string `json:"mode"`
}

// GuestList is the answer to GET /internal/hosts/{host}/guests?since=N: the orders that
// changed after generation N, all of them for N = 0. An agent passes Generation as the next
// N; when it is smaller than the N asked for (the database was restored) it asks again with 0.
type GuestList struct {
	Generation int64        `json:"generation"`
	Guests     []GuestOrder `json:"guests"`
	// Caches are the images that the host is to cache before a guest needs them.
	Caches []CacheOrder `json:"caches,omitempty"`
}

// Desired is what a guest should be.
type Desired string

// The wishes. Prepared: image cached and disks made, no domain yet. Paused: in memory, and
// standing still. Suspended: off, its memory kept on the host's disk. Rescued: running from
// the disk that the order's Rescue says.
const (
	Prepared  Desired = "prepared"
	Running   Desired = "running"
	Paused    Desired = "paused"
	Suspended Desired = "suspended"
	Rescued   Desired = "rescued"
	Stopped   Desired = "stopped"
	Absent    Desired = "absent"
)

// GuestOrder is the wish for one guest. An Absent order holds no more than ServerID,
// Generation, OperationID, Epoch, Desired and Settled.
type GuestOrder struct {
	ServerID   string `json:"server_id"`
	Generation int64  `json:"generation"`
	// OperationID and Epoch name the durable operation that gave the order, for logs and as
	// a fence: of one operation's orders an older epoch is refused.
	OperationID string  `json:"operation_id"`
	Epoch       int64   `json:"epoch"`
	Desired     Desired `json:"desired"`
	// Settled is true once this generation was reported as reached: it is to be watched and
	// not acted on.
	Settled bool `json:"settled"`
	// WasRunning is true when the guest ran as far as the service has heard, which after a restart of the host is what
	// it was before.
	WasRunning bool `json:"was_running,omitempty"`
	// Reboot is there until a report with RebootDone >= Reboot.Seq was stored. An agent
	// remembers the Seq it has done and does not repeat it.
	Reboot *Reboot `json:"reboot,omitempty"`

	Name     string `json:"name"`
	HostName string `json:"hostname"`
	Image    *Image `json:"image,omitempty"`
	Flavor   Flavor `json:"flavor"`
	NICs     []NIC  `json:"nics"`
	// Rescue counts when Desired is Rescued.
	Rescue *Rescue `json:"rescue,omitempty"`
	// ConfigDrive holds the documents of the config drive; nil: none is wanted, or the
	// order is Settled.
	ConfigDrive *ConfigDrive `json:"config_drive,omitempty"`
	Hints       Hints        `json:"hints"`
	Devices     Devices      `json:"devices,omitzero"`
	Storage     Storage      `json:"storage,omitzero"`
	// Kernel is there when the guest starts from a kernel outside of its disks.
	Kernel *Kernel `json:"kernel,omitempty"`
	// CPUs say how processors and memory are to be; nil: as the flavor says, and nothing more is asked.
	CPUs     *cpus.Wish `json:"cpus,omitempty"`
	Metadata Metadata   `json:"metadata"`
	// StopGraceSeconds is how long an orderly stop may take before the power is cut; 0: the
	// driver's default.
	StopGraceSeconds int `json:"stop_grace_seconds,omitempty"`
	// Send lets another host fetch the guest's disks from this one while this order is the newest.
	Send *Send `json:"send,omitempty"`
	// Receive says where the guest's disks are to be fetched from, if they are not here.
	Receive *Receive `json:"receive,omitempty"`
	// Move says where the running guest is to go (Moved), or where it may have gone before it is to run here again.
	Move *Move `json:"move,omitempty"`
	// Arrive says who may bring the guest while it runs.
	Arrive *Arrive `json:"arrive,omitempty"`
	// Edition numbers the guest's disks: one that has those of another edition gets new ones from Image, but for the ephemeral
	// disk with PreserveEphemeral. Until an order comes without KeepEdition the ones of before can be ordered back.
	Edition           int64 `json:"edition,omitempty"`
	KeepEdition       bool  `json:"keep_edition,omitempty"`
	PreserveEphemeral bool  `json:"preserve_ephemeral,omitempty"`
	// Snapshot asks for a copy of the root disk to be uploaded.
	Snapshot *Snapshot `json:"snapshot,omitempty"`
}

// Send names who may fetch a guest's disks.
type Send struct {
	ToHost string `json:"to_host"`
	// SecretSHA256 is the digest, in hexadecimal, of the secret that ToHost brings along.
	SecretSHA256 string `json:"secret_sha256"`
}

// Receive names where a guest's disks are.
type Receive struct {
	FromHost string `json:"from_host"`
	// URL is FromHost's Host.TransferURL.
	URL string `json:"url"`
	// Secret is good for this guest, this pair of hosts and this migration.
	Secret Secret `json:"secret"`
}

// Secret is a text that is sent and stored, and neither printed nor logged.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "***" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "***" }

// Reboot asks for one restart.
type Reboot struct {
	Seq  int64 `json:"seq"`
	Hard bool  `json:"hard"`
}

// Image is a disk image by identity and content; the bytes come from the image service.
type Image struct {
	ID     string `json:"id"`
	SHA512 string `json:"sha512"`
	// Size counts the bytes transferred, VirtualSize those that the guest sees.
	Size        int64  `json:"size"`
	DiskFormat  string `json:"disk_format"`
	VirtualSize int64  `json:"virtual_size"`
}

// Rescue is what a guest is rescued with. Device and Bus are the rescue image's hw_rescue_device
// and hw_rescue_bus; without either of them the rescue disk takes the place of the root disk.
type Rescue struct {
	Image  Image  `json:"image"`
	Device string `json:"device,omitempty"`
	Bus    string `json:"bus,omitempty"`
	// Kernel is what the rescued guest starts from, in the place of GuestOrder.Kernel.
	Kernel *Kernel `json:"kernel,omitempty"`
}

// Flavor is the size of a guest.
type Flavor struct {
	Name         string `json:"name"`
	VCPUs        int    `json:"vcpus"`
	MemoryMiB    int64  `json:"memory_mb"`
	RootGiB      int64  `json:"root_gb"`
	EphemeralGiB int64  `json:"ephemeral_gb"`
	SwapMiB      int64  `json:"swap_mb"`
}

// NIC is one network interface; Tap is the device that the network agent makes for the port.
type NIC struct {
	PortID    string `json:"port_id"`
	NetworkID string `json:"network_id"`
	MAC       string `json:"mac"`
	Tap       string `json:"tap"`
	MTU       int    `json:"mtu"`
	Model     string `json:"model,omitempty"`
	// Inbound is what the guest gets, Outbound what it sends.
	Inbound  Bandwidth `json:"inbound,omitzero"`
	Outbound Bandwidth `json:"outbound,omitzero"`
}

// ConfigDrive holds the documents of a config drive, each nil when there is none.
type ConfigDrive struct {
	MetaData    []byte `json:"meta_data,omitempty"`
	UserData    []byte `json:"user_data,omitempty"`
	NetworkData []byte `json:"network_data,omitempty"`
	VendorData  []byte `json:"vendor_data,omitempty"`
	VendorData2 []byte `json:"vendor_data2,omitempty"`
	EC2MetaData []byte `json:"ec2_meta_data,omitempty"`
	// Content holds injected files by the names below openstack/content.
	Content map[string][]byte `json:"content,omitempty"`
	// Time stamps every file.
	Time time.Time `json:"time"`
}

// Hints are wishes of the image about virtual hardware; empty leaves the choice to the driver.
type Hints struct {
	Machine  string `json:"machine,omitempty"`
	CPUModel string `json:"cpu_model,omitempty"`
	DiskBus  string `json:"disk_bus,omitempty"`
	// Agent asks for the channel of the QEMU guest agent.
	Agent bool `json:"agent,omitempty"`
}

// Metadata tells an operator on the host whose guest it is.
type Metadata struct {
	FlavorName  string    `json:"flavor_name"`
	ImageID     string    `json:"image_id"`
	ProjectID   string    `json:"project_id"`
	ProjectName string    `json:"project_name"`
	UserID      string    `json:"user_id"`
	UserName    string    `json:"user_name"`
	CreatedAt   time.Time `json:"created_at"`
}

// Report is the body of PUT /internal/hosts/{host}/guests/{server_id}.
type Report struct {
	// Generation is that of the order which the report is about: the newest the agent knows.
	Generation int64 `json:"generation"`
	State      State `json:"state"`
	// PowerState is what the guest is; with StateFailed 0 when that is not known.
	PowerState int    `json:"power_state"`
	Error      *Error `json:"error,omitempty"`
	// RebootDone is the greatest Reboot.Seq carried out, 0 for none.
	RebootDone int64 `json:"reboot_done"`
	// Progress comes with StateMoving.
	Progress *Progress `json:"progress,omitempty"`
	// Placement is where the guest's NUMA nodes are on the host; nil: it has none.
	Placement *cpus.Placement `json:"placement,omitempty"`
	// Snapshot is how far the snapshot of this generation has come, as far as the agent knows.
	Snapshot SnapshotPhase `json:"snapshot,omitempty"`
}

// State is what a guest is, in the words of Desired, or StateFailed.
type State string

// The states. StateStopped is also a guest that went down by itself; power_state then says
// how (4 shut down, 6 crashed). StateRunning is also a guest that somebody else than the
// service has paused (3) or that sleeps by its own will (7). StateFailed comes with an Error.
const (
	StatePrepared  State = "prepared"
	StateRunning   State = "running"
	StatePaused    State = "paused"
	StateSuspended State = "suspended"
	StateRescued   State = "rescued"
	StateStopped   State = "stopped"
	StateAbsent    State = "absent"
	StateFailed    State = "failed"
)

// Error says why an order could not be carried out.
type Error struct {
	Class Class `json:"class"`
	// Message is for the server's owner: no paths, no addresses of the inside.
	Message string `json:"message"`
}

// Class says what is to be done about an error.
type Class string

// The classes. Retry: the agent goes on trying, the report is for information. Elsewhere:
// this host cannot, another may. Fail: no host will.
const (
	Retry     Class = "retry"
	Elsewhere Class = "elsewhere"
	Fail      Class = "fail"
)

// QuestionConsole is the bus question for the end of a guest's console log; its body is
// a ConsoleQuestion in JSON, its answer the bytes as they are.
const QuestionConsole = "console_log"

// ErrNoGuest is the text with which an agent answers a question about a guest that it has not.
const ErrNoGuest = "no such guest on this host"

// ConsoleQuestion asks for the last Length bytes of a guest's console log.
type ConsoleQuestion struct {
	ServerID string `json:"server_id"`
	Length   int    `json:"length"`
}
