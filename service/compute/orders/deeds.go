package orders

// The bus questions about one running guest, each with a body in JSON. What they do is not a wish that lasts, so they are asked and answered
// and nowhere stored.
const (
	// QuestionPassword gives a user a password; its body is a PasswordQuestion, its answer empty.
	QuestionPassword = "set_password"
	// QuestionNMI interrupts the guest; its body is a GuestQuestion, its answer empty.
	QuestionNMI = "inject_nmi"
	// QuestionDiagnostics measures the guest; its body is a GuestQuestion, its answer Diagnostics in JSON.
	QuestionDiagnostics = "diagnostics"
)

// The texts with which an agent answers such a question in vain, besides ErrNoGuest.
const (
	ErrOff         = "the guest is not running"
	ErrNoAgent     = "the guest has no agent"
	ErrAgentSilent = "the guest's agent does not answer"
)

// GuestQuestion names a guest.
type GuestQuestion struct {
	ServerID string `json:"server_id"`
}

// PasswordQuestion names a guest, a user of its system and the user's new password.
type PasswordQuestion struct {
	ServerID string `json:"server_id"`
	User     string `json:"user"`
	Password Secret `json:"password"`
}

// Diagnostics are a running guest's meters since it was started.
type Diagnostics struct {
	Driver     string      `json:"driver"`
	Hypervisor string      `json:"hypervisor"`
	CPUs       []CPUMeter  `json:"cpus"`
	NICs       []NICMeter  `json:"nics"`
	Disks      []DiskMeter `json:"disks"`
	// MemoryMaximum and MemoryUsed are in KiB; Memory is by libvirt's names.
	MemoryMaximum int64            `json:"memory_maximum"`
	MemoryUsed    int64            `json:"memory_used"`
	Memory        map[string]int64 `json:"memory"`
}

// CPUMeter is a virtual processor's; Time is in nanoseconds.
type CPUMeter struct {
	ID   int   `json:"id"`
	Time int64 `json:"time"`
}

// NICMeter is a network interface's.
type NICMeter struct {
	Tap       string `json:"tap"`
	MAC       string `json:"mac"`
	RxOctets  int64  `json:"rx_octets"`
	RxPackets int64  `json:"rx_packets"`
	RxErrors  int64  `json:"rx_errors"`
	RxDrop    int64  `json:"rx_drop"`
	TxOctets  int64  `json:"tx_octets"`
	TxPackets int64  `json:"tx_packets"`
	TxErrors  int64  `json:"tx_errors"`
	TxDrop    int64  `json:"tx_drop"`
}

// DiskMeter is a disk's.
type DiskMeter struct {
	Name          string `json:"name"`
	ReadBytes     int64  `json:"read_bytes"`
	ReadRequests  int64  `json:"read_requests"`
	WriteBytes    int64  `json:"write_bytes"`
	WriteRequests int64  `json:"write_requests"`
}
