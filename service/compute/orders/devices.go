package orders

// Devices is what a guest's flavor and image ask of its virtual hardware, apart from disks and processors. A zero value leaves the choice
// to the host. The words are those of nova's image properties.
type Devices struct {
	// Firmware is "bios" or "uefi".
	Firmware string `json:"firmware,omitempty"`
	// SecureBoot is "required", "optional" (where the host can) or "disabled", and counts with uefi alone.
	SecureBoot string `json:"secure_boot,omitempty"`
	// Stateless firmware keeps no variables over a restart.
	Stateless bool `json:"stateless,omitempty"`
	BootMenu  bool `json:"boot_menu,omitempty"`
	// Video is the model of the display adapter; "none": no display at all. VideoMiB is its memory.
	Video    string `json:"video,omitempty"`
	VideoMiB int64  `json:"video_mb,omitempty"`
	// NoRNG keeps the random number generator away. RNGBytes bounds what it gives in RNGPeriod milliseconds; 0: there is no bound, or a second.
	NoRNG     bool  `json:"no_rng,omitempty"`
	RNGBytes  int64 `json:"rng_bytes,omitempty"`
	RNGPeriod int64 `json:"rng_period,omitempty"`
	// Watchdog is what happens when the guest stops serving it: "none", "pause", "poweroff", "reset"; empty: there is no watchdog.
	Watchdog string `json:"watchdog,omitempty"`
	// Pointer and Keyboard are the buses of a tablet and a keyboard, "usb" or "virtio".
	Pointer  string `json:"pointer,omitempty"`
	Keyboard string `json:"keyboard,omitempty"`
	// SerialPorts counts them; 0 is one.
	SerialPorts int    `json:"serial_ports,omitempty"`
	Sound       string `json:"sound,omitempty"`
	// USB is the model of the USB controller, "qemu-xhci" or "nec-xhci"; without one there is a controller if a device needs it.
	USB string `json:"usb,omitempty"`
	// HideHypervisor has the guest not see that it is one.
	HideHypervisor bool `json:"hide_hypervisor,omitempty"`
	HPET           bool `json:"hpet,omitempty"`
	// Windows gives the guest a clock in local time and, under KVM, what Windows knows of Hyper-V.
	Windows bool `json:"windows,omitempty"`
	// MultiQueue gives each virtio interface as many queues as there are processors, PackedRing their newer form.
	MultiQueue bool `json:"multi_queue,omitempty"`
	PackedRing bool `json:"packed_ring,omitempty"`
	// IOMMU is "intel", "smmuv3", "virtio" or "auto".
	IOMMU string `json:"iommu,omitempty"`
}
