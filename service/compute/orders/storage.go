package orders

// Storage says more of a guest's disks than their sizes; what is empty is the driver's choice.
type Storage struct {
	// RootBus and SwapBus are the buses of these disks where they differ from Hints.DiskBus.
	RootBus  string `json:"root_bus,omitempty"`
	SwapBus  string `json:"swap_bus,omitempty"`
	CDROMBus string `json:"cdrom_bus,omitempty"`
	// SCSIModel is the controller of disks on the bus "scsi".
	SCSIModel string `json:"scsi_model,omitempty"`
	// Ephemerals take the place of the one ephemeral disk of Flavor.EphemeralGiB.
	Ephemerals []Ephemeral `json:"ephemerals,omitempty"`
	// DriveIsCD has the config drive be a CD; without it, it is a disk that cannot be written.
	DriveIsCD bool `json:"drive_is_cd,omitempty"`
	// ISO is in a CD drive, from which the guest boots first.
	ISO *Image `json:"iso,omitempty"`
	// Limits hold for each disk by itself.
	Limits DiskLimits `json:"limits,omitzero"`
}

// Ephemeral is a disk with an empty file system.
type Ephemeral struct {
	GiB    int64  `json:"gb"`
	Format string `json:"format,omitempty"`
	Bus    string `json:"bus,omitempty"`
}

// DiskLimits bounds the traffic of a disk, in bytes and in operations.
type DiskLimits struct {
	ReadBytes  Rate `json:"read_bytes,omitzero"`
	WriteBytes Rate `json:"write_bytes,omitzero"`
	TotalBytes Rate `json:"total_bytes,omitzero"`
	ReadOps    Rate `json:"read_ops,omitzero"`
	WriteOps   Rate `json:"write_ops,omitzero"`
	TotalOps   Rate `json:"total_ops,omitzero"`
}

// Rate is so much in a second, and Burst for at most BurstSeconds.
type Rate struct {
	PerSecond    uint64 `json:"sec"`
	Burst        uint64 `json:"sec_max,omitempty"`
	BurstSeconds uint64 `json:"sec_max_length,omitempty"`
}

// Bandwidth bounds one direction of an interface's traffic, in KiB, and KiB in a second.
type Bandwidth struct {
	Average uint64 `json:"average"`
	Peak    uint64 `json:"peak,omitempty"`
	Burst   uint64 `json:"burst,omitempty"`
}

// Kernel has a guest start from a kernel that is an image of its own.
type Kernel struct {
	Image   Image  `json:"image"`
	Ramdisk *Image `json:"ramdisk,omitempty"`
	// CommandLine is the kernel's; empty leaves it to the driver.
	CommandLine string `json:"command_line,omitempty"`
}
